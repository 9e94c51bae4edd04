/* The cgroups of a node's containers: <root>/<parent>/<node>/<pod uid>/<container> in every v1
 * hierarchy that is used, or in the unified one. Threads: worker. */
#ifndef OPR_AGENT_CGROUP_H
#define OPR_AGENT_CGROUP_H

#include "core/base/error.h"
#include "core/base/vec.h"

#ifdef __cplusplus
extern "C" {
#endif

enum opr__cgroup_kind {
    OPR__CGROUP_CPU,
    OPR__CGROUP_CPUACCT,
    OPR__CGROUP_MEMORY,
    OPR__CGROUP_PIDS,
    OPR__CGROUP__MAX
};

struct opr__cgroups {
    int version;                   /* 0: none can be used; 1; 2 */
    char *roots[OPR__CGROUP__MAX]; /* owned; NULL: there is no such hierarchy */
    char *base;                    /* owned: "operon-0/node-1" */
    char reason[256];              /* why version is 0 */
};

/* Finds the hierarchies and makes the node's cgroup. */
void opr__cgroups_init(struct opr__cgroups *g, const char *parent, const char *node);
/* The same without making anything (clean-up). */
void opr__cgroups_find(struct opr__cgroups *g, const char *parent, const char *node);
void opr__cgroups_fini(struct opr__cgroups *g);

/* Limits in thousandths of a CPU and bytes; 0: none. */
struct opr__cgroup_limits {
    int64_t cpu_limit_milli, cpu_request_milli, memory_limit_bytes;
};
/* Makes the container's cgroup; ret_dirs gets owned paths, one a hierarchy (unless NULL). */
OPR_NODISCARD opr_status opr__cgroup_make(const struct opr__cgroups *g, const char *uid,
                                          const char *container,
                                          const struct opr__cgroup_limits *limits,
                                          struct opr_vec *ret_dirs, struct opr_error *reterr);
/* Where the shims of this node are; ret_dirs gets owned paths. */
void opr__cgroup_shim_dirs(const struct opr__cgroups *g, struct opr_vec *ret_dirs);
/* Path of a container's cgroup in one hierarchy; false: there is none. */
bool opr__cgroup_path(const struct opr__cgroups *g, enum opr__cgroup_kind kind, const char *uid,
                      const char *container, char *ret_path, size_t size);
/* Processes killed for want of memory so far. */
uint64_t opr__cgroup_oom_kills(const struct opr__cgroups *g, const char *uid,
                               const char *container);
/* CPU time and working set of a container; false: not to be had. */
bool opr__cgroup_usage(const struct opr__cgroups *g, const char *uid, const char *container,
                       uint64_t *ret_cpu_ns, uint64_t *ret_memory_bytes);
/* SIGKILL to everything below a container's cgroup, or a Pod's (container NULL), or the node's,
 * shims too (uid NULL). Returns how many processes were there. */
size_t opr__cgroup_kill(const struct opr__cgroups *g, const char *uid, const char *container);
/* Calls fn with the uid of each Pod that has a cgroup. */
void opr__cgroup_each(const struct opr__cgroups *g, void (*fn)(const char *uid, void *arg),
                      void *arg);
/* Removes the cgroup of a Pod (uid NULL: the node's) and all below. */
void opr__cgroup_remove(const struct opr__cgroups *g, const char *uid);
/* Removes an empty parent. */
void opr__cgroup_remove_parent(const struct opr__cgroups *g, const char *parent);

#ifdef __cplusplus
}
#endif
#endif
