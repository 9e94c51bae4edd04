/* Scheduler plugins (operon/scheduler.h): collected when a plugin is loaded, handed to whoever
 * schedules. Fixed once the manager has started, so reading needs no lock. */
#include "core/base/alloc.h"
#include "core/runtime/internal.h"

#include <operon/scheduler.h>

#define TABLE_MIN_SIZE (offsetof(struct opr_sched_plugin, filter))

opr_status opr__sched_add(struct opr_manager *m, const struct opr__plugin *p,
                          struct opr_error *reterr)
{
    const struct opr_sched_plugin *const *all = p->table.schedulers;
    for (size_t i = 0; all && all[i]; i++) {
        if (all[i]->size < TABLE_MIN_SIZE || !all[i]->name) {
            opr__sched_cut(m, m->schedulers_count - i);
            return opr_error_set(reterr, OPR_E_INVALID,
                                 "a scheduler plugin has no name or no size");
        }
        size_t room = (m->schedulers_count + 1) * sizeof *m->schedulers;
        m->schedulers = opr_xrealloc(m->schedulers, room);
        struct opr_sched_loaded *loaded = &m->schedulers[m->schedulers_count++];
        *loaded = (struct opr_sched_loaded){.state = p->state};
        size_t size = all[i]->size < sizeof loaded->plugin ? all[i]->size : sizeof loaded->plugin;
        memcpy(&loaded->plugin, all[i], size);
    }
    return OPR_OK;
}

void opr__sched_cut(struct opr_manager *m, size_t count)
{
    m->schedulers_count = count;
}

uint32_t opr__host_sched_plugins(struct opr_ctx *c, const struct opr_sched_loaded **ret_loaded)
{
    *ret_loaded = c->m->schedulers;
    return (uint32_t)c->m->schedulers_count;
}
