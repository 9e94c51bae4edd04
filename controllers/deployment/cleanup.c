#include "controllers/deployment/deployment.h"

static int by_revision(const void *a, const void *b)
{
    const struct set *x = *(struct set *const *)a, *y = *(struct set *const *)b;
    if (x->revision != y->revision) {
        return x->revision < y->revision ? -1 : 1;
    }
    return x->created_ms < y->created_ms ? -1 : x->created_ms > y->created_ms;
}

static bool is_idle(const struct set *s)
{
    return s->replicas == 0 && s->actual == 0 &&
           opr_obj_int(s->o, "/metadata/generation", 0) <=
               opr_obj_int(s->o, "/status/observedGeneration", 0);
}

opr_status dep_clean_up(struct dep *d)
{
    int64_t limit = opr_obj_int(d->self, "/spec/revisionHistoryLimit", INT32_MAX);
    struct set **old = opr_ctx_alloc(d->c, (d->count + 1) * sizeof(struct set *));
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        if (&d->sets[i] != d->newest && !d->sets[i].is_deleting) {
            old[n++] = &d->sets[i];
        }
    }
    qsort(old, n, sizeof(struct set *), by_revision);
    for (uint32_t i = 0; (int64_t)i + limit < (int64_t)n; i++) {
        if (!is_idle(old[i])) {
            continue;
        }
        opr_status st = opr_delete(d->c, old[i]->o, NULL);
        if (st != OPR_OK && st != OPR_E_NOT_FOUND) {
            return st;
        }
    }
    return OPR_OK;
}
