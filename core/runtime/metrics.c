/* Metrics as Prometheus text, under the names and buckets of controller-runtime and client-go, so
 * that existing dashboards work. */
#include "core/base/str.h"
#include "core/runtime/internal.h"

#include <inttypes.h>

static const double reconcile_bounds[] = {
    0.005, 0.01, 0.025, 0.05, 0.1,  0.15, 0.2,  0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6,
    0.7,   0.8,  0.9,   1,    1.25, 1.5,  1.75, 2,    2.5, 3,    3.5, 4,    4.5, 5,
    6,     7,    8,     9,    10,   15,   20,   25,   30,  40,   50,  60};
static const double queue_bounds[] = {
    1e-08, 1e-07, 1e-06, 9.999999999999999e-06, 9.999999999999999e-05, 0.001, 0.01, 0.1, 1,
    10,    100,   1000};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const double *bounds_of(int bounds, size_t *ret_count)
{
    if (bounds == OPR__BOUNDS_RECONCILE) {
        *ret_count = COUNT_OF(reconcile_bounds);
        return reconcile_bounds;
    }
    *ret_count = COUNT_OF(queue_bounds);
    return queue_bounds;
}

void opr__histogram_add(struct opr__histogram *h, int bounds, uint64_t ns)
{
    size_t n;
    const double *bound = bounds_of(bounds, &n);
    double seconds = (double)ns / 1e9;
    size_t i = 0;
    while (i < n && seconds > bound[i]) {
        i++;
    }
    if (i < n) {
        atomic_fetch_add(&h->counts[i], 1);
    }
    atomic_fetch_add(&h->total, 1);
    atomic_fetch_add(&h->sum_ns, ns);
}

static void header(struct opr_buf *b, const char *name, const char *type, const char *help)
{
    opr_buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_histogram(struct opr_buf *b, const char *name, const char *label,
                            const char *value, const struct opr__histogram *h, int bounds)
{
    size_t n;
    const double *bound = bounds_of(bounds, &n);
    uint64_t below = 0;
    for (size_t i = 0; i < n; i++) {
        below += atomic_load(&h->counts[i]);
        opr_buf_printf(b, "%s_bucket{%s=\"%s\",le=\"%.16g\"} %" PRIu64 "\n", name, label, value,
                       bound[i], below);
    }
    uint64_t total = atomic_load(&h->total);
    opr_buf_printf(b, "%s_bucket{%s=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, label, value, total);
    opr_buf_printf(b, "%s_sum{%s=\"%s\"} %.9g\n", name, label, value,
                   (double)atomic_load(&h->sum_ns) / 1e9);
    opr_buf_printf(b, "%s_count{%s=\"%s\"} %" PRIu64 "\n", name, label, value, total);
}

typedef uint64_t (*value_fn)(struct opr__controller *c);

static uint64_t errors_of(struct opr__controller *c)
{
    return atomic_load(&c->errors);
}
static uint64_t terminal_of(struct opr__controller *c)
{
    return atomic_load(&c->terminal);
}
static uint64_t timeouts_of(struct opr__controller *c)
{
    return atomic_load(&c->timeouts);
}
static uint64_t max_workers_of(struct opr__controller *c)
{
    return c->max_workers;
}
static uint64_t active_of(struct opr__controller *c)
{
    return atomic_load(&c->active);
}
static uint64_t depth_of(struct opr__controller *c)
{
    return opr_queue_stats_of(c->queue).depth;
}
static uint64_t adds_of(struct opr__controller *c)
{
    return opr_queue_stats_of(c->queue).adds;
}
static uint64_t retries_of(struct opr__controller *c)
{
    return opr_queue_stats_of(c->queue).retries;
}

static const struct metric {
    const char *name, *type, *label, *help;
    value_fn value;
} metrics[] = {
    {"controller_runtime_reconcile_errors_total", "counter", "controller", "Reconciles that failed",
     errors_of},
    {"controller_runtime_terminal_reconcile_errors_total", "counter", "controller",
     "Reconciles that failed until a change", terminal_of},
    {"controller_runtime_reconcile_timeouts_total", "counter", "controller",
     "Reconciles that ran past their deadline", timeouts_of},
    {"controller_runtime_max_concurrent_reconciles", "gauge", "controller",
     "Reconciles that may run at once", max_workers_of},
    {"controller_runtime_active_workers", "gauge", "controller", "Reconciles that run", active_of},
    {"workqueue_depth", "gauge", "name", "Keys that are ready", depth_of},
    {"workqueue_adds_total", "counter", "name", "Keys added", adds_of},
    {"workqueue_retries_total", "counter", "name", "Keys added again after a failure", retries_of},
};

static void write_results(struct opr_manager *m, struct opr_buf *b)
{
    const char *name = "controller_runtime_reconcile_total";
    header(b, name, "counter", "Reconciles by result");
    for (size_t i = 0; i < m->controllers.count; i++) {
        struct opr__controller *c = m->controllers.items[i];
        const char *who = c->decl.name;
        opr_buf_printf(b,
                       "%s{controller=\"%s\",result=\"success\"} %" PRIu64 "\n"
                       "%s{controller=\"%s\",result=\"error\"} %" PRIu64 "\n"
                       "%s{controller=\"%s\",result=\"requeue\"} 0\n"
                       "%s{controller=\"%s\",result=\"requeue_after\"} %" PRIu64 "\n",
                       name, who, atomic_load(&c->done), name, who, atomic_load(&c->errors), name,
                       who, name, who, atomic_load(&c->after));
    }
}

/* How long the reconciles that run have been running: all together, and the longest. */
static void write_unfinished(struct opr_manager *m, struct opr_buf *b)
{
    static const char *const names[] = {"workqueue_unfinished_work_seconds",
                                        "workqueue_longest_running_processor_seconds"};
    static const char *const help[] = {"Age of all that is being handled",
                                       "Age of the oldest that is being handled"};
    uint64_t now = opr_clock_mono_ns(m->clock);
    for (int which = 0; which < 2; which++) {
        header(b, names[which], "gauge", help[which]);
        for (size_t i = 0; i < m->controllers.count; i++) {
            struct opr__controller *c = m->controllers.items[i];
            uint64_t sum = 0, longest = 0;
            for (uint32_t n = 0; n < m->n_workers; n++) {
                struct opr__worker *w = m->workers[n];
                uint64_t started = atomic_load(&w->started_ns);
                uint64_t age = atomic_load(&w->running) == c && now > started ? now - started : 0;
                sum += age;
                longest = age > longest ? age : longest;
            }
            opr_buf_printf(b, "%s{name=\"%s\"} %.9g\n", names[which], c->decl.name,
                           (double)(which == 0 ? sum : longest) / 1e9);
        }
    }
}

struct calls {
    struct opr_buf *b;
};

static void write_calls(void *arg, const char *method, int code, uint64_t count)
{
    struct calls *calls = arg;
    if (code > 0) {
        opr_buf_printf(calls->b, "rest_client_requests_total{code=\"%d\",host=\"\",method=\"%s\"}",
                       code, method);
    } else {
        opr_buf_printf(calls->b,
                       "rest_client_requests_total{code=\"<error>\",host=\"\",method=\"%s\"}",
                       method);
    }
    opr_buf_printf(calls->b, " %" PRIu64 "\n", count);
}

static void write_latency(void *arg, const struct opr_client_latency *l)
{
    static const char name[] = "rest_client_request_duration_seconds";
    struct opr_buf *b = arg;
    uint64_t below = 0;
    for (size_t i = 0; i < OPR_CLIENT_LATENCY_BOUNDS; i++) {
        below += l->counts[i];
        opr_buf_printf(b, "%s_bucket{host=\"\",verb=\"%s\",le=\"%.16g\"} %" PRIu64 "\n", name,
                       l->method, opr_client_latency_bounds[i], below);
    }
    opr_buf_printf(b, "%s_bucket{host=\"\",verb=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, l->method,
                   l->total);
    opr_buf_printf(b, "%s_sum{host=\"\",verb=\"%s\"} %.9g\n", name, l->method,
                   (double)l->sum_ns / 1e9);
    opr_buf_printf(b, "%s_count{host=\"\",verb=\"%s\"} %" PRIu64 "\n", name, l->method, l->total);
}

static void write_cache(struct opr_manager *m, struct opr_buf *b)
{
    header(b, "operon_cache_objects", "gauge", "Objects that the cache holds");
    pthread_rwlock_rdlock(&m->sources_lock);
    for (size_t i = 0; i < m->sources.count; i++) {
        const struct opr__source *s = m->sources.items[i];
        for (size_t n = 0; n < s->children.count; n++) {
            const struct opr_informer *informer =
                ((struct opr__child *)s->children.items[n])->informer;
            opr_buf_printf(b, "operon_cache_objects{kind=\"%s\",source=\"%zu\"} %zu\n",
                           opr_informer_resource(informer)->gvk, i, opr_informer_count(informer));
        }
    }
    pthread_rwlock_unlock(&m->sources_lock);
}

void opr_manager_metrics(struct opr_manager *m, struct opr_buf *ret_text)
{
    struct opr_buf *b = ret_text;
    write_results(m, b);
    for (size_t k = 0; k < COUNT_OF(metrics); k++) {
        const struct metric *metric = &metrics[k];
        header(b, metric->name, metric->type, metric->help);
        for (size_t i = 0; i < m->controllers.count; i++) {
            struct opr__controller *c = m->controllers.items[i];
            opr_buf_printf(b, "%s{%s=\"%s\"} %" PRIu64 "\n", metric->name, metric->label,
                           c->decl.name, metric->value(c));
        }
    }
    header(b, "controller_runtime_reconcile_time_seconds", "histogram", "Length of reconciles");
    for (size_t i = 0; i < m->controllers.count; i++) {
        struct opr__controller *c = m->controllers.items[i];
        write_histogram(b, "controller_runtime_reconcile_time_seconds", "controller", c->decl.name,
                        &c->time, OPR__BOUNDS_RECONCILE);
    }
    header(b, "workqueue_work_duration_seconds", "histogram", "Length of the handling of a key");
    for (size_t i = 0; i < m->controllers.count; i++) {
        struct opr__controller *c = m->controllers.items[i];
        write_histogram(b, "workqueue_work_duration_seconds", "name", c->decl.name, &c->work,
                        OPR__BOUNDS_QUEUE);
    }
    header(b, "workqueue_queue_duration_seconds", "histogram", "Age of a key when it is taken");
    for (size_t i = 0; i < m->controllers.count; i++) {
        struct opr__controller *c = m->controllers.items[i];
        write_histogram(b, "workqueue_queue_duration_seconds", "name", c->decl.name, &c->queued,
                        OPR__BOUNDS_QUEUE);
    }
    write_unfinished(m, b);
    if (m->config.lease) {
        header(b, "leader_election_master_status", "gauge", "1: this process leads");
        opr_buf_printf(b, "leader_election_master_status{name=\"%s\"} %d\n", m->config.lease,
                       atomic_load(&m->is_leading) ? 1 : 0);
    }
    header(b, "rest_client_requests_total", "counter", "Answers of the API server");
    struct calls calls = {b};
    opr_client_each_count(m->config.client, write_calls, &calls);
    header(b, "rest_client_request_duration_seconds", "histogram", "How long answers take");
    opr_client_each_latency(m->config.client, write_latency, b);
    header(b, "rest_client_request_retries_total", "counter", "Requests sent again");
    opr_buf_printf(b, "rest_client_request_retries_total %" PRIu64 "\n",
                   opr_client_retries(m->config.client));
    write_cache(m, b);
}
