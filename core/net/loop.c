/* The event loop on libev. Functions posted from other threads wait in a list under a mutex; one
 * async watcher wakes the loop for all of them. */
#include "core/net/loop.h"

#include "core/base/alloc.h"

#include <ev.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

struct post {
    struct post *next;
    void (*fn)(void *);
    void *arg;
};

struct signal_watch {
    ev_signal watcher;
    struct signal_watch *next;
    void (*fn)(void *arg, int signo);
    void *arg;
};

struct opr_loop {
    struct ev_loop *ev; /* owned */
    ev_async async;
    pthread_mutex_t lock;
    struct post *first, **last;   /* lock */
    struct signal_watch *signals; /* owned */
    pthread_t thread;             /* valid while is_running */
    atomic_bool is_running, is_stopping;
};

struct opr_timer {
    ev_timer watcher;
    struct opr_loop *loop; /* borrowed */
    void (*fn)(void *);
    void *arg;
};

struct opr_io {
    ev_io watcher;
    struct opr_loop *loop; /* borrowed */
    void (*fn)(void *arg, int events);
    void *arg;
};

static struct post *take_posts(struct opr_loop *l)
{
    pthread_mutex_lock(&l->lock);
    struct post *p = l->first;
    l->first = NULL;
    l->last = &l->first;
    pthread_mutex_unlock(&l->lock);
    return p;
}

static void run_posts(struct post *p)
{
    while (p) {
        struct post *next = p->next;
        p->fn(p->arg);
        opr_free(p);
        p = next;
    }
}

static void on_async(struct ev_loop *ev, ev_async *w, int revents)
{
    (void)revents;
    struct opr_loop *l = w->data;
    run_posts(take_posts(l));
    if (atomic_load(&l->is_stopping)) {
        ev_break(ev, EVBREAK_ALL);
    }
}

struct opr_loop *opr_loop_new(void)
{
    /* A peer that goes away while we write is an EPIPE, not the end of the process. */
    signal(SIGPIPE, SIG_IGN);
    struct opr_loop *l = opr_xalloc(sizeof *l);
    l->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    OPR_CHECK(l->ev);
    pthread_mutex_init(&l->lock, NULL);
    l->last = &l->first;
    ev_async_init(&l->async, on_async);
    l->async.data = l;
    ev_async_start(l->ev, &l->async);
    return l;
}

static void enter(struct opr_loop *l)
{
    l->thread = pthread_self();
    atomic_store(&l->is_running, true);
}

void opr_loop_free(struct opr_loop *l)
{
    if (!l) {
        return;
    }
    enter(l);
    for (struct post *p = take_posts(l); p; p = take_posts(l)) {
        run_posts(p);
    }
    while (l->signals) {
        struct signal_watch *s = l->signals;
        l->signals = s->next;
        ev_signal_stop(l->ev, &s->watcher);
        opr_free(s);
    }
    ev_async_stop(l->ev, &l->async);
    ev_loop_destroy(l->ev);
    pthread_mutex_destroy(&l->lock);
    opr_free(l);
}

void opr_loop_run(struct opr_loop *l)
{
    enter(l);
    while (!atomic_load(&l->is_stopping)) {
        ev_run(l->ev, 0);
    }
    atomic_store(&l->is_stopping, false);
    atomic_store(&l->is_running, false);
}

void opr_loop_stop(struct opr_loop *l)
{
    atomic_store(&l->is_stopping, true);
    ev_async_send(l->ev, &l->async);
}

void opr_loop_post(struct opr_loop *l, void (*fn)(void *), void *arg)
{
    struct post *p = opr_xalloc(sizeof *p);
    p->fn = fn;
    p->arg = arg;
    pthread_mutex_lock(&l->lock);
    bool was_empty = !l->first;
    *l->last = p;
    l->last = &p->next;
    if (was_empty) {
        /* Under the lock, so that the loop can not be freed between the two. */
        ev_async_send(l->ev, &l->async);
    }
    pthread_mutex_unlock(&l->lock);
}

bool opr_loop_is_current(const struct opr_loop *l)
{
    return atomic_load(&l->is_running) && pthread_equal(l->thread, pthread_self());
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
    (void)ev;
    (void)revents;
    struct opr_timer *t = w->data;
    t->fn(t->arg);
}

struct opr_timer *opr_timer_new(struct opr_loop *l, void (*fn)(void *), void *arg)
{
    struct opr_timer *t = opr_xalloc(sizeof *t);
    t->loop = l;
    t->fn = fn;
    t->arg = arg;
    ev_timer_init(&t->watcher, on_timer, 0, 0);
    t->watcher.data = t;
    return t;
}

void opr_timer_set(struct opr_timer *t, uint64_t after_ms)
{
    ev_timer_stop(t->loop->ev, &t->watcher);
    /* libev counts from the time it last read: before the loop runs that may be long ago. */
    ev_now_update(t->loop->ev);
    ev_timer_set(&t->watcher, (double)after_ms / 1000.0, 0);
    ev_timer_start(t->loop->ev, &t->watcher);
}

void opr_timer_stop(struct opr_timer *t)
{
    ev_timer_stop(t->loop->ev, &t->watcher);
}

void opr_timer_free(struct opr_timer *t)
{
    if (t) {
        ev_timer_stop(t->loop->ev, &t->watcher);
        opr_free(t);
    }
}

static void on_io(struct ev_loop *ev, ev_io *w, int revents)
{
    (void)ev;
    struct opr_io *io = w->data;
    int events = (revents & EV_READ ? OPR_IO_READ : 0) | (revents & EV_WRITE ? OPR_IO_WRITE : 0);
    io->fn(io->arg, events);
}

static int ev_events(int events)
{
    return (events & OPR_IO_READ ? EV_READ : 0) | (events & OPR_IO_WRITE ? EV_WRITE : 0);
}

struct opr_io *opr_io_new(struct opr_loop *l, int fd, int events, void (*fn)(void *arg, int events),
                          void *arg)
{
    struct opr_io *io = opr_xalloc(sizeof *io);
    io->loop = l;
    io->fn = fn;
    io->arg = arg;
    ev_io_init(&io->watcher, on_io, fd, ev_events(events));
    io->watcher.data = io;
    if (events) {
        ev_io_start(l->ev, &io->watcher);
    }
    return io;
}

void opr_io_set(struct opr_io *io, int events)
{
    int wanted = ev_events(events);
    bool is_active = ev_is_active(&io->watcher);
    if (is_active == (wanted != 0) && (!is_active || (io->watcher.events & 3) == wanted)) {
        return;
    }
    ev_io_stop(io->loop->ev, &io->watcher);
    if (wanted) {
        ev_io_set(&io->watcher, io->watcher.fd, wanted);
        ev_io_start(io->loop->ev, &io->watcher);
    }
}

void opr_io_free(struct opr_io *io)
{
    if (io) {
        ev_io_stop(io->loop->ev, &io->watcher);
        opr_free(io);
    }
}

static void on_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
    (void)ev;
    (void)revents;
    struct signal_watch *s = w->data;
    s->fn(s->arg, w->signum);
}

void opr_loop_on_signal(struct opr_loop *l, int signo, void (*fn)(void *arg, int signo), void *arg)
{
    struct signal_watch *s = opr_xalloc(sizeof *s);
    s->fn = fn;
    s->arg = arg;
    s->next = l->signals;
    l->signals = s;
    ev_signal_init(&s->watcher, on_signal, signo);
    s->watcher.data = s;
    ev_signal_start(l->ev, &s->watcher);
}
