/* Structural schemas, and what a version of a CRD says beside its schema. */
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using testing::HasSubstr;

namespace
{

std::string check(const std::string &version)
{
    const opr_kind *k = kind_of("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    Doc doc = parse("{'metadata':{'name':'bars.example.com'},'spec':{'group':'example.com','scope':"
                    "'Namespaced','names':{'kind':'Bar','listKind':'BarList','plural':'bars',"
                    "'singular':'bar'},'versions':[{'name':'v1','served':true,'storage':true," +
                    version + "}]},'status':{'storedVersions':['v1']}}");
    Errors errors;
    opr_schema_validate(k, doc.get(), nullptr, nullptr, &errors.e);
    std::string all;
    for (const std::string &one : errors.list()) {
        all += one + "\n";
    }
    std::replace(all.begin(), all.end(), '"', '\'');
    return all;
}

std::string schema(const std::string &properties)
{
    return check("'schema':{'openAPIV3Schema':{'type':'object','properties':{" + properties +
                 "}}}");
}

TEST(CrdStructural, Schemas)
{
    struct {
        const char *properties, *error; /* "": it is right */
    } const rows[] = {
        {"'a':{'type':'string'},'b':{'x-kubernetes-int-or-string':true},'c':{"
         "'x-kubernetes-preserve-unknown-fields':true}",
         ""},
        {"'a':{}", "properties[a].type: Required value: must not be empty for specified object "
                   "fields"},
        {"'a':{'type':'odd'}", "properties[a].type: Unsupported value: 'odd'"},
        {"'a':{'type':'array'}", "properties[a].items: Required value: must be specified"},
        {"'a':{'type':'array','items':{}}",
         "items.type: Required value: must not be empty for specified array items"},
        {"'a':{'type':'object','properties':{},'additionalProperties':{'type':'string'}}",
         "additionalProperties and properties are mutual exclusive"},
        {"'a':{'type':'string','x-kubernetes-list-type':'set'}",
         "must be array if x-kubernetes-list-type is specified"},
        {"'a':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['k'],"
         "'items':{'type':'object','properties':{'k':{'type':'string'}}}}",
         "so it must have a default or be a required property"},
        {"'a':{'type':'array','x-kubernetes-list-type':'map','items':{'type':'object'}}",
         "x-kubernetes-list-map-keys: Required value"},
        {"'a':{'type':'object','oneOf':[{'type':'object'}]}",
         "properties[a].oneOf[0].type: Forbidden: must be empty to be structural"},
        {"'a':{'x-kubernetes-int-or-string':true,'anyOf':[{'type':'integer'},{'type':'string'}]}",
         ""},
        {"'a':{'type':'string','maxLength':2,'default':'abc'}", "properties[a].default: Too long"},
        {"'a':{'type':'object','x-kubernetes-embedded-resource':true}",
         "must not be empty if x-kubernetes-embedded-resource is true without"},
        {"'metadata':{'type':'object','properties':{'labels':{'type':'object'}}}",
         "properties[metadata]: Forbidden: must not specify anything other than name"},
    };
    for (const auto &row : rows) {
        if (*row.error) {
            EXPECT_THAT(schema(row.properties), HasSubstr(row.error)) << row.properties;
        } else {
            EXPECT_EQ(schema(row.properties), "") << row.properties;
        }
    }
}

TEST(CrdStructural, Versions)
{
    const std::string good = "'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':{"
                             "'type':'object','properties':{'n':{'type':'integer'},'o':{'type':"
                             "'object'}}}}}}";
    struct {
        const char *more, *error;
    } const rows[] = {
        {"'additionalPrinterColumns':[{'name':'N','type':'integer','jsonPath':'.spec.n'}]", ""},
        {"'additionalPrinterColumns':[{'name':'N','type':'odd','jsonPath':'spec'}]",
         "additionalPrinterColumns[0].JSONPath: Invalid value: 'spec'"},
        {"'subresources':{'scale':{'specReplicasPath':'.status.n','statusReplicasPath':'.status.n'}"
         "}",
         "should be a json path under .spec"},
        {"'selectableFields':[{'jsonPath':'.spec.n'}]", ""},
        {"'selectableFields':[{'jsonPath':'.spec.x'}]", "does not refer to a valid field"},
        {"'selectableFields':[{'jsonPath':'.spec.o'}]", "must point to a field of type string"},
        {"'deprecationWarning':'x'", "can only be set for deprecated versions"},
    };
    for (const auto &row : rows) {
        if (*row.error) {
            EXPECT_THAT(check(good + "," + row.more), HasSubstr(row.error)) << row.more;
        } else {
            EXPECT_EQ(check(good + "," + row.more), "") << row.more;
        }
    }
}

} // namespace
