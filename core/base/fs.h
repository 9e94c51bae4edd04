/* The file seam: what the product reads from and writes to disk by itself (SQLite and the kernel's
 * own file systems aside) goes through here. Threads: worker (these calls block). */
#ifndef OPR_BASE_FS_H
#define OPR_BASE_FS_H

#include "core/base/buf.h"
#include "core/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whole file, at most limit bytes (OPR_E_LIMIT). Works on /proc and /sys too. */
OPR_NODISCARD opr_status opr_fs_read(const char *path, size_t limit, struct opr_buf *ret_data,
                                     struct opr_error *reterr);
/* Atomic: temporary file, fsync, rename, fsync of the folder. */
OPR_NODISCARD opr_status opr_fs_write(const char *path, struct opr_str data, unsigned mode,
                                      struct opr_error *reterr);
/* One write(2) into an existing file (cgroup and sysctl files). */
OPR_NODISCARD opr_status opr_fs_poke(const char *path, struct opr_str data,
                                     struct opr_error *reterr);
OPR_NODISCARD opr_status opr_fs_mkdirs(const char *path, unsigned mode, struct opr_error *reterr);
/* Removes a file or a folder with all in it; does not go through links or into what is mounted
 * below (that fails with OPR_E_IO). OPR_OK where nothing is there. */
OPR_NODISCARD opr_status opr_fs_remove_tree(const char *path, struct opr_error *reterr);
bool opr_fs_exists(const char *path);
/* Test seam: the n-th write, fsync or rename from now fails with this errno; 0: none. */
void opr_fs_fail_nth(uint64_t n, int err);

#ifdef __cplusplus
}
#endif
#endif
