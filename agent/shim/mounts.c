/* The file system that a container sees: the host's own, with a /proc of its PID namespace and with
 * the volumes bound into it. Where there are volumes, the root is a small tmpfs into which the
 * host's top folders are bound, so that a mount point that the host lacks is made there and never
 * on the host; below a folder of the host it is made in an overlay over that folder. */
#include "agent/shim/shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OLD_ROOT "/.operon-host"
#define OVERLAYS "/.operon-overlay"

static bool mount_proc(struct shim_failure *f)
{
    return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 ||
           shim_fail(f, "mount", "/proc");
}

static bool bind(const char *src, const char *dst, unsigned long flags, struct shim_failure *f)
{
    return mount(src, dst, NULL, MS_BIND | flags, NULL) == 0 || shim_fail(f, "bind", dst);
}

static bool make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    return fd >= 0 && close(fd) == 0;
}

static bool copy_link(const char *path, const char *copy)
{
    char target[PATH_MAX];
    ssize_t len = readlink(path, target, sizeof target - 1);
    if (len < 0) {
        return false;
    }
    target[len] = 0;
    return symlink(target, copy) == 0;
}

/* One entry of the host's root into the new one. */
static bool adopt_entry(const char *root, const char *name, struct shim_failure *f)
{
    char path[NAME_MAX + 2], copy[PATH_MAX + NAME_MAX + 2];
    struct stat st;
    snprintf(path, sizeof path, "/%s", name);
    snprintf(copy, sizeof copy, "%s/%s", root, name);
    if (lstat(path, &st) != 0) {
        return true; /* it went meanwhile */
    }
    if (S_ISLNK(st.st_mode)) {
        return copy_link(path, copy) || shim_fail(f, "link", path);
    }
    if (!S_ISDIR(st.st_mode)) {
        return (make_file(copy) || shim_fail(f, "create", path)) && bind(path, copy, 0, f);
    }
    if (mkdir(copy, 0755) != 0) {
        return shim_fail(f, "create", path);
    }
    return strcmp(name, "proc") == 0 || bind(path, copy, MS_REC, f);
}

static bool adopt_root(const char *root, struct shim_failure *f)
{
    DIR *top = opendir("/");
    bool is_ok = top != NULL || shim_fail(f, "open", "/");
    for (struct dirent *e; is_ok && (e = readdir(top));) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            is_ok = adopt_entry(root, e->d_name, f);
        }
    }
    if (top) {
        closedir(top);
    }
    return is_ok;
}

static bool enter_new_root(const char *dir, struct shim_failure *f)
{
    char root[PATH_MAX], old[PATH_MAX + sizeof OLD_ROOT], overlays[PATH_MAX + sizeof OVERLAYS];
    snprintf(root, sizeof root, "%s/root", dir);
    snprintf(old, sizeof old, "%s%s", root, OLD_ROOT);
    snprintf(overlays, sizeof overlays, "%s%s", root, OVERLAYS);
    if ((mkdir(root, 0755) != 0 && errno != EEXIST) ||
        mount("tmpfs", root, "tmpfs", 0, "mode=755,size=16m") != 0) {
        return shim_fail(f, "mount the root at", root);
    }
    if (!adopt_root(root, f)) {
        return false;
    }
    if (mkdir(old, 0700) != 0 || mkdir(overlays, 0700) != 0 ||
        syscall(SYS_pivot_root, root, old) != 0 || chdir("/") != 0) {
        return shim_fail(f, "enter the root", root);
    }
    return true;
}

enum { OVERLAYS_MAX = 64 };
static dev_t private_devices[OVERLAYS_MAX]; /* of the root and of the overlays */
static int n_private;

static bool is_private(const struct stat *st)
{
    for (int i = 0; i < n_private; i++) {
        if (st->st_dev == private_devices[i]) {
            return true;
        }
    }
    return false;
}

static void note_private(const char *path)
{
    struct stat st;
    if (n_private < OVERLAYS_MAX && stat(path, &st) == 0) {
        private_devices[n_private++] = st.st_dev;
    }
}

/* Lays a private, writable folder over one of the host's. */
static bool overlay(const char *path, struct shim_failure *f)
{
    static int number;
    char base[64], upper[96], work[96], options[PATH_MAX + 256];
    snprintf(base, sizeof base, OVERLAYS "/%d", ++number);
    snprintf(upper, sizeof upper, "%s/upper", base);
    snprintf(work, sizeof work, "%s/work", base);
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s", path, upper, work);
    if (mkdir(base, 0755) != 0 || mkdir(upper, 0755) != 0 || mkdir(work, 0755) != 0 ||
        mount("overlay", path, "overlay", 0, options) != 0) {
        return shim_fail(f, "overlay", path);
    }
    note_private(path);
    return true;
}

/* A folder of devices can not be overlaid; it becomes a small one of our own with the same in it.
 */
static bool mirror_devices(struct shim_failure *f)
{
    static const char mirror[] = OVERLAYS "/dev";
    if (mkdir(mirror, 0755) != 0 || mount("tmpfs", mirror, "tmpfs", MS_NOSUID, "mode=755") != 0) {
        return shim_fail(f, "mirror", "/dev");
    }
    DIR *dev = opendir("/dev");
    bool is_ok = dev != NULL || shim_fail(f, "open", "/dev");
    for (struct dirent *e; is_ok && (e = readdir(dev));) {
        char path[NAME_MAX + 8], copy[NAME_MAX + sizeof mirror + 2];
        struct stat st;
        snprintf(path, sizeof path, "/dev/%s", e->d_name);
        snprintf(copy, sizeof copy, "%s/%s", mirror, e->d_name);
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || lstat(path, &st) != 0) {
            continue;
        }
        if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
            is_ok = (mknod(copy, st.st_mode, st.st_rdev) == 0 && chmod(copy, st.st_mode) == 0 &&
                     lchown(copy, st.st_uid, st.st_gid) == 0) ||
                    shim_fail(f, "create", copy);
        } else if (S_ISLNK(st.st_mode)) {
            is_ok = copy_link(path, copy) || shim_fail(f, "link", copy);
        } else if (S_ISDIR(st.st_mode)) {
            is_ok = (mkdir(copy, 0755) == 0 || shim_fail(f, "create", copy)) &&
                    bind(path, copy, MS_REC, f);
        } else {
            is_ok = (make_file(copy) || shim_fail(f, "create", copy)) && bind(path, copy, 0, f);
        }
    }
    if (dev) {
        closedir(dev);
    }
    is_ok = is_ok &&
            (mount(mirror, "/dev", NULL, MS_MOVE, NULL) == 0 || shim_fail(f, "replace", "/dev"));
    note_private("/dev");
    return is_ok;
}

static bool make_private(const char *path, struct shim_failure *f)
{
    return strcmp(path, "/dev") == 0 ? mirror_devices(f) : overlay(path, f);
}

/* Makes the folders of path from the character at on. */
static bool make_dirs(char *path, size_t at)
{
    for (size_t i = at; path[i]; i++) {
        if (path[i] == '/' && i > 0) {
            path[i] = 0;
            bool is_ok = mkdir(path, 0755) == 0 || errno == EEXIST;
            path[i] = '/';
            if (!is_ok) {
                return false;
            }
        }
    }
    return true;
}

/* In a volume mounted before: a mount point may be made there, as it may in what is private. */
static bool is_in_volume(const struct shim_spec *spec, size_t before, const char *path)
{
    for (size_t i = 0; i < before; i++) {
        size_t len = strlen(spec->mounts[i].dst);
        if (strncmp(path, spec->mounts[i].dst, len) == 0 && (path[len] == '/' || !path[len])) {
            return true;
        }
    }
    return false;
}

/* The mount point, made where it is missing, without touching the host. */
static bool make_target(const struct shim_spec *spec, size_t number, bool is_dir,
                        struct shim_failure *f)
{
    const char *dst = spec->mounts[number].dst;
    struct stat st;
    if (stat(dst, &st) == 0) {
        return true;
    }
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", dst);
    char *slash;
    do { /* the nearest folder that exists */
        slash = strrchr(path, '/');
        if (!slash || slash == path) {
            path[0] = 0;
            break;
        }
        *slash = 0;
    } while (stat(path, &st) != 0);
    size_t at = strlen(path);
    if (at > 0 && !is_private(&st) && !is_in_volume(spec, number, path) && !make_private(path, f)) {
        return false;
    }
    snprintf(path, sizeof path, "%s", dst);
    if (!make_dirs(path, at) || !(is_dir ? mkdir(path, 0755) == 0 : make_file(path))) {
        return shim_fail(f, "create the mount point", dst);
    }
    return true;
}

static bool add_volume(const struct shim_spec *spec, size_t number, struct shim_failure *f)
{
    const struct shim_mount *m = &spec->mounts[number];
    char src[PATH_MAX + sizeof OLD_ROOT];
    struct stat st;
    snprintf(src, sizeof src, "%s%s", OLD_ROOT, m->src);
    if (stat(src, &st) != 0) {
        return shim_fail(f, "find", m->src);
    }
    if (!make_target(spec, number, S_ISDIR(st.st_mode), f) || !bind(src, m->dst, MS_REC, f)) {
        return false;
    }
    return !m->is_read_only || bind(NULL, m->dst, MS_REMOUNT | MS_RDONLY, f);
}

/* What holds others comes before them. */
static int shorter_first(const void *a, const void *b)
{
    const struct shim_mount *x = a, *y = b;
    size_t x_len = strlen(x->dst), y_len = strlen(y->dst);
    return x_len < y_len ? -1 : x_len > y_len;
}

static bool set_mount(const char *path, unsigned flags, uint64_t set, uint64_t clear)
{
    struct mount_attr attr = {.attr_set = set, .attr_clr = clear};
    return syscall(SYS_mount_setattr, AT_FDCWD, path, flags, &attr, sizeof attr) == 0;
}

/* All of it, then the volumes that may be written are given back. */
static bool make_read_only(const struct shim_spec *spec, struct shim_failure *f)
{
    if (!set_mount("/", AT_RECURSIVE, MOUNT_ATTR_RDONLY, 0)) {
        return shim_fail(f, "make read-only", "/");
    }
    for (size_t i = 0; i < spec->n_mounts; i++) {
        const struct shim_mount *m = &spec->mounts[i];
        if (!m->is_read_only && !set_mount(m->dst, 0, 0, MOUNT_ATTR_RDONLY)) {
            return shim_fail(f, "make writable", m->dst);
        }
    }
    return true;
}

bool shim_mounts_apply(const struct shim_spec *spec, const char *dir, struct shim_failure *f)
{
    /* Slave, not private: when the host lets go of a mount (another Pod's network namespace), no
     * copy in here may hold it. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) {
        return shim_fail(f, "make mounts slaves of the host's", "/");
    }
    if (spec->rootfs) {
        return mount_proc(f) && shim_layers_mount(spec, dir, f);
    }
    if (spec->n_mounts == 0) {
        return mount_proc(f) && (!spec->is_root_read_only || make_read_only(spec, f));
    }
    if (!enter_new_root(dir, f) || !mount_proc(f)) {
        return false;
    }
    note_private("/");
    qsort(spec->mounts, spec->n_mounts, sizeof *spec->mounts, shorter_first);
    for (size_t i = 0; i < spec->n_mounts; i++) {
        if (!add_volume(spec, i, f)) {
            return false;
        }
    }
    if (umount2(OLD_ROOT, MNT_DETACH) != 0 || rmdir(OLD_ROOT) != 0) {
        return shim_fail(f, "leave", OLD_ROOT);
    }
    return !spec->is_root_read_only || make_read_only(spec, f);
}
