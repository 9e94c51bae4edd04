/* One connection: two sockets, and what one has sent goes to the other. */
#include "agent/balancer_internal.h"

#include "core/base/alloc.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct opr__side *other(struct opr__side *s)
{
    struct opr__connection *c = s->connection;
    return s == &c->client ? &c->server : &c->client;
}

static void close_side(struct opr__side *s)
{
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
        s->interest = 0;
    }
}

/* Both ends see a reset: what was lost on the way must not look like a regular end. */
static void cut(struct opr__connection *c)
{
    struct linger now = {.l_onoff = 1};
    struct opr__side *sides[] = {&c->client, &c->server};
    for (size_t i = 0; i < 2; i++) {
        if (sides[i]->fd >= 0) {
            (void)setsockopt(sides[i]->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        }
        close_side(sides[i]);
    }
    c->is_dead = true;
}

static void want(struct opr__side *s, uint32_t interest)
{
    if (s->fd < 0 || s->interest == interest) {
        return;
    }
    struct epoll_event e = {.events = interest, .data.ptr = s};
    int op = s->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (interest == 0) {
        op = EPOLL_CTL_DEL; /* a level-triggered hang-up would come again and again */
    }
    if (epoll_ctl(s->connection->epoll_fd, op, s->fd, &e) != 0) {
        cut(s->connection);
        return;
    }
    s->interest = interest;
}

static bool is_transient(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static bool fill(struct opr__side *s)
{
    if (s->from < s->until || s->is_ended) {
        return true;
    }
    ssize_t n = recv(s->fd, s->data, sizeof s->data, 0);
    if (n < 0) {
        return is_transient();
    }
    s->is_ended = n == 0;
    s->from = 0;
    s->until = (size_t)n;
    return true;
}

/* To the other end. */
static bool drain(struct opr__side *s)
{
    struct opr__side *to = other(s);
    while (s->from < s->until) {
        ssize_t n = send(to->fd, s->data + s->from, s->until - s->from, MSG_NOSIGNAL);
        if (n < 0) {
            return is_transient();
        }
        s->from += (size_t)n;
    }
    if (s->is_ended && !s->is_shut) {
        s->is_shut = true;
        return shutdown(to->fd, SHUT_WR) == 0;
    }
    return true;
}

static void watch(struct opr__connection *c)
{
    struct opr__side *sides[] = {&c->client, &c->server};
    for (size_t i = 0; i < 2 && !c->is_dead; i++) {
        struct opr__side *s = sides[i];
        bool is_full = s->from < s->until, must_send = other(s)->from < other(s)->until;
        want(s, (!is_full && !s->is_ended ? EPOLLIN : 0u) | (must_send ? EPOLLOUT : 0u));
    }
}

static void carry(struct opr__connection *c)
{
    struct opr__side *sides[] = {&c->client, &c->server};
    for (size_t i = 0; i < 2; i++) {
        if (!fill(sides[i]) || !drain(sides[i])) {
            cut(c);
            return;
        }
    }
    if (c->client.is_shut && c->server.is_shut) {
        close_side(&c->client);
        close_side(&c->server);
        c->is_dead = true;
        return;
    }
    watch(c);
}

static void set_nodelay(int fd)
{
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* tuning only */
}

/* An endpoint may have gone a moment ago: the next one is tried, until all were. */
static void connect_next(struct opr__connection *c)
{
    close_side(&c->server);
    while (c->tried < c->n_endpoints) {
        const struct opr__balancer_endpoint *e =
            &c->endpoints[(c->first + c->tried++) % c->n_endpoints];
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(e->port)};
        to.sin_addr.s_addr = htonl(e->address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            break;
        }
        set_nodelay(fd);
        if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS) {
            c->server.fd = fd;
            want(&c->server, EPOLLOUT);
            return;
        }
        close(fd);
    }
    cut(c);
}

struct opr__connection *opr__connection_new(int epoll_fd, int client_fd,
                                            struct opr__listener *listener)
{
    const struct opr__balancer_rule *r = &listener->rule;
    struct opr__connection *c = opr_xalloc(sizeof *c);
    c->epoll_fd = epoll_fd;
    c->client.handle.kind = c->server.handle.kind = OPR__RELAY_SIDE;
    c->client.connection = c->server.connection = c;
    c->client.fd = client_fd;
    c->server.fd = -1;
    c->n_endpoints = r->n_endpoints;
    c->endpoints = opr_xalloc(r->n_endpoints * sizeof *c->endpoints);
    memcpy(c->endpoints, r->endpoints, r->n_endpoints * sizeof *c->endpoints);
    set_nodelay(client_fd);
    struct sockaddr_in peer = {0};
    socklen_t len = sizeof peer;
    if (r->is_sticky && getpeername(client_fd, (struct sockaddr *)&peer, &len) == 0) {
        c->first = ntohl(peer.sin_addr.s_addr) % r->n_endpoints;
    } else {
        c->first = listener->next++ % r->n_endpoints;
    }
    connect_next(c);
    if (c->is_dead) {
        opr__connection_free(c);
        return NULL;
    }
    return c;
}

void opr__connection_event(struct opr__side *side, uint32_t events)
{
    struct opr__connection *c = side->connection;
    if (c->is_dead || side->fd < 0) {
        return; /* an event of the same round has ended it */
    }
    if (!c->is_connected) {
        int err = 0;
        socklen_t len = sizeof err;
        if (getsockopt(side->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0 || err) {
            connect_next(c);
            return;
        }
        c->is_connected = true;
    } else if (events & EPOLLERR) {
        cut(c);
        return;
    }
    carry(c);
}

void opr__connection_free(struct opr__connection *c)
{
    close_side(&c->client);
    close_side(&c->server);
    opr_free(c->endpoints);
    opr_free(c);
}
