/* The server: listening, accepting, stopping. */
#include "core/net/server.h"

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/net/server_internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#define DEFAULT_BODY_BYTES (3u * 1024 * 1024) /* kube-apiserver's limit of a request */
#define DEFAULT_CONNECTIONS 4096u
#define BACKLOG 512
#define ACCEPTS_A_TURN 64
#define ACCEPT_PAUSE_MS 100 /* after the process ran out of descriptors */

static void set_option(int fd, int level, int option, int value)
{
    /* Tuning only: a socket without it works as well. */
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

static void tune(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

static void on_acceptable(void *arg, int events)
{
    (void)events;
    struct opr_server *s = arg;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        if (s->conns.count >= s->max_connections) {
            opr_io_set(s->io, 0); /* the others wait in the backlog until one has gone */
            return;
        }
        int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            tune(fd);
            opr__conn_new(s, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            opr_io_set(s->io, 0);
            opr_timer_set(s->timer, ACCEPT_PAUSE_MS);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static void close_all(struct opr_server *s)
{
    while (s->conns.count > 0) {
        opr__conn_close(s->conns.items[s->conns.count - 1]);
    }
}

static void on_timer(void *arg)
{
    struct opr_server *s = arg;
    if (s->is_stopping) {
        close_all(s);
    } else {
        opr_io_set(s->io, OPR_IO_READ);
    }
}

static opr_status try_listen(const struct addrinfo *ai, int *ret_fd)
{
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return OPR_E_IO;
    }
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        int err = errno;
        close(fd);
        errno = err;
        return OPR_E_IO;
    }
    *ret_fd = fd;
    return OPR_OK;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0) {
        return 0;
    }
    return ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
                                            : ((struct sockaddr_in *)&addr)->sin_port);
}

static opr_status listen_on(const struct opr_server_config *config, int *ret_fd,
                            struct opr_error *reterr)
{
    char port[8];
    snprintf(port, sizeof port, "%u", config->port);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    int err = getaddrinfo(config->address, port, &hints, &list);
    if (err != 0) {
        return opr_error_set(reterr, OPR_E_IO, "listen on %s:%s: %s", config->address, port,
                             gai_strerror(err));
    }
    opr_status st = OPR_E_IO;
    for (struct addrinfo *ai = list; ai && st != OPR_OK; ai = ai->ai_next) {
        st = try_listen(ai, ret_fd);
    }
    err = errno;
    freeaddrinfo(list);
    if (st != OPR_OK) {
        return opr_error_set(reterr, st, "listen on %s:%s: %s", config->address, port,
                             strerror(err));
    }
    return OPR_OK;
}

opr_status opr_server_new(const struct opr_server_config *config, struct opr_server **ret_server,
                          struct opr_error *reterr)
{
    SSL_CTX *tls = NULL;
    int fd = -1;
    if (config->cert_pem) {
        OPR_TRY(opr__tls_new(config, &tls, reterr));
    }
    opr_status st = listen_on(config, &fd, reterr);
    if (st != OPR_OK) {
        SSL_CTX_free(tls);
        return st;
    }
    struct opr_server *s = opr_xalloc(sizeof *s);
    s->loop = config->loop;
    s->executor = config->executor;
    s->handler = config->handler;
    s->tls = tls;
    s->fd = fd;
    s->port = bound_port(fd);
    s->max_body_bytes = config->max_body_bytes ? config->max_body_bytes : DEFAULT_BODY_BYTES;
    s->max_connections = config->max_connections ? config->max_connections : DEFAULT_CONNECTIONS;
    s->io = opr_io_new(s->loop, fd, OPR_IO_READ, on_acceptable, s);
    s->timer = opr_timer_new(s->loop, on_timer, s);
    *ret_server = s;
    return OPR_OK;
}

uint16_t opr_server_port(const struct opr_server *s)
{
    return s->port;
}

static void run_done(void *arg)
{
    struct opr_server *s = arg;
    void (*fn)(void *) = s->on_done;
    if (fn) {
        fn(s->done_arg);
    }
}

static void check_done(struct opr_server *s)
{
    if (s->is_stopping && !s->is_done && s->conns.count == 0 && s->n_exchanges == 0) {
        s->is_done = true;
        opr_timer_stop(s->timer);
        opr_loop_post(s->loop, run_done, s);
    }
}

static void stop_listening(struct opr_server *s)
{
    opr_io_free(s->io);
    s->io = NULL;
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

void opr_server_stop(struct opr_server *s, uint32_t drain_ms, void (*done)(void *), void *arg)
{
    if (s->is_stopping) {
        return;
    }
    s->is_stopping = true;
    s->on_done = done;
    s->done_arg = arg;
    stop_listening(s);
    opr_timer_set(s->timer, drain_ms);
    /* From the end: a connection that closes at once leaves the vector. */
    for (size_t i = s->conns.count; i > 0; i--) {
        struct opr__conn *c = s->conns.items[i - 1];
        if (c->proto) {
            c->proto->drain(c);
            opr__conn_pump(c);
        } else {
            opr__conn_close(c);
        }
    }
    check_done(s);
}

static void server_free(struct opr_server *s)
{
    opr_timer_free(s->timer);
    SSL_CTX_free(s->tls);
    opr_vec_fini(&s->conns);
    opr_free(s);
}

void opr_server_free(struct opr_server *s)
{
    if (!s) {
        return;
    }
    s->is_done = true; /* nobody is to be told any more */
    stop_listening(s);
    opr_timer_stop(s->timer);
    close_all(s);
    s->is_freed = true;
    if (s->n_exchanges == 0) {
        server_free(s);
    }
}

void opr__server_conn_gone(struct opr_server *s, struct opr__conn *c)
{
    opr_vec_remove_item(&s->conns, c);
    if (s->io && s->conns.count < s->max_connections) {
        opr_io_set(s->io, OPR_IO_READ);
    }
    check_done(s);
}

void opr__server_exchange_gone(struct opr_server *s)
{
    s->n_exchanges--;
    if (s->is_freed && s->n_exchanges == 0) {
        server_free(s);
        return;
    }
    check_done(s);
}
