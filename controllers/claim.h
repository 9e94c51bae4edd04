/* Adoption and release of what a controller owns (spec 1.0): a reference is put on and taken off by
 * a patch that names the object's UID, so that a namesake is never meant. Threads: worker. */
#ifndef OPR_CONTROLLERS_CLAIM_H
#define OPR_CONTROLLERS_CLAIM_H

#include "controllers/common.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The owner. Borrowed strings. */
struct claimer {
    struct opr_ctx *c;
    const char *api_version, *kind, *ns, *name, *uid;
};

/* The cache may be old: only the server knows whether this owner still is the one that lives and
 * may adopt. To be asked once a sync. */
static inline opr_status claim_allowed(const struct claimer *by)
{
    const struct opr_obj *live = NULL;
    const char *gvk = opr_ctx_text(by->c, "%s/%s", by->api_version, by->kind);
    opr_status st = opr_get_live(by->c, gvk, by->ns, by->name, &live);
    if (st != OPR_OK) {
        return st;
    }
    return str_eq(meta_uid(live), by->uid) && !is_deleting(live) ? OPR_OK : OPR_E_CONFLICT;
}

/* ret_obj may be NULL. */
static inline opr_status claim_adopt(const struct claimer *by, const struct opr_obj *o,
                                     const struct opr_obj **ret_obj)
{
    struct opr_doc *d = opr_doc_new(
        by->c,
        "{'metadata':{'uid':%s,'ownerReferences':[{'apiVersion':%s,'kind':%s,'name':%s,'uid':%s,"
        "'controller':true,'blockOwnerDeletion':true}]}}",
        meta_uid(o), by->api_version, by->kind, by->name, by->uid);
    return opr_patch(by->c, o, NULL, OPR_PATCH_STRATEGIC, d, ret_obj);
}

/* Takes only the owner's reference away. Gone or changed beyond the patch (404, 422): nothing to
 * do. */
static inline opr_status claim_release(const struct claimer *by, const struct opr_obj *o)
{
    struct opr_doc *d = opr_doc_new(
        by->c, "{'metadata':{'uid':%s,'ownerReferences':[{'$patch':'delete','uid':%s}]}}",
        meta_uid(o), by->uid);
    opr_status st = opr_patch(by->c, o, NULL, OPR_PATCH_STRATEGIC, d, NULL);
    return st == OPR_E_NOT_FOUND || st == OPR_E_INVALID ? OPR_OK : st;
}

#ifdef __cplusplus
}
#endif
#endif
