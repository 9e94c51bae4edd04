/* HTTP/2 on a connection, framing by nghttp2. nghttp2 must not be freed from within its callbacks:
 * they never close the connection. */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/net/h1_parse.h"
#include "core/net/h2_internal.h"

#include <stdio.h>

#define STREAMS_MAX 1000
#define STREAM_WINDOW (1024 * 1024)
#define CONNECTION_WINDOW (4 * 1024 * 1024)
#define MS_NS 1000000ull
/* RST_STREAM frames that a client may send: a burst, then so many a second (CVE-2023-44487). */
#define RESET_BURST 1000
#define RESET_RATE 100

/* In nghttp2 1.57 and in patched older ones (Debian 12), but not in all that we may meet. */
extern void nghttp2_option_set_stream_reset_rate_limit(nghttp2_option *option, uint64_t burst,
                                                       uint64_t rate) __attribute__((weak));

static uint64_t now_ns(void)
{
    return opr_clock_mono_ns(opr_clock_system());
}

static nghttp2_session *session_new(struct opr__conn *c)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_session *session = NULL;
    OPR_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0);
    opr__h2_set_callbacks(callbacks);
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
    struct opr__h2_state *h = opr_xalloc(sizeof *h);
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
    struct opr__h2_state *h = c->state;
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
    struct opr__h2_state *h = c->state;
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
    struct opr__h2_state *h = c->state;
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

void opr__h2_respond(struct opr__conn *c, struct opr__exchange *x)
{
    struct opr__h2_state *h = c->state;
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
    struct opr__h2_state *h = c->state;
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
    opr__h2_respond(c, x);
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
    struct opr__h2_state *h = c->state;
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
    opr__conn_deadline(c, OPR__H2_TICK_MS);
}

static void h2_eof(struct opr__conn *c)
{
    opr__conn_close(c);
}

static void h2_drain(struct opr__conn *c)
{
    struct opr__h2_state *h = c->state;
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
            opr__h2_refuse(c, x, 503);
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
