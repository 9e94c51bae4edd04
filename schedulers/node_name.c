#include "schedulers/scheduler.h"

static bool tolerates_unschedulable(const struct opr_obj *tolerations)
{
    for (const struct opr_obj *t = opr_obj_first(tolerations); t; t = opr_obj_next(t)) {
        const char *key = opr_obj_str(t, "/key", ""), *effect = opr_obj_str(t, "/effect", "");
        bool is_key = str_eq(key, "node.kubernetes.io/unschedulable") ||
                      (key[0] == '\0' && str_eq(opr_obj_str(t, "/operator", ""), "Exists"));
        if (is_key && (effect[0] == '\0' || str_eq(effect, "NoSchedule"))) {
            return true;
        }
    }
    return false;
}

bool filter_unschedulable(struct cycle *y, const struct sched_node *n)
{
    if (!n->is_unschedulable || tolerates_unschedulable(y->tolerations)) {
        return true;
    }
    cycle_reject(y, "node(s) were unschedulable");
    return false;
}

/* Pending pods name no node; a pod that asks for one by nodeSelectorTerms is node_affinity.c's. */
bool filter_node_name(struct cycle *y, const struct sched_node *n)
{
    if (y->node_name[0] == '\0' || strcmp(y->node_name, n->name) == 0) {
        return true;
    }
    cycle_reject(y, "node(s) didn't match the requested node name");
    return false;
}
