/* Values in and out. A JSON array or object of the input is a userdata that points into the packed
 * value and decodes what is asked for; Lua sees a read-only table. Results go out as JSON text. */
#include "lua/sandbox.h"

#include "core/base/alloc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char VIEW_KEY, ARRAY_KEY, OBJECT_KEY, TAG_KEY;

struct view {
    const struct opr_obj *o; /* borrowed: valid while epoch is the state's */
    uint64_t epoch;
    const struct opr_obj *last; /* where the last look-up by position or next() ended */
    lua_Integer last_index;
};

static struct view *view_at(lua_State *L, int idx)
{
    struct view *v = lua_type(L, idx) == LUA_TUSERDATA ? lua_touserdata(L, idx) : NULL;
    if (v && v->epoch != opr__lua_of(L)->epoch) {
        luaL_error(L, "input of an earlier call: take it from this call's arguments");
    }
    return v;
}

const struct opr_obj *opr__lua_input_at(lua_State *L, int idx)
{
    struct view *v = view_at(L, idx);
    return v ? v->o : NULL;
}

static bool is_integer(double d)
{
    return d >= -9.2e18 && d <= 9.2e18 && floor(d) == d;
}

/* An integer of the input is exact up to the ends of 64 bits; what is past them is a float. */
static void push_number(lua_State *L, const struct opr_obj *o)
{
    double d = opr_json_num(o, "", 0);
    int64_t i = opr_json_int(o, "", INT64_MIN);
    if (floor(d) == d && (i != INT64_MIN || d == (double)INT64_MIN)) {
        lua_pushinteger(L, i);
    } else {
        lua_pushnumber(L, d);
    }
}

static bool push_scalar(lua_State *L, const struct opr_obj *o)
{
    switch (opr_json_type(o)) {
    case OPR_TYPE_BOOL:
        lua_pushboolean(L, opr_json_bool(o, "", false));
        return true;
    case OPR_TYPE_NUMBER:
        push_number(L, o);
        return true;
    case OPR_TYPE_STRING: {
        struct opr_str s = opr_json_text(o, "");
        opr__lua_charge_text(L, s.len);
        lua_pushlstring(L, s.ptr, s.len);
        return true;
    }
    case OPR_TYPE_ARRAY:
    case OPR_TYPE_OBJECT:
        return false;
    default:
        lua_pushnil(L);
        return true;
    }
}

void opr__lua_push_json(lua_State *L, const struct opr_obj *o)
{
    if (push_scalar(L, o)) {
        return;
    }
    struct view *v = lua_newuserdatauv(L, sizeof *v, 0);
    *v = (struct view){.o = o, .epoch = opr__lua_of(L)->epoch};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &VIEW_KEY);
    lua_setmetatable(L, -2);
}

static const struct opr_obj *element(lua_State *L, struct view *v, lua_Integer i)
{
    if (i < 1 || i > (lua_Integer)opr_json_len(v->o)) {
        return NULL;
    }
    const struct opr_obj *at = v->last && v->last_index <= i ? v->last : opr_json_first(v->o);
    lua_Integer k = at == v->last ? v->last_index : 1;
    opr__lua_charge(L, (uint64_t)(i - k) / 4);
    for (; k < i; k++) {
        at = opr_json_next(at);
    }
    v->last = at;
    v->last_index = i;
    return at;
}

static const struct opr_obj *member(lua_State *L, struct view *v, int idx)
{
    size_t len;
    const char *name = lua_tolstring(L, idx, &len);
    opr__lua_charge(L, opr_json_len(v->o) / 4 + len / 16);
    return opr_json_member(v->o, opr_str_n(name, len));
}

static int view_index(lua_State *L)
{
    struct view *v = view_at(L, 1);
    const struct opr_obj *found = NULL;
    if (opr_json_type(v->o) == OPR_TYPE_OBJECT && lua_type(L, 2) == LUA_TSTRING) {
        found = member(L, v, 2);
    } else if (opr_json_type(v->o) == OPR_TYPE_ARRAY && lua_type(L, 2) == LUA_TNUMBER) {
        found = element(L, v, lua_tointeger(L, 2));
    }
    opr__lua_push_json(L, found);
    return 1;
}

static int view_newindex(lua_State *L)
{
    return luaL_error(L, "the input is read-only: change a policy.copy of it");
}

static int view_len(lua_State *L)
{
    struct view *v = view_at(L, 1);
    lua_pushinteger(L, opr_json_type(v->o) == OPR_TYPE_ARRAY ? opr_json_len(v->o) : 0);
    return 1;
}

static int view_eq(lua_State *L)
{
    struct view *a = view_at(L, 1), *b = view_at(L, 2);
    lua_pushboolean(L, a && b && a->o == b->o);
    return 1;
}

static const struct opr_obj *next_member(lua_State *L, struct view *v)
{
    if (lua_isnil(L, 2)) {
        return opr_json_first(v->o);
    }
    size_t len;
    const char *key = luaL_checklstring(L, 2, &len);
    const struct opr_obj *at = v->last;
    if (!at || !opr_str_is(opr_str_n(key, len), opr_json_name(at))) {
        at = member(L, v, 2);
        luaL_argcheck(L, at, 2, "no such key");
    }
    return opr_json_next(at);
}

static const struct opr_obj *next_element(lua_State *L, struct view *v)
{
    lua_Integer i = lua_isnil(L, 2) ? 0 : luaL_checkinteger(L, 2);
    luaL_argcheck(L, i >= 0 && i <= (lua_Integer)opr_json_len(v->o), 2, "no such key");
    return element(L, v, i + 1);
}

/* Stack: the view, the key. Absent values (null) are passed over, as in a Lua table. */
int opr__lua_input_next(lua_State *L)
{
    struct view *v = view_at(L, 1);
    bool is_array = opr_json_type(v->o) == OPR_TYPE_ARRAY;
    const struct opr_obj *at = is_array ? next_element(L, v) : next_member(L, v);
    while (at && opr_json_type(at) == OPR_TYPE_NULL) {
        opr__lua_charge(L, 1);
        v->last_index += is_array ? 1 : 0;
        at = opr_json_next(at);
    }
    v->last = at;
    if (!at) {
        lua_pushnil(L);
        return 1;
    }
    if (is_array) {
        lua_pushinteger(L, v->last_index);
    } else {
        lua_pushstring(L, opr_json_name(at));
    }
    opr__lua_push_json(L, at);
    return 2;
}

static void init_tag(lua_State *L, const char *key)
{
    lua_createtable(L, 0, 2);
    lua_pushboolean(L, key == &ARRAY_KEY);
    lua_rawsetp(L, -2, &TAG_KEY);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void opr__lua_value_init(lua_State *L)
{
    static const luaL_Reg methods[] = {{"__index", view_index},
                                       {"__newindex", view_newindex},
                                       {"__len", view_len},
                                       {"__eq", view_eq},
                                       {NULL, NULL}};
    luaL_newlib(L, methods);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &VIEW_KEY);
    init_tag(L, &ARRAY_KEY);
    init_tag(L, &OBJECT_KEY);
}

void opr__lua_tag(lua_State *L, int idx, bool is_array)
{
    idx = lua_absindex(L, idx);
    lua_rawgetp(L, LUA_REGISTRYINDEX, is_array ? &ARRAY_KEY : &OBJECT_KEY);
    lua_setmetatable(L, idx);
}

void opr__lua_push_copy(lua_State *L, const struct opr_obj *o)
{
    opr__lua_charge(L, 1);
    if (push_scalar(L, o)) {
        return;
    }
    luaL_checkstack(L, 4, "the input is nested too deep");
    bool is_array = opr_json_type(o) == OPR_TYPE_ARRAY;
    lua_createtable(L, is_array ? (int)opr_json_len(o) : 0, is_array ? 0 : (int)opr_json_len(o));
    lua_Integer i = 0;
    for (const struct opr_obj *v = opr_json_first(o); v; v = opr_json_next(v)) {
        if (is_array) {
            opr__lua_push_copy(L, v);
            lua_rawseti(L, -2, ++i);
        } else {
            lua_pushstring(L, opr_json_name(v));
            opr__lua_push_copy(L, v);
            lua_rawset(L, -3);
        }
    }
    opr__lua_tag(L, -1, is_array);
}

/* 1: array, 0: object, -1: the policy did not say. */
static int tag_of(lua_State *L, int idx)
{
    int tag = -1;
    if (lua_getmetatable(L, idx)) {
        if (lua_rawgetp(L, -1, &TAG_KEY) == LUA_TBOOLEAN) {
            tag = lua_toboolean(L, -1);
        }
        lua_pop(L, 2);
    }
    return tag;
}

static void out_number(lua_State *L, int idx)
{
    struct opr__lua *l = opr__lua_of(L);
    double d = lua_tonumber(L, idx);
    if (lua_isinteger(L, idx) || (is_integer(d) && fabs(d) < 9007199254740992.0)) {
        opr_buf_printf(&l->out, "%lld", (long long)lua_tointeger(L, idx));
        return;
    }
    if (!isfinite(d)) {
        luaL_error(L, "a result holds %s: check for a division by zero",
                   isnan(d) ? "not-a-number" : "infinity");
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d) {
            break;
        }
    }
    opr_buf_add_text(&l->out, text);
}

static void add_key(struct opr__lua *l, struct opr_str key)
{
    if (l->key_count == l->key_cap) {
        l->key_cap = l->key_cap ? l->key_cap * 2 : 64;
        l->keys = opr_xrealloc(l->keys, l->key_cap * sizeof *l->keys);
    }
    l->keys[l->key_count++] = key;
}

static int by_text(const void *a, const void *b)
{
    return opr_str_cmp(*(const struct opr_str *)a, *(const struct opr_str *)b);
}

static void out_value(lua_State *L, int idx, int depth);

/* Members in name order, so that the text does not depend on the hash seed. */
static void out_object(lua_State *L, int idx, int depth)
{
    struct opr__lua *l = opr__lua_of(L);
    size_t first = l->key_count;
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING) {
            luaL_error(L, "a result table mixes names and positions: use one of them");
        }
        opr__lua_charge(L, 4);
        size_t len;
        const char *name = lua_tolstring(L, -2, &len);
        add_key(l, opr_str_n(name, len));
    }
    size_t end = l->key_count;
    if (end > first) {
        qsort(l->keys + first, end - first, sizeof *l->keys, by_text);
    }
    opr_buf_add_char(&l->out, '{');
    for (size_t i = first; i < end; i++) {
        if (i > first) {
            opr_buf_add_char(&l->out, ',');
        }
        opr_buf_add_json(&l->out, l->keys[i]);
        opr_buf_add_char(&l->out, ':');
        lua_pushlstring(L, l->keys[i].ptr, l->keys[i].len);
        lua_rawget(L, idx);
        out_value(L, lua_gettop(L), depth);
        lua_pop(L, 1);
    }
    opr_buf_add_char(&l->out, '}');
    l->key_count = first;
}

static void out_array(lua_State *L, int idx, int depth)
{
    struct opr__lua *l = opr__lua_of(L);
    lua_Integer n = (lua_Integer)lua_rawlen(L, idx), count = 0;
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 || lua_tointeger(L, -2) > n) {
            luaL_error(L, "a result list has a key that is no position in 1..%I: remove it", n);
        }
        count++;
        opr__lua_charge(L, 1);
    }
    if (count != n) {
        luaL_error(L, "a result list has a hole: use table.remove, not nil");
    }
    opr_buf_add_char(&l->out, '[');
    for (lua_Integer i = 1; i <= n; i++) {
        if (i > 1) {
            opr_buf_add_char(&l->out, ',');
        }
        lua_rawgeti(L, idx, i);
        out_value(L, lua_gettop(L), depth);
        lua_pop(L, 1);
    }
    opr_buf_add_char(&l->out, ']');
}

static void out_table(lua_State *L, int idx, int depth)
{
    int tag = tag_of(L, idx);
    luaL_checkstack(L, 8, "a result is nested too deep");
    if (depth >= OPR__LUA_MAX_DEPTH) {
        luaL_error(L, "a result is nested over %d deep: does a table hold itself?",
                   OPR__LUA_MAX_DEPTH);
    }
    if (tag < 0) {
        int top = lua_gettop(L);
        lua_pushnil(L);
        tag = lua_next(L, idx) && lua_type(L, -2) == LUA_TNUMBER;
        lua_settop(L, top);
    }
    if (tag) {
        out_array(L, idx, depth + 1);
    } else {
        out_object(L, idx, depth + 1);
    }
}

static void out_value(lua_State *L, int idx, int depth)
{
    struct opr__lua *l = opr__lua_of(L);
    size_t len = 0;
    const char *text = NULL;
    opr__lua_charge(L, 1);
    switch (lua_type(L, idx)) {
    case LUA_TNIL:
        opr_buf_add_text(&l->out, "null");
        break;
    case LUA_TBOOLEAN:
        opr_buf_add_text(&l->out, lua_toboolean(L, idx) ? "true" : "false");
        break;
    case LUA_TNUMBER:
        out_number(L, idx);
        break;
    case LUA_TSTRING:
        text = lua_tolstring(L, idx, &len);
        opr__lua_charge_text(L, len);
        opr_buf_add_json(&l->out, opr_str_n(text, len));
        break;
    case LUA_TUSERDATA:
        opr_json_write(&l->out, opr__lua_input_at(L, idx));
        break;
    case LUA_TTABLE:
        out_table(L, idx, depth);
        break;
    default:
        luaL_error(L, "a result holds a %s: return plain values", luaL_typename(L, idx));
    }
    if (l->out.len > l->limits.result_bytes) {
        opr__lua_kill(L, "returns over %d bytes: return less", (int)l->limits.result_bytes);
    }
}

void opr__lua_copy_out(lua_State *L, int idx)
{
    out_value(L, lua_absindex(L, idx), 0);
}
