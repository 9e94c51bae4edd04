/* What the files of the server share: connections (conn.c, tls.c), exchanges (exchange.c) and the
 * two protocols (h1.c, h2.c). Threads: loop, but for what a handler does with its exchange. */
#ifndef OPR_NET_SERVER_INTERNAL_H
#define OPR_NET_SERVER_INTERNAL_H

#include "core/base/vec.h"
#include "core/net/server.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

enum {
    OPR__READ_BYTES = 16 * 1024,
    OPR__OUT_HIGH_BYTES = 64 * 1024, /* above it nothing more is made for the peer */
    OPR__IN_HIGH_BYTES = 64 * 1024,  /* pipelined requests beyond it wait in the socket */
    OPR__HANDSHAKE_MS = 10 * 1000,
    OPR__RECEIVE_MS = 60 * 1000, /* for head and body together */
    OPR__STALL_MS = 60 * 1000,   /* a plain response makes no progress */
    OPR__IDLE_MS = 120 * 1000,
    OPR__LINGER_MS = 1000, /* after the last response, so that a reset does not destroy it */
};

struct opr__conn;
struct opr__exchange;

struct opr_server {
    struct opr_loop *loop;            /* borrowed */
    struct opr_executor *executor;    /* borrowed */
    struct opr_http_handler *handler; /* borrowed */
    SSL_CTX *tls;                     /* owned; NULL: plain */
    int fd;                           /* listening; -1: stopped */
    struct opr_io *io;                /* owned */
    struct opr_timer *timer;          /* owned: accept again; drain */
    uint16_t port;
    size_t max_body_bytes;
    uint32_t max_connections;
    struct opr_vec conns; /* of struct opr__conn, owned */
    uint32_t n_exchanges; /* not freed yet */
    bool is_stopping, is_done, is_freed;
    void (*on_done)(void *);
    void *done_arg;
    char scratch[OPR__READ_BYTES];
};

void opr__server_conn_gone(struct opr_server *s, struct opr__conn *c);
void opr__server_exchange_gone(struct opr_server *s);

/* TLS (tls.c) */
OPR_NODISCARD opr_status opr__tls_new(const struct opr_server_config *config, SSL_CTX **ret_tls,
                                      struct opr_error *reterr);
/* The identity of a verified client certificate, or none. */
struct opr__peer *opr__tls_peer(SSL *ssl);

/* Who is at the other end; shared by a connection and its exchanges. */
struct opr__peer {
    unsigned refs;
    struct opr_arena *arena; /* owned: the strings */
    struct opr_http_peer pub;
};
struct opr__peer *opr__peer_new(void);
struct opr__peer *opr__peer_ref(struct opr__peer *p);
void opr__peer_unref(struct opr__peer *p);

/* A protocol on a connection. Functions may close the connection; then its memory stays until the
 * loop's next round, with is_closed set. */
struct opr__proto {
    void (*start)(struct opr__conn *c);
    void (*input)(struct opr__conn *c, struct opr_str data);
    bool (*wants_input)(struct opr__conn *c);
    /* Appends output up to OPR__OUT_HIGH_BYTES; false: there is none for now. */
    bool (*fill)(struct opr__conn *c);
    void (*respond)(struct opr__conn *c, struct opr__exchange *x); /* the handler is done */
    void (*wake)(struct opr__conn *c, struct opr__exchange *x);    /* its source may have more */
    void (*timeout)(struct opr__conn *c);
    void (*eof)(struct opr__conn *c); /* the peer sends nothing more */
    void (*drain)(struct opr__conn *c);
    void (*fini)(struct opr__conn *c);
};
extern const struct opr__proto opr__h1, opr__h2;

struct opr__conn {
    struct opr_server *server;      /* borrowed */
    int fd;                         /* owned */
    struct opr_io *io;              /* owned */
    struct opr_timer *timer;        /* owned */
    SSL *ssl;                       /* owned; NULL: plain */
    struct opr__peer *peer;         /* ref; set when the handshake is over */
    const struct opr__proto *proto; /* NULL: the handshake goes on */
    void *state;                    /* owned by proto */
    struct opr_buf out;
    size_t out_at;        /* already written */
    uint64_t n_written;   /* all in all, to see progress */
    uint64_t deadline_ns; /* 0: none */
    uint64_t timer_ns;    /* when the timer fires; 0: not set */
    bool is_closed;
    bool is_eof;
    bool is_lingering;
    bool is_read_blocked_on_write; /* OpenSSL must write before it can read */
    bool is_last;                  /* close when the output is written */
};

void opr__conn_new(struct opr_server *s, int fd);
void opr__conn_close(struct opr__conn *c); /* at once */
void opr__conn_pump(struct opr__conn *c);  /* writes, and asks the protocol for more */
/* opr__proto.timeout after this time unless it is set anew; 0: none. */
void opr__conn_deadline(struct opr__conn *c, uint64_t after_ms);
size_t opr__conn_pending(const struct opr__conn *c);

/* One request and its response. */
enum opr__exchange_state {
    OPR__X_RECEIVING,
    OPR__X_RUNNING, /* the handler has it */
    OPR__X_RESPONDING,
};

struct opr__exchange {
    struct opr_http_waker waker; /* first */
    struct opr_server *server;
    struct opr__conn *conn; /* NULL: the peer is gone */
    struct opr__peer *peer; /* ref */
    enum opr__exchange_state state;
    struct opr_arena *arena; /* owned */
    struct opr_http_request req;
    struct opr_buf body; /* of the request */
    struct opr_http_response res;
    size_t body_sent;
    bool is_head_method;
    bool is_attached;
    bool is_head_sent; /* the head of the response */
    bool is_dead;      /* freed when the posted wake has run */
    atomic_bool is_wake_posted;
    /* HTTP/2 */
    int32_t stream_id;
    struct opr_vec fields; /* of struct opr_http_header, in the arena */
    size_t field_bytes;
    struct opr_buf pending; /* pulled, not framed yet */
    size_t pending_at;
    bool is_deferred;
    size_t discarded; /* bytes of a refused request */
    uint64_t started_ns;
};

struct opr__exchange *opr__exchange_new(struct opr__conn *c);
/* Hands a complete request to the handler; opr__proto.respond follows on the loop. */
void opr__exchange_run(struct opr__exchange *x);
/* Makes a response of the server's own. */
void opr__exchange_refuse(struct opr__exchange *x, int status);
/* The connection has no more use for it: a running handler is left to end, a source is closed. */
void opr__exchange_drop(struct opr__exchange *x);
/* Appends up to about max bytes of the response's body. As opr_http_source.pull. */
opr_status opr__exchange_pull(struct opr__exchange *x, struct opr_buf *out, size_t max);
/* Closes the source: the response ends with what was pulled. */
void opr__exchange_end_source(struct opr__exchange *x);
/* Whether a response with this status may have a body, or a Content-Length. */
bool opr__has_body(int status);
const char *opr__http_reason(int status); /* "Not Found" */
bool opr__is_header_sendable(const struct opr_http_header *h);
void opr__http_date(char *ret_text, size_t size); /* RFC 9110 5.6.7 */

#endif
