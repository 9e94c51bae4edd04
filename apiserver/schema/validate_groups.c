#include "apiserver/schema/build.h"

#include "apiserver/schema/validate.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

void opr__validate_lease(struct opr_field_errors *e, struct json_object *doc,
                         struct json_object *old)
{
    (void)old; /* the same on create and update */
    struct opr__path p = {.name = "spec"};
    struct json_object *spec = opr__get(doc, "spec");
    struct json_object *duration = opr__get(spec, "leaseDurationSeconds");
    if (duration && json_object_get_int64(duration) <= 0) {
        opr__invalid(e, OPR__IN(&p, "leaseDurationSeconds"), duration, "must be greater than 0");
    }
    opr__check_nonnegative(e, &p, spec, "leaseTransitions");
    if (opr__has_text(spec, "preferredHolder") && !opr__has_text(spec, "strategy")) {
        opr__forbidden(e, OPR__IN(&p, "preferredHolder"),
                       "may only be specified if `strategy` is defined");
    }
}

void opr__validate_priority_class(struct opr_field_errors *e, struct json_object *doc,
                                  struct json_object *old)
{
    static const char *const policies[] = {"Never", "PreemptLowerPriority", NULL};
    const char *name = opr_doc_str(doc, "/metadata/name", "");
    bool is_system = strncmp(name, "system-", 7) == 0;
    bool is_known =
        strcmp(name, "system-node-critical") == 0 || strcmp(name, "system-cluster-critical") == 0;
    if (is_system && !is_known) {
        opr__add(e, "FieldValueForbidden", OPR__IN(OPR__IN(NULL, "metadata"), "name"),
                 "Forbidden: priority class names with 'system-' prefix are reserved for system "
                 "use only. error: %s is not a known system priority class",
                 name);
    } else if (!is_system && opr__number(doc, "value") > 1000000000) {
        opr__forbidden(e, OPR__IN(NULL, "value"),
                       "maximum allowed value of a user defined priority is 1000000000");
    }
    opr__check_enum(e, NULL, doc, "preemptionPolicy", policies);
    if (old) {
        if (opr__number(doc, "value") != opr__number(old, "value")) {
            opr__forbidden(e, OPR__IN(NULL, "value"), "may not be changed in an update.");
        }
        opr__check_immutable(e, OPR__IN(NULL, "preemptionPolicy"),
                             opr__get(doc, "preemptionPolicy"), opr__get(old, "preemptionPolicy"));
    }
}

static void check_rules(struct opr_field_errors *e, struct json_object *rules, bool is_namespaced)
{
    const struct opr__path *p = OPR__IN(NULL, "rules");
    for (size_t i = 0; i < opr__length(rules); i++) {
        struct json_object *rule = opr__item(rules, i), *urls = opr__get(rule, "nonResourceURLs");
        const struct opr__path *at = OPR__AT(p, i);
        size_t groups = opr__length(opr__get(rule, "apiGroups"));
        size_t resources = opr__length(opr__get(rule, "resources"));
        if (opr__length(opr__get(rule, "verbs")) == 0) {
            opr__required(e, OPR__IN(at, "verbs"), "verbs must contain at least one value");
        }
        if (opr__length(urls)) {
            if (is_namespaced) {
                opr__invalid(e, OPR__IN(at, "nonResourceURLs"), urls,
                             "namespaced rules cannot apply to non-resource URLs");
            }
            if (groups || resources || opr__length(opr__get(rule, "resourceNames"))) {
                opr__invalid(e, OPR__IN(at, "nonResourceURLs"), urls,
                             "rules cannot apply to both regular resources and non-resource URLs");
            }
            continue;
        }
        if (groups == 0) {
            opr__required(e, OPR__IN(at, "apiGroups"),
                          "resource rules must supply at least one api group");
        }
        if (resources == 0) {
            opr__required(e, OPR__IN(at, "resources"),
                          "resource rules must supply at least one resource");
        }
    }
}

void opr__validate_role(struct opr_field_errors *e, struct json_object *doc,
                        struct json_object *old)
{
    (void)old; /* the same on create and update */
    check_rules(e, opr__get(doc, "rules"), true);
}

void opr__validate_cluster_role(struct opr_field_errors *e, struct json_object *doc,
                                struct json_object *old)
{
    (void)old; /* the same on create and update */
    struct json_object *selectors = opr_doc_at(doc, "/aggregationRule/clusterRoleSelectors");
    const struct opr__path *p = OPR__IN(OPR__IN(NULL, "aggregationRule"), "clusterRoleSelectors");
    check_rules(e, opr__get(doc, "rules"), false);
    if (opr__get(doc, "aggregationRule") && opr__length(selectors) == 0) {
        opr__required(e, p,
                      "at least one clusterRoleSelector required if aggregationRule is "
                      "non-nil");
    }
    for (size_t i = 0; i < opr__length(selectors); i++) {
        opr__check_label_selector(e, OPR__AT(p, i), opr__item(selectors, i));
    }
}

static void check_subject(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *subject, bool is_namespaced)
{
    static const char *const kinds[] = {"ServiceAccount", "User", "Group", NULL};
    static const char *const rbac[] = {RBAC_GROUP, NULL}, *const core[] = {"", NULL};
    const char *kind = opr__text(subject, "kind"), *group = opr__text(subject, "apiGroup");
    if (!opr__has_text(subject, "name")) {
        opr__required(e, OPR__IN(p, "name"), NULL);
    }
    if (strcmp(kind, "ServiceAccount") == 0) {
        if (opr__has_text(subject, "name")) {
            opr__check_name(e, OPR__IN(p, "name"), opr__text(subject, "name"),
                            opr__bad_dns_subdomain);
        }
        if (*group) {
            opr__unsupported(e, OPR__IN(p, "apiGroup"), group, core);
        }
        if (!is_namespaced && !opr__has_text(subject, "namespace")) {
            opr__required(e, OPR__IN(p, "namespace"), NULL);
        }
    } else if (strcmp(kind, "User") != 0 && strcmp(kind, "Group") != 0) {
        opr__unsupported(e, OPR__IN(p, "kind"), kind, kinds);
    } else if (strcmp(group, RBAC_GROUP) != 0) {
        opr__unsupported(e, OPR__IN(p, "apiGroup"), group, rbac);
    }
}

static void check_binding(struct opr_field_errors *e, struct json_object *doc,
                          struct json_object *old, bool is_namespaced)
{
    static const char *const rbac[] = {RBAC_GROUP, NULL};
    static const char *const any[] = {"Role", "ClusterRole", NULL};
    const struct opr__path *p = OPR__IN(NULL, "roleRef");
    struct json_object *role = opr__get(doc, "roleRef"), *subjects = opr__get(doc, "subjects");
    opr__check_enum(e, p, role, "apiGroup", rbac);
    opr__check_enum(e, p, role, "kind", is_namespaced ? any : any + 1);
    if (opr__has_text(role, "name")) {
        opr__check_name(e, OPR__IN(p, "name"), opr__text(role, "name"), opr__bad_path_segment);
    } else {
        opr__required(e, OPR__IN(p, "name"), NULL);
    }
    for (size_t i = 0; i < opr__length(subjects); i++) {
        check_subject(e, OPR__AT(OPR__IN(NULL, "subjects"), i), opr__item(subjects, i),
                      is_namespaced);
    }
    if (old && !opr_doc_equal(role, opr__get(old, "roleRef"))) {
        opr__add(e, "FieldValueInvalid", p,
                 "Invalid value: {\"APIGroup\":\"%s\",\"Kind\":\"%s\",\"Name\":\"%s\"}: cannot "
                 "change roleRef",
                 opr__text(role, "apiGroup"), opr__text(role, "kind"), opr__text(role, "name"));
    }
}

void opr__validate_role_binding(struct opr_field_errors *e, struct json_object *doc,
                                struct json_object *old)
{
    check_binding(e, doc, old, true);
}

void opr__validate_cluster_role_binding(struct opr_field_errors *e, struct json_object *doc,
                                        struct json_object *old)
{
    check_binding(e, doc, old, false);
}

static void check_target_ref(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *ref)
{
    const char *version = opr__text(ref, "apiVersion");
    static const char *const names[] = {"kind", "name"};
    for (size_t i = 0; i < 2; i++) {
        if (opr__has_text(ref, names[i])) {
            opr__check_name(e, OPR__IN(p, names[i]), opr__text(ref, names[i]),
                            opr__bad_path_segment);
        } else {
            opr__required(e, OPR__IN(p, names[i]), NULL);
        }
    }
    if (!strchr(version, '/')) {
        opr__invalid_text(e, OPR__IN(p, "apiVersion"), version,
                          "apiVersion must specify API group");
    }
}

static void check_metric_target(struct opr_field_errors *e, const struct opr__path *p,
                                struct json_object *target)
{
    static const char *const types[] = {"Utilization", "Value", "AverageValue"};
    static const char *const amounts[] = {"value", "averageValue"};
    if (!opr__has_text(target, "type")) {
        opr__required(e, OPR__IN(p, "type"), "must specify a metric target type");
    }
    size_t known = 0;
    while (known < 3 && strcmp(types[known], opr__text(target, "type")) != 0) {
        known++;
    }
    if (known == 3) {
        opr__invalid_text(e, OPR__IN(p, "type"), opr__text(target, "type"),
                          "must be either Utilization, Value, or AverageValue");
    }
    for (size_t i = 0; i < 2; i++) {
        const char *amount = opr__text(target, amounts[i]);
        if (*amount && opr__quantity_cmp(opr_str_of(amount), OPR_STR("0")) <= 0) {
            opr__invalid_text(e, OPR__IN(p, amounts[i]), amount, "must be positive");
        }
    }
    struct json_object *percent = opr__get(target, "averageUtilization");
    if (percent && json_object_get_int64(percent) < 1) {
        opr__invalid(e, OPR__IN(p, "averageUtilization"), percent, "must be greater than 0");
    }
}

struct metric_source {
    const char *type, *member;
    bool is_resource;
};
static const struct metric_source SOURCES[] = {
    {"ContainerResource", "containerResource", true},
    {"External", "external", false},
    {"Object", "object", false},
    {"Pods", "pods", false},
    {"Resource", "resource", true},
};

static void check_source(struct opr_field_errors *e, const struct opr__path *p,
                         const struct metric_source *s, struct json_object *source)
{
    struct json_object *target = opr__get(source, "target");
    const struct opr__path *in = OPR__IN(p, "target");
    if (s->is_resource && !opr__has_text(source, "name")) {
        opr__required(e, OPR__IN(p, "name"), "must specify a resource name");
    }
    if (strcmp(s->type, "ContainerResource") == 0 && !opr__has_text(source, "container")) {
        opr__required(e, OPR__IN(p, "container"), "must specify a container");
    }
    if (!s->is_resource && !*opr_doc_str(source, "/metric/name", "")) {
        opr__required(e, OPR__IN(OPR__IN(p, "metric"), "name"), "must specify a metric name");
    }
    check_metric_target(e, in, target);
    if (s->is_resource && !opr__get(target, "averageUtilization") &&
        !opr__get(target, "averageValue")) {
        opr__required(e, OPR__IN(in, "averageUtilization"),
                      "must set either a target raw value or a target utilization");
    } else if (strcmp(s->type, "Pods") == 0 && !opr__get(target, "averageValue")) {
        opr__required(e, OPR__IN(in, "averageValue"),
                      "must specify a positive target averageValue");
    }
}

static void check_metric(struct opr_field_errors *e, const struct opr__path *p,
                         struct json_object *metric)
{
    static const char *const types[] = {"ContainerResource", "External", "Object", "Pods",
                                        "Resource",          NULL};
    const char *type = opr__text(metric, "type");
    if (!*type) {
        opr__required(e, OPR__IN(p, "type"), "must specify a metric source type");
        return;
    }
    opr__check_enum(e, p, metric, "type", types);
    for (size_t i = 0; i < sizeof(SOURCES) / sizeof(SOURCES[0]); i++) {
        struct json_object *source = opr__get(metric, SOURCES[i].member);
        const struct opr__path *at = OPR__IN(p, SOURCES[i].member);
        bool is_named = strcmp(type, SOURCES[i].type) == 0;
        if (is_named && !source) {
            opr__required(e, at, "must populate information for the given metric source");
        } else if (!is_named && source) {
            opr__forbidden(e, at, "must populate the given metric source only");
        }
        if (source) {
            check_source(e, at, &SOURCES[i], source);
        }
    }
}

/* Down to zero replicas only what is measured outside the pods can bring it up again. */
static bool has_outside_metric(struct json_object *metrics)
{
    for (size_t i = 0; i < opr__length(metrics); i++) {
        const char *type = opr__text(opr__item(metrics, i), "type");
        if (strcmp(type, "Object") == 0 || strcmp(type, "External") == 0) {
            return true;
        }
    }
    return false;
}

static void check_scaling(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *rules)
{
    static const char *const select[] = {"Disabled", "Max", "Min", NULL};
    static const char *const types[] = {"Percent", "Pods", NULL};
    struct json_object *policies = opr__get(rules, "policies");
    struct json_object *window = opr__get(rules, "stabilizationWindowSeconds");
    if (window && (json_object_get_int64(window) < 0 || json_object_get_int64(window) > 3600)) {
        opr__invalid(e, OPR__IN(p, "stabilizationWindowSeconds"), window,
                     json_object_get_int64(window) < 0 ? "must be greater than or equal to zero"
                                                       : "must be less than or equal to 3600");
    }
    opr__check_enum(e, p, rules, "selectPolicy", select);
    if (rules && opr__length(policies) == 0) {
        opr__required(e, OPR__IN(p, "policies"), "must specify at least one Policy");
    }
    for (size_t i = 0; i < opr__length(policies); i++) {
        struct json_object *policy = opr__item(policies, i);
        const struct opr__path *at = OPR__AT(OPR__IN(p, "policies"), i);
        int64_t period = opr__number(policy, "periodSeconds");
        opr__check_enum(e, at, policy, "type", types);
        if (opr__number(policy, "value") <= 0) {
            opr__invalid(e, OPR__IN(at, "value"), opr__get(policy, "value"),
                         "must be greater than zero");
        }
        if (period <= 0 || period > 1800) {
            opr__invalid(e, OPR__IN(at, "periodSeconds"), opr__get(policy, "periodSeconds"),
                         period <= 0 ? "must be greater than zero"
                                     : "must be less than or equal to 1800");
        }
    }
}

void opr__validate_autoscaler(struct opr_field_errors *e, struct json_object *doc,
                              struct json_object *old)
{
    (void)old; /* the same on create and update */
    struct opr__path p = {.name = "spec"};
    struct json_object *spec = opr__get(doc, "spec"), *metrics = opr__get(spec, "metrics");
    int64_t min = opr__number(spec, "minReplicas"), max = opr__number(spec, "maxReplicas");
    if (min < 1) {
        opr__invalid(e, OPR__IN(&p, "minReplicas"), opr__get(spec, "minReplicas"),
                     "must be greater than or equal to 1");
    }
    if (max == 0) {
        opr__required(e, OPR__IN(&p, "maxReplicas"), "must be set and greater than 0");
    } else if (max < 0) {
        opr__invalid(e, OPR__IN(&p, "maxReplicas"), opr__get(spec, "maxReplicas"),
                     "must be greater than or equal to 1");
    }
    if (max < min) {
        opr__invalid(e, OPR__IN(&p, "maxReplicas"), opr__get(spec, "maxReplicas"),
                     "must be greater than or equal to `minReplicas`");
    }
    check_target_ref(e, OPR__IN(&p, "scaleTargetRef"), opr__get(spec, "scaleTargetRef"));
    struct json_object *percent = opr__get(spec, "targetCPUUtilizationPercentage"); /* of v1 */
    if (percent && json_object_get_int64(percent) < 1) {
        opr__invalid(e, OPR__IN(&p, "targetCPUUtilizationPercentage"), percent,
                     "must be greater than 0");
    }
    for (size_t i = 0; i < opr__length(metrics); i++) {
        check_metric(e, OPR__AT(OPR__IN(&p, "metrics"), i), opr__item(metrics, i));
    }
    if (min == 0 && !has_outside_metric(metrics)) {
        opr__forbidden(e, OPR__IN(&p, "metrics"),
                       "must specify at least one Object or External metric to support scaling to "
                       "zero replicas");
    }
    struct json_object *behavior = opr__get(spec, "behavior");
    const struct opr__path *at = OPR__IN(&p, "behavior");
    check_scaling(e, OPR__IN(at, "scaleUp"), opr__get(behavior, "scaleUp"));
    check_scaling(e, OPR__IN(at, "scaleDown"), opr__get(behavior, "scaleDown"));
}
