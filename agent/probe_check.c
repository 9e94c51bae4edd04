#include "agent/probe_check.h"

#include "agent/metrics.h"
#include "agent/probe_grpc.h"
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/net/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MAX = 1024, HTTPS_TIMEOUT_SLACK_MS = 200 };

struct opr__check {
    struct opr_agent *agent;
    opr__check_fn done;
    void *arg;
    struct opr_timer *timer;
    struct opr_io *io, *out_io;
    int fd;     /* socket, or the pidfd of the program; -1: none */
    int out_fd; /* of the program */
    pid_t pid;
    struct opr_buf request; /* HTTP; empty: a connection is enough */
    struct opr__grpc *grpc; /* owned; NULL: none */
    char answer[ANSWER_MAX];
    size_t answer_len;
    bool is_finished, is_success, is_connected;
    bool is_away, is_dropped; /* a worker has it (HTTPS); nobody waits for it */
    char *url, *path;         /* HTTPS */
    uint64_t timeout_ms;
    char text[256];
};

static void close_fds(struct opr__check *c)
{
    opr_io_free(c->io);
    opr_io_free(c->out_io);
    c->io = c->out_io = NULL;
    if (c->fd >= 0) {
        close(c->fd);
    }
    if (c->out_fd >= 0) {
        close(c->out_fd);
    }
    c->fd = c->out_fd = -1;
    if (c->pid > 0) {
        (void)kill(c->pid, SIGKILL);
        (void)waitpid(c->pid, NULL, 0); /* it was killed: this is at once */
        c->pid = 0;
    }
}

static void check_free(struct opr__check *c)
{
    close_fds(c);
    opr_timer_free(c->timer);
    opr_buf_fini(&c->request);
    opr__grpc_free(c->grpc);
    opr_free(c->url);
    opr_free(c->path);
    opr_free(c);
}

OPR_PRINTF(3, 4)
static void finish(struct opr__check *c, bool is_success, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->text, sizeof c->text, fmt, args);
    va_end(args);
    c->is_finished = true;
    c->is_success = is_success;
    close_fds(c);
    opr_timer_set(c->timer, 0); /* done never comes from inside start */
}

static void on_timer(void *arg)
{
    struct opr__check *c = arg;
    char late[64];
    snprintf(late, sizeof late, "timeout after %llu ms", (unsigned long long)c->timeout_ms);
    bool is_late = c->is_away || !c->is_finished; /* what a worker has is not ours to read */
    c->done(c->arg, !is_late && c->is_success, is_late ? late : c->text);
    if (c->is_away) {
        c->is_dropped = true;
    } else {
        check_free(c);
    }
}

void opr__check_cancel(struct opr__check *c)
{
    if (!c) {
        return;
    }
    opr_timer_stop(c->timer);
    if (c->is_away) {
        c->is_dropped = true;
    } else {
        check_free(c);
    }
}

/* -- HTTP and TCP -- */

static void read_answer(struct opr__check *c)
{
    ssize_t n = recv(c->fd, c->answer + c->answer_len, sizeof c->answer - 1 - c->answer_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    c->answer_len += n > 0 ? (size_t)n : 0;
    c->answer[c->answer_len] = 0;
    bool is_whole = strchr(c->answer, '\n') != NULL;
    if (!is_whole && n > 0 && c->answer_len < sizeof c->answer - 1) {
        return;
    }
    int code = 0;
    if (sscanf(c->answer, "HTTP/%*d.%*d %d", &code) != 1) {
        finish(c, false, "the answer is not HTTP");
    } else if (code >= 200 && code < 400) {
        finish(c, true, "%d", code);
    } else {
        finish(c, false, "HTTP probe failed with statuscode: %d", code);
    }
}

static void step_grpc(struct opr__check *c)
{
    char text[200];
    bool is_healthy;
    if (opr__grpc_step(c->grpc, c->fd, &is_healthy, text, sizeof text)) {
        finish(c, is_healthy, "%s", text);
    }
}

static void on_connected(struct opr__check *c)
{
    int err = 0;
    socklen_t len = sizeof err;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
    if (err) {
        finish(c, false, "connect: %s", strerror(err));
    } else if (c->grpc) {
        c->is_connected = true;
        opr_io_set(c->io, OPR_IO_READ);
        step_grpc(c);
    } else if (c->request.len == 0) {
        finish(c, true, "connected");
    } else if (send(c->fd, c->request.data, c->request.len, MSG_NOSIGNAL) !=
               (ssize_t)c->request.len) {
        finish(c, false, "send: %s", strerror(errno));
    } else {
        c->is_connected = true;
        opr_io_set(c->io, OPR_IO_READ);
    }
}

static void on_socket(void *arg, int events)
{
    struct opr__check *c = arg;
    (void)events;
    if (c->is_connected && c->grpc) {
        step_grpc(c);
    } else if (c->is_connected) {
        read_answer(c);
    } else {
        on_connected(c);
    }
}

static void connect_to(struct opr__check *c, const char *address, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (port <= 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1) {
        finish(c, false, "no such address: %s:%d", address, port);
        return;
    }
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    opr__metrics_exclude(c->agent->metrics, c->fd);
    if (c->fd < 0 ||
        (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)) {
        finish(c, false, "connect to %s:%d: %s", address, port, strerror(errno));
        return;
    }
    c->io = opr_io_new(c->agent->loop, c->fd, OPR_IO_WRITE, on_socket, c);
}

int opr__action_port(const struct opr_obj *ports, const struct opr_obj *action)
{
    const char *name = opr_json_str(action, "/port", NULL);
    int64_t number = 0;
    if (!name) {
        return (int)opr_json_int(action, "/port", 0);
    }
    for (const struct opr_obj *v = opr_json_first(ports); v; v = opr_json_next(v)) {
        if (strcmp(opr_json_str(v, "/name", ""), name) == 0) {
            return (int)opr_json_int(v, "/containerPort", 0);
        }
    }
    return opr_str_to_i64(opr_str_of(name), &number) == OPR_OK ? (int)number : 0;
}

void opr__probe_request(struct opr_buf *b, const struct opr_obj *action, const char *address,
                        int port)
{
    const char *path = opr_json_str(action, "/path", "/");
    bool has_host = false;
    opr_buf_printf(b, "GET %s%s HTTP/1.1\r\n", path[0] == '/' ? "" : "/", path);
    const struct opr_obj *headers = opr_json_at(action, "/httpHeaders");
    for (const struct opr_obj *h = opr_json_first(headers); h; h = opr_json_next(h)) {
        const char *name = opr_json_str(h, "/name", "");
        has_host = has_host || opr_str_ieq(opr_str_of(name), OPR_STR("host"));
        opr_buf_printf(b, "%s: %s\r\n", name, opr_json_str(h, "/value", ""));
    }
    if (!has_host) {
        opr_buf_printf(b, "Host: %s:%d\r\n", address, port);
    }
    opr_buf_add_text(b,
                     "User-Agent: kube-probe/operon\r\nAccept: */*\r\nConnection: close\r\n\r\n");
}

/* -- HTTPS: through the client of core/net, on a worker -- */

static void on_https_done(void *arg)
{
    struct opr__check *c = arg;
    c->is_away = false;
    if (c->is_dropped) {
        check_free(c);
    } else {
        opr_timer_set(c->timer, 0);
    }
}

static void exclude_socket(void *arg, int fd)
{
    opr__metrics_exclude(((struct opr_agent *)arg)->metrics, fd);
}

static void run_https(void *arg)
{
    struct opr__check *c = arg;
    struct opr_endpoint_config config = {
        .url = c->url, .is_insecure = true, .on_socket = exclude_socket, .on_socket_arg = c->agent};
    struct opr_endpoint *endpoint = NULL;
    struct opr_client_response res = {0};
    struct opr_error err = {0};
    opr_status st = opr_endpoint_new(&config, &endpoint, &err);
    if (st == OPR_OK) {
        struct opr_session *session = opr_session_new(endpoint);
        struct opr_client_request req = {.method = "GET",
                                         .path_query = c->path,
                                         .accept = "*/*",
                                         .timeout_ms = (uint32_t)c->timeout_ms};
        st = opr_session_call(session, &req, &res, &err);
        opr_session_free(session);
    }
    c->is_finished = true;
    c->is_success = st == OPR_OK && res.status >= 200 && res.status < 400;
    if (st != OPR_OK) {
        snprintf(c->text, sizeof c->text, "%.200s", err.message);
    } else {
        snprintf(c->text, sizeof c->text, "HTTP probe failed with statuscode: %d", res.status);
    }
    opr_buf_fini(&res.body);
    opr_endpoint_unref(endpoint);
    opr_loop_post(c->agent->loop, on_https_done, c);
}

static void start_http(struct opr__check *c, const struct opr__check_target *t,
                       const struct opr_obj *action)
{
    const char *address = opr_json_str(action, "/host", t->address);
    int port = opr__action_port(t->ports, action);
    if (strcmp(opr_json_str(action, "/scheme", "HTTP"), "HTTPS") == 0) {
        c->url = opr_xprintf("https://%s:%d", address, port);
        c->path = opr_xstrdup(opr_json_str(action, "/path", "/"));
        c->is_away = true;
        opr_timer_set(c->timer, c->timeout_ms + HTTPS_TIMEOUT_SLACK_MS);
        opr_executor_run(c->agent->workers, run_https, c);
        return;
    }
    opr__probe_request(&c->request, action, address, port);
    connect_to(c, address, port);
}

/* -- exec -- */

/* What is beyond the first part is read too: a full pipe would hold the program up. */
static void on_output(void *arg, int events)
{
    (void)events;
    struct opr__check *c = arg;
    char rest[4096];
    size_t room = sizeof c->answer - 1 - c->answer_len;
    ssize_t n = room ? read(c->out_fd, c->answer + c->answer_len, room)
                     : read(c->out_fd, rest, sizeof rest);
    if (n > 0) {
        c->answer_len += room ? (size_t)n : 0;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        opr_io_set(c->out_io, 0);
    }
}

static void on_program(void *arg, int events)
{
    struct opr__check *c = arg;
    int status = 0;
    if (waitpid(c->pid, &status, WNOHANG) != c->pid) {
        return;
    }
    c->pid = 0;
    on_output(c, events);
    c->answer[c->answer_len] = 0;
    bool is_ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    finish(c, is_ok, "%.200s", c->answer);
}

static void start_exec(struct opr__check *c, const struct opr__check_target *t,
                       const struct opr_obj *action)
{
    struct opr_vec args = {0};
    int fds[2];
    const struct opr_obj *command = opr_json_at(action, "/command");
    for (const struct opr_obj *v = opr_json_first(command); v; v = opr_json_next(v)) {
        opr_vec_push(&args, (char *)(uintptr_t)opr_json_str(v, "", ""));
    }
    opr_vec_push(&args, NULL);
    if (pipe2(fds, O_CLOEXEC) == 0) {
        (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
        struct opr__runtime *rt = c->agent->runtime;
        c->out_fd = fds[0];
        const struct opr__exec_io io = {-1, fds[1], fds[1], false, false};
        c->pid = rt->exec(rt, t->run_dir, (char *const *)args.items, &io);
        close(fds[1]);
        c->fd = c->pid > 0 ? (int)syscall(SYS_pidfd_open, c->pid, 0) : -1;
    }
    opr_vec_fini(&args);
    if (c->fd < 0) {
        finish(c, false, "the program can not be started");
    } else {
        c->io = opr_io_new(c->agent->loop, c->fd, OPR_IO_READ, on_program, c);
        c->out_io = opr_io_new(c->agent->loop, c->out_fd, OPR_IO_READ, on_output, c);
    }
}

struct opr__check *opr__check_start(const struct opr__check_target *t, opr__check_fn done,
                                    void *arg)
{
    struct opr__check *c = opr_xalloc(sizeof *c);
    const struct opr_obj *action;
    c->agent = t->agent;
    c->done = done;
    c->arg = arg;
    c->fd = c->out_fd = -1;
    c->timeout_ms = t->timeout_ms;
    c->timer = opr_timer_new(t->agent->loop, on_timer, c);
    opr_timer_set(c->timer, t->timeout_ms);
    if ((action = opr_json_at(t->probe, "/httpGet"))) {
        start_http(c, t, action);
    } else if ((action = opr_json_at(t->probe, "/tcpSocket"))) {
        connect_to(c, opr_json_str(action, "/host", t->address),
                   opr__action_port(t->ports, action));
    } else if ((action = opr_json_at(t->probe, "/grpc"))) {
        int port = (int)opr_json_int(action, "/port", 0);
        c->grpc = opr__grpc_new(t->address, port, opr_json_str(action, "/service", ""));
        if (c->grpc) {
            connect_to(c, t->address, port);
        } else {
            finish(c, false, "the service's name is too long");
        }
    } else if ((action = opr_json_at(t->probe, "/exec"))) {
        start_exec(c, t, action);
    } else {
        finish(c, false, "this kind of probe is not supported");
    }
    return c;
}
