/* Where the API server is and who we are: a kubeconfig file, or the files that a pod is given.
 * Threads: worker. */
#ifndef OPR_CLIENT_KUBECONFIG_H
#define OPR_CLIENT_KUBECONFIG_H

#include "core/net/client.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_kubeconfig {
    struct opr_endpoint *endpoint; /* ref */
    char *namespace_;              /* owned; of the context, else "default" */
};

/* YAML or JSON. context NULL: current-context. Errors name the file and what is missing. path may
 * be a list with ':' as in $KUBECONFIG; the files that exist are merged, the first one wins. */
OPR_NODISCARD opr_status opr_kubeconfig_load(const char *path, const char *context,
                                             struct opr_kubeconfig *ret_config,
                                             struct opr_error *reterr);
/* KUBERNETES_SERVICE_HOST and /var/run/secrets/kubernetes.io/serviceaccount. */
OPR_NODISCARD opr_status opr_kubeconfig_in_cluster(struct opr_kubeconfig *ret_config,
                                                   struct opr_error *reterr);
/* path, else in-cluster, else $KUBECONFIG, else ~/.kube/config. */
OPR_NODISCARD opr_status opr_kubeconfig_find(const char *path, struct opr_kubeconfig *ret_config,
                                             struct opr_error *reterr);
void opr_kubeconfig_fini(struct opr_kubeconfig *config);

#ifdef __cplusplus
}
#endif
#endif
