/* The node agent: registers a Node, runs its Pods, probes them, programs Services, measures.
 * Threads: made and stopped on the loop thread; it starts its own. */
#ifndef OPR_AGENT_AGENT_H
#define OPR_AGENT_AGENT_H

#include "core/client/client.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { OPR_AGENT_PODS = 1u, OPR_AGENT_PROXY = 2u, OPR_AGENT_METRICS = 4u };

struct opr_agent_config {
    struct opr_loop *loop;
    struct opr_client *client; /* borrowed */
    const struct opr_clock *clock;
    const char *node_name;
    const char *dir;        /* state, logs, volumes of this node */
    const char *images_dir; /* loaded images; NULL: dir/images */
    /* Where the Service default/kubernetes leads to while it has no endpoints (Kubernetes allows
     * none on the loopback): "https://127.0.0.1:7443"; NULL: nowhere. */
    const char *api_url;
    const char *cert_pem, *key_pem, *client_ca_pem; /* of the agent's own HTTPS server (logs) */
    uint32_t roles;                                 /* OPR_AGENT_* */
    uint32_t sync_period_ms;                        /* full comparison; 0: 20,000 */
    uint32_t lease_ms;                              /* renewal; 0: 10,000 */
    uint32_t cpu_milli;                             /* this node's slice; 0: the machine */
    uint64_t memory_bytes;                          /* 0: the machine */
    uint32_t max_pods;                              /* 0: 110 */
    const char *pod_cidr; /* this node's, "10.200.1.0/24"; NULL: host network only */
    const char
        *cluster_cidr; /* all Pods of the cluster, "10.200.0.0/16": gets an unreachable route */
    const char *service_cidr; /* "10.100.0.0/16": gets an unreachable route */
    const char
        *cgroup_parent; /* cluster's cgroup below each hierarchy, "operon-0"; NULL: "operon" */
};

struct opr_agent;
OPR_NODISCARD opr_status opr_agent_new(const struct opr_agent_config *config,
                                       struct opr_agent **ret_agent, struct opr_error *reterr);
void opr_agent_start(struct opr_agent *a);
/* Stops working; containers go on running and are adopted by the next agent. */
void opr_agent_stop(struct opr_agent *a, void (*done)(void *), void *arg);
void opr_agent_free(struct opr_agent *a);

/* From another process, once the agent's own is gone. Threads: main; they block.
 *
 * A power cut: SIGKILL to every container and shim of the node, so that nothing can say good-bye.
 * Network and state folder stay, as a disk would. */
void opr_agent_kill_node(const char *cgroup_parent, const char *node, const char *dir);
/* Ends all containers of the node and removes its cgroups, network namespaces, bridge and state. */
void opr_agent_clean(const char *cgroup_parent, const char *node, const char *dir,
                     const char *pod_cidr);
/* After the last node of a cluster: Service rules, routes of its ranges, the cgroup itself. */
void opr_agent_clean_network(const char *cgroup_parent, const char *cluster_cidr,
                             const char *service_cidr);

#ifdef __cplusplus
}
#endif
#endif
