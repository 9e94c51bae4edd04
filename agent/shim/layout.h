/* What the agent and the shim share: the names of the files in a container's folder, and the form
 * of the spec file. The folder belongs to one run of one container and is never used again.
 *
 *     spec     how to run it: "key=value" strings, each ended by a zero byte
 *     lock     locked (F_OFD_SETLK) as long as the shim lives: the one test of whether it runs
 *     pid      host pid and start time of the shim, written before the program starts
 *     app.pid  host pid and start time of the program
 *     log      output, one line "TIME stdout|stderr F|P TEXT" each (CRI); log.1 is the older part
 *     exit     JSON, written once, after the program ended
 *     upper, work   of an image's root: what the container writes
 *     bundle/process   how a further program runs in an image's container: the OCI process object
 *              without its arguments, its last member the list of variables, both still open
 */
#ifndef OPR_AGENT_SHIM_LAYOUT_H
#define OPR_AGENT_SHIM_LAYOUT_H

#define SHIM_FILE_SPEC "spec"
#define SHIM_FILE_LOCK "lock"
#define SHIM_FILE_PID "pid"
#define SHIM_FILE_APP_PID "app.pid"
#define SHIM_FILE_LOG "log"
#define SHIM_FILE_LOG_OLD "log.1"
#define SHIM_FILE_EXIT "exit"
#define SHIM_FILE_PROCESS "bundle/process"
#define SHIM_FILE_UPPER "upper"
#define SHIM_FILE_WORK "work"

/* Keys. Those marked * may come more than once. A mount is src, then ro, then dst. */
#define SHIM_KEY_ARG "arg"                 /* * the program and its arguments */
#define SHIM_KEY_ENV "env"                 /* * NAME=VALUE */
#define SHIM_KEY_CWD "cwd"                 /* absent: / */
#define SHIM_KEY_HOSTNAME "hostname"       /* absent: the host's */
#define SHIM_KEY_NETNS "netns"             /* path of a network namespace; absent: the host's */
#define SHIM_KEY_CGROUP "cgroup"           /* * folder that the program joins */
#define SHIM_KEY_SHIM_CGROUP "shim-cgroup" /* * folder that the shim joins */
#define SHIM_KEY_NAMESPACES "namespaces"   /* "1": own pid, mount, uts and ipc namespaces */
#define SHIM_KEY_UID "uid"
#define SHIM_KEY_GID "gid"
#define SHIM_KEY_GROUP "group"     /* * supplementary group */
#define SHIM_KEY_RO_ROOT "ro-root" /* "1": all but the volumes is read-only */
#define SHIM_KEY_EXEC                                                                              \
    "exec"                               /* * runs what an OCI process file names; its option goes \
                                          * before the last word, which names the container */
#define SHIM_KEY_ROOTFS "rootfs"         /* where the layers are mounted; absent: no image */
#define SHIM_KEY_LAYERS_DIR "layers-dir" /* folder of the layers, which are locked (flock) */
#define SHIM_KEY_LAYER "layer"           /* * one of its folders, the topmost first */
#define SHIM_KEY_SRC "src"
#define SHIM_KEY_RO "ro" /* "1" or "0" */
#define SHIM_KEY_DST "dst"

/* Exit status of the launcher ("operon-shim run"). */
enum { SHIM_EXIT_STARTED = 0, SHIM_EXIT_FAILED = 1, SHIM_EXIT_RUNS_ALREADY = 3 };

/* Signals that the shim takes: SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGWINCH and
 * SIGRTMIN+3 (what images name as STOPSIGNAL) go on to the program; this one kills the program and
 * all it started. */
#define SHIM_SIGNAL_KILL_ALL SIGUSR2

#endif
