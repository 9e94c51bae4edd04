/* The executor seam: runs functions away from the loop. The pool has threads; the inline one runs
 * each function in the call (a test, the simulator). Threads: opr_executor_run from any. */
#ifndef OPR_BASE_EXECUTOR_H
#define OPR_BASE_EXECUTOR_H

#include <operon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opr_executor;

struct opr_executor *opr_executor_pool_new(const char *name, uint32_t threads);
struct opr_executor *opr_executor_inline_new(void);
/* Waits for what runs and what is queued. */
void opr_executor_free(struct opr_executor *e);
void opr_executor_run(struct opr_executor *e, void (*fn)(void *), void *arg);

#ifdef __cplusplus
}
#endif
#endif
