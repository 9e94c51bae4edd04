/* What was measured, as Prometheus text. Histograms count since the container began, so that a
 * reader takes differences; they add up over Pods. Each series says where its figure comes from. */
#include "agent/metrics_internal.h"

#include <stdio.h>
#include <string.h>

enum { LATENCY_FROM = 7, LATENCY_UNTIL = 26 }; /* bounds: powers of two in us, 128 us to 67 s */

/* One figure of a container. */
struct figure {
    const char *name, *type, *help;
    double (*value)(const struct opr__target *t);
    enum opr__source (*source)(const struct opr__target *t);
};

static double cpu_cores(const struct opr__target *t)
{
    struct opr__rates r = {0};
    opr__window_rates(&t->window, &r);
    return (double)r.cpu_nano / 1e9;
}

static double cpu_seconds(const struct opr__target *t)
{
    return t->window.count ? (double)t->window.samples[t->window.newest].cpu_ns / 1e9 : 0;
}

static double memory_bytes(const struct opr__target *t)
{
    return (double)t->memory_bytes;
}

static double delay_seconds(const struct opr__target *t)
{
    return t->window.count ? (double)t->window.samples[t->window.newest].run_delay_ns / 1e9 : 0;
}

static enum opr__source cpu_source(const struct opr__target *t)
{
    return t->cpu;
}

static enum opr__source memory_source(const struct opr__target *t)
{
    return t->memory;
}

static enum opr__source delay_source(const struct opr__target *t)
{
    return t->run_delay;
}

static const struct figure figures[] = {
    {"operon_container_cpu_usage_cores", "gauge", "CPU used over the last second.", cpu_cores,
     cpu_source},
    {"operon_container_cpu_usage_seconds_total", "counter", "CPU time used.", cpu_seconds,
     cpu_source},
    {"operon_container_memory_working_set_bytes", "gauge", "Memory that can not be dropped.",
     memory_bytes, memory_source},
    {"operon_container_run_queue_delay_seconds_total", "counter",
     "Time in which tasks were ready and had no CPU.", delay_seconds, delay_source}};

static void head(struct opr_buf *b, const char *name, const char *type, const char *help)
{
    opr_buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_figure(const struct opr__metrics *m, struct opr_buf *b, const struct figure *f)
{
    head(b, f->name, f->type, f->help);
    for (size_t i = 0; i < m->targets.count; i++) {
        const struct opr__target *t = m->targets.items[i];
        if (f->source(t) != OPR__SOURCE_NONE) {
            opr_buf_printf(
                b, "%s{namespace=\"%s\",pod=\"%s\",container=\"%s\",source=\"%s\"} %.9g\n", f->name,
                t->ns, t->pod, t->container, opr__source_name(f->source(t)), f->value(t));
        }
    }
}

static void add_bucket(struct opr_buf *b, const char *name, const struct opr__target *t,
                       const char *bound, uint64_t count)
{
    opr_buf_printf(b, "%s_bucket{namespace=\"%s\",pod=\"%s\",source=\"bpf\",le=\"%s\"} %llu\n",
                   name, t->ns, t->pod, bound, (unsigned long long)count);
}

static void add_end(struct opr_buf *b, const char *name, const struct opr__target *t, double sum,
                    uint64_t count)
{
    add_bucket(b, name, t, "+Inf", count);
    opr_buf_printf(b,
                   "%s_sum{namespace=\"%s\",pod=\"%s\",source=\"bpf\"} %.9g\n"
                   "%s_count{namespace=\"%s\",pod=\"%s\",source=\"bpf\"} %llu\n",
                   name, t->ns, t->pod, sum, name, t->ns, t->pod, (unsigned long long)count);
}

static void bound_text(uint32_t log2_us, char ret_text[24])
{
    snprintf(ret_text, 24, "%.9g", (double)(1ull << log2_us) / 1e6);
}

/* Of a Pod: the containers from..to. */
static void add_latency(const struct opr__metrics *m, struct opr_buf *b, size_t from, size_t to)
{
    static const char name[] = "operon_pod_http_latency_seconds";
    struct opr_bpf_totals sum = {0};
    uint64_t below = 0;
    uint32_t bucket = 0;
    for (size_t i = from; i < to; i++) {
        const struct opr_bpf_totals *t = &((struct opr__target *)m->targets.items[i])->totals;
        sum.completions += t->completions;
        sum.latency_sum_us += t->latency_sum_us;
        for (uint32_t k = 0; k < OPR_BPF_BUCKETS; k++) {
            sum.latency[k] += t->latency[k];
        }
    }
    const struct opr__target *t = m->targets.items[from];
    for (uint32_t log = LATENCY_FROM; log <= LATENCY_UNTIL; log++) {
        char bound[24];
        /* each power of two is the end of one of the probe's buckets */
        while (bucket < OPR_BPF_BUCKETS && opr_bpf_bucket_upper_us(bucket) <= 1ull << log) {
            below += sum.latency[bucket++];
        }
        bound_text(log, bound);
        add_bucket(b, name, t, bound, below);
    }
    while (bucket < OPR_BPF_BUCKETS) {
        below += sum.latency[bucket++];
    }
    add_end(b, name, t, (double)sum.latency_sum_us / 1e6, below);
}

static void add_waits(const struct opr__metrics *m, struct opr_buf *b, size_t from, size_t to)
{
    static const char name[] = "operon_pod_run_queue_delay_seconds";
    uint64_t counts[OPR_BPF_WAIT_BUCKETS] = {0}, sum_ns = 0, below = 0;
    for (size_t i = from; i < to; i++) {
        const struct opr_bpf_totals *t = &((struct opr__target *)m->targets.items[i])->totals;
        sum_ns += t->run_delay_ns;
        for (uint32_t k = 0; k < OPR_BPF_WAIT_BUCKETS; k++) {
            counts[k] += t->waits[k];
        }
    }
    const struct opr__target *t = m->targets.items[from];
    for (uint32_t k = 0; k + 1 < OPR_BPF_WAIT_BUCKETS; k++) {
        char bound[24];
        below += counts[k];
        bound_text(k, bound);
        add_bucket(b, name, t, bound, below);
    }
    add_end(b, name, t, (double)sum_ns / 1e9, below + counts[OPR_BPF_WAIT_BUCKETS - 1]);
}

static void add_quantiles(const struct opr__metrics *m, struct opr_buf *b, size_t from, size_t to)
{
    static const double quantiles[] = {0.5, 0.9, 0.99};
    const struct opr__target *t = m->targets.items[from];
    struct opr__rates r = {0};
    for (size_t i = from; i < to; i++) {
        opr__window_rates(&((struct opr__target *)m->targets.items[i])->window, &r);
    }
    for (size_t q = 0; q < sizeof quantiles / sizeof *quantiles; q++) {
        opr_buf_printf(b,
                       "operon_pod_http_latency_quantile_seconds{namespace=\"%s\",pod=\"%s\","
                       "source=\"bpf\",quantile=\"%g\"} %.6f\n",
                       t->ns, t->pod, quantiles[q],
                       opr__latency_quantile_ms(&r.http, quantiles[q]) / 1000);
    }
}

/* Pods of which a probe knows something. */
static void each_pod(const struct opr__metrics *m, struct opr_buf *b,
                     void (*fn)(const struct opr__metrics *m, struct opr_buf *b, size_t from,
                                size_t to))
{
    size_t end;
    for (size_t i = 0; i < m->targets.count; i = end) {
        bool has_slot = false;
        end = opr__metrics_pod_end(m, i);
        for (size_t k = i; k < end; k++) {
            has_slot = has_slot || ((struct opr__target *)m->targets.items[k])->has_slot;
        }
        if (has_slot) {
            fn(m, b, i, end);
        }
    }
}

void opr__metrics_text(struct opr__metrics *m, struct opr_buf *b)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        add_figure(m, b, &figures[i]);
    }
    if (m->features & OPR_BPF_SCHED) {
        head(b, "operon_pod_run_queue_delay_seconds", "histogram",
             "How long tasks waited for a CPU each time.");
        each_pod(m, b, add_waits);
    }
    if (m->features & OPR_BPF_LATENCY) {
        head(b, "operon_pod_http_latency_seconds", "histogram",
             "From a request's first byte at the socket to its answer's first.");
        each_pod(m, b, add_latency);
        head(b, "operon_pod_http_latency_quantile_seconds", "gauge",
             "The same over the last second.");
        each_pod(m, b, add_quantiles);
    }
    head(b, "operon_probe_loss_total", "counter", "Events that the kernel probes could not count.");
    for (size_t i = 0; i < OPR__LOSSES_MAX && m->loss_names[i]; i++) {
        opr_buf_printf(b, "operon_probe_loss_total{cause=\"%s\"} %llu\n", m->loss_names[i],
                       (unsigned long long)m->losses[i]);
    }
    pthread_mutex_unlock(&m->lock);
}
