/* A Pod's record: from its object and from what its folder tells of earlier runs; and its end. */
#include "agent/internal.h"

#include "agent/backoff.h"
#include "agent/files.h"
#include "agent/hook.h"
#include "agent/image_use.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

char *opr__run_dir(const struct opr__pod *p, const struct opr__container *c, uint32_t attempt)
{
    return opr_xprintf("%s/containers/%s/%u", p->dir, c->name, attempt);
}

/* The number of the last run; false: there was none. */
static bool last_attempt(const struct opr__pod *p, const struct opr__container *c,
                         uint32_t *ret_attempt)
{
    bool is_found = false;
    char *folder = opr_xprintf("%s/containers/%s", p->dir, c->name);
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        uint64_t number;
        if (opr_str_to_u64(opr_str_of(e->d_name), &number) == OPR_OK && number < UINT32_MAX &&
            (!is_found || number > *ret_attempt)) {
            *ret_attempt = (uint32_t)number;
            is_found = true;
        }
    }
    if (d) {
        closedir(d);
    }
    opr_free(folder);
    return is_found;
}

static void look(const struct opr__pod *p, const struct opr__container *c, uint32_t attempt,
                 struct opr__run *ret_run)
{
    char *dir = opr__run_dir(p, c, attempt);
    struct opr__runtime *rt = p->agent->runtime;
    rt->look(rt, dir, ret_run);
    opr_free(dir);
}

static void load_container(struct opr__pod *p, const struct opr_obj *spec, bool is_init)
{
    struct opr__container *c = opr_xalloc(sizeof *c);
    c->name = opr_xstrdup(opr_json_str(spec, "/name", ""));
    c->is_init = is_init;
    c->is_sidecar = is_init && strcmp(opr_json_str(spec, "/restartPolicy", ""), "Always") == 0;
    c->watch_fd = c->hook.fd = -1;
    opr_vec_push(&p->containers, c);
    if (!p->agent->runtime || !last_attempt(p, c, &c->attempt)) {
        return;
    }
    look(p, c, c->attempt, &c->run);
    if (c->run.phase == OPR__RUN_NONE && c->attempt > 0) {
        look(p, c, c->attempt - 1, &c->run); /* made, never started */
        c->attempt--;
    }
    if (c->attempt > 0) {
        look(p, c, c->attempt - 1, &c->last);
        c->backoff_ms = opr__backoff_next(0);
    }
    opr__image_recall(p, c);
    opr__oom_recall(p, c);
    if (c->run.phase == OPR__RUN_RUNNING) {
        opr_log(OPR_LOG_INFO, "agent", "adopted a container", "pod=%s/%s container=%s pid=%d",
                p->ns, p->name, c->name, (int)c->run.pid);
    }
}

static void load_list(struct opr__pod *p, const char *ptr, bool is_init)
{
    const struct opr_obj *list = opr_json_at(p->work, ptr);
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        load_container(p, v, is_init);
    }
}

static void load_ip(struct opr__pod *p)
{
    char path[PATH_MAX];
    struct opr_buf text = {0};
    snprintf(path, sizeof path, "%s/ip", p->dir);
    if (opr_fs_read(path, 64, &text, NULL) == OPR_OK) {
        struct opr_str ip = opr_str_trim(opr_buf_str(&text));
        snprintf(p->ip, sizeof p->ip, "%.*s", OPR_STR_ARG(ip));
    }
    opr_buf_fini(&text);
}

static void save_object(struct opr__pod *p)
{
    char path[PATH_MAX];
    struct opr_buf text = {0};
    struct opr_error err = {0};
    snprintf(path, sizeof path, "%s/pod.json", p->dir);
    if (opr_fs_exists(path)) {
        return;
    }
    opr_json_write(&text, opr_json_root(p->work));
    if (opr_fs_mkdirs(p->dir, 0750, &err) != OPR_OK ||
        opr_fs_write(path, opr_buf_str(&text), 0600, &err) != OPR_OK) {
        opr_log(OPR_LOG_WARN, "agent", "can not note a pod", "pod=%s/%s error=\"%s\"", p->ns,
                p->name, err.message);
    }
    opr_buf_fini(&text);
}

void opr__pod_check_folder(struct opr__pod *p)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/pod.json", p->dir);
    if (opr_fs_exists(path)) {
        return;
    }
    opr_log(OPR_LOG_WARN, "agent", "a pod's folder is gone, making it again", "pod=%s/%s", p->ns,
            p->name);
    p->agent->differences++;
    save_object(p);
    p->has_network = p->has_volumes = false; /* to be noted, and to be filled, anew */
}

/* Not synced to the disk: it is for an agent that was killed, and a power cut ends the containers.
 */
void opr__pod_note(struct opr__pod *p, const struct opr_obj *obj)
{
    char path[PATH_MAX], temporary[PATH_MAX];
    struct opr_buf text = {0};
    struct opr_error err = {0};
    snprintf(path, sizeof path, "%s/pod.json", p->dir);
    snprintf(temporary, sizeof temporary, "%s/pod.json.new", p->dir);
    opr_json_write(&text, opr_json_root(obj));
    if (opr__file_put(temporary, opr_buf_str(&text), 0600, &err) != OPR_OK ||
        rename(temporary, path) != 0) {
        opr_log(OPR_LOG_DEBUG, "agent", "can not note a pod", "pod=%s/%s error=\"%s\"", p->ns,
                p->name, err.message);
    }
    opr_buf_fini(&text);
}

/* A Pod that the node was ending when the agent before was killed. */
static void load_end(struct opr__pod *p)
{
    static const char *const reasons[] = {"DeadlineExceeded", "Evicted"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (strcmp(opr_json_str(p->work, "/status/reason", ""), reasons[i]) == 0) {
            p->end_reason = reasons[i];
            snprintf(p->end_message, sizeof p->end_message, "%s",
                     opr_json_str(p->work, "/status/message", ""));
        }
    }
}

void opr__pod_load(struct opr__pod *p)
{
    p->is_loaded = true;
    int64_t started;
    struct opr_str text = opr_json_text(p->work, "/status/startTime");
    p->started_ms = text.ptr && opr_time_parse(text, &started) == OPR_OK
                        ? started
                        : opr_clock_wall_ms(p->agent->clock);
    load_ip(p);
    load_end(p);
    load_list(p, "/spec/initContainers", true);
    load_list(p, "/spec/containers", false);
    save_object(p);
}

static void container_free(struct opr__container *c)
{
    opr__hook_end(c);
    opr_free(c->name);
    opr_free(c);
}

void opr__pod_free(struct opr__pod *p)
{
    opr_timer_free(p->timer);
    for (size_t i = 0; i < p->containers.count; i++) {
        container_free(p->containers.items[i]);
    }
    opr_vec_fini(&p->containers);
    opr__events_free(p);
    json_object_put(p->sent);
    opr_json_unref(p->obj);
    opr_json_unref(p->work);
    opr_json_unref(p->written);
    opr_free(p->uid);
    opr_free(p->ns);
    opr_free(p->name);
    opr_free(p->dir);
    opr_free(p);
}
