/* The buckets of the latency histogram: 16 of 1 us, then 8 to each power of two (12.5 % wide). */
#include "bpf/metrics.h"

uint32_t opr_bpf_bucket(uint64_t us)
{
    if (us < 16) {
        return (uint32_t)us;
    }
    if (us >= 1ull << 28) {
        return OPR_BPF_BUCKETS - 1;
    }
    uint32_t log = 63u - (uint32_t)__builtin_clzll(us);
    return (log - 3) * 8 + (uint32_t)(us >> (log - 3));
}

uint64_t opr_bpf_bucket_upper_us(uint32_t bucket)
{
    if (bucket < 16) {
        return bucket + 1;
    }
    uint32_t log = bucket / 8 + 2;
    return (uint64_t)(bucket - (log - 3) * 8 + 1) << (log - 3);
}
