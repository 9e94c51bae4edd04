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
