/* Objects from files: YAML or JSON, several documents a file, folders, Lists. Threads: main. */
#ifndef OPR_CMD_MANIFEST_H
#define OPR_CMD_MANIFEST_H

#include "core/base/vec.h"
#include "core/json/doc.h"

/* Appends json-c documents (owned) in file and name order; "-" reads standard input. Errors name
 * the file. */
OPR_NODISCARD opr_status opr_manifest_read(const char *path, struct opr_vec *docs,
                                           struct opr_error *reterr);
void opr_manifest_free(struct opr_vec *docs);

#endif
