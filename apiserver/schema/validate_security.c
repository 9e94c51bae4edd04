/* Users, groups and what confines a Pod and its containers. */
#include "apiserver/schema/validate.h"

#include <ctype.h>

static void check_id(struct opr_field_errors *e, const struct opr__path *p,
                     struct json_object *value)
{
    int64_t id = json_object_get_int64(value);
    if (value && (id < 0 || id > INT32_MAX)) {
        opr__invalid(e, p, value, "must be between 0 and 2147483647, inclusive");
    }
}

/* A profile for seccomp or AppArmor: of the node only where its type says so. */
static void check_profile(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *s, const char *member, const char *what)
{
    static const char *const types[] = {"Localhost", "RuntimeDefault", "Unconfined", NULL};
    struct json_object *profile = opr__get(s, member);
    const struct opr__path *at = OPR__IN(p, member);
    const char *type = opr__text(profile, "type");
    bool is_local = strcmp(type, "Localhost") == 0;
    if (!profile) {
        return;
    }
    if (!*type) {
        opr__required(e, OPR__IN(at, "type"),
                      opr_arena_printf(e->arena, "type is required when %s is set", member));
    } else {
        opr__check_enum(e, at, profile, "type", types);
    }
    if (is_local && !opr__has_text(profile, "localhostProfile")) {
        opr__required(e, OPR__IN(at, "localhostProfile"),
                      opr_arena_printf(e->arena, "must be set when %s type is Localhost", what));
    } else if (!is_local && opr__has_text(profile, "localhostProfile")) {
        opr__invalid(e, OPR__IN(at, "localhostProfile"), opr__get(profile, "localhostProfile"),
                     opr_arena_printf(e->arena, "can only be set when %s type is Localhost", what));
    } else if (is_local) {
        opr__check_descending(e, OPR__IN(at, "localhostProfile"),
                              opr__text(profile, "localhostProfile"));
    }
}

/* Parts of lower case letters, digits, '-' and '_' with dots or slashes between them. */
static bool is_sysctl(const char *name)
{
    bool is_edge = true; /* a part begins here */
    if (strlen(name) > 253) {
        return false;
    }
    for (const char *c = name; *c; c++) {
        bool is_alnum = islower((unsigned char)*c) || isdigit((unsigned char)*c);
        bool is_end = c[1] == '\0' || c[1] == '.' || c[1] == '/';
        bool is_inner = *c == '-' || *c == '_';
        bool is_separator = *c == '.' || *c == '/';
        if (is_separator ? is_edge || c[1] == '\0' : is_inner ? is_edge || is_end : !is_alnum) {
            return false;
        }
        is_edge = is_separator;
    }
    return true;
}

static void check_sysctls(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *sysctls)
{
    for (size_t i = 0; i < opr__length(sysctls); i++) {
        const char *name = opr__text(opr__item(sysctls, i), "name");
        const struct opr__path *at = OPR__IN(OPR__AT(p, i), "name");
        if (!*name) {
            opr__required(e, at, NULL);
        } else if (!is_sysctl(name)) {
            opr__invalid_text(e, at, name,
                              "must have at most 253 characters and match regex "
                              "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*"
                              "[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
        }
        for (size_t j = 0; *name && j < i; j++) {
            if (strcmp(opr__text(opr__item(sysctls, j), "name"), name) == 0) {
                opr__duplicate_text(e, at, name);
                break;
            }
        }
    }
}

void opr__validate_pod_security(struct opr_field_errors *e, const struct opr__path *p,
                                struct json_object *spec)
{
    static const char *const changes[] = {"Always", "OnRootMismatch", NULL};
    struct json_object *s = opr__get(spec, "securityContext");
    struct json_object *groups = opr__get(s, "supplementalGroups");
    check_id(e, OPR__IN(p, "fsGroup"), opr__get(s, "fsGroup"));
    check_id(e, OPR__IN(p, "runAsUser"), opr__get(s, "runAsUser"));
    check_id(e, OPR__IN(p, "runAsGroup"), opr__get(s, "runAsGroup"));
    for (size_t i = 0; i < opr__length(groups); i++) {
        check_id(e, OPR__AT(OPR__IN(p, "supplementalGroups"), i), opr__item(groups, i));
    }
    if (opr__flag(spec, "shareProcessNamespace") && opr__flag(spec, "hostPID")) {
        opr__invalid(e, OPR__IN(p, "shareProcessNamespace"),
                     opr__get(spec, "shareProcessNamespace"),
                     "ShareProcessNamespace and HostPID cannot both be enabled");
    }
    check_sysctls(e, OPR__IN(p, "sysctls"), opr__get(s, "sysctls"));
    opr__check_enum(e, p, s, "fsGroupChangePolicy", changes);
    check_profile(e, p, s, "seccompProfile", "seccomp");
    check_profile(e, p, s, "appArmorProfile", "AppArmor");
}

void opr__validate_security(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *s)
{
    static const char *const mounts[] = {"Default", "Unmasked", NULL};
    struct json_object *escalation = opr__get(s, "allowPrivilegeEscalation");
    check_id(e, OPR__IN(p, "runAsUser"), opr__get(s, "runAsUser"));
    check_id(e, OPR__IN(p, "runAsGroup"), opr__get(s, "runAsGroup"));
    opr__check_enum(e, p, s, "procMount", mounts);
    check_profile(e, p, s, "seccompProfile", "seccomp");
    check_profile(e, p, s, "appArmorProfile", "AppArmor");
    if (escalation && !json_object_get_boolean(escalation) && opr__flag(s, "privileged")) {
        opr__invalid(e, p, s,
                     "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
}
