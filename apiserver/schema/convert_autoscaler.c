#include "apiserver/schema/convert.h"

#include "core/base/str.h"

#include <stdio.h>
#include <string.h>

#define ANNOTATION "autoscaling.alpha.kubernetes.io/"

/* Where a member of a metric is in v2, and what it is called in v1. */
struct move {
    const char *type, *v2, *v1;
};
static const struct move TARGETS[] = {
    {"Resource", "/name", "name"},
    {"Resource", "/target/averageUtilization", "targetAverageUtilization"},
    {"Resource", "/target/averageValue", "targetAverageValue"},
    {"ContainerResource", "/name", "name"},
    {"ContainerResource", "/container", "container"},
    {"ContainerResource", "/target/averageUtilization", "targetAverageUtilization"},
    {"ContainerResource", "/target/averageValue", "targetAverageValue"},
    {"Pods", "/metric/name", "metricName"},
    {"Pods", "/metric/selector", "selector"},
    {"Pods", "/target/averageValue", "targetAverageValue"},
    {"Object", "/describedObject", "target"},
    {"Object", "/metric/name", "metricName"},
    {"Object", "/metric/selector", "selector"},
    {"Object", "/target/value", "targetValue"},
    {"Object", "/target/averageValue", "averageValue"},
    {"External", "/metric/name", "metricName"},
    {"External", "/metric/selector", "metricSelector"},
    {"External", "/target/value", "targetValue"},
    {"External", "/target/averageValue", "targetAverageValue"},
    {NULL, NULL, NULL},
};
static const struct move CURRENT[] = {
    {"Resource", "/name", "name"},
    {"Resource", "/current/averageUtilization", "currentAverageUtilization"},
    {"Resource", "/current/averageValue", "currentAverageValue"},
    {"ContainerResource", "/name", "name"},
    {"ContainerResource", "/container", "container"},
    {"ContainerResource", "/current/averageUtilization", "currentAverageUtilization"},
    {"ContainerResource", "/current/averageValue", "currentAverageValue"},
    {"Pods", "/metric/name", "metricName"},
    {"Pods", "/metric/selector", "selector"},
    {"Pods", "/current/averageValue", "currentAverageValue"},
    {"Object", "/describedObject", "target"},
    {"Object", "/metric/name", "metricName"},
    {"Object", "/metric/selector", "selector"},
    {"Object", "/current/value", "currentValue"},
    {"Object", "/current/averageValue", "averageValue"},
    {"External", "/metric/name", "metricName"},
    {"External", "/metric/selector", "metricSelector"},
    {"External", "/current/value", "currentValue"},
    {"External", "/current/averageValue", "currentAverageValue"},
    {NULL, NULL, NULL},
};

/* "/pods" of the type Pods: the member that holds a metric's source. */
static const char *member_of(const char *type)
{
    static const char *const members[][2] = {{"Resource", "/resource"},
                                             {"ContainerResource", "/containerResource"},
                                             {"Pods", "/pods"},
                                             {"Object", "/object"},
                                             {"External", "/external"}};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (strcmp(members[i][0], type) == 0) {
            return members[i][1];
        }
    }
    return NULL;
}

/* One metric in the other form; owned; NULL: of no known type. */
static struct json_object *metric(const struct move *moves, struct json_object *from, bool is_to_v1)
{
    const char *type = opr_doc_str(from, "/type", ""), *member = member_of(type);
    struct json_object *source = member ? opr_doc_at(from, member) : NULL;
    if (!source) {
        return NULL;
    }
    struct json_object *result = json_object_new_object(), *made = json_object_new_object();
    for (const struct move *m = moves; m->type; m++) {
        struct json_object *value = NULL;
        if (strcmp(m->type, type) != 0) {
            continue;
        }
        if (is_to_v1) {
            value = opr_doc_at(source, m->v2);
        } else {
            json_object_object_get_ex(source, m->v1, &value);
        }
        if (value && is_to_v1) {
            json_object_object_add(made, m->v1, json_object_get(value));
        } else if (value) {
            (void)!opr_doc_put(made, m->v2, json_object_get(value)); /* a path of the table */
        }
    }
    json_object_object_add(result, "type", json_object_new_string(type));
    json_object_object_add(result, member + 1, made);
    return result;
}

/* v2 says what kind of target it is; v1 tells it by the member that is there. */
static void name_target(struct json_object *metric)
{
    const char *member = member_of(opr_doc_str(metric, "/type", ""));
    struct json_object *target = opr_doc_at(opr_doc_at(metric, member), "/target");
    if (!target) {
        return;
    }
    const char *type = opr_doc_at(target, "/averageUtilization") ? "Utilization"
                       : opr_doc_at(target, "/averageValue")     ? "AverageValue"
                                                                 : "Value";
    if (strcmp(type, "AverageValue") == 0) {
        json_object_object_del(target, "value"); /* v1 has it as zero */
    }
    json_object_object_add(target, "type", json_object_new_string(type));
}

static void note(struct json_object *doc, const char *name, struct json_object *value)
{
    struct json_object *metadata = opr_doc_at(doc, "/metadata"), *all = NULL;
    struct opr_buf text = {0};
    if (!metadata) {
        return;
    }
    if (!json_object_object_get_ex(metadata, "annotations", &all) || !all) {
        all = json_object_new_object();
        json_object_object_add(metadata, "annotations", all);
    }
    opr_doc_write(&text, value);
    json_object_object_add(all, name, json_object_new_string_len(text.data, (int)text.len));
    opr_buf_fini(&text);
}

/* Takes an annotation's value away; owned; NULL: there is none that can be read. */
static struct json_object *take_note(struct json_object *doc, const char *name)
{
    struct json_object *all = opr_doc_at(doc, "/metadata/annotations"), *text = NULL;
    struct json_object *value = NULL;
    if (!all || !json_object_object_get_ex(all, name, &text)) {
        return NULL;
    }
    struct opr_str s =
        opr_str_n(json_object_get_string(text), (size_t)json_object_get_string_len(text));
    if (opr_doc_parse(s, &value, NULL) != OPR_OK) {
        value = NULL;
    }
    json_object_object_del(all, name);
    if (json_object_object_length(all) == 0) {
        json_object_object_del(opr_doc_at(doc, "/metadata"), "annotations");
    }
    return value;
}

static bool is_cpu(struct json_object *metric, const char *utilization)
{
    return strcmp(opr_doc_str(metric, "/type", ""), "Resource") == 0 &&
           strcmp(opr_doc_str(metric, "/resource/name", ""), "cpu") == 0 &&
           opr_doc_at(metric, utilization);
}

static size_t length(struct json_object *array)
{
    return array && json_object_is_type(array, json_type_array) ? json_object_array_length(array)
                                                                : 0;
}

/* Everything is noted but what v1 has a member for; of the current figures all is noted, since that
 * member has the percentage only. */
static void metrics_to_v1(struct json_object *doc, const char *part, const char *array,
                          const struct move *moves, const char *utilization, const char *cpu,
                          const char *name)
{
    struct json_object *holder = opr_doc_at(doc, part), *all = NULL;
    if (!holder || !json_object_object_get_ex(holder, array, &all)) {
        return;
    }
    struct json_object *rest = json_object_new_array();
    bool has_cpu = false;
    for (size_t i = 0; i < length(all); i++) {
        struct json_object *m = json_object_array_get_idx(all, i);
        bool is_first_cpu = !has_cpu && is_cpu(m, utilization);
        if (is_first_cpu) {
            has_cpu = true;
            json_object_object_add(holder, cpu, json_object_get(opr_doc_at(m, utilization)));
        }
        struct json_object *v1 = is_first_cpu && moves == TARGETS ? NULL : metric(moves, m, true);
        if (v1) {
            json_object_array_add(rest, v1);
        }
    }
    if (length(rest) > 0) {
        note(doc, name, rest);
    }
    json_object_put(rest);
    json_object_object_del(holder, array);
}

static struct json_object *cpu_metric(const char *figures, struct json_object *percent)
{
    struct json_object *m = json_object_new_object();
    char pointer[64];
    snprintf(pointer, sizeof pointer, "/resource/%s/averageUtilization", figures);
    opr_doc_put_str(m, "/type", "Resource");
    opr_doc_put_str(m, "/resource/name", "cpu");
    (void)!opr_doc_put(m, pointer, json_object_get(percent)); /* the path is our own */
    return m;
}

static void metrics_to_v2(struct json_object *doc, const char *part, const char *array,
                          const struct move *moves, const char *cpu, const char *name)
{
    struct json_object *holder = opr_doc_at(doc, part), *percent = NULL;
    struct json_object *noted = take_note(doc, name), *all = json_object_new_array();
    bool is_target = moves == TARGETS;
    if (holder && json_object_object_get_ex(holder, cpu, &percent) &&
        (is_target || length(noted) == 0)) {
        json_object_array_add(all, cpu_metric(is_target ? "target" : "current", percent));
    }
    for (size_t i = 0; i < length(noted); i++) {
        struct json_object *v2 = metric(moves, json_object_array_get_idx(noted, i), false);
        if (v2) {
            json_object_array_add(all, v2);
        }
    }
    for (size_t i = 0; is_target && i < length(all); i++) {
        name_target(json_object_array_get_idx(all, i));
    }
    json_object_put(noted);
    if (holder) {
        json_object_object_del(holder, cpu);
    }
    if (holder && length(all) > 0) {
        json_object_object_add(holder, array, all);
    } else {
        json_object_put(all);
    }
}

/* A part that v1 does not have at all. */
static void part_to_v1(struct json_object *doc, const char *part, const char *member,
                       const char *name)
{
    struct json_object *holder = opr_doc_at(doc, part), *value = NULL;
    if (holder && json_object_object_get_ex(holder, member, &value)) {
        note(doc, name, value);
        json_object_object_del(holder, member);
    }
}

static void part_to_v2(struct json_object *doc, const char *part, const char *member,
                       const char *name)
{
    struct json_object *holder = opr_doc_at(doc, part), *value = take_note(doc, name);
    if (holder && value) {
        json_object_object_add(holder, member, value);
    } else {
        json_object_put(value);
    }
}

void opr__autoscaler_to_v1(struct json_object *doc)
{
    metrics_to_v1(doc, "/spec", "metrics", TARGETS, "/resource/target/averageUtilization",
                  "targetCPUUtilizationPercentage", ANNOTATION "metrics");
    metrics_to_v1(doc, "/status", "currentMetrics", CURRENT, "/resource/current/averageUtilization",
                  "currentCPUUtilizationPercentage", ANNOTATION "current-metrics");
    part_to_v1(doc, "/spec", "behavior", ANNOTATION "behavior");
    part_to_v1(doc, "/status", "conditions", ANNOTATION "conditions");
}

void opr__autoscaler_to_v2(struct json_object *doc)
{
    metrics_to_v2(doc, "/spec", "metrics", TARGETS, "targetCPUUtilizationPercentage",
                  ANNOTATION "metrics");
    metrics_to_v2(doc, "/status", "currentMetrics", CURRENT, "currentCPUUtilizationPercentage",
                  ANNOTATION "current-metrics");
    part_to_v2(doc, "/spec", "behavior", ANNOTATION "behavior");
    part_to_v2(doc, "/status", "conditions", ANNOTATION "conditions");
}
