#include "controllers/gc/gc.h"

static uint64_t hash(const char *text)
{
    uint64_t h = 14695981039346656037u;
    for (; *text != '\0'; text++) {
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    }
    return h;
}

static bool is_known_absent(struct collector *g, uint64_t id)
{
    bool is_known = false;
    pthread_mutex_lock(&g->lock);
    for (uint32_t i = 0; i < ABSENT_MAX && !is_known; i++) {
        is_known = g->absent[i] == id;
    }
    pthread_mutex_unlock(&g->lock);
    return is_known;
}

static void note_absent(struct collector *g, uint64_t id)
{
    pthread_mutex_lock(&g->lock);
    g->absent[g->next] = id;
    g->next = (g->next + 1) % ABSENT_MAX;
    pthread_mutex_unlock(&g->lock);
}

/* Of a kind that is not followed yet (a new CRD), the end of an owner would not be seen. */
static bool is_followed(struct opr_ctx *c, const char *gvk)
{
    const struct opr_obj *const *none = NULL;
    uint32_t n = 0;
    return opr_list(c, gvk, NULL, "owner", "-", &none, &n) == OPR_OK;
}

/* From the cache: in the child's namespace, else cluster-wide. */
static const struct opr_obj *cached(struct opr_ctx *c, const char *gvk, const char *ns,
                                    const char *name, const char *uid)
{
    const struct opr_obj *o = NULL;
    if (opr_get(c, gvk, ns, name, &o) == OPR_OK && str_eq(meta_uid(o), uid)) {
        return o;
    }
    if (ns[0] != '\0' && opr_get(c, gvk, "", name, &o) == OPR_OK && str_eq(meta_uid(o), uid)) {
        return o;
    }
    return NULL;
}

/* An owner of another namespace does not count, and its user should be told. */
static void warn_if_elsewhere(struct opr_ctx *c, const struct opr_obj *child, const char *gvk,
                              const struct opr_obj *ref)
{
    const struct opr_obj *const *all = NULL;
    uint32_t n = 0;
    if (opr_list(c, gvk, NULL, NULL, NULL, &all, &n) != OPR_OK) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (str_eq(meta_uid(all[i]), opr_obj_str(ref, "/uid", NULL)) &&
            !str_eq(meta_ns(all[i]), meta_ns(child))) {
            opr_event(c, child, "Warning", "OwnerRefInvalidNamespace",
                      "ownerRef [%s, namespace: %s, name: %s, uid: %s] does not exist in namespace "
                      "\"%s\"",
                      gvk, meta_ns(child), opr_obj_str(ref, "/name", ""), meta_uid(all[i]),
                      meta_ns(child));
            return;
        }
    }
}

/* Whether discovery says that a kind has no namespace. */
static bool is_cluster_kind(struct opr_ctx *c, const struct opr_obj *ref)
{
    const char *version = opr_obj_str(ref, "/apiVersion", ""),
               *kind = opr_obj_str(ref, "/kind", "");
    const struct opr_obj *list = NULL;
    const char *path = opr_ctx_text(c, "/%s/%s", strchr(version, '/') ? "apis" : "api", version);
    if (opr_request(c, "GET", path, NULL, &list) != OPR_OK) {
        return false;
    }
    list = opr_obj_at(list, "/resources");
    for (const struct opr_obj *r = opr_obj_first(list); r; r = opr_obj_next(r)) {
        if (str_eq(opr_obj_str(r, "/kind", ""), kind) &&
            !strchr(opr_obj_str(r, "/name", ""), '/')) {
            return !opr_obj_bool(r, "/namespaced", true);
        }
    }
    return false;
}

/* Absence is trusted only from the server itself, for a kind that it is known to have, and in the
 * right scope: a wrong answer here deletes somebody's data. */
static int32_t verify(struct opr_ctx *c, const struct opr_obj *child, const struct opr_obj *ref,
                      const char *gvk)
{
    const struct opr_obj *live = NULL, *const *any = NULL;
    const char *ns = meta_ns(child), *name = opr_obj_str(ref, "/name", "");
    uint32_t n = 0;
    opr_status st = opr_get_live(c, gvk, ns, name, &live);
    if (st == OPR_OK && str_eq(meta_uid(live), opr_obj_str(ref, "/uid", ""))) {
        return !is_followed(c, gvk) ? OWNER_UNKNOWN
               : is_waiting(live)   ? OWNER_WAITING
                                    : OWNER_SOLID;
    }
    if (st != OPR_OK && st != OPR_E_NOT_FOUND) {
        return OWNER_UNKNOWN;
    }
    if (opr_list(c, gvk, ns, NULL, NULL, &any, &n) != OPR_OK) {
        return OWNER_UNKNOWN; /* no such kind, as far as we know */
    }
    if (ns[0] == '\0' && !is_cluster_kind(c, ref)) {
        return OWNER_UNKNOWN; /* can not be resolved: never deleted for it */
    }
    return OWNER_DANGLING;
}

int32_t owner_state(struct opr_ctx *c, const struct opr_obj *child, const struct opr_obj *ref)
{
    struct collector *g = opr_ctx_state(c);
    const char *uid = opr_obj_str(ref, "/uid", "");
    const char *gvk = opr_ctx_text(c, "%s/%s", opr_obj_str(ref, "/apiVersion", ""),
                                   opr_obj_str(ref, "/kind", ""));
    const struct opr_obj *owner =
        is_followed(c, gvk) ? cached(c, gvk, meta_ns(child), opr_obj_str(ref, "/name", ""), uid)
                            : NULL;
    if (owner) {
        return is_waiting(owner) ? OWNER_WAITING : OWNER_SOLID;
    }
    /* The coordinates are part of what was found absent: the same UID may be named with others. */
    uint64_t id = hash(
        opr_ctx_text(c, "%s|%s|%s|%s", uid, gvk, meta_ns(child), opr_obj_str(ref, "/name", "")));
    if (is_known_absent(g, id)) {
        return OWNER_DANGLING;
    }
    int32_t state = verify(c, child, ref, gvk);
    if (state == OWNER_DANGLING) {
        note_absent(g, id);
        warn_if_elsewhere(c, child, gvk, ref);
    }
    return state;
}
