/* The Pods of this node on the loop: who learns of what, and when a Pod's work runs. */
#include "agent/files.h"
#include "agent/internal.h"
#include "agent/net.h"
#include "agent/scratch.h"

#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static void on_timer(void *arg)
{
    opr__pod_poke(arg);
}

static struct opr__pod *pod_new(struct opr_agent *a, const struct opr_obj *obj)
{
    struct opr__pod *p = opr_xalloc(sizeof *p);
    p->agent = a;
    p->uid = opr_xstrdup(opr_meta_uid(obj));
    p->ns = opr_xstrdup(opr_meta_ns(obj));
    p->name = opr_xstrdup(opr_meta_name(obj));
    p->dir = opr_xprintf("%s/pods/%s", a->config.dir, p->uid);
    p->obj = opr_json_ref(obj);
    p->timer = opr_timer_new(a->loop, on_timer, p);
    (void)opr_map_put(a->pods, opr_str_of(p->uid), p);
    a->pod_count++;
    return p;
}

struct opr__pod *opr__pod_find(struct opr_agent *a, const char *uid)
{
    return opr_map_get(a->pods, opr_str_of(uid));
}

static void unwatch(struct opr__container *c)
{
    opr_io_free(c->watch);
    c->watch = NULL;
    if (c->watched && c->watch_fd >= 0) {
        close(c->watch_fd);
    }
    c->watch_fd = -1;
    c->watched = 0;
}

static void forget(struct opr__pod *p)
{
    struct opr_agent *a = p->agent;
    opr_log(OPR_LOG_INFO, "agent", "pod is gone", "pod=%s/%s uid=%s", p->ns, p->name, p->uid);
    (void)opr_map_remove(a->pods, opr_str_of(p->uid));
    a->pod_count--;
    opr__probes_free(p);
    for (size_t i = 0; i < p->containers.count; i++) {
        unwatch(p->containers.items[i]);
    }
    opr__pod_free(p);
}

static void on_run_over(void *arg, int events)
{
    (void)events;
    struct opr__pod *p = arg;
    for (size_t i = 0; i < p->containers.count; i++) {
        struct opr__container *c = p->containers.items[i];
        struct opr_io *io = c->watch;
        if (io) {
            opr_io_set(io, 0); /* it stays readable; the sync looks at all of them */
        }
    }
    opr__pod_poke(p);
}

/* Watches the end of each run that goes on. */
static void watch_runs(struct opr__pod *p)
{
    struct opr_agent *a = p->agent;
    for (size_t i = 0; i < p->containers.count; i++) {
        struct opr__container *c = p->containers.items[i];
        bool is_running = c->run.phase == OPR__RUN_RUNNING;
        if (c->watched && (!is_running || c->watched != c->attempt + 1)) {
            unwatch(c);
        }
        if (is_running && !c->watched) {
            char *dir = opr__run_dir(p, c, c->attempt);
            c->watch_fd = a->runtime->watch(a->runtime, dir);
            opr_free(dir);
            c->watched = c->attempt + 1;
            if (c->watch_fd < 0) {
                p->is_dirty = true; /* it ended meanwhile */
            } else {
                c->watch = opr_io_new(a->loop, c->watch_fd, OPR_IO_READ, on_run_over, p);
            }
        } else if (c->watch) {
            opr_io_set(c->watch, OPR_IO_READ);
        }
    }
}

static void on_sync_done(void *arg)
{
    struct opr__pod *p = arg;
    struct opr_agent *a = p->agent;
    p->is_busy = false;
    opr_json_unref(p->work);
    p->work = NULL;
    if (p->is_forgotten) {
        forget(p);
        return;
    }
    if (a->is_stopping) {
        return;
    }
    watch_runs(p);
    opr__probes_update(p);
    if (p->is_dirty) {
        opr__pod_poke(p);
    } else if (p->wake_ns != OPR__NEVER) {
        uint64_t now = opr__now_ns(a);
        opr_timer_set(p->timer, p->wake_ns > now ? (p->wake_ns - now) / 1000000 + 1 : 0);
    }
}

static void work(void *arg)
{
    struct opr__pod *p = arg;
    opr__pod_sync(p);
    opr_loop_post(p->agent->loop, on_sync_done, p);
}

void opr__pod_poke(struct opr__pod *p)
{
    if (p->is_busy || p->agent->is_stopping) {
        p->is_dirty = true;
        return;
    }
    p->is_busy = true;
    p->is_dirty = false;
    opr_timer_stop(p->timer);
    opr__probes_health(p);
    p->work = opr_json_ref(p->obj);
    p->work_gone = p->is_gone;
    p->is_online = p->agent->is_registered;
    p->work_repeat = p->must_repeat_status;
    p->must_repeat_status = false;
    p->work_check = p->must_check;
    p->must_check = false;
    opr_executor_run(p->agent->workers, work, p);
}

static void on_pod(void *arg, const struct opr_obj *was, const struct opr_obj *is)
{
    struct opr_agent *a = arg;
    const char *uid = opr_meta_uid(is ? is : was);
    struct opr__pod *p = opr__pod_find(a, uid);
    if (is && was && strcmp(opr_meta_uid(was), uid) != 0) {
        on_pod(a, was, NULL); /* deleted and made again between two looks */
    }
    if (!p && !is) {
        return;
    }
    if (!p) {
        p = pod_new(a, is);
        opr_log(OPR_LOG_INFO, "agent", "pod is ours", "pod=%s/%s uid=%s", p->ns, p->name, uid);
    }
    if (is) {
        opr_json_unref(p->obj);
        p->obj = opr_json_ref(is);
    }
    p->is_gone = !is;
    opr__pod_poke(p);
}

static void remove_orphan(const char *folder, const char *name)
{
    char *dir = opr_xprintf("%s/%s", folder, name);
    opr__scratch_release(dir);
    opr__tree_remove(dir);
    opr_free(dir);
}

/* Each Pod that left its object in our folder. It is taken for wanted until the API has answered.
 */
void opr__pods_adopt(struct opr_agent *a)
{
    char *folder = opr_xprintf("%s/pods", a->config.dir);
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[PATH_MAX];
        struct opr_buf text = {0};
        struct opr_obj *obj = NULL;
        snprintf(path, sizeof path, "%s/%s/pod.json", folder, e->d_name);
        if (e->d_name[0] != '.' && opr_fs_read(path, 4 << 20, &text, NULL) == OPR_OK &&
            opr_json_parse(opr_buf_str(&text), &obj, NULL) == OPR_OK &&
            strcmp(opr_meta_uid(obj), e->d_name) == 0 && !opr__pod_find(a, e->d_name)) {
            opr__pod_poke(pod_new(a, obj));
        } else if (e->d_name[0] != '.' && !opr__pod_find(a, e->d_name)) {
            /* cut off before it was noted, or not readable any more: opr__sweep() ends what runs */
            remove_orphan(folder, e->d_name);
        }
        opr_json_unref(obj);
        opr_buf_fini(&text);
    }
    if (d) {
        closedir(d);
    }
    opr_free(folder);
    opr__sweep(a);
    if (a->pod_count > 0) {
        opr_log(OPR_LOG_INFO, "agent", "took over pods", "count=%u", a->pod_count);
    }
}

static void on_synced(void *arg)
{
    struct opr_agent *a = arg;
    a->is_adopted = true;
    opr__pods_compare(a);
}

void opr__pods_watch(struct opr_agent *a)
{
    char *fields = opr_xprintf("spec.nodeName=%s", a->config.node_name);
    struct opr_informer_config config = {.loop = a->loop,
                                         .client = a->config.client,
                                         .clock = a->clock,
                                         .resource = a->pod_resource,
                                         .fields = fields};
    a->pods_informer = opr_informer_new(&config);
    opr_free(fields);
    opr_informer_add_handler(a->pods_informer, on_pod, a);
    opr_informer_on_sync(a->pods_informer, on_synced, a);
    opr_informer_start(a->pods_informer);
    a->is_watching = true;
}

static void differs(struct opr_agent *a, const struct opr__pod *p, const char *what)
{
    a->differences++;
    opr_log(OPR_LOG_WARN, "agent", "comparison found a difference", "pod=%s/%s uid=%s what=\"%s\"",
            p->ns, p->name, p->uid, what);
}

static bool condition_differs(const struct opr_obj *api, struct json_object *ours)
{
    for (const struct opr_obj *c = opr_json_first(api); c; c = opr_json_next(c)) {
        if (strcmp(opr_json_str(c, "/type", ""), opr_doc_str(ours, "/type", "")) == 0) {
            return strcmp(opr_json_str(c, "/status", ""), opr_doc_str(ours, "/status", "")) != 0;
        }
    }
    return true;
}

static bool containers_differ(const struct opr_obj *api, struct json_object *ours)
{
    size_t i = 0, count = ours ? json_object_array_length(ours) : 0;
    const struct opr_obj *c = opr_json_first(api);
    for (; c && i < count; c = opr_json_next(c), i++) {
        struct json_object *o = json_object_array_get_idx(ours, i);
        if (strcmp(opr_json_str(c, "/name", ""), opr_doc_str(o, "/name", "")) != 0 ||
            opr_json_bool(c, "/ready", false) != opr_doc_bool(o, "/ready", false) ||
            opr_json_int(c, "/restartCount", -1) != opr_doc_int(o, "/restartCount", 0)) {
            return true;
        }
    }
    return c || i < count;
}

/* What the API has against what we sent; not while it lags behind our own write, and not where its
 * phase is final, by whomever. */
static bool status_differs(const struct opr__pod *p)
{
    const char *phase = opr_json_str(p->obj, "/status/phase", "");
    if (!p->sent || strcmp(phase, "Failed") == 0 || strcmp(phase, "Succeeded") == 0 ||
        (p->written && opr_meta_rv(p->written) > opr_meta_rv(p->obj))) {
        return false;
    }
    struct json_object *list = opr_doc_at(p->sent, "/conditions");
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        if (condition_differs(opr_json_at(p->obj, "/status/conditions"),
                              json_object_array_get_idx(list, i))) {
            return true;
        }
    }
    return strcmp(phase, opr_doc_str(p->sent, "/phase", "")) != 0 ||
           strcmp(opr_json_str(p->obj, "/status/podIP", ""), opr_doc_str(p->sent, "/podIP", "")) !=
               0 ||
           containers_differ(opr_json_at(p->obj, "/status/containerStatuses"),
                             opr_doc_at(p->sent, "/containerStatuses"));
}

static void compare_one(struct opr_agent *a, struct opr__pod *p)
{
    struct opr_obj *api = opr_informer_get(a->pods_informer, p->ns, p->name);
    bool is_there = api && strcmp(opr_meta_uid(api), p->uid) == 0;
    if (!is_there && !p->is_gone) {
        differs(a, p, "runs here, the API does not have it");
        p->is_gone = true;
    } else if (is_there && opr_meta_rv(api) > opr_meta_rv(p->obj)) {
        opr_json_unref(p->obj); /* adopted from the folder: an older picture */
        p->obj = opr_json_ref(api);
    }
    if (!p->is_busy && is_there && status_differs(p)) {
        differs(a, p, "the API has another status");
        p->must_repeat_status = true;
    }
    opr_json_unref(api);
    p->must_check = true;
    opr__pod_poke(p);
}

static void check_network(void *arg)
{
    opr__net_check(arg);
}

/* Level against level: what the API lists, what we have noted, what really runs. */
void opr__pods_compare(struct opr_agent *a)
{
    if (!a->is_adopted) {
        return;
    }
    if (a->net) {
        opr_executor_run(a->workers, check_network, a);
    }
    size_t it = 0;
    void *value;
    struct opr_str key;
    while (opr_map_next(a->pods, &it, &key, &value)) {
        compare_one(a, value);
    }
    struct opr_arena *arena = opr_arena_new();
    const struct opr_obj *const *objs = NULL;
    uint32_t count = 0;
    if (opr_informer_list(a->pods_informer, arena, NULL, NULL, NULL, &objs, &count) == OPR_OK) {
        for (uint32_t i = 0; i < count; i++) {
            if (!opr__pod_find(a, opr_meta_uid(objs[i]))) {
                struct opr__pod *p = pod_new(a, objs[i]);
                differs(a, p, "the API has it, we did not");
                opr__pod_poke(p);
            }
        }
    }
    opr_arena_free(arena);
}

void opr__pods_stop(struct opr_agent *a)
{
    if (a->pods_informer) {
        opr_informer_stop(a->pods_informer);
    }
    size_t it = 0;
    void *value;
    struct opr_str key;
    while (opr_map_next(a->pods, &it, &key, &value)) {
        struct opr__pod *p = value;
        opr_timer_stop(p->timer);
        opr__probes_free(p);
        for (size_t i = 0; i < p->containers.count && !p->is_busy; i++) {
            unwatch(p->containers.items[i]);
        }
    }
}

static void free_pod(void *value)
{
    struct opr__pod *p = value;
    for (size_t i = 0; i < p->containers.count; i++) {
        unwatch(p->containers.items[i]);
    }
    opr__pod_free(p);
}

void opr__pods_free(struct opr_agent *a)
{
    opr_map_free(a->pods, free_pod);
    a->pods = NULL;
    opr_informer_free(a->pods_informer);
    a->pods_informer = NULL;
}
