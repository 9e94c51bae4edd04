/* Forms of an object: itself, a Table, its metadata alone. */
#include "apiserver/registry/api.h"

#include "core/api/yaml_out.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdio.h>
#include <stdlib.h>

const struct opr_kind *opr_api_stored_kind(const struct opr_kind *kind)
{
    return kind->stored_as ? kind->stored_as : kind;
}

/* Brings an object that was stored under another schema, of an earlier state of the CRD or of
 * another version, under this one. One that can not be is shown as it is stored. */
static void fit_custom(const struct opr_kind *kind, struct json_object *doc)
{
    if (opr_schema_prune(kind, doc, OPR_STRICT_IGNORE, NULL, NULL) == OPR_OK) {
        opr_schema_default(kind, doc);
    }
}

struct opr_obj *opr_api_view(const struct opr_kind *kind, const struct opr_obj *stored)
{
    const struct opr_kind *from = opr_api_stored_kind(kind);
    char version[160];
    snprintf(version, sizeof version, "%s%s%s", kind->group, *kind->group ? "/" : "",
             kind->version);
    if (strcmp(opr_json_str(stored, "/apiVersion", ""), version) == 0 && !kind->is_amended) {
        return opr_json_ref(stored);
    }
    struct json_object *doc = opr_doc_from_obj(stored);
    if (kind->is_custom) {
        opr_doc_put_str(doc, "/apiVersion", version);
        fit_custom(kind, doc);
    } else {
        opr_schema_convert(from, kind, doc);
    }
    struct opr_obj *obj = opr_doc_to_obj(doc);
    json_object_put(doc);
    return obj;
}

struct accepted {
    enum opr_form form;
    bool is_list; /* the list of the partial form */
    bool is_yaml;
    bool is_type; /* the type is ours, whether the form is or not */
    double weight;
};

static double weight_of(struct opr_str text)
{
    char number[16];
    snprintf(number, sizeof number, "%.*s", OPR_STR_ARG(text));
    return strtod(number, NULL);
}

/* One part of an Accept header. False: a type or form that is not ours. */
static bool read_accept(struct opr_str part, struct accepted *ret)
{
    double weight = 1;
    struct opr_str parameter, type = {0}, as = {0}, version = OPR_STR("v1"),
                              group = OPR_STR("meta.k8s.io");
    (void)opr_str_next(&part, ';', &type); /* none: the type is empty */
    type = opr_str_trim(type);
    while (opr_str_next(&part, ';', &parameter)) {
        struct opr_str value = opr_str_trim(parameter), name = {0};
        (void)opr_str_next(&value, '=', &name);
        as = opr_str_is(name, "as") ? value : as;
        version = opr_str_is(name, "v") ? value : version;
        group = opr_str_is(name, "g") ? value : group;
        weight = opr_str_is(name, "q") ? weight_of(value) : weight;
    }
    bool is_whole = as.len == 0, is_table = opr_str_is(as, "Table");
    bool is_partial = opr_str_is(as, "PartialObjectMetadata");
    *ret = (struct accepted){
        .form = is_whole   ? OPR_FORM_OBJECT
                : is_table ? OPR_FORM_TABLE
                           : OPR_FORM_PARTIAL,
        .is_list = opr_str_is(as, "PartialObjectMetadataList"),
        .is_yaml = opr_str_is(type, "application/yaml"),
        .weight = weight,
    };
    ret->is_type = ret->is_yaml || opr_str_is(type, "application/json") ||
                   opr_str_is(type, "*/*") || opr_str_is(type, "application/*");
    bool is_form = opr_str_is(version, "v1") && opr_str_is(group, "meta.k8s.io");
    return ret->is_type && (is_whole || ((is_table || is_partial || ret->is_list) && is_form));
}

/* The rows of a table have their objects, their metadata, or none. */
static opr_status choose_rows(struct opr_req *r)
{
    const char *include = opr_api_query(r, "includeObject");
    if (!include || !*include || strcmp(include, "Metadata") == 0) {
        return OPR_OK;
    }
    if (strcmp(include, "Object") != 0 && strcmp(include, "None") != 0) {
        return opr_api_fail(r, 400, "BadRequest",
                            "Unable to convert to Table as requested: includeObject: Invalid "
                            "value: \"%s\": must be 'Metadata', 'Object', 'None', or empty",
                            include);
    }
    r->form = strcmp(include, "Object") == 0 ? OPR_FORM_TABLE_FULL : OPR_FORM_TABLE_BARE;
    return OPR_OK;
}

static opr_status take_form(struct opr_req *r, const struct accepted *a)
{
    bool is_list = strcmp(r->verb, "list") == 0;
    r->form = a->form;
    r->is_yaml = a->is_yaml;
    if (a->form == OPR_FORM_TABLE) {
        return choose_rows(r);
    }
    if (a->form == OPR_FORM_PARTIAL && a->is_list != is_list) {
        return opr_api_fail(r, 406, "NotAcceptable",
                            "you requested PartialObjectMetadata%s, but the requested object is "
                            "%s list",
                            is_list ? "" : "List", is_list ? "a" : "not a");
    }
    return OPR_OK;
}

opr_status opr_api_negotiate(struct opr_req *r)
{
    struct opr_str rest = opr_http_request_header(r->http, "accept"), part;
    bool is_log = r->sub && strcmp(r->sub, "log") == 0;
    struct accepted part_of, best = {.weight = -1};
    bool is_watch = strcmp(r->verb, "watch") == 0, is_type = false;
    r->form = OPR_FORM_OBJECT;
    if (rest.len == 0 || is_log) {
        return OPR_OK;
    }
    while (opr_str_next(&rest, ',', &part)) {
        bool is_ours = read_accept(part, &part_of) && !(part_of.is_yaml && is_watch);
        is_type = is_type || part_of.is_type;
        if (is_ours && part_of.weight > best.weight) {
            best = part_of;
        }
    }
    if (best.weight >= 0) {
        return take_form(r, &best);
    }
    return is_type ? opr_api_fail(r, 406, "NotAcceptable",
                                  "only the following media types are accepted: application/json, "
                                  "application/yaml")
                   : opr_api_reject(r, 406, "NotAcceptable",
                                    "406: Not Acceptable\n\nAvailable representations: "
                                    "application/json, application/yaml, "
                                    "application/json;stream=watch");
}

void opr_api_finish_yaml(struct opr_req *r)
{
    struct opr_obj *obj = NULL;
    if (!r->is_yaml || r->res->source ||
        opr_json_parse(opr_buf_str(&r->res->body), &obj, NULL) != OPR_OK) {
        return;
    }
    opr_buf_clear(&r->res->body);
    opr_yaml_write(&r->res->body, obj);
    opr_json_unref(obj);
    opr_api_header(r, "Content-Type", OPR_STR("application/yaml"));
}

static void add_partial(struct opr_buf *out, const struct opr_obj *obj)
{
    opr_buf_add_text(out, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\","
                          "\"metadata\":");
    opr_json_write(out, opr_json_at(obj, "/metadata"));
    opr_buf_add_char(out, '}');
}

/* The cells are read from the object as it is stored; obj is what was asked for. */
static void add_row(struct opr_buf *out, const struct opr_kind *kind, enum opr_form form,
                    const struct opr_obj *stored, const struct opr_obj *obj, int64_t now_ms)
{
    struct json_object *cells = opr_schema_cells(kind, stored, now_ms);
    opr_buf_add_text(out, "{\"cells\":");
    opr_doc_write(out, cells);
    if (form == OPR_FORM_TABLE_FULL) {
        opr_buf_add_text(out, ",\"object\":");
        opr_json_write(out, obj);
    } else if (form == OPR_FORM_TABLE) {
        opr_buf_add_text(out, ",\"object\":");
        add_partial(out, obj);
    }
    opr_buf_add_char(out, '}');
    json_object_put(cells);
}

static void add_columns(struct opr_buf *out, const struct opr_kind *kind)
{
    struct json_object *columns = opr_schema_columns(kind);
    opr_doc_write(out, columns);
    json_object_put(columns);
}

void opr_form_object(struct opr_buf *out, const struct opr_kind *kind, enum opr_form form,
                     bool has_columns, const struct opr_obj *obj, int64_t now_ms)
{
    struct opr_obj *view = opr_api_view(kind, obj);
    if (form == OPR_FORM_PARTIAL) {
        add_partial(out, view);
    } else if (opr_form_is_table(form)) {
        opr_buf_printf(out,
                       "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":"
                       "{\"resourceVersion\":\"%s\"},\"columnDefinitions\":",
                       opr_json_str(view, "/metadata/resourceVersion", ""));
        if (has_columns) {
            add_columns(out, kind);
        } else {
            opr_buf_add_text(out, "null");
        }
        opr_buf_add_text(out, ",\"rows\":[");
        add_row(out, kind, form, obj, view, now_ms);
        opr_buf_add_text(out, "]}");
    } else {
        opr_json_write(out, view);
    }
    opr_json_unref(view);
}

void opr_api_object(struct opr_req *r, int code, const struct opr_obj *obj)
{
    r->res->status = code;
    opr_buf_clear(&r->res->body);
    opr_api_header(r, "Content-Type", OPR_STR("application/json"));
    opr_form_object(&r->res->body, r->kind, r->form, true, obj, r->now_ms);
}

void opr_api_doc(struct opr_req *r, int code, struct json_object *doc)
{
    struct opr_obj *obj = opr_doc_to_obj(doc);
    opr_api_object(r, code, obj);
    opr_json_unref(obj);
}

/* -- lists: written piece by piece by list.c -------------------------------------------------- */

void opr_form_list_begin(struct opr_buf *out, const struct opr_kind *kind, enum opr_form form,
                         const char *metadata)
{
    if (opr_form_is_table(form)) {
        opr_buf_printf(out,
                       "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":%s,"
                       "\"columnDefinitions\":",
                       metadata);
        add_columns(out, kind);
        opr_buf_add_text(out, ",\"rows\":[");
    } else if (form == OPR_FORM_PARTIAL) {
        opr_buf_printf(out,
                       "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":"
                       "\"meta.k8s.io/v1\",\"metadata\":%s,\"items\":[",
                       metadata);
    } else {
        opr_buf_printf(
            out, "{\"kind\":\"%s\",\"apiVersion\":\"%s%s%s\",\"metadata\":%s,\"items\":[",
            kind->list_kind, kind->group, *kind->group ? "/" : "", kind->version, metadata);
    }
}

void opr_form_list_item(struct opr_buf *out, const struct opr_kind *kind, enum opr_form form,
                        const struct opr_obj *obj, int64_t now_ms)
{
    struct opr_obj *view = opr_api_view(kind, obj);
    if (opr_form_is_table(form)) {
        add_row(out, kind, form, obj, view, now_ms);
    } else if (form == OPR_FORM_PARTIAL) {
        add_partial(out, view);
    } else {
        opr_json_write(out, view);
    }
    opr_json_unref(view);
}
