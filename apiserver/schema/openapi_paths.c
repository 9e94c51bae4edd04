#include "apiserver/schema/openapi.h"

#include "core/base/str.h"

#include <ctype.h>
#include <stdio.h>

/* What one operation is, in HTTP and in Kubernetes. */
struct operation {
    const char *method, *action, *verb; /* "post", "post", "create" */
    bool has_body, is_list;
    const char *const *parameters; /* query parameters; end with NULL */
};

static const char *const LIST_PARAMETERS[] = {"allowWatchBookmarks",
                                              "continue",
                                              "fieldSelector",
                                              "labelSelector",
                                              "limit",
                                              "resourceVersion",
                                              "resourceVersionMatch",
                                              "sendInitialEvents",
                                              "timeoutSeconds",
                                              "watch",
                                              NULL};
static const char *const GET_PARAMETERS[] = {"pretty", NULL};
static const char *const WRITE_PARAMETERS[] = {"dryRun", "fieldManager", "fieldValidation",
                                               "pretty", NULL};
static const char *const PATCH_PARAMETERS[] = {"dryRun", "fieldManager", "fieldValidation",
                                               "force",  "pretty",       NULL};
static const char *const DELETE_PARAMETERS[] = {"dryRun", "gracePeriodSeconds", "orphanDependents",
                                                "propagationPolicy", NULL};

static const struct operation LIST = {"get", "list", "list", false, true, LIST_PARAMETERS};
static const struct operation CREATE = {"post", "post", "create", true, false, WRITE_PARAMETERS};
static const struct operation DELETE_MANY = {
    "delete", "deletecollection", "deleteCollection", false, false, LIST_PARAMETERS};
static const struct operation READ = {"get", "get", "read", false, false, GET_PARAMETERS};
static const struct operation REPLACE = {"put", "put", "replace", true, false, WRITE_PARAMETERS};
static const struct operation PATCH = {"patch", "patch", "patch", true, false, PATCH_PARAMETERS};
static const struct operation DELETE_ONE = {"delete", "delete", "delete",
                                            true,     false,    DELETE_PARAMETERS};

static struct json_object *text(const char *s)
{
    return json_object_new_string(s);
}

static struct json_object *parameter(const struct opr__openapi *d, const char *name, const char *in)
{
    static const char *const booleans[] = {"allowWatchBookmarks", "force", "orphanDependents",
                                           "sendInitialEvents",   "watch", NULL};
    static const char *const integers[] = {"gracePeriodSeconds", "limit", "timeoutSeconds", NULL};
    const char *type = "string";
    for (size_t i = 0; booleans[i]; i++) {
        type = strcmp(name, booleans[i]) == 0 ? "boolean" : type;
    }
    for (size_t i = 0; integers[i]; i++) {
        type = strcmp(name, integers[i]) == 0 ? "integer" : type;
    }
    struct json_object *p = json_object_new_object();
    json_object_object_add(p, "name", text(name));
    json_object_object_add(p, "in", text(in));
    if (strcmp(in, "path") == 0) {
        json_object_object_add(p, "required", json_object_new_boolean(1));
    }
    if (d->is_v2) {
        json_object_object_add(p, "type", text(type));
        json_object_object_add(p, "uniqueItems", json_object_new_boolean(1));
    } else {
        struct json_object *schema = json_object_new_object();
        json_object_object_add(schema, "type", text(type));
        json_object_object_add(schema, "uniqueItems", json_object_new_boolean(1));
        json_object_object_add(p, "schema", schema);
    }
    return p;
}

/* {"application/json":{"schema":...}} for each media type. Takes schema. */
static struct json_object *content(const char *const *types, struct json_object *schema)
{
    struct json_object *all = json_object_new_object();
    for (; *types; types++) {
        struct json_object *one = json_object_new_object();
        json_object_object_add(one, "schema", json_object_get(schema));
        json_object_object_add(all, *types, one);
    }
    json_object_put(schema);
    return all;
}

static struct json_object *texts(const char *const *list)
{
    struct json_object *out = json_object_new_array();
    for (; *list; list++) {
        json_object_array_add(out, text(*list));
    }
    return out;
}

static const char *const BODY_TYPES[] = {"application/json", "application/yaml",
                                         "application/vnd.kubernetes.protobuf", NULL};
static const char *const PATCH_TYPES[] = {
    "application/json-patch+json", "application/merge-patch+json",
    "application/strategic-merge-patch+json", "application/apply-patch+yaml", NULL};
static const char *const CUSTOM_PATCH_TYPES[] = {"application/json-patch+json",
                                                 "application/merge-patch+json",
                                                 "application/apply-patch+yaml", NULL};

static void add_body(struct opr__openapi *d, struct json_object *op, const struct operation *o,
                     const struct opr_kind *k, const char *schema_name)
{
    bool is_patch = o == &PATCH;
    const char *const *types = !is_patch      ? BODY_TYPES
                               : k->is_custom ? CUSTOM_PATCH_TYPES
                                              : PATCH_TYPES;
    struct json_object *schema = NULL;
    if (is_patch) {
        schema = json_object_new_object();
        json_object_object_add(schema, "type", text("object"));
    } else if (o == &DELETE_ONE) {
        const struct opr_kind *options =
            opr_kind_find_kind(OPR_STR("meta.k8s.io"), OPR_STR("v1"), OPR_STR("DeleteOptions"));
        schema = opr__openapi_ref(d, options->type);
    } else {
        schema = opr__openapi_ref_name(d, schema_name);
    }
    if (d->is_v2) {
        struct json_object *p = json_object_new_object();
        json_object_object_add(p, "name", text("body"));
        json_object_object_add(p, "in", text("body"));
        json_object_object_add(p, "required", json_object_new_boolean(o != &DELETE_ONE));
        json_object_object_add(p, "schema", schema);
        json_object_array_add(json_object_object_get(op, "parameters"), p);
        json_object_object_add(op, "consumes", texts(types));
        return;
    }
    struct json_object *body = json_object_new_object();
    json_object_object_add(body, "content", content(types, schema));
    json_object_object_add(op, "requestBody", body);
}

static void add_answers(struct opr__openapi *d, struct json_object *op, const char *schema_name)
{
    struct json_object *answers = json_object_new_object(), *ok = json_object_new_object();
    json_object_object_add(ok, "description", text("OK"));
    if (d->is_v2) {
        json_object_object_add(ok, "schema", opr__openapi_ref_name(d, schema_name));
        json_object_object_add(op, "produces", texts(BODY_TYPES));
    } else {
        json_object_object_add(ok, "content",
                               content(BODY_TYPES, opr__openapi_ref_name(d, schema_name)));
    }
    json_object_object_add(answers, "200", ok);
    json_object_object_add(op, "responses", answers);
}

/* "apps" "v1" as AppsV1, "" as CoreV1. */
static void add_group_words(struct opr_buf *b, const struct opr_kind *k)
{
    struct opr_str group = opr_str_of(*k->group ? k->group : "core"), word;
    (void)opr_str_next(&group, '.', &word); /* the first part names the group well enough */
    const struct opr_str words[] = {word, opr_str_of(k->version)};
    for (size_t i = 0; i < 2; i++) {
        opr_buf_add_char(b, (char)toupper((unsigned char)words[i].ptr[0]));
        opr_buf_add(b, words[i].ptr + 1, words[i].len - 1);
    }
}

static void add_operation(struct opr__openapi *d, struct json_object *item,
                          const struct operation *o, const struct opr_kind *k, const char *sub)
{
    char name[OPR__OPENAPI_NAME_MAX];
    struct json_object *op = json_object_new_object(), *parameters = json_object_new_array();
    struct opr_buf id = {0};
    opr__openapi_name(k, o->is_list, name);
    opr_buf_add_text(&id, o->verb);
    add_group_words(&id, k);
    opr_buf_printf(&id, "%s%s%s", k->is_namespaced ? "Namespaced" : "", k->kind, sub);
    for (size_t i = 0; o->parameters[i]; i++) {
        json_object_array_add(parameters, parameter(d, o->parameters[i], "query"));
    }
    json_object_object_add(op, "operationId", text(id.data));
    json_object_object_add(op, "parameters", parameters);
    if (o->has_body) {
        add_body(d, op, o, k, name);
    }
    add_answers(d, op, name);
    json_object_object_add(op, "x-kubernetes-action", text(o->action));
    json_object_object_add(op, "x-kubernetes-group-version-kind", opr__openapi_gvk(k, false));
    json_object_object_add(item, o->method, op);
    opr_buf_fini(&id);
}

static struct json_object *path_item(struct opr__openapi *d, struct json_object *paths,
                                     const char *path)
{
    struct json_object *item = json_object_new_object(), *parameters = json_object_new_array();
    if (strstr(path, "{name}")) {
        json_object_array_add(parameters, parameter(d, "name", "path"));
    }
    if (strstr(path, "{namespace}")) {
        json_object_array_add(parameters, parameter(d, "namespace", "path"));
    }
    if (json_object_array_length(parameters)) {
        json_object_object_add(item, "parameters", parameters);
    } else {
        json_object_put(parameters);
    }
    json_object_object_add(paths, path, item);
    return item;
}

static void add_virtual(struct opr__openapi *d, struct json_object *paths, const struct opr_kind *k,
                        const char *base)
{
    /* These live below other kinds: pods/x/eviction, serviceaccounts/x/token, x/scale. */
    static const char *const nested[] = {"evictions",     "tokenrequests", "scales",
                                         "deleteoptions", "statuses",      NULL};
    for (size_t i = 0; nested[i]; i++) {
        if (strcmp(k->plural, nested[i]) == 0) {
            return;
        }
    }
    add_operation(d, path_item(d, paths, base), &CREATE, k, "");
}

static void add_item(struct opr__openapi *d, struct json_object *paths, const struct opr_kind *k,
                     const char *path, const char *sub)
{
    struct json_object *item = path_item(d, paths, path);
    add_operation(d, item, &READ, k, sub);
    add_operation(d, item, &REPLACE, k, sub);
    add_operation(d, item, &PATCH, k, sub);
    if (!*sub) {
        add_operation(d, item, &DELETE_ONE, k, sub);
    }
}

void opr__openapi_add_paths(struct opr__openapi *d, struct json_object *paths,
                            const struct opr_kind *k)
{
    char root[512], base[768], path[1024];
    snprintf(root, sizeof(root), "%s%s/%s", *k->group ? "/apis/" : "/api", k->group, k->version);
    snprintf(base, sizeof(base), "%s/%s%s", root, k->is_namespaced ? "namespaces/{namespace}/" : "",
             k->plural);
    if (k->is_virtual) {
        add_virtual(d, paths, k, base);
        return;
    }
    if (k->is_namespaced) {
        snprintf(path, sizeof(path), "%s/%s", root, k->plural);
        add_operation(d, path_item(d, paths, path), &LIST, k, "ForAllNamespaces");
    }
    struct json_object *collection = path_item(d, paths, base);
    add_operation(d, collection, &LIST, k, "");
    add_operation(d, collection, &CREATE, k, "");
    add_operation(d, collection, &DELETE_MANY, k, "");
    snprintf(path, sizeof(path), "%s/{name}", base);
    add_item(d, paths, k, path, "");
    if (k->subresources & OPR_SUB_STATUS) {
        snprintf(path, sizeof(path), "%s/{name}/status", base);
        add_item(d, paths, k, path, "Status");
    }
}
