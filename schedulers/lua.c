#include "schedulers/scheduler.h"

/* Policies see the nodes that passed every native filter, one call a node: input {pod, node}. */
static struct opr_doc *input_of(struct cycle *y, const struct sched_node *n)
{
    struct opr_doc *d = opr_doc_new(y->c, "{'pod':%p,'node':%p}", y->pod, n->o);
    int64_t free_cpu = n->capacity.at[RES_CPU] - n->used.at[RES_CPU];
    int64_t free_memory = n->capacity.at[RES_MEMORY] - n->used.at[RES_MEMORY];
    opr_doc_set(d, "/free", "{'cpu_milli':%lld,'memory_bytes':%lld,'pods':%lld}",
                (long long)free_cpu, (long long)(free_memory / 1000),
                (long long)(n->max_pods - n->pod_count));
    return d;
}

/* Once a cycle: a broken policy fails for each node alike. */
static void tell_failure(struct cycle *y, const char *policy, const char *error)
{
    if (y->has_told_failure) {
        return;
    }
    y->has_told_failure = true;
    opr_ctx_log(y->c, OPR_LOG_WARN, "filter policy failed policy=%s error=%s", policy, error);
    opr_event(y->c, y->pod, "Warning", "PolicyFailed", "Policy %s: %.900s", policy, error);
}

/* false, reason: the node is out. So it is where a policy that fails gives no verdict: what it is
 * there to prevent must not happen because it is broken. The pod waits, its condition names the
 * policy, an event has the error. */
static bool allows(struct cycle *y, const char *policy, const struct sched_node *n)
{
    const struct opr_obj *result = NULL;
    opr_status st = opr_policy_call(y->c, policy, "filter", input_of(y, n), &result);
    if (st != OPR_OK) {
        tell_failure(y, policy, opr_ctx_error(y->c));
        cycle_reject(y, opr_ctx_text(y->c, "node(s) got no verdict of policy %s", policy));
        y->rejected_by |= REJECTED_OUTSIDE;
        return false;
    }
    if (opr_obj_type(opr_obj_at(result, "/0")) != OPR_TYPE_BOOL ||
        opr_obj_bool(result, "/0", true)) {
        return true;
    }
    y->rejected_by |= REJECTED_OUTSIDE;
    cycle_reject(
        y, opr_ctx_text(y->c, "%s", opr_obj_str(result, "/1", "node(s) were refused by a policy")));
    return false;
}

void lua_filter(struct cycle *y)
{
    const char *const *names = NULL;
    uint32_t count = opr_policy_list(y->c, "filter", &names);
    for (uint32_t p = 0; p < count; p++) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < y->fit_count; i++) {
            if (allows(y, names[p], y->fit[i].node)) {
                y->fit[kept++] = y->fit[i];
            }
        }
        y->fit_count = kept;
    }
}

/* The mean of what the policies say, each clamped to 0..100; no number counts as 0. */
bool score_lua(struct cycle *y, int64_t *ret_scores)
{
    const char *const *names = NULL;
    uint32_t count = opr_policy_list(y->c, "score", &names);
    for (uint32_t i = 0; i < y->fit_count && count > 0; i++) {
        double sum = 0;
        for (uint32_t p = 0; p < count; p++) {
            const struct opr_obj *result = NULL;
            opr_status st =
                opr_policy_call(y->c, names[p], "score", input_of(y, y->fit[i].node), &result);
            if (st != OPR_OK) {
                opr_ctx_log(y->c, OPR_LOG_WARN, "score policy failed policy=%s error=%s", names[p],
                            opr_ctx_error(y->c));
                continue;
            }
            double score = opr_obj_num(result, "/0", 0);
            sum += score < 0 ? 0 : score > 100 ? 100 : score;
        }
        ret_scores[i] = (int64_t)(sum / count);
    }
    return count > 0;
}
