/* operon-shim run DIR     starts the container that DIR/spec describes and returns at once
 * operon-shim exec [-t] [-b] DIR PROGRAM ARG...     runs a program in it
 *
 * "run" forks the shim proper, which is the container's first process where there is a PID
 * namespace: it reaps, keeps the log, and when it goes the kernel ends all that is left. The pid
 * file is complete before the shim may start the program, so that whoever starts later finds
 * either nothing running or what runs. */
#include "agent/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DRAIN_MS = 500 };

struct shim {
    const char *dir;
    int dir_fd;
    struct shim_spec spec;
    pid_t app;
    int signals;
    int streams[2]; /* read ends; -1: over */
    struct shim_log *log;
    bool has_ended;
    int status; /* of wait */
    long long started_ms, finished_ms;
    char error[256]; /* why it did not start */
};

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool shim_file_write(int dir_fd, const char *name, const char *text)
{
    char temporary[64];
    snprintf(temporary, sizeof temporary, "%s.new", name);
    int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        return false;
    }
    size_t len = strlen(text);
    bool is_ok = write(fd, text, len) == (ssize_t)len;
    close(fd);
    return is_ok && renameat(dir_fd, temporary, dir_fd, name) == 0;
}

bool shim_identity(const char *pid_text, char *ret_text, size_t size)
{
    char path[64], stat[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", pid_text);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, stat, sizeof stat - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (len <= 0) {
        return false;
    }
    stat[len] = 0;
    char *at = strrchr(stat, ')');
    for (int field = 2; at && field < 22; field++) { /* proc(5): starttime is field 22 */
        at = strchr(at + 1, ' ');
    }
    if (!at) {
        return false;
    }
    snprintf(ret_text, size, "%ld %llu\n", atol(stat), strtoull(at + 1, NULL, 10));
    return true;
}

static void write_exit(const struct shim *s)
{
    char text[768], error[512];
    size_t n = 0;
    for (const char *c = s->error; *c && n < sizeof error - 3; c++) {
        if (*c == '"' || *c == '\\') {
            error[n++] = '\\';
        }
        error[n++] = (unsigned char)*c < ' ' ? ' ' : *c;
    }
    error[n] = 0;
    int signo = WIFSIGNALED(s->status) ? WTERMSIG(s->status) : 0;
    int code = signo ? 128 + signo : WEXITSTATUS(s->status);
    snprintf(text, sizeof text,
             "{\"exitCode\":%d,\"signal\":%d,\"startedMs\":%lld,\"finishedMs\":%lld,"
             "\"error\":\"%s\"}\n",
             code, signo, s->started_ms, s->finished_ms, error);
    (void)shim_file_write(s->dir_fd, SHIM_FILE_EXIT, text);
}

/* With a PID namespace everything in it but us, else the program's process group. */
static void kill_all(const struct shim *s)
{
    if (s->spec.has_namespaces && getpid() == 1) {
        (void)kill(-1, SIGKILL);
    } else if (!s->spec.has_namespaces && s->app > 1) {
        (void)kill(-s->app, SIGKILL);
    }
}

static void reap(struct shim *s)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid == s->app) {
            s->has_ended = true;
            s->status = status;
            s->finished_ms = now_ms();
        }
    }
}

static void on_signals(struct shim *s)
{
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        int signo = (int)info.ssi_signo;
        if (signo == SIGCHLD) {
            reap(s);
        } else if (signo == SHIM_SIGNAL_KILL_ALL) {
            kill_all(s);
        } else if (!s->has_ended) {
            (void)kill(s->app, signo);
        }
    }
}

static bool turn(struct shim *s, int timeout_ms)
{
    struct pollfd fds[3] = {{.fd = s->signals, .events = POLLIN},
                            {.fd = s->streams[0], .events = POLLIN},
                            {.fd = s->streams[1], .events = POLLIN}};
    int n = poll(fds, 3, timeout_ms);
    for (int i = 0; i < 2; i++) {
        if (fds[i + 1].revents && !shim_log_pump(s->log, i, s->streams[i])) {
            close(s->streams[i]);
            s->streams[i] = -1;
        }
    }
    if (fds[0].revents) {
        on_signals(s);
    }
    return n > 0;
}

static void run(struct shim *s)
{
    while (!s->has_ended) {
        (void)turn(s, -1);
    }
    kill_all(s);
    long long until = now_ms() + DRAIN_MS;
    while ((s->streams[0] >= 0 || s->streams[1] >= 0) && now_ms() < until) {
        (void)turn(s, (int)(until - now_ms()) + 1);
    }
    shim_log_close(s->log);
    write_exit(s);
}

static void become_app(struct shim *s, int out, int err, int failure_fd)
{
    struct shim_failure f = {{0}};
    char identity[64];
    setsid();
    int dir_fd = fcntl(s->dir_fd, F_DUPFD_CLOEXEC, 10);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out, 1);
    dup2(err, 2);
    dup2(failure_fd, 3);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    if (!shim_identity("self", identity, sizeof identity) ||
        !shim_file_write(dir_fd, SHIM_FILE_APP_PID, identity)) {
        (void)shim_fail(&f, "write", SHIM_FILE_APP_PID);
    } else {
        close_range(4, ~0u, 0);
        shim_container_exec(&s->spec, s->dir, &f);
    }
    if (write(3, f.text, strlen(f.text)) < 0) {
        _exit(127);
    }
    _exit(128);
}

static bool start_app(struct shim *s)
{
    int out[2], err[2], failure[2];
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 || pipe2(failure, O_CLOEXEC)) {
        return false;
    }
    s->started_ms = now_ms();
    s->app = fork();
    if (s->app == 0) {
        /* The low numbers are taken over one by one: keep clear of them. */
        become_app(s, fcntl(out[1], F_DUPFD, 10), fcntl(err[1], F_DUPFD, 10),
                   fcntl(failure[1], F_DUPFD, 10));
    }
    close(out[1]);
    close(err[1]);
    close(failure[1]);
    s->streams[0] = out[0];
    s->streams[1] = err[0];
    ssize_t len = s->app > 0 ? read(failure[0], s->error, sizeof s->error - 1) : -1;
    close(failure[0]);
    return len == 0;
}

/* The shim proper. go is readable once the pid file is written; its end means the launcher died. */
static void become_shim(struct shim *s, int go, int result)
{
    char c;
    sigset_t mask;
    sigfillset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    setsid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (read(go, &c, 1) != 1) {
        _exit(1);
    }
    sigemptyset(&mask);
    const int taken[] = {SIGCHLD,  SIGTERM,      SIGINT,
                         SIGHUP,   SIGQUIT,      SIGUSR1,
                         SIGWINCH, SIGRTMIN + 3, SHIM_SIGNAL_KILL_ALL};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        sigaddset(&mask, taken[i]);
    }
    s->signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    s->log = shim_log_open(s->dir_fd);
    struct shim_failure f = {{0}};
    bool is_started = s->signals >= 0 && s->log && shim_layers_lock(&s->spec, &f) && start_app(s);
    if (!is_started) {
        if (!s->error[0] && f.text[0]) {
            snprintf(s->error, sizeof s->error, "%s", f.text);
        } else if (!s->error[0]) {
            snprintf(s->error, sizeof s->error, "can not start: %s", strerror(errno));
        }
        s->status = 128 << 8;
        s->finished_ms = now_ms();
        write_exit(s);
    }
    const char *answer = is_started ? "+" : s->error;
    (void)!write(result, answer, strlen(answer));
    close(result);
    close(go);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++) {
        dup2(null, fd);
    }
    close(null);
    if (is_started && chdir("/") == 0) {
        run(s);
    }
    _exit(0);
}

static int launch(struct shim *s)
{
    int go[2], result[2];
    struct shim_failure f = {{0}};
    char answer[256] = "", pid[32], identity[64];
    if (!shim_join_cgroups(s->spec.shim_cgroups, &f) || pipe2(go, O_CLOEXEC) != 0 ||
        pipe2(result, O_CLOEXEC) != 0 || (s->spec.has_namespaces && unshare(CLONE_NEWPID) != 0)) {
        fprintf(stderr, "%s\n", f.text[0] ? f.text : strerror(errno));
        return SHIM_EXIT_FAILED;
    }
    pid_t shim = fork();
    if (shim == 0) {
        close(go[1]);
        close(result[0]);
        become_shim(s, go[0], result[1]);
    }
    close(go[0]);
    close(result[1]);
    snprintf(pid, sizeof pid, "%d", (int)shim);
    if (shim < 0 || !shim_identity(pid, identity, sizeof identity) ||
        !shim_file_write(s->dir_fd, SHIM_FILE_PID, identity)) {
        fprintf(stderr, "can not start the container: %s\n", strerror(errno));
        return SHIM_EXIT_FAILED; /* the shim sees go end and exits */
    }
    (void)!write(go[1], "+", 1);
    ssize_t len = read(result[0], answer, sizeof answer - 1);
    if (len == 1 && answer[0] == '+') {
        return SHIM_EXIT_STARTED;
    }
    fprintf(stderr, "%s\n", answer[0] ? answer : "the shim died");
    return SHIM_EXIT_FAILED;
}

static int run_command(const char *dir)
{
    struct shim s = {.dir = dir, .streams = {-1, -1}};
    s.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int lock = openat(s.dir_fd, SHIM_FILE_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock < 0) {
        fprintf(stderr, "can not open %s: %s\n", dir, strerror(errno));
        return SHIM_EXIT_FAILED;
    }
    /* An open-file-description lock: the forked shim inherits it, asking for it takes nothing. */
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(lock, F_OFD_SETLK, &whole) != 0 || faccessat(s.dir_fd, SHIM_FILE_PID, F_OK, 0) == 0) {
        fprintf(stderr, "%s runs or ran already\n", dir);
        return SHIM_EXIT_RUNS_ALREADY;
    }
    if (!shim_spec_read(s.dir_fd, &s.spec)) {
        return SHIM_EXIT_FAILED;
    }
    return launch(&s);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "run") == 0) {
        return run_command(argv[2]);
    }
    if (argc > 3 && strcmp(argv[1], "exec") == 0) {
        return shim_exec_command(argc - 2, argv + 2);
    }
    fprintf(stderr, "usage: operon-shim run DIR | exec [-t] [-b] DIR PROGRAM [ARG...]\n");
    return 2;
}
