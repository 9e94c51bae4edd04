/* Services in the kernel: one nftables table for the cluster on this machine, always written whole,
 * by every agent of the cluster from the same data. Threads: loop, except where said. */
#ifndef OPR_AGENT_PROXY_H
#define OPR_AGENT_PROXY_H

#include "agent/internal.h"

struct opr__proxy *opr__proxy_start(struct opr_agent *a); /* resources are known */
void opr__proxy_stop(struct opr__proxy *p);               /* no more changes; rules stay */
void opr__proxy_free(struct opr__proxy *p);               /* workers have ended; NULL is fine */

/* Any thread. "10.100.0.0/16" to "operon-10-100-0-0"; short for a /16: "operon-100". */
void opr__proxy_table_name(const char *service_cidr, char *ret_name, size_t size);
/* Any thread. The whole table as a transaction. services and slices are arrays of objects; the text
 * depends on their content alone, not on their order. cluster_cidr may be NULL. */
void opr__proxy_rules(struct opr_buf *ret_text, const char *service_cidr, const char *cluster_cidr,
                      const struct opr_obj *const *services, size_t n_services,
                      const struct opr_obj *const *slices, size_t n_slices);
/* Worker. One transaction of nft commands in this process. */
OPR_NODISCARD opr_status opr__nft_run(const char *text, struct opr_error *reterr);

#endif
