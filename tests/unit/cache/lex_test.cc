/* The lexical pass: it cuts text into members, and never reads past its end. */
#include "core/cache/lex.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace
{

struct opr_str Str(const std::string &s)
{
    return {s.data(), s.size()};
}

std::string Member(const std::string &object, const char *name)
{
    struct opr_str v = opr__lex_member(Str(object), name);
    return v.ptr ? std::string(v.ptr, v.len) : "(absent)";
}

TEST(Lex, FindsMembers)
{
    std::string o =
        " { \"a\" : {\"x\":[1,{\"y\":\"}\"}]} , \"b\":\"q\\\"]\",\"c\":-1.5e3,\"d\":null}";
    EXPECT_EQ(Member(o, "a"), "{\"x\":[1,{\"y\":\"}\"}]}");
    EXPECT_EQ(Member(o, "b"), "\"q\\\"]\"");
    EXPECT_EQ(Member(o, "c"), "-1.5e3");
    EXPECT_EQ(Member(o, "d"), "null");
    EXPECT_EQ(Member(o, "e"), "(absent)");
    EXPECT_EQ(Member("[1]", "a"), "(absent)");
    EXPECT_EQ(Member("", "a"), "(absent)");
}

TEST(Lex, WalksArrays)
{
    std::string text = "[ 1, \"two\" ,[3], {\"four\":4}]";
    struct opr__lex s;
    struct opr_str name, value;
    std::string seen;
    ASSERT_TRUE(opr__lex_open(&s, Str(text)));
    while (opr__lex_next(&s, &name, &value)) {
        seen += std::string(value.ptr, value.len) + ";";
    }
    EXPECT_EQ(seen, "1;\"two\";[3];{\"four\":4};");
}

/* Every prefix of a text, in memory of exactly its size, so that a sanitizer sees each byte read
 * past it. */
TEST(Lex, StaysWithinACutText)
{
    std::string whole =
        "{\"a\":{\"b\":[\"\\\\\\\"\",{}]},\"metadata\":{\"managedFields\":[1],\"n\":"
        "\"x\"},\"t\":true}";
    for (size_t len = 0; len <= whole.size(); len++) {
        std::unique_ptr<char[]> copy(new char[len]);
        memcpy(copy.get(), whole.data(), len);
        struct opr_buf out = {};
        struct opr_str text = {copy.get(), len};
        (void)opr__lex_member(text, "t");
        (void)opr__lex_trim(&out, text, "v1", "Pod", false);
        opr_buf_fini(&out);
    }
}

std::string Trim(const std::string &object, bool is_meta_only)
{
    struct opr_buf out = {};
    std::string text = "(no object)";
    if (opr__lex_trim(&out, Str(object), "apps/v1", "Deployment", is_meta_only)) {
        text = std::string(out.data, out.len);
    }
    opr_buf_fini(&out);
    return text;
}

TEST(Lex, TrimsToWhatTheCacheKeeps)
{
    std::string o = "{\"kind\":\"PartialObjectMetadata\",\"metadata\":{\"managedFields\":[{}],"
                    "\"name\":\"a\"},\"spec\":{}}";
    EXPECT_EQ(Trim(o, false), "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{"
                              "\"name\":\"a\"},\"spec\":{}}");
    EXPECT_EQ(Trim(o, true), "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{"
                             "\"name\":\"a\"}}");
    EXPECT_EQ(Trim("7", false), "(no object)");
    EXPECT_EQ(Trim("{\"metadata\":null}", false),
              "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":null}");
}

} // namespace
