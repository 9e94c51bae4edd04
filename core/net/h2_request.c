/* HTTP/2 requests: from nghttp2's callbacks to a handler. */
#include "core/base/str.h"
#include "core/net/h1_parse.h"
#include "core/net/h2_internal.h"

#define RECEIVING_MAX (64u * 1024 * 1024) /* bodies of one connection that are not complete */
#define DISCARDED_MAX (16u * 1024 * 1024)

static struct opr__exchange *exchange_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct opr__conn *c = arg;
    struct opr__h2_state *h = c->state;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    struct opr__exchange *x = opr__exchange_new(c);
    x->stream_id = frame->hd.stream_id;
    opr_vec_push(&h->exchanges, x);
    nghttp2_session_set_stream_user_data(session, x->stream_id, x);
    opr__conn_deadline(c, OPR__H2_TICK_MS);
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

void opr__h2_refuse(struct opr__conn *c, struct opr__exchange *x, int status)
{
    struct opr__h2_state *h = c->state;
    h->receiving_bytes -= x->body.len;
    opr_buf_fini(&x->body);
    opr__exchange_refuse(x, status);
    opr__h2_respond(c, x);
}

static void complete(struct opr__conn *c, struct opr__exchange *x)
{
    struct opr__h2_state *h = c->state;
    if (c->server->is_stopping) {
        opr__h2_refuse(c, x, 503);
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
    struct opr__h2_state *h = c->state;
    build_headers(x);
    int fault = head_fault(c, x);
    if (fault) {
        opr__h2_refuse(c, x, fault);
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
    struct opr__h2_state *h = c->state;
    struct opr__exchange *x = exchange_of(session, stream_id);
    if (!x || x->state != OPR__X_RECEIVING) {
        return x ? discard(session, x, len) : 0;
    }
    int fault = len > c->server->max_body_bytes - x->body.len ? 413
                : len > RECEIVING_MAX - h->receiving_bytes    ? 429
                                                              : 0;
    if (fault) {
        opr__h2_refuse(c, x, fault);
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
    struct opr__h2_state *h = c->state;
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

void opr__h2_set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
