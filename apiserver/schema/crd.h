/* Custom kinds: how the tables of a CRD are kept, and what the interpreters do with them beyond
 * what they do for built-in kinds. Threads: any (immutable). Lifetime: opr_kind_unref(). */
#ifndef OPR_APISERVER_SCHEMA_CRD_H
#define OPR_APISERVER_SCHEMA_CRD_H

#include "apiserver/schema/table.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The custom kind's own part; k is custom. */
const struct opr__kind_info *opr__custom_info(const struct opr_kind *k);
/* Drops members that the schema does not know; names them where errors is not NULL. */
void opr__custom_prune(const struct opr_schema_type *t, struct json_object *doc,
                       struct opr_field_errors *errors);
void opr__custom_default(const struct opr_schema_type *t, struct json_object *doc);
/* Checks everything but metadata. */
void opr__custom_validate(const struct opr_schema_type *t, struct json_object *doc,
                          struct opr_field_errors *errors);
/* The same of one value, whose path is p. */
struct opr__path;
void opr__custom_check(const struct opr_schema_type *t, const struct opr__path *p,
                       struct json_object *value, struct opr_field_errors *errors);

/* Compiles a pattern of a CRD, which is written for RE2, as a POSIX one. The caller frees it with
 * regfree(). */
OPR_NODISCARD opr_status opr__regex_compile(const char *pattern, regex_t *ret_regex);

#ifdef __cplusplus
}
#endif
#endif
