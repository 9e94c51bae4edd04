/* JSON bodies: canonical documents, strict fields, Go's wording of wrong types, prune. */
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using testing::ElementsAre;
using testing::HasSubstr;

namespace
{

const opr_kind *config_map()
{
    return kind_of("", "v1", "ConfigMap");
}
const opr_kind *deployment()
{
    return kind_of("apps", "v1", "Deployment");
}

std::string body(const char *kind, const char *version, std::string rest)
{
    for (char &c : rest) {
        c = c == '\'' ? '"' : c;
    }
    return std::string("{\"apiVersion\":\"") + version + "\",\"kind\":\"" + kind + "\"," + rest +
           "}";
}

TEST(Decode, PutsMembersInGoOrderAndAddsWhatGoPrints)
{
    Decoded d = decode(deployment(), body("Deployment", "apps/v1", "'spec':{'replicas':2}"));
    ASSERT_EQ(d.status, OPR_OK) << d.error;
    EXPECT_EQ(quoted(text_of(d.doc)),
              "{'kind':'Deployment','apiVersion':'apps/v1','metadata':{},'spec':{'replicas':2,"
              "'selector':null,'template':{'metadata':{},'spec':{'containers':null}},"
              "'strategy':{}},'status':{}}");
}

TEST(Decode, DropsZeroValuesAndNullsThatGoOmits)
{
    Decoded d = decode(deployment(), body("Deployment", "apps/v1",
                                          "'spec':{'replicas':0,'paused':false,'minReadySeconds':0,"
                                          "'revisionHistoryLimit':null}"));
    ASSERT_EQ(d.status, OPR_OK) << d.error;
    EXPECT_EQ(opr_doc_int(d.doc.get(), "/spec/replicas", -1), 0) << "a pointer keeps its zero";
    EXPECT_EQ(opr_doc_at(d.doc.get(), "/spec/paused"), nullptr);
    EXPECT_EQ(opr_doc_at(d.doc.get(), "/spec/minReadySeconds"), nullptr);
    EXPECT_EQ(opr_doc_at(d.doc.get(), "/spec/revisionHistoryLimit"), nullptr);
}

TEST(Decode, NamesUnknownAndDuplicateFieldsWithTheirPaths)
{
    std::string text =
        body("Deployment", "apps/v1",
             "'foo':1,'spec':{'replicas':1,'replicas':2,'template':{'metadata':{'labels':{'a':'1',"
             "'a':'2'}},'spec':{'containers':[{'name':'c'},{'nme':'d','bar':{'x':1}}]}}}");
    Decoded d = decode(deployment(), text);
    ASSERT_EQ(d.status, OPR_OK) << d.error;
    EXPECT_THAT(d.strict, ElementsAre("unknown field \"foo\"", "duplicate field \"spec.replicas\"",
                                      "duplicate field \"spec.template.metadata.labels.a\"",
                                      "unknown field \"spec.template.spec.containers[1].nme\"",
                                      "unknown field \"spec.template.spec.containers[1].bar\""));
    EXPECT_EQ(opr_doc_int(d.doc.get(), "/spec/replicas", 0), 2);
    EXPECT_EQ(opr_doc_at(d.doc.get(), "/foo"), nullptr);
    EXPECT_TRUE(decode(deployment(), text, "application/json", OPR_STRICT_IGNORE).strict.empty());
}

struct WrongType {
    const char *group, *version, *kind, *rest, *message;
};
class WrongTypes : public testing::TestWithParam<WrongType>
{
};

TEST_P(WrongTypes, AreWordedAsGoWordsThem)
{
    const WrongType &p = GetParam();
    Decoded d = decode(kind_of(p.group, p.version, p.kind), body(p.kind, p.version, p.rest));
    EXPECT_EQ(d.status, OPR_E_INVALID);
    EXPECT_EQ(d.error, p.message);
}

INSTANTIATE_TEST_SUITE_P(
    Decode, WrongTypes,
    testing::Values(
        WrongType{"", "v1", "ConfigMap", "'data':{'a':1}",
                  "json: cannot unmarshal number into Go struct field ConfigMap.data of type "
                  "string"},
        WrongType{"", "v1", "ConfigMap", "'data':[]",
                  "json: cannot unmarshal array into Go struct field ConfigMap.data of type "
                  "map[string]string"},
        WrongType{"", "v1", "ConfigMap", "'metadata':{'name':5}",
                  "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of "
                  "type string"},
        WrongType{"", "v1", "ConfigMap", "'binaryData':{'a':'!'}",
                  "illegal base64 data at input byte 0"},
        WrongType{"", "v1", "ConfigMap", "'metadata':{'creationTimestamp':'x'}",
                  "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as "
                  "\"2006\""},
        WrongType{"", "v1", "Pod", "'spec':{'containers':[{'env':[{'value':true}]}]}",
                  "json: cannot unmarshal bool into Go struct field EnvVar.spec.containers.env."
                  "value of type string"},
        WrongType{"", "v1", "Pod", "'spec':{'containers':{}}",
                  "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of "
                  "type []v1.Container"},
        WrongType{"", "v1", "Pod", "'spec':{'priority':1.5}",
                  "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.priority of "
                  "type int32"},
        WrongType{"", "v1", "Pod", "'spec':{'priority':99999999999}",
                  "json: cannot unmarshal number 99999999999 into Go struct field "
                  "PodSpec.spec.priority of type int32"},
        WrongType{
            "", "v1", "Pod", "'spec':{'restartPolicy':5}",
            "json: cannot unmarshal number into Go struct field PodSpec.spec.restartPolicy of "
            "type v1.RestartPolicy"},
        WrongType{"", "v1", "Pod", "'spec':{'containers':[{'resources':{'limits':{'cpu':'1K'}}}]}",
                  "unable to parse quantity's suffix"},
        WrongType{"", "v1", "Pod", "'spec':{'containers':[{'resources':{'limits':{'cpu':true}}}]}",
                  "quantities must match the regular expression "
                  "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"}));

struct BadText {
    const char *text, *message;
};
class BadTexts : public testing::TestWithParam<BadText>
{
};

TEST_P(BadTexts, AreNoJson)
{
    Decoded d = decode(config_map(), GetParam().text);
    EXPECT_EQ(d.status, OPR_E_INVALID);
    EXPECT_EQ(d.error,
              std::string("couldn't get version/kind; json parse error: ") + GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Decode, BadTexts,
    testing::Values(
        BadText{"{bad", "invalid character 'b' looking for beginning of object key string ({bad)"},
        BadText{"{\"data\":{\"a\":tru}}",
                "invalid character '}' in literal true (expecting 'e') ({\"data\":{\"a\":tru}})"},
        BadText{"{\"data\":{\"a\":1", "unexpected end of JSON input ({\"data\":{\"a\":1)"},
        BadText{"{\"a\":[1 2]}", "invalid character '2' after array element ({\"a\":[1 2]})"},
        BadText{"{\"a\":\"\\q\"}", "invalid character 'q' in string escape code ({\"a\":\"\\q\"})"},
        BadText{"{} x", "invalid character 'x' after top-level value ({} x)"},
        BadText{"{\"a\":01}", "invalid character '1' after object key:value pair ({\"a\":01})"},
        BadText{"{\"a\":\"\t\"}", "invalid character '\\t' in string literal ({\"a\":\"\t\"})"},
        BadText{"", "unexpected end of JSON input (<empty>)"}));

TEST(Decode, RefusesDeepNesting)
{
    Decoded d = decode(config_map(), std::string(100000, '[') + std::string(100000, ']'));
    EXPECT_NE(d.status, OPR_OK);
    d = decode(config_map(), "{\"x\":" + std::string(1000, '[') + std::string(1000, ']') + "}");
    EXPECT_EQ(d.status, OPR_E_LIMIT);
}

TEST(Decode, ReadsEscapesAndReplacesBadUtf8)
{
    Decoded d =
        decode(config_map(), "{\"data\":{\"a\":\"\\u00e9\\ud83d\\ude00\\n\",\"b\":\"\xff\",\"c\":"
                             "\"\\ud800x\"}}");
    ASSERT_EQ(d.status, OPR_OK) << d.error;
    EXPECT_STREQ(opr_doc_str(d.doc.get(), "/data/a", ""), "\xc3\xa9\xf0\x9f\x98\x80\n");
    EXPECT_STREQ(opr_doc_str(d.doc.get(), "/data/b", ""), "\xef\xbf\xbd");
    EXPECT_STREQ(opr_doc_str(d.doc.get(), "/data/c", ""), "\xef\xbf\xbdx");
}

TEST(Decode, RefusesUnknownContentTypes)
{
    EXPECT_EQ(decode(config_map(), "{}", "text/plain").status, OPR_E_UNSUPPORTED);
    EXPECT_EQ(decode(config_map(), "{}", "application/json; charset=utf-8").status, OPR_OK);
}

TEST(Decode, FindsTheKindInTheBody)
{
    Decoded d = decode(nullptr, body("DeleteOptions", "policy/v1", "'gracePeriodSeconds':5"));
    ASSERT_EQ(d.status, OPR_OK) << d.error;
    EXPECT_EQ(opr_doc_int(d.doc.get(), "/gracePeriodSeconds", 0), 5);
    d = decode(nullptr, body("Nothing", "v7", "'a':1"));
    EXPECT_EQ(d.status, OPR_E_INVALID);
    EXPECT_EQ(d.error, "no kind \"Nothing\" is registered for version \"v7\"");
    EXPECT_EQ(decode(nullptr, "{}").error, "Object 'Kind' is missing");
}

struct Amount {
    const char *given, *canonical;
};
class Quantities : public testing::TestWithParam<Amount>
{
};

TEST_P(Quantities, BecomeCanonical)
{
    Decoded d = decode(kind_of("", "v1", "Node"),
                       std::string("{\"status\":{\"capacity\":{\"x\":") + GetParam().given + "}}}");
    ASSERT_EQ(d.status, OPR_OK) << d.error;
    EXPECT_STREQ(opr_doc_str(d.doc.get(), "/status/capacity/x", ""), GetParam().canonical);
}

INSTANTIATE_TEST_SUITE_P(
    Decode, Quantities,
    testing::Values(Amount{"\"0.5\"", "500m"}, Amount{"\"1000m\"", "1"},
                    Amount{"\"1024Mi\"", "1Gi"}, Amount{"\"1.5Gi\"", "1536Mi"}, Amount{"2", "2"},
                    Amount{"0.1", "100m"}, Amount{"\"1e3\"", "1e3"}, Amount{"\"12e4\"", "120e3"},
                    Amount{"\"100k\"", "100k"}, Amount{"\"1000k\"", "1M"},
                    Amount{"\"-1.5\"", "-1500m"}, Amount{"\"+2\"", "2"}, Amount{"\"0\"", "0"},
                    Amount{"\"0Ki\"", "0"}, Amount{"\"1Ki\"", "1Ki"}, Amount{"\"512Ki\"", "512Ki"},
                    Amount{"\"0.5Ki\"", "512"}, Amount{"\"1n\"", "1n"}, Amount{"\"0.1n\"", "1n"},
                    Amount{"\"10E\"", "9223372036854775807"}, Amount{"\"00012\"", "12"},
                    Amount{"\".5\"", "500m"}, Amount{"\"5.\"", "5"}));

TEST(Decode, NormalizesTimes)
{
    Decoded d = decode(kind_of("coordination.k8s.io", "v1", "Lease"),
                       "{\"metadata\":{\"creationTimestamp\":\"2024-01-02T03:04:05.9+01:00\"},"
                       "\"spec\":{\"renewTime\":\"2024-01-02T03:04:05.678901Z\"}}");
    ASSERT_EQ(d.status, OPR_OK) << d.error;
    EXPECT_STREQ(opr_doc_str(d.doc.get(), "/metadata/creationTimestamp", ""),
                 "2024-01-02T02:04:05Z");
    EXPECT_STREQ(opr_doc_str(d.doc.get(), "/spec/renewTime", ""), "2024-01-02T03:04:05.678901Z");
}

TEST(Prune, CanonicalizesAPatchedDocumentInPlace)
{
    Doc doc = parse("{'spec':{'paused':false,'zap':1,'replicas':3},'kind':'Deployment',"
                    "'apiVersion':'apps/v1'}");
    Errors errors;
    opr_error err = {};
    json_object *before = doc.get();
    ASSERT_EQ(opr_schema_prune(deployment(), doc.get(), OPR_STRICT_ERROR, &errors.e, &err), OPR_OK)
        << err.message;
    EXPECT_EQ(doc.get(), before);
    EXPECT_THAT(errors.messages(), ElementsAre("unknown field \"spec.zap\""));
    EXPECT_THAT(quoted(text_of(doc)),
                HasSubstr("{'kind':'Deployment','apiVersion':'apps/v1','metadata':{},'spec':{"
                          "'replicas':3,'selector'"));
}

TEST(Prune, RefusesWrongTypes)
{
    Doc doc = parse("{'spec':{'replicas':'three'}}");
    opr_error err = {};
    EXPECT_EQ(opr_schema_prune(deployment(), doc.get(), OPR_STRICT_IGNORE, nullptr, &err),
              OPR_E_INVALID);
    EXPECT_THAT(err.message, HasSubstr("DeploymentSpec.spec.replicas of type int32"));
    EXPECT_STREQ(opr_doc_str(doc.get(), "/spec/replicas", ""), "three") << "left as it was";
}

} // namespace
