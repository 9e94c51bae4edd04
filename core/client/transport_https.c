/* The https transport: sessions and streams of core/net over one endpoint. */
#include "core/base/alloc.h"
#include "core/client/transport.h"

struct https {
    struct opr_transport pub;      /* first */
    struct opr_endpoint *endpoint; /* ref */
    struct opr_loop *loop;         /* borrowed */
    struct opr_streams *streams;   /* owned; made with the first stream, on the loop */
};

/* The seam's opaque types are those of core/net themselves. */
static struct opr_session *session_of(struct opr_transport_session *s)
{
    return (struct opr_session *)s;
}

static struct opr_transport_session *session_new(struct opr_transport *t)
{
    return (struct opr_transport_session *)opr_session_new(((struct https *)t)->endpoint);
}

static void session_free(struct opr_transport_session *s)
{
    opr_session_free(session_of(s));
}

static opr_status call(struct opr_transport_session *s, const struct opr_client_request *req,
                       struct opr_client_response *ret_res, struct opr_error *reterr)
{
    return opr_session_call(session_of(s), req, ret_res, reterr);
}

static void call_many(struct opr_transport_session *s, const struct opr_client_request *reqs,
                      size_t n, struct opr_client_response *ret_res, opr_status *ret_status)
{
    opr_session_call_many(session_of(s), reqs, n, ret_res, ret_status);
}

static void cancel(struct opr_transport_session *s)
{
    opr_session_cancel(session_of(s));
}

static struct opr_transport_stream *stream_open(struct opr_transport *t,
                                                const struct opr_client_request *req,
                                                const struct opr_stream_handler *handler, void *arg)
{
    struct https *h = (struct https *)t;
    if (!h->streams) {
        h->streams = opr_streams_new(h->loop, h->endpoint);
    }
    return (struct opr_transport_stream *)opr_stream_open(h->streams, req, handler, arg);
}

static void stream_close(struct opr_transport_stream *s)
{
    opr_stream_close((struct opr_stream *)s);
}

static void https_free(struct opr_transport *t)
{
    struct https *h = (struct https *)t;
    opr_streams_free(h->streams);
    opr_endpoint_unref(h->endpoint);
    opr_free(h);
}

struct opr_transport *opr_transport_https_new(struct opr_loop *loop, struct opr_endpoint *endpoint)
{
    struct https *h = opr_xalloc(sizeof *h);
    h->pub = (struct opr_transport){
        .session_new = session_new,
        .session_free = session_free,
        .call = call,
        .call_many = call_many,
        .cancel = cancel,
        .stream_open = stream_open,
        .stream_close = stream_close,
        .free = https_free,
    };
    h->endpoint = opr_endpoint_ref(endpoint);
    h->loop = loop;
    return &h->pub;
}
