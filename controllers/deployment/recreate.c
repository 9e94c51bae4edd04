#include "controllers/deployment/deployment.h"

/* A pod of an old set that has not ended still runs, also while it is being deleted. */
static opr_status old_pods_run(struct dep *d, bool *ret_runs)
{
    *ret_runs = false;
    for (uint32_t i = 0; i < d->count; i++) {
        const struct opr_obj *const *pods = NULL;
        uint32_t n = 0;
        if (&d->sets[i] == d->newest) {
            continue;
        }
        opr_status st = opr_list(d->c, "v1/Pod", d->ns, "owner", d->sets[i].uid, &pods, &n);
        if (st != OPR_OK) {
            return st;
        }
        *ret_runs |= d->sets[i].actual > 0;
        for (uint32_t k = 0; k < n; k++) {
            *ret_runs |=
                str_eq(controller_uid(pods[k]), d->sets[i].uid) && !pod_is_terminal(pods[k]);
        }
    }
    return OPR_OK;
}

opr_status dep_recreate(struct dep *d)
{
    bool did = false, runs = false;
    opr_status st = dep_sync_revision(d, false);
    for (uint32_t i = 0; i < d->count && st == OPR_OK; i++) {
        if (&d->sets[i] != d->newest) {
            st = dep_scale(d, &d->sets[i], 0, &did);
        }
    }
    if (st == OPR_OK && !did) {
        st = old_pods_run(d, &runs);
    }
    if (st != OPR_OK) {
        return st;
    }
    if (did || runs) {
        return dep_write_status(d, true);
    }
    if (!d->newest) {
        st = dep_sync_revision(d, true);
    }
    if (st == OPR_OK) {
        st = dep_scale(d, d->newest, d->replicas, &did);
    }
    if (st == OPR_OK && dep_is_complete(d)) {
        st = dep_clean_up(d);
    }
    return st == OPR_OK ? dep_write_status(d, true) : st;
}
