/* The disruption controller: what a PodDisruptionBudget says of itself, as upstream's
 * disruption-controller counts it (kubernetes.io/docs/tasks/run-application/configure-pdb). An
 * eviction is judged by the API server, which counts for itself: this status is for those who read
 * it (kubectl get pdb, autoscalers). Threads: worker. Lifetime: all is the reconcile's. */
#ifndef OPR_CONTROLLERS_DISRUPTION_H
#define OPR_CONTROLLERS_DISRUPTION_H

#include "controllers/common.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BUDGET_GVK "policy/v1/PodDisruptionBudget"
/* A pod whose eviction was allowed and that is still not deleted after this time is healthy again.
 */
enum { DELETION_MS = 120000 };

struct budget {
    struct opr_ctx *c;
    const struct opr_obj *self;
    const char *ns;
    int64_t now_ms, next_ms;     /* next_ms: when to look again; INT64_MAX: no need */
    const struct opr_obj **pods; /* those that the selector selects */
    uint32_t pod_count;
    struct opr_doc *disrupted; /* status.disruptedPods as it is to be */
    int64_t healthy, desired, expected;
    const char *problem; /* why nothing could be counted; NULL: it could */
};

bool budget_selects(const struct opr_obj *budget, const struct opr_obj *pod);
/* expected.c: expected and desired, or problem. */
void budget_expect(struct budget *b);
/* status.c */
OPR_NODISCARD opr_status budget_write(struct budget *b);

#ifdef __cplusplus
}
#endif
#endif
