/* OpenAPI schemas of custom kinds, from the schemas that their CRDs hold. Which members Kubernetes
 * publishes was read off its documents for CRDs that use each of them. */
#include "apiserver/schema/openapi.h"

#include "core/base/str.h"

#define PRESERVE "x-kubernetes-preserve-unknown-fields"
#define EMBEDDED "x-kubernetes-embedded-resource"

static bool has_flag(struct json_object *schema, const char *name)
{
    return json_object_get_boolean(json_object_object_get(schema, name));
}

static void drop(struct json_object *schema, const char *const *names)
{
    for (; *names; names++) {
        json_object_object_del(schema, *names);
    }
}

static void add_type(struct json_object *list_or_object, const char *name, const char *type)
{
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "type", json_object_new_string(type));
    if (name) {
        json_object_object_add(list_or_object, name, o);
    } else {
        json_object_array_add(list_or_object, o);
    }
}

/* The members of a whole object, at the root or in an embedded one. */
static void add_members(struct opr__openapi *d, struct json_object *schema)
{
    struct json_object *properties = json_object_object_get(schema, "properties");
    if (!properties) {
        properties = json_object_new_object();
        json_object_object_add(schema, "properties", properties);
    }
    add_type(properties, "apiVersion", "string");
    add_type(properties, "kind", "string");
    json_object_object_add(properties, "metadata", opr__openapi_ref(d, opr__type_object_meta));
}

static void add_embedded(struct opr__openapi *d, struct json_object *schema)
{
    struct json_object *required = json_object_object_get(schema, "required");
    if (!required) {
        required = json_object_new_array();
        json_object_object_add(schema, "required", required);
    }
    json_object_array_add(required, json_object_new_string("kind"));
    json_object_array_add(required, json_object_new_string("apiVersion"));
    add_members(d, schema);
}

/* A client of version 2 would refuse null for a required member. */
static void drop_nullable_required(struct json_object *schema)
{
    struct json_object *required = json_object_object_get(schema, "required");
    struct json_object *properties = json_object_object_get(schema, "properties");
    for (size_t i = required ? json_object_array_length(required) : 0; i > 0; i--) {
        const char *name = json_object_get_string(json_object_array_get_idx(required, i - 1));
        if (has_flag(json_object_object_get(properties, name), "nullable")) {
            json_object_array_del_idx(required, i - 1, 1);
        }
    }
    if (required && json_object_array_length(required) == 0) {
        json_object_object_del(schema, "required");
    }
}

/* What version 2 can not say is left out; below, nothing is known then. */
static void lower(struct json_object *schema)
{
    static const char *const never[] = {"default", "allOf", "anyOf", "oneOf", "not", NULL};
    static const char *const below[] = {"type", "items", "properties", "additionalProperties",
                                        NULL};
    static const char *const nullable[] = {"nullable", NULL};
    drop(schema, never);
    drop_nullable_required(schema);
    if (has_flag(schema, PRESERVE) || has_flag(schema, "nullable")) {
        drop(schema, below);
        drop(schema, nullable);
    }
}

static void publish(struct opr__openapi *d, struct json_object *schema)
{
    if (!json_object_is_type(schema, json_type_object)) {
        return; /* additionalProperties: true */
    }
    if (d->is_v2) {
        lower(schema);
    } else if (has_flag(schema, "x-kubernetes-int-or-string") &&
               !json_object_object_get(schema, "anyOf")) {
        struct json_object *either = json_object_new_array();
        add_type(either, NULL, "integer");
        add_type(either, NULL, "string");
        json_object_object_add(schema, "anyOf", either);
    }
    struct json_object *properties = json_object_object_get(schema, "properties");
    if (properties) {
        json_object_object_foreach(properties, name, property)
        {
            (void)name;
            publish(d, property);
        }
    }
    publish(d, json_object_object_get(schema, "items"));
    publish(d, json_object_object_get(schema, "additionalProperties"));
    if (has_flag(schema, EMBEDDED) && !(d->is_v2 && has_flag(schema, PRESERVE))) {
        add_embedded(d, schema);
    }
}

struct json_object *opr__openapi_custom(struct opr__openapi *d, const struct opr_kind *k)
{
    static const char *const preserve[] = {PRESERVE, NULL};
    const struct opr_schema_rules *r = k->type->rules;
    struct json_object *schema = r ? opr_doc_dup(r->source) : json_object_new_object();
    bool is_open = has_flag(schema, PRESERVE);
    publish(d, schema);
    if (d->is_v2 && is_open) {
        drop(schema, preserve);
    } else {
        add_members(d, schema);
    }
    json_object_object_add(schema, "type", json_object_new_string("object"));
    return schema;
}
