/* An image as an OCI bundle: <run>/bundle/config.json and rootfs, run by crun under the shim.
 *
 * crun makes the mount namespace and a PID namespace inside of the shim's, so that the container's
 * program is its process 1 and all of it ends with the shim. Network, host name, IPC and cgroup are
 * those that the shim has joined (crun runs with its cgroup manager off). Threads: worker. */
#ifndef OPR_AGENT_BUNDLE_H
#define OPR_AGENT_BUNDLE_H

#include "agent/image.h"
#include "agent/runtime.h"
#include "core/json/json.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr__bundle {
    const char *dir;                /* of the run */
    char *const *args, *const *env; /* NULL-terminated */
    const char *cwd;
    int64_t uid, gid;
    const struct opr_vec *groups;   /* of char *: numbers */
    const struct opr_vec *mounts;   /* of struct opr__run_mount */
    const struct opr_obj *security; /* the container's securityContext; NULL: none */
};

/* "name", "uid", "name:group" of an image's configuration ("" is root). passwd and group are the
 * texts of the image's files, or "". */
OPR_NODISCARD opr_status opr__image_user(const char *passwd, const char *group, const char *user,
                                         int64_t *ret_uid, int64_t *ret_gid,
                                         struct opr_error *reterr);
/* The runtime-spec document. Owned. */
struct json_object *opr__bundle_config(const struct opr__bundle *b);
/* Writes it and the folders of the bundle. */
/* Writes the first part of the process of an exec (SHIM_FILE_PROCESS). */
void opr__bundle_exec(const struct opr__bundle *b, struct opr_buf *out);
OPR_NODISCARD opr_status opr__bundle_write(const struct opr__bundle *b, struct opr_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
