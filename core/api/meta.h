/* Metadata of any Kubernetes object, and names of kinds. core knows no kind by name. Threads: any.
 */
#ifndef OPR_API_META_H
#define OPR_API_META_H

#include "core/json/doc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "apps/v1/Deployment" or "v1/Pod", split in place; group is "" for core. */
struct opr_gvk {
    struct opr_str group, version, kind;
};
OPR_NODISCARD opr_status opr_gvk_parse(const char *text, struct opr_gvk *ret_gvk);
/* "apps/v1/Deployment" from an object's apiVersion and kind; from the arena. */
const char *opr_gvk_of(struct opr_arena *a, const struct opr_obj *o);
bool opr_gvk_is(const struct opr_obj *o, const char *gvk);

const char *opr_meta_ns(const struct opr_obj *o);   /* "" where absent */
const char *opr_meta_name(const struct opr_obj *o); /* "" where absent */
const char *opr_meta_uid(const struct opr_obj *o);
uint64_t opr_meta_rv(const struct opr_obj *o); /* 0 where absent or opaque */
bool opr_meta_is_deleting(const struct opr_obj *o);
/* The owner reference with controller true, or NULL. */
const struct opr_obj *opr_meta_controller(const struct opr_obj *o);
const char *opr_meta_label(const struct opr_obj *o, const char *name); /* NULL where absent */

#ifdef __cplusplus
}
#endif
#endif
