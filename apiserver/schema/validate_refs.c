/* References from a Pod to its own fields and resources, in variables and files. */
#include "apiserver/schema/build.h"

#include "apiserver/schema/validate.h"

static bool is_in(const char *const *names, const char *name)
{
    for (; *names; names++) {
        if (strcmp(*names, name) == 0) {
            return true;
        }
    }
    return false;
}

/* metadata.labels['KEY'] and metadata.annotations['KEY']. False: it is neither. */
static bool check_keyed(struct opr_field_errors *e, const struct opr__path *p, const char *path)
{
    static const char *const heads[] = {"metadata.labels['", "metadata.annotations['"};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(path), head = strlen(heads[i]);
        if (strncmp(path, heads[i], head) == 0 && opr_str_ends(opr_str_of(path), "']")) {
            const char *key = len >= head + 2
                                  ? opr_arena_dup(e->arena, opr_str_n(path + head, len - head - 2))
                                  : "";
            opr__check_name(e, p, key, opr__bad_qualified_name);
            return true;
        }
    }
    return false;
}

void opr__check_field_ref(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *ref, const char *const *fields)
{
    static const char *const known[] = {
        "metadata.annotations", "metadata.labels",    "metadata.name",
        "metadata.namespace",   "metadata.uid",       "spec.nodeName",
        "spec.restartPolicy",   "spec.schedulerName", "spec.serviceAccountName",
        "status.hostIP",        "status.hostIPs",     "status.phase",
        "status.podIP",         "status.podIPs",      NULL};
    const char *path = opr__text(ref, "fieldPath");
    if (!opr__has_text(ref, "apiVersion")) {
        opr__required(e, OPR__IN(p, "apiVersion"), NULL);
    } else if (!*path) {
        opr__required(e, OPR__IN(p, "fieldPath"), NULL);
    } else if (check_keyed(e, p, path)) {
        return;
    } else if (is_in(known, path)) {
        opr__check_enum(e, p, ref, "fieldPath", fields);
    } else {
        opr__add(e, "FieldValueInvalid", OPR__IN(p, "fieldPath"),
                 "Invalid value: \"%s\": error converting fieldPath: field label not supported: %s",
                 path, path);
    }
}

/* One of the amounts that a resource may be divided by; none is 1. */
static void check_divisor(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *ref)
{
    static const char *const cpu[] = {"1m", "1", NULL};
    static const char *const bytes[] = {"1",   "1k",  "1M",  "1G",  "1T",  "1P",  "1E",
                                        "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei", NULL};
    const char *divisor = opr__text(ref, "divisor");
    const char *resource = opr__text(ref, "resource");
    bool is_cpu = opr_str_ends(opr_str_of(resource), ".cpu");
    bool is_memory = opr_str_ends(opr_str_of(resource), ".memory");
    const char *const *allowed = is_cpu ? cpu : bytes;
    if (!*divisor || opr__quantity_cmp(opr_str_of(divisor), OPR_STR("0")) == 0) {
        return;
    }
    for (; *allowed; allowed++) {
        if (opr__quantity_cmp(opr_str_of(divisor), opr_str_of(*allowed)) == 0) {
            return;
        }
    }
    opr__invalid_text(
        e, OPR__IN(p, "divisor"), resource,
        is_cpu      ? "only divisor's values 1m and 1 are supported with the cpu resource"
        : is_memory ? "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, "
                      "1Ei are supported with the memory resource"
                    : "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, "
                      "1Ei are supported with the local ephemeral storage resource");
}

void opr__check_resource_ref(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *ref, bool needs_container)
{
    static const char *const resources[] = {"limits.cpu",
                                            "limits.ephemeral-storage",
                                            "limits.memory",
                                            "requests.cpu",
                                            "requests.ephemeral-storage",
                                            "requests.memory",
                                            NULL};
    const char *resource = opr__text(ref, "resource");
    if (needs_container && !opr__has_text(ref, "containerName")) {
        opr__required(e, OPR__IN(p, "containerName"), NULL);
    } else if (!*resource) {
        opr__required(e, OPR__IN(p, "resource"), NULL);
    } else if (strncmp(resource, "limits.hugepages-", 17) == 0 ||
               strncmp(resource, "requests.hugepages-", 19) == 0) {
        return; /* of a size that the node has */
    } else if (!is_in(resources, resource)) {
        opr__check_enum(e, p, ref, "resource", resources);
    } else {
        check_divisor(e, p, ref);
    }
}
