/* One probe of one container, run once. Threads: loop. */
#ifndef OPR_AGENT_PROBE_CHECK_H
#define OPR_AGENT_PROBE_CHECK_H

#include "agent/internal.h"

struct opr__check;

struct opr__check_target {
    struct opr_agent *agent;
    const char *address;         /* of the Pod */
    const char *run_dir;         /* for exec */
    const struct opr_obj *ports; /* of the container: names of ports */
    const struct opr_obj *probe; /* the Probe object */
    uint64_t timeout_ms;
};

/* A number, or the name of one of the container's ports; 0: neither. */
int opr__action_port(const struct opr_obj *ports, const struct opr_obj *action);
/* The text of an httpGet's request. */
void opr__probe_request(struct opr_buf *b, const struct opr_obj *action, const char *address,
                        int port);

/* done comes later from the loop, once; the check frees itself afterwards. output is borrowed. */
typedef void (*opr__check_fn)(void *arg, bool is_success, const char *output);
struct opr__check *opr__check_start(const struct opr__check_target *target, opr__check_fn done,
                                    void *arg);
/* No call of done follows. NULL is fine. */
void opr__check_cancel(struct opr__check *check);

#endif
