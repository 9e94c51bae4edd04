/* One container: what became of its run, and the start of the next. */
#include "agent/internal.h"

#include "agent/env.h"
#include "agent/files.h"
#include "agent/metrics.h"
#include "core/api/quantity.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HOSTNAME_MAX = 63 };

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
    a->runtime->look(a->runtime, dir, &c->run);
    opr_free(dir);
    if (c->run.phase == OPR__RUN_RUNNING) {
        opr__metrics_add(a->metrics, p, c);
        return;
    }
    if (c->is_init && !c->is_sidecar) {
        opr__metrics_remove(a->metrics, p, c);
    }
    c->run.was_oom = opr__cgroup_oom_kills(&a->cgroups, p->uid, c->name) > c->oom_before;
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
    return c->run.phase == OPR__RUN_RUNNING &&
           (!has_probe(c, "/startupProbe") ||
            (c->health.attempt == c->attempt && c->health.has_started));
}

bool opr__container_is_ready(const struct opr__container *c)
{
    return opr__container_is_started(c) &&
           (!has_probe(c, "/readinessProbe") ||
            (c->health.attempt == c->attempt && c->health.is_ready));
}

/* Programs of the host are the only image; a tag or digest is ignored. */
static bool image_is_ours(const char *image)
{
    size_t len = sizeof OPR__IMAGE - 1;
    return strncmp(image, OPR__IMAGE, len) == 0 &&
           (image[len] == 0 || image[len] == ':' || image[len] == '@');
}

static bool check_image(struct opr__pod *p, struct opr__container *c)
{
    const char *image = opr_json_str(c->spec, "/image", "");
    if (image_is_ours(image)) {
        return true;
    }
    if (strcmp(c->reason, "ErrImagePull") == 0 || strcmp(c->reason, "ImagePullBackOff") == 0) {
        opr__container_wait(c, "ImagePullBackOff", "Back-off pulling image \"%s\"", image);
        opr__event_add(p, c->name, "Normal", "BackOff", "Back-off pulling image \"%s\"", image);
        return false;
    }
    opr__container_wait(c, "ErrImagePull",
                        "image \"%s\" can not be pulled: this node runs programs of the host only "
                        "(image " OPR__IMAGE ")",
                        image);
    opr__event_add(p, c->name, "Warning", "Failed", "Failed to pull image \"%s\": %s", image,
                   c->message);
    return false;
}

/* command and args, expanded; NULL where neither is given. */
static char **make_args(struct opr_arena *arena, const struct opr__container *c, char *const *env)
{
    const struct opr_obj *lists[] = {opr_json_at(c->spec, "/command"),
                                     opr_json_at(c->spec, "/args")};
    size_t n = 0, max = opr_json_len(lists[0]) + opr_json_len(lists[1]);
    char **args = opr_arena_alloc(arena, (max + 1) * sizeof *args);
    for (size_t i = 0; i < 2; i++) {
        for (const struct opr_obj *v = opr_json_first(lists[i]); v; v = opr_json_next(v)) {
            args[n++] = opr__env_expand(arena, opr_json_str(v, "", ""), env);
        }
    }
    return n ? args : NULL;
}

static int64_t milli_at(const struct opr_obj *spec, const char *ptr)
{
    int64_t milli = 0;
    return opr_quantity_at(spec, ptr, &milli) == OPR_OK ? milli : 0;
}

static opr_status make_cgroup(struct opr__pod *p, struct opr__container *c,
                              struct opr_vec *ret_dirs, struct opr_error *reterr)
{
    struct opr__cgroup_limits limits = {
        .cpu_limit_milli = milli_at(c->spec, "/resources/limits/cpu"),
        .cpu_request_milli = milli_at(c->spec, "/resources/requests/cpu"),
        .memory_limit_bytes = milli_at(c->spec, "/resources/limits/memory") / 1000,
    };
    if (limits.cpu_request_milli == 0) {
        limits.cpu_request_milli = limits.cpu_limit_milli; /* as the API server defaults it */
    }
    return opr__cgroup_make(&p->agent->cgroups, p->uid, c->name, &limits, ret_dirs, reterr);
}

/* securityContext of the container before that of the Pod; -1: none. */
static int64_t user_of(const struct opr__pod *p, const struct opr__container *c, const char *ptr)
{
    int64_t id = opr_json_int(c->spec, ptr, -1);
    return id >= 0 ? id
                   : opr_json_int(p->work,
                                  opr_str_ends(opr_str_of(ptr), "User")
                                      ? "/spec/securityContext/runAsUser"
                                      : "/spec/securityContext/runAsGroup",
                                  -1);
}

static void clear_dirs(struct opr_vec *dirs)
{
    for (size_t i = 0; i < dirs->count; i++) {
        opr_free(dirs->items[i]);
    }
    opr_vec_fini(dirs);
}

/* Waiting reasons as the kubelet words them for the same step. */
static bool make_run(struct opr__pod *p, struct opr__container *c, struct opr_caller *k,
                     const char *dir, struct opr_arena *arena)
{
    struct opr_agent *a = p->agent;
    struct opr_error err = {0};
    struct opr_vec cgroups = {0};
    char **env = NULL;
    char *netns = opr_arena_printf(arena, "%s/netns/%s", a->config.dir, p->uid);
    bool is_host_network = !a->net || opr_json_bool(p->work, "/spec/hostNetwork", false);
    const char *hostname = opr_json_str(p->work, "/spec/hostname", p->name);
    struct opr__run_spec spec = {
        .dir = dir,
        .cwd = opr_json_str(c->spec, "/workingDir", NULL),
        .hostname =
            is_host_network ? NULL : opr_arena_printf(arena, "%.*s", HOSTNAME_MAX, hostname),
        .netns = is_host_network ? NULL : netns,
        .shim_cgroups = &a->shim_dirs,
        .has_namespaces = a->has_namespaces,
        .uid = user_of(p, c, "/securityContext/runAsUser"),
        .gid = user_of(p, c, "/securityContext/runAsGroup"),
    };
    const char *reason = "CreateContainerConfigError";
    opr_status st = opr__env_make(p, c, k, arena, &env, &err);
    if (st == OPR_OK) {
        spec.env = env;
        spec.args = make_args(arena, c, env);
        reason = "CreateContainerError";
        st = spec.args ? opr__volumes_mounts(p, c, arena, &spec.mounts, &err)
                       : opr_error_set(&err, OPR_E_INVALID, "no command specified");
    }
    if (st == OPR_OK) {
        st = make_cgroup(p, c, &cgroups, &err);
        spec.cgroups = &cgroups;
    }
    if (st == OPR_OK) {
        st = a->runtime->create(a->runtime, &spec, &err);
    }
    opr_vec_fini(&spec.mounts);
    clear_dirs(&cgroups);
    if (st != OPR_OK) {
        opr__container_wait(c, reason, "%s", err.message);
        opr__event_add(p, c->name, "Warning", "Failed", "Error: %s", err.message);
    }
    return st == OPR_OK;
}

static void begin_run(struct opr__pod *p, struct opr__container *c, uint32_t attempt)
{
    c->last = c->run.phase == OPR__RUN_NONE ? c->last : c->run;
    c->attempt = attempt;
    c->run = (struct opr__run){0};
    c->term_at_ns = c->kill_at_ns = 0;
    c->is_termed = c->is_killed = false;
    c->hook_pid = 0;
    c->health = (struct opr__health){.attempt = attempt};
    c->oom_before = opr__cgroup_oom_kills(&p->agent->cgroups, p->uid, c->name);
    c->reason[0] = c->message[0] = 0;
    if (attempt >= 2) { /* logs of the run before stay readable, no more */
        char *old = opr__run_dir(p, c, attempt - 2);
        opr__tree_remove(old);
        opr_free(old);
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
    if (!c->spec || !check_image(p, c)) {
        return;
    }
    uint32_t attempt = c->run.phase == OPR__RUN_NONE ? c->attempt : c->attempt + 1;
    char *dir = opr__run_dir(p, c, attempt);
    struct opr_arena *arena = opr_arena_new();
    struct opr_error err = {0};
    if (make_run(p, c, k, dir, arena)) {
        begin_run(p, c, attempt);
        opr__metrics_add(a->metrics, p, c);
        opr_status st = a->runtime->start(a->runtime, dir, &err);
        a->runtime->look(a->runtime, dir, &c->run);
        if (st != OPR_OK && c->run.phase == OPR__RUN_NONE) {
            opr__container_wait(c, "CreateContainerError", "%s", err.message);
            opr__event_add(p, c->name, "Warning", "Failed", "Error: %s", err.message);
        } else if (st != OPR_OK) {
            opr__event_add(p, c->name, "Warning", "Failed", "Error: %s", err.message);
        } else {
            a->starts++;
            opr__event_add(p, c->name, "Normal", "Created", "Created container %s", c->name);
            opr__event_add(p, c->name, "Normal", "Started", "Started container %s", c->name);
            opr_log(OPR_LOG_INFO, "agent", "container started",
                    "pod=%s/%s container=%s attempt=%u pid=%d", p->ns, p->name, c->name, attempt,
                    (int)c->run.pid);
        }
    }
    opr_arena_free(arena);
    opr_free(dir);
}
