#include "schedulers/scheduler.h"

static bool is_one_of(const struct opr_obj *values, const char *value)
{
    for (const struct opr_obj *v = opr_obj_first(values); v; v = opr_obj_next(v)) {
        if (str_eq(opr_obj_str(v, "", NULL), value)) {
            return true;
        }
    }
    return false;
}

static bool compare(const char *value, const struct opr_obj *values, bool wants_greater)
{
    char *end = NULL, *bound_end = NULL;
    const char *bound = opr_obj_str(opr_obj_first(values), "", "");
    long long have = strtoll(value, &end, 10), limit = strtoll(bound, &bound_end, 10);
    if (end == value || *end != '\0' || bound_end == bound || *bound_end != '\0') {
        return false;
    }
    return wants_greater ? have > limit : have < limit;
}

static bool expression_matches(const struct opr_obj *e, const char *value)
{
    const char *op = opr_obj_str(e, "/operator", "");
    const struct opr_obj *values = opr_obj_at(e, "/values");
    if (str_eq(op, "In")) {
        return value && is_one_of(values, value);
    }
    if (str_eq(op, "NotIn")) {
        return !value || !is_one_of(values, value);
    }
    if (str_eq(op, "Exists")) {
        return value != NULL;
    }
    if (str_eq(op, "DoesNotExist")) {
        return value == NULL;
    }
    bool is_gt = str_eq(op, "Gt");
    return value && (is_gt || str_eq(op, "Lt")) && compare(value, values, is_gt);
}

/* All expressions of a term; a term without any matches nothing. */
static bool term_matches(const struct opr_obj *term, const struct sched_node *n)
{
    const struct opr_obj *labels = opr_obj_at(term, "/matchExpressions");
    const struct opr_obj *fields = opr_obj_at(term, "/matchFields");
    if (opr_obj_len(labels) + opr_obj_len(fields) == 0) {
        return false;
    }
    for (const struct opr_obj *e = opr_obj_first(labels); e; e = opr_obj_next(e)) {
        if (!expression_matches(e, label_of(n->labels, opr_obj_str(e, "/key", "")))) {
            return false;
        }
    }
    for (const struct opr_obj *e = opr_obj_first(fields); e; e = opr_obj_next(e)) {
        bool is_name = str_eq(opr_obj_str(e, "/key", ""), "metadata.name");
        if (!is_name || !expression_matches(e, n->name)) {
            return false;
        }
    }
    return true;
}

bool affinity_allows(const struct cycle *y, const struct sched_node *n)
{
    for (const struct opr_obj *l = opr_obj_first(y->node_selector); l; l = opr_obj_next(l)) {
        const char *value = label_of(n->labels, opr_obj_name(l));
        if (!value || strcmp(value, opr_obj_str(l, "", "")) != 0) {
            return false;
        }
    }
    const struct opr_obj *required =
        opr_obj_at(y->node_affinity, "/requiredDuringSchedulingIgnoredDuringExecution");
    if (!required) {
        return true;
    }
    const struct opr_obj *terms = opr_obj_at(required, "/nodeSelectorTerms");
    for (const struct opr_obj *t = opr_obj_first(terms); t; t = opr_obj_next(t)) {
        if (term_matches(t, n)) {
            return true;
        }
    }
    return false;
}

bool filter_affinity(struct cycle *y, const struct sched_node *n)
{
    if (affinity_allows(y, n)) {
        return true;
    }
    cycle_reject(y, "node(s) didn't match Pod's node affinity/selector");
    return false;
}

/* Sum of the weights of the preferred terms that match: 100 * sum / most. */
bool score_affinity(struct cycle *y, int64_t *ret_scores)
{
    const struct opr_obj *preferred =
        opr_obj_at(y->node_affinity, "/preferredDuringSchedulingIgnoredDuringExecution");
    int64_t most = 0;
    if (opr_obj_len(preferred) == 0) {
        return false;
    }
    for (uint32_t i = 0; i < y->fit_count; i++) {
        ret_scores[i] = 0;
        for (const struct opr_obj *p = opr_obj_first(preferred); p; p = opr_obj_next(p)) {
            if (term_matches(opr_obj_at(p, "/preference"), y->fit[i].node)) {
                ret_scores[i] += opr_obj_int(p, "/weight", 0);
            }
        }
        most = ret_scores[i] > most ? ret_scores[i] : most;
    }
    for (uint32_t i = 0; i < y->fit_count && most > 0; i++) {
        ret_scores[i] = 100 * ret_scores[i] / most;
    }
    return most > 0;
}
