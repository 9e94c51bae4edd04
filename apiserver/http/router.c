/* From a request's path to the verb that answers it. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/net/websocket.h"

#include <stdio.h>

static const char *next_part(struct opr_req *r, struct opr_str *rest)
{
    struct opr_str part;
    if (!opr_str_next(rest, '/', &part) || part.len == 0) {
        return NULL;
    }
    struct opr_str decoded = opr_url_decode(r->arena, part, false);
    return opr_arena_dup(r->arena, decoded);
}

/* "/api/v1/..." and "/apis/GROUP/VERSION/...". False: it is no resource's path. */
static bool parse_path(struct opr_req *r)
{
    struct opr_str rest = r->http->path;
    bool is_core = opr_str_starts(rest, "/api/");
    if (!is_core && !opr_str_starts(rest, "/apis/")) {
        return false;
    }
    size_t skip = is_core ? 5 : 6;
    rest = opr_str_n(rest.ptr + skip, rest.len - skip);
    const char *group = is_core ? "" : next_part(r, &rest);
    const char *version = next_part(r, &rest);
    const char *first = next_part(r, &rest);
    if (!group || !version || !first) {
        return false;
    }
    r->group = opr_str_of(group);
    r->version = opr_str_of(version);
    const char *second = next_part(r, &rest), *third = next_part(r, &rest);
    bool is_in_namespace = strcmp(first, "namespaces") == 0 && third &&
                           strcmp(third, "status") != 0 && strcmp(third, "finalize") != 0;
    if (is_in_namespace) {
        r->ns = second;
        r->plural = third;
        r->name = next_part(r, &rest);
        r->sub = next_part(r, &rest);
    } else {
        r->plural = first;
        r->name = second;
        r->sub = third;
    }
    r->rest = next_part(r, &rest);
    if (r->ns == NULL && is_core && strcmp(r->plural, "namespaces") == 0) {
        r->ns = r->name; /* RBAC: a namespace is authorized within itself */
    }
    return true;
}

static bool is_verb(const struct opr_req *r, const char *verb)
{
    return strcmp(r->verb, verb) == 0;
}

/* Whoever opens a stream into a container changes it, whatever the method is that WebSockets begin
 * with. */
static bool opens_stream(const struct opr_req *r)
{
    return r->sub && (strcmp(r->sub, "exec") == 0 || strcmp(r->sub, "attach") == 0) &&
           opr_ws_is_asked(r->http);
}

static void choose_verb(struct opr_req *r)
{
    struct opr_str method = r->http->method;
    bool is_named = r->name != NULL;
    r->verb = "get";
    if (!opr_str_is(method, "GET") && !opr_str_is(method, "HEAD")) {
        r->verb = "unknown"; /* unless it is one of these */
    }
    if (opr_str_is(method, "POST") || opens_stream(r)) {
        r->verb = "create";
    } else if (opr_str_is(method, "PUT")) {
        r->verb = "update";
    } else if (opr_str_is(method, "PATCH")) {
        r->verb = "patch";
    } else if (opr_str_is(method, "DELETE")) {
        r->verb = is_named ? "delete" : "deletecollection";
    } else if (is_verb(r, "get") && r->plural && opr_api_query_bool(r, "watch")) {
        r->verb = "watch";
    } else if (is_verb(r, "get") && r->plural && !is_named) {
        r->verb = "list";
    }
}

static void serve_subresource(struct opr_req *r)
{
    static const struct {
        const char *name, *verb; /* verb NULL: any */
        uint32_t flag;
        void (*serve)(struct opr_req *);
    } subs[] = {{"scale", NULL, OPR_SUB_SCALE, opr_api_scale},
                {"binding", "create", OPR_SUB_BINDING, opr_api_bind},
                {"eviction", "create", OPR_SUB_EVICTION, opr_api_evict},
                {"token", "create", OPR_SUB_TOKEN, opr_api_token},
                {"log", "get", OPR_SUB_LOG, opr_api_log},
                {"exec", "create", OPR_SUB_EXEC, opr_api_exec},
                {"exec", "get", OPR_SUB_EXEC, opr_api_exec},
                {"attach", "create", OPR_SUB_ATTACH, opr_api_exec},
                {"attach", "get", OPR_SUB_ATTACH, opr_api_exec},
                {"status", "get", OPR_SUB_STATUS, opr_api_get},
                {"status", "update", OPR_SUB_STATUS, opr_api_update},
                {"status", "patch", OPR_SUB_STATUS, opr_api_patch},
                {"finalize", "update", OPR_SUB_FINALIZE, opr_api_update}};
    bool is_known = false;
    for (size_t i = 0; i < sizeof subs / sizeof *subs; i++) {
        if (strcmp(r->sub, subs[i].name) != 0 || !(r->kind->subresources & subs[i].flag)) {
            continue;
        }
        is_known = true;
        if (!subs[i].verb || is_verb(r, subs[i].verb)) {
            subs[i].serve(r);
            return;
        }
    }
    if (is_known) {
        opr_api_method(r);
    } else {
        opr_api_unknown_resource(r);
    }
}

static void serve_object(struct opr_req *r)
{
    if (is_verb(r, "get")) {
        opr_api_get(r);
    } else if (is_verb(r, "update")) {
        opr_api_update(r);
    } else if (is_verb(r, "patch")) {
        opr_api_patch(r);
    } else if (is_verb(r, "delete")) {
        opr_api_delete(r);
    } else {
        opr_api_method(r);
    }
}

static void serve_collection(struct opr_req *r)
{
    if (is_verb(r, "list")) {
        opr_api_list(r);
    } else if (is_verb(r, "watch")) {
        opr_api_watch(r);
    } else if (is_verb(r, "create") && (!r->kind->is_namespaced || r->ns)) {
        opr_api_create(r);
    } else if (is_verb(r, "deletecollection") && !opr_kind_is(r->kind, "", "namespaces")) {
        opr_api_delete_collection(r);
    } else {
        opr_api_method(r);
    }
}

/* A watch of one object by its path is a watch of the collection with a field selector, which
 * stands first: one of the request's own must not lead to another object. */
static void watch_object(struct opr_req *r)
{
    struct opr_http_request *http = opr_arena_alloc(r->arena, sizeof *http);
    *http = *r->http;
    http->query = opr_str_of(opr_arena_printf(r->arena, "fieldSelector=metadata.name%%3D%s&%.*s",
                                              r->name, OPR_STR_ARG(r->http->query)));
    r->http = http;
    opr_api_watch(r);
}

/* A review has no metadata to make a table of. */
static void serve_review(struct opr_req *r)
{
    if (!is_verb(r, "create")) {
        opr_api_method(r);
    } else if (opr_form_is_table(r->form)) {
        opr_api_reject(r, 406, "NotAcceptable",
                       "only the following media types are accepted: application/json, "
                       "application/yaml, application/vnd.kubernetes.protobuf");
    } else if (opr_kind_is(r->kind, "", "bindings")) {
        r->kind = opr_kind_find(OPR_STR(""), OPR_STR("v1"), OPR_STR("pods"));
        r->plural = r->kind->plural;
        opr_api_bind(r);
    } else {
        opr_api_review(r);
    }
}

/* A name is one part of a path (apimachinery api/validation/path). NULL: it is. */
static const char *check_part(const char *name)
{
    return strcmp(name, ".") == 0    ? "may not be '.'"
           : strcmp(name, "..") == 0 ? "may not be '..'"
           : strchr(name, '/')       ? "may not contain '/'"
           : strchr(name, '%')       ? "may not contain '%'"
                                     : NULL;
}

static opr_status check_parts(struct opr_req *r)
{
    const char *parts[] = {r->ns, r->name};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *why = parts[i] ? check_part(parts[i]) : NULL;
        if (why) {
            return opr_api_fail(r, 400, "BadRequest", "Name%s parameter invalid: \"%s\": %s",
                                parts[i] == r->name ? "" : "space", parts[i], why);
        }
    }
    return OPR_OK;
}

/* A resource of the cluster below a namespace (a Role there must not lead to it), or an object of a
 * namespace beside it. A review is no object. */
static bool is_misplaced(const struct opr_req *r)
{
    return r->kind->is_namespaced ? !r->ns && r->name : r->ns != NULL;
}

static void serve_resource(struct opr_req *r)
{
    if (opr_samples_handles(r->group)) {
        opr_samples_serve(r);
        return;
    }
    r->kind = opr_api_find_kind(r->api, r->arena, r->group, r->version, opr_str_of(r->plural));
    if (!r->kind || !opr_kind_is_served(r->kind) || r->rest) {
        if (opr_api_has_group(r->api, r->arena, r->group, r->version)) {
            opr_api_unknown_resource(r);
        } else {
            opr_api_text(r, 404, "404 page not found\n");
        }
        return;
    }
    if (opr_kind_is(r->kind, "", "namespaces")) {
        r->ns = NULL;
    }
    if (is_misplaced(r)) {
        opr_api_unknown_resource(r);
        return;
    }
    if (opr_kind_is(r->kind, "", "endpoints")) {
        opr_api_warn(r, "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 "
                        "EndpointSlice");
    }
    if (check_parts(r) != OPR_OK || opr_node_admit(r) != OPR_OK) {
        return;
    }
    if (r->kind->is_virtual) {
        serve_review(r);
    } else if (r->sub) {
        serve_subresource(r);
    } else if (r->name && is_verb(r, "watch")) {
        watch_object(r);
    } else if (r->name) {
        serve_object(r);
    } else {
        serve_collection(r);
    }
}

static void serve_version(struct opr_req *r)
{
    struct json_object *d = json_object_new_object();
    opr_doc_put_str(d, "/major", "1");
    opr_doc_put_str(d, "/minor", "36");
    opr_doc_put_str(d, "/emulationMajor", "1");
    opr_doc_put_str(d, "/emulationMinor", "36");
    opr_doc_put_str(d, "/minCompatibilityMajor", "1");
    opr_doc_put_str(d, "/minCompatibilityMinor", "35");
    opr_doc_put_str(d, "/gitVersion", "v1.36.0+operon-" OPR_VERSION);
    opr_doc_put_str(d, "/gitCommit", "");
    opr_doc_put_str(d, "/gitTreeState", "");
    opr_doc_put_str(d, "/buildDate", "1970-01-01T00:00:00Z");
    opr_doc_put_str(d, "/goVersion", "");
    opr_doc_put_str(d, "/compiler", "gcc");
    opr_doc_put_str(d, "/platform", "linux/amd64");
    opr_api_json(r, 200, d);
}

static void serve_path(struct opr_req *r)
{
    struct opr_str path = r->http->path;
    while (path.len > 1 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    if (!opr_str_is(r->http->method, "GET") && !opr_str_is(r->http->method, "HEAD")) {
        opr_api_method(r);
    } else if (opr_api_is_health(path)) {
        opr_api_health(r, path);
    } else if (opr_str_is(path, "/")) {
        opr_api_paths(r);
    } else if (opr_str_is(path, "/version")) {
        serve_version(r);
    } else if (opr_str_is(path, "/metrics")) {
        opr_metrics_serve(r);
    } else if (opr_str_is(path, "/api") || opr_str_is(path, "/apis") ||
               opr_str_starts(path, "/api/") || opr_str_starts(path, "/apis/")) {
        opr_api_discovery(r, path);
    } else if (!opr_api_serves_openapi(r, path)) {
        opr_api_text(r, 404, "404 page not found\n");
    }
}

static opr_status check_access(struct opr_req *r)
{
    OPR_TRY(opr_authenticate(r));
    return opr_authorize(r);
}

void opr_api_handle(struct opr_http_handler *h, const struct opr_http_request *req,
                    struct opr_http_response *res)
{
    struct opr_apiserver *api = (struct opr_apiserver *)h;
    char audit[OPR_UUID_TEXT_MAX];
    struct opr_req r = {
        .api = api,
        .http = req,
        .res = res,
        .arena = req->arena,
        .group = {"", 0},
        .version = {"", 0},
        .strictness = OPR_STRICT_WARN,
        .now_ms = opr_clock_wall_ms(api->clock),
    };
    uint64_t begin_ns = opr_clock_mono_ns(api->clock);
    bool is_resource = parse_path(&r);
    choose_verb(&r);
    opr_uuid4(audit);
    opr_http_response_header(res, "Audit-Id",
                             opr_str_of(opr_arena_dup(req->arena, opr_str_of(audit))));
    opr_http_response_header(res, "Cache-Control", OPR_STR("no-cache, private"));
    bool is_open = !is_resource && opr_api_is_open(req->path);
    bool is_allowed = is_open || check_access(&r) == OPR_OK;
    if (is_allowed && !is_resource) {
        serve_path(&r);
    } else if (is_allowed && opr_api_negotiate(&r) == OPR_OK) {
        serve_resource(&r);
    }
    opr_api_finish_yaml(&r);
    opr_metrics_count(api->metrics, &r, opr_clock_mono_ns(api->clock) - begin_ns);
    opr_log(OPR_LOG_DEBUG, "apiserver", "request", "verb=%s path=%.*s user=%s status=%d", r.verb,
            OPR_STR_ARG(req->path), r.user.name ? r.user.name : "", res->status);
}
