#include "agent/probe_grpc.h"

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/str.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <sys/socket.h>

#define METHOD_PATH "/grpc.health.v1.Health/Check"
/* grpc: a message is one byte (not compressed), its length in four, itself. */
enum { HEAD_BYTES = 5, ANSWER_MAX = 256, SERVING = 1 };

struct opr__grpc {
    nghttp2_session *session;
    struct opr_buf request, answer;
    size_t sent;     /* of request */
    bool is_over;    /* the stream is closed */
    int grpc_status; /* of the trailers; -1: none */
    char message[128];
    char authority[64];
};

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *arg)
{
    struct opr__grpc *g = arg;
    (void)session, (void)flags, (void)id;
    if (g->answer.len + len <= ANSWER_MAX) {
        opr_buf_add(&g->answer, data, len);
    }
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *arg)
{
    struct opr__grpc *g = arg;
    (void)session, (void)frame, (void)flags;
    struct opr_str key = opr_str_n((const char *)name, name_len);
    struct opr_str text = opr_str_n((const char *)value, len);
    int64_t number;
    if (opr_str_is(key, "grpc-status") && opr_str_to_i64(text, &number) == OPR_OK) {
        g->grpc_status = (int)number;
    } else if (opr_str_is(key, "grpc-message")) {
        snprintf(g->message, sizeof g->message, "%.*s", OPR_STR_ARG(text));
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    (void)session, (void)id, (void)code;
    ((struct opr__grpc *)arg)->is_over = true;
    return 0;
}

static ssize_t read_request(nghttp2_session *session, int32_t id, uint8_t *to, size_t max,
                            uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct opr__grpc *g = source->ptr;
    (void)session, (void)id, (void)arg;
    size_t left = g->request.len - g->sent, n = left < max ? left : max;
    memcpy(to, g->request.data + g->sent, n);
    g->sent += n;
    if (g->sent == g->request.len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
}

/* HealthCheckRequest: field 1 (service), a string of less than 128 bytes. */
static void make_request(struct opr__grpc *g, const char *service)
{
    size_t len = strlen(service), body = len ? len + 2 : 0;
    const unsigned char head[HEAD_BYTES] = {0, 0, 0, 0, (unsigned char)body};
    opr_buf_add(&g->request, head, sizeof head);
    if (len) {
        const unsigned char field[2] = {0x0a, (unsigned char)len};
        opr_buf_add(&g->request, field, sizeof field);
        opr_buf_add(&g->request, service, len);
    }
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

static bool submit(struct opr__grpc *g)
{
    const nghttp2_nv headers[] = {header(":method", "POST"),
                                  header(":scheme", "http"),
                                  header(":path", METHOD_PATH),
                                  header(":authority", g->authority),
                                  header("content-type", "application/grpc"),
                                  header("te", "trailers"),
                                  header("user-agent", "kube-probe/operon")};
    nghttp2_data_provider body = {.source = {.ptr = g}, .read_callback = read_request};
    return nghttp2_submit_settings(g->session, NGHTTP2_FLAG_NONE, NULL, 0) == 0 &&
           nghttp2_submit_request(g->session, NULL, headers, sizeof headers / sizeof *headers,
                                  &body, NULL) > 0;
}

struct opr__grpc *opr__grpc_new(const char *address, int port, const char *service)
{
    nghttp2_session_callbacks *callbacks = NULL;
    if (strlen(service) > 120 || nghttp2_session_callbacks_new(&callbacks) != 0) {
        return NULL;
    }
    struct opr__grpc *g = opr_xalloc(sizeof *g);
    g->grpc_status = -1;
    snprintf(g->authority, sizeof g->authority, "%s:%d", address, port);
    make_request(g, service);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    bool is_ok = nghttp2_session_client_new(&g->session, callbacks, g) == 0 && submit(g);
    nghttp2_session_callbacks_del(callbacks);
    if (!is_ok) {
        opr__grpc_free(g);
        return NULL;
    }
    return g;
}

void opr__grpc_free(struct opr__grpc *g)
{
    if (g) {
        nghttp2_session_del(g->session);
        opr_buf_fini(&g->request);
        opr_buf_fini(&g->answer);
        opr_free(g);
    }
}

/* What is to be sent is a few hundred bytes: it fits into the socket's buffer. */
static bool flush(struct opr__grpc *g, int fd)
{
    const uint8_t *data;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(g->session, &data)) > 0) {
        if (send(fd, data, (size_t)n, MSG_NOSIGNAL) != n) {
            return false;
        }
    }
    return n == 0;
}

/* HealthCheckResponse: field 1 (status), an enumeration; absent: UNKNOWN, which is 0. */
static int answered_status(const struct opr__grpc *g)
{
    const unsigned char *a = (const unsigned char *)g->answer.data;
    bool has_field = g->answer.len >= HEAD_BYTES + 2 && a[0] == 0 && a[HEAD_BYTES] == 0x08;
    return has_field ? a[HEAD_BYTES + 1] : 0;
}

static void judge(const struct opr__grpc *g, bool *ret_healthy, char *ret_text, size_t size)
{
    int status = answered_status(g);
    *ret_healthy = g->grpc_status == 0 && status == SERVING;
    if (g->grpc_status == 0) {
        snprintf(ret_text, size, "service %s",
                 status == SERVING ? "SERVING"
                 : status == 2     ? "NOT_SERVING"
                                   : "UNKNOWN");
    } else {
        snprintf(ret_text, size, "health check failed: gRPC status %d %s", g->grpc_status,
                 g->message);
    }
}

bool opr__grpc_step(struct opr__grpc *g, int fd, bool *ret_healthy, char *ret_text, size_t size)
{
    unsigned char block[4096];
    *ret_healthy = false;
    snprintf(ret_text, size, "the connection ended without an answer");
    if (!flush(g, fd)) {
        return true;
    }
    ssize_t n;
    while ((n = recv(fd, block, sizeof block, 0)) > 0) {
        if (nghttp2_session_mem_recv(g->session, block, (size_t)n) < 0 || !flush(g, fd) ||
            !nghttp2_session_want_read(g->session)) {
            snprintf(ret_text, size, "the answer is not HTTP/2");
            break;
        }
    }
    bool is_open =
        nghttp2_session_want_read(g->session) && n < 0 && (errno == EAGAIN || errno == EINTR);
    if (g->is_over) {
        judge(g, ret_healthy, ret_text, size);
    }
    return g->is_over || !is_open;
}
