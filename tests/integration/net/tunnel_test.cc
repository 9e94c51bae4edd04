/* Tunnels: an HTTP/1.1 connection that becomes bytes both ways, and one that a relay hands through
 * to another server. */
#include "tests/integration/net/rig.h"

#include "core/net/channel.h"
#include "core/net/relay.h"
#include "core/net/websocket.h"

using namespace rig;

namespace
{

/* Gives back what it takes, no more than its room; "bye" makes it end. */
struct Echo {
    std::mutex lock;
    std::string held;
    size_t given = 0; /* of held */
    size_t room = 100000;
    std::atomic<bool> is_shut{false}; /* takes nothing */
    std::atomic<int> opened{0}, closed{0};
    std::atomic<size_t> taken{0};
    bool is_over = false;
    opr_http_waker *waker = nullptr;

    void wake()
    {
        std::lock_guard<std::mutex> hold(lock);
        if (waker) {
            waker->wake(waker);
        }
    }
};

struct EchoTunnel {
    struct opr_http_tunnel base;
    Echo *echo;
};

struct opr_http_source *echo_source(Echo *echo)
{
    EchoTunnel *t = new EchoTunnel{};
    t->echo = echo;
    echo->opened++;
    t->base.source.attach = [](struct opr_http_source *s, struct opr_http_waker *waker) {
        Echo *e = reinterpret_cast<EchoTunnel *>(s)->echo;
        std::lock_guard<std::mutex> hold(e->lock);
        e->waker = waker;
    };
    t->base.source.pull = [](struct opr_http_source *s, struct opr_buf *out,
                             size_t max) -> opr_status {
        Echo *e = reinterpret_cast<EchoTunnel *>(s)->echo;
        std::lock_guard<std::mutex> hold(e->lock);
        size_t n = std::min(max, e->held.size() - e->given);
        bool was_full = e->held.size() >= e->room;
        opr_buf_add(out, e->held.data() + e->given, n);
        e->given += n;
        if (e->given == e->held.size() || e->given > (8u << 20)) {
            e->held.erase(0, e->given);
            e->given = 0;
        }
        if (was_full && n > 0) {
            e->waker->wake(e->waker);
        }
        return e->is_over && n == 0 ? OPR_E_END : OPR_OK;
    };
    t->base.source.close = [](struct opr_http_source *s) {
        EchoTunnel *self = reinterpret_cast<EchoTunnel *>(s);
        {
            std::lock_guard<std::mutex> hold(self->echo->lock);
            self->echo->waker = nullptr;
        }
        self->echo->closed++;
        delete self;
    };
    t->base.push = [](struct opr_http_tunnel *base, struct opr_str data) -> size_t {
        Echo *e = reinterpret_cast<EchoTunnel *>(base)->echo;
        std::lock_guard<std::mutex> hold(e->lock);
        size_t room = e->room > e->held.size() ? e->room - e->held.size() : 0;
        size_t n = e->is_shut ? 0 : std::min(room, data.len);
        e->held.append(data.ptr, n);
        e->taken += n;
        e->is_over = e->is_over || e->held.find("bye") != std::string::npos;
        e->waker->wake(e->waker);
        return n;
    };
    return &t->base.source;
}

/* "/echo" is a tunnel; else what a relay to another server gives. */
struct Gate {
    struct opr_http_handler base = {};
    Echo echo;
    struct opr_endpoint *upstream = nullptr;
    std::string farewell = "farewell";
    std::string error;
};

void serve(struct opr_http_handler *base, const struct opr_http_request *req,
           struct opr_http_response *res)
{
    Gate *g = reinterpret_cast<Gate *>(base);
    const char *protocol = nullptr;
    struct opr_error err = {};
    if (opr_ws_handshake(req, opr_channel_protocols, res, &protocol, &err) != OPR_OK) {
        res->status = 400;
        return;
    }
    if (text(req->path) != "/relay") {
        res->source = echo_source(&g->echo);
        return;
    }
    struct opr_relay_request relay = {};
    std::string path = text(req->query);
    relay.path_query = path.c_str();
    relay.key = opr_http_request_header(req, "Sec-WebSocket-Key");
    relay.protocol = protocol;
    relay.farewell = opr_str_n(g->farewell.data(), g->farewell.size());
    if (opr_relay_open(g->upstream, &relay, &res->source, &err) != OPR_OK) {
        g->error = err.message;
        res->source = opr_relay_say(OPR_STR("no relay"));
    }
}

/* A server with a Gate for its handler. */
struct GateServer {
    Loop loop;
    struct opr_executor *executor = opr_executor_pool_new("test", 4);
    Gate gate;
    Pair ca = issue("test-ca", {}, nullptr, true, false);
    Pair pair = issue("server", {}, &ca, false, true);
    struct opr_server *server = nullptr;
    uint16_t port = 0;

    explicit GateServer(bool is_tls)
    {
        gate.base.handle = serve;
        struct opr_server_config config = {};
        config.loop = loop.loop;
        config.executor = executor;
        config.handler = &gate.base;
        config.address = "127.0.0.1";
        config.cert_pem = is_tls ? pair.cert.c_str() : nullptr;
        config.key_pem = is_tls ? pair.key.c_str() : nullptr;
        loop.run([&] {
            EXPECT_EQ(OPR_OK, opr_server_new(&config, &server, nullptr));
            port = opr_server_port(server);
        });
    }
    void stop()
    {
        if (!server) {
            return;
        }
        std::atomic<bool> is_done{false};
        loop.run([&] {
            opr_server_stop(
                server, 100, [](void *arg) { *static_cast<std::atomic<bool> *>(arg) = true; },
                &is_done);
        });
        EXPECT_TRUE(eventually([&] { return is_done.load(); }));
        loop.run([&] { opr_server_free(server); });
        server = nullptr;
    }
    ~GateServer()
    {
        stop();
        opr_endpoint_unref(gate.upstream);
        opr_executor_free(executor);
    }
};

std::string ask(const std::string &path)
{
    return "GET " + path +
           " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n";
}

/* A front server that relays to a back one over TLS. */
struct Relay : testing::Test {
    GateServer back{true}, front{false};

    void SetUp() override
    {
        struct opr_endpoint_config config = {};
        std::string url = "https://127.0.0.1:" + std::to_string(back.port);
        config.url = url.c_str();
        config.ca_pem = back.ca.cert.c_str();
        ASSERT_EQ(OPR_OK, opr_endpoint_new(&config, &front.gate.upstream, nullptr));
    }
};

/* Sends while it hears, and checks that the same comes back. */
void expect_echo(Wire &wire, size_t size)
{
    std::string data(size, 0);
    for (size_t i = 0; i < size; i++) {
        data[i] = (char)('A' + (i * 7 + i / 1000) % 50);
    }
    std::thread sender([&] { wire.say(data); });
    std::string heard;
    char block[8192];
    while (heard.size() < size) {
        ssize_t n = recv(wire.fd, block, sizeof block, 0);
        if (n <= 0) {
            break;
        }
        heard.append(block, (size_t)n);
    }
    sender.join();
    EXPECT_EQ(size, heard.size());
    EXPECT_TRUE(heard == data);
}

} // namespace

TEST(Tunnel, CarriesBytesBothWaysAndEnds)
{
    GateServer server(false);
    Wire wire(server.port);
    wire.say(ask("/echo") + "early ");
    std::string head = wire.hear("early ");
    EXPECT_EQ(0u, head.find("HTTP/1.1 101 Switching Protocols\r\n")) << head;
    EXPECT_NE(std::string::npos, head.find("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"));
    EXPECT_NE(std::string::npos,
              head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    EXPECT_EQ(std::string::npos, head.find("Transfer-Encoding"));
    EXPECT_EQ(std::string::npos, head.find("Content-Length"));
    expect_echo(wire, 3000000);
    wire.say("bye");
    EXPECT_EQ("bye", wire.hear_all());
    EXPECT_TRUE(eventually([&] { return server.gate.echo.closed == 1; }));
}

TEST(Tunnel, HoldsAPeerThatSendsMoreThanIsTaken)
{
    GateServer server(false);
    server.gate.echo.is_shut = true;
    Wire wire(server.port);
    wire.say(ask("/echo"));
    (void)wire.hear("\r\n\r\n");
    struct timeval limit = {0, 200000};
    setsockopt(wire.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    std::string block(65536, 'x');
    size_t sent = 0;
    for (ssize_t n;
         sent < (64u << 20) && (n = send(wire.fd, block.data(), block.size(), MSG_NOSIGNAL)) > 0;) {
        sent += (size_t)n;
    }
    EXPECT_LT(sent, 64u << 20) << "the sender was held by the socket";
    EXPECT_EQ(0u, server.gate.echo.taken);
    server.gate.echo.is_shut = false;
    server.gate.echo.wake();
    std::string heard;
    while (heard.size() < sent) {
        char part[65536];
        ssize_t n = recv(wire.fd, part, sizeof part, 0);
        ASSERT_GT(n, 0);
        heard.append(part, (size_t)n);
    }
    EXPECT_EQ(sent, server.gate.echo.taken);
}

TEST(Tunnel, IsClosedWhenThePeerGoesAndWhenTheServerStops)
{
    GateServer server(false);
    {
        Wire gone(server.port);
        gone.say(ask("/echo") + "x");
        (void)gone.hear("x");
    }
    EXPECT_TRUE(eventually([&] { return server.gate.echo.closed == 1; }));
    Wire wire(server.port);
    wire.say(ask("/echo") + "x");
    (void)wire.hear("\r\n\r\nx");
    server.stop();
    EXPECT_EQ("", wire.hear_all());
    EXPECT_EQ(2, server.gate.echo.closed);
}

TEST_F(Relay, HandsBytesThroughBothWays)
{
    Wire wire(front.port);
    wire.say(ask("/relay?/echo") + "early ");
    EXPECT_EQ(0u, wire.hear("early ").find("HTTP/1.1 101 "));
    expect_echo(wire, 3000000);
    wire.say("bye");
    EXPECT_EQ(0u, wire.hear_all().find("bye"));
    EXPECT_TRUE(eventually([&] { return back.gate.echo.closed == 1; }));
}

TEST_F(Relay, EndsTheOtherSideWhenThePeerGoes)
{
    {
        Wire wire(front.port);
        wire.say(ask("/relay?/echo") + "x");
        (void)wire.hear("\r\n\r\nx");
        EXPECT_EQ(1, back.gate.echo.opened);
    }
    EXPECT_TRUE(eventually([&] { return back.gate.echo.closed == 1; }));
}

TEST_F(Relay, APeerThatReadsNothingHoldsTheOtherSide)
{
    back.gate.echo.room = 1 << 30;
    Wire wire(front.port, 4096);
    wire.say(ask("/relay?/echo"));
    std::string block(1 << 20, 'x');
    for (int i = 0; i < 32; i++) {
        wire.say(block);
    }
    ASSERT_TRUE(eventually([&] { return back.gate.echo.taken == 32u << 20; }, 60000));
    {
        std::lock_guard<std::mutex> hold(back.gate.echo.lock);
        EXPECT_GT(back.gate.echo.held.size() - back.gate.echo.given, 8u << 20)
            << "it was not read into memory between";
    }
    size_t heard = wire.hear("\r\n\r\n").size();
    while (heard < 32u << 20) {
        char part[65536];
        ssize_t n = recv(wire.fd, part, sizeof part, 0);
        ASSERT_GT(n, 0);
        heard += (size_t)n;
    }
}

TEST_F(Relay, SaysFarewellWhereTheServerGoesBetweenTwoFrames)
{
    std::string frame("\x82\x01x", 3), close("\x88\x02\x03\xe8", 4);
    auto ends_with = [&](const std::string &said) {
        Wire wire(front.port);
        back.gate.echo.is_over = false;
        wire.say(ask("/relay?/echo") + said + "bye");
        std::string all = wire.hear_all();
        return all.substr(all.find("\r\n\r\n") + 4);
    };
    std::string cut("\x82\x05x", 3); /* "bye" and one byte are missing */
    EXPECT_EQ(cut + "bye", ends_with(cut)) << "in the middle of a frame nothing can be put in";
    std::string whole("\x82\x04x", 3);
    EXPECT_EQ(whole + "bye" + "farewell", ends_with(frame + whole).substr(3));
    EXPECT_EQ(close + whole + "bye", ends_with(close + whole)) << "it has said that it ends";
}

TEST_F(Relay, SaysWhyThereIsNone)
{
    back.gate.base.handle = [](struct opr_http_handler *, const struct opr_http_request *,
                               struct opr_http_response *res) { res->status = 403; };
    {
        Wire wire(front.port);
        wire.say(ask("/relay?/echo"));
        EXPECT_NE(std::string::npos, wire.hear_all().find("\r\n\r\nno relay"));
        EXPECT_NE(std::string::npos, front.gate.error.find("403")) << front.gate.error;
    }
    back.stop();
    Wire wire(front.port);
    wire.say(ask("/relay?/echo"));
    EXPECT_NE(std::string::npos, wire.hear_all().find("\r\n\r\nno relay"));
    EXPECT_NE(std::string::npos, front.gate.error.find("connect")) << front.gate.error;
}
