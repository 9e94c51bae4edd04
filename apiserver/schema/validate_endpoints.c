#include "apiserver/schema/validate.h"

#include <arpa/inet.h>
#include <string.h>

static const char *const PROTOCOLS[] = {"SCTP", "TCP", "UDP", NULL};
#define BAD_IP "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"

static const char *nth_text(struct json_object *list, size_t i)
{
    const char *text = json_object_get_string(opr__item(list, i));
    return text ? text : "";
}

/* Addresses that no endpoint has: apimachinery's rules for endpoint IPs. */
static void check_endpoint_ip(struct opr_field_errors *e, const struct opr__path *p, const char *ip)
{
    unsigned char v4[4];
    if (!opr__is_ip(ip, NULL)) {
        opr__invalid_text(e, p, ip, BAD_IP);
        opr__invalid_text(e, p, ip, "must be a valid IP address");
        return;
    }
    bool is_v4 = inet_pton(AF_INET, ip, v4) == 1;
    if (strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0) {
        opr__invalid_text(e, p, ip, opr_arena_printf(e->arena, "may not be unspecified (%s)", ip));
    }
    if ((is_v4 && v4[0] == 127) || strcmp(ip, "::1") == 0) {
        opr__invalid_text(e, p, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if ((is_v4 && v4[0] == 169 && v4[1] == 254) || strncasecmp(ip, "fe80:", 5) == 0) {
        opr__invalid_text(e, p, ip,
                          "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if ((is_v4 && v4[0] == 224 && v4[1] == 0 && v4[2] == 0) || strncasecmp(ip, "ff02:", 5) == 0) {
        opr__invalid_text(e, p, ip,
                          "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

static void check_addresses(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *addresses)
{
    for (size_t i = 0; i < opr__length(addresses); i++) {
        struct json_object *address = opr__item(addresses, i);
        const struct opr__path *at = OPR__AT(p, i);
        if (opr__has_text(address, "hostname")) {
            opr__check_name(e, OPR__IN(at, "hostname"), opr__text(address, "hostname"),
                            opr__bad_dns_label);
        }
        if (opr__get(address, "nodeName")) {
            opr__check_name(e, OPR__IN(at, "nodeName"), opr__text(address, "nodeName"),
                            opr__bad_dns_subdomain);
        }
        check_endpoint_ip(e, OPR__IN(at, "ip"), opr__text(address, "ip"));
    }
}

static void check_app_protocol(struct opr_field_errors *e, const struct opr__path *p,
                               struct json_object *port)
{
    if (opr__get(port, "appProtocol")) {
        opr__check_name(e, OPR__IN(p, "appProtocol"), opr__text(port, "appProtocol"),
                        opr__bad_qualified_name);
    }
}

static void check_endpoint_ports(struct opr_field_errors *e, const struct opr__path *p,
                                 struct json_object *ports)
{
    for (size_t i = 0; i < opr__length(ports); i++) {
        struct json_object *port = opr__item(ports, i);
        const struct opr__path *at = OPR__AT(p, i);
        if (opr__has_text(port, "name")) {
            opr__check_name(e, OPR__IN(at, "name"), opr__text(port, "name"), opr__bad_dns_label);
        } else if (opr__length(ports) > 1) {
            opr__required(e, OPR__IN(at, "name"), NULL);
        }
        opr__check_port(e, OPR__IN(at, "port"), opr__number(port, "port"));
        opr__check_enum(e, at, port, "protocol", PROTOCOLS);
        check_app_protocol(e, at, port);
    }
}

void opr__validate_endpoints(struct opr_field_errors *e, struct json_object *doc,
                             struct json_object *old)
{
    (void)old; /* the same on create and update */
    struct json_object *subsets = opr__get(doc, "subsets");
    const struct opr__path *p = OPR__IN(NULL, "subsets");
    for (size_t i = 0; i < opr__length(subsets); i++) {
        struct json_object *subset = opr__item(subsets, i);
        const struct opr__path *at = OPR__AT(p, i);
        struct json_object *ready = opr__get(subset, "addresses");
        struct json_object *waiting = opr__get(subset, "notReadyAddresses");
        if (opr__length(ready) == 0 && opr__length(waiting) == 0) {
            opr__required(e, at, "must specify `addresses` or `notReadyAddresses`");
        }
        check_addresses(e, OPR__IN(at, "addresses"), ready);
        check_addresses(e, OPR__IN(at, "notReadyAddresses"), waiting);
        check_endpoint_ports(e, OPR__IN(at, "ports"), opr__get(subset, "ports"));
    }
}

static void check_hints(struct opr_field_errors *e, const struct opr__path *p,
                        struct json_object *zones)
{
    for (size_t i = 0; i < opr__length(zones); i++) {
        const char *zone = opr__text(opr__item(zones, i), "name");
        const struct opr__path *at = OPR__IN(OPR__AT(p, i), "name");
        for (size_t j = 0; j < i; j++) {
            if (strcmp(opr__text(opr__item(zones, j), "name"), zone) == 0) {
                opr__duplicate_text(e, at, zone);
                break;
            }
        }
        opr__check_name(e, at, zone, opr__bad_label_value);
    }
}

static void check_slice_endpoint(struct opr_field_errors *e, const struct opr__path *p,
                                 struct json_object *endpoint, const char *address_type)
{
    struct json_object *addresses = opr__get(endpoint, "addresses");
    const struct opr__path *at = OPR__IN(p, "addresses");
    if (opr__length(addresses) == 0) {
        opr__required(e, at, "must contain at least 1 address");
    } else if (opr__length(addresses) > 100) {
        opr__too_many(e, at, opr__length(addresses), 100);
    }
    for (size_t i = 0; i < opr__length(addresses); i++) {
        const char *address = nth_text(addresses, i);
        bool is_v6 = false;
        if (strcmp(address_type, "FQDN") == 0) {
            opr__check_name(e, OPR__AT(at, i), address, opr__bad_dns_subdomain);
        } else if (!opr__is_ip(address, &is_v6)) {
            opr__invalid_text(e, OPR__AT(at, i), address, BAD_IP);
        } else {
            if (is_v6 != (strcmp(address_type, "IPv6") == 0)) {
                opr__invalid_text(e, at, address,
                                  is_v6 ? "must be an IPv4 address" : "must be an IPv6 address");
            }
            check_endpoint_ip(e, OPR__AT(at, i), address);
        }
    }
    if (opr__get(endpoint, "nodeName")) {
        opr__check_name(e, OPR__IN(p, "nodeName"), opr__text(endpoint, "nodeName"),
                        opr__bad_dns_subdomain);
    }
    if (opr__get(endpoint, "hostname")) {
        opr__check_name(e, OPR__IN(p, "hostname"), opr__text(endpoint, "hostname"),
                        opr__bad_dns_label);
    }
    check_hints(e, OPR__IN(OPR__IN(p, "hints"), "forZones"),
                opr_doc_at(endpoint, "/hints/forZones"));
}

static void check_slice_ports(struct opr_field_errors *e, struct json_object *ports)
{
    const struct opr__path *p = OPR__IN(NULL, "ports");
    for (size_t i = 0; i < opr__length(ports); i++) {
        struct json_object *port = opr__item(ports, i);
        const char *name = opr__text(port, "name");
        const struct opr__path *at = OPR__AT(p, i);
        if (*name) {
            opr__check_name(e, OPR__IN(at, "name"), name, opr__bad_dns_label);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(opr__text(opr__item(ports, j), "name"), name) == 0) {
                opr__duplicate_text(e, OPR__IN(at, "name"), name);
                break;
            }
        }
        opr__check_enum(e, at, port, "protocol", PROTOCOLS);
        check_app_protocol(e, at, port);
    }
}

void opr__validate_endpoint_slice(struct opr_field_errors *e, struct json_object *doc,
                                  struct json_object *old)
{
    static const char *const types[] = {"FQDN", "IPv4", "IPv6", NULL};
    struct json_object *endpoints = opr__get(doc, "endpoints");
    const char *address_type = opr__text(doc, "addressType");
    const struct opr__path *p = OPR__IN(NULL, "endpoints");
    if (!*address_type) {
        opr__required(e, OPR__IN(NULL, "addressType"), NULL);
    } else {
        opr__check_enum(e, NULL, doc, "addressType", types);
    }
    if (opr__length(endpoints) > 1000) {
        opr__too_many(e, p, opr__length(endpoints), 1000);
    }
    for (size_t i = 0; i < opr__length(endpoints); i++) {
        check_slice_endpoint(e, OPR__AT(p, i), opr__item(endpoints, i), address_type);
    }
    check_slice_ports(e, opr__get(doc, "ports"));
    if (old) {
        opr__check_immutable(e, OPR__IN(NULL, "addressType"), opr__get(doc, "addressType"),
                             opr__get(old, "addressType"));
    }
}
