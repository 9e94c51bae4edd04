#include "controllers/autoscaler/autoscaler.h"

static const struct opr_obj *settled(struct opr_ctx *c, const struct opr_obj *status)
{
    struct opr_doc *d = opr_doc_new(c, "{'s':%p}", status);
    opr_doc_remove(d, "/s/currentMetrics");
    return opr_doc_obj(d);
}

opr_status status_write(struct hpa *h)
{
    const struct opr_obj *old = opr_obj_at(h->self, "/status");
    const char *scaled =
        h->has_scaled ? time_format(h->c, h->now_ms) : opr_obj_str(old, "/lastScaleTime", NULL);
    struct opr_doc *d =
        opr_doc_new(h->c, "{'observedGeneration':%lld,'desiredReplicas':%lld,'conditions':%p}",
                    (long long)opr_obj_int(h->self, "/metadata/generation", 0),
                    (long long)h->desired, conditions_array(h->c, &h->conditions));
    if (h->current > 0) {
        opr_doc_set(d, "/currentReplicas", "%lld", (long long)h->current);
    }
    if (scaled) {
        opr_doc_set(d, "/lastScaleTime", "%s", scaled);
    }
    if (opr_obj_len(opr_doc_obj(h->metrics)) > 0) {
        opr_doc_set(d, "/currentMetrics", "%p", opr_doc_obj(h->metrics));
    }
    const struct opr_obj *status = opr_doc_obj(d);
    bool is_same = opr_obj_equal(status, old);
    bool is_recent = h->now_ms - h->record->status_ms < STATUS_MS &&
                     opr_obj_equal(settled(h->c, status), settled(h->c, old));
    if (is_same || is_recent) {
        return OPR_OK;
    }
    h->record->status_ms = h->now_ms;
    struct opr_doc *whole = opr_doc_of(h->c, h->self);
    opr_doc_set(whole, "/status", "%p", status);
    opr_status st = opr_update(h->c, whole, "status", NULL);
    if (st != OPR_OK && st != OPR_E_CONFLICT && st != OPR_E_NOT_FOUND) {
        opr_event(h->c, h->self, "Warning", "FailedUpdateStatus", "%s", opr_ctx_error(h->c));
    }
    return st;
}
