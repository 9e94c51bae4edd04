/* From the schema of a CRD to the tables: types, fields and value rules in an arena. Threads: one
 * builder has one owner. */
#ifndef OPR_APISERVER_SCHEMA_CRD_SCHEMA_H
#define OPR_APISERVER_SCHEMA_CRD_SCHEMA_H

#include "apiserver/schema/table.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr__crd_builder {
    struct opr_arena *arena;         /* borrowed: the tables */
    struct opr_field_errors *errors; /* borrowed; may be NULL */
    int depth, nodes;
    bool failed; /* something was wrong with the schema */
};

/* From the arena; NULL gives NULL. */
const char *opr__crd_text(struct opr__crd_builder *b, const char *s);
/* An array of strings that ends with NULL; NULL where the list is empty. From the arena. */
const char *const *opr__crd_texts(struct opr__crd_builder *b, struct json_object *list);
/* The type of a schema, which stays borrowed as long as the type lives. */
struct opr_schema_type *opr__crd_type(struct opr__crd_builder *b, struct json_object *schema);

#ifdef __cplusplus
}
#endif
#endif
