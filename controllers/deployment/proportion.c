#include "controllers/deployment/deployment.h"

#include <math.h>

bool dep_is_scaling(const struct dep *d)
{
    for (uint32_t i = 0; i < d->count; i++) {
        const struct set *s = &d->sets[i];
        if (s->replicas > 0 && s->desired_noted >= 0 && s->desired_noted != d->replicas) {
            return true;
        }
    }
    return false;
}

/* The only set with pods; with none the present one, else the youngest. NULL with several. */
static struct set *active_or_latest(struct dep *d)
{
    struct set *active = NULL;
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->sets[i].replicas > 0) {
            if (active) {
                return NULL;
            }
            active = &d->sets[i];
        }
    }
    if (active || d->newest) {
        return active ? active : d->newest;
    }
    return d->count > 0 ? &d->sets[d->count - 1] : NULL;
}

static bool is_saturated(const struct dep *d)
{
    const struct set *s = d->newest;
    return s && s->replicas == d->replicas && s->desired_noted == d->replicas &&
           s->available == d->replicas;
}

/* By how much a set grows where all grow alike, from the size that the whole had when the set was
 * last noted. */
static int64_t fraction(const struct dep *d, const struct set *s)
{
    if (d->replicas == 0) {
        return -s->replicas;
    }
    int64_t before = s->max_noted > 0 ? s->max_noted : opr_obj_int(d->self, "/status/replicas", 0);
    if (before == 0) {
        return 0;
    }
    double size = (double)(s->replicas * (d->replicas + d->max_surge)) / (double)before;
    return (int64_t)round(size) - s->replicas;
}

static int64_t share(const struct dep *d, const struct set *s, int64_t to_add, int64_t added)
{
    int64_t part = fraction(d, s), left = to_add - added;
    if (left == 0) {
        return 0;
    }
    if (to_add > 0) {
        return part < left ? part : left;
    }
    return part > left ? part : left;
}

static int by_size_newer(const void *a, const void *b)
{
    const struct set *x = *(struct set *const *)a, *y = *(struct set *const *)b;
    if (x->replicas != y->replicas) {
        return x->replicas > y->replicas ? -1 : 1;
    }
    if (x->created_ms != y->created_ms) {
        return x->created_ms > y->created_ms ? -1 : 1;
    }
    return -strcmp(x->name, y->name);
}

static int by_size_older(const void *a, const void *b)
{
    const struct set *x = *(struct set *const *)a, *y = *(struct set *const *)b;
    if (x->replicas != y->replicas) {
        return x->replicas > y->replicas ? -1 : 1;
    }
    if (x->created_ms != y->created_ms) {
        return x->created_ms < y->created_ms ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

static opr_status spread(struct dep *d)
{
    struct set **active = opr_ctx_alloc(d->c, (d->count + 1) * sizeof(struct set *));
    int64_t *sizes = opr_ctx_alloc(d->c, (d->count + 1) * sizeof *sizes);
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->sets[i].replicas > 0) {
            active[n++] = &d->sets[i];
        }
    }
    int64_t allowed = d->replicas > 0 ? d->replicas + d->max_surge : 0, added = 0;
    int64_t to_add = allowed - dep_sum_replicas(d);
    qsort(active, n, sizeof(struct set *), to_add > 0 ? by_size_newer : by_size_older);
    for (uint32_t i = 0; i < n; i++) {
        int64_t part = to_add == 0 ? 0 : share(d, active[i], to_add, added);
        sizes[i] = active[i]->replicas + part;
        added += part;
    }
    if (n > 0) {
        sizes[0] += to_add - added;
        sizes[0] = sizes[0] < 0 ? 0 : sizes[0];
    }
    opr_status st = OPR_OK;
    for (uint32_t i = 0; i < n && st == OPR_OK; i++) {
        st = dep_resize(d, active[i], sizes[i]);
    }
    return st;
}

opr_status dep_scale_proportionally(struct dep *d)
{
    bool did = false;
    struct set *only = active_or_latest(d);
    if (only) {
        return dep_scale(d, only, d->replicas, &did);
    }
    if (is_saturated(d)) {
        opr_status st = OPR_OK;
        for (uint32_t i = 0; i < d->count && st == OPR_OK; i++) {
            if (&d->sets[i] != d->newest) {
                st = dep_scale(d, &d->sets[i], 0, &did);
            }
        }
        return st;
    }
    return d->is_rolling && d->count > 0 ? spread(d) : OPR_OK;
}
