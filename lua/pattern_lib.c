/* string.find, match, gmatch and gsub over the matcher of pattern.h (Lua 5.4 manual, 6.4). */
#include "lua/pattern.h"

#include <ctype.h>

typedef unsigned char byte;

/* Pushes capture i; the whole match where the pattern has none and i is 0. */
static void push_capture(struct opr__matcher *m, int i, const byte *s, const byte *end)
{
    if (i >= m->count) {
        if (i != 0) {
            luaL_error(m->L, "there is no capture %d", i + 1);
        }
        lua_pushlstring(m->L, (const char *)s, (size_t)(end - s));
        return;
    }
    if (m->capture[i].len == OPR__CAPTURE_OPEN) {
        luaL_error(m->L, "malformed pattern: a ( has no )");
    }
    if (m->capture[i].len == OPR__CAPTURE_POSITION) {
        lua_pushinteger(m->L, m->capture[i].start - m->text + 1);
    } else {
        opr__lua_charge_text(m->L, (size_t)m->capture[i].len);
        lua_pushlstring(m->L, (const char *)m->capture[i].start, (size_t)m->capture[i].len);
    }
}

static int push_captures(struct opr__matcher *m, const byte *s, const byte *end, bool want_whole)
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
    struct opr__matcher m;
    opr__matcher_init(&m, L, text, pattern);
    const byte *p = (const byte *)pattern.ptr, *s = m.text + init - 1;
    bool is_anchored = pattern.len > 0 && *p == '^';
    p += is_anchored ? 1 : 0;
    do {
        const byte *end = opr__matcher_start(&m, s, p);
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
    struct opr__matcher m;
    opr__matcher_init(&m, L, opr_str_n(text.ptr, 0), pattern);
    m.text_end = m.text + text.len;
    for (const byte *s = m.text + from; s <= m.text_end; s++) {
        const byte *end = opr__matcher_start(&m, s, (const byte *)pattern.ptr);
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
static void add_template(struct opr__matcher *m, luaL_Buffer *b, const byte *s, const byte *end)
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

static bool add_replacement(struct opr__matcher *m, luaL_Buffer *b, const byte *s, const byte *end)
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
    struct opr__matcher m;
    opr__matcher_init(&m, L, text, pattern);
    const byte *p = (const byte *)pattern.ptr, *s = m.text, *last = NULL;
    bool is_anchored = pattern.len > 0 && *p == '^';
    p += is_anchored ? 1 : 0;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    while (count < most) {
        const byte *end = opr__matcher_start(&m, s, p);
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
