/* The manager runs controllers: it loads plugins, starts the informers that they declare, runs
 * reconciles on workers, and serves /healthz, /readyz and /metrics. Threads: made, started and
 * stopped on the loop thread. */
#ifndef OPR_RUNTIME_MANAGER_H
#define OPR_RUNTIME_MANAGER_H

#include <operon/plugin.h>

#include "core/client/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The policy host, given by the program (lua/policy_host.h); core does not know Lua. Threads: any.
 */
struct opr_policy_service {
    opr_status (*load)(struct opr_policy_service *s, const char *name, struct opr_str source,
                       struct opr_error *reterr);
    void (*unload)(struct opr_policy_service *s, const char *name);
    /* ret_result is an array of the returned values; owned. */
    opr_status (*call)(struct opr_policy_service *s, const char *name, const char *function,
                       const struct opr_obj *input, struct opr_obj **ret_result,
                       struct opr_error *reterr);
    /* Names with that function, sorted; from the arena. */
    uint32_t (*list)(struct opr_policy_service *s, const char *function, struct opr_arena *a,
                     const char *const **ret_names);
};

struct opr_manager_config {
    struct opr_loop *loop;     /* NULL with inline workers: the owner calls opr_manager_turn() */
    struct opr_client *client; /* borrowed */
    const struct opr_clock *clock;
    struct opr_policy_service *policies; /* borrowed; may be NULL */
    const char *identity;                /* of the leader lease and events */
    const char *lease;                   /* "ns/name"; NULL: no leader election */
    uint32_t workers;                    /* threads; 0: 4. UINT32_MAX: inline (tests) */
    uint16_t health_port;                /* 0: no health server */
};

struct opr_manager;
struct opr_manager *opr_manager_new(const struct opr_manager_config *config);
/* From a file: note and table are checked, errors name both versions. config_json may be NULL. */
OPR_NODISCARD opr_status opr_manager_load(struct opr_manager *m, const char *path,
                                          const char *config_json, struct opr_error *reterr);
/* From an entry function linked in (tests). */
OPR_NODISCARD opr_status opr_manager_add(struct opr_manager *m, opr_plugin_entry_fn entry,
                                         const char *config_json, struct opr_error *reterr);
void opr_manager_start(struct opr_manager *m);
/* Loop: asks discovery again now for kinds that were not there, and for all that "*" stands for. */
void opr_manager_rediscover(struct opr_manager *m);
bool opr_manager_is_ready(const struct opr_manager *m); /* any thread: all informers synced */
/* Any thread: gives a controller a key, as a change of an object would. False: there is no such
 * controller. */
bool opr_manager_enqueue(struct opr_manager *m, const char *controller, const char *ns,
                         const char *name);
/* Prometheus text of all metrics; any thread. */
void opr_manager_metrics(struct opr_manager *m, struct opr_buf *ret_text);
/* Without a loop: does all that is due at the clock's present time, reconciles included. Returns
 * the number of reconciles that ran, at most max. */
uint32_t opr_manager_turn(struct opr_manager *m, uint32_t max);
/* Without a loop: when there is something to do again (monotonic; UINT64_MAX: never). */
uint64_t opr_manager_next_due_ns(struct opr_manager *m);
/* Stops watches, drains running reconciles for up to drain_ms, then calls done(arg) on the loop.
 * Those that run longer are cancelled, and have 2 s more to notice. */
void opr_manager_stop(struct opr_manager *m, uint32_t drain_ms, void (*done)(void *), void *arg);
/* Loop: after done(), whether a reconcile still runs that took no notice. Then the client, the
 * policies and the loop are in use for ever: the program ends with _exit(). */
bool opr_manager_has_left_behind(const struct opr_manager *m);
void opr_manager_free(struct opr_manager *m); /* where one was left behind, it keeps its memory */

#ifdef __cplusplus
}
#endif
#endif
