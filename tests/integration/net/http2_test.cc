/* The server's HTTP/2, spoken to through nghttp2 and with the curl program. */
#include "tests/integration/net/rig.h"

#include <map>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/stat.h>

using namespace rig;

struct Stream2 {
    std::string status, body, length;
    bool is_closed = false;
    uint32_t error = 0;
    std::string upload;
    size_t upload_at = 0;
};

/* A client with one connection. Windows may be kept shut. */
struct Client2 {
    Wire wire;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = nullptr;
    nghttp2_session *session = nullptr;
    std::map<int32_t, Stream2> streams;
    bool is_over = false, has_goaway = false;

    explicit Client2(uint16_t port, bool is_window_shut = false) : wire(port)
    {
        static const unsigned char alpn[] = "\x02h2";
        SSL_CTX_set_alpn_protos(ctx, alpn, 3);
        ssl = SSL_new(ctx);
        SSL_set_fd(ssl, wire.fd);
        EXPECT_EQ(1, SSL_connect(ssl));
        const unsigned char *chosen;
        unsigned len = 0;
        SSL_get0_alpn_selected(ssl, &chosen, &len);
        EXPECT_EQ(2u, len);
        nghttp2_session_callbacks *cb;
        nghttp2_session_callbacks_new(&cb);
        nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
        nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
        nghttp2_option *option;
        nghttp2_option_new(&option);
        nghttp2_option_set_no_auto_window_update(option, is_window_shut);
        nghttp2_session_client_new2(&session, cb, this, option);
        nghttp2_option_del(option);
        nghttp2_session_callbacks_del(cb);
        nghttp2_submit_settings(session, 0, nullptr, 0);
    }
    ~Client2()
    {
        nghttp2_session_del(session);
        SSL_free(ssl);
        SSL_CTX_free(ctx);
    }
    static int on_header(nghttp2_session *, const nghttp2_frame *frame, const uint8_t *name,
                         size_t name_len, const uint8_t *value, size_t value_len, uint8_t,
                         void *arg)
    {
        Stream2 &s = static_cast<Client2 *>(arg)->streams[frame->hd.stream_id];
        std::string n((const char *)name, name_len), v((const char *)value, value_len);
        if (n == ":status") {
            s.status += v;
        } else if (n == "content-length") {
            s.length = v;
        }
        return 0;
    }
    static int on_data(nghttp2_session *, uint8_t, int32_t id, const uint8_t *data, size_t len,
                       void *arg)
    {
        static_cast<Client2 *>(arg)->streams[id].body.append((const char *)data, len);
        return 0;
    }
    static int on_close(nghttp2_session *, int32_t id, uint32_t error, void *arg)
    {
        Stream2 &s = static_cast<Client2 *>(arg)->streams[id];
        s.is_closed = true;
        s.error = error;
        return 0;
    }
    static int on_frame(nghttp2_session *, const nghttp2_frame *frame, void *arg)
    {
        static_cast<Client2 *>(arg)->has_goaway |= frame->hd.type == NGHTTP2_GOAWAY;
        return 0;
    }
    static ssize_t read_upload(nghttp2_session *, int32_t id, uint8_t *buf, size_t size,
                               uint32_t *flags, nghttp2_data_source *, void *arg)
    {
        Stream2 &s = static_cast<Client2 *>(arg)->streams[id];
        size_t n = std::min(size, s.upload.size() - s.upload_at);
        memcpy(buf, s.upload.data() + s.upload_at, n);
        s.upload_at += n;
        if (s.upload_at == s.upload.size()) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
        }
        return (ssize_t)n;
    }
    static nghttp2_nv nv(const std::string &name, const std::string &value)
    {
        return {(uint8_t *)name.data(), (uint8_t *)value.data(), name.size(), value.size(), 0};
    }
    int32_t request(const std::string &method, const std::string &path,
                    const std::string &upload = "",
                    const std::vector<std::pair<std::string, std::string>> &more = {})
    {
        std::vector<std::pair<std::string, std::string>> fields = {
            {":method", method}, {":scheme", "https"}, {":authority", "x"}, {":path", path}};
        fields.insert(fields.end(), more.begin(), more.end());
        std::vector<nghttp2_nv> all;
        for (auto &f : fields) {
            all.push_back(nv(f.first, f.second));
        }
        nghttp2_data_provider provider = {};
        provider.read_callback = read_upload;
        int32_t id = nghttp2_submit_request(session, nullptr, all.data(), all.size(),
                                            upload.empty() ? nullptr : &provider, nullptr);
        streams[id].upload = upload;
        return id;
    }
    void flush()
    {
        const uint8_t *data;
        ssize_t n;
        while ((n = nghttp2_session_mem_send(session, &data)) > 0) {
            if (SSL_write(ssl, data, (int)n) <= 0) {
                is_over = true;
                return;
            }
        }
    }
    bool until(const std::function<bool()> &is_true, int within_ms = 10000)
    {
        auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(within_ms);
        while (!is_true()) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            flush();
            struct pollfd p = {wire.fd, POLLIN, 0};
            if (SSL_pending(ssl) == 0 && poll(&p, 1, 5) <= 0) {
                continue;
            }
            uint8_t block[16384];
            int n = SSL_read(ssl, block, sizeof block);
            if (n <= 0) {
                is_over = true;
                return is_true();
            }
            if (nghttp2_session_mem_recv(session, block, (size_t)n) < 0) {
                is_over = true;
            }
        }
        flush();
        return true;
    }
};

TEST(Http2, RequestsSideBySide)
{
    Server server;
    Client2 c(server.port);
    std::vector<int32_t> ids;
    for (int i = 0; i < 90; i++) {
        ids.push_back(c.request("GET", "/echo?i=" + std::to_string(i)));
    }
    int32_t post = c.request("POST", "/echo", std::string(500000, 'p'));
    int32_t head = c.request("HEAD", "/big?n=77");
    int32_t none = c.request("GET", "/none");
    ASSERT_TRUE(c.until([&] {
        for (auto &s : c.streams) {
            if (!s.second.is_closed) {
                return false;
            }
        }
        return true;
    }));
    for (int i = 0; i < 90; i++) {
        EXPECT_EQ("200", c.streams[ids[i]].status);
        EXPECT_EQ("GET i=" + std::to_string(i) + " ", c.streams[ids[i]].body);
        EXPECT_EQ(std::to_string(c.streams[ids[i]].body.size()), c.streams[ids[i]].length);
    }
    EXPECT_EQ(500006u, c.streams[post].body.size());
    EXPECT_EQ("77", c.streams[head].length);
    EXPECT_EQ("", c.streams[head].body);
    EXPECT_EQ("404", c.streams[none].status);
    EXPECT_EQ("0", c.streams[none].length);
}

TEST(Http2, Refusals)
{
    Server server(true, 1000);
    Client2 c(server.port);
    int32_t announced =
        c.request("POST", "/echo", std::string(1001, 'x'), {{"content-length", "1001"}});
    int32_t counted = c.request("POST", "/echo", std::string(400000, 'x'));
    int32_t headers = c.request("GET", "/echo", "", {{"a", std::string(40000, 'x')}});
    std::vector<std::pair<std::string, std::string>> many(300, {"a", "b"});
    int32_t count = c.request("GET", "/echo", "", many);
    int32_t fine = c.request("POST", "/echo", std::string(1000, 'x'));
    ASSERT_TRUE(c.until([&] {
        return c.streams[announced].is_closed && c.streams[counted].is_closed &&
               c.streams[headers].is_closed && c.streams[count].is_closed &&
               c.streams[fine].is_closed;
    }));
    EXPECT_EQ("413", c.streams[announced].status);
    EXPECT_EQ("413", c.streams[counted].status);
    EXPECT_EQ("200", c.streams[headers].status); /* 40 KB are within the limit */
    EXPECT_EQ("431", c.streams[count].status);
    EXPECT_EQ("200", c.streams[fine].status);
    EXPECT_EQ(2, server.handler.handled);
}

TEST(Http2, ExpectContinue)
{
    Server server;
    Client2 c(server.port);
    int32_t id = c.request("POST", "/echo", "body", {{"expect", "100-continue"}});
    ASSERT_TRUE(c.until([&] { return c.streams[id].is_closed; }));
    EXPECT_EQ("100200", c.streams[id].status);
    EXPECT_EQ("POST  body", c.streams[id].body);
}

TEST(Http2, StreamGoesOnAndEnds)
{
    Server server;
    Client2 c(server.port);
    int32_t watch = c.request("GET", "/watch");
    ASSERT_TRUE(c.until([&] { return c.streams[watch].status == "200"; }));
    EXPECT_EQ("", c.streams[watch].length);
    server.handler.feed.say("one");
    ASSERT_TRUE(c.until([&] { return c.streams[watch].body == "one"; }));
    int32_t other = c.request("GET", "/echo");
    ASSERT_TRUE(c.until([&] { return c.streams[other].is_closed; }));
    server.handler.feed.say(std::string(100000, 'y')); /* one chunk over many frames */
    server.handler.feed.end();
    ASSERT_TRUE(c.until([&] { return c.streams[watch].is_closed; }));
    EXPECT_EQ(100003u, c.streams[watch].body.size());
    EXPECT_EQ(0u, c.streams[watch].error);
    EXPECT_TRUE(eventually([&] { return server.handler.feed.closed == 1; }));
}

TEST(Http2, ResetAndHangUpCloseSources)
{
    Server server;
    {
        Client2 c(server.port);
        int32_t a = c.request("GET", "/watch");
        int32_t b = c.request("GET", "/watch");
        ASSERT_TRUE(
            c.until([&] { return c.streams[a].status == "200" && c.streams[b].status == "200"; }));
        nghttp2_submit_rst_stream(c.session, 0, a, NGHTTP2_CANCEL);
        c.flush();
        EXPECT_TRUE(eventually([&] { return server.handler.feed.closed == 1; }, 1000));
    }
    EXPECT_TRUE(eventually([&] { return server.handler.feed.closed == 2; }, 1000));
}

TEST(Http2, ShutWindowIsNotPulledFor)
{
    Server server;
    server.handler.feed.is_endless = true;
    Client2 c(server.port, true);
    int32_t watch = c.request("GET", "/watch");
    ASSERT_TRUE(c.until([&] { return c.streams[watch].body.size() == 65535; }));
    EXPECT_FALSE(c.until([&] { return c.streams[watch].body.size() > 65535; }, 100));
    EXPECT_LT(server.handler.feed.pulled, 65535 + 2 * 16384);
    nghttp2_session_consume(c.session, watch, 65535);
    ASSERT_TRUE(c.until([&] { return c.streams[watch].body.size() >= 2 * 65535; }));
}

TEST(Http2, ResponsesToAReaderThatStopsAreNotBuffered)
{
    Server server;
    server.handler.feed.is_endless = true;
    Client2 c(server.port);
    nghttp2_submit_window_update(c.session, 0, 0, 1 << 30);
    int32_t watch = c.request("GET", "/watch");
    nghttp2_submit_window_update(c.session, 0, watch, 1 << 30);
    c.flush(); /* and never reads */
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
    EXPECT_LT(before, 16l << 20); /* the kernel's buffers and 64 KiB of ours */
}

TEST(Http2, StopEndsStreamsAndSaysGoodbye)
{
    Server server;
    server.handler.is_held = true;
    Client2 c(server.port);
    int32_t watch = c.request("GET", "/watch");
    int32_t held = c.request("GET", "/hold");
    ASSERT_TRUE(
        c.until([&] { return c.streams[watch].status == "200" && server.handler.running == 1; }));
    std::thread stop([&] { server.stop(10000); });
    ASSERT_TRUE(c.until([&] { return c.streams[watch].is_closed; }));
    EXPECT_EQ(0u, c.streams[watch].error);
    EXPECT_TRUE(c.until([&] { return c.has_goaway; }));
    server.handler.is_held = false;
    ASSERT_TRUE(c.until([&] { return c.streams[held].is_closed; }));
    EXPECT_EQ("held", c.streams[held].body);
    EXPECT_TRUE(c.until([&] { return c.is_over; }));
    stop.join();
}

TEST(Http2, StopDoesNotWaitForeverForAReader)
{
    Server server;
    Client2 c(server.port, true);
    int32_t big = c.request("GET", "/big?n=1000000");
    ASSERT_TRUE(c.until([&] { return c.streams[big].body.size() == 65535; }));
    auto begin = std::chrono::steady_clock::now();
    server.stop(200);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

TEST(Http2, RapidResetsEndTheConnection)
{
    Server server;
    Client2 c(server.port);
    for (int i = 0; i < 20000 && !c.is_over && !c.has_goaway; i++) {
        int32_t id = c.request("GET", "/echo");
        if (id < 0) {
            break;
        }
        c.flush();
        nghttp2_submit_rst_stream(c.session, 0, id, NGHTTP2_CANCEL);
        c.until([] { return true; });
        if (i % 100 == 99) {
            c.until([] { return false; }, 1);
        }
    }
    EXPECT_TRUE(c.has_goaway || c.is_over);
    Session session(server.endpoint());
    EXPECT_EQ(200, session.call("GET", "/echo").code);
}

TEST(Http2, NoiseIsSurvived)
{
    Server server;
    for (int i = 0; i < 20; i++) {
        Client2 c(server.port);
        c.request("GET", "/echo");
        c.flush();
        std::string noise;
        for (int k = 0; k < 2000; k++) {
            noise.push_back((char)(k * 7 + i * 31));
        }
        SSL_write(c.ssl, noise.data(), (int)noise.size());
        c.until([&] { return c.is_over; }, 2000);
        EXPECT_TRUE(c.is_over) << i;
    }
    Session session(server.endpoint());
    EXPECT_EQ(200, session.call("GET", "/echo").code);
}

/* With the program that people try first. */
struct CurlProgram : testing::Test {
    Server server;
    std::string dir;

    void SetUp() override
    {
        if (system("curl --version >/dev/null 2>&1") != 0) {
            GTEST_SKIP() << "no curl program";
        }
        char path[] = "/tmp/opr-net-curl-XXXXXX";
        dir = mkdtemp(path);
        write("ca", server.ca.cert);
        write("cert", server.client_pair.cert);
        write("key", server.client_pair.key);
    }
    ~CurlProgram() override
    {
        for (const char *name : {"ca", "cert", "key"}) {
            unlink((dir + "/" + name).c_str());
        }
        rmdir(dir.c_str());
    }
    void write(const char *name, const std::string &data)
    {
        FILE *f = fopen((dir + "/" + name).c_str(), "w");
        ASSERT_NE(nullptr, f);
        fwrite(data.data(), 1, data.size(), f);
        fclose(f);
    }
    std::string run(const std::string &args)
    {
        std::string command =
            "curl -sS --max-time 20 --noproxy '*' --cacert " + dir + "/ca " + args + " 2>&1";
        FILE *f = popen(command.c_str(), "r");
        std::string out;
        char block[4096];
        size_t n;
        while ((n = fread(block, 1, sizeof block, f)) > 0) {
            out.append(block, n);
        }
        pclose(f);
        return out;
    }
};

TEST_F(CurlProgram, BothProtocols)
{
    std::string url = server.url();
    EXPECT_EQ("GET a=1 |2", run("--http2 -w '|%{http_version}' '" + url + "/echo?a=1'"));
    EXPECT_EQ("GET a=1 |1.1", run("--http1.1 -w '|%{http_version}' '" + url + "/echo?a=1'"));
    EXPECT_EQ("alice|dev|system:masters",
              run("--cert " + dir + "/cert --key " + dir + "/key " + url + "/peer"));
    EXPECT_EQ("POST  x=y", run("-d x=y " + url + "/echo"));
    EXPECT_EQ("503", run("-o /dev/null -w '%{http_code}' " + url + "/busy"));
    EXPECT_EQ("3000000|3000000|",
              run("-Z --no-progress-meter -o /dev/null -o /dev/null -w '%{size_download}|' '" +
                  url + "/big?n=3000000' '" + url + "/big?n=3000000'"));
}

TEST_F(CurlProgram, Watch)
{
    std::thread feeder([&] {
        eventually([&] { return server.handler.feed.opened == 1; });
        server.handler.feed.say("a\n");
        server.handler.feed.say("b\n");
        server.handler.feed.end();
    });
    EXPECT_EQ("a\nb\n", run("-N " + server.url() + "/watch"));
    feeder.join();
}
