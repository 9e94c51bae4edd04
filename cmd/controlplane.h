/* The control plane in one process: API server over HTTPS, and, where asked, controllers and
 * scheduler over the in-process transport. Threads: main runs the loop until SIGTERM. */
#ifndef OPR_CMD_CONTROLPLANE_H
#define OPR_CMD_CONTROLPLANE_H

#include "cmd/cluster.h"

struct opr_controlplane_config {
    const struct opr_cluster *cluster; /* borrowed */
    const char *service_cidr;
    bool has_controllers;
    /* "serving PORT\n" is written there once the API server answers, "ready PORT\n" once everything
     * does, or "failed TEXT\n"; -1: none. */
    int ready_fd;
    const char *const *policy_files;
    size_t policy_count;
    const char *const *plugin_files; /* loaded beside the built-in ones */
    size_t plugin_count;
};

int opr_controlplane_run(const struct opr_controlplane_config *config);

#endif
