/* The default scheduler: a picture of nodes and their pods, and one cycle a pod (filter, score,
 * bind; spec 1.8).
 *
 * Threads: mapping functions on the loop only append to the inbox; the one worker owns all else and
 * applies the inbox at the start of each reconcile. Lifetime: struct cluster is the plugin's state;
 * struct cycle is the reconcile's. */
#ifndef OPR_SCHEDULERS_SCHEDULER_H
#define OPR_SCHEDULERS_SCHEDULER_H

#include "schedulers/queue.h"

#include <operon/plugin.h>
#include <operon/policy.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Small allocations do not fail (docs/CONVENTIONS.md): a scheduler without its picture of the
 * cluster would place pods wrongly. */
static inline void *must(void *p)
{
    if (!p) {
        abort();
    }
    return p;
}

#define SCHEDULER_NAME "default-scheduler"
#define BUDGET_GVK "policy/v1/PodDisruptionBudget"
/* The one key: a reconcile takes in the inbox and then schedules from the queues. */
#define DRAIN_KEY "*"

/* Resources in thousandths, by index: three fixed ones, then extended ones as they are met. */
enum { RES_CPU, RES_MEMORY, RES_EPHEMERAL, RES_FIXED, RES_MAX = 16 };
enum { ZONES_MAX = 64, NO_ZONE = -1 };

struct amounts {
    int64_t at[RES_MAX];
    int64_t scored[2]; /* cpu and memory with defaults for what asks for none */
};

struct sched_node;
struct sched_pod {
    char *uid;               /* owned; the key */
    struct opr_obj *o;       /* ref */
    struct sched_node *node; /* on which it counts */
    struct amounts request;
    uint64_t owner;    /* hash of the controller's UID; 0: none */
    bool has_affinity; /* has terms about other pods */
};
struct sched_node {
    char *name;                            /* owned; the key */
    struct opr_obj *o;                     /* ref; NULL: only pods name it */
    const struct opr_obj *labels, *taints; /* inside o */
    struct amounts capacity, used;
    int64_t max_pods;
    int32_t zone; /* index into cluster.zones, or NO_ZONE */
    bool is_unschedulable;
    uint32_t index;
    struct sched_pod **pods; /* owned array, borrowed members */
    uint32_t pod_count, pod_room;
};

/* A change as the loop saw it. */
enum { CHANGE_POD, CHANGE_NODE, CHANGE_NAMESPACE };
struct change {
    struct change *next;
    struct opr_obj *o; /* ref */
    int32_t kind;      /* CHANGE_* */
    bool is_gone;
};
/* What a change means for pods that wait. */
enum {
    EVENT_NODE_ADDED = 1u << 0, /* or its allocatable has changed */
    EVENT_NODE_LABELS = 1u << 1,
    EVENT_NODE_TAINTS = 1u << 2, /* or spec.unschedulable */
    EVENT_NODE_GONE = 1u << 3,
    EVENT_POD_ADDED = 1u << 4, /* to a node */
    EVENT_POD_LABELS = 1u << 5,
    EVENT_POD_GONE = 1u << 6, /* from a node, or it asks for less */
    EVENT_NAMESPACE = 1u << 7
};
struct event {
    uint32_t kinds;
    const struct sched_node *node; /* as it is now; NULL: gone, or none */
    const struct opr_obj *pod;     /* NULL: none */
};

struct cluster {
    pthread_mutex_t lock; /* guards the inbox alone */
    struct change *inbox, **inbox_end;

    /* The rest belongs to the worker. */
    void *pods_by_uid, *nodes_by_name; /* search(3) trees of struct sched_pod, sched_node */
    struct sched_node **nodes;         /* owned */
    uint32_t node_count, node_room;
    char *resources[RES_MAX]; /* owned names; the fixed ones too */
    char *zones[ZONES_MAX];   /* owned */
    uint32_t zone_count;
    uint32_t affine_pods; /* those with has_affinity */
    struct queues queues;
    uint32_t next_start; /* where the next cycle begins to look */
    uint64_t random;     /* xorshift state, never 0 */
};

enum { REASONS_MAX = 64 };
struct reason {
    const char *text;
    uint32_t count;
};
struct candidate {
    struct sched_node *node;
    int64_t total; /* weighted sum of the scores so far */
};
struct cycle {
    struct opr_ctx *c;
    struct cluster *cluster;
    const struct opr_obj *pod;
    const char *ns, *name, *uid;
    const struct opr_obj *labels, *tolerations;
    const struct opr_obj *node_selector, *node_affinity; /* read once, asked for each node */
    const char *node_name;
    bool has_host_ports;
    struct amounts request;
    uint64_t owner;
    struct candidate *fit; /* feasible nodes */
    uint32_t fit_count;
    uint32_t seen; /* nodes looked at */
    struct reason reasons[REASONS_MAX];
    uint32_t reason_count;
    struct spread *spread;     /* of the hard constraints; NULL: none */
    struct affinity *affinity; /* about other pods; NULL: no term concerns it */
    int64_t priority;
    uint32_t rejected_by;   /* bits of the filters that refused a node (filters.c), REJECTED_* */
    bool is_hopeless;       /* said by a filter: less urgent pods are not what is in the way */
    bool *hopeless;         /* by node index: where preemption can not help */
    const char *preemption; /* why that made no room; NULL: not asked, or it did */
    bool has_failed;       /* a victim is still there by an error: the attempt is repeated after its
                              backoff */
    bool has_told_failure; /* of a policy */
    bool is_silent;        /* rejections are not counted: only whether it passes is asked */
};

/* One topology spread constraint and the matching pods in each of its domains. */
struct constraint {
    const char *key;
    int64_t max_skew, min_domains;
    bool is_own_match;  /* the pod itself is one of those that are spread */
    int32_t *domain_of; /* by node index; -1: the node does not count */
    int64_t *matches;   /* by domain */
    int32_t domains;
};
struct spread {
    struct constraint *at;
    uint32_t count;
};

/* Beside the bits of the built-in filters, by their order. */
enum {
    REJECTED_OUTSIDE = 1u << 30, /* by a plugin or policy: what it looks at is unknown */
    REJECTED_ANYWAY = 1u << 31   /* there was no node to ask about */
};

/* cluster.c */
struct cluster *cluster_new(uint64_t seed);
void cluster_free(struct cluster *k);
void cluster_post(struct cluster *k, const struct opr_obj *o, int32_t kind, bool is_gone);
/* Takes in what the inbox holds, and wakes the pods that it may help. */
void cluster_apply(struct cluster *k, struct opr_ctx *c);
void cluster_assume(struct cluster *k, const struct opr_obj *pod, const struct amounts *request,
                    struct sched_node *n);
/* A pod that was assumed did not get bound. */
void cluster_forget(struct cluster *k, struct opr_ctx *c, const char *uid);
/* By name; may be one that only pods name (o is NULL). NULL: none. */
struct sched_node *cluster_node(struct cluster *k, const char *name);
bool cluster_has(struct cluster *k, const char *uid);
/* On a node, and off it again: what it holds and what is used of it. */
void node_put(struct sched_node *n, struct sched_pod *p);
void node_take(struct sched_node *n, struct sched_pod *p);
uint64_t cluster_random(struct cluster *k);

/* filters.c */
bool filters_pass(struct cycle *y, const struct sched_node *n); /* counts why not */
/* Whether a change may help a pod that those filters refused. */
bool filters_may_help(struct cycle *y, uint32_t rejected_by, const struct event *e);
/* Wakes the parked pods that a change may help. */
void filters_wake(struct cluster *k, struct opr_ctx *c, const struct event *e);

/* request.c */
uint64_t text_hash(const char *text); /* FNV-1a, 64 bits */
uint64_t owner_hash(const struct opr_obj *pod);
/* Index of a resource name; RES_MAX where there is no room left for one more. */
uint32_t resource_index(struct cluster *k, const char *name);
void pod_request(struct cluster *k, const struct opr_obj *pod, struct amounts *ret_request);
bool pod_is_pending(const struct opr_obj *pod); /* ours to schedule, perhaps gated */
bool pod_is_terminal(const struct opr_obj *pod);

/* cycle.c */
void cycle_init(struct cycle *y, struct opr_ctx *c, struct cluster *k, const struct opr_obj *pod);
struct sched_node *cycle_run(struct cycle *y); /* NULL: fits nowhere, see reasons */
void cycle_reject(struct cycle *y, const char *reason);
const char *cycle_counts(struct cycle *y); /* "0/3 nodes are available: 3 Too many pods." */
const char *cycle_message(struct cycle *y);

/* preempt.c: deletes less urgent pods where that makes room. What the pod's nominatedNodeName is to
 * be: the node's name; "": none any more; NULL: as it is. Unless it made room, y->preemption says
 * why not. */
const char *preempt(struct cycle *y);

/* outcome.c */
const char *time_text(struct opr_ctx *c, int64_t ms); /* RFC 3339 */
void cycle_bind(struct cycle *y, struct queued *q, struct sched_node *n);
void cycle_refuse(struct cycle *y, struct queued *q);

/* A filter says whether the pod may run on a node, and why not. A score fills 0..100 a candidate.
 */
typedef bool (*filter_fn)(struct cycle *y, const struct sched_node *n);
typedef bool (*score_fn)(struct cycle *y, int64_t *ret_scores); /* false: has no opinion */

bool filter_unschedulable(struct cycle *y, const struct sched_node *n); /* node_name.c */
bool filter_node_name(struct cycle *y, const struct sched_node *n);
bool filter_taints(struct cycle *y, const struct sched_node *n); /* taints.c */
bool taints_allow(const struct cycle *y, const struct sched_node *n);
bool score_taints(struct cycle *y, int64_t *ret_scores);
bool filter_affinity(struct cycle *y, const struct sched_node *n); /* node_affinity.c */
bool affinity_allows(const struct cycle *y, const struct sched_node *n);
bool score_affinity(struct cycle *y, int64_t *ret_scores);
bool pod_has_host_ports(const struct opr_obj *pod); /* ports.c */
bool filter_ports(struct cycle *y, const struct sched_node *n);
bool filter_fit(struct cycle *y, const struct sched_node *n); /* fit.c */
bool score_least_allocated(struct cycle *y, int64_t *ret_scores);
bool score_balanced(struct cycle *y, int64_t *ret_scores); /* balanced.c */
/* spread_count.c: the constraints of the pod with that whenUnsatisfiable, counted; NULL: none */
struct spread *spread_count(struct cycle *y, const char *when);
void spread_prepare(struct cycle *y); /* spread.c */
bool filter_spread(struct cycle *y, const struct sched_node *n);
bool spread_concerns(struct cycle *y, const struct opr_obj *pod);
bool score_spread(struct cycle *y, int64_t *ret_scores); /* spread_score.c */
void pod_affinity_prepare(struct cycle *y);              /* pod_affinity.c */
bool filter_pod_affinity(struct cycle *y, const struct sched_node *n);
bool pod_affinity_concerns(struct cycle *y, const struct opr_obj *pod);
bool score_pod_affinity(struct cycle *y, int64_t *ret_scores); /* pod_affinity_score.c */
void extension_filter(struct cycle *y); /* extension.c: other plugins' filters and scores */
void extension_score(struct cycle *y);
void lua_filter(struct cycle *y); /* lua.c: drops candidates */
bool score_lua(struct cycle *y, int64_t *ret_scores);

/* The string of a label, or NULL. */
static inline const char *label_of(const struct opr_obj *labels, const char *key)
{
    for (const struct opr_obj *l = opr_obj_first(labels); l; l = opr_obj_next(l)) {
        if (strcmp(opr_obj_name(l), key) == 0) {
            return opr_obj_str(l, "", "");
        }
    }
    return NULL;
}
static inline bool str_eq(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

#ifdef __cplusplus
}
#endif
#endif
