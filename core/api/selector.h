/* Label and field selectors. Threads: any, once parsed. Lifetime: opr_selector_free(). */
#ifndef OPR_API_SELECTOR_H
#define OPR_API_SELECTOR_H

#include "core/json/json.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_selector;

/* "a=b,c!=d,e in (f,g),h,!i,j>1". Errors are worded as Kubernetes words them. "" selects all. */
OPR_NODISCARD opr_status opr_selector_parse(struct opr_str text, struct opr_selector **ret_selector,
                                            struct opr_error *reterr);
/* A LabelSelector value ({matchLabels, matchExpressions}). Gt and Lt, which only node selectors
 * have, are taken too. Labels are not checked here; schemas do that. */
OPR_NODISCARD opr_status opr_selector_from_obj(const struct opr_obj *o,
                                               struct opr_selector **ret_selector,
                                               struct opr_error *reterr);
/* A plain map of labels (a Service's spec.selector); NULL or empty selects all. */
struct opr_selector *opr_selector_from_map(const struct opr_obj *labels);
void opr_selector_free(struct opr_selector *s);
bool opr_selector_is_empty(const struct opr_selector *s);
bool opr_selector_match(const struct opr_selector *s, const struct opr_obj *labels);
/* Canonical text: sorted by key, "a=b,c in (d,e),!f". */
void opr_selector_format(const struct opr_selector *s, struct opr_buf *b);
/* One call for plugins: see opr_selector_matches() in operon/object.h. */
bool opr_selector_obj_matches(const struct opr_obj *selector, const struct opr_obj *labels);

/* Field selectors: "metadata.name=x,status.phase!=Failed". Each requirement is handed to the
 * caller, who knows the fields of the kind. */
struct opr_field_req {
    struct opr_str field, value;
    bool is_negated;
};
OPR_NODISCARD opr_status opr_field_selector_parse(struct opr_arena *a, struct opr_str text,
                                                  struct opr_field_req **ret_reqs,
                                                  size_t *ret_count, struct opr_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
