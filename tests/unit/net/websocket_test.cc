#include "core/base/str.h"
#include "core/net/channel.h"
#include "core/net/websocket.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace
{

/* A client's frame. */
std::string frame(int first, const std::string &payload, const std::string &mask = "abcd")
{
    std::string out(1, (char)first);
    bool is_masked = !mask.empty();
    auto bits = [&](int n) { out += (char)(n | (is_masked ? 0x80 : 0)); };
    if (payload.size() < 126) {
        bits((int)payload.size());
    } else if (payload.size() < 65536) {
        bits(126);
        out += (char)(payload.size() >> 8);
        out += (char)payload.size();
    } else {
        bits(127);
        for (int shift = 56; shift >= 0; shift -= 8) {
            out += (char)((uint64_t)payload.size() >> shift);
        }
    }
    out += mask;
    for (size_t i = 0; i < payload.size(); i++) {
        out += is_masked ? (char)(payload[i] ^ mask[i % 4]) : payload[i];
    }
    return out;
}

enum { FIN = 0x80, CONT = 0, TEXT = 1, BIN = 2, CLOSE = 8, PING = 9 };

struct Result {
    int code = OPR_WS_MORE;
    std::vector<std::string> messages; /* "OPCODE:TEXT" */
    bool is_between = false;
};

/* Reads text in portions of a size, with room for so many bytes at once. */
Result read(const std::string &text, size_t portion = 1 << 20, size_t room = 1 << 16,
            bool is_server = true)
{
    Result result;
    std::vector<char> memory(room);
    struct opr_ws_reader r = {};
    r.is_server = is_server;
    std::string open;
    for (size_t from = 0; from < text.size() && result.code == OPR_WS_MORE; from += portion) {
        std::string part = text.substr(from, portion);
        size_t at = 0;
        struct opr_ws_piece p;
        while ((result.code = opr_ws_next(&r, opr_str_n(part.data(), part.size()), &at,
                                          memory.data(), room, &p)) == OPR_WS_PIECE) {
            std::string data(p.data.ptr, p.data.len);
            if (p.opcode >= OPR_WS_CLOSE) {
                EXPECT_TRUE(p.is_first && p.is_last);
                result.messages.push_back(std::to_string(p.opcode) + ":" + data);
                continue;
            }
            EXPECT_EQ(open.empty(), p.is_first);
            open += (p.is_first ? std::to_string(p.opcode) + ":" : "") + data;
            if (p.is_last) {
                result.messages.push_back(open);
                open.clear();
            }
        }
        EXPECT_TRUE(result.code != OPR_WS_MORE || at == part.size());
    }
    result.is_between = opr_ws_is_between(&r);
    return result;
}

} // namespace

using Messages = std::vector<std::string>;

TEST(WebSocket, ReadsMessagesHoweverTheyComeInPieces)
{
    std::string large(70000, 'x'), middle(300, 'y');
    std::string text = frame(FIN | BIN, "one") + frame(FIN | BIN, "") + frame(TEXT, "he") +
                       frame(FIN | PING, "p") + frame(CONT, "") + frame(FIN | CONT, "llo") +
                       frame(FIN | BIN, middle) + frame(FIN | BIN, large) + frame(FIN | CLOSE, "");
    Messages wanted = {"2:one", "2:", "9:p", "1:hello", "2:" + middle, "2:" + large, "8:"};
    for (size_t portion : {1, 2, 3, 7, 1000, 1 << 20}) {
        for (size_t room : {1, 100, 1 << 17}) {
            Result r = read(text, portion, room);
            EXPECT_EQ(wanted, r.messages) << portion << " " << room;
            EXPECT_EQ(OPR_WS_MORE, r.code);
            EXPECT_TRUE(r.is_between);
        }
    }
}

TEST(WebSocket, RefusesWhatBreaksTheRules)
{
    auto code = [](const std::string &text, bool is_server = true) {
        return read(text, 1, 100, is_server).code;
    };
    EXPECT_EQ(OPR_WS_CLOSE_PROTOCOL, code(frame(FIN | BIN, "x", ""))) << "not masked";
    EXPECT_EQ(OPR_WS_CLOSE_PROTOCOL, code(frame(FIN | BIN, "x"), false)) << "masked by a server";
    for (int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
        EXPECT_EQ(OPR_WS_CLOSE_PROTOCOL, code(frame(FIN | opcode, "x"))) << opcode;
    }
    for (int reserved : {0x40, 0x20, 0x10}) {
        EXPECT_EQ(OPR_WS_CLOSE_PROTOCOL, code(frame(FIN | reserved | BIN, "x")));
    }
    EXPECT_EQ(OPR_WS_CLOSE_PROTOCOL, code(frame(FIN | CONT, "x"))) << "nothing to go on with";
    EXPECT_EQ(OPR_WS_CLOSE_PROTOCOL, code(frame(BIN, "x") + frame(FIN | BIN, "y")))
        << "a message inside a message";
    EXPECT_EQ(OPR_WS_CLOSE_PROTOCOL, code(frame(PING, "x"))) << "a control frame in parts";
    EXPECT_EQ(OPR_WS_CLOSE_PROTOCOL, code(frame(FIN | PING, std::string(126, 'x'))));
    EXPECT_EQ(OPR_WS_CLOSE_PROTOCOL, code(frame(FIN | CLOSE, "x"))) << "half a code";
    EXPECT_EQ(OPR_WS_CLOSE_PROTOCOL, code(std::string("\x82\xfe\x00\x7d"
                                                      "abcd",
                                                      8)))
        << "125 in 16 bits";
    EXPECT_EQ(OPR_WS_CLOSE_PROTOCOL, code(std::string("\x82\xff\0\0\0\0\0\0\xff\xff"
                                                      "abcd",
                                                      14)))
        << "65535 in 64 bits";
    EXPECT_EQ(OPR_WS_CLOSE_PROTOCOL, code(std::string("\x82\xff\x80\0\0\0\0\x01\0\0"
                                                      "abcd",
                                                      14)));
    EXPECT_EQ(OPR_WS_CLOSE_TOO_BIG, code(std::string("\x82\xff\0\0\0\0\x04\0\0\x01"
                                                     "abcd",
                                                     14)));
}

TEST(WebSocket, FollowsAServersFramesWithoutKeepingThem)
{
    struct opr_buf b = {};
    std::string large(66000, 'z');
    opr_channel_add(&b, OPR_CHANNEL_STDOUT, opr_str_n(large.data(), large.size()));
    size_t boundary = b.len;
    opr_ws_add_close(&b, OPR_WS_CLOSE_NORMAL, "");
    struct opr_ws_reader r = {};
    struct opr_ws_piece p;
    size_t at = 0;
    ASSERT_EQ(OPR_WS_PIECE, opr_ws_next(&r, opr_str_n(b.data, boundary - 1), &at, NULL, 0, &p));
    EXPECT_FALSE(p.is_last);
    EXPECT_EQ(nullptr, p.data.ptr);
    EXPECT_FALSE(opr_ws_is_between(&r));
    ASSERT_EQ(OPR_WS_PIECE, opr_ws_next(&r, opr_str_n(b.data, boundary), &at, NULL, 0, &p));
    EXPECT_TRUE(p.is_last && opr_ws_is_between(&r));
    ASSERT_EQ(OPR_WS_PIECE, opr_ws_next(&r, opr_buf_str(&b), &at, NULL, 0, &p));
    EXPECT_EQ(OPR_WS_CLOSE, p.opcode);
    EXPECT_EQ(std::string("\x03\xe8", 2), std::string(p.data.ptr, p.data.len));
    opr_buf_fini(&b);
}

struct Handshake : testing::Test {
    struct opr_arena *arena = opr_arena_new();
    std::vector<struct opr_http_header> headers = {
        {OPR_STR("Connection"), OPR_STR("keep-alive, Upgrade")},
        {OPR_STR("upgrade"), OPR_STR("WebSocket")},
        {OPR_STR("Sec-WebSocket-Version"), OPR_STR("13")},
        {OPR_STR("Sec-WebSocket-Key"), OPR_STR("dGhlIHNhbXBsZSBub25jZQ==")},
        {OPR_STR("Sec-WebSocket-Protocol"), OPR_STR("other, v4.channel.k8s.io")}};
    struct opr_http_response res = {};
    const char *protocol = "";
    ~Handshake() override
    {
        opr_arena_free(arena);
    }
    opr_status shake(const char *method = "GET")
    {
        struct opr_http_request req = {};
        req.method = opr_str_of(method);
        req.headers = headers.data();
        req.n_headers = headers.size();
        req.arena = arena;
        res = {};
        struct opr_error err = {};
        return opr_ws_handshake(&req, opr_channel_protocols, &res, &protocol, &err);
    }
};

TEST_F(Handshake, AnswersWithTheKeyOfTheRfc)
{
    ASSERT_EQ(OPR_OK, shake());
    EXPECT_EQ(101, res.status);
    EXPECT_STREQ(OPR_CHANNEL_V4, protocol);
    ASSERT_EQ(2u, res.n_headers);
    EXPECT_TRUE(opr_str_is(res.headers[0].value, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")); /* 1.3 */
    headers.push_back({OPR_STR("Sec-WebSocket-Protocol"), OPR_STR("v5.channel.k8s.io")});
    ASSERT_EQ(OPR_OK, shake());
    EXPECT_STREQ(OPR_CHANNEL_V5, protocol) << "the better of the two";
}

TEST_F(Handshake, RefusesWhatIsNoneOrNotServed)
{
    EXPECT_EQ(OPR_E_INVALID, shake("POST"));
    auto without = [&](size_t i, struct opr_str value) {
        struct opr_str kept = headers[i].value;
        headers[i].value = value;
        opr_status st = shake();
        headers[i].value = kept;
        EXPECT_EQ(0, res.status);
        return st;
    };
    EXPECT_EQ(OPR_E_INVALID, without(0, OPR_STR("keep-alive")));
    EXPECT_EQ(OPR_E_INVALID, without(1, OPR_STR("SPDY/3.1")));
    EXPECT_EQ(OPR_E_INVALID, without(2, OPR_STR("8")));
    EXPECT_EQ(OPR_E_INVALID, without(3, OPR_STR("c2hvcnQ=")));
    EXPECT_EQ(OPR_E_INVALID, without(3, OPR_STR("***")));
    EXPECT_EQ(OPR_E_INVALID, without(4, OPR_STR("base64.channel.k8s.io")));
    EXPECT_EQ(OPR_OK, shake());
}

TEST(Channel, SaysHowACommandEnded)
{
    auto text = [](void (*add)(struct opr_buf *)) {
        struct opr_buf b = {};
        add(&b);
        std::string all(b.data, b.len);
        opr_buf_fini(&b);
        return all;
    };
    std::string close("\x88\x02\x03\xe8", 4);
    EXPECT_EQ(std::string("\x82\x23\x03") + R"({"metadata":{},"status":"Success"})" + close,
              text([](struct opr_buf *b) { opr_channel_add_exit(b, 0); }));
    std::string failed = text([](struct opr_buf *b) { opr_channel_add_exit(b, 3); });
    EXPECT_NE(std::string::npos, failed.find(R"("reason":"NonZeroExitCode")"));
    EXPECT_NE(std::string::npos, failed.find(R"([{"reason":"ExitCode","message":"3"}])"));
    std::string wrong = text([](struct opr_buf *b) { opr_channel_add_failure(b, "no \"c\""); });
    EXPECT_NE(
        std::string::npos,
        wrong.find(R"("message":"Internal error occurred: no \"c\"","reason":"InternalError")"));
    EXPECT_NE(std::string::npos, wrong.find(R"("code":500)"));
}
