/* What was measured, for the API server: the NodeSample. */
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

size_t opr__metrics_pod_end(const struct opr__metrics *m, size_t i)
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
    for (size_t i = 0; i < m->targets.count; i = opr__metrics_pod_end(m, i)) {
        const struct opr__target *t = m->targets.items[i];
        struct opr__rates r;
        sum_pod(m, i, opr__metrics_pod_end(m, i), &r);
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
    bool has_latency = false, has_delay = false;
    for (size_t i = from; i < to; i++) {
        const struct opr__target *t = m->targets.items[i];
        struct opr__rates own = {0};
        opr__window_rates(&t->window, &own);
        opr_buf_printf(b, "%s{\"name\":\"%s\",\"cpuNano\":%llu,\"memoryBytes\":%llu}",
                       i > from ? "," : "", t->container, (unsigned long long)own.cpu_nano,
                       (unsigned long long)t->memory_bytes);
        has_latency = has_latency || (t->has_slot && (m->features & OPR_BPF_LATENCY));
        has_delay = has_delay || t->run_delay != OPR__SOURCE_NONE;
    }
    opr_buf_add_char(b, ']');
    if (has_delay) {
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
        size_t end = opr__metrics_pod_end(m, i);
        opr_buf_add_text(b, i ? "," : "");
        add_pod(m, b, i, end);
        i = end;
    }
    opr_buf_add_text(b, "]}");
}
