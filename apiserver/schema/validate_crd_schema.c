/* Structural schemas (apiextensions, "Specifying a structural schema"): every value has one type,
 * said outside of allOf, anyOf, oneOf and not; lists say how they are merged. */
#include "apiserver/schema/crd.h"
#include "apiserver/schema/crd_schema.h"
#include "apiserver/schema/validate.h"

enum place { ROOT, FIELD, ITEM };

static const char *const TYPES[] = {"array",  "boolean", "integer", "number",
                                    "object", "string",  NULL};

static void check_type(struct opr_field_errors *e, const struct opr__path *p,
                       struct json_object *schema, enum place place)
{
    bool is_any = opr__flag(schema, "x-kubernetes-int-or-string") ||
                  opr__flag(schema, "x-kubernetes-preserve-unknown-fields");
    if (opr__has_text(schema, "type")) {
        opr__check_enum(e, p, schema, "type", TYPES);
    } else if (place != ROOT && !is_any) { /* the root is checked on its own */
        opr__required(e, OPR__IN(p, "type"),
                      place == FIELD ? "must not be empty for specified object fields"
                                     : "must not be empty for specified array items");
    }
}

/* type is what a word of the schema asks for. */
static void demand_type(struct opr_field_errors *e, const struct opr__path *p,
                        struct json_object *schema, const char *type, const char *why)
{
    const char *given = opr__text(schema, "type");
    if (!*given) {
        opr__required(e, OPR__IN(p, "type"), why);
    } else if (strcmp(given, type) != 0) {
        opr__invalid_text(e, OPR__IN(p, "type"), given, why);
    }
}

static bool is_required(struct json_object *schema, const char *name)
{
    struct json_object *list = opr__get(schema, "required");
    for (size_t i = 0; i < opr__length(list); i++) {
        if (strcmp(opr__item_text(list, i), name) == 0) {
            return true;
        }
    }
    return false;
}

static void check_map_keys(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *schema, struct json_object *keys)
{
    struct json_object *items = opr__get(schema, "items");
    struct json_object *fields = opr__get(items, "properties");
    const struct opr__path *at = OPR__IN(p, "x-kubernetes-list-map-keys");
    const struct opr__path *in = OPR__IN(OPR__IN(p, "items"), "properties");
    for (size_t i = 0; i < opr__length(keys); i++) {
        const char *key = opr__item_text(keys, i);
        struct json_object *field = opr__get(fields, key);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(opr__item_text(keys, j), key) == 0) {
                opr__invalid(e, at, keys, "must not contain duplicate entries");
                return;
            }
        }
        if (!field) {
            opr__invalid(e, at, keys, "entries must all be names of item properties");
        } else if (!opr__get(field, "default") && !is_required(items, key)) {
            opr__required(e, OPR__IN(OPR__KEY(in, key), "default"),
                          "this property is in x-kubernetes-list-map-keys, so it must have a "
                          "default or be a required property");
        }
    }
}

static void check_list(struct opr_field_errors *e, const struct opr__path *p,
                       struct json_object *schema)
{
    static const char *const kinds[] = {"atomic", "set", "map", NULL};
    struct json_object *keys = opr__get(schema, "x-kubernetes-list-map-keys");
    struct json_object *items = opr__get(schema, "items");
    const char *kind = opr__text(schema, "x-kubernetes-list-type");
    bool is_map = strcmp(kind, "map") == 0;
    if (opr__get(schema, "x-kubernetes-list-type")) {
        demand_type(e, p, schema, "array", "must be array if x-kubernetes-list-type is specified");
        opr__check_enum(e, p, schema, "x-kubernetes-list-type", kinds);
    }
    if (opr__length(keys) && !is_map) {
        const struct opr__path *at = OPR__IN(p, "x-kubernetes-list-type");
        static const char why[] = "must be map if x-kubernetes-list-map-keys is non-empty";
        if (*kind) {
            opr__invalid_text(e, at, kind, why);
        } else {
            opr__required(e, at, why);
        }
    }
    if (is_map && !items) {
        opr__required(e, OPR__IN(p, "items"),
                      "must have a schema if x-kubernetes-list-type is map");
    } else if (is_map && strcmp(opr__text(items, "type"), "object") != 0) {
        opr__invalid_text(e, OPR__IN(OPR__IN(p, "items"), "type"), opr__text(items, "type"),
                          "must be object if parent array's x-kubernetes-list-type is map");
    }
    if (is_map && opr__length(keys) == 0) {
        opr__required(e, OPR__IN(p, "x-kubernetes-list-map-keys"),
                      "must not be empty if x-kubernetes-list-type is map");
    } else if (is_map) {
        check_map_keys(e, p, schema, keys);
    }
    if (strcmp(opr__text(schema, "type"), "array") == 0 && !items) {
        opr__required(e, OPR__IN(p, "items"), "must be specified");
    }
}

static void check_words(struct opr_field_errors *e, const struct opr__path *p,
                        struct json_object *schema)
{
    struct json_object *keeps = opr__get(schema, "x-kubernetes-preserve-unknown-fields");
    if (keeps && !json_object_get_boolean(keeps)) {
        opr__invalid(e, OPR__IN(p, "x-kubernetes-preserve-unknown-fields"), keeps,
                     "must be true or undefined");
    }
    if (opr__flag(schema, "x-kubernetes-embedded-resource")) {
        demand_type(e, p, schema, "object",
                    "must be object if x-kubernetes-embedded-resource is true");
        if (!opr__flag(schema, "x-kubernetes-preserve-unknown-fields") &&
            !opr__get(schema, "properties")) {
            opr__required(e, OPR__IN(p, "properties"),
                          "must not be empty if x-kubernetes-embedded-resource is true without "
                          "x-kubernetes-preserve-unknown-fields");
        }
    }
    if (opr__get(schema, "properties") && opr__get(schema, "additionalProperties")) {
        opr__forbidden(e, OPR__IN(p, "additionalProperties"),
                       "additionalProperties and properties are mutual exclusive");
    }
    if (opr__flag(schema, "uniqueItems")) {
        opr__forbidden(e, OPR__IN(p, "uniqueItems"),
                       "uniqueItems cannot be set to true since the runtime complexity becomes "
                       "quadratic");
    }
    if (opr__has_text(schema, "$ref")) {
        opr__forbidden(e, OPR__IN(p, "$ref"), "$ref is not supported");
    }
}

/* A schema of a value only: what it is is said outside. */
static void check_rules_only(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *rules, bool may_have_type)
{
    static const struct {
        const char *name, *why;
    } words[] = {{"type", "must be empty to be structural"},
                 {"title", "must be empty to be structural"},
                 {"description", "must be empty to be structural"},
                 {"default", "must be undefined to be structural"},
                 {"additionalProperties", "must be undefined to be structural"},
                 {"nullable", "must be false to be structural"},
                 {"x-kubernetes-preserve-unknown-fields", "must be false to be structural"},
                 {"x-kubernetes-embedded-resource", "must be false to be structural"},
                 {"x-kubernetes-int-or-string", "must be false to be structural"},
                 {"x-kubernetes-list-type", "must be undefined to be structural"},
                 {"x-kubernetes-list-map-keys", "must be empty to be structural"}};
    for (size_t i = may_have_type; i < sizeof words / sizeof *words; i++) {
        if (opr__get(rules, words[i].name)) {
            opr__forbidden(e, OPR__IN(p, words[i].name), words[i].why);
        }
    }
}

static void check_combined(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *schema)
{
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    bool is_either = opr__flag(schema, "x-kubernetes-int-or-string");
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct json_object *list = opr__get(schema, lists[i]);
        for (size_t j = 0; j < opr__length(list); j++) {
            /* A number or a text may be told as anyOf of both. */
            check_rules_only(e, OPR__AT(OPR__IN(p, lists[i]), j), opr__item(list, j), is_either);
        }
    }
    check_rules_only(e, OPR__IN(p, "not"), opr__get(schema, "not"), false);
}

/* A default is a value of its own schema. */
static void check_default(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *schema)
{
    struct json_object *value = opr__get(schema, "default");
    struct opr__crd_builder b = {.arena = e->arena};
    const struct opr_schema_type *type = value ? opr__crd_type(&b, schema) : NULL;
    if (type && !b.failed) {
        opr__custom_check(type, OPR__IN(p, "default"), value, e);
    }
}

static void walk(struct opr_field_errors *e, const struct opr__path *p, struct json_object *schema,
                 enum place place)
{
    struct json_object *fields = opr__get(schema, "properties");
    struct json_object *items = opr__get(schema, "items");
    struct json_object *others = opr__get(schema, "additionalProperties");
    size_t before = e->count;
    check_type(e, p, schema, place);
    check_words(e, p, schema);
    check_list(e, p, schema);
    check_combined(e, p, schema);
    if (json_object_is_type(fields, json_type_object)) {
        json_object_object_foreach(fields, name, field)
        {
            walk(e, OPR__KEY(OPR__IN(p, "properties"), name), field, FIELD);
        }
    }
    if (json_object_is_type(items, json_type_object)) {
        walk(e, OPR__IN(p, "items"), items, ITEM);
    }
    if (json_object_is_type(others, json_type_object)) {
        walk(e, OPR__IN(p, "additionalProperties"), others, FIELD);
    }
    if (e->count == before) {
        check_default(e, p, schema);
    }
}

static void check_metadata(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *schema)
{
    struct json_object *meta = opr_doc_at(schema, "/properties/metadata");
    struct json_object *fields = opr__get(meta, "properties");
    bool is_more = false;
    if (json_object_is_type(fields, json_type_object)) {
        json_object_object_foreach(fields, name, field)
        {
            (void)field;
            is_more = is_more || (strcmp(name, "name") != 0 && strcmp(name, "generateName") != 0);
        }
    }
    if (is_more) {
        opr__forbidden(e, OPR__KEY(OPR__IN(p, "properties"), "metadata"),
                       "must not specify anything other than name and generateName, but metadata "
                       "is implicitly specified");
    }
}

void opr__validate_crd_schema(struct opr_field_errors *e, const struct opr__path *p,
                              struct json_object *schema)
{
    check_metadata(e, p, schema);
    walk(e, p, schema, ROOT);
}
