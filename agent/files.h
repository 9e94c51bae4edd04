/* A volume whose content comes from objects: a list of small files, published so that a reader sees
 * all of the old ones or all of the new ones (a folder behind the link "..data", as kubelet does).
 * Threads: worker. */
#ifndef OPR_AGENT_FILES_H
#define OPR_AGENT_FILES_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/vec.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr__file {
    const char *path; /* relative, checked: no "..", no leading slash */
    struct opr_str data;
    unsigned mode;
};

struct opr__files {
    struct opr_arena *arena; /* borrowed; of all that follows */
    struct opr_vec list;     /* of struct opr__file; the last one of a path counts */
    int64_t gid;             /* fsGroup: may read all of them; 0: none */
};

/* Copies. OPR_E_INVALID: the path leaves the volume. */
OPR_NODISCARD opr_status opr__files_add(struct opr__files *f, const char *path, struct opr_str data,
                                        unsigned mode, struct opr_error *reterr);
/* Makes the folder hold exactly these; does nothing where it does. */
OPR_NODISCARD opr_status opr__files_publish(const struct opr__files *f, const char *dir,
                                            struct opr_error *reterr);

/* Writes a file anew with exactly this mode, not synced: for what a run needs as long as the
 * machine is up. */
OPR_NODISCARD opr_status opr__file_put(const char *path, struct opr_str data, unsigned mode,
                                       struct opr_error *reterr);

/* Removes a tree; a failure is logged and left to the next attempt. */
void opr__tree_remove(const char *path);

#ifdef __cplusplus
}
#endif
#endif
