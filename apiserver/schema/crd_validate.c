#include "apiserver/schema/build.h"

#include "apiserver/schema/crd.h"
#include "apiserver/schema/validate.h"
#include "core/base/clock.h"

#include <math.h>
#include <stdarg.h>

/* The checks of a structural schema, worded as kube-openapi's validation words them. */
static void check(const struct opr_schema_type *t, const struct opr__path *p,
                  struct json_object *value, struct opr_field_errors *e);

static const char *type_name(struct json_object *v)
{
    switch (json_object_get_type(v)) {
    case json_type_null:
        return "null";
    case json_type_boolean:
        return "boolean";
    case json_type_int:
        return "integer";
    case json_type_double:
        return "number";
    case json_type_string:
        return "string";
    case json_type_array:
        return "array";
    default:
        return "object";
    }
}

static bool has_type(const struct opr_schema_type *t, struct json_object *v)
{
    enum json_type type = json_object_get_type(v);
    switch ((enum opr_node)t->node) {
    case OPR_NODE_OBJECT:
        return type == json_type_object;
    case OPR_NODE_LIST:
        return type == json_type_array;
    case OPR_NODE_STRING:
        return type == json_type_string;
    case OPR_NODE_BOOL:
        return type == json_type_boolean;
    case OPR_NODE_INT64:
        return type == json_type_int ||
               (type == json_type_double &&
                floor(json_object_get_double(v)) == json_object_get_double(v));
    case OPR_NODE_DOUBLE:
        return type == json_type_int || type == json_type_double;
    case OPR_NODE_INTORSTR:
        return type == json_type_int || type == json_type_string;
    default:
        return true;
    }
}

static void wrong_type(const struct opr_schema_type *t, const struct opr__path *p,
                       struct json_object *v, struct opr_field_errors *e)
{
    const char *wanted = t->node == OPR_NODE_INTORSTR ? "integer,string" : t->go_name;
    opr__add(e, "FieldValueTypeInvalid", p,
             "Invalid value: \"%s\": %s in body must be of type %s: \"%s\"", type_name(v),
             opr__path_text(e, p), wanted, type_name(v));
}

OPR_PRINTF(4, 5)
static void broken(struct opr_field_errors *e, const struct opr__path *p, struct json_object *v,
                   const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *rule = opr_arena_vprintf(e->arena, fmt, args);
    va_end(args);
    opr__invalid(e, p, v, opr_arena_printf(e->arena, "%s in body %s", opr__path_text(e, p), rule));
}

static void check_number(const struct opr_schema_rules *r, const struct opr__path *p,
                         struct json_object *v, struct opr_field_errors *e)
{
    double n = json_object_get_double(v);
    bool is_low = r->has_minimum && (r->is_minimum_exclusive ? n <= r->minimum : n < r->minimum);
    bool is_high = r->has_maximum && (r->is_maximum_exclusive ? n >= r->maximum : n > r->maximum);
    if (is_low) {
        broken(e, p, v, "should be greater than %s%g",
               r->is_minimum_exclusive ? "" : "or equal to ", r->minimum);
    }
    if (is_high) {
        broken(e, p, v, "should be less than %s%g", r->is_maximum_exclusive ? "" : "or equal to ",
               r->maximum);
    }
    if (r->multiple_of > 0 && fmod(n, r->multiple_of) != 0) {
        broken(e, p, v, "should be a multiple of %g", r->multiple_of);
    }
}

/* Characters, not bytes. */
static int64_t text_length(struct json_object *v)
{
    const char *s = json_object_get_string(v);
    int64_t n = 0;
    for (; *s; s++) {
        n += ((unsigned char)*s & 0xC0) != 0x80;
    }
    return n;
}

static bool has_format(const char *format, const char *text)
{
    int64_t ms;
    bool is_v6;
    if (strcmp(format, "date-time") == 0) {
        return opr_time_parse(opr_str_of(text), &ms) == OPR_OK;
    }
    if (strcmp(format, "ipv4") == 0 || strcmp(format, "ipv6") == 0) {
        return opr__is_ip(text, &is_v6) && is_v6 == (format[3] == '6');
    }
    if (strcmp(format, "cidr") == 0) {
        return opr__is_cidr(text);
    }
    if (strcmp(format, "uuid") == 0) {
        size_t hex = strspn(text, "0123456789abcdefABCDEF-");
        return hex == 36 && !text[36] && text[8] == '-' && text[13] == '-' && text[18] == '-' &&
               text[23] == '-';
    }
    return true; /* other formats are hints */
}

static void check_text(const struct opr_schema_rules *r, const struct opr__path *p,
                       struct json_object *v, struct opr_field_errors *e)
{
    const char *text = json_object_get_string(v);
    int64_t length = text_length(v);
    if (r->max_length >= 0 && length > r->max_length) {
        opr__too_long(e, p, (size_t)r->max_length);
    }
    if (r->min_length >= 0 && length < r->min_length) {
        broken(e, p, v, "should be at least %lld chars long", (long long)r->min_length);
    }
    if (r->has_pattern && regexec(&r->pattern, text, 0, NULL, 0) != 0) {
        broken(e, p, v, "should match '%s'", r->pattern_text);
    }
    if (r->format && !has_format(r->format, text)) {
        opr__add(e, "FieldValueTypeInvalid", p,
                 "Invalid value: \"%s\": %s in body must be of type %s: \"%s\"", text,
                 opr__path_text(e, p), r->format, text);
    }
}

static bool is_in_enum(struct json_object *values, struct json_object *v)
{
    for (size_t i = 0; i < opr__length(values); i++) {
        if (opr_doc_equal(opr__item(values, i), v)) {
            return true;
        }
    }
    return false;
}

static void check_enum(struct json_object *values, const struct opr__path *p, struct json_object *v,
                       struct opr_field_errors *e)
{
    if (is_in_enum(values, v)) {
        return;
    }
    struct opr_buf list = {0}, shown = {0};
    for (size_t i = 0; i < opr__length(values); i++) {
        struct json_object *one = opr__item(values, i);
        bool is_text = json_object_is_type(one, json_type_string);
        opr_buf_add_text(&list, i ? ", " : "");
        opr_buf_add_text(&list, is_text ? "" : "\"");
        opr_doc_write(&list, one);
        opr_buf_add_text(&list, is_text ? "" : "\"");
    }
    opr_doc_write(&shown, v);
    opr__add(e, "FieldValueNotSupported", p, "Unsupported value: %s: supported values: %s",
             shown.data, list.data ? list.data : "");
    opr_buf_fini(&list);
    opr_buf_fini(&shown);
}

static bool is_same_item(const struct opr_schema_type *t, struct json_object *a,
                         struct json_object *b)
{
    if (t->list_type != OPR_LIST_MAP) {
        return opr_doc_equal(a, b);
    }
    for (size_t i = 0; t->keys && t->keys[i]; i++) {
        if (!opr_doc_equal(opr__get(a, t->keys[i]), opr__get(b, t->keys[i]))) {
            return false;
        }
    }
    return t->keys != NULL;
}

/* What is shown of a duplicate: the item of a set, the keys of a map. */
static struct json_object *item_key(const struct opr_schema_type *t, struct json_object *item)
{
    if (t->list_type != OPR_LIST_MAP) {
        return json_object_get(item);
    }
    struct json_object *key = json_object_new_object();
    for (size_t i = 0; t->keys && t->keys[i]; i++) {
        json_object_object_add(key, t->keys[i], json_object_get(opr__get(item, t->keys[i])));
    }
    return key;
}

static void check_duplicates(const struct opr_schema_type *t, const struct opr__path *p,
                             struct json_object *v, struct opr_field_errors *e)
{
    for (size_t i = 0; i < opr__length(v); i++) {
        for (size_t j = 0; j < i; j++) {
            if (is_same_item(t, opr__item(v, i), opr__item(v, j))) {
                struct json_object *key = item_key(t, opr__item(v, i));
                opr__duplicate(e, OPR__AT(p, i), key);
                json_object_put(key);
                break;
            }
        }
    }
}

static void check_list(const struct opr_schema_type *t, const struct opr__path *p,
                       struct json_object *v, struct opr_field_errors *e)
{
    const struct opr_schema_rules *r = t->rules;
    int64_t count = (int64_t)opr__length(v);
    if (r->max_items >= 0 && count > r->max_items) {
        opr__too_many(e, p, (size_t)count, (size_t)r->max_items);
        return; /* the rest would be too much work */
    }
    if (r->min_items >= 0 && count < r->min_items) {
        opr__add(e, "FieldValueInvalid", p,
                 "Invalid value: %lld: %s in body should have at least %lld items",
                 (long long)count, opr__path_text(e, p), (long long)r->min_items);
    }
    if (t->list_type == OPR_LIST_MAP || t->list_type == OPR_LIST_SET || r->has_unique_items) {
        check_duplicates(t, p, v, e);
    }
    for (size_t i = 0; t->elem && i < opr__length(v); i++) {
        check(t->elem, OPR__AT(p, i), opr__item(v, i), e);
    }
}

static void check_object(const struct opr_schema_type *t, const struct opr__path *p,
                         struct json_object *v, struct opr_field_errors *e)
{
    const struct opr_schema_rules *r = t->rules;
    int64_t count = json_object_object_length(v);
    for (uint16_t i = 0; i < t->field_count; i++) {
        const struct opr_type_field *f = &t->fields[i];
        struct json_object *member = NULL;
        bool is_there = json_object_object_get_ex(v, f->name, &member);
        if (!is_there && (f->flags & OPR_FIELD_REQUIRED)) {
            opr__required(e, OPR__IN(p, f->name), NULL);
        } else if (is_there && f->type && (f->type->flags & OPR_SCHEMA_CUSTOM)) {
            check(f->type, OPR__IN(p, f->name), member, e);
        }
    }
    static const char *const own[] = {"apiVersion", "kind"};
    for (size_t i = 0; (t->flags & OPR_SCHEMA_EMBEDDED) && i < 2; i++) {
        if (!opr__has_text(v, own[i])) {
            opr__required(e, OPR__IN(p, own[i]), NULL);
        }
    }
    if (r && r->max_properties >= 0 && count > r->max_properties) {
        opr__too_many(e, p, (size_t)count, (size_t)r->max_properties);
    }
    if (r && r->min_properties >= 0 && count < r->min_properties) {
        broken(e, p, v, "should have at least %lld properties", (long long)r->min_properties);
    }
    if (!t->elem) {
        return;
    }
    json_object_object_foreach(v, name, member)
    {
        if (!opr_schema_type_field(t, opr_str_of(name))) {
            check(t->elem, OPR__IN(p, name), member, e);
        }
    }
}

/* How many of the schemas hold. *ret_best gets the errors of the one that comes nearest. */
static size_t count_valid(const struct opr_schema_type *const *list, const struct opr__path *p,
                          struct json_object *v, const struct opr_field_errors *e,
                          struct opr_field_errors *ret_best)
{
    size_t valid = 0;
    ret_best->count = 0;
    for (; *list; list++) {
        struct opr_field_errors found = {.arena = e->arena};
        check(*list, p, v, &found);
        valid += found.count == 0;
        if (found.count && (ret_best->count == 0 || found.count < ret_best->count)) {
            *ret_best = found;
        }
    }
    return valid;
}

/* A rule of the whole schema bears no field. */
OPR_PRINTF(2, 3)
static void broken_whole(struct opr_field_errors *e, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *rule = opr_arena_vprintf(e->arena, fmt, args);
    va_end(args);
    opr_field_errors_add(e, "FieldValueInvalid", "<nil>",
                         opr_arena_printf(e->arena, "Invalid value: \"\": %s", rule));
}

static void add_all(struct opr_field_errors *e, const struct opr_field_errors *more)
{
    for (size_t i = 0; i < more->count; i++) {
        opr_field_errors_add(e, more->items[i].reason, more->items[i].field,
                             more->items[i].message);
    }
}

static void check_combined(const struct opr_schema_rules *r, const struct opr__path *p,
                           struct json_object *v, struct opr_field_errors *e)
{
    const char *path = p ? opr__path_text(e, p) : "";
    for (size_t i = 0; r->all_of && r->all_of[i]; i++) {
        check(r->all_of[i], p, v, e);
    }
    struct opr_field_errors best = {.arena = e->arena};
    if (r->any_of && count_valid(r->any_of, p, v, e, &best) == 0) {
        broken_whole(e, "\"%s\" must validate at least one schema (anyOf)", path);
        add_all(e, &best);
    }
    size_t valid = r->one_of ? count_valid(r->one_of, p, v, e, &best) : 1;
    if (valid == 0) {
        broken_whole(e, "\"%s\" must validate one and only one schema (oneOf). Found none valid",
                     path);
        add_all(e, &best);
    } else if (valid > 1) {
        broken_whole(e,
                     "\"%s\" must validate one and only one schema (oneOf). Found %zu valid "
                     "alternatives",
                     path, valid);
    }
    const struct opr_schema_type *const none[] = {r->none_of, NULL};
    if (r->none_of && count_valid(none, p, v, e, &best)) {
        broken_whole(e, "\"%s\" must not validate the schema (not)", path);
    }
}

static void check(const struct opr_schema_type *t, const struct opr__path *p, struct json_object *v,
                  struct opr_field_errors *e)
{
    const struct opr_schema_rules *r = t->rules;
    if (!v && (t->flags & OPR_SCHEMA_NULLABLE)) {
        return;
    }
    if (!has_type(t, v)) {
        wrong_type(t, p, v, e);
        return;
    }
    enum json_type type = json_object_get_type(v);
    if (type == json_type_object) {
        check_object(t, p, v, e);
    }
    if (!r) {
        return;
    }
    if (r->enum_values) {
        check_enum(r->enum_values, p, v, e);
    }
    if (type == json_type_int || type == json_type_double) {
        check_number(r, p, v, e);
    } else if (type == json_type_string) {
        check_text(r, p, v, e);
    } else if (type == json_type_array) {
        check_list(t, p, v, e);
    }
    check_combined(r, p, v, e);
}

void opr__custom_validate(const struct opr_schema_type *t, struct json_object *doc,
                          struct opr_field_errors *errors)
{
    check(t, NULL, doc, errors);
}

void opr__custom_check(const struct opr_schema_type *t, const struct opr__path *p,
                       struct json_object *value, struct opr_field_errors *errors)
{
    check(t, p, value, errors);
}
