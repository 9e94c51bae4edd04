#include "controllers/deployment/deployment.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t dep_newest_size(const struct dep *d)
{
    int64_t now = d->newest ? d->newest->replicas : 0;
    if (!d->is_rolling) {
        return d->replicas;
    }
    int64_t room = d->replicas + d->max_surge - dep_sum_replicas(d);
    return room <= 0 ? now : now + least(room, d->replicas - now);
}

/* Old pods that are not available cost nothing to remove: oldest set first. */
static opr_status remove_unhealthy(struct dep *d, int64_t budget, bool *did)
{
    for (uint32_t i = 0; i < d->count && budget > 0; i++) {
        struct set *s = &d->sets[i];
        if (s == d->newest || s->replicas == s->kept) {
            continue;
        }
        int64_t n = least(budget, s->replicas - s->kept);
        opr_status st = dep_scale(d, s, s->replicas - n, did);
        if (st != OPR_OK) {
            return st;
        }
        budget -= n;
    }
    return OPR_OK;
}

/* Then as many available ones as may be missing. */
static opr_status remove_available(struct dep *d, bool *did)
{
    int64_t available = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        available += d->sets[i].kept;
    }
    int64_t budget = available - (d->replicas - d->max_unavailable);
    for (uint32_t i = 0; i < d->count && budget > 0; i++) {
        struct set *s = &d->sets[i];
        if (s == d->newest || s->replicas == 0) {
            continue;
        }
        int64_t n = least(budget, s->replicas);
        opr_status st = dep_scale(d, s, s->replicas - n, did);
        if (st != OPR_OK) {
            return st;
        }
        budget -= n;
    }
    return OPR_OK;
}

static opr_status shrink_old(struct dep *d, bool *did)
{
    int64_t total = dep_sum_replicas(d);
    if (total == d->newest->replicas) {
        return OPR_OK;
    }
    int64_t missing_new = d->newest->replicas - d->newest->kept;
    int64_t budget = total - (d->replicas - d->max_unavailable) - missing_new;
    if (budget <= 0) {
        return OPR_OK;
    }
    opr_status st = remove_unhealthy(d, budget, did);
    return st == OPR_OK ? remove_available(d, did) : st;
}

opr_status dep_roll(struct dep *d)
{
    bool did = false;
    opr_status st = dep_sync_revision(d, true);
    if (st != OPR_OK) {
        return st;
    }
    int64_t size = d->newest->replicas > d->replicas ? d->replicas : dep_newest_size(d);
    st = dep_scale(d, d->newest, size, &did);
    if (st == OPR_OK && !did) {
        st = shrink_old(d, &did);
    }
    if (st == OPR_OK && !did && dep_is_complete(d)) {
        st = dep_clean_up(d);
    }
    return st == OPR_OK ? dep_write_status(d, true) : st;
}
