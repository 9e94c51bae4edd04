/* The names that a Pod resolves: dnsConfig and hostAliases. */
#include "apiserver/schema/validate.h"

#define NAMESERVERS_MAX 3
#define SEARCHES_MAX 32
#define SEARCHES_BYTES_MAX 2048

static void check_ip(struct opr_field_errors *e, const struct opr__path *p, const char *ip)
{
    if (!opr__is_ip(ip, NULL)) {
        opr__invalid_text(e, p, ip,
                          "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    }
}

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A subdomain in which '_' may stand wherever '-' may, and before a label. */
static bool is_search(struct opr_str name)
{
    struct opr_str rest = name, label;
    bool has_label = false;
    while (opr_str_next(&rest, '.', &label)) {
        has_label = true;
        if (label.len > 0 && label.ptr[0] == '_') {
            label = opr_str_n(label.ptr + 1, label.len - 1);
        }
        if (label.len == 0 || !is_lower_alnum(label.ptr[0]) ||
            !is_lower_alnum(label.ptr[label.len - 1])) {
            return false;
        }
        for (size_t i = 0; i < label.len; i++) {
            if (!is_lower_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_') {
                return false;
            }
        }
    }
    return has_label && name.ptr[name.len - 1] != '.';
}

static void check_search(struct opr_field_errors *e, const struct opr__path *p, const char *text)
{
    struct opr_str name = opr_str_of(text);
    if (strcmp(text, ".") == 0) {
        return; /* the root itself */
    }
    if (opr_str_ends(name, ".")) {
        name.len--; /* an absolute name */
    }
    if (name.len > 253) {
        opr__invalid_text(e, p, text, "must be no more than 253 characters");
    } else if (!is_search(name)) {
        opr__invalid_text(e, p, text,
                          "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                          "characters, '_', '-' or '.', and must start and end with an "
                          "alphanumeric character (e.g. 'example.com', regex used for validation "
                          "is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
                          "(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')");
    }
}

static void check_searches(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *searches)
{
    size_t bytes = opr__length(searches) - (opr__length(searches) > 0);
    if (opr__length(searches) > SEARCHES_MAX) {
        opr__invalid(e, p, searches, "must not have more than 32 search paths");
    }
    for (size_t i = 0; i < opr__length(searches); i++) {
        bytes += strlen(opr__item_text(searches, i));
    }
    if (bytes > SEARCHES_BYTES_MAX) {
        opr__invalid(e, p, searches,
                     "must not have more than 2048 characters (including spaces) in the search "
                     "list");
    }
    for (size_t i = 0; i < opr__length(searches); i++) {
        check_search(e, OPR__AT(p, i), opr__item_text(searches, i));
    }
}

void opr__validate_dns(struct opr_field_errors *e, const struct opr__path *p,
                       struct json_object *spec)
{
    struct json_object *config = opr__get(spec, "dnsConfig");
    struct json_object *servers = opr__get(config, "nameservers");
    struct json_object *options = opr__get(config, "options");
    const struct opr__path *at = OPR__IN(p, "nameservers");
    if (strcmp(opr__text(spec, "dnsPolicy"), "None") == 0) {
        if (!config) {
            opr__required(e, p, "must provide `dnsConfig` when `dnsPolicy` is None");
        } else if (opr__length(servers) == 0) {
            opr__required(e, at,
                          "must provide at least one DNS nameserver when `dnsPolicy` is None");
        }
    }
    if (opr__length(servers) > NAMESERVERS_MAX) {
        opr__invalid(e, at, servers, "must not have more than 3 nameservers");
    }
    for (size_t i = 0; i < opr__length(servers); i++) {
        check_ip(e, OPR__AT(at, i), opr__item_text(servers, i));
    }
    check_searches(e, OPR__IN(p, "searches"), opr__get(config, "searches"));
    for (size_t i = 0; i < opr__length(options); i++) {
        if (!opr__has_text(opr__item(options, i), "name")) {
            opr__required(e, OPR__AT(OPR__IN(p, "options"), i), "must not be empty");
        }
    }
}

void opr__validate_host_aliases(struct opr_field_errors *e, const struct opr__path *p,
                                struct json_object *aliases)
{
    for (size_t i = 0; i < opr__length(aliases); i++) {
        struct json_object *alias = opr__item(aliases, i);
        struct json_object *names = opr__get(alias, "hostnames");
        check_ip(e, OPR__IN(OPR__AT(p, i), "ip"), opr__text(alias, "ip"));
        for (size_t j = 0; j < opr__length(names); j++) {
            opr__check_name(e, OPR__AT(OPR__IN(OPR__AT(p, i), "hostnames"), j),
                            opr__item_text(names, j), opr__bad_dns_subdomain);
        }
    }
}
