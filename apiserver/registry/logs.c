/* pods/log: asks the node agent over HTTPS and hands its text on. A followed log goes on as a
 * source; a thread of its own reads the agent for as long as somebody listens. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdio.h>

#define LOG_TIMEOUT_MS 20000

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
    const char *since = opr_api_query(r, "sinceTime");
    int64_t at;
    if (since && opr_time_parse(opr_str_of(since), &at) == OPR_OK && at < r->now_ms) {
        opr_buf_printf(&path, "sinceSeconds=%lld&", (long long)((r->now_ms - at + 999) / 1000));
    }
    const char *text = opr_arena_dup(r->arena, opr_buf_str(&path));
    opr_buf_fini(&path);
    return text;
}

/* -- one answer -------------------------------------------------------------------------------- */

/* A refusal of the agent, in its own words. */
void opr_log_refuse(struct opr_req *r, int status, struct opr_str text)
{
    text = opr_str_trim(text);
    opr_api_fail(r, status == 404 ? 404 : 400, status == 404 ? "NotFound" : "BadRequest", "%.*s",
                 OPR_STR_ARG(text));
}

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
        opr_log_refuse(r, res.status, opr_buf_str(&res.body));
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
    struct opr_endpoint *endpoint = NULL;
    struct opr_error err = {0};
    if (opr_pod_container(r, pod, &container) != OPR_OK) {
        return;
    }
    const char *node = opr_json_str(pod, "/spec/nodeName", "");
    if (*node == '\0') { /* nothing has been written yet: as Kubernetes, no error */
        r->res->status = 200;
        opr_api_header(r, "Content-Type", OPR_STR("text/plain"));
        return;
    }
    opr_status st = opr_agent_endpoint(r, node, &endpoint, &err);
    if (st == OPR_E_NOT_FOUND) {
        opr_api_fail(r, 400, "BadRequest",
                     "container \"%s\" in pod \"%s\" is waiting to start: node \"%s\" has no agent",
                     container, r->name, node);
        return;
    }
    if (st != OPR_OK) {
        opr_api_fail(r, 500, NULL, "%s", err.message);
        return;
    }
    const char *path = log_path(r, container);
    if (opr_api_query_bool(r, "follow")) {
        opr_log_follow(r, endpoint, path);
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
