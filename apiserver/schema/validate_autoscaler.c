/* HorizontalPodAutoscalers (kubernetes autoscaling/validation). */
#include "apiserver/schema/build.h"

#include "apiserver/schema/validate.h"

static void check_named_object(struct opr_field_errors *e, const struct opr__path *p,
                               struct json_object *ref)
{
    static const char *const names[] = {"kind", "name"};
    for (size_t i = 0; i < 2; i++) {
        if (opr__has_text(ref, names[i])) {
            opr__check_name(e, OPR__IN(p, names[i]), opr__text(ref, names[i]),
                            opr__bad_path_segment);
        } else {
            opr__required(e, OPR__IN(p, names[i]), NULL);
        }
    }
}

static void check_target_ref(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *ref)
{
    const char *version = opr__text(ref, "apiVersion");
    check_named_object(e, p, ref);
    if (!strchr(version, '/') || *version == '/') {
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

/* The amounts that a target has: one that fits its source, and not two. */
static void check_amounts(struct opr_field_errors *e, const struct opr__path *p,
                          const struct metric_source *s, struct json_object *target)
{
    bool has_total = opr__get(target, "value") != NULL;
    bool has_average = opr__get(target, "averageValue") != NULL;
    bool has_percent = opr__get(target, "averageUtilization") != NULL;
    if (s->is_resource) {
        if (!has_percent && !has_average) {
            opr__required(e, OPR__IN(p, "averageUtilization"),
                          "must set either a target raw value or a target utilization");
        } else if (has_percent && has_average) {
            opr__forbidden(e, OPR__IN(p, "averageValue"),
                           "may not set both a target raw value and a target utilization");
        }
    } else if (strcmp(s->type, "Pods") == 0) {
        if (!has_average) {
            opr__required(e, OPR__IN(p, "averageValue"),
                          "must specify a positive target averageValue");
        }
    } else if (!has_total && !has_average) {
        opr__required(e, OPR__IN(p, "averageValue"),
                      strcmp(s->type, "Object") == 0
                          ? "must set either a target value or averageValue"
                          : "must set either a target value for metric or a per-pod target");
    } else if (has_total && has_average && strcmp(s->type, "External") == 0) {
        opr__forbidden(e, OPR__IN(p, "value"),
                       "may not set both a target value for metric and a per-pod target");
    }
}

/* The container, and the resource of it that is measured. */
static void check_container(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *source)
{
    static const char *const standard[] = {"cpu", "memory", "ephemeral-storage"};
    const char *name = opr__text(source, "name"), *container = opr__text(source, "container");
    const char *problem = opr__bad_qualified_name(name);
    bool is_standard = strncmp(name, "hugepages-", 10) == 0 || strchr(name, '/');
    for (size_t i = 0; i < sizeof standard / sizeof *standard; i++) {
        is_standard = is_standard || strcmp(name, standard[i]) == 0;
    }
    if (!*name) {
        opr__required(e, OPR__IN(p, "name"), "must specify a resource name");
    } else if (problem) {
        opr__invalid_text(e, OPR__IN(p, "name"), name, problem);
    } else if (!is_standard) {
        opr__invalid_text(e, OPR__IN(p, "name"), name,
                          "must be a standard resource type or fully qualified");
        opr__invalid_text(e, OPR__IN(p, "name"), name,
                          "must be a standard resource for containers");
    }
    if (*container) {
        opr__check_name(e, OPR__IN(p, "container"), container, opr__bad_dns_label);
    } else {
        opr__required(e, OPR__IN(p, "container"), "must specify a container");
    }
}

static void check_source(struct opr_field_errors *e, const struct opr__path *p,
                         const struct metric_source *s, struct json_object *source)
{
    struct json_object *target = opr__get(source, "target");
    const struct opr__path *in = OPR__IN(p, "target");
    if (strcmp(s->type, "ContainerResource") == 0) {
        check_container(e, p, source);
    } else if (s->is_resource && !opr__has_text(source, "name")) {
        opr__required(e, OPR__IN(p, "name"), "must specify a resource name");
    }
    if (strcmp(s->type, "Object") == 0) {
        check_named_object(e, OPR__IN(p, "describedObject"), opr__get(source, "describedObject"));
    }
    const char *metric = opr_doc_str(source, "/metric/name", "");
    const struct opr__path *named = OPR__IN(OPR__IN(p, "metric"), "name");
    if (!s->is_resource && !*metric) {
        opr__required(e, named, "must specify a metric name");
    } else if (!s->is_resource) {
        opr__check_name(e, named, metric, opr__bad_path_segment);
    }
    check_metric_target(e, in, target);
    check_amounts(e, in, s, target);
}

static void check_metric(struct opr_field_errors *e, const struct opr__path *p,
                         struct json_object *metric)
{
    static const char *const types[] = {"ContainerResource", "External", "Object", "Pods",
                                        "Resource",          NULL};
    const char *type = opr__text(metric, "type");
    if (!*type) {
        opr__required(e, OPR__IN(p, "type"), "must specify a metric source type");
        opr__unsupported(e, OPR__IN(p, "type"), type, types);
        return;
    }
    size_t before = e->count;
    opr__check_enum(e, p, metric, "type", types);
    if (e->count > before) {
        return; /* nobody knows which source it is */
    }
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
