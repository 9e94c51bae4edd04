#include <gtest/gtest.h>

#include <string>

extern "C" {
#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/rand.h"
#include "core/base/str.h"
}

namespace
{

struct opr_str str(const std::string &s)
{
    return opr_str_n(s.data(), s.size());
}

TEST(Str, ComparesAndTrims)
{
    EXPECT_TRUE(opr_str_eq(OPR_STR("ab"), str("ab")));
    EXPECT_TRUE(opr_str_eq(opr_str_n(nullptr, 0), OPR_STR("")));
    EXPECT_FALSE(opr_str_is(OPR_STR("ab"), "abc"));
    EXPECT_TRUE(opr_str_starts(OPR_STR("metadata"), "meta"));
    EXPECT_FALSE(opr_str_starts(OPR_STR("me"), "meta"));
    EXPECT_TRUE(opr_str_starts(opr_str_n(nullptr, 0), ""));
    EXPECT_TRUE(opr_str_ends(OPR_STR("a.yaml"), ".yaml"));
    EXPECT_FALSE(opr_str_ends(OPR_STR("l"), ".yaml"));
    EXPECT_TRUE(opr_str_ieq(OPR_STR("Content-TYPE"), OPR_STR("content-type")));
    EXPECT_FALSE(opr_str_ieq(OPR_STR("a"), OPR_STR("b")));
    EXPECT_LT(opr_str_cmp(OPR_STR("a"), OPR_STR("ab")), 0);
    EXPECT_GT(opr_str_cmp(OPR_STR("b"), OPR_STR("ab")), 0);
    EXPECT_EQ(0, opr_str_cmp(OPR_STR(""), opr_str_n(nullptr, 0)));
    EXPECT_TRUE(opr_str_is(opr_str_trim(OPR_STR(" \t x y\r\n")), "x y"));
    EXPECT_EQ(0u, opr_str_trim(OPR_STR("  ")).len);
}

TEST(Str, SplitsAtSeparators)
{
    struct opr_str rest = OPR_STR("a,,b"), part;
    std::string parts;
    while (opr_str_next(&rest, ',', &part)) {
        parts += "[" + std::string(part.ptr, part.len) + "]";
    }
    EXPECT_EQ("[a][][b]", parts);
    EXPECT_FALSE(opr_str_next(&rest, ',', &part));
    rest = OPR_STR("");
    EXPECT_FALSE(opr_str_next(&rest, ',', &part));
}

TEST(Str, ReadsNumbersToTheirLimits)
{
    int64_t i = 0;
    uint64_t u = 0;
    EXPECT_EQ(OPR_OK, opr_str_to_i64(OPR_STR("-9223372036854775808"), &i));
    EXPECT_EQ(INT64_MIN, i);
    EXPECT_EQ(OPR_OK, opr_str_to_i64(OPR_STR("9223372036854775807"), &i));
    EXPECT_EQ(INT64_MAX, i);
    EXPECT_EQ(OPR_E_LIMIT, opr_str_to_i64(OPR_STR("9223372036854775808"), &i));
    EXPECT_EQ(OPR_E_LIMIT, opr_str_to_i64(OPR_STR("-9223372036854775809"), &i));
    EXPECT_EQ(OPR_OK, opr_str_to_u64(OPR_STR("18446744073709551615"), &u));
    EXPECT_EQ(UINT64_MAX, u);
    EXPECT_EQ(OPR_E_LIMIT, opr_str_to_u64(OPR_STR("18446744073709551616"), &u));
    for (const char *bad : {"", "-", "+1", " 1", "1 ", "0x1", "1.0", "--1"}) {
        EXPECT_EQ(OPR_E_INVALID, opr_str_to_i64(opr_str_of(bad), &i)) << bad;
    }
    EXPECT_EQ(OPR_E_INVALID, opr_str_to_u64(OPR_STR("-1"), &u));
}

TEST(Str, PlainRunStopsAtTheFirstByteThatJsonEscapes)
{
    for (int c = 0; c < 256; c++) {
        bool is_plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
        for (size_t at = 0; at < 20; at++) {
            std::string text(20, 'x');
            text[at] = static_cast<char>(c);
            ASSERT_EQ(is_plain ? 20 : at, opr_str_plain_run(str(text))) << c;
        }
    }
    EXPECT_EQ(0u, opr_str_plain_run(opr_str_n(nullptr, 0)));
}

TEST(Str, HashFollowsTheBytes)
{
    EXPECT_EQ(opr_str_hash(OPR_STR("abcdefghij")), opr_str_hash(str("abcdefghij")));
    EXPECT_NE(opr_str_hash(OPR_STR("a")), opr_str_hash(str(std::string("a\0", 2))));
    EXPECT_NE(opr_str_hash(OPR_STR("a")), opr_str_hash(OPR_STR("b")));
}

class Buf : public testing::Test
{
  protected:
    ~Buf() override
    {
        opr_buf_fini(&b);
    }
    std::string text() const
    {
        return std::string(opr_buf_str(&b).ptr, b.len);
    }
    struct opr_buf b = {};
};

TEST_F(Buf, GrowsAndStaysTerminated)
{
    EXPECT_STREQ("", opr_buf_str(&b).ptr);
    std::string expected;
    for (int i = 0; i < 300; i++) {
        opr_buf_printf(&b, "%d,", i);
        expected += std::to_string(i) + ",";
        ASSERT_EQ('\0', b.data[b.len]);
    }
    opr_buf_add_str(&b, OPR_STR("x"));
    opr_buf_add_text(&b, "yz");
    opr_buf_add_char(&b, '!');
    EXPECT_EQ(expected + "xyz!", text());
    std::string wide(5000, 'w');
    opr_buf_clear(&b);
    opr_buf_printf(&b, "%s", wide.c_str());
    EXPECT_EQ(wide, text());
}

TEST_F(Buf, ConsumesAndGivesAway)
{
    opr_buf_add_text(&b, "hello world");
    opr_buf_consume(&b, 6);
    EXPECT_STREQ("world", b.data);
    size_t len = 0;
    char *taken = opr_buf_take(&b, &len);
    EXPECT_STREQ("world", taken);
    EXPECT_EQ(5u, len);
    EXPECT_EQ(nullptr, b.data);
    free(taken);
    taken = opr_buf_take(&b, nullptr);
    EXPECT_STREQ("", taken);
    free(taken);
}

TEST_F(Buf, QuotesJson)
{
    opr_buf_add_json(&b, str(std::string("a\"\\\n\x01\x7f/\0\xc3\xa9", 10)));
    EXPECT_EQ("\"a\\\"\\\\\\n\\u0001\x7f/\\u0000\xc3\xa9\"", text());
    opr_buf_clear(&b);
    opr_buf_add_json(&b, str("\xff|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x82"));
    const std::string r = "\xef\xbf\xbd";
    EXPECT_EQ("\"" + r + "|" + r + r + "|" + r + r + r + "|" + r + r + r + r + "|" + r + r + "\"",
              text());
}

TEST_F(Buf, Base64GoesThereAndBack)
{
    const char *vectors[][2] = {{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
                                {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
    for (auto &v : vectors) {
        opr_buf_clear(&b);
        opr_buf_base64(&b, v[0], strlen(v[0]));
        EXPECT_EQ(v[1], text());
        opr_buf_clear(&b);
        EXPECT_EQ(OPR_OK, opr_buf_unbase64(&b, opr_str_of(v[1])));
        EXPECT_EQ(v[0], text());
    }
    for (const char *bad : {"Z", "Zg=", "Zg===", "Z===", "Zm9v!", "Zg==Zg==", "=", "-_=="}) {
        opr_buf_clear(&b);
        EXPECT_EQ(OPR_E_INVALID, opr_buf_unbase64(&b, opr_str_of(bad))) << bad;
    }
    opr_buf_clear(&b);
    EXPECT_EQ(OPR_OK, opr_buf_unbase64(&b, OPR_STR("Zm9v\nYmFy\n")));
    EXPECT_EQ("foobar", text());
}

TEST(Error, FormatsAndMayQuoteItself)
{
    struct opr_error e = {};
    EXPECT_EQ(OPR_E_IO, opr_error_set(&e, OPR_E_IO, "disk %d", 3));
    EXPECT_EQ(OPR_E_SERVER, opr_error_set(&e, OPR_E_SERVER, "outer: %s", e.message));
    EXPECT_STREQ("outer: disk 3", e.message);
    EXPECT_EQ(OPR_E_SERVER, e.status);
    EXPECT_EQ(OPR_E_LIMIT, opr_error_set(nullptr, OPR_E_LIMIT, "x"));
    opr_error_set(&e, OPR_E_IO, "%s", std::string(2000, 'x').c_str());
    EXPECT_EQ(sizeof e.message - 1, strlen(e.message));
    EXPECT_STREQ("not found", opr_status_name(OPR_E_NOT_FOUND));
    EXPECT_STREQ("namespace is terminating", opr_status_name(OPR_E_TERMINATING));
    EXPECT_STREQ("unknown", opr_status_name(-99));
    EXPECT_STREQ("unknown", opr_status_name(1));
}

TEST(Rand, FollowsItsSeed)
{
    opr_rand_seed(42);
    uint64_t a = opr_rand_u64(), b = opr_rand_below(1000);
    char name[6], uuid[OPR_UUID_TEXT_MAX];
    opr_rand_name(name, 5);
    opr_rand_seed(42);
    EXPECT_EQ(a, opr_rand_u64());
    EXPECT_EQ(b, opr_rand_below(1000));
    char again[6];
    opr_rand_name(again, 5);
    EXPECT_STREQ(name, again);
    opr_rand_seed(0);
    EXPECT_EQ(5u, strlen(name));
    EXPECT_EQ(5u, strspn(name, "bcdfghjklmnpqrstvwxz2456789"));
    opr_uuid4(uuid);
    EXPECT_EQ(36u, strlen(uuid));
    EXPECT_EQ('4', uuid[14]);
    EXPECT_NE(nullptr, strchr("89ab", uuid[19]));
    for (int i = 0; i < 1000; i++) {
        ASSERT_LT(opr_rand_below(7), 7u);
    }
    EXPECT_EQ(0u, opr_rand_below(1));
}

} // namespace
