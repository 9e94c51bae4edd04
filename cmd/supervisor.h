/* Starts and watches the processes of a cluster: one control plane and one agent a node. One that
 * ends is started again, an agent only while its node is wanted (cmd/nodes.h): 'operon node kill'
 * takes the wish back, 'operon node start' renews it and wakes the supervisor by SIGHUP.
 * Threads: main. */
#ifndef OPR_CMD_SUPERVISOR_H
#define OPR_CMD_SUPERVISOR_H

#include "cmd/cluster.h"

/* Policy files and plugin files together. */
#define OPR_SUPERVISOR_MAX_FILES 24

struct opr_supervisor_config {
    struct opr_cluster *cluster;
    const char *const *policy_files;
    size_t policy_count;
    const char *const *plugin_files;
    size_t plugin_count;
    /* A part of the cluster ("API server", "node-1") is being started, or is ready. */
    void (*on_part)(void *arg, const char *part, bool is_ready);
    /* Called once, when everything is Ready or has failed (err not NULL). */
    void (*on_ready)(void *arg, const struct opr_error *err);
    void *arg;
};

/* Runs until SIGTERM or SIGINT, then stops everything. The exit status. */
int opr_supervisor_run(const struct opr_supervisor_config *config);

#endif
