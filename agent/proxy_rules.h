/* The text of the Service table. Threads: any. */
#ifndef OPR_AGENT_PROXY_RULES_H
#define OPR_AGENT_PROXY_RULES_H

#include "core/api/meta.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "10.100.0.0/16" to "operon-100"; other ranges: "operon-172-20-8-0". */
void opr__proxy_table_name(const char *service_cidr, char *ret_name, size_t size);
struct opr__proxy_ranges {
    const char *service_cidr;
    const char *cluster_cidr; /* all Pods; may be NULL */
    int node_prefix;          /* of each node's part of it; 0: not known */
    /* The table as "nft list table" prints it, whose clients keep their endpoints
     * (sessionAffinity); NULL: nobody has one. */
    const char *kernel_text;
};
/* The whole table as a transaction. services and slices are arrays of objects; the text depends on
 * their content alone, not on their order. */
void opr__proxy_rules(struct opr_buf *ret_text, const struct opr__proxy_ranges *ranges,
                      const struct opr_obj *const *services, size_t n_services,
                      const struct opr_obj *const *slices, size_t n_slices);

/* The table of one node's hostPorts is of that node alone: "10.200.1.0/24" to
 * "operon-hostports-200-1". */
void opr__hostports_table_name(const char *pod_cidr, char *ret_name, size_t size);
/* The whole table as a transaction, out of the node's Pods; without hostPorts it removes it. */
void opr__hostports_rules(struct opr_buf *ret_text, const char *pod_cidr,
                          const struct opr_obj *const *pods, size_t n_pods);
/* Whether the Pod wants a port of its node. */
bool opr__hostports_has(const struct opr_obj *pod);
/* Worker. One transaction of nft commands in this process. */
OPR_NODISCARD opr_status opr__nft_run(const char *text, struct opr_error *reterr);
/* The same; ret_output gets what the commands print. */
OPR_NODISCARD opr_status opr__nft_read(const char *text, struct opr_buf *ret_output,
                                       struct opr_error *reterr);
/* Any thread. The elements of a set in what "nft list table" printed, without the braces; empty
 * where it has none. */
struct opr_str opr__nft_elements(const char *table_text, const char *set);

#ifdef __cplusplus
}
#endif
#endif
