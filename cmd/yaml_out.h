/* YAML text of a packed value (libyaml). Threads: any. */
#ifndef OPR_CMD_YAML_OUT_H
#define OPR_CMD_YAML_OUT_H

#include "core/json/json.h"

void opr_yaml_write(struct opr_buf *b, const struct opr_obj *o);

#endif
