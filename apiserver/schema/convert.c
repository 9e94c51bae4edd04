#include "apiserver/schema/convert.h"

#include "apiserver/schema/table.h"

#include <stdio.h>
#include <string.h>

/* events.k8s.io/v1 Event and v1 Event are one resource with two sets of names. What
 * is not named here has the same name in both. */
struct rename {
    const char *events, *core;
};
static const struct rename RENAMES[] = {
    {"note", "message"},
    {"regarding", "involvedObject"},
    {"reportingController", "reportingComponent"},
    {"deprecatedSource", "source"},
    {"deprecatedFirstTimestamp", "firstTimestamp"},
    {"deprecatedLastTimestamp", "lastTimestamp"},
    {"deprecatedCount", "count"},
};

/* v1 writes these two always, events.k8s.io only where they say something. */
static void drop_empty_reporter(struct json_object *doc)
{
    static const char *const names[] = {"reportingController", "reportingInstance"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct json_object *value = json_object_object_get(doc, names[i]);
        if (value && json_object_get_string_len(value) == 0) {
            json_object_object_del(doc, names[i]);
        }
    }
}

static void convert_event(struct json_object *doc, bool is_to_core)
{
    for (size_t i = 0; i < sizeof(RENAMES) / sizeof(RENAMES[0]); i++) {
        const char *from = is_to_core ? RENAMES[i].events : RENAMES[i].core;
        const char *to = is_to_core ? RENAMES[i].core : RENAMES[i].events;
        struct json_object *value;
        if (json_object_object_get_ex(doc, from, &value)) { /* null too */
            json_object_object_add(doc, to, json_object_get(value));
            json_object_object_del(doc, from);
        }
    }
    if (!is_to_core) {
        drop_empty_reporter(doc);
    }
}

void opr_schema_convert(const struct opr_kind *from, const struct opr_kind *to,
                        struct json_object *doc)
{
    if (from == to) {
        return;
    }
    bool is_event = strcmp(from->kind, "Event") == 0 && strcmp(to->kind, "Event") == 0;
    if (is_event) {
        convert_event(doc, strcmp(to->group, "") == 0);
    }
    bool is_autoscaler = strcmp(to->kind, "HorizontalPodAutoscaler") == 0;
    bool is_to_v1 = strcmp(to->version, "v1") == 0;
    if (is_autoscaler && is_to_v1) {
        opr__autoscaler_to_v1(doc);
    } else if (is_autoscaler) {
        opr__autoscaler_to_v2(doc);
        opr_schema_default(to, doc);
    }
    char version[256];
    snprintf(version, sizeof(version), "%s%s%s", to->group, *to->group ? "/" : "", to->version);
    opr_doc_put_str(doc, "/apiVersion", version);
    opr_doc_put_str(doc, "/kind", to->kind);
}
