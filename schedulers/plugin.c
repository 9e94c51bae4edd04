#include "schedulers/scheduler.h"

#include <time.h>

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    struct cluster *k = opr_ctx_state(c);
    cluster_apply(k, opr_ctx_now_ms(c));
    waiting_wake(k, c);
    const char *uid = opr_obj_str(self, "/metadata/uid", "");
    if (!pod_is_pending(self) || cluster_has(k, uid)) {
        return opr_done();
    }
    struct cycle y = {
        .c = c,
        .cluster = k,
        .pod = self,
        .ns = opr_obj_str(self, "/metadata/namespace", ""),
        .name = opr_obj_str(self, "/metadata/name", ""),
        .uid = uid,
        .labels = opr_obj_at(self, "/metadata/labels"),
        .tolerations = opr_obj_at(self, "/spec/tolerations"),
        .node_selector = opr_obj_at(self, "/spec/nodeSelector"),
        .node_affinity = opr_obj_at(self, "/spec/affinity/nodeAffinity"),
        .node_name = opr_obj_str(self, "/spec/nodeName", ""),
        .has_host_ports = pod_has_host_ports(self),
        .owner = owner_hash(self),
    };
    pod_request(k, self, &y.request);
    struct sched_node *n = cycle_run(&y);
    opr_result result = n ? cycle_bind(&y, n) : cycle_refuse(&y);
    waiting_wake(k, c);
    return result;
}

static bool is_same(const struct opr_obj *was, const struct opr_obj *is, const char *ptr)
{
    return opr_obj_equal(opr_obj_at(was, ptr), opr_obj_at(is, ptr));
}

/* Status updates of a pod that runs on, and heartbeats of a node, are most of all changes and mean
 * nothing here. */
static bool pod_has_changed(const struct opr_obj *was, const struct opr_obj *is)
{
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
    if (pod_is_pending(is)) {
        opr_map_enqueue(m, opr_obj_str(is, "/metadata/namespace", ""),
                        opr_obj_str(is, "/metadata/name", ""));
        return;
    }
    bool is_replaced = was && is && !is_same(was, is, "/metadata/uid");
    if (is_replaced) {
        cluster_post(state, was, false, true);
    }
    cluster_post(state, is ? is : was, false, !is);
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
        cluster_post(state, is ? is : was, true, !is);
        opr_map_enqueue(m, "", DRAIN_KEY);
    }
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
    {.gvk = "v1/Namespace"}, /* for namespaceSelector */
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
    .writes = "v1/Event,v1/Pod/binding,v1/Pod/status",
};
static const struct opr_controller *const controllers[] = {&scheduler, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER, .name = "scheduler", .version = OPR_VERSION,
    .init = init,      .fini = fini,        .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
