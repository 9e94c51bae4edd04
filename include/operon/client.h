/* Reading from the cache and writing to the API server, inside a reconcile.
 *
 * A kind is named by its group, version and kind: "v1/Pod", "apps/v1/Deployment". Reads of a
 * declared kind (controller.h) come from the cache, and show this process's own writes at once;
 * opr_get of an undeclared kind is one live GET. Results are borrowed until the reconcile returns.
 * On failure the text is opr_ctx_error(). Threads: worker. Each call has the reconcile's deadline.
 */
#ifndef OPERON_CLIENT_H
#define OPERON_CLIENT_H

#include <operon/object.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { OPR_PATCH_MERGE = 0, OPR_PATCH_JSON = 1, OPR_PATCH_STRATEGIC = 2 };

/* For opr_delete(); NULL options: UID precondition of the object given, background propagation. */
struct opr_delete_options {
    uint32_t size;           /* sizeof this struct */
    const char *propagation; /* "Background", "Foreground", "Orphan"; NULL: server's default */
    int64_t grace_s;         /* seconds; negative: the object's own */
    bool requires_resource_version; /* also give the object's resourceVersion as a precondition */
};

OPR_NODISCARD static inline opr_status opr_get(struct opr_ctx *c, const char *gvk, const char *ns,
                                               const char *name, const struct opr_obj **ret_obj)
{
    return opr__host->get(c, gvk, ns, name, ret_obj);
}
/* Always one GET, never the cache. */
OPR_NODISCARD static inline opr_status opr_get_live(struct opr_ctx *c, const char *gvk,
                                                    const char *ns, const char *name,
                                                    const struct opr_obj **ret_obj)
{
    return opr__host->get_live(c, gvk, ns, name, ret_obj);
}
/* Objects of a declared kind, from the cache, in no particular order. ns NULL or "": all
 * namespaces. index NULL: no index; else the name of a declared index and its value. The built-in
 * index "owner" holds the UIDs of all owner references. OPR_E_INVALID for an undeclared kind or
 * index. */
OPR_NODISCARD static inline opr_status opr_list(struct opr_ctx *c, const char *gvk, const char *ns,
                                                const char *index, const char *value,
                                                const struct opr_obj *const **ret_objs,
                                                uint32_t *ret_count)
{
    return opr__host->list(c, gvk, ns, index, value, ret_objs, ret_count);
}
/* POST. The document names its apiVersion, kind and metadata. ret_obj may be NULL. */
OPR_NODISCARD static inline opr_status opr_create(struct opr_ctx *c, struct opr_doc *d,
                                                  const struct opr_obj **ret_obj)
{
    return opr__host->create(c, d, ret_obj);
}
/* PUT of the whole object, or of a subresource ("status", "scale"); sub NULL: the object.
 * OPR_E_CONFLICT where its resourceVersion is no longer the newest. */
OPR_NODISCARD static inline opr_status opr_update(struct opr_ctx *c, struct opr_doc *d,
                                                  const char *sub, const struct opr_obj **ret_obj)
{
    return opr__host->update(c, d, sub, ret_obj);
}
/* PATCH of the object that o names (its apiVersion, kind, namespace, name). */
OPR_NODISCARD static inline opr_status opr_patch(struct opr_ctx *c, const struct opr_obj *o,
                                                 const char *sub, int32_t type, struct opr_doc *d,
                                                 const struct opr_obj **ret_obj)
{
    return opr__host->patch(c, o, sub, type, d, ret_obj);
}
/* DELETE with the UID of o as a precondition. */
OPR_NODISCARD static inline opr_status opr_delete(struct opr_ctx *c, const struct opr_obj *o,
                                                  const struct opr_delete_options *options)
{
    return opr__host->remove(c, o, options);
}
/* Any other call, for example POST ".../pods/x/binding" or a GET of a metrics API. The path begins
 * with /api or /apis; body may be NULL. */
OPR_NODISCARD static inline opr_status opr_request(struct opr_ctx *c, const char *method,
                                                   const char *path, struct opr_doc *body,
                                                   const struct opr_obj **ret_obj)
{
    return opr__host->request(c, method, path, body, ret_obj);
}

/* Several writes at once: add, run, then read each result by its position. A batch lives until the
 * reconcile returns. batch_run() returns the number of writes that failed. */
static inline struct opr_batch *opr_batch_new(struct opr_ctx *c)
{
    return opr__host->batch_new(c);
}
static inline void opr_batch_create(struct opr_batch *b, struct opr_doc *d)
{
    opr__host->batch_create(b, d);
}
static inline void opr_batch_delete(struct opr_batch *b, const struct opr_obj *o,
                                    const struct opr_delete_options *options)
{
    opr__host->batch_remove(b, o, options);
}
static inline uint32_t opr_batch_run(struct opr_batch *b)
{
    return opr__host->batch_run(b);
}
/* ret_obj and ret_error may be NULL. */
static inline opr_status opr_batch_status(const struct opr_batch *b, uint32_t i,
                                          const struct opr_obj **ret_obj, const char **ret_error)
{
    return opr__host->batch_status(b, i, ret_obj, ret_error);
}

#ifdef __cplusplus
}
#endif
#endif
