/* Starts and watches the processes of a cluster: one control plane and one agent a node. One that
 * ends is started again, an agent only while its node is wanted (cmd/nodes.h): 'operon node kill'
 * takes the wish back, 'operon node start' renews it and wakes the supervisor by SIGHUP.
 * Threads: main. */
#ifndef OPR_CMD_SUPERVISOR_H
#define OPR_CMD_SUPERVISOR_H

#include "cmd/cluster.h"

struct opr_supervisor_config {
    struct opr_cluster *cluster;
    const char *const *policy_files;
    size_t policy_count;
    /* Called once, when everything is Ready or has failed (err not NULL). */
    void (*on_ready)(void *arg, const struct opr_error *err);
    void *arg;
};

/* Runs until SIGTERM or SIGINT, then stops everything. The exit status. */
int opr_supervisor_run(const struct opr_supervisor_config *config);

#endif
