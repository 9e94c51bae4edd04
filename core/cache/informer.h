/* Shared informers: list and watch one kind, keep its objects in an indexed store, tell handlers.
 * The reflector streams the initial list where the server can, resumes from bookmarks, lists again
 * on 410, and backs off with jitter (0.8 s doubling to 30 s, client-go). Threads: start and stop on
 * the loop; reading from any thread; handlers run on the loop. */
#ifndef OPR_CACHE_INFORMER_H
#define OPR_CACHE_INFORMER_H

#include "core/client/client.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_informer;

struct opr_informer_config {
    struct opr_loop *loop; /* NULL: the owner calls opr_informer_tick() (tests) */
    struct opr_client *client;
    const struct opr_clock *clock;
    const struct opr_resource *resource;
    const char *ns;     /* NULL: all */
    const char *labels; /* NULL: none */
    const char *fields; /* NULL: none */
    bool is_meta_only;
};

struct opr_informer *opr_informer_new(const struct opr_informer_config *config);
/* Before start. spec: "node=/spec/nodeName,phase=/status/phase"; adding one twice does nothing. The
 * index "owner" is always there. */
OPR_NODISCARD opr_status opr_informer_add_index(struct opr_informer *i, const char *spec,
                                                struct opr_error *reterr);
/* was NULL: added; is NULL: removed. A handler added late sees all objects as adds. */
typedef void (*opr_informer_fn)(void *arg, const struct opr_obj *was, const struct opr_obj *is);
void opr_informer_add_handler(struct opr_informer *i, opr_informer_fn fn, void *arg);
void opr_informer_start(struct opr_informer *i);
void opr_informer_stop(struct opr_informer *i); /* loop; no handler runs afterwards */
void opr_informer_free(struct opr_informer *i);
bool opr_informer_is_synced(const struct opr_informer *i); /* any thread */
/* Any thread: an attempt has failed and none has succeeded since. */
bool opr_informer_has_failed(const struct opr_informer *i);
/* Before start: fn(arg) runs on the loop each time a list is complete. */
void opr_informer_on_sync(struct opr_informer *i, void (*fn)(void *arg), void *arg);
/* Before start: fn(arg) runs on the loop each time an attempt fails. */
void opr_informer_on_failure(struct opr_informer *i, void (*fn)(void *arg), void *arg);
/* Before start: fn(arg) runs on the loop each time the server begins a good answer. */
void opr_informer_on_answer(struct opr_informer *i, void (*fn)(void *arg), void *arg);
/* Loop. The server is known to answer again: an informer that waits because it could not reach it
 * tries within 0.2 s. */
void opr_informer_retry_now(struct opr_informer *i);
/* Without a loop: when opr_informer_tick() is due (monotonic; UINT64_MAX: not). */
uint64_t opr_informer_next_due_ns(const struct opr_informer *i);
void opr_informer_tick(struct opr_informer *i);
const struct opr_resource *opr_informer_resource(const struct opr_informer *i);

/* Any thread. Owned result: opr_json_unref(). NULL: absent. */
struct opr_obj *opr_informer_get(const struct opr_informer *i, const char *ns, const char *name);
/* References to all that match, in the arena, released with it. index NULL: none. */
OPR_NODISCARD opr_status opr_informer_list(const struct opr_informer *i, struct opr_arena *a,
                                           const char *ns, const char *index, const char *value,
                                           const struct opr_obj *const **ret_objs,
                                           uint32_t *ret_count);
size_t opr_informer_count(const struct opr_informer *i);
/* The answer of an own write: read at once by get and list, and never replaced by an older one.
 * obj is referenced; is_deleted: the object is gone. */
void opr_informer_note_write(struct opr_informer *i, const struct opr_obj *obj, bool is_deleted);

#ifdef __cplusplus
}
#endif
#endif
