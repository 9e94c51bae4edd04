#include "controllers/policy/policy.h"
#include "controllers/query.h"

bool target_selects(const struct target *t, const struct opr_obj *pod)
{
    return opr_selector_matches(opr_obj_at(t->o, "/spec/selector"),
                                opr_obj_at(pod, "/metadata/labels"));
}

opr_status target_read(struct opr_ctx *c, const struct opr_obj *self, struct target *ret_target,
                       const char **ret_problem)
{
    struct target *t = ret_target;
    const struct opr_obj *ref = opr_obj_at(self, "/spec/target"), *list = NULL;
    const char *kind = opr_obj_str(ref, "/kind", ""), *name = opr_obj_str(ref, "/name", "");
    const char *gvk = opr_ctx_text(c, "%s/%s", opr_obj_str(ref, "/apiVersion", "apps/v1"), kind);
    *t = (struct target){.ns = meta_ns(self)};
    opr_status st = opr_get(c, gvk, t->ns, name, &t->o);
    if (st != OPR_OK) {
        *ret_problem =
            opr_ctx_text(c, "the target %s %s can not be read: %s", kind, name, opr_ctx_error(c));
        return st;
    }
    t->replicas = opr_obj_int(t->o, "/spec/replicas", 1);
    st = opr_list(c, "v1/Pod", t->ns, NULL, NULL, &t->pods, &t->pod_count);
    if (st != OPR_OK) {
        return st;
    }
    const char *path =
        opr_ctx_text(c, "/apis/metrics.operon.local/v1/namespaces/%s/pods?labelSelector=%s", t->ns,
                     query_selector(c, opr_obj_at(t->o, "/spec/selector")));
    if (opr_request(c, "GET", path, NULL, &list) == OPR_OK) {
        t->samples = opr_obj_at(list, "/items");
    } else {
        *ret_problem = opr_ctx_text(c, "no metrics: %s", opr_ctx_error(c));
    }
    return OPR_OK;
}
