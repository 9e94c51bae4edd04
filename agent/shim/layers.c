/* The root of an image: its layers, read-only, under a folder of the run that takes what is
 * written. */
#include "agent/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

bool shim_layers_lock(const struct shim_spec *spec, struct shim_failure *f)
{
    char path[PATH_MAX];
    for (char **l = spec->layers; *l; l++) {
        snprintf(path, sizeof path, "%s/%s", spec->layers_dir ? spec->layers_dir : "", *l);
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) != 0) {
            return shim_fail(f, "use the layer", path);
        }
    }
    return true;
}

static bool make_folder(const char *path)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST;
}

/* crun refuses a machine whose unified hierarchy beside those of version 1 has controllers, though
 * it is told to leave cgroups alone: it does not get to see it. */
#define HYBRID "/sys/fs/cgroup/unified"

static bool hide_hybrid(struct shim_failure *f)
{
    return mount("tmpfs", HYBRID, "tmpfs", MS_RDONLY, "size=4k") == 0 || errno == ENOENT ||
           shim_fail(f, "hide", HYBRID);
}

bool shim_layers_mount(const struct shim_spec *spec, const char *dir, struct shim_failure *f)
{
    /* mount(2) takes a page of options; the layers are named from their folder, to fit. */
    static char options[4096], upper[PATH_MAX], work[PATH_MAX];
    size_t len = (size_t)snprintf(options, sizeof options, "lowerdir=");
    for (char **l = spec->layers; *l && len < sizeof options; l++) {
        len += (size_t)snprintf(options + len, sizeof options - len, "%s%s",
                                l == spec->layers ? "" : ":", *l);
    }
    snprintf(upper, sizeof upper, "%s/" SHIM_FILE_UPPER, dir);
    snprintf(work, sizeof work, "%s/" SHIM_FILE_WORK, dir);
    if (len < sizeof options) {
        len += (size_t)snprintf(options + len, sizeof options - len, ",upperdir=%s,workdir=%s",
                                upper, work);
    }
    if (len >= sizeof options) {
        errno = E2BIG;
        return shim_fail(f, "mount so many layers at", spec->rootfs);
    }
    if (!make_folder(upper) || !make_folder(work) || !make_folder(spec->rootfs)) {
        return shim_fail(f, "make folders in", dir);
    }
    bool is_ok = spec->layers_dir && chdir(spec->layers_dir) == 0 &&
                 mount("overlay", spec->rootfs, "overlay", MS_NODEV, options) == 0;
    if (!is_ok) {
        return shim_fail(f, "mount the image at", spec->rootfs);
    }
    return hide_hybrid(f) && (chdir("/") == 0 || shim_fail(f, "enter", "/"));
}
