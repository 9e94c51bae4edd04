/* The reading half of kubeconfig.c: what a file says, before an endpoint is made of it. */
#ifndef OPR_CLIENT_KUBECONFIG_INTERNAL_H
#define OPR_CLIENT_KUBECONFIG_INTERNAL_H

#include "core/base/arena.h"
#include "core/client/kubeconfig.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr__kubeconfig_text {
    struct opr_endpoint_config config; /* strings of the arena */
    const char *context;
    const char *namespace_; /* NULL: the context names none */
    bool is_by_program;     /* the token came from an exec plugin: reading again renews it */
};

/* paths: one, or several with ':' between them, of which those that exist are merged: the first
 * file that has a context, cluster, user or current-context counts for it. */
OPR_NODISCARD opr_status opr__kubeconfig_read(const char *paths, const char *context,
                                              struct opr_arena *a,
                                              struct opr__kubeconfig_text *ret_text,
                                              struct opr_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
