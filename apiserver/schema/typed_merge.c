/* An applied configuration merged into a document, and what is taken out again. */
#include "apiserver/schema/typed.h"

#include "core/base/str.h"

static struct json_object *merge(struct opr_arena *a, const struct opr_schema_type *type,
                                 struct json_object *live, struct json_object *config);

static bool is_empty_list(struct json_object *list)
{
    return !json_object_is_type(list, json_type_array) || json_object_array_length(list) == 0;
}

static bool is_empty_map(struct json_object *map)
{
    return !json_object_is_type(map, json_type_object) || json_object_object_length(map) == 0;
}

struct list_merge {
    struct opr_arena *arena;
    const struct opr_schema_type *type;
    struct json_object *live, *config, *out;
    struct opr__items x, y; /* of live, of config */
    bool *is_done;          /* items of config that are in out */
};

static void add_item(struct list_merge *m, size_t i, size_t j)
{
    struct json_object *live = i == SIZE_MAX ? NULL : json_object_array_get_idx(m->live, i);
    struct json_object *config = j == SIZE_MAX ? NULL : json_object_array_get_idx(m->config, j);
    struct json_object *item = live && config ? merge(m->arena, m->type->elem, live, config)
                                              : opr_doc_dup(config ? config : live);
    json_object_array_add(m->out, item);
    if (j != SIZE_MAX) {
        m->is_done[j] = true;
    }
}

static size_t in_config(const struct list_merge *m, size_t i)
{
    return m->x.names[i] ? opr__items_find(&m->y, m->x.names[i], NULL) : SIZE_MAX;
}

static size_t in_live(const struct list_merge *m, size_t j)
{
    return m->y.names[j] ? opr__items_find(&m->x, m->y.names[j], NULL) : SIZE_MAX;
}

/* The next item of config, from j on, that both have. */
static size_t next_shared(const struct list_merge *m, size_t j)
{
    while (j < m->y.count && in_live(m, j) == SIZE_MAX) {
        j++;
    }
    return j;
}

/* The items of both: those of config in its order, those of live alone where they stood, before
 * what came after them. A shared item waits for its turn in the order of config. */
static void merge_items(struct list_merge *m)
{
    size_t i = 0, j = 0, shared = next_shared(m, 0);
    while (i < m->x.count || j < m->y.count) {
        size_t match = i < m->x.count ? in_config(m, i) : SIZE_MAX;
        if (i < m->x.count && j < m->y.count) {
            if (match == j) {
                add_item(m, i++, j++);
                shared = next_shared(m, j);
                continue;
            }
            if (match != SIZE_MAX && shared < m->y.count && match != shared) {
                i++; /* shared, but another one comes first */
                continue;
            }
        }
        if (i < m->x.count && match == SIZE_MAX) {
            add_item(m, i++, SIZE_MAX);
            continue;
        }
        if (i < m->x.count && m->is_done[match]) {
            i++;
        }
        if (j < m->y.count) {
            add_item(m, in_live(m, j), j);
            j++;
            if (shared < j) {
                shared = next_shared(m, j);
            }
        }
    }
}

static struct json_object *merge_list(struct opr_arena *a, const struct opr_schema_type *type,
                                      struct json_object *live, struct json_object *config)
{
    struct list_merge m = {a, type, live, config, json_object_new_array(), {0}, {0}, NULL};
    m.x = opr__items_of(a, type, live);
    m.y = opr__items_of(a, type, config);
    m.is_done = opr_arena_alloc(a, m.y.count + 1);
    merge_items(&m);
    return m.out;
}

static struct json_object *merge_members(struct opr_arena *a, const struct opr_schema_type *type,
                                         struct json_object *live, struct json_object *config)
{
    struct json_object *out = json_object_new_object();
    bool is_known;
    if (json_object_is_type(live, json_type_object)) {
        json_object_object_foreach(live, name, value)
        {
            struct json_object *wanted;
            bool is_said = json_object_object_get_ex(config, name, &wanted);
            json_object_object_add(
                out, name,
                is_said ? merge(a, opr__member_type(type, name, &is_known), value, wanted)
                        : opr_doc_dup(value));
        }
    }
    if (json_object_is_type(config, json_type_object)) {
        json_object_object_foreach(config, key, member)
        {
            if (!json_object_object_get_ex(live, key, NULL)) {
                json_object_object_add(out, key, opr_doc_dup(member));
            }
        }
    }
    return out;
}

static struct json_object *merge(struct opr_arena *a, const struct opr_schema_type *type,
                                 struct json_object *live, struct json_object *config)
{
    enum opr_shape shape = opr__shape_of(type, config ? config : live);
    if (shape == OPR_SHAPE_MEMBERS) {
        bool differs = live && !json_object_is_type(live, json_type_object);
        bool is_leaf = is_empty_map(live) && is_empty_map(config);
        return is_leaf || differs ? opr_doc_dup(config) : merge_members(a, type, live, config);
    }
    if (shape == OPR_SHAPE_ATOM || (is_empty_list(live) && is_empty_list(config))) {
        return opr_doc_dup(config);
    }
    return merge_list(a, type, live, config);
}

struct json_object *opr_schema_merge_applied(struct opr_arena *a,
                                             const struct opr_schema_type *type,
                                             struct json_object *live, struct json_object *config)
{
    return merge(a, type, live, config);
}

/* --- taking out ---------------------------------------------------------------------------------
 */

static struct json_object *without(struct opr_arena *a, const struct opr_schema_type *type,
                                   struct json_object *value, const struct opr_fieldset *set);

static struct json_object *list_without(struct opr_arena *a, const struct opr_schema_type *type,
                                        enum opr_shape shape, struct json_object *list,
                                        const struct opr_fieldset *set)
{
    struct json_object *out = json_object_new_array();
    for (size_t i = 0; !is_empty_list(list) && i < json_object_array_length(list); i++) {
        const char *problem;
        struct json_object *item = json_object_array_get_idx(list, i);
        const char *name = opr__item_name(a, type, item, &problem);
        const struct opr_fieldset *below =
            name ? opr_fieldset_find(set, opr__item_kind(shape), name) : NULL;
        if (!below) {
            json_object_array_add(out, opr_doc_dup(item));
        } else if (!below->is_member) {
            json_object_array_add(out, without(a, type->elem, item, below));
        }
    }
    return out;
}

static struct json_object *map_without(struct opr_arena *a, const struct opr_schema_type *type,
                                       struct json_object *map, const struct opr_fieldset *set)
{
    struct json_object *out = json_object_new_object();
    if (!json_object_is_type(map, json_type_object)) {
        return out;
    }
    json_object_object_foreach(map, name, value)
    {
        bool is_known;
        const struct opr_fieldset *below = opr_fieldset_find(set, 'f', name);
        if (!below) {
            json_object_object_add(out, name, opr_doc_dup(value));
        } else if (!below->is_member) {
            json_object_object_add(
                out, name, without(a, opr__member_type(type, name, &is_known), value, below));
        }
    }
    return out;
}

/* What loses all of its parts becomes null. */
static struct json_object *without(struct opr_arena *a, const struct opr_schema_type *type,
                                   struct json_object *value, const struct opr_fieldset *set)
{
    enum opr_shape shape = opr__shape_of(type, value);
    struct json_object *out;
    bool is_empty;
    switch (shape) {
    case OPR_SHAPE_ATOM:
        return json_object_is_type(value, json_type_object) ||
                       json_object_is_type(value, json_type_array)
                   ? NULL
                   : opr_doc_dup(value);
    case OPR_SHAPE_MEMBERS:
        out = map_without(a, type, value, set);
        is_empty = json_object_object_length(out) == 0;
        break;
    default:
        out = list_without(a, type, shape, value, set);
        is_empty = json_object_array_length(out) == 0;
    }
    if (is_empty) {
        json_object_put(out);
        return NULL;
    }
    return out;
}

struct json_object *opr_schema_without(struct opr_arena *a, const struct opr_schema_type *type,
                                       struct json_object *doc, const struct opr_fieldset *set)
{
    return opr_fieldset_is_empty(set) ? opr_doc_dup(doc) : without(a, type, doc, set);
}

const struct opr_fieldset *opr_schema_with_parents(struct opr_arena *a,
                                                   const struct opr_schema_type *type,
                                                   const struct opr_fieldset *set)
{
    if (opr_fieldset_is_empty(set) || set->count == 0) {
        return set;
    }
    struct opr_fieldset *out = opr_arena_alloc(a, sizeof *out);
    *out = *set;
    out->cap = set->count;
    out->children = opr_arena_alloc(a, set->count * sizeof *out->children);
    for (uint32_t i = 0; i < set->count; i++) {
        const struct opr_fieldset *c = set->children[i];
        bool is_known = false;
        bool is_declared =
            c->kind == 'f' && type && opr_schema_type_field(type, opr_str_of(c->name)) != NULL;
        const struct opr_schema_type *below = c->kind == 'f'
                                                  ? opr__member_type(type, c->name, &is_known)
                                                  : (type ? type->elem : NULL);
        struct opr_fieldset *child = opr_arena_alloc(a, sizeof *child);
        *child = *opr_schema_with_parents(a, below, c);
        child->is_member = c->is_member || (is_declared && c->count > 0);
        out->children[i] = child;
    }
    return out;
}
