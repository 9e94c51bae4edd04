/* Rates and quantiles of a sliding second. */
#include "agent/measure.h"

#include <gtest/gtest.h>

namespace
{

constexpr uint64_t TICK_NS = 250000000;

struct opr__sample sample(uint64_t tick, uint64_t cpu_ns, uint64_t requests, uint64_t us)
{
    struct opr__sample s = {};
    s.at_ns = 1000000000 + tick * TICK_NS;
    s.cpu_ns = cpu_ns;
    s.http.arrivals = s.http.completions = requests;
    s.http.sum_us = requests * us;
    if (requests) {
        s.http.buckets[opr_bpf_bucket(us)] = requests;
    }
    return s;
}

struct opr__rates rates(const struct opr__window &w)
{
    struct opr__rates r = {};
    opr__window_rates(&w, &r);
    return r;
}

TEST(Window, OneSampleSaysNothing)
{
    struct opr__window w = {};
    struct opr__sample s = sample(0, 5, 5, 10);
    opr__window_add(&w, &s);
    EXPECT_EQ(0u, rates(w).window_ns);
    EXPECT_EQ(0u, rates(w).cpu_nano);
}

TEST(Window, SlidesOverOneSecond)
{
    struct opr__window w = {};
    for (uint64_t tick = 0; tick <= 20; tick++) {
        /* idle for ten ticks, then half a CPU and 40 requests a second */
        uint64_t busy = tick > 10 ? tick - 10 : 0;
        struct opr__sample s = sample(tick, busy * TICK_NS / 2, busy * 10, 2000);
        opr__window_add(&w, &s);
    }
    struct opr__rates r = rates(w);
    EXPECT_EQ(4 * TICK_NS, r.window_ns);
    EXPECT_EQ(500000000u, r.cpu_nano);
    EXPECT_EQ(40u, r.http.arrivals);
    EXPECT_EQ(100u, r.completions_total);
    EXPECT_DOUBLE_EQ(2.0, opr__latency_mean_ms(&r.http));
}

TEST(Window, BeginsAnewWhereTotalsGoBack)
{
    struct opr__window w = {};
    struct opr__sample a = sample(0, 1000, 0, 0), b = sample(1, 10, 0, 0);
    opr__window_add(&w, &a);
    opr__window_add(&w, &b);
    EXPECT_EQ(1u, w.count);
    EXPECT_EQ(0u, rates(w).cpu_nano);
}

TEST(Latency, QuantilesLieInTheRightBucket)
{
    struct opr__latency l = {};
    EXPECT_EQ(0, opr__latency_quantile_ms(&l, 0.99));
    l.buckets[opr_bpf_bucket(2000)] = 90;
    l.buckets[opr_bpf_bucket(50000)] = 10;
    EXPECT_NEAR(2.0, opr__latency_quantile_ms(&l, 0.5), 2.0 * 0.13);
    EXPECT_NEAR(50.0, opr__latency_quantile_ms(&l, 0.99), 50.0 * 0.13);
    EXPECT_LE(opr__latency_quantile_ms(&l, 0.9), opr__latency_quantile_ms(&l, 0.91));
}

TEST(Latency, NoRequestsHaveNoMean)
{
    struct opr__latency l = {};
    EXPECT_EQ(0, opr__latency_mean_ms(&l));
}

TEST(RunDelay, IsTheShareOfTheWantedTime)
{
    struct opr__rates r = {};
    EXPECT_EQ(0, opr__run_delay_ratio(&r));
    r.cpu_ns = 750;
    r.run_delay_ns = 250;
    EXPECT_DOUBLE_EQ(0.25, opr__run_delay_ratio(&r));
}

} // namespace
