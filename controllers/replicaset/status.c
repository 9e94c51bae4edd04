#include "controllers/replicaset/replicaset.h"

struct counts {
    uint32_t labeled, ready, available;
    int64_t next_ms; /* until the next ready pod becomes available; 0: none */
};

/* True where every label of the template is on the pod. */
static bool has_labels(const struct opr_obj *pod, const struct opr_obj *wanted)
{
    const struct opr_obj *labels = opr_obj_at(pod, "/metadata/labels");
    uint32_t found = 0;
    for (const struct opr_obj *l = opr_obj_first(labels); l; l = opr_obj_next(l)) {
        for (const struct opr_obj *w = opr_obj_first(wanted); w; w = opr_obj_next(w)) {
            found += str_eq(opr_obj_name(w), opr_obj_name(l)) &&
                     str_eq(opr_obj_str(w, "", ""), opr_obj_str(l, "", NULL));
        }
    }
    return found == opr_obj_len(wanted);
}

static struct counts count(const struct rset *rs)
{
    struct counts n = {0};
    const struct opr_obj *wanted = opr_obj_at(rs->self, "/spec/template/metadata/labels");
    int64_t min_ready_ms = opr_obj_int(rs->self, "/spec/minReadySeconds", 0) * 1000;
    int64_t now_ms = opr_ctx_now_ms(rs->c);
    for (uint32_t i = 0; i < rs->count; i++) {
        const struct opr_obj *pod = rs->pods[i];
        n.labeled += has_labels(pod, wanted);
        if (!pod_is_ready(pod)) {
            continue;
        }
        n.ready++;
        int64_t since_ms = pod_ready_since_ms(pod);
        int64_t left_ms = since_ms < 0 ? min_ready_ms : since_ms + min_ready_ms - now_ms;
        if (min_ready_ms == 0 || left_ms <= 0) {
            n.available++;
        } else if (n.next_ms == 0 || left_ms < n.next_ms) {
            n.next_ms = left_ms;
        }
    }
    return n;
}

static const struct opr_obj *conditions_of(struct rset *rs)
{
    struct conditions list;
    conditions_load(&list, opr_obj_at(rs->self, "/status/conditions"));
    const struct opr_obj *old = conditions_find(&list, "ReplicaFailure");
    if (!rs->failure_reason) {
        conditions_remove(&list, "ReplicaFailure");
    } else if (!str_eq(opr_obj_str(old, "/reason", ""), rs->failure_reason)) {
        conditions_remove(&list, "ReplicaFailure");
        conditions_set(rs->c, &list, "ReplicaFailure", "True", rs->failure_reason,
                       rs->failure_message);
    }
    return list.count > 0 ? conditions_array(rs->c, &list) : NULL;
}

static void set_if_not_zero(struct opr_doc *d, const char *ptr, uint32_t n)
{
    if (n > 0) {
        opr_doc_set(d, ptr, "%u", n);
    }
}

opr_status rset_status(struct rset *rs, uint32_t *ret_after_ms)
{
    struct counts n = count(rs);
    struct opr_doc *d = opr_doc_new(
        rs->c, "{'replicas':%u,'terminatingReplicas':%u,'observedGeneration':%lld}", rs->count,
        rs->terminating, (long long)opr_obj_int(rs->self, "/metadata/generation", 0));
    set_if_not_zero(d, "/fullyLabeledReplicas", n.labeled);
    set_if_not_zero(d, "/readyReplicas", n.ready);
    set_if_not_zero(d, "/availableReplicas", n.available);
    const struct opr_obj *conditions = conditions_of(rs);
    if (conditions) {
        opr_doc_set(d, "/conditions", "%p", conditions);
    }
    *ret_after_ms = (uint32_t)(n.next_ms > INT32_MAX ? INT32_MAX : n.next_ms);
    const struct opr_obj *status = opr_doc_obj(d);
    if (opr_obj_equal(status, opr_obj_at(rs->self, "/status"))) {
        return OPR_OK;
    }
    struct opr_doc *whole = opr_doc_of(rs->c, rs->self);
    opr_doc_set(whole, "/status", "%p", status);
    return opr_update(rs->c, whole, "status", NULL);
}
