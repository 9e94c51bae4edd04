#include "apiserver/schema/table.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

size_t opr_kind_count(void)
{
    return opr__kinds_count;
}

const struct opr_kind *opr_kind_nth(size_t i)
{
    return i < opr__kinds_count ? &opr__kinds[i] : NULL;
}

static bool is_of(const struct opr_kind *k, struct opr_str group, struct opr_str version)
{
    return opr_str_is(group, k->group) && opr_str_is(version, k->version);
}

const struct opr_kind *opr_kind_find(struct opr_str group, struct opr_str version,
                                     struct opr_str plural)
{
    for (size_t i = 0; i < opr__kinds_count; i++) {
        const struct opr_kind *k = &opr__kinds[i];
        if (opr_str_is(plural, k->plural) && is_of(k, group, version)) {
            return k;
        }
    }
    return NULL;
}

const struct opr_kind *opr_kind_find_kind(struct opr_str group, struct opr_str version,
                                          struct opr_str kind)
{
    for (size_t i = 0; i < opr__kinds_count; i++) {
        const struct opr_kind *k = &opr__kinds[i];
        if (opr_str_is(kind, k->kind) && is_of(k, group, version)) {
            return k;
        }
    }
    return NULL;
}

const struct opr_type_field *opr_schema_type_field(const struct opr_schema_type *t,
                                                   struct opr_str name)
{
    for (uint16_t i = 0; i < t->field_count; i++) {
        const char *field = t->fields[i].name;
        if (field && strncmp(field, name.ptr ? name.ptr : "", name.len) == 0 && !field[name.len]) {
            return &t->fields[i];
        }
    }
    return NULL;
}

void opr_field_errors_add(struct opr_field_errors *e, const char *reason, const char *field,
                          const char *message)
{
    if (e->count == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : 8;
        struct opr_field_error *items = opr_arena_alloc(e->arena, cap * sizeof(*items));
        if (e->count) {
            memcpy(items, e->items, e->count * sizeof(*items));
        }
        e->items = items;
        e->cap = cap;
    }
    e->items[e->count].reason = opr_arena_dup(e->arena, opr_str_of(reason));
    e->items[e->count].field = opr_arena_dup(e->arena, opr_str_of(field));
    e->items[e->count].message = opr_arena_dup(e->arena, opr_str_of(message));
    e->count++;
}
