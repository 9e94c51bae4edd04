#include "apiserver/schema/build.h"

#include "core/base/alloc.h"

void opr__slots_fini(struct opr__slots *s)
{
    opr__slots_drop(s, 0);
    opr_free(s->items);
    s->items = NULL;
    s->cap = 0;
}

size_t opr__slots_open(struct opr__slots *s, const struct opr_schema_type *t)
{
    size_t base = s->count;
    if (base + t->field_count > s->cap) {
        s->cap = (base + t->field_count) * 2;
        s->items = opr_xrealloc(s->items, s->cap * sizeof(struct json_object *));
    }
    for (size_t i = base; i < base + t->field_count; i++) {
        s->items[i] = NULL;
    }
    s->count += t->field_count;
    return base;
}

void opr__slots_set(struct opr__slots *s, size_t base, size_t field, struct json_object *value)
{
    json_object_put(s->items[base + field]);
    s->items[base + field] = value;
}

void opr__slots_drop(struct opr__slots *s, size_t base)
{
    while (s->count > base) {
        json_object_put(s->items[--s->count]);
    }
}

static struct json_object *zero_object(const struct opr_schema_type *t);

struct json_object *opr__zero_value(const struct opr_schema_type *t)
{
    switch ((enum opr_node)t->node) {
    case OPR_NODE_BOOL:
        return json_object_new_boolean(0);
    case OPR_NODE_INT32:
    case OPR_NODE_INT64:
    case OPR_NODE_INTORSTR:
        return json_object_new_int(0);
    case OPR_NODE_DOUBLE:
        return json_object_new_double_s(0, "0");
    case OPR_NODE_STRING:
        return json_object_new_string("");
    case OPR_NODE_QUANTITY:
        return json_object_new_string("0");
    case OPR_NODE_OBJECT:
        return zero_object(t);
    default:
        return NULL;
    }
}

static bool is_zero(const struct opr_schema_type *t, struct json_object *v)
{
    switch ((enum opr_node)t->node) {
    case OPR_NODE_BOOL:
        return !json_object_get_boolean(v);
    case OPR_NODE_INT32:
    case OPR_NODE_INT64:
        return json_object_get_int64(v) == 0;
    case OPR_NODE_DOUBLE:
        return json_object_get_double(v) == 0;
    case OPR_NODE_STRING:
    case OPR_NODE_BYTES:
        return json_object_get_string_len(v) == 0;
    case OPR_NODE_LIST:
    case OPR_NODE_WRAPPED:
        return json_object_array_length(v) == 0;
    case OPR_NODE_MAP:
        return json_object_object_length(v) == 0;
    default:
        return false;
    }
}

/* Takes v (NULL: absent). Says whether the member is printed. */
static bool member_value(const struct opr_type_field *f, struct json_object *v,
                         struct json_object **ret_value)
{
    *ret_value = v;
    if (f->flags & OPR_FIELD_PTR) {
        return v || !(f->flags & OPR_FIELD_OMITEMPTY);
    }
    if (f->type->node == OPR_NODE_OBJECT) {
        if (!v && !(f->flags & OPR_FIELD_OMITZERO)) {
            *ret_value = zero_object(f->type);
        }
        return *ret_value != NULL;
    }
    if (f->type->node == OPR_NODE_TIME || f->type->node == OPR_NODE_MICROTIME) {
        return v || !(f->flags & OPR_FIELD_OMITZERO);
    }
    bool is_struct = f->type->node == OPR_NODE_QUANTITY || f->type->node == OPR_NODE_INTORSTR ||
                     f->type->node == OPR_NODE_RAW;
    if (!v) {
        if (f->flags & (is_struct ? OPR_FIELD_OMITZERO : OPR_FIELD_OMITEMPTY)) {
            return false;
        }
        *ret_value = opr__zero_value(f->type);
        return true;
    }
    if ((f->flags & OPR_FIELD_OMITEMPTY) && is_zero(f->type, v)) {
        json_object_put(v);
        *ret_value = NULL;
        return false;
    }
    return true;
}

static struct json_object *zero_object(const struct opr_schema_type *t)
{
    struct json_object *o = json_object_new_object();
    for (uint16_t i = 0; i < t->field_count; i++) {
        struct json_object *v;
        if (t->fields[i].name && member_value(&t->fields[i], NULL, &v)) {
            json_object_object_add_ex(o, t->fields[i].name, v,
                                      JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT);
        }
    }
    return o;
}

struct json_object *opr__slots_build(struct opr__slots *s, size_t base,
                                     const struct opr_schema_type *t)
{
    struct json_object *o = json_object_new_object();
    for (uint16_t i = 0; i < t->field_count; i++) {
        struct json_object *v = s->items[base + i];
        s->items[base + i] = NULL;
        if (t->fields[i].name && member_value(&t->fields[i], v, &v)) {
            /* Only built-in types are built here: their names are static. */
            json_object_object_add_ex(o, t->fields[i].name, v,
                                      JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT);
        }
    }
    opr__slots_drop(s, base);
    return o;
}
