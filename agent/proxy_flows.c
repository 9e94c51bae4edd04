#include "agent/proxy_flows.h"

#include "agent/conntrack.h"
#include "agent/netlink.h"
#include "agent/proxy_endpoints.h"

#include <string.h>

/* Where datagrams to the Services may go. */
struct udp_ports {
    uint32_t range, mask;    /* of Services */
    struct opr_vec services; /* of struct udp_port */
};

struct udp_port {
    uint32_t address;
    int port;
    struct opr_vec endpoints; /* of struct opr__endpoint */
};

static bool is_stale_flow(void *arg, const struct opr__flow *flow)
{
    const struct udp_ports *all = arg;
    if ((flow->service & all->mask) != all->range) {
        return false;
    }
    for (size_t i = 0; i < all->services.count; i++) {
        const struct udp_port *u = all->services.items[i];
        for (size_t k = 0;
             u->address == flow->service && u->port == flow->service_port && k < u->endpoints.count;
             k++) {
            const struct opr__endpoint *e = u->endpoints.items[k];
            if (e->ip == flow->endpoint && e->port == flow->endpoint_port) {
                return false;
            }
        }
    }
    return true;
}

static void add_ports(const struct opr_obj *service, const struct opr_obj *const *slices,
                      size_t n_slices, struct opr_arena *arena, struct udp_ports *all)
{
    const struct opr_obj *ports = opr_json_at(service, "/spec/ports");
    for (const struct opr_obj *p = opr_json_first(ports); p; p = opr_json_next(p)) {
        uint32_t address;
        if (strcmp(opr_json_str(p, "/protocol", "TCP"), "UDP") == 0 &&
            opr__ipv4_parse(opr_json_str(service, "/spec/clusterIP", ""), &address)) {
            struct udp_port *u = opr_arena_alloc(arena, sizeof *u);
            *u = (struct udp_port){.address = address, .port = (int)opr_json_int(p, "/port", 0)};
            opr__endpoints_find(slices, n_slices, service, p, arena, &u->endpoints);
            opr_vec_push(&all->services, u);
        }
    }
}

opr_status opr__proxy_end_flows(const char *service_cidr, const struct opr_obj *const *services,
                                size_t n_services, const struct opr_obj *const *slices,
                                size_t n_slices, bool *has_udp, struct opr_error *reterr)
{
    struct udp_ports all = {0};
    int prefix = 0;
    if (!opr__cidr_parse(service_cidr, &all.range, &prefix) || prefix == 0) {
        return opr_error_set(reterr, OPR_E_INVALID, "%s is no range of Services", service_cidr);
    }
    all.mask = ~0u << (32 - prefix);
    all.range &= all.mask;
    struct opr_arena *arena = opr_arena_new();
    for (size_t i = 0; i < n_services; i++) {
        add_ports(services[i], slices, n_slices, arena, &all);
    }
    *has_udp = *has_udp || all.services.count > 0;
    size_t count = 0;
    opr_status st = *has_udp ? opr__conntrack_prune(is_stale_flow, &all, &count, reterr) : OPR_OK;
    for (size_t i = 0; i < all.services.count; i++) {
        opr_vec_fini(&((struct udp_port *)all.services.items[i])->endpoints);
    }
    opr_vec_fini(&all.services);
    opr_arena_free(arena);
    return st;
}
