/* The table functions of the sandbox. They work on plain tables by raw access, so that no
 * metamethod can forge a length or run within them; each pays for its range first. */
#include "lua/sandbox.h"

/* A table that may be changed. */
static lua_Integer own_table(lua_State *L, int idx)
{
    if (opr__lua_input_at(L, idx)) {
        luaL_error(L, "the input is read-only: change a policy.copy of it");
    }
    luaL_checktype(L, idx, LUA_TTABLE);
    static const char *const events[] = {"__index", "__newindex", "__len"};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        if (luaL_getmetafield(L, idx, events[i]) != LUA_TNIL) {
            luaL_error(L, "a table with %s is refused here: use a plain table", events[i]);
        }
    }
    return (lua_Integer)lua_rawlen(L, idx);
}

/* A table or a view of the input; returns its length. */
static lua_Integer readable(lua_State *L, int idx)
{
    const struct opr_obj *input = opr__lua_input_at(L, idx);
    if (input) {
        return opr_json_type(input) == OPR_TYPE_ARRAY ? (lua_Integer)opr_json_len(input) : 0;
    }
    return own_table(L, idx);
}

/* The number of positions from..to, charged. */
static lua_Integer take_range(lua_State *L, lua_Integer from, lua_Integer to, lua_Integer most)
{
    if (from > to) {
        return 0;
    }
    if ((lua_Unsigned)to - (lua_Unsigned)from >= (lua_Unsigned)most) {
        return luaL_error(L, "a range of over %I positions: work on fewer at a time",
                          (LUAI_UACINT)most);
    }
    opr__lua_charge(L, (uint64_t)(to - from + 1) / 2);
    return to - from + 1;
}

static void add_element(lua_State *L, luaL_Buffer *b, lua_Integer i)
{
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1)) {
        luaL_error(L, "table.concat found a %s at position %I: convert it with tostring",
                   luaL_typename(L, -1), (LUAI_UACINT)i);
    }
    opr__lua_charge(L, lua_rawlen(L, -1));
    luaL_addvalue(b);
}

static int tab_concat(lua_State *L)
{
    lua_Integer len = readable(L, 1);
    size_t sep_len;
    const char *sep = luaL_optlstring(L, 2, "", &sep_len);
    lua_Integer from = luaL_optinteger(L, 3, 1), to = luaL_optinteger(L, 4, len);
    lua_Integer n = take_range(L, from, to, OPR__LUA_MAX_RANGE);
    opr__lua_charge(L, (uint64_t)n * sep_len);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (lua_Integer k = 0; k < n; k++) {
        if (k > 0) {
            luaL_addlstring(&b, sep, sep_len);
        }
        add_element(L, &b, from + k);
    }
    luaL_pushresult(&b);
    return 1;
}

static int tab_insert(lua_State *L)
{
    lua_Integer end = own_table(L, 1) + 1;
    lua_Integer at = end;
    switch (lua_gettop(L)) {
    case 2:
        opr__lua_charge(L, 1);
        break;
    case 3:
        at = luaL_checkinteger(L, 2);
        luaL_argcheck(L, at >= 1 && at <= end, 2, "position out of bounds");
        take_range(L, at, end, OPR__LUA_MAX_RANGE);
        for (lua_Integer i = end; i > at; i--) {
            lua_rawgeti(L, 1, i - 1);
            lua_rawseti(L, 1, i);
        }
        break;
    default:
        return luaL_error(L, "table.insert takes a table, a position if need be, and a value");
    }
    lua_rawseti(L, 1, at);
    return 0;
}

static int tab_remove(lua_State *L)
{
    lua_Integer len = own_table(L, 1);
    lua_Integer at = luaL_optinteger(L, 2, len);
    if (!lua_isnoneornil(L, 2)) {
        luaL_argcheck(L, (at >= 1 && at <= len + 1) || (len == 0 && at == 0), 2,
                      "position out of bounds");
    }
    take_range(L, at, len, OPR__LUA_MAX_RANGE);
    lua_rawgeti(L, 1, at);
    for (; at < len; at++) {
        lua_rawgeti(L, 1, at + 1);
        lua_rawseti(L, 1, at);
    }
    lua_pushnil(L);
    lua_rawseti(L, 1, at);
    return 1;
}

static int tab_move(lua_State *L)
{
    lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);
    lua_Integer at = luaL_checkinteger(L, 4);
    int dest = lua_isnoneornil(L, 5) ? 1 : 5;
    readable(L, 1);
    own_table(L, dest);
    lua_Integer n = take_range(L, from, to, OPR__LUA_MAX_RANGE);
    luaL_argcheck(L, n == 0 || at <= LUA_MAXINTEGER - n + 1, 4, "destination out of bounds");
    bool is_forward = at <= from || at > to || !lua_rawequal(L, 1, dest);
    for (lua_Integer k = 0; k < n; k++) {
        lua_Integer i = is_forward ? k : n - 1 - k;
        lua_geti(L, 1, from + i);
        lua_rawseti(L, dest, at + i);
    }
    lua_pushvalue(L, dest);
    return 1;
}

static int tab_pack(lua_State *L)
{
    int n = lua_gettop(L);
    opr__lua_charge(L, (uint64_t)n / 2);
    lua_createtable(L, n, 1);
    lua_insert(L, 1);
    for (int i = n; i >= 1; i--) {
        lua_rawseti(L, 1, i);
    }
    lua_pushinteger(L, n);
    lua_setfield(L, 1, "n");
    return 1;
}

static int tab_unpack(lua_State *L)
{
    lua_Integer len = readable(L, 1);
    lua_Integer from = luaL_optinteger(L, 2, 1), to = luaL_optinteger(L, 3, len);
    lua_Integer n = take_range(L, from, to, OPR__LUA_MAX_VALUES);
    luaL_checkstack(L, (int)n, "too many values to unpack");
    for (lua_Integer k = 0; k < n; k++) {
        lua_geti(L, 1, from + k);
    }
    return (int)n;
}

/* Stack 1: the table, 2: the comparator or nil. True where b must come before a. */
static bool is_before(lua_State *L, int b, int a)
{
    if (lua_isnil(L, 2)) {
        opr__lua_charge(L, (lua_rawlen(L, a) + lua_rawlen(L, b)) / 16);
        return lua_compare(L, b, a, LUA_OPLT);
    }
    lua_pushvalue(L, 2);
    lua_pushvalue(L, b);
    lua_pushvalue(L, a);
    lua_call(L, 2, 1);
    bool is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is;
}

/* Merges the runs [lo, mid) and [mid, hi) of table `from` into table `to` (positions from 0). */
static void merge(lua_State *L, int from, int to, lua_Integer lo, lua_Integer mid, lua_Integer hi)
{
    lua_Integer a = lo, b = mid;
    for (lua_Integer k = lo; k < hi; k++) {
        bool take_b = a >= mid;
        if (a < mid && b < hi) {
            lua_rawgeti(L, from, a + 1);
            lua_rawgeti(L, from, b + 1);
            int top = lua_gettop(L);
            take_b = is_before(L, top, top - 1);
            lua_settop(L, top - 2);
        }
        lua_rawgeti(L, from, (take_b ? b++ : a++) + 1);
        lua_rawseti(L, to, k + 1);
    }
}

/* A merge sort: stable, and a comparator without sense gives an order without sense, no more. */
static int tab_sort(lua_State *L)
{
    lua_Integer n = own_table(L, 1);
    lua_settop(L, 2);
    if (!lua_isnil(L, 2)) {
        luaL_checktype(L, 2, LUA_TFUNCTION);
    }
    take_range(L, 1, n, OPR__LUA_MAX_RANGE);
    uint64_t rounds = 1;
    while ((1ll << rounds) < n) {
        rounds++;
    }
    opr__lua_charge(L, (uint64_t)n * rounds);
    lua_createtable(L, (int)n, 0);
    int from = 1, to = 3;
    for (lua_Integer width = 1; width < n; width *= 2) {
        for (lua_Integer lo = 0; lo < n; lo += 2 * width) {
            lua_Integer mid = lo + width < n ? lo + width : n;
            merge(L, from, to, lo, mid, mid + width < n ? mid + width : n);
        }
        int swap = from;
        from = to;
        to = swap;
    }
    for (lua_Integer i = 1; from != 1 && i <= n; i++) {
        lua_rawgeti(L, from, i);
        lua_rawseti(L, 1, i);
    }
    return 0;
}

void opr__lua_push_table(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"concat", tab_concat}, {"insert", tab_insert}, {"move", tab_move},     {"pack", tab_pack},
        {"remove", tab_remove}, {"sort", tab_sort},     {"unpack", tab_unpack}, {NULL, NULL}};
    luaL_newlib(L, functions);
}
