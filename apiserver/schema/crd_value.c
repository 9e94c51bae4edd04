#include "apiserver/schema/crd.h"

#include "apiserver/schema/validate.h"
#include "core/base/alloc.h"

#include <stdlib.h>

static const struct opr_schema_type *member_type(const struct opr_schema_type *t, const char *name)
{
    const struct opr_type_field *f = opr_schema_type_field(t, opr_str_of(name));
    return f ? f->type : t->elem;
}

static bool is_type_meta(const char *name)
{
    return strcmp(name, "apiVersion") == 0 || strcmp(name, "kind") == 0 ||
           strcmp(name, "metadata") == 0;
}

static void prune(const struct opr_schema_type *t, const struct opr__path *p,
                  struct json_object *doc, struct opr_field_errors *errors);

static void prune_object(const struct opr_schema_type *t, const struct opr__path *p,
                         struct json_object *doc, struct opr_field_errors *errors)
{
    json_object_object_foreach(doc, name, value)
    {
        const struct opr_type_field *f = opr_schema_type_field(t, opr_str_of(name));
        bool is_known = f || t->elem || (t->flags & OPR_SCHEMA_PRESERVE_UNKNOWN) ||
                        ((t->flags & OPR_SCHEMA_EMBEDDED) && is_type_meta(name));
        if (is_known) {
            prune(f ? f->type : t->elem, OPR__IN(p, name), value, errors);
            continue;
        }
        if (errors) {
            const char *field = opr__path_text(errors, OPR__IN(p, name));
            opr_field_errors_add(errors, "UnknownField", field,
                                 opr_arena_printf(errors->arena, "unknown field \"%s\"", field));
        }
        json_object_object_del(doc, name);
    }
}

static void prune(const struct opr_schema_type *t, const struct opr__path *p,
                  struct json_object *doc, struct opr_field_errors *errors)
{
    if (!t || !(t->flags & OPR_SCHEMA_CUSTOM)) {
        return;
    }
    bool has_members = t->node == OPR_NODE_OBJECT || t->field_count || t->elem;
    if (json_object_is_type(doc, json_type_object) && has_members && t->node != OPR_NODE_LIST) {
        prune_object(t, p, doc, errors);
    } else if (json_object_is_type(doc, json_type_array) && t->node == OPR_NODE_LIST) {
        for (size_t i = 0; i < json_object_array_length(doc); i++) {
            prune(t->elem, OPR__AT(p, i), json_object_array_get_idx(doc, i), errors);
        }
    }
}

static int by_field(const void *a, const void *b)
{
    const struct opr_field_error *x = a, *y = b;
    return strcmp(x->field, y->field);
}

void opr__custom_prune(const struct opr_schema_type *t, struct json_object *doc,
                       struct opr_field_errors *errors)
{
    size_t before = errors ? errors->count : 0;
    prune(t, NULL, doc, errors);
    if (errors && errors->count > before) { /* named in the order of their paths */
        qsort(errors->items + before, errors->count - before, sizeof(*errors->items), by_field);
    }
}

static bool is_nullable(const struct opr_schema_type *t)
{
    return t && (t->flags & OPR_SCHEMA_NULLABLE);
}

/* Null where there may be none is nothing. Below what the schema does not know, null is a value. */
static void drop_nulls(const struct opr_schema_type *t, struct json_object *doc)
{
    json_object_object_foreach(doc, name, value)
    {
        const struct opr_schema_type *type = member_type(t, name);
        if (!value && type && (type->flags & OPR_SCHEMA_CUSTOM) && !is_nullable(type)) {
            json_object_object_del(doc, name);
        }
    }
}

void opr__custom_default(const struct opr_schema_type *t, struct json_object *doc)
{
    if (!t || !(t->flags & OPR_SCHEMA_CUSTOM)) {
        return;
    }
    if (json_object_is_type(doc, json_type_array)) {
        for (size_t i = 0; t->elem && i < json_object_array_length(doc); i++) {
            opr__custom_default(t->elem, json_object_array_get_idx(doc, i));
        }
        return;
    }
    if (!json_object_is_type(doc, json_type_object)) {
        return;
    }
    for (uint16_t i = 0; i < t->field_count; i++) {
        const struct opr_type_field *f = &t->fields[i];
        struct json_object *value = NULL;
        bool has_value = json_object_object_get_ex(doc, f->name, &value);
        if (f->default_json && (!has_value || (!value && !is_nullable(f->type)))) {
            json_object_object_add(doc, f->name, json_tokener_parse(f->default_json));
        }
    }
    drop_nulls(t, doc);
    json_object_object_foreach(doc, name, member)
    {
        opr__custom_default(member_type(t, name), member);
    }
}
