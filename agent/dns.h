/* The name service of a node: answers its Pods' questions about Services and Pods, on the bridge's
 * address, and refuses all others at once, since it asks nobody. Threads: loop, except where
 * said. */
#ifndef OPR_AGENT_DNS_H
#define OPR_AGENT_DNS_H

#include "agent/internal.h"

struct opr__dns;
/* Loop. NULL where there is no Pod network, or the port can not be had (said in the log). */
struct opr__dns *opr__dns_start(struct opr_agent *a);
void opr__dns_stop(struct opr__dns *d); /* NULL is fine */

/* Worker. What a container finds in /etc/resolv.conf, by the Pod's dnsPolicy and dnsConfig; false:
 * the host's. */
bool opr__dns_resolv_conf(const struct opr__pod *p, struct opr_buf *ret_text);
/* Worker. Writes the Pod's file and adds its mount, in the arena, unless the container mounts its
 * own. */
OPR_NODISCARD opr_status opr__dns_mount(struct opr__pod *p, struct opr_arena *arena,
                                        struct opr_vec *mounts, struct opr_error *reterr);

#endif
