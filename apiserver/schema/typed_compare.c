/* What differs between two documents of a type, as sets of paths. */
#include "apiserver/schema/typed.h"

#include "core/base/str.h"

struct side {
    bool is_there;
    struct json_object *value; /* NULL where is_there: null */
};

struct comparing {
    struct opr_arena *arena;
    struct opr_fieldset *added, *modified, *removed;
};

static void compare(struct comparing *c, const struct opr_schema_type *type, struct side before,
                    struct side after, const struct opr_fieldstep *path);

/* json-c compares numbers by their kind; 1 and 1.0 are one value. */
static bool is_equal(struct json_object *x, struct json_object *y)
{
    return x == y || json_object_equal(x, y) || (x && y && opr_doc_equal(x, y));
}

static void leaf(struct comparing *c, struct side before, struct side after,
                 const struct opr_fieldstep *path)
{
    struct opr_fieldset *set = !before.is_there                      ? c->added
                               : !after.is_there                     ? c->removed
                               : is_equal(before.value, after.value) ? NULL
                                                                     : c->modified;
    if (set) {
        opr_fieldset_insert(c->arena, set, path);
    }
}

static struct side item_side(struct json_object *list, size_t i)
{
    return i == SIZE_MAX ? (struct side){false, NULL}
                         : (struct side){true, json_object_array_get_idx(list, i)};
}

/* The items of one name; where there are several, they change as one. */
static void compare_items_of(struct comparing *c, const struct opr_schema_type *type,
                             struct json_object *before, const struct opr__items *x,
                             struct json_object *after, const struct opr__items *y,
                             const struct opr_fieldstep *path)
{
    size_t n, m;
    size_t i = opr__items_find(x, path->name, &n), j = opr__items_find(y, path->name, &m);
    if (n <= 1 && m <= 1) {
        compare(c, type->elem, item_side(before, i), item_side(after, j), path);
    } else if (n == 0 || m == 0) {
        opr_fieldset_insert(c->arena, n == 0 ? c->added : c->removed, path);
    } else if (n != m || !is_equal(before, after)) {
        opr_fieldset_insert(c->arena, c->modified, path);
    }
}

static void compare_items(struct comparing *c, const struct opr_schema_type *type,
                          enum opr_shape shape, struct json_object *before,
                          struct json_object *after, const struct opr_fieldstep *path)
{
    struct opr__items x = opr__items_of(c->arena, type, before);
    struct opr__items y = opr__items_of(c->arena, type, after);
    struct opr_fieldstep step = {path, opr__item_kind(shape), NULL};
    for (size_t i = 0; i < x.count; i++) {
        step.name = x.names[i];
        if (step.name && opr__items_find(&x, step.name, NULL) == i) {
            compare_items_of(c, type, before, &x, after, &y, &step);
        }
    }
    for (size_t i = 0; i < y.count; i++) {
        step.name = y.names[i];
        if (step.name && opr__items_find(&y, step.name, NULL) == i &&
            opr__items_find(&x, step.name, NULL) == SIZE_MAX) {
            compare_items_of(c, type, before, &x, after, &y, &step);
        }
    }
}

static void compare_members(struct comparing *c, const struct opr_schema_type *type,
                            struct json_object *before, struct json_object *after,
                            const struct opr_fieldstep *path)
{
    bool is_known;
    if (json_object_is_type(before, json_type_object)) {
        json_object_object_foreach(before, name, value)
        {
            struct side x = {true, value}, y = {false, NULL};
            struct opr_fieldstep step = {path, 'f', name};
            y.is_there = json_object_object_get_ex(after, name, &y.value);
            compare(c, opr__member_type(type, name, &is_known), x, y, &step);
        }
    }
    if (json_object_is_type(after, json_type_object)) {
        json_object_object_foreach(after, key, member)
        {
            struct opr_fieldstep step = {path, 'f', key};
            if (!json_object_object_get_ex(before, key, NULL)) {
                compare(c, opr__member_type(type, key, &is_known), (struct side){false, NULL},
                        (struct side){true, member}, &step);
            }
        }
    }
}

static bool is_empty(struct json_object *value)
{
    return !value ||
           (json_object_is_type(value, json_type_object) &&
            json_object_object_length(value) == 0) ||
           (json_object_is_type(value, json_type_array) && json_object_array_length(value) == 0);
}

static void compare(struct comparing *c, const struct opr_schema_type *type, struct side before,
                    struct side after, const struct opr_fieldstep *path)
{
    if (before.is_there && before.value == after.value && after.is_there) {
        return;
    }
    enum opr_shape shape = opr__shape_of(type, after.value ? after.value : before.value);
    if (shape == OPR_SHAPE_MEMBERS && before.value && after.value &&
        json_object_get_type(before.value) != json_object_get_type(after.value)) {
        shape = OPR_SHAPE_ATOM; /* a value without a type may change its kind */
    }
    if (shape == OPR_SHAPE_ATOM || (is_empty(before.value) && is_empty(after.value))) {
        leaf(c, before, after, path);
        return;
    }
    if (shape == OPR_SHAPE_MEMBERS) {
        compare_members(c, type, before.value, after.value, path);
    } else {
        compare_items(c, type, shape, before.value, after.value, path);
    }
    if (path && !(before.is_there && after.is_there)) {
        opr_fieldset_insert(c->arena, before.is_there ? c->removed : c->added, path);
    }
}

void opr_schema_compare(struct opr_arena *a, const struct opr_schema_type *type,
                        struct json_object *before, struct json_object *after,
                        struct opr_schema_changes *ret_changes)
{
    struct comparing c = {.arena = a};
    c.added = opr_arena_alloc(a, sizeof *c.added);
    c.modified = opr_arena_alloc(a, sizeof *c.modified);
    c.removed = opr_arena_alloc(a, sizeof *c.removed);
    compare(&c, type, (struct side){true, before}, (struct side){true, after}, NULL);
    *ret_changes = (struct opr_schema_changes){c.added, c.modified, c.removed};
}
