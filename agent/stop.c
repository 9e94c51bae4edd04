/* Ending a container: preStop, SIGTERM, and at the end of the grace SIGKILL to all of it. */
#include "agent/internal.h"

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <signal.h>
#include <sys/wait.h>

#define MS_NS 1000000ull
enum { HOOK_POLL_MS = 50, KILL_CHECK_MS = 1000 };

static void begin_hook(struct opr__pod *p, struct opr__container *c, const char *dir)
{
    const struct opr_obj *command = opr_json_at(c->spec, "/lifecycle/preStop/exec/command");
    int64_t seconds = opr_json_int(c->spec, "/lifecycle/preStop/sleep/seconds", 0);
    if (seconds > 0) {
        c->term_at_ns += (uint64_t)seconds * 1000 * MS_NS;
    }
    if (!command) {
        return;
    }
    struct opr_vec args = {0};
    for (const struct opr_obj *v = opr_json_first(command); v; v = opr_json_next(v)) {
        opr_vec_push(&args, (char *)(uintptr_t)opr_json_str(v, "", ""));
    }
    opr_vec_push(&args, NULL);
    struct opr__runtime *rt = p->agent->runtime;
    c->hook_pid = rt->exec(rt, dir, (char *const *)args.items, -1);
    opr_vec_fini(&args);
}

/* True while preStop holds SIGTERM back. */
static bool hook_runs(struct opr__pod *p, struct opr__container *c, uint64_t by_ns)
{
    uint64_t now = opr__now_ns(p->agent);
    if (c->hook_pid > 0) {
        int status = 0;
        if (waitpid(c->hook_pid, &status, WNOHANG) == 0 && now < by_ns) {
            opr__pod_wake(p, now + HOOK_POLL_MS * MS_NS);
            return true;
        }
        if (now >= by_ns) {
            (void)kill(c->hook_pid, SIGKILL);
            (void)waitpid(c->hook_pid, &status, 0);
        }
        c->hook_pid = 0;
    }
    if (now < c->term_at_ns && now < by_ns) {
        opr__pod_wake(p, c->term_at_ns);
        return true;
    }
    return false;
}

void opr__container_stop(struct opr__pod *p, struct opr__container *c, uint64_t by_ns)
{
    struct opr_agent *a = p->agent;
    char *dir = opr__run_dir(p, c, c->attempt);
    if (!c->kill_at_ns) {
        begin_hook(p, c, dir);
    }
    c->kill_at_ns = by_ns;
    uint64_t now = opr__now_ns(a);
    if (hook_runs(p, c, by_ns)) {
        opr_free(dir);
        return;
    }
    if (!c->is_termed && now < by_ns) {
        c->is_termed = true;
        a->runtime->stop(a->runtime, dir, SIGTERM);
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
        (void)opr__cgroup_kill(&a->cgroups, p->uid);
        opr__pod_wake(p, now + KILL_CHECK_MS * MS_NS);
    }
    opr_free(dir);
}
