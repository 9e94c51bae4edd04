#include "agent/hook.h"

#include "agent/probe_check.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS_NS 1000000ull

static void begin_exec(struct opr__pod *p, struct opr__container *c, const struct opr_obj *command,
                       const char *dir)
{
    struct opr_vec args = {0};
    for (const struct opr_obj *v = opr_json_first(command); v; v = opr_json_next(v)) {
        opr_vec_push(&args, (char *)(uintptr_t)opr_json_str(v, "", ""));
    }
    opr_vec_push(&args, NULL);
    struct opr__runtime *rt = p->agent->runtime;
    const struct opr__exec_io nowhere = {-1, -1, -1, false, false};
    c->hook.pid = rt->exec(rt, dir, (char *const *)args.items, &nowhere);
    if (c->hook.pid <= 0) {
        snprintf(c->hook.why, sizeof c->hook.why, "the program can not be started");
    }
    opr_vec_fini(&args);
}

static struct sockaddr_in address_of(const struct opr__pod *p, const struct opr__container *c,
                                     const struct opr_obj *action)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    int port = opr__action_port(opr_json_at(c->spec, "/ports"), action);
    to.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, opr_json_str(action, "/host", p->ip[0] ? p->ip : "127.0.0.1"),
                  &to.sin_addr) != 1) {
        to.sin_port = 0;
    }
    return to;
}

static void begin_http(struct opr__pod *p, struct opr__container *c, const struct opr_obj *action)
{
    struct sockaddr_in to = address_of(p, c, action);
    struct opr__hook *h = &c->hook;
    if (strcmp(opr_json_str(action, "/scheme", "HTTP"), "HTTP") != 0) {
        snprintf(h->why, sizeof h->why, "the scheme HTTPS is not supported in a hook");
        return;
    }
    h->fd = to.sin_port ? socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    if (h->fd < 0 ||
        (connect(h->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)) {
        snprintf(h->why, sizeof h->why, "connect: %s",
                 to.sin_port ? strerror(errno) : "no such address or port");
    }
}

void opr__hook_begin(struct opr__pod *p, struct opr__container *c, const struct opr_obj *handler,
                     const char *dir)
{
    const struct opr_obj *action;
    opr__hook_end(c);
    if ((action = opr_json_at(handler, "/exec/command"))) {
        begin_exec(p, c, action, dir);
    } else if ((action = opr_json_at(handler, "/httpGet"))) {
        begin_http(p, c, action);
    } else if ((action = opr_json_at(handler, "/sleep"))) {
        uint64_t seconds = (uint64_t)opr_json_int(action, "/seconds", 0);
        c->hook.sleep_till_ns = opr__now_ns(p->agent) + seconds * 1000 * MS_NS;
    } else {
        snprintf(c->hook.why, sizeof c->hook.why, "a handler of this kind is not supported");
    }
}

static enum opr__hook_state poll_exec(struct opr__hook *h)
{
    int status = 0;
    pid_t pid = waitpid(h->pid, &status, WNOHANG);
    if (pid == 0) {
        return OPR__HOOK_RUNS;
    }
    h->pid = 0;
    bool is_ok = pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!is_ok) {
        snprintf(h->why, sizeof h->why, "the command ended with %d",
                 pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 128);
    }
    return is_ok ? OPR__HOOK_DONE : OPR__HOOK_FAILED;
}

static bool send_request(const struct opr__pod *p, struct opr__container *c,
                         const struct opr_obj *action)
{
    struct opr_buf request = {0};
    int err = 0;
    socklen_t len = sizeof err;
    (void)getsockopt(c->hook.fd, SOL_SOCKET, SO_ERROR, &err, &len);
    struct sockaddr_in to = address_of(p, c, action);
    char host[INET_ADDRSTRLEN] = "";
    (void)inet_ntop(AF_INET, &to.sin_addr, host, sizeof host);
    opr__probe_request(&request, action, host, ntohs(to.sin_port));
    errno = err;
    c->hook.is_sent =
        !err && send(c->hook.fd, request.data, request.len, MSG_NOSIGNAL) == (ssize_t)request.len;
    if (!c->hook.is_sent) {
        snprintf(c->hook.why, sizeof c->hook.why, "connect: %s", strerror(errno));
    }
    opr_buf_fini(&request);
    return c->hook.is_sent;
}

static enum opr__hook_state poll_http(const struct opr__pod *p, struct opr__container *c)
{
    struct opr__hook *h = &c->hook;
    const char *ptr =
        c->is_stopping ? "/lifecycle/preStop/httpGet" : "/lifecycle/postStart/httpGet";
    struct pollfd fd = {.fd = h->fd, .events = h->is_sent ? POLLIN : POLLOUT};
    if (poll(&fd, 1, 0) <= 0) {
        return OPR__HOOK_RUNS;
    }
    if (!h->is_sent) {
        return send_request(p, c, opr_json_at(c->spec, ptr)) ? OPR__HOOK_RUNS : OPR__HOOK_FAILED;
    }
    char answer[256];
    int code = 0;
    ssize_t n = recv(h->fd, answer, sizeof answer - 1, 0);
    answer[n > 0 ? n : 0] = 0;
    if (sscanf(answer, "HTTP/%*d.%*d %d", &code) == 1 && code >= 200 && code < 400) {
        return OPR__HOOK_DONE;
    }
    snprintf(h->why, sizeof h->why, "the answer's status is %d", code);
    return OPR__HOOK_FAILED;
}

enum opr__hook_state opr__hook_poll(struct opr__pod *p, struct opr__container *c)
{
    struct opr__hook *h = &c->hook;
    uint64_t now = opr__now_ns(p->agent);
    enum opr__hook_state state = h->why[0]                ? OPR__HOOK_FAILED
                                 : h->pid > 0             ? poll_exec(h)
                                 : h->fd >= 0             ? poll_http(p, c)
                                 : now < h->sleep_till_ns ? OPR__HOOK_RUNS
                                                          : OPR__HOOK_DONE;
    if (state == OPR__HOOK_RUNS) {
        opr__pod_wake(p,
                      h->sleep_till_ns > now ? h->sleep_till_ns : now + OPR__HOOK_POLL_MS * MS_NS);
    }
    return state;
}

void opr__hook_end(struct opr__container *c)
{
    if (c->hook.pid > 0) {
        (void)kill(c->hook.pid, SIGKILL);
        (void)waitpid(c->hook.pid, NULL, 0);
    }
    if (c->hook.fd >= 0) {
        close(c->hook.fd);
    }
    c->hook = (struct opr__hook){.fd = -1};
}
