#include "apiserver/schema/columns.h"

#include "core/base/clock.h"
#include "core/base/str.h"

#include <stdio.h>
#include <stdlib.h>

/* The JSONPath that printer columns use: .a.b, ['a.b'], [0], [-1], [*], [?(@.a=="b")]. The first
 * result is the value; "[*]" and filters give the first match. */
struct step {
    enum { STEP_NAME, STEP_INDEX, STEP_ANY, STEP_FILTER, STEP_END, STEP_BAD } kind;
    char name[256], value[256];
    int index;
};

static const char *read_quoted(const char *p, char *out, size_t size)
{
    char quote = *p++;
    size_t n = 0;
    while (*p && *p != quote) {
        p += *p == '\\' && p[1];
        if (n + 1 < size) {
            out[n++] = *p;
        }
        p++;
    }
    out[n] = 0;
    return *p ? p + 1 : NULL;
}

/* A plain name, in which a backslash takes the next character as it is. */
static const char *read_name(const char *p, const char *stop, char *out, size_t size)
{
    size_t n = 0;
    while (*p && !strchr(stop, *p)) {
        p += *p == '\\' && p[1];
        if (n + 1 < size) {
            out[n++] = *p;
        }
        p++;
    }
    out[n] = 0;
    return p;
}

/* After "[": ?(@.name=="value") */
static const char *read_filter(const char *p, struct step *s)
{
    s->kind = STEP_BAD;
    if (strncmp(p, "?(@.", 4) != 0) {
        return NULL;
    }
    p = read_name(p + 4, " =", s->name, sizeof(s->name));
    p += strspn(p, " ");
    if (strncmp(p, "==", 2) != 0) {
        return NULL;
    }
    p += 2 + strspn(p + 2, " ");
    p = *p == '"' || *p == '\'' ? read_quoted(p, s->value, sizeof(s->value))
                                : read_name(p, ")", s->value, sizeof(s->value));
    if (!p || strncmp(p, ")]", 2) != 0) {
        return NULL;
    }
    s->kind = STEP_FILTER;
    return p + 2;
}

static const char *read_bracket(const char *p, struct step *s)
{
    s->kind = STEP_BAD;
    if (*p == '?') {
        return read_filter(p, s);
    }
    if (*p == '\'' || *p == '"') {
        p = read_quoted(p, s->name, sizeof(s->name));
        s->kind = p && *p == ']' ? STEP_NAME : STEP_BAD;
        return p ? p + 1 : NULL;
    }
    if (*p == '*' && p[1] == ']') {
        s->kind = STEP_ANY;
        return p + 2;
    }
    char *end;
    s->index = (int)strtol(p, &end, 10);
    s->kind = end > p && *end == ']' ? STEP_INDEX : STEP_BAD;
    return end + 1;
}

static const char *next_step(const char *p, struct step *s)
{
    if (!*p) {
        s->kind = STEP_END;
        return p;
    }
    if (*p == '[') {
        return read_bracket(p + 1, s);
    }
    p += *p == '.';
    s->kind = STEP_NAME;
    return read_name(p, ".[", s->name, sizeof(s->name));
}

static bool is_text(const struct opr_obj *o, const char *text)
{
    struct opr_buf b = {0};
    if (opr_json_type(o) == OPR_TYPE_STRING) {
        return strcmp(opr_json_str(o, "", ""), text) == 0;
    }
    opr_json_write(&b, o);
    bool is_same = o && b.data && strcmp(b.data, text) == 0;
    opr_buf_fini(&b);
    return is_same;
}

static const struct opr_obj *find_path(const struct opr_obj *o, const char *path);

static const struct opr_obj *apply_step(const struct opr_obj *o, const struct step *s)
{
    if (s->kind == STEP_NAME) {
        return opr_json_member(o, opr_str_of(s->name));
    }
    if (s->kind == STEP_INDEX) {
        int64_t at = s->index < 0 ? (int64_t)opr_json_len(o) + s->index : s->index;
        bool is_inside = at >= 0 && at < opr_json_len(o) && opr_json_type(o) == OPR_TYPE_ARRAY;
        return is_inside ? opr_json_index(o, (uint32_t)at) : NULL;
    }
    for (const struct opr_obj *v = opr_json_first(o); v; v = opr_json_next(v)) {
        if (s->kind == STEP_ANY || is_text(find_path(v, s->name), s->value)) {
            return v;
        }
    }
    return NULL;
}

static const struct opr_obj *find_path(const struct opr_obj *o, const char *path)
{
    struct step s = {.kind = STEP_BAD};
    while (o && path) {
        path = next_step(path, &s);
        if (s.kind == STEP_END) {
            return o;
        }
        o = s.kind == STEP_BAD ? NULL : apply_step(o, &s);
    }
    return NULL;
}

/* Strings as they are, anything else as JSON. */
static struct json_object *text_cell(const struct opr_obj *v)
{
    if (opr_json_type(v) == OPR_TYPE_STRING) {
        return json_object_new_string(opr_json_str(v, "", ""));
    }
    struct opr_buf b = {0};
    opr_json_write(&b, v);
    struct json_object *cell = json_object_new_string(b.data ? b.data : "");
    opr_buf_fini(&b);
    return cell;
}

static struct json_object *date_cell(const struct opr_obj *v, int64_t now_ms)
{
    char text[OPR__AGE_MAX];
    int64_t ms;
    if (opr_json_type(v) != OPR_TYPE_STRING) {
        return NULL;
    }
    bool is_time = opr_time_parse(opr_str_of(opr_json_str(v, "", "")), &ms) == OPR_OK;
    opr__age_text(opr_json_str(v, "", ""), now_ms, text);
    return json_object_new_string(is_time ? text : "<invalid>");
}

static struct json_object *cell_of(const char *type, const struct opr_obj *v, int64_t now_ms)
{
    int32_t is = opr_json_type(v);
    if (!v || is == OPR_TYPE_NULL) {
        return NULL;
    }
    if (strcmp(type, "string") == 0) {
        return text_cell(v);
    }
    if (strcmp(type, "date") == 0) {
        return date_cell(v, now_ms);
    }
    if (strcmp(type, "boolean") == 0) {
        return is == OPR_TYPE_BOOL ? json_object_new_boolean(opr_json_bool(v, "", false)) : NULL;
    }
    if (is != OPR_TYPE_NUMBER) {
        return NULL;
    }
    return strcmp(type, "integer") == 0 ? json_object_new_int64((int64_t)opr_json_num(v, "", 0))
                                        : json_object_new_double(opr_json_num(v, "", 0));
}

void opr__row_custom(struct json_object *cells, const struct opr__kind_info *info,
                     const struct opr_obj *o, int64_t now_ms)
{
    opr__cell_text(cells, opr_json_str(o, "/metadata/name", ""));
    for (size_t i = 0; i < info->column_count; i++) {
        const struct opr_schema_column *c = &info->columns[i];
        json_object_array_add(cells, cell_of(c->type, find_path(o, c->json_path), now_ms));
    }
    if (info->column_count == 0) {
        opr__cell_age(cells, o, "/metadata/creationTimestamp", now_ms);
    }
}
