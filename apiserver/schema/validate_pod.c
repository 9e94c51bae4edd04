#include "apiserver/schema/build.h"

#include "apiserver/schema/validate.h"

/* Members of a spec that are names of other things. */
static void check_spec_names(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *spec)
{
    static const struct {
        const char *name;
        opr__name_fn bad_name;
    } names[] = {{"serviceAccountName", opr__bad_dns_subdomain},
                 {"nodeName", opr__bad_dns_subdomain},
                 {"hostname", opr__bad_dns_label},
                 {"subdomain", opr__bad_dns_label},
                 {"priorityClassName", opr__bad_dns_subdomain},
                 {"runtimeClassName", opr__bad_dns_subdomain}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (opr__has_text(spec, names[i].name)) {
            opr__check_name(e, OPR__IN(p, names[i].name), opr__text(spec, names[i].name),
                            names[i].bad_name);
        }
    }
}

/* What a Pod waits for before it is scheduled, and before it is ready. */
static void check_gates(struct opr_field_errors *e, const struct opr__path *p,
                        struct json_object *spec)
{
    static const char *const systems[] = {"linux", "windows", NULL};
    struct json_object *gates = opr__get(spec, "schedulingGates");
    struct json_object *conditions = opr__get(spec, "readinessGates");
    struct json_object *os = opr__get(spec, "os");
    const char *system = opr__text(os, "name");
    for (size_t i = 0; i < opr__length(conditions); i++) {
        opr__check_name(e, OPR__IN(OPR__AT(OPR__IN(p, "readinessGates"), i), "conditionType"),
                        opr__text(opr__item(conditions, i), "conditionType"),
                        opr__bad_qualified_name);
    }
    for (size_t i = 0; i < opr__length(gates); i++) {
        const char *name = opr__text(opr__item(gates, i), "name");
        const struct opr__path *at = OPR__AT(OPR__IN(p, "schedulingGates"), i);
        opr__check_name(e, at, name, opr__bad_qualified_name);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(opr__text(opr__item(gates, j), "name"), name) == 0) {
                opr__duplicate_text(e, at, name);
                break;
            }
        }
    }
    if (os && !*system) {
        opr__required(e, OPR__IN(OPR__IN(p, "os"), "name"), "cannot be empty");
    } else if (os && strcmp(system, systems[0]) != 0 && strcmp(system, systems[1]) != 0) {
        opr__unsupported(e, OPR__IN(p, "os"), system, systems);
    }
}

void opr__validate_pod_spec(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *spec)
{
    static const char *const restarts[] = {"Always", "OnFailure", "Never", NULL};
    static const char *const dns[] = {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None",
                                      NULL};
    static const char *const preemption[] = {"Never", "PreemptLowerPriority", NULL};
    struct json_object *volumes =
        opr__validate_volumes(e, OPR__IN(p, "volumes"), opr__get(spec, "volumes"));
    opr__validate_containers(e, p, spec, volumes);
    json_object_put(volumes);
    opr__check_enum(e, p, spec, "restartPolicy", restarts);
    opr__check_enum(e, p, spec, "dnsPolicy", dns);
    opr__check_labels(e, OPR__IN(p, "nodeSelector"), opr__get(spec, "nodeSelector"));
    opr__validate_pod_security(e, OPR__IN(p, "securityContext"), spec);
    opr__validate_affinity(e, OPR__IN(p, "affinity"), opr__get(spec, "affinity"));
    opr__validate_dns(e, OPR__IN(p, "dnsConfig"), spec);
    check_gates(e, p, spec);
    opr__validate_spread(e, OPR__IN(p, "topologySpreadConstraints"),
                         opr__get(spec, "topologySpreadConstraints"));
    opr__validate_host_aliases(e, OPR__IN(p, "hostAliases"), opr__get(spec, "hostAliases"));
    check_spec_names(e, p, spec);
    struct json_object *deadline = opr__get(spec, "activeDeadlineSeconds");
    if (deadline &&
        (json_object_get_int64(deadline) < 1 || json_object_get_int64(deadline) > INT32_MAX)) {
        opr__invalid(e, OPR__IN(p, "activeDeadlineSeconds"), deadline,
                     "must be between 1 and 2147483647, inclusive");
    }
    opr__validate_tolerations(e, OPR__IN(p, "tolerations"), opr__get(spec, "tolerations"));
    opr__check_enum(e, p, spec, "preemptionPolicy", preemption);
}

void opr__validate_pod_template(struct opr_field_errors *e, const struct opr__path *p,
                                struct json_object *template)
{
    struct json_object *spec = opr__get(template, "spec");
    opr__validate_template_meta(e, p, opr__get(template, "metadata"));
    opr__validate_pod_spec(e, OPR__IN(p, "spec"), spec);
    if (opr__length(opr__get(spec, "ephemeralContainers"))) {
        opr__forbidden(e, OPR__IN(OPR__IN(p, "spec"), "ephemeralContainers"),
                       "ephemeral containers not allowed in pod template");
    }
}

static void check_create_only(struct opr_field_errors *e, const struct opr__path *p,
                              struct json_object *spec)
{
    if (opr__length(opr__get(spec, "ephemeralContainers"))) {
        opr__forbidden(e, OPR__IN(p, "ephemeralContainers"), "cannot be set on create");
    }
    if (opr__has_text(spec, "nodeName") && opr__length(opr__get(spec, "schedulingGates"))) {
        opr__forbidden(e, OPR__IN(p, "nodeName"),
                       "cannot be set until all schedulingGates have been cleared");
    }
}

/* What is said of pods and not of templates. */
static void check_pod_only(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *containers)
{
    for (size_t i = 0; i < opr__length(containers); i++) {
        const char *image = opr__text(opr__item(containers, i), "image");
        size_t len = strlen(image);
        if (len && (strchr(" \t\n", image[0]) || strchr(" \t\n", image[len - 1]))) {
            opr__invalid_text(e, OPR__IN(OPR__AT(p, i), "image"), image,
                              "must not have leading or trailing whitespace");
        }
    }
}

void opr__validate_pod(struct opr_field_errors *e, struct json_object *doc, struct json_object *old)
{
    struct opr__path p = {.name = "spec"};
    struct json_object *spec = opr__get(doc, "spec");
    opr__validate_pod_spec(e, &p, spec);
    check_pod_only(e, OPR__IN(&p, "containers"), opr__get(spec, "containers"));
    check_pod_only(e, OPR__IN(&p, "initContainers"), opr__get(spec, "initContainers"));
    if (old) {
        opr__validate_pod_update(e, doc, old);
    } else {
        check_create_only(e, &p, spec);
    }
}
