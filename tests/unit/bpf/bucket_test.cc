/* The layout of the latency histogram. */
#include "bpf/metrics.h"

#include <gtest/gtest.h>

namespace
{

TEST(Bucket, SmallValuesHaveOneEach)
{
    for (uint64_t us = 0; us < 16; us++) {
        EXPECT_EQ(opr_bpf_bucket(us), us);
        EXPECT_EQ(opr_bpf_bucket_upper_us(static_cast<uint32_t>(us)), us + 1);
    }
}

TEST(Bucket, EachBeginsWhereTheOneBeforeEnds)
{
    for (uint32_t i = 0; i + 1 < OPR_BPF_BUCKETS; i++) {
        uint64_t upper = opr_bpf_bucket_upper_us(i);
        EXPECT_EQ(opr_bpf_bucket(upper - 1), i);
        EXPECT_EQ(opr_bpf_bucket(upper), i + 1);
    }
}

TEST(Bucket, IsAtMostAnEighthWide)
{
    for (uint32_t i = 16; i < OPR_BPF_BUCKETS; i++) {
        double lower = static_cast<double>(opr_bpf_bucket_upper_us(i - 1));
        double upper = static_cast<double>(opr_bpf_bucket_upper_us(i));
        EXPECT_LE((upper - lower) / lower, 0.125) << i;
    }
}

TEST(Bucket, LargeValuesGoToTheLast)
{
    EXPECT_EQ(opr_bpf_bucket((1ull << 28) - 1), OPR_BPF_BUCKETS - 1u);
    EXPECT_EQ(opr_bpf_bucket(1ull << 28), OPR_BPF_BUCKETS - 1u);
    EXPECT_EQ(opr_bpf_bucket(UINT64_MAX), OPR_BPF_BUCKETS - 1u);
}

} // namespace
