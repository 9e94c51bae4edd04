/* Ending a container: preStop, SIGTERM, and at the end of the grace SIGKILL to all of it. */
#include "agent/hook.h"
#include "agent/internal.h"

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <signal.h>

#define MS_NS 1000000ull
enum { KILL_CHECK_MS = 1000 };
/* What a program has at least between SIGTERM and SIGKILL when preStop has used its grace up
 * (kubernetes pkg/kubelet/kuberuntime, minimumGracePeriodInSeconds). */
enum { AFTER_HOOK_MS = 2000 };

/* True while preStop holds SIGTERM back; the end of the grace ends it. */
static bool hook_runs(struct opr__pod *p, struct opr__container *c, uint64_t by_ns)
{
    if (!c->is_stopping) {
        return false;
    }
    enum opr__hook_state state = opr__hook_poll(p, c);
    if (state == OPR__HOOK_RUNS && opr__now_ns(p->agent) < by_ns) {
        return true;
    }
    c->is_late = state == OPR__HOOK_RUNS;
    if (state == OPR__HOOK_FAILED) {
        opr__event_add(p, c->name, "Warning", "FailedPreStopHook", "PreStopHook failed: %s",
                       c->hook.why);
    }
    c->is_stopping = false;
    opr__hook_end(c);
    return false;
}

void opr__container_stop(struct opr__pod *p, struct opr__container *c, uint64_t by_ns)
{
    struct opr_agent *a = p->agent;
    char *dir = opr__run_dir(p, c, c->attempt);
    const struct opr_obj *hook = opr_json_at(c->spec, "/lifecycle/preStop");
    uint64_t now = opr__now_ns(a);
    if (!c->kill_at_ns && hook && now < by_ns) {
        c->is_starting = false;
        c->is_stopping = true;
        opr__hook_begin(p, c, hook, dir);
    }
    c->kill_at_ns = by_ns;
    if (hook_runs(p, c, by_ns)) {
        opr__pod_wake(p, by_ns);
        opr_free(dir);
        return;
    }
    by_ns += c->is_late ? AFTER_HOOK_MS * MS_NS : 0;
    if (!c->is_termed && now < by_ns) {
        c->is_termed = true;
        a->runtime->stop(a->runtime, dir, c->stop_signal ? c->stop_signal : SIGTERM);
    }
    if (now < by_ns) {
        opr__pod_wake(p, by_ns);
    } else if (!c->is_killed) {
        c->is_killed = true;
        a->runtime->stop(a->runtime, dir, SIGKILL);
        opr__pod_wake(p, now + KILL_CHECK_MS * MS_NS);
    } else {
        /* The shim does not answer: it goes with all it holds. */
        opr_log(OPR_LOG_WARN, "agent", "killing by cgroup", "pod=%s/%s container=%s", p->ns,
                p->name, c->name);
        if (c->run.pid > 1) {
            (void)kill(c->run.pid, SIGKILL);
        }
        (void)opr__cgroup_kill(&a->cgroups, p->uid, NULL);
        opr__pod_wake(p, now + KILL_CHECK_MS * MS_NS);
    }
    opr_free(dir);
}
