/* The embedded API server: an HTTP handler over a store, its own PKI, RBAC and admission.
 * Threads: new, free on the main thread; the handler from any worker. */
#ifndef OPR_APISERVER_APISERVER_H
#define OPR_APISERVER_APISERVER_H

#include "core/base/clock.h"
#include "core/net/http.h"
#include "core/net/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_apiserver_config {
    const char *dir;     /* data, certificates; NULL: in memory */
    const char *address; /* of the HTTPS listener, for certificate and kubeconfig */
    const struct opr_clock *clock;
    uint32_t watch_window_events; /* history kept for watches; 0: 10,000 */
    const char *service_cidr;     /* NULL: "10.96.0.0/16" */
};

struct opr_apiserver;
/* Makes or reads the PKI in dir/pki, opens the store, creates the bootstrap objects. */
OPR_NODISCARD opr_status opr_apiserver_new(const struct opr_apiserver_config *config,
                                           struct opr_apiserver **ret_server,
                                           struct opr_error *reterr);
/* All background work ends; the store is closed. Not while requests run. */
void opr_apiserver_free(struct opr_apiserver *s);
struct opr_http_handler *opr_apiserver_handler(struct opr_apiserver *s);
/* PEM texts for the listener, borrowed. */
const char *opr_apiserver_ca(const struct opr_apiserver *s);
const char *opr_apiserver_cert(const struct opr_apiserver *s);
const char *opr_apiserver_key(const struct opr_apiserver *s);
/* Writes a kubeconfig (0600) for a user with a fresh client certificate. */
OPR_NODISCARD opr_status opr_apiserver_kubeconfig(struct opr_apiserver *s, const char *path,
                                                  const char *server_url, const char *user,
                                                  const char *const *groups,
                                                  struct opr_error *reterr);

/* Files of a node in dir (0600): kubeconfig (user system:node:NAME, group system:nodes), tls.crt
 * and tls.key for its HTTPS server, ca.crt. */
OPR_NODISCARD opr_status opr_apiserver_node_files(struct opr_apiserver *s, const char *dir,
                                                  const char *node, const char *server_url,
                                                  struct opr_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
