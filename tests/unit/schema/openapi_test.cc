/* The published OpenAPI documents. */
#include "support.h"

#include <gtest/gtest.h>

#include <set>

namespace
{

std::vector<const opr_kind *> kinds_of(const char *group, const char *version)
{
    std::vector<const opr_kind *> out;
    for (size_t i = 0; i < opr_kind_count(); i++) {
        const opr_kind *k = opr_kind_nth(i);
        if (!*version || (!strcmp(k->group, group) && !strcmp(k->version, version))) {
            out.push_back(k);
        }
    }
    return out;
}

/* Every $ref names a schema that is there. */
void check_refs(json_object *o, json_object *schemas, const std::string &prefix, int &count)
{
    if (json_object_is_type(o, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(o); i++) {
            check_refs(json_object_array_get_idx(o, i), schemas, prefix, count);
        }
    }
    if (!json_object_is_type(o, json_type_object)) {
        return;
    }
    json_object_object_foreach(o, name, value)
    {
        if (!strcmp(name, "$ref") && json_object_is_type(value, json_type_string)) {
            std::string ref = json_object_get_string(value);
            ASSERT_EQ(ref.substr(0, prefix.size()), prefix);
            EXPECT_TRUE(json_object_object_get_ex(schemas, ref.c_str() + prefix.size(), nullptr))
                << ref;
            count++;
        } else {
            check_refs(value, schemas, prefix, count);
        }
    }
}

TEST(OpenApi, V3SaysWhatKubectlNeeds)
{
    auto kinds = kinds_of("apps", "v1");
    Doc doc = doc_of(opr_schema_openapi_v3(kinds.data(), kinds.size()));
    json_object *schemas = opr_doc_at(doc.get(), "/components/schemas");
    int refs = 0;
    check_refs(doc.get(), schemas, "#/components/schemas/", refs);
    EXPECT_GT(refs, 250);
    json_object *d = json_object_object_get(schemas, "io.k8s.api.apps.v1.Deployment");
    EXPECT_STREQ(opr_doc_str(d, "/x-kubernetes-group-version-kind/0/kind", ""), "Deployment");
    json_object *spec = json_object_object_get(schemas, "io.k8s.api.core.v1.PodSpec");
    json_object *containers = opr_doc_at(spec, "/properties/containers");
    EXPECT_STREQ(opr_doc_str(containers, "/x-kubernetes-patch-strategy", ""), "merge");
    EXPECT_STREQ(opr_doc_str(containers, "/x-kubernetes-patch-merge-key", ""), "name");
    EXPECT_STREQ(opr_doc_str(containers, "/x-kubernetes-list-type", ""), "map");
    EXPECT_STREQ(opr_doc_str(containers, "/x-kubernetes-list-map-keys/0", ""), "name");
    EXPECT_STREQ(opr_doc_str(spec, "/properties/restartPolicy/enum/0", ""), "Always");
    EXPECT_STREQ(opr_doc_str(spec, "/required/0", ""), "containers");
    json_object *patch = opr_doc_at(
        doc.get(), "/paths/~1apis~1apps~1v1~1namespaces~1{namespace}~1deployments~1{name}/patch");
    ASSERT_NE(patch, nullptr);
    EXPECT_STREQ(opr_doc_str(patch, "/x-kubernetes-group-version-kind/kind", ""), "Deployment");
    EXPECT_NE(opr_doc_at(patch, "/requestBody/content/application~1strategic-merge-patch+json"),
              nullptr);
    std::set<std::string> names;
    json_object *parameters = opr_doc_at(patch, "/parameters");
    for (size_t i = 0; i < json_object_array_length(parameters); i++) {
        names.insert(opr_doc_str(json_object_array_get_idx(parameters, i), "/name", ""));
    }
    EXPECT_TRUE(names.count("fieldValidation"));
    EXPECT_TRUE(names.count("dryRun"));
}

TEST(OpenApi, OperationIdsAreUnique)
{
    auto kinds = kinds_of("", "");
    Doc doc = doc_of(opr_schema_openapi_v2(kinds.data(), kinds.size()));
    std::set<std::string> ids;
    json_object *paths = opr_doc_at(doc.get(), "/paths");
    json_object_object_foreach(paths, path, item)
    {
        json_object_object_foreach(item, method, operation)
        {
            if (strcmp(method, "parameters") != 0) {
                EXPECT_TRUE(ids.insert(opr_doc_str(operation, "/operationId", "")).second)
                    << path << " " << method;
            }
        }
    }
    EXPECT_GT(ids.size(), 150u);
}

TEST(OpenApi, V2RefersToDefinitions)
{
    auto kinds = kinds_of("", "");
    Doc doc = doc_of(opr_schema_openapi_v2(kinds.data(), kinds.size()));
    int refs = 0;
    EXPECT_STREQ(opr_doc_str(doc.get(), "/swagger", ""), "2.0");
    check_refs(doc.get(), opr_doc_at(doc.get(), "/definitions"), "#/definitions/", refs);
    EXPECT_GT(refs, 700);
}

} // namespace
