#include "apiserver/schema/typed.h"

#include "apiserver/schema/build.h"
#include "core/base/str.h"

#include <stdio.h>
#include <stdlib.h>

/* --- shapes -------------------------------------------------------------------------------------
 */

enum opr_shape opr__shape_of(const struct opr_schema_type *type, struct json_object *value)
{
    bool is_free = !type || (type->node == OPR_NODE_ANY && (type->flags & OPR_SCHEMA_CUSTOM));
    if (is_free) {
        return json_object_is_type(value, json_type_object) ? OPR_SHAPE_MEMBERS : OPR_SHAPE_ATOM;
    }
    switch ((enum opr_node)type->node) {
    case OPR_NODE_OBJECT:
    case OPR_NODE_MAP:
        return type->flags & OPR_SCHEMA_MAP_ATOMIC ? OPR_SHAPE_ATOM : OPR_SHAPE_MEMBERS;
    case OPR_NODE_LIST:
    case OPR_NODE_WRAPPED:
        return type->list_type == OPR_LIST_SET   ? OPR_SHAPE_SET
               : type->list_type == OPR_LIST_MAP ? OPR_SHAPE_KEYED
                                                 : OPR_SHAPE_ATOM;
    default:
        return OPR_SHAPE_ATOM;
    }
}

const struct opr_schema_type *opr__member_type(const struct opr_schema_type *type, const char *name,
                                               bool *ret_known)
{
    static const char *const embedded[] = {"apiVersion", "kind", "metadata"};
    *ret_known = true;
    if (!type) {
        return NULL;
    }
    const struct opr_type_field *f = opr_schema_type_field(type, opr_str_of(name));
    if (f) {
        return f->type;
    }
    for (size_t i = 0; (type->flags & OPR_SCHEMA_EMBEDDED) && i < 3; i++) {
        if (strcmp(name, embedded[i]) == 0) {
            return i == 2 ? opr__type_object_meta : NULL;
        }
    }
    *ret_known = type->elem || (type->flags & OPR_SCHEMA_PRESERVE_UNKNOWN) ||
                 (type->node == OPR_NODE_ANY && (type->flags & OPR_SCHEMA_CUSTOM));
    return type->elem;
}

/* --- items --------------------------------------------------------------------------------------
 */

static const char *json_text(struct opr_arena *a, struct json_object *value)
{
    struct opr_buf out = {0};
    opr_doc_write(&out, value);
    const char *text = opr_arena_dup(a, opr_buf_str(&out));
    opr_buf_fini(&out);
    return text;
}

/* {"containerPort":80,"protocol":"TCP"}; a key that is absent has its default, or is left out. */
static const char *keys_of(struct opr_arena *a, const struct opr_schema_type *type,
                           struct json_object *item)
{
    size_t count = 0, n = 0;
    while (type->keys && type->keys[count]) {
        count++;
    }
    const char **parts = opr_arena_alloc(a, (count + 1) * sizeof *parts);
    for (size_t i = 0; i < count; i++) {
        const char *key = type->keys[i];
        struct json_object *value = NULL;
        const struct opr_type_field *f =
            type->elem ? opr_schema_type_field(type->elem, opr_str_of(key)) : NULL;
        if (json_object_object_get_ex(item, key, &value)) {
            parts[n++] = opr_fieldset_key(a, key, value);
        } else if (f && f->default_json &&
                   opr_doc_parse(opr_str_of(f->default_json), &value, NULL) == OPR_OK) {
            parts[n++] = opr_fieldset_key(a, key, value);
            json_object_put(value);
        }
    }
    return opr_fieldset_keys(a, parts, n);
}

const char *opr__item_name(struct opr_arena *a, const struct opr_schema_type *type,
                           struct json_object *item, const char **ret_problem)
{
    if (opr__shape_of(type, NULL) == OPR_SHAPE_SET) {
        if (!item) {
            *ret_problem = "associative list without keys has a null element";
            return NULL;
        }
        return json_text(a, item);
    }
    if (!json_object_is_type(item, json_type_object)) {
        *ret_problem = item ? "associative list with keys may not have non-map elements"
                            : "associative list with keys may not have a null element";
        return NULL;
    }
    return keys_of(a, type, item);
}

static int by_name(const void *x, const void *y, void *arg)
{
    const char *const *names = arg;
    size_t i = *(const size_t *)x, j = *(const size_t *)y;
    int c = strcmp(names[i] ? names[i] : "", names[j] ? names[j] : "");
    return c != 0 ? c : (i > j) - (i < j);
}

struct opr__items opr__items_of(struct opr_arena *a, const struct opr_schema_type *type,
                                struct json_object *list)
{
    const char *problem;
    struct opr__items items = {0};
    items.count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    items.names = opr_arena_alloc(a, (items.count + 1) * sizeof *items.names);
    items.sorted = opr_arena_alloc(a, (items.count + 1) * sizeof *items.sorted);
    for (size_t i = 0; i < items.count; i++) {
        items.names[i] = opr__item_name(a, type, json_object_array_get_idx(list, i), &problem);
        items.sorted[i] = i;
    }
    qsort_r(items.sorted, items.count, sizeof *items.sorted, by_name, items.names);
    return items;
}

size_t opr__items_find(const struct opr__items *items, const char *name, size_t *ret_count)
{
    size_t low = 0, high = items->count, n = 0;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const char *other = items->names[items->sorted[mid]];
        if (strcmp(other ? other : "", name) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    while (low + n < items->count && items->names[items->sorted[low + n]] &&
           strcmp(items->names[items->sorted[low + n]], name) == 0) {
        n++;
    }
    if (ret_count) {
        *ret_count = n;
    }
    return n > 0 ? items->sorted[low] : SIZE_MAX;
}

struct json_object *opr_schema_zero(const struct opr_kind *kind)
{
    struct json_object *zero =
        kind->is_custom ? json_object_new_object() : opr__zero_value(kind->type);
    char version[160];
    snprintf(version, sizeof version, "%s%s%s", kind->group, *kind->group ? "/" : "",
             kind->version);
    opr_doc_put_str(zero, "/apiVersion", version);
    opr_doc_put_str(zero, "/kind", kind->kind);
    return zero;
}

/* --- the paths of a document --------------------------------------------------------------------
 */

struct collecting {
    struct opr_arena *arena;
    struct opr_fieldset *set;
};

static void collect(struct collecting *c, const struct opr_schema_type *type,
                    struct json_object *value, const struct opr_fieldstep *path);

static void collect_items(struct collecting *c, const struct opr_schema_type *type,
                          enum opr_shape shape, struct json_object *list,
                          const struct opr_fieldstep *path)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n; i++) {
        const char *problem;
        struct json_object *item = json_object_array_get_idx(list, i);
        const char *name = opr__item_name(c->arena, type, item, &problem);
        if (name) {
            struct opr_fieldstep step = {path, opr__item_kind(shape), name};
            collect(c, type->elem, item, &step);
            opr_fieldset_insert(c->arena, c->set, &step);
        }
    }
}

static void collect_members(struct collecting *c, const struct opr_schema_type *type,
                            struct json_object *map, const struct opr_fieldstep *path)
{
    if (!json_object_is_type(map, json_type_object)) {
        return;
    }
    json_object_object_foreach(map, name, value)
    {
        bool is_known;
        struct opr_fieldstep step = {path, 'f', name};
        bool is_declared = type && opr_schema_type_field(type, opr_str_of(name)) != NULL;
        collect(c, opr__member_type(type, name, &is_known), value, &step);
        bool is_empty = !value || (json_object_is_type(value, json_type_object) &&
                                   json_object_object_length(value) == 0);
        if (is_empty || !is_declared) {
            opr_fieldset_insert(c->arena, c->set, &step);
        }
    }
}

static void collect(struct collecting *c, const struct opr_schema_type *type,
                    struct json_object *value, const struct opr_fieldstep *path)
{
    enum opr_shape shape = opr__shape_of(type, value);
    switch (shape) {
    case OPR_SHAPE_ATOM:
        opr_fieldset_insert(c->arena, c->set, path);
        break;
    case OPR_SHAPE_SET:
    case OPR_SHAPE_KEYED:
        collect_items(c, type, shape, value, path);
        break;
    case OPR_SHAPE_MEMBERS:
        collect_members(c, type, value, path);
    }
}

const struct opr_fieldset *opr_schema_fields_of(struct opr_arena *a,
                                                const struct opr_schema_type *type,
                                                struct json_object *doc)
{
    struct collecting c = {a, opr_arena_alloc(a, sizeof *c.set)};
    collect(&c, type, doc, NULL);
    return c.set;
}
