/* JSON merge patch (RFC 7386), JSON patch (RFC 6902), and the difference of two documents. The
 * strategic merge patch needs a schema and lives with it (apiserver/schema). Threads: worker. */
#ifndef OPR_API_PATCH_H
#define OPR_API_PATCH_H

#include "core/json/doc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* These change *doc in place (it may be replaced). After an error *doc is whole, but half changed:
 * drop it. */
OPR_NODISCARD opr_status opr_patch_merge(struct json_object **doc, struct json_object *patch,
                                         struct opr_error *reterr);
OPR_NODISCARD opr_status opr_patch_json(struct json_object **doc, struct json_object *patch,
                                        struct opr_error *reterr);
/* The merge patch that turns a into b; owned; NULL where they are equal (null is as absent: a merge
 * patch can not say null). */
struct json_object *opr_patch_diff(struct json_object *a, struct json_object *b);

#ifdef __cplusplus
}
#endif
#endif
