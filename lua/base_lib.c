/* The basic functions of the sandbox, and locked tables. */
#include "lua/sandbox.h"

#include <lualib.h>

#include <math.h>

static const char LOCK_KEY;

static int refuse_write(lua_State *L)
{
    return luaL_error(L, "a library table is read-only: use a local of your own");
}

void opr__lua_lock(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, -3);
    lua_rawsetp(L, -2, &LOCK_KEY);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse_write);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

bool opr__lua_unlock(lua_State *L, int idx)
{
    if (!lua_istable(L, idx) || !lua_getmetatable(L, idx)) {
        return false;
    }
    if (lua_rawgetp(L, -1, &LOCK_KEY) != LUA_TTABLE) {
        lua_pop(L, 2);
        return false;
    }
    lua_remove(L, -2);
    return true;
}

const char *opr__lua_tostring(lua_State *L, int idx, size_t *ret_len)
{
    idx = lua_absindex(L, idx);
    if (lua_istable(L, idx) && luaL_getmetafield(L, idx, "__tostring") != LUA_TNIL) {
        lua_pushvalue(L, idx);
        lua_call(L, 1, 1);
        if (lua_type(L, -1) != LUA_TSTRING) {
            luaL_error(L, "__tostring must return a string");
        }
        return lua_tolstring(L, -1, ret_len);
    }
    switch (lua_type(L, idx)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
        lua_pushvalue(L, idx);
        break;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, idx) ? "true" : "false");
        break;
    case LUA_TUSERDATA:
        lua_pushliteral(L, "table");
        break;
    default:
        lua_pushstring(L, lua_typename(L, lua_type(L, idx)));
    }
    return lua_tolstring(L, -1, ret_len);
}

static int base_assert(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lua_toboolean(L, 1)) {
        return lua_gettop(L);
    }
    if (lua_isnoneornil(L, 2)) {
        return luaL_error(L, "assertion failed");
    }
    lua_settop(L, 2);
    return lua_error(L);
}

static int base_error(lua_State *L)
{
    int level = (int)luaL_optinteger(L, 2, 1);
    lua_settop(L, 1);
    if (lua_type(L, 1) == LUA_TSTRING && level > 0) {
        luaL_where(L, level);
        lua_pushvalue(L, 1);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int base_next(lua_State *L)
{
    opr__lua_charge(L, 1);
    lua_settop(L, 2);
    if (opr__lua_input_at(L, 1)) {
        return opr__lua_input_next(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    if (opr__lua_unlock(L, 1)) {
        lua_replace(L, 1);
    }
    if (lua_next(L, 1)) {
        return 2;
    }
    lua_pushnil(L);
    return 1;
}

static int base_pairs(lua_State *L)
{
    if (!opr__lua_input_at(L, 1)) {
        luaL_checktype(L, 1, LUA_TTABLE);
    }
    lua_pushcfunction(L, base_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int ipairs_step(lua_State *L)
{
    lua_Integer i = (lua_Integer)((lua_Unsigned)luaL_checkinteger(L, 2) + 1); /* wraps around */
    opr__lua_charge(L, 1);
    lua_pushinteger(L, i);
    return lua_geti(L, 1, i) == LUA_TNIL ? 1 : 2;
}

static int base_ipairs(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushcfunction(L, ipairs_step);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

static int base_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    opr__lua_charge(L, 8);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    int rc = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
    if (opr__lua_of(L)->is_dead) {
        opr__lua_kill(L, "dead");
    }
    if (rc != LUA_OK) {
        lua_pushboolean(L, 0);
        lua_insert(L, -2);
        return 2;
    }
    return lua_gettop(L);
}

static int base_select(lua_State *L)
{
    int n = lua_gettop(L);
    if (lua_type(L, 1) == LUA_TSTRING && *lua_tostring(L, 1) == '#') {
        lua_pushinteger(L, n - 1);
        return 1;
    }
    lua_Integer i = luaL_checkinteger(L, 1);
    opr__lua_charge(L, (uint64_t)n / 16);
    if (i < 0) {
        i = n + i;
    } else if (i > n) {
        i = n;
    }
    luaL_argcheck(L, i >= 1, 1, "index out of range");
    return n - (int)i;
}

static int digit_of(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

static int number_in_base(lua_State *L)
{
    size_t len;
    luaL_checktype(L, 1, LUA_TSTRING);
    struct opr_str s = {.ptr = lua_tolstring(L, 1, &len)};
    lua_Integer base = luaL_checkinteger(L, 2);
    luaL_argcheck(L, base >= 2 && base <= 36, 2, "base out of range");
    s.len = len;
    opr__lua_charge_text(L, len);
    s = opr_str_trim(s);
    bool is_negative = s.len > 0 && *s.ptr == '-';
    uint64_t value = 0;
    size_t i = is_negative ? 1 : 0;
    if (i == s.len) {
        lua_pushnil(L);
        return 1;
    }
    for (; i < s.len; i++) {
        int digit = digit_of((unsigned char)s.ptr[i]);
        if (digit >= base) {
            lua_pushnil(L);
            return 1;
        }
        value = value * (uint64_t)base + (uint64_t)digit;
    }
    lua_pushinteger(L, (lua_Integer)(is_negative ? 0 - value : value));
    return 1;
}

static int base_tonumber(lua_State *L)
{
    if (!lua_isnoneornil(L, 2)) {
        return number_in_base(L);
    }
    luaL_checkany(L, 1);
    if (lua_type(L, 1) == LUA_TSTRING) {
        size_t len;
        const char *text = lua_tolstring(L, 1, &len);
        opr__lua_charge_text(L, len);
        if (lua_stringtonumber(L, text) == len + 1) {
            return 1;
        }
    } else if (lua_type(L, 1) == LUA_TNUMBER) {
        lua_settop(L, 1);
        return 1;
    }
    lua_pushnil(L);
    return 1;
}

static int base_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    opr__lua_charge(L, 1);
    opr__lua_tostring(L, 1, NULL);
    return 1;
}

static int base_type(lua_State *L)
{
    luaL_checkany(L, 1);
    int type = lua_type(L, 1);
    lua_pushstring(L, lua_typename(L, type == LUA_TUSERDATA ? LUA_TTABLE : type));
    return 1;
}

static void refuse_field(lua_State *L, const char *name, const char *why)
{
    lua_pushstring(L, name);
    if (lua_rawget(L, 2) != LUA_TNIL) {
        luaL_error(L, "a metatable with %s is refused: %s", name, why);
    }
    lua_pop(L, 1);
}

static int base_setmetatable(lua_State *L)
{
    luaL_argcheck(L, !opr__lua_input_at(L, 1), 1, "the input is read-only: use policy.copy");
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) {
        return luaL_error(L, "the metatable of this table is locked");
    }
    if (lua_istable(L, 2)) {
        refuse_field(L, "__gc", "a policy owns nothing that needs finalizing");
        refuse_field(L, "__close", "a policy owns nothing that needs closing");
        refuse_field(L, "__mode", "weak tables depend on the garbage collector");
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int base_getmetatable(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    if (!lua_istable(L, 1) || !lua_getmetatable(L, 1)) {
        lua_pushnil(L);
    } else if (luaL_getmetafield(L, 1, "__metatable") == LUA_TNIL) {
        lua_settop(L, 2);
    }
    return 1;
}

void opr__lua_push_base(lua_State *L)
{
    static const luaL_Reg functions[] = {{"assert", base_assert},
                                         {"error", base_error},
                                         {"getmetatable", base_getmetatable},
                                         {"ipairs", base_ipairs},
                                         {"next", base_next},
                                         {"pairs", base_pairs},
                                         {"pcall", base_pcall},
                                         {"select", base_select},
                                         {"setmetatable", base_setmetatable},
                                         {"tonumber", base_tonumber},
                                         {"tostring", base_tostring},
                                         {"type", base_type},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_pushliteral(L, LUA_VERSION);
    lua_setfield(L, -2, "_VERSION");
}

/* The arithmetic of the packaged library: each function is O(1) or linear in its arguments. */
void opr__lua_push_math(lua_State *L)
{
    static const char *const names[] = {
        "abs",  "acos", "asin", "atan", "ceil",       "cos",  "deg",        "exp",  "floor",
        "fmod", "huge", "log",  "max",  "maxinteger", "min",  "mininteger", "modf", "pi",
        "rad",  "sin",  "sqrt", "tan",  "tointeger",  "type", "ult"};
    lua_createtable(L, 0, 25);
    lua_pushcfunction(L, luaopen_math);
    lua_call(L, 0, 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lua_getfield(L, -1, names[i]);
        lua_setfield(L, -3, names[i]);
    }
    lua_pop(L, 1);
}
