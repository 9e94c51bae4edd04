#include "apiserver/schema/validate.h"

#include "core/base/buf.h"

#include <stdarg.h>

static void add_path(struct opr_buf *b, const struct opr__path *p)
{
    if (!p) {
        return;
    }
    add_path(b, p->up);
    if (p->name) {
        opr_buf_printf(b, "%s%s", b->len ? "." : "", p->name);
    } else if (p->key) {
        opr_buf_printf(b, "[%s]", p->key);
    } else {
        opr_buf_printf(b, "[%d]", p->index);
    }
}

const char *opr__path_text(const struct opr_field_errors *e, const struct opr__path *p)
{
    struct opr_buf b = {0};
    add_path(&b, p);
    const char *text = opr_arena_dup(e->arena, opr_buf_str(&b));
    opr_buf_fini(&b);
    return text;
}

void opr__add(struct opr_field_errors *e, const char *reason, const struct opr__path *p,
              const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *message = opr_arena_vprintf(e->arena, fmt, args);
    va_end(args);
    opr_field_errors_add(e, reason, opr__path_text(e, p), message);
}

static void add_detail(struct opr_field_errors *e, const char *reason, const struct opr__path *p,
                       const char *head, const char *detail)
{
    bool has_detail = detail && *detail;
    opr__add(e, reason, p, "%s%s%s", head, has_detail ? ": " : "", has_detail ? detail : "");
}

/* The JSON text of a value, from the arena. */
static const char *value_text(struct opr_field_errors *e, struct json_object *value)
{
    struct opr_buf b = {0};
    opr_doc_write(&b, value);
    const char *text = opr_arena_dup(e->arena, opr_buf_str(&b));
    opr_buf_fini(&b);
    return text;
}

static const char *quoted(struct opr_field_errors *e, const char *value)
{
    struct opr_buf b = {0};
    opr_buf_add_json(&b, opr_str_of(value));
    const char *text = opr_arena_dup(e->arena, opr_buf_str(&b));
    opr_buf_fini(&b);
    return text;
}

static const char *headed(struct opr_field_errors *e, const char *head, const char *value)
{
    return opr_arena_printf(e->arena, "%s: %s", head, value);
}

void opr__required(struct opr_field_errors *e, const struct opr__path *p, const char *detail)
{
    add_detail(e, "FieldValueRequired", p, "Required value", detail);
}

void opr__forbidden(struct opr_field_errors *e, const struct opr__path *p, const char *detail)
{
    add_detail(e, "FieldValueForbidden", p, "Forbidden", detail);
}

void opr__invalid(struct opr_field_errors *e, const struct opr__path *p, struct json_object *value,
                  const char *detail)
{
    add_detail(e, "FieldValueInvalid", p, headed(e, "Invalid value", value_text(e, value)), detail);
}

void opr__invalid_text(struct opr_field_errors *e, const struct opr__path *p, const char *value,
                       const char *detail)
{
    add_detail(e, "FieldValueInvalid", p, headed(e, "Invalid value", quoted(e, value)), detail);
}

void opr__not_found(struct opr_field_errors *e, const struct opr__path *p, const char *value)
{
    opr__add(e, "FieldValueNotFound", p, "Not found: %s", quoted(e, value));
}

void opr__duplicate(struct opr_field_errors *e, const struct opr__path *p,
                    struct json_object *value)
{
    opr__add(e, "FieldValueDuplicate", p, "Duplicate value: %s", value_text(e, value));
}

void opr__duplicate_text(struct opr_field_errors *e, const struct opr__path *p, const char *value)
{
    opr__add(e, "FieldValueDuplicate", p, "Duplicate value: %s", quoted(e, value));
}

void opr__unsupported(struct opr_field_errors *e, const struct opr__path *p, const char *value,
                      const char *const *supported)
{
    struct opr_buf b = {0};
    opr_buf_printf(&b, "Unsupported value: %s: supported values: ", quoted(e, value));
    for (size_t i = 0; supported[i]; i++) {
        opr_buf_printf(&b, "%s%s", i ? ", " : "", quoted(e, supported[i]));
    }
    opr__add(e, "FieldValueNotSupported", p, "%s", b.data);
    opr_buf_fini(&b);
}

void opr__too_long(struct opr_field_errors *e, const struct opr__path *p, size_t max)
{
    opr__add(e, "FieldValueTooLong", p, "Too long: may not be more than %zu byte%s", max,
             max == 1 ? "" : "s");
}

void opr__too_many(struct opr_field_errors *e, const struct opr__path *p, size_t count, size_t max)
{
    opr__add(e, "FieldValueTooMany", p, "Too many: %zu: must have at most %zu item%s", count, max,
             max == 1 ? "" : "s");
}

struct json_object *opr__get(struct json_object *o, const char *name)
{
    return json_object_is_type(o, json_type_object) ? json_object_object_get(o, name) : NULL;
}

const char *opr__text(struct json_object *o, const char *name)
{
    struct json_object *v = opr__get(o, name);
    return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

int64_t opr__number(struct json_object *o, const char *name)
{
    struct json_object *v = opr__get(o, name);
    return json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;
}

bool opr__flag(struct json_object *o, const char *name)
{
    struct json_object *v = opr__get(o, name);
    return json_object_is_type(v, json_type_boolean) && json_object_get_boolean(v);
}

size_t opr__length(struct json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

struct json_object *opr__item(struct json_object *list, size_t i)
{
    return json_object_array_get_idx(list, i);
}

const char *opr__item_text(struct json_object *list, size_t i)
{
    struct json_object *item = opr__item(list, i);
    return json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
}

bool opr__has_text(struct json_object *o, const char *name)
{
    return *opr__text(o, name) != 0;
}

void opr__check_required(struct opr_field_errors *e, const struct opr__path *p,
                         struct json_object *o, const char *name)
{
    struct json_object *v = opr__get(o, name);
    bool is_empty = !v || (json_object_is_type(v, json_type_string) && !opr__has_text(o, name)) ||
                    (json_object_is_type(v, json_type_array) && opr__length(v) == 0);
    if (is_empty) {
        opr__required(e, OPR__IN(p, name), NULL);
    }
}

void opr__check_enum(struct opr_field_errors *e, const struct opr__path *p, struct json_object *o,
                     const char *name, const char *const *supported)
{
    if (!opr__get(o, name)) {
        return;
    }
    const char *value = opr__text(o, name);
    for (size_t i = 0; supported[i]; i++) {
        if (strcmp(value, supported[i]) == 0) {
            return;
        }
    }
    opr__unsupported(e, OPR__IN(p, name), value, supported);
}

void opr__check_nonnegative(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *o, const char *name)
{
    if (opr__number(o, name) < 0) {
        opr__invalid(e, OPR__IN(p, name), opr__get(o, name), "must be greater than or equal to 0");
    }
}

void opr__check_port(struct opr_field_errors *e, const struct opr__path *p, int64_t port)
{
    if (port < 1 || port > 65535) {
        opr__add(e, "FieldValueInvalid", p,
                 "Invalid value: %lld: must be between 1 and 65535, inclusive", (long long)port);
    }
}

void opr__check_name(struct opr_field_errors *e, const struct opr__path *p, const char *value,
                     opr__name_fn bad_name)
{
    const char *problem = bad_name(value);
    if (!problem) {
        return;
    }
    opr__invalid_text(e, p, value, problem);
    /* Two rules broken at once are named both. */
    size_t len = strlen(value);
    if (bad_name == opr__bad_qualified_name && (len == 0 || value[len - 1] == '/')) {
        opr__invalid_text(e, p, value, opr__bad_qualified_name("-"));
    } else if (bad_name == opr__bad_port_name &&
               strpbrk(value, "abcdefghijklmnopqrstuvwxyz") == NULL &&
               problem != opr__bad_port_name("0")) {
        opr__invalid_text(e, p, value, opr__bad_port_name("0"));
    }
}

void opr__check_immutable(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *value, struct json_object *old)
{
    if (!opr_doc_equal(value, old)) {
        opr__invalid(e, p, value, "field is immutable");
    }
}
