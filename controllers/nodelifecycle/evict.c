#include "controllers/nodelifecycle/nodelifecycle.h"

static const struct opr_obj *const *pods_of(struct sync *s, uint32_t *ret_count)
{
    const struct opr_obj *const *pods = NULL;
    *ret_count = 0;
    if (opr_list(s->c, "v1/Pod", NULL, "node", s->name, &pods, ret_count) != OPR_OK) {
        *ret_count = 0;
    }
    return pods;
}

/* Nobody is left on a dead node to say that its pods do not answer. */
opr_status pods_mark_not_ready(struct sync *s)
{
    uint32_t n = 0;
    if (!str_eq(node_condition(s->node, "Ready"), "Unknown")) {
        return OPR_OK;
    }
    const struct opr_obj *const *pods = pods_of(s, &n);
    for (uint32_t i = 0; i < n; i++) {
        if (!pod_is_ready(pods[i]) || pod_is_terminal(pods[i])) {
            continue;
        }
        struct opr_doc *d = opr_doc_new(
            s->c,
            "{'metadata':{'uid':%s},'status':{'conditions':[{'type':'Ready','status':'False',"
            "'lastTransitionTime':%s}]}}",
            meta_uid(pods[i]), time_format(s->c, s->now_ms));
        opr_event(s->c, pods[i], "Warning", "NodeNotReady", "Node is not ready");
        opr_status st = opr_patch(s->c, pods[i], "status", OPR_PATCH_STRATEGIC, d, NULL);
        if (st != OPR_OK && st != OPR_E_NOT_FOUND) {
            return st;
        }
    }
    return OPR_OK;
}

static bool tolerates(const struct opr_obj *t, const struct opr_obj *taint)
{
    const char *effect = opr_obj_str(t, "/effect", ""), *key = opr_obj_str(t, "/key", "");
    if (effect[0] != '\0' && !str_eq(effect, "NoExecute")) {
        return false;
    }
    if (str_eq(opr_obj_str(t, "/operator", "Equal"), "Exists")) {
        return key[0] == '\0' || str_eq(key, opr_obj_str(taint, "/key", ""));
    }
    return str_eq(key, opr_obj_str(taint, "/key", "")) &&
           str_eq(opr_obj_str(t, "/value", ""), opr_obj_str(taint, "/value", ""));
}

/* How long a pod may stay under one taint: -1 for ever, 0 not at all. */
static int64_t tolerated_ms(const struct sync *s, const struct opr_obj *pod,
                            const struct opr_obj *taint)
{
    int64_t least_ms = INT64_MAX;
    bool is_tolerated = false;
    const struct opr_obj *list = opr_obj_at(pod, "/spec/tolerations");
    for (const struct opr_obj *t = opr_obj_first(list); t; t = opr_obj_next(t)) {
        if (!tolerates(t, taint)) {
            continue;
        }
        is_tolerated = true;
        if (opr_obj_at(t, "/tolerationSeconds")) {
            int64_t seconds = opr_obj_int(t, "/tolerationSeconds", 0);
            int64_t ms = seconds > 0 ? seconds * 1000 : 0;
            if (seconds == DEFAULT_TOLERATION_S && s->l->eviction_ms >= 0 &&
                s->l->eviction_ms < ms) {
                ms = s->l->eviction_ms;
            }
            least_ms = ms < least_ms ? ms : least_ms;
        }
    }
    if (!is_tolerated) {
        return 0;
    }
    return least_ms == INT64_MAX ? -1 : least_ms;
}

/* When a taint came: what it says, else when we first saw it. */
static int64_t taint_since_ms(struct sync *s, const struct opr_obj *taint)
{
    int64_t added_ms = time_parse(opr_obj_str(taint, "/timeAdded", NULL));
    if (added_ms >= 0) {
        return added_ms;
    }
    struct node_state *n = s->state;
    uint64_t id = text_hash(text_hash(TEXT_HASH_START, opr_obj_str(taint, "/key", "")),
                            opr_obj_str(taint, "/value", ""));
    for (uint32_t i = 0; i < n->seen_count; i++) {
        if (n->seen[i].id == id) {
            return n->seen[i].since_ms;
        }
    }
    if (n->seen_count < SEEN_TAINTS_MAX) {
        n->seen[n->seen_count++] = (struct seen_taint){id, s->now_ms};
    }
    return s->now_ms;
}

/* When the pod has to go; INT64_MAX: never. */
static int64_t due_ms(struct sync *s, const struct opr_obj *pod)
{
    int64_t due = INT64_MAX;
    const struct opr_obj *taints = opr_obj_at(s->node, "/spec/taints");
    for (const struct opr_obj *t = opr_obj_first(taints); t; t = opr_obj_next(t)) {
        if (!str_eq(opr_obj_str(t, "/effect", ""), "NoExecute")) {
            continue;
        }
        int64_t stay_ms = tolerated_ms(s, pod, t);
        if (stay_ms >= 0) {
            int64_t at_ms = stay_ms == 0 ? s->now_ms : taint_since_ms(s, t) + stay_ms;
            due = at_ms < due ? at_ms : due;
        }
    }
    return due;
}

opr_status pod_disrupt(struct sync *s, const struct opr_obj *pod, const char *reason,
                       const char *message, int64_t grace_s, bool sets_failed)
{
    struct opr_doc *d = opr_doc_new(s->c, "{'metadata':{'uid':%s}}", meta_uid(pod));
    bool fails = sets_failed && !pod_is_terminal(pod);
    if (reason) {
        opr_doc_set(d, "/status/conditions",
                    "[{'type':'DisruptionTarget','status':'True','reason':%s,'message':%s,"
                    "'lastTransitionTime':%s}]",
                    reason, message, time_format(s->c, s->now_ms));
    }
    if (fails) {
        opr_doc_set(d, "/status/phase", "'Failed'");
    }
    opr_status st =
        reason || fails ? opr_patch(s->c, pod, "status", OPR_PATCH_STRATEGIC, d, NULL) : OPR_OK;
    if (st == OPR_OK) {
        struct opr_delete_options options = {.size = sizeof options, .grace_s = grace_s};
        st = opr_delete(s->c, pod, &options);
    }
    return st == OPR_E_NOT_FOUND || st == OPR_E_CONFLICT ? OPR_OK : st;
}

/* Only where an administrator says that the machine is off may what it ran be given up: nobody else
 * can know that its containers have ended. */
opr_status pods_give_up(struct sync *s)
{
    uint32_t n = 0;
    bool is_out = false;
    const struct opr_obj *taints = opr_obj_at(s->node, "/spec/taints");
    for (const struct opr_obj *t = opr_obj_first(taints); t; t = opr_obj_next(t)) {
        is_out = is_out || str_eq(opr_obj_str(t, "/key", ""), "node.kubernetes.io/out-of-service");
    }
    if (!is_out || str_eq(node_condition(s->node, "Ready"), "True")) {
        return OPR_OK;
    }
    const struct opr_obj *const *pods = pods_of(s, &n);
    opr_status st = OPR_OK;
    for (uint32_t i = 0; i < n && st == OPR_OK; i++) {
        st = is_deleting(pods[i]) ? pod_disrupt(s, pods[i], NULL, NULL, 0, true) : OPR_OK;
    }
    return st;
}

static bool has_no_execute(const struct opr_obj *node)
{
    const struct opr_obj *taints = opr_obj_at(node, "/spec/taints");
    for (const struct opr_obj *t = opr_obj_first(taints); t; t = opr_obj_next(t)) {
        if (str_eq(opr_obj_str(t, "/effect", ""), "NoExecute")) {
            return true;
        }
    }
    return false;
}

opr_status pods_evict(struct sync *s)
{
    uint32_t n = 0;
    if (!has_no_execute(s->node)) {
        s->state->seen_count = 0;
        return OPR_OK;
    }
    const struct opr_obj *const *pods = pods_of(s, &n);
    for (uint32_t i = 0; i < n; i++) {
        int64_t at_ms = due_ms(s, pods[i]);
        if (at_ms == INT64_MAX || is_deleting(pods[i])) {
            continue;
        }
        if (at_ms > s->now_ms) {
            look_again(s, at_ms);
            continue;
        }
        opr_event(s->c, pods[i], "Normal", "TaintManagerEviction", "Marking for deletion Pod %s/%s",
                  meta_ns(pods[i]), meta_name(pods[i]));
        opr_status st = pod_disrupt(s, pods[i], "DeletionByTaintManager",
                                    "Taint manager: deleting due to NoExecute taint", -1, false);
        if (st != OPR_OK) {
            return st;
        }
    }
    return OPR_OK;
}
