/* The table's text. Pure: objects in, text out.
 *
 *     nat prerouting and output: ClusterIP and NodePort to a random ready endpoint
 *     nat postrouting: a Pod that reaches itself through its Service, and the host's loopback, get
 *         an address that the answer finds back to
 *     filter forward and output: what is for a Service and has found no endpoint is refused
 *
 * sessionAffinity ClientIP: each endpoint of the port has a set of the clients that it serves,
 * where each stays for timeoutSeconds after its last new connection. The table is written whole, so
 * that the clients in it go over from the table before.
 */
#include "agent/proxy_rules.h"

#include "agent/netlink.h"
#include "agent/proxy_endpoints.h"
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/base/vec.h"

#include <stdio.h>
#include <stdlib.h>

enum { STICK_S = 10800 }; /* as the API server's default */

struct rules {
    const struct opr__proxy_ranges *ranges;
    uint32_t cluster;   /* address of the cluster's range */
    int cluster_prefix; /* 0: there is none */
    const struct opr_obj *const *slices;
    size_t n_slices;
    struct opr_arena *arena;
    struct opr_vec chains, sets, map, node_map, hairpin, refused; /* of char * in the arena */
};

void opr__proxy_table_name(const char *service_cidr, char *ret_name, size_t size)
{
    uint32_t address = 0;
    int prefix = 0;
    (void)opr__cidr_parse(service_cidr, &address, &prefix);
    uint32_t a = address >> 24, b = address >> 16 & 255, c = address >> 8 & 255, d = address & 255;
    if (prefix == 16 && a == 10) {
        snprintf(ret_name, size, "operon-%u", b);
    } else {
        snprintf(ret_name, size, "operon-%u-%u-%u-%u", a, b, c, d);
    }
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* A port of a Service. */
struct service_port {
    const char *l4, *name; /* "svc-10.99.0.7-tcp-80" */
    int64_t stick_s;       /* how long a client stays at its endpoint; 0: it does not */
};

static bool has_text(const struct opr_vec *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static void push_once(struct opr_vec *list, char *text)
{
    if (!has_text(list, text)) {
        opr_vec_push(list, text);
    }
}

/* The set of an endpoint's clients and the chain that leads to it; returns the name of both. */
static char *add_sticky_endpoint(struct rules *r, const struct service_port *sp,
                                 const struct opr__endpoint *e)
{
    char *name = opr_arena_printf(r->arena, "%s-to-%s-%d", sp->name, e->address, e->port);
    struct opr_str clients = opr__nft_elements(r->ranges->kernel_text, name);
    push_once(&r->sets,
              opr_arena_printf(r->arena,
                               "  set %s {\n    type ipv4_addr\n    size 65535\n"
                               "    flags dynamic, timeout\n    timeout %llds\n%s%.*s%s  }\n",
                               name, (long long)sp->stick_s, clients.len ? "    elements = { " : "",
                               OPR_STR_ARG(clients), clients.len ? " }\n" : ""));
    push_once(&r->chains, opr_arena_printf(r->arena,
                                           "  chain %s {\n    update @%s { ip saddr }\n"
                                           "    meta l4proto %s dnat ip to %s:%d\n  }\n",
                                           name, name, sp->l4, e->address, e->port));
    return name;
}

/* Where a client has no endpoint yet one is chosen by chance. */
static void add_sticky_choice(struct rules *r, const struct service_port *sp,
                              const struct opr_vec *list, struct opr_buf *b)
{
    struct opr_buf choice = {0};
    for (size_t i = 0; i < list->count; i++) {
        char *name = add_sticky_endpoint(r, sp, list->items[i]);
        opr_buf_printf(b, "    ip saddr @%s goto %s\n", name, name);
        opr_buf_printf(&choice, "%s %zu : goto %s", i ? "," : "", i, name);
    }
    opr_buf_printf(b, "    numgen random mod %zu vmap {%s }\n", list->count, choice.data);
    opr_buf_fini(&choice);
}

/* first: rules before the choice. */
static void add_chain(struct rules *r, const char *name, const struct service_port *sp,
                      const struct opr_vec *list, const char *first)
{
    struct opr_buf b = {0};
    opr_buf_printf(&b, "  chain %s {\n%s", name, first);
    if (sp->stick_s > 0) {
        add_sticky_choice(r, sp, list, &b);
    } else {
        opr_buf_printf(&b, "    meta l4proto %s dnat ip to numgen random mod %zu map {", sp->l4,
                       list->count);
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct opr__endpoint *e = list->items[i];
        if (sp->stick_s == 0) {
            opr_buf_printf(&b, "%s %zu : %s . %d", i ? "," : "", i, e->address, e->port);
        }
        push_once(&r->hairpin, opr_arena_printf(r->arena, "%s . %s", e->address, e->address));
    }
    opr_buf_add_text(&b, sp->stick_s > 0 ? "  }\n" : " }\n  }\n");
    opr_vec_push(&r->chains, opr_arena_dup(r->arena, opr_buf_str(&b)));
    opr_buf_fini(&b);
}

static uint32_t mask(int prefix)
{
    return prefix ? ~0u << (32 - prefix) : 0;
}

static bool is_pod_address(const struct rules *r, uint32_t ip)
{
    return r->cluster_prefix && (ip & mask(r->cluster_prefix)) == r->cluster;
}

/* internalTrafficPolicy Local: what a node's Pods send goes to the endpoints of that node. The
 * nodes of a cluster share this machine's kernel, so a client's node follows from its address;
 * programs of the host, and endpoints on the host's network, are of every node. Returns the chain.
 */
static char *add_local_chains(struct rules *r, const struct service_port *sp,
                              const struct opr_vec *list)
{
    const char *name = sp->name;
    struct opr_buf first = {0};
    int prefix = r->ranges->node_prefix;
    for (size_t i = 0; i < list->count; i++) {
        uint32_t node = ((struct opr__endpoint *)list->items[i])->ip & mask(prefix);
        if (!is_pod_address(r, node)) {
            continue;
        }
        struct opr_vec own = {0};
        char range[OPR__IPV4_TEXT_MAX];
        bool is_first = true;
        for (size_t k = 0; k < list->count; k++) {
            struct opr__endpoint *e = list->items[k];
            bool is_same = (e->ip & mask(prefix)) == node;
            is_first = is_first && !(is_same && k < i);
            if (is_same || !is_pod_address(r, e->ip)) {
                opr_vec_push(&own, e);
            }
        }
        if (is_first) {
            opr__ipv4_format(node, range);
            char *chain = opr_arena_printf(r->arena, "%s-at-%s", name, range);
            add_chain(r, chain, sp, &own, "");
            opr_buf_printf(&first, "    ip saddr %s/%d goto %s\n", range, prefix, chain);
        }
        opr_vec_fini(&own);
    }
    struct opr_vec shared = {0};
    for (size_t i = 0; i < list->count; i++) {
        if (!is_pod_address(r, ((struct opr__endpoint *)list->items[i])->ip)) {
            opr_vec_push(&shared, list->items[i]);
        }
    }
    char *local = opr_arena_printf(r->arena, "%s-local", name);
    char *others = opr_arena_printf(r->arena, "%s-at-host", name);
    if (shared.count > 0) {
        add_chain(r, others, sp, &shared, "");
        opr_buf_printf(&first, "    ip saddr %s goto %s\n", r->ranges->cluster_cidr, others);
    } else {
        opr_buf_printf(&first, "    ip saddr %s return\n", r->ranges->cluster_cidr);
    }
    add_chain(r, local, sp, list, first.data);
    opr_vec_fini(&shared);
    opr_buf_fini(&first);
    return local;
}

static int64_t stick_seconds(const struct opr_obj *service)
{
    bool is_sticky =
        strcmp(opr_json_str(service, "/spec/sessionAffinity", "None"), "ClientIP") == 0;
    int64_t seconds =
        opr_json_int(service, "/spec/sessionAffinityConfig/clientIP/timeoutSeconds", STICK_S);
    return !is_sticky ? 0 : seconds > 0 ? seconds : STICK_S;
}

static void add_port(struct rules *r, const struct opr_obj *service, const struct opr_obj *port)
{
    const char *protocol = opr_json_str(port, "/protocol", "TCP");
    const char *l4 = strcmp(protocol, "TCP") == 0   ? "tcp"
                     : strcmp(protocol, "UDP") == 0 ? "udp"
                                                    : NULL;
    const char *address = opr_json_str(service, "/spec/clusterIP", "");
    int number = (int)opr_json_int(port, "/port", 0);
    int node_port = (int)opr_json_int(port, "/nodePort", 0);
    uint32_t parsed;
    if (!l4 || !opr__ipv4_parse(address, &parsed)) {
        return; /* headless, ExternalName, IPv6, SCTP */
    }
    struct opr_vec list = {0};
    opr__endpoints_find(r->slices, r->n_slices, service, port, r->arena, &list);
    char *name = opr_arena_printf(r->arena, "svc-%s-%s-%d", address, l4, number);
    struct service_port sp = {.l4 = l4, .name = name, .stick_s = stick_seconds(service)};
    if (list.count > 0) {
        add_chain(r, name, &sp, &list, "");
        bool is_local =
            r->cluster_prefix && r->ranges->node_prefix &&
            strcmp(opr_json_str(service, "/spec/internalTrafficPolicy", "Cluster"), "Local") == 0;
        opr_vec_push(&r->map,
                     opr_arena_printf(r->arena, "%s . %s . %d : goto %s", address, l4, number,
                                      is_local ? add_local_chains(r, &sp, &list) : name));
    }
    if (node_port > 0 && list.count > 0) {
        opr_vec_push(&r->node_map,
                     opr_arena_printf(r->arena, "%s . %d : goto %s", l4, node_port, name));
    } else if (node_port > 0) {
        opr_vec_push(&r->refused, opr_arena_printf(r->arena, "%s . %d", l4, node_port));
    }
    opr_vec_fini(&list);
}

static void add_lines(struct opr_buf *b, const char *head, struct opr_vec *lines, const char *tail)
{
    if (lines->count == 0) {
        return;
    }
    opr_vec_sort(lines, compare_text);
    opr_buf_add_text(b, head);
    for (size_t i = 0; i < lines->count; i++) {
        opr_buf_printf(b, "%s\n    %s", i ? "," : "", (const char *)lines->items[i]);
    }
    opr_buf_add_text(b, tail);
}

static void add_dispatch(struct opr_buf *b, const struct rules *r, const char *chain,
                         const char *hook)
{
    opr_buf_printf(b, "  chain %s {\n    type nat hook %s;\n", chain, hook);
    if (r->map.count > 0) {
        opr_buf_add_text(b, "    ip daddr . meta l4proto . th dport vmap @services\n");
    }
    if (r->node_map.count > 0) {
        opr_buf_add_text(b, "    fib daddr type local meta l4proto . th dport vmap @nodeports\n");
    }
    opr_buf_add_text(b, "  }\n");
}

static void add_refusals(struct opr_buf *b, const struct rules *r, const char *chain,
                         const char *hook, const char *service_cidr)
{
    opr_buf_printf(b, "  chain %s {\n    type filter hook %s priority 0;\n", chain, hook);
    if (r->refused.count > 0) {
        opr_buf_add_text(b, "    fib daddr type local meta l4proto . th dport @refused reject\n");
    }
    opr_buf_printf(b,
                   "    ip daddr %s meta l4proto tcp reject with tcp reset\n"
                   "    ip daddr %s reject\n  }\n",
                   service_cidr, service_cidr);
}

static void write_table(struct opr_buf *b, struct rules *r, const char *service_cidr,
                        const char *cluster_cidr)
{
    char table[64];
    opr__proxy_table_name(service_cidr, table, sizeof table);
    opr_buf_printf(b, "table ip %s\ndelete table ip %s\ntable ip %s {\n", table, table, table);
    opr_vec_sort(&r->sets, compare_text);
    for (size_t i = 0; i < r->sets.count; i++) {
        opr_buf_add_text(b, r->sets.items[i]);
    }
    opr_vec_sort(&r->chains, compare_text);
    for (size_t i = 0; i < r->chains.count; i++) {
        opr_buf_add_text(b, r->chains.items[i]);
    }
    add_lines(b,
              "  map services {\n    type ipv4_addr . inet_proto . inet_service : verdict\n"
              "    elements = {",
              &r->map, " }\n  }\n");
    add_lines(b,
              "  map nodeports {\n    type inet_proto . inet_service : verdict\n    elements = {",
              &r->node_map, " }\n  }\n");
    add_lines(b, "  set refused {\n    type inet_proto . inet_service\n    elements = {",
              &r->refused, " }\n  }\n");
    add_lines(b, "  set hairpin {\n    type ipv4_addr . ipv4_addr\n    elements = {", &r->hairpin,
              " }\n  }\n");
    if (cluster_cidr) { /* the host's loopback is for Services only, never for a Pod's own wish */
        opr_buf_printf(b,
                       "  chain guard {\n    type filter hook prerouting priority raw;\n"
                       "    ip saddr %s ip daddr 127.0.0.0/8 iifname != \"lo\" drop\n  }\n",
                       cluster_cidr);
    }
    add_dispatch(b, r, "prerouting", "prerouting priority dstnat");
    add_dispatch(b, r, "output", "output priority -100");
    opr_buf_add_text(b, "  chain postrouting {\n    type nat hook postrouting priority srcnat;\n");
    if (r->hairpin.count > 0) {
        opr_buf_add_text(b, "    ct status dnat ip saddr . ip daddr @hairpin masquerade\n");
    }
    opr_buf_add_text(b, "    ct status dnat ip saddr 127.0.0.0/8 ip daddr != 127.0.0.0/8 "
                        "masquerade\n");
    if (cluster_cidr) { /* what a Pod sends off the machine goes with the machine's address */
        opr_buf_printf(b,
                       "    ip saddr %s ip daddr != %s oifname != { \"lo\", \"opr*\" } "
                       "masquerade\n",
                       cluster_cidr, cluster_cidr);
    }
    opr_buf_add_text(b, "  }\n");
    add_refusals(b, r, "forward", "forward", service_cidr);
    add_refusals(b, r, "refuse-output", "output", service_cidr);
    add_refusals(b, r, "refuse-input", "input", service_cidr);
    opr_buf_add_text(b, "}\n");
}

void opr__proxy_rules(struct opr_buf *ret_text, const struct opr__proxy_ranges *ranges,
                      const struct opr_obj *const *services, size_t n_services,
                      const struct opr_obj *const *slices, size_t n_slices)
{
    struct rules r = {
        .ranges = ranges, .slices = slices, .n_slices = n_slices, .arena = opr_arena_new()};
    if (ranges->cluster_cidr &&
        opr__cidr_parse(ranges->cluster_cidr, &r.cluster, &r.cluster_prefix)) {
        r.cluster &= mask(r.cluster_prefix);
    }
    for (size_t i = 0; i < n_services; i++) {
        const struct opr_obj *ports = opr_json_at(services[i], "/spec/ports");
        for (const struct opr_obj *p = opr_json_first(ports); p; p = opr_json_next(p)) {
            add_port(&r, services[i], p);
        }
    }
    write_table(ret_text, &r, ranges->service_cidr, ranges->cluster_cidr);
    struct opr_vec *lists[] = {&r.chains, &r.sets, &r.map, &r.node_map, &r.hairpin, &r.refused};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        opr_vec_fini(lists[i]);
    }
    opr_arena_free(r.arena);
}
