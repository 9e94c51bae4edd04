/* Canonical documents: what Go would print for the same object. Decoders gather the members of an
 * object in slots (one per field of its type) and build it here, so that JSON, YAML and protobuf
 * give equal documents. Threads: any. */
#ifndef OPR_APISERVER_SCHEMA_BUILD_H
#define OPR_APISERVER_SCHEMA_BUILD_H

#include "apiserver/schema/table.h"
#include "core/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A stack of slots; an object being read owns the last field_count of them. */
struct opr__slots {
    struct json_object **items; /* owned array of owned values; NULL: absent or null */
    size_t count, cap;
};
void opr__slots_fini(struct opr__slots *s);
/* Opens field_count empty slots and returns the index of the first. */
size_t opr__slots_open(struct opr__slots *s, const struct opr_schema_type *t);
/* Takes value. A value that stood there goes. */
void opr__slots_set(struct opr__slots *s, size_t base, size_t field, struct json_object *value);
/* Drops the slots from base on, with their values. */
void opr__slots_drop(struct opr__slots *s, size_t base);
/* The object in the field order of its type; closes its slots. Owned. */
struct json_object *opr__slots_build(struct opr__slots *s, size_t base,
                                     const struct opr_schema_type *t);

/* What Go holds where nothing was said: "" or 0 or {...}; NULL stands for null. Owned. */
struct json_object *opr__zero_value(const struct opr_schema_type *t);

/* Canonical text of the scalars that have one. ret_text holds OPR__SCALAR_TEXT_MAX bytes. reterr is
 * worded as Go words it. */
#define OPR__SCALAR_TEXT_MAX 96
OPR_NODISCARD opr_status opr__canonical_quantity(struct opr_str text, char *ret_text,
                                                 struct opr_error *reterr);
OPR_NODISCARD opr_status opr__canonical_time(struct opr_str text, bool is_micro, char *ret_text,
                                             struct opr_error *reterr);
/* Rounds up to thousandths, as resource lists are kept. */
OPR_NODISCARD opr_status opr__quantity_round_milli(struct opr_str text, char *ret_text);
/* <0, 0, >0; an invalid quantity counts as 0. */
int opr__quantity_cmp(struct opr_str a, struct opr_str b);

#ifdef __cplusplus
}
#endif
#endif
