/* One reconcile: its key, its outcome, and what surrounds it (events, expectations, log, clock).
 *
 * A reconcile is told a key, never an event; it may run at any time and any number of times with
 * the same result. Threads: worker. Lifetime: ctx and all that comes from it end with the call. */
#ifndef OPERON_RECONCILE_H
#define OPERON_RECONCILE_H

#include <operon/client.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { OPR_OP_DONE = 0, OPR_OP_AFTER = 1, OPR_OP_RETRY = 2, OPR_OP_FAIL = 3 };

/* How a reconcile ends; make one with the four functions below, which can not be combined. */
typedef struct opr_result {
    int32_t op; /* OPR_OP_* */
    uint32_t after_ms;
    const char *why; /* borrowed from ctx or static; may be NULL */
} opr_result;

/* Nothing to do until something changes. Clears the key's backoff. */
static inline opr_result opr_done(void)
{
    opr_result r = {OPR_OP_DONE, 0, NULL};
    return r;
}
/* Run again after a time; counts as no error and clears the backoff. */
static inline opr_result opr_requeue_after_ms(uint32_t ms)
{
    opr_result r = {OPR_OP_AFTER, ms, NULL};
    return r;
}
/* Run again with the key's exponential backoff (5 ms doubling to 1000 s, as client-go). */
static inline opr_result opr_retry(const char *why)
{
    opr_result r = {OPR_OP_RETRY, 0, why};
    return r;
}
/* Not before the object changes again. */
static inline opr_result opr_fail(const char *why)
{
    opr_result r = {OPR_OP_FAIL, 0, why};
    return r;
}

static inline struct opr_key opr_ctx_key(const struct opr_ctx *c)
{
    return opr__host->ctx_key(c);
}
/* Wall clock in milliseconds since 1970, of the runtime's clock (a test's clock in a test). */
static inline int64_t opr_ctx_now_ms(const struct opr_ctx *c)
{
    return opr__host->ctx_now_ms(c);
}
/* True once the reconcile's deadline has passed or the runtime stops. */
static inline bool opr_ctx_cancelled(const struct opr_ctx *c)
{
    return opr__host->ctx_cancelled(c);
}
/* Text of the last failed call; "" where none failed. */
static inline const char *opr_ctx_error(const struct opr_ctx *c)
{
    return opr__host->ctx_error(c);
}
/* What the plugin's init returned. */
static inline void *opr_ctx_state(const struct opr_ctx *c)
{
    return opr__host->ctx_state(c);
}
/* Text and memory (zeroed) from the reconcile's arena. */
OPR_PRINTF(2, 3) static inline char *opr_ctx_text(struct opr_ctx *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = opr__host->ctx_text(c, fmt, args);
    va_end(args);
    return text;
}
static inline void *opr_ctx_alloc(struct opr_ctx *c, size_t size_bytes)
{
    return opr__host->ctx_alloc(c, size_bytes);
}
OPR_PRINTF(3, 4)
static inline void opr_ctx_log(struct opr_ctx *c, int32_t level, const char *msg, ...)
{
    va_list args;
    va_start(args, msg);
    opr__host->ctx_log(c, level, msg, args);
    va_end(args);
}
/* Records an Event about an object; type is "Normal" or "Warning". Aggregated as upstream does. */
OPR_PRINTF(5, 6)
static inline void opr_event(struct opr_ctx *c, const struct opr_obj *about, const char *type,
                             const char *reason, const char *msg, ...)
{
    va_list args;
    va_start(args, msg);
    opr__host->event(c, about, type, reason, msg, args);
    va_end(args);
}

/* Expectations (kubernetes pkg/controller ControllerExpectations): before writing n creates and m
 * deletes, say so; until as many were seen by the mapping function (opr_map_expected), or five
 * minutes have passed, opr_expect_satisfied() is false for this key. A failed write lowers them. */
static inline bool opr_expect_satisfied(struct opr_ctx *c)
{
    return opr__host->expect_satisfied(c);
}
static inline void opr_expect(struct opr_ctx *c, uint32_t creates, uint32_t deletes)
{
    opr__host->expect(c, creates, deletes);
}
static inline void opr_expect_lower(struct opr_ctx *c, uint32_t creates, uint32_t deletes)
{
    opr__host->expect_lower(c, creates, deletes);
}
/* Adds a key to the queue of a controller of this manager (NULL: this one) after a time. */
static inline void opr_enqueue_after(struct opr_ctx *c, const char *controller, struct opr_key key,
                                     uint32_t ms)
{
    opr__host->enqueue_after(c, controller, key, ms);
}

#ifdef __cplusplus
}
#endif
#endif
