/* A server with a handler of its own on a loop thread, for tests of core/net over loopback. */
#ifndef OPR_TESTS_NET_RIG_H
#define OPR_TESTS_NET_RIG_H

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/net/client.h"
#include "core/net/pki.h"
#include "core/net/server.h"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace rig
{

inline std::string text(struct opr_str s)
{
    return std::string(s.ptr ? s.ptr : "", s.len);
}

inline std::string text(const struct opr_buf &b)
{
    return std::string(b.data ? b.data : "", b.len);
}

inline bool eventually(const std::function<bool()> &is_true, int within_ms = 5000)
{
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(within_ms);
    while (!is_true()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

/* A loop on a thread of its own; run() executes on it and waits. */
struct Loop {
    struct opr_loop *loop = opr_loop_new();
    std::thread thread{[this] { opr_loop_run(loop); }};

    void run(std::function<void()> fn)
    {
        struct Call {
            std::function<void()> fn;
            std::mutex lock;
            std::condition_variable done;
            bool is_done = false;
        } call;
        call.fn = std::move(fn);
        opr_loop_post(
            loop,
            [](void *arg) {
                Call *c = static_cast<Call *>(arg);
                c->fn();
                std::lock_guard<std::mutex> hold(c->lock);
                c->is_done = true;
                c->done.notify_all();
            },
            &call);
        std::unique_lock<std::mutex> hold(call.lock);
        call.done.wait(hold, [&] { return call.is_done; });
    }
    ~Loop()
    {
        opr_loop_stop(loop);
        thread.join();
        opr_loop_free(loop);
    }
};

/* What the tests watch of their sources. */
struct Feed {
    std::mutex lock;
    std::string ready; /* given out by the next pull */
    bool is_over = false;
    bool is_endless = false; /* makes data as long as it is pulled */
    opr_http_waker *waker = nullptr;
    std::atomic<long> pulled{0};
    std::atomic<int> opened{0}, closed{0};

    void say(const std::string &data)
    {
        std::lock_guard<std::mutex> hold(lock);
        ready += data;
        if (waker) {
            waker->wake(waker);
        }
    }
    void end()
    {
        std::lock_guard<std::mutex> hold(lock);
        is_over = true;
        if (waker) {
            waker->wake(waker);
        }
    }
};

struct FeedSource {
    struct opr_http_source base;
    Feed *feed;
};

inline struct opr_http_source *feed_source(Feed *feed)
{
    FeedSource *s = new FeedSource{};
    s->feed = feed;
    feed->opened++;
    s->base.attach = [](struct opr_http_source *base, struct opr_http_waker *waker) {
        Feed *f = reinterpret_cast<FeedSource *>(base)->feed;
        std::lock_guard<std::mutex> hold(f->lock);
        f->waker = waker;
    };
    s->base.pull = [](struct opr_http_source *base, struct opr_buf *out, size_t max) -> opr_status {
        Feed *f = reinterpret_cast<FeedSource *>(base)->feed;
        std::lock_guard<std::mutex> hold(f->lock);
        if (f->is_endless) {
            std::string block(max, 'x');
            opr_buf_add(out, block.data(), block.size());
            f->pulled += (long)block.size();
            return OPR_OK;
        }
        opr_buf_add(out, f->ready.data(), f->ready.size());
        f->pulled += (long)f->ready.size();
        f->ready.clear();
        return f->is_over ? OPR_E_END : OPR_OK;
    };
    s->base.close = [](struct opr_http_source *base) {
        FeedSource *self = reinterpret_cast<FeedSource *>(base);
        {
            std::lock_guard<std::mutex> hold(self->feed->lock);
            self->feed->waker = nullptr;
        }
        self->feed->closed++;
        delete self;
    };
    return &s->base;
}

struct Handler {
    struct opr_http_handler base;
    Feed feed;
    std::atomic<int> handled{0}, running{0};
    std::atomic<bool> is_held{false}; /* "/hold" waits until it is false */
};

inline void handle(struct opr_http_handler *base, const struct opr_http_request *req,
                   struct opr_http_response *res)
{
    Handler *h = reinterpret_cast<Handler *>(base);
    h->running++;
    std::string path = text(req->path);
    res->status = 200;
    if (path == "/echo") {
        opr_http_response_header(res, "Content-Type", OPR_STR("text/plain"));
        opr_http_response_header(res, "X-Seen", opr_http_request_header(req, "x-sent"));
        opr_buf_printf(&res->body, "%.*s %.*s ", OPR_STR_ARG(req->method), OPR_STR_ARG(req->query));
        opr_buf_add_str(&res->body, req->body);
    } else if (path == "/peer") {
        opr_buf_add_str(&res->body, req->peer.cert_cn);
        for (size_t i = 0; i < req->peer.n_cert_orgs; i++) {
            opr_buf_add_char(&res->body, '|');
            opr_buf_add_str(&res->body, req->peer.cert_orgs[i]);
        }
    } else if (path == "/headers") {
        opr_buf_add_str(&res->body, opr_http_request_header(req, "authorization"));
    } else if (path == "/second") {
        res->status =
            text(opr_http_request_header(req, "authorization")) == "Bearer second" ? 200 : 401;
    } else if (path == "/big") {
        struct opr_str n = opr_query_get(req->arena, req->query, "n");
        std::string body(std::stoul(text(n)), 'b');
        opr_buf_add(&res->body, body.data(), body.size());
    } else if (path == "/busy") {
        res->status = 503;
        opr_http_response_header(res, "Retry-After", OPR_STR("7"));
        opr_buf_add_text(&res->body, "later");
    } else if (path == "/hold") {
        while (h->is_held) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        opr_buf_add_text(&res->body, "held");
    } else if (path == "/watch") {
        res->source = feed_source(&h->feed);
    } else {
        res->status = 404;
    }
    h->handled++;
    h->running--;
}

struct Pair {
    std::string cert, key;
};

inline Pair issue(const char *cn, const std::vector<const char *> &orgs, const Pair *ca, bool is_ca,
                  bool is_server)
{
    std::vector<const char *> list = orgs;
    list.push_back(nullptr);
    const char *dns[] = {"localhost", "api.example", nullptr};
    const char *ips[] = {"127.0.0.1", nullptr};
    struct opr_pki_request req = {};
    req.common_name = cn;
    req.organizations = list.data();
    req.dns_names = is_server ? dns : nullptr;
    req.ip_addresses = is_server ? ips : nullptr;
    req.is_ca = is_ca;
    req.is_server = is_server;
    req.valid_days = 2;
    struct opr_buf cert = {}, key = {};
    struct opr_error err = {};
    EXPECT_EQ(OPR_OK, opr_pki_issue(&req, ca ? ca->cert.c_str() : nullptr,
                                    ca ? ca->key.c_str() : nullptr, &cert, &key, &err))
        << err.message;
    Pair pair{text(cert), text(key)};
    opr_buf_fini(&cert);
    opr_buf_fini(&key);
    return pair;
}

struct Server {
    Loop loop;
    struct opr_executor *executor = opr_executor_pool_new("test", 4);
    Handler handler{};
    Pair ca = issue("test-ca", {}, nullptr, true, false);
    Pair server_pair = issue("server", {}, &ca, false, true);
    Pair client_pair = issue("alice", {"dev", "system:masters"}, &ca, false, false);
    struct opr_server *server = nullptr;
    uint16_t port = 0;
    bool is_tls;

    explicit Server(bool tls = true, size_t max_body = 0, uint32_t max_connections = 0)
        : is_tls(tls)
    {
        handler.base.handle = handle;
        struct opr_server_config config = {};
        config.loop = loop.loop;
        config.executor = executor;
        config.handler = &handler.base;
        config.address = "127.0.0.1";
        config.cert_pem = tls ? server_pair.cert.c_str() : nullptr;
        config.key_pem = tls ? server_pair.key.c_str() : nullptr;
        config.client_ca_pem = tls ? ca.cert.c_str() : nullptr;
        config.max_body_bytes = max_body;
        config.max_connections = max_connections;
        loop.run([&] {
            struct opr_error err = {};
            EXPECT_EQ(OPR_OK, opr_server_new(&config, &server, &err)) << err.message;
            port = opr_server_port(server);
        });
    }
    void stop(uint32_t drain_ms)
    {
        if (!server) {
            return;
        }
        std::atomic<bool> is_done{false};
        loop.run([&] {
            opr_server_stop(
                server, drain_ms, [](void *arg) { *static_cast<std::atomic<bool> *>(arg) = true; },
                &is_done);
        });
        EXPECT_TRUE(eventually([&] { return is_done.load(); }, 20000));
        loop.run([&] { opr_server_free(server); });
        server = nullptr;
    }
    ~Server()
    {
        handler.is_held = false;
        stop(0);
        opr_executor_free(executor);
    }
    std::string url() const
    {
        return (is_tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port);
    }
    struct opr_endpoint *endpoint(bool with_cert = false, const char *token = nullptr)
    {
        struct opr_endpoint_config config = {};
        std::string address = url();
        config.url = address.c_str();
        config.ca_pem = is_tls ? ca.cert.c_str() : nullptr;
        config.client_cert_pem = with_cert ? client_pair.cert.c_str() : nullptr;
        config.client_key_pem = with_cert ? client_pair.key.c_str() : nullptr;
        config.token = token;
        struct opr_endpoint *e = nullptr;
        struct opr_error err = {};
        EXPECT_EQ(OPR_OK, opr_endpoint_new(&config, &e, &err)) << err.message;
        return e;
    }
};

struct Answer {
    opr_status status = OPR_OK;
    int code = 0;
    std::string body, type, error;
    uint32_t retry_after_s = 0;
};

struct Session {
    struct opr_session *session;

    explicit Session(struct opr_endpoint *take_endpoint) : session(opr_session_new(take_endpoint))
    {
        opr_endpoint_unref(take_endpoint);
    }
    ~Session()
    {
        opr_session_free(session);
    }
    Answer call(const char *method, const char *path, const std::string &body = "",
                uint32_t timeout_ms = 10000)
    {
        struct opr_client_request req = {};
        req.method = method;
        req.path_query = path;
        req.body = opr_str_n(body.data(), body.size());
        req.content_type = body.empty() ? nullptr : "application/json";
        req.timeout_ms = timeout_ms;
        struct opr_client_response res = {};
        struct opr_error err = {};
        Answer a;
        a.status = opr_session_call(session, &req, &res, &err);
        a.code = res.status;
        a.body = text(res.body);
        a.type = res.content_type;
        a.retry_after_s = res.retry_after_s;
        a.error = err.message;
        opr_buf_fini(&res.body);
        return a;
    }
};

/* A plain TCP connection, to say what no client would. */
struct Wire {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    explicit Wire(uint16_t port, int receive_buffer = 0)
    {
        if (receive_buffer) {
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        }
        struct timeval limit = {10, 0};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        struct sockaddr_in addr = {};
        addr.sin_family = AF_INET;
        addr.sin_port = htons(port);
        addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(0, connect(fd, (struct sockaddr *)&addr, sizeof addr));
    }
    ~Wire()
    {
        if (fd >= 0) {
            close(fd);
        }
    }
    void hang_up()
    {
        close(fd);
        fd = -1;
    }
    void say(const std::string &data)
    {
        size_t at = 0;
        while (at < data.size()) {
            ssize_t n = send(fd, data.data() + at, data.size() - at, MSG_NOSIGNAL);
            if (n <= 0) {
                return; /* the server may have had enough */
            }
            at += (size_t)n;
        }
    }
    /* Until the text has come, or the end. */
    std::string hear(const std::string &until)
    {
        std::string all;
        char block[4096];
        while (all.find(until) == std::string::npos) {
            ssize_t n = recv(fd, block, sizeof block, 0);
            if (n <= 0) {
                break;
            }
            all.append(block, (size_t)n);
        }
        return all;
    }
    std::string hear_all()
    {
        return hear(std::string("\0never\0", 7));
    }
};

/* A stream's events, seen from any thread. */
struct Listener {
    std::mutex lock;
    std::string data;
    std::atomic<int> code{0}, ends{0};
    std::atomic<opr_status> status{OPR_OK};
    std::atomic<size_t> received{0};
    std::function<void()> on_data;

    static const struct opr_stream_handler *handler()
    {
        static const struct opr_stream_handler h = {
            [](void *arg, int status) { static_cast<Listener *>(arg)->code = status; },
            [](void *arg, struct opr_str data) {
                Listener *l = static_cast<Listener *>(arg);
                {
                    std::lock_guard<std::mutex> hold(l->lock);
                    l->data.append(data.ptr, data.len);
                    l->received += data.len;
                }
                if (l->on_data) {
                    l->on_data();
                }
            },
            [](void *arg, opr_status st, const struct opr_error *) {
                Listener *l = static_cast<Listener *>(arg);
                l->status = st;
                l->ends++;
            },
        };
        return &h;
    }
    std::string seen()
    {
        std::lock_guard<std::mutex> hold(lock);
        return data;
    }
};

} // namespace rig
#endif
