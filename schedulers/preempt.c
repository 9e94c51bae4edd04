#include "schedulers/preempt.h"

/* kube-scheduler's minCandidateNodesPercentage and minCandidateNodesAbsolute. */
enum { CANDIDATES_PERCENT = 10, CANDIDATES_LEAST = 100 };

/* NULL: it may preempt. A pod whose victims are still leaving waits for them. */
static const char *why_not(struct cycle *y)
{
    if (str_eq(opr_obj_str(y->pod, "/spec/preemptionPolicy", ""), "Never")) {
        return "not eligible due to preemptionPolicy=Never.";
    }
    const char *name = opr_obj_str(y->pod, "/status/nominatedNodeName", "");
    const struct sched_node *n = name[0] != '\0' ? cluster_node(y->cluster, name) : NULL;
    for (uint32_t i = 0; n && i < n->pod_count; i++) {
        if (opr_obj_at(n->pods[i]->o, "/metadata/deletionTimestamp") &&
            opr_obj_int(n->pods[i]->o, "/spec/priority", 0) < y->priority) {
            return "not eligible due to a terminating pod on the nominated node.";
        }
    }
    return NULL;
}

static bool find_cheapest(struct cycle *y, struct victims *ret_best)
{
    struct cluster *k = y->cluster;
    uint32_t wanted = k->node_count * CANDIDATES_PERCENT / 100, found = 0;
    wanted = wanted < CANDIDATES_LEAST ? CANDIDATES_LEAST : wanted;
    uint32_t first = (uint32_t)(cluster_random(k) % k->node_count);
    for (uint32_t i = 0; i < k->node_count && found < wanted; i++) {
        struct sched_node *n = k->nodes[(first + i) % k->node_count];
        struct victims v;
        if (!n->o) {
            continue;
        }
        if (y->hopeless[n->index]) {
            cycle_reject(y, "Preemption is not helpful for scheduling");
        } else if (victims_find(y, n, &v)) {
            if (found++ == 0 || victims_are_cheaper(&v, ret_best)) {
                *ret_best = v;
            }
        }
    }
    return found > 0;
}

static bool evict(struct cycle *y, const struct sched_pod *victim, const char *node)
{
    struct opr_doc *d =
        opr_doc_new(y->c,
                    "{'metadata':{'uid':%s},'status':{'conditions':[{'type':'DisruptionTarget',"
                    "'status':'True','reason':'PreemptionByScheduler','message':%s,"
                    "'lastTransitionTime':%s}]}}",
                    victim->uid, SCHEDULER_NAME ": preempting to accommodate a higher priority pod",
                    time_text(y->c, opr_ctx_now_ms(y->c)));
    opr_status st = opr_patch(y->c, victim->o, "status", OPR_PATCH_STRATEGIC, d, NULL);
    if (st == OPR_OK) {
        st = opr_delete(y->c, victim->o, NULL);
    }
    if (st == OPR_OK) {
        opr_event(y->c, victim->o, "Normal", "Preempted", "Preempted by pod %s on node %s", y->uid,
                  node);
    } else if (st != OPR_E_NOT_FOUND) {
        opr_ctx_log(y->c, OPR_LOG_WARN, "victim not deleted pod=%s/%s error=%s",
                    opr_obj_str(victim->o, "/metadata/namespace", ""),
                    opr_obj_str(victim->o, "/metadata/name", ""), opr_ctx_error(y->c));
        return false;
    }
    return true;
}

/* Less urgent pods that were promised this node look for another. */
static void take_promises(struct cycle *y, const char *node)
{
    struct queues *s = &y->cluster->queues;
    for (struct queued *q = s->nominated, *next; q; q = next) {
        next = q->next_nominated;
        if (q->priority >= y->priority || strcmp(q->uid, y->uid) == 0 ||
            !str_eq(opr_obj_str(q->o, "/status/nominatedNodeName", ""), node)) {
            continue;
        }
        const struct opr_obj *now = NULL;
        struct opr_doc *d = opr_doc_new(
            y->c, "{'metadata':{'uid':%s},'status':{'nominatedNodeName':null}}", q->uid);
        if (opr_patch(y->c, q->o, "status", OPR_PATCH_STRATEGIC, d, &now) == OPR_OK && now) {
            queue_refresh(s, q, now);
        }
    }
}

const char *preempt(struct cycle *y)
{
    const char *refusal = y->seen == 0 ? NULL : why_not(y);
    if (y->seen == 0 || refusal) {
        y->preemption = refusal;
        return NULL;
    }
    struct cycle attempt = *y;
    attempt.reason_count = 0;
    struct victims v;
    if (!find_cheapest(&attempt, &v)) {
        y->preemption = cycle_counts(&attempt);
        bool had_one = opr_obj_str(y->pod, "/status/nominatedNodeName", "")[0] != '\0';
        return had_one ? "" : NULL;
    }
    const char *node = opr_ctx_text(y->c, "%s", v.node->name);
    for (uint32_t i = 0; i < v.count; i++) {
        if (!evict(y, v.pods[i], node)) {
            y->has_failed = true;
            return NULL;
        }
    }
    take_promises(y, node);
    return node;
}
