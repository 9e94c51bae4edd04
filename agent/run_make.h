/* A run from the container's specification: program, variables, user, mounts, limits, and for an
 * image its bundle. Threads: worker. */
#ifndef OPR_AGENT_RUN_MAKE_H
#define OPR_AGENT_RUN_MAKE_H

#include "agent/image.h"
#include "agent/internal.h"

/* Writes the folder of the run; false: c->reason says why not, in the kubelet's words for the same
 * step. image->name is NULL for the programs of the host. */
bool opr__run_make(struct opr__pod *p, struct opr__container *c, struct opr_caller *k,
                   const char *dir, const struct opr__image *image, struct opr_arena *arena);

#endif
