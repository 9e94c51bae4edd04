#include "agent/runtime.h"

#include "agent/shim/layout.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PID_WAIT_TRIES = 100, PID_WAIT_US = 10000 };

struct process_runtime {
    struct opr__runtime base;
    char *shim; /* owned */
};

char *opr__runtime_find_shim(void)
{
    const char *given = getenv("OPERON_SHIM");
    if (given && *given) {
        return opr_xstrdup(given);
    }
    static const char *const places[] = {"operon-shim", "../libexec/operon/operon-shim"};
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0) {
        return NULL;
    }
    self[len] = 0;
    *strrchr(self, '/') = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *path = opr_xprintf("%s/%s", self, places[i]);
        if (access(path, X_OK) == 0) {
            return path;
        }
        opr_free(path);
    }
    return NULL;
}

static void add(struct opr_buf *b, const char *key, const char *value)
{
    if (value) {
        opr_buf_printf(b, "%s=%s", key, value);
        opr_buf_add_char(b, 0);
    }
}

static void add_number(struct opr_buf *b, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    add(b, key, value >= 0 ? text : NULL);
}

static void add_texts(struct opr_buf *b, const char *key, const struct opr_vec *texts)
{
    for (size_t i = 0; texts && i < texts->count; i++) {
        add(b, key, texts->items[i]);
    }
}

static void add_list(struct opr_buf *b, const char *key, const char *const *list)
{
    for (; list && *list; list++) {
        add(b, key, *list);
    }
}

static opr_status create(struct opr__runtime *rt, const struct opr__run_spec *spec,
                         struct opr_error *reterr)
{
    (void)rt;
    OPR_TRY(opr_fs_mkdirs(spec->dir, 0750, reterr));
    struct opr_buf b = {0};
    add_list(&b, SHIM_KEY_ARG, (const char *const *)spec->args);
    add_list(&b, SHIM_KEY_ENV, (const char *const *)spec->env);
    add(&b, SHIM_KEY_CWD, spec->cwd);
    add(&b, SHIM_KEY_HOSTNAME, spec->hostname);
    add(&b, SHIM_KEY_NETNS, spec->netns);
    add(&b, SHIM_KEY_NAMESPACES, spec->has_namespaces ? "1" : NULL);
    add_texts(&b, SHIM_KEY_CGROUP, spec->cgroups);
    add_texts(&b, SHIM_KEY_SHIM_CGROUP, spec->shim_cgroups);
    add_number(&b, SHIM_KEY_UID, spec->uid);
    add_number(&b, SHIM_KEY_GID, spec->gid);
    add_texts(&b, SHIM_KEY_GROUP, spec->groups);
    add(&b, SHIM_KEY_RO_ROOT, spec->is_root_read_only ? "1" : NULL);
    if (spec->image) {
        add(&b, SHIM_KEY_ROOTFS, spec->image->rootfs);
        add(&b, SHIM_KEY_LAYERS_DIR, spec->image->layers_dir);
        add_list(&b, SHIM_KEY_LAYER, spec->image->layers);
        add_list(&b, SHIM_KEY_EXEC, (const char *const *)spec->image->exec);
    }
    for (size_t i = 0; i < spec->mounts.count; i++) {
        const struct opr__run_mount *m = spec->mounts.items[i];
        add(&b, SHIM_KEY_SRC, m->src);
        add(&b, SHIM_KEY_RO, m->is_read_only ? "1" : "0");
        add(&b, SHIM_KEY_DST, m->dst);
    }
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/" SHIM_FILE_SPEC, spec->dir);
    opr_status st = opr_fs_write(path, opr_buf_str(&b), 0600, reterr);
    opr_buf_fini(&b);
    return st;
}

static void put_stream(posix_spawn_file_actions_t *actions, int from, int to)
{
    if (from >= 0) {
        posix_spawn_file_actions_adddup2(actions, from, to);
    } else {
        posix_spawn_file_actions_addopen(actions, to, "/dev/null", to == 0 ? O_RDONLY : O_WRONLY,
                                         0);
    }
}

/* Spawns the shim with these streams. 0: it could not be spawned. */
static pid_t spawn(struct opr__runtime *rt, const char *verb, const char *dir, char *const *args,
                   const struct opr__exec_io *io)
{
    struct process_runtime *p = (struct process_runtime *)rt;
    struct opr_vec argv = {0};
    opr_vec_push(&argv, p->shim);
    opr_vec_push(&argv, (char *)(uintptr_t)verb);
    if (io->is_tty) {
        opr_vec_push(&argv, "-t");
    }
    if (io->is_bound) {
        opr_vec_push(&argv, "-b");
    }
    opr_vec_push(&argv, (char *)(uintptr_t)dir);
    for (; args && *args; args++) {
        opr_vec_push(&argv, *args);
    }
    opr_vec_push(&argv, NULL);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    put_stream(&actions, io->in, 0);
    put_stream(&actions, io->out, 1);
    put_stream(&actions, io->err, 2);
    posix_spawnattr_t attr;
    posix_spawnattr_init(&attr);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    pid_t pid = 0;
    if (posix_spawn(&pid, p->shim, &actions, &attr, (char *const *)argv.items, environ) != 0) {
        pid = 0;
    }
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    opr_vec_fini(&argv);
    return pid;
}

static opr_status start(struct opr__runtime *rt, const char *dir, struct opr_error *reterr)
{
    struct process_runtime *p = (struct process_runtime *)rt;
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return opr_error_set(reterr, OPR_E_IO, "can not make a pipe: %m");
    }
    const struct opr__exec_io io = {-1, fds[1], fds[1], false, false};
    pid_t pid = spawn(rt, "run", dir, NULL, &io);
    close(fds[1]);
    char text[256] = "";
    size_t len = 0;
    for (ssize_t n; pid && len < sizeof text - 1 &&
                    (n = read(fds[0], text + len, sizeof text - 1 - len)) > 0;) {
        len += (size_t)n;
    }
    close(fds[0]);
    int status = 0;
    if (!pid) {
        return opr_error_set(reterr, OPR_E_IO, "can not run %s: %m", p->shim);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (status == 0) {
        return OPR_OK;
    }
    struct opr_str why = opr_str_trim(opr_str_n(text, len));
    bool runs = WIFEXITED(status) && WEXITSTATUS(status) == SHIM_EXIT_RUNS_ALREADY;
    return opr_error_set(reterr, runs ? OPR_E_EXISTS : OPR_E_IO, "%.*s", OPR_STR_ARG(why));
}

/* The shim holds the lock as long as it lives, whatever became of its pid. */
static bool is_locked(const char *dir)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/" SHIM_FILE_LOCK, dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool locked = fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
    close(fd);
    return locked;
}

static opr_status read_file(const char *dir, const char *name, struct opr_buf *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return opr_fs_read(path, 64 * 1024, text, NULL);
}

static pid_t read_pid(const char *dir)
{
    struct opr_buf text = {0};
    long pid = read_file(dir, SHIM_FILE_PID, &text) == OPR_OK ? strtol(text.data, NULL, 10) : 0;
    opr_buf_fini(&text);
    return (pid_t)pid;
}

static int64_t file_time_ms(const char *dir, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return stat(path, &st) == 0 ? st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 : 0;
}

/* The value of a member of the exit file, which only the shim writes, in one form. */
static const char *member(const struct opr_buf *text, const char *name)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const char *at = text->data ? strstr(text->data, quoted) : NULL;
    return at ? at + strlen(quoted) : "0";
}

/* crun says there why it could not start the program; a program that ran leaves it empty. */
static void read_crun_log(const char *dir, struct opr__run *run)
{
    struct opr_buf text = {0};
    if (read_file(dir, OPR__CRUN_LOG, &text) == OPR_OK && text.len > 0) {
        struct opr_str why = opr_str_trim(opr_buf_str(&text));
        const char *newline = memchr(why.ptr, '\n', why.len);
        why.len = newline ? (size_t)(newline - why.ptr) : why.len;
        snprintf(run->error, sizeof run->error, "%.*s", OPR_STR_ARG(why));
        run->exit_code = 128;
    }
    opr_buf_fini(&text);
}

static bool read_exit(const char *dir, struct opr__run *run)
{
    struct opr_buf text = {0};
    if (read_file(dir, SHIM_FILE_EXIT, &text) != OPR_OK) {
        opr_buf_fini(&text);
        return false;
    }
    run->phase = OPR__RUN_EXITED;
    run->exit_code = (int)strtol(member(&text, "exitCode"), NULL, 10);
    run->signal = (int)strtol(member(&text, "signal"), NULL, 10);
    run->started_ms = strtoll(member(&text, "startedMs"), NULL, 10);
    run->finished_ms = strtoll(member(&text, "finishedMs"), NULL, 10);
    size_t n = 0;
    for (const char *c = member(&text, "error") + 1; *c && *c != '"' && n < sizeof run->error - 1;
         c++) {
        if (*c == '\\' && c[1]) {
            c++;
        }
        run->error[n++] = *c;
    }
    opr_buf_fini(&text);
    read_crun_log(dir, run);
    return true;
}

static void look(struct opr__runtime *rt, const char *dir, struct opr__run *ret_run)
{
    (void)rt;
    struct opr__run run = {0};
    if (is_locked(dir)) {
        /* A launcher that has just begun writes the pid file at once, or dies and unlocks. */
        for (int i = 0; i < PID_WAIT_TRIES && (run.pid = read_pid(dir)) == 0; i++) {
            usleep(PID_WAIT_US);
        }
        run.phase = OPR__RUN_RUNNING;
        run.started_ms = file_time_ms(dir, SHIM_FILE_PID);
        if (is_locked(dir)) {
            *ret_run = run;
            return;
        }
    }
    run.pid = 0;
    if (!read_exit(dir, &run)) {
        run.started_ms = file_time_ms(dir, SHIM_FILE_PID);
        run.phase = run.started_ms ? OPR__RUN_LOST : OPR__RUN_NONE;
        run.finished_ms = run.started_ms;
        run.exit_code = 137;
        run.signal = SIGKILL;
    }
    *ret_run = run;
}

static int watch(struct opr__runtime *rt, const char *dir)
{
    (void)rt;
    pid_t pid = read_pid(dir);
    int fd = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    /* Locked after the descriptor was opened: the pid was and is the shim's. */
    if (fd >= 0 && !is_locked(dir)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A program whose shim was killed, where no PID namespace ended it too. The file names its pid and
 * start time: another process may have the pid by now. */
static void kill_left(const char *dir)
{
    struct opr_buf noted = {0}, text = {0};
    char path[64];
    long pid = 0;
    unsigned long long start = 0, now = 1;
    if (read_file(dir, SHIM_FILE_APP_PID, &noted) == OPR_OK &&
        sscanf(noted.data, "%ld %llu", &pid, &start) == 2 && pid > 1) {
        snprintf(path, sizeof path, "/proc/%ld/stat", pid);
        const char *at =
            opr_fs_read(path, 4096, &text, NULL) == OPR_OK ? strrchr(text.data, ')') : NULL;
        for (int field = 2; at && field < 22; field++) { /* proc(5): starttime is field 22 */
            at = strchr(at + 1, ' ');
        }
        now = at ? strtoull(at + 1, NULL, 10) : now;
    }
    if (pid > 1 && start == now) {
        (void)kill((pid_t)-pid, SIGKILL); /* it leads a session, and so a group */
        (void)kill((pid_t)pid, SIGKILL);
    }
    opr_buf_fini(&noted);
    opr_buf_fini(&text);
}

static void stop(struct opr__runtime *rt, const char *dir, int signo)
{
    int fd = watch(rt, dir);
    if (fd < 0 && signo == SIGKILL) {
        kill_left(dir);
    }
    if (fd >= 0) {
        int sent = signo == SIGKILL ? SHIM_SIGNAL_KILL_ALL : signo;
        (void)syscall(SYS_pidfd_send_signal, fd, sent, NULL, 0);
        close(fd);
    }
}

static pid_t exec_in(struct opr__runtime *rt, const char *dir, char *const *args,
                     const struct opr__exec_io *io)
{
    return spawn(rt, "exec", dir, args, io);
}

static void runtime_free(struct opr__runtime *rt)
{
    if (rt) {
        opr_free(((struct process_runtime *)rt)->shim);
        opr_free(rt);
    }
}

struct opr__runtime *opr__runtime_process_new(const char *shim)
{
    struct process_runtime *p = opr_xalloc(sizeof *p);
    p->shim = opr_xstrdup(shim);
    p->base = (struct opr__runtime){.create = create,
                                    .start = start,
                                    .look = look,
                                    .stop = stop,
                                    .watch = watch,
                                    .exec = exec_in,
                                    .free = runtime_free};
    return &p->base;
}
