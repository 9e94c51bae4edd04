/* Running containers: the interface, and its one implementation over operon-shim. A run is one
 * start of one container; it has a folder of its own (shim/layout.h) which outlives the agent, so
 * that the next agent finds what runs and what ended. Threads: worker, except where said. */
#ifndef OPR_AGENT_RUNTIME_H
#define OPR_AGENT_RUNTIME_H

#include "core/base/error.h"
#include "core/base/vec.h"

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum opr__run_phase {
    OPR__RUN_NONE, /* there is no such run */
    OPR__RUN_RUNNING,
    OPR__RUN_EXITED,
    OPR__RUN_LOST /* it is gone and left no exit file (power cut, killed shim) */
};

struct opr__run {
    enum opr__run_phase phase;
    pid_t pid;                       /* of the shim; RUNNING */
    int64_t started_ms, finished_ms; /* wall clock; finished with EXITED and LOST */
    int exit_code, signal;
    bool was_oom;    /* filled by the caller, who knows the cgroup */
    char error[256]; /* why it did not start; "" where it did */
};

struct opr__run_mount {
    char *src, *dst; /* owned by whoever filled the vector */
    bool is_read_only;
};

struct opr__run_image;

struct opr__run_spec {
    const char *dir;                    /* absolute; made by create */
    char *const *args;                  /* NULL-terminated */
    char *const *env;                   /* NULL-terminated, "NAME=VALUE" */
    const char *cwd, *hostname;         /* NULL: / and the host's */
    const char *netns;                  /* NULL: the host's */
    struct opr_vec mounts;              /* of struct opr__run_mount, borrowed */
    const struct opr_vec *cgroups;      /* of char *: folders for the program; may be NULL */
    const struct opr_vec *shim_cgroups; /* of char *; may be NULL */
    bool has_namespaces;
    int64_t uid, gid;             /* -1: the agent's */
    const struct opr_vec *groups; /* of char *: numbers of further groups; may be NULL */
    bool is_root_read_only;       /* all but the mounts */
    /* The program runs an image's; NULL: it is the container's own. */
    const struct opr__run_image *image;
};

struct opr__run_image {
    const char *rootfs, *layers_dir; /* absolute */
    const char *const *layers;       /* NULL-terminated, the topmost first */
    char *const *exec;               /* NULL-terminated: runs a program in the container */
};

/* Where a program's streams go, borrowed; -1: nowhere. */
struct opr__exec_io {
    int in, out, err;
    bool is_tty;   /* in is a terminal, which becomes the program's own */
    bool is_bound; /* the program ends where this process does */
};

struct opr__runtime {
    /* Writes the folder. */
    opr_status (*create)(struct opr__runtime *rt, const struct opr__run_spec *spec,
                         struct opr_error *reterr);
    /* Starts it, once and never again; OPR_E_EXISTS where it runs or ran. */
    opr_status (*start)(struct opr__runtime *rt, const char *dir, struct opr_error *reterr);
    /* What became of it; also how the next agent adopts it. */
    void (*look)(struct opr__runtime *rt, const char *dir, struct opr__run *ret_run);
    /* signo goes to the program; SIGKILL ends it and all it started, also where its shim is dead.
     */
    void (*stop)(struct opr__runtime *rt, const char *dir, int signo);
    /* Loop or worker: a descriptor that is readable once the run is over; -1: it is over. */
    int (*watch)(struct opr__runtime *rt, const char *dir);
    /* Any thread, does not wait: starts a program in a running container. The pid is a child of
     * this process, to be waited for; 0: it could not start. When it is killed the program is too,
     * with all that it started. */
    pid_t (*exec)(struct opr__runtime *rt, const char *dir, char *const *args,
                  const struct opr__exec_io *io);
    void (*free)(struct opr__runtime *rt);
};

/* In a run's folder: what crun had to say; empty or absent where it had nothing. */
#define OPR__CRUN_LOG "crun.log"

/* shim is the program's path, copied. */
struct opr__runtime *opr__runtime_process_new(const char *shim);
/* Beside the running program, or $OPERON_SHIM. Owned; NULL: not found. */
char *opr__runtime_find_shim(void);

#ifdef __cplusplus
}
#endif
#endif
