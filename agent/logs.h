/* The log of a container, as an HTTP body: whole, its end, or as it grows. Threads: worker; the
 * source is pulled by the connection. */
#ifndef OPR_AGENT_LOGS_H
#define OPR_AGENT_LOGS_H

#include "agent/internal.h"

struct opr__log_options {
    bool is_followed, has_times;
    bool has_channels; /* frames of exec's kind (core/net/channel.h), of these streams: */
    bool has_output, has_error;
    int64_t tail_lines;  /* -1: all */
    int64_t limit_bytes; /* -1: none */
    char since[40];      /* RFC 3339 with nine digits; "" : from the beginning */
};

/* dir is the folder of one run. OPR_E_NOT_FOUND: it has no log (yet). */
OPR_NODISCARD opr_status opr__logs_open(struct opr_agent *a, const char *dir,
                                        const struct opr__log_options *options,
                                        struct opr_http_source **ret_source);

/* Wakes those who follow. Loop. */
struct opr__follows *opr__follows_new(struct opr_agent *a);
void opr__follows_free(struct opr__follows *f); /* no source is left; NULL is fine */

#endif
