/* The container shim: one small process that is the parent of one container. It keeps no state but
 * its folder, needs nobody, and is found again by the folder's lock (layout.h). Threads: one. */
#ifndef OPR_AGENT_SHIM_SHIM_H
#define OPR_AGENT_SHIM_SHIM_H

#include "agent/shim/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct shim_mount {
    const char *src, *dst;
    bool is_read_only;
};

/* All pointers point into text. */
struct shim_spec {
    char *text;                                                 /* owned: the file */
    char **args, **env;                                         /* owned, NULL-terminated */
    char **cgroups, **shim_cgroups, **groups, **exec, **layers; /* the same */
    struct shim_mount *mounts;                                  /* owned */
    size_t n_mounts;
    const char *cwd, *hostname, *netns, *rootfs, *layers_dir; /* NULL: absent */
    bool has_namespaces, is_root_read_only;
    long uid, gid; /* -1: as the shim */
};

/* Prints and returns false where the file can not be read or has no program. */
bool shim_spec_read(int dir_fd, struct shim_spec *ret_spec);

/* Writes a line for a failure of the container's set-up: "what: reason" with errno's text. */
struct shim_failure {
    char text[256];
};
bool shim_fail(struct shim_failure *f, const char *what, const char *subject);

bool shim_join_cgroups(char *const *dirs, struct shim_failure *f);
/* /proc and the volumes, in a mount namespace of our own. */
bool shim_mounts_apply(const struct shim_spec *spec, const char *dir, struct shim_failure *f);
/* Holds a shared lock on each layer as long as this process lives. */
bool shim_layers_lock(const struct shim_spec *spec, struct shim_failure *f);
/* The image's layers and the folder of what is written, at spec->rootfs. */
bool shim_layers_mount(const struct shim_spec *spec, const char *dir, struct shim_failure *f);
/* The set-up of the program in its own process, up to exec. Returns only on failure. */
void shim_container_exec(const struct shim_spec *spec, const char *dir, struct shim_failure *f);
/* User, folder, environment and program, after all else. Returns only on failure. */
void shim_program_exec(const struct shim_spec *spec, char **args, struct shim_failure *f);
struct shim_process {
    pid_t pid, parent;
    bool is_ours; /* descends from this process; shim_kill_descendants() */
};
/* All processes but the first; owned, *ret_count of them. */
struct shim_process *shim_processes(size_t *ret_count);
/* They are stopped first: so none can start another, or hand it over to somebody else by dying.
 * This process must be the one that adopts (PR_SET_CHILD_SUBREAPER). Blocks until they are gone. */
void shim_kill_descendants(void);
/* "operon-shim exec": its words from the options on, ended by NULL; the exit status (exec.c). */
int shim_exec_command(int argc, char **argv);

/* Output lines. */
struct shim_log;
struct shim_log *shim_log_open(int dir_fd);
/* Reads what a stream ("stdout") has; false at its end. */
bool shim_log_pump(struct shim_log *log, int stream, int fd);
void shim_log_close(struct shim_log *log); /* ends cut lines */

/* Atomic: temporary file and rename. */
bool shim_file_write(int dir_fd, const char *name, const char *text);
/* Host pid and start time of a process as "PID START\n"; NULL path: our own. */
bool shim_identity(const char *pid_text, char *ret_text, size_t size);

#endif
