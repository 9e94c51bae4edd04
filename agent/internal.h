/* What the files of the agent share: the agent, its Pods and their containers.
 *
 * Threads: the loop owns struct opr_agent. A Pod is handed over whole: while is_busy a worker owns
 * all of it but the members marked loop; else the loop does. */
#ifndef OPR_AGENT_INTERNAL_H
#define OPR_AGENT_INTERNAL_H

#include "agent/agent.h"
#include "agent/cgroup.h"
#include "agent/runtime.h"
#include "core/base/executor.h"
#include "core/base/map.h"
#include "core/base/vec.h"
#include "core/cache/informer.h"
#include "core/net/server.h"

#include <json-c/json.h>
#include <pthread.h>
#include <stdatomic.h>

#define OPR__NEVER UINT64_MAX
#define OPR__IP_MAX 46
#define OPR__IMAGE "operon.local/host" /* programs of the host */

struct opr__dns;
/* terminationMessagePath: its default, and its file in the folder of a run. */
#define OPR__MESSAGE_PATH "/dev/termination-log"
#define OPR__MESSAGE_FILE "termination-log"

struct opr__net;
struct opr__proxy;
struct opr__metrics;
struct opr__probe_set;
struct opr__follows;

struct opr_agent {
    struct opr_agent_config config; /* strings owned */
    struct opr_loop *loop;
    const struct opr_clock *clock;
    struct opr_executor *workers; /* Pod work, log reading, rules */
    struct opr_executor *beat;    /* one thread: lease and node status never wait for Pods */
    struct opr__runtime *runtime; /* NULL: operon-shim was not found */
    char *crun;                   /* owned: its path; NULL: not in PATH */
    struct opr__cgroups cgroups;  /* fixed after start */
    struct opr_vec shim_dirs;     /* of owned char * */
    bool has_namespaces;
    struct opr__net *net;         /* NULL: host network only */
    struct opr__proxy *proxy;     /* NULL: role off */
    struct opr__dns *dns;         /* NULL: no Pod network */
    struct opr__metrics *metrics; /* NULL: role off */
    struct opr_server *server;
    struct opr_http_handler handler;
    struct opr__follows *follows;

    pthread_mutex_t callers_lock;
    struct opr_vec callers, free_callers; /* callers_lock; of struct opr_caller *, owned */

    const struct opr_resource *pod_resource, *service_resource, *slice_resource;
    struct opr_informer *pods_informer, *services_informer, *slices_informer;
    struct opr_map *pods; /* uid -> struct opr__pod, owned; loop */
    struct opr_timer *start_timer, *sync_timer, *lease_timer, *status_timer;
    bool is_registered, is_adopted; /* loop */
    bool is_beating, is_reporting;  /* loop: such a job is queued or runs */
    _Atomic bool is_stopping;
    _Atomic bool is_watching; /* pods_informer may be read */
    void (*stopped)(void *);
    void *stopped_arg;

    /* beat thread */
    struct json_object *node_sent; /* owned: what the server knows */
    uint64_t node_sent_ns;
    bool has_beat_failed; /* the failure was said */
    char *node_uid;       /* owned */
    uint16_t port;        /* of the server; fixed */

    _Atomic uint64_t starts, restarts, differences, status_writes; /* for /metrics */
    _Atomic uint32_t pod_count;
    _Atomic uint64_t reach_retry_ns; /* reach.h; 0: the API answers */
    _Atomic bool is_reach_asked;
};

/* What the probes say of one run. */
struct opr__health {
    uint32_t attempt;
    bool has_started, is_ready, is_failed; /* is_failed: liveness or startup */
    char why[160];
};

/* A postStart or preStop handler that runs (hook.c). */
struct opr__hook {
    pid_t pid;              /* exec; 0: none */
    int fd;                 /* httpGet; -1: none */
    bool is_sent;           /* the request */
    uint64_t sleep_till_ns; /* 0: none */
    char why[160];          /* of a failure that is known at once; "" : none */
};

struct opr__container {
    char *name; /* owned */
    bool is_init, is_sidecar;
    const struct opr_obj *spec;      /* borrowed from the Pod's object, for one sync */
    uint32_t attempt;                /* number of run; its restart count */
    struct opr__run run, last;       /* last: the run before */
    uint64_t oom_before;             /* kills in the cgroup when run began */
    char reason[48], message[400];   /* why it waits */
    uint32_t backoff_ms;             /* of the next restart; 0: at once */
    uint64_t start_at_ns;            /* not before */
    uint64_t term_at_ns, kill_at_ns; /* stopping: SIGTERM, then SIGKILL; 0: not asked for */
    bool is_termed, is_killed;
    bool is_late;                  /* preStop has used the grace up */
    bool is_starting, is_stopping; /* hook is postStart's, preStop's */
    struct opr__hook hook;
    char image_id[80]; /* of the run; "" before the first */
    char image[512];   /* as the specification named it then; "": not known */
    bool is_outdated;  /* it was ended because the specification names another by now */
    int stop_signal;   /* of the run's image; 0: SIGTERM */
    struct opr__health health;

    struct opr_io *watch; /* loop: end of the run */
    int watch_fd;         /* loop; -1: none */
    uint32_t watched;     /* loop: attempt + 1; 0: none */
};

struct opr__event {
    char *container; /* owned; NULL: of the Pod */
    const char *type, *reason;
    char *message;             /* owned */
    int64_t first_ms, last_ms; /* wall clock; of the occurrences that were not sent yet */
    uint32_t count;
};

struct opr__sent_event {
    char *key, *name; /* owned */
    uint32_t count;
    uint64_t sent_ns;
};

struct opr__pod {
    struct opr_agent *agent;
    char *uid, *ns, *name, *dir;   /* owned */
    struct opr_obj *obj;           /* ref: as the API showed it last; loop */
    bool is_gone;                  /* loop: the API no longer has it */
    bool is_busy, is_dirty;        /* loop */
    bool must_repeat_status;       /* loop: the server's status is not ours */
    bool must_check;               /* loop: look whether the machine still has what it was given */
    struct opr_timer *timer;       /* loop */
    struct opr__probe_set *probes; /* loop */

    struct opr_obj *work;    /* ref: obj of this sync, or written where that is newer */
    struct opr_obj *written; /* ref: the server's answer to our last status; NULL: none */
    bool work_gone, work_repeat, work_check, is_online; /* is_online: the API was reached once */
    bool is_loaded;                                     /* state read from disk */
    bool is_forgotten;                                  /* nothing is left of it: free it */
    bool has_network, has_volumes;
    bool has_given_back; /* its address may be another Pod's by now */
    bool is_ending;      /* containers are told to stop for good */
    bool is_initialized;
    const char *end_reason; /* the node ends it for good ("Evicted"); NULL: it does not */
    char end_message[256];
    uint64_t scratch_at_ns; /* when sizes of volumes are looked at again */
    char ip[OPR__IP_MAX];
    int64_t started_ms;     /* status.startTime */
    uint64_t end_by_ns;     /* grace is over */
    uint64_t volumes_at_ns; /* when contents are looked at again */
    uint64_t retry_at_ns;   /* after a failed write or set-up */
    uint64_t wake_ns;
    struct opr_vec containers;  /* of struct opr__container, owned; init containers first */
    struct json_object *sent;   /* owned: status that the server has */
    bool has_write_failed;      /* the failure was said */
    struct opr_vec events;      /* of struct opr__event, owned: to be sent */
    struct opr_vec sent_events; /* of struct opr__sent_event, owned */
};

/* agent.c. Worker: a caller with a deadline, given back afterwards. */
struct opr_caller *opr__caller_take(struct opr_agent *a);
void opr__caller_give(struct opr_agent *a, struct opr_caller *k);
uint64_t opr__now_ns(const struct opr_agent *a);

/* node.c, lease.c. Beat thread. */
OPR_NODISCARD opr_status opr__node_register(struct opr_agent *a, struct opr_caller *k,
                                            struct opr_error *reterr);
void opr__node_report(struct opr_agent *a, struct opr_caller *k);
/* node_events.c. Beat thread. For what differs between two statuses; was NULL: the agent starts. */
void opr__node_events(struct opr_agent *a, struct opr_caller *k, struct json_object *was,
                      struct json_object *is);
OPR_NODISCARD opr_status opr__lease_renew(struct opr_agent *a, struct opr_caller *k,
                                          struct opr_error *reterr);

/* pods.c. Loop. */
void opr__pods_adopt(struct opr_agent *a); /* what the folder holds from the agent before */
void opr__pods_watch(struct opr_agent *a); /* starts the informer */
void opr__pods_compare(struct opr_agent *a);
void opr__pods_stop(struct opr_agent *a);
void opr__pods_free(struct opr_agent *a); /* nothing runs any more */
void opr__pod_poke(struct opr__pod *p);
struct opr__pod *opr__pod_find(struct opr_agent *a, const char *uid);

/* sweep.c. Loop, before the first Pod runs: ends what belongs to no Pod of a->pods. */
void opr__sweep(struct opr_agent *a);

/* pod.c. Worker. */
void opr__pod_sync(struct opr__pod *p);
void opr__pod_wake(struct opr__pod *p, uint64_t at_ns); /* the sync is to run again then */

/* pod_end.c. Worker. */
bool opr__pod_any_runs(const struct opr__pod *p);
/* Tells all containers to stop for good, and goes on with it. */
void opr__pod_end_containers(struct opr__pod *p);
/* Gives back all that the Pod had of the machine; its containers are over. */
void opr__pod_release(struct opr__pod *p);
/* The deletion of the Pod, up to that of its object and its folder. */
void opr__pod_end(struct opr__pod *p, struct opr_caller *k);

/* pod_load.c. Worker. */
void opr__pod_load(struct opr__pod *p);
/* Makes the folder again where somebody has removed it. */
void opr__pod_check_folder(struct opr__pod *p);
/* Keeps the Pod as the API has it now, status too, for the next agent. */
void opr__pod_note(struct opr__pod *p, const struct opr_obj *obj);
void opr__pod_free(struct opr__pod *p); /* loop */
/* "<pod dir>/containers/NAME/ATTEMPT"; owned. */
char *opr__run_dir(const struct opr__pod *p, const struct opr__container *c, uint32_t attempt);

/* container.c. Worker. */
void opr__container_look(struct opr__pod *p, struct opr__container *c);
bool opr__container_is_started(const struct opr__container *c);
bool opr__container_is_ready(const struct opr__container *c);
/* Starts the next run, or says in c->reason why not. */
void opr__container_start(struct opr__pod *p, struct opr__container *c, struct opr_caller *k);
void opr__container_wait(struct opr__container *c, const char *reason, const char *fmt, ...)
    OPR_PRINTF(3, 4);

/* oom.c. Worker. A run begins (its folder is there); it is over; it is another agent's. */
void opr__oom_begin(struct opr__pod *p, struct opr__container *c);
void opr__oom_look(const struct opr__pod *p, struct opr__container *c);
void opr__oom_recall(const struct opr__pod *p, struct opr__container *c);

/* stop.c. Worker. Goes on with a stop: preStop, SIGTERM, SIGKILL. by_ns is the end of the grace. */
void opr__container_stop(struct opr__pod *p, struct opr__container *c, uint64_t by_ns);

/* env.c. Worker. base: the image's own variables, NULL-terminated; NULL: the agent's PATH.
 * Terminated array in the arena; OPR_E_NOT_FOUND names what is missing. */
OPR_NODISCARD opr_status opr__env_make(struct opr__pod *p, const struct opr__container *c,
                                       const char *const *base, struct opr_caller *k,
                                       struct opr_arena *arena, char ***ret_env,
                                       struct opr_error *reterr);

/* volumes.c. Worker. All of them, the failure is the first one's. */
OPR_NODISCARD opr_status opr__volumes_make(struct opr__pod *p, struct opr_caller *k,
                                           struct opr_error *reterr);
/* volume_mounts.c. Mounts of one container into ret_mounts (owned items of the arena). */
OPR_NODISCARD opr_status opr__volumes_mounts(struct opr__pod *p, const struct opr__container *c,
                                             char *const *env, struct opr_arena *arena,
                                             struct opr_vec *ret_mounts, struct opr_error *reterr);

/* fields.c. Worker. A resourceFieldRef ("limits.cpu" and its like) in units of its divisor, rounded
 * up; absent limits are the node's. spec: the container, where it names none. NULL: reterr. */
const char *opr__resource_text(const struct opr__pod *p, const struct opr_obj *spec,
                               const struct opr_obj *ref, struct opr_arena *arena,
                               struct opr_error *reterr);
/* Text of metadata.*, spec.*, status.* of a fieldRef; NULL: not supported. */
const char *opr__field_text(const struct opr__pod *p, struct opr_arena *arena, const char *path);

/* status_conditions.c. Worker. Array, owned. */
struct json_object *opr__status_conditions(const struct opr__pod *p, const char *phase);

/* status.c. Worker. Owned. */
struct json_object *opr__status_make(struct opr__pod *p);
const char *opr__status_phase(const struct opr__pod *p);
/* Writes the status, where it changed, onto the version that it was computed from. False: it is not
 * there; a conflict is solved by the newer object that the watch brings, all else is tried again.
 */
bool opr__status_send(struct opr__pod *p, struct opr_caller *k);

/* events.c. Worker. */
void opr__event_add(struct opr__pod *p, const char *container, const char *type, const char *reason,
                    const char *fmt, ...) OPR_PRINTF(5, 6);
/* What does not reach the API stays for a later sync. */
void opr__events_send(struct opr__pod *p, struct opr_caller *k);
void opr__events_free(struct opr__pod *p);

/* probes.c. Loop. Starts and stops the probes of the containers that run now. */
void opr__probes_update(struct opr__pod *p);
void opr__probes_health(struct opr__pod *p); /* copies what they say into the containers */
void opr__probes_free(struct opr__pod *p);

/* server.c. Loop; the handler runs on workers. */
OPR_NODISCARD opr_status opr__server_start(struct opr_agent *a, struct opr_error *reterr);
void opr__server_free(struct opr_agent *a);

#endif
