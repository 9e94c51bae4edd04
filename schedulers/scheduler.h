/* The default scheduler: a picture of nodes and their pods, and one cycle a pod (filter, score,
 * bind; spec 1.8).
 *
 * Threads: mapping functions on the loop only append to the inbox; the one worker owns all else and
 * applies the inbox at the start of each reconcile. Lifetime: struct cluster is the plugin's state;
 * struct cycle is the reconcile's. */
#ifndef OPR_SCHEDULERS_SCHEDULER_H
#define OPR_SCHEDULERS_SCHEDULER_H

#include <operon/plugin.h>
#include <operon/policy.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

const struct opr_plugin *opr_plugin_entry(const struct opr_host *host);

#define SCHEDULER_NAME "default-scheduler"
/* The key that only applies the inbox; no pod has this name. */
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
    uint64_t owner;           /* hash of the controller's UID; 0: none */
    bool has_affinity;        /* has terms about other pods */
    int64_t assumed_until_ms; /* 0: the server has confirmed the binding */
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
struct change {
    struct change *next;
    struct opr_obj *o; /* ref */
    bool is_node, is_gone;
};
struct waiting {
    char *ns, *name; /* owned */
    uint64_t id;     /* hash of the UID */
    int64_t priority;
    bool wants_pods;
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
    uint32_t affine_pods;    /* those with has_affinity */
    struct waiting *waiting; /* owned: pods that fitted nowhere */
    uint32_t waiting_count, waiting_room;
    uint32_t next_start;    /* where the next cycle begins to look */
    uint64_t random;        /* xorshift state, never 0 */
    int64_t next_expiry_ms; /* when to look for assumptions that nobody confirmed */
    bool wakes_all, wakes_for_pods;
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
    bool wants_pods;           /* a pod that starts somewhere may help it */
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

/* cluster.c */
struct cluster *cluster_new(uint64_t seed);
void cluster_free(struct cluster *k);
void cluster_post(struct cluster *k, const struct opr_obj *o, bool is_node, bool is_gone);
void cluster_apply(struct cluster *k, int64_t now_ms); /* what the inbox holds */
void cluster_assume(struct cluster *k, const struct opr_obj *pod, const struct amounts *request,
                    struct sched_node *n, int64_t until_ms);
void cluster_forget(struct cluster *k, const char *uid);
bool cluster_has(struct cluster *k, const char *uid);
uint64_t cluster_random(struct cluster *k);

/* waiting.c */
void waiting_add(struct cluster *k, const struct opr_obj *pod, bool wants_pods);
/* Queues those that a change may have helped. */
void waiting_wake(struct cluster *k, struct opr_ctx *c);

/* request.c */
uint64_t text_hash(const char *text); /* FNV-1a, 64 bits */
uint64_t owner_hash(const struct opr_obj *pod);
/* Index of a resource name; RES_MAX where there is no room left for one more. */
uint32_t resource_index(struct cluster *k, const char *name);
void pod_request(struct cluster *k, const struct opr_obj *pod, struct amounts *ret_request);
bool pod_is_pending(const struct opr_obj *pod);
bool pod_is_terminal(const struct opr_obj *pod);

/* cycle.c */
struct sched_node *cycle_run(struct cycle *y); /* NULL: fits nowhere, see reasons */
void cycle_reject(struct cycle *y, const char *reason);
const char *cycle_message(struct cycle *y);

/* outcome.c */
opr_result cycle_bind(struct cycle *y, struct sched_node *n);
opr_result cycle_refuse(struct cycle *y);

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
bool score_spread(struct cycle *y, int64_t *ret_scores); /* spread_score.c */
void pod_affinity_prepare(struct cycle *y);              /* pod_affinity.c */
bool filter_pod_affinity(struct cycle *y, const struct sched_node *n);
bool score_pod_affinity(struct cycle *y, int64_t *ret_scores); /* pod_affinity_score.c */
void lua_filter(struct cycle *y);                              /* lua.c: drops candidates */
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
