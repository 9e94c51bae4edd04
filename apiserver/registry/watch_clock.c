#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/vec.h"

#include <time.h>

/* One thread that sleeps until the nearest alarm. Alarms are few (one a watch): a scan finds it. */
struct opr_watch_clock {
    const struct opr_clock *clock;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows; held while an alarm's function runs */
    pthread_cond_t changed;
    struct opr_vec alarms; /* borrowed */
    bool is_ending;
};

static uint64_t nearest(const struct opr_watch_clock *c)
{
    uint64_t due = UINT64_MAX;
    for (size_t i = 0; i < c->alarms.count; i++) {
        const struct opr_alarm *a = c->alarms.items[i];
        due = a->due_ns < due ? a->due_ns : due;
    }
    return due;
}

static void ring(struct opr_watch_clock *c, uint64_t now)
{
    for (size_t i = c->alarms.count; i > 0; i--) {
        struct opr_alarm *a = c->alarms.items[i - 1];
        if (a->due_ns <= now) {
            opr_vec_remove(&c->alarms, i - 1);
            a->due_ns = 0;
            a->fn(a->arg);
        }
    }
}

static void *run(void *arg)
{
    struct opr_watch_clock *c = arg;
    pthread_mutex_lock(&c->lock);
    while (!c->is_ending) {
        uint64_t now = opr_clock_mono_ns(c->clock), due = nearest(c);
        if (due <= now) {
            ring(c, now);
            continue;
        }
        if (due == UINT64_MAX) {
            pthread_cond_wait(&c->changed, &c->lock);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        uint64_t at = (uint64_t)until.tv_sec * 1000000000u + (uint64_t)until.tv_nsec + (due - now);
        until.tv_sec = (time_t)(at / 1000000000u);
        until.tv_nsec = (long)(at % 1000000000u);
        (void)pthread_cond_timedwait(&c->changed, &c->lock, &until); /* looks again in any case */
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

struct opr_watch_clock *opr_watch_clock_new(const struct opr_clock *clock)
{
    struct opr_watch_clock *c = opr_xalloc(sizeof *c);
    pthread_condattr_t attr;
    c->clock = clock;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
    OPR_CHECK(pthread_create(&c->thread, NULL, run, c) == 0);
    return c;
}

void opr_watch_clock_free(struct opr_watch_clock *c)
{
    if (!c) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    c->is_ending = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    opr_vec_fini(&c->alarms);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    opr_free(c);
}

void opr_alarm_set(struct opr_watch_clock *c, struct opr_alarm *a, uint64_t due_ns)
{
    pthread_mutex_lock(&c->lock);
    opr_vec_remove_item(&c->alarms, a);
    a->due_ns = due_ns;
    if (due_ns > 0) {
        opr_vec_push(&c->alarms, a);
    }
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}
