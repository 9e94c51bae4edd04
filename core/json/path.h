/* A JSON pointer (RFC 6901) taken apart once, for what is looked up in many values: index keys,
 * field selectors. A shared name is found by its place in the pool, without comparing text.
 * Threads: any (a path never changes). */
#ifndef OPR_JSON_PATH_H
#define OPR_JSON_PATH_H

#include "core/json/json.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_path;

/* "" is the value itself. Owned: opr_path_free(). */
struct opr_path *opr_path_new(struct opr_str pointer);
/* "spec.nodeName", as field selectors write it. Owned. */
struct opr_path *opr_path_from_field(struct opr_str field);
void opr_path_free(struct opr_path *p);

/* As opr_json_at(): borrowed; NULL where there is none. */
const struct opr_obj *opr_path_at(const struct opr_path *p, const struct opr_obj *o);

#ifdef __cplusplus
}
#endif
#endif
