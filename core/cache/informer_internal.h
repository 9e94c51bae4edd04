/* What the files of an informer share. The reflector (reflector.c) decides what to ask the server
 * for and when; decode.c turns bytes into changes; informer.c is the outside. Threads: loop, except
 * the store. */
#ifndef OPR_CACHE_INFORMER_INTERNAL_H
#define OPR_CACHE_INFORMER_INTERNAL_H

#include "core/api/selector.h"
#include "core/base/buf.h"
#include "core/cache/informer.h"
#include "core/cache/store.h"

#include <stdatomic.h>

enum opr__phase {
    OPR__PHASE_STOPPED,
    OPR__PHASE_WAITING,   /* until due_ns, then `next` */
    OPR__PHASE_STREAMING, /* the initial list comes as events */
    OPR__PHASE_LISTING,   /* a page of a list is on its way */
    OPR__PHASE_WATCHING
};

struct opr__handler {
    opr_informer_fn fn;
    void *arg;
    bool is_late; /* has not been told yet of what is there */
};

struct opr_informer {
    struct opr_loop *loop;     /* borrowed; NULL: the owner ticks */
    struct opr_client *client; /* borrowed */
    const struct opr_clock *clock;
    const struct opr_resource *resource; /* borrowed from the client */
    char *api_version;                   /* owned: "apps/v1" */
    char *ns, *labels, *fields;          /* owned; NULL: none */
    bool is_meta_only;
    struct opr_selector *selector;    /* owned; of labels; NULL: none */
    struct opr_arena *arena;          /* of requirements */
    struct opr_field_req *field_reqs; /* in the arena */
    struct opr_path **field_paths;    /* of each requirement; owned */
    size_t n_field_reqs;

    struct opr__store store;
    struct opr_vec handlers; /* of struct opr__handler, owned; loop */
    void (*on_sync)(void *arg);
    void *on_sync_arg;
    void (*on_failure)(void *arg);
    void *on_failure_arg;
    void (*on_answer)(void *arg);
    void *on_answer_arg;
    _Atomic bool is_synced, has_failed;

    /* the reflector; loop */
    struct opr_timer *timer; /* owned; NULL: the owner ticks */
    enum opr__phase phase, next;
    uint64_t due_ns; /* end of a wait, or when a stream counts as dead; UINT64_MAX: none */
    struct opr_transport_stream *stream;
    int http_status;           /* of the stream; 0: no header yet */
    struct opr_buf pending;    /* received, not yet decoded */
    size_t scanned;            /* of pending: has no line end */
    struct opr_buf text;       /* scratch */
    char *rv;                  /* owned: where to resume; NULL: nowhere */
    char *page;                /* owned: continue token of the next page; NULL: first page */
    uint32_t epoch;            /* of the running list */
    bool is_streaming_refused; /* the server does not stream lists */
    uint64_t backoff_ms;       /* the next one; 0: the first */
    uint64_t started_ns;       /* of the running stream */
    uint64_t heard_ns;         /* when its last bytes came */
    bool has_bookmark;         /* it sends bookmarks: then silence means something */
    uint64_t failed_ns;        /* when the last back-off began; 0: never */
    uint32_t stale_lists;      /* lists in a row that were older than what is known */
    uint64_t gone_ns;          /* when a list was last begun because history was gone; 0: never */
    bool is_unreached;         /* it waits because the server could not be reached */
    bool has_event;            /* since the stream was opened */
};

/* decode.c. Each returns OPR_OK, or the reason for which the stream is to end: OPR_E_EXPIRED (list
 * again), or any other (try again later). */
opr_status opr__informer_decode_events(struct opr_informer *i);
/* A whole page; *ret_page is owned: the token of the next one, or NULL. */
opr_status opr__informer_decode_page(struct opr_informer *i, char **ret_page);
/* The list is complete as of rv. */
void opr__informer_list_done(struct opr_informer *i, const char *rv);
void opr__informer_tell(struct opr_informer *i, const struct opr_obj *was,
                        const struct opr_obj *is);

/* reflector.c */
void opr__reflector_start(struct opr_informer *i);
void opr__reflector_stop(struct opr_informer *i);
void opr__reflector_tick(struct opr_informer *i);
/* Arms the timer for the due time, now where a handler is late. */
void opr__reflector_arm(struct opr_informer *i);

#endif
