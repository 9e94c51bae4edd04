#include <gtest/gtest.h>

#include <string>

extern "C" {
#include "core/api/meta.h"
#include "core/api/patch.h"
#include "core/api/quantity.h"
#include "core/base/str.h"
}

namespace
{

opr_status quantity(const std::string &text, int64_t *milli)
{
    return opr_quantity_parse(opr_str_n(text.data(), text.size()), milli);
}

TEST(Quantity, Parses)
{
    struct {
        const char *text;
        int64_t milli;
    } good[] = {{"0", 0},
                {"1", 1000},
                {"250m", 250},
                {"1.5", 1500},
                {".5", 500},
                {"1.", 1000},
                {"+2", 2000},
                {"-2", -2000},
                {"100n", 1},
                {"-100n", -1},
                {"1000001u", 1001},
                {"1001n", 1},
                {"0.0001", 1},
                {"2e3", 2000000},
                {"2E3", 2000000},
                {"1e-3", 1},
                {"1e+2", 100000},
                {"12e-1", 1200},
                {"1k", 1000000},
                {"3M", 3000000000},
                {"1Ki", 1024000},
                {"64Mi", 67108864000},
                {"1.5Gi", 1610612736000},
                {"0.5Mi", 524288000},
                {"9223372036854775807m", INT64_MAX},
                {"-9223372036854775807m", -INT64_MAX},
                {"1e-1000000", 1},
                {"0e1000000", 0},
                {"0Ei", 0},
                {"00000000000000000000000000000000000000001", 1000},
                {"0.00000000000000000000000000000000000000000000001", 1},
                {"1.00000000000000000000000000000000000000000000001", 1001},
                {"0.0010000000000000000000000000000001Ki", 1025},
                {"2P", 2000000000000000000}};
    for (auto &g : good) {
        int64_t milli = -77;
        EXPECT_EQ(OPR_OK, quantity(g.text, &milli)) << g.text;
        EXPECT_EQ(g.milli, milli) << g.text;
    }
}

TEST(Quantity, RefusesOverflow)
{
    for (const char *large :
         {"1E", "10P", "9223372036854775808m", "8Ei", "1e19", "1e1000000", "-1e40",
          "99999999999999999999999999999999999999999999", "9223372036854775807.1m"}) {
        int64_t milli;
        EXPECT_EQ(OPR_E_LIMIT, quantity(large, &milli)) << large;
    }
    int64_t milli;
    EXPECT_EQ(OPR_E_LIMIT, quantity(std::string(100000, '0'), &milli));
}

TEST(Quantity, RefusesWhatIsNone)
{
    for (const char *bad :
         {"",     "-",   "+",   ".",      "m",       "Ki",   "1.1.M", "1+1.0M", "0.1mi", "0.1am",
          "aoeu", ".5i", "1i",  "-3.01i", "-3.01e-", " 1",   "1 ",    "1e",     "1ee3",  "--1",
          "1K",   "1mi", "1kM", "1KiB",   "1.2.3",   "1e3k", "0x10",  "1_000",  "1,5"}) {
        int64_t milli;
        EXPECT_EQ(OPR_E_INVALID, quantity(bad, &milli)) << bad;
    }
}

std::string format(int64_t milli, bool is_binary)
{
    char text[OPR_QUANTITY_TEXT_MAX];
    opr_quantity_format(milli, is_binary, text);
    return text;
}

TEST(Quantity, FormatsCanonically)
{
    EXPECT_EQ("0", format(0, false));
    EXPECT_EQ("250m", format(250, false));
    EXPECT_EQ("1500m", format(1500, false));
    EXPECT_EQ("2", format(2000, false));
    EXPECT_EQ("1500", format(1500000, false));
    EXPECT_EQ("2k", format(2000000, false));
    EXPECT_EQ("-3M", format(-3000000000, false));
    EXPECT_EQ("64Mi", format(67108864000, true));
    EXPECT_EQ("1536Mi", format(1610612736000, true));
    EXPECT_EQ("1Ki", format(1024000, true));
    EXPECT_EQ("1023", format(1023000, true));
    EXPECT_EQ("1k", format(1000000, true));
    EXPECT_EQ("1024001m", format(1024001, true));
    EXPECT_EQ("-9223372036854775808m", format(INT64_MIN, false));
}

TEST(Quantity, WhatIsFormattedParsesToItself)
{
    for (int64_t milli : {1ll, 999ll, 1000ll, 123456789ll, 1024000ll * 1024, 5000000000000ll}) {
        for (bool is_binary : {false, true}) {
            int64_t again = 0;
            EXPECT_EQ(OPR_OK, quantity(format(milli, is_binary), &again));
            EXPECT_EQ(milli, again);
        }
    }
}

class Object : public testing::Test
{
  protected:
    void parse(const char *text)
    {
        opr_json_unref(o);
        o = nullptr;
        ASSERT_EQ(OPR_OK, opr_json_parse(opr_str_of(text), &o, nullptr));
    }
    ~Object() override
    {
        opr_json_unref(o);
    }
    struct opr_obj *o = nullptr;
};

TEST_F(Object, QuantityAtAPointer)
{
    parse(R"({"cpu":"250m","n":2,"f":0.5,"x":"?","b":true,"null":null})");
    int64_t milli = 0;
    EXPECT_EQ(OPR_OK, opr_quantity_at(o, "/cpu", &milli));
    EXPECT_EQ(250, milli);
    EXPECT_EQ(OPR_OK, opr_quantity_at(o, "/n", &milli));
    EXPECT_EQ(2000, milli);
    EXPECT_EQ(OPR_OK, opr_quantity_at(o, "/f", &milli));
    EXPECT_EQ(500, milli);
    EXPECT_EQ(OPR_E_INVALID, opr_quantity_at(o, "/x", &milli));
    EXPECT_EQ(OPR_E_INVALID, opr_quantity_at(o, "/b", &milli));
    EXPECT_EQ(OPR_E_NOT_FOUND, opr_quantity_at(o, "/null", &milli));
    EXPECT_EQ(OPR_E_NOT_FOUND, opr_quantity_at(o, "/none", &milli));
    EXPECT_EQ(OPR_E_NOT_FOUND, opr_quantity_at(nullptr, "/none", &milli));
}

TEST_F(Object, MetadataIsRead)
{
    parse(R"({"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"n","namespace":"ns",
        "uid":"u","resourceVersion":"42","labels":{"app.kubernetes.io/name":"x"},
        "deletionTimestamp":"2026-01-01T00:00:00Z","ownerReferences":[{"name":"a"},
        {"name":"b","controller":true}]}})");
    struct opr_arena *a = opr_arena_new();
    EXPECT_STREQ("ns", opr_meta_ns(o));
    EXPECT_STREQ("n", opr_meta_name(o));
    EXPECT_STREQ("u", opr_meta_uid(o));
    EXPECT_EQ(42u, opr_meta_rv(o));
    EXPECT_TRUE(opr_meta_is_deleting(o));
    EXPECT_STREQ("b", opr_json_str(opr_meta_controller(o), "/name", ""));
    EXPECT_STREQ("x", opr_meta_label(o, "app.kubernetes.io/name"));
    EXPECT_EQ(nullptr, opr_meta_label(o, "none"));
    EXPECT_STREQ("apps/v1/ReplicaSet", opr_gvk_of(a, o));
    EXPECT_TRUE(opr_gvk_is(o, "apps/v1/ReplicaSet"));
    EXPECT_FALSE(opr_gvk_is(o, "apps/v1/Replica"));
    EXPECT_FALSE(opr_gvk_is(o, "v1/ReplicaSet"));
    opr_arena_free(a);
}

TEST_F(Object, AbsentMetadataHasDefaults)
{
    parse("{}");
    EXPECT_STREQ("", opr_meta_ns(o));
    EXPECT_STREQ("", opr_meta_name(nullptr));
    EXPECT_EQ(0u, opr_meta_rv(o));
    EXPECT_FALSE(opr_meta_is_deleting(o));
    EXPECT_EQ(nullptr, opr_meta_controller(o));
    parse(R"({"metadata":{"resourceVersion":"opaque"}})");
    EXPECT_EQ(0u, opr_meta_rv(o));
}

TEST(Gvk, SplitsText)
{
    struct opr_gvk g;
    EXPECT_EQ(OPR_OK, opr_gvk_parse("apps/v1/Deployment", &g));
    EXPECT_TRUE(opr_str_is(g.group, "apps"));
    EXPECT_TRUE(opr_str_is(g.version, "v1"));
    EXPECT_TRUE(opr_str_is(g.kind, "Deployment"));
    EXPECT_EQ(OPR_OK, opr_gvk_parse("v1/Pod", &g));
    EXPECT_EQ(0u, g.group.len);
    for (const char *bad : {"", "Pod", "v1/", "/Pod", "a/b/c/D", "a//B"}) {
        EXPECT_EQ(OPR_E_INVALID, opr_gvk_parse(bad, &g)) << bad;
    }
}

struct json_object *doc(const char *text)
{
    struct json_object *d = nullptr;
    EXPECT_EQ(OPR_OK, opr_doc_parse(opr_str_of(text), &d, nullptr)) << text;
    return d;
}

std::string text_of(struct json_object *d)
{
    struct opr_buf b = {};
    opr_doc_write(&b, d);
    std::string s(b.data, b.len);
    opr_buf_fini(&b);
    return s;
}

/* RFC 7386, appendix A, and nested nulls. */
TEST(MergePatch, FollowsTheExamplesOfTheRfc)
{
    const char *cases[][3] = {
        {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
        {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
        {R"({"a":"b"})", R"({"a":null})", "{}"},
        {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
        {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
        {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
        {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
        {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
        {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
        {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
        {R"({"a":"foo"})", "null", "null"},
        {R"({"a":"foo"})", R"("bar")", R"("bar")"},
        {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
        {"[1,2]", R"({"a":"b","c":null})", R"({"a":"b"})"},
        {"{}", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"}};
    for (auto &c : cases) {
        struct json_object *d = doc(c[0]), *p = doc(c[1]);
        EXPECT_EQ(OPR_OK, opr_patch_merge(&d, p, nullptr));
        EXPECT_EQ(c[2], text_of(d)) << c[0] << " + " << c[1];
        json_object_put(d);
        json_object_put(p);
    }
}

TEST(MergePatch, DifferenceLeadsFromAToB)
{
    const char *cases[][3] = {
        {R"({"a":1,"b":{"c":2,"d":3},"e":[1]})", R"({"a":1,"b":{"c":4},"e":[1,2],"f":"x"})",
         R"({"b":{"d":null,"c":4},"e":[1,2],"f":"x"})"},
        {R"({"a":{"x":1}})", R"({"a":{}})", R"({"a":{"x":null}})"},
        {R"({"a":"s"})", R"({"a":{"b":1}})", R"({"a":{"b":1}})"},
        {R"({"a":{"b":1}})", R"({"a":"s"})", R"({"a":"s"})"},
        {R"({"a":1})", R"({"a":9223372036854775807})", R"({"a":9223372036854775807})"}};
    for (auto &c : cases) {
        struct json_object *a = doc(c[0]), *b = doc(c[1]);
        struct json_object *p = opr_patch_diff(a, b);
        EXPECT_EQ(c[2], text_of(p));
        EXPECT_EQ(OPR_OK, opr_patch_merge(&a, p, nullptr));
        EXPECT_TRUE(opr_doc_equal(a, b)) << text_of(a);
        json_object_put(p);
        json_object_put(a);
        json_object_put(b);
    }
    for (const char *same : {R"({"a":[1,{"b":null}]})", "{}"}) {
        struct json_object *a = doc(same), *b = doc(same);
        EXPECT_EQ(nullptr, opr_patch_diff(a, b));
        json_object_put(a);
        json_object_put(b);
    }
    struct json_object *a = doc(R"({"a":{"x":null}})"), *b = doc(R"({"a":{},"n":null})");
    EXPECT_EQ(nullptr, opr_patch_diff(a, b)) << "null and absent are alike";
    json_object_put(a);
    json_object_put(b);
}

std::string patched(const char *before, const char *patch)
{
    struct json_object *d = doc(before), *p = doc(patch);
    struct opr_error err = {};
    opr_status st = opr_patch_json(&d, p, &err);
    std::string s = st == OPR_OK ? text_of(d) : std::string("error: ") + err.message;
    json_object_put(d);
    json_object_put(p);
    return s;
}

TEST(JsonPatch, Applies)
{
    const char *cases[][3] = {
        {R"({"foo":"bar"})", R"([{"op":"add","path":"/baz","value":"qux"}])",
         R"({"foo":"bar","baz":"qux"})"},
        {R"({"a":[1,2]})", R"([{"op":"add","path":"/a/1","value":9}])", R"({"a":[1,9,2]})"},
        {R"({"a":[1,2]})", R"([{"op":"add","path":"/a/0","value":9}])", R"({"a":[9,1,2]})"},
        {R"({"a":[1,2]})", R"([{"op":"add","path":"/a/2","value":9}])", R"({"a":[1,2,9]})"},
        {R"({"a":[1,2]})", R"([{"op":"add","path":"/a/-","value":[3]}])", R"({"a":[1,2,[3]]})"},
        {R"({"a":1,"b":2})", R"([{"op":"remove","path":"/a"}])", R"({"b":2})"},
        {R"({"a":[1,2,3]})", R"([{"op":"remove","path":"/a/1"}])", R"({"a":[1,3]})"},
        {R"({"a":null})", R"([{"op":"remove","path":"/a"}])", "{}"},
        {R"({"a~/b":null,"c":1})", R"([{"op":"remove","path":"/a~0~1b"}])", R"({"c":1})"},
        {R"({"a":1,"b":2})", R"([{"op":"replace","path":"/a","value":{"x":1}}])",
         R"({"a":{"x":1},"b":2})"},
        {R"({"a":[1,2]})", R"([{"op":"replace","path":"/a/0","value":7}])", R"({"a":[7,2]})"},
        {R"({"a":1})", R"([{"op":"replace","path":"","value":[1]}])", "[1]"},
        {R"({"a":1})", R"([{"op":"add","path":"","value":2}])", "2"},
        {R"({"a":{"b":1},"c":{}})", R"([{"op":"move","from":"/a/b","path":"/c/d"}])",
         R"({"a":{},"c":{"d":1}})"},
        {R"({"a":[1,2,3]})", R"([{"op":"move","from":"/a/0","path":"/a/2"}])", R"({"a":[2,3,1]})"},
        {R"({"a":{"b":1}})", R"([{"op":"copy","from":"/a","path":"/c"}])",
         R"({"a":{"b":1},"c":{"b":1}})"},
        {R"({"a":{"b":1}})", R"([{"op":"copy","from":"","path":"/c"}])",
         R"({"a":{"b":1},"c":{"a":{"b":1}}})"},
        {R"({"a":1.0,"o":{"x":1,"y":[2]}})",
         R"([{"op":"test","path":"/a","value":1},{"op":"test","path":"/o","value":{"y":[2],"x":1}}])",
         R"({"a":1.0,"o":{"x":1,"y":[2]}})"},
        {"{}", R"([{"op":"test","path":"/none","value":null}])", "{}"},
        {R"({"a":1,"b":[1,2]})",
         R"([{"op":"remove","path":"/a"},{"op":"remove","path":"/b/0"},{"op":"copy","from":"/b","path":"/c"}])",
         R"({"b":[2],"c":[2]})"},
        {R"({"m":5,"n":{}})",
         R"([{"op":"test","path":"/m","value":5},{"op":"move","from":"/m","path":"/n/x~0y~1z"}])",
         R"({"n":{"x~y/z":5}})"},
        {R"({"":1})", R"([{"op":"replace","path":"/","value":2}])", R"({"":2})"},
        {"{}", "[]", "{}"}};
    for (auto &c : cases) {
        EXPECT_EQ(c[2], patched(c[0], c[1])) << c[0] << " + " << c[1];
    }
}

TEST(JsonPatch, Refuses)
{
    const char *cases[][2] = {{"{}", "{}"},
                              {"{}", "[1]"},
                              {"{}", R"([{"op":"add","value":1}])"},
                              {"{}", R"([{"op":"add","path":"a","value":1}])"},
                              {"{}", R"([{"op":"add","path":"/a/b","value":1}])"},
                              {"{}", R"([{"op":"frob","path":"/a","value":1}])"},
                              {"{}", R"([{"op":"remove","path":"/a"}])"},
                              {"{}", R"([{"op":"remove","path":""}])"},
                              {"{}", R"([{"op":"replace","path":"/a/b","value":1}])"},
                              {R"({"a":[1]})", R"([{"op":"add","path":"/a/2","value":1}])"},
                              {R"({"a":[1]})", R"([{"op":"add","path":"/a/00","value":1}])"},
                              {R"({"a":[1]})", R"([{"op":"add","path":"/a/x","value":1}])"},
                              {R"({"a":[1]})", R"([{"op":"replace","path":"/a/-","value":1}])"},
                              {R"({"a":[1]})", R"([{"op":"remove","path":"/a/1"}])"},
                              {R"({"a":1})", R"([{"op":"add","path":"/a/b","value":1}])"},
                              {R"({"a":1})", R"([{"op":"test","path":"/a","value":2}])"},
                              {R"({"a":1})", R"([{"op":"test","path":"/a","value":"1"}])"},
                              {R"({"a":1})", R"([{"op":"test","path":"/b/c","value":null}])"},
                              {R"({"a":{"b":1}})", R"([{"op":"test","path":"/a","value":{}}])"},
                              {R"({"a":{}})", R"([{"op":"move","from":"/a","path":"/a/b"}])"},
                              {R"({"a":{}})", R"([{"op":"move","from":"","path":"/b"}])"},
                              {"{}", R"([{"op":"copy","from":"/a/c","path":"/b"}])"},
                              {"{}", R"([{"op":"copy","path":"/b"}])"}};
    for (auto &c : cases) {
        EXPECT_EQ(0u, patched(c[0], c[1]).find("error: ")) << c[0] << " + " << c[1];
    }
    EXPECT_EQ(
        "error: JSON patch: operation 1: nothing to remove",
        patched(R"({"a":1})", R"([{"op":"remove","path":"/a"},{"op":"remove","path":"/a"}])"));
}

TEST(JsonPatch, AMemberThatIsNotThereIsNull)
{
    EXPECT_EQ(R"({"a":1})", patched("{}", R"([{"op":"replace","path":"/a","value":1}])"));
    EXPECT_EQ(R"({"a":null})", patched("{}", R"([{"op":"add","path":"/a"}])"));
    EXPECT_EQ(R"({"b":null})", patched("{}", R"([{"op":"copy","from":"/a","path":"/b"}])"));
}

TEST(JsonPatch, KeepsToItsLimits)
{
    std::string many = "[", grow = "[", deepen = "[";
    for (int i = 0; i <= 10000; i++) {
        many += std::string(i ? "," : "") + R"({"op":"add","path":"/a","value":1})";
    }
    EXPECT_NE(std::string::npos, patched("{}", (many + "]").c_str()).find("the limit is 10000"));
    for (int i = 0; i < 40; i++) {
        grow += std::string(i ? "," : "") + R"({"op":"copy","from":"/a","path":"/a/-"},)" +
                R"({"op":"copy","from":"/a","path":"/b"},{"op":"move","from":"/b","path":"/a/-"})";
    }
    std::string wide = R"({"a":[")" + std::string(10000, 'x') + R"("]})";
    EXPECT_NE(std::string::npos, patched(wide.c_str(), (grow + "]").c_str()).find("error: "));
    for (int i = 0; i < OPR_JSON_MAX_DEPTH; i++) {
        deepen +=
            std::string(i ? "," : "") + R"({"op":"add","path":"/b","value":{}},)" +
            R"({"op":"move","from":"/a","path":"/b/a"},{"op":"move","from":"/b","path":"/a"})";
    }
    EXPECT_NE(std::string::npos,
              patched(R"({"a":{}})", (deepen + "]").c_str()).find("deeper than 128"));
}

} // namespace
