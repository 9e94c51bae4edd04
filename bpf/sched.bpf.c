/* CPU time and run-queue delay from the kernel's own accounting: at each switch the differences of
 * se.sum_exec_runtime and sched_info.run_delay of the task that leaves, and at each tick those of
 * the task that runs on. A missed event only delays a difference, nothing is lost. */
#include "bpf/slots.bpf.h"

#include "bpf/sched.h"

#define RUNNING_NS 1000000 /* a running task's time is counted after this much of it */

struct task_seen {
    __u64 exec_ns;
    __u64 delay_ns;
};

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct task_seen);
} tasks SEC(".maps");

/* max_entries: CPUs * slots, set by the loader. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, OPR__BPF_MAX_SLOTS);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct opr__sched_totals);
} totals SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, OPR__BPF_MAX_SLOTS);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct opr__sched_waits);
} waits SEC(".maps");

/* max_entries: CPUs, set by the loader. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct opr__sched_current);
} current_slots SEC(".maps");

/* A task waits once before each time that it runs. */
static __always_inline void count_wait(__u32 slot, __u64 delay_ns)
{
    struct opr__sched_waits *w = bpf_map_lookup_elem(&waits, &slot);
    __u64 us = delay_ns / 1000;
    __u32 bucket = 0;
    if (!w) {
        return;
    }
    if (us >> (OPR__SCHED_BUCKETS - 2)) {
        bucket = OPR__SCHED_BUCKETS - 1;
    } else {
        __u32 v = us;
        bucket += (v >> 16) ? 16 : 0;
        v >>= (v >> 16) ? 16 : 0;
        bucket += (v >> 8) ? 8 : 0;
        v >>= (v >> 8) ? 8 : 0;
        bucket += (v >> 4) ? 4 : 0;
        v >>= (v >> 4) ? 4 : 0;
        bucket += (v >> 2) ? 2 : 0;
        v >>= (v >> 2) ? 2 : 0;
        bucket += (v >> 1) ? 2 : v;
    }
    barrier_var(bucket); /* the verifier must see the check and the use of one register */
    if (bucket < OPR__SCHED_BUCKETS) {
        __sync_fetch_and_add(&w->count[bucket], 1);
    }
}

/* What has been counted of a task; of one that is older than its slot, from now on. */
static __always_inline struct task_seen *seen_of(struct task_struct *task, struct opr__bpf_ref *ref)
{
    struct task_seen *seen = bpf_task_storage_get(&tasks, task, NULL, 0);
    if (seen) {
        return seen;
    }
    seen = bpf_task_storage_get(&tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!seen) {
        count_loss(OPR__BPF_LOSS_TASK);
    } else if (task->start_time < ref->added_ns) {
        seen->exec_ns = task->se.sum_exec_runtime;
        seen->delay_ns = task->sched_info.run_delay;
    }
    return seen;
}

static __always_inline void account(struct task_struct *task, struct opr__bpf_ref *ref, __u32 cpu,
                                    int is_leaving)
{
    struct task_seen *seen = seen_of(task, ref);
    __u32 i = cpu * OPR__BPF_MAX_SLOTS + ref->slot;
    struct opr__sched_totals *t = bpf_map_lookup_elem(&totals, &i);
    if (!seen || !t) {
        return;
    }
    __u64 exec_ns = task->se.sum_exec_runtime;
    t->cpu_ns += exec_ns - seen->exec_ns;
    seen->exec_ns = exec_ns;
    if (is_leaving) {
        __u64 delay_ns = task->sched_info.run_delay;
        t->run_delay_ns += delay_ns - seen->delay_ns;
        count_wait(ref->slot, delay_ns - seen->delay_ns);
        seen->delay_ns = delay_ns;
    }
}

static __always_inline void runs(struct opr__sched_current *now, __u32 slot, __u64 exec_ns)
{
    now->since_ns = bpf_ktime_get_ns();
    now->slot = slot;
    now->exec_ns = exec_ns;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, _Bool is_preempted, struct task_struct *prev, struct task_struct *next)
{
    __u32 cpu = bpf_get_smp_processor_id();
    struct opr__sched_current *now = bpf_map_lookup_elem(&current_slots, &cpu);
    struct opr__bpf_ref *left = prev->pid ? ref_of(prev) : NULL;
    struct opr__bpf_ref *entered = next->pid ? ref_of(next) : NULL;
    __u32 slot = entered ? entered->slot : 0;
    if (!now || (!left && slot == 0 && now->slot == 0)) {
        return 0;
    }
    __sync_fetch_and_add(&now->seq, 1);
    if (left) {
        account(prev, left, cpu, 1);
    }
    runs(now, slot, next->se.sum_exec_runtime);
    __sync_fetch_and_add(&now->seq, 1);
    return 0;
}

/* The kernel brings a running task's time up to date at each tick, and wherever it needs it between
 * (a program that reads its own CPU clock does that a million times a second), also from another
 * CPU: always under the lock of the run queue. Its time has none of what the hypervisor took, which
 * the clock does have. The task may also have moved into the cgroup since its switch, or the switch
 * to it may not have been told (a kernel may leave out those of some tasks). */
SEC("tp_btf/sched_stat_runtime")
int BPF_PROG(on_runtime, struct task_struct *task)
{
    __u32 cpu = task->thread_info.cpu;
    struct opr__sched_current *now = bpf_map_lookup_elem(&current_slots, &cpu);
    __u64 exec_ns = task->se.sum_exec_runtime;
    if (!now || exec_ns - now->exec_ns < RUNNING_NS) {
        return 0;
    }
    struct opr__bpf_ref *ref = ref_of(task);
    __u32 slot = ref ? ref->slot : 0;
    if (slot == 0 && now->slot == 0) {
        now->exec_ns = exec_ns;
        return 0;
    }
    __sync_fetch_and_add(&now->seq, 1);
    if (ref) {
        account(task, ref, cpu, 0);
    }
    runs(now, slot, exec_ns);
    __sync_fetch_and_add(&now->seq, 1);
    return 0;
}

/* The cgroup belongs to the hierarchy that the slots are about. */
static __always_inline int is_ours(struct cgroup *cg)
{
    if (uses_v1()) {
        __u32 id = bpf_core_enum_value(enum cgroup_subsys_id, cpuacct_cgrp_id);
        return (cg->root->subsys_mask >> (id & 31)) & 1;
    }
    return cg->root->hierarchy_id == 0;
}

/* A cgroup made below a container's belongs to the same slot. */
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(on_cgroup_mkdir, struct cgroup *cg, const char *path)
{
    if (!is_ours(cg)) {
        return 0;
    }
    __u64 id = cg->kn->id, parent = cg->self.parent ? cg->self.parent->cgroup->kn->id : 0;
    struct opr__bpf_ref *ref = bpf_map_lookup_elem(&slots, &parent);
    if (ref) {
        struct opr__bpf_ref copy = *ref;
        if (bpf_map_update_elem(&slots, &id, &copy, BPF_NOEXIST) != 0) {
            count_loss(OPR__BPF_LOSS_CGROUP);
        }
    }
    return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(on_cgroup_rmdir, struct cgroup *cg, const char *path)
{
    if (is_ours(cg)) {
        __u64 id = cg->kn->id;
        bpf_map_delete_elem(&slots, &id);
    }
    return 0;
}

char license_text[] SEC("license") = "Dual BSD/GPL";
