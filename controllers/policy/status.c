#include "controllers/policy/reconcile.h"

/* The fields that move with every call of the policy do not make a write of their own. */
static const struct opr_obj *settled(struct opr_ctx *c, const struct opr_obj *status)
{
    struct opr_doc *d = opr_doc_new(c, "{'s':%p}", status);
    opr_doc_remove(d, "/s/lastScaleTime");
    opr_doc_remove(d, "/s/lastVerdict");
    return opr_doc_obj(d);
}

static void set_conditions(struct opr_ctx *c, const struct opr_obj *self, const struct record *r,
                           const struct verdict *v, struct opr_doc *d)
{
    struct conditions list;
    conditions_load(&list, opr_obj_at(self, "/status/conditions"));
    conditions_set(c, &list, "Ready", r->problem ? "False" : "True",
                   r->problem ? "NotLoaded" : "Loaded",
                   r->problem ? r->problem : "the policy is loaded");
    if (v) {
        conditions_set(c, &list, "ScalingActive", v->is_active ? "True" : "False",
                       v->is_active ? "ValidVerdict" : "NoVerdict",
                       v->is_active ? "the policy decides" : v->message);
    }
    const struct program *p = program_find(c, r->name);
    if (p) {
        conditions_set(c, &list, "Reconciling", p->problem ? "False" : "True",
                       p->problem ? "Hindered" : "Following",
                       p->problem ? p->problem : opr_ctx_text(c, "controls %s", p->primary));
    } else {
        conditions_remove(&list, "Reconciling");
    }
    opr_doc_set(d, "/conditions", "%p", conditions_array(c, &list));
}

opr_status policy_status(struct opr_ctx *c, const struct opr_obj *self, const struct record *r,
                         const struct verdict *v)
{
    const struct opr_obj *old = opr_obj_at(self, "/status");
    const char *message = r->problem ? r->problem : v ? v->message : "";
    const char *scaled = opr_obj_str(old, "/lastScaleTime", NULL);
    struct opr_doc *d =
        opr_doc_new(c, "{'observedGeneration':%lld,'message':%s}",
                    (long long)opr_obj_int(self, "/metadata/generation", 0), message);
    opr_doc_set(d, "/ready", r->problem ? "false" : "true");
    if (v) {
        opr_doc_set(d, "/currentReplicas", "%lld", (long long)v->current);
        opr_doc_set(d, "/desiredReplicas", "%lld", (long long)v->desired);
        if (v->text[0] != '\0') {
            opr_doc_set(d, "/lastVerdict", "%s",
                        opr_ctx_text(c, "%lld: %s", (long long)v->desired, v->text));
        }
    }
    if (v && v->has_scaled) {
        scaled = time_now(c);
    }
    if (scaled) {
        opr_doc_set(d, "/lastScaleTime", "%s", scaled);
    }
    set_conditions(c, self, r, v, d);
    const struct opr_obj *status = opr_doc_obj(d);
    if (!(v && v->has_scaled) && opr_obj_equal(settled(c, status), settled(c, old))) {
        return OPR_OK;
    }
    struct opr_doc *whole = opr_doc_of(c, self);
    opr_doc_set(whole, "/status", "%p", status);
    return opr_update(c, whole, "status", NULL);
}
