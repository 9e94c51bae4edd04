/* Calling Lua policies from a controller. A policy is a pure function of its input, run in the
 * sandbox of docs/POLICIES.md; it returns a verdict, it does not write. Threads: worker. */
#ifndef OPERON_POLICY_H
#define OPERON_POLICY_H

#include <operon/reconcile.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Compiles a policy and puts it in the place of the one of that name. OPR_E_INVALID where it does
 * not load: the text is opr_ctx_error(), and the last good one goes on running. */
OPR_NODISCARD static inline opr_status opr_policy_load(struct opr_ctx *c, const char *name,
                                                       const char *source)
{
    return opr__host->policy_load(c, name, source);
}
static inline void opr_policy_unload(struct opr_ctx *c, const char *name)
{
    opr__host->policy_unload(c, name);
}
/* Calls policy.function(input); an input that is an array gives the arguments by position. The
 * result is an array of all values it returned. The table "controller" of a policy is had in the
 * same way. OPR_E_LIMIT where a budget ran out, OPR_E_INVALID where it raised an error,
 * OPR_E_NOT_FOUND where it has no such member. */
OPR_NODISCARD static inline opr_status opr_policy_call(struct opr_ctx *c, const char *name,
                                                       const char *function, struct opr_doc *input,
                                                       const struct opr_obj **ret_result)
{
    return opr__host->policy_call(c, name, function, input, ret_result);
}
/* Names of the loaded policies that have a function ("scale", "filter", "score", "reconcile"), in
 * name order. */
static inline uint32_t opr_policy_list(struct opr_ctx *c, const char *function,
                                       const char *const **ret_names)
{
    return opr__host->policy_list(c, function, ret_names);
}

#ifdef __cplusplus
}
#endif
#endif
