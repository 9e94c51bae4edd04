/* The network of Pods: a bridge a node, a namespace and a veth pair a Pod, addresses from the
 * node's range. Every packet between Pods passes the host's IP stack (a Pod's address is a /32 and
 * its only neighbour the bridge), so that Service rules see both directions without br_netfilter.
 * Threads: worker. */
#ifndef OPR_AGENT_NET_H
#define OPR_AGENT_NET_H

#include "agent/internal.h"
#include "agent/netlink.h"

/* Makes a->net where a range is given and the machine lets us; else says why once. */
void opr__net_start(struct opr_agent *a);
void opr__net_free(struct opr_agent *a);
/* Gives the Pod its namespace and address (p->ip); one that it has already is taken over. */
OPR_NODISCARD opr_status opr__net_pod_add(struct opr__pod *p, struct opr_error *reterr);
void opr__net_pod_remove(struct opr__pod *p);
/* False: its namespace or its link was removed by somebody; opr__net_pod_add() makes it good. */
bool opr__net_pod_is_whole(const struct opr__pod *p);
/* Makes good what somebody removed of the node's own network. */
void opr__net_check(struct opr_agent *a);
void opr__net_release_namespace(const char *path);

/* Any thread. What Pods on the host's network are reached by, and a Service's endpoints may be: the
 * first address of the machine that is not the loopback's; without one 127.0.0.1. */
void opr__net_host_address(char ret_address[OPR__IPV4_TEXT_MAX]);
/* Any thread. The bridge's address, in host order. */
uint32_t opr__net_gateway(const struct opr__net *n);
/* Any thread. "10.200.1.0/24" to "opr200-1". */
void opr__net_bridge_name(const char *pod_cidr, char ret_name[16]);

#endif
