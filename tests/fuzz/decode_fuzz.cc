// Request bodies: the first byte chooses JSON, YAML or protobuf, the rest is the body. What was
// decoded and defaulted decodes again, from its JSON, to the same; validation and a patch with
// itself survive.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

extern "C" {
#include "apiserver/schema/schema.h"
#include "core/base/str.h"
}

/* A literal with the zeros inside it. */
template <size_t N> static std::string bytes(const char (&text)[N])
{
    return std::string(text, N - 1);
}

extern const std::vector<std::string> fuzz_seeds = {
    R"(0{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"i","ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"250m"}}}]}})",
    R"(0{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":3,"strategy":{"rollingUpdate":{"maxSurge":"25%"}},"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[]}}}})",
    "1apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: &l {x: y}}\ndata: *l\n",
    "1apiVersion: v1\nkind: Service\nspec:\n  ports:\n  - port: 80\n    targetPort: "
    "http\n---\nkind: x\n",
    bytes("2k8s\0\n\t\n\002v1\022\003Pod\022\005\n\003\n\001a"),
    bytes("2k8s\0\n\025\n\007apps/v1\022\nDeployment\022\005\n\003\n\001b"),
};

static struct json_object *decode(const struct opr_kind *kind, const char *type,
                                  struct opr_str body, struct opr_arena *a)
{
    struct opr_field_errors errors = {};
    errors.arena = a;
    struct json_object *doc = nullptr;
    opr_status st =
        opr_schema_decode(kind, opr_str_of(type), body, OPR_STRICT_WARN, &doc, &errors, nullptr);
    return st == OPR_OK ? doc : nullptr;
}

static const struct opr_kind *kind_of(struct json_object *doc)
{
    struct json_object *version = nullptr, *name = nullptr;
    if (!json_object_object_get_ex(doc, "apiVersion", &version) ||
        !json_object_object_get_ex(doc, "kind", &name)) {
        return nullptr;
    }
    std::string text = json_object_get_string(version);
    size_t slash = text.find('/');
    std::string group = slash == std::string::npos ? "" : text.substr(0, slash);
    std::string v = slash == std::string::npos ? text : text.substr(slash + 1);
    return opr_kind_find_kind(opr_str_of(group.c_str()), opr_str_of(v.c_str()),
                              opr_str_of(json_object_get_string(name)));
}

static void again(const struct opr_kind *kind, struct json_object *doc, struct opr_arena *a)
{
    struct opr_field_errors errors = {};
    errors.arena = a;
    opr_schema_default(kind, doc);
    opr_schema_validate(kind, doc, nullptr, nullptr, &errors);
    struct opr_buf text = {};
    opr_doc_write(&text, doc);
    struct json_object *back = decode(kind, "application/json", opr_buf_str(&text), a);
    if (!back) {
        abort();
    }
    opr_schema_default(kind, back);
    struct opr_obj *was = opr_doc_to_obj(doc), *is = opr_doc_to_obj(back);
    if (!opr_json_equal(was, is)) {
        abort();
    }
    opr_json_unref(was);
    opr_json_unref(is);
    (void)!opr_schema_strategic_patch(kind, &back, doc, nullptr);
    json_object_put(back);
    opr_buf_fini(&text);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"application/json", "application/yaml",
                                        "application/vnd.kubernetes.protobuf"};
    if (size == 0) {
        return 0;
    }
    struct opr_arena *a = opr_arena_new();
    struct opr_str body = opr_str_n(reinterpret_cast<const char *>(data) + 1, size - 1);
    struct json_object *doc = decode(nullptr, types[data[0] % 3], body, a);
    const struct opr_kind *kind = doc ? kind_of(doc) : nullptr;
    if (kind) {
        again(kind, doc, a);
    }
    json_object_put(doc);
    opr_arena_free(a);
    return 0;
}
