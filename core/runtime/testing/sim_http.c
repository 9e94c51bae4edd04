/* From a request to a verb, and from its answer to bytes. */
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/net/http.h"
#include "core/runtime/testing/sim.h"

#include <stdio.h>

static void write_status(const struct sim_answer *answer, struct opr_buf *out)
{
    opr_buf_add_text(out, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
                          "\"status\":\"Failure\",\"message\":");
    opr_buf_add_json(out, opr_str_of(answer->message));
    opr_buf_add_text(out, ",\"reason\":");
    opr_buf_add_json(out, opr_str_of(answer->reason));
    if (answer->cause) {
        opr_buf_printf(out, ",\"details\":{\"causes\":[{\"reason\":\"%s\"}]}", answer->cause);
    }
    opr_buf_printf(out, ",\"code\":%d}", answer->code);
}

/* List items have no apiVersion and kind, as the real server's have none. */
static void write_item(struct opr_buf *out, const struct opr_obj *o)
{
    struct json_object *doc = opr_doc_from_obj(o);
    json_object_object_del(doc, "apiVersion");
    json_object_object_del(doc, "kind");
    opr_doc_write(out, doc);
    json_object_put(doc);
}

static void write_list(struct sim *s, const struct sim_query *q, struct opr_buf *out)
{
    const struct sim_kind *k = q->kind;
    opr_buf_printf(out,
                   "{\"kind\":\"%sList\",\"apiVersion\":\"%s%s%s\",\"metadata\":{"
                   "\"resourceVersion\":\"%llu\"},\"items\":[",
                   k->kind, k->group, *k->group ? "/" : "", k->version, (unsigned long long)s->rv);
    bool is_first = true;
    for (size_t i = 0; i < k->objects.count; i++) {
        const struct opr_obj *o = k->objects.items[i];
        if (sim_query_selects(q, o)) {
            opr_buf_add_text(out, is_first ? "" : ",");
            write_item(out, o);
            is_first = false;
        }
    }
    opr_buf_add_text(out, "]}");
}

/* Deletes everything that a list names. */
static void delete_all(struct sim *s, const struct sim_query *q, struct json_object *options,
                       struct opr_buf *out)
{
    struct opr_vec chosen = {0};
    for (size_t i = 0; i < q->kind->objects.count; i++) {
        struct opr_obj *o = q->kind->objects.items[i];
        if (sim_query_selects(q, o)) {
            opr_vec_push(&chosen, opr_json_ref(o));
        }
    }
    for (size_t i = 0; i < chosen.count; i++) {
        struct opr_obj *o = chosen.items[i];
        struct sim_answer answer = {0};
        sim_delete(s, q->kind, opr_meta_ns(o), opr_meta_name(o), options, &answer);
        opr_json_unref(answer.obj);
        opr_json_unref(o);
    }
    opr_vec_fini(&chosen);
    write_list(s, q, out);
}

static const char *verb_of(const char *method, const struct sim_query *q)
{
    if (strcmp(method, "GET") == 0) {
        return q->name ? "get" : "list";
    }
    if (strcmp(method, "POST") == 0) {
        return "create";
    }
    if (strcmp(method, "PUT") == 0) {
        return "update";
    }
    return strcmp(method, "PATCH") == 0 ? "patch" : "delete";
}

static void count_write(struct sim *s, const char *verb, const struct sim_kind *k)
{
    if (strcmp(verb, "get") == 0 || strcmp(verb, "list") == 0) {
        return;
    }
    char *key = opr_xprintf("%s %s", verb, k->gvk);
    uintptr_t count = (uintptr_t)opr_map_get(s->writes, opr_str_of(key));
    (void)opr_map_put(s->writes, opr_str_of(key), (void *)(count + 1)); /* no owned value */
    opr_free(key);
}

/* A failure that the test asked for; Events are not part of what it tests. */
int sim_planned_failure(struct sim *s, const char *verb, const struct sim_kind *k)
{
    bool is_any = strcmp(verb, "watch") != 0; /* a test that fails requests means no watches */
    for (size_t i = 0; i < s->failures.count && strcmp(k->kind, "Event") != 0; i++) {
        struct sim_failure *f = s->failures.items[i];
        bool is_meant = strcmp(f->verb, verb) == 0 || (is_any && strcmp(f->verb, "*") == 0);
        if (f->left > 0 && is_meant) {
            f->left--;
            return f->http_status;
        }
    }
    return 0;
}

static void post(struct sim *s, const struct sim_query *q, struct json_object *doc,
                 struct sim_answer *ret)
{
    const char *ns = q->ns ? q->ns : "";
    if (!q->name) {
        sim_create(s, q->kind, ns, doc, false, ret);
    } else if (q->sub && strcmp(q->sub, "binding") == 0) {
        sim_bind(s, q->kind, ns, q->name, doc, ret);
    } else if (q->sub && strcmp(q->sub, "eviction") == 0) {
        sim_delete(s, q->kind, ns, q->name, NULL, ret);
    } else {
        sim_refuse(ret, 405, "MethodNotAllowed",
                   "the server does not allow this method on the requested resource");
    }
}

static void get(struct sim *s, const struct sim_query *q, struct sim_answer *ret)
{
    (void)s;
    struct opr_obj *o = sim_get(q->kind, q->ns, q->name);
    if (!o) {
        sim_refuse(ret, 404, "NotFound", "%s \"%s\" not found", q->kind->plural, q->name);
        return;
    }
    ret->code = 200;
    ret->obj = q->sub && strcmp(q->sub, "scale") == 0 ? sim_scale_of(o) : opr_json_ref(o);
}

static void run_verb(struct sim *s, const struct sim_query *q, const struct opr_client_request *req,
                     struct json_object *doc, struct sim_answer *ret)
{
    const char *method = req->method, *ns = q->ns ? q->ns : "";
    if (strcmp(method, "GET") == 0) {
        get(s, q, ret);
    } else if (strcmp(method, "POST") == 0) {
        post(s, q, doc, ret);
    } else if (strcmp(method, "PUT") == 0) {
        sim_update(s, q->kind, ns, q->name, q->sub, doc, false, ret);
    } else if (strcmp(method, "PATCH") == 0) {
        sim_patch(s, q->kind, ns, q->name, q->sub, req->content_type ? req->content_type : "", doc,
                  ret);
    } else {
        sim_delete(s, q->kind, ns, q->name, doc, ret);
    }
}

static void finish(struct sim_answer *answer, struct opr_client_response *res)
{
    res->status = answer->code;
    if (answer->obj) {
        opr_json_write(&res->body, answer->obj);
    } else {
        write_status(answer, &res->body);
    }
    opr_json_unref(answer->obj);
}

/* "/api/v1", "/apis/apps", "/apis/apps/v1". */
static bool discovery_of(struct sim *s, struct opr_str path, struct opr_client_response *res)
{
    struct opr_str root, part, group = OPR_STR(""), version = OPR_STR("");
    path.ptr++;
    path.len--;
    bool is_core = opr_str_next(&path, '/', &root) && opr_str_is(root, "api");
    if (!is_core && !opr_str_is(root, "apis")) {
        return false;
    }
    bool has_first = opr_str_next(&path, '/', is_core ? &version : &group);
    if (!is_core) {
        (void)opr_str_next(&path, '/', &version); /* a group alone is asked for its versions */
    }
    if (!has_first || opr_str_next(&path, '/', &part)) {
        return false;
    }
    res->status = 200;
    return sim_discovery_of(s, group, version, &res->body);
}

/* True where the path is one of discovery's. */
static bool discovery(struct sim *s, const char *path, struct opr_client_response *res)
{
    bool is_core = strcmp(path, "/api") == 0;
    if (!is_core && strcmp(path, "/apis") != 0) {
        return discovery_of(s, opr_str_of(path), res);
    }
    res->status = 200;
    sim_discovery(s, is_core, &res->body);
    return true;
}

static const char *reason_of(int code)
{
    static const struct {
        int code;
        const char *reason;
    } reasons[] = {{400, "BadRequest"},    {401, "Unauthorized"},
                   {403, "Forbidden"},     {404, "NotFound"},
                   {409, "Conflict"},      {410, "Expired"},
                   {422, "Invalid"},       {429, "TooManyRequests"},
                   {500, "InternalError"}, {503, "ServiceUnavailable"},
                   {504, "Timeout"}};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].code == code) {
            return reasons[i].reason;
        }
    }
    return "";
}

void sim_answer_failure(int code, struct opr_client_response *res)
{
    struct sim_answer answer = {0};
    sim_refuse(&answer, code, reason_of(code), "the test asked for a failure");
    finish(&answer, res);
}

/* Counts the writes down to the crash that the test asked for. True: this is the one. */
static bool is_crash(struct sim *s, const char *verb, const struct sim_kind *k)
{
    bool is_read = strcmp(verb, "get") == 0 || strcmp(verb, "list") == 0;
    if (is_read || s->crash_in == 0 || strcmp(k->kind, "Event") == 0) {
        return false;
    }
    s->is_client_crashed = --s->crash_in == 0;
    return s->is_client_crashed;
}

static void handle_query(struct sim *s, const struct sim_query *q,
                         const struct opr_client_request *req, struct opr_client_response *res)
{
    struct sim_answer answer = {0};
    const char *verb = verb_of(req->method, q);
    if (is_crash(s, verb, q->kind) && !s->is_crash_after) {
        return;
    }
    struct json_object *doc = NULL;
    int failure = sim_planned_failure(s, verb, q->kind);
    if (failure) {
        sim_answer_failure(failure, res);
        return;
    }
    if (req->body.len > 0 && opr_doc_parse(req->body, &doc, NULL) != OPR_OK) {
        sim_refuse(&answer, 400, "BadRequest", "the body is not JSON");
    } else if (!q->name && strcmp(verb, "list") == 0) {
        res->status = 200;
        write_list(s, q, &res->body);
        return;
    } else if (!q->name && strcmp(verb, "delete") == 0) {
        count_write(s, verb, q->kind);
        res->status = 200;
        delete_all(s, q, doc, &res->body);
        json_object_put(doc);
        return;
    } else {
        run_verb(s, q, req, doc, &answer);
    }
    json_object_put(doc);
    if (answer.code < 300) {
        count_write(s, verb, q->kind);
    }
    finish(&answer, res);
}

bool sim_handle(struct sim *s, const struct opr_client_request *req,
                struct opr_client_response *res)
{
    if (s->is_client_crashed) {
        return false;
    }
    if (discovery(s, req->path_query, res)) {
        return true;
    }
    struct opr_arena *a = opr_arena_new();
    struct sim_query q;
    if (sim_query_parse(s, a, req->path_query, &q)) {
        handle_query(s, &q, req, res);
    } else {
        struct sim_answer answer = {0};
        sim_refuse(&answer, 404, "NotFound", "the server could not find the requested resource");
        finish(&answer, res);
    }
    opr_arena_free(a);
    return !s->is_client_crashed;
}
