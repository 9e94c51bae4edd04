#include "controllers/autoscaler/autoscaler.h"

/* An event each second would say nothing new: once, when the condition comes to say it. */
static void fail_active(struct hpa *h, const char *event, const char *reason, const char *message)
{
    const struct opr_obj *old = conditions_find(&h->conditions, "ScalingActive");
    bool is_new = !str_eq(opr_obj_str(old, "/reason", ""), reason) ||
                  !str_eq(opr_obj_str(old, "/message", ""), message);
    conditions_set(h->c, &h->conditions, "ScalingActive", "False", reason, message);
    if (is_new && !str_eq(event, reason)) {
        opr_event(h->c, h->self, "Warning", reason, "%s", message);
    }
    if (is_new) {
        opr_event(h->c, h->self, "Warning", event, "%s", message);
    }
}

/* All metrics; the largest proposal counts. False where nothing may be decided. */
static bool propose(struct hpa *h, int64_t *ret_replicas)
{
    const struct opr_obj *list = opr_obj_at(h->self, "/spec/metrics");
    struct proposal best = {.replicas = -1}, broken = {0};
    uint32_t bad = 0, all = 0;
    if (opr_obj_len(list) == 0) {
        list = opr_doc_obj(opr_doc_new(
            h->c, "[{'type':'Resource','resource':{'name':'cpu','target':{'type':'Utilization',"
                  "'averageUtilization':80}}}]"));
    }
    for (const struct opr_obj *m = opr_obj_first(list); m; m = opr_obj_next(m)) {
        struct proposal p = metric_propose(h, m);
        all++;
        if (p.problem) {
            broken = bad++ == 0 ? p : broken;
        } else if (p.replicas > best.replicas) {
            best = p;
        }
    }
    if (bad > 0 && (bad == all || best.replicas < h->current)) {
        fail_active(h, "FailedComputeMetricsReplicas", broken.problem_reason,
                    opr_ctx_text(h->c,
                                 "the HPA was unable to compute the replica count: %s (%u of %u "
                                 "metrics are invalid)",
                                 broken.problem, bad, all));
        return false;
    }
    conditions_set(h->c, &h->conditions, "ScalingActive", "True", "ValidMetricFound",
                   opr_ctx_text(h->c,
                                "the HPA was able to successfully calculate a replica count "
                                "from %s",
                                best.name));
    h->reason = best.replicas > h->current ? opr_ctx_text(h->c, "%s above target", best.name)
                                           : "All metrics below target";
    *ret_replicas = best.replicas;
    return true;
}

static opr_status rescale(struct hpa *h)
{
    opr_status st = target_write(h);
    if (st != OPR_OK) {
        const char *why = opr_ctx_text(h->c, "%s", opr_ctx_error(h->c));
        opr_event(h->c, h->self, "Warning", "FailedRescale",
                  "New size: %lld; reason: %s; error: %s", (long long)h->desired, h->reason, why);
        conditions_set(h->c, &h->conditions, "AbleToScale", "False", "FailedUpdateScale",
                       opr_ctx_text(h->c,
                                    "the HPA controller was unable to update the target scale: %s",
                                    why));
        h->desired = h->current;
        return st;
    }
    h->has_scaled = true;
    behavior_note(h);
    opr_event(h->c, h->self, "Normal", "SuccessfulRescale", "New size: %lld; reason: %s",
              (long long)h->desired, h->reason);
    conditions_set(h->c, &h->conditions, "AbleToScale", "True", "SucceededRescale",
                   opr_ctx_text(h->c,
                                "the HPA controller was able to update the target scale to %lld",
                                (long long)h->desired));
    return OPR_OK;
}

static void decide(struct hpa *h)
{
    int64_t proposed = 0;
    if (h->current == 0 && h->min != 0) {
        conditions_set(h->c, &h->conditions, "ScalingActive", "False", "ScalingDisabled",
                       "scaling is disabled since the replica count of the target is zero");
    } else if (h->current > h->max) {
        h->reason = "Current number of replicas above Spec.MaxReplicas";
        h->desired = h->max;
    } else if (h->current < h->min) {
        h->reason = "Current number of replicas below Spec.MinReplicas";
        h->desired = h->min;
    } else if (!h->selector) {
        fail_active(h, "SelectorRequired", "InvalidSelector",
                    "the HPA target's scale is missing a selector");
    } else if (target_rivals(h)[0] != '\0') {
        fail_active(
            h, "AmbiguousSelector", "AmbiguousSelector",
            opr_ctx_text(h->c, "pods by selector %s are controlled by multiple HPAs: [%s%s]",
                         h->selector_text, opr_ctx_text(h->c, "%s/%s", h->ns, meta_name(h->self)),
                         target_rivals(h)));
    } else if (propose(h, &proposed)) {
        h->desired = behavior_limit(h, proposed);
    }
}

opr_status hpa_sync(struct hpa *h)
{
    h->metrics = opr_doc_new(h->c, "[]");
    conditions_load(&h->conditions, opr_obj_at(h->self, "/status/conditions"));
    opr_status st = target_read(h);
    if (st != OPR_OK) {
        const char *why = opr_ctx_text(
            h->c, "the HPA controller was unable to get the target's current scale: %s",
            opr_ctx_error(h->c));
        const struct opr_obj *old = conditions_find(&h->conditions, "AbleToScale");
        if (!str_eq(opr_obj_str(old, "/message", ""), why)) {
            opr_event(h->c, h->self, "Warning", "FailedGetScale", "%s", why);
        }
        conditions_set(h->c, &h->conditions, "AbleToScale", "False", "FailedGetScale", why);
        h->current = opr_obj_int(h->self, "/status/currentReplicas", 0);
        h->desired = opr_obj_int(h->self, "/status/desiredReplicas", 0);
        return status_write(h);
    }
    conditions_set(h->c, &h->conditions, "AbleToScale", "True", "SucceededGetScale",
                   "the HPA controller was able to get the target's current scale");
    decide(h);
    if (h->desired != h->current) {
        st = rescale(h);
    }
    opr_status written = status_write(h);
    return st == OPR_OK ? written : st;
}
