/* Termination messages: what a container says of its own end. Threads: worker. */
#ifndef OPR_AGENT_MESSAGE_H
#define OPR_AGENT_MESSAGE_H

#include "agent/internal.h"

/* Sets /message of a terminated state: the file at terminationMessagePath (at most 4096 bytes), or
 * with FallbackToLogsOnError after a failure the end of the log (80 lines, 2048 bytes). */
void opr__message_put(struct json_object *state, const struct opr__pod *p,
                      const struct opr__container *c, const struct opr__run *run, uint32_t attempt);

#endif
