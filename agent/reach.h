/* Whether the API server answers. While it does not, one Pod at a time asks it, so that a server
 * that hangs never holds all workers up: what runs here goes on. Threads: worker. */
#ifndef OPR_AGENT_REACH_H
#define OPR_AGENT_REACH_H

#include "agent/internal.h"

/* True: the caller may call the API, and says afterwards how that went. */
bool opr__reach_may_ask(struct opr_agent *a);
void opr__reach_told(struct opr_agent *a, opr_status st);
/* When it may be asked again; now where it answers. */
uint64_t opr__reach_retry_ns(struct opr_agent *a);
/* No answer, or one that says nothing of the request: it is worth another try. */
bool opr__reach_is_failure(opr_status st);
/* opr_call() for what can wait; OPR_E_BUSY at once where the API does not answer. */
OPR_NODISCARD opr_status opr__reach_call(struct opr_agent *a, struct opr_caller *k,
                                         const char *method, const char *path,
                                         const char *content_type, struct opr_str body,
                                         struct opr_obj **ret_obj, struct opr_error *reterr);

#endif
