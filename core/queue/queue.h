/* Keyed work queue (client-go util/workqueue): a key is queued once, handled by one worker at a
 * time, and queued again if it came meanwhile; delayed adds; per-key exponential backoff with a
 * token bucket over all. Threads: any. Time comes from the clock seam: opr_queue_next_due_ns()
 * tells when opr_queue_tick() is due. */
#ifndef OPR_QUEUE_QUEUE_H
#define OPR_QUEUE_QUEUE_H

#include "core/base/clock.h"
#include "core/base/str.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_queue;
struct opr_queue_config {
    const char *name;
    const struct opr_clock *clock;
    uint32_t base_delay_ms; /* 0: 5 */
    uint32_t max_delay_ms;  /* 0: 1,000,000 */
    uint32_t bucket_per_s;  /* 0: 10 */
    uint32_t bucket_burst;  /* 0: 100 */
    /* Any thread, no lock held: a key became ready, or the next due time came nearer. */
    void (*on_ready)(void *arg);
    void *arg;
};
struct opr_queue_stats {
    uint64_t adds;    /* keys that became ready or will after done; repeated adds count once */
    uint64_t retries; /* adds with a delay */
    uint32_t depth, active, waiting; /* ready, being handled, delayed */
};

struct opr_queue *opr_queue_new(const struct opr_queue_config *config);
void opr_queue_free(struct opr_queue *q);
void opr_queue_add(struct opr_queue *q, struct opr_str key);
/* Of two delays of a key the one that ends first counts. An add in between does not cancel it. */
void opr_queue_add_after(struct opr_queue *q, struct opr_str key, uint64_t after_ms);
void opr_queue_add_limited(struct opr_queue *q, struct opr_str key); /* backoff and bucket */
void opr_queue_forget(struct opr_queue *q, struct opr_str key);      /* clears the backoff */
uint32_t opr_queue_failures(const struct opr_queue *q, struct opr_str key);
/* Takes a ready key, or false. Does not block. key is terminated, owned: opr_free(). waited (may be
 * NULL): how long since the add that made it ready. */
bool opr_queue_take(struct opr_queue *q, char **ret_key, uint64_t *ret_waited_ns);
void opr_queue_done(struct opr_queue *q, struct opr_str key);
void opr_queue_tick(struct opr_queue *q);                  /* moves due keys to ready */
uint64_t opr_queue_next_due_ns(const struct opr_queue *q); /* monotonic; UINT64_MAX: none */
/* Adds and delays do nothing from now on. What is ready, or came again while handled, is still
 * handed out; all is drained where depth and active are 0. */
void opr_queue_stop(struct opr_queue *q);
struct opr_queue_stats opr_queue_stats_of(const struct opr_queue *q);

#ifdef __cplusplus
}
#endif
#endif
