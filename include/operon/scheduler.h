/* More filters and scores for the built-in scheduler, in a plugin of their own.
 *
 * A plugin lists them in opr_plugin.schedulers. They are asked after the scheduler's own filters,
 * for each node that is left, and their scores count beside its own. Threads: worker; one cycle at
 * a time asks them, and they must not block: a cycle runs for each Pod. What they may call is
 * reading values (object.h), opr_ctx_text() and opr_ctx_log(). Lifetime: tables are static data of
 * the plugin; what a view points to ends with the call. Since 0.2. */
#ifndef OPERON_SCHEDULER_H
#define OPERON_SCHEDULER_H

#include <operon/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One Pod that waits, and one node that it could run on. */
struct opr_sched_view {
    uint32_t size;              /* sizeof the host's struct */
    const struct opr_obj *pod;  /* the Pod to place */
    const struct opr_obj *node; /* the Node object */
    const struct opr_obj *const
        *pods; /* on the node, also those that were only just placed there */
    uint32_t pod_count;
    /* What requests have left of the node. */
    int64_t free_cpu_milli, free_memory_bytes, free_pods;
    void *state; /* what the plugin's init returned */
};

struct opr_sched_plugin {
    uint32_t size; /* sizeof this struct */
    const char *name;
    /* NULL: the node suits. Else why it does not, as it is counted by node in the Pod's condition
     * and event ("node(s) hold enough pods of this app"); static, or from opr_ctx_text(). May be
     * NULL. */
    const char *(*filter)(struct opr_ctx *c, const struct opr_sched_view *v);
    /* 0 to 100, the highest wins; what lies outside is cut off. May be NULL. */
    int64_t (*score)(struct opr_ctx *c, const struct opr_sched_view *v);
    /* Of the score, beside 1 to 3 of the scheduler's own (Kubernetes' default profile); 0: 3. */
    uint32_t weight;
};

/* For the scheduler itself: all that the loaded plugins have brought, in the order of loading. */
struct opr_sched_loaded {
    struct opr_sched_plugin plugin;
    void *state;
};
static inline uint32_t opr_sched_plugins(struct opr_ctx *c,
                                         const struct opr_sched_loaded **ret_loaded)
{
    return opr__host->sched_plugins(c, ret_loaded);
}

#ifdef __cplusplus
}
#endif
#endif
