/* Reports of what was measured: the NodeSample for the API server, and Prometheus text. */
#include "agent/metrics_internal.h"

#include <math.h>
#include <string.h>

#define MS_NS 1000000ull

/* What counts as a strong move since the last report of a Pod. */
static const double LATENCY_STEP = 0.5, LATENCY_FLOOR_MS = 5, CPU_STEP = 0.25;
static const double CPU_FLOOR_NANO = 1e8;

const char *opr__metrics_source(const struct opr__metrics *m)
{
    return m->features & OPR_BPF_SCHED      ? "bpf"
           : m->agent->cgroups.version == 2 ? "cgroup-v2"
           : m->agent->cgroups.version == 1 ? "cgroup-v1"
                                            : "proc";
}

/* Number of targets from i on that are of one Pod. */
static size_t pod_end(const struct opr__metrics *m, size_t i)
{
    const struct opr__target *first = m->targets.items[i];
    size_t end = i + 1;
    while (end < m->targets.count &&
           strcmp(((const struct opr__target *)m->targets.items[end])->uid, first->uid) == 0) {
        end++;
    }
    return end;
}

static void sum_pod(const struct opr__metrics *m, size_t from, size_t to, struct opr__rates *r)
{
    *r = (struct opr__rates){0};
    for (size_t i = from; i < to; i++) {
        opr__window_rates(&((const struct opr__target *)m->targets.items[i])->window, r);
    }
}

static bool moved(double now, double before, double step, double floor)
{
    double change = fabs(now - before);
    return change > floor && change > before * step;
}

bool opr__metrics_is_urgent(struct opr__metrics *m)
{
    for (size_t i = 0; i < m->targets.count; i = pod_end(m, i)) {
        const struct opr__target *t = m->targets.items[i];
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
    struct opr__target *first = m->targets.items[from];
    struct opr__rates r;
    sum_pod(m, from, to, &r);
    opr_buf_printf(b,
                   "{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"%s\",\"windowMs\":%llu,"
                   "\"containers\":[",
                   first->ns, first->pod, first->uid, (unsigned long long)(r.window_ns / MS_NS));
    bool has_latency = false;
    for (size_t i = from; i < to; i++) {
        const struct opr__target *t = m->targets.items[i];
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

void opr__metrics_body(struct opr__metrics *m, struct opr_buf *b)
{
    char now[OPR_TIME_TEXT_MAX];
    struct opr__rates node = {0};
    uint64_t memory = 0;
    opr_time_format_micro(opr_clock_wall_ms(m->agent->clock), now);
    for (size_t i = 0; i < m->targets.count; i++) {
        const struct opr__target *t = m->targets.items[i];
        opr__window_rates(&t->window, &node);
        memory += t->memory_bytes;
    }
    opr_buf_printf(b,
                   "{\"apiVersion\":\"metrics.operon.local/v1\",\"kind\":\"NodeSample\","
                   "\"node\":\"%s\",\"time\":\"%s\",\"source\":\"%s\",\"nodeUsage\":{\"cpuNano\":"
                   "%llu,\"memoryBytes\":%llu},\"pods\":[",
                   m->agent->config.node_name, now, opr__metrics_source(m),
                   (unsigned long long)node.cpu_nano, (unsigned long long)memory);
    for (size_t i = 0; i < m->targets.count;) {
        size_t end = pod_end(m, i);
        opr_buf_add_text(b, i ? "," : "");
        add_pod(m, b, i, end);
        i = end;
    }
    opr_buf_add_text(b, "]}");
}

static void text_of(struct opr__metrics *m, struct opr_buf *b, const char *name, const char *help,
                    bool is_memory)
{
    opr_buf_printf(b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
    for (size_t i = 0; i < m->targets.count; i++) {
        const struct opr__target *t = m->targets.items[i];
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
        const struct opr__target *t = m->targets.items[i];
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
    for (size_t i = 0; i < OPR__LOSSES_MAX && m->loss_names[i]; i++) {
        opr_buf_printf(b, "operon_probe_loss_total{cause=\"%s\"} %llu\n", m->loss_names[i],
                       (unsigned long long)m->losses[i]);
    }
    pthread_mutex_unlock(&m->lock);
}
