#include "apiserver/schema/crd.h"

#include "core/base/alloc.h"
#include "core/base/buf.h"

/* What \d, \w and \s stand for within brackets; NULL: no class. */
static const char *class_members(char c)
{
    return c == 'd' ? "0-9" : c == 'w' ? "A-Za-z0-9_" : c == 's' ? " \t\n\f\r" : NULL;
}

/* Translates "[...]"; p stands after "[". Returns the place after "]", or NULL. POSIX knows no
 * escapes in brackets: "]" must come first, "-" last. */
static const char *translate_bracket(const char *p, struct opr_buf *out)
{
    bool has_bracket = false, has_dash = false, has_caret = false;
    struct opr_buf body = {0};
    opr_buf_add_char(out, '[');
    if (*p == '^') {
        opr_buf_add_char(out, *p++);
    }
    for (const char *from = p; *p && (*p != ']' || p == from); p++) {
        if (*p == '[' && p[1] == ':') {
            const char *end = strstr(p, ":]");
            if (end) {
                opr_buf_add(&body, p, (size_t)(end + 2 - p));
                p = end + 1;
                continue;
            }
        }
        char c = *p;
        bool is_escaped = c == '\\' && p[1];
        if (is_escaped) {
            c = *++p;
            const char *members = class_members(c);
            if (members) {
                opr_buf_add_text(&body, members);
                continue;
            }
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        has_bracket = has_bracket || c == ']';
        has_caret = has_caret || (c == '^' && body.len == 0);
        bool is_literal_dash = c == '-' && (is_escaped || p[1] == ']' || body.len == 0);
        has_dash = has_dash || is_literal_dash;
        if (c != ']' && !is_literal_dash && !(c == '^' && body.len == 0)) {
            opr_buf_add_char(&body, c);
        }
    }
    opr_buf_printf(out, "%s", has_bracket ? "]" : "");
    opr_buf_add(out, body.len ? body.data : "", body.len);
    opr_buf_printf(out, "%s%s]", has_caret ? "^" : "", has_dash ? "-" : "");
    opr_buf_fini(&body);
    return *p == ']' ? p + 1 : NULL;
}

static const char *translate_escape(const char *p, struct opr_buf *out)
{
    char c = p[1];
    const char *members = class_members(c);
    const char *others = c == 'D' ? "0-9" : c == 'W' ? "A-Za-z0-9_" : c == 'S' ? " \t\n\f\r" : NULL;
    if (members || others) {
        opr_buf_printf(out, "[%s%s]", others ? "^" : "", members ? members : others);
    } else if (c == 'A' || c == 'z') {
        opr_buf_add_char(out, c == 'A' ? '^' : '$');
    } else if (c && strchr(".[]{}()*+?|^$\\", c)) {
        opr_buf_printf(out, "\\%c", c);
    } else if (c == 'n' || c == 't' || c == 'r') {
        opr_buf_add_char(out, c == 'n' ? '\n' : c == 't' ? '\t' : '\r');
    } else if (c) {
        opr_buf_add_char(out, c);
    } else {
        return NULL;
    }
    return p + 2;
}

opr_status opr__regex_compile(const char *pattern, regex_t *ret_regex)
{
    struct opr_buf out = {0};
    const char *p = pattern;
    while (p && *p) {
        if (*p == '[') {
            p = translate_bracket(p + 1, &out);
        } else if (*p == '\\') {
            p = translate_escape(p, &out);
        } else if (strncmp(p, "(?:", 3) == 0) {
            opr_buf_add_char(&out, '(');
            p += 3;
        } else if (p[0] == '(' && p[1] == '?') {
            p = NULL; /* flags and named groups have no POSIX form */
        } else if (p > pattern && *p == '?' && strchr("*+?", p[-1]) &&
                   !(p > pattern + 1 && p[-2] == '\\')) {
            p++; /* lazy repetition matches the same texts */
        } else {
            opr_buf_add_char(&out, *p++);
        }
    }
    int failed = p ? regcomp(ret_regex, out.data ? out.data : "", REG_EXTENDED | REG_NOSUB) : 1;
    opr_buf_fini(&out);
    return failed ? OPR_E_INVALID : OPR_OK;
}
