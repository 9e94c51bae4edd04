/* The inside of the store, shared by its files. Threads: at each part. */
#ifndef OPR_APISERVER_STORE_INTERNAL_H
#define OPR_APISERVER_STORE_INTERNAL_H

#include "apiserver/store/store.h"

#include <pthread.h>

/* One object. Immutable once in the table; the table owns one reference to obj. */
struct opr__record {
    char *key; /* owned */
    size_t key_len;
    uint64_t rv;
    struct opr_obj *obj; /* ref */
};

/* Records in key order. Guarded by the store's lock. */
struct opr__table {
    struct opr__record **items; /* owned */
    size_t count, cap;
};
/* Position of a key, or of the first key after it. */
size_t opr__table_find(const struct opr__table *t, struct opr_str key, bool *ret_found);
/* Positions of the keys with a prefix that come after the key `after` (may be any text). */
void opr__table_range(const struct opr__table *t, struct opr_str prefix, struct opr_str after,
                      size_t *ret_begin, size_t *ret_end);
struct opr__record *opr__table_get(const struct opr__table *t, struct opr_str key);
/* Puts obj (referenced) under a key, or removes the key where obj is NULL. The object that stood
 * there before, with its reference; NULL: none. */
struct opr_obj *opr__table_set(struct opr__table *t, struct opr_str key, uint64_t rv,
                               const struct opr_obj *obj);
void opr__table_fini(struct opr__table *t);

/* The last events, oldest first, in a ring. Guarded by the store's lock. */
struct opr__event {
    uint64_t rv;
    char *key;           /* owned */
    struct opr_obj *obj; /* ref */
    struct opr_obj *was; /* ref; NULL: created */
    bool is_delete;
};
struct opr__history {
    struct opr__event *ring; /* owned */
    size_t size, first, count;
    size_t bytes;          /* of the objects' new states */
    uint64_t forgotten_rv; /* events up to it are gone */
};
void opr__history_init(struct opr__history *h, size_t size, uint64_t forgotten_rv);
void opr__history_fini(struct opr__history *h);
/* Takes key and the references. Old events go where there are too many of them, or where their
 * objects have become too large together. */
void opr__history_add(struct opr__history *h, struct opr__event take_event);
/* Position of the first event after a revision. */
size_t opr__history_after(const struct opr__history *h, uint64_t rv);
const struct opr__event *opr__history_at(const struct opr__history *h, size_t position);

/* The file. Used by the writer thread only, and while the store opens. */
struct opr__disk;
OPR_NODISCARD opr_status opr__disk_open(const char *dir, struct opr__disk **ret_disk,
                                        struct opr_error *reterr);
void opr__disk_close(struct opr__disk *d);
OPR_NODISCARD opr_status opr__disk_load(struct opr__disk *d,
                                        void (*fn)(void *arg, struct opr_str key, uint64_t rv,
                                                   struct opr_str value),
                                        void *arg, uint64_t *ret_revision,
                                        struct opr_error *reterr);
OPR_NODISCARD opr_status opr__disk_begin(struct opr__disk *d, struct opr_error *reterr);
OPR_NODISCARD opr_status opr__disk_put(struct opr__disk *d, struct opr_str key, uint64_t rv,
                                       struct opr_str value, struct opr_error *reterr);
OPR_NODISCARD opr_status opr__disk_delete(struct opr__disk *d, struct opr_str key,
                                          struct opr_error *reterr);
/* Durable when it returns (fsync by SQLite's FULL). */
OPR_NODISCARD opr_status opr__disk_commit(struct opr__disk *d, uint64_t revision,
                                          struct opr_error *reterr);
void opr__disk_rollback(struct opr__disk *d);

/* One waiting write; lives on its caller's stack. */
struct opr__write {
    struct opr__write *next;
    struct opr_str key;
    uint64_t expected_rv;
    struct json_object *doc; /* new state, or last state of a deletion (may be NULL) */
    bool is_delete;
    /* results */
    opr_status status;
    struct opr_error error;
    struct opr_obj *obj; /* ref: new or last state */
    struct opr_obj *was; /* ref: before */
    uint64_t rv;
    bool is_done;
};

struct opr_store_cursor {
    struct opr_store *store;
    char *prefix; /* owned */
    size_t prefix_len;
    uint64_t rv;
    struct opr_http_waker *waker; /* borrowed; NULL: none */
    struct opr_obj *obj, *was;    /* refs of the event given last */
};

struct opr_store {
    struct opr__disk *disk; /* NULL: memory only */
    pthread_t writer;
    pthread_rwlock_t lock; /* guards table, history, revision, cursors */
    struct opr__table table;
    struct opr__history history;
    uint64_t revision;
    struct opr_vec *cursors;    /* owned vector of borrowed cursors */
    pthread_mutex_t queue_lock; /* guards what follows; taken before lock */
    pthread_cond_t has_writes, has_results;
    struct opr__write *first, *last;
    bool is_closing;
};

void *opr__writer_run(void *store);
pthread_rwlock_t *opr__store_lock(const struct opr_store *s); /* readers have a const store */

/* A list that was given out: its references end with the arena. */
struct opr__refs {
    const struct opr_obj **items;
    size_t count;
};
struct opr__refs *opr__refs_new(struct opr_arena *a);

#endif
