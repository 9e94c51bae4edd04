#include "core/base/str.h"
#include "core/net/h1_parse.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

struct H1 : testing::Test {
    struct opr_arena *arena = opr_arena_new();
    struct opr__h1_head head = {};
    ~H1() override
    {
        opr_arena_free(arena);
    }
    int parse(const std::string &text)
    {
        size_t scanned = 0, len = 0;
        int result = opr__h1_find_head(opr_str_n(text.data(), text.size()), &scanned, &len);
        if (result != OPR__H1_DONE) {
            return result;
        }
        head = {};
        struct opr_str copy = opr_str_n(opr_arena_dup(arena, opr_str_n(text.data(), len)), len);
        return opr__h1_parse_head(arena, copy, &head);
    }
    int with(const std::string &line)
    {
        return parse("POST /x HTTP/1.1\r\nHost: h\r\n" + line + "\r\n\r\n");
    }
    int target(const std::string &t)
    {
        return parse("GET " + t + " HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    std::string path() const
    {
        return std::string(head.path.ptr, head.path.len);
    }
};

TEST_F(H1, FindsTheEndAtAnySplit)
{
    const std::string text = "GET / HTTP/1.1\r\nHost: x\r\n\r\nrest";
    for (size_t cut = 0; cut < text.size(); cut++) {
        size_t scanned = 0, len = 0;
        int first = opr__h1_find_head(opr_str_n(text.data(), cut), &scanned, &len);
        if (cut < text.size() - 4) {
            EXPECT_EQ(OPR__H1_MORE, first);
        }
        EXPECT_EQ(OPR__H1_DONE,
                  opr__h1_find_head(opr_str_n(text.data(), text.size()), &scanned, &len));
        EXPECT_EQ(text.size() - 4, len);
    }
}

TEST_F(H1, Targets)
{
    EXPECT_EQ(OPR__H1_DONE, target("/a/b?c=d?e"));
    EXPECT_EQ("/a/b", path());
    EXPECT_EQ("c=d?e", std::string(head.query.ptr, head.query.len));
    EXPECT_EQ(OPR__H1_DONE, target("http://host:80/p?q"));
    EXPECT_EQ("/p", path());
    EXPECT_EQ(OPR__H1_DONE, target("*"));
    EXPECT_EQ(400, target("http://host"));
    EXPECT_EQ(400, target("a"));
    EXPECT_EQ(400, target(""));
    EXPECT_EQ(400, target("/a b"));
    EXPECT_EQ(400, target("/#a"));
    EXPECT_EQ(400, target("/\x80"));
    EXPECT_EQ(400, target(std::string("/a\0b", 4)));
    EXPECT_EQ(400, target("/a\rb"));
}

TEST_F(H1, RequestLines)
{
    EXPECT_EQ(400, parse("GET / HTTP/1.1x\r\nHost: h\r\n\r\n"));
    EXPECT_EQ(400, parse("GET /\r\nHost: h\r\n\r\n"));
    EXPECT_EQ(400, parse(" GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_EQ(400, parse("G@T / HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_EQ(400, parse("GET  / HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_EQ(400, parse("GET / http/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_EQ(505, parse("GET / HTTP/3.0\r\nHost: h\r\n\r\n"));
    EXPECT_EQ(OPR__H1_DONE, parse("GET / HTTP/1.0\r\n\r\n"));
    EXPECT_FALSE(head.is_keep_alive);
}

TEST_F(H1, Fields)
{
    EXPECT_EQ(OPR__H1_DONE, with("A:  b c \t"));
    EXPECT_EQ("b c", std::string(head.headers[1].value.ptr, head.headers[1].value.len));
    EXPECT_EQ(OPR__H1_DONE, with("A:"));
    EXPECT_EQ(400, with(": b"));
    EXPECT_EQ(400, with("A b"));
    EXPECT_EQ(400, with("A : b"));
    EXPECT_EQ(400, with(" A: b"));
    EXPECT_EQ(400, with("A: b\r\n\tc"));
    EXPECT_EQ(400, with("A: b\rc"));
    EXPECT_EQ(400, with("A: b\nB: c"));
    EXPECT_EQ(400, with(std::string("A: b\0c", 6)));
    EXPECT_EQ(400, with("A: b\x7f"));
    EXPECT_EQ(400, with("Host: two"));
}

TEST_F(H1, Framing)
{
    EXPECT_EQ(OPR__H1_DONE, with("Content-Length: 12"));
    EXPECT_EQ(12u, head.length);
    EXPECT_EQ(OPR__H1_DONE, with("transfer-encoding: Chunked"));
    EXPECT_TRUE(head.is_chunked);
    for (const char *bad : {"", "-1", "+1", "1,1", "1 1", "0x1", "1e3", "99999999999999999999"}) {
        EXPECT_EQ(400, with(std::string("Content-Length: ") + bad)) << bad;
    }
    EXPECT_EQ(400, with("Content-Length: 1\r\nContent-Length: 1"));
    EXPECT_EQ(400, with("Content-Length: 1\r\nTransfer-Encoding: chunked"));
    EXPECT_EQ(400, with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"));
    EXPECT_EQ(501, with("Transfer-Encoding: chunked, gzip"));
    EXPECT_EQ(501, with("Transfer-Encoding: identity"));
    EXPECT_EQ(400, parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"));
    EXPECT_EQ(417, with("Expect: miracles"));
    EXPECT_EQ(OPR__H1_DONE, with("Expect: 100-Continue"));
    EXPECT_TRUE(head.expects_continue);
    EXPECT_EQ(OPR__H1_DONE, with("Connection: x, Close"));
    EXPECT_FALSE(head.is_keep_alive);
}

TEST_F(H1, Limits)
{
    std::string line = "A: " + std::string(OPR__H1_HEAD_MAX, 'a');
    EXPECT_EQ(431, with(line));
    std::string many;
    for (int i = 0; i < OPR__H1_HEADERS_MAX - 3; i++) {
        many += "A: b\r\n";
    }
    EXPECT_EQ(OPR__H1_DONE, with(many + "A: b"));
    EXPECT_EQ(431, with(many + "A: b\r\nA: b\r\nA: b"));
}

struct Chunks : testing::Test {
    struct opr_buf body = {};
    size_t used = 0;
    ~Chunks() override
    {
        opr_buf_fini(&body);
    }
    /* Fed whole, and again byte by byte: both must agree. */
    int feed(const std::string &text, size_t max = 100)
    {
        struct opr__h1_chunks whole = {};
        opr_buf_clear(&body);
        used = 0;
        int result =
            opr__h1_chunks_feed(&whole, opr_str_n(text.data(), text.size()), &used, &body, max);
        struct opr__h1_chunks slow = {};
        struct opr_buf again = {};
        int slow_result = OPR__H1_MORE;
        for (size_t i = 0; i < text.size() && slow_result == OPR__H1_MORE; i++) {
            size_t at = 0;
            slow_result = opr__h1_chunks_feed(&slow, opr_str_n(&text[i], 1), &at, &again, max);
        }
        EXPECT_EQ(result, slow_result);
        EXPECT_TRUE(opr_str_eq(opr_buf_str(&body), opr_buf_str(&again)));
        opr_buf_fini(&again);
        return result;
    }
    std::string text() const
    {
        return std::string(body.data ? body.data : "", body.len);
    }
};

TEST_F(Chunks, Good)
{
    EXPECT_EQ(OPR__H1_DONE, feed("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nnext"));
    EXPECT_EQ("abc0123456789", text());
    EXPECT_EQ(28u, used);
    EXPECT_EQ(OPR__H1_DONE, feed("0\r\n\r\n"));
    EXPECT_EQ(OPR__H1_DONE, feed("1;a=\"b\"\r\nx\r\n000\r\nT: v\r\nU: w\r\n\r\n"));
    EXPECT_EQ("x", text());
    EXPECT_EQ(OPR__H1_MORE, feed("5\r\nabc"));
    EXPECT_EQ(OPR__H1_DONE, feed("64\r\n" + std::string(100, 'x') + "\r\n0\r\n\r\n"));
}

TEST_F(Chunks, Bad)
{
    for (const char *bad :
         {"\r\n", ";\r\n", "g\r\n", "-1\r\n", "+1\r\n", " 1\r\n", "1 \r\n", "0x1\r\n", "1\n",
          "1\rx", "1\r\nxy\r\n", "1\r\nx\n", "1\r\nx\rx", "1;\n\r\n", "0\r\n\n", "0\r\n\rx",
          "0\r\nT: a\n", "fffffffffffffffff\r\n"}) {
        EXPECT_EQ(400, feed(bad)) << bad;
    }
    EXPECT_EQ(413, feed("65\r\n"));
    EXPECT_EQ(413, feed("ffffffffffffff\r\n"));
    EXPECT_EQ(413, feed("60\r\n" + std::string(96, 'x') + "\r\n5\r\n"));
    EXPECT_EQ(400, feed("1;" + std::string(OPR__H1_CHUNK_LINE_MAX, 'e') + "\r\n"));
    EXPECT_EQ(431, feed("0\r\n" + std::string(OPR__H1_TRAILER_MAX + 1, 'e') + "\r\n"));
}

/* Noise, and good requests with some bytes changed: never a crash, never a result out of range. */
TEST_F(H1, SurvivesNoise)
{
    std::mt19937 random(7);
    const std::string good = "POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nA: b\r\n\r\n";
    for (int round = 0; round < 5000; round++) {
        std::string text = good;
        for (unsigned i = 0; i < 1 + random() % 4; i++) {
            text[random() % text.size()] = (char)random();
        }
        int result = parse(text);
        EXPECT_TRUE(result == OPR__H1_MORE || result == OPR__H1_DONE ||
                    (result >= 400 && result <= 505))
            << result;
        if (result == OPR__H1_DONE) {
            EXPECT_GT(head.path.len, 0u);
            EXPECT_LE(head.n_headers, (size_t)OPR__H1_HEADERS_MAX);
        }
    }
}
