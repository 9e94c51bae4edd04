#include "controllers/replicaset/replicaset.h"

#include "controllers/claim.h"

static struct claimer claimer(const struct rset *rs)
{
    return (struct claimer){rs->c, "apps/v1", "ReplicaSet", rs->ns, rs->name, rs->uid};
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
    const struct claimer by = claimer(rs);
    return is_gone ? OPR_OK : claim_release(&by, pod);
}

static opr_status claim_orphans(struct rset *rs, const struct opr_obj *const *orphans, uint32_t n,
                                const struct opr_obj *selector)
{
    const struct claimer by = claimer(rs);
    bool is_asked = false;
    for (uint32_t i = 0; i < n; i++) {
        const struct opr_obj *pod = orphans[i];
        if (!pod_is_active(pod) || controller_ref(pod) ||
            !opr_selector_matches(selector, opr_obj_at(pod, "/metadata/labels"))) {
            continue;
        }
        opr_status st = is_asked ? OPR_OK : claim_allowed(&by);
        is_asked = true;
        if (st == OPR_OK) {
            st = claim_adopt(&by, pod, NULL);
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
