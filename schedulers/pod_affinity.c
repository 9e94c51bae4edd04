#include "schedulers/pod_affinity.h"

/* Required terms of one cycle. A first pod of a group may go anywhere its own terms allow. */
struct affinity {
    struct topology *blocked_by_others; /* existing pods' anti-affinity selects this pod */
    struct topology *blocked;           /* this pod's anti-affinity selects existing pods */
    struct topology **needed;           /* one a term of this pod's affinity */
    uint32_t needed_count;
    bool is_first;
};

static const char *ns_of(const struct opr_obj *pod)
{
    return opr_obj_str(pod, "/metadata/namespace", "");
}

static void add_existing(struct cycle *y, struct affinity *a, const struct sched_pod *p)
{
    const struct opr_obj *terms = opr_obj_at(p->o, "/spec/affinity/podAntiAffinity/" REQUIRED);
    for (const struct opr_obj *t = opr_obj_first(terms); t; t = opr_obj_next(t)) {
        if (term_selects(y, t, ns_of(p->o), y->pod)) {
            topology_add(topology_of(y, &a->blocked_by_others, opr_obj_str(t, "/topologyKey", "")),
                         p->node, 1);
        }
    }
}

static void add_own(struct cycle *y, struct affinity *a, const struct sched_pod *p)
{
    const struct opr_obj *anti = opr_obj_at(y->pod, "/spec/affinity/podAntiAffinity/" REQUIRED);
    const struct opr_obj *terms = opr_obj_at(y->pod, "/spec/affinity/podAffinity/" REQUIRED);
    uint32_t i = 0;
    bool matches_all = true;
    for (const struct opr_obj *t = opr_obj_first(anti); t; t = opr_obj_next(t)) {
        if (term_selects(y, t, y->ns, p->o)) {
            topology_add(topology_of(y, &a->blocked, opr_obj_str(t, "/topologyKey", "")), p->node,
                         1);
        }
    }
    /* A pod counts for affinity only where it matches all terms. */
    for (const struct opr_obj *t = opr_obj_first(terms); t && matches_all; t = opr_obj_next(t)) {
        matches_all = term_selects(y, t, y->ns, p->o);
    }
    for (; matches_all && i < a->needed_count; i++) {
        topology_add(a->needed[i], p->node, 1);
        a->is_first = false;
    }
}

/* Each term has a list of its own: terms of the same key are counted apart. */
static void prepare_needed(struct cycle *y, struct affinity *a)
{
    const struct opr_obj *terms = opr_obj_at(y->pod, "/spec/affinity/podAffinity/" REQUIRED);
    a->needed = opr_ctx_alloc(y->c, (opr_obj_len(terms) + 1) * sizeof(struct topology *));
    a->is_first = opr_obj_len(terms) > 0;
    for (const struct opr_obj *t = opr_obj_first(terms); t; t = opr_obj_next(t)) {
        struct topology *list = NULL;
        a->needed[a->needed_count++] = topology_of(y, &list, opr_obj_str(t, "/topologyKey", ""));
        a->is_first = a->is_first && term_selects(y, t, y->ns, y->pod);
    }
}

void pod_affinity_prepare(struct cycle *y)
{
    bool has_own = opr_obj_at(y->pod, "/spec/affinity/podAffinity") ||
                   opr_obj_at(y->pod, "/spec/affinity/podAntiAffinity");
    if (!has_own && y->cluster->affine_pods == 0) {
        return;
    }
    struct affinity *a = opr_ctx_alloc(y->c, sizeof *a);
    prepare_needed(y, a);
    for (uint32_t i = 0; i < y->cluster->node_count; i++) {
        const struct sched_node *n = y->cluster->nodes[i];
        for (uint32_t p = 0; p < n->pod_count; p++) {
            if (n->pods[p]->has_affinity) {
                add_existing(y, a, n->pods[p]);
            }
            if (has_own) {
                add_own(y, a, n->pods[p]);
            }
        }
    }
    y->affinity = a;
}

static bool selects_any(struct cycle *y, const struct opr_obj *terms, const char *ns,
                        const struct opr_obj *pod)
{
    for (const struct opr_obj *t = opr_obj_first(terms); t; t = opr_obj_next(t)) {
        if (term_selects(y, t, ns, pod)) {
            return true;
        }
    }
    return false;
}

bool pod_affinity_concerns(struct cycle *y, const struct opr_obj *pod)
{
    static const char near[] = "/spec/affinity/podAffinity/" REQUIRED;
    static const char apart[] = "/spec/affinity/podAntiAffinity/" REQUIRED;
    return selects_any(y, opr_obj_at(y->pod, near), y->ns, pod) ||
           selects_any(y, opr_obj_at(y->pod, apart), y->ns, pod) ||
           selects_any(y, opr_obj_at(pod, apart), ns_of(pod), y->pod);
}

static bool is_blocked(const struct topology *list, const struct sched_node *n)
{
    for (const struct topology *t = list; t; t = t->next) {
        if (topology_at(t, n) > 0) {
            return true;
        }
    }
    return false;
}

/* The keys must be there in any case; the first pod of a group needs no company yet. */
static bool has_company(const struct affinity *a, const struct sched_node *n)
{
    for (uint32_t i = 0; i < a->needed_count; i++) {
        const struct topology *t = a->needed[i];
        if (t->domain_of[n->index] < 0 || (!a->is_first && topology_at(t, n) == 0)) {
            return false;
        }
    }
    return true;
}

bool filter_pod_affinity(struct cycle *y, const struct sched_node *n)
{
    const struct affinity *a = y->affinity;
    const char *reason = NULL;
    if (!a) {
        return true;
    }
    if (!has_company(a, n)) {
        reason = "node(s) didn't match pod affinity rules";
        y->is_hopeless = true;
    } else if (is_blocked(a->blocked, n)) {
        reason = "node(s) didn't match pod anti-affinity rules";
    } else if (is_blocked(a->blocked_by_others, n)) {
        reason = "node(s) didn't satisfy existing pods anti-affinity rules";
    }
    if (reason) {
        cycle_reject(y, reason);
    }
    return !reason;
}
