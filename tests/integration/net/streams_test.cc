/* Streams on a loop: our client against our server, over TLS. */
#include "tests/integration/net/rig.h"

using namespace rig;

struct Streams {
    Server server;
    Loop loop;
    struct opr_streams *streams = nullptr;

    Streams()
    {
        struct opr_endpoint *e = server.endpoint();
        loop.run([&] { streams = opr_streams_new(loop.loop, e); });
        opr_endpoint_unref(e);
    }
    ~Streams()
    {
        loop.run([&] { opr_streams_free(streams); });
    }
    struct opr_stream *open(Listener *l, const char *path)
    {
        struct opr_stream *st = nullptr;
        loop.run([&] {
            struct opr_client_request req = {};
            req.method = "GET";
            req.path_query = path;
            st = opr_stream_open(streams, &req, Listener::handler(), l);
            EXPECT_EQ(0, l->code); /* no callback from inside */
            EXPECT_EQ(0, l->ends);
        });
        return st;
    }
    void close(struct opr_stream *st)
    {
        loop.run([&] { opr_stream_close(st); });
    }
};

TEST(Streams, DataAsItComesThenTheEnd)
{
    Streams s;
    Listener l;
    s.open(&l, "/watch");
    ASSERT_TRUE(eventually([&] { return l.code == 200; }));
    s.server.handler.feed.say("one\n");
    ASSERT_TRUE(eventually([&] { return l.seen() == "one\n"; }));
    s.server.handler.feed.say("two\n");
    ASSERT_TRUE(eventually([&] { return l.seen() == "one\ntwo\n"; }));
    EXPECT_EQ(0, l.ends);
    s.server.handler.feed.end();
    ASSERT_TRUE(eventually([&] { return l.ends == 1; }));
    EXPECT_EQ(OPR_OK, l.status);
    EXPECT_EQ(1, s.server.handler.feed.closed);
}

TEST(Streams, AnswersAndErrors)
{
    Streams s;
    Listener missing, bad;
    s.open(&missing, "/none");
    ASSERT_TRUE(eventually([&] { return missing.ends == 1; }));
    EXPECT_EQ(404, missing.code);
    EXPECT_EQ(OPR_OK, missing.status);
    s.open(&bad, "bad");
    ASSERT_TRUE(eventually([&] { return bad.ends == 1; }));
    EXPECT_EQ(OPR_E_INVALID, bad.status);
    Listener cut;
    s.open(&cut, "/watch");
    ASSERT_TRUE(eventually([&] { return cut.code == 200; }));
    s.server.loop.run([&] { opr_server_free(s.server.server); });
    s.server.server = nullptr;
    ASSERT_TRUE(eventually([&] { return cut.ends == 1; }));
    EXPECT_EQ(OPR_E_IO, cut.status);
    Listener refused;
    s.open(&refused, "/watch");
    ASSERT_TRUE(eventually([&] { return refused.ends == 1; }));
    EXPECT_EQ(OPR_E_IO, refused.status);
}

TEST(Streams, CloseReachesTheServer)
{
    Streams s;
    Listener l;
    struct opr_stream *st = s.open(&l, "/watch");
    ASSERT_TRUE(eventually([&] { return l.code == 200; }));
    s.close(st);
    EXPECT_TRUE(eventually([&] { return s.server.handler.feed.closed == 1; }, 1000));
    EXPECT_EQ(0, l.ends);
}

TEST(Streams, CloseAndOpenFromInsideACallback)
{
    Streams s;
    Listener l, next;
    struct opr_stream *st = nullptr;
    int calls = 0;
    l.on_data = [&] {
        calls++;
        opr_stream_close(st);
        struct opr_client_request req = {};
        req.method = "GET";
        req.path_query = "/echo?next";
        opr_stream_open(s.streams, &req, Listener::handler(), &next);
    };
    st = s.open(&l, "/watch");
    ASSERT_TRUE(eventually([&] { return l.code == 200; }));
    s.server.handler.feed.say("x");
    ASSERT_TRUE(eventually([&] { return next.ends == 1; }));
    EXPECT_EQ("GET next ", next.seen());
    EXPECT_TRUE(eventually([&] { return s.server.handler.feed.closed == 1; }, 1000));
    EXPECT_EQ(1, calls);
    EXPECT_EQ(0, l.ends);
}

TEST(Streams, FreeWithOpenStreams)
{
    Server server;
    Listener listeners[30];
    {
        Loop loop;
        struct opr_endpoint *e = server.endpoint();
        struct opr_streams *streams = nullptr;
        loop.run([&] {
            streams = opr_streams_new(loop.loop, e);
            for (Listener &l : listeners) {
                struct opr_client_request req = {};
                req.method = "GET";
                req.path_query = "/watch";
                opr_stream_open(streams, &req, Listener::handler(), &l);
            }
        });
        opr_endpoint_unref(e);
        ASSERT_TRUE(eventually([&] { return server.handler.feed.opened == 30; }));
        loop.run([&] { opr_streams_free(streams); });
    }
    EXPECT_TRUE(eventually([&] { return server.handler.feed.closed == 30; }));
    for (Listener &l : listeners) {
        EXPECT_EQ(0, l.ends);
    }
}

TEST(Streams, LargeAnswersSideBySide)
{
    Streams s;
    Listener listeners[8];
    for (Listener &l : listeners) {
        s.open(&l, "/big?n=3000000");
    }
    for (Listener &l : listeners) {
        ASSERT_TRUE(eventually([&] { return l.ends == 1; }, 20000));
        EXPECT_EQ(OPR_OK, l.status);
        EXPECT_EQ(3000000u, l.received);
    }
}
