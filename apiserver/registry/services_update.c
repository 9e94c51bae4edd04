/* What an updated Service keeps of what it was given, and what it loses with its type: as
 * Kubernetes does, a request that names neither gets the old values, and what only the old type
 * had is dropped unless the request changed it (then validation refuses it). */
#include "apiserver/registry/api.h"

#include <json-c/json.h>
#include <string.h>

static bool is_type(struct json_object *service, const char *type)
{
    return strcmp(opr_doc_str(service, "/spec/type", "ClusterIP"), type) == 0;
}

bool opr_service_has_ports(struct json_object *service)
{
    return is_type(service, "NodePort") ||
           (is_type(service, "LoadBalancer") &&
            opr_doc_bool(service, "/spec/allocateLoadBalancerNodePorts", true));
}

bool opr_service_has_check(struct json_object *service)
{
    return is_type(service, "LoadBalancer") &&
           strcmp(opr_doc_str(service, "/spec/externalTrafficPolicy", ""), "Local") == 0;
}

static bool is_outside(struct json_object *service)
{
    return is_type(service, "NodePort") || is_type(service, "LoadBalancer") ||
           (is_type(service, "ClusterIP") && opr_doc_at(service, "/spec/externalIPs/0"));
}

static size_t port_count(struct json_object *service)
{
    struct json_object *ports = opr_doc_at(service, "/spec/ports");
    return ports ? json_object_array_length(ports) : 0;
}

static struct json_object *nth_port(struct json_object *service, size_t i)
{
    return json_object_array_get_idx(opr_doc_at(service, "/spec/ports"), i);
}

bool opr_service_uses(struct json_object *service, int64_t node_port)
{
    for (size_t i = 0; i < port_count(service); i++) {
        if (opr_doc_int(nth_port(service, i), "/nodePort", 0) == node_port) {
            return true;
        }
    }
    return opr_doc_int(service, "/spec/healthCheckNodePort", 0) == node_port;
}

static bool has_all_ports_of(struct json_object *a, struct json_object *b)
{
    for (size_t i = 0; i < port_count(b); i++) {
        int64_t port = opr_doc_int(nth_port(b, i), "/nodePort", 0);
        if (port != 0 && !opr_service_uses(a, port)) {
            return false;
        }
    }
    return true;
}

/* A port of the same number and protocol keeps its node port. */
static void keep_node_port(struct json_object *service, struct json_object *old,
                           struct json_object *port)
{
    if (opr_doc_int(port, "/nodePort", 0) != 0) {
        return;
    }
    for (size_t i = 0; i < port_count(old); i++) {
        struct json_object *was = nth_port(old, i);
        int64_t node_port = opr_doc_int(was, "/nodePort", 0);
        if (node_port != 0 && !opr_service_uses(service, node_port) &&
            opr_doc_int(was, "/port", 0) == opr_doc_int(port, "/port", 0) &&
            strcmp(opr_doc_str(was, "/protocol", "TCP"), opr_doc_str(port, "/protocol", "TCP")) ==
                0) {
            opr_doc_put_int(port, "/nodePort", node_port);
            return;
        }
    }
}

/* Drops a member that the request left as it was. */
static void drop_same(struct json_object *service, struct json_object *old, const char *ptr)
{
    struct json_object *is = opr_doc_at(service, ptr), *was = opr_doc_at(old, ptr);
    if (is && was && opr_doc_equal(is, was)) {
        opr_doc_del(service, ptr);
    }
}

static void drop_ports(struct json_object *service, struct json_object *old)
{
    if (!opr_service_has_ports(old) || opr_service_has_ports(service) ||
        !has_all_ports_of(service, old) || !has_all_ports_of(old, service)) {
        return;
    }
    for (size_t i = 0; i < port_count(service); i++) {
        json_object_object_del(nth_port(service, i), "nodePort");
    }
}

static void drop_of_type(struct json_object *service, struct json_object *old)
{
    static const char *const addresses[] = {"/spec/clusterIP", "/spec/clusterIPs",
                                            "/spec/ipFamilies", "/spec/ipFamilyPolicy"};
    if (is_type(service, "ExternalName") && !is_type(old, "ExternalName")) {
        for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
            drop_same(service, old, addresses[i]);
        }
    }
    drop_ports(service, old);
    if (opr_service_has_check(old) && !opr_service_has_check(service)) {
        drop_same(service, old, "/spec/healthCheckNodePort");
    }
    if (is_type(old, "LoadBalancer") && !is_type(service, "LoadBalancer")) {
        drop_same(service, old, "/spec/allocateLoadBalancerNodePorts");
        drop_same(service, old, "/spec/loadBalancerClass");
    }
    if (is_outside(old) && !is_outside(service)) {
        drop_same(service, old, "/spec/externalTrafficPolicy");
    }
}

void opr_service_keep(struct json_object *service, struct json_object *old)
{
    for (size_t i = 0; opr_service_has_ports(service) && i < port_count(service); i++) {
        keep_node_port(service, old, nth_port(service, i));
    }
    int64_t check = opr_doc_int(old, "/spec/healthCheckNodePort", 0);
    if (check != 0 && opr_service_has_check(service) &&
        opr_doc_int(service, "/spec/healthCheckNodePort", 0) == 0) {
        opr_doc_put_int(service, "/spec/healthCheckNodePort", check);
    }
    drop_of_type(service, old);
}
