#include "agent/files.h"

#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/rand.h"
#include "core/base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA_LINK "..data"

void opr__tree_remove(const char *path)
{
    struct opr_error err = {0};
    if (opr_fs_remove_tree(path, &err) != OPR_OK) {
        opr_log(OPR_LOG_WARN, "agent", "can not remove a folder", "error=\"%s\"", err.message);
    }
}

opr_status opr__file_put(const char *path, struct opr_str data, unsigned mode,
                         struct opr_error *reterr)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    bool is_ok = fd >= 0 && fchmod(fd, mode) == 0; /* past the umask */
    for (size_t at = 0; is_ok && at < data.len;) {
        ssize_t n = write(fd, data.ptr + at, data.len - at);
        is_ok = n > 0;
        at += is_ok ? (size_t)n : 0;
    }
    opr_status st = is_ok ? OPR_OK : opr_error_set(reterr, OPR_E_IO, "can not write %s: %m", path);
    if (fd >= 0) {
        close(fd);
    }
    return st;
}

static bool is_inside(const char *path)
{
    struct opr_str rest = opr_str_of(path), part;
    if (rest.len == 0 || path[0] == '/' || strncmp(path, "..", 2) == 0) {
        return false;
    }
    while (opr_str_next(&rest, '/', &part)) {
        if (part.len == 0 || opr_str_is(part, "..") || opr_str_is(part, ".")) {
            return false;
        }
    }
    return true;
}

opr_status opr__files_add(struct opr__files *f, const char *path, struct opr_str data,
                          unsigned mode, struct opr_error *reterr)
{
    if (!is_inside(path)) {
        return opr_error_set(reterr, OPR_E_INVALID, "the path \"%s\" leaves the volume", path);
    }
    struct opr__file *file = NULL;
    for (size_t i = 0; i < f->list.count; i++) {
        struct opr__file *other = f->list.items[i];
        file = strcmp(other->path, path) == 0 ? other : file;
    }
    if (!file) {
        file = opr_arena_alloc(f->arena, sizeof *file);
        file->path = opr_arena_dup(f->arena, opr_str_of(path));
        opr_vec_push(&f->list, file);
    }
    file->data = opr_str_n(opr_arena_dup(f->arena, data), data.len);
    file->mode = mode;
    return OPR_OK;
}

static size_t count_files(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        if (e->d_type == DT_DIR) {
            char *below = opr_xprintf("%s/%s", dir, e->d_name);
            n += count_files(below);
            opr_free(below);
        } else {
            n++;
        }
    }
    if (d) {
        closedir(d);
    }
    return n;
}

static bool is_published(const struct opr__files *f, const char *dir)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/" DATA_LINK, dir);
    if (count_files(path) != f->list.count || !opr_fs_exists(path)) {
        return false;
    }
    bool is_same = true;
    for (size_t i = 0; i < f->list.count && is_same; i++) {
        const struct opr__file *file = f->list.items[i];
        struct opr_buf text = {0};
        snprintf(path, sizeof path, "%s/" DATA_LINK "/%s", dir, file->path);
        is_same = opr_fs_read(path, file->data.len + 1, &text, NULL) == OPR_OK &&
                  opr_str_eq(opr_buf_str(&text), file->data);
        opr_buf_fini(&text);
    }
    return is_same;
}

static opr_status write_one(const struct opr__files *f, const char *dir,
                            const struct opr__file *file, struct opr_error *reterr)
{
    char *path = opr_xprintf("%s/%s", dir, file->path), *slash = strrchr(path, '/');
    *slash = 0;
    opr_status st = opr_fs_mkdirs(path, 0755, reterr);
    *slash = '/';
    if (st == OPR_OK) {
        unsigned mode = f->gid > 0 ? file->mode | 0440 : file->mode;
        st = opr_fs_write(path, file->data, mode, reterr);
    }
    if (st == OPR_OK && f->gid > 0 && chown(path, (uid_t)-1, (gid_t)f->gid) != 0) {
        st = opr_error_set(reterr, OPR_E_IO, "can not give %s to a group: %m", path);
    }
    opr_free(path);
    return st;
}

/* "a/b" is reached by the link "a" to "..data/a". */
static void link_top(const char *dir, const char *path)
{
    char link[PATH_MAX], target[PATH_MAX];
    int len = (int)strcspn(path, "/");
    snprintf(link, sizeof link, "%s/%.*s", dir, len, path);
    snprintf(target, sizeof target, DATA_LINK "/%.*s", len, path);
    (void)symlink(target, link); /* it may be there */
}

/* Links whose file is gone. */
static void drop_dangling(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_type == DT_LNK && strcmp(e->d_name, DATA_LINK) != 0) {
            char *path = opr_xprintf("%s/%s", dir, e->d_name);
            if (access(path, F_OK) != 0) {
                (void)unlink(path);
            }
            opr_free(path);
        }
    }
    if (d) {
        closedir(d);
    }
}

opr_status opr__files_publish(const struct opr__files *f, const char *dir, struct opr_error *reterr)
{
    char next[PATH_MAX], link[PATH_MAX], temporary[PATH_MAX], old[256] = "", name[16];
    OPR_TRY(opr_fs_mkdirs(dir, 0755, reterr));
    if (is_published(f, dir)) {
        return OPR_OK;
    }
    opr_rand_name(name, sizeof name - 1);
    snprintf(next, sizeof next, "%s/..%s", dir, name);
    snprintf(link, sizeof link, "%s/" DATA_LINK, dir);
    snprintf(temporary, sizeof temporary, "%s/..new", dir);
    OPR_TRY(opr_fs_mkdirs(next, 0755, reterr));
    for (size_t i = 0; i < f->list.count; i++) {
        OPR_TRY(write_one(f, next, f->list.items[i], reterr));
    }
    ssize_t len = readlink(link, old, sizeof old - 1);
    (void)unlink(temporary);
    if (symlink(strrchr(next, '/') + 1, temporary) != 0 || rename(temporary, link) != 0) {
        return opr_error_set(reterr, OPR_E_IO, "can not publish %s: %m", dir);
    }
    for (size_t i = 0; i < f->list.count; i++) {
        link_top(dir, ((const struct opr__file *)f->list.items[i])->path);
    }
    if (len > 0) {
        snprintf(next, sizeof next, "%s/%.*s", dir, (int)len, old);
        opr__tree_remove(next);
        drop_dangling(dir);
    }
    return OPR_OK;
}
