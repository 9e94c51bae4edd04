/* Services in the kernel: one nftables table for the cluster on this machine, always written whole,
 * by every agent of the cluster from the same data. Where nftables can not be used: the balancer.
 * Threads: loop, except where said. */
#ifndef OPR_AGENT_PROXY_H
#define OPR_AGENT_PROXY_H

#include "agent/internal.h"

/* Worker. Where this node's Pods reach a Service's port: its own address, or the balancer's. false:
 * the Service has no address. */
bool opr__proxy_reach(const struct opr_agent *a, const struct opr_obj *service, int port,
                      char ret_host[OPR__IP_MAX], int *ret_port);
struct opr__proxy *opr__proxy_start(struct opr_agent *a); /* resources are known */
void opr__proxy_watch_pods(struct opr__proxy *p); /* the node's Pods are watched; NULL is fine */
void opr__proxy_stop(struct opr__proxy *p);       /* no more changes; rules stay */
void opr__proxy_free(struct opr__proxy *p);       /* workers have ended; NULL is fine */

#endif
