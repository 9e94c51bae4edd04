/* What a list or a watch may be asked for, and what goes together (apimachinery
 * meta/internalversion/validation; the meaning of resourceVersion: "Resource versions" in the API
 * concepts). */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

static opr_status bad_number(struct opr_req *r, const char *text)
{
    return opr_api_fail(r, 400, "BadRequest", "strconv.ParseInt: parsing \"%s\": invalid syntax",
                        text);
}

/* Negative counts as not given. */
static opr_status read_number(struct opr_req *r, const char *name, uint64_t *ret_value)
{
    const char *text = opr_api_query(r, name);
    int64_t value = 0;
    if (text && *text && opr_str_to_i64(opr_str_of(text), &value) != OPR_OK) {
        return bad_number(r, text);
    }
    *ret_value = value > 0 ? (uint64_t)value : 0;
    return OPR_OK;
}

static void forbid(struct opr_field_errors *e, const char *field, const char *why)
{
    opr_field_errors_add(e, "FieldValueForbidden", field, why);
}

#define NOT_WITH_CONTINUE "Forbidden: resourceVersionMatch is forbidden when continue is provided"

static void check_watch(struct opr_req *r, const struct opr_list_options *o,
                        struct opr_field_errors *e)
{
    bool is_newer = strcmp(o->match, "NotOlderThan") == 0;
    if (o->has_initial && !is_newer) {
        forbid(e, "resourceVersionMatch",
               "Forbidden: sendInitialEvents requires setting resourceVersionMatch to "
               "NotOlderThan");
    }
    if (*o->match && !o->has_initial) {
        forbid(e, "resourceVersionMatch",
               "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents "
               "is provided");
    }
    if (*o->match && !is_newer) {
        opr_field_errors_add(e, "FieldValueNotSupported", "resourceVersionMatch",
                             opr_arena_printf(r->arena,
                                              "Unsupported value: \"%s\": supported values: "
                                              "\"NotOlderThan\"",
                                              o->match));
    }
    if (*o->token) {
        forbid(e, "resourceVersionMatch", NOT_WITH_CONTINUE);
    }
}

static void check_match(struct opr_req *r, const struct opr_list_options *o,
                        struct opr_field_errors *e)
{
    bool is_exact = strcmp(o->match, "Exact") == 0;
    if (!*o->rv_text) {
        forbid(e, "resourceVersionMatch",
               "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided");
    }
    if (*o->token) {
        forbid(e, "resourceVersionMatch", NOT_WITH_CONTINUE);
    }
    if (!is_exact && strcmp(o->match, "NotOlderThan") != 0) {
        opr_field_errors_add(e, "FieldValueNotSupported", "resourceVersionMatch",
                             opr_arena_printf(r->arena,
                                              "Unsupported value: \"%s\": supported values: "
                                              "\"Exact\", \"NotOlderThan\", \"\"",
                                              o->match));
    }
    if (is_exact && strcmp(o->rv_text, "0") == 0) {
        forbid(e, "resourceVersionMatch",
               "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    }
}

static opr_status check(struct opr_req *r, bool is_watch, const struct opr_list_options *o)
{
    static const struct opr_kind kind = {.group = "meta.k8s.io", .kind = "ListOptions"};
    struct opr_field_errors errors = {.arena = r->arena};
    if (is_watch) {
        check_watch(r, o, &errors);
    } else if (*o->match) {
        check_match(r, o, &errors);
    }
    if (!is_watch && o->has_initial) {
        forbid(&errors, "sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list");
    }
    return errors.count > 0 ? opr_api_invalid(r, &kind, "", &errors) : OPR_OK;
}

static const char *text_of(struct opr_req *r, const char *name)
{
    const char *value = opr_api_query(r, name);
    return value ? value : "";
}

opr_status opr_api_list_options(struct opr_req *r, bool is_watch, struct opr_list_options *ret)
{
    struct opr_list_options o = {
        .rv_text = text_of(r, "resourceVersion"),
        .match = text_of(r, "resourceVersionMatch"),
        .token = text_of(r, "continue"),
        .has_initial = opr_api_query(r, "sendInitialEvents") != NULL,
        .wants_initial = opr_api_query_bool(r, "sendInitialEvents"),
        .has_bookmarks = opr_api_query_bool(r, "allowWatchBookmarks"),
    };
    OPR_TRY(read_number(r, "limit", &o.limit));
    OPR_TRY(read_number(r, "timeoutSeconds", &o.timeout_s));
    OPR_TRY(check(r, is_watch, &o));
    if (*o.rv_text && opr_str_to_u64(opr_str_of(o.rv_text), &o.rv) != OPR_OK) {
        return opr_api_fail(r, 400, "BadRequest",
                            "invalid resource version: resourceVersion: Invalid value: \"%s\": "
                            "strconv.ParseUint: parsing \"%s\": invalid syntax",
                            o.rv_text, o.rv_text);
    }
    if (!is_watch && *o.token && o.rv != 0) {
        return opr_api_fail(r, 400, "BadRequest",
                            "specifying resource version is not allowed when using continue");
    }
    *ret = o;
    return OPR_OK;
}
