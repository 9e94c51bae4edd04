/* From Services and EndpointSlices to what the balancer listens on. Pure. */
#include "agent/balancer.h"

#include "agent/netlink.h"
#include "agent/proxy_endpoints.h"

#include <string.h>

enum { SHIFT = 20000, PORT_MAX = 65535 };
#define LOOPBACK 0x7f000000u

bool opr__balancer_place(const struct opr_obj *service, int port, uint32_t *ret_address,
                         uint16_t *ret_port)
{
    uint32_t ip;
    if (!opr__ipv4_parse(opr_json_str(service, "/spec/clusterIP", ""), &ip) || port <= 0 ||
        port > PORT_MAX) {
        return false;
    }
    *ret_address = LOOPBACK | (ip & 0xffffff);
    *ret_port = (uint16_t)(port + SHIFT <= PORT_MAX ? port + SHIFT : port - SHIFT);
    return true;
}

static void add_rule(struct opr_vec *rules, struct opr_arena *arena, uint32_t address,
                     uint16_t port, bool is_sticky, const struct opr_vec *list, const char *node)
{
    struct opr__balancer_rule *r = opr_arena_alloc(arena, sizeof *r);
    *r = (struct opr__balancer_rule){.address = address, .port = port, .is_sticky = is_sticky};
    r->endpoints = opr_arena_alloc(arena, (list->count + 1) * sizeof *r->endpoints);
    for (size_t i = 0; i < list->count; i++) {
        const struct opr__endpoint *e = list->items[i];
        if (!node || strcmp(e->node, node) == 0) {
            r->endpoints[r->n_endpoints++] =
                (struct opr__balancer_endpoint){e->ip, (uint16_t)e->port};
        }
    }
    opr_vec_push(rules, r);
}

static bool is_local(const struct opr_obj *service, const char *policy)
{
    return strcmp(opr_json_str(service, policy, "Cluster"), "Local") == 0;
}

void opr__balancer_rules(const struct opr_obj *const *services, size_t n_services,
                         const struct opr_obj *const *slices, size_t n_slices, const char *node,
                         struct opr_arena *arena, struct opr_vec *ret_rules)
{
    for (size_t i = 0; i < n_services; i++) {
        const struct opr_obj *s = services[i], *ports = opr_json_at(s, "/spec/ports");
        bool is_sticky = strcmp(opr_json_str(s, "/spec/sessionAffinity", "None"), "ClientIP") == 0;
        for (const struct opr_obj *p = opr_json_first(ports); p; p = opr_json_next(p)) {
            uint32_t address;
            uint16_t port;
            int node_port = (int)opr_json_int(p, "/nodePort", 0);
            if (strcmp(opr_json_str(p, "/protocol", "TCP"), "TCP") != 0 ||
                !opr__balancer_place(s, (int)opr_json_int(p, "/port", 0), &address, &port)) {
                continue;
            }
            struct opr_vec list = {0};
            opr__endpoints_find(slices, n_slices, s, p, arena, &list);
            add_rule(ret_rules, arena, address, port, is_sticky, &list,
                     is_local(s, "/spec/internalTrafficPolicy") ? node : NULL);
            if (node_port > 0 && node_port <= PORT_MAX) {
                add_rule(ret_rules, arena, LOOPBACK | 1, (uint16_t)node_port, is_sticky, &list,
                         is_local(s, "/spec/externalTrafficPolicy") ? node : NULL);
            }
            opr_vec_fini(&list);
        }
    }
}
