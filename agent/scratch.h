/* emptyDir volumes: folders, or memory. Threads: worker. */
#ifndef OPR_AGENT_SCRATCH_H
#define OPR_AGENT_SCRATCH_H

#include "agent/internal.h"

/* source is the emptyDir; medium Memory is a tmpfs of its sizeLimit. gid: fsGroup; 0: none. */
OPR_NODISCARD opr_status opr__scratch_make(const char *dir, const struct opr_obj *source,
                                           int64_t gid, struct opr_error *reterr);
/* True where a volume holds more than its sizeLimit; ret_why is what the kubelet says then. */
bool opr__scratch_is_over(const struct opr__pod *p, char *ret_why, size_t size);
/* Gives the memory back, before the folder of the Pod is removed. Any number of times. */
void opr__scratch_release(const char *pod_dir);

#endif
