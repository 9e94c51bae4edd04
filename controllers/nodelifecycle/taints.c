#include "controllers/nodelifecycle/nodelifecycle.h"

static const struct {
    const char *condition, *status, *taint;
} pressure[] = {
    {"MemoryPressure", "True", "node.kubernetes.io/memory-pressure"},
    {"DiskPressure", "True", "node.kubernetes.io/disk-pressure"},
    {"PIDPressure", "True", "node.kubernetes.io/pid-pressure"},
    {"NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"},
};

static bool is_ours(const struct opr_obj *taint)
{
    const char *key = opr_obj_str(taint, "/key", ""), *effect = opr_obj_str(taint, "/effect", "");
    bool is_life = str_eq(key, TAINT_NOT_READY) || str_eq(key, TAINT_UNREACHABLE);
    if (str_eq(effect, "NoExecute")) {
        return is_life;
    }
    bool is_known = is_life || str_eq(key, "node.kubernetes.io/unschedulable");
    for (size_t i = 0; i < sizeof pressure / sizeof pressure[0]; i++) {
        is_known |= str_eq(key, pressure[i].taint);
    }
    return is_known && str_eq(effect, "NoSchedule");
}

static const struct opr_obj *find(const struct opr_obj *taints, const char *key, const char *effect)
{
    for (const struct opr_obj *t = opr_obj_first(taints); t; t = opr_obj_next(t)) {
        if (str_eq(opr_obj_str(t, "/key", ""), key) &&
            str_eq(opr_obj_str(t, "/effect", ""), effect)) {
            return t;
        }
    }
    return NULL;
}

static void add(struct sync *s, struct opr_doc *list, const char *key, const char *effect)
{
    const struct opr_obj *old = find(opr_obj_at(s->node, "/spec/taints"), key, effect);
    if (!old) {
        old = opr_doc_obj(opr_doc_new(s->c, "{'key':%s,'effect':%s,'timeAdded':%s}", key, effect,
                                      time_format(s->c, s->now_ms)));
    }
    opr_doc_set(list, "/-", "%p", old);
}

static void add_no_schedule(struct sync *s, struct opr_doc *list, const char *ready)
{
    if (str_eq(ready, "Unknown")) {
        add(s, list, TAINT_UNREACHABLE, "NoSchedule");
    } else if (!str_eq(ready, "True")) {
        add(s, list, TAINT_NOT_READY, "NoSchedule");
    }
    for (size_t i = 0; i < sizeof pressure / sizeof pressure[0]; i++) {
        if (str_eq(node_condition(s->node, pressure[i].condition), pressure[i].status)) {
            add(s, list, pressure[i].taint, "NoSchedule");
        }
    }
    if (opr_obj_bool(s->node, "/spec/unschedulable", false)) {
        add(s, list, "node.kubernetes.io/unschedulable", "NoSchedule");
    }
}

/* One that stands stays while it is right; a new one needs leave from the rate limits. */
static void add_no_execute(struct sync *s, struct opr_doc *list, const char *ready)
{
    const struct opr_obj *taints = opr_obj_at(s->node, "/spec/taints");
    const char *key = str_eq(ready, "Unknown") ? TAINT_UNREACHABLE
                      : str_eq(ready, "False") ? TAINT_NOT_READY
                                               : NULL;
    if (!key) {
        return;
    }
    bool stands =
        find(taints, TAINT_NOT_READY, "NoExecute") || find(taints, TAINT_UNREACHABLE, "NoExecute");
    if (stands ? !cluster_is_disrupted(s) : eviction_is_allowed(s)) {
        add(s, list, key, "NoExecute");
    }
}

opr_status taints_sync(struct sync *s)
{
    const struct opr_obj *taints = opr_obj_at(s->node, "/spec/taints");
    const char *ready = node_condition(s->node, "Ready");
    struct opr_doc *list = opr_doc_new(s->c, "[]");
    for (const struct opr_obj *t = opr_obj_first(taints); t; t = opr_obj_next(t)) {
        if (!is_ours(t)) {
            opr_doc_set(list, "/-", "%p", t);
        }
    }
    add_no_schedule(s, list, ready);
    add_no_execute(s, list, ready);
    const struct opr_obj *wanted = opr_doc_obj(list);
    uint32_t same = 0;
    for (const struct opr_obj *t = opr_obj_first(wanted); t; t = opr_obj_next(t)) {
        same += find(taints, opr_obj_str(t, "/key", ""), opr_obj_str(t, "/effect", "")) != NULL;
    }
    if (same == opr_obj_len(wanted) && same == opr_obj_len(taints)) {
        return OPR_OK;
    }
    /* The version guards the taints that others add: the list is replaced as a whole. */
    struct opr_doc *d =
        opr_doc_new(s->c, "{'metadata':{'resourceVersion':%s},'spec':{'taints':%p}}",
                    opr_obj_str(s->node, "/metadata/resourceVersion", ""), wanted);
    return opr_patch(s->c, s->node, NULL, OPR_PATCH_MERGE, d, &s->node);
}
