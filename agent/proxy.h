/* Services in the kernel: one nftables table for the cluster on this machine, always written whole,
 * by every agent of the cluster from the same data. Threads: loop, except where said. */
#ifndef OPR_AGENT_PROXY_H
#define OPR_AGENT_PROXY_H

#include "agent/internal.h"

struct opr__proxy *opr__proxy_start(struct opr_agent *a); /* resources are known */
void opr__proxy_stop(struct opr__proxy *p);               /* no more changes; rules stay */
void opr__proxy_free(struct opr__proxy *p);               /* workers have ended; NULL is fine */

#endif
