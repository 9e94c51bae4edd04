/* One request and its response: from the connection to the handler's thread and back, and the
 * pulling of its source.
 *
 * Lifetime: only the loop frees an exchange. While a handler runs it is kept, even when the peer
 * has gone. A wake from another thread posts at most one function to the loop; where that one is
 * under way when the source is closed, it frees the exchange in the end. */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/net/server_internal.h"

#include <stdio.h>
#include <time.h>

static void on_wake(void *arg);

static void wake(struct opr_http_waker *w)
{
    struct opr__exchange *x = (struct opr__exchange *)w;
    if (!atomic_exchange(&x->is_wake_posted, true)) {
        opr_loop_post(x->server->loop, on_wake, x);
    }
}

struct opr__exchange *opr__exchange_new(struct opr__conn *c)
{
    struct opr__exchange *x = opr_xalloc(sizeof *x);
    x->waker.wake = wake;
    x->server = c->server;
    x->conn = c;
    x->peer = opr__peer_ref(c->peer);
    x->arena = opr_arena_new();
    x->started_ns = opr_clock_mono_ns(opr_clock_system());
    c->server->n_exchanges++;
    return x;
}

static void exchange_free(struct opr__exchange *x)
{
    opr_http_response_fini(&x->res);
    if (atomic_load(&x->is_wake_posted)) {
        x->is_dead = true;
        return;
    }
    struct opr_server *server = x->server;
    opr_vec_fini(&x->fields);
    opr_buf_fini(&x->body);
    opr_buf_fini(&x->pending);
    opr_arena_free(x->arena);
    opr__peer_unref(x->peer);
    opr_free(x);
    opr__server_exchange_gone(server);
}

static void on_wake(void *arg)
{
    struct opr__exchange *x = arg;
    atomic_store(&x->is_wake_posted, false);
    if (x->is_dead) {
        exchange_free(x);
    } else if (x->conn) {
        struct opr__conn *c = x->conn;
        c->proto->wake(c, x);
        opr__conn_pump(c);
    }
}

static void on_handled(void *arg)
{
    struct opr__exchange *x = arg;
    if (!x->conn) {
        exchange_free(x);
        return;
    }
    struct opr__conn *c = x->conn;
    x->state = OPR__X_RESPONDING;
    c->proto->respond(c, x);
    opr__conn_pump(c);
}

static void run_handler(void *arg)
{
    struct opr__exchange *x = arg;
    struct opr_loop *loop = x->server->loop;
    x->server->handler->handle(x->server->handler, &x->req, &x->res);
    bool is_tunnel = x->res.status == 101 && x->res.source;
    if (!is_tunnel && (x->res.status < 200 || x->res.status > 599)) {
        x->res.status = 500;
    }
    opr_loop_post(loop, on_handled, x);
}

void opr__exchange_run(struct opr__exchange *x)
{
    x->state = OPR__X_RUNNING;
    x->req.body = opr_buf_str(&x->body);
    x->req.peer = x->peer->pub;
    x->req.arena = x->arena;
    opr_executor_run(x->server->executor, run_handler, x);
}

void opr__exchange_refuse(struct opr__exchange *x, int status)
{
    x->state = OPR__X_RESPONDING;
    x->res.status = status;
    opr_buf_printf(&x->res.body, "%d %s\n", status, opr__http_reason(status));
    opr_http_response_header(&x->res, "Content-Type", OPR_STR("text/plain; charset=utf-8"));
}

void opr__exchange_drop(struct opr__exchange *x)
{
    x->conn = NULL;
    if (x->state != OPR__X_RUNNING) {
        exchange_free(x);
    }
}

opr_status opr__exchange_pull(struct opr__exchange *x, struct opr_buf *out, size_t max)
{
    struct opr_http_source *source = x->res.source;
    if (!source) {
        size_t left = x->res.body.len - x->body_sent;
        size_t n = left < max ? left : max;
        opr_buf_add(out, x->res.body.data + x->body_sent, n);
        x->body_sent += n;
        return n == left ? OPR_E_END : OPR_OK;
    }
    if (!x->is_attached) {
        x->is_attached = true;
        source->attach(source, &x->waker);
    }
    return source->pull(source, out, max);
}

void opr__exchange_end_source(struct opr__exchange *x)
{
    struct opr_http_source *source = x->res.source;
    if (source) {
        x->res.source = NULL;
        source->close(source);
    }
}

bool opr__has_body(int status)
{
    return status != 204 && status != 304;
}

/* The framing headers are the server's own, and no value may begin a line of its own. */
bool opr__is_header_sendable(const struct opr_http_header *h)
{
    static const char *const own[] = {"content-length", "transfer-encoding", "connection",
                                      "date",           "keep-alive",        "upgrade"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (opr_str_ieq(h->name, opr_str_of(own[i]))) {
            return false;
        }
    }
    for (size_t i = 0; i < h->value.len; i++) {
        unsigned char c = (unsigned char)h->value.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return h->name.len > 0;
}

void opr__http_date(char *ret_text, size_t size)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = (time_t)(opr_clock_wall_ms(opr_clock_system()) / 1000);
    struct tm tm;
    gmtime_r(&now, &tm);
    snprintf(ret_text, size, "%s, %02d %s %d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

const char *opr__http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "Status";
}
