/* The readable difference of two values, for the report of a policy's tests. Threads: any. */
#ifndef OPR_LUA_POLICY_DIFF_H
#define OPR_LUA_POLICY_DIFF_H

#include "core/base/buf.h"
#include "core/json/json.h"

/* Appends, for each place where got is not as wanted, its path in Lua's notation (what is the name
 * of the whole), the wanted and the given value; returns their number. is_part: got may have more
 * members and elements, and an empty table is any value. */
uint32_t opr__policy_diff(struct opr_buf *report, const char *what, bool is_part,
                          const struct opr_obj *want, const struct opr_obj *got);

#endif
