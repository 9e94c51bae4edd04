/* What holds of every value: random documents, and the edges of numbers, names and text. */
#include <gtest/gtest.h>

#include <random>
#include <string>

extern "C" {
#include "core/base/str.h"
#include "core/json/doc.h"
#include "core/json/json.h"
#include "core/json/path.h"
}

namespace
{

struct opr_obj *parsed(const std::string &text)
{
    struct opr_obj *o = nullptr;
    struct opr_error err = {};
    EXPECT_EQ(opr_json_parse({text.data(), text.size()}, &o, &err), OPR_OK)
        << text << ": " << err.message;
    return o;
}

std::string written(const struct opr_obj *o)
{
    struct opr_buf b = {};
    opr_json_write(&b, o);
    std::string s(b.data ? b.data : "", b.len);
    opr_buf_fini(&b);
    return s;
}

std::string through_doc(const std::string &text)
{
    struct opr_obj *o = parsed(text);
    struct json_object *doc = opr_doc_from_obj(o);
    struct opr_buf b = {};
    opr_doc_write(&b, doc);
    std::string s(b.data ? b.data : "", b.len);
    opr_buf_fini(&b);
    json_object_put(doc);
    opr_json_unref(o);
    return s;
}

class Random
{
  public:
    explicit Random(uint32_t seed) : random_(seed)
    {
    }
    uint32_t below(uint32_t n)
    {
        return static_cast<uint32_t>(random_() % n);
    }
    std::string text()
    {
        static const char *const parts[] = {
            "a",    "b",    "\\n",       "\\u0001",      "/",       "~0",
            "\\\"", "\\\\", "\\u00e9",   "\xe2\x82\xac", "\\u007f", "\\ud83d\\ude00",
            "x x",  "",     "0123456789"};
        std::string s = "\"";
        for (uint32_t n = below(4); n > 0; n--) {
            s += parts[below(sizeof parts / sizeof *parts)];
        }
        return s + "\"";
    }
    std::string value(unsigned depth)
    {
        static const char *const scalars[] = {"null",
                                              "true",
                                              "false",
                                              "0",
                                              "-1",
                                              "9223372036854775807",
                                              "-9223372036854775808",
                                              "18446744073709551615",
                                              "0.1",
                                              "1e400",
                                              "-0.0",
                                              "123456.789e-3"};
        uint32_t kind = below(depth > 0 ? 10 : 6);
        if (kind < 4) {
            return scalars[below(sizeof scalars / sizeof *scalars)];
        }
        if (kind < 6) {
            return text();
        }
        std::string s = kind < 8 ? "[" : "{";
        uint32_t count = below(6);
        for (uint32_t i = 0; i < count; i++) {
            s += i > 0 ? "," : "";
            s += kind < 8 ? "" : "\"n" + std::to_string(i) + (below(2) ? "~/" : "") + "\":";
            s += value(depth - 1);
        }
        return s + (kind < 8 ? "]" : "}");
    }

  private:
    std::mt19937 random_;
};

TEST(JsonProperty, WhatIsWrittenParsesToTheSame)
{
    Random random(1);
    for (int i = 0; i < 2000; i++) {
        struct opr_obj *a = parsed(random.value(5));
        std::string text = written(a);
        struct opr_obj *b = parsed(text);
        EXPECT_TRUE(opr_json_equal(a, b)) << text;
        EXPECT_EQ(text, written(b));
        EXPECT_EQ(text, through_doc(text));
        opr_json_unref(a);
        opr_json_unref(b);
    }
}

/* Each value is where its pointer says, by all three ways there are to look. */
void check_children(const struct opr_obj *root, const struct opr_obj *at,
                    const std::string &pointer)
{
    uint32_t i = 0;
    for (const struct opr_obj *v = opr_json_first(at); v; v = opr_json_next(v), i++) {
        std::string token = std::to_string(i);
        if (opr_json_type(at) == OPR_TYPE_OBJECT) {
            token.clear();
            for (const char *p = opr_json_name(v); *p; p++) {
                token += *p == '~' ? "~0" : *p == '/' ? "~1" : std::string(1, *p);
            }
            EXPECT_EQ(v, opr_json_member(at, opr_str_of(opr_json_name(v))));
        } else {
            EXPECT_EQ(v, opr_json_index(at, i));
        }
        std::string down = pointer + "/" + token;
        EXPECT_EQ(v, opr_json_at(root, down.c_str())) << down;
        struct opr_path *path = opr_path_new({down.data(), down.size()});
        EXPECT_EQ(v, opr_path_at(path, root)) << down;
        opr_path_free(path);
        check_children(root, v, down);
    }
    EXPECT_EQ(i, opr_json_type(at) == OPR_TYPE_STRING ? 0u : opr_json_len(at));
}

TEST(JsonProperty, EveryValueIsWhereItsPointerSays)
{
    Random random(2);
    for (int i = 0; i < 300; i++) {
        struct opr_obj *o = parsed(random.value(5));
        check_children(o, o, "");
        opr_json_unref(o);
    }
}

TEST(JsonProperty, AnyCutOrChangedByteIsReadOrRefused)
{
    Random random(3);
    for (int i = 0; i < 3000; i++) {
        std::string text = random.value(4);
        text[random.below(static_cast<uint32_t>(text.size()))] =
            static_cast<char>(random.below(256));
        text.resize(random.below(8) ? text.size()
                                    : random.below(static_cast<uint32_t>(text.size())));
        /* Its own block, so that a read past the end is seen. */
        std::string exact(text.data(), text.size());
        exact.shrink_to_fit();
        struct opr_obj *o = nullptr;
        struct opr_error err = {};
        if (opr_json_parse({exact.data(), exact.size()}, &o, &err) == OPR_OK) {
            struct opr_obj *again = parsed(written(o));
            EXPECT_TRUE(opr_json_equal(o, again)) << exact;
            opr_json_unref(again);
        } else {
            EXPECT_NE(err.message[0], '\0') << exact;
        }
        opr_json_unref(o);
    }
}

/* A name with a terminator in it is nobody's, and is not compared past the end of another. */
TEST(JsonProperty, ATerminatorInANameFindsNothing)
{
    struct opr_obj *o = parsed("{\"list\":1}");
    for (size_t len : {5u, 6u, 60u, 4000u}) {
        std::string name = "list";
        name.resize(len, '\0');
        EXPECT_EQ(nullptr, opr_json_member(o, {name.data(), name.size()})) << len;
    }
    EXPECT_NE(nullptr, opr_json_member(o, {"list", 4}));
    EXPECT_EQ(nullptr, opr_json_member(o, {nullptr, 0}));
    opr_json_unref(o);
}

TEST(JsonProperty, NumbersAtTheEdges)
{
    struct {
        const char *text;
        int64_t integer;
        const char *through_doc;
    } cases[] = {{"9223372036854775807", INT64_MAX, "9223372036854775807"},
                 {"-9223372036854775808", INT64_MIN, "-9223372036854775808"},
                 {"9223372036854775808", -7, "9223372036854775808"},
                 {"18446744073709551615", -7, "18446744073709551615"},
                 {"18446744073709551616", -7, "18446744073709551616"},
                 {"-9223372036854775809", INT64_MIN, "-9223372036854775809"},
                 {"1e400", -7, "1e400"},
                 {"-1e400", -7, "-1e400"},
                 {"1e-400", 0, "1e-400"},
                 {"-0", 0, "0"},
                 {"-0.0", 0, "-0.0"},
                 {"1e3", 1000, "1e3"},
                 {"2.9", 2, "2.9"},
                 {"-2.9", -2, "-2.9"},
                 {"0.1", 0, "0.1"},
                 {"1.0", 1, "1.0"}};
    for (const auto &c : cases) {
        struct opr_obj *o = parsed(c.text);
        EXPECT_EQ(c.integer, opr_json_int(o, "", -7)) << c.text;
        EXPECT_EQ(c.text, written(o));
        EXPECT_EQ(c.through_doc, through_doc(c.text));
        opr_json_unref(o);
    }
    for (const char *bad : {"01", "+1", "1.", ".5", "0x1", "1e", "1e+", "--1", "-", "NaN",
                            "Infinity", "1_0", "1 2", "-01", "1.e3",
                            "\xef\xbb\xbf"
                            "1"}) {
        struct opr_obj *o = nullptr;
        EXPECT_EQ(OPR_E_INVALID, opr_json_parse(opr_str_of(bad), &o, nullptr)) << bad;
    }
}

TEST(JsonProperty, InvalidUtf8IsRefused)
{
    for (const char *bad : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xed\xa0\x80",
                            "\xf0\x80\x80\xaf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
                            "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3\x28", "\x1f"}) {
        std::string value = std::string("\"") + bad + "\"", name = "{" + value + ":1}";
        struct opr_obj *o = nullptr;
        EXPECT_EQ(OPR_E_INVALID, opr_json_parse({value.data(), value.size()}, &o, nullptr));
        EXPECT_EQ(OPR_E_INVALID, opr_json_parse({name.data(), name.size()}, &o, nullptr));
    }
    for (const char *good : {"\xc2\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                             "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\x7f"}) {
        std::string value = std::string("\"") + good + "\"";
        struct opr_obj *o = parsed(value);
        EXPECT_EQ(good, std::string(opr_json_str(o, "", "")));
        opr_json_unref(o);
    }
}

} // namespace
