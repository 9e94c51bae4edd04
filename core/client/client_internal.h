/* What the files of core/client share: the client, its sessions and its registry of kinds. */
#ifndef OPR_CLIENT_CLIENT_INTERNAL_H
#define OPR_CLIENT_CLIENT_INTERNAL_H

#include "core/base/map.h"
#include "core/base/vec.h"
#include "core/client/client.h"

#include <pthread.h>

#define OPR__CLIENT_COUNTS 96
#define OPR__CLIENT_METHODS 8

/* A kind with the other names it goes by. Entries live as long as the client: callers keep pointers
 * to the public part, so that one that changed is replaced by a new one and not edited. */
struct opr__kind {
    struct opr_resource pub; /* strings owned */
    char *singular;          /* owned; "" where there is none */
    struct opr_vec shorts;   /* of owned char * */
    bool is_served;          /* discovery listed it last time */
};

struct opr__count {
    char method[8];
    int code;
    uint64_t count;
};

struct opr_client {
    struct opr_transport *transport; /* owned */
    const struct opr_clock *clock;   /* borrowed */

    pthread_mutex_t discovery; /* one discovery at a time; taken before kinds_lock */
    pthread_mutex_t kinds_lock;
    struct opr_vec kinds;   /* of struct opr__kind, owned; kinds_lock */
    bool is_discovered;     /* kinds_lock */
    uint64_t discovered_ns; /* kinds_lock; 0: expired */

    pthread_mutex_t counts_lock;
    struct opr__count counts[OPR__CLIENT_COUNTS]; /* counts_lock; the first n_counts are used */
    size_t n_counts;
    uint64_t retries;                                         /* counts_lock */
    struct opr_client_latency latencies[OPR__CLIENT_METHODS]; /* counts_lock */
    size_t n_latencies;                                       /* counts_lock */

    /* Waits until a call may be repeated; false: not before its deadline, or it was cancelled. A
     * test replaces it. */
    bool (*wait)(struct opr_caller *k, uint32_t after_s);
};

struct opr_caller {
    struct opr_client *client;             /* borrowed */
    struct opr_transport_session *session; /* owned */
    uint64_t deadline_ns;                  /* 0: none */
    pthread_mutex_t lock;
    pthread_cond_t wakeup; /* a wait for Retry-After ends early */
    bool is_cancelled;     /* lock */
    bool is_calling;       /* lock; the transport has a call of this session */
};

/* Asks the server for all kinds: a vector of owned struct opr__kind, in the order of preference. */
OPR_NODISCARD opr_status opr__discover(struct opr_caller *k, struct opr_vec *ret_kinds,
                                       struct opr_error *reterr);
void opr__kind_free(struct opr__kind *kind);

void opr__client_note_latency(struct opr_client *c, const char *method, uint64_t took_ns);

/* One call with its own Accept header; the body stays text. */
OPR_NODISCARD opr_status opr__call_text(struct opr_caller *k, const char *path, const char *accept,
                                        struct opr_buf *ret_body, struct opr_error *reterr);

#endif
