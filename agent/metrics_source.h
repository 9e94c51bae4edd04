/* What a container uses where the kernel's probes do not tell: the container's cgroup, else the
 * processes themselves. Each figure says where it comes from. Threads: any; it only reads files. */
#ifndef OPR_AGENT_METRICS_SOURCE_H
#define OPR_AGENT_METRICS_SOURCE_H

#include "agent/cgroup.h"

#ifdef __cplusplus
extern "C" {
#endif

enum opr__source {
    OPR__SOURCE_NONE, /* the figure is not known */
    OPR__SOURCE_BPF,
    OPR__SOURCE_CGROUP2,
    OPR__SOURCE_CGROUP1,
    OPR__SOURCE_PSI, /* pressure of the container's cgroup: time in which some task had no CPU */
    OPR__SOURCE_PROC
};
const char *opr__source_name(enum opr__source s); /* "bpf", "cgroup-v2", ... */

struct opr__source_place {
    const struct opr__cgroups *cgroups;
    const char *proc;            /* "/proc" */
    const char *uid, *container; /* of the cgroup */
    const char *run_dir;         /* holds the program's process id */
    bool needs_delay;            /* it costs a file a thread */
};

/* Totals since the container began, but for memory, which is what it has now. */
struct opr__usage {
    uint64_t cpu_ns, memory_bytes;
    uint64_t run_delay_ns; /* of the tasks that are there: it falls when one ends (but with PSI) */
    enum opr__source cpu, memory, run_delay;
};

void opr__source_read(const struct opr__source_place *at, struct opr__usage *ret_usage);

#ifdef __cplusplus
}
#endif
#endif
