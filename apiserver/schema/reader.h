/* The state of the typed JSON decoder, shared by its parts. Threads: one owner. */
#ifndef OPR_APISERVER_SCHEMA_READER_H
#define OPR_APISERVER_SCHEMA_READER_H

#include "apiserver/schema/decode.h"
#include "apiserver/schema/scan.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr__reader {
    struct opr__scan scan;
    struct opr__slots slots;
    struct opr_buf text;   /* the string being read */
    struct opr_buf path;   /* "spec.containers[0].name", for strict errors */
    struct opr_buf go;     /* "spec.containers.name", for type errors */
    const char *go_struct; /* Go's name of the innermost struct; NULL: none */
    struct opr_field_errors *errors;
    int depth;
};

/* "json: cannot unmarshal WHAT DETAIL into Go struct field ... of type ..." */
opr_status opr__reader_type_error(struct opr__reader *r, const char *what, struct opr_str detail,
                                  const struct opr_schema_type *t);
/* Takes a string into r->text. */
OPR_NODISCARD opr_status opr__reader_string(struct opr__reader *r);
/* Whether a type takes a value of this sort: { [ " t (a boolean) 0 (a number). */
bool opr__reader_wants(const struct opr_schema_type *t, char sort);
/* Scalars; t NULL: any. */
OPR_NODISCARD opr_status opr__reader_number(struct opr__reader *r, const struct opr_schema_type *t,
                                            struct json_object **ret_value);
OPR_NODISCARD opr_status opr__reader_text(struct opr__reader *r, const struct opr_schema_type *t,
                                          struct json_object **ret_value);

#ifdef __cplusplus
}
#endif
#endif
