#include "apiserver/schema/decode.h"

#include "apiserver/schema/crd.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

const struct opr__kind_info *opr__info_of(const struct opr_kind *k)
{
    return k->is_custom ? opr__custom_info(k) : &opr__kind_infos[k - opr__kinds];
}

/* "application/json; charset=utf-8" is application/json. */
static bool is_media_type(struct opr_str content_type, const char *name)
{
    struct opr_str type;
    return opr_str_next(&content_type, ';', &type) &&
           opr_str_ieq(opr_str_trim(type), opr_str_of(name));
}

/* The kind that a document names. */
static const struct opr_kind *kind_of(struct json_object *doc)
{
    const char *kind = opr_doc_str(doc, "/kind", "");
    struct opr_str version = opr_str_of(opr_doc_str(doc, "/apiVersion", "")), group = {"", 0};
    if (strcmp(kind, "DeleteOptions") == 0) { /* every group version has it */
        group = OPR_STR("meta.k8s.io");
        version = OPR_STR("v1");
    } else if (version.len && memchr(version.ptr, '/', version.len)) {
        struct opr_str rest = version;
        (void)opr_str_next(&rest, '/', &group); /* there is a '/' */
        version = rest;
    }
    return opr_kind_find_kind(group, version, opr_str_of(kind));
}

static opr_status find_kind(struct opr_str text, const struct opr_kind **ret_kind,
                            struct opr_error *reterr)
{
    struct json_object *doc = NULL;
    OPR_TRY(opr__decode_json(NULL, text, &doc, NULL, reterr));
    const struct opr_kind *kind = kind_of(doc);
    opr_status st = OPR_OK;
    if (!kind) {
        const char *name = opr_doc_str(doc, "/kind", "");
        st = *name ? opr_error_set(reterr, OPR_E_INVALID,
                                   "no kind \"%s\" is registered for version \"%s\"", name,
                                   opr_doc_str(doc, "/apiVersion", ""))
                   : opr_error_set(reterr, OPR_E_INVALID, "Object 'Kind' is missing");
    }
    json_object_put(doc);
    *ret_kind = kind;
    return st;
}

static opr_status decode_text(const struct opr_kind *kind, struct opr_str text,
                              struct json_object **ret_doc, struct opr_field_errors *errors,
                              struct opr_error *reterr)
{
    if (!kind) {
        OPR_TRY(find_kind(text, &kind, reterr));
    }
    struct json_object *doc = NULL;
    OPR_TRY(opr__decode_json(kind->type, text, &doc, errors, reterr));
    if (!json_object_is_type(doc, json_type_object)) {
        json_object_put(doc);
        return opr_error_set(reterr, OPR_E_INVALID,
                             "couldn't get version/kind; json parse error: json: cannot unmarshal "
                             "into Go value of type struct");
    }
    if (kind->is_custom) {
        opr__custom_prune(kind->type, doc, errors);
    }
    *ret_doc = doc;
    return OPR_OK;
}

static opr_status decode_yaml(const struct opr_kind *kind, struct opr_str text,
                              struct json_object **ret_doc, struct opr_field_errors *errors,
                              struct opr_error *reterr)
{
    struct opr_buf json = {0};
    opr_status st = opr__yaml_to_json(text, &json, NULL, reterr);
    if (st == OPR_OK) {
        st = decode_text(kind, opr_buf_str(&json), ret_doc, errors, reterr);
    }
    opr_buf_fini(&json);
    return st;
}

opr_status opr_schema_decode(const struct opr_kind *kind, struct opr_str content_type,
                             struct opr_str body, int strictness, struct json_object **ret_doc,
                             struct opr_field_errors *errors, struct opr_error *reterr)
{
    struct opr_field_errors *strict = strictness == OPR_STRICT_IGNORE ? NULL : errors;
    if (content_type.len == 0 || is_media_type(content_type, "application/json")) {
        return decode_text(kind, body, ret_doc, strict, reterr);
    }
    if (is_media_type(content_type, "application/yaml")) {
        return decode_yaml(kind, body, ret_doc, strict, reterr);
    }
    if (is_media_type(content_type, "application/vnd.kubernetes.protobuf") &&
        !(kind && kind->is_custom)) {
        return opr__decode_proto(kind, body, ret_doc, reterr);
    }
    return opr_error_set(reterr, OPR_E_UNSUPPORTED,
                         "the body of the request was in an unknown format - accepted media types "
                         "include: application/json, application/yaml%s",
                         kind && kind->is_custom ? "" : ", application/vnd.kubernetes.protobuf");
}

/* Moves the members of from into into, which loses its own. */
static void replace_members(struct json_object *into, struct json_object *from)
{
    struct json_object_iterator it = json_object_iter_begin(into);
    struct json_object_iterator end = json_object_iter_end(into);
    while (!json_object_iter_equal(&it, &end)) {
        char *name = opr_xstrdup(json_object_iter_peek_name(&it));
        json_object_iter_next(&it);
        json_object_object_del(into, name);
        opr_free(name);
    }
    json_object_object_foreach(from, key, value)
    {
        json_object_object_add(into, key, json_object_get(value));
    }
}

opr_status opr_schema_prune(const struct opr_kind *kind, struct json_object *doc, int strictness,
                            struct opr_field_errors *errors, struct opr_error *reterr)
{
    struct opr_buf text = {0};
    opr_doc_write(&text, doc);
    struct json_object *canonical = NULL;
    opr_status st = decode_text(kind, opr_buf_str(&text), &canonical,
                                strictness == OPR_STRICT_IGNORE ? NULL : errors, reterr);
    opr_buf_fini(&text);
    if (st == OPR_OK) {
        replace_members(doc, canonical);
        json_object_put(canonical);
    }
    return st;
}

opr_status opr_yaml_to_doc(struct opr_str text, struct opr_field_errors *duplicates,
                           struct json_object **ret_doc, struct opr_error *reterr)
{
    struct opr_buf json = {0};
    opr_status st = opr__yaml_to_json(text, &json, duplicates, reterr);
    if (st == OPR_OK) {
        st = opr__decode_json(NULL, opr_buf_str(&json), ret_doc, NULL, reterr);
    }
    opr_buf_fini(&json);
    return st;
}
