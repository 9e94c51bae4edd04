/* Lua policies, through the service that the program gave. */
#include "core/base/str.h"
#include "core/runtime/internal.h"

static opr_status no_service(struct opr_ctx *c)
{
    return opr_error_set(&c->error, OPR_E_UNSUPPORTED,
                         "this program runs without a policy host: Lua policies can not be used");
}

opr_status opr__host_policy_load(struct opr_ctx *c, const char *name, const char *source)
{
    struct opr_policy_service *s = c->m->config.policies;
    return s ? s->load(s, name, opr_str_of(source), &c->error) : no_service(c);
}

void opr__host_policy_unload(struct opr_ctx *c, const char *name)
{
    struct opr_policy_service *s = c->m->config.policies;
    if (s) {
        s->unload(s, name);
    }
}

opr_status opr__host_policy_call(struct opr_ctx *c, const char *name, const char *function,
                                 struct opr_doc *input, const struct opr_obj **ret_result)
{
    struct opr_policy_service *s = c->m->config.policies;
    if (!s) {
        return no_service(c);
    }
    struct opr_obj *result = NULL;
    opr_status st = s->call(s, name, function, opr__host_doc_obj(input), &result, &c->error);
    if (st == OPR_OK) {
        *ret_result = opr__ctx_keep(c, result);
    }
    return st;
}

uint32_t opr__host_policy_list(struct opr_ctx *c, const char *function,
                               const char *const **ret_names)
{
    static const char *const none[] = {NULL};
    struct opr_policy_service *s = c->m->config.policies;
    if (!s) {
        *ret_names = none;
        return 0;
    }
    return s->list(s, function, c->arena, ret_names);
}
