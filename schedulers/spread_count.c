#include "schedulers/scheduler.h"

struct labelled {
    const char *value;
    uint32_t node;
};

static int by_value(const void *a, const void *b)
{
    return strcmp(((const struct labelled *)a)->value, ((const struct labelled *)b)->value);
}

/* Numbers the distinct values of the key over the nodes that count. */
static void number_domains(struct cycle *y, struct constraint *t, const bool *counts)
{
    struct cluster *k = y->cluster;
    struct labelled *all = opr_ctx_alloc(y->c, (k->node_count + 1) * sizeof *all);
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->node_count; i++) {
        t->domain_of[i] = -1;
        const char *value = counts[i] ? label_of(k->nodes[i]->labels, t->key) : NULL;
        if (value) {
            all[n++] = (struct labelled){value, i};
        }
    }
    qsort(all, n, sizeof *all, by_value);
    for (uint32_t i = 0; i < n; i++) {
        t->domains += i == 0 || strcmp(all[i].value, all[i - 1].value) != 0;
        t->domain_of[all[i].node] = t->domains - 1;
    }
    t->matches = opr_ctx_alloc(y->c, ((size_t)t->domains + 1) * sizeof *t->matches);
}

static void count_pods(struct cycle *y, struct constraint *t, const struct opr_obj *selector)
{
    struct cluster *k = y->cluster;
    for (uint32_t i = 0; i < k->node_count; i++) {
        if (t->domain_of[i] < 0) {
            continue;
        }
        for (uint32_t p = 0; p < k->nodes[i]->pod_count; p++) {
            const struct opr_obj *pod = k->nodes[i]->pods[p]->o;
            t->matches[t->domain_of[i]] +=
                str_eq(opr_obj_str(pod, "/metadata/namespace", ""), y->ns) &&
                !opr_obj_at(pod, "/metadata/deletionTimestamp") &&
                opr_selector_matches(selector, opr_obj_at(pod, "/metadata/labels"));
        }
    }
}

/* A node counts where it has the keys of all constraints and passes the node filters that the
 * constraint asks to honour. */
static void find_counting(struct cycle *y, const struct opr_obj *list, const char *when,
                          const struct opr_obj *of, bool *ret_counts)
{
    bool by_affinity = str_eq(opr_obj_str(of, "/nodeAffinityPolicy", "Honor"), "Honor");
    bool by_taints = str_eq(opr_obj_str(of, "/nodeTaintsPolicy", "Ignore"), "Honor");
    for (uint32_t i = 0; i < y->cluster->node_count; i++) {
        const struct sched_node *n = y->cluster->nodes[i];
        bool counts =
            n->o && (!by_affinity || affinity_allows(y, n)) && (!by_taints || taints_allow(y, n));
        for (const struct opr_obj *x = opr_obj_first(list); x && counts; x = opr_obj_next(x)) {
            counts = !str_eq(opr_obj_str(x, "/whenUnsatisfiable", ""), when) ||
                     label_of(n->labels, opr_obj_str(x, "/topologyKey", ""));
        }
        ret_counts[i] = counts;
    }
}

struct spread *spread_count(struct cycle *y, const char *when)
{
    const struct opr_obj *list = opr_obj_at(y->pod, "/spec/topologySpreadConstraints");
    struct spread *s = NULL;
    bool *counts = NULL;
    for (const struct opr_obj *x = opr_obj_first(list); x; x = opr_obj_next(x)) {
        if (!str_eq(opr_obj_str(x, "/whenUnsatisfiable", ""), when)) {
            continue;
        }
        if (!s) {
            s = opr_ctx_alloc(y->c, sizeof *s);
            s->at = opr_ctx_alloc(y->c, opr_obj_len(list) * sizeof *s->at);
            counts = opr_ctx_alloc(y->c, y->cluster->node_count + 1);
        }
        struct constraint *t = &s->at[s->count++];
        const struct opr_obj *selector = opr_obj_at(x, "/labelSelector");
        t->key = opr_obj_str(x, "/topologyKey", "");
        t->max_skew = opr_obj_int(x, "/maxSkew", 1);
        t->min_domains = opr_obj_int(x, "/minDomains", 1);
        t->is_own_match = opr_selector_matches(selector, y->labels);
        t->domain_of = opr_ctx_alloc(y->c, (y->cluster->node_count + 1) * sizeof *t->domain_of);
        find_counting(y, list, when, x, counts);
        number_domains(y, t, counts);
        count_pods(y, t, selector);
    }
    return s;
}
