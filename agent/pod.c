/* One Pod brought to what its object asks for: level against level, any number of times. */
#include "agent/internal.h"

#include "agent/files.h"
#include "agent/metrics.h"
#include "agent/net.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <limits.h>
#include <stdio.h>

/* The kubelet's restart back-off: at once, then 10 s doubling to 300 s; forgotten after twice as
 * long a run (kubernetes pkg/kubelet, MaxContainerBackOff). */
enum { BACKOFF_FIRST_MS = 10000, BACKOFF_MAX_MS = 300000, BACKOFF_RESET_MS = 600000 };
enum { RETRY_MS = 2000, IMAGE_RETRY_MS = 10000, VOLUME_REFRESH_MS = 60000 };
#define MS_NS 1000000ull

void opr__pod_wake(struct opr__pod *p, uint64_t at_ns)
{
    p->wake_ns = at_ns < p->wake_ns ? at_ns : p->wake_ns;
}

static uint64_t after_ms(const struct opr__pod *p, uint64_t ms)
{
    return opr__now_ns(p->agent) + ms * MS_NS;
}

static bool is_over(const struct opr__run *run)
{
    return run->phase == OPR__RUN_EXITED || run->phase == OPR__RUN_LOST;
}

static bool must_restart(const struct opr__pod *p, const struct opr__container *c)
{
    const char *policy = opr_json_str(p->work, "/spec/restartPolicy", "Always");
    if (c->is_sidecar) {
        return true;
    }
    if (strcmp(policy, "Never") == 0 || (c->is_init && c->run.exit_code == 0)) {
        return false;
    }
    return c->run.exit_code != 0 || (strcmp(policy, "Always") == 0 && !c->is_init);
}

/* When a run that is over may be followed by the next one. */
static uint64_t restart_at(struct opr__pod *p, struct opr__container *c)
{
    if (c->start_at_ns) {
        return c->start_at_ns;
    }
    if (c->run.finished_ms - c->run.started_ms >= BACKOFF_RESET_MS) {
        c->backoff_ms = 0;
    }
    int64_t since = opr_clock_wall_ms(p->agent->clock) - c->run.finished_ms;
    uint64_t left = since >= 0 && since < c->backoff_ms ? c->backoff_ms - (uint64_t)since : 0;
    c->start_at_ns = opr__now_ns(p->agent) + left * MS_NS;
    if (left > 0) {
        opr__container_wait(c, "CrashLoopBackOff",
                            "back-off %us restarting failed container=%s pod=%s_%s(%s)",
                            c->backoff_ms / 1000, c->name, p->name, p->ns, p->uid);
        opr__event_add(p, c->name, "Warning", "BackOff",
                       "Back-off restarting failed container %s in pod %s_%s(%s)", c->name, p->name,
                       p->ns, p->uid);
    }
    return c->start_at_ns;
}

static void next_backoff(struct opr__container *c)
{
    uint32_t next = c->backoff_ms ? c->backoff_ms * 2 : BACKOFF_FIRST_MS;
    c->backoff_ms = next > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : next;
}

static void start(struct opr__pod *p, struct opr__container *c, struct opr_caller *k)
{
    bool is_again = is_over(&c->run);
    opr__container_start(p, c, k);
    if (c->run.phase == OPR__RUN_NONE || strncmp(c->reason, "ErrImage", 8) == 0 ||
        strncmp(c->reason, "ImagePull", 9) == 0 || strncmp(c->reason, "Create", 6) == 0) {
        bool is_image = strstr(c->reason, "Image") != NULL;
        c->start_at_ns = after_ms(p, is_image ? IMAGE_RETRY_MS : RETRY_MS);
        opr__pod_wake(p, c->start_at_ns);
        return;
    }
    c->start_at_ns = 0;
    if (is_again) {
        p->agent->restarts++;
        next_backoff(c);
    }
    if (c->run.phase != OPR__RUN_RUNNING) {
        opr__pod_wake(p, opr__now_ns(p->agent));
    }
}

/* Brings one container to running. True: it runs, or has ended as it should. */
static bool drive(struct opr__pod *p, struct opr__container *c, struct opr_caller *k)
{
    uint64_t now = opr__now_ns(p->agent);
    if (c->run.phase == OPR__RUN_RUNNING) {
        if (c->health.attempt == c->attempt && c->health.is_failed && !c->term_at_ns) {
            opr__event_add(p, c->name, "Normal", "Killing",
                           "Container %s failed %s, will be restarted", c->name, c->health.why);
            c->term_at_ns = now;
        }
        if (c->term_at_ns) {
            int64_t grace = opr_json_int(p->work, "/spec/terminationGracePeriodSeconds", 30);
            opr__container_stop(p, c, c->term_at_ns + (uint64_t)grace * 1000 * MS_NS);
        }
        return true;
    }
    bool is_first = c->run.phase == OPR__RUN_NONE;
    if (!is_first && !must_restart(p, c)) {
        c->reason[0] = 0;
        return c->run.exit_code == 0 || !c->is_init;
    }
    uint64_t at = is_first ? c->start_at_ns : restart_at(p, c);
    if (at > now) {
        opr__pod_wake(p, at);
        return false;
    }
    start(p, c, k);
    return c->run.phase == OPR__RUN_RUNNING;
}

static bool init_is_done(const struct opr__container *c)
{
    if (c->is_sidecar) {
        return opr__container_is_started(c);
    }
    return is_over(&c->run) && c->run.exit_code == 0 && c->run.phase == OPR__RUN_EXITED;
}

/* Init containers one after the other; those that stay (restartPolicy Always) go on beside. */
static bool drive_inits(struct opr__pod *p, struct opr_caller *k)
{
    for (size_t i = 0; i < p->containers.count; i++) {
        struct opr__container *c = p->containers.items[i];
        if (!c->is_init) {
            return true;
        }
        if (!c->is_sidecar && (p->is_initialized || init_is_done(c))) {
            continue;
        }
        (void)drive(p, c, k);
        if (!p->is_initialized && !init_is_done(c)) {
            return false;
        }
    }
    return true;
}

static bool has_main_run(const struct opr__pod *p)
{
    for (size_t i = 0; i < p->containers.count; i++) {
        const struct opr__container *c = p->containers.items[i];
        if (!c->is_init && c->run.phase != OPR__RUN_NONE) {
            return true;
        }
    }
    return false;
}

/* Network and volumes; false: not yet, the containers say why. */
static bool prepare(struct opr__pod *p, struct opr_caller *k)
{
    struct opr_error err = {0};
    if (opr__now_ns(p->agent) < p->retry_at_ns) {
        opr__pod_wake(p, p->retry_at_ns);
        return false;
    }
    const char *what = NULL;
    if (!p->has_network) {
        if (opr__net_pod_add(p, &err) == OPR_OK) {
            p->has_network = true;
        } else {
            what = "FailedCreatePodSandBox";
        }
    }
    bool is_due = opr__now_ns(p->agent) >= p->volumes_at_ns;
    if (!what && (!p->has_volumes || is_due)) {
        if (opr__volumes_make(p, k, &err) == OPR_OK) {
            p->has_volumes = true;
            p->volumes_at_ns = after_ms(p, VOLUME_REFRESH_MS);
        } else if (!p->has_volumes) {
            what = "FailedMount";
        }
    }
    if (!what) {
        return true;
    }
    p->retry_at_ns = after_ms(p, RETRY_MS);
    opr__pod_wake(p, p->retry_at_ns);
    opr__event_add(p, NULL, "Warning", what, "%s", err.message);
    for (size_t i = 0; i < p->containers.count; i++) {
        struct opr__container *c = p->containers.items[i];
        if (c->run.phase == OPR__RUN_NONE) {
            opr__container_wait(c, "ContainerCreating", "%s", err.message);
        }
    }
    return false;
}

static void end_containers(struct opr__pod *p);

/* spec.activeDeadlineSeconds, counted from the Pod's start. */
static bool is_past_deadline(struct opr__pod *p)
{
    int64_t seconds = opr_json_int(p->work, "/spec/activeDeadlineSeconds", 0);
    int64_t left_ms = p->started_ms + seconds * 1000 - opr_clock_wall_ms(p->agent->clock);
    if (seconds > 0 && left_ms > 0) {
        opr__pod_wake(p, after_ms(p, (uint64_t)left_ms));
    }
    return seconds > 0 && left_ms <= 0;
}

static void run_pod(struct opr__pod *p, struct opr_caller *k)
{
    if (p->is_expired || is_past_deadline(p)) {
        if (!p->is_expired) {
            opr__event_add(p, NULL, "Normal", "DeadlineExceeded",
                           "Pod was active on the node longer than the specified deadline");
        }
        p->is_expired = true;
        end_containers(p);
        return;
    }
    p->is_initialized = p->is_initialized || has_main_run(p);
    if (!prepare(p, k)) {
        return;
    }
    if (!drive_inits(p, k)) {
        return;
    }
    p->is_initialized = true;
    for (size_t i = 0; i < p->containers.count; i++) {
        struct opr__container *c = p->containers.items[i];
        if (!c->is_init) {
            (void)drive(p, c, k);
        }
    }
}

static bool any_runs(const struct opr__pod *p)
{
    for (size_t i = 0; i < p->containers.count; i++) {
        const struct opr__container *c = p->containers.items[i];
        if (c->run.phase == OPR__RUN_RUNNING) {
            return true;
        }
    }
    return false;
}

static bool any_main_runs(const struct opr__pod *p)
{
    for (size_t i = 0; i < p->containers.count; i++) {
        const struct opr__container *c = p->containers.items[i];
        if (!c->is_init && c->run.phase == OPR__RUN_RUNNING) {
            return true;
        }
    }
    return false;
}

static void end_containers(struct opr__pod *p)
{
    if (!p->is_ending) {
        p->is_ending = true;
        int64_t grace =
            opr_json_int(p->work, "/metadata/deletionGracePeriodSeconds",
                         opr_json_int(p->work, "/spec/terminationGracePeriodSeconds", 30));
        p->end_by_ns = after_ms(p, (uint64_t)(grace < 0 ? 0 : grace) * 1000);
    }
    /* A shorter grace may follow (kubectl delete --force after kubectl delete). */
    int64_t now_grace = opr_json_int(p->work, "/metadata/deletionGracePeriodSeconds", -1);
    if (now_grace >= 0 && after_ms(p, (uint64_t)now_grace * 1000) < p->end_by_ns) {
        p->end_by_ns = after_ms(p, (uint64_t)now_grace * 1000);
    }
    bool mains_run = any_main_runs(p) && opr__now_ns(p->agent) < p->end_by_ns;
    for (size_t i = 0; i < p->containers.count; i++) {
        struct opr__container *c = p->containers.items[i];
        if (c->is_sidecar && mains_run) {
            continue; /* what serves the others ends after them */
        }
        if (c->run.phase == OPR__RUN_RUNNING) {
            if (!c->term_at_ns) {
                opr__event_add(p, c->name, "Normal", "Killing", "Stopping container %s", c->name);
                c->term_at_ns = opr__now_ns(p->agent);
            }
            opr__container_stop(p, c, p->end_by_ns);
        } else if (is_over(&c->run)) {
            c->reason[0] = 0; /* it waits for nothing any more */
        }
    }
}

/* Gives back all that the Pod had; containers are over. */
static void release(struct opr__pod *p)
{
    for (size_t i = 0; i < p->containers.count; i++) {
        opr__metrics_remove(p->agent->metrics, p, p->containers.items[i]);
    }
    (void)opr__cgroup_kill(&p->agent->cgroups, p->uid);
    opr__net_pod_remove(p);
    opr__cgroup_remove(&p->agent->cgroups, p->uid);
}

static bool delete_object(struct opr__pod *p, struct opr_caller *k)
{
    struct opr_error err = {0};
    struct opr_arena *arena = opr_arena_new();
    char *path = opr_resource_path(arena, p->agent->pod_resource, p->ns, p->name, NULL);
    char *body = opr_arena_printf(arena,
                                  "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
                                  "\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":\"%s\"}}",
                                  p->uid);
    opr_status st = opr_call(k, "DELETE", path, "application/json", opr_str_of(body), NULL, &err);
    opr_arena_free(arena);
    if (st != OPR_OK && st != OPR_E_NOT_FOUND && st != OPR_E_CONFLICT) {
        opr_log(OPR_LOG_WARN, "agent", "can not delete a pod", "pod=%s/%s error=\"%s\"", p->ns,
                p->name, err.message);
        return false;
    }
    return true;
}

static void end_pod(struct opr__pod *p, struct opr_caller *k)
{
    end_containers(p);
    if (any_runs(p)) {
        return;
    }
    release(p);
    if (!p->work_gone) {
        if (!p->is_online) { /* the API has to hear of it */
            opr__pod_wake(p, after_ms(p, RETRY_MS));
            return;
        }
        opr__status_send(p, k);
        opr__events_send(p, k);
        /* With a finalizer it stays; its end comes by watch. */
        if (!delete_object(p, k)) {
            opr__pod_wake(p, after_ms(p, RETRY_MS));
            return;
        }
    }
    if (p->work_gone || opr_json_len(opr_json_at(p->work, "/metadata/finalizers")) == 0) {
        opr__tree_remove(p->dir);
        p->is_forgotten = true;
    }
}

/* Failed and Succeeded are final, also where somebody else wrote them. */
static bool is_final(const struct opr__pod *p)
{
    const char *phase = opr_json_str(p->work, "/status/phase", "");
    return strcmp(phase, "Failed") == 0 || strcmp(phase, "Succeeded") == 0;
}

void opr__pod_sync(struct opr__pod *p)
{
    struct opr_agent *a = p->agent;
    p->wake_ns = OPR__NEVER;
    if (!p->is_loaded) {
        opr__pod_load(p);
    }
    for (size_t i = 0; i < p->containers.count; i++) {
        opr__container_look(p, p->containers.items[i]);
    }
    struct opr_caller *k = opr__caller_take(a);
    bool is_ending = p->work_gone || opr_meta_is_deleting(p->work);
    if (is_ending) {
        end_pod(p, k);
    } else if (is_final(p)) {
        end_containers(p);
        if (!any_runs(p)) {
            release(p);
        }
    } else {
        run_pod(p, k);
    }
    if (p->is_online && !p->work_gone && !p->is_forgotten && !is_final(p)) {
        opr__status_send(p, k);
        opr__events_send(p, k);
    }
    opr__caller_give(a, k);
}
