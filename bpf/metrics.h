/* Kernel measurements per Pod: CPU time, run-queue delay, request latency. BPF where the kernel
 * lets us; each probe that does not load says so once and its figures are absent. Threads: one
 * owner (the agent's metrics thread). The design is in docs/METRICS.md. */
#ifndef OPR_BPF_METRICS_H
#define OPR_BPF_METRICS_H

#include "core/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OPR_BPF_SLOTS 512
#define OPR_BPF_BUCKETS 208
#define OPR_BPF_WAIT_BUCKETS 25

struct opr_bpf;

enum { OPR_BPF_SCHED = 1u, OPR_BPF_LATENCY = 2u };

/* Loads what can be loaded. OPR_E_UNSUPPORTED where nothing can; reterr says why. */
OPR_NODISCARD opr_status opr_bpf_open(struct opr_bpf **ret_bpf, struct opr_error *reterr);
void opr_bpf_close(struct opr_bpf *b);
uint32_t opr_bpf_features(const struct opr_bpf *b); /* OPR_BPF_*: what is attached */

/* A slot collects the figures of one container. cgroup_dir is the container's cgroup folder (v2, or
 * v1 cpuacct); processes in it and below count. OPR_E_LIMIT: no slot is free. */
OPR_NODISCARD opr_status opr_bpf_slot_add(struct opr_bpf *b, const char *cgroup_dir,
                                          uint32_t *ret_slot, struct opr_error *reterr);
void opr_bpf_slot_remove(struct opr_bpf *b, uint32_t slot);

/* Totals since the slot was added; a reader takes differences. Bucket i of the latency histogram
 * counts requests of us with opr_bpf_bucket(us) == i. */
struct opr_bpf_totals {
    uint64_t cpu_ns, run_delay_ns;
    /* Waits for a CPU: i counts those shorter than 2^i us (and no shorter), the last one the rest.
     */
    uint64_t waits[OPR_BPF_WAIT_BUCKETS];
    uint64_t arrivals, completions;
    uint64_t status[6]; /* by first digit of the HTTP status; 0: not known */
    uint64_t latency_sum_us;
    uint64_t latency[OPR_BPF_BUCKETS];
    int64_t inflight;
};
void opr_bpf_read(struct opr_bpf *b, uint32_t slot, struct opr_bpf_totals *ret_totals);
uint32_t opr_bpf_bucket(uint64_t us);
uint64_t opr_bpf_bucket_upper_us(uint32_t bucket);
/* Any thread. The connection that the socket is about to make is no user's: its requests do not
 * count. Before connect(). */
void opr_bpf_exclude(struct opr_bpf *b, int fd);
/* Events that the probes could not count, by cause; a name is NULL past the end. */
const char *opr_bpf_loss(struct opr_bpf *b, uint32_t i, uint64_t *ret_count);

#ifdef __cplusplus
}
#endif
#endif
