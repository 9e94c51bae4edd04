#include "apiserver/schema/validate.h"

static const char *const PROTOCOLS[] = {"SCTP", "TCP", "UDP", NULL};
#define BAD_IP "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"

static bool is_type(struct json_object *spec, const char *type)
{
    return strcmp(opr__text(spec, "type"), type) == 0;
}

static const char *nth_text(struct json_object *list, size_t i)
{
    const char *text = i < opr__length(list) ? json_object_get_string(opr__item(list, i)) : NULL;
    return text ? text : "";
}

static bool is_headless(struct json_object *spec)
{
    /* On create the registry has not yet made the list of the one address. */
    struct json_object *ips = opr__get(spec, "clusterIPs");
    const char *ip = opr__length(ips) ? nth_text(ips, 0) : opr__text(spec, "clusterIP");
    return opr__length(ips) < 2 && strcmp(ip, "None") == 0;
}

static bool is_same_port(struct json_object *a, struct json_object *b, const char *number)
{
    return strcmp(opr__text(a, "protocol"), opr__text(b, "protocol")) == 0 &&
           opr__number(a, number) == opr__number(b, number);
}

static void check_target_port(struct opr_field_errors *e, const struct opr__path *p,
                              struct json_object *target)
{
    if (json_object_is_type(target, json_type_string)) {
        opr__check_name(e, p, json_object_get_string(target), opr__bad_port_name);
    } else {
        opr__check_port(e, p, json_object_get_int64(target));
    }
}

static void check_port_name(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *ports, size_t i)
{
    const char *name = opr__text(opr__item(ports, i), "name");
    if (!*name) {
        if (opr__length(ports) > 1) {
            opr__required(e, p, NULL);
        }
        return;
    }
    opr__check_name(e, p, name, opr__bad_dns_label);
    for (size_t j = 0; j < i; j++) {
        if (strcmp(opr__text(opr__item(ports, j), "name"), name) == 0) {
            opr__duplicate_text(e, p, name);
            return;
        }
    }
}

static void check_port(struct opr_field_errors *e, const struct opr__path *p,
                       struct json_object *ports, size_t i)
{
    struct json_object *port = opr__item(ports, i);
    check_port_name(e, OPR__IN(p, "name"), ports, i);
    opr__check_port(e, OPR__IN(p, "port"), opr__number(port, "port"));
    opr__check_enum(e, p, port, "protocol", PROTOCOLS);
    check_target_port(e, OPR__IN(p, "targetPort"), opr__get(port, "targetPort"));
    if (opr__get(port, "appProtocol")) {
        opr__check_name(e, OPR__IN(p, "appProtocol"), opr__text(port, "appProtocol"),
                        opr__bad_qualified_name);
    }
}

/* {"protocol":..,"port":..}, as the key of a duplicate is shown. */
static void duplicate_port(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *port)
{
    opr__add(e, "FieldValueDuplicate", p,
             "Duplicate value: {\"Name\":\"\",\"Protocol\":\"%s\",\"AppProtocol\":null,\"Port\":"
             "%lld,\"TargetPort\":0,\"NodePort\":0}",
             opr__text(port, "protocol"), (long long)opr__number(port, "port"));
}

static void check_ports_unique(struct opr_field_errors *e, const struct opr__path *p,
                               struct json_object *ports)
{
    for (size_t i = 0; i < opr__length(ports); i++) {
        struct json_object *port = opr__item(ports, i);
        bool is_taken = false;
        for (size_t j = 0; j < i && opr__number(port, "nodePort"); j++) {
            is_taken = is_taken || is_same_port(opr__item(ports, j), port, "nodePort");
        }
        if (is_taken) {
            opr__duplicate(e, OPR__IN(OPR__AT(p, i), "nodePort"), opr__get(port, "nodePort"));
        }
    }
    for (size_t i = 0; i < opr__length(ports); i++) {
        bool is_taken = false;
        for (size_t j = 0; j < i; j++) {
            is_taken = is_taken || is_same_port(opr__item(ports, j), opr__item(ports, i), "port");
        }
        if (is_taken) {
            duplicate_port(e, OPR__AT(p, i), opr__item(ports, i));
        }
    }
}

/* What was given once is kept for as long as the type has it. */
static void check_given_kept(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *spec, struct json_object *old)
{
    bool is_balancer = is_type(spec, "LoadBalancer") && is_type(old, "LoadBalancer");
    int64_t was = opr__number(old, "healthCheckNodePort");
    const char *class_was = opr__text(old, "loadBalancerClass");
    if (is_balancer && was && opr__number(spec, "healthCheckNodePort") != was &&
        strcmp(opr__text(spec, "externalTrafficPolicy"), "Local") == 0) {
        opr__forbidden(e, OPR__IN(p, "healthCheckNodePort"), "field is immutable");
    }
    if (is_balancer && strcmp(opr__text(spec, "loadBalancerClass"), class_was) != 0) {
        opr__invalid_text(e, OPR__IN(p, "loadBalancerClass"), opr__text(spec, "loadBalancerClass"),
                          "may not change once set");
    }
}

static void check_external_name(struct opr_field_errors *e, const struct opr__path *p,
                                struct json_object *spec)
{
    static const char *const unset[] = {"clusterIPs", "ipFamilies", "ipFamilyPolicy"};
    for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++) {
        if (opr__get(spec, unset[i]) || (i == 0 && opr__has_text(spec, "clusterIP"))) {
            opr__forbidden(e, OPR__IN(p, unset[i]), "may not be set for ExternalName services");
        }
    }
    const char *name = opr__text(spec, "externalName");
    size_t len = strlen(name);
    const char *host =
        opr_arena_dup(e->arena, opr_str_n(name, len && name[len - 1] == '.' ? len - 1 : len));
    if (*host) {
        opr__check_name(e, OPR__IN(p, "externalName"), host, opr__bad_dns_subdomain);
    } else {
        opr__required(e, OPR__IN(p, "externalName"), NULL);
    }
}

static void check_affinity(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *spec)
{
    static const char *const kinds[] = {"ClientIP", "None", NULL};
    struct json_object *seconds =
        opr_doc_at(spec, "/sessionAffinityConfig/clientIP/timeoutSeconds");
    opr__check_enum(e, p, spec, "sessionAffinity", kinds);
    if (strcmp(opr__text(spec, "sessionAffinity"), "ClientIP") == 0 && seconds &&
        (json_object_get_int64(seconds) <= 0 || json_object_get_int64(seconds) > 86400)) {
        const struct opr__path *c = OPR__IN(OPR__IN(p, "sessionAffinityConfig"), "clientIP");
        opr__invalid(e, OPR__IN(c, "timeoutSeconds"), seconds,
                     "must be greater than 0 and less than 86400");
    }
}

static void check_cluster_ips(struct opr_field_errors *e, const struct opr__path *p,
                              struct json_object *spec)
{
    static const char *const families[] = {"IPv4", "IPv6", NULL};
    static const char *const policies[] = {"PreferDualStack", "RequireDualStack", "SingleStack",
                                           NULL};
    struct json_object *ips = opr__get(spec, "clusterIPs"), *list = opr__get(spec, "ipFamilies");
    const char *ip = opr__text(spec, "clusterIP");
    const struct opr__path *at = OPR__IN(p, "clusterIPs");
    if (*ip && opr__length(ips) && strcmp(nth_text(ips, 0), ip) != 0) {
        opr__invalid(e, at, ips, "first value must match `clusterIP`");
    } else if (!*ip && opr__length(ips)) {
        opr__invalid(e, at, ips, "must be empty when `clusterIP` is not specified");
    }
    for (size_t i = 0; i < opr__length(list); i++) {
        const char *family = nth_text(list, i);
        if (strcmp(family, "IPv4") != 0 && strcmp(family, "IPv6") != 0) {
            opr__unsupported(e, OPR__AT(OPR__IN(p, "ipFamilies"), i), family, families);
        } else if (i > 0 && strcmp(nth_text(list, 0), family) == 0) {
            opr__duplicate_text(e, OPR__AT(OPR__IN(p, "ipFamilies"), i), family);
        }
    }
    opr__check_enum(e, p, spec, "ipFamilyPolicy", policies);
    if (*ip && opr__length(ips) == 0 && strcmp(ip, "None") != 0 && !opr__is_ip(ip, NULL)) {
        opr__invalid_text(e, OPR__AT(at, 0), ip, BAD_IP);
    }
    for (size_t i = 0; i < opr__length(ips); i++) {
        const char *one = nth_text(ips, i);
        if (i == 0 && strcmp(one, "None") == 0) {
            if (opr__length(ips) > 1) {
                opr__invalid(e, at, ips, "'None' must be the first and only value");
            }
        } else if (!opr__is_ip(one, NULL)) {
            opr__invalid_text(e, OPR__AT(at, i), one, BAD_IP);
        }
    }
    if (opr__length(ips) > 2) {
        opr__invalid(e, at, ips, "may only hold up to 2 values");
    }
}

static void check_traffic(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *spec)
{
    static const char *const policies[] = {"Cluster", "Local", NULL};
    static const char *const distributions[] = {"PreferClose", "PreferSameZone", "PreferSameNode",
                                                NULL};
    bool is_outside = is_type(spec, "LoadBalancer") || is_type(spec, "NodePort") ||
                      (is_type(spec, "ClusterIP") && opr__length(opr__get(spec, "externalIPs")));
    if (opr__has_text(spec, "externalTrafficPolicy") && !is_outside) {
        opr__invalid_text(e, OPR__IN(p, "externalTrafficPolicy"),
                          opr__text(spec, "externalTrafficPolicy"),
                          "may only be set for externally-accessible services");
    } else {
        opr__check_enum(e, p, spec, "externalTrafficPolicy", policies);
    }
    opr__check_enum(e, p, spec, "internalTrafficPolicy", policies);
    opr__check_enum(e, p, spec, "trafficDistribution", distributions);
    int64_t port = opr__number(spec, "healthCheckNodePort");
    bool is_checked = is_type(spec, "LoadBalancer") &&
                      strcmp(opr__text(spec, "externalTrafficPolicy"), "Local") == 0;
    if (port != 0 && !is_checked) {
        opr__invalid(e, OPR__IN(p, "healthCheckNodePort"), opr__get(spec, "healthCheckNodePort"),
                     "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is "
                     "'Local'");
    } else if (port != 0) {
        opr__check_port(e, OPR__IN(p, "healthCheckNodePort"), port);
    }
}

/* What only a load balancer has. */
static void check_balancer(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *spec)
{
    static const char alone[] = "may only be used when `type` is 'LoadBalancer'";
    bool is_balancer = is_type(spec, "LoadBalancer");
    struct json_object *ranges = opr__get(spec, "loadBalancerSourceRanges");
    const struct opr__path *at = OPR__IN(p, "LoadBalancerSourceRanges"); /* as Kubernetes has it */
    if (opr__length(ranges) && !is_balancer) {
        opr__forbidden(e, at, alone);
    }
    for (size_t i = 0; is_balancer && i < opr__length(ranges); i++) {
        struct opr_str range = opr_str_trim(opr_str_of(nth_text(ranges, i)));
        if (!opr__is_cidr(opr_arena_dup(e->arena, range))) {
            opr__invalid_text(e, OPR__AT(at, i), nth_text(ranges, i),
                              "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        }
    }
    if (opr__get(spec, "allocateLoadBalancerNodePorts") && !is_balancer) {
        opr__forbidden(e, OPR__IN(p, "allocateLoadBalancerNodePorts"), alone);
    }
    if (opr__get(spec, "loadBalancerClass") && !is_balancer) {
        opr__forbidden(e, OPR__IN(p, "loadBalancerClass"), alone);
    } else if (opr__get(spec, "loadBalancerClass")) {
        opr__check_name(e, OPR__IN(p, "loadBalancerClass"), opr__text(spec, "loadBalancerClass"),
                        opr__bad_qualified_name);
    }
}

static bool is_ip_changed(struct json_object *spec, struct json_object *old)
{
    const char *ip = opr__text(spec, "clusterIP"), *was = opr__text(old, "clusterIP");
    return *ip && *was && strcmp(ip, was) != 0;
}

/* A cluster IP stays, unless the service is or becomes ExternalName. */
static void check_ips_kept(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *spec, struct json_object *old)
{
    struct json_object *ips = opr__get(spec, "clusterIPs"), *was = opr__get(old, "clusterIPs");
    if (is_type(spec, "ExternalName") || is_type(old, "ExternalName") ||
        (is_headless(spec) && is_headless(old))) {
        return;
    }
    const struct opr__path *at = OPR__IN(p, "clusterIPs");
    if (is_ip_changed(spec, old)) { /* the list follows the one address */
        opr__add(e, "FieldValueInvalid", OPR__AT(at, 0),
                 "Invalid value: [\"%s\"]: may not change once set", opr__text(spec, "clusterIP"));
        return;
    }
    if (opr__length(was) && opr__length(ips) == 0) {
        opr__invalid(e, OPR__AT(at, 0), ips, "primary clusterIP can not be unset");
        return;
    }
    for (size_t i = 0; i < opr__length(was) && i < opr__length(ips); i++) {
        if (strcmp(nth_text(was, i), nth_text(ips, i)) != 0) {
            opr__invalid(e, OPR__AT(at, i), ips, "may not change once set");
        }
    }
}

static void check_shape(struct opr_field_errors *e, const struct opr__path *p,
                        struct json_object *spec)
{
    struct json_object *ports = opr__get(spec, "ports");
    bool is_external_name = is_type(spec, "ExternalName");
    bool needs_ip = is_type(spec, "LoadBalancer") || is_type(spec, "NodePort");
    if (opr__length(ports) == 0 && !is_headless(spec) && !is_external_name) {
        opr__required(e, OPR__IN(p, "ports"), NULL);
    }
    if (needs_ip && is_headless(spec)) {
        opr__add(e, "FieldValueInvalid", OPR__AT(OPR__IN(p, "clusterIPs"), 0),
                 "Invalid value: \"None\": may not be set to 'None' for %s services",
                 opr__text(spec, "type"));
    }
    if (is_external_name) {
        check_external_name(e, p, spec);
    }
    for (size_t i = 0; i < opr__length(ports); i++) {
        check_port(e, OPR__AT(OPR__IN(p, "ports"), i), ports, i);
    }
}

void opr__validate_service(struct opr_field_errors *e, struct json_object *doc,
                           struct json_object *old)
{
    static const char *const types[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort",
                                        NULL};
    struct opr__path p = {.name = "spec"};
    struct json_object *spec = opr__get(doc, "spec"), *ports = opr__get(spec, "ports");
    if (old) {
        check_ips_kept(e, &p, spec, opr__get(old, "spec"));
        check_given_kept(e, &p, spec, opr__get(old, "spec"));
    }
    check_shape(e, &p, spec);
    opr__check_labels(e, OPR__IN(&p, "selector"), opr__get(spec, "selector"));
    check_affinity(e, &p, spec);
    if (!is_type(spec, "ExternalName") && !is_ip_changed(spec, opr__get(old, "spec"))) {
        check_cluster_ips(e, &p, spec);
    }
    struct json_object *external = opr__get(spec, "externalIPs");
    for (size_t i = 0; i < opr__length(external); i++) {
        if (!opr__is_ip(nth_text(external, i), NULL)) {
            opr__invalid_text(e, OPR__AT(OPR__IN(&p, "externalIPs"), i), nth_text(external, i),
                              BAD_IP);
        }
    }
    opr__check_enum(e, &p, spec, "type", types);
    for (size_t i = 0; is_type(spec, "ClusterIP") && i < opr__length(ports); i++) {
        if (opr__number(opr__item(ports, i), "nodePort")) {
            opr__forbidden(e, OPR__IN(OPR__AT(OPR__IN(&p, "ports"), i), "nodePort"),
                           "may not be used when `type` is 'ClusterIP'");
        }
    }
    check_ports_unique(e, OPR__IN(&p, "ports"), ports);
    check_traffic(e, &p, spec);
    check_balancer(e, &p, spec);
}
