#include "agent/scratch.h"

#include "core/api/quantity.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <dirent.h>
#include <fts.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TMPFS_MAGIC_NUMBER 0x01021994 /* statfs(2) */

static int64_t limit_of(const struct opr_obj *source)
{
    int64_t milli = 0;
    return opr_quantity_at(source, "/sizeLimit", &milli) == OPR_OK ? milli / 1000 : 0;
}

static bool is_memory(const char *dir)
{
    struct statfs fs;
    struct stat self, parent;
    char *up = opr_xprintf("%s/..", dir);
    bool is_mount = stat(dir, &self) == 0 && stat(up, &parent) == 0 && self.st_dev != parent.st_dev;
    opr_free(up);
    return is_mount && statfs(dir, &fs) == 0 && fs.f_type == TMPFS_MAGIC_NUMBER;
}

opr_status opr__scratch_make(const char *dir, const struct opr_obj *source, int64_t gid,
                             struct opr_error *reterr)
{
    OPR_TRY(opr_fs_mkdirs(dir, 0777, reterr));
    if (strcmp(opr_json_str(source, "/medium", ""), "Memory") == 0 && !is_memory(dir)) {
        char options[64];
        int64_t limit = limit_of(source);
        snprintf(options, sizeof options, limit > 0 ? "mode=777,size=%lld" : "mode=777",
                 (long long)limit);
        if (mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) {
            return opr_error_set(reterr, OPR_E_IO, "can not mount memory at %s: %m", dir);
        }
    }
    if (gid > 0 && chown(dir, (uid_t)-1, (gid_t)gid) != 0) {
        return opr_error_set(reterr, OPR_E_IO, "can not give %s to a group: %m", dir);
    }
    (void)chmod(dir, gid > 0 ? 02777 : 0777); /* past the umask */
    return OPR_OK;
}

/* Bytes on disk below a folder, each file once. */
static int64_t usage_of(char *dir)
{
    int64_t bytes = 0;
    char *paths[] = {dir, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    for (FTSENT *e; tree && (e = fts_read(tree));) {
        if (e->fts_info == FTS_F && e->fts_statp->st_nlink <= 1) {
            bytes += (int64_t)e->fts_statp->st_blocks * 512;
        }
    }
    if (tree) {
        fts_close(tree);
    }
    return bytes;
}

bool opr__scratch_is_over(const struct opr__pod *p, char *ret_why, size_t size)
{
    const struct opr_obj *list = opr_json_at(p->work, "/spec/volumes");
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        const struct opr_obj *source = opr_json_at(v, "/emptyDir");
        int64_t limit = limit_of(source);
        if (limit <= 0) {
            continue;
        }
        char *dir = opr_xprintf("%s/volumes/%s", p->dir, opr_json_str(v, "/name", ""));
        bool is_over = usage_of(dir) > limit;
        opr_free(dir);
        if (is_over) {
            snprintf(ret_why, size, "Usage of EmptyDir volume \"%s\" exceeds the limit \"%s\". ",
                     opr_json_str(v, "/name", ""), opr_json_str(source, "/sizeLimit", ""));
            return true;
        }
    }
    return false;
}

void opr__scratch_release(const char *pod_dir)
{
    char *folder = opr_xprintf("%s/volumes", pod_dir);
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        char *dir = opr_xprintf("%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.' && is_memory(dir)) {
            (void)umount2(dir, MNT_DETACH);
        }
        opr_free(dir);
    }
    if (d) {
        closedir(d);
    }
    opr_free(folder);
}
