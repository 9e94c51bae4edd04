#include "schedulers/scheduler.h"

#include <time.h>

/* Pods a reconcile, at most: between two of them metrics and shutdown have their turn. */
enum { BURST = 16 };

static void schedule_one(struct cluster *k, struct opr_ctx *c, struct queued *q)
{
    struct cycle y = {0};
    cycle_init(&y, c, k, q->o);
    struct sched_node *n = cycle_run(&y);
    if (n) {
        cycle_bind(&y, q, n);
    } else {
        cycle_refuse(&y, q);
    }
}

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    (void)self; /* the key stands for all pods */
    struct cluster *k = opr_ctx_state(c);
    for (uint32_t i = 0; i < BURST && !opr_ctx_cancelled(c); i++) {
        cluster_apply(k, c);
        struct queued *q = queue_pop(&k->queues, opr_ctx_now_ms(c));
        if (!q) {
            break;
        }
        schedule_one(k, c, q);
    }
    int64_t next_ms = queue_next_ms(&k->queues, opr_ctx_now_ms(c));
    return next_ms < 0 ? opr_done() : opr_requeue_after_ms((uint32_t)next_ms);
}

static bool is_same(const struct opr_obj *was, const struct opr_obj *is, const char *ptr)
{
    return opr_obj_equal(opr_obj_at(was, ptr), opr_obj_at(is, ptr));
}

/* Status updates of a pod that runs on, and heartbeats of a node, are most of all changes and mean
 * nothing here. */
static bool pod_has_changed(const struct opr_obj *was, const struct opr_obj *is)
{
    if (pod_is_pending(is)) {
        return true; /* its newest state is what is scheduled */
    }
    return !was || !is || !is_same(was, is, "/metadata/uid") ||
           !is_same(was, is, "/spec/nodeName") || !is_same(was, is, "/metadata/generation") ||
           !is_same(was, is, "/metadata/deletionTimestamp") ||
           !is_same(was, is, "/metadata/labels") || pod_is_terminal(was) != pod_is_terminal(is) ||
           pod_is_pending(was) != pod_is_pending(is);
}

static void map_pod(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                    void *state)
{
    if (!pod_has_changed(was, is)) {
        return;
    }
    bool is_replaced = was && is && !is_same(was, is, "/metadata/uid");
    if (is_replaced) {
        cluster_post(state, was, CHANGE_POD, true);
    }
    cluster_post(state, is ? is : was, CHANGE_POD, !is);
    opr_map_enqueue(m, "", DRAIN_KEY);
}

static bool node_has_changed(const struct opr_obj *was, const struct opr_obj *is)
{
    return !was || !is || !is_same(was, is, "/spec") || !is_same(was, is, "/metadata/labels") ||
           !is_same(was, is, "/status/allocatable") || !is_same(was, is, "/metadata/uid");
}

static void map_node(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                     void *state)
{
    if (node_has_changed(was, is)) {
        cluster_post(state, is ? is : was, CHANGE_NODE, !is);
        opr_map_enqueue(m, "", DRAIN_KEY);
    }
}

static void map_namespace(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                          void *state)
{
    if (!was || !is || !is_same(was, is, "/metadata/labels")) {
        cluster_post(state, is ? is : was, CHANGE_NAMESPACE, !is);
        opr_map_enqueue(m, "", DRAIN_KEY);
    }
}

/* Only read, when pods have to leave. */
static void map_nothing(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                        void *state)
{
    (void)m, (void)was, (void)is, (void)state;
}

/* config {"seed": N} makes ties fall the same way each time. */
static opr_status init(const struct opr_obj *config, void **ret_state)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = (uint64_t)now.tv_sec * 1000003u ^ (uint64_t)now.tv_nsec;
    *ret_state = cluster_new((uint64_t)opr_obj_int(config, "/seed", (int64_t)seed));
    return OPR_OK;
}

static void fini(void *state)
{
    cluster_free(state);
}

static const struct opr_watch reads[] = {
    {.gvk = "v1/Node", .map = map_node},
    {.gvk = "v1/Namespace", .map = map_namespace}, /* for namespaceSelector */
    {.gvk = BUDGET_GVK, .map = map_nothing, .flags = OPR_WATCH_OPTIONAL},
    {.gvk = NULL},
};
static const struct opr_controller scheduler = {
    .size = sizeof scheduler,
    .name = "scheduler",
    .primary = {.gvk = "v1/Pod", .map = map_pod},
    .reads = reads,
    .reconcile = reconcile,
    .workers = 1,
    .event_source = SCHEDULER_NAME,
    .writes = "v1/Event,v1/Pod,v1/Pod/binding,v1/Pod/status",
};
static const struct opr_controller *const controllers[] = {&scheduler, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER, .name = "scheduler", .version = OPR_VERSION,
    .init = init,      .fini = fini,        .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
