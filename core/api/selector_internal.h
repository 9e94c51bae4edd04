/* What a parsed label selector is made of. */
#ifndef OPR_API_SELECTOR_INTERNAL_H
#define OPR_API_SELECTOR_INTERNAL_H

#include "core/api/selector.h"

enum opr__op { OP_EQUAL, OP_NOT_EQUAL, OP_IN, OP_NOT_IN, OP_EXISTS, OP_NOT_EXISTS, OP_GT, OP_LT };

struct opr__requirement {
    char *key; /* owned */
    enum opr__op op;
    char **values; /* owned strings; sorted, each once */
    size_t count;
    size_t number; /* as it was written */
};

struct opr_selector {
    struct opr__requirement *items; /* owned; by key */
    size_t count;
};

/* Borrowed until the next add. */
struct opr__requirement *opr__selector_add(struct opr_selector *s, struct opr_str key,
                                           enum opr__op op);
void opr__selector_add_value(struct opr__requirement *r, struct opr_str value);
/* Brings keys and values into order, which equal selectors then share. */
void opr__selector_seal(struct opr_selector *s);

#endif
