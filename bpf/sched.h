/* The scheduler probe: CPU time and run-queue delay per slot. Shared by the BPF program and its
 * reader. */
#ifndef OPR_BPF_SCHED_H
#define OPR_BPF_SCHED_H

#include <linux/types.h>

/* Totals of one slot on one CPU; element cpu * OPR__BPF_MAX_SLOTS + slot. Written under the lock of
 * that CPU's run queue. */
struct opr__sched_totals {
    __u64 cpu_ns;
    __u64 run_delay_ns;
};

/* Waits for a CPU by length: bucket i holds those shorter than 2^i us, the last one the rest. All
 * CPUs add to it. */
#define OPR__SCHED_BUCKETS 25
struct opr__sched_waits {
    __u64 count[OPR__SCHED_BUCKETS];
};

/* What runs on one CPU now; seq is odd while it, or that CPU's totals, change. */
struct opr__sched_current {
    __u64 seq;
    __u64 since_ns; /* CLOCK_MONOTONIC until which the totals have its time */
    __u64 slot;     /* 0: nobody's */
    __u64 exec_ns;  /* the running task's own time when that was last looked at */
    __u64 padding[4];
};

#endif
