/* What the node's containers use, measured four times a second and sent to the API server once a
 * second, or at once where it moved much. Threads: each function's; measuring has its own. */
#ifndef OPR_AGENT_METRICS_H
#define OPR_AGENT_METRICS_H

#include "agent/internal.h"

/* Loop. Made with the agent, so that containers can be told of at any time. */
struct opr__metrics *opr__metrics_new(struct opr_agent *a);
void opr__metrics_start(struct opr__metrics *m); /* the API server is known; NULL is fine */
void opr__metrics_free(struct opr__metrics *m);  /* any thread; ends the thread; NULL is fine */
/* Worker. A container that runs or is about to; told again it does nothing. Waits a moment until
 * the probes know its cgroup, so that nothing of what it does is missed. m may be NULL. */
void opr__metrics_add(struct opr__metrics *m, const struct opr__pod *p,
                      const struct opr__container *c);
void opr__metrics_remove(struct opr__metrics *m, const struct opr__pod *p,
                         const struct opr__container *c);
/* Any thread. Requests over the connection that the agent is about to make with this socket do not
 * count for the container that answers them. m may be NULL. */
void opr__metrics_exclude(struct opr__metrics *m, int fd);
/* Any thread. Prometheus text of what was measured last. */
void opr__metrics_text(struct opr__metrics *m, struct opr_buf *b);

#endif
