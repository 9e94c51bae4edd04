#include "controllers/nodelifecycle/nodelifecycle.h"

static opr_result ended(struct sync *s, opr_status st)
{
    if (st != OPR_OK) {
        return opr_retry(opr_ctx_error(s->c));
    }
    if (s->next_ms == INT64_MAX) {
        return opr_done();
    }
    int64_t after_ms = s->next_ms - s->now_ms;
    after_ms = after_ms < 1 ? 1 : after_ms;
    return opr_requeue_after_ms((uint32_t)(after_ms > INT32_MAX ? INT32_MAX : after_ms));
}

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    struct lifecycle *l = opr_ctx_state(c);
    const char *name = opr_ctx_key(c).name;
    struct sync s = {
        .c = c,
        .l = l,
        .state = state_of(l, name),
        .node = self,
        .name = name,
        .now_ms = opr_ctx_now_ms(c),
        .next_ms = INT64_MAX,
    };
    if (!self) {
        opr_result r = ended(&s, orphans_remove(&s));
        if (r.op == OPR_OP_DONE) {
            state_drop(l, s.state);
        }
        return r;
    }
    health_observe(&s);
    opr_status st = health_judge(&s);
    if (st == OPR_OK) {
        st = taints_sync(&s);
    }
    if (st == OPR_OK) {
        st = pods_mark_not_ready(&s);
    }
    if (st == OPR_OK) {
        st = pods_evict(&s);
    }
    if (st == OPR_OK) {
        st = pods_give_up(&s);
    }
    return ended(&s, st == OPR_E_NOT_FOUND ? OPR_OK : st);
}

static void map_lease(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                      void *state)
{
    (void)state;
    opr_map_enqueue(m, "", meta_name(is ? is : was));
}

/* A pod that came to a node, or changed what it tolerates. */
static void map_pod(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                    void *state)
{
    (void)state;
    const char *node = opr_obj_str(is, "/spec/nodeName", "");
    bool is_same =
        was && str_eq(opr_obj_str(was, "/spec/nodeName", ""), node) &&
        is_deleting(was) == is_deleting(is) && pod_is_ready(was) == pod_is_ready(is) &&
        opr_obj_equal(opr_obj_at(was, "/spec/tolerations"), opr_obj_at(is, "/spec/tolerations"));
    if (node[0] != '\0' && !is_same) {
        opr_map_enqueue(m, "", node);
    }
}

/* config: {"gracePeriodMs": 40000, "evictionMs": N}. */
static opr_status init(const struct opr_obj *config, void **ret_state)
{
    struct lifecycle *l = calloc(1, sizeof *l);
    if (!l) {
        return OPR_E_NOMEM;
    }
    l->grace_ms = opr_obj_int(config, "/gracePeriodMs", GRACE_MS);
    l->eviction_ms = opr_obj_int(config, "/evictionMs", -1);
    *ret_state = l;
    return OPR_OK;
}

static const struct opr_watch reads[] = {
    {.gvk = "coordination.k8s.io/v1/Lease", .ns = LEASE_NS, .map = map_lease},
    {.gvk = "v1/Pod", .index = "node=/spec/nodeName", .map = map_pod},
    {.gvk = NULL},
};
static const struct opr_controller nodelifecycle = {
    .size = sizeof nodelifecycle,
    .name = "nodelifecycle",
    .primary = {.gvk = "v1/Node"},
    .reads = reads,
    .reconcile = reconcile,
    .workers = 1,
    .event_source = "node-controller",
    .writes = "v1/Event,v1/Node,v1/Node/status,v1/Pod,v1/Pod/status",
};
static const struct opr_controller *const controllers[] = {&nodelifecycle, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER, .name = "nodelifecycle", .version = OPR_VERSION,
    .init = init,      .fini = lifecycle_free,  .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
