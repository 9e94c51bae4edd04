/* Starts and watches the processes of a cluster: one control plane and one agent a node. A control
 * plane that dies is started again; a node that dies stays dead, as a machine would, until
 * 'operon node start'. Threads: main. */
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

/* Starts the agent of one node, detached from the caller; its pid, or -1 with reterr. */
pid_t opr_supervisor_start_node(const struct opr_cluster *c, int64_t node,
                                struct opr_error *reterr);

#endif
