/* Exec plugins of a kubeconfig: a command that prints an ExecCredential
 * (client.authentication.k8s.io/v1 and v1beta1). Threads: worker. */
#ifndef OPR_CLIENT_KUBECONFIG_EXEC_H
#define OPR_CLIENT_KUBECONFIG_EXEC_H

#include "core/base/arena.h"
#include "core/client/kubeconfig_yaml.h"
#include "core/net/client.h"

/* For errors. */
struct opr__exec_place {
    const char *path, *context, *user;
};

/* Runs the command of the exec mapping, once, for at most a minute, and puts its token or
 * certificate into config, with the time when it expires. Its texts are of the arena. */
OPR_NODISCARD opr_status opr__exec_run(struct opr__yaml *y, const yaml_node_t *exec,
                                       const struct opr__exec_place *place, struct opr_arena *a,
                                       struct opr_endpoint_config *config,
                                       struct opr_error *reterr);

#endif
