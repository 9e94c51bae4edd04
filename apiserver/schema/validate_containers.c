#include "apiserver/schema/build.h"

#include "apiserver/schema/validate.h"

#include <ctype.h>

static const char *const PROTOCOLS[] = {"SCTP", "TCP", "UDP", NULL};

static bool has_name(struct json_object *list, const char *name, size_t count)
{
    for (size_t i = 0; i < count && i < opr__length(list); i++) {
        if (strcmp(opr__text(opr__item(list, i), "name"), name) == 0) {
            return true;
        }
    }
    return false;
}

static void check_ports(struct opr_field_errors *e, const struct opr__path *p,
                        struct json_object *ports)
{
    for (size_t i = 0; i < opr__length(ports); i++) {
        struct json_object *port = opr__item(ports, i);
        const struct opr__path *at = OPR__AT(p, i);
        const char *name = opr__text(port, "name");
        if (*name) {
            opr__check_name(e, OPR__IN(at, "name"), name, opr__bad_port_name);
            if (!opr__bad_port_name(name) && has_name(ports, name, i)) {
                opr__duplicate_text(e, OPR__IN(at, "name"), name);
            }
        }
        if (opr__number(port, "containerPort") == 0) {
            opr__required(e, OPR__IN(at, "containerPort"), NULL);
        } else {
            opr__check_port(e, OPR__IN(at, "containerPort"), opr__number(port, "containerPort"));
        }
        if (opr__number(port, "hostPort")) {
            opr__check_port(e, OPR__IN(at, "hostPort"), opr__number(port, "hostPort"));
        }
        opr__check_enum(e, at, port, "protocol", PROTOCOLS);
    }
}

static void check_key_ref(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *ref)
{
    opr__check_name(e, OPR__IN(p, "name"), opr__text(ref, "name"), opr__bad_dns_subdomain);
    if (opr__has_text(ref, "key")) {
        opr__check_name(e, OPR__IN(p, "key"), opr__text(ref, "key"), opr__bad_config_key);
    } else {
        opr__required(e, OPR__IN(p, "key"), NULL);
    }
}

static void check_value_from(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *env)
{
    struct json_object *from = opr__get(env, "valueFrom");
    if (!from) {
        return;
    }
    static const char *const fields[] = {"metadata.name",
                                         "metadata.namespace",
                                         "metadata.uid",
                                         "spec.nodeName",
                                         "spec.serviceAccountName",
                                         "status.hostIP",
                                         "status.hostIPs",
                                         "status.podIP",
                                         "status.podIPs",
                                         NULL};
    static const char *const sources[] = {"fieldRef", "resourceFieldRef", "configMapKeyRef",
                                          "secretKeyRef", "fileKeyRef"};
    size_t count = 0;
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        struct json_object *ref = opr__get(from, sources[i]);
        const struct opr__path *at = OPR__IN(p, sources[i]);
        count += ref != NULL;
        if (ref && i == 0) {
            opr__check_field_ref(e, at, ref, fields);
        } else if (ref && i == 1) {
            opr__check_resource_ref(e, at, ref, false);
        } else if (ref && (i == 2 || i == 3)) {
            check_key_ref(e, at, ref);
        }
    }
    if (count == 0) {
        opr__invalid_text(e, p, "",
                          "must specify one of: `fieldRef`, `resourceFieldRef`, "
                          "`configMapKeyRef`, `secretKeyRef` or `fileKeyRef`");
    } else if (opr__has_text(env, "value")) {
        opr__invalid_text(e, p, "", "may not be specified when `value` is not empty");
    } else if (count > 1) {
        opr__invalid_text(e, p, "", "may not have more than one field specified at a time");
    }
}

static void check_source_name(struct opr_field_errors *e, const struct opr__path *p,
                              struct json_object *source)
{
    if (source && !opr__has_text(source, "name")) {
        opr__required(e, p, NULL);
    } else if (source) {
        opr__check_name(e, p, opr__text(source, "name"), opr__bad_dns_subdomain);
    }
}

static void check_env(struct opr_field_errors *e, const struct opr__path *p,
                      struct json_object *container)
{
    struct json_object *env = opr__get(container, "env"), *from = opr__get(container, "envFrom");
    for (size_t i = 0; i < opr__length(env); i++) {
        struct json_object *one = opr__item(env, i);
        const struct opr__path *at = OPR__AT(OPR__IN(p, "env"), i);
        if (opr__has_text(one, "name")) {
            opr__check_name(e, OPR__IN(at, "name"), opr__text(one, "name"), opr__bad_env_name);
        } else {
            opr__required(e, OPR__IN(at, "name"), NULL);
        }
        check_value_from(e, OPR__IN(at, "valueFrom"), one);
    }
    for (size_t i = 0; i < opr__length(from); i++) {
        struct json_object *config = opr__get(opr__item(from, i), "configMapRef");
        struct json_object *secret = opr__get(opr__item(from, i), "secretRef");
        const struct opr__path *at = OPR__AT(OPR__IN(p, "envFrom"), i);
        opr__check_name(e, OPR__IN(at, "prefix"), opr__text(opr__item(from, i), "prefix"),
                        opr__bad_env_name);
        check_source_name(e, OPR__IN(OPR__IN(at, "configMapRef"), "name"), config);
        check_source_name(e, OPR__IN(OPR__IN(at, "secretRef"), "name"), secret);
        if (!config && !secret) {
            opr__invalid_text(e, OPR__IN(p, "envFrom"), "",
                              "must specify one of: `configMapRef` or `secretRef`");
        } else if (config && secret) {
            opr__invalid_text(e, OPR__IN(p, "envFrom"), "",
                              "may not have more than one field specified at a time");
        }
    }
}

void opr__check_descending(struct opr_field_errors *e, const struct opr__path *p, const char *path)
{
    if (*path == '/') {
        opr__invalid_text(e, p, path, "must be a relative path");
    }
    struct opr_str rest = opr_str_of(path), part;
    while (opr_str_next(&rest, '/', &part)) {
        if (opr_str_is(part, "..")) {
            opr__invalid_text(e, p, path, "must not contain '..'");
            return;
        }
    }
}

static void check_mounts(struct opr_field_errors *e, const struct opr__path *p,
                         struct json_object *mounts, struct json_object *volumes)
{
    static const char *const propagations[] = {"Bidirectional", "HostToContainer", "None", NULL};
    for (size_t i = 0; i < opr__length(mounts); i++) {
        struct json_object *mount = opr__item(mounts, i);
        const struct opr__path *at = OPR__AT(p, i);
        const char *name = opr__text(mount, "name"), *path = opr__text(mount, "mountPath");
        if (!*name) {
            opr__required(e, OPR__IN(at, "name"), NULL);
        }
        if (!has_name(volumes, name, SIZE_MAX)) {
            opr__not_found(e, OPR__IN(at, "name"), name);
        }
        if (!*path) {
            opr__required(e, OPR__IN(at, "mountPath"), NULL);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(opr__text(opr__item(mounts, j), "mountPath"), path) == 0) {
                opr__invalid_text(e, OPR__IN(at, "mountPath"), path, "must be unique");
                break;
            }
        }
        opr__check_descending(e, OPR__IN(p, "subPath"), opr__text(mount, "subPath"));
        if (opr__has_text(mount, "subPathExpr") && opr__has_text(mount, "subPath")) {
            opr__invalid_text(e, OPR__IN(at, "subPathExpr"), opr__text(mount, "subPathExpr"),
                              "subPathExpr and subPath are mutually exclusive");
        }
        opr__check_descending(e, OPR__IN(p, "subPathExpr"), opr__text(mount, "subPathExpr"));
        opr__check_enum(e, p, mount, "mountPropagation", propagations);
    }
}

static bool is_standard_resource(const char *name)
{
    return strcmp(name, "cpu") == 0 || strcmp(name, "memory") == 0 ||
           strcmp(name, "ephemeral-storage") == 0 || strncmp(name, "hugepages-", 10) == 0;
}

static void check_amount(struct opr_field_errors *e, const struct opr__path *p, const char *name,
                         const char *amount)
{
    const char *problem = opr__bad_qualified_name(name);
    if (problem) {
        opr__invalid_text(e, p, name, problem);
    } else if (!strchr(name, '/') && !is_standard_resource(name)) {
        opr__invalid_text(e, p, name, "must be a standard resource type or fully qualified");
        opr__invalid_text(e, p, name, "must be a standard resource for containers");
    }
    opr__check_quantity_nonnegative(e, p, amount);
}

static void check_resources(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *resources)
{
    struct json_object *limits = opr__get(resources, "limits");
    struct json_object *requests = opr__get(resources, "requests");
    const struct opr__path *at = OPR__IN(p, "limits");
    if (json_object_is_type(limits, json_type_object)) {
        json_object_object_foreach(limits, name, value)
        {
            check_amount(e, OPR__KEY(at, name), name, json_object_get_string(value));
        }
    }
    if (!json_object_is_type(requests, json_type_object)) {
        return;
    }
    const struct opr__path *wanted = OPR__IN(p, "requests");
    json_object_object_foreach(requests, name, value)
    {
        const char *request = json_object_get_string(value);
        const char *limit = json_object_get_string(opr__get(limits, name));
        bool is_fixed = strchr(name, '/') || strncmp(name, "hugepages-", 10) == 0;
        check_amount(e, OPR__KEY(wanted, name), name, request);
        int order = limit ? opr__quantity_cmp(opr_str_of(request), opr_str_of(limit)) : 0;
        if (!limit && is_fixed) {
            opr__required(e, at, "Limit must be set for non overcommitable resources");
        } else if (limit && is_fixed && order != 0) {
            opr__invalid_text(
                e, wanted, request,
                opr_arena_printf(e->arena, "must be equal to %s limit of %s", name, limit));
        } else if (order > 0) {
            opr__invalid_text(e, wanted, request,
                              opr_arena_printf(e->arena,
                                               "must be less than or equal to %s limit of %s", name,
                                               limit));
        }
    }
}

static void check_common(struct opr_field_errors *e, const struct opr__path *p,
                         struct json_object *c, struct json_object *volumes)
{
    static const char *const policies[] = {"Always", "IfNotPresent", "Never", NULL};
    static const char *const messages[] = {"File", "FallbackToLogsOnError", NULL};
    static const char *const restarts[] = {"Always", "Never", "OnFailure", NULL};
    if (opr__has_text(c, "name")) {
        opr__check_name(e, OPR__IN(p, "name"), opr__text(c, "name"), opr__bad_dns_label);
    } else {
        opr__required(e, OPR__IN(p, "name"), NULL);
    }
    if (!opr__has_text(c, "image")) {
        opr__required(e, OPR__IN(p, "image"), NULL);
    }
    opr__check_enum(e, p, c, "terminationMessagePolicy", messages);
    check_ports(e, OPR__IN(p, "ports"), opr__get(c, "ports"));
    check_env(e, p, c);
    check_mounts(e, OPR__IN(p, "volumeMounts"), opr__get(c, "volumeMounts"), volumes);
    opr__check_enum(e, p, c, "imagePullPolicy", policies);
    check_resources(e, OPR__IN(p, "resources"), opr__get(c, "resources"));
    opr__check_enum(e, p, c, "restartPolicy", restarts);
    opr__validate_security(e, OPR__IN(p, "securityContext"), opr__get(c, "securityContext"));
}

static bool is_port_taken(struct json_object *containers, size_t ci, size_t pi,
                          struct json_object *port)
{
    for (size_t i = 0; i <= ci; i++) {
        struct json_object *ports = opr__get(opr__item(containers, i), "ports");
        for (size_t j = 0; j < opr__length(ports) && (i < ci || j < pi); j++) {
            struct json_object *other = opr__item(ports, j);
            if (opr__number(other, "hostPort") == opr__number(port, "hostPort") &&
                strcmp(opr__text(other, "protocol"), opr__text(port, "protocol")) == 0 &&
                strcmp(opr__text(other, "hostIP"), opr__text(port, "hostIP")) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void check_host_ports(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *containers, bool is_host_network)
{
    for (size_t i = 0; i < opr__length(containers); i++) {
        struct json_object *ports = opr__get(opr__item(containers, i), "ports");
        const struct opr__path *at = OPR__IN(OPR__AT(p, i), "ports");
        for (size_t j = 0; j < opr__length(ports); j++) {
            struct json_object *port = opr__item(ports, j);
            if (is_host_network &&
                opr__number(port, "hostPort") != opr__number(port, "containerPort")) {
                opr__invalid(e, OPR__IN(OPR__AT(at, j), "hostPort"), opr__get(port, "hostPort"),
                             "must match `containerPort` when `hostNetwork` is true");
            }
            if (opr__number(port, "hostPort") && is_port_taken(containers, i, j, port)) {
                opr__duplicate_text(e, OPR__IN(OPR__AT(at, j), "hostPort"),
                                    opr_arena_printf(e->arena, "%s/%s/%lld",
                                                     opr__text(port, "protocol"),
                                                     opr__text(port, "hostIP"),
                                                     (long long)opr__number(port, "hostPort")));
            }
        }
    }
}

/* A negative one is 1. */
static int64_t grace_of(struct json_object *spec)
{
    int64_t grace = opr__number(spec, "terminationGracePeriodSeconds");
    return grace < 0 ? 1 : grace;
}

static void check_init(struct opr_field_errors *e, const struct opr__path *p,
                       struct json_object *spec, struct json_object *volumes)
{
    static const char *const unset[] = {"lifecycle", "livenessProbe", "readinessProbe",
                                        "startupProbe"};
    struct json_object *list = opr__get(spec, "initContainers");
    for (size_t i = 0; i < opr__length(list); i++) {
        struct json_object *c = opr__item(list, i);
        const struct opr__path *at = OPR__AT(p, i);
        const char *name = opr__text(c, "name");
        check_common(e, at, c, volumes);
        if (*name &&
            (has_name(list, name, i) || has_name(opr__get(spec, "containers"), name, SIZE_MAX))) {
            opr__duplicate_text(e, OPR__IN(at, "name"), name);
        }
        if (strcmp(opr__text(c, "restartPolicy"), "Always") == 0) {
            opr__validate_probes(e, at, c, grace_of(spec));
            continue;
        }
        for (size_t j = 0; j < sizeof(unset) / sizeof(unset[0]); j++) {
            if (opr__get(c, unset[j])) {
                opr__forbidden(e, OPR__IN(at, unset[j]),
                               "may not be set for init containers without restartPolicy=Always");
            }
        }
    }
}

void opr__validate_containers(struct opr_field_errors *e, const struct opr__path *spec_path,
                              struct json_object *spec, struct json_object *volumes)
{
    struct json_object *list = opr__get(spec, "containers");
    const struct opr__path *p = OPR__IN(spec_path, "containers");
    if (opr__length(list) == 0) {
        opr__required(e, p, NULL);
    }
    for (size_t i = 0; i < opr__length(list); i++) {
        struct json_object *c = opr__item(list, i);
        const struct opr__path *at = OPR__AT(p, i);
        check_common(e, at, c, volumes);
        if (has_name(list, opr__text(c, "name"), i)) {
            opr__duplicate_text(e, OPR__IN(at, "name"), opr__text(c, "name"));
        }
        opr__validate_probes(e, at, c, grace_of(spec));
    }
    check_host_ports(e, p, list, opr__flag(spec, "hostNetwork"));
    check_init(e, OPR__IN(spec_path, "initContainers"), spec, volumes);
}
