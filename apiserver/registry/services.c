/* Addresses of Services: a ClusterIP out of the range, node ports 30000-32767. What is in use is
 * read from the stored Services, so that nothing has to be kept in step. The caller holds the lock.
 * The lower part of each range is given last, so that addresses that users choose there are seldom
 * taken (https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/). */
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
        if (strcmp(opr_json_str(u->services[i], "/metadata/uid", ""), u->self) == 0) {
            continue;
        }
        for (const struct opr_obj *p = opr_json_first(ports); p; p = opr_json_next(p)) {
            if (opr_json_int(p, "/nodePort", 0) == port) {
                return true;
            }
        }
        if (opr_json_int(u->services[i], "/spec/healthCheckNodePort", 0) == port) {
            return true;
        }
    }
    return false;
}

/* How many of a range are left for users to choose from: 1 in step, within 16 and most. */
static uint32_t chosen_part(uint32_t size, uint32_t step, uint32_t most)
{
    uint32_t part = size / step < most ? size / step : most;
    return size <= 16 ? 0 : part > 16 ? part : 16;
}

/* 0: the range is full. */
static int64_t free_port(const struct used *u, struct json_object *service)
{
    uint32_t span = NODE_PORT_MAX - NODE_PORT_MIN + 1, low = chosen_part(span, 32, 128);
    uint32_t at = (uint32_t)opr_rand_below(span - low);
    for (uint32_t n = 0; n < span; n++) {
        uint32_t upper = low + (at + n) % (span - low);
        int64_t port = NODE_PORT_MIN + (n < span - low ? upper : n - (span - low));
        if (!port_is_used(u, port) && !opr_service_uses(service, port)) {
            return port;
        }
    }
    return 0;
}

/* Why a port cannot be given, or NULL. */
static const char *bad_port(struct opr_req *r, const struct used *u, int64_t port)
{
    if (port < NODE_PORT_MIN || port > NODE_PORT_MAX) {
        return opr_arena_printf(r->arena,
                                "provided port is not in the valid range. The range of valid ports "
                                "is %d-%d",
                                NODE_PORT_MIN, NODE_PORT_MAX);
    }
    return port_is_used(u, port) ? "provided port is already allocated" : NULL;
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
    uint32_t low = chosen_part(usable, 16, 256);
    for (uint32_t i = 0; i < IP_TRIES + usable; i++) {
        uint32_t n = i < IP_TRIES ? (uint32_t)opr_rand_below(usable - low) : i - IP_TRIES;
        const char *ip = ip_text(r, r->api->service_base + 1 + (low + n) % usable);
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
    if (strchr(ip, ':')) {
        return invalid(r, "spec.clusterIPs[0]",
                       opr_arena_printf(r->arena,
                                        "Invalid value: [\"%s\"]: IPv6 is not configured on this "
                                        "cluster",
                                        ip));
    }
    bool is_within = inet_pton(AF_INET, ip, &a) == 1 &&
                     ntohl(a.s_addr) - r->api->service_base - 1 < r->api->service_count - 2;
    const char *why = !is_within          ? "the provided network does not match the current range"
                      : ip_is_used(u, ip) ? "provided IP is already allocated"
                                          : NULL;
    if (!why) {
        return OPR_OK;
    }
    return invalid(r, "spec.clusterIPs",
                   opr_arena_printf(r->arena,
                                    "Invalid value: [\"%s\"]: failed to allocate IP %s: %s", ip, ip,
                                    why));
}

static opr_status add_family(struct json_object *service, const char *family)
{
    return opr_doc_put(service, "/spec/ipFamilies/-", json_object_new_string(family));
}

static opr_status check_families(struct opr_req *r, struct json_object *service)
{
    struct opr_field_errors errors = {.arena = r->arena};
    struct json_object *list = opr_doc_at(service, "/spec/ipFamilies");
    const char *policy = opr_doc_str(service, "/spec/ipFamilyPolicy", "");
    if (strcmp(policy, "RequireDualStack") == 0) {
        opr_field_errors_add(&errors, "FieldValueInvalid", "spec.ipFamilyPolicy",
                             "Invalid value: \"RequireDualStack\": this cluster is not configured "
                             "for dual-stack services");
    } else if (strcmp(policy, "SingleStack") == 0 && json_object_array_length(list) > 1) {
        opr_field_errors_add(&errors, "FieldValueInvalid", "spec.ipFamilyPolicy",
                             "Invalid value: \"SingleStack\": must be 'RequireDualStack' or "
                             "'PreferDualStack' when multiple IP families are specified");
        return opr_api_invalid(r, r->kind, r->name, &errors);
    }
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *family = json_object_get_string(json_object_array_get_idx(list, i));
        if (family && strcmp(family, "IPv6") == 0) {
            opr_field_errors_add(&errors, "FieldValueInvalid",
                                 opr_arena_printf(r->arena, "spec.ipFamilies[%zu]", i),
                                 "Invalid value: \"IPv6\": not configured on this cluster");
        }
    }
    return errors.count ? opr_api_invalid(r, r->kind, r->name, &errors) : OPR_OK;
}

/* The cluster has IPv4 alone. A headless Service without a selector may have any endpoints, so it
 * is of both families, as Kubernetes has it. */
static opr_status assign_families(struct opr_req *r, struct json_object *service, bool is_headless)
{
    struct json_object *selector = opr_doc_at(service, "/spec/selector");
    bool is_open = is_headless && (!selector || json_object_object_length(selector) == 0);
    if (!opr_doc_at(service, "/spec/ipFamilyPolicy")) {
        opr_doc_put_str(service, "/spec/ipFamilyPolicy",
                        is_open ? "RequireDualStack" : "SingleStack");
    }
    if (!opr_doc_at(service, "/spec/ipFamilies/0")) {
        OPR_TRY(add_family(service, "IPv4"));
    }
    if (!is_open) {
        return check_families(r, service);
    }
    if (!opr_doc_at(service, "/spec/ipFamilies/1") &&
        strcmp(opr_doc_str(service, "/spec/ipFamilyPolicy", ""), "SingleStack") != 0) {
        bool is_v4 = strcmp(opr_doc_str(service, "/spec/ipFamilies/0", ""), "IPv4") == 0;
        return add_family(service, is_v4 ? "IPv6" : "IPv4");
    }
    return OPR_OK;
}

/* The list follows the one address, but where the request changed it. */
static opr_status put_ip(struct json_object *service, const char *ip, struct json_object *old)
{
    struct json_object *list = opr_doc_at(service, "/spec/clusterIPs");
    opr_doc_put_str(service, "/spec/clusterIP", ip);
    if (list && !opr_doc_equal(list, opr_doc_at(old, "/spec/clusterIPs"))) {
        return OPR_OK; /* validation compares them */
    }
    list = json_object_new_array();
    json_object_array_add(list, json_object_new_string(ip));
    return opr_doc_put(service, "/spec/clusterIPs", list);
}

static opr_status assign_ip(struct opr_req *r, struct json_object *service, const struct used *u,
                            struct json_object *old)
{
    const char *ip = opr_doc_str(service, "/spec/clusterIP", "");
    const char *before = opr_doc_str(old, "/spec/clusterIP", "");
    if (strcmp(opr_doc_str(service, "/spec/type", "ClusterIP"), "ExternalName") == 0) {
        return OPR_OK;
    }
    OPR_TRY(assign_families(r, service, strcmp(ip, "None") == 0));
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
    } else if (strcmp(ip, "None") != 0 && *before == '\0') {
        OPR_TRY(check_given_ip(r, u, ip)); /* one that was given is kept: validation says so */
    }
    return put_ip(service, opr_arena_dup(r->arena, opr_str_of(ip)), old);
}

static opr_status assign_port(struct opr_req *r, struct json_object *service, const struct used *u,
                              size_t i)
{
    struct json_object *p = json_object_array_get_idx(opr_doc_at(service, "/spec/ports"), i);
    int64_t port = opr_doc_int(p, "/nodePort", 0);
    if (port != 0) {
        const char *why = bad_port(r, u, port);
        return !why ? OPR_OK
                    : invalid(r, opr_arena_printf(r->arena, "spec.ports[%zu].nodePort", i),
                              opr_arena_printf(r->arena, "Invalid value: %lld: %s", (long long)port,
                                               why));
    }
    port = opr_service_has_ports(service) ? free_port(u, service) : -1;
    if (port == 0) {
        return opr_api_fail(r, 500, "InternalError",
                            "Internal error occurred: failed to allocate a nodePort: range is "
                            "full");
    }
    if (port > 0) {
        opr_doc_put_int(p, "/nodePort", port);
    }
    return OPR_OK;
}

static opr_status assign_ports(struct opr_req *r, struct json_object *service, const struct used *u)
{
    const char *type = opr_doc_str(service, "/spec/type", "ClusterIP");
    bool may_have = strcmp(type, "NodePort") == 0 || strcmp(type, "LoadBalancer") == 0;
    struct json_object *ports = opr_doc_at(service, "/spec/ports");
    size_t count = ports ? json_object_array_length(ports) : 0;
    for (size_t i = 0; may_have && i < count; i++) {
        OPR_TRY(assign_port(r, service, u, i));
    }
    return OPR_OK;
}

static opr_status assign_check(struct opr_req *r, struct json_object *service, const struct used *u,
                               struct json_object *old)
{
    int64_t port = opr_doc_int(service, "/spec/healthCheckNodePort", 0);
    if (!opr_service_has_check(service) || (old && opr_service_has_check(old))) {
        return OPR_OK; /* one that was given is kept: validation says so */
    }
    const char *why = port ? bad_port(r, u, port) : NULL;
    if (why) {
        return opr_api_fail(r, 500, "InternalError",
                            "Internal error occurred: failed to allocate requested HealthCheck "
                            "NodePort %lld: %s",
                            (long long)port, why);
    }
    port = port ? port : free_port(u, service);
    if (port == 0) {
        return opr_api_fail(r, 500, "InternalError",
                            "Internal error occurred: failed to allocate a HealthCheck NodePort: "
                            "range is full");
    }
    opr_doc_put_int(service, "/spec/healthCheckNodePort", port);
    return OPR_OK;
}

static opr_status assign(struct opr_req *r, struct json_object *service, const struct used *u,
                         struct json_object *old)
{
    OPR_TRY(assign_ip(r, service, u, old));
    OPR_TRY(assign_ports(r, service, u));
    return assign_check(r, service, u, old);
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
    struct json_object *before = old ? opr_doc_from_obj(old) : NULL;
    if (before) {
        opr_service_keep(service, before);
    }
    opr_status st = assign(r, service, &u, before);
    json_object_put(before);
    return st;
}
