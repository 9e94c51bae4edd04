/* The store: keys to versioned objects, one revision order, a window of history for watches.
 * In memory, and durable where a folder is given (SQLite, WAL, synchronous FULL, one group commit
 * per batch of waiting writers; an answer or an event leaves only after the commit). Keys are
 * "group/plural/ns/name" ("/" within a part is not possible). Threads: any. */
#ifndef OPR_APISERVER_STORE_STORE_H
#define OPR_APISERVER_STORE_STORE_H

#include "core/base/arena.h"
#include "core/json/doc.h"
#include "core/net/http.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_store;

struct opr_store_config {
    const char *dir;        /* NULL: memory only */
    uint32_t window_events; /* history; 0: 10,000; fewer where their objects take over 16 MiB */
};
OPR_NODISCARD opr_status opr_store_open(const struct opr_store_config *config,
                                        struct opr_store **ret_store, struct opr_error *reterr);
void opr_store_close(struct opr_store *s);
uint64_t opr_store_revision(const struct opr_store *s); /* of the newest committed write */

/* Owned references (opr_json_unref). The object carries its metadata.resourceVersion. */
struct opr_obj *opr_store_get(const struct opr_store *s, struct opr_str key);
/* All with a prefix, in key order, after the key `after` (may be empty), at most limit (0: all), in
 * the arena (unreferenced with it), and the revision of this picture. ret_more: how many follow. */
void opr_store_list(const struct opr_store *s, struct opr_arena *a, struct opr_str prefix,
                    struct opr_str after, size_t limit, const struct opr_obj *const **ret_objs,
                    size_t *ret_count, uint64_t *ret_revision, size_t *ret_more);
/* All with a prefix after a key as they were at an earlier revision, in the same way.
 * OPR_E_EXPIRED: older than the window. */
OPR_NODISCARD opr_status opr_store_list_at(const struct opr_store *s, struct opr_arena *a,
                                           struct opr_str prefix, struct opr_str after, uint64_t rv,
                                           const struct opr_obj *const **ret_objs,
                                           size_t *ret_count);

size_t opr_store_count(const struct opr_store *s, struct opr_str prefix);

/* Writes and waits until they are durable. expected_rv: OPR_STORE_ABSENT, OPR_STORE_ANY, or the
 * revision that must be the newest (else OPR_E_CONFLICT; OPR_E_EXISTS for ABSENT; OPR_E_NOT_FOUND).
 * The store sets metadata.resourceVersion in doc. ret_obj may be NULL. */
#define OPR_STORE_ABSENT 0u
#define OPR_STORE_ANY UINT64_MAX
OPR_NODISCARD opr_status opr_store_put(struct opr_store *s, struct opr_str key,
                                       uint64_t expected_rv, struct json_object *doc,
                                       struct opr_obj **ret_obj, struct opr_error *reterr);
/* The same for many new objects at once, as one batch. A key that is there already keeps its object
 * and is no failure. */
struct opr_store_new {
    struct opr_str key;
    struct json_object *doc;
};
OPR_NODISCARD opr_status opr_store_put_absent(struct opr_store *s,
                                              const struct opr_store_new *objects, size_t count,
                                              struct opr_error *reterr);
/* last: the object's last state as watchers shall see it (its resourceVersion becomes the
 * deletion's); NULL: as it was. */
OPR_NODISCARD opr_status opr_store_delete(struct opr_store *s, struct opr_str key,
                                          uint64_t expected_rv, struct json_object *last,
                                          struct opr_obj **ret_obj, struct opr_error *reterr);

/* A watch is a cursor in the history. */
struct opr_store_event {
    uint64_t rv;
    struct opr_obj *obj; /* new state; for a deletion the last one. Borrowed until the next call */
    struct opr_obj *was; /* before; NULL: created. Borrowed */
    bool is_delete;
};
struct opr_store_cursor;
/* Events after revision rv whose key has the prefix. OPR_E_EXPIRED: older than the window. waker is
 * woken after each commit with such an event; may be NULL. */
OPR_NODISCARD opr_status opr_store_watch(struct opr_store *s, struct opr_str prefix, uint64_t rv,
                                         struct opr_http_waker *waker,
                                         struct opr_store_cursor **ret_cursor);
/* OPR_OK with an event, OPR_E_END: none now, OPR_E_EXPIRED: fell out of the window. */
OPR_NODISCARD opr_status opr_store_next(struct opr_store_cursor *c,
                                        struct opr_store_event *ret_event);
uint64_t opr_store_cursor_rv(const struct opr_store_cursor *c); /* all events up to it were given */
void opr_store_unwatch(struct opr_store_cursor *c);

#ifdef __cplusplus
}
#endif
#endif
