/* HTTP client on libcurl: blocking exchanges on a worker's own handle, and long streams on a loop.
 * Nothing outside core/net sees libcurl. Threads: at each function. */
#ifndef OPR_NET_CLIENT_H
#define OPR_NET_CLIENT_H

#include "core/net/http.h"
#include "core/net/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How to reach and trust one server. Immutable once made; strings are owned. Threads: any. */
struct opr_endpoint;
struct opr_credential {
    char *token;        /* owned */
    int64_t expires_ms; /* wall clock; 0: it does not say */
};
/* How a token is replaced that has expired or was refused (401). */
struct opr_renewal {
    /* Any thread but a loop, one at a time, at most every 10 s; may block for a minute. */
    opr_status (*renew)(void *arg, struct opr_credential *ret_credential, struct opr_error *reterr);
    void (*free)(void *arg); /* with the endpoint; may be NULL */
    void *arg;
};
struct opr_endpoint_config {
    const char *url;             /* "https://127.0.0.1:6443"; no path */
    const char *ca_pem;          /* NULL with https: the system's */
    const char *client_cert_pem; /* may be NULL */
    const char *client_key_pem;
    const char *token;          /* bearer token; may be NULL */
    int64_t token_expires_ms;   /* wall clock; 0: unknown */
    struct opr_renewal renewal; /* of the token; renew NULL: none. arg is taken on success */
    const char *token_file;     /* read again when it changes (every minute); may be NULL */
    bool is_insecure;           /* do not verify: only where the kubeconfig says so */
    const char *server_name;    /* TLS server name; NULL: from the url */
    const char *proxy_url; /* http://, https:// or socks5://; NULL: as the environment says, and
                              none to a loopback address */
    const char *user_agent;
    /* Any thread: a socket of this endpoint before it connects; may be NULL. */
    void (*on_socket)(void *arg, int fd);
    void *on_socket_arg; /* outlives the endpoint */
};
OPR_NODISCARD opr_status opr_endpoint_new(const struct opr_endpoint_config *config,
                                          struct opr_endpoint **ret_endpoint,
                                          struct opr_error *reterr);
struct opr_endpoint *opr_endpoint_ref(struct opr_endpoint *e);
/* "https://127.0.0.1:6443", borrowed; the host is server_name where one was given. */
const char *opr_endpoint_url(const struct opr_endpoint *e);
/* PEM of the authority that it trusts, borrowed; NULL: the system's. */
const char *opr_endpoint_ca(const struct opr_endpoint *e);
void opr_endpoint_unref(struct opr_endpoint *e);

struct opr_client_request {
    const char *method;
    const char *path_query;   /* "/api/v1/pods?limit=500" */
    const char *content_type; /* NULL: none */
    const char *accept;       /* NULL: application/json */
    struct opr_str body;
    uint32_t timeout_ms; /* 0: 30,000 */
};
struct opr_client_response {
    int status;
    struct opr_buf body; /* owned: opr_buf_fini() */
    char content_type[96];
    uint32_t retry_after_s; /* 0: no such header */
};

/* Worker: one exchange at a time per session; a session keeps its connection. */
struct opr_session;
struct opr_session *opr_session_new(struct opr_endpoint *endpoint);
void opr_session_free(struct opr_session *s);
OPR_NODISCARD opr_status opr_session_call(struct opr_session *s,
                                          const struct opr_client_request *req,
                                          struct opr_client_response *ret_res,
                                          struct opr_error *reterr);
/* Side by side on this session; ret_status has n entries. */
void opr_session_call_many(struct opr_session *s, const struct opr_client_request *reqs, size_t n,
                           struct opr_client_response *ret_res, opr_status *ret_status);
void opr_session_cancel(struct opr_session *s); /* any thread: the running call ends CANCELLED */

/* Loop: a response read as it comes. Calls back on the loop thread, never from inside open. */
struct opr_stream;
struct opr_stream_handler {
    void (*on_header)(void *arg, int status); /* may be NULL */
    void (*on_data)(void *arg, struct opr_str data);
    /* Last call: OPR_OK where the server ended it. The stream is freed after it returns. */
    void (*on_end)(void *arg, opr_status st, const struct opr_error *err);
};
struct opr_streams; /* the multi handle of one loop and endpoint */
struct opr_streams *opr_streams_new(struct opr_loop *l, struct opr_endpoint *endpoint);
void opr_streams_free(struct opr_streams *s); /* closes all, without callbacks */
struct opr_stream *opr_stream_open(struct opr_streams *s, const struct opr_client_request *req,
                                   const struct opr_stream_handler *handler, void *arg);
void opr_stream_close(struct opr_stream *s); /* no callback follows */

#ifdef __cplusplus
}
#endif
#endif
