/* Flows of datagrams to Services in the kernel's connection tracking. A flow keeps the endpoint
 * that it began with as long as datagrams come, also when the endpoint is gone: such flows are
 * ended, so that the next datagram finds another. Threads: worker; it acts on the network namespace
 * of the calling thread. */
#ifndef OPR_AGENT_CONNTRACK_H
#define OPR_AGENT_CONNTRACK_H

#include "core/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Addresses in host order: where the client sends to, and who answers. */
struct opr__flow {
    uint32_t service, endpoint;
    uint16_t service_port, endpoint_port;
};

/* Ends the UDP flows that is_stale says so of. */
OPR_NODISCARD opr_status opr__conntrack_prune(bool (*is_stale)(void *arg,
                                                               const struct opr__flow *flow),
                                              void *arg, size_t *ret_count,
                                              struct opr_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
