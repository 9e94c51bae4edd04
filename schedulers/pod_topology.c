#include "schedulers/pod_affinity.h"

struct labelled {
    const char *value;
    uint32_t node;
};

static int by_value(const void *a, const void *b)
{
    return strcmp(((const struct labelled *)a)->value, ((const struct labelled *)b)->value);
}

struct topology *topology_of(struct cycle *y, struct topology **list, const char *key)
{
    for (struct topology *t = *list; t; t = t->next) {
        if (strcmp(t->key, key) == 0) {
            return t;
        }
    }
    struct cluster *k = y->cluster;
    struct topology *t = opr_ctx_alloc(y->c, sizeof *t);
    struct labelled *all = opr_ctx_alloc(y->c, (k->node_count + 1) * sizeof *all);
    uint32_t n = 0;
    t->key = key;
    t->domain_of = opr_ctx_alloc(y->c, (k->node_count + 1) * sizeof *t->domain_of);
    for (uint32_t i = 0; i < k->node_count; i++) {
        const char *value = k->nodes[i]->o ? label_of(k->nodes[i]->labels, key) : NULL;
        t->domain_of[i] = -1;
        if (value) {
            all[n++] = (struct labelled){value, i};
        }
    }
    qsort(all, n, sizeof *all, by_value);
    for (uint32_t i = 0; i < n; i++) {
        t->domains += i == 0 || strcmp(all[i].value, all[i - 1].value) != 0;
        t->domain_of[all[i].node] = t->domains - 1;
    }
    t->sums = opr_ctx_alloc(y->c, ((size_t)t->domains + 1) * sizeof *t->sums);
    t->next = *list;
    *list = t;
    return t;
}

void topology_add(struct topology *t, const struct sched_node *n, int64_t weight)
{
    if (t->domain_of[n->index] >= 0) {
        t->sums[t->domain_of[n->index]] += weight;
    }
}

int64_t topology_at(const struct topology *t, const struct sched_node *n)
{
    int32_t domain = t->domain_of[n->index];
    return domain < 0 ? 0 : t->sums[domain];
}

/* Its list of namespaces and its namespaceSelector together; neither: the pod's own. */
static bool selects_namespace(struct cycle *y, const struct opr_obj *term, const char *own,
                              const char *ns)
{
    const struct opr_obj *list = opr_obj_at(term, "/namespaces");
    const struct opr_obj *selector = opr_obj_at(term, "/namespaceSelector"), *o = NULL;
    if (opr_obj_len(list) == 0 && !selector) {
        return strcmp(own, ns) == 0;
    }
    for (const struct opr_obj *x = opr_obj_first(list); x; x = opr_obj_next(x)) {
        if (str_eq(opr_obj_str(x, "", ""), ns)) {
            return true;
        }
    }
    if (!selector) {
        return false;
    }
    if (opr_obj_len(selector) == 0) {
        return true;
    }
    return opr_get(y->c, "v1/Namespace", "", ns, &o) == OPR_OK &&
           opr_selector_matches(selector, opr_obj_at(o, "/metadata/labels"));
}

bool term_selects(struct cycle *y, const struct opr_obj *term, const char *ns,
                  const struct opr_obj *pod)
{
    return opr_selector_matches(opr_obj_at(term, "/labelSelector"),
                                opr_obj_at(pod, "/metadata/labels")) &&
           selects_namespace(y, term, ns, opr_obj_str(pod, "/metadata/namespace", ""));
}
