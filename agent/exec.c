/* Starts the program of an exec: what is asked for, its pipes or its terminal. */
#include "agent/exec.h"

#include "agent/internal.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/net/channel.h"
#include "core/net/relay.h"
#include "core/net/websocket.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IN, OUT, ERR, STREAMS };

struct wanted {
    bool streams[STREAMS];
    bool is_tty, is_attach;
    struct opr_vec args; /* of char *, in the arena; ends with NULL */
};

/* The two ends of each stream; -1: none. */
struct ends {
    int ours[STREAMS], theirs[STREAMS];
};

static bool is_true(struct opr_str value)
{
    return opr_str_is(value, "1") || opr_str_is(value, "true");
}

/* NULL, or what is wrong. */
static const char *read_query(const struct opr_http_request *req, struct wanted *w)
{
    struct opr_str rest = req->query, name, value;
    while (opr_query_next(req->arena, &rest, &name, &value)) {
        if (opr_str_is(name, "command") && memchr(value.ptr, 0, value.len)) {
            return "a zero byte in the command";
        }
        if (opr_str_is(name, "command")) {
            opr_vec_push(&w->args, opr_arena_dup(req->arena, value));
        } else if (opr_str_is(name, "input")) {
            w->streams[IN] = is_true(value);
        } else if (opr_str_is(name, "output")) {
            w->streams[OUT] = is_true(value);
        } else if (opr_str_is(name, "error")) {
            w->streams[ERR] = is_true(value);
        } else if (opr_str_is(name, "tty")) {
            w->is_tty = is_true(value);
        }
    }
    w->is_attach = opr_str_starts(req->path, "/attach/");
    if (w->args.count == 0 && !w->is_attach) {
        return "no command was given";
    }
    if (w->is_attach && (w->streams[IN] || w->is_tty)) {
        return "containers here have neither standard input nor a terminal to attach to";
    }
    if (!w->streams[IN] && !w->streams[OUT] && !w->streams[ERR]) {
        return "you must specify at least 1 of stdin, stdout, stderr";
    }
    opr_vec_push(&w->args, NULL);
    return NULL;
}

static void close_ends(int ends[STREAMS])
{
    for (size_t i = 0; i < STREAMS; i++) {
        if (ends[i] >= 0) {
            close(ends[i]);
        }
        ends[i] = -1;
    }
}

static bool open_terminal(const struct wanted *w, struct ends *e)
{
    char name[64];
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    e->ours[OUT] = master;
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
        ptsname_r(master, name, sizeof name) != 0) {
        return false;
    }
    for (size_t i = 0; i < STREAMS; i++) {
        e->theirs[i] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (e->theirs[i] < 0) {
            return false;
        }
    }
    e->ours[IN] = w->streams[IN] ? fcntl(master, F_DUPFD_CLOEXEC, 3) : -1;
    return !w->streams[IN] || e->ours[IN] >= 0;
}

static bool open_pipes(const struct wanted *w, struct ends *e)
{
    for (size_t i = 0; i < STREAMS; i++) {
        int fds[2];
        if (!w->streams[i]) {
            continue;
        }
        if (pipe2(fds, O_CLOEXEC) != 0) {
            return false;
        }
        e->ours[i] = fds[i == IN];
        e->theirs[i] = fds[i != IN];
        (void)fcntl(e->ours[i], F_SETFL, O_NONBLOCK); /* a pipe takes it */
    }
    return true;
}

/* The source of the answer, or NULL. */
static struct opr_http_source *start(struct opr_agent *a, const struct wanted *w, const char *dir,
                                     bool has_close)
{
    struct ends e = {{-1, -1, -1}, {-1, -1, -1}};
    struct opr__exec_streams config = {
        .loop = a->loop, .pid_fd = -1, .is_tty = w->is_tty, .has_close = has_close};
    if (w->is_tty ? open_terminal(w, &e) : open_pipes(w, &e)) {
        const struct opr__exec_io io = {e.theirs[IN], e.theirs[OUT], e.theirs[ERR], w->is_tty,
                                        true};
        config.pid = a->runtime->exec(a->runtime, dir, (char *const *)w->args.items, &io);
    }
    close_ends(e.theirs);
    if (config.pid > 0) {
        config.pid_fd = (int)syscall(SYS_pidfd_open, config.pid, 0);
    }
    if (config.pid > 0 && config.pid_fd < 0) {
        (void)kill(config.pid, SIGKILL);
        (void)waitpid(config.pid, NULL, 0);
    }
    if (config.pid_fd < 0) {
        close_ends(e.ours);
        return NULL;
    }
    config.in = e.ours[IN];
    config.out = e.ours[OUT];
    config.err = e.ours[ERR];
    return opr__exec_streams_new(&config);
}

static struct opr_http_source *say(const char *why)
{
    struct opr_buf frames = {0};
    opr_channel_add_failure(&frames, why);
    struct opr_http_source *source = opr_relay_say(opr_buf_str(&frames));
    opr_buf_fini(&frames);
    return source;
}

void opr__exec_serve(struct opr_agent *a, const struct opr_http_request *req,
                     struct opr_http_response *res, const char *container, const char *dir)
{
    struct wanted w = {0};
    struct opr_error err = {0};
    const char *protocol = NULL;
    if (opr_ws_handshake(req, opr_channel_protocols, res, &protocol, &err) != OPR_OK) {
        res->status = 400;
        opr_buf_printf(&res->body, "%s\n", err.message);
        return;
    }
    /* From here on it is the Status at the end that says what went wrong, in the words of a
     * kubelet that does not agree to a stream. */
    const char *wrong = read_query(req, &w);
    if (wrong) {
        res->source = say(opr_arena_printf(req->arena, "unable to upgrade connection: %s", wrong));
    } else if (!dir) {
        res->source = say(opr_arena_printf(
            req->arena, "unable to upgrade connection: container not found (\"%s\")", container));
    } else {
        res->source = w.is_attach ? opr__attach_new(a, dir, w.streams[OUT], w.streams[ERR])
                                  : start(a, &w, dir, strcmp(protocol, OPR_CHANNEL_V5) == 0);
        opr_log(OPR_LOG_DEBUG, "agent", w.is_attach ? "attach" : "exec", "container=%s started=%d",
                container, res->source != NULL);
        if (!res->source) {
            res->source = say("error executing command in container: no file descriptor, terminal "
                              "or process is left");
        }
    }
    opr_vec_fini(&w.args);
}
