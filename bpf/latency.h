/* The latency probe: HTTP requests per slot. Shared by the BPF program and its reader. */
#ifndef OPR_BPF_LATENCY_H
#define OPR_BPF_LATENCY_H

#include <linux/types.h>

#define OPR__LATENCY_BUCKETS 208
#define OPR__LATENCY_EXCLUDED 1024 /* connections at one time that do not count */

/* A connection, from its client to its server. */
struct opr__latency_pair {
    __u64 net;      /* cookie of the network namespace that the addresses belong to, else 0 */
    __u32 from, to; /* network order */
    __u16 from_port, to_port;
    __u32 padding;
};

/* Totals of one slot. */
struct opr__latency_totals {
    __u64 arrivals;
    __u64 completions;
    __u64 status[6];
    __u64 sum_us;
    __s64 inflight;
    __u64 latency[OPR__LATENCY_BUCKETS];
};

#endif
