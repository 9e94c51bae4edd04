/* The local transport, without threads but for those that wake. */
#include "core/base/str.h"
#include "core/client/transport.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

static std::string text(struct opr_str s)
{
    return std::string(s.ptr ? s.ptr : "", s.len);
}

/* Gives out its pieces, one a pull; then waits, ends or fails. */
struct Source {
    struct opr_http_source base;
    std::vector<std::string> pieces;
    opr_status after = OPR_E_END;
    struct opr_http_waker *waker = nullptr;
    int closed = 0, attached = 0;

    Source() : base()
    {
        base.attach = [](struct opr_http_source *s, struct opr_http_waker *w) {
            Source *self = reinterpret_cast<Source *>(s);
            self->waker = w;
            self->attached++;
        };
        base.pull = [](struct opr_http_source *s, struct opr_buf *out, size_t) -> opr_status {
            Source *self = reinterpret_cast<Source *>(s);
            EXPECT_EQ(1, self->attached);
            if (self->pieces.empty()) {
                return self->after;
            }
            std::string piece = self->pieces.front();
            self->pieces.erase(self->pieces.begin());
            opr_buf_add(out, piece.data(), piece.size());
            return OPR_OK;
        };
        base.close = [](struct opr_http_source *s) { reinterpret_cast<Source *>(s)->closed++; };
    }
};

struct Handler {
    struct opr_http_handler base;
    std::function<void(const struct opr_http_request *, struct opr_http_response *)> fn;
};

struct Local : testing::Test {
    struct opr_loop *loop = opr_loop_new();
    Handler handler{};
    Source source;
    struct opr_transport *t = nullptr;
    struct opr_transport_session *session = nullptr;
    struct opr_client_response res = {};
    struct opr_error err = {};
    std::string log;
    std::function<void()> on_event;
    struct opr_transport_stream *stream = nullptr;

    void SetUp() override
    {
        handler.base.handle = [](struct opr_http_handler *h, const struct opr_http_request *req,
                                 struct opr_http_response *r) {
            r->status = 200;
            reinterpret_cast<Handler *>(h)->fn(req, r);
        };
        handler.fn = [this](const struct opr_http_request *, struct opr_http_response *r) {
            r->source = &source.base;
        };
        const char *groups[] = {"system:masters", "dev", nullptr};
        t = opr_transport_local_new(loop, &handler.base, "me", groups);
        session = t->session_new(t);
    }
    ~Local() override
    {
        opr_buf_fini(&res.body);
        t->session_free(session);
        t->free(t);
        opr_loop_free(loop);
    }
    opr_status call(const char *method, const char *path, const char *body = "",
                    uint32_t timeout_ms = 0)
    {
        struct opr_client_request req = {};
        req.method = method;
        req.path_query = path;
        req.body = opr_str_of(body);
        req.content_type = body[0] ? "application/json" : nullptr;
        req.timeout_ms = timeout_ms;
        opr_buf_fini(&res.body);
        return t->call(session, &req, &res, &err);
    }
    void open()
    {
        static const struct opr_stream_handler events = {
            [](void *arg, int status) {
                Local *self = static_cast<Local *>(arg);
                self->log += "<" + std::to_string(status) + ">";
                EXPECT_TRUE(opr_loop_is_current(self->loop));
            },
            [](void *arg, struct opr_str data) {
                Local *self = static_cast<Local *>(arg);
                self->log += text(data);
                if (self->on_event) {
                    self->on_event();
                }
            },
            [](void *arg, opr_status st, const struct opr_error *e) {
                Local *self = static_cast<Local *>(arg);
                EXPECT_EQ(st == OPR_OK, e == nullptr);
                self->log += "|" + std::string(opr_status_name(st));
            },
        };
        struct opr_client_request req = {};
        std::string path = "/watch?a=1";
        req.method = "GET";
        req.path_query = path.c_str(); /* must be copied */
        stream = t->stream_open(t, &req, &events, this);
        EXPECT_EQ("", log);
    }
    /* Runs the loop until nothing is left that was posted before. */
    void turn(int times = 8)
    {
        for (int i = 0; i < times; i++) {
            opr_loop_post(
                loop, [](void *l) { opr_loop_stop((struct opr_loop *)l); }, loop);
            opr_loop_run(loop);
        }
    }
};

TEST_F(Local, CallBuildsTheRequest)
{
    handler.fn = [](const struct opr_http_request *req, struct opr_http_response *r) {
        EXPECT_EQ("POST", text(req->method));
        EXPECT_EQ("/api/v1/pods", text(req->path));
        EXPECT_EQ("a=b?c", text(req->query));
        EXPECT_EQ("{}", text(req->body));
        EXPECT_EQ("application/json", text(opr_http_request_header(req, "content-type")));
        EXPECT_EQ("application/json", text(opr_http_request_header(req, "accept")));
        EXPECT_TRUE(req->peer.is_in_process);
        EXPECT_EQ("me", text(req->peer.cert_cn));
        ASSERT_EQ(2u, req->peer.n_cert_orgs);
        EXPECT_EQ("dev", text(req->peer.cert_orgs[1]));
        EXPECT_NE(nullptr, req->arena);
        r->status = 429;
        opr_http_response_header(r, "Content-Type", OPR_STR("text/x"));
        opr_http_response_header(r, "Retry-After", OPR_STR("3"));
        opr_buf_add_text(&r->body, "body");
    };
    ASSERT_EQ(OPR_OK, call("POST", "/api/v1/pods?a=b?c", "{}"));
    EXPECT_EQ(429, res.status);
    EXPECT_EQ(3u, res.retry_after_s);
    EXPECT_STREQ("text/x", res.content_type);
    EXPECT_EQ("body", text(opr_buf_str(&res.body)));
    EXPECT_EQ(OPR_E_INVALID, call("GET", "no-slash"));
}

TEST_F(Local, CallReadsASourceToItsEnd)
{
    source.pieces = {"a", "b", "c"};
    ASSERT_EQ(OPR_OK, call("GET", "/x"));
    EXPECT_EQ("abc", text(opr_buf_str(&res.body)));
    EXPECT_EQ(1, source.closed);
}

TEST_F(Local, CallFailsWithItsSource)
{
    source.pieces = {"a"};
    source.after = OPR_E_IO;
    EXPECT_EQ(OPR_E_IO, call("GET", "/x"));
    EXPECT_EQ(1, source.closed);
    EXPECT_EQ(nullptr, res.body.data);
}

TEST_F(Local, CallOfASourceThatWaitsTimesOut)
{
    source.after = OPR_OK;
    EXPECT_EQ(OPR_E_TIMEOUT, call("GET", "/x", "", 20));
    EXPECT_EQ(1, source.closed);
}

TEST_F(Local, CallIsWokenAndCancelled)
{
    source.after = OPR_OK;
    std::thread wake;
    handler.fn = [&](const struct opr_http_request *, struct opr_http_response *r) {
        r->source = &source.base;
        wake = std::thread([this] { t->cancel(session); });
    };
    EXPECT_EQ(OPR_E_CANCELLED, call("GET", "/x"));
    wake.join();
    handler.fn = [](const struct opr_http_request *, struct opr_http_response *) {};
    EXPECT_EQ(OPR_OK, call("GET", "/x"));
}

TEST_F(Local, CallMany)
{
    handler.fn = [](const struct opr_http_request *req, struct opr_http_response *r) {
        opr_buf_add_str(&r->body, req->path);
    };
    struct opr_client_request reqs[3] = {};
    const char *paths[] = {"/a", "bad", "/c"};
    for (int i = 0; i < 3; i++) {
        reqs[i].method = "GET";
        reqs[i].path_query = paths[i];
    }
    struct opr_client_response out[3];
    opr_status st[3];
    t->call_many(session, reqs, 3, out, st);
    EXPECT_EQ(OPR_OK, st[0]);
    EXPECT_EQ(OPR_E_INVALID, st[1]);
    EXPECT_EQ("/c", text(opr_buf_str(&out[2].body)));
    for (auto &o : out) {
        opr_buf_fini(&o.body);
    }
}

TEST_F(Local, StreamOfABody)
{
    handler.fn = [](const struct opr_http_request *req, struct opr_http_response *r) {
        r->status = 410;
        EXPECT_EQ("a=1", text(req->query));
        opr_buf_add_text(&r->body, "gone");
    };
    open();
    turn();
    EXPECT_EQ("<410>gone|ok", log);
}

TEST_F(Local, StreamOfASource)
{
    source.pieces = {"1", "2"};
    source.after = OPR_OK;
    open();
    turn();
    EXPECT_EQ("<200>12", log);
    turn();
    EXPECT_EQ("<200>12", log);
    source.pieces = {"3"};
    source.waker->wake(source.waker);
    source.waker->wake(source.waker);
    EXPECT_EQ("<200>12", log); /* not from inside */
    turn();
    EXPECT_EQ("<200>123", log);
    source.after = OPR_E_END;
    source.waker->wake(source.waker);
    turn();
    EXPECT_EQ("<200>123|ok", log);
    EXPECT_EQ(1, source.closed);
}

TEST_F(Local, StreamThatFails)
{
    source.after = OPR_E_EXPIRED;
    open();
    turn();
    EXPECT_EQ("<200>|expired", log);
    EXPECT_EQ(1, source.closed);
}

TEST_F(Local, CloseBeforeTheStart)
{
    open();
    t->stream_close(stream);
    turn();
    EXPECT_EQ("", log);
    EXPECT_EQ(0, source.attached);
}

TEST_F(Local, CloseWithAWakeUnderWay)
{
    source.after = OPR_OK;
    open();
    turn();
    source.pieces = {"late"};
    source.waker->wake(source.waker);
    t->stream_close(stream);
    EXPECT_EQ(1, source.closed);
    turn();
    EXPECT_EQ("<200>", log);
    EXPECT_EQ(1, source.closed);
}

TEST_F(Local, CloseFromInsideACallback)
{
    source.pieces = {"1", "2"};
    on_event = [this] { t->stream_close(stream); };
    open();
    turn();
    EXPECT_EQ("<200>1", log);
    EXPECT_EQ(1, source.closed);
}

TEST_F(Local, ALongSourceLetsTheLoopRun)
{
    source.pieces.assign(100, "x");
    source.after = OPR_OK;
    open();
    turn(2);
    EXPECT_LT(log.size(), 100u);
    turn(20);
    EXPECT_EQ(105u, log.size());
    t->stream_close(stream);
}
