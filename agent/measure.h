/* Totals of one container over a sliding second, and what follows from them. Threads: one owner. */
#ifndef OPR_AGENT_MEASURE_H
#define OPR_AGENT_MEASURE_H

#include "bpf/metrics.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { OPR__TICK_MS = 250, OPR__WINDOW_SAMPLES = 5 }; /* five samples span one second */

/* Latency of requests, as the probes count them. */
struct opr__latency {
    uint64_t arrivals, completions, sum_us;
    uint64_t buckets[OPR_BPF_BUCKETS];
};

struct opr__sample {
    uint64_t at_ns, cpu_ns, run_delay_ns;
    int64_t inflight;
    struct opr__latency http;
};

struct opr__window {
    struct opr__sample samples[OPR__WINDOW_SAMPLES];
    uint32_t count, newest; /* ring */
};

/* The difference of the newest and the oldest sample. */
struct opr__rates {
    uint64_t window_ns; /* 0: too few samples */
    uint64_t cpu_nano;  /* billionths of a CPU */
    uint64_t cpu_ns, run_delay_ns;
    int64_t inflight;
    struct opr__latency http; /* of the window */
    uint64_t completions_total;
};

void opr__window_add(struct opr__window *w, const struct opr__sample *s);
/* Adds to ret_rates, so that the containers of a Pod can be summed up. */
void opr__window_rates(const struct opr__window *w, struct opr__rates *ret_rates);
/* Value in ms below which a share q of the requests lies, interpolated within the bucket. */
double opr__latency_quantile_ms(const struct opr__latency *l, double q);
double opr__latency_mean_ms(const struct opr__latency *l);
/* Share of the wanted CPU time that was spent waiting for a CPU. */
double opr__run_delay_ratio(const struct opr__rates *r);

#ifdef __cplusplus
}
#endif
#endif
