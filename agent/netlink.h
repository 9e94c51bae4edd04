/* The rtnetlink requests that the Pod network needs, each one call. Threads: any; they act on the
 * network namespace of the calling thread. Errors name the object. */
#ifndef OPR_AGENT_NETLINK_H
#define OPR_AGENT_NETLINK_H

#include "core/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Addresses are IPv4 in host byte order. Making what is there already is no error. */
OPR_NODISCARD opr_status opr__nl_bridge(const char *name, uint32_t address, int prefix,
                                        struct opr_error *reterr);
/* A pair: name here, on the bridge and up; "eth0" in the namespace of netns_fd, with a MAC address
 * that follows from the Pod's address. */
OPR_NODISCARD opr_status opr__nl_veth(const char *name, const char *bridge, int netns_fd,
                                      uint32_t address, struct opr_error *reterr);
void opr__nl_link_delete(const char *name);
OPR_NODISCARD opr_status opr__nl_link_up(const char *name, struct opr_error *reterr);
OPR_NODISCARD opr_status opr__nl_address(const char *link, uint32_t address, int prefix,
                                         struct opr_error *reterr);

enum opr__nl_route_kind {
    OPR__NL_UNREACHABLE, /* lowest preference: any other route to a part of it wins */
    OPR__NL_LINK,        /* straight out of a link */
    OPR__NL_VIA          /* by a gateway on a link */
};
/* gateway with VIA, link with LINK and VIA. */
OPR_NODISCARD opr_status opr__nl_route(enum opr__nl_route_kind kind, uint32_t address, int prefix,
                                       const char *link, uint32_t gateway,
                                       struct opr_error *reterr);
/* Removes an unreachable or link route. */
void opr__nl_route_delete(enum opr__nl_route_kind kind, uint32_t address, int prefix,
                          const char *link);

/* "10.200.1.0/24". */
bool opr__cidr_parse(const char *text, uint32_t *ret_address, int *ret_prefix);
#define OPR__IPV4_TEXT_MAX 16
void opr__ipv4_format(uint32_t address, char ret_text[OPR__IPV4_TEXT_MAX]);
bool opr__ipv4_parse(const char *text, uint32_t *ret_address);

#ifdef __cplusplus
}
#endif
#endif
