/* Handlers of a container's life: postStart and preStop, by exec, httpGet or sleep. They run beside
 * and are asked about. Threads: worker. */
#ifndef OPR_AGENT_HOOK_H
#define OPR_AGENT_HOOK_H

#include "agent/internal.h"

enum opr__hook_state { OPR__HOOK_RUNS, OPR__HOOK_DONE, OPR__HOOK_FAILED };

enum { OPR__HOOK_POLL_MS = 50 };

/* handler is the LifecycleHandler; dir the run's folder. */
void opr__hook_begin(struct opr__pod *p, struct opr__container *c, const struct opr_obj *handler,
                     const char *dir);
/* While it runs the Pod is woken again. hook.why says why it failed. */
enum opr__hook_state opr__hook_poll(struct opr__pod *p, struct opr__container *c);
/* Ends it; also what is to be called after it is over. */
void opr__hook_end(struct opr__container *c);

#endif
