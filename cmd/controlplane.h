/* The control plane in one process: API server over HTTPS, and, where asked, controllers and
 * scheduler over the in-process transport. Threads: main runs the loop until SIGTERM. */
#ifndef OPR_CMD_CONTROLPLANE_H
#define OPR_CMD_CONTROLPLANE_H

#include "cmd/cluster.h"

struct opr_controlplane_config {
    const struct opr_cluster *cluster; /* borrowed */
    const char *service_cidr;
    bool has_controllers;
    int ready_fd; /* "ready\n" is written once everything serves; -1: none */
    const char *const *policy_files;
    size_t policy_count;
};

int opr_controlplane_run(const struct opr_controlplane_config *config);

#endif
