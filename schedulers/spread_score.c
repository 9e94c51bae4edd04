#include "schedulers/scheduler.h"

#include <math.h>

/* Where the pod asks for nothing: the pods of one owner, over nodes (skew 3) and zones (skew 5). */
enum { DEFAULT_NODE_SKEW = 3, DEFAULT_ZONE_SKEW = 5 };

static int64_t own_pods(const struct sched_node *n, uint64_t owner)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < n->pod_count; i++) {
        count += n->pods[i]->owner == owner;
    }
    return count;
}

static double weighted(int64_t matches, int64_t domains, int64_t max_skew)
{
    return (double)matches * log((double)domains + 2) + (double)(max_skew - 1);
}

static void score_default(struct cycle *y, int64_t *ret_scores)
{
    int64_t in_zone[ZONES_MAX] = {0}, zones = 0;
    bool is_used[ZONES_MAX] = {0};
    for (uint32_t i = 0; i < y->fit_count; i++) {
        int32_t zone = y->fit[i].node->zone;
        if (zone != NO_ZONE && !is_used[zone]) {
            is_used[zone] = true;
            zones++;
        }
    }
    for (uint32_t i = 0; zones > 0 && i < y->cluster->node_count; i++) {
        const struct sched_node *n = y->cluster->nodes[i];
        if (n->zone != NO_ZONE) {
            in_zone[n->zone] += own_pods(n, y->owner);
        }
    }
    for (uint32_t i = 0; i < y->fit_count; i++) {
        const struct sched_node *n = y->fit[i].node;
        double sum = weighted(own_pods(n, y->owner), y->fit_count, DEFAULT_NODE_SKEW);
        if (n->zone != NO_ZONE) {
            sum += weighted(in_zone[n->zone], zones, DEFAULT_ZONE_SKEW);
        }
        ret_scores[i] = (int64_t)round(sum);
    }
}

/* Number of a constraint's domains among the feasible nodes. */
static int64_t feasible_domains(struct cycle *y, const struct constraint *t)
{
    bool *is_seen = opr_ctx_alloc(y->c, (size_t)t->domains + 1);
    int64_t count = 0;
    for (uint32_t i = 0; i < y->fit_count; i++) {
        int32_t domain = t->domain_of[y->fit[i].node->index];
        if (domain >= 0 && !is_seen[domain]) {
            is_seen[domain] = true;
            count++;
        }
    }
    return count;
}

/* A node without one of the keys is left out: -1. */
static void score_asked(struct cycle *y, const struct spread *s, int64_t *ret_scores)
{
    int64_t *domains = opr_ctx_alloc(y->c, s->count * sizeof *domains);
    for (uint32_t j = 0; j < s->count; j++) {
        domains[j] = feasible_domains(y, &s->at[j]);
    }
    for (uint32_t i = 0; i < y->fit_count; i++) {
        double sum = 0;
        for (uint32_t j = 0; j < s->count && sum >= 0; j++) {
            int32_t domain = s->at[j].domain_of[y->fit[i].node->index];
            sum = domain < 0
                      ? -1
                      : sum + weighted(s->at[j].matches[domain], domains[j], s->at[j].max_skew);
        }
        ret_scores[i] = sum < 0 ? -1 : (int64_t)round(sum);
    }
}

/* 100 * (max + min - s) / max; nodes left out get 0. */
bool score_spread(struct cycle *y, int64_t *ret_scores)
{
    const struct spread *asked = spread_count(y, "ScheduleAnyway");
    if (asked) {
        score_asked(y, asked, ret_scores);
    } else if (y->owner != 0 &&
               opr_obj_len(opr_obj_at(y->pod, "/spec/topologySpreadConstraints")) == 0) {
        score_default(y, ret_scores);
    } else {
        return false;
    }
    int64_t most = 0, least = INT64_MAX;
    for (uint32_t i = 0; i < y->fit_count; i++) {
        if (ret_scores[i] >= 0) {
            most = ret_scores[i] > most ? ret_scores[i] : most;
            least = ret_scores[i] < least ? ret_scores[i] : least;
        }
    }
    for (uint32_t i = 0; i < y->fit_count; i++) {
        if (ret_scores[i] < 0) {
            ret_scores[i] = 0;
        } else {
            ret_scores[i] = most == 0 ? 100 : 100 * (most + least - ret_scores[i]) / most;
        }
    }
    return true;
}
