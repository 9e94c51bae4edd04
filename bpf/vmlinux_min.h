/* The few kernel types that the probes touch, by name only: the loader finds each member's place in
 * the running kernel's own type information, so nothing but the names needs to match. */
#ifndef OPR_BPF_VMLINUX_MIN_H
#define OPR_BPF_VMLINUX_MIN_H

#include <linux/bpf.h>
#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

enum cgroup_subsys_id { cpuacct_cgrp_id = 2 };

struct kernfs_node {
    __u64 id;
};

struct cgroup_root {
    int hierarchy_id;
    unsigned int subsys_mask;
};

struct cgroup;

struct cgroup_subsys_state {
    struct cgroup *cgroup;
    struct cgroup_subsys_state *parent;
};

struct cgroup {
    struct cgroup_subsys_state self;
    struct kernfs_node *kn;
    struct cgroup_root *root;
};

struct css_set {
    struct cgroup_subsys_state *subsys[16];
    struct cgroup *dfl_cgrp;
};

struct sched_entity {
    __u64 sum_exec_runtime;
};

struct sched_info {
    unsigned long long run_delay;
};

struct thread_info {
    __u32 cpu;
};

struct task_struct {
    struct thread_info thread_info;
    int pid;
    __u64 start_time;
    struct sched_entity se;
    struct sched_info sched_info;
    struct css_set *cgroups;
};

struct net {
    __u64 net_cookie;
};

struct net_pointer {
    struct net *net;
};

struct sock_common {
    __be32 skc_daddr;
    __be32 skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num;
    volatile unsigned char skc_state;
    struct net_pointer skc_net;
};

struct sock {
    struct sock_common __sk_common;
    __u16 sk_protocol;
};

struct socket {
    struct sock *sk;
};

struct file;
struct seq_file;

struct bpf_iter_meta {
    struct seq_file *seq;
};

struct bpf_iter__task_file {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
    __u32 fd;
    struct file *file;
};

#pragma clang attribute pop

#endif
