/* The string functions of the sandbox; each pays for its work before it does it. */
#include "lua/sandbox.h"

#include <ctype.h>

/* Position p of 1..len, negative from the end, as a count of bytes before it; clamped to 0..len. */
static size_t start_of(lua_Integer p, size_t len)
{
    if (p > 0) {
        return (uint64_t)p - 1 > len ? len : (size_t)p - 1;
    }
    return p == 0 || p < -(lua_Integer)len ? 0 : len - (size_t)-p;
}

static size_t end_of(lua_Integer p, size_t len)
{
    if (p >= 0) {
        return (uint64_t)p > len ? len : (size_t)p;
    }
    return p < -(lua_Integer)len ? 0 : len - (size_t)-p + 1;
}

static int str_byte(lua_State *L)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    lua_Integer from = luaL_optinteger(L, 2, 1);
    size_t start = start_of(from, len), end = end_of(luaL_optinteger(L, 3, from), len);
    if (start >= end) {
        return 0;
    }
    size_t n = end - start;
    if (n > OPR__LUA_MAX_VALUES) {
        return luaL_error(L, "string.byte of %d bytes: take at most %d at a time", (int)n,
                          OPR__LUA_MAX_VALUES);
    }
    opr__lua_charge(L, n / 2);
    luaL_checkstack(L, (int)n, "too many bytes");
    for (size_t i = start; i < end; i++) {
        lua_pushinteger(L, (unsigned char)s[i]);
    }
    return (int)n;
}

static int str_char(lua_State *L)
{
    int n = lua_gettop(L);
    opr__lua_charge(L, (uint64_t)n / 2);
    luaL_Buffer b;
    char *p = luaL_buffinitsize(L, &b, (size_t)n);
    for (int i = 1; i <= n; i++) {
        lua_Integer c = luaL_checkinteger(L, i);
        luaL_argcheck(L, c >= 0 && c <= 255, i, "value out of range");
        p[i - 1] = (char)c;
    }
    luaL_pushresultsize(&b, (size_t)n);
    return 1;
}

static int str_len(lua_State *L)
{
    size_t len;
    luaL_checklstring(L, 1, &len);
    lua_pushinteger(L, (lua_Integer)len);
    return 1;
}

static int map_bytes(lua_State *L, int (*fn)(int))
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    opr__lua_charge_text(L, len * 2);
    luaL_Buffer b;
    char *p = luaL_buffinitsize(L, &b, len);
    for (size_t i = 0; i < len; i++) {
        p[i] = (char)fn((unsigned char)s[i]);
    }
    luaL_pushresultsize(&b, len);
    return 1;
}

static int str_lower(lua_State *L)
{
    return map_bytes(L, tolower);
}

static int str_upper(lua_State *L)
{
    return map_bytes(L, toupper);
}

static int str_reverse(lua_State *L)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    opr__lua_charge_text(L, len * 2);
    luaL_Buffer b;
    char *p = luaL_buffinitsize(L, &b, len);
    for (size_t i = 0; i < len; i++) {
        p[i] = s[len - 1 - i];
    }
    luaL_pushresultsize(&b, len);
    return 1;
}

static int str_sub(lua_State *L)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    size_t start = start_of(luaL_checkinteger(L, 2), len);
    size_t end = end_of(luaL_optinteger(L, 3, -1), len);
    if (start >= end) {
        lua_pushliteral(L, "");
        return 1;
    }
    opr__lua_charge_text(L, end - start);
    lua_pushlstring(L, s + start, end - start);
    return 1;
}

static int str_rep(lua_State *L)
{
    size_t len, sep_len;
    const char *s = luaL_checklstring(L, 1, &len);
    lua_Integer n = luaL_checkinteger(L, 2);
    const char *sep = luaL_optlstring(L, 3, "", &sep_len);
    if (n <= 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    size_t most = opr__lua_of(L)->limits.block_bytes;
    if (n > OPR__LUA_MAX_RANGE || (uint64_t)n * (len + sep_len) > most) {
        return luaL_error(L, "string.rep makes too long a string: at most %d times and %d bytes",
                          OPR__LUA_MAX_RANGE, (int)most);
    }
    size_t total = (size_t)n * len + (size_t)(n - 1) * sep_len;
    opr__lua_charge(L, total + (uint64_t)n);
    luaL_Buffer b;
    char *p = luaL_buffinitsize(L, &b, total);
    for (lua_Integer i = 0; i < n; i++) {
        memcpy(p, s, len);
        p += len;
        if (i < n - 1 && sep_len > 0) {
            memcpy(p, sep, sep_len);
            p += sep_len;
        }
    }
    luaL_pushresultsize(&b, total);
    return 1;
}

void opr__lua_push_string(lua_State *L)
{
    static const luaL_Reg functions[] = {{"byte", str_byte},
                                         {"char", str_char},
                                         {"find", opr__lua_find},
                                         {"format", opr__lua_format},
                                         {"gmatch", opr__lua_gmatch},
                                         {"gsub", opr__lua_gsub},
                                         {"len", str_len},
                                         {"lower", str_lower},
                                         {"match", opr__lua_match},
                                         {"rep", str_rep},
                                         {"reverse", str_reverse},
                                         {"sub", str_sub},
                                         {"upper", str_upper},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    /* ("x"):rep(2): the metatable of strings, which no script can reach. */
    lua_pushliteral(L, "");
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}
