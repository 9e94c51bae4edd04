#include "apiserver/schema/build.h"

#include "apiserver/schema/validate.h"

void opr__validate_tolerations(struct opr_field_errors *e, const struct opr__path *p,
                               struct json_object *tolerations)
{
    static const char *const operators[] = {"Equal", "Exists", NULL};
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    for (size_t i = 0; i < opr__length(tolerations); i++) {
        struct json_object *t = opr__item(tolerations, i);
        const struct opr__path *at = OPR__AT(p, i);
        const char *key = opr__text(t, "key"), *op = opr__text(t, "operator");
        const char *effect = opr__text(t, "effect"), *value = opr__text(t, "value");
        if (*key) {
            opr__check_name(e, OPR__IN(at, "key"), key, opr__bad_qualified_name);
        } else if (strcmp(op, "Exists") != 0) {
            opr__invalid_text(e, OPR__IN(at, "operator"), op,
                              "operator must be Exists when `key` is empty, which means \"match "
                              "all values and all keys\"");
        }
        if (opr__get(t, "tolerationSeconds") && strcmp(effect, "NoExecute") != 0) {
            opr__invalid_text(e, OPR__IN(at, "effect"), effect,
                              "effect must be 'NoExecute' when `tolerationSeconds` is set");
        }
        if (!*op || strcmp(op, "Equal") == 0) {
            opr__check_name(e, OPR__IN(at, "operator"), value, opr__bad_label_value);
        } else if (strcmp(op, "Exists") == 0) {
            if (*value) {
                opr__invalid_text(e, OPR__IN(at, "operator"), value,
                                  "value must be empty when `operator` is 'Exists'");
            }
        } else {
            opr__check_enum(e, at, t, "operator", operators);
        }
        if (*effect) {
            opr__check_enum(e, at, t, "effect", effects);
        }
    }
}

static void check_node_terms(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *terms)
{
    static const char *const operators[] = {"DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn"};
    for (size_t i = 0; i < opr__length(terms); i++) {
        struct json_object *list = opr__get(opr__item(terms, i), "matchExpressions");
        const struct opr__path *at = OPR__IN(OPR__AT(p, i), "matchExpressions");
        for (size_t j = 0; j < opr__length(list); j++) {
            struct json_object *r = opr__item(list, j);
            const char *op = opr__text(r, "operator");
            size_t values = opr__length(opr__get(r, "values")), known = 0;
            const struct opr__path *one = OPR__AT(at, j);
            while (known < 6 && strcmp(op, operators[known]) != 0) {
                known++;
            }
            if (known == 6) {
                opr__invalid_text(e, OPR__IN(one, "operator"), op, "not a valid selector operator");
            } else if ((known == 3 || known == 5) && values == 0) {
                opr__required(e, OPR__IN(one, "values"),
                              "must be specified when `operator` is 'In' or 'NotIn'");
            } else if (known < 2 && values) {
                opr__forbidden(e, OPR__IN(one, "values"),
                               "may not be specified when `operator` is 'Exists' or "
                               "'DoesNotExist'");
            } else if ((known == 2 || known == 4) && values != 1) {
                opr__required(e, OPR__IN(one, "values"),
                              "must be specified single value when `operator` is 'Lt' or 'Gt'");
            }
            opr__check_name(e, OPR__IN(one, "key"), opr__text(r, "key"), opr__bad_qualified_name);
        }
    }
}

static void check_pod_terms(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *terms, bool is_weighted)
{
    for (size_t i = 0; i < opr__length(terms); i++) {
        struct json_object *term = opr__item(terms, i);
        const struct opr__path *item = OPR__AT(p, i);
        const struct opr__path *weighted = OPR__IN(item, "podAffinityTerm");
        const struct opr__path *at = is_weighted ? weighted : item;
        if (is_weighted) {
            int64_t weight = opr__number(term, "weight");
            if (weight <= 0 || weight > 100) {
                opr__invalid(e, OPR__IN(item, "weight"), opr__get(term, "weight"),
                             "must be in the range 1-100");
            }
            term = opr__get(term, "podAffinityTerm");
        }
        opr__check_label_selector(e, OPR__IN(at, "labelSelector"), opr__get(term, "labelSelector"));
        if (!opr__has_text(term, "topologyKey")) {
            opr__required(e, OPR__IN(at, "topologyKey"), "can not be empty");
        }
        opr__check_name(e, OPR__IN(at, "topologyKey"), opr__text(term, "topologyKey"),
                        opr__bad_qualified_name);
    }
}

#define REQUIRED_TERMS "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED_TERMS "preferredDuringSchedulingIgnoredDuringExecution"

static void check_node_affinity(struct opr_field_errors *e, const struct opr__path *p,
                                struct json_object *affinity)
{
    struct json_object *required = opr__get(affinity, REQUIRED_TERMS);
    struct json_object *preferred = opr__get(affinity, PREFERRED_TERMS);
    if (required) {
        const struct opr__path *at = OPR__IN(OPR__IN(p, REQUIRED_TERMS), "nodeSelectorTerms");
        struct json_object *terms = opr__get(required, "nodeSelectorTerms");
        if (opr__length(terms) == 0) {
            opr__required(e, at, "must have at least one node selector term");
        }
        check_node_terms(e, at, terms);
    }
    for (size_t i = 0; i < opr__length(preferred); i++) {
        int64_t weight = opr__number(opr__item(preferred, i), "weight");
        if (weight <= 0 || weight > 100) {
            opr__invalid(e, OPR__IN(OPR__AT(OPR__IN(p, PREFERRED_TERMS), i), "weight"),
                         opr__get(opr__item(preferred, i), "weight"), "must be in the range 1-100");
        }
    }
}

static void check_affinity(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *affinity)
{
    static const char *const kinds[] = {"podAffinity", "podAntiAffinity"};
    check_node_affinity(e, OPR__IN(p, "nodeAffinity"), opr__get(affinity, "nodeAffinity"));
    for (size_t i = 0; i < 2; i++) {
        struct json_object *pods = opr__get(affinity, kinds[i]);
        const struct opr__path *at = OPR__IN(p, kinds[i]);
        check_pod_terms(e, OPR__IN(at, REQUIRED_TERMS), opr__get(pods, REQUIRED_TERMS), false);
        check_pod_terms(e, OPR__IN(at, PREFERRED_TERMS), opr__get(pods, PREFERRED_TERMS), true);
    }
}

static void check_spread(struct opr_field_errors *e, const struct opr__path *p,
                         struct json_object *constraints)
{
    static const char *const actions[] = {"DoNotSchedule", "ScheduleAnyway", NULL};
    for (size_t i = 0; i < opr__length(constraints); i++) {
        struct json_object *c = opr__item(constraints, i);
        const struct opr__path *at = OPR__AT(p, i);
        if (opr__number(c, "maxSkew") <= 0) {
            opr__invalid(e, OPR__IN(at, "maxSkew"), opr__get(c, "maxSkew"),
                         "must be greater than zero");
        }
        if (!opr__has_text(c, "topologyKey")) {
            opr__required(e, OPR__IN(at, "topologyKey"), "can not be empty");
        }
        opr__check_enum(e, at, c, "whenUnsatisfiable", actions);
        opr__check_label_selector(e, OPR__IN(at, "labelSelector"), opr__get(c, "labelSelector"));
    }
}

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

void opr__validate_pod_spec(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *spec)
{
    static const char *const restarts[] = {"Always", "OnFailure", "Never", NULL};
    static const char *const dns[] = {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None",
                                      NULL};
    static const char *const preemption[] = {"Never", "PreemptLowerPriority", NULL};
    opr__validate_volumes(e, OPR__IN(p, "volumes"), opr__get(spec, "volumes"));
    opr__validate_containers(e, p, spec);
    opr__check_enum(e, p, spec, "restartPolicy", restarts);
    opr__check_enum(e, p, spec, "dnsPolicy", dns);
    opr__check_labels(e, OPR__IN(p, "nodeSelector"), opr__get(spec, "nodeSelector"));
    check_affinity(e, OPR__IN(p, "affinity"), opr__get(spec, "affinity"));
    check_spread(e, OPR__IN(p, "topologySpreadConstraints"),
                 opr__get(spec, "topologySpreadConstraints"));
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
    opr__validate_template_meta(e, OPR__IN(p, "metadata"), opr__get(template, "metadata"));
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

static void check_same_count(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *list, struct json_object *old, bool *ret_is_same)
{
    if (opr__length(list) != opr__length(old)) {
        opr__forbidden(e, p, "pod updates may not add or remove containers");
        *ret_is_same = false;
    }
}

/* Gives every container of a copy its old image back. */
static void restore_images(struct json_object *list, struct json_object *old)
{
    for (size_t i = 0; i < opr__length(list); i++) {
        struct json_object *image = opr__get(opr__item(old, i), "image");
        json_object_object_add(opr__item(list, i), "image", json_object_get(image));
    }
}

static bool contains(struct json_object *list, struct json_object *item)
{
    for (size_t i = 0; i < opr__length(list); i++) {
        if (opr_doc_equal(opr__item(list, i), item)) {
            return true;
        }
    }
    return false;
}

static void check_tolerations_added(struct opr_field_errors *e, const struct opr__path *p,
                                    struct json_object *list, struct json_object *old)
{
    for (size_t i = 0; i < opr__length(old); i++) {
        if (!contains(list, opr__item(old, i))) {
            opr__forbidden(e, p,
                           "existing toleration can not be modified except its "
                           "tolerationSeconds");
            return;
        }
    }
}

static void check_gates_removed(struct opr_field_errors *e, const struct opr__path *p,
                                struct json_object *list, struct json_object *old)
{
    for (size_t i = 0; i < opr__length(list); i++) {
        if (!contains(old, opr__item(list, i))) {
            opr__forbidden(e, p, "only deletion is allowed, but found new scheduling gate");
        }
    }
}

/* A spec may change in these; the rest is compared as it was. */
static bool is_same_but_for_updatable(struct json_object *spec, struct json_object *old)
{
    static const char *const updatable[] = {"activeDeadlineSeconds", "schedulingGates",
                                            "tolerations"};
    struct json_object *copy = opr_doc_dup(spec);
    restore_images(opr__get(copy, "containers"), opr__get(old, "containers"));
    restore_images(opr__get(copy, "initContainers"), opr__get(old, "initContainers"));
    for (size_t i = 0; i < sizeof(updatable) / sizeof(updatable[0]); i++) {
        struct json_object *was = opr__get(old, updatable[i]);
        if (was) {
            json_object_object_add(copy, updatable[i], json_object_get(was));
        } else {
            json_object_object_del(copy, updatable[i]);
        }
    }
    if (opr__number(old, "terminationGracePeriodSeconds") < 0 &&
        opr__number(copy, "terminationGracePeriodSeconds") == 1) {
        json_object_object_add(copy, "terminationGracePeriodSeconds",
                               json_object_get(opr__get(old, "terminationGracePeriodSeconds")));
    }
    bool is_same = opr_doc_equal(copy, old);
    json_object_put(copy);
    return is_same;
}

void opr__validate_pod_update(struct opr_field_errors *e, struct json_object *doc,
                              struct json_object *old)
{
    struct opr__path p = {.name = "spec"};
    struct json_object *spec = opr__get(doc, "spec"), *was = opr__get(old, "spec");
    bool is_same = true;
    check_same_count(e, OPR__IN(&p, "containers"), opr__get(spec, "containers"),
                     opr__get(was, "containers"), &is_same);
    check_same_count(e, OPR__IN(&p, "initContainers"), opr__get(spec, "initContainers"),
                     opr__get(was, "initContainers"), &is_same);
    if (!is_same) {
        return;
    }
    struct json_object *deadline = opr__get(spec, "activeDeadlineSeconds");
    struct json_object *before = opr__get(was, "activeDeadlineSeconds");
    if (before && (!deadline || json_object_get_int64(deadline) > json_object_get_int64(before))) {
        opr__invalid(e, OPR__IN(&p, "activeDeadlineSeconds"), deadline,
                     deadline ? "must be less than or equal to previous value"
                              : "must not update from a positive integer to nil value");
    }
    check_tolerations_added(e, OPR__IN(&p, "tolerations"), opr__get(spec, "tolerations"),
                            opr__get(was, "tolerations"));
    check_gates_removed(e, OPR__IN(&p, "schedulingGates"), opr__get(spec, "schedulingGates"),
                        opr__get(was, "schedulingGates"));
    if (!is_same_but_for_updatable(spec, was)) {
        opr__forbidden(
            e, &p,
            "pod updates may not change fields other than "
            "`spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
            "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 "
            "if it was previously negative)");
    }
}
