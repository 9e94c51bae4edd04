/* YAML text of a packed value (libyaml). Threads: any. */
#ifndef OPR_API_YAML_OUT_H
#define OPR_API_YAML_OUT_H

#include "core/json/json.h"

#ifdef __cplusplus
extern "C" {
#endif

void opr_yaml_write(struct opr_buf *b, const struct opr_obj *o);

#ifdef __cplusplus
}
#endif
#endif
