/* Lua patterns (Lua 5.4 manual, 6.4.1) with a budget: each step of the matcher is charged, and its
 * recursion is bounded. */
#include "lua/pattern.h"

#include <ctype.h>

#define MAX_DEPTH 200
#define CHARGE_EVERY 64

typedef unsigned char byte;

static const byte *match_at(struct opr__matcher *m, const byte *s, const byte *p);

static void step(struct opr__matcher *m)
{
    if (++m->steps % CHARGE_EVERY == 0) {
        opr__lua_charge(m->L, CHARGE_EVERY - 1);
    }
}

static void bad_pattern(struct opr__matcher *m, const char *why)
{
    luaL_error(m->L, "malformed pattern: %s", why);
}

/* Where a set that starts at p, a '[', ends: just past its ']'. */
static const byte *set_end(struct opr__matcher *m, const byte *p)
{
    p++;
    if (p < m->pattern_end && *p == '^') {
        p++;
    }
    bool is_first = true;
    for (; p < m->pattern_end && (is_first || *p != ']'); is_first = false) {
        step(m);
        p += *p == '%' ? 2 : 1;
    }
    if (p >= m->pattern_end) {
        bad_pattern(m, "a [ has no ]");
    }
    return p + 1;
}

/* Where the single-character item at p ends. */
static const byte *item_end(struct opr__matcher *m, const byte *p)
{
    if (*p == '%') {
        if (p + 1 >= m->pattern_end) {
            bad_pattern(m, "it ends with %");
        }
        return p + 2;
    }
    return *p == '[' ? set_end(m, p) : p + 1;
}

static bool in_class(int c, int class)
{
    bool is_in;
    switch (tolower(class)) {
    case 'a':
        is_in = isalpha(c);
        break;
    case 'c':
        is_in = iscntrl(c);
        break;
    case 'd':
        is_in = isdigit(c);
        break;
    case 'g':
        is_in = isgraph(c);
        break;
    case 'l':
        is_in = islower(c);
        break;
    case 'p':
        is_in = ispunct(c);
        break;
    case 's':
        is_in = isspace(c);
        break;
    case 'u':
        is_in = isupper(c);
        break;
    case 'w':
        is_in = isalnum(c);
        break;
    case 'x':
        is_in = isxdigit(c);
        break;
    default:
        return class == c;
    }
    return isupper(class) ? !is_in : is_in;
}

/* p at '[', end just past ']'. */
static bool in_set(struct opr__matcher *m, int c, const byte *p, const byte *end)
{
    bool is_negated = *++p == '^';
    p += is_negated ? 1 : 0;
    for (; p < end - 1; p++) {
        step(m);
        if (*p == '%') {
            if (in_class(c, *++p)) {
                return !is_negated;
            }
        } else if (p + 2 < end - 1 && p[1] == '-') {
            if (p[0] <= c && c <= p[2]) {
                return !is_negated;
            }
            p += 2;
        } else if (*p == c) {
            return !is_negated;
        }
    }
    return is_negated;
}

static bool item_matches(struct opr__matcher *m, const byte *s, const byte *p, const byte *end)
{
    step(m);
    if (s >= m->text_end) {
        return false;
    }
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(*s, p[1]);
    case '[':
        return in_set(m, *s, p, end);
    default:
        return *p == *s;
    }
}

/* %bxy: p at x. */
static const byte *match_balance(struct opr__matcher *m, const byte *s, const byte *p)
{
    if (p + 1 >= m->pattern_end) {
        bad_pattern(m, "%b needs two characters");
    }
    if (s >= m->text_end || *s != p[0]) {
        return NULL;
    }
    int open = 1;
    for (s++; s < m->text_end; s++) {
        step(m);
        if (*s == p[1]) {
            if (--open == 0) {
                return s + 1;
            }
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

/* As many as possible first, then fewer. */
static const byte *match_most(struct opr__matcher *m, const byte *s, const byte *p, const byte *end)
{
    ptrdiff_t n = 0;
    while (item_matches(m, s + n, p, end)) {
        n++;
    }
    for (; n >= 0; n--) {
        step(m);
        const byte *found = match_at(m, s + n, end + 1);
        if (found) {
            return found;
        }
    }
    return NULL;
}

/* As few as possible first, then more. */
static const byte *match_least(struct opr__matcher *m, const byte *s, const byte *p,
                               const byte *end)
{
    for (;; s++) {
        const byte *found = match_at(m, s, end + 1);
        if (found || !item_matches(m, s, p, end)) {
            return found;
        }
    }
}

static const byte *open_capture(struct opr__matcher *m, const byte *s, const byte *p,
                                ptrdiff_t kind)
{
    if (m->count >= OPR__PATTERN_MAX_CAPTURES) {
        luaL_error(m->L, "a pattern has over %d captures", OPR__PATTERN_MAX_CAPTURES);
    }
    m->capture[m->count].start = s;
    m->capture[m->count].len = kind;
    m->count++;
    const byte *found = match_at(m, s, p);
    if (!found) {
        m->count--;
    }
    return found;
}

static const byte *close_capture(struct opr__matcher *m, const byte *s, const byte *p)
{
    int i = m->count - 1;
    while (i >= 0 && m->capture[i].len != OPR__CAPTURE_OPEN) {
        i--;
    }
    if (i < 0) {
        bad_pattern(m, "a ) has no (");
    }
    m->capture[i].len = s - m->capture[i].start;
    const byte *found = match_at(m, s, p);
    if (!found) {
        m->capture[i].len = OPR__CAPTURE_OPEN;
    }
    return found;
}

static const byte *match_back_reference(struct opr__matcher *m, const byte *s, int digit)
{
    int i = digit - '1';
    if (i < 0 || i >= m->count || m->capture[i].len == OPR__CAPTURE_OPEN) {
        luaL_error(m->L, "a pattern refers to capture %d, which is not closed", i + 1);
    }
    ptrdiff_t len = m->capture[i].len;
    if (len == OPR__CAPTURE_POSITION) {
        return NULL; /* a position is no text to match again */
    }
    opr__lua_charge_text(m->L, (size_t)len);
    return m->text_end - s >= len && memcmp(m->capture[i].start, s, (size_t)len) == 0 ? s + len
                                                                                      : NULL;
}

/* %f[set]: p at '['. */
static bool at_frontier(struct opr__matcher *m, const byte *s, const byte *p, const byte *end)
{
    int before = s == m->text ? '\0' : s[-1];
    int after = s < m->text_end ? *s : '\0';
    return !in_set(m, before, p, end) && in_set(m, after, p, end);
}

/* One item with its quantifier. Returns true to go on with *s and *p moved; false with the result
 * of the whole rest in *ret. */
static bool match_item(struct opr__matcher *m, const byte **s, const byte **p, const byte **ret)
{
    const byte *end = item_end(m, *p);
    switch (end < m->pattern_end ? *end : '\0') {
    case '*':
        *ret = match_most(m, *s, *p, end);
        return false;
    case '+':
        *ret = item_matches(m, *s, *p, end) ? match_most(m, *s + 1, *p, end) : NULL;
        return false;
    case '-':
        *ret = match_least(m, *s, *p, end);
        return false;
    case '?':
        if (item_matches(m, *s, *p, end)) {
            *ret = match_at(m, *s + 1, end + 1);
            if (*ret) {
                return false;
            }
        }
        *p = end + 1;
        return true;
    default:
        if (!item_matches(m, *s, *p, end)) {
            *ret = NULL;
            return false;
        }
        (*s)++;
        *p = end;
        return true;
    }
}

/* %b, %f and %1: as match_item(); false with *is_item where p is none of them. */
static bool match_special(struct opr__matcher *m, const byte **s, const byte **p, const byte **ret,
                          bool *is_item)
{
    int kind = **p == '%' && *p + 1 < m->pattern_end ? (*p)[1] : 0;
    *ret = NULL;
    *is_item = false;
    if (kind == 'b') {
        *s = match_balance(m, *s, *p + 2);
        *p += 4;
        return *s != NULL;
    }
    if (kind == 'f') {
        const byte *set = *p + 2;
        if (set >= m->pattern_end || *set != '[') {
            bad_pattern(m, "%f needs a [set]");
        }
        *p = set_end(m, set);
        return at_frontier(m, *s, set, *p);
    }
    if (isdigit(kind)) {
        *s = match_back_reference(m, *s, kind);
        *p += 2;
        return *s != NULL;
    }
    *is_item = true;
    return false;
}

static const byte *match_rest(struct opr__matcher *m, const byte *s, const byte *p)
{
    while (p < m->pattern_end) {
        step(m);
        const byte *ret;
        bool is_item;
        if (*p == '(') {
            bool is_position = p + 1 < m->pattern_end && p[1] == ')';
            return open_capture(m, s, p + (is_position ? 2 : 1),
                                is_position ? OPR__CAPTURE_POSITION : OPR__CAPTURE_OPEN);
        }
        if (*p == ')') {
            return close_capture(m, s, p + 1);
        }
        if (*p == '$' && p + 1 == m->pattern_end) {
            return s == m->text_end ? s : NULL;
        }
        if (match_special(m, &s, &p, &ret, &is_item)) {
            continue;
        }
        if (!is_item || !match_item(m, &s, &p, &ret)) {
            return ret;
        }
    }
    return s;
}

static const byte *match_at(struct opr__matcher *m, const byte *s, const byte *p)
{
    if (++m->depth > MAX_DEPTH) {
        luaL_error(m->L, "a pattern is too complex: over %d levels deep", MAX_DEPTH);
    }
    const byte *found = match_rest(m, s, p);
    m->depth--;
    return found;
}

void opr__matcher_init(struct opr__matcher *m, lua_State *L, struct opr_str text,
                       struct opr_str pattern)
{
    m->L = L;
    m->text = (const byte *)text.ptr;
    m->text_end = m->text + text.len;
    m->pattern_end = (const byte *)pattern.ptr + pattern.len;
    m->steps = 0;
    m->depth = 0;
    m->count = 0;
    opr__lua_charge_text(L, text.len + pattern.len);
}

const unsigned char *opr__matcher_start(struct opr__matcher *m, const byte *s, const byte *p)
{
    m->count = 0;
    m->depth = 0;
    step(m);
    return match_at(m, s, p);
}
