#include "schedulers/scheduler.h"

static const filter_fn filters[] = {
    filter_unschedulable, filter_node_name, filter_taints, filter_affinity,
    filter_ports,         filter_fit,       filter_spread, filter_pod_affinity,
};
/* Weights of Kubernetes' default profile; a policy counts as much as the strongest of them. */
static const struct {
    score_fn score;
    int64_t weight;
} scores[] = {
    {score_taints, 3},   {score_affinity, 2}, {score_least_allocated, 1},
    {score_balanced, 1}, {score_spread, 2},   {score_pod_affinity, 2},
    {score_lua, 3},
};

void cycle_reject(struct cycle *y, const char *reason)
{
    for (uint32_t i = 0; i < y->reason_count; i++) {
        if (strcmp(y->reasons[i].text, reason) == 0) {
            y->reasons[i].count++;
            return;
        }
    }
    if (y->reason_count < REASONS_MAX) {
        y->reasons[y->reason_count++] = (struct reason){reason, 1};
    }
}

/* Large clusters: enough feasible nodes are a part of all (kube-scheduler
 * numFeasibleNodesToFind): max(5, 50 - N / 125) percent, at least 100. */
static uint32_t feasible_wanted(uint32_t nodes)
{
    if (nodes < 100) {
        return nodes;
    }
    uint32_t less = nodes / 125;
    uint32_t percent = less > 45 ? 5 : 50 - less;
    uint32_t wanted = (uint32_t)((uint64_t)nodes * percent / 100);
    return wanted < 100 ? 100 : wanted;
}

static bool passes(struct cycle *y, const struct sched_node *n)
{
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        if (!filters[i](y, n)) {
            return false;
        }
    }
    return true;
}

static void run_filters(struct cycle *y)
{
    struct cluster *k = y->cluster;
    uint32_t wanted = feasible_wanted(k->node_count), looked = 0;
    y->fit = opr_ctx_alloc(y->c, (k->node_count + 1) * sizeof *y->fit);
    for (; looked < k->node_count && y->fit_count < wanted; looked++) {
        struct sched_node *n = k->nodes[(k->next_start + looked) % k->node_count];
        if (!n->o) {
            continue;
        }
        y->seen++;
        if (passes(y, n)) {
            y->fit[y->fit_count++] = (struct candidate){n, 0};
        }
    }
    k->next_start = k->node_count > 0 ? (k->next_start + looked) % k->node_count : 0;
    lua_filter(y);
}

static void run_scores(struct cycle *y)
{
    int64_t *one = opr_ctx_alloc(y->c, y->fit_count * sizeof *one);
    for (size_t s = 0; s < sizeof scores / sizeof scores[0]; s++) {
        if (!scores[s].score(y, one)) {
            continue;
        }
        for (uint32_t i = 0; i < y->fit_count; i++) {
            y->fit[i].total += scores[s].weight * one[i];
        }
    }
}

/* The best; among equals each with the same chance, so that no node becomes the usual one. */
static struct sched_node *best(struct cycle *y)
{
    struct candidate *found = &y->fit[0];
    uint32_t ties = 1;
    for (uint32_t i = 1; i < y->fit_count; i++) {
        if (y->fit[i].total > found->total) {
            found = &y->fit[i];
            ties = 1;
        } else if (y->fit[i].total == found->total && cluster_random(y->cluster) % ++ties == 0) {
            found = &y->fit[i];
        }
    }
    return found->node;
}

struct sched_node *cycle_run(struct cycle *y)
{
    spread_prepare(y);
    pod_affinity_prepare(y);
    run_filters(y);
    if (y->fit_count == 0) {
        return NULL;
    }
    if (y->fit_count > 1) {
        run_scores(y);
    }
    return best(y);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *cycle_message(struct cycle *y)
{
    if (y->seen == 0) {
        return "no nodes available to schedule pods";
    }
    const char *lines[REASONS_MAX];
    for (uint32_t i = 0; i < y->reason_count; i++) {
        lines[i] = opr_ctx_text(y->c, "%u %s", y->reasons[i].count, y->reasons[i].text);
    }
    qsort(lines, y->reason_count, sizeof lines[0], by_text);
    const char *text = opr_ctx_text(y->c, "0/%u nodes are available:", y->seen);
    for (uint32_t i = 0; i < y->reason_count; i++) {
        text = opr_ctx_text(y->c, "%s%s %s", text, i == 0 ? "" : ",", lines[i]);
    }
    return opr_ctx_text(y->c, "%s.", text);
}
