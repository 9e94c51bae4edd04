/* The server's HTTP/1.1, spoken to by hand over plain TCP. */
#include "tests/integration/net/rig.h"

using namespace rig;

static const std::string kGet = "GET /echo?a=1 HTTP/1.1\r\nHost: x\r\n\r\n";

TEST(Http1, KeepAliveAndPipelining)
{
    Server server(false);
    Wire wire(server.port);
    wire.say(kGet + kGet + "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" +
             "GET /echo?last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    std::string all = wire.hear_all();
    size_t first = all.find("GET a=1 ");
    size_t second = all.find("GET a=1 ", first + 1);
    size_t third = all.find("POST  hello");
    size_t fourth = all.find("GET last ");
    ASSERT_NE(std::string::npos, fourth) << all;
    EXPECT_LT(first, second);
    EXPECT_LT(second, third);
    EXPECT_LT(third, fourth);
    EXPECT_NE(std::string::npos, all.find("Content-Length: 8\r\n"));
    EXPECT_NE(std::string::npos, all.find("Connection: close\r\n"));
    EXPECT_NE(std::string::npos, all.find("\r\nDate: "));
}

TEST(Http1, BodyInPiecesAndChunked)
{
    Server server(false);
    Wire wire(server.port);
    for (char c : std::string("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n")) {
        wire.say(std::string(1, c));
    }
    EXPECT_NE(std::string::npos, wire.hear("world").find("POST  hello world"));
    wire.say("PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234");
    wire.say("56789");
    EXPECT_NE(std::string::npos, wire.hear("789").find("PUT  0123456789"));
}

TEST(Http1, ExpectContinue)
{
    Server server(false);
    Wire wire(server.port);
    wire.say("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ("HTTP/1.1 100 Continue\r\n\r\n", wire.hear("\r\n\r\n"));
    wire.say("ok");
    EXPECT_NE(std::string::npos, wire.hear("POST  ok").find("HTTP/1.1 200 OK"));
}

TEST(Http1, HeadHasLengthButNoBody)
{
    Server server(false);
    Wire wire(server.port);
    wire.say("HEAD /big?n=1234 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    std::string all = wire.hear_all();
    EXPECT_NE(std::string::npos, all.find("Content-Length: 1234\r\n"));
    EXPECT_EQ("\r\n\r\n", all.substr(all.size() - 4));
}

TEST(Http1, Http10ClosesAndIsNotChunked)
{
    Server server(false);
    Wire wire(server.port);
    wire.say("GET /watch HTTP/1.0\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return server.handler.feed.opened == 1; }));
    server.handler.feed.say("line\n");
    server.handler.feed.end();
    std::string all = wire.hear_all();
    EXPECT_EQ(std::string::npos, all.find("chunked"));
    EXPECT_EQ("\r\n\r\nline\n", all.substr(all.size() - 9));
}

TEST(Http1, ResponseHeaderCanNotBeSplit)
{
    Server server(false);
    Wire wire(server.port);
    wire.say("GET /echo HTTP/1.1\r\nHost: x\r\nX-Sent: fine\r\nConnection: close\r\n\r\n");
    EXPECT_NE(std::string::npos, wire.hear_all().find("X-Seen: fine\r\n"));
}

struct Refusal {
    const char *name;
    std::string request;
    const char *status;
};

class Refuses : public testing::TestWithParam<Refusal>
{
};

TEST_P(Refuses, WithAStatusAndCloses)
{
    Server server(false, 1000);
    Wire wire(server.port);
    wire.say(GetParam().request);
    std::string all = wire.hear_all();
    EXPECT_EQ(0u, all.find(std::string("HTTP/1.1 ") + GetParam().status)) << all.substr(0, 200);
    EXPECT_NE(std::string::npos, all.find("Connection: close\r\n"));
    EXPECT_EQ(0, server.handler.handled);
}

static std::string post(const std::string &headers)
{
    return "POST /echo HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n";
}

INSTANTIATE_TEST_SUITE_P(
    Http1, Refuses,
    testing::Values(
        Refusal{"NoHost", "GET /echo HTTP/1.1\r\n\r\n", "400"},
        Refusal{"TwoHosts", "GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
        Refusal{"Garbage", "\x16\x03\x01 nonsense\r\n\r\n", "400"},
        Refusal{"BareLf", "GET /echo HTTP/1.1\nHost: x\n\n", "400"},
        Refusal{"Fold", "GET /echo HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "400"},
        Refusal{"SpaceBeforeColon", "GET /echo HTTP/1.1\r\nHost : x\r\n\r\n", "400"},
        Refusal{"LengthAndChunked", post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
                "400"},
        Refusal{"TwoLengths", post("Content-Length: 3\r\nContent-Length: 3\r\n"), "400"},
        Refusal{"SignedLength", post("Content-Length: +3\r\n"), "400"},
        Refusal{"OtherCoding", post("Transfer-Encoding: gzip, chunked\r\n"), "501"},
        Refusal{"BadChunk", post("Transfer-Encoding: chunked\r\n") + "zz\r\n", "400"},
        Refusal{"LongBody", post("Content-Length: 1001\r\n") + std::string(1001, 'x'), "413"},
        Refusal{"LongChunk", post("Transfer-Encoding: chunked\r\n") + "3e9\r\n", "413"},
        Refusal{"LongHead", "GET /echo HTTP/1.1\r\nHost: x\r\nA: " + std::string(70000, 'a'),
                "431"},
        Refusal{"ManyHeaders",
                [] {
                    std::string all = "GET /echo HTTP/1.1\r\nHost: x\r\n";
                    for (int i = 0; i < 300; i++) {
                        all += "A: b\r\n";
                    }
                    return all + "\r\n";
                }(),
                "431"},
        Refusal{"Version", "GET /echo HTTP/2.0\r\nHost: x\r\n\r\n", "505"}),
    [](const testing::TestParamInfo<Refusal> &refusal) { return std::string(refusal.param.name); });

TEST(Http1, BodyAtTheLimitIsTaken)
{
    Server server(false, 1000);
    Wire wire(server.port);
    wire.say(post("Content-Length: 1000\r\n") + std::string(1000, 'x'));
    EXPECT_NE(std::string::npos, wire.hear("xxx").find("HTTP/1.1 200 OK"));
}

/* The response must arrive although the client goes on sending for a while. */
TEST(Http1, RefusalSurvivesALargeUpload)
{
    Server server(false, 1000);
    Wire wire(server.port);
    wire.say(post("Content-Length: 8000000\r\n") + std::string(8000000, 'x'));
    EXPECT_EQ(0u, wire.hear_all().find("HTTP/1.1 413"));
}

TEST(Http1, StreamIsChunkedAndEnds)
{
    Server server(false);
    Wire wire(server.port);
    wire.say("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n" + kGet);
    EXPECT_NE(std::string::npos, wire.hear("\r\n\r\n").find("Transfer-Encoding: chunked"));
    server.handler.feed.say("one");
    EXPECT_EQ("3\r\none\r\n", wire.hear("one\r\n"));
    server.handler.feed.say("three");
    EXPECT_EQ("5\r\nthree\r\n", wire.hear("three\r\n"));
    server.handler.feed.end();
    std::string rest = wire.hear("a=1");
    EXPECT_EQ(0u, rest.find("0\r\n\r\nHTTP/1.1 200 OK")) << rest;
    EXPECT_EQ(1, server.handler.feed.closed);
}

TEST(Http1, HangUpClosesTheSource)
{
    Server server(false);
    Wire wire(server.port);
    wire.say("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n");
    wire.hear("\r\n\r\n");
    EXPECT_EQ(0, server.handler.feed.closed);
    wire.hang_up();
    EXPECT_TRUE(eventually([&] { return server.handler.feed.closed == 1; }, 1000));
}

TEST(Http1, SlowReaderIsNotPulledFor)
{
    Server server(false);
    server.handler.feed.is_endless = true;
    Wire wire(server.port, 4096);
    wire.say("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n");
    long before = -1;
    ASSERT_TRUE(eventually(
        [&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            long now = server.handler.feed.pulled;
            bool is_still = now > 0 && now == before;
            before = now;
            return is_still;
        },
        20000));
    /* What the kernel holds for both ends, and our own 64 KiB and a little. */
    EXPECT_LT(before, 16l << 20);
    char block[65536];
    for (int i = 0; i < 400; i++) {
        ASSERT_GT(recv(wire.fd, block, sizeof block, 0), 0);
    }
    EXPECT_TRUE(eventually([&] { return server.handler.feed.pulled > before; }));
    wire.hang_up();
    EXPECT_TRUE(eventually([&] { return server.handler.feed.closed == 1; }));
}

TEST(Http1, ConnectionsBeyondTheLimitWait)
{
    Server server(false, 0, 2);
    Wire a(server.port), b(server.port), c(server.port);
    a.say(kGet);
    a.hear("a=1");
    b.say(kGet);
    b.hear("a=1");
    c.say(kGet);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(2, server.handler.handled);
    a.hang_up();
    EXPECT_NE(std::string::npos, c.hear("a=1").find("200 OK"));
}

TEST(Http1, StopLetsRunningRequestsEnd)
{
    Server server(false);
    server.handler.is_held = true;
    Wire wire(server.port), idle(server.port), watch(server.port);
    watch.say("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n");
    watch.hear("\r\n\r\n");
    wire.say("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return server.handler.running == 1; }));
    std::thread release([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        server.handler.is_held = false;
    });
    server.stop(10000);
    release.join();
    std::string all = wire.hear_all();
    EXPECT_NE(std::string::npos, all.find("held")) << all;
    EXPECT_EQ("", idle.hear_all());
    EXPECT_EQ("0\r\n\r\n", watch.hear_all()); /* a stream ends as a whole */
    EXPECT_EQ(1, server.handler.feed.closed);
}
