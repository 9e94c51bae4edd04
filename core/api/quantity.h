/* Kubernetes quantities: "250m", "1.5", "64Mi", "2e3" (apimachinery pkg/api/resource). Threads:
 * any. */
#ifndef OPR_API_QUANTITY_H
#define OPR_API_QUANTITY_H

#include "core/json/json.h"

#ifdef __cplusplus
extern "C" {
#endif

/* In thousandths, rounded up. OPR_E_INVALID, OPR_E_LIMIT. */
OPR_NODISCARD opr_status opr_quantity_parse(struct opr_str text, int64_t *ret_milli);
/* Canonical form: "250m", "2", "64Mi" (is_binary: power-of-two suffix where it divides; not for
 * less than 1024 nor for fractions). */
#define OPR_QUANTITY_TEXT_MAX 40
void opr_quantity_format(int64_t milli, bool is_binary, char ret_text[OPR_QUANTITY_TEXT_MAX]);
/* For plugins: see opr_obj_milli() in operon/object.h. */
OPR_NODISCARD opr_status opr_quantity_at(const struct opr_obj *o, const char *ptr,
                                         int64_t *ret_milli);

#ifdef __cplusplus
}
#endif
#endif
