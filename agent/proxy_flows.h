/* Flows of datagrams after a change of the Services' endpoints. Threads: worker. */
#ifndef OPR_AGENT_PROXY_FLOWS_H
#define OPR_AGENT_PROXY_FLOWS_H

#include "core/api/meta.h"

/* Ends those to a Service's address that have an endpoint which the Service has no longer. has_udp:
 * whether a Service has had a UDP port so far; while none has, nothing is looked at. */
OPR_NODISCARD opr_status opr__proxy_end_flows(const char *service_cidr,
                                              const struct opr_obj *const *services,
                                              size_t n_services,
                                              const struct opr_obj *const *slices, size_t n_slices,
                                              bool *has_udp, struct opr_error *reterr);

#endif
