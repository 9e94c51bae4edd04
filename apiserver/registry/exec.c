/* pods/exec and pods/attach: a WebSocket of the client's, handed through to the agent of the Pod's
 * node, which speaks the channels. SPDY/3.1, which kubectl up to 1.30 needs, is not served. */
#include "apiserver/registry/api.h"

#include "core/base/str.h"
#include "core/net/channel.h"
#include "core/net/relay.h"
#include "core/net/websocket.h"

/* The agent's path has the kubelet's form. */
static const char *agent_path(struct opr_req *r, const char *container)
{
    static const struct {
        const char *name, *agents_name;
    } flags[] = {{"stdin", "input"}, {"stdout", "output"}, {"stderr", "error"}, {"tty", "tty"}};
    struct opr_buf path = {0};
    struct opr_str rest = r->http->query, name, value;
    opr_buf_printf(&path, "/%s/%s/%s/%s?", r->sub, r->ns, r->name, container);
    while (opr_query_next(r->arena, &rest, &name, &value)) {
        if (opr_str_is(name, "command")) {
            opr_buf_add_text(&path, "command=");
            opr_url_encode(&path, value);
            opr_buf_add_char(&path, '&');
        }
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (opr_api_query_bool(r, flags[i].name)) {
            opr_buf_printf(&path, "%s=1&", flags[i].agents_name);
        }
    }
    const char *text = opr_arena_dup(r->arena, opr_buf_str(&path));
    opr_buf_fini(&path);
    return text;
}

/* Not before all else was checked: where a client goes back to SPDY, it shows this answer. */
static opr_status refuse_others(struct opr_req *r)
{
    if (opr_ws_is_asked(r->http)) {
        return OPR_OK;
    }
    struct opr_str upgrade = opr_http_request_header(r->http, "Upgrade");
    if (opr_str_starts(upgrade, "SPDY") || opr_str_starts(upgrade, "spdy")) {
        return opr_api_fail(r, 400, "BadRequest",
                            "SPDY is not served here: streams need a client that speaks WebSocket, "
                            "as kubectl 1.31 and later do");
    }
    return opr_api_fail(r, 400, "BadRequest", "Upgrade request required");
}

static void open_stream(struct opr_req *r, struct opr_endpoint *endpoint, const char *container)
{
    struct opr_buf farewell = {0}, failure = {0};
    struct opr_relay_request req = {.path_query = agent_path(r, container),
                                    .key = opr_http_request_header(r->http, "Sec-WebSocket-Key")};
    struct opr_error err = {0};
    if (opr_ws_handshake(r->http, opr_channel_protocols, r->res, &req.protocol, &err) != OPR_OK) {
        opr_api_fail(r, 400, "BadRequest", "%s", err.message);
        return;
    }
    opr_channel_add_failure(&farewell, "the node agent went away before the command's end");
    req.farewell = opr_buf_str(&farewell);
    /* The client has its WebSocket in any case; a failure is told there. */
    if (opr_relay_open(endpoint, &req, &r->res->source, &err) != OPR_OK) {
        opr_channel_add_failure(
            &failure, opr_arena_printf(r->arena, "error sending request: %s", err.message));
        r->res->source = opr_relay_say(opr_buf_str(&failure));
    }
    opr_buf_fini(&farewell);
    opr_buf_fini(&failure);
}

static void serve(struct opr_req *r, const struct opr_obj *pod)
{
    const char *container = NULL, *node = opr_json_str(pod, "/spec/nodeName", "");
    struct opr_endpoint *endpoint = NULL;
    struct opr_error err = {0};
    if (opr_pod_container(r, pod, &container) != OPR_OK) {
        return;
    }
    if (!*node) {
        opr_api_fail(r, 400, "BadRequest", "pod %s does not have a host assigned", r->name);
        return;
    }
    opr_status st = opr_agent_endpoint(r, node, &endpoint, &err);
    if (st == OPR_E_NOT_FOUND) {
        opr_api_not_found(r, r->plural, node); /* the real one calls it a pod, too */
    } else if (st != OPR_OK) {
        opr_api_fail(r, 500, NULL, "%s", err.message);
    } else if (refuse_others(r) == OPR_OK) {
        open_stream(r, endpoint, container);
    }
    opr_endpoint_unref(endpoint);
}

void opr_api_exec(struct opr_req *r)
{
    struct opr_obj *pod =
        opr_store_get(r->api->store, opr_api_key(r->arena, r->kind, r->ns, r->name));
    if (pod) {
        serve(r, pod);
        opr_json_unref(pod);
    } else {
        opr_api_not_found(r, r->plural, r->name);
    }
}
