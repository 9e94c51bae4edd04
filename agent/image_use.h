/* Which image a container runs, and what is remembered of it with the run. Threads: worker. */
#ifndef OPR_AGENT_IMAGE_USE_H
#define OPR_AGENT_IMAGE_USE_H

#include "agent/image.h"
#include "agent/internal.h"

/* Fills ret_image, whose name is NULL for the programs of the host; or says in c->reason why the
 * container has to wait (ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName). */
bool opr__image_choose(struct opr__pod *p, struct opr__container *c, struct opr_arena *arena,
                       struct opr__image *ret_image);
/* The file "image" in the folder of a run: the image's id and stop signal. */
OPR_NODISCARD opr_status opr__image_note(const char *run_dir, const char *wanted,
                                         const struct opr__image *image, struct opr_error *reterr);
/* From that file of the container's present run. */
void opr__image_recall(const struct opr__pod *p, struct opr__container *c);
/* Path of crun out of PATH; owned. NULL: there is none. */
char *opr__crun_find(void);

#endif
