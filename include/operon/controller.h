/* Declaring a controller: what it reads, how a change becomes a key, and its reconcile function.
 *
 * The declaration alone drives the watches, what the cache stores, and the RBAC rules. Threads:
 * mapping functions and predicates run on the loop: they must not block, and get no client.
 * Lifetime: declarations are static data of the plugin.
 *
 * The kind "*" stands for every kind that can be listed, watched and deleted, found by discovery
 * and followed as it changes (metadata only, Events left out); objects carry their apiVersion and
 * kind. Where it is the primary, the default key is ns "GVK|NAMESPACE"
 * ("apps/v1/ReplicaSet|default") and name the object's name, and self is the metadata object of
 * that kind. */
#ifndef OPERON_CONTROLLER_H
#define OPERON_CONTROLLER_H

#include <operon/reconcile.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    OPR_WATCH_META_ONLY = 1u, /* keep metadata only */
    OPR_WATCH_OPTIONAL = 2u,  /* the kind may appear later (a CRD) */
    OPR_WATCH_NAMESPACED = 4u /* opr_watch_add() refuses a kind of cluster scope; since 0.2 */
};

/* Called for each change of a watched object: was is NULL for an add, is is NULL for a removal. It
 * adds keys of the controller's primary kind with opr_map_enqueue(). */
typedef void (*opr_map_fn)(struct opr_mapper *m, const struct opr_obj *was,
                           const struct opr_obj *is, void *state);

/* One kind that a controller reads. gvk "*" means every kind that can be listed, watched and
 * deleted, found by discovery (metadata only). */
struct opr_watch {
    const char *gvk;    /* "apps/v1/ReplicaSet" */
    const char *ns;     /* NULL: all namespaces */
    const char *labels; /* label selector applied by the server; NULL: none */
    const char *fields; /* field selector applied by the server; NULL: none */
    const char *index;  /* "node=/spec/nodeName,phase=/status/phase"; NULL: none. An array value is
                           indexed by each of its elements; an absent one by "" */
    opr_map_fn map;     /* NULL: enqueue the controller owner if it is of the primary kind (for the
                           primary itself: its own key) */
    uint32_t flags;     /* OPR_WATCH_* */
};

struct opr_controller {
    uint32_t size; /* sizeof this struct */
    const char *name;
    struct opr_watch primary;
    const struct opr_watch *reads; /* ends with gvk NULL; may be NULL */
    /* self is the primary object from the cache, or NULL where it no longer exists. */
    opr_result (*reconcile)(struct opr_ctx *c, const struct opr_obj *self);
    uint32_t workers;         /* 0: 1 */
    uint32_t timeout_ms;      /* of one reconcile; 0: 30,000 */
    const char *event_source; /* Event source.component; NULL: name */
    /* Kinds it writes but does not read, for RBAC: "v1/Event,v1/Pod/binding"; may be NULL. */
    const char *writes;
};

/* Inside a reconcile: makes this controller read one more kind, as if it had declared it (without
 * an index), until opr_watch_drop(); asking again changes nothing. OPR_OK once the kind is listed,
 * so that opr_get() and opr_list() show all of it; OPR_E_BUSY before that: come back soon;
 * OPR_E_NOT_FOUND while the server has no such kind; OPR_E_INVALID for what is no kind. gvk "*"
 * asks discovery for new kinds now, not only when its period is over. Since 0.2.
 */
OPR_NODISCARD static inline opr_status opr_watch_add(struct opr_ctx *c, const struct opr_watch *w)
{
    return opr__host->watch(c, w);
}
static inline void opr_watch_drop(struct opr_ctx *c, const struct opr_watch *w)
{
    opr__host->unwatch(c, w);
}

/* In a mapping function: adds a key to this controller's queue. */
static inline void opr_map_enqueue(struct opr_mapper *m, const char *ns, const char *name)
{
    opr__host->map_enqueue(m, ns, name);
}
/* In a mapping function: calls fn for each cached object of a declared kind (index as opr_list). */
static inline void opr_map_each(struct opr_mapper *m, const char *gvk, const char *ns,
                                const char *index, const char *value,
                                void (*fn)(const struct opr_obj *, void *arg), void *arg)
{
    opr__host->map_each(m, gvk, ns, index, value, fn, arg);
}
/* In a mapping function: expected creates or deletes of a key were seen. */
static inline void opr_map_expected(struct opr_mapper *m, const char *ns, const char *name,
                                    uint32_t creates, uint32_t deletes)
{
    opr__host->map_expected(m, ns, name, creates, deletes);
}

#ifdef __cplusplus
}
#endif
#endif
