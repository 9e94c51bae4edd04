/* Query parameters: what a request may ask for beside its path. */
#include "apiserver/registry/api.h"

#include "core/api/selector.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

const char *opr_api_query(struct opr_req *r, const char *name)
{
    struct opr_str value = opr_query_get(r->arena, r->http->query, name);
    return value.ptr ? opr_arena_dup(r->arena, value) : NULL;
}

bool opr_api_query_bool(struct opr_req *r, const char *name)
{
    const char *value = opr_api_query(r, name);
    return value && strcmp(value, "false") != 0 && strcmp(value, "0") != 0;
}

#define MANAGER_NAME_MAX 128

/* Who writes is a short printable name; an apply says who and may take fields from others. */
static opr_status check_manager(struct opr_req *r, const char *options)
{
    const char *name = opr_api_query(r, "fieldManager");
    bool is_patch = strcmp(options, "PatchOptions") == 0;
    bool is_apply = is_patch && opr_api_is_apply(r);
    size_t len = name ? strlen(name) : 0;
    if (is_apply && len == 0) {
        return opr_api_bad_option(r, options, "FieldValueRequired", "fieldManager",
                                  "Required value: is required for apply patch");
    }
    if (is_patch && !is_apply && opr_api_query(r, "force")) {
        return opr_api_bad_option(r, options, "FieldValueForbidden", "force",
                                  "Forbidden: may not be specified for non-apply patch");
    }
    if (len > MANAGER_NAME_MAX) {
        return opr_api_bad_option(r, options, "FieldValueTooLong", "fieldManager",
                                  "Too long: may not be more than 128 bytes");
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c < ' ' || c == 0x7f) {
            return opr_api_bad_option(r, options, "FieldValueInvalid", "fieldManager",
                                      opr_arena_printf(r->arena,
                                                       "Invalid value: \"%s\": invalid character "
                                                       "U+%04X (at position %zu)",
                                                       name, c, i));
        }
    }
    return OPR_OK;
}

opr_status opr_api_write_options(struct opr_req *r, const char *options)
{
    static const char *const modes[] = {"Ignore", "Warn", "Strict"};
    const char *dry_run = opr_api_query(r, "dryRun");
    const char *validation = opr_api_query(r, "fieldValidation");
    if (dry_run && *dry_run && strcmp(dry_run, "All") != 0) {
        return opr_api_bad_option(
            r, options, "FieldValueNotSupported", "dryRun",
            opr_arena_printf(r->arena, "Unsupported value: [\"%s\"]: supported values: \"All\"",
                             dry_run));
    }
    OPR_TRY(check_manager(r, options));
    r->is_dry_run = dry_run && *dry_run;
    r->strictness = OPR_STRICT_WARN;
    for (int i = 0; validation && *validation && i < 3; i++) {
        if (strcmp(validation, modes[i]) == 0) {
            r->strictness = i;
            return OPR_OK;
        }
    }
    if (!validation || !*validation) {
        return OPR_OK;
    }
    return opr_api_bad_option(r, options, "FieldValueNotSupported", "fieldValidation",
                              opr_arena_printf(r->arena,
                                               "Unsupported value: \"%s\": supported values: "
                                               "\"\", \"Ignore\", \"Strict\", \"Warn\"",
                                               validation));
}

/* Each field of the selector is one that the kind supports. */
static opr_status check_fields(struct opr_req *r, const struct opr_select *s)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        struct opr_str value;
        struct opr_str field = s->fields[i].field;
        if (opr_schema_field(r->kind, NULL, field, &value) != OPR_OK) {
            return opr_schema_has_fields(r->kind)
                       ? opr_api_fail(r, 400, "BadRequest", "field label not supported: %.*s",
                                      OPR_STR_ARG(field))
                       : opr_api_fail(r, 400, "BadRequest",
                                      "\"%.*s\" is not a known field selector: only "
                                      "\"metadata.name\", \"metadata.namespace\"",
                                      OPR_STR_ARG(field));
        }
    }
    return OPR_OK;
}

opr_status opr_api_select(struct opr_req *r, struct opr_select *ret_select)
{
    struct opr_error err = {0};
    struct opr_select s = {0};
    const char *labels = opr_api_query(r, "labelSelector");
    const char *fields = opr_api_query(r, "fieldSelector");
    if (opr_selector_parse(opr_str_of(labels ? labels : ""), &s.labels, &err) != OPR_OK) {
        return opr_api_fail(r, 400, "BadRequest", "%s", err.message);
    }
    if (fields && opr_field_selector_parse(r->arena, opr_str_of(fields), &s.fields, &s.n_fields,
                                           &err) != OPR_OK) {
        opr_select_fini(&s);
        return opr_api_fail(r, 400, "BadRequest", "%s", err.message);
    }
    if (check_fields(r, &s) != OPR_OK) {
        opr_select_fini(&s);
        return OPR_E_INVALID;
    }
    s.is_all = s.n_fields == 0 && opr_selector_is_empty(s.labels);
    *ret_select = s;
    return OPR_OK;
}

void opr_select_fini(struct opr_select *s)
{
    opr_selector_free(s->labels);
    s->labels = NULL;
}

bool opr_select_matches(const struct opr_select *s, const struct opr_kind *kind,
                        const struct opr_obj *obj)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        struct opr_str value = {0};
        if (opr_schema_field(kind, obj, s->fields[i].field, &value) != OPR_OK ||
            opr_str_eq(value, s->fields[i].value) == s->fields[i].is_negated) {
            return false;
        }
    }
    return opr_selector_match(s->labels, opr_json_at(obj, "/metadata/labels"));
}
