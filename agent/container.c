/* One container: what became of its run, and the start of the next. */
#include "agent/internal.h"

#include "agent/files.h"
#include "agent/hook.h"
#include "agent/image_use.h"
#include "agent/metrics.h"
#include "agent/run_make.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void opr__container_wait(struct opr__container *c, const char *reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    snprintf(c->reason, sizeof c->reason, "%s", reason);
    vsnprintf(c->message, sizeof c->message, fmt, args);
    va_end(args);
}

static const struct opr_obj *find_spec(const struct opr__pod *p, const struct opr__container *c)
{
    const struct opr_obj *list =
        opr_json_at(p->work, c->is_init ? "/spec/initContainers" : "/spec/containers");
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        if (strcmp(opr_json_str(v, "/name", ""), c->name) == 0) {
            return v;
        }
    }
    return NULL;
}

void opr__container_look(struct opr__pod *p, struct opr__container *c)
{
    struct opr_agent *a = p->agent;
    c->spec = find_spec(p, c);
    if (c->run.phase != OPR__RUN_RUNNING) {
        return;
    }
    char *dir = opr__run_dir(p, c, c->attempt);
    int64_t started_ms = c->run.started_ms;
    a->runtime->look(a->runtime, dir, &c->run);
    if (c->run.phase == OPR__RUN_RUNNING) {
        opr__metrics_add(a->metrics, p, c);
        opr_free(dir);
        return;
    }
    if (p->work_check) {
        a->differences++;
        opr_log(OPR_LOG_WARN, "agent", "comparison found a difference",
                "pod=%s/%s uid=%s what=\"a container ended unnoticed\"", p->ns, p->name, p->uid);
    }
    if (c->run.phase != OPR__RUN_EXITED) {
        /* Its shim was killed, or its folder removed: the program may have outlived both. */
        c->run.phase = OPR__RUN_LOST;
        c->run.started_ms = started_ms;
        a->runtime->stop(a->runtime, dir, SIGKILL);
        (void)opr__cgroup_kill(&a->cgroups, p->uid, c->name);
    }
    opr_free(dir);
    if (c->is_init && !c->is_sidecar) {
        opr__metrics_remove(a->metrics, p, c);
    }
    opr__oom_look(p, c);
    if (c->run.phase == OPR__RUN_LOST) {
        c->run.finished_ms = opr_clock_wall_ms(a->clock);
    }
    opr_log(OPR_LOG_INFO, "agent", "container ended", "pod=%s/%s container=%s code=%d oom=%d",
            p->ns, p->name, c->name, c->run.exit_code, c->run.was_oom);
}

static bool has_probe(const struct opr__container *c, const char *name)
{
    return opr_json_at(c->spec, name) != NULL;
}

bool opr__container_is_started(const struct opr__container *c)
{
    return c->run.phase == OPR__RUN_RUNNING && !c->is_starting &&
           (!has_probe(c, "/startupProbe") ||
            (c->health.attempt == c->attempt && c->health.has_started));
}

bool opr__container_is_ready(const struct opr__container *c)
{
    return opr__container_is_started(c) &&
           (!has_probe(c, "/readinessProbe") ||
            (c->health.attempt == c->attempt && c->health.is_ready));
}

static void begin_run(struct opr__pod *p, struct opr__container *c, uint32_t attempt)
{
    c->last = c->run.phase == OPR__RUN_NONE ? c->last : c->run;
    c->attempt = attempt;
    c->run = (struct opr__run){0};
    c->term_at_ns = c->kill_at_ns = 0;
    c->is_termed = c->is_killed = c->is_late = false;
    c->is_starting = c->is_stopping = c->is_outdated = false;
    opr__hook_end(c);
    c->health = (struct opr__health){.attempt = attempt};
    opr__oom_begin(p, c);
    c->reason[0] = c->message[0] = 0;
    if (attempt >= 2) { /* logs of the run before stay readable, no more */
        char *old = opr__run_dir(p, c, attempt - 2);
        opr__tree_remove(old);
        opr_free(old);
    }
}

static void begin_post_start(struct opr__pod *p, struct opr__container *c, const char *dir)
{
    const struct opr_obj *hook = opr_json_at(c->spec, "/lifecycle/postStart");
    if (hook) {
        c->is_starting = true;
        opr__hook_begin(p, c, hook, dir);
    }
}

void opr__container_start(struct opr__pod *p, struct opr__container *c, struct opr_caller *k)
{
    struct opr_agent *a = p->agent;
    if (!a->runtime) {
        opr__container_wait(c, "CreateContainerError",
                            "operon-shim is not beside the agent's "
                            "program; set OPERON_SHIM");
        return;
    }
    struct opr_arena *arena = opr_arena_new();
    struct opr__image image;
    if (!c->spec || !opr__image_choose(p, c, arena, &image)) {
        opr_arena_free(arena);
        return;
    }
    uint32_t attempt = c->run.phase == OPR__RUN_NONE ? c->attempt : c->attempt + 1;
    char *dir = opr__run_dir(p, c, attempt);
    struct opr_error err = {0};
    if (opr__run_make(p, c, k, dir, &image, arena)) {
        begin_run(p, c, attempt);
        opr__image_recall(p, c);
        opr__metrics_add(a->metrics, p, c);
        opr_status st = a->runtime->start(a->runtime, dir, &err);
        a->runtime->look(a->runtime, dir, &c->run);
        if (st != OPR_OK && c->run.phase == OPR__RUN_NONE) {
            opr__container_wait(c, "CreateContainerError", "%s", err.message);
            opr__event_add(p, c->name, "Warning", "Failed", "Error: %s", err.message);
        } else if (st != OPR_OK) {
            opr__container_wait(c, "RunContainerError", "%s", err.message);
            opr__event_add(p, c->name, "Warning", "Failed", "Error: %s", err.message);
        } else {
            a->starts++;
            opr__event_add(p, c->name, "Normal", "Created", "Created container %s", c->name);
            opr__event_add(p, c->name, "Normal", "Started", "Started container %s", c->name);
            begin_post_start(p, c, dir);
            opr_log(OPR_LOG_INFO, "agent", "container started",
                    "pod=%s/%s container=%s attempt=%u pid=%d", p->ns, p->name, c->name, attempt,
                    (int)c->run.pid);
        }
    }
    opr_arena_free(arena);
    opr_free(dir);
}
