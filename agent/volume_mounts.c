/* The mounts of a container: volumes, or parts of them, at its paths. */
#include "agent/env.h"
#include "agent/image.h"
#include "agent/internal.h"

#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define TOKEN_MOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

static const struct opr_obj *find_volume(const struct opr__pod *p, const char *name)
{
    const struct opr_obj *list = opr_json_at(p->work, "/spec/volumes");
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        if (strcmp(opr_json_str(v, "/name", ""), name) == 0) {
            return v;
        }
    }
    return NULL;
}

/* The folder or file of a subPath, made as a folder where it is missing and may be made. A
 * container can place links in its volume: they are followed inside of it only. */
static opr_status find_below(char **src, const char *below, bool may_make, struct opr_arena *arena,
                             struct opr_error *reterr)
{
    char path[PATH_MAX];
    int root = open(*src, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = root >= 0 ? opr__open_below(root, below, O_PATH) : -1;
    if (fd < 0 && root >= 0 && errno == ENOENT && may_make && below[0] != '/' &&
        !strstr(below, "..")) {
        if (opr_fs_mkdirs(opr_arena_printf(arena, "%s/%s", *src, below), 0777, reterr) == OPR_OK) {
            fd = opr__open_below(root, below, O_PATH);
        }
    }
    int saved = errno;
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    ssize_t len = fd >= 0 ? readlink(self, path, sizeof path) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (root >= 0) {
        close(root);
    }
    errno = saved;
    if (len <= 0 || len == sizeof path) {
        return opr_error_set(reterr, OPR_E_INVALID, "subPath \"%s\" %s: %m", below,
                             saved == EXDEV ? "leaves the volume" : "can not be used");
    }
    *src = opr_arena_dup(arena, opr_str_n(path, (size_t)len));
    return OPR_OK;
}

static opr_status make_mount(struct opr__pod *p, const struct opr_obj *spec, char *const *env,
                             struct opr_arena *arena, struct opr__run_mount *ret_mount,
                             struct opr_error *reterr)
{
    const char *name = opr_json_str(spec, "/name", "");
    const char *expression = opr_json_str(spec, "/subPathExpr", NULL);
    const char *below =
        expression ? opr__env_expand(arena, expression, env) : opr_json_str(spec, "/subPath", "");
    const struct opr_obj *volume = find_volume(p, name);
    if (!volume) {
        return opr_error_set(reterr, OPR_E_INVALID, "there is no volume \"%s\"", name);
    }
    const char *host = opr_json_str(volume, "/hostPath/path", NULL);
    char *src = host ? opr_arena_dup(arena, opr_str_of(host))
                     : opr_arena_printf(arena, "%s/volumes/%s", p->dir, name);
    if (*below) {
        OPR_TRY(find_below(&src, below, host || opr_json_at(volume, "/emptyDir"), arena, reterr));
    }
    bool is_content = !host && !opr_json_at(volume, "/emptyDir");
    *ret_mount = (struct opr__run_mount){
        .src = src,
        .dst = opr_arena_dup(arena, opr_str_of(opr_json_str(spec, "/mountPath", ""))),
        .is_read_only = is_content || opr_json_bool(spec, "/readOnly", false)};
    return OPR_OK;
}

opr_status opr__volumes_mounts(struct opr__pod *p, const struct opr__container *c, char *const *env,
                               struct opr_arena *arena, struct opr_vec *ret_mounts,
                               struct opr_error *reterr)
{
    const struct opr_obj *list = opr_json_at(c->spec, "/volumeMounts");
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        const char *path = opr_json_str(v, "/mountPath", "");
        if (!p->agent->has_namespaces) {
            if (strcmp(path, TOKEN_MOUNT) == 0) {
                continue; /* added to every Pod; only some need it */
            }
            return opr_error_set(
                reterr, OPR_E_UNSUPPORTED,
                "volume at %s: mounts need a mount namespace, for which this agent "
                "lacks the privilege (run it as root)",
                path);
        }
        struct opr__run_mount *m = opr_arena_alloc(arena, sizeof *m);
        OPR_TRY(make_mount(p, v, env, arena, m, reterr));
        opr_vec_push(ret_mounts, m);
    }
    return OPR_OK;
}
