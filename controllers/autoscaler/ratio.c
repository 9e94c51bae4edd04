#include "controllers/autoscaler/autoscaler.h"

#include <math.h>

struct sums {
    int64_t usage, request, count;
};

static void add(struct sums *s, int64_t usage, int64_t request)
{
    s->usage += usage;
    s->request += request;
    s->count++;
}

/* Utilisation is cut to a whole percent before the ratio is taken, as upstream does. */
static double ratio_of(const struct sums *s, const struct goal *goal, struct outcome *out)
{
    out->average_milli = s->count > 0 ? s->usage / s->count : 0;
    if (goal->utilization > 0) {
        out->utilization = s->request > 0 ? s->usage * 100 / s->request : 0;
        return (double)out->utilization / (double)goal->utilization;
    }
    return (double)out->average_milli / (double)goal->average_milli;
}

static bool is_tolerated(const struct goal *goal, double ratio)
{
    return 1 - goal->down <= ratio && ratio <= 1 + goal->up;
}

/* What a pod without a figure is taken to use: enough to hold back whichever way the rest points.
 */
static int64_t assumed(const struct usage *u, const struct goal *goal, double ratio)
{
    if (ratio > 1) {
        return 0;
    }
    if (goal->utilization > 0) {
        int64_t percent = goal->utilization > 100 ? goal->utilization : 100;
        return u->request_milli * percent / 100;
    }
    return goal->average_milli;
}

bool ratio_replicas(const struct hpa *h, struct usage *usage, const struct goal *goal,
                    struct outcome *ret_outcome)
{
    struct sums sum = {0};
    int64_t missing = 0, unready = 0;
    for (uint32_t i = 0; i < h->pod_count; i++) {
        const struct usage *u = &usage[i];
        if (u->is_ignored) {
            continue;
        }
        unready += u->is_unready;
        missing += !u->is_unready && !u->has_sample;
        if (!u->is_unready && u->has_sample) {
            add(&sum, u->milli, u->request_milli);
        }
    }
    if (sum.count == 0) {
        return false;
    }
    double ratio = ratio_of(&sum, goal, ret_outcome);
    bool fills_unready = unready > 0 && ratio > 1;
    ret_outcome->replicas = h->current;
    if (!fills_unready && missing == 0) {
        if (!is_tolerated(goal, ratio)) {
            ret_outcome->replicas = (int64_t)ceil(ratio * (double)sum.count);
        }
        return true;
    }
    for (uint32_t i = 0; i < h->pod_count; i++) {
        const struct usage *u = &usage[i];
        if (!u->is_ignored && u->is_unready && fills_unready) {
            add(&sum, 0, u->request_milli);
        } else if (!u->is_ignored && !u->is_unready && !u->has_sample && ratio != 1) {
            add(&sum, assumed(u, goal, ratio), u->request_milli);
        }
    }
    struct outcome filled;
    double careful = ratio_of(&sum, goal, &filled);
    bool is_reversed = (ratio < 1 && careful > 1) || (ratio > 1 && careful < 1);
    if (is_tolerated(goal, careful) || is_reversed) {
        return true;
    }
    int64_t n = (int64_t)ceil(careful * (double)sum.count);
    bool is_against = (careful < 1 && n > h->current) || (careful > 1 && n < h->current);
    ret_outcome->replicas = is_against ? h->current : n;
    return true;
}
