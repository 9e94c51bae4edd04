#include "cmd/supervisor.h"

#include "cmd/nodes.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_TIMEOUT_MS 30000
#define STOP_TIMEOUT_MS 8000
#define RESTART_MIN_MS 200
#define RESTART_MAX_MS 10000
#define MAX_ARGS (10 + 2 * OPR_SUPERVISOR_MAX_FILES)
#define PART_API "API server"
#define PART_CONTROLLERS "controllers and scheduler"

struct child {
    pid_t pid; /* 0: not running */
    uint64_t started_ns;
    uint64_t due_ns;  /* when it is started again */
    uint32_t wait_ms; /* the last wait before a start */
};

struct supervisor {
    const struct opr_supervisor_config *config;
    struct opr_cluster *cluster;
    struct child plane;
    struct child agents[OPR_CLUSTER_MAX_NODES];
    int signals;       /* signalfd */
    int ready_fd;      /* read end; -1: none */
    char failure[512]; /* what the control plane said as it failed to start; "": nothing */
    bool is_stopping;
};

static uint64_t now_ns(void)
{
    return opr_clock_mono_ns(opr_clock_system());
}

/* Forks and runs this program with other arguments, output appended to a log file. keep_fd (or -1)
 * stays open in the child. */
static pid_t spawn(const struct opr_cluster *c, const char *log, char *const argv[], int keep_fd,
                   struct opr_error *reterr)
{
    char path[PATH_MAX];
    opr_cluster_path(c, path, "logs/%s.log", log);
    int out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pid_t pid = out >= 0 && null >= 0 ? fork() : -1;
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        dup2(null, 0);
        dup2(out, 1);
        dup2(out, 2);
        if (keep_fd >= 0) {
            fcntl(keep_fd, F_SETFD, 0);
        }
        setsid();
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    if (pid < 0) {
        (void)opr_error_set(reterr, OPR_E_IO, "can not start %s (log %s): %m", argv[1], path);
    }
    close(out);
    close(null);
    return pid;
}

/* Adds "OPTION FILE" for each file; the number of words there are then. */
static size_t add_files(char **argv, size_t n, const char *option, const char *const *files,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        argv[n++] = (char *)(uintptr_t)option;
        argv[n++] = (char *)(uintptr_t)files[i];
    }
    return n;
}

static bool start_plane(struct supervisor *s, struct opr_error *reterr)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        (void)opr_error_set(reterr, OPR_E_IO, "can not make a pipe: %m");
        return false;
    }
    char port[16], fd[16];
    snprintf(port, sizeof port, "%lld", (long long)s->cluster->port);
    snprintf(fd, sizeof fd, "%d", fds[1]);
    char *argv[MAX_ARGS] = {"operon",        "apiserver",  "--dir", s->cluster->dir, "--port", port,
                            "--controllers", "--ready-fd", fd};
    size_t n = 9;
    const struct opr_supervisor_config *config = s->config;
    n = add_files(argv, n, "--policy", config->policy_files, config->policy_count);
    (void)add_files(argv, n, "--plugin", config->plugin_files, config->plugin_count);
    s->plane.started_ns = now_ns();
    s->plane.pid = spawn(s->cluster, "apiserver", argv, fds[1], reterr);
    close(fds[1]);
    if (s->ready_fd >= 0) {
        close(s->ready_fd); /* of one that ended before its word was read */
    }
    s->ready_fd = fds[0];
    if (s->plane.pid > 0 &&
        opr_cluster_note_pid(s->cluster, "apiserver", s->plane.pid, reterr) != OPR_OK) {
        kill(s->plane.pid, SIGKILL); /* one that is not noted would be in the way of the next */
        s->plane.pid = -1;
    }
    return s->plane.pid > 0;
}

static pid_t spawn_agent(const struct opr_cluster *c, int64_t node, struct opr_error *reterr)
{
    char name[32], dir[PATH_MAX], kubeconfig[PATH_MAX + 16], pods[32], all_pods[32], services[32];
    char cgroup[32], lease[32], cpu[32], memory[32], images[PATH_MAX];
    opr_node_name(node, name);
    opr_cluster_path(c, dir, "nodes/%s", name);
    opr_cluster_path(c, images, "images");
    snprintf(kubeconfig, sizeof kubeconfig, "%s/kubeconfig", dir);
    opr_cluster_node_cidr(c, node, pods);
    opr_cluster_pod_cidr(c, all_pods);
    opr_cluster_service_cidr(c, services);
    opr_cluster_cgroup(c, cgroup);
    /* A quarter of the grace, as the kubelet's 10 s of 40 s. */
    snprintf(lease, sizeof lease, "%lldms", (long long)(c->node_grace_ms / 4));
    struct opr_node_slice slice = opr_node_slice_of(c->nodes);
    snprintf(cpu, sizeof cpu, "%llu", (unsigned long long)slice.cpu_milli);
    snprintf(memory, sizeof memory, "%llu", (unsigned long long)slice.memory_mib);
    char *argv[] = {"operon",
                    "agent",
                    "--kubeconfig",
                    kubeconfig,
                    "--node-name",
                    name,
                    "--dir",
                    dir,
                    "--images",
                    images,
                    "--pod-cidr",
                    pods,
                    "--cluster-cidr",
                    all_pods,
                    "--service-cidr",
                    services,
                    "--cgroup-parent",
                    cgroup,
                    "--lease-period",
                    lease,
                    "--cpu-milli",
                    cpu,
                    "--memory-mib",
                    memory,
                    NULL};
    pid_t pid = spawn(c, name, argv, -1, reterr);
    if (pid > 0 && opr_cluster_note_pid(c, name, pid, reterr) != OPR_OK) {
        kill(pid, SIGKILL);
        pid = -1;
    }
    return pid;
}

static bool start_agent(struct supervisor *s, int64_t node, struct opr_error *reterr)
{
    struct child *child = &s->agents[node - 1];
    child->started_ns = now_ns();
    child->pid = spawn_agent(s->cluster, node, reterr);
    return child->pid > 0;
}

/* Started again after 0.2 s, doubled up to 10 s by one that does not stay up that long. */
static void on_end(struct child *child, const char *name, int status)
{
    uint64_t now = now_ns();
    bool is_flapping = now - child->started_ns < (uint64_t)RESTART_MAX_MS * 1000000;
    uint32_t wait_ms = is_flapping && child->wait_ms ? child->wait_ms * 2 : RESTART_MIN_MS;
    child->pid = 0;
    child->wait_ms = wait_ms > RESTART_MAX_MS ? RESTART_MAX_MS : wait_ms;
    child->due_ns = now + (uint64_t)child->wait_ms * 1000000;
    opr_log(OPR_LOG_WARN, "up", "a process ended", "name=%s status=%d", name, status);
}

static void on_child(struct supervisor *s, pid_t pid, int status)
{
    if (pid == s->plane.pid) {
        on_end(&s->plane, "apiserver", status);
    }
    for (int64_t i = 0; i < s->cluster->nodes; i++) {
        if (pid == s->agents[i].pid) {
            char name[32];
            opr_node_name(i + 1, name);
            on_end(&s->agents[i], name, status);
        }
    }
}

static void reap(struct supervisor *s)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        on_child(s, pid, status);
    }
}

/* Waits for a signal or a readable fd for at most ms; true: fd is readable or at its end. */
static bool wait_for(struct supervisor *s, int fd, int ms)
{
    struct pollfd fds[2] = {{.fd = s->signals, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    (void)poll(fds, fd >= 0 ? 2 : 1, ms);
    if (fds[0].revents & POLLIN) {
        struct signalfd_siginfo info;
        while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
            if (info.ssi_signo == SIGCHLD) {
                reap(s);
            } else if (info.ssi_signo != SIGHUP) { /* SIGHUP: a node is wanted again */
                s->is_stopping = true;
            }
        }
    }
    return fd >= 0 && fds[1].revents != 0;
}

static void report(const struct supervisor *s, const char *part, bool is_ready)
{
    s->config->on_part(s->config->arg, part, is_ready);
}

/* Takes the whole lines out of what the control plane wrote; true once it is ready. */
static bool take_words(struct supervisor *s, char *text)
{
    bool is_ready = false;
    char *line = text;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        long long port = 0;
        if (strncmp(line, "serving ", 8) == 0) {
            report(s, PART_API, true);
            report(s, PART_CONTROLLERS, false);
        } else if (sscanf(line, "ready %lld", &port) == 1) {
            report(s, PART_CONTROLLERS, true);
            s->cluster->port = port;
            is_ready = true;
        } else if (strncmp(line, "failed ", 7) == 0) {
            snprintf(s->failure, sizeof s->failure, ": %.*s", (int)(end - line) - 7, line + 7);
        }
    }
    memmove(text, line, strlen(line) + 1);
    return is_ready;
}

/* Follows the control plane's words ("serving PORT", "ready PORT") until it is ready. */
static opr_status await_plane(struct supervisor *s, struct opr_error *reterr)
{
    uint64_t until = now_ns() + (uint64_t)READY_TIMEOUT_MS * 1000000;
    char text[640] = "";
    while (!s->is_stopping && s->plane.pid && now_ns() < until) {
        if (!wait_for(s, s->ready_fd, 100)) {
            continue;
        }
        size_t len = strlen(text);
        ssize_t more = read(s->ready_fd, text + len, sizeof text - 1 - len);
        if (more <= 0) {
            break;
        }
        text[len + (size_t)more] = '\0';
        if (take_words(s, text)) {
            close(s->ready_fd);
            s->ready_fd = -1;
            return opr_cluster_save(s->cluster, reterr);
        }
    }
    return opr_error_set(reterr, OPR_E_IO,
                         "the control plane did not become ready%s; its log is "
                         "%s/logs/apiserver.log",
                         s->failure, s->cluster->dir);
}

/* The number of nodes that are Ready. */
static int64_t report_nodes(const struct supervisor *s, uint32_t ready)
{
    int64_t count = 0;
    for (int64_t i = 0; i < s->cluster->nodes; i++) {
        if (ready >> i & 1) {
            char name[32];
            opr_node_name(i + 1, name);
            report(s, name, true);
            count++;
        }
    }
    return count;
}

static opr_status await_nodes(struct supervisor *s, struct opr_error *reterr)
{
    struct opr_node_watch *w = NULL;
    OPR_TRY(opr_node_watch_new(s->cluster, &w, reterr));
    uint64_t until = now_ns() + (uint64_t)READY_TIMEOUT_MS * 1000000;
    opr_status st = OPR_E_TIMEOUT;
    while (!s->is_stopping && now_ns() < until) {
        if (report_nodes(s, opr_node_watch_ready(w)) == s->cluster->nodes) {
            st = OPR_OK;
            break;
        }
        (void)wait_for(s, -1, 10);
    }
    opr_node_watch_free(w);
    if (st != OPR_OK) {
        return opr_error_set(reterr, st,
                             "the nodes did not become Ready; their logs are in %s/logs",
                             s->cluster->dir);
    }
    return OPR_OK;
}

static opr_status bring_up(struct supervisor *s, struct opr_error *reterr)
{
    report(s, PART_API, false);
    if (!start_plane(s, reterr)) {
        return OPR_E_IO;
    }
    OPR_TRY(await_plane(s, reterr));
    for (int64_t i = 0; i < s->cluster->nodes; i++) {
        char name[32];
        opr_node_name(i + 1, name);
        report(s, name, false);
        if (!start_agent(s, i + 1, reterr)) {
            return OPR_E_IO;
        }
    }
    return await_nodes(s, reterr);
}

static bool any_child(const struct supervisor *s)
{
    bool any = s->plane.pid > 0;
    for (int64_t i = 0; i < s->cluster->nodes; i++) {
        any = any || s->agents[i].pid > 0;
    }
    return any;
}

static void signal_children(const struct supervisor *s, int signo)
{
    for (int64_t i = 0; i < s->cluster->nodes; i++) {
        if (s->agents[i].pid > 0) {
            kill(s->agents[i].pid, signo);
        }
    }
    if (s->plane.pid > 0) {
        kill(s->plane.pid, signo);
    }
}

static void stop_children(struct supervisor *s)
{
    s->is_stopping = true;
    signal_children(s, SIGTERM);
    uint64_t until = now_ns() + (uint64_t)STOP_TIMEOUT_MS * 1000000;
    while (any_child(s) && now_ns() < until) {
        (void)wait_for(s, -1, 50);
        reap(s);
    }
    signal_children(s, SIGKILL);
}

/* Starts what has ended and is due; the time until the next is, at most a minute. */
static int start_due(struct supervisor *s)
{
    struct opr_error err = {0};
    uint64_t now = now_ns(), next = now + 60000000000u;
    for (int64_t i = -1; i < s->cluster->nodes; i++) {
        struct child *child = i < 0 ? &s->plane : &s->agents[i];
        if (child->pid > 0 || (i >= 0 && !opr_node_is_wanted(s->cluster, i + 1))) {
            continue;
        }
        if (now >= child->due_ns && !(i < 0 ? start_plane(s, &err) : start_agent(s, i + 1, &err))) {
            opr_log(OPR_LOG_ERROR, "up", "can not start a process", "error=\"%s\"", err.message);
            on_end(child, i < 0 ? "apiserver" : "agent", -1);
        }
        if (child->pid <= 0 && child->due_ns < next) {
            next = child->due_ns;
        }
    }
    return (int)((next - now) / 1000000) + 1;
}

static void supervise(struct supervisor *s)
{
    while (!s->is_stopping) {
        if (wait_for(s, s->ready_fd, start_due(s)) && s->ready_fd >= 0) {
            close(s->ready_fd);
            s->ready_fd = -1;
        }
    }
}

int opr_supervisor_run(const struct opr_supervisor_config *config)
{
    struct supervisor s = {.config = config, .cluster = config->cluster, .ready_fd = -1};
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    s.signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    struct opr_error err = {0};
    opr_status st = bring_up(&s, &err);
    if (st != OPR_OK && s.is_stopping) {
        st = opr_error_set(&err, OPR_E_CANCELLED, "stopped while it was starting");
    }
    config->on_ready(config->arg, st == OPR_OK ? NULL : &err);
    if (st == OPR_OK) {
        supervise(&s);
    }
    stop_children(&s);
    for (int64_t i = 0; i < s.cluster->nodes; i++) {
        char name[32];
        opr_node_name(i + 1, name);
        opr_cluster_forget_pid(s.cluster, name);
    }
    opr_cluster_forget_pid(s.cluster, "apiserver");
    close(s.signals);
    return st == OPR_OK ? 0 : 1;
}
