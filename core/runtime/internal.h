/* What the files of the runtime share. Threads: manager, sources and subscriptions are changed on
 * the loop only; workers read them under sources_lock. Lock order: sources_lock, then a queue, then
 * a store. dispatch_lock and the locks of events and expectations are leaves. */
#ifndef OPR_RUNTIME_INTERNAL_H
#define OPR_RUNTIME_INTERNAL_H

#include "core/base/executor.h"
#include "core/base/vec.h"
#include "core/cache/informer.h"
#include "core/net/loop.h"
#include "core/queue/queue.h"
#include "core/runtime/manager.h"

#include <pthread.h>
#include <stdatomic.h>

struct opr__controller;
struct opr__recorder;
struct opr__expectations;
struct opr__health_server;
struct opr__leader;
struct opr__worker;

#define OPR__HISTOGRAM_MAX 44

/* Counts of durations below each bound; bounds are static tables of metrics.c. */
struct opr__histogram {
    _Atomic uint64_t counts[OPR__HISTOGRAM_MAX];
    _Atomic uint64_t total, sum_ns;
};

struct opr__plugin {
    struct opr_plugin table; /* a copy: an older plugin's is shorter */
    void *handle;            /* of dlopen; NULL: linked in */
    void *state;             /* what init returned */
    struct opr_obj *config;  /* owned; NULL: none */
};

/* A kind that one or more controllers read, with its informer; for "*" one informer a kind. */
struct opr__source {
    struct opr_manager *m;
    char *gvk, *ns, *labels, *fields; /* owned; all but gvk may be NULL */
    bool is_meta_only;
    bool is_optional; /* nobody waits for it */
    bool is_wildcard;
    struct opr_vec index_specs; /* of char *, owned */
    struct opr_vec subs;        /* borrowed struct opr__sub */

    struct opr_vec children; /* of struct opr__child, owned; sources_lock. One, unless a wildcard */
    bool is_resolving;       /* discovery was asked */
    bool is_resolved;
    uint64_t resolve_due_ns; /* when to ask again; UINT64_MAX: no need */
    uint32_t failures;       /* of discovery, in a row */
    struct opr_error error;  /* of the last attempt */
};

struct opr__child {
    struct opr__source *source;
    struct opr_informer *informer; /* owned */
    bool is_named;                 /* by the running discovery */
};

/* One declared read of one controller. */
struct opr__sub {
    struct opr__controller *controller;
    const struct opr_watch *watch; /* the plugin's */
    struct opr__source *source;
    bool is_primary;
    struct opr_watch *own_watch; /* owned: added while it runs; NULL: declared */
};

struct opr_mapper {
    struct opr__controller *controller;
};

struct opr__controller {
    struct opr_manager *m;
    struct opr_controller decl; /* a copy: an older plugin's is shorter */
    struct opr__plugin *plugin;
    struct opr_queue *queue;
    struct opr_vec subs; /* of struct opr__sub, owned; the first is the primary */
    struct opr__expectations *expectations;
    uint32_t max_workers;
    uint64_t timeout_ns;
    _Atomic uint32_t active;
    _Atomic bool is_ready; /* what it reads is there */

    _Atomic uint64_t done, after, errors, terminal, timeouts;
    struct opr__histogram time, work, queued;
};

/* Outlives the manager for those callbacks that are still posted to the loop. */
struct opr__mailbox {
    _Atomic uint32_t refs;
    struct opr_manager *m; /* loop; NULL: gone */
};

struct opr_manager {
    struct opr_manager_config config; /* strings owned */
    const struct opr_clock *clock;
    bool is_inline;
    struct opr__mailbox *mailbox; /* ref */
    struct opr_timer *timer;      /* owned; NULL without a loop */
    _Atomic bool is_rearm_posted;
    _Atomic uint64_t armed_ns; /* when the timer is due; UINT64_MAX: it is not set */

    struct opr_vec plugins;              /* of struct opr__plugin, owned */
    struct opr_sched_loaded *schedulers; /* owned; fixed once started */
    size_t schedulers_count;
    struct opr_vec controllers; /* of struct opr__controller, owned; fixed once started */
    pthread_rwlock_t sources_lock;
    struct opr_vec sources; /* of struct opr__source, owned; sources_lock */

    struct opr_executor *aux;          /* owned: discovery, away from the loop */
    struct opr_caller *aux_caller;     /* owned */
    struct opr__recorder *events;      /* owned */
    struct opr__leader *leader;        /* owned; NULL: no election */
    struct opr__health_server *health; /* owned; NULL: none */

    _Atomic bool is_started, is_stopping;
    _Atomic bool is_leading; /* reconciles may run */

    struct opr__worker **workers; /* owned */
    uint32_t n_workers;
    _Atomic uint32_t live_workers; /* threads that have not ended */
    _Atomic uint32_t next_controller;
    pthread_mutex_t dispatch_lock;
    pthread_cond_t dispatch_wakeup;
    uint64_t dispatch_seq; /* dispatch_lock; changes when there may be work */

    uint64_t drain_due_ns; /* running reconciles are cancelled then; UINT64_MAX: not stopping */
    bool is_cancelled;     /* they were */
    void (*stopped)(void *arg);
    void *stopped_arg;
};

struct opr_ctx {
    struct opr_manager *m;
    struct opr__controller *controller;
    struct opr_caller *caller;
    struct opr_arena *arena;
    struct opr_key key; /* in the arena */
    uint64_t deadline_ns;
    struct opr_error error;
};

struct opr_doc {
    struct opr_ctx *ctx;
    struct json_object *json; /* put with the arena */
};

struct opr__worker {
    struct opr_manager *m;
    pthread_t thread;
    bool has_thread;
    struct opr_ctx ctx;                        /* its caller and arena are owned */
    _Atomic(struct opr__controller *) running; /* NULL: idle */
    _Atomic uint64_t started_ns;               /* of what runs */
    const char *key;                           /* of what runs; NULL: idle; m->dispatch_lock */
};

/* manager.c. Any thread: fn(m, arg) on the loop, or drop(arg) where the manager is gone by then. */
void opr__manager_post(struct opr_manager *m, void (*fn)(struct opr_manager *m, void *arg),
                       void *arg, void (*drop)(void *arg));
void opr__manager_rearm(struct opr_manager *m); /* any thread: a due time may have come nearer */
void opr__manager_wake_workers(struct opr_manager *m); /* any thread */

/* plugin.c. Checks a table and takes its controllers in; where names the plugin in errors. */
OPR_NODISCARD opr_status opr__plugin_add(struct opr_manager *m, opr_plugin_entry_fn entry,
                                         void *take_handle, const char *config_json,
                                         const char *where, struct opr_error *reterr);
/* plugin_load.c. */
void opr__plugin_close(void *handle); /* NULL is fine */

/* controller.c */
struct opr__controller *opr__controller_new(struct opr_manager *m, struct opr__plugin *plugin,
                                            const struct opr_controller *decl,
                                            struct opr_error *reterr);
void opr__controller_free(struct opr__controller *c);
void opr__sub_free(struct opr__sub *sub);
void opr__controller_check_ready(struct opr__controller *c); /* loop */
void opr__controller_enqueue(struct opr__controller *c, const char *ns, const char *name,
                             uint64_t after_ms);
/* The declared source that has a kind, an unfiltered one first; NULL: undeclared. Loop, or with
 * sources_lock. */
const struct opr__source *opr__controller_source(const struct opr__controller *c, const char *gvk);
struct opr__controller *opr__controller_find(struct opr_manager *m, const char *name);

/* worker.c. Runs one reconcile if there is one to run. */
bool opr__worker_run_one(struct opr__worker *w);
struct opr__worker *opr__worker_new(struct opr_manager *m, bool has_thread);
void opr__worker_free(struct opr__worker *w); /* its thread has ended */

/* source.c; loop */
struct opr__source *opr__source_need(struct opr_manager *m, const struct opr_watch *w,
                                     struct opr_error *reterr);
void opr__source_start(struct opr__source *s);
void opr__source_stop(struct opr__source *s);
void opr__source_free(struct opr__source *s);
void opr__source_tick(struct opr__source *s);
uint64_t opr__source_backoff_ns(struct opr__source *s); /* after one more failed attempt */
uint64_t opr__source_due_ns(const struct opr__source *s);
bool opr__source_is_ready(const struct opr__source *s);
/* The informer of a kind, or NULL; caller holds sources_lock or is the loop. */
struct opr_informer *opr__source_informer(const struct opr__source *s, const char *gvk);
void opr__source_add_child(struct opr__source *s, const struct opr_resource *r);
void opr__source_changed(struct opr__source *s);
/* The server answers: informers that could not reach it need not wait for the end of their back-off
 * (a restarted server is followed again within seconds, however long it was away). */
void opr__source_retry_all(struct opr_manager *m);

/* wildcard.c; loop: all kinds, found by discovery on the auxiliary thread */
void opr__wildcard_resolve(struct opr__source *s);

/* mapping.c; loop: an informer's handler, arg is the struct opr__child */
void opr__map_change(void *arg, const struct opr_obj *was, const struct opr_obj *is);
void opr__map_tell(struct opr__sub *sub, const struct opr__child *child, const struct opr_obj *was,
                   const struct opr_obj *is); /* one reader alone */
/* "apps/v1/ReplicaSet|default" of a wildcard primary's object. */
char *opr__wildcard_ns(struct opr_arena *a, const char *gvk, const char *ns);
bool opr__wildcard_split(struct opr_arena *a, const char *key_ns, char **ret_gvk, char **ret_ns);

/* host.c */
extern const struct opr_host opr__host_table;

/* members of the host table, by file */
/* host_value.c */
const char *opr__host_obj_text(struct opr_ctx *c, const struct opr_obj *o);
opr_status opr__host_obj_parse(struct opr_ctx *c, const char *text, const struct opr_obj **ret_obj);
struct opr_doc *opr__host_doc_parse(struct opr_ctx *c, const char *tmpl, va_list args);
struct opr_doc *opr__host_doc_of(struct opr_ctx *c, const struct opr_obj *o);
opr_status opr__host_doc_set(struct opr_doc *d, const char *ptr, const char *tmpl, va_list args);
void opr__host_doc_remove(struct opr_doc *d, const char *ptr);
const struct opr_obj *opr__host_doc_obj(struct opr_doc *d);
/* host_read.c */
opr_status opr__host_get(struct opr_ctx *c, const char *gvk, const char *ns, const char *name,
                         const struct opr_obj **ret_obj);
opr_status opr__host_get_live(struct opr_ctx *c, const char *gvk, const char *ns, const char *name,
                              const struct opr_obj **ret_obj);
opr_status opr__host_list(struct opr_ctx *c, const char *gvk, const char *ns, const char *index,
                          const char *value, const struct opr_obj *const **ret_objs,
                          uint32_t *ret_count);
/* host_write.c */
opr_status opr__host_create(struct opr_ctx *c, struct opr_doc *d, const struct opr_obj **ret_obj);
opr_status opr__host_update(struct opr_ctx *c, struct opr_doc *d, const char *sub,
                            const struct opr_obj **ret_obj);
opr_status opr__host_patch(struct opr_ctx *c, const struct opr_obj *o, const char *sub,
                           int32_t type, struct opr_doc *d, const struct opr_obj **ret_obj);
opr_status opr__host_remove(struct opr_ctx *c, const struct opr_obj *o,
                            const struct opr_delete_options *options);
opr_status opr__host_request(struct opr_ctx *c, const char *method, const char *path,
                             struct opr_doc *body, const struct opr_obj **ret_obj);
/* A call ready to be sent: method, path and body live in the arena. */
opr_status opr__write_create(struct opr_ctx *c, struct opr_doc *d, struct opr_call_item *ret_item);
opr_status opr__write_remove(struct opr_ctx *c, const struct opr_obj *o,
                             const struct opr_delete_options *options,
                             struct opr_call_item *ret_item);
/* Shows an answer to all informers of its kind; removed: the object that was deleted, else NULL. */
void opr__write_fold(struct opr_ctx *c, const struct opr_obj *answer,
                     const struct opr_obj *removed);
/* batch.c */
struct opr_batch *opr__host_batch_new(struct opr_ctx *c);
void opr__host_batch_create(struct opr_batch *b, struct opr_doc *d);
void opr__host_batch_remove(struct opr_batch *b, const struct opr_obj *o,
                            const struct opr_delete_options *options);
uint32_t opr__host_batch_run(struct opr_batch *b);
opr_status opr__host_batch_status(const struct opr_batch *b, uint32_t i,
                                  const struct opr_obj **ret_obj, const char **ret_error);
/* ctx.c */
struct opr_key opr__host_ctx_key(const struct opr_ctx *c);
int64_t opr__host_ctx_now_ms(const struct opr_ctx *c);
bool opr__host_ctx_cancelled(const struct opr_ctx *c);
const char *opr__host_ctx_error(const struct opr_ctx *c);
void *opr__host_ctx_state(const struct opr_ctx *c);
char *opr__host_ctx_text(struct opr_ctx *c, const char *fmt, va_list args);
void *opr__host_ctx_alloc(struct opr_ctx *c, size_t size_bytes);
void opr__host_ctx_log(struct opr_ctx *c, int32_t level, const char *msg, va_list args);
void opr__host_event(struct opr_ctx *c, const struct opr_obj *about, const char *type,
                     const char *reason, const char *msg, va_list args);
bool opr__host_expect_satisfied(struct opr_ctx *c);
void opr__host_expect(struct opr_ctx *c, uint32_t creates, uint32_t deletes);
void opr__host_expect_lower(struct opr_ctx *c, uint32_t creates, uint32_t deletes);
void opr__host_enqueue_after(struct opr_ctx *c, const char *controller, struct opr_key key,
                             uint32_t ms);
/* Lists a declared kind ("*": of all kinds) into an arena; loop, or with sources_lock. */
opr_status opr__source_list(const struct opr__source *s, struct opr_arena *a, const char *gvk,
                            const char *ns, const char *index, const char *value,
                            const struct opr_obj *const **ret_objs, uint32_t *ret_count);
/* Keeps an owned object until the arena goes; NULL is fine. */
const struct opr_obj *opr__ctx_keep(struct opr_ctx *c, struct opr_obj *take_obj);
/* mapping.c */
void opr__host_map_enqueue(struct opr_mapper *m, const char *ns, const char *name);
void opr__host_map_each(struct opr_mapper *m, const char *gvk, const char *ns, const char *index,
                        const char *value, void (*fn)(const struct opr_obj *, void *arg),
                        void *arg);
void opr__host_map_expected(struct opr_mapper *m, const char *ns, const char *name,
                            uint32_t creates, uint32_t deletes);
/* watch.c */
opr_status opr__host_watch(struct opr_ctx *c, const struct opr_watch *w);
void opr__host_unwatch(struct opr_ctx *c, const struct opr_watch *w);
/* sched.c: a plugin's scheduler plugins are taken in; cut keeps the first so many */
opr_status opr__sched_add(struct opr_manager *m, const struct opr__plugin *p,
                          struct opr_error *reterr);
void opr__sched_cut(struct opr_manager *m, size_t count);
uint32_t opr__host_sched_plugins(struct opr_ctx *c, const struct opr_sched_loaded **ret_loaded);
/* policy.c */
opr_status opr__host_policy_load(struct opr_ctx *c, const char *name, const char *source);
void opr__host_policy_unload(struct opr_ctx *c, const char *name);
opr_status opr__host_policy_call(struct opr_ctx *c, const char *name, const char *function,
                                 struct opr_doc *input, const struct opr_obj **ret_result);
uint32_t opr__host_policy_list(struct opr_ctx *c, const char *function,
                               const char *const **ret_names);

/* expectations.c; any thread */
struct opr__expectations *opr__expectations_new(const struct opr_clock *clock);
void opr__expectations_free(struct opr__expectations *e);
bool opr__expectations_satisfied(struct opr__expectations *e, struct opr_key key);
void opr__expectations_set(struct opr__expectations *e, struct opr_key key, uint32_t creates,
                           uint32_t deletes);
void opr__expectations_lower(struct opr__expectations *e, struct opr_key key, uint32_t creates,
                             uint32_t deletes);
void opr__expectations_forget(struct opr__expectations *e, struct opr_key key);

/* events.c */
struct opr__recorder *opr__recorder_new(struct opr_manager *m);
void opr__recorder_add(struct opr__recorder *e, const char *source, const struct opr_obj *about,
                       const char *type, const char *reason, const char *message); /* any thread */
void opr__recorder_flush(struct opr__recorder *e); /* inline: writes what was added */
void opr__recorder_free(struct opr__recorder *e);

/* leader.c; loop */
struct opr__leader *opr__leader_new(struct opr_manager *m, const char *lease);
void opr__leader_start(struct opr__leader *l);
void opr__leader_tick(struct opr__leader *l);
uint64_t opr__leader_due_ns(const struct opr__leader *l);
/* Gives the lease back and ends; waits for its thread. */
void opr__leader_free(struct opr__leader *l);

/* health.c; loop */
struct opr__health_server *opr__health_server_new(struct opr_manager *m, uint16_t port);
void opr__health_server_free(struct opr__health_server *h);

/* metrics.c */
enum { OPR__BOUNDS_RECONCILE, OPR__BOUNDS_QUEUE };
void opr__histogram_add(struct opr__histogram *h, int bounds, uint64_t ns);

#endif
