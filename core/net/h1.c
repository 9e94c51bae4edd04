/* HTTP/1.1 on a connection: one request after the other. What a client sends ahead waits. */
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/net/h1_parse.h"
#include "core/net/server_internal.h"

#include <stdio.h>

#define BODY_PART_BYTES (32 * 1024)

enum h1_phase { H1_HEAD, H1_BODY, H1_CHUNKED, H1_BUSY, H1_TUNNEL };

struct h1 {
    struct opr_buf in;
    size_t scanned; /* of in, for the end of the head */
    enum h1_phase phase;
    struct opr__exchange *x; /* owned; the current one */
    uint64_t left;           /* of the body */
    struct opr__h1_chunks chunks;
    bool is_receiving; /* a request has begun: its deadline runs */
    bool is_keep_alive;
    bool is_chunked_response;
    int minor;
    uint64_t progress; /* n_written when the deadline was set */
};

static void h1_start(struct opr__conn *c)
{
    c->state = opr_xalloc(sizeof(struct h1));
    opr__conn_deadline(c, OPR__RECEIVE_MS);
}

static void h1_fini(struct opr__conn *c)
{
    struct h1 *h = c->state;
    if (h->x) {
        opr__exchange_drop(h->x);
    }
    opr_buf_fini(&h->in);
    opr_free(h);
    c->state = NULL;
}

/* Answers without the handler and gives the connection up: where its next request begins is not
 * known. */
static void refuse(struct opr__conn *c, int status)
{
    struct h1 *h = c->state;
    if (!h->x) {
        h->x = opr__exchange_new(c);
    }
    h->phase = H1_BUSY;
    h->is_keep_alive = false;
    opr_buf_fini(&h->in);
    opr__exchange_refuse(h->x, status);
    h->progress = c->n_written;
    opr__conn_deadline(c, OPR__STALL_MS);
}

static void complete(struct opr__conn *c)
{
    struct h1 *h = c->state;
    if (c->server->is_stopping) {
        refuse(c, 503);
        return;
    }
    h->phase = H1_BUSY;
    h->is_receiving = false;
    opr__conn_deadline(c, 0);
    opr__exchange_run(h->x);
}

static void expect_body(struct opr__conn *c, const struct opr__h1_head *head)
{
    struct h1 *h = c->state;
    if (head->length > c->server->max_body_bytes) {
        refuse(c, 413);
        return;
    }
    if (!head->is_chunked && head->length == 0) {
        complete(c);
        return;
    }
    h->left = head->length;
    h->chunks = (struct opr__h1_chunks){0};
    h->phase = head->is_chunked ? H1_CHUNKED : H1_BODY;
    if (head->expects_continue && h->in.len == 0) {
        opr_buf_add_text(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
}

static void parse_head(struct opr__conn *c, size_t len)
{
    struct h1 *h = c->state;
    struct opr__exchange *x = h->x = opr__exchange_new(c);
    const char *text = opr_arena_dup(x->arena, opr_str_n(h->in.data, len));
    opr_buf_consume(&h->in, len);
    h->scanned = 0;
    struct opr__h1_head head = {0};
    int status = opr__h1_parse_head(x->arena, opr_str_n(text, len), &head);
    if (status != OPR__H1_DONE) {
        refuse(c, status);
        return;
    }
    x->req.method = head.method;
    x->req.path = head.path;
    x->req.query = head.query;
    x->req.headers = head.headers;
    x->req.n_headers = head.n_headers;
    x->is_head_method = opr_str_is(head.method, "HEAD");
    h->is_keep_alive = head.is_keep_alive;
    h->minor = head.minor;
    expect_body(c, &head);
}

/* The next three return false where more input is needed. */
static bool read_head(struct opr__conn *c)
{
    struct h1 *h = c->state;
    while (h->scanned == 0 && h->in.len >= 2 && memcmp(h->in.data, "\r\n", 2) == 0) {
        opr_buf_consume(&h->in, 2); /* RFC 9112 2.2: empty lines before a request */
    }
    if (h->in.len > 0 && !h->is_receiving) {
        h->is_receiving = true;
        opr__conn_deadline(c, OPR__RECEIVE_MS);
    }
    size_t len = 0;
    int result = opr__h1_find_head(opr_buf_str(&h->in), &h->scanned, &len);
    if (result == OPR__H1_MORE) {
        return false;
    }
    if (result == OPR__H1_DONE) {
        parse_head(c, len);
    } else {
        refuse(c, result);
    }
    return true;
}

static bool read_body(struct opr__conn *c)
{
    struct h1 *h = c->state;
    size_t n = h->left < h->in.len ? (size_t)h->left : h->in.len;
    opr_buf_add(&h->x->body, h->in.data, n);
    opr_buf_consume(&h->in, n);
    h->left -= n;
    if (h->left > 0) {
        return false;
    }
    complete(c);
    return true;
}

static bool read_chunks(struct opr__conn *c)
{
    struct h1 *h = c->state;
    size_t at = 0;
    int result = opr__h1_chunks_feed(&h->chunks, opr_buf_str(&h->in), &at, &h->x->body,
                                     c->server->max_body_bytes);
    opr_buf_consume(&h->in, at);
    if (result == OPR__H1_MORE) {
        return false;
    }
    if (result == OPR__H1_DONE) {
        complete(c);
    } else {
        refuse(c, result);
    }
    return true;
}

static void process(struct opr__conn *c)
{
    struct h1 *h = c->state;
    bool goes_on = true;
    while (goes_on && !c->is_last) {
        switch (h->phase) {
        case H1_HEAD:
            goes_on = read_head(c);
            break;
        case H1_BODY:
            goes_on = read_body(c);
            break;
        case H1_CHUNKED:
            goes_on = read_chunks(c);
            break;
        case H1_BUSY:
        case H1_TUNNEL:
            return;
        }
    }
    if (h->in.len == 0) {
        opr_buf_fini(&h->in);
    }
}

/* What the tunnel does not take now waits here, and then in the socket. */
static void feed_tunnel(struct h1 *h)
{
    struct opr__exchange *x = h->x;
    if (h->in.len > 0 && x->is_attached && x->res.source) {
        struct opr_http_tunnel *t = (struct opr_http_tunnel *)x->res.source;
        opr_buf_consume(&h->in, t->push(t, opr_buf_str(&h->in)));
    }
    if (h->in.len == 0) {
        opr_buf_fini(&h->in);
    }
}

static void h1_input(struct opr__conn *c, struct opr_str data)
{
    struct h1 *h = c->state;
    if (h->phase == H1_BUSY && !h->is_keep_alive) {
        return; /* no request follows any more */
    }
    opr_buf_add_str(&h->in, data);
    if (h->phase == H1_TUNNEL) {
        feed_tunnel(h);
    } else {
        process(c);
    }
}

static bool h1_wants_input(struct opr__conn *c)
{
    struct h1 *h = c->state;
    return h->phase < H1_BUSY || h->in.len < OPR__IN_HIGH_BYTES;
}

static void write_head(struct opr__conn *c, struct opr__exchange *x)
{
    struct h1 *h = c->state;
    struct opr_http_response *res = &x->res;
    char date[48];
    opr__http_date(date, sizeof date);
    opr_buf_printf(&c->out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", res->status,
                   opr__http_reason(res->status), date);
    for (size_t i = 0; i < res->n_headers; i++) {
        if (opr__is_header_sendable(&res->headers[i])) {
            opr_buf_add_str(&c->out, res->headers[i].name);
            opr_buf_add(&c->out, ": ", 2);
            opr_buf_add_str(&c->out, res->headers[i].value);
            opr_buf_add(&c->out, "\r\n", 2);
        }
    }
    h->is_chunked_response = false;
    if (h->phase == H1_TUNNEL) {
        opr_buf_add_text(&c->out, "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
        x->is_head_sent = true;
        return;
    }
    if (!res->source) {
        if (opr__has_body(res->status)) {
            opr_buf_printf(&c->out, "Content-Length: %zu\r\n", res->body.len);
        }
    } else if (h->minor > 0) {
        h->is_chunked_response = true;
        opr_buf_add_text(&c->out, "Transfer-Encoding: chunked\r\n");
    } else {
        h->is_keep_alive = false; /* HTTP/1.0: the body ends with the connection */
    }
    if (!h->is_keep_alive) {
        opr_buf_add_text(&c->out, "Connection: close\r\n");
    } else if (h->minor == 0) {
        opr_buf_add_text(&c->out, "Connection: keep-alive\r\n");
    }
    opr_buf_add(&c->out, "\r\n", 2);
    x->is_head_sent = true;
}

static void finish(struct opr__conn *c)
{
    struct h1 *h = c->state;
    opr__exchange_drop(h->x);
    h->x = NULL;
    h->phase = H1_HEAD;
    h->is_receiving = false;
    if (!h->is_keep_alive || c->is_eof || c->server->is_stopping) {
        c->is_last = true;
        h->progress = c->n_written;
        opr__conn_deadline(c, OPR__STALL_MS);
        return;
    }
    opr__conn_deadline(c, OPR__IDLE_MS);
    process(c);
}

static opr_status fill_chunk(struct opr__conn *c, struct opr__exchange *x)
{
    opr_status st = opr__exchange_pull(x, &x->pending, OPR__READ_BYTES);
    if (x->pending.len > 0) {
        opr_buf_printf(&c->out, "%zx\r\n", x->pending.len);
        opr_buf_add_str(&c->out, opr_buf_str(&x->pending));
        opr_buf_add(&c->out, "\r\n", 2);
        opr_buf_clear(&x->pending);
    } else {
        opr_buf_fini(&x->pending); /* a waiting stream keeps no buffer */
    }
    if (st == OPR_E_END) {
        opr_buf_add_text(&c->out, "0\r\n\r\n");
    }
    return st;
}

static bool h1_fill(struct opr__conn *c)
{
    struct h1 *h = c->state;
    struct opr__exchange *x = h->x;
    if (!x || x->state != OPR__X_RESPONDING) {
        return false;
    }
    if (!x->is_head_sent) {
        write_head(c, x);
        if (x->is_head_method || !opr__has_body(x->res.status)) {
            finish(c);
        }
        return true;
    }
    size_t before = c->out.len;
    opr_status st =
        h->is_chunked_response ? fill_chunk(c, x) : opr__exchange_pull(x, &c->out, BODY_PART_BYTES);
    if (st == OPR_E_END) {
        finish(c);
        return true;
    }
    if (h->phase == H1_TUNNEL) {
        feed_tunnel(h); /* what came before it was attached */
    }
    if (st != OPR_OK) {
        opr__conn_close(c); /* cut short: the peer must not take it for the whole */
        return false;
    }
    return c->out.len > before;
}

static void h1_respond(struct opr__conn *c, struct opr__exchange *x)
{
    struct h1 *h = c->state;
    if (x->res.status == 101) {
        h->phase = H1_TUNNEL;
        h->is_keep_alive = false;
    }
    if (!x->res.source) {
        h->progress = c->n_written;
        opr__conn_deadline(c, OPR__STALL_MS);
    } else if (c->is_eof) {
        opr__conn_close(c);
    } else if (c->server->is_stopping) {
        opr__exchange_end_source(x);
    }
}

/* The pump that follows pulls. */
static void h1_wake(struct opr__conn *c, struct opr__exchange *x)
{
    struct h1 *h = c->state;
    (void)x;
    if (h->phase == H1_TUNNEL) {
        feed_tunnel(h);
    }
}

static void h1_timeout(struct opr__conn *c)
{
    struct h1 *h = c->state;
    bool is_sending = opr__conn_pending(c) > 0 || (h->x && h->x->state == OPR__X_RESPONDING);
    if (is_sending && c->n_written != h->progress) {
        h->progress = c->n_written;
        opr__conn_deadline(c, OPR__STALL_MS);
    } else if (!is_sending && h->is_receiving) {
        refuse(c, 408);
    } else {
        opr__conn_close(c);
    }
}

/* A peer that closed its sending side still gets the response it waits for, but no stream: there
 * the same sign means that it has gone. */
static void h1_eof(struct opr__conn *c)
{
    struct h1 *h = c->state;
    bool is_running = h->phase == H1_BUSY && h->x->state == OPR__X_RUNNING;
    if (!is_running && (h->phase != H1_BUSY || h->x->res.source)) {
        opr__conn_close(c);
    }
}

static void h1_drain(struct opr__conn *c)
{
    struct h1 *h = c->state;
    h->is_keep_alive = false;
    if (h->phase < H1_BUSY) {
        if (h->is_receiving) {
            refuse(c, 503);
        } else if (opr__conn_pending(c) == 0) {
            opr__conn_close(c);
        } else {
            c->is_last = true;
        }
    } else if (h->x->state == OPR__X_RESPONDING) {
        opr__exchange_end_source(h->x);
    }
}

const struct opr__proto opr__h1 = {
    .start = h1_start,
    .input = h1_input,
    .wants_input = h1_wants_input,
    .fill = h1_fill,
    .respond = h1_respond,
    .wake = h1_wake,
    .timeout = h1_timeout,
    .eof = h1_eof,
    .drain = h1_drain,
    .fini = h1_fini,
};
