/* The event loop: one thread that owns what lives long (sockets, timers). Built on libev; nothing
 * outside core/net sees libev. Threads: as each function says. */
#ifndef OPR_NET_LOOP_H
#define OPR_NET_LOOP_H

#include "core/base/clock.h"
#include "core/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_loop;
struct opr_timer;
struct opr_io;

struct opr_loop *opr_loop_new(void);
void opr_loop_free(struct opr_loop *l); /* not while it runs */
/* Runs on the calling thread until opr_loop_stop(). */
void opr_loop_run(struct opr_loop *l);
void opr_loop_stop(struct opr_loop *l); /* any thread */
/* Any thread: fn(arg) runs on the loop soon, in order. After the loop stopped, opr_loop_free() runs
 * what is left, so that nothing posted is lost. */
void opr_loop_post(struct opr_loop *l, void (*fn)(void *), void *arg);
bool opr_loop_is_current(const struct opr_loop *l);

/* Loop thread. A timer is owned by the caller and may be set again from its own callback. */
struct opr_timer *opr_timer_new(struct opr_loop *l, void (*fn)(void *), void *arg);
void opr_timer_set(struct opr_timer *t, uint64_t after_ms); /* replaces an earlier setting */
void opr_timer_stop(struct opr_timer *t);
void opr_timer_free(struct opr_timer *t);

enum { OPR_IO_READ = 1, OPR_IO_WRITE = 2 };
/* Loop thread. Watches a descriptor; events is a mask, 0 pauses. The descriptor stays the caller's.
 */
struct opr_io *opr_io_new(struct opr_loop *l, int fd, int events, void (*fn)(void *arg, int events),
                          void *arg);
void opr_io_set(struct opr_io *io, int events);
void opr_io_free(struct opr_io *io);

/* Loop thread: fn(arg, signo) on a signal (SIGTERM, SIGINT, SIGHUP). Lives as long as the loop. */
void opr_loop_on_signal(struct opr_loop *l, int signo, void (*fn)(void *arg, int signo), void *arg);

#ifdef __cplusplus
}
#endif
#endif
