#include "controllers/disruption/disruption.h"

static const struct opr_obj *conditions_of(struct budget *b, int64_t allowed)
{
    struct conditions list;
    conditions_load(&list, opr_obj_at(b->self, "/status/conditions"));
    const char *reason = b->problem    ? "SyncFailed"
                         : allowed > 0 ? "SufficientPods"
                                       : "InsufficientPods";
    conditions_set(b->c, &list, "DisruptionAllowed", allowed > 0 ? "True" : "False", reason,
                   b->problem ? b->problem : "");
    const struct opr_obj *set = conditions_find(&list, "DisruptionAllowed");
    struct opr_doc *d = opr_doc_of(b->c, set);
    opr_doc_set(d, "/observedGeneration", "%lld",
                (long long)opr_obj_int(b->self, "/metadata/generation", 0));
    conditions_put(&list, opr_doc_obj(d));
    return conditions_array(b->c, &list);
}

/* What could not be counted allows nothing, and the last figures stay. */
static const struct opr_obj *status_of(struct budget *b)
{
    const struct opr_obj *old = opr_obj_at(b->self, "/status");
    int64_t allowed = b->problem || b->expected <= 0 ? 0 : b->healthy - b->desired;
    allowed = allowed > 0 ? allowed : 0;
    const struct opr_obj *conditions = conditions_of(b, allowed);
    if (b->problem) {
        struct opr_doc *d = old ? opr_doc_of(b->c, old)
                                : opr_doc_new(b->c, "{'currentHealthy':0,'desiredHealthy':0,"
                                                    "'expectedPods':0}");
        opr_doc_set(d, "/disruptionsAllowed", "0");
        opr_doc_set(d, "/conditions", "%p", conditions);
        return opr_doc_obj(d);
    }
    struct opr_doc *d = opr_doc_new(
        b->c,
        "{'observedGeneration':%lld,'currentHealthy':%lld,'desiredHealthy':%lld,"
        "'expectedPods':%lld,'disruptionsAllowed':%lld,'conditions':%p}",
        (long long)opr_obj_int(b->self, "/metadata/generation", 0), (long long)b->healthy,
        (long long)b->desired, (long long)b->expected, (long long)allowed, conditions);
    if (opr_obj_len(opr_doc_obj(b->disrupted)) > 0) {
        opr_doc_set(d, "/disruptedPods", "%p", opr_doc_obj(b->disrupted));
    }
    return opr_doc_obj(d);
}

opr_status budget_write(struct budget *b)
{
    const struct opr_obj *status = status_of(b);
    if (opr_obj_equal(status, opr_obj_at(b->self, "/status"))) {
        return OPR_OK;
    }
    struct opr_doc *whole = opr_doc_of(b->c, b->self);
    opr_doc_set(whole, "/status", "%p", status);
    return opr_update(b->c, whole, "status", NULL);
}
