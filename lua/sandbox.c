#include "lua/sandbox.h"

#include "core/base/alloc.h"
#include "core/base/rand.h"

#include <lualib.h>

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define HOOK_EVERY 100
#define MAX_OFFSET_BYTES 4096
#define LONG_WORK_BYTES 4096 /* a block of this size may mean work that takes its time */
#define SOURCE_PIECE 64      /* bytes compiled between two looks at the budget */

/* Their addresses are keys of the registry. */
static const char CHUNK_KEY, GLOBALS_KEY, ENV_META_KEY;

static uint64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct opr__lua *opr__lua_of(lua_State *L)
{
    return *(struct opr__lua **)lua_getextraspace(L);
}

/* "name:line" of the innermost Lua function. Reads only: it may run within the allocator. */
static void place_of(struct opr__lua *l, char *ret_text, size_t size)
{
    lua_Debug d;
    for (int level = 0; l->L && lua_getstack(l->L, level, &d); level++) {
        if (lua_getinfo(l->L, "Sl", &d) && d.currentline > 0) {
            snprintf(ret_text, size, "%s:%d", l->name, d.currentline);
            return;
        }
    }
    snprintf(ret_text, size, "%s", l->name);
}

static void mark_dead(struct opr__lua *l, const char *why)
{
    if (l->is_dead) {
        return;
    }
    char place[OPR__LUA_NAME_MAX + 16];
    place_of(l, place, sizeof place);
    l->is_dead = true;
    snprintf(l->dead_why, sizeof l->dead_why, "%s: %s", place, why);
}

static void on_count(lua_State *L, lua_Debug *d);

void opr__lua_kill(lua_State *L, const char *fmt, ...)
{
    struct opr__lua *l = opr__lua_of(L);
    char why[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    mark_dead(l, why);
    /* From now on the first instruction after any pcall dies too. */
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    lua_pushliteral(L, "budget used up");
    lua_error(L);
    OPR_UNREACHABLE();
}

/* Says in ret_why which budget ran out; false: none did. Reads only, as place_of(). */
static bool is_used_up(const struct opr__lua *l, char *ret_why, size_t size)
{
    if (l->steps > l->limits.steps) {
        snprintf(ret_why, size, "used up its %llu steps: shorten its loops",
                 (unsigned long long)l->limits.steps);
        return true;
    }
    /* CPU time never runs ahead of wall time, and wall time is cheap to read. */
    uint64_t budget_ns = l->limits.cpu_ms * 1000000ull;
    if (now_ns(CLOCK_MONOTONIC) - l->started_mono_ns > budget_ns &&
        now_ns(CLOCK_THREAD_CPUTIME_ID) - l->started_cpu_ns > budget_ns) {
        snprintf(ret_why, size, "used up its %u ms of CPU time: do less in one call",
                 l->limits.cpu_ms);
        return true;
    }
    return false;
}

static void check_budget(lua_State *L)
{
    char why[160];
    struct opr__lua *l = opr__lua_of(L);
    if (l->is_dead) {
        opr__lua_kill(L, "dead");
    }
    if (is_used_up(l, why, sizeof why)) {
        opr__lua_kill(L, "%s", why);
    }
}

static void on_count(lua_State *L, lua_Debug *d)
{
    (void)d;
    opr__lua_of(L)->steps += HOOK_EVERY;
    check_budget(L);
}

void opr__lua_charge(lua_State *L, uint64_t steps)
{
    opr__lua_of(L)->steps += steps + 1;
    check_budget(L);
}

void opr__lua_charge_text(lua_State *L, size_t len)
{
    opr__lua_charge(L, len / 16);
}

/* Marks the state dead from within the allocator, where no error can be raised: Lua raises one for
 * want of memory, and the next instruction dies. */
static void *end_run(struct opr__lua *l, const char *why)
{
    if (l->is_running) {
        mark_dead(l, why);
        lua_sethook(l->L, on_count, LUA_MASKCOUNT, 1);
    }
    return NULL;
}

/* A refusal for want of total memory makes Lua collect garbage and ask once more: only the second
 * one in a row is final. A block over the cap is final at once. */
static void *refuse(struct opr__lua *l, size_t size)
{
    char why[160];
    if (size > l->limits.block_bytes) {
        snprintf(why, sizeof why,
                 "asked for a block of %zu bytes, over %zu: a string or table is too large, or a "
                 "recursion too deep",
                 size, l->limits.block_bytes);
    } else if (++l->refusals < 2 && !is_used_up(l, why, sizeof why)) {
        return NULL;
    } else if (l->refusals >= 2) {
        snprintf(why, sizeof why, "used up its %zu bytes of memory: keep less at a time",
                 l->limits.memory_bytes);
    }
    return end_run(l, why);
}

/* Lua seeds its string hash from addresses, among them that of the state: a random offset makes the
 * seed differ between states even where the heap's layout is the same. */
static void *first_block(struct opr__lua *l, size_t size)
{
    l->first_block = opr_alloc_try(size + MAX_OFFSET_BYTES);
    if (!l->first_block) {
        return NULL;
    }
    l->used_bytes += size;
    return (char *)l->first_block + opr_rand_below(MAX_OFFSET_BYTES / 16) * 16;
}

static void *on_alloc(void *arg, void *p, size_t old_size, size_t size)
{
    struct opr__lua *l = arg;
    if (!p) {
        old_size = 0; /* the type of the object, not a size */
    }
    if (size == 0) {
        l->used_bytes -= old_size;
        if (p && !(l->first_block && p >= l->first_block &&
                   (char *)p <= (char *)l->first_block + MAX_OFFSET_BYTES)) {
            opr_free(p);
        }
        return NULL;
    }
    if (!l->first_block) {
        return first_block(l, size);
    }
    if (size > old_size && (size > l->limits.block_bytes ||
                            l->used_bytes - old_size + size > l->limits.memory_bytes)) {
        return refuse(l, size);
    }
    /* What follows may be long work that calls no hook: keys that collide put anew into a grown
     * table, a long string copied. Some hundred of them would fit between two hooks. */
    char why[160] = "";
    if (size > old_size && size >= LONG_WORK_BYTES && l->is_running &&
        (l->is_dead || is_used_up(l, why, sizeof why))) {
        return end_run(l, why);
    }
    void *fresh = opr_realloc_try(p, size);
    if (fresh) {
        l->used_bytes += size - old_size;
        l->refusals = size > old_size ? 0 : l->refusals;
    }
    return fresh;
}

static int on_panic(lua_State *L)
{
    longjmp(opr__lua_of(L)->panic, 1);
}

static int refuse_global(lua_State *L)
{
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
    return luaL_error(L, "assignment to the global '%s': declare it local", name);
}

static int init_library(lua_State *L)
{
    opr__lua_value_init(L);
    opr__lua_push_base(L);
    static const struct {
        const char *name;
        void (*push)(lua_State *L);
    } groups[] = {{"string", opr__lua_push_string},
                  {"table", opr__lua_push_table},
                  {"utf8", opr__lua_push_utf8},
                  {"math", opr__lua_push_math},
                  {"policy", opr__lua_push_policy_lib}};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        groups[i].push(L);
        opr__lua_lock(L);
        lua_setfield(L, -2, groups[i].name);
    }
    lua_rawsetp(L, LUA_REGISTRYINDEX, &GLOBALS_KEY);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, refuse_global);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &ENV_META_KEY);
    /* The only global table of the state holds nothing: a chunk gets an environment of its own. */
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    return 0;
}

static void fill_limits(struct opr_lua_limits *l)
{
    l->steps = l->steps ? l->steps : 1000000;
    l->memory_bytes = l->memory_bytes ? l->memory_bytes : 8u << 20;
    l->block_bytes = l->block_bytes ? l->block_bytes : 256u << 10;
    l->cpu_ms = l->cpu_ms ? l->cpu_ms : 50;
    l->source_bytes = l->source_bytes ? l->source_bytes : 64u << 10;
    l->result_bytes = l->result_bytes ? l->result_bytes : 256u << 10;
}

struct opr__lua *opr__lua_new(const struct opr_lua_limits *limits, const char *name,
                              struct opr_error *reterr)
{
    struct opr__lua *l = opr_xalloc(sizeof *l);
    if (limits) {
        l->limits = *limits;
    }
    fill_limits(&l->limits);
    snprintf(l->name, sizeof l->name, "%s", name);
    lua_State *L = lua_newstate(on_alloc, l);
    if (!L) {
        opr_error_set(reterr, OPR_E_NOMEM, "policy %s: no memory for a Lua state", name);
        opr__lua_free(l);
        return NULL;
    }
    *(struct opr__lua **)lua_getextraspace(L) = l;
    l->L = L;
    lua_atpanic(L, on_panic);
    if (opr__lua_run(l, init_library, reterr) != OPR_OK) {
        opr__lua_free(l);
        return NULL;
    }
    return l;
}

void opr__lua_free(struct opr__lua *l)
{
    if (!l) {
        return;
    }
    if (l->L) {
        lua_close(l->L);
    }
    opr_free(l->first_block);
    opr_buf_fini(&l->out);
    opr_free(l->keys);
    opr_free(l);
}

static void begin(struct opr__lua *l)
{
    if (!l->goes_on) {
        l->steps = 0;
        l->started_mono_ns = now_ns(CLOCK_MONOTONIC);
        l->started_cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    }
    l->goes_on = false;
    l->refusals = 0;
    l->epoch++;
    l->is_running = true;
    l->key_count = 0;
    opr_buf_clear(&l->out);
    lua_settop(l->L, 0);
    lua_sethook(l->L, on_count, LUA_MASKCOUNT, HOOK_EVERY);
}

/* Only strings cross to the host, without control bytes; nothing of the script is called. */
static opr_status report(struct opr__lua *l, struct opr_error *reterr)
{
    if (l->is_dead) {
        return opr_error_set(reterr, OPR_E_LIMIT, "%s", l->dead_why);
    }
    char text[400];
    if (lua_type(l->L, -1) == LUA_TSTRING) {
        const char *message = lua_tostring(l->L, -1);
        size_t len = strlen(l->name);
        bool has_place = strncmp(message, l->name, len) == 0 && message[len] == ':';
        snprintf(text, sizeof text, "%s%s%s", has_place ? "" : l->name, has_place ? "" : ": ",
                 message);
    } else {
        snprintf(text, sizeof text, "%s: <non-string error>", l->name);
    }
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = ' ';
        }
    }
    return opr_error_set(reterr, OPR_E_INVALID, "%s", text);
}

/* Alone in its function: no local lives across the jump. */
static bool has_panicked(struct opr__lua *l, lua_CFunction fn)
{
    if (setjmp(l->panic) != 0) {
        return true;
    }
    begin(l);
    lua_pushcfunction(l->L, fn);
    l->pcall_status = lua_pcall(l->L, 0, 0, 0);
    return false;
}

opr_status opr__lua_run(struct opr__lua *l, lua_CFunction fn, struct opr_error *reterr)
{
    opr_status st = OPR_OK;
    if (l->is_dead) {
        return opr_error_set(reterr, OPR_E_LIMIT, "%s", l->dead_why);
    }
    bool is_lost = has_panicked(l, fn);
    l->is_running = false;
    if (is_lost) {
        mark_dead(l, "Lua raised an error outside of a protected call");
        return opr_error_set(reterr, OPR_E_LIMIT, "%s", l->dead_why);
    }
    lua_sethook(l->L, NULL, 0, 0);
    if (l->pcall_status != LUA_OK || l->is_dead) {
        st = report(l, reterr);
    }
    lua_settop(l->L, 0);
    return st;
}

/* The compiler calls no hook, and some sources take it a time that grows with the square of their
 * size (a name looked for in thousands of locals of enclosing functions, thousands of labels): it
 * gets the text in pieces, with a look at the clock before each. */
static const char *next_piece(lua_State *L, void *arg, size_t *ret_size)
{
    struct opr_str *rest = arg;
    const char *piece = rest->ptr;
    opr__lua_charge(L, 0);
    *ret_size = rest->len < SOURCE_PIECE ? rest->len : SOURCE_PIECE;
    rest->ptr += *ret_size;
    rest->len -= *ret_size;
    return *ret_size > 0 ? piece : NULL;
}

static int do_compile(lua_State *L)
{
    struct opr__lua *l = opr__lua_of(L);
    char name[OPR__LUA_NAME_MAX + 1];
    snprintf(name, sizeof name, "=%s", l->name);
    struct opr_str rest = l->source;
    if (lua_load(L, next_piece, &rest, name, "t") != LUA_OK) {
        return lua_error(L);
    }
    lua_rawsetp(L, LUA_REGISTRYINDEX, &CHUNK_KEY);
    return 0;
}

opr_status opr__lua_compile(struct opr__lua *l, struct opr_str source, struct opr_error *reterr)
{
    if (source.len > l->limits.source_bytes) {
        return opr_error_set(reterr, OPR_E_LIMIT, "policy %s: the source has %zu bytes, over %zu",
                             l->name, source.len, l->limits.source_bytes);
    }
    if (source.len == 0 || source.ptr[0] == LUA_SIGNATURE[0]) {
        return opr_error_set(reterr, OPR_E_INVALID, "policy %s: %s: give the policy as Lua text",
                             l->name, source.len == 0 ? "empty source" : "compiled bytecode");
    }
    uint32_t line = opr__lua_find_close(source);
    if (line) {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "%s:%u: <close> variables are not allowed: use a plain local", l->name,
                             line);
    }
    l->source = source;
    opr_status st = opr__lua_run(l, do_compile, reterr);
    l->source = (struct opr_str){0};
    l->goes_on = true;
    lua_gc(l->L, LUA_GCCOLLECT);
    l->baseline_bytes = l->used_bytes;
    return st;
}

/* The chunk's only upvalue is its environment: a table of its own a call, with the allowed globals;
 * an assignment to any other name is refused. */
void opr__lua_push_policy(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &CHUNK_KEY);
    lua_createtable(L, 0, 32);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &GLOBALS_KEY);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -5);
    }
    lua_pop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &ENV_META_KEY);
    lua_setmetatable(L, -2);
    if (!lua_setupvalue(L, -2, 1)) {
        lua_pop(L, 1);
    }
    lua_call(L, 0, 1);
}

bool opr__lua_is_clean(struct opr__lua *l)
{
    if (l->is_dead || lua_gettop(l->L) != 0) {
        return false;
    }
    size_t slack = 128u << 10;
    if (l->used_bytes > l->baseline_bytes + slack) {
        lua_gc(l->L, LUA_GCCOLLECT);
    }
    return l->used_bytes <= l->baseline_bytes + slack;
}
