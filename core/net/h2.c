/* HTTP/2 on a connection, framing by nghttp2. nghttp2 must not be freed from within its callbacks:
 * they never close the connection. */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/net/h1_parse.h"
#include "core/net/server_internal.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>

#define STREAMS_MAX 1000
#define STREAM_WINDOW (1024 * 1024)
#define CONNECTION_WINDOW (4 * 1024 * 1024)
#define RECEIVING_MAX (64u * 1024 * 1024) /* bodies of one connection that are not complete */
#define DISCARDED_MAX (16u * 1024 * 1024)
#define TICK_MS 15000
#define MS_NS 1000000ull
/* RST_STREAM frames that a client may send: a burst, then so many a second (CVE-2023-44487). */
#define RESET_BURST 1000
#define RESET_RATE 100

/* In nghttp2 1.57 and in patched older ones (Debian 12), but not in all that we may meet. */
extern void nghttp2_option_set_stream_reset_rate_limit(nghttp2_option *option, uint64_t burst,
                                                       uint64_t rate) __attribute__((weak));

struct h2 {
    nghttp2_session *session; /* owned */
    struct opr_vec exchanges; /* of struct opr__exchange, owned */
    size_t receiving_bytes;
    bool is_idle_over;
};

static uint64_t now_ns(void)
{
    return opr_clock_mono_ns(opr_clock_system());
}

static struct opr__exchange *exchange_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct opr__conn *c = arg;
    struct h2 *h = c->state;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    struct opr__exchange *x = opr__exchange_new(c);
    x->stream_id = frame->hd.stream_id;
    opr_vec_push(&h->exchanges, x);
    nghttp2_session_set_stream_user_data(session, x->stream_id, x);
    opr__conn_deadline(c, TICK_MS);
    return 0;
}

static void set_target(struct opr__exchange *x, struct opr_str target)
{
    x->req.path = target;
    x->req.query = opr_str_n("", 0);
    const char *mark = memchr(target.ptr, '?', target.len);
    if (mark) {
        x->req.path.len = (size_t)(mark - target.ptr);
        x->req.query = opr_str_n(mark + 1, target.len - x->req.path.len - 1);
    }
}

static void add_field(struct opr__exchange *x, struct opr_str name, struct opr_str value)
{
    struct opr_http_header *field = opr_arena_alloc(x->arena, sizeof *field);
    field->name = name;
    field->value = value;
    opr_vec_push(&x->fields, field);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name_data,
                     size_t name_len, const uint8_t *value_data, size_t value_len, uint8_t flags,
                     void *arg)
{
    (void)flags;
    (void)arg;
    struct opr__exchange *x = exchange_of(session, frame->hd.stream_id);
    if (!x || frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    x->field_bytes += name_len + value_len + 32; /* as RFC 9113 6.5.2 counts */
    if (x->field_bytes > OPR__H1_HEAD_MAX || x->fields.count >= OPR__H1_HEADERS_MAX) {
        return 0; /* refused when the head is complete */
    }
    struct opr_str name = opr_str_n((const char *)name_data, name_len);
    struct opr_str value = opr_str_n((const char *)value_data, value_len);
    value.ptr = opr_arena_dup(x->arena, value);
    if (opr_str_is(name, ":method")) {
        x->req.method = value;
    } else if (opr_str_is(name, ":path")) {
        set_target(x, value);
    } else if (opr_str_is(name, ":authority")) {
        add_field(x, OPR_STR("host"), value);
    } else if (name.ptr[0] != ':') {
        name.ptr = opr_arena_dup(x->arena, name);
        add_field(x, name, value);
    }
    return 0;
}

static void respond(struct opr__conn *c, struct opr__exchange *x);

static void refuse(struct opr__conn *c, struct opr__exchange *x, int status)
{
    struct h2 *h = c->state;
    h->receiving_bytes -= x->body.len;
    opr_buf_fini(&x->body);
    opr__exchange_refuse(x, status);
    respond(c, x);
}

static void complete(struct opr__conn *c, struct opr__exchange *x)
{
    struct h2 *h = c->state;
    if (c->server->is_stopping) {
        refuse(c, x, 503);
        return;
    }
    h->receiving_bytes -= x->body.len;
    opr__exchange_run(x);
}

static void build_headers(struct opr__exchange *x)
{
    size_t n = x->fields.count;
    struct opr_http_header *headers = opr_arena_alloc(x->arena, (n + 1) * sizeof *headers);
    for (size_t i = 0; i < n; i++) {
        headers[i] = *(struct opr_http_header *)x->fields.items[i];
    }
    x->req.headers = headers;
    x->req.n_headers = n;
    x->is_head_method = opr_str_is(x->req.method, "HEAD");
}

/* What speaks against the request, or 0. */
static int head_fault(const struct opr__conn *c, const struct opr__exchange *x)
{
    if (x->field_bytes > OPR__H1_HEAD_MAX || x->fields.count >= OPR__H1_HEADERS_MAX) {
        return 431;
    }
    if (!x->req.path.ptr || !x->req.method.ptr) {
        return 400; /* CONNECT */
    }
    uint64_t length = 0;
    struct opr_str text = opr_http_request_header(&x->req, "content-length");
    if (text.ptr && opr_str_to_u64(text, &length) == OPR_OK && length > c->server->max_body_bytes) {
        return 413;
    }
    return 0;
}

static int on_head_complete(struct opr__conn *c, struct opr__exchange *x, bool is_end)
{
    struct h2 *h = c->state;
    build_headers(x);
    int fault = head_fault(c, x);
    if (fault) {
        refuse(c, x, fault);
        return 0;
    }
    if (is_end) {
        complete(c, x);
        return 0;
    }
    struct opr_str expect = opr_http_request_header(&x->req, "expect");
    if (opr_str_ieq(expect, OPR_STR("100-continue"))) {
        nghttp2_nv status = {(uint8_t *)":status", (uint8_t *)"100", 7, 3, NGHTTP2_NV_FLAG_NONE};
        return nghttp2_submit_headers(h->session, NGHTTP2_FLAG_NONE, x->stream_id, NULL, &status, 1,
                                      NULL) < 0
                   ? NGHTTP2_ERR_CALLBACK_FAILURE
                   : 0;
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct opr__conn *c = arg;
    struct opr__exchange *x = exchange_of(session, frame->hd.stream_id);
    if (!x || x->state != OPR__X_RECEIVING ||
        (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)) {
        return 0;
    }
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        return on_head_complete(c, x, is_end);
    }
    if (is_end) {
        complete(c, x);
    }
    return 0;
}

/* The rest of a request that is refused. Clients fail where they are stopped in the middle (libcurl
 * then loses the response), so that some of it is read over. */
static int discard(nghttp2_session *session, struct opr__exchange *x, size_t len)
{
    x->discarded += len;
    if (x->discarded <= DISCARDED_MAX) {
        return 0;
    }
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, x->stream_id, NGHTTP2_NO_ERROR);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t len, void *arg)
{
    (void)flags;
    struct opr__conn *c = arg;
    struct h2 *h = c->state;
    struct opr__exchange *x = exchange_of(session, stream_id);
    if (!x || x->state != OPR__X_RECEIVING) {
        return x ? discard(session, x, len) : 0;
    }
    int fault = len > c->server->max_body_bytes - x->body.len ? 413
                : len > RECEIVING_MAX - h->receiving_bytes    ? 429
                                                              : 0;
    if (fault) {
        refuse(c, x, fault);
        return 0;
    }
    opr_buf_add(&x->body, data, len);
    h->receiving_bytes += len;
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error, void *arg)
{
    (void)error;
    struct opr__conn *c = arg;
    struct h2 *h = c->state;
    struct opr__exchange *x = exchange_of(session, stream_id);
    if (!x) {
        return 0;
    }
    if (x->state == OPR__X_RECEIVING) {
        h->receiving_bytes -= x->body.len;
    }
    nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    opr_vec_remove_item(&h->exchanges, x);
    opr__exchange_drop(x);
    if (h->exchanges.count == 0) {
        opr__conn_deadline(c, OPR__IDLE_MS);
        if (c->server->is_stopping) {
            nghttp2_session_terminate_session(session, NGHTTP2_NO_ERROR);
        }
    }
    return 0;
}

static nghttp2_session *session_new(struct opr__conn *c)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_session *session = NULL;
    OPR_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    if (nghttp2_option_set_stream_reset_rate_limit) {
        nghttp2_option_set_stream_reset_rate_limit(option, RESET_BURST, RESET_RATE);
    }
    OPR_CHECK(nghttp2_session_server_new2(&session, callbacks, c, option) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

static void h2_start(struct opr__conn *c)
{
    struct h2 *h = opr_xalloc(sizeof *h);
    c->state = h;
    h->session = session_new(c);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, OPR__H1_HEAD_MAX},
    };
    int failed = nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
                                         sizeof settings / sizeof settings[0]);
    failed |=
        nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
    OPR_CHECK(failed == 0);
    opr__conn_deadline(c, OPR__RECEIVE_MS);
}

static void h2_fini(struct opr__conn *c)
{
    struct h2 *h = c->state;
    while (h->exchanges.count > 0) {
        opr__exchange_drop(opr_vec_remove(&h->exchanges, h->exchanges.count - 1));
    }
    opr_vec_fini(&h->exchanges);
    nghttp2_session_del(h->session);
    opr_free(h);
    c->state = NULL;
}

static void h2_input(struct opr__conn *c, struct opr_str data)
{
    struct h2 *h = c->state;
    ssize_t n = nghttp2_session_mem_recv(h->session, (const uint8_t *)data.ptr, data.len);
    if (n < 0) {
        opr__conn_close(c); /* no HTTP/2, or a flood */
    }
}

static bool h2_wants_input(struct opr__conn *c)
{
    (void)c;
    return true;
}

static bool h2_fill(struct opr__conn *c)
{
    struct h2 *h = c->state;
    const uint8_t *data = NULL;
    ssize_t n = nghttp2_session_mem_send(h->session, &data);
    if (n < 0) {
        opr__conn_close(c);
        return false;
    }
    if (n > 0) {
        opr_buf_add(&c->out, data, (size_t)n);
        return true;
    }
    if (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session)) {
        c->is_last = true;
    }
    return false;
}

static ssize_t read_body(struct opr__exchange *x, uint8_t *buf, size_t size, uint32_t *flags)
{
    size_t left = x->res.body.len - x->body_sent;
    size_t n = left < size ? left : size;
    if (n > 0) {
        memcpy(buf, x->res.body.data + x->body_sent, n);
    }
    x->body_sent += n;
    if (n == left) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
}

/* nghttp2 asks only while the peer's windows are open, and only while the socket takes more. */
static ssize_t read_response(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t size,
                             uint32_t *flags, nghttp2_data_source *data_source, void *arg)
{
    (void)session;
    (void)stream_id;
    (void)arg;
    struct opr__exchange *x = data_source->ptr;
    if (!x->res.source && !x->is_attached) {
        return read_body(x, buf, size, flags);
    }
    opr_status st = OPR_OK;
    if (x->pending_at == x->pending.len) {
        opr_buf_clear(&x->pending);
        x->pending_at = 0;
        st = opr__exchange_pull(x, &x->pending, size);
    }
    size_t left = x->pending.len - x->pending_at;
    size_t n = left < size ? left : size;
    if (n > 0) {
        memcpy(buf, x->pending.data + x->pending_at, n);
        x->pending_at += n;
    } else if (st == OPR_OK) {
        opr_buf_fini(&x->pending); /* a waiting stream keeps no buffer */
        x->pending_at = 0;
        x->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (st == OPR_E_END && n == left) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (st == OPR_E_END) {
        opr__exchange_end_source(x); /* the next pull says the end again */
    } else if (st != OPR_OK) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return (ssize_t)n;
}

static nghttp2_nv make_nv(struct opr_str name, struct opr_str value)
{
    return (nghttp2_nv){(uint8_t *)name.ptr, (uint8_t *)value.ptr, name.len, value.len,
                        NGHTTP2_NV_FLAG_NONE};
}

static struct opr_str lower_case(struct opr_arena *a, struct opr_str s)
{
    char *out = opr_arena_dup(a, s);
    for (size_t i = 0; i < s.len; i++) {
        out[i] = out[i] >= 'A' && out[i] <= 'Z' ? (char)(out[i] | 0x20) : out[i];
    }
    return opr_str_n(out, s.len);
}

static void respond(struct opr__conn *c, struct opr__exchange *x)
{
    struct h2 *h = c->state;
    struct opr_http_response *res = &x->res;
    nghttp2_nv nv[3 + sizeof res->headers / sizeof res->headers[0]];
    char status[8], date[48], length[24];
    size_t n = 0;
    snprintf(status, sizeof status, "%d", res->status);
    opr__http_date(date, sizeof date);
    nv[n++] = make_nv(OPR_STR(":status"), opr_str_of(status));
    nv[n++] = make_nv(OPR_STR("date"), opr_str_of(date));
    for (size_t i = 0; i < res->n_headers; i++) {
        if (opr__is_header_sendable(&res->headers[i])) {
            nv[n++] = make_nv(lower_case(x->arena, res->headers[i].name), res->headers[i].value);
        }
    }
    if (!res->source && opr__has_body(res->status)) {
        snprintf(length, sizeof length, "%zu", res->body.len);
        nv[n++] = make_nv(OPR_STR("content-length"), opr_str_of(length));
    }
    bool has_data =
        !x->is_head_method && opr__has_body(res->status) && (res->source || res->body.len > 0);
    nghttp2_data_provider provider = {.source.ptr = x, .read_callback = read_response};
    x->started_ns = now_ns();
    if (nghttp2_submit_response(h->session, x->stream_id, nv, n, has_data ? &provider : NULL) < 0) {
        /* Out of memory is all that can fail here; the connection can not go on without it. */
        nghttp2_session_terminate_session(h->session, NGHTTP2_INTERNAL_ERROR);
    }
}

static void resume(struct opr__conn *c, struct opr__exchange *x)
{
    struct h2 *h = c->state;
    if (x->is_deferred) {
        x->is_deferred = false;
        (void)nghttp2_session_resume_data(h->session, x->stream_id); /* it may be closing */
    }
}

static void h2_respond(struct opr__conn *c, struct opr__exchange *x)
{
    if (c->server->is_stopping) {
        opr__exchange_end_source(x);
    }
    respond(c, x);
}

/* A request that does not come to its end, or a plain response that is not read. */
static bool is_overdue(struct opr__exchange *x, uint64_t now)
{
    bool is_plain_response = x->state == OPR__X_RESPONDING && !x->res.source && !x->is_attached;
    if (is_plain_response && x->body_sent != x->pending_at) {
        x->pending_at = x->body_sent; /* unused without a source: where it was last time */
        x->started_ns = now;
    }
    return (is_plain_response || x->state == OPR__X_RECEIVING) &&
           now - x->started_ns > OPR__RECEIVE_MS * MS_NS;
}

static void h2_timeout(struct opr__conn *c)
{
    struct h2 *h = c->state;
    if (h->exchanges.count == 0) {
        if (h->is_idle_over) {
            opr__conn_close(c); /* the goodbye does not get through */
            return;
        }
        h->is_idle_over = true;
        nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR);
        opr__conn_deadline(c, OPR__LINGER_MS);
        return;
    }
    uint64_t now = now_ns();
    for (size_t i = 0; i < h->exchanges.count; i++) {
        struct opr__exchange *x = h->exchanges.items[i];
        if (is_overdue(x, now)) {
            (void)nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, x->stream_id,
                                            NGHTTP2_CANCEL); /* only memory can lack */
        }
    }
    opr__conn_deadline(c, TICK_MS);
}

static void h2_eof(struct opr__conn *c)
{
    opr__conn_close(c);
}

static void h2_drain(struct opr__conn *c)
{
    struct h2 *h = c->state;
    if (h->exchanges.count == 0) {
        nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR);
        return;
    }
    (void)nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h->session),
                                NGHTTP2_NO_ERROR, NULL, 0); /* only memory can lack */
    for (size_t i = 0; i < h->exchanges.count; i++) {
        struct opr__exchange *x = h->exchanges.items[i];
        if (x->state == OPR__X_RESPONDING) {
            opr__exchange_end_source(x);
            resume(c, x);
        } else if (x->state == OPR__X_RECEIVING) {
            refuse(c, x, 503);
        }
    }
}

const struct opr__proto opr__h2 = {
    .start = h2_start,
    .input = h2_input,
    .wants_input = h2_wants_input,
    .fill = h2_fill,
    .respond = h2_respond,
    .wake = resume,
    .timeout = h2_timeout,
    .eof = h2_eof,
    .drain = h2_drain,
    .fini = h2_fini,
};
