#include "schedulers/scheduler.h"

void spread_prepare(struct cycle *y)
{
    y->spread = spread_count(y, "DoNotSchedule");
}

/* The fewest matches of any domain; 0 while there are fewer domains than wanted. */
static int64_t fewest(const struct constraint *t)
{
    if (t->domains == 0 || t->domains < t->min_domains) {
        return 0;
    }
    int64_t least = t->matches[0];
    for (int32_t i = 1; i < t->domains; i++) {
        least = t->matches[i] < least ? t->matches[i] : least;
    }
    return least;
}

bool filter_spread(struct cycle *y, const struct sched_node *n)
{
    for (uint32_t i = 0; y->spread && i < y->spread->count; i++) {
        const struct constraint *t = &y->spread->at[i];
        if (!label_of(n->labels, t->key)) {
            cycle_reject(y, "node(s) didn't match pod topology spread constraints "
                            "(missing required label)");
            y->is_hopeless = true;
            return false;
        }
        int32_t domain = t->domain_of[n->index];
        int64_t here = domain < 0 ? 0 : t->matches[domain];
        if (here + t->is_own_match - fewest(t) > t->max_skew) {
            cycle_reject(y, "node(s) didn't match pod topology spread constraints");
            return false;
        }
    }
    return true;
}

bool spread_concerns(struct cycle *y, const struct opr_obj *pod)
{
    const struct opr_obj *list = opr_obj_at(y->pod, "/spec/topologySpreadConstraints");
    const struct opr_obj *labels = opr_obj_at(pod, "/metadata/labels");
    if (!str_eq(opr_obj_str(pod, "/metadata/namespace", ""), y->ns)) {
        return false;
    }
    for (const struct opr_obj *t = opr_obj_first(list); t; t = opr_obj_next(t)) {
        if (str_eq(opr_obj_str(t, "/whenUnsatisfiable", ""), "DoNotSchedule") &&
            opr_selector_matches(opr_obj_at(t, "/labelSelector"), labels)) {
            return true;
        }
    }
    return false;
}
