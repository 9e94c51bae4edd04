/* A transport that a test drives: it answers calls by a function and shows each stream that was
 * opened, whose bytes, header and end the test gives. One thread. Lifetime: the client that took it
 * frees it, unless is_kept. */
#ifndef TESTS_SUPPORT_FAKE_TRANSPORT_H
#define TESTS_SUPPORT_FAKE_TRANSPORT_H

#include "core/client/transport.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

struct FakeStream {
    std::string path, accept;
    const struct opr_stream_handler *handler = nullptr;
    void *arg = nullptr;
    bool is_closed = false, is_ended = false;

    void Header(int status)
    {
        handler->on_header(arg, status);
    }
    void Data(const std::string &text)
    {
        if (!is_closed) {
            struct opr_str s = {text.data(), text.size()};
            handler->on_data(arg, s);
        }
    }
    void Bytes(const std::string &text)
    {
        for (char c : text) {
            Data(std::string(1, c));
        }
    }
    void End(opr_status st = OPR_OK)
    {
        if (is_closed || is_ended) {
            return;
        }
        is_ended = true;
        struct opr_error err = {st, 0, "cut"};
        handler->on_end(arg, st, st == OPR_OK ? nullptr : &err);
    }
    bool IsOpen() const
    {
        return !is_closed && !is_ended;
    }
};

struct FakeAnswer {
    int status = 200;
    std::string body;
    uint32_t retry_after_s = 0;
    opr_status st = OPR_OK;
};

struct FakeCall {
    std::string method, path, body, content_type, accept;
    uint32_t timeout_ms;
};

struct FakeTransport {
    struct opr_transport base = {}; /* first */
    std::vector<std::unique_ptr<FakeStream>> streams;
    std::vector<FakeCall> calls;
    std::function<FakeAnswer(const FakeCall &)> answer;
    int cancels = 0;

    FakeTransport()
    {
        base.session_new = [](struct opr_transport *t) {
            return reinterpret_cast<struct opr_transport_session *>(t);
        };
        base.session_free = [](struct opr_transport_session *) {};
        base.call = Call;
        base.call_many = CallMany;
        base.cancel = [](struct opr_transport_session *s) {
            reinterpret_cast<FakeTransport *>(s)->cancels++;
        };
        base.stream_open = Open;
        base.stream_close = [](struct opr_transport_stream *s) {
            reinterpret_cast<FakeStream *>(s)->is_closed = true;
        };
        base.free = [](struct opr_transport *) {};
    }
    FakeStream &Last()
    {
        return *streams.back();
    }

  private:
    static opr_status Call(struct opr_transport_session *s, const struct opr_client_request *req,
                           struct opr_client_response *ret_res, struct opr_error *)
    {
        auto *t = reinterpret_cast<FakeTransport *>(s);
        FakeCall call = {req->method,
                         req->path_query,
                         std::string(req->body.ptr ? req->body.ptr : "", req->body.len),
                         req->content_type ? req->content_type : "",
                         req->accept ? req->accept : "",
                         req->timeout_ms};
        t->calls.push_back(call);
        FakeAnswer a = t->answer ? t->answer(call) : FakeAnswer{404, "404 page not found", 0, 0};
        ret_res->status = a.status;
        ret_res->retry_after_s = a.retry_after_s;
        opr_buf_add(&ret_res->body, a.body.data(), a.body.size());
        return a.st;
    }
    static void CallMany(struct opr_transport_session *s, const struct opr_client_request *reqs,
                         size_t n, struct opr_client_response *ret_res, opr_status *ret_status)
    {
        for (size_t i = 0; i < n; i++) {
            ret_res[i] = {};
            ret_status[i] = Call(s, &reqs[i], &ret_res[i], nullptr);
        }
    }
    static struct opr_transport_stream *Open(struct opr_transport *t,
                                             const struct opr_client_request *req,
                                             const struct opr_stream_handler *handler, void *arg)
    {
        auto *self = reinterpret_cast<FakeTransport *>(t);
        auto st = std::make_unique<FakeStream>();
        st->path = req->path_query;
        st->accept = req->accept ? req->accept : "";
        st->handler = handler;
        st->arg = arg;
        self->streams.push_back(std::move(st));
        return reinterpret_cast<struct opr_transport_stream *>(self->streams.back().get());
    }
};

#endif
