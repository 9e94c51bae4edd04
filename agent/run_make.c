#include "agent/run_make.h"

#include "agent/bundle.h"
#include "agent/dns.h"
#include "agent/env.h"
#include "agent/files.h"
#include "agent/host_files.h"
#include "agent/image_use.h"
#include "core/api/quantity.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONTAINER_ID "c" /* crun's name; its state is in the folder of the run */
enum { WORDS_MAX = 12 };

struct making {
    struct opr__pod *pod;
    struct opr__container *container;
    struct opr_caller *caller;
    const struct opr__image *image;
    struct opr_arena *arena;
    const char *dir;
    struct opr__run_spec spec;
    struct opr_vec groups, cgroups;
    const char *reason; /* of a failure of this step */
};

static size_t add_words(char **args, size_t n, const char *const *words)
{
    for (; *words; words++) {
        args[n++] = (char *)(uintptr_t)*words;
    }
    return n;
}

static size_t count_words(const char *const *words)
{
    size_t n = 0;
    while (words && words[n]) {
        n++;
    }
    return n;
}

/* command takes the entrypoint's place, and with it the image's own arguments go; args take those'
 * place. NULL where that gives no program. */
static char **make_args(const struct making *m, char *const *env)
{
    const struct opr_obj *command = opr_json_at(m->container->spec, "/command");
    const struct opr_obj *args = opr_json_at(m->container->spec, "/args");
    bool has_command = opr_json_len(command) > 0, has_args = opr_json_len(args) > 0;
    size_t n = 0, max = opr_json_len(command) + opr_json_len(args) +
                        count_words(m->image->entrypoint) + count_words(m->image->cmd);
    char **list = opr_arena_alloc(m->arena, (max + 1) * sizeof *list);
    for (const struct opr_obj *v = opr_json_first(command); v; v = opr_json_next(v)) {
        list[n++] = opr__env_expand(m->arena, opr_json_str(v, "", ""), env);
    }
    if (!has_command && m->image->name) {
        n = add_words(list, n, m->image->entrypoint);
    }
    for (const struct opr_obj *v = opr_json_first(args); v; v = opr_json_next(v)) {
        list[n++] = opr__env_expand(m->arena, opr_json_str(v, "", ""), env);
    }
    if (!has_command && !has_args && m->image->name) {
        n = add_words(list, n, m->image->cmd);
    }
    return n ? list : NULL;
}

static int64_t milli_at(const struct opr_obj *spec, const char *ptr)
{
    int64_t milli = 0;
    return opr_quantity_at(spec, ptr, &milli) == OPR_OK ? milli : 0;
}

static opr_status make_cgroup(struct making *m, struct opr_error *reterr)
{
    const struct opr_obj *spec = m->container->spec;
    struct opr__cgroup_limits limits = {
        .cpu_limit_milli = milli_at(spec, "/resources/limits/cpu"),
        .cpu_request_milli = milli_at(spec, "/resources/requests/cpu"),
        .memory_limit_bytes = milli_at(spec, "/resources/limits/memory") / 1000,
    };
    if (limits.cpu_request_milli == 0) {
        limits.cpu_request_milli = limits.cpu_limit_milli; /* as the API server defaults it */
    }
    return opr__cgroup_make(&m->pod->agent->cgroups, m->pod->uid, m->container->name, &limits,
                            &m->cgroups, reterr);
}

/* securityContext of the container before that of the Pod; -1: none. */
static int64_t context_id(const struct making *m, const char *name)
{
    char own[64], pods[64];
    snprintf(own, sizeof own, "/securityContext/%s", name);
    snprintf(pods, sizeof pods, "/spec/securityContext/%s", name);
    return opr_json_int(m->container->spec, own, opr_json_int(m->pod->work, pods, -1));
}

static void add_group(struct making *m, int64_t gid)
{
    opr_vec_push(&m->groups, opr_arena_printf(m->arena, "%lld", (long long)gid));
}

static opr_status find_user(struct making *m, struct opr_error *reterr)
{
    struct opr__run_spec *s = &m->spec;
    s->uid = context_id(m, "runAsUser");
    s->gid = context_id(m, "runAsGroup");
    if (m->image->name) {
        char *passwd = opr__image_file(m->image, "etc/passwd", m->arena);
        char *group = opr__image_file(m->image, "etc/group", m->arena);
        const char *user =
            s->uid >= 0 ? opr_arena_printf(m->arena, "%lld", (long long)s->uid) : m->image->user;
        int64_t uid = 0, gid = 0;
        OPR_TRY(
            opr__image_user(passwd ? passwd : "", group ? group : "", user, &uid, &gid, reterr));
        s->uid = uid;
        s->gid = s->gid >= 0 ? s->gid : gid;
    }
    bool is_root = s->uid == 0 || (s->uid < 0 && geteuid() == 0);
    bool must_not =
        opr_json_bool(m->container->spec, "/securityContext/runAsNonRoot",
                      opr_json_bool(m->pod->work, "/spec/securityContext/runAsNonRoot", false));
    if (must_not && is_root) {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "container has runAsNonRoot and image will run as root");
    }
    int64_t fs_group = opr_json_int(m->pod->work, "/spec/securityContext/fsGroup", -1);
    if (fs_group >= 0) {
        add_group(m, fs_group);
    }
    const struct opr_obj *more =
        opr_json_at(m->pod->work, "/spec/securityContext/supplementalGroups");
    for (const struct opr_obj *v = opr_json_first(more); v; v = opr_json_next(v)) {
        add_group(m, opr_json_int(v, "", 0));
    }
    s->groups = &m->groups;
    return OPR_OK;
}

static void add_mount(struct making *m, const char *src, const char *dst, bool is_read_only)
{
    struct opr__run_mount *mount = opr_arena_alloc(m->arena, sizeof *mount);
    *mount = (struct opr__run_mount){.src = opr_arena_dup(m->arena, opr_str_of(src)),
                                     .dst = opr_arena_dup(m->arena, opr_str_of(dst)),
                                     .is_read_only = is_read_only};
    opr_vec_push(&m->spec.mounts, mount);
}

static bool has_mount(const struct making *m, const char *dst)
{
    for (size_t i = 0; i < m->spec.mounts.count; i++) {
        const struct opr__run_mount *mount = m->spec.mounts.items[i];
        if (strcmp(mount->dst, dst) == 0) {
            return true;
        }
    }
    return false;
}

/* The file into which the container may write why it ended. */
static opr_status add_message_file(struct making *m, struct opr_error *reterr)
{
    const char *dst =
        opr_json_str(m->container->spec, "/terminationMessagePath", OPR__MESSAGE_PATH);
    char *src = opr_arena_printf(m->arena, "%s/" OPR__MESSAGE_FILE, m->dir);
    if (!m->pod->agent->has_namespaces || !*dst || has_mount(m, dst)) {
        return OPR_OK;
    }
    OPR_TRY(opr_fs_mkdirs(m->dir, 0750, reterr));
    OPR_TRY(opr__file_put(src, (struct opr_str){0}, 0666, reterr));
    add_mount(m, src, dst, false);
    return OPR_OK;
}

/* What the shim runs becomes crun, and what the container asks for its bundle. */
static opr_status make_bundle(struct making *m, struct opr__run_image *ret_image,
                              struct opr_error *reterr)
{
    struct opr__run_spec *s = &m->spec;
    const char *cwd = s->cwd && *s->cwd ? s->cwd : *m->image->cwd ? m->image->cwd : "/";
    struct opr__bundle bundle = {.dir = m->dir,
                                 .args = s->args,
                                 .env = s->env,
                                 .cwd = cwd,
                                 .uid = s->uid,
                                 .gid = s->gid,
                                 .groups = &m->groups,
                                 .mounts = &s->mounts,
                                 .security = opr_json_at(m->container->spec, "/securityContext")};
    OPR_TRY(opr__bundle_write(&bundle, reterr));
    char *crun = m->pod->agent->crun, *root = opr_arena_printf(m->arena, "%s/crun", m->dir);
    char *folder = opr_arena_printf(m->arena, "%s/bundle", m->dir);
    char *log = opr_arena_printf(m->arena, "%s/" OPR__CRUN_LOG, m->dir);
    const char *run[WORDS_MAX] = {crun,     "--cgroup-manager=disabled",
                                  "--root", root,
                                  "--log",  log,
                                  "run",    "--bundle",
                                  folder,   CONTAINER_ID,
                                  NULL};
    const char *exec[WORDS_MAX] = {
        crun, "--cgroup-manager=disabled", "--root", root, "exec", CONTAINER_ID, NULL};
    static char *const crun_env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                                     "/sbin:/bin",
                                     NULL};
    char **words = opr_arena_alloc(m->arena, sizeof run), **more;
    (void)add_words(words, 0, run);
    more = opr_arena_alloc(m->arena, sizeof exec);
    (void)add_words(more, 0, exec);
    *ret_image = (struct opr__run_image){.rootfs = opr_arena_printf(m->arena, "%s/rootfs", folder),
                                         .layers_dir = m->image->layers_dir,
                                         .layers = m->image->layers,
                                         .exec = more};
    s->args = words;
    s->env = crun_env;
    s->cwd = folder;
    s->mounts.count = 0;
    s->groups = NULL;
    s->uid = s->gid = -1;
    s->is_root_read_only = false;
    s->image = ret_image;
    return OPR_OK;
}

static opr_status make_all(struct making *m, struct opr_error *reterr)
{
    struct opr_agent *a = m->pod->agent;
    struct opr__run_image image;
    char **env = NULL;
    m->reason = "CreateContainerConfigError";
    OPR_TRY(opr__env_make(m->pod, m->container, m->image->name ? m->image->env : NULL, m->caller,
                          m->arena, &env, reterr));
    OPR_TRY(find_user(m, reterr));
    m->spec.env = env;
    m->spec.args = make_args(m, env);
    m->reason = "CreateContainerError";
    if (!m->spec.args) {
        return opr_error_set(reterr, OPR_E_INVALID, "no command specified");
    }
    OPR_TRY(opr__volumes_mounts(m->pod, m->container, env, m->arena, &m->spec.mounts, reterr));
    OPR_TRY(opr__dns_mount(m->pod, m->arena, &m->spec.mounts, reterr));
    OPR_TRY(add_message_file(m, reterr));
    OPR_TRY(opr__host_files_mount(m->pod, m->dir, m->spec.hostname, m->image->name, m->arena,
                                  &m->spec.mounts, reterr));
    OPR_TRY(make_cgroup(m, reterr));
    OPR_TRY(
        opr__image_note(m->dir, opr_json_str(m->container->spec, "/image", ""), m->image, reterr));
    if (m->image->name) {
        OPR_TRY(make_bundle(m, &image, reterr));
    }
    m->spec.cgroups = &m->cgroups;
    return a->runtime->create(a->runtime, &m->spec, reterr);
}

bool opr__run_make(struct opr__pod *p, struct opr__container *c, struct opr_caller *k,
                   const char *dir, const struct opr__image *image, struct opr_arena *arena)
{
    struct opr_agent *a = p->agent;
    struct opr_error err = {0};
    bool is_host_network = !a->net || opr_json_bool(p->work, "/spec/hostNetwork", false);
    struct making m = {
        .pod = p, .container = c, .caller = k, .image = image, .arena = arena, .dir = dir};
    m.spec = (struct opr__run_spec){
        .dir = dir,
        .cwd = opr_json_str(c->spec, "/workingDir", NULL),
        .hostname = is_host_network ? NULL : opr__hostname(p, arena),
        .netns =
            is_host_network ? NULL : opr_arena_printf(arena, "%s/netns/%s", a->config.dir, p->uid),
        .shim_cgroups = &a->shim_dirs,
        .has_namespaces = a->has_namespaces,
        .is_root_read_only =
            opr_json_bool(c->spec, "/securityContext/readOnlyRootFilesystem", false),
    };
    opr_status st = make_all(&m, &err);
    for (size_t i = 0; i < m.cgroups.count; i++) {
        opr_free(m.cgroups.items[i]);
    }
    opr_vec_fini(&m.cgroups);
    opr_vec_fini(&m.groups);
    opr_vec_fini(&m.spec.mounts);
    if (st != OPR_OK) {
        bool is_new = strcmp(c->reason, m.reason) != 0 || strcmp(c->message, err.message) != 0;
        opr__container_wait(c, m.reason, "%s", err.message);
        if (is_new) {
            opr__event_add(p, c->name, "Warning", "Failed", "Error: %s", err.message);
        }
    }
    return st == OPR_OK;
}
