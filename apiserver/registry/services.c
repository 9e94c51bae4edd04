/* Addresses of Services: a ClusterIP out of the range, node ports 30000-32767. What is in use is
 * read from the stored Services, so that nothing has to be kept in step. The caller holds the lock.
 */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/rand.h"
#include "core/base/str.h"

#include <arpa/inet.h>

#define NODE_PORT_MIN 30000
#define NODE_PORT_MAX 32767
#define IP_TRIES 64

struct used {
    const struct opr_obj *const *services;
    size_t count;
    const char *self; /* uid of the Service itself */
};

static bool ip_is_used(const struct used *u, const char *ip)
{
    for (size_t i = 0; i < u->count; i++) {
        if (strcmp(opr_json_str(u->services[i], "/spec/clusterIP", ""), ip) == 0 &&
            strcmp(opr_json_str(u->services[i], "/metadata/uid", ""), u->self) != 0) {
            return true;
        }
    }
    return false;
}

static bool port_is_used(const struct used *u, int64_t port)
{
    for (size_t i = 0; i < u->count; i++) {
        const struct opr_obj *ports = opr_json_at(u->services[i], "/spec/ports");
        bool is_self = strcmp(opr_json_str(u->services[i], "/metadata/uid", ""), u->self) == 0;
        for (const struct opr_obj *p = opr_json_first(ports); p && !is_self; p = opr_json_next(p)) {
            if (opr_json_int(p, "/nodePort", 0) == port) {
                return true;
            }
        }
    }
    return false;
}

static const char *ip_text(struct opr_req *r, uint32_t ip)
{
    struct in_addr a = {.s_addr = htonl(ip)};
    char text[INET_ADDRSTRLEN];
    return opr_arena_dup(r->arena, opr_str_of(inet_ntop(AF_INET, &a, text, sizeof text)));
}

/* A free address; some tries at random, then in order. NULL: the range is full. */
static const char *free_ip(struct opr_req *r, const struct used *u)
{
    uint32_t usable = r->api->service_count - 2; /* not the first and the last */
    for (uint32_t i = 0; i < IP_TRIES + usable; i++) {
        uint32_t offset = 1 + (i < IP_TRIES ? (uint32_t)opr_rand_below(usable) : i - IP_TRIES);
        const char *ip = ip_text(r, r->api->service_base + offset);
        if (!ip_is_used(u, ip)) {
            return ip;
        }
    }
    return NULL;
}

static opr_status invalid(struct opr_req *r, const char *field, const char *message)
{
    struct opr_field_errors errors = {.arena = r->arena};
    opr_field_errors_add(&errors, "FieldValueInvalid", field, message);
    return opr_api_invalid(r, r->kind, r->name, &errors);
}

static opr_status check_given_ip(struct opr_req *r, const struct used *u, const char *ip)
{
    struct in_addr a;
    const char *quoted = opr_arena_printf(r->arena, "Invalid value: \"%s\": ", ip);
    if (inet_pton(AF_INET, ip, &a) != 1 ||
        ntohl(a.s_addr) - r->api->service_base >= r->api->service_count) {
        return invalid(r, "spec.clusterIPs[0]",
                       opr_arena_printf(r->arena,
                                        "%sfailed to allocate IP %s: the provided IP is not in the "
                                        "valid range",
                                        quoted, ip));
    }
    if (ip_is_used(u, ip)) {
        return invalid(r, "spec.clusterIPs[0]",
                       opr_arena_printf(r->arena,
                                        "%sfailed to allocate IP %s: provided IP is already "
                                        "allocated",
                                        quoted, ip));
    }
    return OPR_OK;
}

static opr_status assign_ip(struct opr_req *r, struct json_object *service, const struct used *u,
                            const struct opr_obj *old)
{
    const char *type = opr_doc_str(service, "/spec/type", "ClusterIP");
    const char *ip = opr_doc_str(service, "/spec/clusterIP", "");
    const char *before = opr_json_str(old, "/spec/clusterIP", "");
    if (strcmp(type, "ExternalName") == 0) {
        return OPR_OK;
    }
    if (!opr_doc_at(service, "/spec/ipFamilies/0")) {
        OPR_TRY(opr_doc_put(service, "/spec/ipFamilies/-", json_object_new_string("IPv4")));
    }
    if (!opr_doc_at(service, "/spec/ipFamilyPolicy")) {
        opr_doc_put_str(service, "/spec/ipFamilyPolicy", "SingleStack");
    }
    if (*ip == '\0' && *before) {
        ip = before;
    }
    if (*ip == '\0') {
        ip = free_ip(r, u);
        if (!ip) {
            return opr_api_fail(r, 500, "InternalError",
                                "Internal error occurred: failed to allocate a serviceIP: range is "
                                "full");
        }
    } else if (strcmp(ip, "None") != 0 && strcmp(ip, before) != 0) {
        OPR_TRY(check_given_ip(r, u, ip));
    }
    const char *copy = opr_arena_dup(r->arena, opr_str_of(ip));
    opr_doc_put_str(service, "/spec/clusterIP", copy);
    struct json_object *ips = json_object_new_array();
    json_object_array_add(ips, json_object_new_string(copy));
    return opr_doc_put(service, "/spec/clusterIPs", ips);
}

static opr_status assign_ports(struct opr_req *r, struct json_object *service, const struct used *u)
{
    const char *type = opr_doc_str(service, "/spec/type", "ClusterIP");
    bool wants = strcmp(type, "NodePort") == 0 || strcmp(type, "LoadBalancer") == 0;
    struct json_object *ports = opr_doc_at(service, "/spec/ports");
    size_t count = ports ? json_object_array_length(ports) : 0;
    for (size_t i = 0; wants && i < count; i++) {
        struct json_object *p = json_object_array_get_idx(ports, i);
        int64_t port = opr_doc_int(p, "/nodePort", 0);
        if (port != 0 && !port_is_used(u, port)) {
            continue;
        }
        if (port != 0) {
            return invalid(r, opr_arena_printf(r->arena, "spec.ports[%zu].nodePort", i),
                           opr_arena_printf(r->arena,
                                            "Invalid value: %lld: provided port is already "
                                            "allocated",
                                            (long long)port));
        }
        int64_t span = NODE_PORT_MAX - NODE_PORT_MIN + 1;
        int64_t at = (int64_t)opr_rand_below((uint64_t)span), n = 0;
        while (n < span && port_is_used(u, NODE_PORT_MIN + (at + n) % span)) {
            n++;
        }
        if (n == span) {
            return opr_api_fail(r, 500, "InternalError",
                                "Internal error occurred: failed to allocate a nodePort: range is "
                                "full");
        }
        opr_doc_put_int(p, "/nodePort", NODE_PORT_MIN + (at + n) % span);
    }
    return OPR_OK;
}

opr_status opr_service_assign(struct opr_req *r, struct json_object *service,
                              const struct opr_obj *old)
{
    const struct opr_kind *kind = opr_kind_find(OPR_STR(""), OPR_STR("v1"), OPR_STR("services"));
    struct used u = {.self = opr_json_str(old, "/metadata/uid", "-")};
    uint64_t revision;
    size_t more;
    opr_store_list(r->api->store, r->arena, opr_api_key(r->arena, kind, NULL, NULL), OPR_STR(""), 0,
                   &u.services, &u.count, &revision, &more);
    OPR_TRY(assign_ip(r, service, &u, old));
    return assign_ports(r, service, &u);
}
