/* From a task to its slot. The maps are made by the loader and shared by all probes. */
#ifndef OPR_BPF_SLOTS_BPF_H
#define OPR_BPF_SLOTS_BPF_H

#include "bpf/vmlinux_min.h"

#include "bpf/slots.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, OPR__BPF_MAX_CGROUPS);
    __type(key, __u64);
    __type(value, struct opr__bpf_ref);
} slots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct opr__bpf_config);
} config SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, OPR__BPF_MAX_SLOTS);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, __u64);
} generations SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, OPR__BPF_LOSS__MAX);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, __u64);
} loss SEC(".maps");

static __always_inline void count_loss(__u32 cause)
{
    __u64 *count = bpf_map_lookup_elem(&loss, &cause);
    if (count) {
        __sync_fetch_and_add(count, 1);
    }
}

static __always_inline int uses_v1(void)
{
    __u32 zero = 0;
    struct opr__bpf_config *c = bpf_map_lookup_elem(&config, &zero);
    return c && c->is_v1;
}

static __always_inline __u64 cgroup_id_of(struct task_struct *task)
{
    struct css_set *set = task->cgroups;
    if (uses_v1()) {
        __u32 id = bpf_core_enum_value(enum cgroup_subsys_id, cpuacct_cgrp_id);
        /* The loader puts the number in: the verifier sees a constant place. */
        return set->subsys[id]->cgroup->kn->id;
    }
    return set->dfl_cgrp->kn->id;
}

static __always_inline struct opr__bpf_ref *ref_of(struct task_struct *task)
{
    __u64 id = cgroup_id_of(task);
    return bpf_map_lookup_elem(&slots, &id);
}

#endif
