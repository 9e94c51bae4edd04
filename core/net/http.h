/* HTTP requests and responses as values, and the one interface that handles them. The HTTPS server,
 * the in-process transport and tests all call the same opr_http_handler, which can not tell them
 * apart. Threads and lifetimes: at each part. */
#ifndef OPR_NET_HTTP_H
#define OPR_NET_HTTP_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_http_header {
    struct opr_str name, value;
};

/* Who sent a request, as far as the transport knows. */
struct opr_http_peer {
    struct opr_str cert_cn;          /* verified client certificate: subject CN; none: {NULL,0} */
    const struct opr_str *cert_orgs; /* its O values, Kubernetes' groups */
    size_t n_cert_orgs;
    bool is_in_process; /* the local transport: cert_cn and cert_orgs are to be believed */
};

struct opr_http_request {
    struct opr_str method; /* "GET" */
    struct opr_str path;   /* still percent-encoded, without the query */
    struct opr_str query;  /* without '?'; may be empty */
    const struct opr_http_header *headers;
    size_t n_headers;
    struct opr_str body;
    struct opr_http_peer peer;
    struct opr_arena *arena; /* of the request; borrowed memory may come from it */
};

/* Wakes the reader of a source: wake may be called from any thread until the source is closed. */
struct opr_http_waker {
    void (*wake)(struct opr_http_waker *w);
};

/* A response body that goes on: a watch, a followed log. The connection's loop pulls, so a slow
 * reader costs nothing. Owned by the response; calls come one at a time (not always from one
 * thread). */
struct opr_http_source {
    /* Appends about max bytes, whole chunks. OPR_OK with nothing added: wait for the waker.
     * OPR_E_END: the body is over. Must not block. */
    opr_status (*pull)(struct opr_http_source *s, struct opr_buf *out, size_t max);
    /* Called once before the first pull. */
    void (*attach)(struct opr_http_source *s, struct opr_http_waker *waker);
    /* Last call; frees the source. No wake may follow its return. */
    void (*close)(struct opr_http_source *s);
};

/* What an HTTP/1.1 connection becomes with an answer 101: bytes both ways. Its source is what goes
 * to the peer; all calls come from the connection's loop. */
struct opr_http_tunnel {
    struct opr_http_source source; /* first member */
    /* Takes bytes of the peer and returns how many, after attach. What it leaves comes again after
     * a wake; meanwhile no more is read from the peer. Must not block. */
    size_t (*push)(struct opr_http_tunnel *t, struct opr_str data);
};

struct opr_http_response {
    int status;
    struct opr_http_header headers[16]; /* memory: static or from the request's arena */
    size_t n_headers;
    struct opr_buf body;            /* owned: opr_http_response_fini() */
    struct opr_http_source *source; /* owned, instead of body; NULL: none; a tunnel's with 101 */
};

struct opr_http_handler {
    /* Worker thread; may block. Fills res, which is zeroed. Any number of calls at once. */
    void (*handle)(struct opr_http_handler *h, const struct opr_http_request *req,
                   struct opr_http_response *res);
};

void opr_http_response_fini(struct opr_http_response *res); /* closes the source too */
void opr_http_response_header(struct opr_http_response *res, const char *name,
                              struct opr_str value);
struct opr_str opr_http_request_header(const struct opr_http_request *req, const char *name);

/* Percent decoding into the arena; '+' is a space only in queries. */
struct opr_str opr_url_decode(struct opr_arena *a, struct opr_str text, bool is_query);
void opr_url_encode(struct opr_buf *b, struct opr_str text);
/* The next parameter of *rest, decoded; false: there is none. */
bool opr_query_next(struct opr_arena *a, struct opr_str *rest, struct opr_str *ret_name,
                    struct opr_str *ret_value);
/* First value of a query parameter, decoded; {NULL,0} where it is absent. */
struct opr_str opr_query_get(struct opr_arena *a, struct opr_str query, const char *name);

#ifdef __cplusplus
}
#endif
#endif
