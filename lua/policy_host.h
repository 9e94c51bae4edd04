/* The Lua policy host: compiles policies and calls their functions in the sandbox
 * (docs/POLICIES.md). Threads: any; each call has a Lua state of its own. */
#ifndef OPR_LUA_POLICY_HOST_H
#define OPR_LUA_POLICY_HOST_H

#include "core/base/arena.h"
#include "core/json/json.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_lua_limits {
    uint64_t steps;      /* 0: 1,000,000 */
    size_t memory_bytes; /* 0: 8 MiB */
    size_t block_bytes;  /* 0: 256 KiB, any single block */
    uint32_t cpu_ms;     /* 0: 50, thread CPU time */
    size_t source_bytes; /* 0: 64 KiB */
    size_t result_bytes; /* 0: 256 KiB */
};

struct opr_policy_host;
struct opr_policy_host *
opr_policy_host_new(const struct opr_lua_limits *limits); /* NULL: defaults */
void opr_policy_host_free(struct opr_policy_host *h);
/* The chunk is run once in the sandbox; it must return a table with at least one known function
 * (scale, filter, score, reconcile), and beside reconcile the table controller, which says what it
 * works on. The last good one stays where this fails. */
OPR_NODISCARD opr_status opr_policy_host_load(struct opr_policy_host *h, const char *name,
                                              struct opr_str source, struct opr_error *reterr);
/* The same for a policy that the operator's own administrator installed: its states, once they are
 * clean, serve further calls. One that came through the API gets a new state for each call. */
OPR_NODISCARD opr_status opr_policy_host_install(struct opr_policy_host *h, const char *name,
                                                 struct opr_str source, struct opr_error *reterr);
void opr_policy_host_unload(struct opr_policy_host *h, const char *name);
/* The result is a JSON array of the returned values; owned. The table controller is had as a
 * function of that name would be. */
OPR_NODISCARD opr_status opr_policy_host_call(struct opr_policy_host *h, const char *name,
                                              const char *function, const struct opr_obj *input,
                                              struct opr_obj **ret_result,
                                              struct opr_error *reterr);
uint32_t opr_policy_host_list(struct opr_policy_host *h, const char *function, struct opr_arena *a,
                              const char *const **ret_names);
/* Runs a policy's own cases (its table's `tests`) and writes a line a case and a diff for each
 * failure; returns the number of failures, or -1 with reterr where it does not load. */
int opr_policy_test(const char *path, struct opr_buf *ret_report, struct opr_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
