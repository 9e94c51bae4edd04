/* Structured log: constant message, facts as key/value pairs. One line of logfmt on stderr:
 *     2026-01-02T03:04:05.678Z INFO  scheduler  pod bound  pod=default/web-1 node=node-2
 * Threads: any. A level is set once at start. */
#ifndef OPR_BASE_LOG_H
#define OPR_BASE_LOG_H

#include <operon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

void opr_log_set_level(int32_t level);
bool opr_log_enabled(int32_t level);
/* NULL: stderr. A test captures lines; the line has no newline. The sink is called by one thread at
 * a time, never after it was replaced, and must not log. */
void opr_log_set_sink(void (*sink)(void *arg, int32_t level, const char *line), void *arg);
/* One write(2) a line. Control characters are escaped (\n, \x1b); facts are cut at 2,047 bytes.
 * facts is a printf format of the key/value pairs, or NULL: opr_log(OPR_LOG_INFO, "scheduler",
 * "pod bound", "pod=%s/%s node=%s", ns, name, node). */
OPR_PRINTF(4, 5)
void opr_log(int32_t level, const char *area, const char *message, const char *facts, ...);

#ifdef __cplusplus
}
#endif
#endif
