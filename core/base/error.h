/* Error detail beside an opr_status. Functions that fill it take it last, as reterr, and it may be
 * NULL. Threads: value. */
#ifndef OPR_BASE_ERROR_H
#define OPR_BASE_ERROR_H

#include <operon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opr_error {
    opr_status status;
    int http_status;   /* 0 where no server answered */
    char message[512]; /* names the place and the remedy; cut where it is longer */
};

/* Fills reterr (if not NULL) and returns st: return opr_error_set(reterr, OPR_E_IO, "..."). */
OPR_PRINTF(3, 4)
opr_status opr_error_set(struct opr_error *reterr, opr_status st, const char *fmt, ...);
const char *opr_status_name(opr_status st); /* "not found" */

#ifdef __cplusplus
}
#endif
#endif
