/* A connection: its socket, TLS, output buffer and deadline. What the bytes mean is the protocol's
 * affair. The descriptor does not block; the loop says when it is ready. */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/net/server_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_TURN_BYTES (256 * 1024) /* then the other connections have their turn */
#define WRITE_TURNS 16
#define MS_NS 1000000ull

enum { IO_BLOCKED = -1, IO_FAILED = -2 };

static void on_io(void *arg, int events);
static void on_timer(void *arg);

size_t opr__conn_pending(const struct opr__conn *c)
{
    return c->out.len - c->out_at;
}

static void start_proto(struct opr__conn *c)
{
    const unsigned char *alpn = NULL;
    unsigned len = 0;
    if (c->ssl) {
        SSL_get0_alpn_selected(c->ssl, &alpn, &len);
        c->peer = opr__tls_peer(c->ssl);
    } else {
        c->peer = opr__peer_new();
    }
    bool is_h2 = len == 2 && memcmp(alpn, "h2", 2) == 0;
    c->proto = is_h2 ? &opr__h2 : &opr__h1;
    c->proto->start(c);
}

void opr__conn_new(struct opr_server *s, int fd)
{
    struct opr__conn *c = opr_xalloc(sizeof *c);
    c->server = s;
    c->fd = fd;
    c->io = opr_io_new(s->loop, fd, OPR_IO_READ, on_io, c);
    c->timer = opr_timer_new(s->loop, on_timer, c);
    opr_vec_push(&s->conns, c);
    opr__conn_deadline(c, OPR__HANDSHAKE_MS);
    if (!s->tls) {
        start_proto(c);
        return;
    }
    c->ssl = SSL_new(s->tls);
    if (!c->ssl || SSL_set_fd(c->ssl, fd) != 1) {
        opr__conn_close(c);
        return;
    }
    SSL_set_accept_state(c->ssl);
}

static void conn_free(void *arg)
{
    opr_free(arg);
}

/* The memory stays until the loop's next round: callers up the stack look at is_closed. */
void opr__conn_close(struct opr__conn *c)
{
    if (c->is_closed) {
        return;
    }
    c->is_closed = true;
    if (c->proto) {
        c->proto->fini(c);
    }
    opr_io_free(c->io);
    opr_timer_free(c->timer);
    SSL_free(c->ssl);
    close(c->fd);
    opr_buf_fini(&c->out);
    opr__peer_unref(c->peer);
    opr__server_conn_gone(c->server, c);
    opr_loop_post(c->server->loop, conn_free, c);
}

/* Setting it is cheap: the timer is moved only where it would fire too late. */
void opr__conn_deadline(struct opr__conn *c, uint64_t after_ms)
{
    if (after_ms == 0) {
        c->deadline_ns = 0;
        return;
    }
    c->deadline_ns = opr_clock_mono_ns(opr_clock_system()) + after_ms * MS_NS;
    if (c->timer_ns == 0 || c->timer_ns > c->deadline_ns) {
        c->timer_ns = c->deadline_ns;
        opr_timer_set(c->timer, after_ms);
    }
}

static void on_timer(void *arg)
{
    struct opr__conn *c = arg;
    c->timer_ns = 0;
    if (c->deadline_ns == 0) {
        return;
    }
    uint64_t now = opr_clock_mono_ns(opr_clock_system());
    if (now < c->deadline_ns) {
        c->timer_ns = c->deadline_ns;
        opr_timer_set(c->timer, (c->deadline_ns - now) / MS_NS + 1);
    } else if (!c->proto || c->is_lingering) {
        opr__conn_close(c);
    } else {
        c->deadline_ns = 0;
        c->proto->timeout(c);
        opr__conn_pump(c);
    }
}

static long ssl_result(struct opr__conn *c, int result, bool is_read)
{
    int err = SSL_get_error(c->ssl, result);
    if (err == SSL_ERROR_WANT_READ) {
        return IO_BLOCKED;
    }
    if (err == SSL_ERROR_WANT_WRITE) {
        c->is_read_blocked_on_write = is_read;
        return IO_BLOCKED;
    }
    return err == SSL_ERROR_ZERO_RETURN && is_read ? 0 : IO_FAILED;
}

/* Bytes read, 0 at the end, or IO_BLOCKED or IO_FAILED. */
static long receive(struct opr__conn *c, char *data, size_t size)
{
    if (c->ssl) {
        ERR_clear_error();
        c->is_read_blocked_on_write = false;
        int n = SSL_read(c->ssl, data, (int)size);
        return n > 0 ? n : ssl_result(c, n, true);
    }
    ssize_t n = recv(c->fd, data, size, 0);
    if (n >= 0) {
        return n;
    }
    return errno == EAGAIN || errno == EINTR ? IO_BLOCKED : IO_FAILED;
}

static long send_some(struct opr__conn *c, const char *data, size_t len)
{
    if (c->ssl) {
        ERR_clear_error();
        int n = SSL_write(c->ssl, data, (int)(len < INT32_MAX ? len : INT32_MAX));
        return n > 0 ? n : ssl_result(c, n, false);
    }
    ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
    if (n >= 0) {
        return n;
    }
    return errno == EAGAIN || errno == EINTR ? IO_BLOCKED : IO_FAILED;
}

static bool can_read(struct opr__conn *c)
{
    return !c->is_closed && !c->is_eof && !c->is_last && c->proto->wants_input(c);
}

static void read_input(struct opr__conn *c)
{
    size_t total = 0;
    while (can_read(c)) {
        char *scratch = c->server->scratch;
        long n = receive(c, scratch, sizeof c->server->scratch);
        if (n == IO_BLOCKED) {
            return;
        }
        if (n == IO_FAILED) {
            opr__conn_close(c);
            return;
        }
        if (n == 0) {
            c->is_eof = true;
            c->proto->eof(c);
            return;
        }
        c->proto->input(c, opr_str_n(scratch, (size_t)n));
        total += (size_t)n;
        /* What OpenSSL has decrypted already makes no event: it is read to its end. */
        if (total >= READ_TURN_BYTES && !c->is_closed && !(c->ssl && SSL_pending(c->ssl) > 0)) {
            return;
        }
    }
}

/* IO_BLOCKED, IO_FAILED, or 0 when all is written. */
static long flush(struct opr__conn *c)
{
    while (c->out_at < c->out.len) {
        long n = send_some(c, c->out.data + c->out_at, c->out.len - c->out_at);
        if (n < 0) {
            return n;
        }
        c->out_at += (size_t)n;
        c->n_written += (uint64_t)n;
    }
    c->out_at = 0;
    if (c->out.cap > OPR__OUT_HIGH_BYTES / 4) {
        opr_buf_fini(&c->out); /* an idle connection keeps no large buffer */
    } else {
        opr_buf_clear(&c->out);
    }
    return 0;
}

/* A reset would destroy the last response on its way, so that what still comes is read over. */
static void start_lingering(struct opr__conn *c)
{
    if (c->is_eof) {
        opr__conn_close(c);
        return;
    }
    if (c->ssl) {
        (void)SSL_shutdown(c->ssl); /* one close_notify; the peer's answer does not matter */
        ERR_clear_error();
    }
    shutdown(c->fd, SHUT_WR);
    c->is_lingering = true;
    opr_io_set(c->io, OPR_IO_READ);
    opr__conn_deadline(c, OPR__LINGER_MS);
}

static void linger(struct opr__conn *c)
{
    ssize_t n = recv(c->fd, c->server->scratch, sizeof c->server->scratch, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        opr__conn_close(c);
    }
}

static void update_events(struct opr__conn *c, bool wants_turn)
{
    int events = 0;
    if (can_read(c)) {
        events |= OPR_IO_READ;
    }
    if (wants_turn || opr__conn_pending(c) > 0 || c->is_read_blocked_on_write) {
        events |= OPR_IO_WRITE;
    }
    opr_io_set(c->io, events);
}

/* Frees the written part where it has become the larger one, so that the buffer does not creep. */
static void compact(struct opr__conn *c)
{
    if (c->out_at > 0 && c->out_at >= c->out.len / 2) {
        opr_buf_consume(&c->out, c->out_at);
        c->out_at = 0;
    }
}

/* Asks the protocol for output until there is none, or enough; true: enough. */
static bool fill(struct opr__conn *c)
{
    while (!c->is_closed && opr__conn_pending(c) < OPR__OUT_HIGH_BYTES) {
        if (!c->proto->fill(c)) {
            return false;
        }
    }
    return true;
}

void opr__conn_pump(struct opr__conn *c)
{
    if (c->is_closed || c->is_lingering || !c->proto) {
        return;
    }
    bool wants_turn = true;
    for (int turn = 0; turn < WRITE_TURNS && wants_turn; turn++) {
        wants_turn = fill(c);
        if (!c->is_closed && c->ssl && SSL_pending(c->ssl) > 0 && can_read(c)) {
            read_input(c);
            wants_turn = true;
        }
        if (c->is_closed) {
            return;
        }
        long result = flush(c);
        if (result == IO_FAILED) {
            opr__conn_close(c);
            return;
        }
        if (result == IO_BLOCKED) {
            compact(c);
            wants_turn = false; /* the event that it can write again brings the next one */
        }
    }
    if (c->is_last && opr__conn_pending(c) == 0) {
        start_lingering(c);
        return;
    }
    update_events(c, wants_turn);
}

static void handshake(struct opr__conn *c)
{
    ERR_clear_error();
    int result = SSL_do_handshake(c->ssl);
    if (result == 1) {
        start_proto(c);
        return;
    }
    int err = SSL_get_error(c->ssl, result);
    if (err == SSL_ERROR_WANT_READ) {
        opr_io_set(c->io, OPR_IO_READ);
    } else if (err == SSL_ERROR_WANT_WRITE) {
        opr_io_set(c->io, OPR_IO_WRITE);
    } else {
        opr__conn_close(c);
    }
}

static void on_io(void *arg, int events)
{
    struct opr__conn *c = arg;
    if (c->is_lingering) {
        linger(c);
        return;
    }
    bool was_handshake = !c->proto;
    if (was_handshake) {
        handshake(c);
    }
    if (c->is_closed || !c->proto) {
        return;
    }
    if (was_handshake || (events & OPR_IO_READ) || c->is_read_blocked_on_write) {
        read_input(c);
    }
    opr__conn_pump(c);
}
