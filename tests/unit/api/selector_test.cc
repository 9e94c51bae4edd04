#include <gtest/gtest.h>

#include <string>

extern "C" {
#include "core/api/selector.h"
#include "core/base/str.h"
}

namespace
{

class Json
{
  public:
    explicit Json(const char *text)
    {
        EXPECT_EQ(OPR_OK, opr_json_parse(opr_str_of(text), &o, nullptr)) << text;
    }
    ~Json()
    {
        opr_json_unref(o);
    }
    operator const struct opr_obj *() const
    {
        return o;
    }

  private:
    struct opr_obj *o = nullptr;
};

bool selects(const char *selector, const char *labels)
{
    struct opr_selector *s = nullptr;
    struct opr_error err = {};
    EXPECT_EQ(OPR_OK, opr_selector_parse(opr_str_of(selector), &s, &err)) << err.message;
    bool is_match = s && opr_selector_match(s, Json(labels));
    opr_selector_free(s);
    return is_match;
}

std::string error_of(const std::string &selector)
{
    struct opr_selector *s = nullptr;
    struct opr_error err = {};
    EXPECT_EQ(OPR_E_INVALID,
              opr_selector_parse(opr_str_n(selector.data(), selector.size()), &s, &err))
        << selector;
    opr_selector_free(s);
    return err.message;
}

std::string canonical(const char *selector)
{
    struct opr_selector *s = nullptr;
    EXPECT_EQ(OPR_OK, opr_selector_parse(opr_str_of(selector), &s, nullptr)) << selector;
    struct opr_buf b = {};
    opr_selector_format(s, &b);
    std::string text(opr_buf_str(&b).ptr, b.len);
    opr_buf_fini(&b);
    opr_selector_free(s);
    return text;
}

TEST(Selector, MatchesByEquality)
{
    EXPECT_TRUE(selects("", R"({"a":"b"})"));
    EXPECT_TRUE(selects("", "null"));
    EXPECT_TRUE(selects("a=b", R"({"a":"b","c":"d"})"));
    EXPECT_TRUE(selects("a==b", R"({"a":"b"})"));
    EXPECT_FALSE(selects("a=b", R"({"a":"c"})"));
    EXPECT_FALSE(selects("a=b", "{}"));
    EXPECT_TRUE(selects("a=", R"({"a":""})"));
    EXPECT_FALSE(selects("a=", "{}"));
    EXPECT_TRUE(selects("a!=b", R"({"a":"c"})"));
    EXPECT_TRUE(selects("a!=b", "{}"));
    EXPECT_FALSE(selects("a!=b", R"({"a":"b"})"));
    EXPECT_FALSE(selects("a=b,c=d", R"({"a":"b"})"));
    EXPECT_TRUE(selects(" a = b , c = d ", R"({"a":"b","c":"d"})"));
    EXPECT_TRUE(selects("app.kubernetes.io/name=x", R"({"app.kubernetes.io/name":"x"})"));
}

TEST(Selector, MatchesBySetAndPresence)
{
    EXPECT_TRUE(selects("a in (x, y)", R"({"a":"y"})"));
    EXPECT_FALSE(selects("a in (x,y)", R"({"a":"z"})"));
    EXPECT_FALSE(selects("a in (x)", "{}"));
    EXPECT_TRUE(selects("a in (,x)", R"({"a":""})"));
    EXPECT_TRUE(selects("a in ()", R"({"a":""})"));
    EXPECT_FALSE(selects("a in ()", R"({"a":"x"})"));
    EXPECT_TRUE(selects("a notin ()", R"({"a":"x"})"));
    EXPECT_TRUE(selects("a in (x,,y)", R"({"a":""})"));
    EXPECT_TRUE(selects("a notin (x,y)", "{}"));
    EXPECT_TRUE(selects("a notin (x,y)", R"({"a":"z"})"));
    EXPECT_FALSE(selects("a notin (x,y)", R"({"a":"x"})"));
    EXPECT_TRUE(selects("a", R"({"a":""})"));
    EXPECT_FALSE(selects("a", "{}"));
    EXPECT_TRUE(selects("!a", "{}"));
    EXPECT_FALSE(selects("!a", R"({"a":""})"));
    EXPECT_TRUE(selects("in in (in,notin),notin", R"({"in":"notin","notin":"1"})"));
}

TEST(Selector, MatchesByOrderOfNumbers)
{
    EXPECT_TRUE(selects("a>5", R"({"a":"6"})"));
    EXPECT_FALSE(selects("a>5", R"({"a":"5"})"));
    EXPECT_TRUE(selects("a<5", R"({"a":"-4"})"));
    EXPECT_FALSE(selects("a<5", "{}"));
    EXPECT_FALSE(selects("a>5", R"({"a":"many"})"));
}

TEST(Selector, ErrorsAreWordedAsClientsExpect)
{
    const std::string prefix = "unable to parse requirement: ";
    EXPECT_EQ(prefix + "found 'b', expected: in, notin, =, ==, !=, gt, lt", error_of("a b"));
    EXPECT_EQ(prefix + "found '(', expected: identifier", error_of("a=("));
    EXPECT_EQ(prefix + "found '', expected: identifier", error_of("!"));
    EXPECT_EQ(prefix + "found 'x' expected: '('", error_of("a in x"));
    EXPECT_EQ(prefix + "found '', expected: ',' or ')'", error_of("a in (x"));
    EXPECT_EQ(prefix + "found '=', expected: ',', ')' or identifier", error_of("a in (=)"));
    EXPECT_EQ(prefix + "values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must "
                       "be an integer",
              error_of("a>x"));
    EXPECT_EQ("found ',', expected: !, identifier, or 'end of string'", error_of(",a"));
    EXPECT_EQ("found '', expected: identifier after ','", error_of("a,"));
    EXPECT_EQ("found '=', expected: ',' or 'end of string'", error_of("!a=b"));
    EXPECT_EQ("found 'c', expected: ',' or 'end of string'", error_of("a=b c"));
    EXPECT_EQ("found '!', expected: ',' or 'end of string'", error_of("a=b!"));
    EXPECT_EQ("found '=', expected: !, identifier, or 'end of string'", error_of("=b"));
    EXPECT_EQ(prefix + "found '' expected: '('", error_of("a in"));
}

TEST(Selector, RefusesBadLabels)
{
    EXPECT_NE(std::string::npos, error_of("-a=b").find("name part must consist of"));
    EXPECT_NE(std::string::npos, error_of("/a=b").find("prefix part must be non-empty"));
    EXPECT_NE(std::string::npos, error_of("x/=b").find("name part must be non-empty"));
    EXPECT_NE(std::string::npos, error_of("A.b/c=d").find("RFC 1123 subdomain"));
    EXPECT_NE(std::string::npos, error_of("a..b/c").find("RFC 1123 subdomain"));
    EXPECT_NE(std::string::npos, error_of("a=-b").find("values[0][a]: Invalid value: \"-b\""));
    EXPECT_NE(std::string::npos, error_of("a=" + std::string(64, 'x')).find("63 bytes"));
    EXPECT_NE(std::string::npos, error_of(std::string(64, 'x')).find("63 bytes"));
    EXPECT_TRUE(selects(("a=" + std::string(63, 'x')).c_str(),
                        ("{\"a\":\"" + std::string(63, 'x') + "\"}").c_str()));
}

TEST(Selector, FormatIsCanonical)
{
    EXPECT_EQ("", canonical(""));
    EXPECT_EQ("a in ()", canonical("a in (,)"));
    EXPECT_EQ("a in ()", canonical("a in ()"));
    EXPECT_EQ("a in (,b)", canonical("a in (b,)"));
    EXPECT_EQ("a=b,c in (x,y),d notin (z),!e,f,g>1,h<2,i!=j",
              canonical("i!=j,h<2,g>1,f,!e,d notin (z),c in (y,x,y),a==b"));
}

TEST(Selector, ReadsLabelSelectorObjects)
{
    Json s(R"({"matchLabels":{"a":"b"},"matchExpressions":[
        {"key":"c","operator":"In","values":["x","y"]},{"key":"d","operator":"DoesNotExist"},
        {"key":"e","operator":"NotIn","values":["z"]},{"key":"f","operator":"Exists"}]})");
    EXPECT_TRUE(opr_selector_obj_matches(s, Json(R"({"a":"b","c":"x","f":""})")));
    EXPECT_FALSE(opr_selector_obj_matches(s, Json(R"({"a":"b","c":"x"})")));
    EXPECT_FALSE(opr_selector_obj_matches(s, Json(R"({"a":"b","c":"x","f":"","d":""})")));
    EXPECT_FALSE(opr_selector_obj_matches(s, Json(R"({"a":"B","c":"x","f":""})")));
    EXPECT_FALSE(opr_selector_obj_matches(s, nullptr));
    EXPECT_TRUE(opr_selector_obj_matches(Json("{}"), nullptr));
    EXPECT_TRUE(opr_selector_obj_matches(Json("{}"), Json(R"({"a":"b"})")));
    EXPECT_FALSE(opr_selector_obj_matches(nullptr, Json("{}")));
    EXPECT_TRUE(opr_selector_obj_matches(Json(R"({"matchLabels":{"a":"b"}})"),
                                         Json(R"({"x":"y","a":"b"})")));
}

TEST(Selector, RefusesBadLabelSelectorObjects)
{
    for (const char *bad :
         {R"({"matchExpressions":[{"key":"a","operator":"In"}]})",
          R"({"matchExpressions":[{"key":"a","operator":"In","values":[]}]})",
          R"({"matchExpressions":[{"key":"a","operator":"Exists","values":["x"]}]})",
          R"({"matchExpressions":[{"operator":"Exists"}]})",
          R"({"matchExpressions":[{"key":"a","operator":"Like","values":["x"]}]})",
          R"({"matchExpressions":["x"]})"}) {
        struct opr_selector *s = nullptr;
        struct opr_error err = {};
        EXPECT_EQ(OPR_E_INVALID, opr_selector_from_obj(Json(bad), &s, &err)) << bad;
        EXPECT_STRNE("", err.message);
        EXPECT_FALSE(opr_selector_obj_matches(Json(bad), Json(R"({"a":"x"})"))) << bad;
    }
}

TEST(Selector, ReadsPlainMaps)
{
    struct opr_selector *s = opr_selector_from_map(Json(R"({"b":"2","a":"1"})"));
    EXPECT_TRUE(opr_selector_match(s, Json(R"({"a":"1","b":"2","c":"3"})")));
    EXPECT_FALSE(opr_selector_match(s, Json(R"({"a":"1"})")));
    opr_selector_free(s);
    s = opr_selector_from_map(nullptr);
    EXPECT_TRUE(opr_selector_is_empty(s));
    opr_selector_free(s);
}

std::string fields(const char *text)
{
    struct opr_arena *a = opr_arena_new();
    struct opr_field_req *reqs = nullptr;
    size_t count = 0;
    struct opr_error err = {};
    std::string all;
    if (opr_field_selector_parse(a, opr_str_of(text), &reqs, &count, &err) != OPR_OK) {
        all = err.message;
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        all += std::string(reqs[i].field.ptr, reqs[i].field.len) +
               (reqs[i].is_negated ? "!=" : "=") +
               std::string(reqs[i].value.ptr, reqs[i].value.len) + ";";
    }
    opr_arena_free(a);
    return all;
}

TEST(FieldSelector, SplitsRequirements)
{
    EXPECT_EQ("", fields(""));
    EXPECT_EQ("metadata.name=x;status.phase!=Failed;",
              fields("metadata.name=x,status.phase!=Failed"));
    EXPECT_EQ("a=b;c=;", fields("a==b,,c="));
    EXPECT_EQ("a=x,y=\\;", fields("a=x\\,y\\=\\\\"));
    EXPECT_EQ("invalid selector: 'a=b,c'; can't understand 'c'", fields("a=b,c"));
    EXPECT_EQ("invalid selector: '=b'; can't understand '=b'", fields("=b"));
    EXPECT_EQ("invalid field selector: invalid escape sequence: \\x", fields("a=\\x"));
    EXPECT_EQ("invalid field selector: unescaped character in value: 61", fields("a=b=c"));
    EXPECT_EQ("invalid field selector: invalid escape sequence: \\", fields("a=b\\"));
}

} // namespace
