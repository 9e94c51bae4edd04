#include "agent/reach.h"

#include "core/base/str.h"

enum { RETRY_MS = 1000 };
#define MS_NS 1000000ull

bool opr__reach_is_failure(opr_status st)
{
    switch (st) {
    case OPR_E_IO:
    case OPR_E_TIMEOUT:
    case OPR_E_CANCELLED:
    case OPR_E_BUSY:
    case OPR_E_SERVER:
    case OPR_E_UNAUTHORIZED: /* a token that is being renewed */
        return true;
    default:
        return false;
    }
}

bool opr__reach_may_ask(struct opr_agent *a)
{
    if (atomic_load(&a->reach_retry_ns) == 0) {
        return true;
    }
    bool is_asked = false;
    return opr__now_ns(a) >= atomic_load(&a->reach_retry_ns) &&
           atomic_compare_exchange_strong(&a->is_reach_asked, &is_asked, true);
}

void opr__reach_told(struct opr_agent *a, opr_status st)
{
    bool is_away = opr__reach_is_failure(st);
    atomic_store(&a->reach_retry_ns, is_away ? opr__now_ns(a) + RETRY_MS * MS_NS : 0);
    atomic_store(&a->is_reach_asked, false);
}

uint64_t opr__reach_retry_ns(struct opr_agent *a)
{
    uint64_t at = atomic_load(&a->reach_retry_ns), now = opr__now_ns(a);
    return at > now ? at : now + (at ? RETRY_MS * MS_NS : 0);
}

opr_status opr__reach_call(struct opr_agent *a, struct opr_caller *k, const char *method,
                           const char *path, const char *content_type, struct opr_str body,
                           struct opr_obj **ret_obj, struct opr_error *reterr)
{
    if (!opr__reach_may_ask(a)) {
        return opr_error_set(reterr, OPR_E_BUSY, "the API server does not answer");
    }
    opr_status st = opr_call(k, method, path, content_type, body, ret_obj, reterr);
    opr__reach_told(a, st);
    return st;
}
