/* A reader of the protocol buffers wire format. It never reads past its bytes, and borrows them.
 * Threads: one owner. */
#ifndef OPR_APISERVER_SCHEMA_WIRE_H
#define OPR_APISERVER_SCHEMA_WIRE_H

#include "core/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { OPR__WIRE_VARINT = 0, OPR__WIRE_FIXED64 = 1, OPR__WIRE_BYTES = 2, OPR__WIRE_FIXED32 = 5 };

struct opr__wire {
    const uint8_t *p, *end;   /* borrowed */
    struct opr_error *reterr; /* borrowed; may be NULL */
    int depth;                /* of nested messages */
};

struct opr__wire_field {
    uint32_t number;
    int type;              /* OPR__WIRE_* */
    uint64_t number_value; /* varint, fixed */
    struct opr_str bytes;  /* OPR__WIRE_BYTES */
};

/* A message within another one. */
struct opr__wire opr__wire_of(const struct opr__wire *outer, struct opr_str bytes);
/* OPR_E_END after the last field; OPR_E_INVALID. */
OPR_NODISCARD opr_status opr__wire_next(struct opr__wire *w, struct opr__wire_field *f);
OPR_NODISCARD opr_status opr__wire_varint(struct opr__wire *w, uint64_t *ret_value);
OPR_NODISCARD opr_status opr__wire_fixed(struct opr__wire *w, size_t size, uint64_t *ret_value);

/* Up to three scalar fields of a small message, which is all that the special types have. */
struct opr__small {
    uint64_t number[4]; /* by field number */
    struct opr_str text[4];
};
OPR_NODISCARD opr_status opr__wire_small(const struct opr__wire *outer, struct opr_str bytes,
                                         struct opr__small *m);

#ifdef __cplusplus
}
#endif
#endif
