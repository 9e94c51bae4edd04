/* The table `policy` that the host gives to a policy: pure helpers (docs/POLICIES.md). */
#include "core/api/quantity.h"
#include "core/base/clock.h"
#include "lua/sandbox.h"

#include <math.h>

static int pol_clamp(lua_State *L)
{
    luaL_checknumber(L, 1);
    luaL_checknumber(L, 2);
    luaL_checknumber(L, 3);
    lua_settop(L, 3);
    if (lua_compare(L, 3, 2, LUA_OPLT)) {
        return luaL_error(L, "policy.clamp: the lower bound is over the upper one");
    }
    /* not (x >= low): a not-a-number counts as low */
    lua_pushvalue(L, !lua_compare(L, 2, 1, LUA_OPLE) ? 2 : lua_compare(L, 3, 1, LUA_OPLT) ? 3 : 1);
    return 1;
}

static struct opr_str checked_text(lua_State *L, int idx)
{
    size_t len;
    const char *s = luaL_checklstring(L, idx, &len);
    opr__lua_charge(L, len);
    return opr_str_n(s, len);
}

static int pol_quantity(lua_State *L)
{
    struct opr_str text = checked_text(L, 1);
    int64_t milli;
    if (opr_quantity_parse(text, &milli) != OPR_OK) {
        return luaL_error(L, "policy.quantity: '%s' is no quantity, as \"250m\" or \"64Mi\" is",
                          text.ptr);
    }
    if (milli % 1000 == 0) {
        lua_pushinteger(L, milli / 1000);
    } else {
        lua_pushnumber(L, (double)milli / 1000.0);
    }
    return 1;
}

static int pol_seconds(lua_State *L)
{
    if (lua_type(L, 1) == LUA_TNUMBER) {
        lua_settop(L, 1);
        return 1;
    }
    struct opr_str text = checked_text(L, 1);
    int64_t ms;
    if (opr_duration_parse(text, &ms) != OPR_OK) {
        return luaL_error(L, "policy.seconds: '%s' is no duration, as \"30s\" or \"5m\" is",
                          text.ptr);
    }
    if (ms % 1000 == 0) {
        lua_pushinteger(L, ms / 1000);
    } else {
        lua_pushnumber(L, (double)ms / 1000.0);
    }
    return 1;
}

/* Half away from zero, to a number of decimal digits (0). */
static int pol_round(lua_State *L)
{
    double x = luaL_checknumber(L, 1);
    lua_Integer digits = luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, digits >= 0 && digits <= 15, 2, "use 0 to 15 digits");
    double scale = pow(10, (double)digits), rounded = round(x * scale) / scale;
    if (digits == 0 && fabs(rounded) < 9007199254740992.0) {
        lua_pushinteger(L, (lua_Integer)rounded);
    } else {
        lua_pushnumber(L, rounded);
    }
    return 1;
}

static int tag(lua_State *L, bool is_array)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    lua_settop(L, 1);
    luaL_checktype(L, 1, LUA_TTABLE);
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) {
        return luaL_error(L, "the metatable of this table is locked");
    }
    opr__lua_tag(L, 1, is_array);
    return 1;
}

static int pol_array(lua_State *L)
{
    return tag(L, true);
}

static int pol_object(lua_State *L)
{
    return tag(L, false);
}

static int pol_copy(lua_State *L)
{
    const struct opr_obj *input = opr__lua_input_at(L, 1);
    if (!input) {
        luaL_argcheck(L, !lua_istable(L, 1), 1, "copies input only; this table is already yours");
        lua_settop(L, 1);
        return 1;
    }
    opr__lua_push_copy(L, input);
    return 1;
}

void opr__lua_push_policy_lib(lua_State *L)
{
    static const luaL_Reg functions[] = {{"array", pol_array},       {"clamp", pol_clamp},
                                         {"copy", pol_copy},         {"object", pol_object},
                                         {"quantity", pol_quantity}, {"round", pol_round},
                                         {"seconds", pol_seconds},   {NULL, NULL}};
    luaL_newlib(L, functions);
}
