#include "schedulers/scheduler.h"

/* What pods at least as urgent were promised on this node, and are not bound yet. */
static int64_t find_promised(struct cycle *y, const struct sched_node *n, struct amounts *ret_sum)
{
    int64_t pods = 0;
    for (struct queued *q = y->cluster->queues.nominated; q; q = q->next_nominated) {
        if (q->priority < y->priority || strcmp(q->uid, y->uid) == 0 ||
            !str_eq(opr_obj_str(q->o, "/status/nominatedNodeName", ""), n->name)) {
            continue;
        }
        struct amounts one;
        pod_request(y->cluster, q->o, &one);
        for (uint32_t i = 0; i < RES_MAX; i++) {
            ret_sum->at[i] += one.at[i];
        }
        pods++;
    }
    return pods;
}

bool filter_fit(struct cycle *y, const struct sched_node *n)
{
    bool fits = true;
    struct amounts promised = {0};
    int64_t promised_pods = find_promised(y, n, &promised);
    if (n->pod_count + promised_pods + 1 > n->max_pods) {
        cycle_reject(y, "Too many pods");
        fits = false;
    }
    for (uint32_t i = 0; i < RES_MAX && y->cluster->resources[i]; i++) {
        int64_t wanted = y->request.at[i];
        if (wanted > 0 && wanted > n->capacity.at[i] - n->used.at[i] - promised.at[i]) {
            if (!y->is_silent) {
                cycle_reject(y, opr_ctx_text(y->c, "Insufficient %s", y->cluster->resources[i]));
            }
            fits = false;
            y->is_hopeless |= wanted > n->capacity.at[i];
        }
    }
    return fits;
}

/* Mean over cpu and memory of (capacity - used) * 100 / capacity, in integers; used counts the pod.
 */
bool score_least_allocated(struct cycle *y, int64_t *ret_scores)
{
    for (uint32_t i = 0; i < y->fit_count; i++) {
        const struct sched_node *n = y->fit[i].node;
        int64_t sum = 0, weights = 0;
        for (uint32_t r = RES_CPU; r <= RES_MEMORY; r++) {
            int64_t capacity = n->capacity.at[r];
            int64_t used = n->used.scored[r] + y->request.scored[r];
            if (capacity == 0) {
                continue;
            }
            weights++;
            sum += used > capacity ? 0 : (capacity - used) * 100 / capacity;
        }
        ret_scores[i] = weights == 0 ? 0 : sum / weights;
    }
    return true;
}
