#include "schedulers/pod_affinity.h"

/* Terms {weight, podAffinityTerm} of `of`, against another pod that stands on a node, or against
 * the incoming one with the sum going to where `of` stands. */
static void add_preferred(struct cycle *y, struct topology **list, const struct opr_obj *terms,
                          const char *ns, const struct opr_obj *other, const struct sched_node *at,
                          int64_t sign)
{
    for (const struct opr_obj *t = opr_obj_first(terms); t; t = opr_obj_next(t)) {
        const struct opr_obj *term = opr_obj_at(t, "/podAffinityTerm");
        if (term_selects(y, term, ns, other)) {
            topology_add(topology_of(y, list, opr_obj_str(term, "/topologyKey", "")), at,
                         sign * opr_obj_int(t, "/weight", 0));
        }
    }
}

/* hardPodAffinityWeight 1: where the required affinity of an existing pod selects this one. */
static void add_required(struct cycle *y, struct topology **list, const struct sched_pod *p,
                         const char *ns)
{
    const struct opr_obj *terms = opr_obj_at(p->o, "/spec/affinity/podAffinity/" REQUIRED);
    for (const struct opr_obj *t = opr_obj_first(terms); t; t = opr_obj_next(t)) {
        if (term_selects(y, t, ns, y->pod)) {
            topology_add(topology_of(y, list, opr_obj_str(t, "/topologyKey", "")), p->node, 1);
        }
    }
}

static void add_pod(struct cycle *y, struct topology **list, const struct sched_pod *p)
{
    static const char for_it[] = "/spec/affinity/podAffinity/" PREFERRED;
    static const char against[] = "/spec/affinity/podAntiAffinity/" PREFERRED;
    add_preferred(y, list, opr_obj_at(y->pod, for_it), y->ns, p->o, p->node, 1);
    add_preferred(y, list, opr_obj_at(y->pod, against), y->ns, p->o, p->node, -1);
    if (p->has_affinity) {
        const char *ns = opr_obj_str(p->o, "/metadata/namespace", "");
        add_preferred(y, list, opr_obj_at(p->o, for_it), ns, y->pod, p->node, 1);
        add_preferred(y, list, opr_obj_at(p->o, against), ns, y->pod, p->node, -1);
        add_required(y, list, p, ns);
    }
}

/* 100 * (s - min) / (max - min); no opinion where no term met anything. */
bool score_pod_affinity(struct cycle *y, int64_t *ret_scores)
{
    struct topology *list = NULL;
    if (!y->affinity) {
        return false;
    }
    for (uint32_t i = 0; i < y->cluster->node_count; i++) {
        const struct sched_node *n = y->cluster->nodes[i];
        for (uint32_t p = 0; p < n->pod_count; p++) {
            add_pod(y, &list, n->pods[p]);
        }
    }
    int64_t most = INT64_MIN, least = INT64_MAX;
    for (uint32_t i = 0; i < y->fit_count; i++) {
        int64_t sum = 0;
        for (const struct topology *t = list; t; t = t->next) {
            sum += topology_at(t, y->fit[i].node);
        }
        ret_scores[i] = sum;
        most = sum > most ? sum : most;
        least = sum < least ? sum : least;
    }
    for (uint32_t i = 0; i < y->fit_count; i++) {
        ret_scores[i] = most == least ? 0 : 100 * (ret_scores[i] - least) / (most - least);
    }
    return list != NULL;
}
