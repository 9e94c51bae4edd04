#include "controllers/nodelifecycle/nodelifecycle.h"

/* Kubernetes' safety rules: one node of a zone in 10 s; a zone of which 55 % and more than 2 nodes
 * are down goes at a tenth of that, or not at all where it has 50 nodes or fewer; with no node
 * ready anywhere the fault is more likely ours, and nobody is evicted. */
enum { PRIMARY_MS = 10000, SECONDARY_MS = 100000, LARGE_ZONE = 50, PARTIAL_PERCENT = 55 };

struct count {
    uint32_t nodes, not_ready;
};

static struct zone_limit *limit_of(struct lifecycle *l, const char *zone)
{
    for (uint32_t i = 0; i < l->zone_count; i++) {
        if (str_eq(l->zones[i].zone, zone)) {
            return &l->zones[i];
        }
    }
    struct zone_limit *more = realloc(l->zones, (l->zone_count + 1) * sizeof *more);
    if (!more) {
        abort();
    }
    l->zones = more;
    l->zones[l->zone_count] = (struct zone_limit){.zone = strdup(zone)};
    return &l->zones[l->zone_count++];
}

/* Counts the nodes of the cluster and of this node's zone. */
static opr_status count_nodes(struct sync *s, struct count *ret_all, struct count *ret_zone)
{
    const struct opr_obj *const *nodes = NULL;
    const char *name = opr_obj_str(s->node, ZONE_PTR, "");
    uint32_t n = 0;
    opr_status st = opr_list(s->c, "v1/Node", NULL, NULL, NULL, &nodes, &n);
    for (uint32_t i = 0; i < n && st == OPR_OK; i++) {
        bool is_down = !str_eq(node_condition(nodes[i], "Ready"), "True");
        bool is_here = str_eq(opr_obj_str(nodes[i], ZONE_PTR, ""), name);
        ret_all->nodes++;
        ret_all->not_ready += is_down;
        ret_zone->nodes += is_here;
        ret_zone->not_ready += is_here && is_down;
    }
    return st;
}

static bool note_disruption(struct sync *s, const struct count *all)
{
    bool is_disrupted = all->nodes == all->not_ready;
    if (s->l->is_disrupted && !is_disrupted) {
        lifecycle_reset_probes(s->l, s->now_ms); /* nobody pays for the outage */
    }
    s->l->is_disrupted = is_disrupted;
    if (is_disrupted) {
        look_again(s, s->now_ms + PRIMARY_MS);
    }
    return is_disrupted;
}

bool cluster_is_disrupted(struct sync *s)
{
    struct count all = {0}, zone = {0};
    return count_nodes(s, &all, &zone) == OPR_OK && note_disruption(s, &all);
}

bool eviction_is_allowed(struct sync *s)
{
    struct count all = {0}, zone = {0};
    if (count_nodes(s, &all, &zone) != OPR_OK || note_disruption(s, &all)) {
        return false;
    }
    bool is_full = zone.nodes == zone.not_ready;
    bool is_partial =
        !is_full && zone.not_ready > 2 && zone.not_ready * 100 >= zone.nodes * PARTIAL_PERCENT;
    if (is_partial && zone.nodes <= LARGE_ZONE) {
        look_again(s, s->now_ms + PRIMARY_MS);
        return false;
    }
    struct zone_limit *limit = limit_of(s->l, opr_obj_str(s->node, ZONE_PTR, ""));
    if (s->now_ms < limit->next_ms) {
        look_again(s, limit->next_ms);
        return false;
    }
    limit->next_ms = s->now_ms + (is_partial ? SECONDARY_MS : PRIMARY_MS);
    return true;
}
