#include "apiserver/schema/build.h"

#include "apiserver/schema/crd.h"
#include "core/base/str.h"

static bool is_unset(const struct opr_type_field *f, struct json_object *value)
{
    if (!value) {
        return true;
    }
    if (f->flags & OPR_FIELD_PTR) {
        return false;
    }
    switch (json_object_get_type(value)) {
    case json_type_string:
        return json_object_get_string_len(value) == 0;
    case json_type_int:
        return json_object_get_int64(value) == 0;
    case json_type_boolean:
        return !json_object_get_boolean(value);
    default:
        return false;
    }
}

static void default_value(const struct opr_schema_type *t, struct json_object *value);

/* What Go keeps as a struct, not as a pointer, is always there, even where a patch or the registry
 * took it away. */
static void add_structs(const struct opr_schema_type *t, struct json_object *o)
{
    for (uint16_t i = 0; i < t->field_count; i++) {
        const struct opr_type_field *f = &t->fields[i];
        bool is_struct = f->name && f->type->node == OPR_NODE_OBJECT &&
                         !(f->flags & (OPR_FIELD_PTR | OPR_FIELD_OMITZERO));
        if (is_struct && !json_object_object_get(o, f->name)) {
            json_object_object_add(o, f->name, opr__zero_value(f->type));
        }
    }
}

static void default_object(const struct opr_schema_type *t, struct json_object *o)
{
    add_structs(t, o);
    for (uint16_t i = 0; i < t->field_count; i++) {
        const struct opr_type_field *f = &t->fields[i];
        if (f->default_json && is_unset(f, json_object_object_get(o, f->name))) {
            json_object_object_add(o, f->name, json_tokener_parse(f->default_json));
        }
    }
    if (t->set_defaults) {
        t->set_defaults(o);
    }
    for (uint16_t i = 0; i < t->field_count; i++) {
        const struct opr_type_field *f = &t->fields[i];
        struct json_object *value;
        if (f->name && f->type->node >= OPR_NODE_OBJECT &&
            json_object_object_get_ex(o, f->name, &value) && value) {
            default_value(f->type, value);
        }
    }
}

/* Amounts of resources are kept in thousandths at the finest. */
static void round_quantities(struct json_object *map)
{
    char text[OPR__SCALAR_TEXT_MAX];
    json_object_object_foreach(map, name, value)
    {
        (void)name;
        struct opr_str amount = opr_str_of(json_object_get_string(value));
        if (amount.len && strchr("nu", amount.ptr[amount.len - 1]) &&
            opr__quantity_round_milli(amount, text) == OPR_OK) {
            json_object_set_string(value, text);
        }
    }
}

static void default_value(const struct opr_schema_type *t, struct json_object *value)
{
    if (t->node == OPR_NODE_OBJECT && json_object_is_type(value, json_type_object)) {
        default_object(t, value);
    } else if (t->node == OPR_NODE_LIST && t->elem->node >= OPR_NODE_OBJECT &&
               json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            default_value(t->elem, json_object_array_get_idx(value, i));
        }
    } else if (t->node == OPR_NODE_MAP && t->elem->node == OPR_NODE_QUANTITY) {
        round_quantities(value);
    } else if (t->node == OPR_NODE_MAP && t->elem->node >= OPR_NODE_OBJECT) {
        json_object_object_foreach(value, name, item)
        {
            (void)name;
            default_value(t->elem, item);
        }
    }
}

void opr_schema_default(const struct opr_kind *kind, struct json_object *doc)
{
    if (kind->is_custom) {
        opr__custom_default(kind->type, doc);
    } else {
        default_value(kind->type, doc);
    }
}
