#include "apiserver/schema/table.h"

#include "apiserver/schema/validate.h"
#include "core/base/alloc.h"

/* Strategic merge patch, as apimachinery pkg/util/strategicpatch applies it: lists with a merge key
 * are merged item by item, directives ($patch, $retainKeys, $setElementOrder/x,
 * $deleteFromPrimitiveList/x) say the rest. The patch is not changed. */
#define SET_ORDER "$setElementOrder/"
#define DELETE_FROM "$deleteFromPrimitiveList/"
#define PATCH_MAX_DEPTH 128

struct merge {
    struct opr_error *reterr;
    int depth;
};

static opr_status merge_map(struct merge *m, const struct opr_schema_type *t,
                            struct json_object *into, struct json_object *patch);

static const struct opr_type_field *field_of(const struct opr_schema_type *t, const char *name)
{
    return t && t->node == OPR_NODE_OBJECT ? opr_schema_type_field(t, opr_str_of(name)) : NULL;
}

/* The type of a member's value. */
static const struct opr_schema_type *value_type(const struct opr_schema_type *t, const char *name)
{
    const struct opr_type_field *f = field_of(t, name);
    return f ? f->type : t && t->node == OPR_NODE_MAP ? t->elem : NULL;
}

static const char *directive(struct json_object *patch)
{
    return opr__text(patch, "$patch");
}

static bool is_directive(const char *name)
{
    return strcmp(name, "$patch") == 0 || strcmp(name, "$retainKeys") == 0 ||
           strncmp(name, SET_ORDER, strlen(SET_ORDER)) == 0 ||
           strncmp(name, DELETE_FROM, strlen(DELETE_FROM)) == 0;
}

/* A patch value for a place that holds nothing yet: nulls and directives do not get in, and a map
 * that bears a $patch has nothing to act on. Owned; NULL: there is nothing to set. */
static struct json_object *fresh_value(struct json_object *patch)
{
    if (json_object_is_type(patch, json_type_array)) {
        struct json_object *list = json_object_new_array();
        for (size_t i = 0; i < opr__length(patch); i++) {
            struct json_object *item = fresh_value(opr__item(patch, i));
            if (item) {
                json_object_array_add(list, item);
            }
        }
        return list;
    }
    if (!json_object_is_type(patch, json_type_object)) {
        return opr_doc_dup(patch);
    }
    if (*directive(patch)) {
        return NULL;
    }
    struct json_object *map = json_object_new_object();
    json_object_object_foreach(patch, name, value)
    {
        struct json_object *member = is_directive(name) ? NULL : fresh_value(value);
        if (member) {
            json_object_object_add(map, name, member);
        }
    }
    return map;
}

/* --- lists ------------------------------------------------------------------------------------ */

static bool is_same(struct json_object *a, struct json_object *b, const char *key)
{
    if (!key) {
        return opr_doc_equal(a, b);
    }
    struct json_object *x = opr__get(a, key), *y = opr__get(b, key);
    return x && y && opr_doc_equal(x, y);
}

static size_t index_of(struct json_object *list, struct json_object *item, const char *key)
{
    size_t n = opr__length(list), i = 0;
    while (i < n && !is_same(opr__item(list, i), item, key)) {
        i++;
    }
    return i < n ? i : SIZE_MAX;
}

/* The items of a list that are (or are not) in another one, in the order of a third. Owned. */
static struct json_object *select_items(struct json_object *list, struct json_object *other,
                                        bool is_in, struct json_object *order, const char *key)
{
    struct json_object *out = json_object_new_array();
    for (size_t o = 0; o < opr__length(order); o++) {
        bool is_first = index_of(order, opr__item(order, o), key) == o;
        for (size_t i = 0; is_first && i < opr__length(list); i++) { /* a key may stand twice */
            struct json_object *item = opr__item(list, i);
            if (is_same(item, opr__item(order, o), key) &&
                (index_of(other, item, key) != SIZE_MAX) == is_in) {
                json_object_array_add(out, json_object_get(item));
            }
        }
    }
    for (size_t i = 0; i < opr__length(list); i++) { /* what the order does not name comes last */
        struct json_object *item = opr__item(list, i);
        if (index_of(order, item, key) == SIZE_MAX &&
            (index_of(other, item, key) != SIZE_MAX) == is_in) {
            json_object_array_add(out, json_object_get(item));
        }
    }
    return out;
}

/* Puts the items named by order in that order and weaves the others in where they stood. Owned. */
static struct json_object *ordered(struct json_object *list, struct json_object *order,
                                   struct json_object *before, const char *key)
{
    struct json_object *named = select_items(list, order, true, order, key);
    struct json_object *others = select_items(list, order, false, before, key);
    struct json_object *out = json_object_new_array();
    size_t i = 0, j = 0;
    while (i < opr__length(others) || j < opr__length(named)) {
        bool takes_other = j >= opr__length(named);
        if (i < opr__length(others) && !takes_other) {
            size_t at = index_of(before, opr__item(others, i), key);
            size_t than = index_of(before, opr__item(named, j), key);
            takes_other = at != SIZE_MAX && than != SIZE_MAX && at < than;
        }
        json_object_array_add(
            out, json_object_get(takes_other ? opr__item(others, i++) : opr__item(named, j++)));
    }
    json_object_put(named);
    json_object_put(others);
    return out;
}

static opr_status merge_item(struct merge *m, const struct opr_schema_type *elem, const char *key,
                             struct json_object *list, struct json_object *item)
{
    size_t at;
    if (key && !opr__get(item, key)) {
        return opr_error_set(m->reterr, OPR_E_CONFLICT,
                             "map: %s does not contain declared merge key: %s",
                             json_object_to_json_string(item), key);
    }
    at = index_of(list, item, key);
    if (at == SIZE_MAX) {
        struct json_object *value = opr_doc_dup(item); /* as it is, nulls and all */
        if (json_object_is_type(value, json_type_object)) {
            json_object_object_del(value, "$patch");
        }
        json_object_array_add(list, value);
        return OPR_OK;
    }
    return key ? merge_map(m, elem, opr__item(list, at), item) : OPR_OK;
}

static bool is_delete(struct json_object *item, const char *key)
{
    return key && strcmp(directive(item), "delete") == 0;
}

/* Takes what {"$patch":"delete"} names out of the list. */
static void delete_items(struct json_object *list, struct json_object *patch, const char *key)
{
    for (size_t i = 0; i < opr__length(patch); i++) {
        struct json_object *item = opr__item(patch, i);
        size_t at;
        while (is_delete(item, key) && (at = index_of(list, item, key)) != SIZE_MAX) {
            json_object_array_del_idx(list, at, 1);
        }
    }
}

/* {"$patch":"replace"} among the items: the rest of them is the list. */
static bool has_replace(struct json_object *patch)
{
    for (size_t i = 0; i < opr__length(patch); i++) {
        if (strcmp(directive(opr__item(patch, i)), "replace") == 0) {
            return true;
        }
    }
    return false;
}

static struct json_object *without_directives(struct json_object *patch)
{
    struct json_object *out = json_object_new_array();
    for (size_t i = 0; i < opr__length(patch); i++) {
        if (!*directive(opr__item(patch, i))) {
            json_object_array_add(out, opr_doc_dup(opr__item(patch, i)));
        }
    }
    return out;
}

/* Plain values stand once in a list that was merged. */
static void drop_repeated(struct json_object *list)
{
    for (size_t i = opr__length(list); i > 0; i--) {
        if (index_of(list, opr__item(list, i - 1), NULL) != i - 1) {
            json_object_array_del_idx(list, i - 1, 1);
        }
    }
}

/* The list that before becomes. Owned. */
static opr_status merge_list(struct merge *m, const struct opr_type_field *f,
                             struct json_object *before, struct json_object *patch,
                             struct json_object **ret_list)
{
    if (has_replace(patch)) {
        *ret_list = without_directives(patch);
        return OPR_OK;
    }
    struct json_object *kept = opr_doc_dup(before), *order = json_object_new_array();
    opr_status st = OPR_OK;
    delete_items(kept, patch, f->merge_key);
    struct json_object *list = opr_doc_dup(kept);
    for (size_t i = 0; i < opr__length(patch) && st == OPR_OK; i++) {
        struct json_object *item = opr__item(patch, i);
        if (!is_delete(item, f->merge_key)) {
            st = merge_item(m, f->type->elem, f->merge_key, list, item);
            json_object_array_add(order, json_object_get(item));
        }
    }
    if (st == OPR_OK) {
        *ret_list = ordered(list, order, kept, f->merge_key);
        if (!f->merge_key) {
            drop_repeated(*ret_list);
        }
    }
    json_object_put(list);
    json_object_put(kept);
    json_object_put(order);
    return st;
}

/* The items of a patch stand in the order that $setElementOrder says for them. */
static opr_status check_order(struct merge *m, struct json_object *patch, struct json_object *order,
                              const char *key)
{
    size_t o = 0;
    if (!json_object_is_type(patch, json_type_array) ||
        !json_object_is_type(order, json_type_array)) {
        return OPR_OK;
    }
    if (opr__length(patch) == 0) {
        return opr_error_set(m->reterr, OPR_E_CONFLICT, "no elements in any of the given slices");
    }
    for (size_t i = 0; i < opr__length(patch); i++) {
        struct json_object *item = opr__item(patch, i);
        if (is_delete(item, key)) {
            continue;
        }
        while (o < opr__length(order) && !is_same(opr__item(order, o), item, key)) {
            o++;
        }
        if (o++ >= opr__length(order)) {
            return opr_error_set(m->reterr, OPR_E_CONFLICT,
                                 "The order in patch list:\n%s\n doesn't match $setElementOrder "
                                 "list:\n%s\n",
                                 json_object_to_json_string_ext(patch, JSON_C_TO_STRING_PLAIN),
                                 json_object_to_json_string_ext(order, JSON_C_TO_STRING_PLAIN));
        }
    }
    return OPR_OK;
}

/* --- maps ------------------------------------------------------------------------------------- */

static void retain_keys(struct json_object *into, struct json_object *names)
{
    json_object_object_foreach(into, name, value)
    {
        bool is_kept = false;
        for (size_t i = 0; i < opr__length(names); i++) {
            const char *one = json_object_get_string(opr__item(names, i));
            is_kept = is_kept || (one && strcmp(one, name) == 0);
        }
        (void)value;
        if (!is_kept) {
            json_object_object_del(into, name);
        }
    }
}

static void delete_from_list(struct json_object *into, const char *name, struct json_object *values)
{
    struct json_object *list = json_object_object_get(into, name);
    for (size_t i = 0; json_object_is_type(list, json_type_array) && i < opr__length(values); i++) {
        size_t at;
        while ((at = index_of(list, opr__item(values, i), NULL)) != SIZE_MAX) {
            json_object_array_del_idx(list, at, 1);
        }
    }
}

static void set_order(const struct opr_schema_type *t, struct json_object *into, const char *name,
                      struct json_object *order, struct json_object *before)
{
    const struct opr_type_field *f = field_of(t, name);
    struct json_object *list = json_object_object_get(into, name);
    if (json_object_is_type(list, json_type_array) && json_object_is_type(order, json_type_array)) {
        const char *key = f ? f->merge_key : NULL;
        json_object_object_add(into, name, ordered(list, order, before, key));
    }
}

static opr_status merge_member(struct merge *m, const struct opr_schema_type *t,
                               struct json_object *into, const char *name,
                               struct json_object *patch)
{
    const struct opr_type_field *f = field_of(t, name);
    struct json_object *before = json_object_object_get(into, name), *value = NULL;
    if (!patch) {
        json_object_object_del(into, name);
        return OPR_OK;
    }
    bool is_map = json_object_is_type(patch, json_type_object);
    bool is_replaced = f && (f->flags & OPR_FIELD_PATCH_REPLACE);
    if (is_map && json_object_is_type(before, json_type_object) && !is_replaced) {
        return merge_map(m, value_type(t, name), before, patch);
    }
    bool is_list =
        json_object_is_type(patch, json_type_array) && json_object_is_type(before, json_type_array);
    if (is_list && f && (f->flags & OPR_FIELD_PATCH_MERGE) && f->type->node == OPR_NODE_LIST) {
        OPR_TRY(merge_list(m, f, before, patch, &value));
    } else {
        value = fresh_value(patch);
    }
    if (value) {
        json_object_object_add(into, name, value);
    } else {
        json_object_object_del(into, name);
    }
    return OPR_OK;
}

static opr_status merge_members(struct merge *m, const struct opr_schema_type *t,
                                struct json_object *into, struct json_object *patch)
{
    struct json_object *before = opr_doc_dup(into);
    opr_status st = OPR_OK;
    json_object_object_foreach(patch, name, value)
    {
        if (strncmp(name, DELETE_FROM, strlen(DELETE_FROM)) == 0) {
            delete_from_list(into, name + strlen(DELETE_FROM), value);
        } else if (st == OPR_OK && strncmp(name, SET_ORDER, strlen(SET_ORDER)) == 0) {
            const char *list = name + strlen(SET_ORDER);
            const struct opr_type_field *f = field_of(t, list);
            st =
                check_order(m, json_object_object_get(patch, list), value, f ? f->merge_key : NULL);
        }
    }
    json_object_object_foreach(patch, key, member)
    {
        if (st == OPR_OK && !is_directive(key)) {
            st = merge_member(m, t, into, key, member);
        }
    }
    json_object_object_foreach(patch, order_name, order)
    {
        if (st == OPR_OK && strncmp(order_name, SET_ORDER, strlen(SET_ORDER)) == 0) {
            const char *list = order_name + strlen(SET_ORDER);
            set_order(t, into, list, order, json_object_object_get(before, list));
        }
    }
    json_object_put(before);
    return st;
}

static void clear(struct json_object *map)
{
    json_object_object_foreach(map, name, value)
    {
        (void)value;
        json_object_object_del(map, name);
    }
}

static opr_status merge_map(struct merge *m, const struct opr_schema_type *t,
                            struct json_object *into, struct json_object *patch)
{
    const char *what = directive(patch);
    struct json_object *retained = opr__get(patch, "$retainKeys");
    if (*what && strcmp(what, "replace") != 0 && strcmp(what, "delete") != 0 &&
        strcmp(what, "merge") != 0) {
        return opr_error_set(m->reterr, OPR_E_CONFLICT, "unknown patch type: %s in map", what);
    }
    if (strcmp(what, "replace") == 0 || strcmp(what, "delete") == 0) {
        clear(into);
    }
    if (strcmp(what, "delete") == 0) {
        return OPR_OK;
    }
    if (retained) {
        if (!json_object_is_type(retained, json_type_array)) {
            return opr_error_set(m->reterr, OPR_E_INVALID, "$retainKeys directive is not a list");
        }
        retain_keys(into, retained);
    }
    if (++m->depth > PATCH_MAX_DEPTH) {
        return opr_error_set(m->reterr, OPR_E_LIMIT, "the patch is nested too deeply");
    }
    opr_status st = merge_members(m, t, into, patch);
    m->depth--;
    return st;
}

opr_status opr_schema_strategic_patch(const struct opr_kind *kind, struct json_object **doc,
                                      struct json_object *patch, struct opr_error *reterr)
{
    if (kind->is_custom) {
        return opr_error_set(reterr, OPR_E_UNSUPPORTED,
                             "the body of the request was in an unknown format - accepted media "
                             "types include: application/json-patch+json, "
                             "application/merge-patch+json, application/apply-patch+yaml");
    }
    if (!json_object_is_type(patch, json_type_object)) {
        return opr_error_set(
            reterr, OPR_E_INVALID,
            "json: cannot unmarshal into Go value of type map[string]interface {}");
    }
    struct merge m = {.reterr = reterr};
    struct json_object *result = opr_doc_dup(*doc);
    opr_status st = merge_map(&m, kind->type, result, patch);
    if (st != OPR_OK) {
        json_object_put(result);
        return st;
    }
    json_object_put(*doc);
    *doc = result;
    return OPR_OK;
}
