#include "apiserver/schema/openapi.h"

#include "core/base/str.h"

#include <stdio.h>

/* Types with a wire form of their own have schemas that their tables do not hold. */
struct special {
    uint8_t node;
    const char *name, *v3, *v2;
};
#define META "io.k8s.apimachinery.pkg.apis.meta.v1."
#define EXTENSIONS "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
static const struct special SPECIALS[] = {
    {OPR_NODE_TIME, META "Time", "{\"type\":\"string\",\"format\":\"date-time\"}", NULL},
    {OPR_NODE_MICROTIME, META "MicroTime", "{\"type\":\"string\",\"format\":\"date-time\"}", NULL},
    {OPR_NODE_QUANTITY, "io.k8s.apimachinery.pkg.api.resource.Quantity",
     "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"number\"}]}", "{\"type\":\"string\"}"},
    {OPR_NODE_INTORSTR, "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
     "{\"format\":\"int-or-string\",\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}",
     "{\"type\":\"string\",\"format\":\"int-or-string\"}"},
    {OPR_NODE_FIELDSV1, META "FieldsV1", "{\"type\":\"object\"}", NULL},
    {OPR_NODE_RAW, "io.k8s.apimachinery.pkg.runtime.RawExtension", "{\"type\":\"object\"}", NULL},
    {OPR_NODE_PROPS_OR_BOOL, EXTENSIONS "JSONSchemaPropsOrBool", "{}", NULL},
    {OPR_NODE_PROPS_OR_ARRAY, EXTENSIONS "JSONSchemaPropsOrArray", "{}", NULL},
    {OPR_NODE_PROPS_OR_STRINGS, EXTENSIONS "JSONSchemaPropsOrStringArray", "{}", NULL},
};
/* A value of the node RAW too, that may be anything. */
static const struct special ANY_JSON = {OPR_NODE_RAW, EXTENSIONS "JSON", "{}", NULL};

static struct json_object *text(const char *s)
{
    return json_object_new_string(s);
}

static struct json_object *schema_of(struct opr__openapi *d, const struct opr_schema_type *t);

struct json_object *opr__openapi_ref_name(const struct opr__openapi *d, const char *name)
{
    char ref[OPR__OPENAPI_NAME_MAX + 32];
    struct json_object *o = json_object_new_object();
    snprintf(ref, sizeof(ref), "#/%s/%s", d->is_v2 ? "definitions" : "components/schemas", name);
    json_object_object_add(o, "$ref", text(ref));
    return o;
}

static void add_list_type(struct json_object *o, const struct opr_schema_type *t)
{
    static const char *const names[] = {NULL, "atomic", "set", "map"};
    if (!names[t->list_type]) {
        return;
    }
    json_object_object_add(o, "x-kubernetes-list-type", text(names[t->list_type]));
    if (t->keys) {
        struct json_object *keys = json_object_new_array();
        for (size_t i = 0; t->keys[i]; i++) {
            json_object_array_add(keys, text(t->keys[i]));
        }
        json_object_object_add(o, "x-kubernetes-list-map-keys", keys);
    }
}

static const struct special *special_of(const struct opr_schema_type *t)
{
    if (t->node == OPR_NODE_RAW && strcmp(t->go_name, "v1.JSON") == 0) {
        return &ANY_JSON;
    }
    for (size_t i = 0; i < sizeof(SPECIALS) / sizeof(SPECIALS[0]); i++) {
        if (SPECIALS[i].node == t->node) {
            return &SPECIALS[i];
        }
    }
    return NULL;
}

static struct json_object *special_ref(struct opr__openapi *d, const struct opr_schema_type *t)
{
    const struct special *s = special_of(t);
    if (!s) {
        return json_object_new_object(); /* anything */
    }
    if (!json_object_object_get_ex(d->schemas, s->name, NULL)) {
        const char *source = d->is_v2 && s->v2 ? s->v2 : s->v3;
        json_object_object_add(d->schemas, s->name, json_tokener_parse(source));
    }
    return opr__openapi_ref_name(d, s->name);
}

static struct json_object *scalar(const char *type, const char *format)
{
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "type", text(type));
    if (format) {
        json_object_object_add(o, "format", text(format));
    }
    return o;
}

static struct json_object *container(struct opr__openapi *d, const struct opr_schema_type *t)
{
    bool is_map = t->node == OPR_NODE_MAP;
    struct json_object *o = scalar(is_map ? "object" : "array", NULL);
    json_object_object_add(o, is_map ? "additionalProperties" : "items", schema_of(d, t->elem));
    add_list_type(o, t);
    if (is_map && (t->flags & OPR_SCHEMA_MAP_ATOMIC)) {
        json_object_object_add(o, "x-kubernetes-map-type", text("atomic"));
    }
    return o;
}

static struct json_object *string_schema(const struct opr_schema_type *t)
{
    struct json_object *o = scalar("string", NULL);
    if (t->enums) {
        struct json_object *values = json_object_new_array();
        for (size_t i = 0; t->enums[i]; i++) {
            json_object_array_add(values, text(t->enums[i]));
        }
        json_object_object_add(o, "enum", values);
    }
    return o;
}

/* Owned. */
static struct json_object *schema_of(struct opr__openapi *d, const struct opr_schema_type *t)
{
    switch ((enum opr_node)t->node) {
    case OPR_NODE_BOOL:
        return scalar("boolean", NULL);
    case OPR_NODE_INT32:
        return scalar("integer", "int32");
    case OPR_NODE_INT64:
        return scalar("integer", "int64");
    case OPR_NODE_DOUBLE:
        return scalar("number", "double");
    case OPR_NODE_STRING:
        return string_schema(t);
    case OPR_NODE_BYTES:
        return scalar("string", "byte");
    case OPR_NODE_OBJECT:
        return opr__openapi_ref(d, t);
    case OPR_NODE_LIST:
    case OPR_NODE_WRAPPED:
    case OPR_NODE_MAP:
        return container(d, t);
    default:
        return special_ref(d, t);
    }
}

static void add_patch_strategy(struct json_object *o, const struct opr_type_field *f)
{
    bool merges = f->flags & OPR_FIELD_PATCH_MERGE,
         retains = f->flags & OPR_FIELD_PATCH_RETAIN_KEYS;
    const char *strategy = merges && retains                    ? "merge,retainKeys"
                           : merges                             ? "merge"
                           : retains                            ? "retainKeys"
                           : f->flags & OPR_FIELD_PATCH_REPLACE ? "replace"
                                                                : NULL;
    if (strategy) {
        json_object_object_add(o, "x-kubernetes-patch-strategy", text(strategy));
    }
    if (f->merge_key) {
        json_object_object_add(o, "x-kubernetes-patch-merge-key", text(f->merge_key));
    }
}

/* A schema that may get more members: in v3 nothing may stand beside a $ref. Takes schema over. */
static struct json_object *beside_ref(const struct opr__openapi *d, struct json_object *schema)
{
    if (d->is_v2 || !json_object_object_get_ex(schema, "$ref", NULL)) {
        return schema;
    }
    struct json_object *all = json_object_new_array(), *outer = json_object_new_object();
    json_object_array_add(all, schema);
    json_object_object_add(outer, "allOf", all);
    return outer;
}

static struct json_object *property(struct opr__openapi *d, const struct opr_type_field *f)
{
    struct json_object *schema = schema_of(d, f->type);
    if (f->default_json || f->merge_key ||
        (f->flags &
         (OPR_FIELD_PATCH_MERGE | OPR_FIELD_PATCH_RETAIN_KEYS | OPR_FIELD_PATCH_REPLACE))) {
        schema = beside_ref(d, schema);
    }
    add_patch_strategy(schema, f);
    if (f->default_json) {
        json_object_object_add(schema, "default", json_tokener_parse(f->default_json));
    }
    return schema;
}

static void add_fields(struct opr__openapi *d, const struct opr_schema_type *t,
                       struct json_object *schema)
{
    struct json_object *properties = json_object_new_object(), *required = json_object_new_array();
    for (uint16_t i = 0; i < t->field_count; i++) {
        const struct opr_type_field *f = &t->fields[i];
        if (!f->name) {
            continue;
        }
        json_object_object_add(properties, f->name, property(d, f));
        if (f->flags & OPR_FIELD_REQUIRED) {
            json_object_array_add(required, text(f->name));
        }
    }
    if (t->field_count) {
        json_object_object_add(schema, "properties", properties);
    } else {
        json_object_put(properties);
    }
    if (json_object_array_length(required)) {
        json_object_object_add(schema, "required", required);
    } else {
        json_object_put(required);
    }
}

struct json_object *opr__openapi_ref(struct opr__openapi *d, const struct opr_schema_type *t)
{
    if (!json_object_object_get_ex(d->schemas, t->name, NULL)) {
        struct json_object *schema = scalar("object", NULL);
        json_object_object_add(d->schemas, t->name, schema); /* first: types refer to themselves */
        add_fields(d, t, schema);
        if (t->flags & OPR_SCHEMA_MAP_ATOMIC) {
            json_object_object_add(schema, "x-kubernetes-map-type", text("atomic"));
        }
    }
    return opr__openapi_ref_name(d, t->name);
}

/* "example.com" "v1" "Foo" as com.example.v1.Foo. */
static void custom_name(const struct opr_kind *k, bool is_list, char *out)
{
    struct opr_buf b = {0};
    struct opr_str rest = opr_str_of(k->group);
    while (rest.len) {
        size_t from = rest.len;
        while (from > 0 && rest.ptr[from - 1] != '.') {
            from--;
        }
        opr_buf_add(&b, rest.ptr + from, rest.len - from);
        opr_buf_add_char(&b, '.');
        rest.len = from ? from - 1 : 0;
    }
    snprintf(out, OPR__OPENAPI_NAME_MAX, "%s%s.%s", b.data ? b.data : "", k->version,
             is_list ? k->list_kind : k->kind);
    opr_buf_fini(&b);
}

void opr__openapi_name(const struct opr_kind *k, bool is_list, char ret_name[OPR__OPENAPI_NAME_MAX])
{
    if (k->is_custom) {
        custom_name(k, is_list, ret_name);
    } else {
        snprintf(ret_name, OPR__OPENAPI_NAME_MAX, "%s%s", k->type->name, is_list ? "List" : "");
    }
}

struct json_object *opr__openapi_gvk(const struct opr_kind *k, bool is_list)
{
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "group", text(k->group));
    json_object_object_add(o, "kind", text(is_list ? k->list_kind : k->kind));
    json_object_object_add(o, "version", text(k->version));
    return o;
}

static void add_gvk(struct json_object *schema, const struct opr_kind *k, bool is_list)
{
    struct json_object *all = json_object_object_get(schema, "x-kubernetes-group-version-kind");
    if (!all) {
        all = json_object_new_array();
        json_object_object_add(schema, "x-kubernetes-group-version-kind", all);
    }
    json_object_array_add(all, opr__openapi_gvk(k, is_list));
}

/* What every object has, in the words that "kubectl explain" shows. */
static void describe_members(const struct opr__openapi *d, struct json_object *properties)
{
    static const char *const members[][2] = {
        {"apiVersion", "APIVersion defines which version of the schema the object is written in: "
                       "GROUP/VERSION, or v1 for the core group."},
        {"kind", "Kind is the name of the object's type, in CamelCase. It cannot be changed."},
        {"metadata", "Metadata is what all objects have: name, labels, owners and the like."},
    };
    struct json_object *member;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (json_object_object_get_ex(properties, members[i][0], &member)) {
            member = beside_ref(d, json_object_get(member));
            json_object_object_add(member, "description", text(members[i][1]));
            json_object_object_add(properties, members[i][0], member);
        }
    }
}

static struct json_object *list_schema(struct opr__openapi *d, const struct opr_kind *k,
                                       const char *item)
{
    struct json_object *schema = scalar("object", NULL), *properties = json_object_new_object();
    struct json_object *items = scalar("array", NULL), *required = json_object_new_array();
    char description[OPR__OPENAPI_NAME_MAX];
    snprintf(description, sizeof(description), "%s is a list of %s", k->list_kind, k->kind);
    json_object_object_add(schema, "description", text(description));
    json_object_object_add(items, "items", opr__openapi_ref_name(d, item));
    json_object_object_add(properties, "apiVersion", scalar("string", NULL));
    json_object_object_add(properties, "items", items);
    json_object_object_add(properties, "kind", scalar("string", NULL));
    json_object_object_add(properties, "metadata", opr__openapi_ref(d, opr__type_list_meta));
    json_object_array_add(required, text("items"));
    json_object_object_add(schema, "properties", properties);
    json_object_object_add(schema, "required", required);
    return schema;
}

void opr__openapi_add_kind(struct opr__openapi *d, const struct opr_kind *k)
{
    char name[OPR__OPENAPI_NAME_MAX], list[OPR__OPENAPI_NAME_MAX];
    opr__openapi_name(k, false, name);
    opr__openapi_name(k, true, list);
    if (k->is_custom) {
        json_object_object_add(d->schemas, name, opr__openapi_custom(d, k));
    } else {
        json_object_put(opr__openapi_ref(d, k->type));
    }
    struct json_object *schema = json_object_object_get(d->schemas, name);
    describe_members(d, json_object_object_get(schema, "properties"));
    add_gvk(schema, k, false);
    if (!k->is_virtual) {
        schema = list_schema(d, k, name);
        describe_members(d, json_object_object_get(schema, "properties"));
        json_object_object_add(d->schemas, list, schema);
        add_gvk(schema, k, true);
    }
}

static struct json_object *document(struct opr__openapi *d, const struct opr_kind *const *kinds,
                                    size_t count)
{
    struct json_object *doc = json_object_new_object(), *info = json_object_new_object();
    struct json_object *paths = json_object_new_object();
    d->schemas = json_object_new_object();
    json_object_object_add(doc, d->is_v2 ? "swagger" : "openapi", text(d->is_v2 ? "2.0" : "3.0.0"));
    json_object_object_add(info, "title", text("Kubernetes"));
    json_object_object_add(info, "version", text("v1.36.3"));
    json_object_object_add(doc, "info", info);
    for (size_t i = 0; i < count; i++) {
        opr__openapi_add_kind(d, kinds[i]);
    }
    for (size_t i = 0; i < count; i++) {
        opr__openapi_add_paths(d, paths, kinds[i]);
    }
    json_object_object_add(doc, "paths", paths);
    return doc;
}

struct json_object *opr_schema_openapi_v3(const struct opr_kind *const *kinds, size_t count)
{
    struct opr__openapi d = {.is_v2 = false};
    struct json_object *doc = document(&d, kinds, count), *components = json_object_new_object();
    json_object_object_add(components, "schemas", d.schemas);
    json_object_object_add(doc, "components", components);
    return doc;
}

struct json_object *opr_schema_openapi_v2(const struct opr_kind *const *kinds, size_t count)
{
    struct opr__openapi d = {.is_v2 = true};
    struct json_object *doc = document(&d, kinds, count);
    json_object_object_add(doc, "definitions", d.schemas);
    return doc;
}
