#include "apiserver/schema/crd_schema.h"

#include "apiserver/schema/crd.h"
#include "core/base/str.h"

/* A structural schema nests as deep as its author likes; this is deeper than any in use. */
#define SCHEMA_MAX_DEPTH 64
#define SCHEMA_MAX_NODES 20000

const char *opr__crd_text(struct opr__crd_builder *b, const char *s)
{
    return s ? opr_arena_dup(b->arena, opr_str_of(s)) : NULL;
}

static void fail(struct opr__crd_builder *b, const char *field, const char *message)
{
    b->failed = true;
    if (b->errors) {
        opr_field_errors_add(b->errors, "FieldValueInvalid", field, message);
    }
}

const char *const *opr__crd_texts(struct opr__crd_builder *b, struct json_object *list)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    if (n == 0) {
        return NULL;
    }
    const char **out = opr_arena_alloc(b->arena, (n + 1) * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        out[i] = opr__crd_text(b, json_object_get_string(json_object_array_get_idx(list, i)));
    }
    return out;
}

static int64_t limit(struct json_object *schema, const char *name)
{
    struct json_object *v = json_object_object_get(schema, name);
    return v ? json_object_get_int64(v) : -1;
}

static void free_pattern(void *pattern)
{
    regfree(pattern);
}

static const struct opr_schema_type *const *build_list(struct opr__crd_builder *b,
                                                       struct json_object *list)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    if (n == 0) {
        return NULL;
    }
    const struct opr_schema_type **out = opr_arena_alloc(b->arena, (n + 1) * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        out[i] = opr__crd_type(b, json_object_array_get_idx(list, i));
    }
    return out;
}

static void build_pattern(struct opr__crd_builder *b, struct json_object *schema,
                          struct opr_schema_rules *r)
{
    const char *pattern = opr_doc_str(schema, "/pattern", NULL);
    if (!pattern || !*pattern) {
        return;
    }
    if (opr__regex_compile(pattern, &r->pattern) != OPR_OK) {
        fail(b, "spec.versions",
             opr_arena_printf(b->arena,
                              "Invalid value: \"%s\": must be a valid regular "
                              "expression",
                              pattern));
        return;
    }
    r->pattern_text = opr__crd_text(b, pattern);
    r->has_pattern = true;
    opr_arena_defer(b->arena, free_pattern, &r->pattern);
}

static struct opr_schema_rules *build_rules(struct opr__crd_builder *b, struct json_object *schema)
{
    struct opr_schema_rules *r = opr_arena_alloc(b->arena, sizeof(*r));
    struct json_object *v;
    r->source = schema;
    if (json_object_object_get_ex(schema, "minimum", &v)) {
        r->has_minimum = true;
        r->minimum = json_object_get_double(v);
    }
    if (json_object_object_get_ex(schema, "maximum", &v)) {
        r->has_maximum = true;
        r->maximum = json_object_get_double(v);
    }
    r->is_minimum_exclusive = opr_doc_bool(schema, "/exclusiveMinimum", false);
    r->is_maximum_exclusive = opr_doc_bool(schema, "/exclusiveMaximum", false);
    r->has_unique_items = opr_doc_bool(schema, "/uniqueItems", false);
    r->multiple_of = json_object_get_double(json_object_object_get(schema, "multipleOf"));
    r->min_length = limit(schema, "minLength");
    r->max_length = limit(schema, "maxLength");
    r->min_items = limit(schema, "minItems");
    r->max_items = limit(schema, "maxItems");
    r->min_properties = limit(schema, "minProperties");
    r->max_properties = limit(schema, "maxProperties");
    r->format = opr__crd_text(b, opr_doc_str(schema, "/format", NULL));
    r->enum_values = json_object_object_get(schema, "enum");
    r->all_of = build_list(b, json_object_object_get(schema, "allOf"));
    r->any_of = build_list(b, json_object_object_get(schema, "anyOf"));
    r->one_of = build_list(b, json_object_object_get(schema, "oneOf"));
    if (json_object_object_get_ex(schema, "not", &v)) {
        r->none_of = opr__crd_type(b, v);
    }
    build_pattern(b, schema, r);
    return r;
}

static bool is_required(struct json_object *schema, const char *name)
{
    struct json_object *required = json_object_object_get(schema, "required");
    size_t n =
        json_object_is_type(required, json_type_array) ? json_object_array_length(required) : 0;
    for (size_t i = 0; i < n; i++) {
        const char *one = json_object_get_string(json_object_array_get_idx(required, i));
        if (one && strcmp(one, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Rows for properties, and for what is required without being one (as in "anyOf"). */
static void build_fields(struct opr__crd_builder *b, struct json_object *schema,
                         struct opr_schema_type *t)
{
    struct json_object *properties = json_object_object_get(schema, "properties");
    struct json_object *required = json_object_object_get(schema, "required");
    bool has_properties = json_object_is_type(properties, json_type_object);
    size_t count = has_properties ? (size_t)json_object_object_length(properties) : 0;
    size_t more =
        json_object_is_type(required, json_type_array) ? json_object_array_length(required) : 0;
    if (count + more == 0 || count + more > UINT16_MAX) {
        return;
    }
    struct opr_type_field *f = opr_arena_alloc(b->arena, (count + more) * sizeof(*f));
    t->fields = f;
    if (has_properties) {
        json_object_object_foreach(properties, name, property)
        {
            struct json_object *dflt = json_object_object_get(property, "default");
            f->name = opr__crd_text(b, name);
            f->type = opr__crd_type(b, property);
            f->default_json = dflt ? opr__crd_text(b, json_object_to_json_string(dflt)) : NULL;
            f->flags = is_required(schema, name) ? OPR_FIELD_REQUIRED : 0;
            f++;
        }
    }
    for (size_t i = 0; i < more; i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(required, i));
        if (name && !(has_properties && json_object_object_get_ex(properties, name, NULL))) {
            f->name = opr__crd_text(b, name);
            f->type = NULL; /* required only: says nothing of the value */
            f->flags = OPR_FIELD_REQUIRED;
            f++;
        }
    }
    t->field_count = (uint16_t)(f - t->fields);
}

static void build_object(struct opr__crd_builder *b, struct json_object *schema,
                         struct opr_schema_type *t)
{
    struct json_object *more = json_object_object_get(schema, "additionalProperties");
    build_fields(b, schema, t);
    if (json_object_is_type(more, json_type_object)) {
        t->elem = opr__crd_type(b, more);
    } else if (more && json_object_get_boolean(more)) {
        t->flags |= OPR_SCHEMA_PRESERVE_UNKNOWN;
    }
    if (strcmp(opr_doc_str(schema, "/x-kubernetes-map-type", ""), "atomic") == 0) {
        t->flags |= OPR_SCHEMA_MAP_ATOMIC;
    }
}

static void build_array(struct opr__crd_builder *b, struct json_object *schema,
                        struct opr_schema_type *t)
{
    const char *kind = opr_doc_str(schema, "/x-kubernetes-list-type", "");
    struct json_object *items = json_object_object_get(schema, "items");
    t->elem = opr__crd_type(b, items);
    t->list_type = strcmp(kind, "map") == 0      ? OPR_LIST_MAP
                   : strcmp(kind, "set") == 0    ? OPR_LIST_SET
                   : strcmp(kind, "atomic") == 0 ? OPR_LIST_ATOMIC
                                                 : OPR_LIST_DEFAULT;
    t->keys = opr__crd_texts(b, json_object_object_get(schema, "x-kubernetes-list-map-keys"));
}

static uint8_t node_of(struct json_object *schema)
{
    static const struct {
        const char *type;
        uint8_t node;
    } nodes[] = {{"object", OPR_NODE_OBJECT}, {"array", OPR_NODE_LIST},
                 {"string", OPR_NODE_STRING}, {"integer", OPR_NODE_INT64},
                 {"number", OPR_NODE_DOUBLE}, {"boolean", OPR_NODE_BOOL}};
    const char *type = opr_doc_str(schema, "/type", "");
    if (opr_doc_bool(schema, "/x-kubernetes-int-or-string", false)) {
        return OPR_NODE_INTORSTR;
    }
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        if (strcmp(type, nodes[i].type) == 0) {
            return nodes[i].node;
        }
    }
    return OPR_NODE_ANY;
}

struct opr_schema_type *opr__crd_type(struct opr__crd_builder *b, struct json_object *schema)
{
    struct opr_schema_type *t = opr_arena_alloc(b->arena, sizeof(*t));
    t->flags = OPR_SCHEMA_CUSTOM;
    t->node = OPR_NODE_ANY;
    t->go_name = "";
    if (!json_object_is_type(schema, json_type_object)) {
        return t;
    }
    if (b->depth >= SCHEMA_MAX_DEPTH || b->nodes >= SCHEMA_MAX_NODES) {
        fail(b, "spec.versions", "Too long: the schema is too large");
        return t;
    }
    b->depth++;
    b->nodes++;
    t->node = node_of(schema);
    t->go_name = opr__crd_text(b, opr_doc_str(schema, "/type", ""));
    if (opr_doc_bool(schema, "/x-kubernetes-preserve-unknown-fields", false)) {
        t->flags |= OPR_SCHEMA_PRESERVE_UNKNOWN;
    }
    if (opr_doc_bool(schema, "/x-kubernetes-embedded-resource", false)) {
        t->flags |= OPR_SCHEMA_EMBEDDED;
    }
    if (opr_doc_bool(schema, "/nullable", false)) {
        t->flags |= OPR_SCHEMA_NULLABLE;
    }
    if (t->node == OPR_NODE_OBJECT || t->node == OPR_NODE_ANY) {
        build_object(b, schema, t);
    } else if (t->node == OPR_NODE_LIST) {
        build_array(b, schema, t);
    }
    t->rules = build_rules(b, schema);
    b->depth--;
    return t;
}
