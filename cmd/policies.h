/* Joins the Lua policy host to the manager, and follows policy files on disk. Threads: main. */
#ifndef OPR_CMD_POLICIES_H
#define OPR_CMD_POLICIES_H

#include "core/net/loop.h"
#include "core/runtime/manager.h"

struct opr_policies;
/* Each file becomes the policy "file/NAME" and is read again when it changes; a file that does not
 * load at start is an error, later it is a logged warning and the last good one goes on. */
OPR_NODISCARD opr_status opr_policies_new(struct opr_loop *loop, const char *const *files,
                                          size_t count, struct opr_policies **ret_policies,
                                          struct opr_error *reterr);
struct opr_policy_service *opr_policies_service(struct opr_policies *p);
/* Tells the manager's policy controller of the files, now and whenever one was read again. */
void opr_policies_follow(struct opr_policies *p, struct opr_manager *m);
void opr_policies_free(struct opr_policies *p);

#endif
