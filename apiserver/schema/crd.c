#include "apiserver/schema/crd.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdatomic.h>
#include <stddef.h>

/* A structural schema nests as deep as its author likes; this is deeper than any in use. */
#define SCHEMA_MAX_DEPTH 64
#define SCHEMA_MAX_NODES 20000

struct custom_kind {
    struct opr_kind kind; /* first: a struct opr_kind * is one of these */
    struct opr__kind_info info;
    atomic_int refs;
    struct opr_arena *arena; /* owned: the tables */
    struct json_object *crd; /* ref */
};

struct builder {
    struct opr_arena *arena;
    struct opr_field_errors *errors;
    int depth, nodes;
    bool failed;
};

static struct custom_kind *custom_of(const struct opr_kind *k)
{
    OPR_CHECK(k->is_custom);
    return (struct custom_kind *)k;
}

const struct opr__kind_info *opr__custom_info(const struct opr_kind *k)
{
    return &custom_of(k)->info;
}

static struct opr_schema_type *build_type(struct builder *b, struct json_object *schema);

static const char *text(struct builder *b, const char *s)
{
    return s ? opr_arena_dup(b->arena, opr_str_of(s)) : NULL;
}

static void fail(struct builder *b, const char *field, const char *message)
{
    b->failed = true;
    if (b->errors) {
        opr_field_errors_add(b->errors, "FieldValueInvalid", field, message);
    }
}

/* An array of strings that ends with NULL. */
static const char *const *texts(struct builder *b, struct json_object *list)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    if (n == 0) {
        return NULL;
    }
    const char **out = opr_arena_alloc(b->arena, (n + 1) * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        out[i] = text(b, json_object_get_string(json_object_array_get_idx(list, i)));
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

static const struct opr_schema_type *const *build_list(struct builder *b, struct json_object *list)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    if (n == 0) {
        return NULL;
    }
    const struct opr_schema_type **out = opr_arena_alloc(b->arena, (n + 1) * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        out[i] = build_type(b, json_object_array_get_idx(list, i));
    }
    return out;
}

static void build_pattern(struct builder *b, struct json_object *schema, struct opr_schema_rules *r)
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
    r->pattern_text = text(b, pattern);
    r->has_pattern = true;
    opr_arena_defer(b->arena, free_pattern, &r->pattern);
}

static struct opr_schema_rules *build_rules(struct builder *b, struct json_object *schema)
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
    r->format = text(b, opr_doc_str(schema, "/format", NULL));
    r->enum_values = json_object_object_get(schema, "enum");
    r->all_of = build_list(b, json_object_object_get(schema, "allOf"));
    r->any_of = build_list(b, json_object_object_get(schema, "anyOf"));
    r->one_of = build_list(b, json_object_object_get(schema, "oneOf"));
    if (json_object_object_get_ex(schema, "not", &v)) {
        r->none_of = build_type(b, v);
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
static void build_fields(struct builder *b, struct json_object *schema, struct opr_schema_type *t)
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
            f->name = text(b, name);
            f->type = build_type(b, property);
            f->default_json = dflt ? text(b, json_object_to_json_string(dflt)) : NULL;
            f->flags = is_required(schema, name) ? OPR_FIELD_REQUIRED : 0;
            f++;
        }
    }
    for (size_t i = 0; i < more; i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(required, i));
        if (name && !(has_properties && json_object_object_get_ex(properties, name, NULL))) {
            f->name = text(b, name);
            f->type = NULL; /* required only: says nothing of the value */
            f->flags = OPR_FIELD_REQUIRED;
            f++;
        }
    }
    t->field_count = (uint16_t)(f - t->fields);
}

static void build_object(struct builder *b, struct json_object *schema, struct opr_schema_type *t)
{
    struct json_object *more = json_object_object_get(schema, "additionalProperties");
    build_fields(b, schema, t);
    if (json_object_is_type(more, json_type_object)) {
        t->elem = build_type(b, more);
    } else if (more && json_object_get_boolean(more)) {
        t->flags |= OPR_SCHEMA_PRESERVE_UNKNOWN;
    }
    if (strcmp(opr_doc_str(schema, "/x-kubernetes-map-type", ""), "atomic") == 0) {
        t->flags |= OPR_SCHEMA_MAP_ATOMIC;
    }
}

static void build_array(struct builder *b, struct json_object *schema, struct opr_schema_type *t)
{
    const char *kind = opr_doc_str(schema, "/x-kubernetes-list-type", "");
    struct json_object *items = json_object_object_get(schema, "items");
    t->elem = build_type(b, items);
    t->list_type = strcmp(kind, "map") == 0      ? OPR_LIST_MAP
                   : strcmp(kind, "set") == 0    ? OPR_LIST_SET
                   : strcmp(kind, "atomic") == 0 ? OPR_LIST_ATOMIC
                                                 : OPR_LIST_DEFAULT;
    t->keys = texts(b, json_object_object_get(schema, "x-kubernetes-list-map-keys"));
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

static struct opr_schema_type *build_type(struct builder *b, struct json_object *schema)
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
    t->go_name = text(b, opr_doc_str(schema, "/type", ""));
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

/* The root has apiVersion, kind and metadata whether its schema says so or not. */
static const struct opr_schema_type *build_root(struct builder *b, struct json_object *version)
{
    struct json_object *schema = opr_doc_at(version, "/schema/openAPIV3Schema");
    struct opr_schema_type *t = build_type(b, schema);
    size_t kept = 0;
    struct opr_type_field *fields =
        opr_arena_alloc(b->arena, (t->field_count + 3u) * sizeof(*fields));
    for (size_t i = 0; i < 2; i++) {
        fields[kept++] = opr__type_type_meta->fields[i];
    }
    fields[kept++] = (struct opr_type_field){.name = "metadata", .type = opr__type_object_meta};
    for (uint16_t i = 0; i < t->field_count; i++) {
        const char *name = t->fields[i].name;
        if (strcmp(name, "apiVersion") != 0 && strcmp(name, "kind") != 0 &&
            strcmp(name, "metadata") != 0) {
            fields[kept++] = t->fields[i];
        }
    }
    t->fields = fields;
    t->field_count = (uint16_t)kept;
    t->node = OPR_NODE_OBJECT;
    t->flags |= schema ? 0u : OPR_SCHEMA_PRESERVE_UNKNOWN;
    return t;
}

/* ".spec.replicas" as a JSON pointer. */
static const char *pointer(struct builder *b, const char *path)
{
    if (!path || !*path) {
        return NULL;
    }
    char *out = opr_arena_dup(b->arena, opr_str_of(path));
    for (char *p = out; *p; p++) {
        *p = *p == '.' ? '/' : *p;
    }
    return out;
}

static void build_subresources(struct builder *b, struct json_object *version, struct opr_kind *k)
{
    struct json_object *scale = opr_doc_at(version, "/subresources/scale");
    if (opr_doc_at(version, "/subresources/status")) {
        k->subresources |= OPR_SUB_STATUS;
    }
    if (scale) {
        k->subresources |= OPR_SUB_SCALE;
        k->scale_spec_replicas = pointer(b, opr_doc_str(scale, "/specReplicasPath", NULL));
        k->scale_status_replicas = pointer(b, opr_doc_str(scale, "/statusReplicasPath", NULL));
        k->scale_selector = pointer(b, opr_doc_str(scale, "/labelSelectorPath", NULL));
    }
}

static void build_columns(struct builder *b, struct json_object *version,
                          struct opr__kind_info *info)
{
    struct json_object *list = json_object_object_get(version, "additionalPrinterColumns");
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    struct opr_schema_column *columns = opr_arena_alloc(b->arena, (n + 1) * sizeof(*columns));
    for (size_t i = 0; i < n; i++) {
        struct json_object *c = json_object_array_get_idx(list, i);
        columns[i] =
            (struct opr_schema_column){.name = text(b, opr_doc_str(c, "/name", "")),
                                       .type = text(b, opr_doc_str(c, "/type", "string")),
                                       .format = text(b, opr_doc_str(c, "/format", "")),
                                       .description = text(b, opr_doc_str(c, "/description", "")),
                                       .json_path = text(b, opr_doc_str(c, "/jsonPath", "")),
                                       .priority = (int32_t)opr_doc_int(c, "/priority", 0)};
    }
    info->columns = columns;
    info->column_count = n;
}

static void build_selectable(struct builder *b, struct json_object *version,
                             struct opr__kind_info *info)
{
    struct json_object *list = json_object_object_get(version, "selectableFields");
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    const char **out = opr_arena_alloc(b->arena, (n + 1) * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        const char *path = opr_doc_str(json_object_array_get_idx(list, i), "/jsonPath", "");
        out[i] = text(b, path + (*path == '.'));
    }
    info->selectable = n ? out : NULL;
}

static void build_kind(struct builder *b, struct json_object *version, struct custom_kind *c)
{
    struct json_object *spec = json_object_object_get(c->crd, "spec");
    const char *kind = opr_doc_str(spec, "/names/kind", "");
    const char *list_kind = opr_doc_str(spec, "/names/listKind", "");
    struct opr_kind *k = &c->kind;
    k->group = text(b, opr_doc_str(spec, "/group", ""));
    k->version = text(b, opr_doc_str(version, "/name", ""));
    k->kind = text(b, kind);
    k->list_kind = *list_kind ? text(b, list_kind) : opr_arena_printf(b->arena, "%sList", kind);
    k->plural = text(b, opr_doc_str(spec, "/names/plural", ""));
    k->singular = text(b, opr_doc_str(spec, "/names/singular", ""));
    k->short_names = texts(b, opr_doc_at(spec, "/names/shortNames"));
    k->categories = texts(b, opr_doc_at(spec, "/names/categories"));
    k->is_namespaced = strcmp(opr_doc_str(spec, "/scope", ""), "Namespaced") == 0;
    k->is_custom = true;
    k->has_generation = true;
    k->type = build_root(b, version);
    build_subresources(b, version, k);
    build_columns(b, version, &c->info);
    build_selectable(b, version, &c->info);
}

static struct json_object *find_version(struct json_object *crd, const char *name)
{
    struct json_object *versions = opr_doc_at(crd, "/spec/versions");
    size_t n =
        json_object_is_type(versions, json_type_array) ? json_object_array_length(versions) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *v = json_object_array_get_idx(versions, i);
        if (strcmp(opr_doc_str(v, "/name", ""), name) == 0) {
            return v;
        }
    }
    return NULL;
}

opr_status opr_kind_from_crd(struct json_object *crd, const char *version,
                             struct opr_kind **ret_kind, struct opr_field_errors *errors)
{
    struct json_object *copy = opr_doc_dup(crd);
    struct json_object *v = find_version(copy, version);
    if (!v) {
        json_object_put(copy);
        return OPR_E_NOT_FOUND;
    }
    struct custom_kind *c = opr_xalloc(sizeof(*c));
    c->refs = 1;
    c->arena = opr_arena_new();
    c->crd = copy;
    struct builder b = {.arena = c->arena, .errors = errors};
    build_kind(&b, v, c);
    if (b.failed) {
        opr_kind_unref(&c->kind);
        return OPR_E_INVALID;
    }
    *ret_kind = &c->kind;
    return OPR_OK;
}

struct opr_kind *opr_kind_ref(const struct opr_kind *k)
{
    if (k && k->is_custom) {
        atomic_fetch_add_explicit(&custom_of(k)->refs, 1, memory_order_relaxed);
    }
    return (struct opr_kind *)k;
}

void opr_kind_unref(struct opr_kind *k)
{
    if (!k || !k->is_custom) {
        return;
    }
    struct custom_kind *c = custom_of(k);
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) {
        opr_arena_free(c->arena);
        json_object_put(c->crd);
        opr_free(c);
    }
}
