#include "controllers/gc/gc.h"

enum { LOOK_AGAIN_MS = 30000 };

struct owners {
    uint32_t solid, dangling, waiting, unknown;
    struct opr_doc *kept; /* references to solid owners */
};

static struct owners classify(struct opr_ctx *c, const struct opr_obj *child)
{
    struct owners n = {.kept = opr_doc_new(c, "[]")};
    const struct opr_obj *refs = opr_obj_at(child, "/metadata/ownerReferences");
    for (const struct opr_obj *r = opr_obj_first(refs); r; r = opr_obj_next(r)) {
        int32_t state = owner_state(c, child, r);
        n.solid += state == OWNER_SOLID;
        n.dangling += state == OWNER_DANGLING;
        n.waiting += state == OWNER_WAITING;
        n.unknown += state == OWNER_UNKNOWN;
        if (state == OWNER_SOLID || state == OWNER_UNKNOWN) {
            opr_doc_set(n.kept, "/-", "%p", r);
        }
    }
    return n;
}

/* The version guards the list, which is replaced as a whole. */
static opr_status set_references(struct opr_ctx *c, const struct opr_obj *o, struct opr_doc *refs)
{
    struct opr_doc *d =
        opr_doc_new(c, "{'metadata':{'resourceVersion':%s,'ownerReferences':%p}}",
                    opr_obj_str(o, "/metadata/resourceVersion", ""), opr_doc_obj(refs));
    return opr_patch(c, o, NULL, OPR_PATCH_MERGE, d, NULL);
}

opr_status references_drop(struct opr_ctx *c, const struct opr_obj *o, const char *uid)
{
    struct opr_doc *kept = opr_doc_new(c, "[]");
    const struct opr_obj *refs = opr_obj_at(o, "/metadata/ownerReferences");
    for (const struct opr_obj *r = opr_obj_first(refs); r; r = opr_obj_next(r)) {
        if (!str_eq(opr_obj_str(r, "/uid", ""), uid)) {
            opr_doc_set(kept, "/-", "%p", r);
        }
    }
    return set_references(c, o, kept);
}

/* Two that wait for each other would wait for ever: the child stops blocking. */
static opr_status unblock(struct opr_ctx *c, const struct opr_obj *child)
{
    struct opr_doc *refs = opr_doc_new(c, "[]");
    const struct opr_obj *old = opr_obj_at(child, "/metadata/ownerReferences");
    for (const struct opr_obj *r = opr_obj_first(old); r; r = opr_obj_next(r)) {
        struct opr_doc *one = opr_doc_of(c, r);
        opr_doc_set(one, "/blockOwnerDeletion", "false");
        opr_doc_set(refs, "/-", "%p", opr_doc_obj(one));
    }
    return set_references(c, child, refs);
}

static opr_status remove_child(struct opr_ctx *c, const struct opr_obj *child,
                               const char *propagation)
{
    struct opr_delete_options options = {.size = sizeof options,
                                         .propagation = propagation,
                                         .grace_s = -1,
                                         .requires_resource_version = true};
    return opr_delete(c, child, &options);
}

static opr_status remove_foreground(struct opr_ctx *c, const struct opr_obj *child,
                                    const struct opr_obj *const *dependents, uint32_t n)
{
    bool is_cycle = false;
    for (uint32_t i = 0; i < n; i++) {
        is_cycle |= is_waiting(dependents[i]);
    }
    if (is_cycle) {
        opr_status st = unblock(c, child);
        return st == OPR_OK ? OPR_E_CONFLICT : st; /* a new version: the next sync deletes it */
    }
    return remove_child(c, child, "Foreground");
}

static opr_result ended(struct opr_ctx *c, opr_status st)
{
    return st == OPR_E_NOT_FOUND ? opr_done() : result_of(c, st);
}

opr_result dependent_sync(struct opr_ctx *c, const struct opr_obj *child)
{
    if (opr_obj_len(opr_obj_at(child, "/metadata/ownerReferences")) == 0) {
        return opr_done();
    }
    struct owners n = classify(c, child);
    if (n.unknown > 0) {
        return opr_requeue_after_ms(is_young(c, child) ? LOOK_SOON_MS : LOOK_AGAIN_MS);
    }
    if (n.solid > 0) {
        bool is_clean = n.dangling + n.waiting == 0;
        return is_clean ? opr_done() : ended(c, set_references(c, child, n.kept));
    }
    const struct opr_obj *const *dependents = NULL;
    uint32_t count = 0;
    opr_status st = dependents_of(c, child, &dependents, &count);
    if (st != OPR_OK) {
        return ended(c, st);
    }
    if (n.waiting > 0 && count > 0) {
        return ended(c, remove_foreground(c, child, dependents, count));
    }
    const char *propagation = has_finalizer(child, "orphan")               ? "Orphan"
                              : has_finalizer(child, "foregroundDeletion") ? "Foreground"
                                                                           : "Background";
    return ended(c, remove_child(c, child, propagation));
}
