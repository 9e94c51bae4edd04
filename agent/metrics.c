#include "agent/metrics.h"

#include "agent/measure.h"
#include "agent/shim/layout.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PATH_SAMPLES "/apis/metrics.operon.local/v1/nodesamples"
#define MS_NS 1000000ull
enum { SEND_MS = 1000, URGENT_MS = 250, ABSENT_MS = 30000, ADD_WAIT_MS = 50, CALL_MS = 2000 };
enum { LOSSES_MAX = 16 };

/* What counts as a strong move since the last report of a Pod. */
static const double LATENCY_STEP = 0.5, LATENCY_FLOOR_MS = 5, CPU_STEP = 0.25;
static const double CPU_FLOOR_NANO = 1e8;

struct target {
    char *ns, *pod, *uid, *container; /* owned */
    char *run_dir;                    /* owned; of the source proc */
    bool is_known, is_removed;        /* slot taken; to be given back */
    bool has_slot;
    uint32_t slot;
    uint64_t memory_bytes;
    struct opr__window window;
    double sent_p99_ms, sent_cpu_nano;
};

struct opr__metrics {
    struct opr_agent *agent;
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock;   /* of all that follows */
    pthread_cond_t changed; /* targets came, or the end */
    pthread_cond_t settled; /* new targets have their slot */
    bool is_stopping;
    struct opr_vec targets; /* of struct target, owned; in order of Pods */
    const char *loss_names[LOSSES_MAX];
    uint64_t losses[LOSSES_MAX];

    /* the thread's own */
    struct opr_bpf *bpf;
    uint32_t features;
    uint64_t sent_ns, quiet_until_ns;
    bool has_failed;
    uint32_t tick;
};

static void target_free(struct target *t)
{
    opr_free(t->ns);
    opr_free(t->pod);
    opr_free(t->uid);
    opr_free(t->container);
    opr_free(t->run_dir);
    opr_free(t);
}

static struct target *find(struct opr__metrics *m, const char *uid, const char *container)
{
    for (size_t i = 0; i < m->targets.count; i++) {
        struct target *t = m->targets.items[i];
        if (!t->is_removed && strcmp(t->uid, uid) == 0 && strcmp(t->container, container) == 0) {
            return t;
        }
    }
    return NULL;
}

static void insert(struct opr__metrics *m, struct target *t)
{
    size_t at = m->targets.count;
    while (at > 0 && strcmp(((struct target *)m->targets.items[at - 1])->uid, t->uid) > 0) {
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
    struct target *t = find(m, p->uid, c->name);
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
    struct target *t = find(m, p->uid, c->name);
    if (t) {
        t->is_removed = true;
        pthread_cond_signal(&m->changed);
    }
    pthread_mutex_unlock(&m->lock);
}

/* -- the thread; the lock is held except where said -- */

static void settle(struct opr__metrics *m)
{
    char dir[PATH_MAX];
    for (size_t i = m->targets.count; i-- > 0;) {
        struct target *t = m->targets.items[i];
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

/* CPU time of the program and its waited-for children, where there are no cgroups (proc(5)). */
static uint64_t proc_cpu_ns(const char *run_dir)
{
    char path[PATH_MAX];
    struct opr_buf text = {0};
    uint64_t ticks = 0;
    snprintf(path, sizeof path, "%s/" SHIM_FILE_APP_PID, run_dir);
    if (opr_fs_read(path, 64, &text, NULL) == OPR_OK) {
        snprintf(path, sizeof path, "/proc/%ld/stat", strtol(text.data, NULL, 10));
        opr_buf_clear(&text);
        const char *at =
            opr_fs_read(path, 4096, &text, NULL) == OPR_OK ? strrchr(text.data, ')') : NULL;
        for (int field = 2; at && field < 17; field++) {
            at = strchr(at + 1, ' ');
            ticks += at && field >= 13 ? strtoull(at + 1, NULL, 10) : 0;
        }
    }
    opr_buf_fini(&text);
    return ticks * (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void take_bpf(struct opr__metrics *m, struct target *t, struct opr__sample *s)
{
    struct opr_bpf_totals totals;
    opr_bpf_read(m->bpf, t->slot, &totals);
    if (m->features & OPR_BPF_SCHED) {
        s->cpu_ns = totals.cpu_ns;
        s->run_delay_ns = totals.run_delay_ns;
    }
    s->inflight = totals.inflight > 0 ? totals.inflight : 0;
    s->http.arrivals = totals.arrivals;
    s->http.completions = totals.completions;
    s->http.sum_us = totals.latency_sum_us;
    memcpy(s->http.buckets, totals.latency, sizeof s->http.buckets);
}

static void measure(struct opr__metrics *m, struct target *t, bool with_memory)
{
    struct opr__sample s = {.at_ns = opr_clock_mono_ns(opr_clock_system())};
    bool has_cpu = t->has_slot && (m->features & OPR_BPF_SCHED);
    if (!has_cpu || with_memory) {
        uint64_t memory = 0;
        if (opr__cgroup_usage(&m->agent->cgroups, t->uid, t->container, &s.cpu_ns, &memory)) {
            t->memory_bytes = memory;
        } else {
            s.cpu_ns = proc_cpu_ns(t->run_dir);
        }
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
    for (uint32_t i = 0; m->bpf && with_memory && i < LOSSES_MAX; i++) {
        m->loss_names[i] = opr_bpf_loss(m->bpf, i, &m->losses[i]);
        if (!m->loss_names[i]) {
            break;
        }
    }
}

static const char *source_of(const struct opr__metrics *m)
{
    return m->features & OPR_BPF_SCHED      ? "bpf"
           : m->agent->cgroups.version == 2 ? "cgroup-v2"
           : m->agent->cgroups.version == 1 ? "cgroup-v1"
                                            : "proc";
}

/* Number of targets from i on that are of one Pod. */
static size_t pod_end(const struct opr__metrics *m, size_t i)
{
    const struct target *first = m->targets.items[i];
    size_t end = i + 1;
    while (end < m->targets.count &&
           strcmp(((const struct target *)m->targets.items[end])->uid, first->uid) == 0) {
        end++;
    }
    return end;
}

static void sum_pod(const struct opr__metrics *m, size_t from, size_t to, struct opr__rates *r)
{
    *r = (struct opr__rates){0};
    for (size_t i = from; i < to; i++) {
        opr__window_rates(&((const struct target *)m->targets.items[i])->window, r);
    }
}

static bool moved(double now, double before, double step, double floor)
{
    double change = fabs(now - before);
    return change > floor && change > before * step;
}

static bool is_urgent(struct opr__metrics *m)
{
    for (size_t i = 0; i < m->targets.count; i = pod_end(m, i)) {
        const struct target *t = m->targets.items[i];
        struct opr__rates r;
        sum_pod(m, i, pod_end(m, i), &r);
        double p99 = opr__latency_quantile_ms(&r.http, 0.99);
        if (moved(p99, t->sent_p99_ms, LATENCY_STEP, LATENCY_FLOOR_MS) ||
            moved((double)r.cpu_nano, t->sent_cpu_nano, CPU_STEP, CPU_FLOOR_NANO)) {
            return true;
        }
    }
    return false;
}

static void add_http(struct opr_buf *b, const struct opr__rates *r)
{
    double seconds = (double)r->window_ns / 1e9;
    opr_buf_printf(b,
                   ",\"http\":{\"rps\":%.3f,\"inflight\":%lld,\"latencyMeanMs\":%.3f,"
                   "\"p50Ms\":%.3f,\"p90Ms\":%.3f,\"p99Ms\":%.3f,\"requests\":%llu,"
                   "\"source\":\"bpf\"}",
                   seconds > 0 ? (double)r->http.arrivals / seconds : 0, (long long)r->inflight,
                   opr__latency_mean_ms(&r->http), opr__latency_quantile_ms(&r->http, 0.5),
                   opr__latency_quantile_ms(&r->http, 0.9),
                   opr__latency_quantile_ms(&r->http, 0.99),
                   (unsigned long long)r->completions_total);
}

static void add_pod(struct opr__metrics *m, struct opr_buf *b, size_t from, size_t to)
{
    struct target *first = m->targets.items[from];
    struct opr__rates r;
    sum_pod(m, from, to, &r);
    opr_buf_printf(b,
                   "{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"%s\",\"windowMs\":%llu,"
                   "\"containers\":[",
                   first->ns, first->pod, first->uid, (unsigned long long)(r.window_ns / MS_NS));
    bool has_latency = false;
    for (size_t i = from; i < to; i++) {
        const struct target *t = m->targets.items[i];
        struct opr__rates own = {0};
        opr__window_rates(&t->window, &own);
        opr_buf_printf(b, "%s{\"name\":\"%s\",\"cpuNano\":%llu,\"memoryBytes\":%llu}",
                       i > from ? "," : "", t->container, (unsigned long long)own.cpu_nano,
                       (unsigned long long)t->memory_bytes);
        has_latency = has_latency || (t->has_slot && (m->features & OPR_BPF_LATENCY));
    }
    opr_buf_add_char(b, ']');
    if (m->features & OPR_BPF_SCHED) {
        opr_buf_printf(b, ",\"runDelayRatio\":%.4f", opr__run_delay_ratio(&r));
    }
    if (has_latency) {
        add_http(b, &r);
    }
    opr_buf_add_char(b, '}');
    first->sent_p99_ms = opr__latency_quantile_ms(&r.http, 0.99);
    first->sent_cpu_nano = (double)r.cpu_nano;
}

static void make_body(struct opr__metrics *m, struct opr_buf *b)
{
    char now[OPR_TIME_TEXT_MAX];
    struct opr__rates node = {0};
    uint64_t memory = 0;
    opr_time_format_micro(opr_clock_wall_ms(m->agent->clock), now);
    for (size_t i = 0; i < m->targets.count; i++) {
        const struct target *t = m->targets.items[i];
        opr__window_rates(&t->window, &node);
        memory += t->memory_bytes;
    }
    opr_buf_printf(b,
                   "{\"apiVersion\":\"metrics.operon.local/v1\",\"kind\":\"NodeSample\","
                   "\"node\":\"%s\",\"time\":\"%s\",\"source\":\"%s\",\"nodeUsage\":{\"cpuNano\":"
                   "%llu,\"memoryBytes\":%llu},\"pods\":[",
                   m->agent->config.node_name, now, source_of(m), (unsigned long long)node.cpu_nano,
                   (unsigned long long)memory);
    for (size_t i = 0; i < m->targets.count;) {
        size_t end = pod_end(m, i);
        opr_buf_add_text(b, i ? "," : "");
        add_pod(m, b, i, end);
        i = end;
    }
    opr_buf_add_text(b, "]}");
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
        (!is_due && (since + MS_NS < URGENT_MS * MS_NS || !is_urgent(m)))) {
        return;
    }
    struct opr_buf body = {0};
    make_body(m, &body);
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
    opr_log(OPR_LOG_INFO, "metrics", "measuring", "source=%s latency=%s%s%s%s", source_of(m),
            m->features & OPR_BPF_LATENCY ? "bpf" : "none", err.message[0] ? " reason=\"" : "",
            err.message, err.message[0] ? "\"" : "");
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

static void text_of(struct opr__metrics *m, struct opr_buf *b, const char *name, const char *help,
                    bool is_memory)
{
    opr_buf_printf(b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
    for (size_t i = 0; i < m->targets.count; i++) {
        const struct target *t = m->targets.items[i];
        struct opr__rates r = {0};
        opr__window_rates(&t->window, &r);
        opr_buf_printf(b, "%s{namespace=\"%s\",pod=\"%s\",container=\"%s\"} ", name, t->ns, t->pod,
                       t->container);
        if (is_memory) {
            opr_buf_printf(b, "%llu\n", (unsigned long long)t->memory_bytes);
        } else {
            opr_buf_printf(b, "%.6f\n", (double)r.cpu_nano / 1e9);
        }
    }
}

static void text_of_http(struct opr__metrics *m, struct opr_buf *b)
{
    static const double quantiles[] = {0.5, 0.9, 0.99};
    opr_buf_add_text(b, "# HELP operon_pod_http_latency_seconds Response latency over the last "
                        "second, measured in the kernel.\n"
                        "# TYPE operon_pod_http_latency_seconds summary\n");
    for (size_t i = 0; i < m->targets.count; i = pod_end(m, i)) {
        const struct target *t = m->targets.items[i];
        struct opr__rates r;
        sum_pod(m, i, pod_end(m, i), &r);
        for (size_t q = 0; q < 3; q++) {
            opr_buf_printf(b,
                           "operon_pod_http_latency_seconds{namespace=\"%s\",pod=\"%s\","
                           "quantile=\"%g\"} %.6f\n",
                           t->ns, t->pod, quantiles[q],
                           opr__latency_quantile_ms(&r.http, quantiles[q]) / 1000);
        }
        opr_buf_printf(b,
                       "operon_pod_http_latency_seconds_count{namespace=\"%s\",pod=\"%s\"} %llu\n",
                       t->ns, t->pod, (unsigned long long)r.completions_total);
    }
}

void opr__metrics_text(struct opr__metrics *m, struct opr_buf *b)
{
    pthread_mutex_lock(&m->lock);
    text_of(m, b, "operon_container_cpu_usage_cores", "CPU used over the last second.", false);
    text_of(m, b, "operon_container_memory_working_set_bytes", "Memory that can not be dropped.",
            true);
    if (m->features & OPR_BPF_LATENCY) {
        text_of_http(m, b);
    }
    opr_buf_add_text(b, "# HELP operon_probe_loss_total Events that the kernel probes could not "
                        "count.\n# TYPE operon_probe_loss_total counter\n");
    for (size_t i = 0; i < LOSSES_MAX && m->loss_names[i]; i++) {
        opr_buf_printf(b, "operon_probe_loss_total{cause=\"%s\"} %llu\n", m->loss_names[i],
                       (unsigned long long)m->losses[i]);
    }
    pthread_mutex_unlock(&m->lock);
}
