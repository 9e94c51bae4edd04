/* One copy of the text that many values have in common: member names and short words such as kinds,
 * phases, label values and images. Packed values point at it by its place, so what comes in here
 * stays for the life of the process; the table is bounded, and what does not fit, or was not seen
 * before, stays in its value. Threads: any. */
#ifndef OPR_JSON_INTERN_H
#define OPR_JSON_INTERN_H

#include "core/base/str.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Place of the text in the pool, terminated there; 0: it is not shared. */
uint32_t opr__intern(struct opr_str text);
/* The same at first sight, for a text that is known to come again. */
uint32_t opr__intern_now(struct opr_str text);

extern char opr__intern_pool[];

#ifdef __cplusplus
}
#endif

#endif
