/* Lua patterns (Lua 5.4 manual, 6.4.1) with a budget: each step of the matcher is charged, and its
 * recursion is bounded. */
#include "lua/sandbox.h"

#include <ctype.h>

#define MAX_CAPTURES 32
#define MAX_DEPTH 200
#define CHARGE_EVERY 64
#define OPEN_CAPTURE (-1)
#define POSITION_CAPTURE (-2)

typedef unsigned char byte;

struct matcher {
    lua_State *L;
    const byte *text, *text_end, *pattern_end;
    uint32_t steps;
    int depth;
    int count;
    struct {
        const byte *start;
        ptrdiff_t len;
    } capture[MAX_CAPTURES];
};

static const byte *match_at(struct matcher *m, const byte *s, const byte *p);

static void step(struct matcher *m)
{
    if (++m->steps % CHARGE_EVERY == 0) {
        opr__lua_charge(m->L, CHARGE_EVERY - 1);
    }
}

static void bad_pattern(struct matcher *m, const char *why)
{
    luaL_error(m->L, "malformed pattern: %s", why);
}

/* Where a set that starts at p, a '[', ends: just past its ']'. */
static const byte *set_end(struct matcher *m, const byte *p)
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
static const byte *item_end(struct matcher *m, const byte *p)
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
static bool in_set(struct matcher *m, int c, const byte *p, const byte *end)
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

static bool item_matches(struct matcher *m, const byte *s, const byte *p, const byte *end)
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
static const byte *match_balance(struct matcher *m, const byte *s, const byte *p)
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
static const byte *match_most(struct matcher *m, const byte *s, const byte *p, const byte *end)
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
static const byte *match_least(struct matcher *m, const byte *s, const byte *p, const byte *end)
{
    for (;; s++) {
        const byte *found = match_at(m, s, end + 1);
        if (found || !item_matches(m, s, p, end)) {
            return found;
        }
    }
}

static const byte *open_capture(struct matcher *m, const byte *s, const byte *p, ptrdiff_t kind)
{
    if (m->count >= MAX_CAPTURES) {
        luaL_error(m->L, "a pattern has over %d captures", MAX_CAPTURES);
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

static const byte *close_capture(struct matcher *m, const byte *s, const byte *p)
{
    int i = m->count - 1;
    while (i >= 0 && m->capture[i].len != OPEN_CAPTURE) {
        i--;
    }
    if (i < 0) {
        bad_pattern(m, "a ) has no (");
    }
    m->capture[i].len = s - m->capture[i].start;
    const byte *found = match_at(m, s, p);
    if (!found) {
        m->capture[i].len = OPEN_CAPTURE;
    }
    return found;
}

static const byte *match_back_reference(struct matcher *m, const byte *s, int digit)
{
    int i = digit - '1';
    if (i < 0 || i >= m->count || m->capture[i].len == OPEN_CAPTURE) {
        luaL_error(m->L, "a pattern refers to capture %d, which is not closed", i + 1);
    }
    ptrdiff_t len = m->capture[i].len == POSITION_CAPTURE ? 0 : m->capture[i].len;
    opr__lua_charge_text(m->L, (size_t)len);
    return m->text_end - s >= len && memcmp(m->capture[i].start, s, (size_t)len) == 0 ? s + len
                                                                                      : NULL;
}

/* %f[set]: p at '['. */
static bool at_frontier(struct matcher *m, const byte *s, const byte *p, const byte *end)
{
    int before = s == m->text ? '\0' : s[-1];
    int after = s < m->text_end ? *s : '\0';
    return !in_set(m, before, p, end) && in_set(m, after, p, end);
}

/* One item with its quantifier. Returns true to go on with *s and *p moved; false with the result
 * of the whole rest in *ret. */
static bool match_item(struct matcher *m, const byte **s, const byte **p, const byte **ret)
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
static bool match_special(struct matcher *m, const byte **s, const byte **p, const byte **ret,
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

static const byte *match_rest(struct matcher *m, const byte *s, const byte *p)
{
    while (p < m->pattern_end) {
        step(m);
        const byte *ret;
        bool is_item;
        if (*p == '(') {
            bool is_position = p + 1 < m->pattern_end && p[1] == ')';
            return open_capture(m, s, p + (is_position ? 2 : 1),
                                is_position ? POSITION_CAPTURE : OPEN_CAPTURE);
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

static const byte *match_at(struct matcher *m, const byte *s, const byte *p)
{
    if (++m->depth > MAX_DEPTH) {
        luaL_error(m->L, "a pattern is too complex: over %d levels deep", MAX_DEPTH);
    }
    const byte *found = match_rest(m, s, p);
    m->depth--;
    return found;
}

static void matcher_init(struct matcher *m, lua_State *L, struct opr_str text,
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

static const byte *match_start(struct matcher *m, const byte *s, const byte *p)
{
    m->count = 0;
    m->depth = 0;
    step(m);
    return match_at(m, s, p);
}

/* Pushes capture i; the whole match where the pattern has none and i is 0. */
static void push_capture(struct matcher *m, int i, const byte *s, const byte *end)
{
    if (i >= m->count) {
        if (i != 0) {
            luaL_error(m->L, "there is no capture %d", i + 1);
        }
        lua_pushlstring(m->L, (const char *)s, (size_t)(end - s));
        return;
    }
    if (m->capture[i].len == OPEN_CAPTURE) {
        bad_pattern(m, "a ( has no )");
    }
    if (m->capture[i].len == POSITION_CAPTURE) {
        lua_pushinteger(m->L, m->capture[i].start - m->text + 1);
    } else {
        opr__lua_charge_text(m->L, (size_t)m->capture[i].len);
        lua_pushlstring(m->L, (const char *)m->capture[i].start, (size_t)m->capture[i].len);
    }
}

static int push_captures(struct matcher *m, const byte *s, const byte *end, bool want_whole)
{
    int n = m->count == 0 && want_whole ? 1 : m->count;
    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++) {
        push_capture(m, i, s, end);
    }
    return n;
}

static struct opr_str text_arg(lua_State *L, int idx)
{
    size_t len;
    const char *s = luaL_checklstring(L, idx, &len);
    return opr_str_n(s, len);
}

static int find_plain(lua_State *L, struct opr_str text, struct opr_str want, size_t from)
{
    opr__lua_charge(L, (text.len - from) / 16 + want.len / 16);
    const char *found = want.len == 0
                            ? text.ptr + from
                            : memmem(text.ptr + from, text.len - from, want.ptr, want.len);
    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, found - text.ptr + 1);
    lua_pushinteger(L, found - text.ptr + (lua_Integer)want.len);
    return 2;
}

static bool is_plain(struct opr_str pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.ptr[i] == '\0' || strchr("^$*+?.([%-", pattern.ptr[i])) {
            return false;
        }
    }
    return true;
}

static int search(lua_State *L, bool is_find)
{
    struct opr_str text = text_arg(L, 1), pattern = text_arg(L, 2);
    lua_Integer init = luaL_optinteger(L, 3, 1), len = (lua_Integer)text.len;
    init = init > 0 ? init : init == 0 || init < -len ? 1 : len + init + 1;
    if (init > len + 1) {
        lua_pushnil(L);
        return 1;
    }
    if (is_find && (lua_toboolean(L, 4) || is_plain(pattern))) {
        return find_plain(L, text, pattern, (size_t)init - 1);
    }
    struct matcher m;
    matcher_init(&m, L, text, pattern);
    const byte *p = (const byte *)pattern.ptr, *s = m.text + init - 1;
    bool is_anchored = pattern.len > 0 && *p == '^';
    p += is_anchored ? 1 : 0;
    do {
        const byte *end = match_start(&m, s, p);
        if (end && is_find) {
            lua_pushinteger(L, s - m.text + 1);
            lua_pushinteger(L, end - m.text);
            return push_captures(&m, s, end, false) + 2;
        }
        if (end) {
            return push_captures(&m, s, end, true);
        }
    } while (s++ < m.text_end && !is_anchored);
    lua_pushnil(L);
    return 1;
}

int opr__lua_find(lua_State *L)
{
    return search(L, true);
}

int opr__lua_match(lua_State *L)
{
    return search(L, false);
}

/* Upvalues: text, pattern, position to search from, end of the last match (-1: none). */
static int gmatch_step(lua_State *L)
{
    struct opr_str text = text_arg(L, lua_upvalueindex(1));
    struct opr_str pattern = text_arg(L, lua_upvalueindex(2));
    lua_Integer from = lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    struct matcher m;
    matcher_init(&m, L, opr_str_n(text.ptr, 0), pattern);
    m.text_end = m.text + text.len;
    for (const byte *s = m.text + from; s <= m.text_end; s++) {
        const byte *end = match_start(&m, s, (const byte *)pattern.ptr);
        if (end && end - m.text != last) {
            lua_pushinteger(L, end - m.text);
            lua_copy(L, -1, lua_upvalueindex(3));
            lua_replace(L, lua_upvalueindex(4));
            return push_captures(&m, s, end, true);
        }
    }
    return 0;
}

int opr__lua_gmatch(lua_State *L)
{
    text_arg(L, 1);
    text_arg(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_step, 4);
    return 1;
}

/* Adds the replacement template of a string argument, with %0..%9 filled in. */
static void add_template(struct matcher *m, luaL_Buffer *b, const byte *s, const byte *end)
{
    struct opr_str t = text_arg(m->L, 3);
    opr__lua_charge_text(m->L, t.len * 2);
    for (size_t i = 0; i < t.len; i++) {
        if (t.ptr[i] != '%') {
            luaL_addchar(b, t.ptr[i]);
            continue;
        }
        char c = ++i < t.len ? t.ptr[i] : '\0';
        if (c == '%') {
            luaL_addchar(b, '%');
        } else if (c == '0') {
            opr__lua_charge_text(m->L, (size_t)(end - s));
            luaL_addlstring(b, (const char *)s, (size_t)(end - s));
        } else if (isdigit((byte)c)) {
            push_capture(m, c - '1', s, end);
            luaL_tolstring(m->L, -1, NULL); /* a string or a position */
            lua_remove(m->L, -2);
            luaL_addvalue(b);
        } else {
            luaL_error(m->L, "a %% in a replacement must be followed by a digit or %%");
        }
    }
}

static bool add_replacement(struct matcher *m, luaL_Buffer *b, const byte *s, const byte *end)
{
    lua_State *L = m->L;
    switch (lua_type(L, 3)) {
    case LUA_TFUNCTION: {
        lua_pushvalue(L, 3);
        int n = push_captures(m, s, end, true);
        lua_call(L, n, 1);
        break;
    }
    case LUA_TTABLE:
    case LUA_TUSERDATA:
        push_capture(m, 0, s, end);
        lua_gettable(L, 3);
        break;
    default:
        add_template(m, b, s, end);
        return true;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(b, (const char *)s, (size_t)(end - s));
        return false;
    }
    if (!lua_isstring(L, -1)) {
        luaL_error(L, "a replacement is a %s, not a string", luaL_typename(L, -1));
    }
    opr__lua_charge_text(L, lua_rawlen(L, -1));
    luaL_addvalue(b);
    return true;
}

int opr__lua_gsub(lua_State *L)
{
    struct opr_str text = text_arg(L, 1), pattern = text_arg(L, 2);
    int type = lua_type(L, 3);
    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                         type == LUA_TTABLE || type == LUA_TUSERDATA,
                     3, "string/function/table");
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)text.len + 1), count = 0;
    struct matcher m;
    matcher_init(&m, L, text, pattern);
    const byte *p = (const byte *)pattern.ptr, *s = m.text, *last = NULL;
    bool is_anchored = pattern.len > 0 && *p == '^';
    p += is_anchored ? 1 : 0;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    while (count < most) {
        const byte *end = match_start(&m, s, p);
        if (end && end != last) {
            count++;
            add_replacement(&m, &b, s, end);
            s = last = end;
        } else if (s < m.text_end) {
            luaL_addchar(&b, (char)*s++);
        } else {
            break;
        }
        if (is_anchored) {
            break;
        }
    }
    luaL_addlstring(&b, (const char *)s, (size_t)(m.text_end - s));
    luaL_pushresult(&b);
    lua_pushinteger(L, count);
    return 2;
}
