/* Looks for <close> variables in a source: a small scanner that passes over comments and strings
 * (Lua 5.4 manual, 3.1). What is no Lua passes; the compiler refuses it. */
#include "lua/sandbox.h"

#include <ctype.h>

struct scan {
    const char *p, *end;
    uint32_t line;
};

static bool is_newline(char c)
{
    return c == '\n' || c == '\r';
}

static void advance(struct scan *s)
{
    bool is_pair = *s->p == '\r' && s->p + 1 < s->end && s->p[1] == '\n';
    s->line += is_newline(*s->p) && !is_pair ? 1 : 0;
    s->p++;
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end && isspace((unsigned char)*s->p)) {
        advance(s);
    }
}

/* Passes over a long bracket, [[...]] or [==[...]==]; false and no move where there is none. */
static bool skip_long(struct scan *s)
{
    const char *q = s->p + 1;
    while (q < s->end && *q == '=') {
        q++;
    }
    if (q >= s->end || *q != '[') {
        return false;
    }
    size_t level = (size_t)(q - s->p) - 1;
    for (s->p = q + 1; s->p < s->end; advance(s)) {
        if (*s->p != ']') {
            continue;
        }
        q = s->p + 1;
        while (q < s->end && *q == '=') {
            q++;
        }
        if (q < s->end && *q == ']' && (size_t)(q - s->p) - 1 == level) {
            s->p = q + 1;
            return true;
        }
    }
    return true;
}

static void skip_comment(struct scan *s)
{
    s->p += 2;
    if (s->p < s->end && *s->p == '[' && skip_long(s)) {
        return;
    }
    while (s->p < s->end && !is_newline(*s->p)) {
        s->p++;
    }
}

/* After a backslash: \z and the space after it, a line break of one or two bytes, or one byte. */
static void skip_escape(struct scan *s)
{
    char c = *s->p;
    advance(s);
    if (c == 'z') {
        skip_space(s);
    } else if (is_newline(c) && s->p < s->end && is_newline(*s->p) && *s->p != c) {
        advance(s);
    }
}

static void skip_quoted(struct scan *s)
{
    char quote = *s->p;
    s->p++;
    while (s->p < s->end && *s->p != quote && !is_newline(*s->p)) {
        bool is_escape = *s->p == '\\';
        advance(s);
        if (is_escape && s->p < s->end) {
            skip_escape(s);
        }
    }
    if (s->p < s->end && *s->p == quote) {
        s->p++;
    }
}

static bool starts_comment(const struct scan *s)
{
    return s->end - s->p >= 2 && s->p[0] == '-' && s->p[1] == '-';
}

static void skip_blank(struct scan *s)
{
    skip_space(s);
    while (s->p < s->end && starts_comment(s)) {
        skip_comment(s);
        skip_space(s);
    }
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* s->p at '<': true where "close" and '>' follow. */
static bool is_close(struct scan *s)
{
    s->p++;
    skip_blank(s);
    if (s->end - s->p < 5 || memcmp(s->p, "close", 5) != 0 ||
        (s->end - s->p > 5 && is_name(s->p[5]))) {
        return false;
    }
    s->p += 5;
    skip_blank(s);
    return s->p < s->end && *s->p == '>';
}

uint32_t opr__lua_find_close(struct opr_str source)
{
    struct scan s = {source.ptr, source.ptr + source.len, 1};
    while (s.p < s.end) {
        if (starts_comment(&s)) {
            skip_comment(&s);
        } else if (*s.p == '"' || *s.p == '\'') {
            skip_quoted(&s);
        } else if (*s.p == '[' && skip_long(&s)) {
            continue;
        } else if (*s.p == '<') {
            if (is_close(&s)) {
                return s.line;
            }
        } else {
            advance(&s);
        }
    }
    return 0;
}
