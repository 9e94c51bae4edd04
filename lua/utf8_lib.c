/* The utf8 functions of the sandbox (Lua 5.4 manual, 6.5), for code points up to 10FFFF. */
#include "lua/sandbox.h"

#include <lauxlib.h>

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* The code point at s[0..len), or -1; *ret_size is its bytes (RFC 3629: shortest form, no
 * surrogates). */
static int32_t decode(const char *s, size_t len, size_t *ret_size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = (unsigned char)s[0];
    size_t size = c < 0x80 ? 1 : (c & 0xe0) == 0xc0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : 4;
    if (is_continuation(c) || c >= 0xf8 || size > len) {
        return -1;
    }
    uint32_t code = size == 1 ? c : c & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (!is_continuation((unsigned char)s[i])) {
            return -1;
        }
        code = code << 6 | ((unsigned char)s[i] & 0x3fu);
    }
    if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return -1;
    }
    *ret_size = size;
    return (int32_t)code;
}

static size_t encode(lua_State *L, int arg, char ret_text[4])
{
    lua_Integer c = luaL_checkinteger(L, arg);
    luaL_argcheck(L, c >= 0 && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff), arg,
                  "no Unicode character");
    if (c < 0x80) {
        ret_text[0] = (char)c;
        return 1;
    }
    size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--) {
        ret_text[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    ret_text[0] = (char)((0xf00 >> size) | c);
    return size;
}

static lua_Integer absolute(lua_Integer i, size_t len)
{
    return i >= 0 ? i : i < -(lua_Integer)len ? 0 : (lua_Integer)len + i + 1;
}

static int utf8_char(lua_State *L)
{
    int n = lua_gettop(L);
    opr__lua_charge(L, (uint64_t)n);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        char text[4];
        luaL_addlstring(&b, text, encode(L, i, text));
    }
    luaL_pushresult(&b);
    return 1;
}

static int utf8_codepoint(lua_State *L)
{
    size_t len, size = 1;
    const char *s = luaL_checklstring(L, 1, &len);
    lua_Integer from = absolute(luaL_optinteger(L, 2, 1), len);
    lua_Integer to = absolute(luaL_optinteger(L, 3, from), len);
    luaL_argcheck(L, from >= 1 && to <= (lua_Integer)len, 2, "out of bounds");
    if (to - from >= OPR__LUA_MAX_VALUES) {
        return luaL_error(L, "utf8.codepoint of over %d bytes: take fewer at a time",
                          OPR__LUA_MAX_VALUES);
    }
    int n = 0;
    if (from <= to) {
        opr__lua_charge(L, (uint64_t)(to - from));
        luaL_checkstack(L, (int)(to - from) + 1, "too many characters");
    }
    for (lua_Integer i = from; i <= to; i += (lua_Integer)size, n++) {
        int32_t c = decode(s + i - 1, len - (size_t)i + 1, &size);
        if (c < 0) {
            return luaL_error(L, "invalid UTF-8 at byte %I", (LUAI_UACINT)i);
        }
        lua_pushinteger(L, c);
    }
    return n;
}

static int utf8_len(lua_State *L)
{
    size_t len, size = 1;
    const char *s = luaL_checklstring(L, 1, &len);
    lua_Integer i = absolute(luaL_optinteger(L, 2, 1), len);
    lua_Integer to = absolute(luaL_optinteger(L, 3, -1), len), n = 0;
    luaL_argcheck(L, i >= 1 && i <= (lua_Integer)len + 1, 2, "out of bounds");
    luaL_argcheck(L, to <= (lua_Integer)len, 3, "out of bounds");
    opr__lua_charge(L, len / 4);
    for (; i <= to; i += (lua_Integer)size, n++) {
        if (decode(s + i - 1, len - (size_t)i + 1, &size) < 0) {
            lua_pushnil(L);
            lua_pushinteger(L, i);
            return 2;
        }
    }
    lua_pushinteger(L, n);
    return 1;
}

static int codes_step(lua_State *L)
{
    size_t len, size = 1;
    const char *s = luaL_checklstring(L, 1, &len);
    lua_Integer i = lua_tointeger(L, 2);
    opr__lua_charge(L, 1);
    if (i > 0 && i <= (lua_Integer)len && decode(s + i - 1, len - (size_t)i + 1, &size) < 0) {
        return luaL_error(L, "invalid UTF-8 at byte %I", (LUAI_UACINT)i);
    }
    i = i <= 0 ? 1 : i + (lua_Integer)size;
    if (i > (lua_Integer)len) {
        return 0;
    }
    int32_t c = decode(s + i - 1, len - (size_t)i + 1, &size);
    if (c < 0) {
        return luaL_error(L, "invalid UTF-8 at byte %I", (LUAI_UACINT)i);
    }
    lua_pushinteger(L, i);
    lua_pushinteger(L, c);
    return 2;
}

static int utf8_codes(lua_State *L)
{
    luaL_checkstring(L, 1);
    lua_pushcfunction(L, codes_step);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

/* Byte position of the n-th character counted from position i. */
static int utf8_offset(lua_State *L)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    lua_Integer n = luaL_checkinteger(L, 2), end = (lua_Integer)len;
    lua_Integer i = absolute(luaL_optinteger(L, 3, n > 0 ? 1 : end + 1), len) - 1;
    luaL_argcheck(L, i >= 0 && i <= end, 3, "position out of bounds");
    opr__lua_charge(L, len / 4);
    if (n == 0) {
        while (i > 0 && i < end && is_continuation((unsigned char)s[i])) {
            i--;
        }
        lua_pushinteger(L, i + 1);
        return 1;
    }
    if (i < end && is_continuation((unsigned char)s[i])) {
        return luaL_error(L, "the first position is within a character");
    }
    for (; n < 0 && i > 0; n++) {
        do {
            i--;
        } while (i > 0 && is_continuation((unsigned char)s[i]));
    }
    for (n -= n > 0 ? 1 : 0; n > 0 && i < end; n--) {
        do {
            i++;
        } while (i < end && is_continuation((unsigned char)s[i]));
    }
    if (n != 0) {
        lua_pushnil(L);
    } else {
        lua_pushinteger(L, i + 1);
    }
    return 1;
}

void opr__lua_push_utf8(lua_State *L)
{
    static const luaL_Reg functions[] = {{"char", utf8_char},     {"codepoint", utf8_codepoint},
                                         {"codes", utf8_codes},   {"len", utf8_len},
                                         {"offset", utf8_offset}, {NULL, NULL}};
    static const char any[] = "[\0-\x7F\xC2-\xFD][\x80-\xBF]*";
    luaL_newlib(L, functions);
    lua_pushlstring(L, any, sizeof any - 1);
    lua_setfield(L, -2, "charpattern");
}
