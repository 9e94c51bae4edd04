/* What measuring (metrics.c) and reporting (metrics_report.c) share. */
#ifndef OPR_AGENT_METRICS_INTERNAL_H
#define OPR_AGENT_METRICS_INTERNAL_H

#include "agent/measure.h"
#include "agent/metrics.h"
#include "agent/metrics_source.h"

#define OPR__LOSSES_MAX 16

struct opr__target {
    char *ns, *pod, *uid, *container; /* owned */
    char *run_dir;                    /* owned; of the source proc */
    bool is_known, is_removed;        /* slot taken; to be given back */
    bool has_slot;
    uint32_t slot;
    uint64_t memory_bytes;
    uint64_t delay_seen_ns, delay_sum_ns;    /* without BPF: read last; grown so far */
    enum opr__source cpu, memory, run_delay; /* where the figures come from */
    struct opr_bpf_totals totals;            /* of the probes */
    struct opr__window window;
    double sent_p99_ms, sent_cpu_nano;
};

struct opr__metrics {
    struct opr_agent *agent;
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock;   /* of all that follows */
    pthread_cond_t changed; /* targets came, or the end */
    pthread_cond_t settled; /* new targets have their slot */
    bool is_stopping;
    struct opr_vec targets; /* of struct target, owned; in order of Pods */
    const char *loss_names[OPR__LOSSES_MAX];
    uint64_t losses[OPR__LOSSES_MAX];
    struct opr_bpf *bpf; /* set and cleared by the thread */

    /* the thread's own */
    uint32_t features;
    uint64_t sent_ns, quiet_until_ns;
    bool has_failed;
    uint32_t tick;
};

/* The lock is held by the caller of each. */
const char *opr__metrics_source(const struct opr__metrics *m); /* "bpf", "cgroup-v1", ... */
/* Targets of one Pod stand together: where those end that begin at i. */
size_t opr__metrics_pod_end(const struct opr__metrics *m, size_t i);
/* Something moved so much that the next report should not wait. */
bool opr__metrics_is_urgent(struct opr__metrics *m);
/* The NodeSample. */
void opr__metrics_body(struct opr__metrics *m, struct opr_buf *b);

#endif
