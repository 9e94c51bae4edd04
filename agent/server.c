/* The agent's own HTTPS server: logs and exec for the API server, health, metrics, the Pods it
 * knows. */
#include "agent/internal.h"

#include "agent/exec.h"
#include "agent/logs.h"
#include "agent/metrics.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define API_SERVER_CN "kube-apiserver-kubelet-client"
#define ADMIN_GROUP "system:masters"

static struct opr_agent *agent_of(struct opr_http_handler *h)
{
    return (struct opr_agent *)((char *)h - offsetof(struct opr_agent, handler));
}

OPR_PRINTF(3, 4)
static void answer(struct opr_http_response *res, int status, const char *fmt, ...)
{
    va_list args;
    char text[1024];
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    res->status = status;
    opr_http_response_header(res, "Content-Type", OPR_STR("text/plain; charset=utf-8"));
    opr_buf_add_text(&res->body, text);
}

/* The API server and administrators; other certificates of the same authority (users, nodes) are
 * for the API server, which checks what they may see. */
static bool is_allowed(const struct opr_http_peer *peer)
{
    if (opr_str_is(peer->cert_cn, API_SERVER_CN)) {
        return true;
    }
    for (size_t i = 0; i < peer->n_cert_orgs; i++) {
        if (opr_str_is(peer->cert_orgs[i], ADMIN_GROUP)) {
            return true;
        }
    }
    return false;
}

/* Folder of a Pod by its name; NULL: it is not one of ours. */
static char *find_pod(struct opr_agent *a, struct opr_arena *arena, const char *ns,
                      const char *name)
{
    struct opr_obj *obj = a->is_watching ? opr_informer_get(a->pods_informer, ns, name) : NULL;
    char *dir = NULL;
    if (obj) {
        dir = opr_arena_printf(arena, "%s/pods/%s", a->config.dir, opr_meta_uid(obj));
        opr_json_unref(obj);
    }
    return dir;
}

/* Number of the last run of a container, or of the one before; -1: none. */
static int64_t find_attempt(const char *pod_dir, const char *container, bool is_previous)
{
    int64_t last = -1;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/containers/%s", pod_dir, container);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        int64_t number;
        if (opr_str_to_i64(opr_str_of(e->d_name), &number) == OPR_OK && number > last) {
            last = number;
        }
    }
    if (d) {
        closedir(d);
    }
    return is_previous && last >= 0 ? last - 1 : last;
}

static bool flag_of(const struct opr_http_request *req, const char *name)
{
    struct opr_str text = opr_query_get(req->arena, req->query, name);
    return opr_str_is(text, "true") || opr_str_is(text, "1");
}

static int64_t number_of(const struct opr_http_request *req, const char *name)
{
    int64_t value;
    struct opr_str text = opr_query_get(req->arena, req->query, name);
    return text.ptr && opr_str_to_i64(text, &value) == OPR_OK && value >= 0 ? value : -1;
}

static void read_options(struct opr_agent *a, const struct opr_http_request *req,
                         struct opr__log_options *o)
{
    *o = (struct opr__log_options){.is_followed = flag_of(req, "follow"),
                                   .has_times = flag_of(req, "timestamps"),
                                   .tail_lines = number_of(req, "tailLines"),
                                   .limit_bytes = number_of(req, "limitBytes")};
    int64_t seconds = number_of(req, "sinceSeconds"), since_ms = 0;
    struct opr_str time = opr_query_get(req->arena, req->query, "sinceTime");
    if (seconds >= 0) {
        since_ms = opr_clock_wall_ms(a->clock) - seconds * 1000;
    } else if (!time.ptr || opr_time_parse(time, &since_ms) != OPR_OK) {
        return;
    }
    char text[OPR_TIME_TEXT_MAX];
    opr_time_format_micro(since_ms, text);
    /* The records have nine digits; six and three zeros compare with them as text. */
    snprintf(o->since, sizeof o->since, "%.*s000Z", (int)strlen(text) - 1, text);
}

/* What a path names. Strings are in the request's arena. */
struct target {
    const char *pod, *container;
    char *dir; /* of the Pod */
};

/* rest: "NAMESPACE/POD/CONTAINER". False: it is answered. */
static bool find_target(struct opr_agent *a, const struct opr_http_request *req,
                        struct opr_http_response *res, struct opr_str rest, struct target *ret)
{
    struct opr_str parts[3] = {{0}};
    for (size_t i = 0; i < 3; i++) {
        struct opr_str part = {0};
        (void)opr_str_next(&rest, '/', &part);
        parts[i] = opr_url_decode(req->arena, part, false);
        if (parts[i].len == 0 || memchr(parts[i].ptr, '/', parts[i].len) ||
            parts[i].ptr[0] == '.') {
            answer(res, 400, "the path ends with /NAMESPACE/POD/CONTAINER\n");
            return false;
        }
    }
    const char *ns = opr_arena_dup(req->arena, parts[0]);
    ret->pod = opr_arena_dup(req->arena, parts[1]);
    ret->container = opr_arena_dup(req->arena, parts[2]);
    ret->dir = find_pod(a, req->arena, ns, ret->pod);
    if (!ret->dir) {
        answer(res, 404, "pod \"%s\" not found\n", ret->pod);
    }
    return ret->dir != NULL;
}

static char *run_of(const struct target *t, struct opr_arena *arena, int64_t attempt)
{
    return opr_arena_printf(arena, "%s/containers/%s/%lld", t->dir, t->container,
                            (long long)attempt);
}

static void serve_logs(struct opr_agent *a, const struct opr_http_request *req,
                       struct opr_http_response *res, struct opr_str rest)
{
    struct target t;
    struct opr__log_options options;
    if (!find_target(a, req, res, rest, &t)) {
        return;
    }
    read_options(a, req, &options);
    bool is_previous = flag_of(req, "previous");
    int64_t attempt = find_attempt(t.dir, t.container, is_previous);
    char *run = run_of(&t, req->arena, attempt);
    if (attempt < 0 || opr__logs_open(a, run, &options, &res->source) != OPR_OK) {
        answer(res, 400,
               is_previous
                   ? "previous terminated container \"%s\" in pod \"%s\" not found\n"
                   : "container \"%s\" in pod \"%s\" is waiting to start: ContainerCreating\n",
               t.container, t.pod);
        return;
    }
    res->status = 200;
    opr_http_response_header(res, "Content-Type", OPR_STR("text/plain; charset=utf-8"));
}

static void serve_exec(struct opr_agent *a, const struct opr_http_request *req,
                       struct opr_http_response *res, struct opr_str rest)
{
    struct target t;
    struct opr__run run = {0};
    if (!find_target(a, req, res, rest, &t)) {
        return;
    }
    char *dir = run_of(&t, req->arena, find_attempt(t.dir, t.container, false));
    if (a->runtime) {
        a->runtime->look(a->runtime, dir, &run);
    }
    opr__exec_serve(a, req, res, t.container, run.phase == OPR__RUN_RUNNING ? dir : NULL);
}

static void serve_pods(struct opr_agent *a, const struct opr_http_request *req,
                       struct opr_http_response *res)
{
    const struct opr_obj *const *objs = NULL;
    uint32_t count = 0;
    if (a->is_watching && opr_informer_list(a->pods_informer, req->arena, NULL, NULL, NULL, &objs,
                                            &count) != OPR_OK) {
        count = 0;
    }
    opr_buf_add_text(&res->body, "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},"
                                 "\"items\":[");
    for (uint32_t i = 0; i < count; i++) {
        opr_buf_add_text(&res->body, i ? "," : "");
        opr_json_write(&res->body, objs[i]);
    }
    opr_buf_add_text(&res->body, "]}\n");
    res->status = 200;
    opr_http_response_header(res, "Content-Type", OPR_STR("application/json"));
}

static void add_counter(struct opr_buf *b, const char *name, const char *help, uint64_t value)
{
    opr_buf_printf(b, "# HELP %s %s\n# TYPE %s counter\n%s %llu\n", name, help, name, name,
                   (unsigned long long)value);
}

static void serve_metrics(struct opr_agent *a, struct opr_http_response *res)
{
    struct opr_buf *b = &res->body;
    opr_buf_printf(b,
                   "# HELP operon_agent_pods Pods that the agent looks after.\n"
                   "# TYPE operon_agent_pods gauge\noperon_agent_pods %u\n",
                   a->pod_count);
    add_counter(b, "operon_agent_container_starts_total", "Containers started.", a->starts);
    add_counter(b, "operon_agent_container_restarts_total", "Containers started again.",
                a->restarts);
    add_counter(b, "operon_agent_differences_total",
                "Differences that the periodic comparison found.", a->differences);
    add_counter(b, "operon_agent_status_writes_total", "Pod status writes.", a->status_writes);
    if (a->metrics) {
        opr__metrics_text(a->metrics, b);
    }
    res->status = 200;
    opr_http_response_header(res, "Content-Type", OPR_STR("text/plain; version=0.0.4"));
}

static void handle(struct opr_http_handler *h, const struct opr_http_request *req,
                   struct opr_http_response *res)
{
    static const struct opr_str logs = {"/containerLogs/", sizeof "/containerLogs/" - 1};
    static const struct opr_str exec = {"/exec/", sizeof "/exec/" - 1};
    static const struct opr_str attach = {"/attach/", sizeof "/attach/" - 1};
    struct opr_agent *a = agent_of(h);
    if (opr_str_is(req->path, "/healthz")) {
        answer(res, 200, "ok");
    } else if (!is_allowed(&req->peer)) {
        answer(res, req->peer.cert_cn.ptr ? 403 : 401, "%s\n",
               req->peer.cert_cn.ptr ? "Forbidden" : "Unauthorized");
    } else if (!opr_str_is(req->method, "GET")) {
        answer(res, 405, "only GET\n");
    } else if (opr_str_starts(req->path, logs.ptr)) {
        serve_logs(a, req, res, opr_str_n(req->path.ptr + logs.len, req->path.len - logs.len));
    } else if (opr_str_starts(req->path, exec.ptr)) {
        serve_exec(a, req, res, opr_str_n(req->path.ptr + exec.len, req->path.len - exec.len));
    } else if (opr_str_starts(req->path, attach.ptr)) {
        serve_exec(a, req, res, opr_str_n(req->path.ptr + attach.len, req->path.len - attach.len));
    } else if (opr_str_is(req->path, "/pods")) {
        serve_pods(a, req, res);
    } else if (opr_str_is(req->path, "/metrics")) {
        serve_metrics(a, res);
    } else {
        answer(res, 404, "404 page not found\n");
    }
}

opr_status opr__server_start(struct opr_agent *a, struct opr_error *reterr)
{
    a->handler.handle = handle;
    a->follows = opr__follows_new(a);
    struct opr_server_config config = {.loop = a->loop,
                                       .executor = a->workers,
                                       .handler = &a->handler,
                                       .address = "127.0.0.1",
                                       .cert_pem = a->config.cert_pem,
                                       .key_pem = a->config.key_pem,
                                       .client_ca_pem = a->config.client_ca_pem,
                                       .max_connections = 256};
    opr_status st = opr_server_new(&config, &a->server, reterr);
    if (st == OPR_OK) {
        a->port = opr_server_port(a->server);
    }
    return st;
}

void opr__server_free(struct opr_agent *a)
{
    opr_server_free(a->server);
    a->server = NULL;
    opr__follows_free(a->follows);
    a->follows = NULL;
}
