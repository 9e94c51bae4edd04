#include "schedulers/scheduler.h"

static bool tolerates(const struct opr_obj *t, const struct opr_obj *taint)
{
    const char *effect = opr_obj_str(t, "/effect", ""), *key = opr_obj_str(t, "/key", "");
    if (effect[0] != '\0' && !str_eq(effect, opr_obj_str(taint, "/effect", ""))) {
        return false;
    }
    if (key[0] != '\0' && !str_eq(key, opr_obj_str(taint, "/key", ""))) {
        return false;
    }
    const char *op = opr_obj_str(t, "/operator", "Equal");
    if (str_eq(op, "Exists")) {
        return true;
    }
    return key[0] != '\0' && (str_eq(op, "Equal") || op[0] == '\0') &&
           str_eq(opr_obj_str(t, "/value", ""), opr_obj_str(taint, "/value", ""));
}

static bool is_tolerated(const struct opr_obj *tolerations, const struct opr_obj *taint)
{
    for (const struct opr_obj *t = opr_obj_first(tolerations); t; t = opr_obj_next(t)) {
        if (tolerates(t, taint)) {
            return true;
        }
    }
    return false;
}

bool taints_allow(const struct cycle *y, const struct sched_node *n)
{
    for (const struct opr_obj *t = opr_obj_first(n->taints); t; t = opr_obj_next(t)) {
        if (!str_eq(opr_obj_str(t, "/effect", ""), "PreferNoSchedule") &&
            !is_tolerated(y->tolerations, t)) {
            return false;
        }
    }
    return true;
}

bool filter_taints(struct cycle *y, const struct sched_node *n)
{
    if (taints_allow(y, n)) {
        return true;
    }
    cycle_reject(y, "node(s) had untolerated taint(s)");
    return false;
}

/* Fewer untolerated PreferNoSchedule taints are better: 100 - 100 * count / most. */
bool score_taints(struct cycle *y, int64_t *ret_scores)
{
    int64_t most = 0;
    for (uint32_t i = 0; i < y->fit_count; i++) {
        const struct opr_obj *taints = y->fit[i].node->taints;
        ret_scores[i] = 0;
        for (const struct opr_obj *t = opr_obj_first(taints); t; t = opr_obj_next(t)) {
            ret_scores[i] += str_eq(opr_obj_str(t, "/effect", ""), "PreferNoSchedule") &&
                             !is_tolerated(y->tolerations, t);
        }
        most = ret_scores[i] > most ? ret_scores[i] : most;
    }
    for (uint32_t i = 0; i < y->fit_count; i++) {
        ret_scores[i] = most == 0 ? 100 : 100 - 100 * ret_scores[i] / most;
    }
    return most > 0;
}
