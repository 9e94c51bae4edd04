/* What both probes and the loader share: which cgroup belongs to which slot. Included by C and by
 * BPF code. */
#ifndef OPR_BPF_SLOTS_H
#define OPR_BPF_SLOTS_H

#include <linux/types.h>

#define OPR__BPF_MAX_SLOTS 512    /* slot 0 is nobody's */
#define OPR__BPF_MAX_CGROUPS 4096 /* cgroups in slots, with those below a container's */

/* Value of the map from cgroup id to slot. */
struct opr__bpf_ref {
    __u32 slot;
    __u32 generation; /* of the slot: what an earlier owner left behind does not count */
    __u64 added_ns;   /* CLOCK_MONOTONIC: tasks that started later count from their start */
};

/* One element, index 0. */
struct opr__bpf_config {
    __u32 is_v1; /* cgroups are those of the cpuacct hierarchy, else of cgroup v2 */
};

enum {
    OPR__BPF_LOSS_TASK,   /* no storage for a task: its CPU time is seen later */
    OPR__BPF_LOSS_SOCKET, /* no storage for a listener: its requests are not seen */
    OPR__BPF_LOSS_CGROUP, /* a new cgroup below a container's found no room */
    OPR__BPF_LOSS_STALE,  /* an event of a slot's earlier owner */
    OPR__BPF_LOSS__MAX
};

#endif
