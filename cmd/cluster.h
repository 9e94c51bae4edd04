/* A cluster in a folder: its layout, its settings, and its share of the machine's address ranges.
 *
 *     D/kubeconfig         the administrator's (0600)
 *     D/cluster.json       settings, kept from the first start
 *     D/lock               held by the one that starts, runs or stops the cluster
 *     D/pki D/store        of the API server
 *     D/nodes/NAME         state, certificates and volumes of a node
 *     D/logs D/run         logs; pid files
 *
 * Threads: main. */
#ifndef OPR_CMD_CLUSTER_H
#define OPR_CMD_CLUSTER_H

#include "core/base/error.h"

#include <limits.h>
#include <sys/types.h>

#define OPR_CLUSTER_MAX_NODES 32

struct opr_cluster {
    char dir[PATH_MAX];
    int lock_fd;  /* owned: of D/lock, held until the process ends; -1: not held */
    int64_t slot; /* 0..31: the cluster's share of the machine's Pod and Service ranges; -1: none */
    int64_t port;
    int64_t nodes;
    int64_t node_grace_ms; /* node-lifecycle: silence until a node counts as dead */
    int64_t eviction_ms;   /* longest toleration of a dead node; 0: what the Pods say */
};

/* dir NULL: $OPERON_DIR, else ~/.operon. Makes it absolute; reads the settings where there are
 * some. OPR_E_NOT_FOUND where there is no cluster; OPR_E_INVALID where the path is too long or a
 * setting is out of its range. */
OPR_NODISCARD opr_status opr_cluster_open(struct opr_cluster *c, const char *dir,
                                          struct opr_error *reterr);
/* OPR_E_FORBIDDEN where it is another user's: what its files say is not for us to act on. */
OPR_NODISCARD opr_status opr_cluster_check_owner(const struct opr_cluster *c,
                                                 struct opr_error *reterr);
/* Makes the folder and takes its lock, which no other process can have then. OPR_E_BUSY. */
OPR_NODISCARD opr_status opr_cluster_claim(struct opr_cluster *c, struct opr_error *reterr);
/* Makes the folder, takes a slot, writes the settings. */
OPR_NODISCARD opr_status opr_cluster_create(struct opr_cluster *c, struct opr_error *reterr);
OPR_NODISCARD opr_status opr_cluster_save(const struct opr_cluster *c, struct opr_error *reterr);
/* True where the slot of the settings is this cluster's, or nobody's and now this cluster's; false
 * where it went to another cluster since this one was stopped. */
bool opr_cluster_holds_slot(const struct opr_cluster *c);
/* Gives the slot back; only for one that holds it. */
void opr_cluster_release(const struct opr_cluster *c);

/* Text is in a buffer of the caller's. */
void opr_cluster_path(const struct opr_cluster *c, char path[PATH_MAX], const char *fmt, ...)
    OPR_PRINTF(3, 4);
/* "10.160.1.0/24" of node 1, "10.160.0.0/16" of the cluster, "10.96.0.0/16" of its Services. */
void opr_cluster_node_cidr(const struct opr_cluster *c, int64_t node, char text[32]);
void opr_cluster_pod_cidr(const struct opr_cluster *c, char text[32]);
void opr_cluster_service_cidr(const struct opr_cluster *c, char text[32]);
void opr_cluster_cgroup(const struct opr_cluster *c, char text[32]); /* "operon-0" */

/* Processes of the cluster by pid file (D/run/NAME.pid: pid and start time, so that a pid that was
 * given to another process is not taken for ours; a file of another user's is not believed).
 * 0: not running. */
pid_t opr_cluster_pid(const struct opr_cluster *c, const char *name);
OPR_NODISCARD opr_status opr_cluster_note_pid(const struct opr_cluster *c, const char *name,
                                              pid_t pid, struct opr_error *reterr);
void opr_cluster_forget_pid(const struct opr_cluster *c, const char *name);

#endif
