#include "controllers/nodelifecycle/nodelifecycle.h"

const char *node_condition(const struct opr_obj *node, const char *type)
{
    return opr_obj_str(condition_in(opr_obj_at(node, "/status/conditions"), type), "/status", "");
}

/* A heartbeat is a change that we see, timed by our own clock: the node's may be wrong. */
void health_observe(struct sync *s)
{
    const struct opr_obj *lease = NULL;
    const struct opr_obj *ready = condition_in(opr_obj_at(s->node, "/status/conditions"), "Ready");
    uint64_t beat = text_hash(TEXT_HASH_START, opr_obj_str(ready, "/lastHeartbeatTime", ""));
    if (opr_get(s->c, "coordination.k8s.io/v1/Lease", LEASE_NS, s->name, &lease) == OPR_OK) {
        beat = text_hash(beat, opr_obj_str(lease, "/spec/renewTime", ""));
    }
    if (s->state->observed_ms == 0 || s->state->heartbeat != beat) {
        s->state->heartbeat = beat;
        s->state->observed_ms = s->now_ms;
    }
    s->state->gone_ms = 0;
    if (!s->state->is_registered) {
        s->state->is_registered = true;
        opr_event(s->c, s->node, "Normal", "RegisteredNode",
                  "Node %s event: Registered Node %s in Controller", s->name, s->name);
    }
}

static void add_unknown(struct sync *s, struct opr_doc *list, const char *type)
{
    const struct opr_obj *old = condition_in(opr_obj_at(s->node, "/status/conditions"), type);
    if (str_eq(opr_obj_str(old, "/status", ""), "Unknown")) {
        return;
    }
    struct opr_doc *x = opr_doc_new(
        s->c, "{'type':%s,'status':'Unknown','reason':%s,'message':%s,'lastTransitionTime':%s}",
        type, old ? "NodeStatusUnknown" : "NodeStatusNeverUpdated",
        old ? "Kubelet stopped posting node status." : "Kubelet never posted node status.",
        time_format(s->c, s->now_ms));
    if (!old) { /* kubectl shows it: never is since the node was made */
        opr_doc_set(x, "/lastHeartbeatTime", "%s",
                    opr_obj_str(s->node, "/metadata/creationTimestamp", NULL));
    }
    opr_doc_set(list, "/-", "%p", opr_doc_obj(x));
}

opr_status health_judge(struct sync *s)
{
    static const char *const types[] = {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"};
    int64_t due_ms = s->state->observed_ms + s->l->grace_ms;
    if (s->now_ms <= due_ms) {
        look_again(s, due_ms + 1);
        return OPR_OK;
    }
    struct opr_doc *list = opr_doc_new(s->c, "[]");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        add_unknown(s, list, types[i]);
    }
    if (opr_obj_len(opr_doc_obj(list)) == 0) {
        return OPR_OK;
    }
    bool was_ready = str_eq(node_condition(s->node, "Ready"), "True");
    struct opr_doc *d = opr_doc_new(s->c, "{'metadata':{'uid':%s},'status':{'conditions':%p}}",
                                    meta_uid(s->node), opr_doc_obj(list));
    opr_status st = opr_patch(s->c, s->node, "status", OPR_PATCH_STRATEGIC, d, &s->node);
    if (st == OPR_OK && was_ready) {
        opr_event(s->c, s->node, "Normal", "NodeNotReady", "Node %s status is now: NodeNotReady",
                  s->name);
    }
    return st;
}
