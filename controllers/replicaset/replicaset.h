/* The ReplicaSet controller: keeps spec.replicas active pods. One sync = claim, manage, status.
 * Threads: worker. Lifetime: all in struct rset is the reconcile's. */
#ifndef OPR_CONTROLLERS_REPLICASET_H
#define OPR_CONTROLLERS_REPLICASET_H

#include "controllers/common.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Pods created or deleted by one sync at most (upstream's BurstReplicas). */
enum { REPLICASET_BURST = 500 };
#define REPLICASET_GVK "apps/v1/ReplicaSet"
/* Pods without any owner are found by this index with the value "". */
#define REPLICASET_POD_INDEX "owner0=/metadata/ownerReferences/0/uid"

struct rset {
    struct opr_ctx *c;
    const struct opr_obj *self;
    const char *ns, *name, *uid;
    int64_t replicas;            /* spec.replicas */
    const struct opr_obj **pods; /* claimed active pods */
    uint32_t count;
    uint32_t terminating; /* owned pods being deleted that have not ended */
    /* Set by manage: the condition ReplicaFailure; reason NULL: none. */
    const char *failure_reason, *failure_message;
};

/* Fills pods and terminating; adopts and releases. */
OPR_NODISCARD opr_status rset_claim(struct rset *rs);
/* Creates or deletes pods. On failure failure_reason is set and the error is the first one. */
OPR_NODISCARD opr_status rset_manage(struct rset *rs);
/* Puts the n pods to delete first in rs->pods (spec 1.2, eight keys). */
void rset_rank(struct rset *rs, uint32_t n);
/* Writes status where it changed; ret_after_ms is when a pod becomes available next, 0: none. */
OPR_NODISCARD opr_status rset_status(struct rset *rs, uint32_t *ret_after_ms);

/* One pod's sort key. */
struct pod_rank {
    const struct opr_obj *pod;
    const char *uid;
    bool is_assigned, is_ready;
    int32_t phase; /* Pending 0, Unknown 1, Running 2 */
    int32_t cost;
    uint32_t neighbours; /* active related pods on its node */
    int64_t ready_age_log2, age_log2;
    int64_t restarts, sidecar_restarts;
};
void pod_rank_fill(struct pod_rank *r, const struct opr_obj *pod, uint32_t neighbours,
                   int64_t now_ms);
/* qsort order: the pod to delete first comes first. */
int pod_rank_compare(const void *a, const void *b);

#ifdef __cplusplus
}
#endif
#endif
