#include "lua/policy_host.h"

#include "core/base/alloc.h"
#include "core/base/map.h"
#include "core/base/vec.h"
#include "lua/sandbox.h"

#include <pthread.h>
#include <stdlib.h>

#define IDLE_MAX 4 /* states kept for the next call, an installed policy */

/* Members of a policy's table. The last is no function: it says what reconcile() works on. */
static const char *const known[] = {"scale", "filter", "score", "reconcile", "controller"};
#define KNOWN_COUNT (sizeof known / sizeof *known)
enum { HAS_RECONCILE = 1u << 3, HAS_CONTROLLER = 1u << 4 };

/* One loaded source. Immutable but for its idle states. */
struct policy {
    uint32_t refs; /* guarded by the host's lock */
    bool is_current;
    bool is_installed;   /* its states may serve more than one call */
    char *name;          /* owned */
    char *source;        /* owned */
    size_t source_len;   /* bytes */
    uint32_t functions;  /* bit i: it has known[i] */
    struct opr_vec idle; /* owned struct opr__lua, guarded by the host's lock */
};

struct opr_policy_host {
    struct opr_lua_limits limits;
    pthread_mutex_t lock;
    struct opr_map *policies; /* owned; values ref */
};

struct opr_policy_host *opr_policy_host_new(const struct opr_lua_limits *limits)
{
    struct opr_policy_host *h = opr_xalloc(sizeof *h);
    if (limits) {
        h->limits = *limits;
    }
    pthread_mutex_init(&h->lock, NULL);
    h->policies = opr_map_new();
    return h;
}

static void policy_free(struct policy *p)
{
    for (size_t i = 0; i < p->idle.count; i++) {
        opr__lua_free(p->idle.items[i]);
    }
    opr_vec_fini(&p->idle);
    opr_free(p->name);
    opr_free(p->source);
    opr_free(p);
}

static void policy_unref(struct opr_policy_host *h, struct policy *p)
{
    pthread_mutex_lock(&h->lock);
    bool is_last = --p->refs == 0;
    pthread_mutex_unlock(&h->lock);
    if (is_last) {
        policy_free(p);
    }
}

void opr_policy_host_free(struct opr_policy_host *h)
{
    if (!h) {
        return;
    }
    struct opr_str key;
    void *value;
    for (size_t it = 0; opr_map_next(h->policies, &it, &key, &value);) {
        policy_unref(h, value);
    }
    opr_map_free(h->policies, NULL);
    pthread_mutex_destroy(&h->lock);
    opr_free(h);
}

static int do_inspect(lua_State *L)
{
    struct opr__lua *l = opr__lua_of(L);
    opr__lua_push_policy(L);
    if (!lua_istable(L, -1)) {
        return luaL_error(L,
                          "%s: the policy returns a %s: return a table with a function scale, "
                          "filter, score or reconcile",
                          l->name, luaL_typename(L, -1));
    }
    uint32_t members = 0;
    for (uint32_t i = 0; i < KNOWN_COUNT; i++) {
        lua_pushstring(L, known[i]);
        bool is_data = 1u << i == HAS_CONTROLLER;
        members |= lua_rawget(L, -2) == (is_data ? LUA_TTABLE : LUA_TFUNCTION) ? 1u << i : 0;
        lua_pop(L, 1);
    }
    if ((members & ~(uint32_t)HAS_CONTROLLER) == 0) {
        return luaL_error(L,
                          "%s: the policy's table has none of the functions scale, filter, "
                          "score, reconcile: add one",
                          l->name);
    }
    if (!(members & HAS_RECONCILE) != !(members & HAS_CONTROLLER)) {
        return luaL_error(
            L,
            "%s: reconcile and controller belong together: add controller = "
            "{ primary = \"demo.example/v1/Web\", owns = { \"apps/v1/Deployment\" } } "
            "and a function reconcile(object, children)",
            l->name);
    }
    l->found_functions = members;
    return 0;
}

static opr_status make_state(const struct opr_lua_limits *limits, const char *name,
                             struct opr_str source, struct opr__lua **ret_state,
                             struct opr_error *reterr)
{
    struct opr__lua *l = opr__lua_new(limits, name, reterr);
    if (!l) {
        return OPR_E_NOMEM;
    }
    opr_status st = opr__lua_compile(l, source, reterr);
    if (st != OPR_OK) {
        opr__lua_free(l);
        return st;
    }
    *ret_state = l;
    return OPR_OK;
}

static opr_status load(struct opr_policy_host *h, const char *name, struct opr_str source,
                       bool is_installed, struct opr_error *reterr)
{
    struct opr__lua *l = NULL;
    opr_status st = make_state(&h->limits, name, source, &l, reterr);
    if (st != OPR_OK) {
        return st;
    }
    st = opr__lua_run(l, do_inspect, reterr);
    if (st != OPR_OK) {
        opr__lua_free(l);
        return st;
    }
    struct policy *p = opr_xalloc(sizeof *p);
    p->refs = 1;
    p->is_current = true;
    p->is_installed = is_installed;
    p->name = opr_xstrdup(name);
    p->source = opr_xstrndup(source.ptr, source.len);
    p->source_len = source.len;
    p->functions = l->found_functions;
    if (is_installed) {
        opr_vec_push(&p->idle, l);
    } else {
        opr__lua_free(l);
    }
    pthread_mutex_lock(&h->lock);
    struct policy *was = opr_map_put(h->policies, opr_str_of(name), p);
    if (was) {
        was->is_current = false;
    }
    pthread_mutex_unlock(&h->lock);
    if (was) {
        policy_unref(h, was);
    }
    return OPR_OK;
}

opr_status opr_policy_host_load(struct opr_policy_host *h, const char *name, struct opr_str source,
                                struct opr_error *reterr)
{
    return load(h, name, source, false, reterr);
}

opr_status opr_policy_host_install(struct opr_policy_host *h, const char *name,
                                   struct opr_str source, struct opr_error *reterr)
{
    return load(h, name, source, true, reterr);
}

void opr_policy_host_unload(struct opr_policy_host *h, const char *name)
{
    pthread_mutex_lock(&h->lock);
    struct policy *was = opr_map_remove(h->policies, opr_str_of(name));
    if (was) {
        was->is_current = false;
    }
    pthread_mutex_unlock(&h->lock);
    if (was) {
        policy_unref(h, was);
    }
}

/* A list gives the arguments by position; {pod, node} of a filter or score becomes pod, node,
 * input; any other value is the only argument. */
static int push_arguments(lua_State *L, const struct opr__lua *l)
{
    const struct opr_obj *in = l->input;
    if (opr_json_type(in) == OPR_TYPE_ARRAY) {
        uint32_t count = opr_json_len(in);
        luaL_checkstack(L, (int)count, "too many arguments");
        for (const struct opr_obj *v = opr_json_first(in); v; v = opr_json_next(v)) {
            opr__lua_push_json(L, v);
        }
        return (int)count;
    }
    const struct opr_obj *pod = opr_json_at(in, "/pod"), *node = opr_json_at(in, "/node");
    if (pod && node && (strcmp(l->function, "filter") == 0 || strcmp(l->function, "score") == 0)) {
        opr__lua_push_json(L, pod);
        opr__lua_push_json(L, node);
        opr__lua_push_json(L, in);
        return 3;
    }
    opr__lua_push_json(L, in);
    return 1;
}

static int do_call(lua_State *L)
{
    struct opr__lua *l = opr__lua_of(L);
    opr__lua_push_policy(L);
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_pushstring(L, l->function);
    bool is_function = lua_rawget(L, -2) == LUA_TFUNCTION;
    int base = lua_gettop(L) - 1;
    if (is_function) {
        lua_call(L, push_arguments(L, l), LUA_MULTRET);
    }
    int top = lua_gettop(L);
    luaL_checkstack(L, 8, "too many results");
    opr_buf_add_char(&l->out, '[');
    for (int i = base + 1; i <= top; i++) {
        if (i > base + 1) {
            opr_buf_add_char(&l->out, ',');
        }
        opr__lua_copy_out(L, i);
    }
    opr_buf_add_char(&l->out, ']');
    return 0;
}

opr_status opr__lua_call_policy(struct opr__lua *l, const char *function,
                                const struct opr_obj *input, struct opr_obj **ret_result,
                                struct opr_error *reterr)
{
    l->function = function;
    l->input = input;
    opr_status st = opr__lua_run(l, do_call, reterr);
    l->function = NULL;
    l->input = NULL;
    struct opr_error err = {0};
    if (st == OPR_OK && opr_json_parse(opr_buf_str(&l->out), ret_result, &err) != OPR_OK) {
        st = opr_error_set(reterr, OPR_E_INVALID, "%s: a result has a name that is no text: %s",
                           l->name, err.message);
    }
    return st;
}

static bool has_function(const struct policy *p, const char *function)
{
    for (uint32_t i = 0; i < KNOWN_COUNT; i++) {
        if (strcmp(known[i], function) == 0) {
            return p->functions >> i & 1;
        }
    }
    return false;
}

static struct policy *borrow(struct opr_policy_host *h, const char *name,
                             struct opr__lua **ret_idle)
{
    pthread_mutex_lock(&h->lock);
    struct policy *p = opr_map_get(h->policies, opr_str_of(name));
    if (p) {
        p->refs++;
        if (p->idle.count > 0) {
            *ret_idle = opr_vec_remove(&p->idle, p->idle.count - 1);
        }
    }
    pthread_mutex_unlock(&h->lock);
    return p;
}

/* A state goes back only where it is clean and its policy is still the loaded one. */
static void give_back(struct opr_policy_host *h, struct policy *p, struct opr__lua *l, bool is_good)
{
    bool is_clean = l && is_good && p->is_installed && opr__lua_is_clean(l);
    pthread_mutex_lock(&h->lock);
    if (is_clean && p->is_current && p->idle.count < IDLE_MAX) {
        opr_vec_push(&p->idle, l);
        l = NULL;
    }
    pthread_mutex_unlock(&h->lock);
    opr__lua_free(l);
    policy_unref(h, p);
}

opr_status opr_policy_host_call(struct opr_policy_host *h, const char *name, const char *function,
                                const struct opr_obj *input, struct opr_obj **ret_result,
                                struct opr_error *reterr)
{
    struct opr__lua *l = NULL;
    struct policy *p = borrow(h, name, &l);
    if (!p) {
        return opr_error_set(reterr, OPR_E_NOT_FOUND, "policy %s is not loaded", name);
    }
    opr_status st = OPR_OK;
    if (!has_function(p, function)) {
        st = opr_error_set(reterr, OPR_E_NOT_FOUND, "policy %s has no function %s", name, function);
    } else if (!l) {
        st = make_state(&h->limits, name, opr_str_n(p->source, p->source_len), &l, reterr);
    }
    if (st == OPR_OK) {
        st = opr__lua_call_policy(l, function, input, ret_result, reterr);
    }
    give_back(h, p, l, st == OPR_OK || st == OPR_E_NOT_FOUND);
    return st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

uint32_t opr_policy_host_list(struct opr_policy_host *h, const char *function, struct opr_arena *a,
                              const char *const **ret_names)
{
    pthread_mutex_lock(&h->lock);
    const char **names =
        opr_arena_alloc(a, (opr_map_count(h->policies) + 1) * sizeof(const char *));
    uint32_t count = 0;
    struct opr_str key;
    void *value;
    for (size_t it = 0; opr_map_next(h->policies, &it, &key, &value);) {
        if (has_function(value, function)) {
            names[count++] = opr_arena_dup(a, key);
        }
    }
    pthread_mutex_unlock(&h->lock);
    if (count > 1) {
        qsort(names, count, sizeof *names, by_name);
    }
    *ret_names = names;
    return count;
}
