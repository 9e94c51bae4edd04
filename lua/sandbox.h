/* One sandboxed Lua state: capped memory, a budget of steps and CPU time that a script can not
 * catch, and the allow-listed library. Inside lua/ only. Threads: one owner at a time. Lifetime:
 * opr__lua_free(). */
#ifndef OPR_LUA_SANDBOX_H
#define OPR_LUA_SANDBOX_H

#include "core/base/str.h"
#include "lua/policy_host.h"

#include <lauxlib.h>
#include <lua.h>

#include <setjmp.h>

#define OPR__LUA_MAX_RANGE 100000 /* of any table range or repeat count */
#define OPR__LUA_MAX_VALUES 4000  /* values pushed by one call (unpack, byte) */
#define OPR__LUA_MAX_DEPTH 64     /* of a result */
#define OPR__LUA_NAME_MAX 48      /* of a policy in its messages */

struct opr__lua {
    lua_State *L;                 /* owned */
    struct opr_lua_limits limits; /* no zeros */
    char name[OPR__LUA_NAME_MAX];
    void *first_block; /* owned: the state itself, at a random offset in a larger block */
    size_t used_bytes;
    size_t baseline_bytes; /* after the policy was compiled */
    uint32_t refusals;     /* allocations refused in a row */
    bool is_running;
    bool is_dead; /* a budget ran out: nothing runs on in this state */
    bool goes_on; /* the next run has what the last one left of its budgets */
    char dead_why[256];
    uint64_t steps;
    uint64_t started_mono_ns, started_cpu_ns;
    uint64_t epoch; /* of this call: input of an earlier one is refused */
    jmp_buf panic;
    int pcall_status;            /* of the last run */
    struct opr_str source;       /* borrowed: while it compiles */
    const struct opr_obj *input; /* borrowed: of this call */
    const char *function;        /* borrowed: of this call */
    uint32_t found_functions;    /* of the policy, a bit each; set when it is loaded */
    struct opr_buf out;          /* owned: the copied-out result */
    struct opr_str *keys;        /* owned: scratch of the copy */
    size_t key_count, key_cap;
};

/* NULL and reterr where there is no memory. */
struct opr__lua *opr__lua_new(const struct opr_lua_limits *limits, const char *name,
                              struct opr_error *reterr);
void opr__lua_free(struct opr__lua *l);
/* Compiles the chunk; a state holds one. The first run after it, by the same thread, has what is
 * left of the budgets: a call that must compile first takes no longer than any other. */
OPR_NODISCARD opr_status opr__lua_compile(struct opr__lua *l, struct opr_str source,
                                          struct opr_error *reterr);
/* Runs fn with an empty stack and fresh budgets (but see above). OPR_E_LIMIT: a budget ran out;
 * OPR_E_INVALID. */
OPR_NODISCARD opr_status opr__lua_run(struct opr__lua *l, lua_CFunction fn,
                                      struct opr_error *reterr);
/* True where nothing of the last call is left behind and the state may be used again. */
bool opr__lua_is_clean(struct opr__lua *l);

/* Calls policy.function(input) and parses what it returned; owned. */
OPR_NODISCARD opr_status opr__lua_call_policy(struct opr__lua *l, const char *function,
                                              const struct opr_obj *input,
                                              struct opr_obj **ret_result,
                                              struct opr_error *reterr);

/* From here on: inside opr__lua_run(). These raise Lua errors. */

struct opr__lua *opr__lua_of(lua_State *L);
/* Pushes what the chunk returned, run in a new environment. */
void opr__lua_push_policy(lua_State *L);
/* Takes steps from the budget before the work is done. */
void opr__lua_charge(lua_State *L, uint64_t steps);
void opr__lua_charge_text(lua_State *L, size_t len); /* reading len bytes */
/* Ends the call for good: pcall can not catch it. */
OPR_PRINTF(2, 3) __attribute__((noreturn)) void opr__lua_kill(lua_State *L, const char *fmt, ...);

/* The library, each group pushed as a table. */
void opr__lua_push_base(lua_State *L);
void opr__lua_push_string(lua_State *L);
void opr__lua_push_table(lua_State *L);
void opr__lua_push_utf8(lua_State *L);
void opr__lua_push_math(lua_State *L);
void opr__lua_push_policy_lib(lua_State *L);
/* Replaces the table on top by a locked, read-only view of it. */
void opr__lua_lock(lua_State *L);
/* Pushes the table behind a locked view and returns true; false and nothing for other values. */
bool opr__lua_unlock(lua_State *L, int idx);
/* Text of a value without addresses; honours __tostring. Pushes it. */
const char *opr__lua_tostring(lua_State *L, int idx, size_t *ret_len);

int opr__lua_find(lua_State *L);
int opr__lua_match(lua_State *L);
int opr__lua_gmatch(lua_State *L);
int opr__lua_gsub(lua_State *L);
int opr__lua_format(lua_State *L);

/* Input and output (value.c). Arrays and objects of the input are read-only views of the JSON. */
void opr__lua_value_init(lua_State *L);
void opr__lua_push_json(lua_State *L, const struct opr_obj *o);
const struct opr_obj *opr__lua_input_at(lua_State *L, int idx); /* NULL: not of the input */
int opr__lua_input_next(lua_State *L);                          /* next() on a view */
/* A table of the policy's own with the same content, arrays and objects tagged. */
void opr__lua_push_copy(lua_State *L, const struct opr_obj *o);
void opr__lua_tag(lua_State *L, int idx, bool is_array);
/* Appends the value as JSON to l->out. */
void opr__lua_copy_out(lua_State *L, int idx);

/* Line of the first attribute <close> in a source; 0: there is none. */
uint32_t opr__lua_find_close(struct opr_str source);

#endif
