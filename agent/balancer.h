/* Services without the kernel's help: where nftables can not be used, each Service's TCP port
 * listens on a loopback address and a thread of this process carries the bytes to an endpoint.
 *
 * The ClusterIP 10.B.y.z is 127.B.y.z here, and the port P is P + 20000 (P - 20000 from 45536 on):
 * a low port needs privileges, and a Pod on the host's network that listens on the port itself, on
 * all addresses, would not get it beside us. A NodePort keeps its number, on 127.0.0.1. Several
 * agents of one user listen side by side (SO_REUSEPORT). Threads: each function's. */
#ifndef OPR_AGENT_BALANCER_H
#define OPR_AGENT_BALANCER_H

#include "core/api/meta.h"
#include "core/base/arena.h"
#include "core/base/error.h"
#include "core/base/vec.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr__balancer_endpoint {
    uint32_t address; /* host order */
    uint16_t port;
};

struct opr__balancer_rule {
    uint32_t address; /* host order: to listen on */
    uint16_t port;
    bool is_sticky; /* a client's address always leads to the same endpoint */
    struct opr__balancer_endpoint *endpoints;
    size_t n_endpoints; /* 0: connections are refused */
};

struct opr__balancer;
OPR_NODISCARD opr_status opr__balancer_new(struct opr__balancer **ret_balancer,
                                           struct opr_error *reterr);
/* Any thread. From soon on these rules and no others; they are copied. Connections that are open
 * go on. */
void opr__balancer_set(struct opr__balancer *b, const struct opr__balancer_rule *rules, size_t n);
/* Rules whose address can not be listened on, so far. */
uint64_t opr__balancer_failures(struct opr__balancer *b);
void opr__balancer_free(struct opr__balancer *b); /* cuts what is open; NULL is fine */

/* Pure; any thread. Where a Service's port listens. false: it has no IPv4 address. */
bool opr__balancer_place(const struct opr_obj *service, int port, uint32_t *ret_address,
                         uint16_t *ret_port);
/* Adds struct opr__balancer_rule in the arena for the TCP ports of the Services. node: this node's
 * name, for internalTrafficPolicy Local. */
void opr__balancer_rules(const struct opr_obj *const *services, size_t n_services,
                         const struct opr_obj *const *slices, size_t n_slices, const char *node,
                         struct opr_arena *arena, struct opr_vec *ret_rules);

#ifdef __cplusplus
}
#endif
#endif
