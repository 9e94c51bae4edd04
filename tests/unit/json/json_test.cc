#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/json/doc.h"
#include "core/json/json.h"
#include "core/json/path.h"
}

namespace
{

struct opr_str str(const std::string &s)
{
    return opr_str_n(s.data(), s.size());
}

class Value
{
  public:
    explicit Value(const std::string &text)
    {
        struct opr_error err = {};
        EXPECT_EQ(OPR_OK, opr_json_parse(str(text), &obj, &err)) << err.message;
    }
    ~Value()
    {
        opr_json_unref(obj);
    }
    std::string text() const
    {
        struct opr_buf b = {};
        opr_json_write(&b, obj);
        std::string s(b.data ? b.data : "", b.len);
        opr_buf_fini(&b);
        return s;
    }
    struct opr_obj *obj = nullptr;
};

std::string error_of(const std::string &text)
{
    struct opr_obj *o = nullptr;
    struct opr_error err = {};
    opr_status st = opr_json_parse(str(text), &o, &err);
    EXPECT_NE(OPR_OK, st) << text;
    opr_json_unref(o);
    return err.message;
}

TEST(Json, ReadsEveryKindOfValue)
{
    Value v(R"({"s":"a\"b\u00e9\ud83d\ude00","i":-9223372036854775808,"d":1.5e3,"t":true,"n":null,
               "a":[1,[2],{"x":3}],"o":{}})");
    EXPECT_STREQ("a\"b\xc3\xa9\xf0\x9f\x98\x80", opr_json_str(v.obj, "/s", ""));
    EXPECT_EQ(INT64_MIN, opr_json_int(v.obj, "/i", 0));
    EXPECT_EQ(1500, opr_json_int(v.obj, "/d", 0));
    EXPECT_DOUBLE_EQ(1500.0, opr_json_num(v.obj, "/d", 0));
    EXPECT_TRUE(opr_json_bool(v.obj, "/t", false));
    EXPECT_EQ(OPR_TYPE_NULL, opr_json_type(opr_json_at(v.obj, "/n")));
    EXPECT_EQ(3, opr_json_int(v.obj, "/a/2/x", 0));
    EXPECT_EQ(2, opr_json_int(v.obj, "/a/1/0", 0));
    EXPECT_EQ(nullptr, opr_json_at(v.obj, "/a/3"));
    EXPECT_EQ(nullptr, opr_json_at(v.obj, "/s/x"));
    EXPECT_EQ(0u, opr_json_len(opr_json_at(v.obj, "/o")));
    EXPECT_STREQ("dflt", opr_json_str(nullptr, "/x", "dflt"));
}

TEST(Json, WritesWhatItRead)
{
    const std::string text =
        R"({"a":[],"b":{},"c":[{"d":1.50,"e":"x\ny\u0001"},null,false],"f":18446744073709551615})";
    EXPECT_EQ(text, Value(text).text());
    EXPECT_EQ("\"x\"", Value(" \"x\" ").text());
}

TEST(Json, IteratesInOrder)
{
    Value v(R"({"a":{"deep":[1,2]},"b":2,"c":[{"x":1},{"y":2}]})");
    std::string names;
    for (auto *m = opr_json_first(v.obj); m; m = opr_json_next(m)) {
        names += opr_json_name(m);
        EXPECT_EQ(v.obj, opr_json_root(m));
    }
    EXPECT_EQ("abc", names);
    auto *c = opr_json_first(opr_json_at(v.obj, "/c"));
    EXPECT_EQ(nullptr, opr_json_name(c));
    EXPECT_EQ(2, opr_json_int(opr_json_next(c), "/y", 0));
    EXPECT_EQ(nullptr, opr_json_next(opr_json_next(c)));
    EXPECT_EQ(nullptr, opr_json_first(opr_json_at(v.obj, "/b")));
}

TEST(Json, PointersUnescape)
{
    Value v(R"({"a/b":{"m~n":1}})");
    EXPECT_EQ(1, opr_json_int(v.obj, "/a~1b/m~0n", 0));
    EXPECT_EQ(v.obj, opr_json_at(v.obj, ""));
    EXPECT_EQ(nullptr, opr_json_at(v.obj, "a"));
}

TEST(Json, RefusesWhatIsNotJson)
{
    for (const char *bad : {"",
                            " ",
                            "{",
                            "[",
                            "{]",
                            "[1,]",
                            "{\"a\":1,}",
                            "{\"a\"}",
                            "{a:1}",
                            "01",
                            "1.",
                            ".5",
                            "1e",
                            "+1",
                            "tru",
                            "nul",
                            "\"\x01\"",
                            "\"\\x\"",
                            "\"\\u12g4\"",
                            "\"abc",
                            "1 2",
                            "[1 2]",
                            "{\"a\":1 \"b\":2}",
                            "\"\xff\"",
                            "\"\xc0\xaf\"",
                            "\"\xed\xa0\x80\"",
                            "-",
                            "--1",
                            "[,1]",
                            "{,}",
                            "{\"a\":}",
                            "\xef\xbb\xbf{}"}) {
        error_of(bad);
    }
    EXPECT_NE(std::string::npos, error_of("{\"a\":1,\"a\":2}").find("duplicate member \"a\""));
    EXPECT_NE(std::string::npos, error_of("[1,x]").find("byte 3"));
    EXPECT_NE(std::string::npos, error_of(std::string("\"a\0b\"", 5)).find("byte 2"));
}

TEST(Json, FindsDuplicatesInLargeObjects)
{
    std::string text = "{";
    for (int i = 0; i < 500; i++) {
        text += "\"k" + std::to_string(i) + "\":" + std::to_string(i) + ",";
    }
    Value v(text + "\"last\":1}");
    EXPECT_EQ(499, opr_json_int(v.obj, "/k499", 0));
    EXPECT_NE(std::string::npos, error_of(text + "\"k7\":1}").find("duplicate member \"k7\""));
}

TEST(Json, BoundsDepth)
{
    std::string good(OPR_JSON_MAX_DEPTH, '['), bad(OPR_JSON_MAX_DEPTH + 1, '[');
    good += std::string(OPR_JSON_MAX_DEPTH, ']');
    Value v(good);
    struct opr_obj *o = nullptr;
    EXPECT_EQ(OPR_E_LIMIT, opr_json_parse(str(bad), &o, nullptr));
}

TEST(Json, LoneSurrogateBecomesReplacement)
{
    EXPECT_STREQ("\xef\xbf\xbdx", opr_json_str(Value("\"\\ud800x\"").obj, "", ""));
}

TEST(Json, EqualityIgnoresOrderAndEmptiness)
{
    EXPECT_TRUE(
        opr_json_equal(Value(R"({"a":1,"b":[1,2]})").obj, Value(R"({"b":[1,2],"a":1.0})").obj));
    EXPECT_TRUE(
        opr_json_equal(Value(R"({"a":1,"n":null,"e":{},"f":[]})").obj, Value(R"({"a":1})").obj));
    EXPECT_TRUE(opr_json_equal(nullptr, Value("{}").obj));
    EXPECT_FALSE(opr_json_equal(Value(R"({"a":[1,2]})").obj, Value(R"({"a":[2,1]})").obj));
    EXPECT_FALSE(opr_json_equal(Value(R"({"a":"1"})").obj, Value(R"({"a":1})").obj));
    EXPECT_FALSE(opr_json_equal(Value(R"({"a":1})").obj, Value(R"({"a":1,"b":false})").obj));
    EXPECT_FALSE(opr_json_equal(Value("9007199254740993").obj, Value("9007199254740992").obj));
}

TEST(Json, InnerReferenceKeepsTheWhole)
{
    struct opr_obj *o = nullptr;
    ASSERT_EQ(OPR_OK, opr_json_parse(str(R"({"a":{"b":"kept"}})"), &o, nullptr));
    struct opr_obj *inner = opr_json_ref(opr_json_at(o, "/a/b"));
    opr_json_unref(o);
    EXPECT_STREQ("kept", opr_json_str(inner, "", ""));
    opr_json_unref(inner);
}

TEST(Json, ReferencesFromManyThreads)
{
    Value v(R"({"a":[1,2,3]})");
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) {
        threads.emplace_back([&] {
            for (int i = 0; i < 1000; i++) {
                struct opr_obj *r = opr_json_ref(opr_json_at(v.obj, "/a/1"));
                EXPECT_EQ(2, opr_json_int(r, "", 0));
                opr_json_unref(r);
            }
        });
    }
    for (auto &t : threads) {
        t.join();
    }
}

TEST(Json, NthAllocationFails)
{
    for (uint64_t n = 1; n <= 3; n++) {
        struct opr_obj *o = nullptr;
        opr_alloc_fail_nth(n);
        opr_status st = opr_json_parse(str("[1,2,3]"), &o, nullptr);
        opr_alloc_fail_nth(0);
        EXPECT_TRUE(st == OPR_E_NOMEM || (n > 2 && st == OPR_OK));
        opr_json_unref(o);
    }
}

TEST(Doc, GoesThereAndBack)
{
    const std::string text =
        R"({"a":[1,"x",null,{"b":1.250}],"u":18446744073709551615,"s":"a/b","e":1e5555})";
    Value v(text);
    struct json_object *doc = opr_doc_from_obj(v.obj);
    struct opr_obj *again = opr_doc_to_obj(doc);
    struct opr_buf b = {};
    opr_json_write(&b, again);
    EXPECT_EQ(text, std::string(b.data, b.len));
    opr_buf_fini(&b);
    opr_json_unref(again);
    json_object_put(doc);
}

TEST(Json, TerminatorsStayInStringsButNotInNames)
{
    Value v(R"({"a":"x\u0000y"})");
    EXPECT_EQ(3u, opr_json_text(v.obj, "/a").len);
    EXPECT_EQ(R"({"a":"x\u0000y"})", v.text());
    EXPECT_NE(std::string::npos, error_of(R"([{"a\u0000b":1}])").find("byte 2"));
}

TEST(Json, EqualityOfLargeObjects)
{
    std::string up = "{", down = "{", other = "{";
    for (int i = 0; i < 200; i++) {
        std::string sep = i ? "," : "";
        up += sep + "\"k" + std::to_string(i) + "\":" + std::to_string(i);
        down += sep + "\"k" + std::to_string(199 - i) + "\":" + std::to_string(199 - i);
        other += sep + "\"k" + std::to_string(199 - i) + "\":" + std::to_string(i);
    }
    Value a(up + "}"), b(down + "}"), more(down + ",\"k200\":1}"), empty(down + ",\"k200\":[]}");
    EXPECT_TRUE(opr_json_equal(a.obj, b.obj));
    EXPECT_FALSE(opr_json_equal(a.obj, Value(other + "}").obj));
    EXPECT_FALSE(opr_json_equal(a.obj, more.obj));
    EXPECT_FALSE(opr_json_equal(more.obj, a.obj));
    EXPECT_TRUE(opr_json_equal(a.obj, empty.obj));
    EXPECT_TRUE(opr_json_equal(empty.obj, a.obj));
}

TEST(Json, APathFindsWhatItsPointerFinds)
{
    const std::string text =
        R"({"a":{"b":[10,{"c/d":"x"}],"m~n":true},"a1234567":{"":2},"spec":{"nodeName":"n"}})";
    for (int round = 0; round < 3; round++) { /* the names are in the pool from the second on */
        Value v(text);
        for (const char *pointer : {"", "/a", "/a/b/0", "/a/b/1/c~1d", "/a/m~0n", "/a1234567/",
                                    "/a/b/2", "/a/b/x", "/a/b/0/c", "/nope", "/a/m~n/x"}) {
            struct opr_path *p = opr_path_new(opr_str_of(pointer));
            EXPECT_EQ(opr_json_at(v.obj, pointer), opr_path_at(p, v.obj)) << pointer;
            opr_path_free(p);
        }
        struct opr_path *field = opr_path_from_field(OPR_STR("spec.nodeName"));
        EXPECT_EQ(opr_json_at(v.obj, "/spec/nodeName"), opr_path_at(field, v.obj));
        EXPECT_NE(nullptr, opr_path_at(field, v.obj));
        EXPECT_EQ(nullptr, opr_path_at(field, nullptr));
        opr_path_free(field);
    }
}

TEST(Json, CutTextIsRefusedWithoutReadingPastItsEnd)
{
    const std::string text = R"({"a":[1,-2.5e3,"\u00e9\ud83d\ude00x",true,null],"b":{"c":{}}})";
    for (size_t len = 0; len < text.size(); len++) {
        std::vector<char> exact(text.begin(), text.begin() + static_cast<long>(len));
        struct opr_obj *o = nullptr;
        EXPECT_EQ(OPR_E_INVALID, opr_json_parse(opr_str_n(exact.data(), len), &o, nullptr)) << len;
    }
}

TEST(Doc, WritesWhatJsonCanNotSay)
{
    struct json_object *doc = json_object_new_array();
    json_object_array_add(doc, json_object_new_double(NAN));
    json_object_array_add(doc, json_object_new_double(0.5));
    json_object_array_add(doc, json_object_new_string("a/\xff"));
    json_object_array_add(doc, json_object_new_int64(INT64_MIN));
    json_object_array_add(doc, json_object_new_int64(INT64_MAX));
    json_object_array_add(doc, json_object_new_uint64(UINT64_MAX));
    json_object_array_add(doc, nullptr);
    struct opr_buf b = {};
    opr_doc_write(&b, doc);
    EXPECT_STREQ("[null,0.5,\"a/\xef\xbf\xbd\",-9223372036854775808,9223372036854775807,"
                 "18446744073709551615,null]",
                 b.data);
    opr_buf_fini(&b);
    json_object_put(doc);
}

TEST(Doc, TooDeepDocumentIsNoValue)
{
    struct json_object *doc = json_object_new_array(), *twin = nullptr;
    for (int i = 0; i < OPR_JSON_MAX_DEPTH; i++) {
        struct json_object *outer = json_object_new_array();
        json_object_array_add(outer, doc);
        doc = outer;
    }
    EXPECT_EQ(nullptr, opr_doc_to_obj(doc));
    twin = opr_doc_dup(doc);
    EXPECT_TRUE(opr_doc_equal(doc, twin));
    json_object_put(twin);
    twin = json_object_new_array();
    EXPECT_FALSE(opr_doc_equal(doc, twin));
    json_object_put(twin);
    json_object_put(doc);
    EXPECT_EQ(nullptr, opr_doc_dup(nullptr));
    EXPECT_EQ(nullptr, opr_doc_from_obj(nullptr));
}

TEST(Doc, ReadsWithDefaults)
{
    struct json_object *doc = nullptr;
    ASSERT_EQ(OPR_OK,
              opr_doc_parse(str(R"({"s":"x","i":7,"d":2.9,"b":true,"n":null})"), &doc, nullptr));
    EXPECT_STREQ("x", opr_doc_str(doc, "/s", ""));
    EXPECT_STREQ("dflt", opr_doc_str(doc, "/i", "dflt"));
    EXPECT_EQ(7, opr_doc_int(doc, "/i", 0));
    EXPECT_EQ(2, opr_doc_int(doc, "/d", 0));
    EXPECT_EQ(-1, opr_doc_int(doc, "/s", -1));
    EXPECT_TRUE(opr_doc_bool(doc, "/b", false));
    EXPECT_TRUE(opr_doc_bool(doc, "/n", true));
    EXPECT_EQ(nullptr, opr_doc_at(doc, "s"));
    EXPECT_EQ(doc, opr_doc_at(doc, ""));
    json_object_put(doc);
    struct opr_error err = {};
    EXPECT_EQ(OPR_E_INVALID, opr_doc_parse(str("{"), &doc, &err));
    EXPECT_NE(nullptr, strstr(err.message, "byte 1"));
}

TEST(Doc, PutsMakesParentsAndAppends)
{
    struct json_object *doc = json_object_new_object();
    opr_doc_put_str(doc, "/a/b~1c/d", "x");
    EXPECT_EQ(OPR_OK, opr_doc_put(doc, "/list/-", json_object_new_int(1)));
    EXPECT_EQ(OPR_OK, opr_doc_put(doc, "/list/-", json_object_new_int(2)));
    EXPECT_EQ(OPR_OK, opr_doc_put(doc, "/list/0", json_object_new_int(7)));
    EXPECT_EQ(OPR_E_INVALID, opr_doc_put(doc, "/a/b~1c/d/e", json_object_new_int(1)));
    EXPECT_EQ(OPR_E_INVALID, opr_doc_put(doc, "/list/9", json_object_new_int(1)));
    EXPECT_STREQ("{\"a\":{\"b\\/c\":{\"d\":\"x\"}},\"list\":[7,2]}",
                 json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN));
    EXPECT_TRUE(opr_doc_del(doc, "/list/0"));
    EXPECT_FALSE(opr_doc_del(doc, "/list/5"));
    EXPECT_TRUE(opr_doc_del(doc, "/a"));
    EXPECT_EQ(2, opr_doc_int(doc, "/list/0", 0));
    json_object_put(doc);
}

std::string fill(const char *tmpl, ...)
{
    va_list args;
    va_start(args, tmpl);
    struct json_object *doc = nullptr;
    struct opr_error err = {};
    opr_status st = opr_doc_template(&doc, &err, tmpl, args);
    va_end(args);
    std::string text = st == OPR_OK
                           ? json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN |
                                                                     JSON_C_TO_STRING_NOSLASHESCAPE)
                           : std::string("error: ") + err.message;
    json_object_put(doc);
    return text;
}

TEST(Template, FillsConversions)
{
    Value v(R"({"inner":[1,2]})");
    EXPECT_EQ(
        R"({"a":"it's \"50%\"","b":-3,"c":4,"d":5000000000,"e":0.5,"f":[1,2],"g":null,"h":"%"})",
        fill("{'a':%s,'b':%d,'c':%u,'d':%lld,'e':%f,'f':%p,'g':%s,'h':'%%'}", "it's \"50%\"", -3,
             4u, 5000000000LL, 0.5, opr_json_at(v.obj, "/inner"), nullptr));
}

TEST(Template, InputCanNotBreakOut)
{
    EXPECT_EQ(R"({"a":"','x':'%s"})", fill("{'a':%s}", "','x':'%s"));
    EXPECT_NE(std::string::npos, fill("{'a':%y}").find("unknown conversion"));
    EXPECT_NE(std::string::npos, fill("{'a':").find("error"));
    EXPECT_EQ(R"({"a":"it's"})", fill("{\"a\":\"it's\"}"));
}

} // namespace
