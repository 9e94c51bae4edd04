/* Request bodies: decoding, and the answers to what is wrong with them. */
#include "apiserver/registry/api.h"

#include "core/api/patch.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

static const char *join(struct opr_req *r, const struct opr_field_errors *errors)
{
    struct opr_buf text = {0};
    for (size_t i = 0; i < errors->count; i++) {
        opr_buf_printf(&text, "%s%s", i > 0 ? ", " : "", errors->items[i].message);
    }
    const char *all = opr_arena_dup(r->arena, opr_buf_str(&text));
    opr_buf_fini(&text);
    return all;
}

/* Unknown and duplicate fields: an error or warnings. */
static opr_status judge_fields(struct opr_req *r, const struct opr_kind *kind,
                               const struct opr_field_errors *errors)
{
    if (errors->count == 0 || r->strictness == OPR_STRICT_IGNORE) {
        return OPR_OK;
    }
    if (r->strictness == OPR_STRICT_ERROR) {
        return opr_api_fail(r, 400, "BadRequest",
                            "%s in version \"%s\" cannot be handled as a %s: strict decoding "
                            "error: %s",
                            kind->kind, kind->version, kind->kind, join(r, errors));
    }
    for (size_t i = 0; i < errors->count && i < 8; i++) {
        opr_api_warn(r, errors->items[i].message);
    }
    return OPR_OK;
}

static opr_status bad_body(struct opr_req *r, const struct opr_kind *kind, opr_status st,
                           const struct opr_error *err)
{
    if (st == OPR_E_UNSUPPORTED) {
        return opr_api_fail(r, 415, "UnsupportedMediaType",
                            "the body of the request was in an unknown format - accepted media "
                            "types include: application/json, application/yaml, "
                            "application/vnd.kubernetes.protobuf");
    }
    if (strncmp(err->message, "couldn't get version/kind", 25) == 0) {
        return opr_api_fail(r, 400, "BadRequest",
                            "the object provided is unrecognized (must be of type %s): %s",
                            kind->kind, err->message);
    }
    return opr_api_fail(r, 400, "BadRequest", "%s in version \"%s\" cannot be handled as a %s: %s",
                        kind->kind, kind->version, kind->kind, err->message);
}

static const char *api_version(struct opr_req *r, const struct opr_kind *kind)
{
    return opr_arena_printf(r->arena, "%s%s%s", kind->group, *kind->group ? "/" : "",
                            kind->version);
}

/* "no kind ... is registered" where there is no such kind; NULL: there is. */
static const char *unknown_kind(struct opr_req *r, const char *kind, const char *api_version)
{
    struct opr_str rest = opr_str_of(api_version), group = {"", 0}, version = rest;
    if (strchr(api_version, '/')) {
        (void)opr_str_next(&rest, '/', &group);
        version = rest;
    }
    return opr_kind_find_kind(group, version, opr_str_of(kind))
               ? NULL
               : opr_arena_printf(r->arena,
                                  "no kind \"%s\" is registered for version \"%s\" in scheme "
                                  "\"pkg/runtime/scheme.go:111\"",
                                  kind, api_version);
}

/* A body that names another kind than the path. */
static opr_status check_kind(struct opr_req *r, const struct opr_kind *kind,
                             struct json_object *doc)
{
    const char *version = api_version(r, kind);
    const char *given = opr_doc_str(doc, "/kind", ""), *in = opr_doc_str(doc, "/apiVersion", "");
    if (!*given) {
        opr_doc_put_str(doc, "/kind", kind->kind);
        given = kind->kind;
    }
    if (!*in) {
        opr_doc_put_str(doc, "/apiVersion", version);
        in = version;
    }
    if (strcmp(given, kind->kind) == 0 && strcmp(in, version) == 0) {
        return OPR_OK;
    }
    const char *unknown = unknown_kind(r, given, in), *slash = strrchr(in, '/');
    if (unknown) {
        return opr_api_fail(r, 400, "BadRequest",
                            "%s in version \"%s\" cannot be handled as a %s: %s", given, in,
                            kind->kind, unknown);
    }
    struct opr_str rest = opr_str_of(kind->group), package;
    if (!opr_str_next(&rest, '.', &package)) {
        package = OPR_STR("core");
    }
    in = slash ? slash + 1 : in;
    return opr_api_fail(r, 400, "BadRequest",
                        "%s in version \"%s\" cannot be handled as a %s: converting (%s.%s) to "
                        "(%.*s.%s): unknown conversion",
                        given, in, kind->kind, in, given, OPR_STR_ARG(package), kind->kind);
}

opr_status opr_api_decode(struct opr_req *r, const struct opr_kind *kind,
                          struct json_object **ret_doc)
{
    struct opr_field_errors errors = {.arena = r->arena};
    struct opr_error err = {0};
    struct json_object *doc = NULL;
    struct opr_str type = opr_http_request_header(r->http, "content-type");
    if (type.len == 0) {
        type = OPR_STR("application/json");
    }
    opr_status st =
        opr_schema_decode(kind, type, r->http->body, r->strictness, &doc, &errors, &err);
    if (st != OPR_OK) {
        return bad_body(r, kind, st, &err);
    }
    st = check_kind(r, kind, doc);
    if (st == OPR_OK) {
        st = judge_fields(r, kind, &errors);
    }
    if (st != OPR_OK) {
        json_object_put(doc);
        return st;
    }
    *ret_doc = doc;
    return OPR_OK;
}

static struct opr_str media_type(struct opr_req *r)
{
    struct opr_str all = opr_http_request_header(r->http, "content-type"), type = {0};
    opr_str_next(&all, ';', &type);
    return opr_str_trim(type);
}

static opr_status apply(struct opr_req *r, const struct opr_kind *kind, struct opr_str type,
                        struct json_object **doc, struct json_object *patch)
{
    struct opr_error err = {0};
    if (opr_str_is(type, "application/json-patch+json")) {
        if (!json_object_is_type(patch, json_type_array)) {
            return opr_api_fail(r, 400, "BadRequest",
                                "error decoding patch: json: cannot unmarshal %s into Go value of "
                                "type []handlers.jsonPatchOp",
                                json_type_to_name(json_object_get_type(patch)));
        }
        if (opr_patch_json(doc, patch, &err) != OPR_OK) {
            return opr_api_reject(r, 422, "Invalid",
                                  "the server rejected our request due to an error in our request");
        }
        return OPR_OK;
    }
    if (opr_str_is(type, "application/merge-patch+json")) {
        return opr_patch_merge(doc, patch, &err) == OPR_OK
                   ? OPR_OK
                   : opr_api_fail(r, 400, "BadRequest", "%s", err.message);
    }
    opr_status st = opr_schema_strategic_patch(kind, doc, patch, &err);
    return st == OPR_OK           ? OPR_OK
           : st == OPR_E_CONFLICT ? opr_api_fail(r, 500, NULL, "%s", err.message)
                                  : opr_api_fail(r, 400, "BadRequest", "%s", err.message);
}

/* A patch that leaves what is no object of its kind: said with what it would be. */
static opr_status refuse_result(struct opr_req *r, struct json_object *doc, const char *why)
{
    static const struct opr_kind none = {.group = "", .kind = ""};
    struct opr_field_errors errors = {.arena = r->arena};
    struct opr_buf text = {0}, quoted = {0};
    opr_doc_write(&text, doc);
    opr_buf_add_json(&quoted, opr_buf_str(&text));
    opr_field_errors_add(
        &errors, "FieldValueInvalid", "patch",
        opr_arena_printf(r->arena, "Invalid value: %.*s: %s", (int)quoted.len, quoted.data, why));
    opr_buf_fini(&text);
    opr_buf_fini(&quoted);
    return opr_api_invalid(r, &none, "", &errors);
}

/* A patch leaves the kind as it is. */
static opr_status check_patched_kind(struct opr_req *r, const struct opr_kind *kind,
                                     struct json_object *doc)
{
    const char *given = opr_doc_str(doc, "/kind", ""), *in = opr_doc_str(doc, "/apiVersion", "");
    if (strcmp(given, kind->kind) == 0 && strcmp(in, api_version(r, kind)) == 0) {
        return OPR_OK;
    }
    const char *unknown = unknown_kind(r, given, in);
    return refuse_result(r, doc,
                         unknown ? unknown
                                 : opr_arena_printf(r->arena,
                                                    "%s in version \"%s\" cannot be handled as "
                                                    "a %s",
                                                    given, in, kind->kind));
}

bool opr_api_is_apply(struct opr_req *r)
{
    return opr_str_is(media_type(r), "application/apply-patch+yaml");
}

opr_status opr_api_check_patch(struct opr_req *r)
{
    struct opr_str type = media_type(r);
    bool is_strategic = opr_str_is(type, "application/strategic-merge-patch+json");
    if (opr_str_is(type, "application/json-patch+json") ||
        opr_str_is(type, "application/merge-patch+json") || (is_strategic && !r->kind->is_custom) ||
        opr_api_is_apply(r)) {
        return OPR_OK;
    }
    if (is_strategic) {
        return opr_api_fail(r, 415, "UnsupportedMediaType",
                            "the body of the request was in an unknown format - accepted media "
                            "types include: application/json-patch+json, "
                            "application/merge-patch+json, application/apply-patch+yaml");
    }
    return opr_api_reject(r, 415, "UnsupportedMediaType", "415: Unsupported Media Type");
}

opr_status opr_api_apply_patch(struct opr_req *r, const struct opr_kind *kind,
                               struct json_object **doc)
{
    struct opr_str type = media_type(r);
    struct json_object *patch = NULL;
    struct opr_error err = {0};
    if (opr_doc_parse(r->http->body, &patch, &err) != OPR_OK) {
        return opr_api_fail(r, 400, "BadRequest", "error decoding patch: %s", err.message);
    }
    opr_status st = apply(r, kind, type, doc, patch);
    json_object_put(patch);
    if (st != OPR_OK) {
        return st;
    }
    if (!json_object_is_type(*doc, json_type_object)) {
        return opr_api_fail(r, 400, "BadRequest", "the patch does not leave an object");
    }
    OPR_TRY(check_patched_kind(r, kind, *doc));
    struct opr_field_errors errors = {.arena = r->arena};
    if (opr_schema_prune(kind, *doc, r->strictness, &errors, &err) != OPR_OK) {
        return refuse_result(r, *doc, err.message);
    }
    if (errors.count > 0 && r->strictness == OPR_STRICT_ERROR) {
        return refuse_result(
            r, *doc, opr_arena_printf(r->arena, "strict decoding error: %s", join(r, &errors)));
    }
    return judge_fields(r, kind, &errors);
}
