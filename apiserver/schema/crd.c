#include "apiserver/schema/crd.h"

#include "apiserver/schema/crd_schema.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdatomic.h>
#include <stddef.h>

struct custom_kind {
    struct opr_kind kind; /* first: a struct opr_kind * is one of these */
    struct opr__kind_info info;
    atomic_int refs;
    struct opr_arena *arena; /* owned: the tables */
    struct json_object *crd; /* ref */
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

/* The root has apiVersion, kind and metadata whether its schema says so or not. */
static const struct opr_schema_type *build_root(struct opr__crd_builder *b,
                                                struct json_object *version)
{
    struct json_object *schema = opr_doc_at(version, "/schema/openAPIV3Schema");
    struct opr_schema_type *t = opr__crd_type(b, schema);
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
static const char *pointer(struct opr__crd_builder *b, const char *path)
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

static void build_subresources(struct opr__crd_builder *b, struct json_object *version,
                               struct opr_kind *k)
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

static void build_columns(struct opr__crd_builder *b, struct json_object *version,
                          struct opr__kind_info *info)
{
    struct json_object *list = json_object_object_get(version, "additionalPrinterColumns");
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    struct opr_schema_column *columns = opr_arena_alloc(b->arena, (n + 1) * sizeof(*columns));
    for (size_t i = 0; i < n; i++) {
        struct json_object *c = json_object_array_get_idx(list, i);
        columns[i] = (struct opr_schema_column){
            .name = opr__crd_text(b, opr_doc_str(c, "/name", "")),
            .type = opr__crd_text(b, opr_doc_str(c, "/type", "string")),
            .format = opr__crd_text(b, opr_doc_str(c, "/format", "")),
            .description = opr__crd_text(b, opr_doc_str(c, "/description", "")),
            .json_path = opr__crd_text(b, opr_doc_str(c, "/jsonPath", "")),
            .priority = (int32_t)opr_doc_int(c, "/priority", 0)};
    }
    info->columns = columns;
    info->column_count = n;
}

static void build_selectable(struct opr__crd_builder *b, struct json_object *version,
                             struct opr__kind_info *info)
{
    struct json_object *list = json_object_object_get(version, "selectableFields");
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    const char **out = opr_arena_alloc(b->arena, (n + 1) * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        const char *path = opr_doc_str(json_object_array_get_idx(list, i), "/jsonPath", "");
        out[i] = opr__crd_text(b, path + (*path == '.'));
    }
    info->selectable = n ? out : NULL;
}

static void build_kind(struct opr__crd_builder *b, struct json_object *version,
                       struct custom_kind *c)
{
    struct json_object *spec = json_object_object_get(c->crd, "spec");
    const char *kind = opr_doc_str(spec, "/names/kind", "");
    const char *list_kind = opr_doc_str(spec, "/names/listKind", "");
    struct opr_kind *k = &c->kind;
    k->group = opr__crd_text(b, opr_doc_str(spec, "/group", ""));
    k->version = opr__crd_text(b, opr_doc_str(version, "/name", ""));
    k->kind = opr__crd_text(b, kind);
    k->list_kind =
        *list_kind ? opr__crd_text(b, list_kind) : opr_arena_printf(b->arena, "%sList", kind);
    k->plural = opr__crd_text(b, opr_doc_str(spec, "/names/plural", ""));
    k->singular = opr__crd_text(b, opr_doc_str(spec, "/names/singular", ""));
    k->short_names = opr__crd_texts(b, opr_doc_at(spec, "/names/shortNames"));
    k->categories = opr__crd_texts(b, opr_doc_at(spec, "/names/categories"));
    k->is_namespaced = strcmp(opr_doc_str(spec, "/scope", ""), "Namespaced") == 0;
    k->is_custom = true;
    k->is_amended = opr_doc_int(c->crd, "/metadata/generation", 1) > 1;
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
    struct opr__crd_builder b = {.arena = c->arena, .errors = errors};
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
