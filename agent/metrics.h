/* What the node's containers use, measured four times a second and sent to the API server once a
 * second, or at once where it moved much. Threads: add and remove from workers; one own thread. */
#ifndef OPR_AGENT_METRICS_H
#define OPR_AGENT_METRICS_H

#include "agent/internal.h"

/* Loop. NULL: the role is off. */
struct opr__metrics *opr__metrics_start(struct opr_agent *a);
void opr__metrics_stop(struct opr__metrics *m); /* ends the thread and frees; NULL is fine */
/* A container that runs; told again it does nothing. */
void opr__metrics_add(struct opr__metrics *m, const struct opr__pod *p,
                      const struct opr__container *c);
void opr__metrics_remove(struct opr__metrics *m, const struct opr__pod *p,
                         const struct opr__container *c);
/* Prometheus text of what was measured last. */
void opr__metrics_text(struct opr__metrics *m, struct opr_buf *b);

#endif
