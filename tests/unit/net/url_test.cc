#include "core/base/str.h"
#include "core/net/http.h"

#include <gtest/gtest.h>

#include <string>

static std::string text(struct opr_str s)
{
    return std::string(s.ptr ? s.ptr : "", s.len);
}

struct Url : testing::Test {
    struct opr_arena *arena = opr_arena_new();
    ~Url() override
    {
        opr_arena_free(arena);
    }
    std::string decode(const char *s, bool is_query)
    {
        return text(opr_url_decode(arena, opr_str_of(s), is_query));
    }
};

TEST_F(Url, Decode)
{
    EXPECT_EQ("", decode("", false));
    EXPECT_EQ("abc", decode("abc", false));
    EXPECT_EQ("a b/c", decode("a%20b%2Fc", false));
    EXPECT_EQ("a+b", decode("a+b", false));
    EXPECT_EQ("a b", decode("a+b", true));
    EXPECT_EQ("%", decode("%", true));
    EXPECT_EQ("%4", decode("%4", true));
    EXPECT_EQ("%zz", decode("%zz", true));
    EXPECT_EQ("A%", decode("%41%", true));
    EXPECT_EQ(std::string("a\0b", 3), decode("a%00b", false));
    EXPECT_EQ("%41", decode("%2541", false)); /* once only */
}

TEST_F(Url, EncodeAndBack)
{
    std::string all;
    for (int c = 0; c < 256; c++) {
        all.push_back((char)c);
    }
    struct opr_buf b = {};
    opr_url_encode(&b, opr_str_n(all.data(), all.size()));
    EXPECT_EQ(nullptr, strpbrk(b.data, "/?#&=+ "));
    EXPECT_EQ(all, text(opr_url_decode(arena, opr_buf_str(&b), true)));
    EXPECT_EQ(all, text(opr_url_decode(arena, opr_buf_str(&b), false)));
    opr_buf_fini(&b);
}

TEST_F(Url, Query)
{
    struct opr_str query = OPR_STR("watch=1&labelSelector=a%3Db%2Cc&empty=&flag&watch=2&a%20b=c+d");
    EXPECT_EQ("1", text(opr_query_get(arena, query, "watch")));
    EXPECT_EQ("a=b,c", text(opr_query_get(arena, query, "labelSelector")));
    EXPECT_EQ("c d", text(opr_query_get(arena, query, "a b")));
    struct opr_str empty = opr_query_get(arena, query, "empty");
    EXPECT_NE(nullptr, empty.ptr);
    EXPECT_EQ(0u, empty.len);
    EXPECT_NE(nullptr, opr_query_get(arena, query, "flag").ptr);
    EXPECT_EQ(nullptr, opr_query_get(arena, query, "watc").ptr);
    EXPECT_EQ(nullptr, opr_query_get(arena, opr_str_n("", 0), "watch").ptr);
    EXPECT_EQ(nullptr, opr_query_get(arena, opr_str_n(nullptr, 0), "watch").ptr);
}

TEST(Http, RequestHeaderIgnoresCase)
{
    struct opr_http_header headers[] = {{OPR_STR("Accept"), OPR_STR("x")},
                                        {OPR_STR("accept"), OPR_STR("y")}};
    struct opr_http_request req = {};
    req.headers = headers;
    req.n_headers = 2;
    EXPECT_EQ("x", text(opr_http_request_header(&req, "ACCEPT")));
    EXPECT_EQ(nullptr, opr_http_request_header(&req, "Host").ptr);
}

TEST(Http, ResponseFiniClosesTheSource)
{
    struct Source {
        struct opr_http_source base;
        int closed;
    } source = {};
    source.base.close = [](struct opr_http_source *s) { reinterpret_cast<Source *>(s)->closed++; };
    struct opr_http_response res = {};
    res.source = &source.base;
    opr_http_response_fini(&res);
    opr_http_response_fini(&res);
    EXPECT_EQ(1, source.closed);
}
