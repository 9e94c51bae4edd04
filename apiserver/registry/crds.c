/* CustomResourceDefinitions: their conditions, the kinds they make, and the end of their objects.
 */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

static void set_condition(struct json_object *crd, const char *type, const char *reason,
                          const char *message, const char *now)
{
    struct json_object *list = opr_doc_at(crd, "/status/conditions");
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        if (strcmp(opr_doc_str(json_object_array_get_idx(list, i), "/type", ""), type) == 0) {
            return;
        }
    }
    struct json_object *c = json_object_new_object();
    opr_doc_put_str(c, "/type", type);
    opr_doc_put_str(c, "/status", "True");
    opr_doc_put_str(c, "/lastTransitionTime", now);
    opr_doc_put_str(c, "/reason", reason);
    opr_doc_put_str(c, "/message", message);
    (void)!opr_doc_put(crd, "/status/conditions/-", c); /* status is an object: it was decoded */
}

void opr_crd_prepare(struct opr_req *r, struct json_object *crd)
{
    char now[OPR_TIME_TEXT_MAX];
    opr_time_format(r->now_ms, now);
    struct json_object *names = opr_doc_at(crd, "/spec/names");
    struct json_object *versions = opr_doc_at(crd, "/spec/versions");
    set_condition(crd, "NamesAccepted", "NoConflicts", "no conflicts found", now);
    set_condition(crd, "Established", "InitialNamesAccepted",
                  "the initial names have been accepted", now);
    (void)!opr_doc_put(crd, "/status/acceptedNames", opr_doc_dup(names));
    struct json_object *stored = json_object_new_array();
    for (size_t i = 0; versions && i < json_object_array_length(versions); i++) {
        struct json_object *v = json_object_array_get_idx(versions, i);
        if (opr_doc_bool(v, "/storage", false)) {
            json_object_array_add(stored, json_object_new_string(opr_doc_str(v, "/name", "")));
        }
    }
    (void)!opr_doc_put(crd, "/status/storedVersions", stored);
}

void opr_crd_changed(struct opr_apiserver *s, const struct opr_obj *crd, bool is_deleted)
{
    struct opr_arena *a = opr_arena_new();
    struct opr_field_errors errors = {.arena = a};
    struct json_object *doc = is_deleted ? NULL : opr_doc_from_obj(crd);
    if (opr_custom_kinds_set(s->custom, opr_meta_name(crd), doc, &errors) != OPR_OK) {
        opr_log(OPR_LOG_WARN, "apiserver", "custom resource definition is not served",
                "name=%s error=\"%s\"", opr_meta_name(crd),
                errors.count > 0 ? errors.items[0].message : "");
    }
    json_object_put(doc);
    opr_arena_free(a);
}

void opr_crd_delete_objects(struct opr_req *r, const struct opr_obj *crd)
{
    struct opr_str prefix =
        opr_str_of(opr_arena_printf(r->arena, "%s/%s/", opr_json_str(crd, "/spec/group", ""),
                                    opr_json_str(crd, "/spec/names/plural", "")));
    const struct opr_obj *const *objs;
    size_t count, more;
    uint64_t revision;
    opr_store_list(r->api->store, r->arena, prefix, OPR_STR(""), 0, &objs, &count, &revision,
                   &more);
    for (size_t i = 0; i < count; i++) {
        struct opr_str key = opr_str_of(opr_arena_printf(
            r->arena, "%s%s/%s", prefix.ptr, opr_meta_ns(objs[i]), opr_meta_name(objs[i])));
        /* One that went meanwhile is fine. */
        (void)!opr_store_delete(r->api->store, key, OPR_STORE_ANY, NULL, NULL, NULL);
    }
}

void opr_crd_load_all(struct opr_apiserver *s)
{
    struct opr_arena *a = opr_arena_new();
    const struct opr_kind *kind = opr_kind_find(OPR_STR("apiextensions.k8s.io"), OPR_STR("v1"),
                                                OPR_STR("customresourcedefinitions"));
    const struct opr_obj *const *crds;
    size_t count, more;
    uint64_t revision;
    opr_store_list(s->store, a, opr_api_key(a, kind, NULL, NULL), OPR_STR(""), 0, &crds, &count,
                   &revision, &more);
    for (size_t i = 0; i < count; i++) {
        opr_crd_changed(s, crds[i], false);
    }
    opr_arena_free(a);
}
