/* Which container of a Pod a request means, and the way to the agent of its node. */
#include "apiserver/registry/api.h"

#include "core/base/str.h"

static const char *const lists[] = {"/spec/initContainers", "/spec/containers",
                                    "/spec/ephemeralContainers"};
#define LISTS (sizeof lists / sizeof *lists)

/* "[in a b]" */
static const char *names_of(struct opr_req *r, const struct opr_obj *pod)
{
    struct opr_buf b = {0};
    for (size_t i = 0; i < LISTS; i++) {
        const struct opr_obj *list = opr_json_at(pod, lists[i]);
        for (const struct opr_obj *c = opr_json_first(list); c; c = opr_json_next(c)) {
            opr_buf_printf(&b, "%s%s", b.len ? " " : "[", opr_json_str(c, "/name", ""));
        }
    }
    opr_buf_add_char(&b, ']');
    const char *text = opr_arena_dup(r->arena, opr_buf_str(&b));
    opr_buf_fini(&b);
    return text;
}

opr_status opr_pod_container(struct opr_req *r, const struct opr_obj *pod, const char **ret_name)
{
    const char *given = opr_api_query(r, "container");
    if (!given || !*given) {
        if (opr_json_len(opr_json_at(pod, "/spec/containers")) > 1) {
            return opr_api_fail(r, 400, "BadRequest",
                                "a container name must be specified for pod %s, choose one of: %s",
                                r->name, names_of(r, pod));
        }
        *ret_name = opr_json_str(pod, "/spec/containers/0/name", "");
        return OPR_OK;
    }
    for (size_t i = 0; i < LISTS; i++) {
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

/* "https://IP:PORT"; NULL: it has told no address. */
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

opr_status opr_agent_endpoint(struct opr_req *r, const char *node,
                              struct opr_endpoint **ret_endpoint, struct opr_error *reterr)
{
    struct opr_endpoint_config config = {
        .url = *node ? agent_url(r, node) : NULL,
        .ca_pem = r->api->pki.ca_cert,
        .client_cert_pem = r->api->pki.client_cert,
        .client_key_pem = r->api->pki.client_key,
        .user_agent = "operon-apiserver",
    };
    if (!config.url) {
        return OPR_E_NOT_FOUND;
    }
    return opr_endpoint_new(&config, ret_endpoint, reterr);
}
