/* HTTPS server: HTTP/1.1 (keep-alive, chunked) and HTTP/2 by ALPN, TLS 1.2+, optional client
 * certificates. Connections live on a loop, handlers run on an executor. Threads: loop. */
#ifndef OPR_NET_SERVER_H
#define OPR_NET_SERVER_H

#include "core/base/executor.h"
#include "core/net/http.h"
#include "core/net/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_server_config {
    struct opr_loop *loop;
    struct opr_executor *executor;
    struct opr_http_handler *handler;
    const char *address;  /* "127.0.0.1" */
    uint16_t port;        /* 0: any free one */
    const char *cert_pem; /* text; NULL: plain HTTP (health endpoints on loopback) */
    const char *key_pem;
    const char *client_ca_pem; /* NULL: client certificates are not asked for */
    size_t max_body_bytes;     /* 0: 3 MiB, as kube-apiserver */
    uint32_t max_connections;  /* 0: 4096 */
};

struct opr_server;

/* Listens at once. OPR_E_IO names the address. Strings are copied. */
OPR_NODISCARD opr_status opr_server_new(const struct opr_server_config *config,
                                        struct opr_server **ret_server, struct opr_error *reterr);
uint16_t opr_server_port(const struct opr_server *s);
/* Loop thread: refuses new requests, lets the running ones end for up to drain_ms, closes streams,
 * then calls done(arg). Then opr_server_free() may be called. */
void opr_server_stop(struct opr_server *s, uint32_t drain_ms, void (*done)(void *), void *arg);
void opr_server_free(struct opr_server *s);

#ifdef __cplusplus
}
#endif
#endif
