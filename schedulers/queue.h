/* The scheduler's queues: active (by priority, then age), backoff (by expiry), parked (rejected,
 * until something changes that may help) and gated (schedulingGates). Rules and times:
 * kube-scheduler's scheduling queue (spec 1.8). Thread: the one worker. Lifetime: part of struct
 * cluster. */
#ifndef OPR_SCHEDULERS_QUEUE_H
#define OPR_SCHEDULERS_QUEUE_H

#include <operon/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

struct queued;
/* A binary heap; without an order, a set. */
struct pile {
    struct queued **at; /* owned array, borrowed members */
    uint32_t count, room;
    bool (*is_before)(const struct queued *a, const struct queued *b);
};

/* One pending pod. */
struct queued {
    char *uid;         /* owned; the key */
    struct opr_obj *o; /* ref: the newest state seen */
    struct pile *pile; /* where it waits; NULL: in flight, or bound and not yet confirmed */
    uint32_t index;    /* in the pile */
    int64_t priority;
    uint64_t age;         /* number of the last time that it was put into the queues */
    uint32_t attempts;    /* that failed */
    uint32_t rejected_by; /* bits of the filters that refused a node, or OUTSIDE_* */
    int64_t ready_ms;     /* when its backoff ends */
    int64_t flush_ms;     /* when it leaves the parked pile whatever happens */
    struct queued *next_nominated;
};

struct queues {
    void *by_uid; /* search(3) tree of struct queued */
    struct pile active, backoff, errors, parked, gated;
    struct queued *nominated; /* those with a nominatedNodeName, linked by next_nominated */
    bool has_freed_promise; /* room that was promised is free again: on which node, nobody knows */
    uint64_t ages;
    int64_t next_flush_ms;
};

void queues_init(struct queues *s);
void queues_fini(struct queues *s);
struct queued *queue_find(struct queues *s, const char *uid);
/* A pod is there, or has changed: its place follows from its gates and from what has changed. */
void queue_update(struct queues *s, const struct opr_obj *pod, int64_t now_ms);
/* It is bound, gone, or someone else's. */
void queue_remove(struct queues *s, const char *uid);
/* Only the newest state, as a write of our own returned it. */
void queue_refresh(struct queues *s, struct queued *q, const struct opr_obj *pod);
/* The next one to schedule, now in flight; NULL: none. An attempt waits for its backoff only while
 * others are active; one that failed by an error always does. */
struct queued *queue_pop(struct queues *s, int64_t now_ms);
/* The attempt found no node; or it failed by an error. */
void queue_park(struct queues *s, struct queued *q, uint32_t rejected_by, int64_t now_ms);
void queue_retry(struct queues *s, struct queued *q, int64_t now_ms);
/* Something changed that may help. */
void queue_wake(struct queues *s, struct queued *q, int64_t now_ms);
/* It is bound to a node: what it was promised, there or elsewhere, is no promise any more. */
void queue_drop_nomination(struct queues *s, struct queued *q, const char *now_on);
/* Milliseconds until a pod is to be looked at without any change; 0: now; -1: never. */
int64_t queue_next_ms(const struct queues *s, int64_t now_ms);

#ifdef __cplusplus
}
#endif
#endif
