// Schemas of CRDs, and server-side apply by them. The input is lines: the schema, the live object,
// the applied one, a set of fields. A merge done twice changes nothing more, paths survive their
// text, and sets obey their algebra.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

extern "C" {
#include "apiserver/schema/typed.h"
#include "core/base/str.h"
}

extern const std::vector<std::string> fuzz_seeds = {
    R"({"type":"object","properties":{"spec":{"type":"object","properties":{"items":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["id","p"],"items":{"type":"object","properties":{"id":{"type":"string"},"p":{"type":"integer","default":1},"v":{"type":"integer"}}}},"tags":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}},"any":{"type":"object","x-kubernetes-preserve-unknown-fields":true},"one":{"type":"object","x-kubernetes-map-type":"atomic","additionalProperties":{"type":"string"}}}}}})"
    "\n"
    R"({"metadata":{"labels":{"a":"b"}},"spec":{"items":[{"id":"a","v":1},{"id":"b","p":2}],"tags":["x","y"],"any":{"q":{"r":[1]}},"one":{"a":"b"}}})"
    "\n"
    R"({"metadata":{"labels":{"c":"d"}},"spec":{"items":[{"id":"c"},{"id":"a","v":2}],"tags":["z","x"],"any":{"q":{"s":null}},"one":{"c":"d"}}})"
    "\n"
    R"({"f:spec":{"f:items":{"k:{\"id\":\"a\",\"p\":1}":{".":{},"f:v":{}}},"f:tags":{"v:\"x\"":{}}},"f:metadata":{}})",
    "{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true,\"properties\":{\"a\":{"
    "\"pattern\":\"^a+$\",\"enum\":[\"a\",1],\"anyOf\":[{\"type\":\"string\"}]}}}\n{\"a\":[1,2]}\n"
    "{\"a\":{\"b\":[]}}\n{\"f:a\":{}}",
    "{\"properties\":{\"x\":{\"x-kubernetes-int-or-string\":true},\"y\":{\"type\":\"array\","
    "\"items\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{\"type\":"
    "\"number\"}}}}}\n{\"x\":1,\"y\":[[1,1.0,2]]}\n{\"x\":\"1\",\"y\":[[2,1]]}\n{}",
};

static struct json_object *parse(struct opr_str text)
{
    struct json_object *doc = nullptr;
    if (opr_doc_parse(text, &doc, nullptr) == OPR_OK &&
        !json_object_is_type(doc, json_type_object)) {
        json_object_put(doc);
        doc = nullptr;
    }
    return doc;
}

static void require(bool is_so)
{
    if (!is_so) {
        abort();
    }
}

static bool is_same(struct opr_arena *a, const struct opr_fieldset *x, const struct opr_fieldset *y)
{
    return opr_fieldset_is_empty(opr_fieldset_minus(a, x, y)) &&
           opr_fieldset_is_empty(opr_fieldset_minus(a, y, x));
}

static void sets(struct opr_arena *a, const struct opr_fieldset *x, const struct opr_fieldset *y)
{
    struct json_object *json = opr_fieldset_to_json(x);
    struct opr_obj *obj = opr_doc_to_obj(json);
    const struct opr_fieldset *again = nullptr;
    if (obj) { /* it may be deeper than a value may be */
        require(opr_fieldset_read(a, obj, &again, nullptr) == OPR_OK && is_same(a, x, again));
    }
    json_object_put(json);
    opr_json_unref(obj);
    const struct opr_fieldset *common = opr_fieldset_common(a, x, y);
    require(opr_fieldset_count(opr_fieldset_union(a, x, y)) + opr_fieldset_count(common) ==
            opr_fieldset_count(x) + opr_fieldset_count(y));
    require(is_same(a, opr_fieldset_union(a, opr_fieldset_minus(a, x, y), common), x));
    opr_fieldset_each(
        x, [](void *, const char *path) { require(*path == '.' || *path == '['); }, nullptr);
}

static void apply(struct opr_arena *a, const struct opr_schema_type *type, struct json_object *live,
                  struct json_object *config, const struct opr_fieldset *given)
{
    struct opr_schema_changes c;
    opr_schema_compare(a, type, live, config, &c);
    sets(a, opr_schema_fields_of(a, type, live), given);
    sets(a, opr_schema_fields_of(a, type, config), opr_schema_with_parents(a, type, given));
    json_object_put(opr_schema_without(a, type, live, given));
    if (opr_schema_check_applied(a, type, live) || opr_schema_check_applied(a, type, config)) {
        return;
    }
    struct json_object *merged = opr_schema_merge_applied(a, type, live, config);
    struct json_object *twice = opr_schema_merge_applied(a, type, merged, config);
    opr_schema_compare(a, type, merged, twice, &c);
    require(opr_fieldset_is_empty(c.added) && opr_fieldset_is_empty(c.modified) &&
            opr_fieldset_is_empty(c.removed));
    json_object_put(twice);
    json_object_put(merged);
}

static void lines(struct opr_arena *a, struct opr_str text)
{
    struct opr_str part[4] = {};
    for (struct opr_str &p : part) {
        opr_str_next(&text, '\n', &p);
    }
    struct json_object *crd = nullptr, *schema = parse(part[0]);
    struct json_object *live = parse(part[1]), *config = parse(part[2]);
    struct opr_obj *fields = nullptr;
    const struct opr_fieldset *given = nullptr;
    if (opr_json_parse(part[3], &fields, nullptr) != OPR_OK ||
        opr_fieldset_read(a, fields, &given, nullptr) != OPR_OK) {
        given = nullptr;
    }
    require(opr_doc_parse(OPR_STR(R"({"spec":{"group":"t.io","scope":"Namespaced","names":{"plural":
            "ws","kind":"W"},"versions":[{"name":"v1","served":true,"storage":true}]}})"),
                          &crd, nullptr) == OPR_OK);
    if (schema) {
        require(opr_doc_put(crd, "/spec/versions/0/schema/openAPIV3Schema",
                            json_object_get(schema)) == OPR_OK);
    }
    struct opr_field_errors errors = {};
    errors.arena = a;
    struct opr_kind *kind = nullptr;
    if (opr_kind_from_crd(crd, "v1", &kind, &errors) == OPR_OK) {
        if (live && config) {
            apply(a, kind->type, live, config, given);
            apply(a, opr_kind_find_kind(OPR_STR(""), OPR_STR("v1"), OPR_STR("Pod"))->type, live,
                  config, given);
            opr_schema_default(kind, config);
            opr_schema_validate(kind, config, nullptr, nullptr, &errors);
        }
        opr_kind_unref(kind);
    }
    json_object_put(crd);
    json_object_put(schema);
    json_object_put(live);
    json_object_put(config);
    opr_json_unref(fields);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct opr_arena *a = opr_arena_new();
    lines(a, opr_str_n(reinterpret_cast<const char *>(data), size));
    opr_arena_free(a);
    return 0;
}
