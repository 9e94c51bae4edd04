/* What a version of a CRD says beside its schema: columns, subresources, fields to select by. */
#include "apiserver/schema/validate.h"

static bool is_simple_path(const char *path)
{
    if (*path != '.') {
        return false;
    }
    for (; *path; path++) {
        bool is_word = (*path >= 'a' && *path <= 'z') || (*path >= 'A' && *path <= 'Z') ||
                       (*path >= '0' && *path <= '9');
        if (!is_word && !strchr(".-_[]()?@='\"*:,<>!&|/\\ ", *path)) {
            return false;
        }
    }
    return true;
}

static void check_columns(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *columns)
{
    static const char *const types[] = {"boolean", "date", "integer", "number", "string", NULL};
    static const char *const formats[] = {"byte",  "date",  "date-time", "double", "float",
                                          "int32", "int64", "password",  NULL};
    for (size_t i = 0; i < opr__length(columns); i++) {
        struct json_object *c = opr__item(columns, i);
        const struct opr__path *at = OPR__AT(p, i);
        const char *type = opr__text(c, "type"), *format = opr__text(c, "format");
        const char *path = opr__text(c, "jsonPath");
        size_t known = 0, named = 0;
        while (types[known] && strcmp(types[known], type) != 0) {
            known++;
        }
        while (formats[named] && strcmp(formats[named], format) != 0) {
            named++;
        }
        if (!opr__has_text(c, "name")) {
            opr__required(e, OPR__IN(at, "name"), NULL);
        }
        if (!*type) {
            opr__required(e, OPR__IN(at, "type"),
                          "must be one of boolean,date,integer,number,string");
        } else if (!types[known]) {
            opr__invalid_text(e, OPR__IN(at, "type"), type,
                              "must be one of boolean,date,integer,number,string");
        }
        if (*format && !formats[named]) {
            opr__invalid_text(e, OPR__IN(at, "format"), format,
                              "must be one of "
                              "byte,date,date-time,double,float,int32,int64,password");
        }
        if (!*path) {
            opr__required(e, OPR__IN(at, "JSONPath"), NULL);
        } else if (!is_simple_path(path)) {
            opr__invalid_text(e, OPR__IN(at, "JSONPath"), path,
                              "must be a simple json path starting with .");
        }
    }
}

static bool is_under(const char *path, const char *head)
{
    size_t len = strlen(head);
    return strncmp(path, head, len) == 0 && (path[len] == '.' || path[len] == '\0');
}

static void check_replicas(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *scale, const char *name, const char *head,
                           const char *why)
{
    const char *path = opr__text(scale, name);
    if (!*path) {
        opr__required(e, OPR__IN(p, name), NULL);
    } else if (!is_simple_path(path)) {
        opr__invalid_text(e, OPR__IN(p, name), path, "must be a simple json path starting with .");
    } else if (!is_under(path, head)) {
        opr__invalid_text(e, OPR__IN(p, name), path, why);
    }
}

static void check_scale(struct opr_field_errors *e, const struct opr__path *p,
                        struct json_object *scale)
{
    const char *selector = opr__text(scale, "labelSelectorPath");
    if (!scale) {
        return;
    }
    check_replicas(e, p, scale, "specReplicasPath", ".spec", "should be a json path under .spec");
    check_replicas(e, p, scale, "statusReplicasPath", ".status",
                   "should be a json path under .status");
    if (*selector && !is_simple_path(selector)) {
        opr__invalid_text(e, OPR__IN(p, "labelSelectorPath"), selector,
                          "must be a simple json path starting with .");
    } else if (*selector && !is_under(selector, ".spec") && !is_under(selector, ".status")) {
        opr__invalid_text(e, OPR__IN(p, "labelSelectorPath"), selector,
                          "should be a json path under either .spec or .status");
    }
}

/* The schema of the field that a path of names leads to; NULL: it has none. */
static struct json_object *schema_at(struct json_object *schema, const char *path)
{
    struct opr_str rest = opr_str_of(path + 1), name;
    char text[256];
    while (schema && opr_str_next(&rest, '.', &name)) {
        if (name.len == 0 || name.len >= sizeof text) {
            return NULL;
        }
        memcpy(text, name.ptr, name.len);
        text[name.len] = '\0';
        schema = opr__get(opr__get(schema, "properties"), text);
    }
    return schema;
}

static void check_selectable(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *fields, struct json_object *schema)
{
    for (size_t i = 0; i < opr__length(fields); i++) {
        const char *path = opr__text(opr__item(fields, i), "jsonPath");
        const struct opr__path *at = OPR__IN(OPR__AT(p, i), "jsonPath");
        struct json_object *field = *path == '.' ? schema_at(schema, path) : NULL;
        const char *type = opr__text(field, "type");
        if (!*path) {
            opr__required(e, at, NULL);
            continue;
        }
        if (!field) {
            opr__invalid_text(e, at, path, "is an invalid path: does not refer to a valid field");
        } else if (strcmp(type, "string") != 0 && strcmp(type, "boolean") != 0 &&
                   strcmp(type, "integer") != 0) {
            opr__invalid_text(e, at, path,
                              "must point to a field of type string, boolean or integer. Enum "
                              "string fields and strings with formats are allowed.");
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(opr__text(opr__item(fields, j), "jsonPath"), path) == 0) {
                opr__duplicate_text(e, at, path);
                break;
            }
        }
    }
}

#define WARNING_MAX 256

static void check_deprecation(struct opr_field_errors *e, const struct opr__path *p,
                              struct json_object *version)
{
    struct json_object *given = opr__get(version, "deprecationWarning");
    const char *text = opr__text(version, "deprecationWarning");
    const struct opr__path *at = OPR__IN(p, "deprecationWarning");
    if (!given) {
        return;
    }
    if (!opr__flag(version, "deprecated")) {
        opr__invalid_text(e, at, text, "can only be set for deprecated versions");
    }
    if (strlen(text) > WARNING_MAX) {
        opr__invalid_text(e, at, text, "must be <= 256 characters long");
    }
    if (!*text) {
        opr__invalid_text(e, at, text, "must not be an empty string");
    }
}

void opr__validate_crd_version(struct opr_field_errors *e, const struct opr__path *p,
                               struct json_object *version)
{
    const struct opr__path *scale = OPR__IN(OPR__IN(p, "subresources"), "scale");
    check_columns(e, OPR__IN(p, "additionalPrinterColumns"),
                  opr__get(version, "additionalPrinterColumns"));
    check_scale(e, scale, opr_doc_at(version, "/subresources/scale"));
    check_selectable(e, OPR__IN(p, "selectableFields"), opr__get(version, "selectableFields"),
                     opr_doc_at(version, "/schema/openAPIV3Schema"));
    check_deprecation(e, p, version);
}
