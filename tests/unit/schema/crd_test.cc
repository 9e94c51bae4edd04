/* Custom kinds: from a definition to decode, prune, default, validate, print. */
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using testing::ElementsAre;
using testing::IsEmpty;

namespace
{

const char DEFINITION[] =
    "{'spec':{'group':'example.com','scope':'Namespaced','names':{'kind':'Bar','plural':'bars',"
    "'singular':'bar','shortNames':['ba']},'versions':[{'name':'v1','subresources':{'status':{},"
    "'scale':{'specReplicasPath':'.spec.n','statusReplicasPath':'.status.r','labelSelectorPath':"
    "'.status.sel'}},'selectableFields':[{'jsonPath':'.spec.n'}],'additionalPrinterColumns':[{'"
    "name'"
    ":'N','type':'integer','jsonPath':'.spec.n'},{'name':'L','type':'string','jsonPath':'.spec.l'},"
    "{"
    "'name':'Ready','type':'string','jsonPath':'.status.conditions[?(@.type==\\'Ready\\')].status'}"
    ","
    "{'name':'Ann','type':'string','priority':1,'jsonPath':"
    "'.metadata.annotations.a\\\\.b'},{'name':'Age','type':'date','jsonPath':"
    "'.metadata.creationTimestamp'}],'schema':{'openAPIV3Schema':{'type':'object','required':['"
    "spec'"
    "],'properties':{'spec':{'type':'object','required':['n'],'properties':{'n':{'type':'integer',"
    "'minimum':1,'maximum':10},'s':{'type':'string','pattern':'^[a-z\\\\d]+$','maxLength':5,"
    "'default':'abc'},'e':{'type':'string','enum':['a','b']},'l':{'type':'array','maxItems':2,"
    "'items':{'type':'string'}},'set':{'type':'array','items':{'type':'string'},"
    "'x-kubernetes-list-type':'set'},'m':{'type':'array','x-kubernetes-list-type':'map',"
    "'x-kubernetes-list-map-keys':['k'],'items':{'type':'object','required':['k'],'properties':{'k'"
    ":"
    "{'type':'string'},'v':{'type':'integer','default':7}}}},'any':{'type':'object',"
    "'x-kubernetes-preserve-unknown-fields':true,'properties':{'x':{'type':'integer'}}},'ios':{"
    "'x-kubernetes-int-or-string':true},'map':{'type':'object','additionalProperties':{'type':"
    "'integer'}},'nul':{'type':'string','nullable':true},'o':{'type':'object','default':{},"
    "'properties':{'d':{'type':'integer','default':1}}},'one':{'type':'object','properties':{'p':{"
    "'type':'string'},'q':{'type':'string'}},'oneOf':[{'required':['p']},{'required':['q']}]},'emb'"
    ":"
    "{'type':'object','x-kubernetes-embedded-resource':true}}},'status':{'type':'object',"
    "'x-kubernetes-preserve-unknown-fields':true}}}}}]}}";

/* As parse(), but \' stands for an escaped quote. */
Doc definition()
{
    std::string text = DEFINITION, out;
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '\\' && text[i + 1] == '\'') {
            out += "\\\"";
            i++;
        } else {
            out += text[i] == '\'' ? '"' : text[i];
        }
    }
    json_object *o = nullptr;
    EXPECT_EQ(opr_doc_parse(str_of(out), &o, nullptr), OPR_OK);
    return doc_of(o);
}

class Crd : public testing::Test
{
  protected:
    void SetUp() override
    {
        Errors errors;
        Doc crd = definition();
        ASSERT_EQ(opr_kind_from_crd(crd.get(), "v1", &kind, &errors.e), OPR_OK);
    }
    void TearDown() override
    {
        opr_kind_unref(kind);
    }
    Decoded read(const std::string &spec)
    {
        return decode(kind, text_of(parse("{'apiVersion':'example.com/v1','kind':'Bar','metadata':{"
                                          "'name':'b','namespace':'default'},'spec':" +
                                          spec + "}")));
    }
    std::vector<std::string> check(const std::string &spec)
    {
        Decoded d = read(spec);
        EXPECT_EQ(d.status, OPR_OK) << d.error;
        opr_schema_default(kind, d.doc.get());
        Errors errors;
        opr_schema_validate(kind, d.doc.get(), nullptr, nullptr, &errors.e);
        auto list = errors.list();
        for (std::string &s : list) {
            s = quoted(s);
        }
        return list;
    }
    opr_kind *kind = nullptr;
};

TEST_F(Crd, DescribesItsKind)
{
    EXPECT_STREQ(kind->kind, "Bar");
    EXPECT_STREQ(kind->list_kind, "BarList");
    EXPECT_STREQ(kind->plural, "bars");
    EXPECT_STREQ(kind->short_names[0], "ba");
    EXPECT_TRUE(kind->is_namespaced && kind->is_custom && kind->has_generation);
    EXPECT_EQ(kind->subresources, unsigned{OPR_SUB_STATUS | OPR_SUB_SCALE});
    EXPECT_STREQ(kind->scale_spec_replicas, "/spec/n");
    EXPECT_STREQ(kind->scale_selector, "/status/sel");
    opr_kind *again = opr_kind_ref(kind);
    EXPECT_EQ(again, kind);
    opr_kind_unref(again);
    opr_kind *none = nullptr;
    EXPECT_EQ(opr_kind_from_crd(definition().get(), "v2", &none, nullptr), OPR_E_NOT_FOUND);
}

TEST_F(Crd, PrunesAndNamesUnknownFields)
{
    Decoded d = read("{'n':1,'foo':1,'any':{'y':2},'m':[{'k':'a','z':1}]}");
    ASSERT_EQ(d.status, OPR_OK) << d.error;
    EXPECT_THAT(d.strict,
                ElementsAre("unknown field \"spec.foo\"", "unknown field \"spec.m[0].z\""));
    EXPECT_EQ(opr_doc_at(d.doc.get(), "/spec/foo"), nullptr);
    EXPECT_EQ(opr_doc_int(d.doc.get(), "/spec/any/y", 0), 2);
}

TEST_F(Crd, KeepsItsMetadataTyped)
{
    Decoded d = decode(kind, "{\"metadata\":{\"name\":5}}");
    EXPECT_EQ(d.error, "json: cannot unmarshal number into Go struct field ObjectMeta.name of type "
                       "string");
    d = decode(kind, "{\"metadata\":{\"nme\":\"x\"}}");
    EXPECT_THAT(d.strict, ElementsAre("unknown field \"metadata.nme\""));
}

TEST_F(Crd, Defaults)
{
    Decoded d = read("{'n':1,'m':[{'k':'a'},{'k':'b','v':3}],'s':null,'e':null,'nul':null,'any':{"
                     "'x':null,'y':null}}");
    opr_schema_default(kind, d.doc.get());
    EXPECT_STREQ(opr_doc_str(d.doc.get(), "/spec/s", ""), "abc");
    EXPECT_EQ(opr_doc_int(d.doc.get(), "/spec/o/d", 0), 1);
    EXPECT_EQ(opr_doc_int(d.doc.get(), "/spec/m/0/v", 0), 7);
    EXPECT_EQ(opr_doc_int(d.doc.get(), "/spec/m/1/v", 0), 3);
    json_object *spec = opr_doc_at(d.doc.get(), "/spec"), *any = opr_doc_at(spec, "/any");
    EXPECT_FALSE(json_object_object_get_ex(spec, "e", nullptr)) << "null where there is none";
    EXPECT_TRUE(json_object_object_get_ex(spec, "nul", nullptr));
    EXPECT_FALSE(json_object_object_get_ex(any, "x", nullptr));
    EXPECT_TRUE(json_object_object_get_ex(any, "y", nullptr)) << "nobody knows what it is";
}

TEST_F(Crd, Validates)
{
    EXPECT_THAT(check("{'n':1,'nul':null,'ios':'5','one':{'p':'x'},'map':{'a':1},'e':'a'}"),
                IsEmpty());
    EXPECT_THAT(check("{}"), ElementsAre("spec.n: Required value"));
    EXPECT_THAT(check("{'n':'x'}"), ElementsAre("spec.n: Invalid value: 'string': spec.n in body "
                                                "must be of type integer: 'string'"));
    EXPECT_THAT(check("{'n':0}"), ElementsAre("spec.n: Invalid value: 0: spec.n in body should be "
                                              "greater than or equal to 1"));
    EXPECT_THAT(check("{'n':11}"), ElementsAre("spec.n: Invalid value: 11: spec.n in body should "
                                               "be less than or equal to 10"));
    EXPECT_THAT(check("{'n':1,'s':'AB'}"), ElementsAre("spec.s: Invalid value: 'AB': spec.s in "
                                                       "body should match '^[a-z\\d]+$'"));
    EXPECT_THAT(check("{'n':1,'s':'abcdef'}"),
                ElementsAre("spec.s: Too long: may not be more than 5 bytes"));
    EXPECT_THAT(check("{'n':1,'e':'c'}"),
                ElementsAre("spec.e: Unsupported value: 'c': supported values: 'a', 'b'"));
    EXPECT_THAT(check("{'n':1,'l':['a','b','c']}"),
                ElementsAre("spec.l: Too many: 3: must have at most 2 items"));
    EXPECT_THAT(check("{'n':1,'set':['a','a']}"), ElementsAre("spec.set[1]: Duplicate value: 'a'"));
    EXPECT_THAT(check("{'n':1,'m':[{'k':'a'},{'k':'a'}]}"),
                ElementsAre("spec.m[1]: Duplicate value: {'k':'a'}"));
    EXPECT_THAT(check("{'n':1,'map':{'a':'b'}}"),
                ElementsAre("spec.map.a: Invalid value: 'string': spec.map.a in body must be of "
                            "type integer: 'string'"));
    EXPECT_THAT(check("{'n':1,'ios':true}"),
                ElementsAre("spec.ios: Invalid value: 'boolean': spec.ios in body must be of type "
                            "integer,string: 'boolean'"));
    EXPECT_THAT(check("{'n':1,'one':{'p':'1','q':'2'}}"),
                ElementsAre("<nil>: Invalid value: '': 'spec.one' must validate one and only one "
                            "schema (oneOf). Found 2 valid alternatives"));
    EXPECT_THAT(check("{'n':1,'emb':{'kind':'x'}}"),
                ElementsAre("spec.emb.apiVersion: Required value"));
    EXPECT_THAT(check("'x'"), ElementsAre("spec: Invalid value: 'string': spec in body must be of "
                                          "type object: 'string'"));
}

TEST_F(Crd, PrintsItsColumnsAndSelectsItsFields)
{
    Doc doc = parse("{'metadata':{'name':'b','annotations':{'a.b':'q'},'creationTimestamp':"
                    "'1970-01-01T00:00:00Z'},'spec':{'n':4,'l':['p','q']},'status':{'conditions':[{"
                    "'type':'Other','status':'x'},{'type':'Ready','status':'True'}]}}");
    opr_obj *o = opr_doc_to_obj(doc.get());
    Doc row = doc_of(opr_schema_cells(kind, o, 60000));
    EXPECT_EQ(text_of(row), "[\"b\",4,\"[\\\"p\\\",\\\"q\\\"]\",\"True\",\"q\",\"60s\"]");
    Doc columns = doc_of(opr_schema_columns(kind));
    EXPECT_STREQ(opr_doc_str(columns.get(), "/5/type", ""), "date");
    EXPECT_EQ(opr_doc_int(columns.get(), "/4/priority", 0), 1);
    opr_str value = {};
    EXPECT_EQ(opr_schema_field(kind, o, OPR_STR("spec.n"), &value), OPR_OK);
    EXPECT_EQ(std::string(value.ptr, value.len), "4");
    EXPECT_EQ(opr_schema_field(kind, o, OPR_STR("spec.l"), &value), OPR_E_UNSUPPORTED);
    opr_json_unref(o);
}

TEST_F(Crd, IsPublishedInOpenApi)
{
    const opr_kind *kinds[] = {kind};
    Doc doc = doc_of(opr_schema_openapi_v3(kinds, 1));
    json_object *schema = opr_doc_at(doc.get(), "/components/schemas/com.example.v1.Bar");
    ASSERT_NE(schema, nullptr);
    EXPECT_EQ(opr_doc_int(schema, "/properties/spec/properties/n/minimum", 0), 1);
    EXPECT_STREQ(opr_doc_str(schema, "/x-kubernetes-group-version-kind/0/group", ""),
                 "example.com");
    EXPECT_NE(opr_doc_at(schema, "/properties/metadata"), nullptr);
    EXPECT_NE(opr_doc_at(doc.get(), "/components/schemas/com.example.v1.BarList"), nullptr);
}

TEST_F(Crd, SaysInOpenApiWhatEveryObjectHas)
{
    const opr_kind *kinds[] = {kind};
    Doc doc = doc_of(opr_schema_openapi_v3(kinds, 1));
    json_object *schema = opr_doc_at(doc.get(), "/components/schemas/com.example.v1.Bar");
    EXPECT_NE(opr_doc_str(schema, "/properties/apiVersion/description", nullptr), nullptr);
    EXPECT_NE(opr_doc_at(schema, "/properties/metadata/allOf/0/$ref"), nullptr);
    json_object *spec = opr_doc_at(schema, "/properties/spec/properties");
    EXPECT_STREQ(opr_doc_str(spec, "/ios/anyOf/0/type", ""), "integer");
    EXPECT_STREQ(opr_doc_str(spec, "/emb/required/1", ""), "apiVersion");
    EXPECT_NE(opr_doc_at(spec, "/emb/properties/metadata"), nullptr);
}

TEST_F(Crd, LeavesOutOfOpenApi2WhatThatCanNotSay)
{
    const opr_kind *kinds[] = {kind};
    Doc doc = doc_of(opr_schema_openapi_v2(kinds, 1));
    json_object *spec =
        opr_doc_at(doc.get(), "/definitions/com.example.v1.Bar/properties/spec/properties");
    ASSERT_NE(spec, nullptr);
    EXPECT_EQ(text_of(doc_of(json_object_get(opr_doc_at(spec, "/any")))),
              "{\"x-kubernetes-preserve-unknown-fields\":true}");
    EXPECT_EQ(text_of(doc_of(json_object_get(opr_doc_at(spec, "/nul")))), "{}");
    EXPECT_EQ(text_of(doc_of(json_object_get(opr_doc_at(spec, "/ios")))),
              "{\"x-kubernetes-int-or-string\":true}");
    EXPECT_EQ(opr_doc_at(spec, "/one/oneOf"), nullptr);
    EXPECT_EQ(opr_doc_at(spec, "/o/default"), nullptr);
    EXPECT_EQ(opr_doc_int(spec, "/o/properties/d/default", -1), -1);
    EXPECT_EQ(opr_doc_int(spec, "/n/minimum", 0), 1);
}

TEST_F(Crd, RefusesProtobufAndStrategicPatches)
{
    EXPECT_EQ(decode(kind, "k8s", "application/vnd.kubernetes.protobuf").status, OPR_E_UNSUPPORTED);
    json_object *o = nullptr;
    EXPECT_EQ(opr_schema_strategic_patch(kind, &o, nullptr, nullptr), OPR_E_UNSUPPORTED);
}

TEST(CrdPatterns, AreTranslated)
{
    struct Pattern {
        const char *pattern, *good, *bad;
    };
    const Pattern patterns[] = {{"^\\d{3}$", "123", "12a"},       {"^(?:a|b)+?$", "abab", "abc"},
                                {"^[\\w.-]+$", "a_b-c.d", "a b"}, {"^[^\\]]+$", "ab", "a]"},
                                {"^\\S+\\.x$", "q.x", "qxx"},     {"^[a\\-z]$", "-", "b"}};
    for (const Pattern &p : patterns) {
        Doc crd =
            parse("{'spec':{'names':{'kind':'K'},'versions':[{'name':'v1','schema':{"
                  "'openAPIV3Schema':{'type':'object','properties':{'s':{'type':'string'}}}}}]"
                  "}}");
        opr_doc_put_str(crd.get(), "/spec/versions/0/schema/openAPIV3Schema/properties/s/pattern",
                        p.pattern);
        opr_kind *k = nullptr;
        ASSERT_EQ(opr_kind_from_crd(crd.get(), "v1", &k, nullptr), OPR_OK) << p.pattern;
        for (const char *text : {p.good, p.bad}) {
            Errors errors;
            Doc doc = parse("{'metadata':{'name':'x'}}");
            opr_doc_put_str(doc.get(), "/s", text);
            opr_schema_validate(k, doc.get(), nullptr, nullptr, &errors.e);
            EXPECT_EQ(errors.e.count, text == p.good ? 0u : 1u) << p.pattern << " " << text;
        }
        opr_kind_unref(k);
    }
}

TEST(CrdPatterns, ThatAreBrokenAreRefused)
{
    for (const char *pattern : {"(", "[a", "a\\", "(?i)x"}) {
        Doc crd = parse("{'spec':{'names':{'kind':'K'},'versions':[{'name':'v1','schema':{"
                        "'openAPIV3Schema':{'type':'object'}}}]}}");
        opr_doc_put_str(crd.get(), "/spec/versions/0/schema/openAPIV3Schema/pattern", pattern);
        opr_kind *k = nullptr;
        Errors errors;
        EXPECT_EQ(opr_kind_from_crd(crd.get(), "v1", &k, &errors.e), OPR_E_INVALID) << pattern;
        EXPECT_EQ(errors.e.count, 1u);
    }
}

} // namespace
