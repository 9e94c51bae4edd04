#include "schedulers/scheduler.h"

/* The filters in the order of Kubernetes' default profile, each with the changes that may make it
 * say otherwise. One that looks at a node alone is asked again about the node that has changed;
 * "concerns" says whether a pod that came, went or changed its labels matters to it. */
static const struct {
    filter_fn filter;
    uint32_t events;
    bool is_hopeless; /* no pod that leaves a node changes what it says */
    bool (*concerns)(struct cycle *y, const struct opr_obj *pod); /* NULL: looks at a node alone */
} filters[] = {
    {filter_unschedulable, EVENT_NODE_ADDED | EVENT_NODE_TAINTS, true, NULL},
    {filter_node_name, EVENT_NODE_ADDED, true, NULL},
    {filter_taints, EVENT_NODE_ADDED | EVENT_NODE_TAINTS, true, NULL},
    {filter_affinity, EVENT_NODE_ADDED | EVENT_NODE_LABELS, true, NULL},
    {filter_ports, EVENT_NODE_ADDED | EVENT_POD_GONE, false, NULL},
    {filter_fit, EVENT_NODE_ADDED | EVENT_POD_GONE, false, NULL},
    {filter_spread, ~(uint32_t)EVENT_NAMESPACE, false, spread_concerns},
    {filter_pod_affinity, ~(uint32_t)EVENT_NODE_TAINTS, false, pod_affinity_concerns},
};
enum { FILTERS = sizeof filters / sizeof filters[0] };

bool filters_pass(struct cycle *y, const struct sched_node *n)
{
    for (uint32_t i = 0; i < FILTERS; i++) {
        if (!filters[i].filter(y, n)) {
            y->rejected_by |= 1u << i;
            y->is_hopeless |= filters[i].is_hopeless;
            return false;
        }
    }
    return true;
}

static uint32_t interested_in(uint32_t kinds)
{
    uint32_t bits = REJECTED_OUTSIDE | REJECTED_ANYWAY;
    for (uint32_t i = 0; i < FILTERS; i++) {
        bits |= filters[i].events & kinds ? 1u << i : 0;
    }
    return bits;
}

bool filters_may_help(struct cycle *y, uint32_t rejected_by, const struct event *e)
{
    uint32_t bits = rejected_by & interested_in(e->kinds);
    if (bits & (REJECTED_OUTSIDE | REJECTED_ANYWAY)) {
        return true;
    }
    for (uint32_t i = 0; i < FILTERS; i++) {
        if (!(bits & 1u << i)) {
            continue;
        }
        if (filters[i].concerns ? !e->pod || filters[i].concerns(y, e->pod)
                                : e->node && filters[i].filter(y, e->node)) {
            return true;
        }
    }
    return false;
}

/* What a pod was promised on a node that is not as it was may be void: it is to look again, and not
 * keep the room from others. */
static bool is_promise_in_doubt(const struct queued *q, const struct event *e)
{
    const uint32_t node_kinds =
        EVENT_NODE_ADDED | EVENT_NODE_LABELS | EVENT_NODE_TAINTS | EVENT_NODE_GONE;
    if (!(e->kinds & node_kinds)) {
        return false;
    }
    const char *name = opr_obj_str(q->o, "/status/nominatedNodeName", "");
    return name[0] != '\0' && (!e->node || str_eq(name, e->node->name));
}

void filters_wake(struct cluster *k, struct opr_ctx *c, const struct event *e)
{
    uint32_t bits = interested_in(e->kinds);
    for (uint32_t i = k->queues.parked.count; i > 0 && e->kinds != 0; i--) {
        struct queued *q = k->queues.parked.at[i - 1];
        if (is_promise_in_doubt(q, e)) {
            queue_wake(&k->queues, q, opr_ctx_now_ms(c));
            continue;
        }
        if (!(q->rejected_by & bits)) {
            continue;
        }
        struct cycle *y = &(struct cycle){.is_silent = true};
        cycle_init(y, c, k, q->o);
        if (filters_may_help(y, q->rejected_by, e)) {
            queue_wake(&k->queues, q, opr_ctx_now_ms(c));
        }
    }
}
