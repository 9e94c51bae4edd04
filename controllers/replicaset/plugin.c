#include "controllers/replicaset/replicaset.h"

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    if (!self) {
        opr_expect(c, 0, 0); /* a new one of that name starts afresh */
        return opr_done();
    }
    struct rset rs = {
        .c = c,
        .self = self,
        .ns = meta_ns(self),
        .name = meta_name(self),
        .uid = meta_uid(self),
        .replicas = opr_obj_int(self, "/spec/replicas", 1),
    };
    bool may_manage = opr_expect_satisfied(c) && !is_deleting(self);
    uint32_t after_ms = 0;
    opr_status st = rset_claim(&rs);
    if (st != OPR_OK) {
        return opr_retry(opr_ctx_error(c));
    }
    opr_status managed = may_manage ? rset_manage(&rs) : OPR_OK;
    st = rset_status(&rs, &after_ms);
    if (managed != OPR_OK) {
        return opr_retry(rs.failure_message);
    }
    if (st != OPR_OK) {
        return st == OPR_E_NOT_FOUND ? opr_done() : opr_retry(opr_ctx_error(c));
    }
    return after_ms > 0 ? opr_requeue_after_ms(after_ms) : opr_done();
}

struct orphan {
    struct opr_mapper *m;
    const struct opr_obj *pod;
};

static void enqueue_if_matching(const struct opr_obj *set, void *arg)
{
    const struct orphan *o = arg;
    if (opr_selector_matches(opr_obj_at(set, "/spec/selector"),
                             opr_obj_at(o->pod, "/metadata/labels"))) {
        opr_map_enqueue(o->m, meta_ns(set), meta_name(set));
    }
}

/* Counts a seen create or delete once for each pod: a delete is the moment deletionTimestamp
 * appears, or the removal of a pod that never had one. */
static void map_pod(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                    void *state)
{
    (void)state;
    const char *before = controller_name(was, "apps", "ReplicaSet");
    const char *now = controller_name(is, "apps", "ReplicaSet");
    const char *ns = meta_ns(is ? is : was);
    bool is_new = !was || !str_eq(meta_uid(was), is ? meta_uid(is) : meta_uid(was));
    if (now && is_new) {
        opr_map_expected(m, ns, now, 1, 0);
    }
    if (before && !is_deleting(was) && (!is || is_deleting(is) || is_new)) {
        opr_map_expected(m, ns, before, 0, 1);
    }
    if (before && !str_eq(before, now)) {
        opr_map_enqueue(m, ns, before);
    }
    if (now) {
        opr_map_enqueue(m, ns, now);
    } else if (is && !controller_ref(is)) {
        bool is_same =
            was && !controller_ref(was) &&
            opr_obj_equal(opr_obj_at(was, "/metadata/labels"), opr_obj_at(is, "/metadata/labels"));
        struct orphan o = {m, is};
        if (!is_same) {
            opr_map_each(m, REPLICASET_GVK, ns, NULL, NULL, enqueue_if_matching, &o);
        }
    }
}

static const struct opr_watch reads[] = {
    {.gvk = "v1/Pod", .index = REPLICASET_POD_INDEX, .map = map_pod},
    {.gvk = NULL},
};
static const struct opr_controller replicaset = {
    .size = sizeof replicaset,
    .name = "replicaset",
    .primary = {.gvk = REPLICASET_GVK},
    .reads = reads,
    .reconcile = reconcile,
    .workers = 5,
    .event_source = "replicaset-controller",
    .writes = "v1/Event,v1/Pod,apps/v1/ReplicaSet/status",
};
static const struct opr_controller *const controllers[] = {&replicaset, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER,
    .name = "replicaset",
    .version = OPR_VERSION,
    .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
