#include "agent/netlink.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <stdlib.h>

#define UNREACHABLE_METRIC 4278198272u

bool opr__ipv4_parse(const char *text, uint32_t *ret_address)
{
    struct in_addr in;
    if (inet_pton(AF_INET, text, &in) != 1) {
        return false;
    }
    *ret_address = ntohl(in.s_addr);
    return true;
}

void opr__ipv4_format(uint32_t address, char ret_text[OPR__IPV4_TEXT_MAX])
{
    snprintf(ret_text, OPR__IPV4_TEXT_MAX, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
             address >> 8 & 255, address & 255);
}

bool opr__cidr_parse(const char *text, uint32_t *ret_address, int *ret_prefix)
{
    struct opr_str rest = opr_str_of(text), address = {0};
    uint64_t prefix = 0;
    char copy[OPR__IPV4_TEXT_MAX];
    if (!opr_str_next(&rest, '/', &address) || address.len >= sizeof copy ||
        opr_str_to_u64(rest, &prefix) != OPR_OK || prefix > 32) {
        return false;
    }
    snprintf(copy, sizeof copy, "%.*s", OPR_STR_ARG(address));
    *ret_prefix = (int)prefix;
    return opr__ipv4_parse(copy, ret_address);
}

static struct nl_sock *open_socket(void)
{
    struct nl_sock *sk = nl_socket_alloc();
    if (sk && nl_connect(sk, NETLINK_ROUTE) != 0) {
        nl_socket_free(sk);
        sk = NULL;
    }
    return sk;
}

static struct nl_addr *make_addr(uint32_t address, int prefix)
{
    uint32_t raw = htonl(address);
    struct nl_addr *addr = nl_addr_build(AF_INET, &raw, sizeof raw);
    if (addr) {
        nl_addr_set_prefixlen(addr, prefix);
    }
    return addr;
}

static opr_status result(int code, const char *what, const char *name, struct opr_error *reterr)
{
    if (code == 0 || code == -NLE_EXIST) {
        return OPR_OK;
    }
    return opr_error_set(reterr, OPR_E_IO, "can not make the %s %s: %s", what, name,
                         nl_geterror(code));
}

/* A MAC address that follows from the IPv4 one: a later Pod of the same address is reached with the
 * neighbour entries of the one before. */
static void set_mac(struct rtnl_link *link, uint32_t address)
{
    uint8_t mac[6] = {0x0a,
                      0x58,
                      (uint8_t)(address >> 24),
                      (uint8_t)(address >> 16),
                      (uint8_t)(address >> 8),
                      (uint8_t)address};
    struct nl_addr *addr = nl_addr_build(AF_LLC, mac, sizeof mac);
    if (addr) {
        rtnl_link_set_addr(link, addr);
        nl_addr_put(addr);
    }
}

opr_status opr__nl_link_up(const char *name, struct opr_error *reterr)
{
    struct nl_sock *sk = open_socket();
    struct rtnl_link *link = rtnl_link_alloc(), *change = rtnl_link_alloc();
    int code = -NLE_NOMEM;
    if (sk && link && change) {
        rtnl_link_set_ifindex(link, (int)if_nametoindex(name));
        rtnl_link_set_flags(change, IFF_UP);
        code = rtnl_link_change(sk, link, change, 0);
    }
    rtnl_link_put(link);
    rtnl_link_put(change);
    nl_socket_free(sk);
    return result(code, "link up", name, reterr);
}

opr_status opr__nl_address(const char *name, uint32_t address, int prefix, struct opr_error *reterr)
{
    struct nl_sock *sk = open_socket();
    struct rtnl_addr *addr = rtnl_addr_alloc();
    struct nl_addr *local = make_addr(address, prefix);
    int code = -NLE_NOMEM;
    if (sk && addr && local) {
        rtnl_addr_set_ifindex(addr, (int)if_nametoindex(name));
        rtnl_addr_set_local(addr, local);
        rtnl_addr_set_prefixlen(addr, prefix);
        code = rtnl_addr_add(sk, addr, 0);
    }
    nl_addr_put(local);
    rtnl_addr_put(addr);
    nl_socket_free(sk);
    return result(code, "address of", name, reterr);
}

opr_status opr__nl_bridge(const char *name, uint32_t address, int prefix, struct opr_error *reterr)
{
    if (if_nametoindex(name) == 0) {
        struct nl_sock *sk = open_socket();
        struct rtnl_link *link = rtnl_link_bridge_alloc();
        int code = -NLE_NOMEM;
        if (sk && link) {
            rtnl_link_set_name(link, name);
            set_mac(link, address);
            code = rtnl_link_add(sk, link, NLM_F_CREATE);
        }
        rtnl_link_put(link);
        nl_socket_free(sk);
        OPR_TRY(result(code, "bridge", name, reterr));
    }
    OPR_TRY(opr__nl_address(name, address, prefix, reterr));
    return opr__nl_link_up(name, reterr);
}

opr_status opr__nl_veth(const char *name, const char *bridge, int netns_fd, uint32_t address,
                        struct opr_error *reterr)
{
    struct nl_sock *sk = open_socket();
    struct rtnl_link *link = rtnl_link_veth_alloc();
    struct rtnl_link *peer = link ? rtnl_link_veth_get_peer(link) : NULL;
    int code = -NLE_NOMEM;
    if (sk && peer) {
        rtnl_link_set_name(link, name);
        rtnl_link_set_master(link, (int)if_nametoindex(bridge));
        rtnl_link_set_flags(link, IFF_UP);
        rtnl_link_set_name(peer, "eth0");
        rtnl_link_set_ns_fd(peer, netns_fd);
        set_mac(peer, address);
        code = rtnl_link_add(sk, link, NLM_F_CREATE | NLM_F_EXCL);
    }
    rtnl_link_put(peer);
    rtnl_link_put(link);
    nl_socket_free(sk);
    return result(code, "veth pair", name, reterr);
}

void opr__nl_link_delete(const char *name)
{
    int index = (int)if_nametoindex(name);
    struct nl_sock *sk = index ? open_socket() : NULL;
    struct rtnl_link *link = sk ? rtnl_link_alloc() : NULL;
    if (link) {
        rtnl_link_set_ifindex(link, index);
        (void)rtnl_link_delete(sk, link); /* it may go by itself meanwhile */
    }
    rtnl_link_put(link);
    nl_socket_free(sk);
}

static struct rtnl_route *make_route(enum opr__nl_route_kind kind, uint32_t address, int prefix,
                                     const char *link, uint32_t gateway)
{
    struct rtnl_route *route = rtnl_route_alloc();
    struct nl_addr *dst = make_addr(address, prefix);
    if (!route || !dst) {
        rtnl_route_put(route);
        return NULL;
    }
    rtnl_route_set_dst(route, dst);
    nl_addr_put(dst);
    rtnl_route_set_protocol(route, RTPROT_STATIC);
    if (kind == OPR__NL_UNREACHABLE) {
        rtnl_route_set_type(route, RTN_UNREACHABLE);
        rtnl_route_set_scope(route, RT_SCOPE_UNIVERSE);
        rtnl_route_set_priority(route, UNREACHABLE_METRIC);
        return route;
    }
    struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
    rtnl_route_nh_set_ifindex(hop, (int)if_nametoindex(link));
    rtnl_route_set_scope(route, kind == OPR__NL_LINK ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
    if (kind == OPR__NL_VIA) {
        struct nl_addr *via = make_addr(gateway, 32);
        rtnl_route_nh_set_gateway(hop, via);
        nl_addr_put(via);
    }
    rtnl_route_add_nexthop(route, hop);
    return route;
}

opr_status opr__nl_route(enum opr__nl_route_kind kind, uint32_t address, int prefix,
                         const char *link, uint32_t gateway, struct opr_error *reterr)
{
    char text[OPR__IPV4_TEXT_MAX];
    struct nl_sock *sk = open_socket();
    struct rtnl_route *route = make_route(kind, address, prefix, link, gateway);
    int code = sk && route ? rtnl_route_add(sk, route, NLM_F_EXCL) : -NLE_NOMEM;
    rtnl_route_put(route);
    nl_socket_free(sk);
    opr__ipv4_format(address, text);
    return result(code, "route to", text, reterr);
}

void opr__nl_route_delete(enum opr__nl_route_kind kind, uint32_t address, int prefix,
                          const char *link)
{
    struct nl_sock *sk = open_socket();
    struct rtnl_route *route = make_route(kind, address, prefix, link, 0);
    if (sk && route) {
        (void)rtnl_route_delete(sk, route, 0); /* it may not be there */
    }
    rtnl_route_put(route);
    nl_socket_free(sk);
}
