/* operon up and operon down. */
#include "cmd/args.h"
#include "cmd/commands.h"
#include "cmd/liveview.h"
#include "cmd/nodes.h"
#include "cmd/supervisor.h"
#include "core/base/clock.h"
#include "core/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_PORT 7443
#define STOP_WAIT_MS 20000

struct up {
    struct opr_cluster cluster;
    struct opr_vec policies, plugins;
    uint64_t started_ns;
    struct opr_liveview view;
    int report_fd; /* --detach: the parent waits there; -1: foreground */
};

static void print_ready(const struct up *u)
{
    uint64_t ms = (opr_clock_mono_ns(opr_clock_system()) - u->started_ns) / 1000000;
    printf("Ready in %llu ms: API server on https://127.0.0.1:%lld, %lld node%s.\n"
           "  kubeconfig  %s/kubeconfig\n"
           "  try         operon get nodes --dir %s\n"
           "              kubectl --kubeconfig %s/kubeconfig get nodes\n"
           "  stop        operon down --dir %s\n",
           (unsigned long long)ms, (long long)u->cluster.port, (long long)u->cluster.nodes,
           u->cluster.nodes == 1 ? "" : "s", u->cluster.dir, u->cluster.dir, u->cluster.dir,
           u->cluster.dir);
    if (geteuid() != 0) {
        printf(
            "Not root: Pods share the host's network and file system, a Service 10.B.y.z:P is at\n"
            "127.B.y.z:P+20000, and there are no eBPF measurements. Run as root for the rest.\n");
    }
    fflush(stdout);
}

/* One line to the parent, which may be gone. */
static OPR_PRINTF(2, 3) void tell_parent(const struct up *u, const char *fmt, ...)
{
    char text[640];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)!write(u->report_fd, text, strlen(text));
}

static void show_part(struct up *u, const char *part, bool is_ready)
{
    uint64_t now = opr_clock_mono_ns(opr_clock_system());
    if (is_ready) {
        opr_liveview_ready(&u->view, part, now);
    } else {
        opr_liveview_starting(&u->view, part, now);
    }
}

static void on_part(void *arg, const char *part, bool is_ready)
{
    struct up *u = arg;
    if (u->report_fd >= 0) {
        tell_parent(u, "%c%s\n", is_ready ? '+' : '.', part);
    } else {
        show_part(u, part, is_ready);
    }
}

static void on_ready(void *arg, const struct opr_error *err)
{
    struct up *u = arg;
    if (u->report_fd >= 0) {
        if (err) {
            tell_parent(u, "!%s\n", err->message);
        } else {
            tell_parent(u, "=%lld\n", (long long)u->cluster.port);
        }
        close(u->report_fd);
        u->report_fd = -1;
    } else if (err) {
        fprintf(stderr, "operon: %s\n", err->message);
    } else {
        print_ready(u);
    }
}

static int run_here(struct up *u)
{
    struct opr_error err = {0};
    if (opr_cluster_note_pid(&u->cluster, "up", getpid(), &err) != OPR_OK) {
        on_ready(u, &err);
        return 1;
    }
    struct opr_supervisor_config config = {
        .cluster = &u->cluster,
        .policy_files = (const char *const *)u->policies.items,
        .policy_count = u->policies.count,
        .plugin_files = (const char *const *)u->plugins.items,
        .plugin_count = u->plugins.count,
        .on_part = on_part,
        .on_ready = on_ready,
        .arg = u,
    };
    int status = opr_supervisor_run(&config);
    opr_nodes_clean(&u->cluster);
    opr_cluster_forget_pid(&u->cluster, "up");
    return status;
}

/* The parent's side of --detach: shows the child's words (".part", "+part") until its last one
 * ("=port" or "!error"). */
static int await_child(struct up *u, int fd)
{
    FILE *words = fdopen(fd, "r");
    char line[640];
    while (words && fgets(line, sizeof line, words)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '=') {
            u->cluster.port = strtoll(line + 1, NULL, 10);
            print_ready(u);
            fclose(words);
            return 0;
        }
        if (line[0] == '!') {
            fclose(words);
            return opr_cmd_fail("%s", line + 1);
        }
        show_part(u, line + 1, line[0] == '+');
    }
    return opr_cmd_fail("the cluster ended while starting; its log is %s/logs/up.log",
                        u->cluster.dir);
}

static pid_t starting; /* --detach: the child, for on_interrupt() */

/* ^C of a start that is under way: the child stops what it has started, and says so. */
static void on_interrupt(int signo)
{
    (void)signo;
    kill(starting, SIGTERM);
}

/* The signals wait while it is not known whom they concern. The child keeps them blocked: its
 * supervisor takes them from a descriptor. */
static void hold_signals(sigset_t *ret_were)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, ret_were);
}

static void forward_signals(pid_t child, const sigset_t *were)
{
    struct sigaction act = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    starting = child;
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    sigprocmask(SIG_SETMASK, were, NULL);
}

static int run_detached(struct up *u)
{
    int fds[2];
    sigset_t were;
    char path[PATH_MAX];
    opr_cluster_path(&u->cluster, path, "logs/up.log");
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (log < 0 || null < 0) {
        return opr_cmd_fail("can not write %s: %m", path);
    }
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return opr_cmd_fail("can not make a pipe: %m");
    }
    hold_signals(&were);
    pid_t pid = fork();
    if (pid < 0) {
        return opr_cmd_fail("can not fork: %m");
    }
    if (pid > 0) {
        forward_signals(pid, &were);
        close(fds[1]);
        return await_child(u, fds[0]);
    }
    close(fds[0]);
    u->report_fd = fds[1];
    setsid();
    dup2(null, 0);
    dup2(log, 1);
    dup2(log, 2);
    return run_here(u);
}

static bool await_gone(const struct opr_cluster *c, const char *name, int ms)
{
    for (; opr_cluster_pid(c, name) && ms > 0; ms -= 20) {
        usleep(20000);
    }
    return !opr_cluster_pid(c, name);
}

/* Ends what a killed supervisor left running. Containers are not its children and go on. */
static void kill_leftovers(const struct opr_cluster *c)
{
    char name[32] = "apiserver";
    for (int64_t i = 0; i <= OPR_CLUSTER_MAX_NODES; i++) {
        if (i > 0) {
            opr_node_name(i, name);
        }
        pid_t pid = opr_cluster_pid(c, name);
        if (pid) {
            kill(pid, SIGKILL);
            (void)await_gone(c, name, STOP_WAIT_MS);
        }
        opr_cluster_forget_pid(c, name);
    }
}

/* Flags given now replace the settings of an earlier start. */
static int prepare(struct up *u, const char *dir, int64_t nodes, int64_t port, int64_t grace_ms,
                   int64_t eviction_ms)
{
    struct opr_error err = {0};
    if (nodes > OPR_CLUSTER_MAX_NODES || nodes == 0) {
        return opr_cmd_fail("--nodes takes 1 to %d", OPR_CLUSTER_MAX_NODES);
    }
    opr_status st = opr_cluster_open(&u->cluster, dir, &err);
    if ((st != OPR_OK && st != OPR_E_NOT_FOUND) ||
        opr_cluster_check_owner(&u->cluster, &err) != OPR_OK ||
        opr_cluster_claim(&u->cluster, &err) != OPR_OK) {
        return opr_cmd_fail("%s", err.message);
    }
    if (opr_cluster_pid(&u->cluster, "up")) { /* its lock file was removed */
        return opr_cmd_fail("a cluster runs in %s already; 'operon down --dir %s' stops it",
                            u->cluster.dir, u->cluster.dir);
    }
    if (st == OPR_OK) {
        kill_leftovers(&u->cluster);
    }
    u->cluster.nodes = nodes > 0 ? nodes : u->cluster.nodes;
    u->cluster.node_grace_ms = grace_ms > 0 ? grace_ms : u->cluster.node_grace_ms;
    u->cluster.eviction_ms = eviction_ms >= 0 ? eviction_ms : u->cluster.eviction_ms;
    if (port >= 0) {
        u->cluster.port = port;
    }
    if (opr_cluster_create(&u->cluster, &err) != OPR_OK) {
        return opr_cmd_fail("%s", err.message);
    }
    if (u->cluster.port == 0 && port < 0) {
        u->cluster.port = DEFAULT_PORT + u->cluster.slot;
    }
    return 0;
}

int opr_cmd_up(int argc, char **argv)
{
    const char *dir = NULL;
    int64_t nodes = -1, port = -1, grace_ms = -1, eviction_ms = -1;
    bool is_detached = false;
    struct up u = {.report_fd = -1, .started_ns = opr_clock_mono_ns(opr_clock_system())};
    const struct opr_option options[] = {
        OPR_OPTION_DIR(&dir),
        {"nodes", 'n', OPR_OPTION_NUMBER, &nodes, "N", "nodes on this machine (default 1)"},
        {"port", 'p', OPR_OPTION_PORT, &port, "PORT",
         "HTTPS port on 127.0.0.1 (default 7443 and up; 0: any free one)"},
        {"detach", 0, OPR_OPTION_FLAG, &is_detached, NULL, "return once Ready"},
        {"node-grace", 0, OPR_OPTION_DURATION, &grace_ms, "TIME",
         "silence until a node counts as dead (default 40s)"},
        {"eviction", 0, OPR_OPTION_DURATION, &eviction_ms, "TIME",
         "longest time that Pods stay on a dead node (default: their tolerations, 300s)"},
        {"policy", 0, OPR_OPTION_LIST, &u.policies, "FILE",
         "a Lua policy file; may be given again"},
        {"plugin", 0, OPR_OPTION_LIST, &u.plugins, "PATH",
         "a .so file to load beside the built-in plugins; may be given again"},
        {0},
    };
    int status = 0;
    const struct opr_command *cmd = opr_command_find("up");
    if (!opr_args_parse(cmd, options, argc, argv, NULL, &status)) {
        return status;
    }
    if (u.policies.count + u.plugins.count > OPR_SUPERVISOR_MAX_FILES) {
        return opr_cmd_misuse(cmd, "at most %d policies and plugins are taken",
                              OPR_SUPERVISOR_MAX_FILES);
    }
    opr_liveview_init(&u.view, stdout, isatty(STDOUT_FILENO));
    status = prepare(&u, dir, nodes, port, grace_ms, eviction_ms);
    if (status == 0) {
        status = is_detached ? run_detached(&u) : run_here(&u);
    }
    opr_vec_fini(&u.policies);
    opr_vec_fini(&u.plugins);
    return status;
}

/* Who holds the lock: the supervisor, else an API server that runs alone; 0: not known yet. */
static pid_t holder(const struct opr_cluster *c)
{
    pid_t pid = opr_cluster_pid(c, "up");
    return pid ? pid : opr_cluster_pid(c, "apiserver");
}

/* Ends the holder of the lock, also one that is only about to start, and takes the lock from it.
 * One that does not end in time is killed. */
static opr_status stop_supervisor(struct opr_cluster *c, struct opr_error *reterr)
{
    pid_t told = 0;
    for (int ms = STOP_WAIT_MS; ms > -STOP_WAIT_MS; ms -= 20) {
        opr_status st = opr_cluster_pid(c, "up") ? OPR_E_BUSY : opr_cluster_claim(c, reterr);
        if (st != OPR_E_BUSY) {
            return st;
        }
        pid_t pid = holder(c);
        if (pid && pid != told && kill(pid, SIGTERM) != 0 && errno != ESRCH) {
            return opr_error_set(reterr, OPR_E_FORBIDDEN, "can not stop process %d: %m", (int)pid);
        }
        if (pid && ms <= 0) {
            kill(pid, SIGKILL);
        }
        told = pid ? pid : told;
        usleep(20000);
    }
    return opr_error_set(reterr, OPR_E_TIMEOUT,
                         "the cluster in %s does not stop: something holds %s/lock", c->dir,
                         c->dir);
}

int opr_cmd_down(int argc, char **argv)
{
    const char *dir = NULL;
    const struct opr_option options[] = {
        OPR_OPTION_DIR(&dir),
        {0},
    };
    int status = 0;
    if (!opr_args_parse(opr_command_find("down"), options, argc, argv, NULL, &status)) {
        return status;
    }
    struct opr_cluster c;
    struct opr_error err = {0};
    if (opr_cluster_open(&c, dir, &err) != OPR_OK || opr_cluster_check_owner(&c, &err) != OPR_OK ||
        stop_supervisor(&c, &err) != OPR_OK) {
        return opr_cmd_fail("%s", err.message);
    }
    kill_leftovers(&c);
    opr_cluster_forget_pid(&c, "up");
    /* One that was stopped before may have lost its slot to a cluster that runs. */
    if (opr_cluster_holds_slot(&c)) {
        opr_nodes_clean(&c);
        opr_cluster_release(&c);
    }
    printf("Stopped. Its data stays in %s; 'operon up --dir %s' starts it again.\n", c.dir, c.dir);
    return 0;
}
