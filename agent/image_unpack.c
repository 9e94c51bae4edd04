/* Archives into folders. Names are checked here, and the parent of each entry is opened by the
 * kernel below the folder without following a link, so that nothing can be written elsewhere. */
#include "agent/image.h"

#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
#define OPAQUE_XATTR "trusted.overlay.opaque"
enum { BLOCK_BYTES = 64 * 1024 };

struct unpack {
    struct archive *in, *out;
    const char *dir;
    int root;
    bool is_layer;
    struct opr_error *reterr;
};

int opr__open_below(int root_fd, const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof how);
}

opr_status opr__digest_fd(int fd, char ret_hex[65], struct opr_error *reterr)
{
    unsigned char block[16384], digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    ssize_t n = -1;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool is_ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) && lseek(fd, 0, SEEK_SET) == 0;
    while (is_ok && (n = read(fd, block, sizeof block)) > 0) {
        is_ok = EVP_DigestUpdate(md, block, (size_t)n) == 1;
    }
    is_ok = is_ok && n == 0 && EVP_DigestFinal_ex(md, digest, &len) && len == 32;
    EVP_MD_CTX_free(md);
    if (!is_ok || lseek(fd, 0, SEEK_SET) != 0) {
        return opr_error_set(reterr, OPR_E_IO, "can not read a file of the image: %m");
    }
    for (unsigned i = 0; i < len; i++) {
        snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
    }
    return OPR_OK;
}

/* "./a//b/" to "a/b"; false: it leads out, or is too long. "" is the folder itself. */
static bool clean_path(const char *path, char ret_path[PATH_MAX])
{
    struct opr_str rest = opr_str_of(path), part;
    size_t len = 0;
    ret_path[0] = 0;
    while (opr_str_next(&rest, '/', &part)) {
        if (part.len == 0 || opr_str_is(part, ".")) {
            continue;
        }
        if (opr_str_is(part, "..") || len + part.len + 2 > PATH_MAX) {
            return false;
        }
        len += (size_t)snprintf(ret_path + len, PATH_MAX - len, "%s%.*s", len ? "/" : "",
                                OPR_STR_ARG(part));
    }
    return true;
}

/* Folder of an entry as an O_PATH descriptor, made where it is missing. */
static int open_parent(const struct unpack *u, const char *path)
{
    int dir = fcntl(u->root, F_DUPFD_CLOEXEC, 3);
    struct opr_str rest = opr_str_of(path), part;
    while (dir >= 0 && opr_str_next(&rest, '/', &part) && rest.len > 0) {
        char name[NAME_MAX + 1];
        snprintf(name, sizeof name, "%.*s", OPR_STR_ARG(part));
        struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                               .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
        (void)mkdirat(dir, name, 0755);
        int next = (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
        int saved = errno;
        close(dir);
        errno = saved;
        dir = next;
    }
    return dir;
}

static opr_status refuse(const struct unpack *u, const char *path, const char *why)
{
    return opr_error_set(u->reterr, OPR_E_INVALID, "the archive is refused: \"%.200s\" %s", path,
                         why);
}

/* "" where the entry's name is of overlayfs' own making; else what is to be made opaque or white.
 */
static opr_status make_whiteout(const struct unpack *u, int parent, const char *path,
                                const char *name)
{
    char full[PATH_MAX + 64];
    struct stat st;
    bool is_opaque = strcmp(name, OPAQUE) == 0;
    const char *hidden = name + sizeof WHITEOUT - 1;
    if (!is_opaque && (!*hidden || strcmp(hidden, "..") == 0 || strcmp(hidden, ".") == 0)) {
        return refuse(u, path, "is no name of a whiteout");
    }
    bool is_there = !is_opaque && fstatat(parent, hidden, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!is_opaque && !is_there) {
        return mknodat(parent, hidden, S_IFCHR, makedev(0, 0)) == 0
                   ? OPR_OK
                   : opr_error_set(u->reterr, OPR_E_IO, "can not make the whiteout %s: %m", path);
    }
    if (is_there && !S_ISDIR(st.st_mode)) {
        return OPR_OK; /* this layer has its own: it hides what is below anyway */
    }
    snprintf(full, sizeof full, "/proc/self/fd/%d/%s", parent, is_opaque ? "." : hidden);
    return setxattr(full, OPAQUE_XATTR, "y", 1, 0) == 0
               ? OPR_OK
               : opr_error_set(u->reterr, OPR_E_IO, "can not make %s opaque: %m", path);
}

/* Capabilities and the user's own stay; "trusted." would steer overlayfs. */
static void keep_xattrs(struct archive_entry *e)
{
    struct kept {
        char name[128];
        char value[1024];
        size_t len;
    } kept[8];
    size_t n = 0, len;
    const char *name;
    const void *value;
    archive_entry_xattr_reset(e);
    while (n < 8 && archive_entry_xattr_next(e, &name, &value, &len) == ARCHIVE_OK && name) {
        bool is_fine = strcmp(name, "security.capability") == 0 || strncmp(name, "user.", 5) == 0;
        if (is_fine && len <= sizeof kept->value && strlen(name) < sizeof kept->name) {
            snprintf(kept[n].name, sizeof kept->name, "%s", name);
            memcpy(kept[n].value, value, len);
            kept[n++].len = len;
        }
    }
    archive_entry_xattr_clear(e);
    for (size_t i = 0; i < n; i++) {
        archive_entry_xattr_add_entry(e, kept[i].name, kept[i].value, kept[i].len);
    }
}

/* Sets the entry's paths to where it goes to. */
static opr_status place(const struct unpack *u, struct archive_entry *e, const char *path)
{
    char full[2 * PATH_MAX], target[PATH_MAX];
    const char *link = archive_entry_hardlink(e);
    if (link) {
        if (!clean_path(link, target) || !*target) {
            return refuse(u, link, "leads out of it");
        }
        int dir = open_parent(u, target);
        if (dir < 0) {
            return refuse(u, link, "goes through a link");
        }
        close(dir);
        snprintf(full, sizeof full, "%s/%s", u->dir, target);
        archive_entry_copy_hardlink(e, full);
    }
    snprintf(full, sizeof full, "%s/%s", u->dir, path);
    archive_entry_copy_pathname(e, full);
    return OPR_OK;
}

static opr_status copy_data(const struct unpack *u)
{
    const void *block;
    size_t size;
    la_int64_t offset;
    int r;
    while ((r = archive_read_data_block(u->in, &block, &size, &offset)) == ARCHIVE_OK) {
        if (archive_write_data_block(u->out, block, size, offset) < ARCHIVE_OK) {
            return opr_error_set(u->reterr, OPR_E_IO, "can not unpack: %s",
                                 archive_error_string(u->out));
        }
    }
    return r == ARCHIVE_EOF ? OPR_OK
                            : opr_error_set(u->reterr, OPR_E_INVALID, "the archive is broken: %s",
                                            archive_error_string(u->in));
}

static opr_status write_entry(const struct unpack *u, struct archive_entry *e, const char *path)
{
    OPR_TRY(place(u, e, path));
    keep_xattrs(e);
    if (archive_write_header(u->out, e) < ARCHIVE_WARN) {
        return opr_error_set(u->reterr, OPR_E_IO, "can not unpack \"%s\": %s", path,
                             archive_error_string(u->out));
    }
    opr_status st = archive_entry_size(e) > 0 ? copy_data(u) : OPR_OK;
    if (st == OPR_OK && archive_write_finish_entry(u->out) < ARCHIVE_WARN) {
        st = opr_error_set(u->reterr, OPR_E_IO, "can not unpack \"%s\": %s", path,
                           archive_error_string(u->out));
    }
    return st;
}

static opr_status take_entry(const struct unpack *u, struct archive_entry *e)
{
    char path[PATH_MAX];
    const char *given = archive_entry_pathname(e);
    if (!given || !clean_path(given, path)) {
        return refuse(u, given ? given : "?", "leads out of it");
    }
    mode_t type = archive_entry_filetype(e);
    bool is_device = type == AE_IFCHR || type == AE_IFBLK;
    if (!*path || is_device || (!u->is_layer && type != AE_IFREG && type != AE_IFLNK)) {
        return OPR_OK; /* folders of a plain archive are made with what is in them */
    }
    int parent = open_parent(u, path);
    if (parent < 0) {
        return refuse(u, path,
                      errno == ELOOP || errno == ENOTDIR ? "goes through a link"
                                                         : "can not be placed");
    }
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    bool is_white = u->is_layer && strncmp(name, WHITEOUT, sizeof WHITEOUT - 1) == 0;
    opr_status st = is_white ? make_whiteout(u, parent, path, name) : write_entry(u, e, path);
    close(parent);
    return st;
}

static opr_status take_all(const struct unpack *u)
{
    struct archive_entry *e;
    int r;
    opr_status st = OPR_OK;
    while ((r = archive_read_next_header(u->in, &e)) >= ARCHIVE_WARN && r != ARCHIVE_EOF) {
        if ((st = take_entry(u, e)) != OPR_OK) {
            return st;
        }
    }
    return r == ARCHIVE_EOF ? OPR_OK
                            : opr_error_set(u->reterr, OPR_E_INVALID, "not an archive: %s",
                                            archive_error_string(u->in));
}

opr_status opr__unpack(int fd, const char *dir, bool is_layer, struct opr_error *reterr)
{
    char *real = realpath(dir, NULL); /* whose own links are none of the archive's */
    struct unpack u = {.dir = real, .is_layer = is_layer, .reterr = reterr};
    u.root = real ? open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (u.root < 0) {
        free(real);
        return opr_error_set(reterr, OPR_E_IO, "can not open %s: %m", dir);
    }
    u.in = archive_read_new();
    u.out = archive_write_disk_new();
    archive_read_support_format_tar(u.in);
    archive_read_support_format_empty(u.in);
    archive_read_support_filter_all(u.in);
    int flags = ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT |
                ARCHIVE_EXTRACT_UNLINK | ARCHIVE_EXTRACT_TIME;
    if (is_layer) {
        flags |= ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_XATTR;
    }
    archive_write_disk_set_options(u.out, flags);
    opr_status st = archive_read_open_fd(u.in, fd, BLOCK_BYTES) == ARCHIVE_OK
                        ? take_all(&u)
                        : opr_error_set(reterr, OPR_E_INVALID, "not an archive: %s",
                                        archive_error_string(u.in));
    if (archive_write_close(u.out) != ARCHIVE_OK && st == OPR_OK) {
        st = opr_error_set(reterr, OPR_E_IO, "can not unpack: %s", archive_error_string(u.out));
    }
    archive_read_free(u.in);
    archive_write_free(u.out);
    if (st == OPR_OK && syncfs(u.root) != 0) {
        st = opr_error_set(reterr, OPR_E_IO, "can not sync %s: %m", dir);
    }
    close(u.root);
    free(real);
    return st;
}
