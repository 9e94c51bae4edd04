/* Access reviews: may a user do something, and what may the one who asks do? They are answered,
 * never stored. Checks and words: Kubernetes' pkg/apis/authorization/validation and
 * pkg/registry/authorization. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#define GROUP "authorization.k8s.io"

/* "" is none. */
static const char *text_or_null(struct json_object *doc, const char *ptr)
{
    const char *text = opr_doc_str(doc, ptr, "");
    return *text ? text : NULL;
}

static size_t length(struct json_object *doc, const char *ptr)
{
    struct json_object *list = opr_doc_at(doc, ptr);
    return list ? json_object_array_length(list) : 0;
}

static void invalid(struct opr_field_errors *e, const char *field, const char *value,
                    const char *detail)
{
    opr_field_errors_add(e, "FieldValueInvalid", field,
                         opr_arena_printf(e->arena, "Invalid value: %s: %s", value, detail));
}

static const char *quoted(struct opr_arena *a, const char *text)
{
    struct opr_buf b = {0};
    opr_buf_add_json(&b, opr_str_of(text));
    const char *copy = opr_arena_dup(a, opr_buf_str(&b));
    opr_buf_fini(&b);
    return copy;
}

static void check_requirement(struct opr_field_errors *e, struct json_object *one, const char *path)
{
    const char *op = opr_doc_str(one, "/operator", "");
    size_t values = length(one, "/values");
    const char *field = opr_arena_printf(e->arena, "%s.values", path);
    if (!*opr_doc_str(one, "/key", "")) {
        opr_field_errors_add(e, "FieldValueRequired", opr_arena_printf(e->arena, "%s.key", path),
                             "Required value: must be specified");
    }
    bool is_in = strcmp(op, "In") == 0 || strcmp(op, "NotIn") == 0;
    bool is_exists = strcmp(op, "Exists") == 0 || strcmp(op, "DoesNotExist") == 0;
    if (is_in && values == 0) {
        opr_field_errors_add(
            e, "FieldValueRequired", field,
            "Required value: must be specified when `operator` is 'In' or 'NotIn'");
    } else if (is_exists && values > 0) {
        opr_field_errors_add(
            e, "FieldValueForbidden", field,
            "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
}

static void check_selector(struct opr_field_errors *e, struct json_object *doc, const char *name)
{
    const char *ptr = opr_arena_printf(e->arena, "/spec/resourceAttributes/%s", name);
    const char *path = opr_arena_printf(e->arena, "spec.resourceAttributes.%s", name);
    struct json_object *selector = opr_doc_at(doc, ptr);
    const char *raw = opr_doc_str(selector, "/rawSelector", "");
    size_t count = length(selector, "/requirements");
    if (!selector) {
        return;
    }
    if (*raw && count > 0) {
        invalid(e, opr_arena_printf(e->arena, "%s.rawSelector", path), quoted(e->arena, raw),
                "may not specified at the same time as requirements");
    } else if (!*raw && count == 0) {
        opr_field_errors_add(
            e, "FieldValueRequired", opr_arena_printf(e->arena, "%s.requirements", path),
            opr_arena_printf(e->arena,
                             "Required value: when %s is specified, requirements or rawSelector is "
                             "required",
                             path));
    }
    for (size_t i = 0; i < count; i++) {
        check_requirement(e, json_object_array_get_idx(opr_doc_at(selector, "/requirements"), i),
                          opr_arena_printf(e->arena, "%s.requirements[%zu]", path, i));
    }
}

static const char *path_value(struct opr_arena *a, struct json_object *doc)
{
    return opr_arena_printf(a, "{\"Path\":%s,\"Verb\":%s}",
                            quoted(a, opr_doc_str(doc, "/spec/nonResourceAttributes/path", "")),
                            quoted(a, opr_doc_str(doc, "/spec/nonResourceAttributes/verb", "")));
}

/* A review is no object: it has no name, no labels. */
static void check_metadata(struct opr_field_errors *e, struct json_object *doc, bool is_local)
{
    static const char *const parts[] = {"name",        "generateName", "labels",
                                        "annotations", "finalizers",   "ownerReferences"};
    struct json_object *metadata = opr_doc_at(doc, "/metadata"), *said = NULL;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct json_object *part = NULL;
        if (metadata && json_object_object_get_ex(metadata, parts[i], &part) && part) {
            said = said ? said : json_object_new_object();
            json_object_object_add(said, parts[i], json_object_get(part));
        }
    }
    if (said) {
        struct opr_buf text = {0};
        opr_doc_write(&text, said);
        invalid(e, "metadata", opr_arena_dup(e->arena, opr_buf_str(&text)),
                is_local ? "must be empty except for namespace" : "must be empty");
        opr_buf_fini(&text);
    }
    json_object_put(said);
}

static opr_status check(struct opr_req *r, struct json_object *doc, bool is_self, bool is_local)
{
    struct opr_field_errors e = {.arena = r->arena};
    const struct opr_kind nameless = {.group = GROUP, .kind = ""};
    struct json_object *resource = opr_doc_at(doc, "/spec/resourceAttributes");
    struct json_object *path = opr_doc_at(doc, "/spec/nonResourceAttributes");
    const char *ns = opr_doc_str(resource, "/namespace", "");
    if (resource && path) {
        invalid(&e, "spec.nonResourceAttributes", path_value(r->arena, doc),
                "cannot be specified in combination with resourceAttributes");
    } else if (!resource && !path) {
        invalid(&e, "spec.resourceAttributes", "null",
                "exactly one of nonResourceAttributes or resourceAttributes must be specified");
    }
    if (!is_self && !*opr_doc_str(doc, "/spec/user", "") && length(doc, "/spec/groups") == 0) {
        invalid(&e, "spec.user", "\"\"", "at least one of user or group must be specified");
    }
    check_selector(&e, doc, "fieldSelector");
    check_selector(&e, doc, "labelSelector");
    check_metadata(&e, doc, is_local);
    if (is_local && resource && strcmp(ns, r->ns) != 0) {
        invalid(&e, "spec.resourceAttributes.namespace", quoted(r->arena, ns),
                "must match metadata.namespace");
    }
    if (is_local && path) {
        invalid(&e, "spec.nonResourceAttributes", path_value(r->arena, doc),
                "disallowed on this kind of request");
    }
    return e.count > 0 ? opr_api_invalid(r, &nameless, "", &e) : OPR_OK;
}

static const char *const *groups_at(struct opr_req *r, struct json_object *doc)
{
    size_t count = length(doc, "/spec/groups");
    const char **groups = opr_arena_alloc(r->arena, (count + 1) * sizeof *groups);
    for (size_t i = 0; i < count; i++) {
        groups[i] =
            json_object_get_string(json_object_array_get_idx(opr_doc_at(doc, "/spec/groups"), i));
    }
    return groups;
}

void opr_review_access(struct opr_req *r, struct json_object *doc)
{
    bool is_self = strcmp(r->kind->kind, "SelfSubjectAccessReview") == 0;
    bool is_local = r->kind->is_namespaced;
    if (check(r, doc, is_self, is_local) != OPR_OK) {
        return;
    }
    struct opr_user user = r->user;
    if (!is_self) {
        user = (struct opr_user){
            .name = opr_doc_str(doc, "/spec/user", ""),
            .groups = groups_at(r, doc),
        };
    }
    bool is_resource = opr_doc_at(doc, "/spec/resourceAttributes") != NULL;
    struct opr_access access = {
        .verb = opr_doc_str(
            doc, is_resource ? "/spec/resourceAttributes/verb" : "/spec/nonResourceAttributes/verb",
            ""),
        .group = opr_doc_str(doc, "/spec/resourceAttributes/group", ""),
        .plural = is_resource ? opr_doc_str(doc, "/spec/resourceAttributes/resource", "") : NULL,
        .sub = text_or_null(doc, "/spec/resourceAttributes/subresource"),
        .ns = text_or_null(doc, "/spec/resourceAttributes/namespace"),
        .name = text_or_null(doc, "/spec/resourceAttributes/name"),
        .path = opr_doc_str(doc, "/spec/nonResourceAttributes/path", ""),
    };
    const char *reason;
    struct json_object *status = json_object_new_object();
    bool is_allowed = opr_rbac_decide(r->api, r->arena, &user, &access, &reason);
    json_object_object_add(status, "allowed", json_object_new_boolean(is_allowed));
    if (*reason) {
        opr_doc_put_str(status, "/reason", reason);
    }
    json_object_object_add(doc, "status", status);
    json_object_object_add(doc, "metadata", json_object_new_object());
    if (is_local) {
        opr_doc_put_str(doc, "/metadata/namespace", r->ns);
    }
    opr_api_json(r, 201, json_object_get(doc));
}

void opr_review_rules(struct opr_req *r, struct json_object *doc)
{
    const char *ns = opr_doc_str(doc, "/spec/namespace", "");
    struct json_object *status = json_object_new_object();
    if (!*ns) {
        opr_api_fail(r, 400, "BadRequest", "no namespace on request");
        json_object_put(status);
        return;
    }
    opr_rbac_rules(r->api, r->arena, &r->user, ns, status);
    json_object_object_add(doc, "status", status);
    json_object_object_add(doc, "metadata", json_object_new_object());
    json_object_object_add(doc, "spec", json_object_new_object());
    opr_api_json(r, 201, json_object_get(doc));
}
