#include "agent/balancer_internal.h"

#include "agent/netlink.h"
#include "core/base/alloc.h"
#include "core/base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, BACKLOG = 1024, ACCEPTS = 64 };

struct opr__balancer {
    struct opr__relay_handle wake;
    int epoll_fd, wake_fd;
    pthread_t thread;
    _Atomic uint64_t failures;

    pthread_mutex_t lock;
    struct opr__balancer_rule *pending; /* lock; owned with their endpoints; NULL: none */
    size_t n_pending;                   /* lock */
    bool is_stopping;                   /* lock */

    /* the thread's own */
    struct opr_vec listeners; /* of struct opr__listener, owned */
    struct opr__connections connections;
    struct opr_vec dead; /* of struct opr__connection, owned: ended in this round */
};

static void copy_rule(struct opr__balancer_rule *to, const struct opr__balancer_rule *from)
{
    *to = *from;
    to->endpoints = NULL;
    if (from->n_endpoints) {
        size_t size = from->n_endpoints * sizeof *from->endpoints;
        to->endpoints = opr_xalloc(size);
        memcpy(to->endpoints, from->endpoints, size);
    }
}

static void free_rules(struct opr__balancer_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        opr_free(rules[i].endpoints);
    }
    opr_free(rules);
}

/* -- the thread -- */

static int listen_on(uint32_t address, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(address);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one); /* bind says what is wrong */
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, BACKLOG) != 0) {
        int err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

static void listener_free(struct opr__listener *l)
{
    if (l->fd >= 0) {
        close(l->fd);
    }
    opr_free(l->rule.endpoints);
    opr_free(l);
}

static struct opr__listener *find_listener(struct opr__balancer *b,
                                           const struct opr__balancer_rule *r)
{
    for (size_t i = 0; i < b->listeners.count; i++) {
        struct opr__listener *l = b->listeners.items[i];
        if (l->rule.address == r->address && l->rule.port == r->port) {
            return l;
        }
    }
    return NULL;
}

static void add_listener(struct opr__balancer *b, const struct opr__balancer_rule *r)
{
    struct opr__listener *l = opr_xalloc(sizeof *l);
    l->handle.kind = OPR__RELAY_LISTENER;
    copy_rule(&l->rule, r);
    l->fd = listen_on(r->address, r->port);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = l};
    if (l->fd < 0 || epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, l->fd, &e) != 0) {
        char address[OPR__IPV4_TEXT_MAX];
        opr__ipv4_format(r->address, address);
        opr_log(OPR_LOG_WARN, "proxy", "can not listen for a Service", "address=%s:%u error=\"%s\"",
                address, r->port, strerror(errno));
        b->failures++;
        listener_free(l);
        return;
    }
    opr_vec_push(&b->listeners, l);
}

static const struct opr__balancer_rule *find_rule(const struct opr__balancer_rule *rules, size_t n,
                                                  const struct opr__listener *l)
{
    for (size_t i = 0; i < n; i++) {
        if (rules[i].address == l->rule.address && rules[i].port == l->rule.port &&
            rules[i].n_endpoints > 0) {
            return &rules[i];
        }
    }
    return NULL;
}

/* A port without an endpoint does not listen: the kernel refuses its connections. */
static void apply(struct opr__balancer *b, const struct opr__balancer_rule *rules, size_t n)
{
    for (size_t i = b->listeners.count; i-- > 0;) {
        struct opr__listener *l = b->listeners.items[i];
        const struct opr__balancer_rule *r = find_rule(rules, n, l);
        if (!r) {
            listener_free(opr_vec_remove(&b->listeners, i));
        } else {
            opr_free(l->rule.endpoints);
            copy_rule(&l->rule, r);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (rules[i].n_endpoints > 0 && !find_listener(b, &rules[i])) {
            add_listener(b, &rules[i]);
        }
    }
}

/* Returns whether the balancer goes on. */
static bool on_wake(struct opr__balancer *b)
{
    uint64_t count;
    (void)!read(b->wake_fd, &count, sizeof count); /* only to make it wait again */
    pthread_mutex_lock(&b->lock);
    struct opr__balancer_rule *rules = b->pending;
    size_t n = b->n_pending;
    bool goes_on = !b->is_stopping;
    b->pending = NULL;
    b->n_pending = 0;
    pthread_mutex_unlock(&b->lock);
    if (rules && goes_on) {
        apply(b, rules, n);
    }
    free_rules(rules, n);
    return goes_on;
}

static void on_accept(struct opr__balancer *b, struct opr__listener *l)
{
    for (int i = 0; i < ACCEPTS; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        struct opr__connection *c = opr__connection_new(b->epoll_fd, fd, l);
        if (c) {
            LIST_INSERT_HEAD(&b->connections, c, entry);
        }
    }
}

static void on_side(struct opr__balancer *b, struct opr__side *side, uint32_t events)
{
    struct opr__connection *c = side->connection;
    bool was_dead = c->is_dead;
    opr__connection_event(side, events);
    if (c->is_dead && !was_dead) {
        LIST_REMOVE(c, entry);
        opr_vec_push(&b->dead, c);
    }
}

/* After a round: events of it may still have pointed to what ended in it. */
static void bury(struct opr__balancer *b)
{
    while (b->dead.count > 0) {
        opr__connection_free(opr_vec_remove(&b->dead, b->dead.count - 1));
    }
}

static void *run(void *arg)
{
    struct opr__balancer *b = arg;
    bool goes_on = true;
    while (goes_on) {
        struct epoll_event events[EVENTS];
        bool must_apply = false;
        int n = epoll_wait(b->epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct opr__relay_handle *h = events[i].data.ptr;
            if (h->kind == OPR__RELAY_WAKE) {
                must_apply = true; /* last: it frees listeners */
            } else if (h->kind == OPR__RELAY_LISTENER) {
                on_accept(b, (struct opr__listener *)h);
            } else {
                on_side(b, (struct opr__side *)h, events[i].events);
            }
        }
        bury(b);
        goes_on = !must_apply || on_wake(b);
    }
    return NULL;
}

/* -- any thread -- */

static void wake(struct opr__balancer *b)
{
    uint64_t one = 1;
    OPR_CHECK(write(b->wake_fd, &one, sizeof one) == sizeof one);
}

opr_status opr__balancer_new(struct opr__balancer **ret_balancer, struct opr_error *reterr)
{
    struct opr__balancer *b = opr_xalloc(sizeof *b);
    b->wake.kind = OPR__RELAY_WAKE;
    LIST_INIT(&b->connections);
    pthread_mutex_init(&b->lock, NULL);
    b->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    b->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &b->wake};
    if (b->epoll_fd < 0 || b->wake_fd < 0 ||
        epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, b->wake_fd, &e) != 0 ||
        pthread_create(&b->thread, NULL, run, b) != 0) {
        opr_status st = opr_error_set(reterr, OPR_E_IO, "the balancer can not start: %m");
        close(b->epoll_fd);
        close(b->wake_fd);
        pthread_mutex_destroy(&b->lock);
        opr_free(b);
        return st;
    }
    *ret_balancer = b;
    return OPR_OK;
}

void opr__balancer_set(struct opr__balancer *b, const struct opr__balancer_rule *rules, size_t n)
{
    struct opr__balancer_rule *copy = opr_xalloc((n + 1) * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        copy_rule(&copy[i], &rules[i]);
    }
    pthread_mutex_lock(&b->lock);
    struct opr__balancer_rule *was = b->pending;
    size_t n_was = b->n_pending;
    b->pending = copy;
    b->n_pending = n;
    pthread_mutex_unlock(&b->lock);
    free_rules(was, n_was);
    wake(b);
}

uint64_t opr__balancer_failures(struct opr__balancer *b)
{
    return b->failures;
}

void opr__balancer_free(struct opr__balancer *b)
{
    if (!b) {
        return;
    }
    pthread_mutex_lock(&b->lock);
    b->is_stopping = true;
    pthread_mutex_unlock(&b->lock);
    wake(b);
    pthread_join(b->thread, NULL);
    struct opr__connection *c;
    while ((c = LIST_FIRST(&b->connections))) {
        LIST_REMOVE(c, entry);
        opr__connection_free(c);
    }
    opr_vec_fini(&b->dead);
    for (size_t i = 0; i < b->listeners.count; i++) {
        listener_free(b->listeners.items[i]);
    }
    opr_vec_fini(&b->listeners);
    free_rules(b->pending, b->n_pending);
    close(b->epoll_fd);
    close(b->wake_fd);
    pthread_mutex_destroy(&b->lock);
    opr_free(b);
}
