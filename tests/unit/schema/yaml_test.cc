/* YAML: scalars as sigs.k8s.io/yaml reads them, anchors and merges within limits. */
#include "support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using testing::HasSubstr;
using testing::StartsWith;

namespace
{

std::string to_json(const std::string &yaml)
{
    json_object *o = nullptr;
    opr_error err = {};
    opr_status st = opr_yaml_to_doc(str_of(yaml), nullptr, &o, &err);
    Doc doc = doc_of(o);
    return st == OPR_OK ? quoted(text_of(doc)) : std::string("error: ") + err.message;
}

struct Scalar {
    const char *yaml, *json;
};
class Scalars : public testing::TestWithParam<Scalar>
{
};

TEST_P(Scalars, AreResolved)
{
    EXPECT_EQ(to_json(std::string("a: ") + GetParam().yaml),
              std::string("{'a':") + GetParam().json + "}");
}

INSTANTIATE_TEST_SUITE_P(
    Yaml, Scalars,
    testing::Values(Scalar{"x", "'x'"}, Scalar{"yes", "true"}, Scalar{"y", "true"},
                    Scalar{"Off", "false"}, Scalar{"No", "false"}, Scalar{"TRUE", "true"},
                    Scalar{"'yes'", "'yes'"}, Scalar{"\"1\"", "'1'"}, Scalar{"~", "null"},
                    Scalar{"null", "null"}, Scalar{"", "null"}, Scalar{"nUll", "'nUll'"},
                    Scalar{"12", "12"}, Scalar{"-3", "-3"}, Scalar{"+4", "4"}, Scalar{"0x1F", "31"},
                    Scalar{"0755", "493"}, Scalar{"0o17", "15"}, Scalar{"0b101", "5"},
                    Scalar{"1_000", "1000"}, Scalar{"08", "8"}, Scalar{"1.50", "1.5"},
                    Scalar{"1.0", "1"}, Scalar{"1e3", "1000"}, Scalar{".5", "0.5"},
                    Scalar{"1.2.3", "'1.2.3'"}, Scalar{"12abc", "'12abc'"},
                    Scalar{"2024-01-02T03:04:05Z", "'2024-01-02T03:04:05Z'"},
                    Scalar{"2024-01-02", "'2024-01-02'"}, Scalar{"|-\n  p\n  q", "'p\\nq'"},
                    Scalar{"100m", "'100m'"}, Scalar{"[1, b, ~]", "[1,'b',null]"}));

TEST(Yaml, MakesKeysStrings)
{
    EXPECT_EQ(to_json("1: a\nyes: b\n0x10: c\n'2': d\n"), "{'1':'a','true':'b','16':'c','2':'d'}");
}

TEST(Yaml, ExpandsAnchorsAndMerges)
{
    EXPECT_EQ(to_json("a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, q: 3}\nd: {<<: [{r: 4}, *x]}\n"),
              "{'a':{'p':1,'q':2},'b':{'p':1,'q':2},'c':{'p':1,'q':3},'d':{'r':4,'p':1,'q':2}}");
    EXPECT_THAT(to_json("a: {<<: 5}"), HasSubstr("map merge requires map"));
}

TEST(Yaml, LimitsExpansion)
{
    std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
    for (int i = 1; i < 9; i++) {
        std::string prev = "*a" + std::to_string(i - 1);
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + prev;
        for (int j = 0; j < 9; j++) {
            bomb += "," + prev;
        }
        bomb += "]\n";
    }
    EXPECT_EQ(to_json(bomb), "error: yaml: document contains excessive aliasing");
    EXPECT_THAT(to_json("a: &x [*x]"), StartsWith("error: "));
    EXPECT_THAT(to_json(std::string(500, '[') + std::string(500, ']')), StartsWith("error: "));
}

TEST(Yaml, SeveralDocumentsBecomeAnArray)
{
    EXPECT_EQ(to_json("a: 1\n---\nb: 2\n---\n"), "[{'a':1},{'b':2}]");
    EXPECT_EQ(to_json("---\na: 1\n"), "{'a':1}");
    EXPECT_EQ(to_json(""), "null");
    EXPECT_EQ(to_json("# nothing\n"), "null");
    EXPECT_EQ(to_json("{\"a\": [1, \"2\"]}"), "{'a':[1,'2']}");
}

TEST(Yaml, NamesTheLineOfAnError)
{
    EXPECT_THAT(to_json("a: b\nc: [1\nd: 2\n"),
                StartsWith("error: error converting YAML to JSON: yaml: line 3: "));
    EXPECT_THAT(to_json("a: .inf"), HasSubstr("unsupported value"));
    EXPECT_THAT(to_json("? [a]\n: b\n"), HasSubstr("unsupported map key"));
}

TEST(Yaml, BodiesAreCheckedLikeJson)
{
    Decoded d = decode(kind_of("", "v1", "ConfigMap"),
                       "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: b\n  a: c\nfoo: 1\n",
                       "application/yaml");
    ASSERT_EQ(d.status, OPR_OK) << d.error;
    EXPECT_THAT(d.strict,
                testing::ElementsAre("duplicate field \"data.a\"", "unknown field \"foo\""));
    d = decode(kind_of("", "v1", "ConfigMap"), "data: {a: 1}", "application/yaml");
    EXPECT_THAT(d.error, HasSubstr("cannot unmarshal number into Go struct field ConfigMap.data"));
}

} // namespace
