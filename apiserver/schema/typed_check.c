/* What is wrong with an applied configuration, worded as structured-merge-diff words it. */
#include "apiserver/schema/typed.h"

#include "core/base/str.h"

#include <stdlib.h>

struct checking {
    struct opr_arena *arena;
    struct opr_buf path;
    const char *problem; /* the first */
};

static void check(struct checking *c, const struct opr_schema_type *type,
                  struct json_object *value);

/* A value as Go prints it with %v. */
static void print_go(struct opr_buf *out, struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        opr_buf_add_text(out, "<nil>");
        break;
    case json_type_array:
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            opr_buf_add_char(out, i == 0 ? '[' : ' ');
            print_go(out, json_object_array_get_idx(value, i));
        }
        opr_buf_add_text(out, json_object_array_length(value) == 0 ? "[]" : "]");
        break;
    case json_type_object: {
        bool is_first = true;
        opr_buf_add_text(out, "map[");
        json_object_object_foreach(value, name, member)
        {
            opr_buf_printf(out, "%s%s:", is_first ? "" : " ", name);
            print_go(out, member);
            is_first = false;
        }
        opr_buf_add_char(out, ']');
        break;
    }
    default:
        opr_buf_add_text(out, json_object_get_string(value));
    }
}

static void fail(struct checking *c, const char *problem)
{
    if (!c->problem) {
        c->problem =
            opr_arena_printf(c->arena, "%s: %s", c->path.len > 0 ? c->path.data : ".", problem);
    }
}

static void fail_type(struct checking *c, const char *expected, struct json_object *value)
{
    struct opr_buf got = {0};
    json_type is = json_object_get_type(value);
    if (strcmp(expected, "map") == 0 || strcmp(expected, "list") == 0) {
        opr_buf_add_text(&got, "&{");
        print_go(&got, value);
        opr_buf_add_char(&got, '}');
    } else if (*expected == 'n') {
        opr_buf_add_text(&got, is == json_type_string    ? "string"
                               : is == json_type_boolean ? "bool"
                               : is == json_type_array   ? "[]interface {}"
                                                         : "map[string]interface {}");
    } else {
        opr_buf_add_text(&got, "&value.valueUnstructured{Value:");
        opr_doc_write(&got, value);
        opr_buf_add_char(&got, '}');
    }
    fail(c, opr_arena_printf(c->arena, "expected %s, got %s", expected, got.data));
    opr_buf_fini(&got);
}

static void check_items(struct checking *c, const struct opr_schema_type *type,
                        struct json_object *list)
{
    size_t len = c->path.len;
    enum opr_shape shape = opr__shape_of(type, list);
    bool is_named = shape == OPR_SHAPE_SET || shape == OPR_SHAPE_KEYED;
    struct opr__items items = {0};
    if (is_named) {
        items = opr__items_of(c->arena, type, list);
    }
    for (size_t i = 0; i < json_object_array_length(list) && !c->problem; i++) {
        const char *problem = NULL;
        struct json_object *item = json_object_array_get_idx(list, i);
        if (is_named && !items.names[i]) {
            (void)opr__item_name(c->arena, type, item, &problem); /* for its problem */
            fail(c, opr_arena_printf(c->arena, "element %zu: %s", i, problem));
            return;
        }
        if (is_named && opr__items_find(&items, items.names[i], NULL) != i) {
            struct opr_buf key = {0};
            opr_fieldset_print_element(&key, opr__item_kind(shape), items.names[i]);
            fail(c, opr_arena_printf(c->arena, "duplicate entries for key %s", key.data));
            opr_buf_fini(&key);
            return;
        }
        if (is_named) {
            opr_fieldset_print_element(&c->path, opr__item_kind(shape), items.names[i]);
        } else {
            opr_buf_printf(&c->path, "[%zu]", i);
        }
        check(c, type ? type->elem : NULL, item);
        c->path.len = len;
        c->path.data[len] = 0;
    }
}

static void check_members(struct checking *c, const struct opr_schema_type *type,
                          struct json_object *map)
{
    size_t len = c->path.len;
    json_object_object_foreach(map, name, value)
    {
        bool is_known;
        const struct opr_schema_type *below = opr__member_type(type, name, &is_known);
        opr_fieldset_print_element(&c->path, 'f', name);
        if (!is_known) {
            fail(c, "field not declared in schema");
        } else {
            check(c, below, value);
        }
        c->path.len = len;
        c->path.data[len] = 0;
    }
}

static void check(struct checking *c, const struct opr_schema_type *type, struct json_object *value)
{
    bool is_number =
        json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
    if (!type || !value || c->problem) {
        return; /* nothing is known of it, or it says nothing */
    }
    switch ((enum opr_node)type->node) {
    case OPR_NODE_OBJECT:
    case OPR_NODE_MAP:
        if (json_object_is_type(value, json_type_object)) {
            check_members(c, type, value);
        } else {
            fail_type(c, "map", value);
        }
        break;
    case OPR_NODE_LIST:
    case OPR_NODE_WRAPPED:
        if (json_object_is_type(value, json_type_array)) {
            check_items(c, type, value);
        } else {
            fail_type(c, "list", value);
        }
        break;
    case OPR_NODE_BOOL:
        if (!json_object_is_type(value, json_type_boolean)) {
            fail_type(c, "boolean", value);
        }
        break;
    case OPR_NODE_INT32:
    case OPR_NODE_INT64:
    case OPR_NODE_DOUBLE:
        if (!is_number) {
            fail_type(c, "numeric (int or float)", value);
        }
        break;
    case OPR_NODE_STRING:
    case OPR_NODE_BYTES:
    case OPR_NODE_TIME:
    case OPR_NODE_MICROTIME:
        if (!json_object_is_type(value, json_type_string)) {
            fail_type(c, "string", value);
        }
        break;
    default: /* several kinds of value are right */
        break;
    }
}

const char *opr_schema_check_applied(struct opr_arena *a, const struct opr_schema_type *type,
                                     struct json_object *config)
{
    struct checking c = {.arena = a};
    check(&c, type, config);
    opr_buf_fini(&c.path);
    return c.problem;
}
