/* From a declaration to watches, and from a change to the keys of the policies that it concerns. */
#include "controllers/policy/reconcile.h"

struct seen {
    const char *api_version, *kind, *ns, *name;
};

static bool is_kind(const struct seen *o, const char *gvk)
{
    size_t len = strlen(o->api_version);
    return strncmp(gvk, o->api_version, len) == 0 && gvk[len] == '/' &&
           str_eq(gvk + len + 1, o->kind);
}

/* Group and kind; the version may be another one. */
static bool is_owner_of_kind(const struct opr_obj *ref, const char *primary)
{
    const char *api_version = opr_obj_str(ref, "/apiVersion", ""), *slash = strchr(primary, '/');
    bool has_group = slash && strchr(slash + 1, '/');
    const char *ref_slash = strchr(api_version, '/');
    bool is_group = has_group ? ref_slash && (ref_slash - api_version) == (slash - primary) &&
                                    strncmp(primary, api_version, (size_t)(slash - primary)) == 0
                              : !ref_slash;
    return is_group && str_eq(opr_obj_str(ref, "/kind", ""), kind_of(primary));
}

static void enqueue(struct opr_mapper *m, const struct program *p, const char *ns, const char *name)
{
    char key_ns[512];
    int len = snprintf(key_ns, sizeof key_ns, "%s|%s", p->policy, ns);
    if (len > 0 && (size_t)len < sizeof key_ns) {
        opr_map_enqueue(m, key_ns, name);
    }
}

static void tell(struct opr_mapper *m, struct program *p, const struct seen *o,
                 const struct opr_obj *was, const struct opr_obj *is)
{
    if (p->ns && strcmp(p->ns, o->ns) != 0) {
        return;
    }
    if (is_kind(o, p->primary)) {
        p->is_cluster_scoped = o->ns[0] == '\0';
        enqueue(m, p, o->ns, o->name);
        return;
    }
    for (uint32_t i = 0; i < p->owns_count; i++) {
        for (int side = 0; side < 2 && is_kind(o, p->owns[i]); side++) {
            const struct opr_obj *owner = controller_ref(side == 0 ? was : is);
            if (owner && is_owner_of_kind(owner, p->primary)) {
                enqueue(m, p, p->is_cluster_scoped ? "" : o->ns, opr_obj_str(owner, "/name", ""));
            }
        }
    }
}

static void map_object(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                       void *state)
{
    struct policies *all = state;
    const struct opr_obj *o = is ? is : was;
    struct seen seen = {opr_obj_str(o, "/apiVersion", ""), opr_obj_str(o, "/kind", ""), meta_ns(o),
                        meta_name(o)};
    pthread_mutex_lock(&all->lock);
    for (struct program *p = all->programs; p; p = p->next) {
        if (p->is_active) {
            tell(m, p, &seen, was, is);
        }
    }
    pthread_mutex_unlock(&all->lock);
}

opr_status program_watch(struct opr_ctx *c, const struct program *p)
{
    for (uint32_t i = 0; i <= p->owns_count; i++) {
        struct opr_watch watch = {.gvk = i < p->owns_count ? p->owns[i] : p->primary,
                                  .map = map_object,
                                  .flags = p->ns ? OPR_WATCH_NAMESPACED : 0};
        opr_status st = opr_watch_add(c, &watch);
        if (st != OPR_OK) {
            return st;
        }
    }
    return OPR_OK;
}

void program_unwatch(struct opr_ctx *c, const char *gvk)
{
    struct opr_watch watch = {.gvk = gvk};
    opr_watch_drop(c, &watch);
}

/* A new source means a new look at every object. */
static opr_result enqueue_all(struct opr_ctx *c, const struct program *p)
{
    const struct opr_obj *const *objs;
    uint32_t count = 0;
    opr_status st = opr_list(c, p->primary, p->ns, NULL, NULL, &objs, &count);
    for (uint32_t i = 0; i < count && st == OPR_OK; i++) {
        const char *ns = opr_ctx_text(c, "%s|%s", p->policy, meta_ns(objs[i]));
        opr_enqueue_after(c, NULL, (struct opr_key){ns, meta_name(objs[i])}, 0);
    }
    return result_of(c, st);
}

opr_result reconcile_policy(struct opr_ctx *c, const char *policy)
{
    const struct opr_obj *result = NULL;
    opr_status st = opr_policy_call(c, policy, "controller", opr_doc_new(c, "{}"), &result);
    if (st != OPR_OK && st != OPR_E_NOT_FOUND) {
        return opr_retry(opr_ctx_error(c));
    }
    program_declare(c, policy, opr_obj_at(result, "/0"));
    const struct program *p = program_find(c, policy);
    if (!p) {
        return opr_done();
    }
    if (!p->is_active) {
        return opr_requeue_after_ms(RETRY_MS); /* its rival may have gone */
    }
    st = program_watch(c, p);
    if (st == OPR_E_BUSY) {
        return opr_requeue_after_ms(LISTING_MS);
    }
    program_report(c, policy, "", st == OPR_OK ? NULL : opr_ctx_error(c));
    if (st != OPR_OK) {
        return opr_requeue_after_ms(ABSENT_MS);
    }
    return enqueue_all(c, p);
}
