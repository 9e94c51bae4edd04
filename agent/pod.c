/* One Pod brought to what its object asks for: level against level, any number of times. */
#include "agent/internal.h"

#include "agent/backoff.h"
#include "agent/files.h"
#include "agent/hook.h"
#include "agent/metrics.h"
#include "agent/net.h"
#include "agent/scratch.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <limits.h>
#include <stdio.h>

/* Contents of volumes are looked at with every third comparison: once a minute, as a kubelet's. */
enum { RETRY_MS = 2000, VOLUME_REFRESH_PERIODS = 3 };
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
    if (c->is_sidecar || c->is_outdated) {
        return true;
    }
    if (strcmp(policy, "Never") == 0 || (c->is_init && c->run.exit_code == 0)) {
        return false;
    }
    return c->run.exit_code != 0 || (strcmp(policy, "Always") == 0 && !c->is_init);
}

/* When a run that is over may be followed by the next one. */
static uint64_t restart_at(struct opr__pod *p, struct opr__container *c, uint64_t now)
{
    if (c->start_at_ns) {
        return c->start_at_ns;
    }
    c->backoff_ms = opr__backoff_after_run(c->backoff_ms, c->run.finished_ms - c->run.started_ms);
    c->backoff_ms = c->is_outdated ? 0 : c->backoff_ms; /* another image has no failures yet */
    int64_t since = opr_clock_wall_ms(p->agent->clock) - c->run.finished_ms;
    uint64_t left = since >= 0 && since < c->backoff_ms ? c->backoff_ms - (uint64_t)since : 0;
    c->start_at_ns = now + left * MS_NS;
    if (left > 0) {
        char wait[OPR__BACKOFF_TEXT_MAX];
        opr__backoff_format(c->backoff_ms, wait);
        opr__container_wait(c, "CrashLoopBackOff",
                            "back-off %s restarting failed container=%s pod=%s_%s(%s)", wait,
                            c->name, p->name, p->ns, p->uid);
        opr__event_add(p, c->name, "Warning", "BackOff",
                       "Back-off restarting failed container %s in pod %s_%s(%s)", c->name, p->name,
                       p->ns, p->uid);
    }
    return c->start_at_ns;
}

static void start(struct opr__pod *p, struct opr__container *c, struct opr_caller *k)
{
    bool is_again = is_over(&c->run);
    uint32_t before = c->attempt;
    opr__container_start(p, c, k);
    bool was_made = is_again ? c->attempt != before : c->run.phase != OPR__RUN_NONE;
    if (!was_made) {
        c->start_at_ns = after_ms(p, RETRY_MS);
        opr__pod_wake(p, c->start_at_ns);
        return;
    }
    c->start_at_ns = 0;
    if (is_again) {
        p->agent->restarts++;
        c->backoff_ms = opr__backoff_next(c->backoff_ms);
    }
    bool could_not = c->run.phase == OPR__RUN_EXITED && c->run.error[0];
    if (could_not && !must_restart(p, c)) {
        c->reason[0] = 0; /* it waits for nothing */
    } else if (could_not && c->backoff_ms == 0) {
        c->start_at_ns = after_ms(p, RETRY_MS); /* a program that can not be run: not at once */
    }
    if (c->run.phase != OPR__RUN_RUNNING || c->is_starting) {
        opr__pod_wake(p, opr__now_ns(p->agent));
    }
}

/* postStart goes on beside the program; where it fails the container is ended. */
static void drive_post_start(struct opr__pod *p, struct opr__container *c)
{
    enum opr__hook_state state = opr__hook_poll(p, c);
    if (state == OPR__HOOK_RUNS) {
        return;
    }
    c->is_starting = false;
    if (state == OPR__HOOK_FAILED) {
        opr__event_add(p, c->name, "Warning", "FailedPostStartHook", "PostStartHook failed: %s",
                       c->hook.why);
        opr__event_add(p, c->name, "Normal", "Killing", "FailedPostStartHook");
        c->term_at_ns = opr__now_ns(p->agent);
    }
    opr__hook_end(c);
}

/* A Pod's image is what may be changed of a container that runs. */
static bool is_outdated(const struct opr__container *c)
{
    const char *wanted = opr_json_str(c->spec, "/image", "");
    return c->image[0] && strlen(wanted) < sizeof c->image && strcmp(c->image, wanted) != 0;
}

/* Of a container that is ended to be run again: a probe may bring a grace of its own. */
static int64_t restart_grace_ms(const struct opr__pod *p, const struct opr__container *c)
{
    int64_t grace = opr_json_int(p->work, "/spec/terminationGracePeriodSeconds", 30);
    if (c->health.attempt == c->attempt && c->health.is_failed) {
        const char *ptr = c->health.has_started ? "/livenessProbe/terminationGracePeriodSeconds"
                                                : "/startupProbe/terminationGracePeriodSeconds";
        grace = opr_json_int(c->spec, ptr, grace);
    }
    return grace < 0 ? 0 : grace * 1000;
}

/* Brings one container to running. True: it runs, or has ended as it should. */
static bool drive(struct opr__pod *p, struct opr__container *c, struct opr_caller *k)
{
    uint64_t now = opr__now_ns(p->agent);
    if (c->run.phase == OPR__RUN_RUNNING) {
        if (c->is_starting) {
            drive_post_start(p, c);
        }
        if (c->health.attempt == c->attempt && c->health.is_failed && !c->term_at_ns) {
            opr__event_add(p, c->name, "Normal", "Killing",
                           "Container %s failed %s, will be restarted", c->name, c->health.why);
            c->term_at_ns = now;
        }
        if (!c->term_at_ns && is_outdated(c)) {
            c->is_outdated = true;
            opr__event_add(p, c->name, "Normal", "Killing",
                           "Container %s definition changed, will be restarted", c->name);
            c->term_at_ns = now;
        }
        if (c->term_at_ns) {
            opr__container_stop(p, c, c->term_at_ns + (uint64_t)restart_grace_ms(p, c) * MS_NS);
        }
        return true;
    }
    bool is_first = c->run.phase == OPR__RUN_NONE;
    if (!is_first && !must_restart(p, c)) {
        c->reason[0] = 0;
        return c->run.exit_code == 0 || !c->is_init;
    }
    uint64_t at = is_first ? c->start_at_ns : restart_at(p, c, now);
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
    if (p->has_network && p->work_check && !opr__net_pod_is_whole(p)) {
        opr_log(OPR_LOG_WARN, "agent", "a pod's network is gone, making it again", "pod=%s/%s",
                p->ns, p->name);
        p->agent->differences++;
        p->has_network = false;
    }
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
            p->volumes_at_ns =
                after_ms(p, p->agent->config.sync_period_ms * VOLUME_REFRESH_PERIODS);
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

/* Why the node ends the Pod for good: its deadline, or a volume that grew too large. */
static bool is_ended_by_node(struct opr__pod *p)
{
    if (p->end_reason) {
        return true;
    }
    if (is_past_deadline(p)) {
        p->end_reason = "DeadlineExceeded";
        snprintf(p->end_message, sizeof p->end_message,
                 "Pod was active on the node longer than the specified deadline");
        opr__event_add(p, NULL, "Normal", p->end_reason, "%s", p->end_message);
    } else if (opr__now_ns(p->agent) >= p->scratch_at_ns) {
        p->scratch_at_ns = after_ms(p, p->agent->config.sync_period_ms);
        if (opr__scratch_is_over(p, p->end_message, sizeof p->end_message)) {
            p->end_reason = "Evicted";
            opr__event_add(p, NULL, "Warning", p->end_reason, "%s", p->end_message);
        }
    }
    return p->end_reason != NULL;
}

/* All that the Pod is for is over and not to be run again: what served it may end. */
static bool is_work_done(const struct opr__pod *p)
{
    for (size_t i = 0; i < p->containers.count; i++) {
        const struct opr__container *c = p->containers.items[i];
        if (!c->is_init && (!is_over(&c->run) || must_restart(p, c))) {
            return false;
        }
    }
    return true;
}

static void run_pod(struct opr__pod *p, struct opr_caller *k)
{
    if (is_ended_by_node(p) || is_work_done(p)) {
        opr__pod_end_containers(p);
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

/* Failed and Succeeded are final, also where somebody else wrote them. */
static bool is_final(const struct opr__pod *p)
{
    const char *phase = opr_json_str(p->work, "/status/phase", "");
    return strcmp(phase, "Failed") == 0 || strcmp(phase, "Succeeded") == 0;
}

/* The watch may be behind our own write: that is what the server had then. */
static void use_newest(struct opr__pod *p)
{
    if (p->written && opr_meta_rv(p->written) > opr_meta_rv(p->work)) {
        opr_json_unref(p->work);
        p->work = opr_json_ref(p->written);
    } else {
        opr_json_unref(p->written);
        p->written = NULL;
    }
}

void opr__pod_sync(struct opr__pod *p)
{
    struct opr_agent *a = p->agent;
    p->wake_ns = OPR__NEVER;
    use_newest(p);
    if (!p->is_loaded) {
        opr__pod_load(p);
    } else if (p->work_check) {
        opr__pod_check_folder(p);
    }
    for (size_t i = 0; i < p->containers.count; i++) {
        opr__container_look(p, p->containers.items[i]);
    }
    struct opr_caller *k = opr__caller_take(a);
    bool is_ending = p->work_gone || opr_meta_is_deleting(p->work);
    if (is_ending) {
        opr__pod_end(p, k);
    } else if (is_final(p)) {
        opr__pod_end_containers(p);
        if (!opr__pod_any_runs(p)) {
            opr__pod_release(p);
        }
    } else {
        run_pod(p, k);
    }
    if (p->is_online && !p->work_gone && !p->is_forgotten && !is_final(p)) {
        (void)opr__status_send(p, k);
        opr__events_send(p, k);
    }
    opr__caller_give(a, k);
}
