/* The two transports, with a loop on a thread of its own. */
#include "core/client/transport.h"
#include "tests/integration/net/rig.h"

using namespace rig;

/* The same handler, reached over TLS or by a function call: what a client sees must be the same. */
class Transport : public testing::TestWithParam<bool>
{
  protected:
    Server server;
    Loop loop;
    struct opr_transport *t = nullptr;
    struct opr_transport_session *session = nullptr;

    void SetUp() override
    {
        if (GetParam()) {
            const char *groups[] = {"dev", "system:masters", nullptr};
            t = opr_transport_local_new(loop.loop, &server.handler.base, "alice", groups);
        } else {
            struct opr_endpoint *e = server.endpoint(true);
            t = opr_transport_https_new(loop.loop, e);
            opr_endpoint_unref(e);
        }
        session = t->session_new(t);
    }
    ~Transport() override
    {
        t->session_free(session);
        loop.run([&] { t->free(t); });
    }
    Answer call(const char *method, const char *path, const std::string &body = "")
    {
        struct opr_client_request req = {};
        req.method = method;
        req.path_query = path;
        req.body = opr_str_n(body.data(), body.size());
        struct opr_client_response res = {};
        struct opr_error err = {};
        Answer a;
        a.status = t->call(session, &req, &res, &err);
        a.code = res.status;
        a.body = text(res.body);
        a.type = res.content_type;
        a.retry_after_s = res.retry_after_s;
        opr_buf_fini(&res.body);
        return a;
    }
    struct opr_transport_stream *open(Listener *l, const char *path)
    {
        struct opr_transport_stream *st = nullptr;
        loop.run([&] {
            struct opr_client_request req = {};
            req.method = "GET";
            req.path_query = path;
            st = t->stream_open(t, &req, Listener::handler(), l);
            EXPECT_EQ(0, l->code);
        });
        return st;
    }
};

TEST_P(Transport, Calls)
{
    EXPECT_EQ("GET a=1 ", call("GET", "/echo?a=1").body);
    EXPECT_EQ("text/plain", call("GET", "/echo").type);
    EXPECT_EQ("POST  {}", call("POST", "/echo", "{}").body);
    EXPECT_EQ("alice|dev|system:masters", call("GET", "/peer").body);
    EXPECT_EQ(7u, call("GET", "/busy").retry_after_s);
    EXPECT_EQ(404, call("GET", "/none").code);
    EXPECT_EQ(OPR_E_INVALID, call("GET", "none").status);
    struct opr_client_request reqs[5] = {};
    struct opr_client_response res[5];
    opr_status status[5];
    for (auto &req : reqs) {
        req.method = "GET";
        req.path_query = "/echo?many";
    }
    t->call_many(session, reqs, 5, res, status);
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(OPR_OK, status[i]);
        EXPECT_EQ("GET many ", text(res[i].body));
        opr_buf_fini(&res[i].body);
    }
}

TEST_P(Transport, CallOfAStreamIsReadToItsEndOrCancelled)
{
    std::thread feeder([&] {
        eventually([&] { return server.handler.feed.opened == 1; });
        server.handler.feed.say("a");
        server.handler.feed.say("b");
        server.handler.feed.end();
    });
    EXPECT_EQ("ab", call("GET", "/watch").body);
    feeder.join();
    server.handler.feed.is_over = false;
    std::thread cancel([&] {
        eventually([&] { return server.handler.feed.opened == 2; });
        t->cancel(session);
    });
    EXPECT_EQ(OPR_E_CANCELLED, call("GET", "/watch").status);
    cancel.join();
}

TEST_P(Transport, StreamWokenFromAnotherThread)
{
    Listener l;
    open(&l, "/watch");
    ASSERT_TRUE(eventually([&] { return l.code == 200; }));
    std::string all;
    for (int i = 0; i < 500; i++) {
        std::string line = std::to_string(i) + "\n";
        all += line;
        server.handler.feed.say(line);
    }
    server.handler.feed.end();
    ASSERT_TRUE(eventually([&] { return l.ends == 1; }));
    EXPECT_EQ(all, l.seen());
    EXPECT_EQ(OPR_OK, l.status);
}

TEST_P(Transport, ClosingRacesWithWakes)
{
    for (int i = 1; i <= 50; i++) {
        Listener l;
        struct opr_transport_stream *st = open(&l, "/watch");
        ASSERT_TRUE(eventually([&] { return l.code == 200; }));
        std::atomic<bool> is_over{false};
        std::thread waker([&] {
            while (!is_over) {
                server.handler.feed.say("x");
            }
        });
        ASSERT_TRUE(eventually([&] { return l.received > 0; }));
        loop.run([&] { t->stream_close(st); });
        size_t received = l.received;
        ASSERT_TRUE(eventually([&] { return server.handler.feed.closed == i; }));
        is_over = true;
        waker.join();
        EXPECT_EQ(received, l.received);
        EXPECT_EQ(0, l.ends);
    }
}

INSTANTIATE_TEST_SUITE_P(Both, Transport, testing::Bool(),
                         [](const testing::TestParamInfo<bool> &which) {
                             return which.param ? "Local" : "Https";
                         });
