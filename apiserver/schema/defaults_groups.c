#include "apiserver/schema/hooks.h"

#include "core/base/alloc.h"
#include "core/json/doc.h"

#include <ctype.h>
#include <string.h>

void opr__default_deployment_strategy(struct json_object *strategy)
{
    bool is_rolling = strcmp(opr_doc_str(strategy, "/type", ""), "RollingUpdate") == 0;
    if (is_rolling && !json_object_object_get(strategy, "rollingUpdate")) {
        json_object_object_add(strategy, "rollingUpdate", json_object_new_object());
    }
}

/* Where a spec says anything of behavior, the rest of it is filled in. */
static void default_rules(struct json_object *behavior, const char *name, const char *defaults)
{
    struct json_object *rules = json_object_object_get(behavior, name);
    struct json_object *filled = json_tokener_parse(defaults);
    if (rules) {
        json_object_object_foreach(rules, key, value)
        {
            if (value) {
                json_object_object_add(filled, key, json_object_get(value));
            }
        }
    }
    json_object_object_add(behavior, name, filled);
}

void opr__default_autoscaler_spec(struct json_object *spec)
{
    struct json_object *metrics = json_object_object_get(spec, "metrics");
    if (!metrics || json_object_array_length(metrics) == 0) {
        json_object_object_add(
            spec, "metrics",
            json_tokener_parse("[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":"
                               "{\"type\":\"Utilization\",\"averageUtilization\":80}}}]"));
    }
    struct json_object *behavior = json_object_object_get(spec, "behavior");
    if (!behavior) {
        return;
    }
    default_rules(behavior, "scaleUp",
                  "{\"stabilizationWindowSeconds\":0,\"selectPolicy\":\"Max\",\"policies\":["
                  "{\"type\":\"Pods\",\"value\":4,\"periodSeconds\":15},"
                  "{\"type\":\"Percent\",\"value\":100,\"periodSeconds\":15}]}");
    default_rules(behavior, "scaleDown",
                  "{\"selectPolicy\":\"Max\",\"policies\":["
                  "{\"type\":\"Percent\",\"value\":100,\"periodSeconds\":15}]}");
}

void opr__default_subject(struct json_object *subject)
{
    const char *kind = opr_doc_str(subject, "/kind", "");
    bool is_group = strcmp(kind, "User") == 0 || strcmp(kind, "Group") == 0;
    if (is_group && !*opr_doc_str(subject, "/apiGroup", "")) {
        opr_doc_put_str(subject, "/apiGroup", "rbac.authorization.k8s.io");
    }
}

static void default_names(struct json_object *names)
{
    const char *kind = opr_doc_str(names, "/kind", "");
    if (!*opr_doc_str(names, "/singular", "")) {
        char *singular = opr_xstrdup(kind);
        for (char *p = singular; *p; p++) {
            *p = (char)tolower((unsigned char)*p);
        }
        opr_doc_put_str(names, "/singular", singular);
        opr_free(singular);
    }
    if (*kind && !*opr_doc_str(names, "/listKind", "")) {
        char *list = opr_xprintf("%sList", kind);
        opr_doc_put_str(names, "/listKind", list);
        opr_free(list);
    }
}

void opr__default_crd(struct json_object *crd)
{
    default_names(opr_doc_at(crd, "/spec/names"));
    struct json_object *stored = opr_doc_at(crd, "/status/storedVersions");
    if (stored && json_object_array_length(stored)) {
        return;
    }
    struct json_object *versions = opr_doc_at(crd, "/spec/versions");
    for (size_t i = 0; versions && i < json_object_array_length(versions); i++) {
        struct json_object *v = json_object_array_get_idx(versions, i);
        if (opr_doc_bool(v, "/storage", false)) {
            stored = json_object_new_array();
            json_object_array_add(stored, json_object_new_string(opr_doc_str(v, "/name", "")));
            json_object_object_add(opr_doc_at(crd, "/status"), "storedVersions", stored);
            return;
        }
    }
}
