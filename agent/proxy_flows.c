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
    uint32_t address; /* 0: a NodePort, at any address of the machine */
    int port;
    struct opr_vec endpoints; /* of struct opr__endpoint */
};

/* A flow to a Service's address that is none of its endpoints', also where the Service is gone; of
 * other flows those to a NodePort, which something rewrites. */
static bool is_stale_flow(void *arg, const struct opr__flow *flow)
{
    const struct udp_ports *all = arg;
    bool is_service = (flow->service & all->mask) == all->range, is_known = is_service;
    if (!is_service && flow->endpoint == flow->service) {
        return false;
    }
    for (size_t i = 0; i < all->services.count; i++) {
        const struct udp_port *u = all->services.items[i];
        if (u->port != flow->service_port || u->address != (is_service ? flow->service : 0)) {
            continue;
        }
        is_known = true;
        for (size_t k = 0; k < u->endpoints.count; k++) {
            const struct opr__endpoint *e = u->endpoints.items[k];
            if (e->ip == flow->endpoint && e->port == flow->endpoint_port) {
                return false;
            }
        }
    }
    return is_known;
}

static void add_one(const struct opr_obj *service, const struct opr_obj *port, uint32_t address,
                    int number, const struct opr_obj *const *slices, size_t n_slices,
                    struct opr_arena *arena, struct udp_ports *all)
{
    struct udp_port *u = opr_arena_alloc(arena, sizeof *u);
    *u = (struct udp_port){.address = address, .port = number};
    opr__endpoints_find(slices, n_slices, service, port, arena, &u->endpoints);
    opr_vec_push(&all->services, u);
}

static void add_ports(const struct opr_obj *service, const struct opr_obj *const *slices,
                      size_t n_slices, struct opr_arena *arena, struct udp_ports *all)
{
    const struct opr_obj *ports = opr_json_at(service, "/spec/ports");
    for (const struct opr_obj *p = opr_json_first(ports); p; p = opr_json_next(p)) {
        uint32_t address;
        if (strcmp(opr_json_str(p, "/protocol", "TCP"), "UDP") == 0 &&
            opr__ipv4_parse(opr_json_str(service, "/spec/clusterIP", ""), &address)) {
            int node_port = (int)opr_json_int(p, "/nodePort", 0);
            add_one(service, p, address, (int)opr_json_int(p, "/port", 0), slices, n_slices, arena,
                    all);
            if (node_port > 0) {
                add_one(service, p, 0, node_port, slices, n_slices, arena, all);
            }
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
