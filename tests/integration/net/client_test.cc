/* Our client against our server, over TLS. */
#include "tests/integration/net/rig.h"

#include <fcntl.h>

using namespace rig;

TEST(Client, Call)
{
    Server server;
    Session session(server.endpoint());
    Answer a = session.call("GET", "/echo?x=1");
    ASSERT_EQ(OPR_OK, a.status) << a.error;
    EXPECT_EQ(200, a.code);
    EXPECT_EQ("GET x=1 ", a.body);
    EXPECT_EQ("text/plain", a.type);
    EXPECT_EQ("POST  {}", session.call("POST", "/echo", "{}").body);
    EXPECT_EQ("DELETE  ", session.call("DELETE", "/echo").body);
    EXPECT_EQ("PATCH  [1]", session.call("PATCH", "/echo", "[1]").body);
    EXPECT_EQ(404, session.call("GET", "/none").code);
    Answer busy = session.call("GET", "/busy");
    EXPECT_EQ(503, busy.code);
    EXPECT_EQ(7u, busy.retry_after_s);
    EXPECT_EQ("later", busy.body);
}

TEST(Client, LargeBodies)
{
    Server server;
    Session session(server.endpoint());
    EXPECT_EQ(20000000u, session.call("GET", "/big?n=20000000").body.size());
    std::string body(2000000, 'q');
    EXPECT_EQ("PUT  " + body, session.call("PUT", "/echo", body).body);
    Answer too_large = session.call("PUT", "/echo", std::string(4000000, 'q'));
    EXPECT_EQ(413, too_large.code) << too_large.error;
    EXPECT_EQ(200, session.call("GET", "/echo").code);
}

TEST(Client, IdentityOfTheCertificate)
{
    Server server;
    EXPECT_EQ("", Session(server.endpoint()).call("GET", "/peer").body);
    EXPECT_EQ("alice|dev|system:masters", Session(server.endpoint(true)).call("GET", "/peer").body);
}

TEST(Client, ForeignCertificatesAreRefused)
{
    Server server;
    Pair other_ca = issue("other", {}, nullptr, true, false);
    Pair mallory = issue("alice", {"system:masters"}, &other_ca, false, false);
    server.client_pair = mallory;
    Answer a = Session(server.endpoint(true)).call("GET", "/peer");
    EXPECT_EQ(OPR_E_IO, a.status);
    /* A server's certificate is no client's. */
    server.client_pair = server.server_pair;
    EXPECT_EQ(OPR_E_IO, Session(server.endpoint(true)).call("GET", "/peer").status);
    EXPECT_EQ(0, server.handler.handled);
}

TEST(Client, ServersOfAnotherCaOrNameAreRefused)
{
    Server server;
    Pair other_ca = issue("other", {}, nullptr, true, false);
    Pair real_ca = server.ca;
    server.ca = other_ca;
    Answer a = Session(server.endpoint()).call("GET", "/echo");
    EXPECT_EQ(OPR_E_IO, a.status);
    EXPECT_NE("", a.error);
    server.ca = real_ca;
    std::string url = server.url();
    struct opr_endpoint_config config = {};
    config.url = url.c_str();
    config.ca_pem = real_ca.cert.c_str();
    config.server_name = "api.example";
    struct opr_endpoint *e = nullptr;
    ASSERT_EQ(OPR_OK, opr_endpoint_new(&config, &e, nullptr));
    EXPECT_EQ(200, Session(e).call("GET", "/echo").code);
    config.server_name = "wrong.example";
    ASSERT_EQ(OPR_OK, opr_endpoint_new(&config, &e, nullptr));
    EXPECT_EQ(OPR_E_IO, Session(e).call("GET", "/echo").status);
    config.is_insecure = true;
    ASSERT_EQ(OPR_OK, opr_endpoint_new(&config, &e, nullptr));
    EXPECT_EQ(200, Session(e).call("GET", "/echo").code);
}

TEST(Client, BadEndpoints)
{
    struct opr_endpoint *e = nullptr;
    struct opr_error err = {};
    for (const char *url : {"", "ftp://x", "https://", "no url at all"}) {
        struct opr_endpoint_config config = {};
        config.url = url;
        EXPECT_EQ(OPR_E_INVALID, opr_endpoint_new(&config, &e, &err)) << url;
    }
    struct opr_endpoint_config config = {};
    config.url = "https://127.0.0.1:1";
    config.client_cert_pem = "x";
    EXPECT_EQ(OPR_E_INVALID, opr_endpoint_new(&config, &e, &err));
    config.client_cert_pem = nullptr;
    ASSERT_EQ(OPR_OK, opr_endpoint_new(&config, &e, &err));
    Session session(e);
    EXPECT_EQ(OPR_E_IO, session.call("GET", "/x").status); /* nobody listens */
    EXPECT_EQ(OPR_E_INVALID, session.call("GET", "x").status);
}

TEST(Client, TokenIsReadAgainFromItsFile)
{
    Server server;
    EXPECT_EQ("Bearer abc", Session(server.endpoint(false, "abc")).call("GET", "/headers").body);
    char path[] = "/tmp/opr-net-token-XXXXXX";
    int fd = mkstemp(path);
    ASSERT_EQ(6, write(fd, "first\n", 6));
    close(fd);
    std::string url = server.url();
    struct opr_endpoint_config config = {};
    config.url = url.c_str();
    config.ca_pem = server.ca.cert.c_str();
    config.token_file = path;
    struct opr_endpoint *e = nullptr;
    ASSERT_EQ(OPR_OK, opr_endpoint_new(&config, &e, nullptr));
    Session session(e);
    EXPECT_EQ("Bearer first", session.call("GET", "/headers").body);
    EXPECT_EQ(401, session.call("GET", "/second").code);
    std::this_thread::sleep_for(std::chrono::milliseconds(20)); /* another time of change */
    fd = open(path, O_WRONLY | O_TRUNC);
    ASSERT_EQ(6, write(fd, "second", 6));
    close(fd);
    EXPECT_EQ("Bearer first", session.call("GET", "/headers").body); /* a minute has not passed */
    EXPECT_EQ(200, session.call("GET", "/second").code);             /* but a refusal counts */
    EXPECT_EQ("Bearer second", session.call("GET", "/headers").body);
    unlink(path);
    EXPECT_EQ("Bearer second", session.call("GET", "/headers").body);
}

/* Gives "first", "second", ... and says how often it was asked. */
struct Giver {
    std::atomic<int> asked{0};
    std::vector<std::string> tokens;
    int64_t lasts_ms = 0;
    std::atomic<bool> is_freed{false};

    static opr_status Renew(void *arg, struct opr_credential *ret, struct opr_error *reterr)
    {
        auto *self = static_cast<Giver *>(arg);
        size_t n = (size_t)self->asked++;
        if (n >= self->tokens.size()) {
            return opr_error_set(reterr, OPR_E_INVALID, "no more");
        }
        ret->token = opr_xstrdup(self->tokens[n].c_str());
        ret->expires_ms = self->lasts_ms;
        return OPR_OK;
    }
    struct opr_endpoint *Endpoint(const Server &server, int64_t expires_ms)
    {
        struct opr_endpoint_config config = {};
        std::string url = server.url();
        config.url = url.c_str();
        config.ca_pem = server.ca.cert.c_str();
        config.token = "first";
        config.token_expires_ms = expires_ms;
        config.renewal = {Renew, [](void *arg) { static_cast<Giver *>(arg)->is_freed = true; },
                          this};
        struct opr_endpoint *e = nullptr;
        EXPECT_EQ(OPR_OK, opr_endpoint_new(&config, &e, nullptr));
        return e;
    }
};

TEST(Client, ATokenThatIsRefusedIsRenewedOnce)
{
    Server server;
    Giver giver;
    giver.tokens = {"second", "third"};
    {
        Session session(giver.Endpoint(server, 0));
        EXPECT_EQ("Bearer first", session.call("GET", "/headers").body);
        EXPECT_EQ(giver.asked, 0);
        EXPECT_EQ(200, session.call("GET", "/second").code) << "in the same call";
        EXPECT_EQ(giver.asked, 1);
    }
    EXPECT_TRUE(giver.is_freed);
    Giver refused;
    refused.tokens = {"bad", "bad", "bad"};
    Session session(refused.Endpoint(server, 0));
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(401, session.call("GET", "/second").code);
    }
    EXPECT_EQ(refused.asked, 1) << "the program does not run for each refusal";
}

TEST(Client, ATokenThatExpiredIsRenewedBeforeItIsSent)
{
    Server server;
    Giver giver;
    giver.tokens = {"second"};
    giver.lasts_ms = INT64_MAX;
    Session session(giver.Endpoint(server, 1));
    EXPECT_EQ("Bearer second", session.call("GET", "/headers").body);
    EXPECT_EQ("Bearer second", session.call("GET", "/headers").body);
    EXPECT_EQ(giver.asked, 1);
    Giver poor;
    Session other(poor.Endpoint(server, 1));
    EXPECT_EQ("Bearer first", other.call("GET", "/headers").body) << "the server decides";
    EXPECT_EQ(poor.asked, 1);
}

TEST(Client, AStreamIsRefusedUntilTheTokenIsRenewedBesideTheLoop)
{
    Server server;
    Giver giver;
    giver.tokens = {"second"};
    Loop loop;
    struct opr_endpoint *e = giver.Endpoint(server, 0);
    struct opr_streams *streams = nullptr;
    loop.run([&] { streams = opr_streams_new(loop.loop, e); });
    opr_endpoint_unref(e);
    auto get = [&] {
        Listener l;
        struct opr_client_request req = {};
        req.method = "GET";
        req.path_query = "/second";
        loop.run([&] { opr_stream_open(streams, &req, Listener::handler(), &l); });
        EXPECT_TRUE(eventually([&] { return l.ends == 1; }));
        return l.code.load();
    };
    EXPECT_EQ(401, get());
    EXPECT_TRUE(eventually([&] { return get() == 200; }));
    EXPECT_EQ(giver.asked, 1);
    loop.run([&] { opr_streams_free(streams); });
    EXPECT_TRUE(eventually([&] { return giver.is_freed.load(); })) << "by the last who needs it";
}

TEST(Client, ProxyOfItsOwn)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {};
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof addr;
    ASSERT_EQ(0, bind(listener, (struct sockaddr *)&addr, len));
    ASSERT_EQ(0, listen(listener, 4));
    ASSERT_EQ(0, getsockname(listener, (struct sockaddr *)&addr, &len));
    std::string asked;
    std::thread proxy([&] {
        int fd = accept(listener, nullptr, nullptr);
        char block[1024];
        ssize_t n = recv(fd, block, sizeof block, 0);
        asked.assign(block, n > 0 ? (size_t)n : 0);
        const char refusal[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        EXPECT_GT(send(fd, refusal, sizeof refusal - 1, MSG_NOSIGNAL), 0);
        close(fd);
    });
    Server server;
    std::string url = server.url(),
                proxy_url = "http://127.0.0.1:" + std::to_string(ntohs(addr.sin_port));
    struct opr_endpoint_config config = {};
    config.url = url.c_str();
    config.ca_pem = server.ca.cert.c_str();
    config.proxy_url = proxy_url.c_str();
    struct opr_endpoint *e = nullptr;
    ASSERT_EQ(OPR_OK, opr_endpoint_new(&config, &e, nullptr));
    Answer a = Session(e).call("GET", "/echo");
    proxy.join();
    close(listener);
    EXPECT_EQ(OPR_E_IO, a.status) << "not past the proxy";
    EXPECT_EQ(0u, asked.find("CONNECT 127.0.0.1:" + std::to_string(server.port))) << asked;
    EXPECT_EQ(0, server.handler.handled);
}

TEST(Client, TimeoutAndCancel)
{
    Server server;
    server.handler.is_held = true;
    Session session(server.endpoint());
    EXPECT_EQ(OPR_E_TIMEOUT, session.call("GET", "/hold", "", 200).status);
    std::thread cancel([&] {
        eventually([&] { return server.handler.running == 2; });
        opr_session_cancel(session.session);
    });
    auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(OPR_E_CANCELLED, session.call("GET", "/hold").status);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
    cancel.join();
    server.handler.is_held = false;
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    EXPECT_EQ(200, session.call("GET", "/echo").code);
}

TEST(Client, ManyCallsSideBySide)
{
    Server server;
    Session session(server.endpoint());
    const size_t n = 200;
    std::vector<std::string> paths(n);
    std::vector<struct opr_client_request> reqs(n);
    std::vector<struct opr_client_response> res(n);
    std::vector<opr_status> status(n);
    for (size_t i = 0; i < n; i++) {
        paths[i] = i == 17 ? "bad" : "/echo?i=" + std::to_string(i);
        reqs[i] = {};
        reqs[i].method = "GET";
        reqs[i].path_query = paths[i].c_str();
    }
    opr_session_call_many(session.session, reqs.data(), n, res.data(), status.data());
    for (size_t i = 0; i < n; i++) {
        EXPECT_EQ(i == 17 ? OPR_E_INVALID : OPR_OK, status[i]) << i;
        if (i != 17) {
            EXPECT_EQ("GET i=" + std::to_string(i) + " ", text(res[i].body));
        }
        opr_buf_fini(&res[i].body);
    }
}

TEST(Client, ManyLargeAnswersSideBySide)
{
    Server server;
    Session session(server.endpoint());
    struct opr_client_request reqs[8] = {};
    struct opr_client_response res[8];
    opr_status status[8];
    for (auto &req : reqs) {
        req.method = "GET";
        req.path_query = "/big?n=3000000";
    }
    opr_session_call_many(session.session, reqs, 8, res, status);
    for (int i = 0; i < 8; i++) {
        EXPECT_EQ(OPR_OK, status[i]);
        EXPECT_EQ(3000000u, res[i].body.len);
        opr_buf_fini(&res[i].body);
    }
}

TEST(Client, ManyCallersAtOnce)
{
    Server server;
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int t = 0; t < 8; t++) {
        threads.emplace_back([&] {
            Session session(server.endpoint());
            for (int i = 0; i < 50; i++) {
                good += session.call("POST", "/echo", "body").body == "POST  body";
            }
        });
    }
    for (auto &t : threads) {
        t.join();
    }
    EXPECT_EQ(400, good);
}

TEST(Client, ConnectionThatTheServerClosedIsReplaced)
{
    Server server;
    Session session(server.endpoint());
    EXPECT_EQ(200, session.call("GET", "/echo").code);
    uint16_t port = server.port;
    server.stop(0);
    EXPECT_EQ(OPR_E_IO, session.call("GET", "/echo").status);
    server.loop.run([&] {
        struct opr_server_config config = {};
        config.loop = server.loop.loop;
        config.executor = server.executor;
        config.handler = &server.handler.base;
        config.address = "127.0.0.1";
        config.port = port;
        config.cert_pem = server.server_pair.cert.c_str();
        config.key_pem = server.server_pair.key.c_str();
        ASSERT_EQ(OPR_OK, opr_server_new(&config, &server.server, nullptr));
    });
    EXPECT_EQ(200, session.call("GET", "/echo").code);
}

TEST(Server, RefusesAnAddressInUseAndBadCertificates)
{
    Server server;
    struct opr_server_config config = {};
    config.loop = server.loop.loop;
    config.executor = server.executor;
    config.handler = &server.handler.base;
    config.address = "127.0.0.1";
    config.port = server.port;
    struct opr_server *other = nullptr;
    struct opr_error err = {};
    server.loop.run([&] {
        EXPECT_EQ(OPR_E_IO, opr_server_new(&config, &other, &err));
        EXPECT_NE(nullptr, strstr(err.message, "127.0.0.1"));
        config.port = 0;
        config.cert_pem = "nonsense";
        EXPECT_EQ(OPR_E_INVALID, opr_server_new(&config, &other, &err));
        config.cert_pem = server.server_pair.cert.c_str();
        config.key_pem = server.client_pair.key.c_str();
        EXPECT_EQ(OPR_E_INVALID, opr_server_new(&config, &other, &err));
        config.key_pem = server.server_pair.key.c_str();
        config.client_ca_pem = "nonsense";
        EXPECT_EQ(OPR_E_INVALID, opr_server_new(&config, &other, &err));
    });
}
