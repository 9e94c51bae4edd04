/* The index of an image folder: what loading and finding share. Threads: worker. */
#ifndef OPR_AGENT_IMAGE_STORE_H
#define OPR_AGENT_IMAGE_STORE_H

#include "agent/image.h"

/* Makes the folder and takes its lock. -1: reterr says why. Closing it lets go. */
int opr__images_lock(const char *dir, struct opr_error *reterr);
/* Array, owned; empty where there is no index. */
OPR_NODISCARD opr_status opr__images_read(const char *dir, struct json_object **ret_list,
                                          struct opr_error *reterr);
OPR_NODISCARD opr_status opr__images_write(const char *dir, struct json_object *list,
                                           struct opr_error *reterr);
/* Takes the image of a name off the list. */
bool opr__images_forget(struct json_object *list, const char *name);
/* Removes layers and configurations that no image of the list has and nothing uses. Locked. */
void opr__images_sweep(const char *dir, struct json_object *list);

#endif
