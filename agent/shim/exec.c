/* "operon-shim exec [-t] [-b] DIR PROGRAM ARG...": runs a program in a running container and ends
 * as it does; 127 where there is no such program, 126 where it can not be run. -t: standard input
 * is a terminal, which becomes the program's own. -b: bound to the process that started this one.
 *
 * Three processes: this one stays outside, where whoever started it can wait for it and kill it; a
 * minder inside the container, which adopts what the program leaves; the program. When this one or
 * the container goes, the minder ends the program and all that it started. */
#include "agent/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CAN_NOT_RUN = 126, NOT_FOUND = 127, KILLED = 128 + SIGKILL };
enum { RESIZE_AGAIN_MS = 20 };

struct call {
    struct shim_spec spec;
    struct shim_failure failure;
    char pid[64]; /* of the container's program */
    char **args;
    bool is_tty;
    int app_fd;     /* of that program */
    int outside_fd; /* ends with the process outside */
    int signals;
    int terminal; /* minder: kept for its size; -1: none */
};

static bool join_namespaces(struct call *c)
{
    static const char *const names[] = {"ipc", "uts", "net", "pid", "mnt"};
    int fds[5];
    for (size_t i = 0; i < 5; i++) {
        char path[96];
        snprintf(path, sizeof path, "/proc/%s/ns/%s", c->pid, names[i]);
        fds[i] = open(path, O_RDONLY | O_CLOEXEC);
        if (fds[i] < 0) {
            return shim_fail(&c->failure, "open", path);
        }
    }
    for (size_t i = 0; i < 5; i++) {
        if (setns(fds[i], 0) != 0) {
            return shim_fail(&c->failure, "join the namespace", names[i]);
        }
        close(fds[i]);
    }
    return true;
}

/* The container's program, which still is the one that the file names: pids are used again. */
static bool find_app(struct call *c, int dir_fd)
{
    char noted[64] = "", found[64] = "";
    int fd = openat(dir_fd, SHIM_FILE_APP_PID, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, noted, sizeof noted - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (len <= 0) {
        return false;
    }
    snprintf(c->pid, sizeof c->pid, "%.*s", (int)strcspn(noted, " \n"), noted);
    c->app_fd = (int)syscall(SYS_pidfd_open, (pid_t)atol(c->pid), 0);
    return c->app_fd >= 0 && shim_identity(c->pid, found, sizeof found) &&
           strcmp(noted, found) == 0;
}

static bool has_term(const struct shim_spec *spec)
{
    for (char **v = spec->env; *v; v++) {
        if (strncmp(*v, "TERM=", 5) == 0) {
            return true;
        }
    }
    return false;
}

static bool add_term(struct call *c)
{
    size_t n = 0;
    while (c->spec.env[n]) {
        n++;
    }
    char **env = calloc(n + 2, sizeof *env);
    if (!env) {
        return shim_fail(&c->failure, "run", c->args[0]);
    }
    memcpy(env, c->spec.env, n * sizeof *env);
    env[n] = "TERM=xterm";
    c->spec.env = env;
    return true;
}

/* -- in an image's container: the words of the spec run what a file names -- */

static void write_json(FILE *f, const char *text)
{
    fputc('"', f);
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < ' ') {
            fprintf(f, "\\u%04x", byte);
        } else {
            fprintf(f, "%s%c", byte == '"' || byte == '\\' ? "\\" : "", byte);
        }
    }
    fputc('"', f);
}

/* The OCI process of the container with this call's terminal and arguments, in memory. */
static bool make_process(struct call *c, int dir_fd, int *ret_fd)
{
    static char text[8 << 20]; /* as large as a spec may be */
    int in = openat(dir_fd, SHIM_FILE_PROCESS, O_RDONLY | O_CLOEXEC);
    ssize_t len = in >= 0 ? read(in, text, sizeof text - 1) : -1;
    *ret_fd = memfd_create("process", 0); /* the runtime opens it by its number */
    FILE *f = *ret_fd >= 0 ? fdopen(dup(*ret_fd), "w") : NULL;
    if (in >= 0) {
        close(in);
    }
    if (len <= 0 || len == sizeof text - 1 || !f) {
        return shim_fail(&c->failure, "make", "the process file");
    }
    fputs(text, f);
    if (c->is_tty && !strstr(text, "\"TERM=")) {
        fputs(text[len - 1] == '[' ? "\"TERM=xterm\"" : ",\"TERM=xterm\"", f);
    }
    fprintf(f, "],\"terminal\":%s,\"args\":[", c->is_tty ? "true" : "false");
    for (char **a = c->args; *a; a++) {
        fputs(a == c->args ? "" : ",", f);
        write_json(f, *a);
    }
    fputs("]}", f);
    return fclose(f) == 0 || shim_fail(&c->failure, "write", "the process file");
}

static bool use_words(struct call *c, int dir_fd)
{
    static char path[32], option[] = "--process";
    size_t n = 0;
    int fd = -1;
    while (c->spec.exec[n]) {
        n++;
    }
    char **words = calloc(n + 3, sizeof *words);
    if (!words || !make_process(c, dir_fd, &fd)) {
        return false;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    memcpy(words, c->spec.exec, (n - 1) * sizeof *words);
    words[n - 1] = option;
    words[n] = path;
    words[n + 1] = c->spec.exec[n - 1];
    c->args = words;
    return true;
}

/* Who waits for the end of a stream must not wait for those who only stand by. */
static void let_go_of_streams(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++) {
        dup2(null, fd);
    }
    close(null);
}

/* -- the program -- */

static bool take_terminal(struct call *c)
{
    setsid();
    return !c->is_tty || ioctl(STDIN_FILENO, TIOCSCTTY, 0) == 0 ||
           shim_fail(&c->failure, "take over", "the terminal");
}

static void become_program(struct call *c)
{
    if (c->terminal >= 0 || take_terminal(c)) { /* else the minder has taken it */
        for (int fd = 0; fd < 3 && c->spec.uid >= 0; fd++) {
            (void)!fchown(fd, (uid_t)c->spec.uid, (gid_t)-1); /* /dev/stdin may be opened again */
        }
        shim_program_exec(&c->spec, c->args, &c->failure);
    }
    int code = errno == ENOENT ? NOT_FOUND : CAN_NOT_RUN;
    fprintf(stderr, "%s\n", c->failure.text);
    _exit(code);
}

/* -- the minder -- */

static int code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A Unix98 one (major numbers 136 to 143): what else the program has there stays closed. */
static bool is_terminal(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && major(st->st_rdev) >= 136 && major(st->st_rdev) <= 143;
}

/* crun gives its program a terminal of its own, and leaves its size as it was at the start: the
 * minder passes a change on. False: that terminal is not there yet. */
static bool pass_size(const struct call *c, pid_t program)
{
    size_t n;
    struct winsize size;
    struct stat outer, inner;
    bool is_passed = false;
    struct shim_process *list = shim_processes(&n);
    for (size_t i = 0; i < n && !is_passed; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/fd/0", (int)list[i].pid);
        bool is_it = list[i].parent == program && stat(path, &inner) == 0 &&
                     fstat(c->terminal, &outer) == 0 && is_terminal(&inner) &&
                     (inner.st_dev != outer.st_dev || inner.st_ino != outer.st_ino);
        int fd = is_it ? open(path, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
        is_passed = fd >= 0 && ioctl(c->terminal, TIOCGWINSZ, &size) == 0 &&
                    ioctl(fd, TIOCSWINSZ, &size) == 0;
        if (fd >= 0) {
            close(fd);
        }
    }
    free(list);
    return is_passed;
}

static int mind(const struct call *c, pid_t program)
{
    bool is_size_new = false;
    struct pollfd fds[3] = {{.fd = c->signals, .events = POLLIN},
                            {.fd = c->outside_fd, .events = POLLIN},
                            {.fd = c->app_fd, .events = POLLIN}};
    for (;;) {
        int status;
        struct signalfd_siginfo info;
        (void)poll(fds, 3, is_size_new ? RESIZE_AGAIN_MS : -1);
        while (read(c->signals, &info, sizeof info) == (ssize_t)sizeof info) {
            is_size_new = is_size_new || info.ssi_signo == SIGWINCH;
        }
        is_size_new = is_size_new && !pass_size(c, program);
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
            if (pid == program) {
                return code_of(status);
            }
        }
        if (fds[1].revents || fds[2].revents) {
            shim_kill_descendants();
            return KILLED;
        }
    }
}

static int become_minder(struct call *c)
{
    sigset_t mask;
    sigfillset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL); /* none ends the minder */
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGWINCH);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    c->terminal = c->is_tty && c->spec.exec[0] ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : -1;
    if (c->terminal >= 0 && !take_terminal(c)) {
        fprintf(stderr, "%s\n", c->failure.text);
        return CAN_NOT_RUN;
    }
    c->signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    pid_t program = c->signals >= 0 ? fork() : -1;
    if (program == 0) {
        become_program(c);
    }
    let_go_of_streams();
    return program < 0 ? CAN_NOT_RUN : mind(c, program);
}

/* -- outside -- */

/* starter_fd: a process without which there is no use in going on; -1: none. */
static int wait_exit(pid_t pid, int starter_fd)
{
    int status = 0;
    struct pollfd fds[2] = {{.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN},
                            {.fd = starter_fd, .events = POLLIN}};
    if (starter_fd >= 0 && fds[0].fd >= 0) {
        while (poll(fds, 2, -1) < 0 && errno == EINTR) {
        }
        if (fds[1].revents && !fds[0].revents) {
            return KILLED; /* this process goes, and the minder does the rest */
        }
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return code_of(status);
}

int shim_exec_command(int argc, char **argv)
{
    struct call c = {0};
    int pipe_fds[2], starter_fd = -1;
    close_range(3, ~0u, 0); /* what the agent's starter left open is not for containers */
    for (; argc > 2 && argv[0][0] == '-'; argc--, argv++) {
        c.is_tty = c.is_tty || strcmp(argv[0], "-t") == 0;
        if (strcmp(argv[0], "-b") == 0) {
            starter_fd = (int)syscall(SYS_pidfd_open, getppid(), 0);
        }
    }
    const char *dir = argv[0];
    c.args = argv + 1;
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 || !find_app(&c, dir_fd) || !shim_spec_read(dir_fd, &c.spec)) {
        fprintf(stderr, "no running container in %s\n", dir);
        return CAN_NOT_RUN;
    }
    bool is_ready =
        shim_join_cgroups(c.spec.cgroups, &c.failure) &&
        (!c.spec.has_namespaces || join_namespaces(&c)) &&
        (c.spec.exec[0] ? use_words(&c, dir_fd) : !c.is_tty || has_term(&c.spec) || add_term(&c)) &&
        (pipe2(pipe_fds, O_CLOEXEC) == 0 || shim_fail(&c.failure, "make", "a pipe"));
    pid_t child = is_ready ? fork() : -1;
    if (child == 0) {
        close(pipe_fds[1]);
        c.outside_fd = pipe_fds[0];
        _exit(become_minder(&c));
    }
    if (child < 0) {
        fprintf(stderr, "%s\n", c.failure.text);
        return CAN_NOT_RUN;
    }
    close(pipe_fds[0]);
    let_go_of_streams();
    return wait_exit(child, starter_fd);
}
