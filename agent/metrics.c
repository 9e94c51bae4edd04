#include "agent/metrics.h"

#include "agent/metrics_internal.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#define PATH_SAMPLES "/apis/metrics.operon.local/v1/nodesamples"
#define MS_NS 1000000ull
enum { SEND_MS = 1000, URGENT_MS = 250, ABSENT_MS = 30000, ADD_WAIT_MS = 50, CALL_MS = 2000 };

static void target_free(struct opr__target *t)
{
    opr_free(t->ns);
    opr_free(t->pod);
    opr_free(t->uid);
    opr_free(t->container);
    opr_free(t->run_dir);
    opr_free(t);
}

static struct opr__target *find(struct opr__metrics *m, const char *uid, const char *container)
{
    for (size_t i = 0; i < m->targets.count; i++) {
        struct opr__target *t = m->targets.items[i];
        if (!t->is_removed && strcmp(t->uid, uid) == 0 && strcmp(t->container, container) == 0) {
            return t;
        }
    }
    return NULL;
}

static void insert(struct opr__metrics *m, struct opr__target *t)
{
    size_t at = m->targets.count;
    while (at > 0 && strcmp(((struct opr__target *)m->targets.items[at - 1])->uid, t->uid) > 0) {
        at--;
    }
    opr_vec_insert(&m->targets, at, t);
}

void opr__metrics_add(struct opr__metrics *m, const struct opr__pod *p,
                      const struct opr__container *c)
{
    if (!m) {
        return;
    }
    char *run_dir = opr__run_dir(p, c, c->attempt);
    pthread_mutex_lock(&m->lock);
    struct opr__target *t = find(m, p->uid, c->name);
    if (t) {
        opr_free(t->run_dir);
        t->run_dir = run_dir;
        pthread_mutex_unlock(&m->lock);
        return;
    }
    t = opr_xalloc(sizeof *t);
    t->ns = opr_xstrdup(p->ns);
    t->pod = opr_xstrdup(p->name);
    t->uid = opr_xstrdup(p->uid);
    t->container = opr_xstrdup(c->name);
    t->run_dir = run_dir;
    insert(m, t);
    pthread_cond_signal(&m->changed);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ADD_WAIT_MS * (long)MS_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int code = 0;
    while (m->is_running && !m->is_stopping && code != ETIMEDOUT &&
           (t = find(m, p->uid, c->name)) && !t->is_known) {
        code = pthread_cond_timedwait(&m->settled, &m->lock, &until);
    }
    pthread_mutex_unlock(&m->lock);
}

void opr__metrics_remove(struct opr__metrics *m, const struct opr__pod *p,
                         const struct opr__container *c)
{
    if (!m) {
        return;
    }
    pthread_mutex_lock(&m->lock);
    struct opr__target *t = find(m, p->uid, c->name);
    if (t) {
        t->is_removed = true;
        pthread_cond_signal(&m->changed);
    }
    pthread_mutex_unlock(&m->lock);
}

void opr__metrics_exclude(struct opr__metrics *m, int fd)
{
    if (m) {
        pthread_mutex_lock(&m->lock);
        if (m->bpf) {
            opr_bpf_exclude(m->bpf, fd);
        }
        pthread_mutex_unlock(&m->lock);
    }
}

/* -- the thread; the lock is held except where said -- */

static void settle(struct opr__metrics *m)
{
    char dir[PATH_MAX];
    for (size_t i = m->targets.count; i-- > 0;) {
        struct opr__target *t = m->targets.items[i];
        if (t->is_removed) {
            if (t->has_slot) {
                opr_bpf_slot_remove(m->bpf, t->slot);
            }
            target_free(opr_vec_remove(&m->targets, i));
        } else if (!t->is_known) {
            t->is_known = true;
            t->has_slot = m->bpf &&
                          opr__cgroup_path(&m->agent->cgroups, OPR__CGROUP_CPUACCT, t->uid,
                                           t->container, dir, sizeof dir) &&
                          opr_bpf_slot_add(m->bpf, dir, &t->slot, NULL) == OPR_OK;
        }
    }
    pthread_cond_broadcast(&m->settled);
}

static void take_bpf(struct opr__metrics *m, struct opr__target *t, struct opr__sample *s)
{
    struct opr_bpf_totals *totals = &t->totals;
    opr_bpf_read(m->bpf, t->slot, totals);
    if (m->features & OPR_BPF_SCHED) {
        t->cpu = t->run_delay = OPR__SOURCE_BPF;
        s->cpu_ns = totals->cpu_ns;
        s->run_delay_ns = totals->run_delay_ns;
    }
    s->inflight = totals->inflight > 0 ? totals->inflight : 0;
    s->http.arrivals = totals->arrivals;
    s->http.completions = totals->completions;
    s->http.sum_us = totals->latency_sum_us;
    memcpy(s->http.buckets, totals->latency, sizeof s->http.buckets);
}

/* Without the probes. A task that has ended takes its wait with it: only growth counts. */
static void take_usage(struct opr__metrics *m, struct opr__target *t, struct opr__sample *s)
{
    struct opr__usage u;
    struct opr__source_place at = {.cgroups = &m->agent->cgroups,
                                   .proc = "/proc",
                                   .uid = t->uid,
                                   .container = t->container,
                                   .run_dir = t->run_dir,
                                   .needs_delay = !t->has_slot || !(m->features & OPR_BPF_SCHED)};
    opr__source_read(&at, &u);
    t->memory_bytes = u.memory_bytes;
    t->memory = u.memory;
    t->cpu = u.cpu;
    t->run_delay = u.run_delay;
    t->delay_sum_ns += u.run_delay_ns > t->delay_seen_ns ? u.run_delay_ns - t->delay_seen_ns : 0;
    t->delay_seen_ns = u.run_delay_ns;
    s->cpu_ns = u.cpu_ns;
    s->run_delay_ns = t->delay_sum_ns;
}

static void measure(struct opr__metrics *m, struct opr__target *t, bool with_memory)
{
    struct opr__sample s = {.at_ns = opr_clock_mono_ns(opr_clock_system())};
    bool has_cpu = t->has_slot && (m->features & OPR_BPF_SCHED);
    if (!has_cpu || with_memory || t->window.count == 0) {
        take_usage(m, t, &s);
    }
    if (t->has_slot) {
        take_bpf(m, t, &s);
    }
    opr__window_add(&t->window, &s);
}

static void measure_all(struct opr__metrics *m)
{
    bool with_memory = m->tick++ % (SEND_MS / OPR__TICK_MS) == 0;
    for (size_t i = 0; i < m->targets.count; i++) {
        measure(m, m->targets.items[i], with_memory);
    }
    for (uint32_t i = 0; m->bpf && with_memory && i < OPR__LOSSES_MAX; i++) {
        m->loss_names[i] = opr_bpf_loss(m->bpf, i, &m->losses[i]);
        if (!m->loss_names[i]) {
            break;
        }
    }
}

/* Without the lock. */
static void send_body(struct opr__metrics *m, struct opr_buf *body)
{
    struct opr_agent *a = m->agent;
    struct opr_error err = {0};
    struct opr_caller *k = opr__caller_take(a);
    uint64_t now = opr_clock_mono_ns(opr_client_clock(a->config.client));
    opr_caller_set_deadline(k, now + CALL_MS * MS_NS);
    opr_status st =
        opr_call(k, "POST", PATH_SAMPLES, "application/json", opr_buf_str(body), NULL, &err);
    opr__caller_give(a, k);
    if (st != OPR_OK && !m->has_failed && !a->is_stopping) {
        opr_log(OPR_LOG_WARN, "metrics", "the API server does not take samples", "error=\"%s\"",
                err.message);
    }
    m->has_failed = st != OPR_OK;
    if (st == OPR_E_NOT_FOUND) {
        m->quiet_until_ns = opr_clock_mono_ns(opr_clock_system()) + ABSENT_MS * MS_NS;
    }
}

static void wait_until(struct opr__metrics *m, uint64_t at_ns)
{
    struct timespec at = {.tv_sec = (time_t)(at_ns / 1000000000),
                          .tv_nsec = (long)(at_ns % 1000000000)};
    while (!m->is_stopping && opr_clock_mono_ns(opr_clock_system()) < at_ns) {
        (void)pthread_cond_timedwait(&m->changed, &m->lock, &at);
        settle(m);
    }
}

static void report(struct opr__metrics *m, uint64_t now)
{
    uint64_t since = now - m->sent_ns;
    bool is_due = since + OPR__TICK_MS * MS_NS / 2 >= SEND_MS * MS_NS;
    if (now < m->quiet_until_ns ||
        (!is_due && (since + MS_NS < URGENT_MS * MS_NS || !opr__metrics_is_urgent(m)))) {
        return;
    }
    struct opr_buf body = {0};
    opr__metrics_body(m, &body);
    m->sent_ns = now;
    pthread_mutex_unlock(&m->lock);
    send_body(m, &body);
    pthread_mutex_lock(&m->lock);
    opr_buf_fini(&body);
}

static void *run(void *arg)
{
    struct opr__metrics *m = arg;
    struct opr_error err = {0};
    struct opr_bpf *bpf = NULL;
    if (m->agent->cgroups.version == 0) {
        (void)opr_error_set(&err, OPR_E_UNSUPPORTED, "containers have no cgroups");
    } else if (opr_bpf_open(&bpf, &err) == OPR_OK) {
        m->features = opr_bpf_features(bpf);
    }
    (void)malloc_trim(0); /* loading reads the kernel's type information: megabytes, once */
    pthread_mutex_lock(&m->lock);
    m->bpf = bpf;
    opr_log(OPR_LOG_INFO, "metrics", "measuring", "source=%s latency=%s%s%s%s",
            opr__metrics_source(m), m->features & OPR_BPF_LATENCY ? "bpf" : "none",
            err.message[0] ? " reason=\"" : "", err.message, err.message[0] ? "\"" : "");
    settle(m);
    uint64_t next = opr_clock_mono_ns(opr_clock_system());
    while (!m->is_stopping) {
        measure_all(m);
        report(m, opr_clock_mono_ns(opr_clock_system()));
        uint64_t now = opr_clock_mono_ns(opr_clock_system());
        next = next + OPR__TICK_MS * MS_NS > now ? next + OPR__TICK_MS * MS_NS
                                                 : now + OPR__TICK_MS * MS_NS;
        wait_until(m, next);
    }
    m->bpf = NULL;
    pthread_mutex_unlock(&m->lock);
    opr_bpf_close(bpf);
    return NULL;
}

struct opr__metrics *opr__metrics_new(struct opr_agent *a)
{
    struct opr__metrics *m = opr_xalloc(sizeof *m);
    m->agent = a;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->changed, &attr);
    pthread_cond_init(&m->settled, &attr);
    pthread_condattr_destroy(&attr);
    return m;
}

void opr__metrics_start(struct opr__metrics *m)
{
    if (m) {
        pthread_mutex_lock(&m->lock);
        m->is_running = pthread_create(&m->thread, NULL, run, m) == 0;
        pthread_mutex_unlock(&m->lock);
    }
}

void opr__metrics_free(struct opr__metrics *m)
{
    if (!m) {
        return;
    }
    pthread_mutex_lock(&m->lock);
    m->is_stopping = true;
    pthread_cond_broadcast(&m->changed);
    pthread_cond_broadcast(&m->settled);
    pthread_mutex_unlock(&m->lock);
    if (m->is_running) {
        pthread_join(m->thread, NULL);
    }
    for (size_t i = 0; i < m->targets.count; i++) {
        target_free(m->targets.items[i]);
    }
    opr_vec_fini(&m->targets);
    pthread_cond_destroy(&m->changed);
    pthread_cond_destroy(&m->settled);
    pthread_mutex_destroy(&m->lock);
    opr_free(m);
}
