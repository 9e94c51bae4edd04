/* The node lifecycle controller: who has stopped reporting, the taints that follow from conditions,
 * eviction by NoExecute taints, pods whose node is gone (spec 1.4). One worker: the state needs no
 * lock. Lifetime: struct lifecycle is the plugin's state, struct sync the reconcile's. */
#ifndef OPR_CONTROLLERS_NODELIFECYCLE_H
#define OPR_CONTROLLERS_NODELIFECYCLE_H

#include "controllers/common.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LEASE_NS "kube-node-lease"
#define TAINT_NOT_READY "node.kubernetes.io/not-ready"
#define TAINT_UNREACHABLE "node.kubernetes.io/unreachable"
#define ZONE_PTR "/metadata/labels/topology.kubernetes.io~1zone"

enum {
    GRACE_MS = 40000,          /* upstream's node monitor grace period */
    ORPHAN_MS = 40000,         /* a node must be gone for as long before its pods are */
    DEFAULT_TOLERATION_S = 300 /* what admission adds for both NoExecute taints */
};

/* A NoExecute taint without timeAdded, and when we first saw it. */
struct seen_taint {
    uint64_t id;
    int64_t since_ms;
};
enum { SEEN_TAINTS_MAX = 16 };

/* One node as this process has observed it. */
struct node_state {
    char *name;          /* owned; the key */
    uint64_t heartbeat;  /* hash of what the node last reported */
    int64_t observed_ms; /* our clock, when that changed */
    struct seen_taint seen[SEEN_TAINTS_MAX];
    uint32_t seen_count;
    int64_t gone_ms;    /* when it was first missing; 0: it is there */
    bool is_registered; /* its event was written */
};
struct zone_limit {
    char *zone; /* owned */
    int64_t next_ms;
};
struct lifecycle {
    int64_t grace_ms;
    int64_t eviction_ms;      /* instead of the default toleration; -1: as it is */
    void *nodes;              /* search(3) tree of struct node_state */
    struct zone_limit *zones; /* owned */
    uint32_t zone_count;
    bool is_disrupted; /* no node is ready: nobody is evicted */
};
struct sync {
    struct opr_ctx *c;
    struct lifecycle *l;
    struct node_state *state;
    const struct opr_obj *node; /* replaced by what our own writes return */
    const char *name;
    int64_t now_ms;
    int64_t next_ms; /* when to look again; INT64_MAX: no need */
};

/* state.c */
struct node_state *state_of(struct lifecycle *l, const char *name);
void state_drop(struct lifecycle *l, struct node_state *s);
uint64_t text_hash(uint64_t h, const char *text);
#define TEXT_HASH_START 14695981039346656037u
void lifecycle_reset_probes(struct lifecycle *l, int64_t now_ms);
void lifecycle_free(void *state);

/* health.c */
const char *node_condition(const struct opr_obj *node, const char *type); /* "" where absent */
void health_observe(struct sync *s);
OPR_NODISCARD opr_status health_judge(struct sync *s);
/* disruption.c: no node is ready; and whether a NoExecute taint may be set on this node now. */
bool cluster_is_disrupted(struct sync *s);
bool eviction_is_allowed(struct sync *s);
/* taints.c */
OPR_NODISCARD opr_status taints_sync(struct sync *s);
/* evict.c */
OPR_NODISCARD opr_status pods_mark_not_ready(struct sync *s);
OPR_NODISCARD opr_status pods_give_up(struct sync *s); /* of an out-of-service node */
OPR_NODISCARD opr_status pods_evict(struct sync *s);
/* orphans.c: the pods of a node that does not exist. */
OPR_NODISCARD opr_status orphans_remove(struct sync *s);
/* Writes condition DisruptionTarget (reason NULL: none), with sets_failed the phase Failed, then
 * deletes; grace_s negative: the pod's own. */
OPR_NODISCARD opr_status pod_disrupt(struct sync *s, const struct opr_obj *pod, const char *reason,
                                     const char *message, int64_t grace_s, bool sets_failed);

static inline void look_again(struct sync *s, int64_t at_ms)
{
    s->next_ms = at_ms < s->next_ms ? at_ms : s->next_ms;
}

#ifdef __cplusplus
}
#endif
#endif
