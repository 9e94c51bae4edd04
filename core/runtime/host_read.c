/* Reading: declared kinds from the cache, others from the server. */
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"

static opr_status find_resource(struct opr_ctx *c, const char *gvk,
                                const struct opr_resource **ret_resource)
{
    return opr_resource_find(c->caller, gvk, ret_resource, &c->error);
}

static opr_status not_found(struct opr_ctx *c, const char *gvk, const char *ns, const char *name)
{
    bool has_ns = ns && *ns;
    return opr_error_set(&c->error, OPR_E_NOT_FOUND, "%s \"%s%s%s\" not found", gvk,
                         has_ns ? ns : "", has_ns ? "/" : "", name);
}

opr_status opr__host_get_live(struct opr_ctx *c, const char *gvk, const char *ns, const char *name,
                              const struct opr_obj **ret_obj)
{
    const struct opr_resource *r;
    OPR_TRY(find_resource(c, gvk, &r));
    struct opr_obj *obj = NULL;
    const char *path = opr_resource_path(c->arena, r, ns, name, NULL);
    OPR_TRY(opr_call(c->caller, "GET", path, NULL, (struct opr_str){0}, &obj, &c->error));
    *ret_obj = opr__ctx_keep(c, obj);
    return OPR_OK;
}

opr_status opr__host_get(struct opr_ctx *c, const char *gvk, const char *ns, const char *name,
                         const struct opr_obj **ret_obj)
{
    struct opr_obj *obj = NULL;
    pthread_rwlock_rdlock(&c->m->sources_lock);
    const struct opr__source *s = opr__controller_source(c->controller, gvk);
    struct opr_informer *i = s ? opr__source_informer(s, gvk) : NULL;
    if (i) {
        obj = opr_informer_get(i, ns, name);
    }
    pthread_rwlock_unlock(&c->m->sources_lock);
    if (!s) {
        return opr__host_get_live(c, gvk, ns, name, ret_obj);
    }
    if (!obj) {
        return not_found(c, gvk, ns, name);
    }
    *ret_obj = opr__ctx_keep(c, obj);
    return OPR_OK;
}

opr_status opr__host_list(struct opr_ctx *c, const char *gvk, const char *ns, const char *index,
                          const char *value, const struct opr_obj *const **ret_objs,
                          uint32_t *ret_count)
{
    opr_status st = OPR_OK;
    pthread_rwlock_rdlock(&c->m->sources_lock);
    const struct opr__source *s = opr__controller_source(c->controller, gvk);
    if (s) {
        st = opr__source_list(s, c->arena, gvk, ns, index, value, ret_objs, ret_count);
    }
    pthread_rwlock_unlock(&c->m->sources_lock);
    if (!s) {
        return opr_error_set(&c->error, OPR_E_INVALID,
                             "controller %s lists %s but does not declare that it reads it",
                             c->controller->decl.name, gvk);
    }
    if (st != OPR_OK) {
        opr_error_set(&c->error, st, "controller %s declares no index \"%s\" of %s",
                      c->controller->decl.name, index, gvk);
    }
    return st;
}
