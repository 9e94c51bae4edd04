#include "controllers/replicaset/replicaset.h"

/* The cache may be old: only the server knows whether this ReplicaSet still is the one that lives
 * and may adopt. Asked at most once a sync. */
static opr_status may_adopt(struct rset *rs)
{
    const struct opr_obj *live = NULL;
    opr_status st = opr_get_live(rs->c, REPLICASET_GVK, rs->ns, rs->name, &live);
    if (st != OPR_OK) {
        return st;
    }
    return str_eq(meta_uid(live), rs->uid) && !is_deleting(live) ? OPR_OK : OPR_E_CONFLICT;
}

static opr_status adopt(struct rset *rs, const struct opr_obj *pod)
{
    struct opr_doc *d = opr_doc_new(
        rs->c,
        "{'metadata':{'uid':%s,'ownerReferences':[{'apiVersion':'apps/v1','kind':'ReplicaSet',"
        "'name':%s,'uid':%s,'controller':true,'blockOwnerDeletion':true}]}}",
        meta_uid(pod), rs->name, rs->uid);
    return opr_patch(rs->c, pod, NULL, OPR_PATCH_STRATEGIC, d, NULL);
}

/* Takes only our own reference away. Gone or changed beyond the patch (404, 422): nothing to do. */
static opr_status release(struct rset *rs, const struct opr_obj *pod)
{
    struct opr_doc *d = opr_doc_new(
        rs->c, "{'metadata':{'uid':%s,'ownerReferences':[{'$patch':'delete','uid':%s}]}}",
        meta_uid(pod), rs->uid);
    opr_status st = opr_patch(rs->c, pod, NULL, OPR_PATCH_STRATEGIC, d, NULL);
    return st == OPR_E_NOT_FOUND || st == OPR_E_INVALID ? OPR_OK : st;
}

static opr_status claim_owned(struct rset *rs, const struct opr_obj *pod,
                              const struct opr_obj *selector, bool is_gone)
{
    if (!str_eq(controller_uid(pod), rs->uid) || pod_is_terminal(pod)) {
        return OPR_OK;
    }
    bool matches = opr_selector_matches(selector, opr_obj_at(pod, "/metadata/labels"));
    if (is_deleting(pod)) {
        rs->terminating += matches;
        return OPR_OK;
    }
    if (matches) {
        rs->pods[rs->count++] = pod;
        return OPR_OK;
    }
    return is_gone ? OPR_OK : release(rs, pod);
}

static opr_status claim_orphans(struct rset *rs, const struct opr_obj *const *orphans, uint32_t n,
                                const struct opr_obj *selector)
{
    bool is_asked = false;
    for (uint32_t i = 0; i < n; i++) {
        const struct opr_obj *pod = orphans[i];
        if (!pod_is_active(pod) || controller_ref(pod) ||
            !opr_selector_matches(selector, opr_obj_at(pod, "/metadata/labels"))) {
            continue;
        }
        opr_status st = is_asked ? OPR_OK : may_adopt(rs);
        is_asked = true;
        if (st == OPR_OK) {
            st = adopt(rs, pod);
        }
        if (st == OPR_E_NOT_FOUND) {
            continue;
        }
        if (st != OPR_OK) {
            return st;
        }
        rs->pods[rs->count++] = pod;
    }
    return OPR_OK;
}

opr_status rset_claim(struct rset *rs)
{
    const struct opr_obj *const *owned = NULL, *const *orphans = NULL;
    uint32_t owned_count = 0, orphan_count = 0;
    const struct opr_obj *selector = opr_obj_at(rs->self, "/spec/selector");
    bool is_gone = is_deleting(rs->self);
    opr_status st = opr_list(rs->c, "v1/Pod", rs->ns, "owner", rs->uid, &owned, &owned_count);
    if (st == OPR_OK && !is_gone) {
        st = opr_list(rs->c, "v1/Pod", rs->ns, "owner0", "", &orphans, &orphan_count);
    }
    if (st != OPR_OK) {
        return st;
    }
    rs->pods = opr_ctx_alloc(rs->c, (owned_count + orphan_count + 1) * sizeof(void *));
    for (uint32_t i = 0; i < owned_count; i++) {
        opr_status one = claim_owned(rs, owned[i], selector, is_gone);
        st = st == OPR_OK ? one : st;
    }
    return st == OPR_OK ? claim_orphans(rs, orphans, orphan_count, selector) : st;
}
