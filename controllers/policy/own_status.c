/* The status of a primary object: what the policy said, and the condition Synced of the host. */
#include "controllers/policy/reconcile.h"

/* The policy's conditions, each with the time of its last change. */
static void add_conditions(struct opr_ctx *c, struct conditions *list, const struct opr_obj *array)
{
    for (const struct opr_obj *x = opr_obj_first(array); x; x = opr_obj_next(x)) {
        const char *type = opr_obj_str(x, "/type", "");
        if (type[0] != '\0') {
            conditions_set(c, list, type, opr_obj_str(x, "/status", "Unknown"),
                           opr_obj_str(x, "/reason", ""), opr_obj_str(x, "/message", ""));
        }
    }
}

opr_status status_apply(struct opr_ctx *c, const struct opr_obj *self, const struct opr_obj *wanted,
                        const char *reason, const char *problem)
{
    const struct opr_obj *old = opr_obj_at(self, "/status");
    bool is_said = opr_obj_type(wanted) == OPR_TYPE_OBJECT;
    struct conditions list;
    conditions_load(&list, opr_obj_at(old, "/conditions"));
    struct opr_doc *d = is_said ? opr_doc_of(c, wanted)
                        : old   ? opr_doc_of(c, old)
                                : opr_doc_new(c, "{}");
    if (is_said) {
        add_conditions(c, &list, opr_obj_at(wanted, "/conditions"));
        opr_doc_set(d, "/observedGeneration", "%lld",
                    (long long)opr_obj_int(self, "/metadata/generation", 0));
    }
    conditions_set(c, &list, "Synced", problem ? "False" : "True", reason,
                   problem ? problem : "all children are as the policy wants them");
    opr_doc_set(d, "/conditions", "%p", conditions_array(c, &list));
    const struct opr_obj *patch =
        merge_patch(c, old ? old : opr_doc_obj(opr_doc_new(c, "{}")), opr_doc_obj(d));
    if (!patch) {
        return OPR_OK;
    }
    struct opr_doc *body = opr_doc_new(c, "{'status':%p}", patch);
    opr_status st = opr_patch(c, self, "status", OPR_PATCH_MERGE, body, NULL);
    /* It is gone, or its kind has no status: there is nowhere to write to. */
    return st == OPR_E_NOT_FOUND ? OPR_OK : st;
}
