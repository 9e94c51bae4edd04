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

bool goal_is_tolerated(const struct goal *goal, double ratio)
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

static bool is_missing(const struct usage *u)
{
    return !u->is_ignored && !u->is_unready && !u->has_sample;
}
static bool is_waiting(const struct usage *u)
{
    return !u->is_ignored && u->is_unready;
}

/* The same once more with what is not known filled in; a move that this turns round is none. */
static int64_t careful_replicas(const struct hpa *h, const struct usage *usage,
                                const struct goal *goal, struct sums sum, double ratio)
{
    for (uint32_t i = 0; i < h->pod_count; i++) {
        if (is_waiting(&usage[i]) && ratio > 1) {
            add(&sum, 0, usage[i].request_milli);
        } else if (is_missing(&usage[i]) && ratio != 1) {
            add(&sum, assumed(&usage[i], goal, ratio), usage[i].request_milli);
        }
    }
    struct outcome filled;
    double careful = ratio_of(&sum, goal, &filled);
    bool is_reversed = (ratio < 1 && careful > 1) || (ratio > 1 && careful < 1);
    if (goal_is_tolerated(goal, careful) || is_reversed) {
        return h->current;
    }
    int64_t n = (int64_t)ceil(careful * (double)sum.count);
    bool is_against = (careful < 1 && n > h->current) || (careful > 1 && n < h->current);
    return is_against ? h->current : n;
}

bool ratio_replicas(const struct hpa *h, struct usage *usage, const struct goal *goal,
                    struct outcome *ret_outcome)
{
    struct sums sum = {0};
    uint32_t missing = 0, waiting = 0;
    for (uint32_t i = 0; i < h->pod_count; i++) {
        const struct usage *u = &usage[i];
        waiting += is_waiting(u);
        missing += is_missing(u);
        if (!u->is_ignored && !u->is_unready && u->has_sample) {
            add(&sum, u->milli, u->request_milli);
        }
    }
    if (sum.count == 0) {
        return false;
    }
    double ratio = ratio_of(&sum, goal, ret_outcome);
    if (missing > 0 || (waiting > 0 && ratio > 1)) {
        ret_outcome->replicas = careful_replicas(h, usage, goal, sum, ratio);
    } else if (goal_is_tolerated(goal, ratio)) {
        ret_outcome->replicas = h->current;
    } else {
        ret_outcome->replicas = (int64_t)ceil(ratio * (double)sum.count);
    }
    return true;
}
