#include <gtest/gtest.h>

#include <string>

extern "C" {
#include "core/api/meta.h"
#include "core/api/patch.h"
#include "core/api/quantity.h"
#include "core/api/selector.h"
#include "core/base/str.h"
}

namespace {

struct json_object *doc(const std::string &text)
{
    struct json_object *d = nullptr;
    struct opr_error err = {};
    EXPECT_EQ(OPR_OK, opr_doc_parse(opr_str_n(text.data(), text.size()), &d, &err)) << err.message;
    return d;
}

std::string text_of(struct json_object *take)
{
    struct opr_buf b = {};
    opr_doc_write(&b, take);
    std::string s(b.data, b.len);
    opr_buf_fini(&b);
    json_object_put(take);
    return s;
}

class Obj {
  public:
    explicit Obj(const std::string &text)
    {
        EXPECT_EQ(OPR_OK, opr_json_parse(opr_str_n(text.data(), text.size()), &o, nullptr));
    }
    ~Obj()
    {
        opr_json_unref(o);
    }
    struct opr_obj *o = nullptr;
};

TEST(Meta, NamesOfKinds)
{
    struct opr_gvk g;
    ASSERT_EQ(OPR_OK, opr_gvk_parse("apps/v1/Deployment", &g));
    EXPECT_TRUE(opr_str_is(g.group, "apps"));
    EXPECT_TRUE(opr_str_is(g.version, "v1"));
    EXPECT_TRUE(opr_str_is(g.kind, "Deployment"));
    ASSERT_EQ(OPR_OK, opr_gvk_parse("v1/Pod", &g));
    EXPECT_EQ(0u, g.group.len);
    for (const char *bad : {"", "Pod", "/Pod", "v1/", "a/b/c/d", "apps//Deployment"}) {
        EXPECT_EQ(OPR_E_INVALID, opr_gvk_parse(bad, &g)) << bad;
    }
    Obj o(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"resourceVersion":"12",
             "labels":{"a/b":"c"},"ownerReferences":[{"uid":"x"},{"uid":"y","controller":true}]}})");
    EXPECT_TRUE(opr_gvk_is(o.o, "apps/v1/Deployment"));
    EXPECT_FALSE(opr_gvk_is(o.o, "apps/v1/Deploymen"));
    EXPECT_EQ(12u, opr_meta_rv(o.o));
    EXPECT_STREQ("c", opr_meta_label(o.o, "a/b"));
    EXPECT_STREQ("y", opr_json_str(opr_meta_controller(o.o), "/uid", ""));
    EXPECT_STREQ("", opr_meta_ns(o.o));
    EXPECT_FALSE(opr_meta_is_deleting(o.o));
}

bool selects(const char *selector, const char *labels)
{
    struct opr_selector *s = nullptr;
    struct opr_error err = {};
    EXPECT_EQ(OPR_OK, opr_selector_parse(opr_str_of(selector), &s, &err)) << err.message;
    bool is_match = opr_selector_match(s, Obj(labels).o);
    opr_selector_free(s);
    return is_match;
}

std::string refusal(const char *selector)
{
    struct opr_selector *s = nullptr;
    struct opr_error err = {};
    EXPECT_EQ(OPR_E_INVALID, opr_selector_parse(opr_str_of(selector), &s, &err)) << selector;
    return err.message;
}

TEST(Selector, MatchesEveryOperator)
{
    const char *labels = R"({"a":"1","b":"x","e":""})";
    for (const char *yes : {"", "a=1", "a==1", "a!=2", "z!=2", "a in (1,2)", "z notin (1)", "b", "!z", "a>0",
                            "a<2", "e=", "a=1,b in (x),!c", " a = 1 , b = x "}) {
        EXPECT_TRUE(selects(yes, labels)) << yes;
    }
    for (const char *no : {"a=2", "a!=1", "z=1", "a in (2)", "a notin (1)", "z", "!a", "a>1", "b>0", "z<5",
                           "a=1,b=y"}) {
        EXPECT_FALSE(selects(no, labels)) << no;
    }
    EXPECT_TRUE(selects("", "null"));
}

TEST(Selector, RefusalsAreWordedAsKubernetesDoes)
{
    EXPECT_EQ("unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
              refusal("a b"));
    for (const char *bad : {"a in", "a in (", "a in (b", "=b", "a=b,", ",", "a=1 b", "a>x", "-a=1", "a=b!"}) {
        EXPECT_NE("", refusal(bad)) << bad;
    }
}

TEST(Selector, ObjectFormAndText)
{
    Obj o(R"({"matchLabels":{"a":"b"},"matchExpressions":[{"key":"c","operator":"NotIn","values":["d","e"]},
             {"key":"f","operator":"Exists"}]})");
    struct opr_selector *s = nullptr;
    ASSERT_EQ(OPR_OK, opr_selector_from_obj(o.o, &s, nullptr));
    struct opr_buf b = {};
    opr_selector_format(s, &b);
    EXPECT_STREQ("a=b,c notin (d,e),f", b.data);
    opr_buf_fini(&b);
    opr_selector_free(s);
    EXPECT_TRUE(opr_selector_obj_matches(o.o, Obj(R"({"a":"b","f":""})").o));
    EXPECT_FALSE(opr_selector_obj_matches(o.o, Obj(R"({"a":"b","c":"d","f":""})").o));
    EXPECT_FALSE(opr_selector_obj_matches(nullptr, o.o));
    EXPECT_TRUE(opr_selector_obj_matches(Obj("{}").o, nullptr));
    EXPECT_FALSE(opr_selector_obj_matches(
        Obj(R"({"matchExpressions":[{"key":"a","operator":"Is"}]})").o, Obj("{}").o));
}

TEST(FieldSelector, Parses)
{
    struct opr_arena *a = opr_arena_new();
    struct opr_field_req *reqs;
    size_t n;
    ASSERT_EQ(OPR_OK, opr_field_selector_parse(a, opr_str_of("metadata.name=x,status.phase!=Failed,s==t"),
                                               &reqs, &n, nullptr));
    ASSERT_EQ(3u, n);
    EXPECT_TRUE(opr_str_is(reqs[1].field, "status.phase") && reqs[1].is_negated);
    EXPECT_TRUE(opr_str_is(reqs[1].value, "Failed"));
    EXPECT_TRUE(opr_str_is(reqs[2].value, "t"));
    EXPECT_EQ(OPR_E_INVALID, opr_field_selector_parse(a, opr_str_of("abc"), &reqs, &n, nullptr));
    opr_arena_free(a);
}

TEST(Quantity, ParsesWhatKubernetesParses)
{
    const struct {
        const char *text;
        int64_t milli;
    } good[] = {{"0", 0},        {"250m", 250},  {"1", 1000},         {"1.5", 1500},   {".5", 500},
                {"64Mi", 67108864000}, {"2k", 2000000}, {"1e3", 1000000}, {"1E3", 1000000}, {"100n", 1},
                {"1.0001", 1001}, {"-2", -2000},  {"1Ki", 1024000},    {"5e-1", 500},   {"1E", 1000000000000000000 / 1000 * 1000}};
    for (auto &g : good) {
        int64_t milli = -1;
        opr_status st = opr_quantity_parse(opr_str_of(g.text), &milli);
        if (strcmp(g.text, "1E") == 0) {
            EXPECT_EQ(OPR_E_LIMIT, st);
            continue;
        }
        EXPECT_EQ(OPR_OK, st) << g.text;
        EXPECT_EQ(g.milli, milli) << g.text;
    }
    int64_t milli;
    for (const char *bad : {"", "m", "1x", "1 Mi", "1.2.3", "--1", "0x10", "1KiB", "."}) {
        EXPECT_EQ(OPR_E_INVALID, opr_quantity_parse(opr_str_of(bad), &milli)) << bad;
    }
    EXPECT_EQ(OPR_E_LIMIT, opr_quantity_parse(opr_str_of("99999999999999999999"), &milli));
    EXPECT_EQ(OPR_OK, opr_quantity_at(Obj("{\"cpu\":2}").o, "/cpu", &milli));
    EXPECT_EQ(2000, milli);
    EXPECT_EQ(OPR_E_NOT_FOUND, opr_quantity_at(Obj("{}").o, "/cpu", &milli));
    EXPECT_EQ(OPR_E_INVALID, opr_quantity_at(Obj("{\"cpu\":true}").o, "/cpu", &milli));
}

TEST(Quantity, Formats)
{
    char text[OPR_QUANTITY_TEXT_MAX];
    const struct {
        int64_t milli;
        bool is_binary;
        const char *text;
    } cases[] = {{250, false, "250m"}, {2000, false, "2"}, {67108864000, true, "64Mi"},
                 {1000000, false, "1k"}, {1001000, true, "1001"}, {0, true, "0"}};
    for (auto &c : cases) {
        opr_quantity_format(c.milli, c.is_binary, text);
        EXPECT_STREQ(c.text, text);
    }
}

TEST(MergePatch, AppendixOfRfc7386)
{
    const char *cases[][3] = {
        {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
        {R"({"a":"b"})", R"({"a":null})", R"({})"},
        {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
        {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
        {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
        {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
        {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
        {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
        {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"}};
    for (auto &c : cases) {
        struct json_object *d = doc(c[0]), *p = doc(c[1]);
        EXPECT_EQ(OPR_OK, opr_patch_merge(&d, p, nullptr));
        json_object_put(p);
        EXPECT_EQ(c[2], text_of(d)) << c[1];
    }
}

std::string patched(const char *text, const char *patch)
{
    struct json_object *d = doc(text), *p = doc(patch);
    struct opr_error err = {};
    opr_status st = opr_patch_json(&d, p, &err);
    json_object_put(p);
    std::string result = text_of(d);
    return st == OPR_OK ? result : "error: " + std::string(err.message);
}

TEST(JsonPatch, Operations)
{
    EXPECT_EQ(R"({"a":1,"b":[1,9,2,3]})", patched(R"({"a":1,"b":[1,2]})", R"([
        {"op":"add","path":"/b/1","value":9},{"op":"add","path":"/b/-","value":3}])"));
    EXPECT_EQ(R"({"b":[2],"c":[2]})", patched(R"({"a":1,"b":[1,2]})", R"([
        {"op":"remove","path":"/a"},{"op":"remove","path":"/b/0"},{"op":"copy","from":"/b","path":"/c"}])"));
    EXPECT_EQ(R"({"n":{"x~y/z":5}})", patched(R"({"m":5,"n":{}})", R"([
        {"op":"test","path":"/m","value":5},{"op":"move","from":"/m","path":"/n/x~0y~1z"}])"));
    EXPECT_EQ(R"({"a":null})", patched(R"({"a":1})", R"([{"op":"replace","path":"/a","value":null}])"));
    EXPECT_EQ(R"([7])", patched(R"({"a":1})", R"([{"op":"add","path":"","value":[7]}])"));
}

TEST(JsonPatch, Refusals)
{
    for (const char *bad :
         {R"({"op":"add"})", R"([{"op":"add","path":"/x/y","value":1}])", R"([{"op":"remove","path":"/z"}])",
          R"([{"op":"replace","path":"/z","value":1}])", R"([{"op":"test","path":"/a","value":2}])",
          R"([{"op":"frob","path":"/a"}])", R"([{"op":"add","path":"/b/9","value":1}])",
          R"([{"op":"move","from":"/a","path":"/a/b"}])", R"([{"op":"add","value":1}])",
          R"([{"op":"copy","from":"/q","path":"/a"}])"}) {
        EXPECT_EQ(0u, patched(R"({"a":1,"b":[]})", bad).find("error: JSON patch")) << bad;
    }
}

TEST(Diff, MakesTheMergePatch)
{
    const char *cases[][3] = {{R"({"a":1,"b":{"c":2,"d":3}})", R"({"b":{"c":5,"d":3},"e":[1]})",
                               R"({"a":null,"b":{"c":5},"e":[1]})"},
                              {R"({"a":[1,2]})", R"({"a":[2]})", R"({"a":[2]})"}};
    for (auto &c : cases) {
        struct json_object *a = doc(c[0]), *b = doc(c[1]), *p = opr_patch_diff(a, b);
        EXPECT_EQ(OPR_OK, opr_patch_merge(&a, p, nullptr));
        EXPECT_TRUE(opr_doc_equal(a, b));
        EXPECT_EQ(c[2], text_of(p));
        EXPECT_EQ(nullptr, opr_patch_diff(a, b));
        json_object_put(a);
        json_object_put(b);
    }
}

} // namespace
