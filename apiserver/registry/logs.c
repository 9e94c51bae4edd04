/* pods/log: asks the node agent over HTTPS and hands its text on. A followed log goes on as a
 * source; a thread of its own reads the agent for as long as somebody listens. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdio.h>

#define LOG_TIMEOUT_MS 20000

static const char *first_container(const struct opr_obj *pod)
{
    return opr_json_str(pod, "/spec/containers/0/name", "");
}

/* "a container name must be specified" where there are several and none is the default. */
static opr_status pick_container(struct opr_req *r, const struct opr_obj *pod,
                                 const char **ret_name)
{
    const char *given = opr_api_query(r, "container");
    static const char *const lists[] = {"/spec/containers", "/spec/initContainers"};
    if (!given || !*given) {
        if (opr_json_len(opr_json_at(pod, lists[0])) > 1) {
            return opr_api_fail(r, 400, "BadRequest",
                                "a container name must be specified for pod %s", r->name);
        }
        *ret_name = first_container(pod);
        return OPR_OK;
    }
    for (size_t i = 0; i < 2; i++) {
        const struct opr_obj *list = opr_json_at(pod, lists[i]);
        for (const struct opr_obj *c = opr_json_first(list); c; c = opr_json_next(c)) {
            if (strcmp(opr_json_str(c, "/name", ""), given) == 0) {
                *ret_name = given;
                return OPR_OK;
            }
        }
    }
    return opr_api_fail(r, 400, "BadRequest", "container %s is not valid for pod %s", given,
                        r->name);
}

/* "https://IP:PORT" of the agent of a node; NULL: it has told no address. */
static const char *agent_url(struct opr_req *r, const char *node_name)
{
    const struct opr_kind *kind = opr_kind_find(OPR_STR(""), OPR_STR("v1"), OPR_STR("nodes"));
    struct opr_obj *node = opr_store_get(r->api->store, opr_api_key(r->arena, kind, "", node_name));
    int64_t port = opr_json_int(node, "/status/daemonEndpoints/kubeletEndpoint/Port", 0);
    const char *url = NULL;
    const struct opr_obj *addresses = opr_json_at(node, "/status/addresses");
    for (const struct opr_obj *a = opr_json_first(addresses); a && port > 0 && !url;
         a = opr_json_next(a)) {
        if (strcmp(opr_json_str(a, "/type", ""), "InternalIP") == 0) {
            url = opr_arena_printf(r->arena, "https://%s:%lld", opr_json_str(a, "/address", ""),
                                   (long long)port);
        }
    }
    opr_json_unref(node);
    return url;
}

static const char *log_path(struct opr_req *r, const char *container)
{
    static const char *const passed[] = {"follow",     "tailLines",    "previous",
                                         "timestamps", "sinceSeconds", "limitBytes"};
    struct opr_buf path = {0};
    opr_buf_printf(&path, "/containerLogs/%s/%s/%s?", r->ns, r->name, container);
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        const char *value = opr_api_query(r, passed[i]);
        if (value) {
            opr_buf_printf(&path, "%s=", passed[i]);
            opr_url_encode(&path, opr_str_of(value));
            opr_buf_add_char(&path, '&');
        }
    }
    const char *text = opr_arena_dup(r->arena, opr_buf_str(&path));
    opr_buf_fini(&path);
    return text;
}

/* -- a followed log ---------------------------------------------------------------------------- */

struct follow {
    struct opr_http_source source; /* first member */
    pthread_t thread;
    struct opr_loop *loop;         /* of the thread */
    struct opr_endpoint *endpoint; /* ref */
    char *path;                    /* owned */
    struct opr_stream *stream;     /* loop thread only */
    pthread_mutex_t lock;          /* guards what follows */
    struct opr_buf text;
    struct opr_http_waker *waker;
    bool is_over;
};

static void tell(struct follow *f)
{
    if (f->waker) {
        f->waker->wake(f->waker);
    }
}

static void on_data(void *arg, struct opr_str data)
{
    struct follow *f = arg;
    pthread_mutex_lock(&f->lock);
    opr_buf_add_str(&f->text, data);
    tell(f);
    pthread_mutex_unlock(&f->lock);
}

static void on_end(void *arg, opr_status st, const struct opr_error *err)
{
    struct follow *f = arg;
    (void)err;
    (void)st; /* the log ends where the agent ends it */
    f->stream = NULL;
    pthread_mutex_lock(&f->lock);
    f->is_over = true;
    tell(f);
    pthread_mutex_unlock(&f->lock);
}

static void *run_follow(void *arg)
{
    static const struct opr_stream_handler handler = {NULL, on_data, on_end};
    struct follow *f = arg;
    struct opr_client_request req = {.method = "GET", .path_query = f->path, .accept = "*/*"};
    struct opr_streams *streams = opr_streams_new(f->loop, f->endpoint);
    f->stream = opr_stream_open(streams, &req, &handler, f);
    opr_loop_run(f->loop);
    opr_streams_free(streams);
    return NULL;
}

static opr_status pull(struct opr_http_source *s, struct opr_buf *out, size_t max)
{
    struct follow *f = (struct follow *)s;
    pthread_mutex_lock(&f->lock);
    size_t len = f->text.len < max ? f->text.len : max;
    opr_buf_add(out, f->text.data, len);
    opr_buf_consume(&f->text, len);
    opr_status st = f->is_over && len == 0 ? OPR_E_END : OPR_OK;
    pthread_mutex_unlock(&f->lock);
    return st;
}

static void attach(struct opr_http_source *s, struct opr_http_waker *waker)
{
    struct follow *f = (struct follow *)s;
    pthread_mutex_lock(&f->lock);
    f->waker = waker;
    pthread_mutex_unlock(&f->lock);
}

static void close_follow(struct opr_http_source *s)
{
    struct follow *f = (struct follow *)s;
    attach(s, NULL);
    opr_loop_stop(f->loop);
    pthread_join(f->thread, NULL);
    opr_loop_free(f->loop);
    opr_endpoint_unref(f->endpoint);
    opr_buf_fini(&f->text);
    opr_free(f->path);
    pthread_mutex_destroy(&f->lock);
    opr_free(f);
}

static void start_follow(struct opr_req *r, struct opr_endpoint *endpoint, const char *path)
{
    struct follow *f = opr_xalloc(sizeof *f);
    f->source = (struct opr_http_source){pull, attach, close_follow};
    f->loop = opr_loop_new();
    f->endpoint = opr_endpoint_ref(endpoint);
    f->path = opr_xstrdup(path);
    pthread_mutex_init(&f->lock, NULL);
    OPR_CHECK(pthread_create(&f->thread, NULL, run_follow, f) == 0);
    r->res->status = 200;
    r->res->source = &f->source;
    opr_api_header(r, "Content-Type", OPR_STR("text/plain"));
}

/* -- one answer -------------------------------------------------------------------------------- */

static void fetch(struct opr_req *r, struct opr_endpoint *endpoint, const char *path)
{
    struct opr_session *session = opr_session_new(endpoint);
    struct opr_client_request req = {
        .method = "GET", .path_query = path, .accept = "*/*", .timeout_ms = LOG_TIMEOUT_MS};
    struct opr_client_response res = {0};
    struct opr_error err = {0};
    if (opr_session_call(session, &req, &res, &err) != OPR_OK) {
        opr_api_fail(r, 500, NULL, "the node agent does not answer: %s", err.message);
    } else if (res.status != 200) {
        opr_api_fail(r, res.status == 404 ? 404 : 400,
                     res.status == 404 ? "NotFound" : "BadRequest", "%.*s",
                     OPR_STR_ARG(opr_str_trim(opr_buf_str(&res.body))));
    } else {
        r->res->status = 200;
        r->res->body = res.body;
        res.body = (struct opr_buf){0};
        opr_api_header(r, "Content-Type", OPR_STR("text/plain"));
    }
    opr_buf_fini(&res.body);
    opr_session_free(session);
}

static void serve(struct opr_req *r, const struct opr_obj *pod)
{
    const char *container = NULL;
    const char *node = opr_json_str(pod, "/spec/nodeName", "");
    if (pick_container(r, pod, &container) != OPR_OK) {
        return;
    }
    const char *url = *node ? agent_url(r, node) : NULL;
    if (!url) {
        opr_api_fail(r, 400, "BadRequest",
                     "container \"%s\" in pod \"%s\" is waiting to start: no node runs it yet",
                     container, r->name);
        return;
    }
    struct opr_endpoint_config config = {
        .url = url,
        .ca_pem = r->api->pki.ca_cert,
        .client_cert_pem = r->api->pki.client_cert,
        .client_key_pem = r->api->pki.client_key,
        .user_agent = "operon-apiserver",
    };
    struct opr_endpoint *endpoint = NULL;
    struct opr_error err = {0};
    if (opr_endpoint_new(&config, &endpoint, &err) != OPR_OK) {
        opr_api_fail(r, 500, NULL, "%s", err.message);
        return;
    }
    const char *path = log_path(r, container);
    if (opr_api_query_bool(r, "follow")) {
        start_follow(r, endpoint, path);
    } else {
        fetch(r, endpoint, path);
    }
    opr_endpoint_unref(endpoint);
}

void opr_api_log(struct opr_req *r)
{
    struct opr_obj *pod =
        opr_store_get(r->api->store, opr_api_key(r->arena, r->kind, r->ns, r->name));
    if (!pod) {
        opr_api_not_found(r, r->plural, r->name);
        return;
    }
    serve(r, pod);
    opr_json_unref(pod);
}
