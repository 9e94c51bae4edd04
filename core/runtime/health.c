/* /healthz, /readyz and /metrics on loopback, plain HTTP. Threads: loop; requests are answered on a
 * thread of their own. */
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/net/server.h"
#include "core/runtime/internal.h"

struct opr__health_server {
    struct opr_http_handler handler; /* first: the handler is the struct */
    struct opr_manager *m;
    struct opr_executor *executor; /* owned */
    struct opr_server *server;     /* owned */
};

static void answer_ready(const struct opr_manager *m, struct opr_http_response *res)
{
    if (opr_manager_is_ready(m)) {
        res->status = 200;
        opr_buf_add_text(&res->body, "ok");
        return;
    }
    res->status = 503;
    for (size_t i = 0; i < m->controllers.count; i++) {
        const struct opr__controller *c = m->controllers.items[i];
        if (!atomic_load(&c->is_ready)) {
            opr_buf_printf(&res->body, "controller %s waits for what it reads\n", c->decl.name);
        }
    }
}

static void handle(struct opr_http_handler *h, const struct opr_http_request *req,
                   struct opr_http_response *res)
{
    struct opr_manager *m = ((struct opr__health_server *)h)->m;
    const char *type = "text/plain; charset=utf-8";
    if (!opr_str_is(req->method, "GET") && !opr_str_is(req->method, "HEAD")) {
        res->status = 405;
        opr_buf_add_text(&res->body, "only GET\n");
    } else if (opr_str_is(req->path, "/healthz") || opr_str_is(req->path, "/livez")) {
        res->status = 200;
        opr_buf_add_text(&res->body, "ok");
    } else if (opr_str_is(req->path, "/readyz")) {
        answer_ready(m, res);
    } else if (opr_str_is(req->path, "/metrics")) {
        res->status = 200;
        type = "text/plain; version=0.0.4; charset=utf-8";
        opr_manager_metrics(m, &res->body);
    } else {
        res->status = 404;
        opr_buf_add_text(&res->body, "try /healthz, /readyz or /metrics\n");
    }
    opr_http_response_header(res, "Content-Type", opr_str_of(type));
}

struct opr__health_server *opr__health_server_new(struct opr_manager *m, uint16_t port)
{
    struct opr__health_server *h = opr_xalloc(sizeof *h);
    struct opr_error err = {0};
    h->handler.handle = handle;
    h->m = m;
    h->executor = opr_executor_pool_new("opr-health", 1);
    struct opr_server_config config = {
        .loop = m->config.loop,
        .executor = h->executor,
        .handler = &h->handler,
        .address = "127.0.0.1",
        .port = port,
        .max_connections = 64,
    };
    if (opr_server_new(&config, &h->server, &err) != OPR_OK) {
        opr_log(OPR_LOG_ERROR, "runtime", "health endpoints not served", "error=%s", err.message);
        opr__health_server_free(h);
        return NULL;
    }
    opr_log(OPR_LOG_INFO, "runtime", "health endpoints", "address=127.0.0.1:%u",
            opr_server_port(h->server));
    return h;
}

void opr__health_server_free(struct opr__health_server *h)
{
    if (!h) {
        return;
    }
    opr_executor_free(h->executor);
    opr_server_free(h->server);
    opr_free(h);
}
