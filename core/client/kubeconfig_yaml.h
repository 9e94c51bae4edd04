/* A YAML document as a tree of nodes, to be asked for by key. Enough for a kubeconfig; JSON is YAML
 * too. Threads: one owner. */
#ifndef OPR_CLIENT_KUBECONFIG_YAML_H
#define OPR_CLIENT_KUBECONFIG_YAML_H

#include "core/base/buf.h"
#include "core/base/error.h"

#include <yaml.h>

struct opr__yaml {
    yaml_document_t doc; /* owned */
    bool is_loaded;
};

/* name is for the error. */
OPR_NODISCARD opr_status opr__yaml_parse(struct opr__yaml *y, struct opr_str text, const char *name,
                                         struct opr_error *reterr);
void opr__yaml_fini(struct opr__yaml *y);

yaml_node_t *opr__yaml_root(struct opr__yaml *y);
/* NULL node: NULL. */
yaml_node_t *opr__yaml_get(struct opr__yaml *y, const yaml_node_t *map, const char *key);
yaml_node_t *opr__yaml_at(struct opr__yaml *y, const yaml_node_t *list, size_t i);
/* The text of a scalar; NULL where it is absent, empty, null or no scalar. */
const char *opr__yaml_text(struct opr__yaml *y, const yaml_node_t *map, const char *key);

#endif
