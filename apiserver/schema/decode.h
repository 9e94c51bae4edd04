/* The decoders behind opr_schema_decode(). Each gives an owned canonical document. Threads: any. */
#ifndef OPR_APISERVER_SCHEMA_DECODE_H
#define OPR_APISERVER_SCHEMA_DECODE_H

#include "apiserver/schema/build.h"
#include "core/base/buf.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OPR__DECODE_MAX_DEPTH 128

/* JSON text. type NULL: any value (of a custom kind: opr_kind.type). errors may be NULL; it gets
 * unknown and duplicate fields. */
OPR_NODISCARD opr_status opr__decode_json(const struct opr_schema_type *type, struct opr_str text,
                                          struct json_object **ret_doc,
                                          struct opr_field_errors *errors,
                                          struct opr_error *reterr);
/* The magic, runtime.Unknown and the message in it. kind NULL: found by the envelope. */
OPR_NODISCARD opr_status opr__decode_proto(const struct opr_kind *kind, struct opr_str body,
                                           struct json_object **ret_doc, struct opr_error *reterr);
/* YAML to the JSON text that stands for it, duplicate keys included (and named with their lines in
 * duplicates, which may be NULL). Several documents become an array; none, null. */
OPR_NODISCARD opr_status opr__yaml_to_json(struct opr_str text, struct opr_buf *json,
                                           struct opr_field_errors *duplicates,
                                           struct opr_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
