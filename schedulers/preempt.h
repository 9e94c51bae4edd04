/* Preemption: making room for a pod by deleting pods of lower priority (kube-scheduler's
 * DefaultPreemption; spec 1.8). Thread: the one worker. Lifetime: of one cycle. */
#ifndef OPR_SCHEDULERS_PREEMPT_H
#define OPR_SCHEDULERS_PREEMPT_H

#include "schedulers/scheduler.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The pods that would have to leave a node. */
struct victims {
    struct sched_node *node;
    const struct sched_pod **pods; /* the most important first */
    uint32_t count;
    uint32_t violations; /* of disruption budgets */
};

/* victims.c: whether the pod of the cycle would fit on n without some less urgent pods, and the
 * fewest that it takes, the most important kept first. False: why not is counted in y. The node is
 * as before when it returns. */
bool victims_find(struct cycle *y, struct sched_node *n, struct victims *ret_victims);
/* Whether a costs less than b. */
bool victims_are_cheaper(const struct victims *a, const struct victims *b);

#ifdef __cplusplus
}
#endif
#endif
