#include "schedulers/scheduler.h"

#include <math.h>

/* 100 * (1 - |cpu share - memory share| / 2): the standard deviation of two shares. */
static int64_t balance(const struct sched_node *n, int64_t cpu, int64_t memory)
{
    const int64_t added[2] = {cpu, memory};
    double share[2] = {0};
    uint32_t count = 0;
    for (uint32_t r = RES_CPU; r <= RES_MEMORY; r++) {
        if (n->capacity.at[r] > 0) {
            double s = (double)(n->used.at[r] + added[r]) / (double)n->capacity.at[r];
            share[count++] = s > 1 ? 1 : s;
        }
    }
    double deviation = count == 2 ? fabs(share[0] - share[1]) / 2 : 0;
    return (int64_t)((1 - deviation) * 100);
}

/* How much better balanced the node is with the pod (Kubernetes 1.36): about 75 is neutral. */
bool score_balanced(struct cycle *y, int64_t *ret_scores)
{
    int64_t cpu = y->request.at[RES_CPU], memory = y->request.at[RES_MEMORY];
    if (cpu == 0 && memory == 0) {
        return false;
    }
    for (uint32_t i = 0; i < y->fit_count; i++) {
        const struct sched_node *n = y->fit[i].node;
        int64_t gain = balance(n, cpu, memory) - balance(n, 0, 0);
        ret_scores[i] = 50 + (50 + gain) / 2;
    }
    return true;
}
