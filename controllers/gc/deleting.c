#include "controllers/gc/gc.h"

static opr_status remove_finalizer(struct opr_ctx *c, const struct opr_obj *o, const char *name)
{
    struct opr_doc *kept = opr_doc_new(c, "[]");
    const struct opr_obj *list = opr_obj_at(o, "/metadata/finalizers");
    for (const struct opr_obj *f = opr_obj_first(list); f; f = opr_obj_next(f)) {
        if (!str_eq(opr_obj_str(f, "", ""), name)) {
            opr_doc_set(kept, "/-", "%p", f);
        }
    }
    struct opr_doc *d =
        opr_doc_new(c, "{'metadata':{'resourceVersion':%s,'finalizers':%p}}",
                    opr_obj_str(o, "/metadata/resourceVersion", ""), opr_doc_obj(kept));
    return opr_patch(c, o, NULL, OPR_PATCH_MERGE, d, NULL);
}

static opr_status orphan_dependents(struct opr_ctx *c, const struct opr_obj *o,
                                    const struct opr_obj *const *dependents, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        opr_status st = references_drop(c, dependents[i], meta_uid(o));
        if (st != OPR_OK && st != OPR_E_NOT_FOUND) {
            return st;
        }
    }
    return remove_finalizer(c, o, "orphan");
}

static bool blocks(const struct opr_obj *dependent, const char *uid)
{
    const struct opr_obj *refs = opr_obj_at(dependent, "/metadata/ownerReferences");
    for (const struct opr_obj *r = opr_obj_first(refs); r; r = opr_obj_next(r)) {
        if (str_eq(opr_obj_str(r, "/uid", ""), uid) &&
            opr_obj_bool(r, "/blockOwnerDeletion", false)) {
            return true;
        }
    }
    return false;
}

/* The dependents are looked at on their own keys; their going brings the owner back here. */
static opr_status foreground(struct opr_ctx *c, const struct opr_obj *o,
                             const struct opr_obj *const *dependents, uint32_t n)
{
    uint32_t blocking = 0;
    for (uint32_t i = 0; i < n; i++) {
        blocking += blocks(dependents[i], meta_uid(o));
        if (!is_deleting(dependents[i])) {
            opr_enqueue_after(c, NULL, gc_key(c, dependents[i]), 0);
        }
    }
    return blocking > 0 ? OPR_OK : remove_finalizer(c, o, "foregroundDeletion");
}

opr_result deleting_sync(struct opr_ctx *c, const struct opr_obj *o)
{
    bool orphans = has_finalizer(o, "orphan");
    if (!orphans && !is_waiting(o)) {
        return opr_done();
    }
    const struct opr_obj *const *dependents = NULL;
    uint32_t n = 0;
    opr_status st = dependents_of(c, o, &dependents, &n);
    if (st == OPR_OK) {
        st = orphans ? orphan_dependents(c, o, dependents, n) : foreground(c, o, dependents, n);
    }
    return st == OPR_E_NOT_FOUND ? opr_done() : result_of(c, st);
}
