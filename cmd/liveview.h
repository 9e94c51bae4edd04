/* What 'operon up' shows while a cluster comes up: a row for each part, with its state and how long
 * it took. On a terminal the rows are drawn again in place; elsewhere each part is one line once it
 * is ready. Threads: main. */
#ifndef OPR_CMD_LIVEVIEW_H
#define OPR_CMD_LIVEVIEW_H

#include "cmd/cluster.h"

#include <stdio.h>

#define OPR_LIVEVIEW_ROWS (OPR_CLUSTER_MAX_NODES + 4)

struct opr_liveview_row {
    char name[32];
    uint64_t started_ns, ready_ns; /* ready_ns 0: not yet */
};

struct opr_liveview {
    FILE *out; /* borrowed */
    bool is_terminal;
    size_t count, drawn;
    struct opr_liveview_row rows[OPR_LIVEVIEW_ROWS];
};

void opr_liveview_init(struct opr_liveview *v, FILE *out, bool is_terminal);
/* A part starts, or is ready; now_ns is of the monotonic clock. A part that was never started is
 * ignored. */
void opr_liveview_starting(struct opr_liveview *v, const char *name, uint64_t now_ns);
void opr_liveview_ready(struct opr_liveview *v, const char *name, uint64_t now_ns);

#endif
