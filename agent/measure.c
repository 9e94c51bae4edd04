#include "agent/measure.h"

void opr__window_add(struct opr__window *w, const struct opr__sample *s)
{
    if (w->count > 0) {
        const struct opr__sample *last = &w->samples[w->newest];
        if (s->cpu_ns < last->cpu_ns || s->http.completions < last->http.completions) {
            w->count = 0; /* counted anew (another source, a new cgroup) */
        }
    }
    w->newest = w->count == 0 ? 0 : (w->newest + 1) % OPR__WINDOW_SAMPLES;
    w->count += w->count < OPR__WINDOW_SAMPLES;
    w->samples[w->newest] = *s;
}

void opr__window_rates(const struct opr__window *w, struct opr__rates *r)
{
    if (w->count < 2) {
        return;
    }
    const struct opr__sample *b = &w->samples[w->newest];
    const struct opr__sample *a =
        &w->samples[(w->newest + OPR__WINDOW_SAMPLES - (w->count - 1)) % OPR__WINDOW_SAMPLES];
    uint64_t ns = b->at_ns - a->at_ns;
    if (ns == 0) {
        return;
    }
    uint64_t cpu_ns = b->cpu_ns - a->cpu_ns;
    r->window_ns = ns > r->window_ns ? ns : r->window_ns;
    r->cpu_nano += (uint64_t)((double)cpu_ns * 1e9 / (double)ns);
    r->cpu_ns += cpu_ns;
    r->run_delay_ns += b->run_delay_ns - a->run_delay_ns;
    r->inflight += b->inflight;
    r->http.arrivals += b->http.arrivals - a->http.arrivals;
    r->http.completions += b->http.completions - a->http.completions;
    r->http.sum_us += b->http.sum_us - a->http.sum_us;
    r->completions_total += b->http.completions;
    for (uint32_t i = 0; i < OPR_BPF_BUCKETS; i++) {
        r->http.buckets[i] += b->http.buckets[i] - a->http.buckets[i];
    }
}

double opr__latency_quantile_ms(const struct opr__latency *l, double q)
{
    uint64_t total = 0, below = 0;
    for (uint32_t i = 0; i < OPR_BPF_BUCKETS; i++) {
        total += l->buckets[i];
    }
    if (total == 0) {
        return 0;
    }
    double rank = q * (double)total;
    for (uint32_t i = 0; i < OPR_BPF_BUCKETS; i++) {
        if (l->buckets[i] > 0 && (double)(below + l->buckets[i]) >= rank) {
            double low = i ? (double)opr_bpf_bucket_upper_us(i - 1) : 0;
            double high = (double)opr_bpf_bucket_upper_us(i);
            double part = (rank - (double)below) / (double)l->buckets[i];
            return (low + (high - low) * (part < 0 ? 0 : part)) / 1000;
        }
        below += l->buckets[i];
    }
    return (double)opr_bpf_bucket_upper_us(OPR_BPF_BUCKETS - 1) / 1000;
}

double opr__latency_mean_ms(const struct opr__latency *l)
{
    return l->completions ? (double)l->sum_us / (double)l->completions / 1000 : 0;
}

double opr__run_delay_ratio(const struct opr__rates *r)
{
    uint64_t wanted = r->cpu_ns + r->run_delay_ns;
    return wanted ? (double)r->run_delay_ns / (double)wanted : 0;
}
