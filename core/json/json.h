/* Packed JSON: an immutable value with its text and an index over it, in one reference-counted
 * block. struct opr_obj points at a node of the index; every value inside keeps the whole block
 * alive through opr_json_ref(). Strings are stored unescaped and terminated. Threads: any (values
 * never change; the count is atomic). */
#ifndef OPR_JSON_JSON_H
#define OPR_JSON_JSON_H

#include <operon/object.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OPR_JSON_MAX_DEPTH 128

/* Parses one JSON value (validating: grammar, UTF-8, depth, no duplicate member names). The result
 * is owned: opr_json_unref(). OPR_E_INVALID names the byte and what was expected; OPR_E_LIMIT. */
OPR_NODISCARD opr_status opr_json_parse(struct opr_str text, struct opr_obj **ret_obj,
                                        struct opr_error *reterr);
struct opr_obj *opr_json_ref(const struct opr_obj *o); /* NULL gives NULL */
void opr_json_unref(struct opr_obj *o);
size_t opr_json_size_bytes(const struct opr_obj *o); /* of the whole block */
const struct opr_obj *opr_json_root(const struct opr_obj *o);

const struct opr_obj *opr_json_at(const struct opr_obj *o, const char *ptr);
const struct opr_obj *opr_json_member(const struct opr_obj *o, struct opr_str name);
const struct opr_obj *opr_json_index(const struct opr_obj *o, uint32_t i);
const char *opr_json_str(const struct opr_obj *o, const char *ptr, const char *dflt);
struct opr_str opr_json_text(const struct opr_obj *o, const char *ptr); /* {NULL,0}: no string */
int64_t opr_json_int(const struct opr_obj *o, const char *ptr, int64_t dflt);
double opr_json_num(const struct opr_obj *o, const char *ptr, double dflt);
bool opr_json_bool(const struct opr_obj *o, const char *ptr, bool dflt);
int32_t opr_json_type(const struct opr_obj *o);
uint32_t opr_json_len(const struct opr_obj *o);
const struct opr_obj *opr_json_first(const struct opr_obj *o);
const struct opr_obj *opr_json_next(const struct opr_obj *o);
const char *opr_json_name(const struct opr_obj *o);
bool opr_json_equal(const struct opr_obj *a, const struct opr_obj *b); /* as opr_obj_equal */

/* Compact JSON text of a value. Member order is kept. */
void opr_json_write(struct opr_buf *b, const struct opr_obj *o);

#ifdef __cplusplus
}
#endif
#endif
