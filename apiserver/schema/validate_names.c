#include "apiserver/schema/validate.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>

/* The rules and their wording: apimachinery pkg/util/validation. */
#define LABEL_RULE                                                                                 \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "   \
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "     \
    "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
#define SUBDOMAIN_RULE                                                                             \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "  \
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define LABEL_1035_RULE                                                                            \
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "   \
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123'," \
    " regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
#define NAME_PART                                                                                  \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "         \
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
#define NO_LONGER_63 "must be no more than 63 bytes"
#define NO_LONGER_253 "must be no more than 253 bytes"

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_label(struct opr_str s)
{
    if (s.len == 0 || !is_lower_alnum(s.ptr[0]) || !is_lower_alnum(s.ptr[s.len - 1])) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!is_lower_alnum(s.ptr[i]) && s.ptr[i] != '-') {
            return false;
        }
    }
    return true;
}

static bool is_subdomain(struct opr_str s)
{
    size_t from = 0;
    for (size_t i = 0; i <= s.len; i++) {
        if (i == s.len || s.ptr[i] == '.') {
            if (!is_label(opr_str_n(s.ptr + from, i - from))) {
                return false;
            }
            from = i + 1;
        }
    }
    return true;
}

const char *opr__bad_dns_label(const char *s)
{
    size_t len = strlen(s);
    if (len > 63) {
        return "must be no more than 63 characters";
    }
    if (is_label(opr_str_n(s, len))) {
        return NULL;
    }
    return is_subdomain(opr_str_n(s, len)) ? "must not contain dots" : LABEL_RULE;
}

const char *opr__bad_dns_subdomain(const char *s)
{
    size_t len = strlen(s);
    return len > 253                         ? "must be no more than 253 characters"
           : is_subdomain(opr_str_n(s, len)) ? NULL
                                             : SUBDOMAIN_RULE;
}

const char *opr__bad_dns1035(const char *s)
{
    size_t len = strlen(s);
    bool is_good = is_label(opr_str_n(s, len)) && !isdigit((unsigned char)s[0]);
    return len > 63 ? "must be no more than 63 characters" : is_good ? NULL : LABEL_1035_RULE;
}

static bool is_name_part(struct opr_str s)
{
    if (s.len == 0 || !isalnum((unsigned char)s.ptr[0]) ||
        !isalnum((unsigned char)s.ptr[s.len - 1])) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!isalnum((unsigned char)s.ptr[i]) && !strchr("-_.", s.ptr[i])) {
            return false;
        }
    }
    return true;
}

const char *opr__bad_qualified_name(const char *s)
{
    const char *slash = strchr(s, '/');
    if (slash) {
        struct opr_str prefix = {s, (size_t)(slash - s)};
        if (strchr(slash + 1, '/')) {
            return "a valid label key must consist of alphanumeric characters, '-', '_' or '.', "
                   "and "
                   "must start and end with an alphanumeric character (e.g. 'MyName',  or "
                   "'my.name',  or '123-abc', regex used for validation is "
                   "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain "
                   "prefix and '/' (e.g. 'example.com/MyName')";
        }
        if (prefix.len == 0) {
            return "prefix part must be non-empty";
        }
        if (prefix.len > 253) {
            return "prefix part " NO_LONGER_253;
        }
        if (!is_subdomain(prefix)) {
            return "prefix part " SUBDOMAIN_RULE;
        }
    }
    const char *name = slash ? slash + 1 : s;
    if (!*name) {
        return "name part must be non-empty";
    }
    if (strlen(name) > 63) {
        return "name part " NO_LONGER_63;
    }
    return is_name_part(opr_str_of(name)) ? NULL : "name part " NAME_PART;
}

const char *opr__bad_label_value(const char *s)
{
    if (strlen(s) > 63) {
        return NO_LONGER_63;
    }
    return !*s || is_name_part(opr_str_of(s))
               ? NULL
               : "a valid label must be an empty string or consist of alphanumeric characters, "
                 "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
                 "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
                 "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
}

static bool consists_of(const char *s, const char *others)
{
    for (; *s; s++) {
        if (!isalnum((unsigned char)*s) && !strchr(others, *s)) {
            return false;
        }
    }
    return true;
}

const char *opr__bad_config_key(const char *s)
{
    if (strlen(s) > 253) {
        return "must be no more than 253 characters";
    }
    if (!*s || !consists_of(s, "-._")) {
        return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
               "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
               "'[-._a-zA-Z0-9]+')";
    }
    return strcmp(s, ".") == 0        ? "must not be '.'"
           : strcmp(s, "..") == 0     ? "must not be '..'"
           : strncmp(s, "..", 2) == 0 ? "must not start with '..'"
                                      : NULL;
}

const char *opr__bad_env_name(const char *s)
{
    for (const char *p = s; *p; p++) {
        if (*p < ' ' || *p > '~' || *p == '=') {
            return "a valid environment variable name must consist only of printable ASCII "
                   "characters other than '='";
        }
    }
    return NULL;
}

const char *opr__bad_port_name(const char *s)
{
    if (strlen(s) > 15) {
        return "must be no more than 15 characters";
    }
    bool has_letter = false;
    for (const char *p = s; *p; p++) {
        has_letter = has_letter || (*p >= 'a' && *p <= 'z');
        if (!is_lower_alnum(*p) && *p != '-') {
            return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
        }
    }
    if (!has_letter) {
        return "must contain at least one letter (a-z)";
    }
    if (strstr(s, "--")) {
        return "must not contain consecutive hyphens";
    }
    return s[0] == '-' || s[strlen(s) - 1] == '-' ? "must not begin or end with a hyphen" : NULL;
}

const char *opr__bad_path_segment(const char *s)
{
    if (strcmp(s, ".") == 0) {
        return "may not be '.'";
    }
    if (strcmp(s, "..") == 0) {
        return "may not be '..'";
    }
    return strchr(s, '/') ? "may not contain '/'" : strchr(s, '%') ? "may not contain '%'" : NULL;
}

bool opr__is_ip(const char *s, bool *ret_is_v6)
{
    unsigned char raw[16];
    bool is_v4 = inet_pton(AF_INET, s, raw) == 1;
    bool is_v6 = !is_v4 && inet_pton(AF_INET6, s, raw) == 1;
    if (ret_is_v6) {
        *ret_is_v6 = is_v6;
    }
    return is_v4 || is_v6;
}

bool opr__is_cidr(const char *s)
{
    char address[64];
    const char *slash = strchr(s, '/');
    bool is_v6;
    if (!slash || (size_t)(slash - s) >= sizeof(address)) {
        return false;
    }
    memcpy(address, s, (size_t)(slash - s));
    address[slash - s] = 0;
    int64_t bits;
    return opr__is_ip(address, &is_v6) && opr_str_to_i64(opr_str_of(slash + 1), &bits) == OPR_OK &&
           bits >= 0 && bits <= (is_v6 ? 128 : 32);
}
