/* Failure and success answers, worded as Kubernetes words them. */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdarg.h>

struct json_object *opr_status_doc(int code, const char *reason, const char *message)
{
    struct json_object *d = json_object_new_object();
    json_object_object_add(d, "kind", json_object_new_string("Status"));
    json_object_object_add(d, "apiVersion", json_object_new_string("v1"));
    json_object_object_add(d, "metadata", json_object_new_object());
    json_object_object_add(d, "status", json_object_new_string("Failure"));
    json_object_object_add(d, "message", json_object_new_string(message));
    if (reason) {
        json_object_object_add(d, "reason", json_object_new_string(reason));
    }
    json_object_object_add(d, "code", json_object_new_int(code));
    return d;
}

void opr_api_header(struct opr_req *r, const char *name, struct opr_str value)
{
    for (size_t i = 0; i < r->res->n_headers; i++) {
        if (opr_str_is(r->res->headers[i].name, name)) {
            r->res->headers[i].value = value;
            return;
        }
    }
    opr_http_response_header(r->res, name, value);
}

void opr_api_json(struct opr_req *r, int code, struct json_object *take_doc)
{
    r->res->status = code;
    opr_buf_clear(&r->res->body);
    opr_doc_write(&r->res->body, take_doc);
    opr_api_header(r, "Content-Type", OPR_STR("application/json"));
    json_object_put(take_doc);
}

void opr_api_text(struct opr_req *r, int code, const char *text)
{
    r->res->status = code;
    opr_buf_clear(&r->res->body);
    opr_buf_add_text(&r->res->body, text);
    opr_api_header(r, "Content-Type", OPR_STR("text/plain; charset=utf-8"));
}

static opr_status answer(struct opr_req *r, int code, const char *reason, const char *message,
                         struct json_object *take_details)
{
    struct json_object *d = opr_status_doc(code, reason, message);
    if (take_details) {
        json_object_object_del(d, "code");
        json_object_object_add(d, "details", take_details);
        json_object_object_add(d, "code", json_object_new_int(code));
    }
    opr_api_json(r, code, d);
    return OPR_E_INVALID;
}

opr_status opr_api_fail(struct opr_req *r, int code, const char *reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *message = opr_arena_vprintf(r->arena, fmt, args);
    va_end(args);
    return answer(r, code, reason, message, NULL);
}

static struct json_object *details_of(const char *name, struct opr_str group, const char *kind)
{
    struct json_object *d = json_object_new_object();
    if (name && *name) {
        json_object_object_add(d, "name", json_object_new_string(name));
    }
    if (group.len > 0) {
        json_object_object_add(d, "group", json_object_new_string_len(group.ptr, (int)group.len));
    }
    if (kind && *kind) {
        json_object_object_add(d, "kind", json_object_new_string(kind));
    }
    return d;
}

opr_status opr_api_refuse(struct opr_req *r, int code, const char *reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *message = opr_arena_vprintf(r->arena, fmt, args);
    va_end(args);
    return answer(r, code, reason, message, details_of(r->name, r->group, r->plural));
}

opr_status opr_api_refuse_kind(struct opr_req *r, int code, const char *reason, const char *fmt,
                               ...)
{
    va_list args;
    va_start(args, fmt);
    const char *message = opr_arena_vprintf(r->arena, fmt, args);
    va_end(args);
    return answer(r, code, reason, message, details_of(r->name, r->group, r->kind->kind));
}

/* "deployments.apps". */
static const char *qualified(struct opr_req *r)
{
    return r->group.len > 0
               ? opr_arena_printf(r->arena, "%s.%.*s", r->plural, OPR_STR_ARG(r->group))
               : r->plural;
}

opr_status opr_api_not_found(struct opr_req *r, const char *plural, const char *name)
{
    const char *what = strcmp(plural, r->plural ? r->plural : "") == 0 ? qualified(r) : plural;
    struct opr_str group = what == plural && plural != r->plural ? opr_str_n("", 0) : r->group;
    return answer(r, 404, "NotFound", opr_arena_printf(r->arena, "%s \"%s\" not found", what, name),
                  details_of(name, group, plural));
}

opr_status opr_api_conflict(struct opr_req *r)
{
    return opr_api_refuse(r, 409, "Conflict",
                          "Operation cannot be fulfilled on %s \"%s\": the object has been "
                          "modified; please apply your changes to the latest version and try again",
                          qualified(r), r->name);
}

opr_status opr_api_reject(struct opr_req *r, int code, const char *reason, const char *message)
{
    return answer(r, code, reason, message, json_object_new_object());
}

opr_status opr_api_unknown_resource(struct opr_req *r)
{
    return opr_api_reject(r, 404, "NotFound", "the server could not find the requested resource");
}

opr_status opr_api_method(struct opr_req *r)
{
    return opr_api_reject(r, 405, "MethodNotAllowed",
                          "the server does not allow this method on the requested resource");
}

static const char *joined(struct opr_req *r, const struct opr_field_errors *errors)
{
    struct opr_buf text = {0};
    for (size_t i = 0; i < errors->count; i++) {
        opr_buf_printf(&text, "%s%s: %s", i > 0 ? ", " : "", errors->items[i].field,
                       errors->items[i].message);
    }
    const char *all = errors->count == 1 ? opr_arena_dup(r->arena, opr_buf_str(&text))
                                         : opr_arena_printf(r->arena, "[%s]", text.data);
    opr_buf_fini(&text);
    return all;
}

opr_status opr_api_invalid(struct opr_req *r, const struct opr_kind *kind, const char *name,
                           const struct opr_field_errors *errors)
{
    struct json_object *details = details_of(name, opr_str_of(kind->group), kind->kind);
    struct json_object *causes = json_object_new_array();
    for (size_t i = 0; i < errors->count; i++) {
        struct json_object *c = json_object_new_object();
        json_object_object_add(c, "reason", json_object_new_string(errors->items[i].reason));
        json_object_object_add(c, "message", json_object_new_string(errors->items[i].message));
        json_object_object_add(c, "field", json_object_new_string(errors->items[i].field));
        json_object_array_add(causes, c);
    }
    json_object_object_add(details, "causes", causes);
    const char *message =
        opr_arena_printf(r->arena, "%s%s%s \"%s\" is invalid: %s", kind->kind,
                         *kind->group ? "." : "", kind->group, name, joined(r, errors));
    return answer(r, 422, "Invalid", message, details);
}

opr_status opr_api_bad_option(struct opr_req *r, const char *options, const char *reason,
                              const char *field, const char *message)
{
    struct opr_kind kind = {.group = "meta.k8s.io", .kind = options};
    struct opr_field_error item = {reason, field, message};
    struct opr_field_errors errors = {.arena = r->arena, .items = &item, .count = 1};
    return opr_api_invalid(r, &kind, "", &errors);
}

static opr_status exists(struct opr_req *r)
{
    const char *name = r->name ? r->name : "";
    struct opr_obj *there =
        opr_store_get(r->api->store, opr_api_key(r->arena, r->kind, r->ns, name));
    const char *ending = opr_meta_is_deleting(there) ? "object is being deleted: " : "";
    opr_json_unref(there);
    return opr_api_refuse(r, 409, "AlreadyExists", "%s%s \"%s\" already exists", ending,
                          qualified(r), name);
}

opr_status opr_api_store_failure(struct opr_req *r, opr_status st, const struct opr_error *err)
{
    switch (st) {
    case OPR_E_NOT_FOUND:
        return opr_api_not_found(r, r->plural, r->name ? r->name : "");
    case OPR_E_CONFLICT:
        return opr_api_conflict(r);
    case OPR_E_EXISTS:
        return exists(r);
    default:
        return opr_api_fail(r, 500, "InternalError", "Internal error occurred: %s", err->message);
    }
}

void opr_api_add_cause(struct opr_req *r, const char *reason, const char *message,
                       const char *field)
{
    struct json_object *d = NULL;
    if (opr_doc_parse(opr_buf_str(&r->res->body), &d, NULL) != OPR_OK) {
        return;
    }
    struct json_object *c = json_object_new_object();
    json_object_object_add(c, "reason", json_object_new_string(reason));
    json_object_object_add(c, "message", json_object_new_string(message));
    if (field) {
        json_object_object_add(c, "field", json_object_new_string(field));
    }
    (void)!opr_doc_put(d, "/details/causes/-", c); /* details is an object of ours */
    opr_buf_clear(&r->res->body);
    opr_doc_write(&r->res->body, d);
    json_object_put(d);
}

#define WARNINGS_MAX 8

/* A patch that is tried again warns again: each text once, and not more than fit. */
static bool has_warning(const struct opr_req *r, struct opr_str value)
{
    size_t count = 0;
    for (size_t i = 0; i < r->res->n_headers; i++) {
        if (opr_str_is(r->res->headers[i].name, "Warning")) {
            count++;
            if (opr_str_eq(r->res->headers[i].value, value)) {
                return true;
            }
        }
    }
    return count >= WARNINGS_MAX;
}

void opr_api_warn(struct opr_req *r, const char *text)
{
    struct opr_buf quoted = {0};
    opr_buf_add_text(&quoted, "299 - ");
    opr_buf_add_json(&quoted, opr_str_of(text));
    if (!has_warning(r, opr_buf_str(&quoted))) {
        opr_http_response_header(r->res, "Warning",
                                 opr_str_of(opr_arena_dup(r->arena, opr_buf_str(&quoted))));
    }
    opr_buf_fini(&quoted);
}

void opr_api_succeed(struct opr_req *r)
{
    struct json_object *d = json_object_new_object();
    json_object_object_add(d, "kind", json_object_new_string("Status"));
    json_object_object_add(d, "apiVersion", json_object_new_string("v1"));
    json_object_object_add(d, "metadata", json_object_new_object());
    json_object_object_add(d, "status", json_object_new_string("Success"));
    json_object_object_add(d, "code", json_object_new_int(201));
    opr_api_json(r, 201, d);
}

void opr_api_deleted(struct opr_req *r, const struct opr_obj *obj)
{
    struct json_object *d = json_object_new_object();
    struct json_object *details = details_of(opr_meta_name(obj), r->group, r->plural);
    json_object_object_add(details, "uid", json_object_new_string(opr_meta_uid(obj)));
    json_object_object_add(d, "kind", json_object_new_string("Status"));
    json_object_object_add(d, "apiVersion", json_object_new_string("v1"));
    json_object_object_add(d, "metadata", json_object_new_object());
    json_object_object_add(d, "status", json_object_new_string("Success"));
    json_object_object_add(d, "details", details);
    opr_api_json(r, 200, d);
}
