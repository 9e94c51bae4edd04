#include "core/base/fs.h"

#include "core/base/alloc.h"
#include "core/base/rand.h"
#include "core/base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_ullong fail_at; /* steps left until one fails; 0: none */
static atomic_int fail_errno;

void opr_fs_fail_nth(uint64_t n, int err)
{
    atomic_store(&fail_errno, err);
    atomic_store(&fail_at, n);
}

/* True where a test wants this step to fail; errno is set. */
static bool must_fail(void)
{
    unsigned long long left = atomic_load(&fail_at);
    while (left > 0 && !atomic_compare_exchange_weak(&fail_at, &left, left - 1)) {
    }
    if (left == 1) {
        errno = atomic_load(&fail_errno);
    }
    return left == 1;
}

static opr_status failed(struct opr_error *reterr, const char *what, const char *path)
{
    opr_status st = errno == ENOENT ? OPR_E_NOT_FOUND : errno == ENOMEM ? OPR_E_NOMEM : OPR_E_IO;
    return opr_error_set(reterr, st, "can not %s %s: %m", what, path);
}

opr_status opr_fs_read(const char *path, size_t limit, struct opr_buf *ret_data,
                       struct opr_error *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return failed(reterr, "read", path);
    }
    opr_status st = OPR_OK;
    for (;;) {
        opr_buf_reserve(ret_data, 4096);
        ssize_t n = read(fd, ret_data->data + ret_data->len, 4096);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            st = failed(reterr, "read", path);
        }
        if (n <= 0) {
            break;
        }
        ret_data->len += (size_t)n;
        ret_data->data[ret_data->len] = '\0';
        if (ret_data->len > limit) {
            st = opr_error_set(reterr, OPR_E_LIMIT, "%s is larger than %zu bytes", path, limit);
            break;
        }
    }
    close(fd);
    return st;
}

static bool write_all(int fd, struct opr_str data)
{
    while (data.len > 0) {
        ssize_t n = must_fail() ? -1 : write(fd, data.ptr, data.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        data = opr_str_n(data.ptr + n, data.len - (size_t)n);
    }
    return true;
}

static bool sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash) {
        snprintf(folder, sizeof folder, ".");
    } else {
        slash[slash == folder] = '\0';
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && !must_fail() && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return is_synced;
}

opr_status opr_fs_write(const char *path, struct opr_str data, unsigned mode,
                        struct opr_error *reterr)
{
    char temporary[PATH_MAX], suffix[9];
    opr_rand_name(suffix, 8);
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.%s", path, suffix) >= sizeof temporary) {
        return opr_error_set(reterr, OPR_E_LIMIT, "the path is too long: %s", path);
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        return failed(reterr, "write", temporary);
    }
    bool is_written =
        fchmod(fd, mode) == 0 && write_all(fd, data) && !must_fail() && fsync(fd) == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    if (is_written && !must_fail() && rename(temporary, path) == 0) {
        return sync_folder_of(path) ? OPR_OK : failed(reterr, "sync the folder of", path);
    }
    opr_status st = failed(reterr, "write", path);
    (void)unlink(temporary); /* the first failure is the one to tell */
    return st;
}

opr_status opr_fs_poke(const char *path, struct opr_str data, struct opr_error *reterr)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return failed(reterr, "open", path);
    }
    ssize_t n = must_fail() ? -1 : write(fd, data.ptr, data.len);
    if (n >= 0 && (size_t)n < data.len) {
        errno = EIO;
    }
    opr_status st = n == (ssize_t)data.len ? OPR_OK : failed(reterr, "write", path);
    close(fd);
    return st;
}

opr_status opr_fs_mkdirs(const char *path, unsigned mode, struct opr_error *reterr)
{
    char text[PATH_MAX];
    if ((size_t)snprintf(text, sizeof text, "%s", path) >= sizeof text) {
        return opr_error_set(reterr, OPR_E_LIMIT, "the path is too long: %s", path);
    }
    if (text[0] == '\0') {
        return opr_error_set(reterr, OPR_E_INVALID, "the path of a folder is empty");
    }
    for (char *p = text + 1;; p++) {
        bool is_end = *p == '\0';
        if (!is_end && *p != '/') {
            continue;
        }
        *p = '\0';
        if (mkdir(text, mode) != 0 && errno != EEXIST) {
            return failed(reterr, "make the folder", text);
        }
        if (is_end) {
            break;
        }
        *p = '/';
    }
    struct stat s;
    if (stat(path, &s) == 0 && S_ISDIR(s.st_mode)) {
        return OPR_OK;
    }
    errno = ENOTDIR;
    return failed(reterr, "make the folder", path);
}

/* Opens a folder for removal, never through a symbolic link, and below the top never through a
 * mount: what is mounted into a container's tree belongs to somebody else. */
static int open_folder(int parent, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    struct open_how how = {.flags = (uint64_t)flags, .resolve = RESOLVE_NO_XDEV};
    if (parent == AT_FDCWD) {
        return open(name, flags);
    }
    int fd = (int)syscall(SYS_openat2, parent, name, &how, sizeof how);
    return fd < 0 && errno == ENOSYS ? openat(parent, name, flags) : fd;
}

static bool remove_at(int parent, const char *name)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) {
        return true;
    }
    if (errno != EISDIR && errno != EPERM) {
        return false;
    }
    int fd = open_folder(parent, name);
    if (fd < 0) {
        return false;
    }
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return false;
    }
    bool is_gone = true;
    for (struct dirent *e; (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            is_gone = remove_at(dirfd(dir), e->d_name) && is_gone;
        }
    }
    closedir(dir);
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 && is_gone;
}

opr_status opr_fs_remove_tree(const char *path, struct opr_error *reterr)
{
    return remove_at(AT_FDCWD, path) ? OPR_OK : failed(reterr, "remove", path);
}

bool opr_fs_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
