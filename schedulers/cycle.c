#include "schedulers/scheduler.h"

/* Weights of Kubernetes' default profile; a policy counts as much as the strongest of them. */
static const struct {
    score_fn score;
    int64_t weight;
} scores[] = {
    {score_taints, 3},   {score_affinity, 2}, {score_least_allocated, 1},
    {score_balanced, 1}, {score_spread, 2},   {score_pod_affinity, 2},
    {score_lua, 3},
};

void cycle_init(struct cycle *y, struct opr_ctx *c, struct cluster *k, const struct opr_obj *pod)
{
    y->c = c;
    y->cluster = k;
    y->pod = pod;
    y->ns = opr_obj_str(pod, "/metadata/namespace", "");
    y->name = opr_obj_str(pod, "/metadata/name", "");
    y->uid = opr_obj_str(pod, "/metadata/uid", "");
    y->labels = opr_obj_at(pod, "/metadata/labels");
    y->tolerations = opr_obj_at(pod, "/spec/tolerations");
    y->node_selector = opr_obj_at(pod, "/spec/nodeSelector");
    y->node_affinity = opr_obj_at(pod, "/spec/affinity/nodeAffinity");
    y->node_name = opr_obj_str(pod, "/spec/nodeName", "");
    y->has_host_ports = pod_has_host_ports(pod);
    y->owner = owner_hash(pod);
    y->priority = opr_obj_int(pod, "/spec/priority", 0);
    pod_request(k, pod, &y->request);
}

void cycle_reject(struct cycle *y, const char *reason)
{
    if (y->is_silent) {
        return;
    }
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

/* The node that an earlier attempt made room on is taken if it still suits. */
static bool has_nominated(struct cycle *y)
{
    const char *name = opr_obj_str(y->pod, "/status/nominatedNodeName", "");
    struct sched_node *n = name[0] != '\0' ? cluster_node(y->cluster, name) : NULL;
    if (!n || !n->o) {
        return false;
    }
    y->is_silent = true;
    if (filters_pass(y, n)) {
        y->fit[y->fit_count++] = (struct candidate){n, 0};
        extension_filter(y);
        lua_filter(y);
    }
    y->is_silent = false;
    y->rejected_by = 0;
    return y->fit_count > 0;
}

static void run_filters(struct cycle *y)
{
    struct cluster *k = y->cluster;
    uint32_t wanted = feasible_wanted(k->node_count), looked = 0;
    y->fit = opr_ctx_alloc(y->c, (k->node_count + 1) * sizeof *y->fit);
    y->hopeless = opr_ctx_alloc(y->c, k->node_count + 1);
    if (has_nominated(y)) {
        return;
    }
    for (; looked < k->node_count && y->fit_count < wanted; looked++) {
        struct sched_node *n = k->nodes[(k->next_start + looked) % k->node_count];
        if (!n->o) {
            continue;
        }
        y->seen++;
        y->is_hopeless = false;
        bool is_fit = filters_pass(y, n);
        y->hopeless[n->index] = y->is_hopeless;
        if (is_fit) {
            y->fit[y->fit_count++] = (struct candidate){n, 0};
        }
    }
    y->rejected_by |= y->seen == 0 ? REJECTED_ANYWAY : 0;
    k->next_start = k->node_count > 0 ? (k->next_start + looked) % k->node_count : 0;
    extension_filter(y);
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
    extension_score(y);
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

const char *cycle_counts(struct cycle *y)
{
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

const char *cycle_message(struct cycle *y)
{
    if (y->seen == 0) {
        return "no nodes available to schedule pods";
    }
    const char *counts = cycle_counts(y);
    return y->preemption ? opr_ctx_text(y->c, "%s preemption: %s", counts, y->preemption) : counts;
}
