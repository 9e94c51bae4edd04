/* The transport seam: how the client reaches an API server. Three implement it: https
 * (core/client), local (a call into a server in the same process) and a test's own. A controller
 * can not tell which it has. Threads: request from workers (one at a time per session), stream from
 * the loop. */
#ifndef OPR_CLIENT_TRANSPORT_H
#define OPR_CLIENT_TRANSPORT_H

#include "core/net/client.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_transport_session; /* one worker's way of calling */
struct opr_transport_stream;

struct opr_transport {
    struct opr_transport_session *(*session_new)(struct opr_transport *t);
    void (*session_free)(struct opr_transport_session *s);
    opr_status (*call)(struct opr_transport_session *s, const struct opr_client_request *req,
                       struct opr_client_response *ret_res, struct opr_error *reterr);
    void (*call_many)(struct opr_transport_session *s, const struct opr_client_request *reqs,
                      size_t n, struct opr_client_response *ret_res, opr_status *ret_status);
    void (*cancel)(struct opr_transport_session *s); /* any thread */
    /* Loop thread; callbacks as struct opr_stream_handler promises. */
    struct opr_transport_stream *(*stream_open)(struct opr_transport *t,
                                                const struct opr_client_request *req,
                                                const struct opr_stream_handler *handler,
                                                void *arg);
    void (*stream_close)(struct opr_transport_stream *s);
    void (*free)(struct opr_transport *t);
};

/* endpoint is referenced, loop is borrowed. */
struct opr_transport *opr_transport_https_new(struct opr_loop *loop, struct opr_endpoint *endpoint);
/* Calls a handler of the same process as the given user; calls run on the calling thread, streams
 * are pulled on the loop. handler is borrowed; strings are copied. */
struct opr_transport *opr_transport_local_new(struct opr_loop *loop,
                                              struct opr_http_handler *handler, const char *user,
                                              const char *const *groups);

#ifdef __cplusplus
}
#endif
#endif
