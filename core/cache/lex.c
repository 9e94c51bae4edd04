#include "core/cache/lex.h"

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) {
        p++;
    }
    return p;
}

/* p is behind the opening quote; the result is behind the closing one, or NULL. */
static const char *skip_string(const char *p, const char *end)
{
    while (p < end) {
        if (*p == '\\') {
            if (end - p < 2) {
                return NULL;
            }
            p += 2;
        } else if (*p++ == '"') {
            return p;
        }
    }
    return NULL;
}

/* p is at a bracket; the result is behind the one that closes it, or NULL. */
static const char *skip_nested(const char *p, const char *end)
{
    size_t depth = 0;
    while (p < end) {
        char c = *p++;
        if (c == '"') {
            p = skip_string(p, end);
            if (!p) {
                return NULL;
            }
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (--depth == 0) {
                return p;
            }
        }
    }
    return NULL;
}

static const char *skip_value(const char *p, const char *end)
{
    if (p == end) {
        return NULL;
    }
    if (*p == '"') {
        return skip_string(p + 1, end);
    }
    if (*p == '{' || *p == '[') {
        return skip_nested(p, end);
    }
    const char *start = p;
    while (p < end && *p != ',' && *p != '}' && *p != ']' && *p != ' ' && *p != '\t' &&
           *p != '\n' && *p != '\r') {
        p++;
    }
    return p > start ? p : NULL;
}

bool opr__lex_open(struct opr__lex *s, struct opr_str value)
{
    const char *end = value.ptr + value.len;
    const char *p = value.ptr ? skip_space(value.ptr, end) : NULL;
    if (!p || p == end || (*p != '{' && *p != '[')) {
        return false;
    }
    *s = (struct opr__lex){.at = p + 1, .end = end, .is_object = *p == '{'};
    return true;
}

bool opr__lex_next(struct opr__lex *s, struct opr_str *ret_name, struct opr_str *ret_value)
{
    const char *p = skip_space(s->at, s->end);
    if (p < s->end && *p == ',') {
        p = skip_space(p + 1, s->end);
    }
    if (p == s->end || *p == '}' || *p == ']') {
        return false;
    }
    *ret_name = (struct opr_str){0};
    if (s->is_object) {
        const char *name = p + 1;
        p = *p == '"' ? skip_string(name, s->end) : NULL;
        if (!p) {
            return false;
        }
        *ret_name = opr_str_n(name, (size_t)(p - 1 - name));
        p = skip_space(p, s->end);
        if (p == s->end || *p != ':') {
            return false;
        }
        p = skip_space(p + 1, s->end);
    }
    const char *after = skip_value(p, s->end);
    if (!after) {
        return false;
    }
    *ret_value = opr_str_n(p, (size_t)(after - p));
    s->at = after;
    return true;
}

struct opr_str opr__lex_member(struct opr_str object, const char *name)
{
    struct opr__lex s;
    struct opr_str member, value;
    if (opr__lex_open(&s, object) && s.is_object) {
        while (opr__lex_next(&s, &member, &value)) {
            if (opr_str_is(member, name)) {
                return value;
            }
        }
    }
    return (struct opr_str){0};
}

struct opr_str opr__lex_text(struct opr_str value)
{
    if (value.len < 2 || value.ptr[0] != '"' || memchr(value.ptr, '\\', value.len)) {
        return (struct opr_str){0};
    }
    return opr_str_n(value.ptr + 1, value.len - 2);
}

static void add_member(struct opr_buf *out, struct opr_str name, struct opr_str value)
{
    if (out->data[out->len - 1] != '{') {
        opr_buf_add_char(out, ',');
    }
    opr_buf_add_char(out, '"');
    opr_buf_add_str(out, name);
    opr_buf_add_text(out, "\":");
    opr_buf_add_str(out, value);
}

static void add_metadata(struct opr_buf *out, struct opr_str metadata)
{
    struct opr__lex s;
    struct opr_str name, value;
    opr_buf_add_text(out, ",\"metadata\":");
    if (!opr__lex_open(&s, metadata) || !s.is_object) {
        opr_buf_add_str(out, metadata);
        return;
    }
    opr_buf_add_char(out, '{');
    while (opr__lex_next(&s, &name, &value)) {
        if (!opr_str_is(name, "managedFields")) {
            add_member(out, name, value);
        }
    }
    opr_buf_add_char(out, '}');
}

bool opr__lex_trim(struct opr_buf *out, struct opr_str object, const char *api_version,
                   const char *kind, bool is_meta_only)
{
    struct opr__lex s;
    struct opr_str name, value;
    if (!opr__lex_open(&s, object) || !s.is_object) {
        return false;
    }
    opr_buf_reserve(out, object.len + 128);
    opr_buf_printf(out, "{\"apiVersion\":\"%s\",\"kind\":\"%s\"", api_version, kind);
    while (opr__lex_next(&s, &name, &value)) {
        if (opr_str_is(name, "metadata")) {
            add_metadata(out, value);
        } else if (!is_meta_only && !opr_str_is(name, "apiVersion") && !opr_str_is(name, "kind")) {
            add_member(out, name, value);
        }
    }
    opr_buf_add_char(out, '}');
    return true;
}
