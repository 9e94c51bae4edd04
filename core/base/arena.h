/* Memory of one reconcile, request or command: taken piece by piece, given back at once.
 * Threads: one owner. */
#ifndef OPR_BASE_ARENA_H
#define OPR_BASE_ARENA_H

#include <operon/types.h>

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opr_arena;

struct opr_arena *opr_arena_new(void);
void opr_arena_free(struct opr_arena *a); /* runs the deferred functions, newest first */
void opr_arena_clear(struct opr_arena *a);
void *opr_arena_alloc(struct opr_arena *a, size_t size_bytes); /* zeroed, 16-byte aligned */
char *opr_arena_dup(struct opr_arena *a, struct opr_str s);    /* terminated */
OPR_PRINTF(2, 3) char *opr_arena_printf(struct opr_arena *a, const char *fmt, ...);
char *opr_arena_vprintf(struct opr_arena *a, const char *fmt, va_list args);
/* fn(arg) runs when the arena is cleared or freed. */
void opr_arena_defer(struct opr_arena *a, void (*fn)(void *), void *arg);

#ifdef __cplusplus
}
#endif
#endif
