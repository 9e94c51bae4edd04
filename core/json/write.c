/* A packed value to text, and equality. */
#include "core/json/node.h"

#include "core/base/map.h"
#include "core/base/str.h"

#include <stdlib.h>

void opr_json_write(struct opr_buf *b, const struct opr_obj *o)
{
    int32_t type = opr_json_type(o);
    switch (type) {
    case OPR_TYPE_BOOL:
        opr_buf_add_text(b, o->text ? "true" : "false");
        break;
    case OPR_TYPE_NUMBER:
        opr_buf_add_str(b, opr__node_text(o));
        break;
    case OPR_TYPE_STRING:
        opr_buf_add_json(b, opr__node_text(o));
        break;
    case OPR_TYPE_ARRAY:
    case OPR_TYPE_OBJECT:
        opr_buf_add_char(b, type == OPR_TYPE_ARRAY ? '[' : '{');
        for (const struct opr_obj *v = opr_json_first(o); v; v = opr_json_next(v)) {
            if (v != opr_json_first(o)) {
                opr_buf_add_char(b, ',');
            }
            if (type == OPR_TYPE_OBJECT) {
                opr_buf_add_json(b, opr_str_of(opr_json_name(v)));
                opr_buf_add_char(b, ':');
            }
            opr_json_write(b, v);
        }
        opr_buf_add_char(b, type == OPR_TYPE_ARRAY ? ']' : '}');
        break;
    default:
        opr_buf_add_text(b, "null");
        break;
    }
}

/* Absent, null, and objects and arrays that hold nothing but such. */
static bool is_empty(const struct opr_obj *o)
{
    int32_t type = opr_json_type(o);
    if (type == OPR_TYPE_NONE || type == OPR_TYPE_NULL) {
        return true;
    }
    if (type == OPR_TYPE_ARRAY) {
        return o->len == 0;
    }
    if (type != OPR_TYPE_OBJECT) {
        return false;
    }
    for (const struct opr_obj *v = opr_json_first(o); v; v = opr_json_next(v)) {
        if (!is_empty(v)) {
            return false;
        }
    }
    return true;
}

#define LARGE_OBJECT 32

static struct opr_map *index_members(const struct opr_obj *o)
{
    struct opr_map *m = opr_map_new();
    for (const struct opr_obj *v = opr_json_first(o); v; v = opr_json_next(v)) {
        opr_map_put(m, opr_str_of(opr_json_name(v)), (void *)(uintptr_t)v);
    }
    return m;
}

/* The members of a, each against its namesake in b; what only b has must be empty. */
static bool equal_members(const struct opr_obj *a, const struct opr_obj *b)
{
    struct opr_map *names = b->len > LARGE_OBJECT ? index_members(b) : NULL;
    const struct opr_obj *w = opr_json_first(b);
    size_t matched_full = 0, full = 0;
    bool is_equal = true;
    for (const struct opr_obj *v = opr_json_first(a); v && is_equal; v = opr_json_next(v)) {
        struct opr_str name = opr_str_of(opr_json_name(v));
        /* Mostly both have the same order. */
        bool is_next = w && opr_str_is(name, opr_json_name(w));
        const struct opr_obj *found = is_next ? w
                                      : names ? opr_map_get(names, name)
                                              : opr_json_member(b, name);
        w = found ? opr_json_next(found) : w;
        is_equal = opr_json_equal(v, found);
        matched_full += found && !is_empty(found);
    }
    for (const struct opr_obj *v = opr_json_first(b); v && is_equal; v = opr_json_next(v)) {
        full += !is_empty(v);
    }
    opr_map_free(names, NULL);
    return is_equal && full == matched_full;
}

static bool equal_elements(const struct opr_obj *a, const struct opr_obj *b)
{
    if (a->len != b->len) {
        return false;
    }
    const struct opr_obj *w = opr_json_first(b);
    for (const struct opr_obj *v = opr_json_first(a); v; v = opr_json_next(v)) {
        if (!opr_json_equal(v, w)) {
            return false;
        }
        w = opr_json_next(w);
    }
    return true;
}

static bool equal_numbers(const struct opr_obj *a, const struct opr_obj *b)
{
    struct opr_str x = opr__node_text(a);
    struct opr_str y = opr__node_text(b);
    int64_t i, j;
    if (opr_str_to_i64(x, &i) == OPR_OK && opr_str_to_i64(y, &j) == OPR_OK) {
        return i == j;
    }
    return strtod(x.ptr, NULL) == strtod(y.ptr, NULL);
}

bool opr_json_equal(const struct opr_obj *a, const struct opr_obj *b)
{
    int32_t type = opr_json_type(a);
    if (a == b) {
        return true;
    }
    if (type != opr_json_type(b) || type == OPR_TYPE_NULL) {
        return is_empty(a) && is_empty(b);
    }
    switch (type) {
    case OPR_TYPE_BOOL:
        return a->text == b->text;
    case OPR_TYPE_NUMBER:
        return equal_numbers(a, b);
    case OPR_TYPE_STRING:
        return opr_str_eq(opr_json_text(a, ""), opr_json_text(b, ""));
    case OPR_TYPE_ARRAY:
        return equal_elements(a, b);
    default:
        return equal_members(a, b);
    }
}
