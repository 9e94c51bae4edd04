/* The network of Pods: a bridge a node, a namespace and a veth pair a Pod, addresses from the
 * node's range. Every packet between Pods passes the host's IP stack (a Pod's address is a /32 and
 * its only neighbour the bridge), so that Service rules see both directions without br_netfilter.
 * Threads: worker. */
#ifndef OPR_AGENT_NET_H
#define OPR_AGENT_NET_H

#include "agent/internal.h"

/* Makes a->net where a range is given and the machine lets us; else says why once. */
void opr__net_start(struct opr_agent *a);
void opr__net_free(struct opr_agent *a);
/* Gives the Pod its namespace and address (p->ip); one that it has already is taken over. */
OPR_NODISCARD opr_status opr__net_pod_add(struct opr__pod *p, struct opr_error *reterr);
void opr__net_pod_remove(struct opr__pod *p);

/* Any thread. "10.200.1.0/24" to "opr200-1". */
void opr__net_bridge_name(const char *pod_cidr, char ret_name[16]);

#endif
