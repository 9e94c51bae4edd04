/* Filters and scores of other plugins (operon/scheduler.h). */
#include "schedulers/scheduler.h"

#include <operon/scheduler.h>

#define DEFAULT_WEIGHT 3

static struct opr_sched_view view_of(struct cycle *y, const struct sched_node *n, void *state)
{
    const struct opr_obj **pods = opr_ctx_alloc(y->c, (n->pod_count + 1) * sizeof *pods);
    for (uint32_t i = 0; i < n->pod_count; i++) {
        pods[i] = n->pods[i]->o;
    }
    struct opr_sched_view view = {
        .size = sizeof view,
        .pod = y->pod,
        .node = n->o,
        .pods = pods,
        .pod_count = n->pod_count,
        .free_cpu_milli = n->capacity.at[RES_CPU] - n->used.at[RES_CPU],
        .free_memory_bytes = (n->capacity.at[RES_MEMORY] - n->used.at[RES_MEMORY]) / 1000,
        .free_pods = n->max_pods - n->pod_count,
        .state = state,
    };
    return view;
}

static bool suits(struct cycle *y, const struct opr_sched_loaded *extension,
                  const struct sched_node *n)
{
    struct opr_sched_view view = view_of(y, n, extension->state);
    const char *reason = extension->plugin.filter(y->c, &view);
    if (reason) {
        cycle_reject(y, reason);
        y->rejected_by |= REJECTED_OUTSIDE;
    }
    return !reason;
}

void extension_filter(struct cycle *y)
{
    const struct opr_sched_loaded *all = NULL;
    uint32_t count = opr_sched_plugins(y->c, &all);
    for (uint32_t e = 0; e < count; e++) {
        uint32_t kept = 0;
        for (uint32_t i = 0; all[e].plugin.filter && i < y->fit_count; i++) {
            if (suits(y, &all[e], y->fit[i].node)) {
                y->fit[kept++] = y->fit[i];
            }
        }
        y->fit_count = all[e].plugin.filter ? kept : y->fit_count;
    }
}

void extension_score(struct cycle *y)
{
    const struct opr_sched_loaded *all = NULL;
    uint32_t count = opr_sched_plugins(y->c, &all);
    for (uint32_t e = 0; e < count; e++) {
        int64_t weight = all[e].plugin.weight ? all[e].plugin.weight : DEFAULT_WEIGHT;
        for (uint32_t i = 0; all[e].plugin.score && i < y->fit_count; i++) {
            struct opr_sched_view view = view_of(y, y->fit[i].node, all[e].state);
            int64_t score = all[e].plugin.score(y->c, &view);
            y->fit[i].total += weight * (score < 0 ? 0 : score > 100 ? 100 : score);
        }
    }
}
