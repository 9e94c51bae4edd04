/* The nodes of a cluster, as 'up' and 'node' see them. Threads: main. */
#ifndef OPR_CMD_NODES_H
#define OPR_CMD_NODES_H

#include "cmd/cluster.h"

void opr_node_name(int64_t node, char name[32]); /* "node-1" */

/* A node is wanted from its start until it is killed or the cluster goes down: as long as it has a
 * pid file, whether its process lives or not. */
bool opr_node_is_wanted(const struct opr_cluster *c, int64_t node);

/* Each of n nodes on this machine offers the machine's CPU (they share it) and its part of the
 * memory. */
struct opr_node_slice {
    uint64_t cpu_milli, memory_mib;
};
struct opr_node_slice opr_node_slice_of(int64_t nodes);

/* Looks for the Ready nodes through the cluster's kubeconfig. */
struct opr_node_watch;
OPR_NODISCARD opr_status opr_node_watch_new(const struct opr_cluster *c,
                                            struct opr_node_watch **ret_watch,
                                            struct opr_error *reterr);
uint32_t opr_node_watch_ready(struct opr_node_watch *w); /* bit i: node-(i+1) */
void opr_node_watch_free(struct opr_node_watch *w);

/* Stops all containers of the cluster on this machine and takes its network and cgroups away. */
void opr_nodes_clean(const struct opr_cluster *c);

#endif
