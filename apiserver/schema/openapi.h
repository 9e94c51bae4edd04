/* The parts of an OpenAPI document. Threads: any; a document has one builder. */
#ifndef OPR_APISERVER_SCHEMA_OPENAPI_H
#define OPR_APISERVER_SCHEMA_OPENAPI_H

#include "apiserver/schema/table.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr__openapi {
    bool is_v2;                  /* else v3 */
    struct json_object *schemas; /* owned until it is moved into the document */
};

/* {"$ref":...} to a message, which is added to the schemas with all that it needs. Owned. */
struct json_object *opr__openapi_ref(struct opr__openapi *d, const struct opr_schema_type *t);
struct json_object *opr__openapi_ref_name(const struct opr__openapi *d, const char *name);
/* Adds a kind and its list, with x-kubernetes-group-version-kind. */
void opr__openapi_add_kind(struct opr__openapi *d, const struct opr_kind *k);
/* The name of the schema of a kind, and of its list: "io.k8s.api.core.v1.Pod". */
#define OPR__OPENAPI_NAME_MAX 512
void opr__openapi_name(const struct opr_kind *k, bool is_list,
                       char ret_name[OPR__OPENAPI_NAME_MAX]);
/* {"group","kind","version"}. Owned. */
struct json_object *opr__openapi_gvk(const struct opr_kind *k, bool is_list);
/* The schema of a custom kind: its CRD's, with what every object has. Owned. Version 2 knows less:
 * nullable, defaults, anyOf and the like are left out, as is all below what may hold unknown
 * members. */
struct json_object *opr__openapi_custom(struct opr__openapi *d, const struct opr_kind *k);
/* Adds the paths of a kind. */
void opr__openapi_add_paths(struct opr__openapi *d, struct json_object *paths,
                            const struct opr_kind *k);

#ifdef __cplusplus
}
#endif
#endif
