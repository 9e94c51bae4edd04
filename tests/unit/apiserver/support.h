/* An API server in memory, called as its transport calls it. JSON is written with ' for ". */
#ifndef OPR_TESTS_UNIT_APISERVER_SUPPORT_H
#define OPR_TESTS_UNIT_APISERVER_SUPPORT_H

#include "apiserver/apiserver.h"
#include "core/base/str.h"
#include "core/json/doc.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using Headers = std::vector<std::pair<std::string, std::string>>;

inline std::string quoted(std::string text)
{
    std::replace(text.begin(), text.end(), '\'', '"');
    return text;
}

class Doc
{
  public:
    explicit Doc(const std::string &text)
    {
        if (opr_doc_parse(opr_str_n(text.data(), text.size()), &doc_, nullptr) != OPR_OK) {
            doc_ = nullptr;
        }
    }
    Doc(const Doc &other) : doc_(json_object_get(other.doc_))
    {
    }
    Doc &operator=(const Doc &other)
    {
        json_object_get(other.doc_);
        json_object_put(doc_);
        doc_ = other.doc_;
        return *this;
    }
    ~Doc()
    {
        json_object_put(doc_);
    }
    std::string str(const std::string &ptr) const
    {
        return opr_doc_str(doc_, ptr.c_str(), "-");
    }
    int64_t num(const std::string &ptr) const
    {
        return opr_doc_int(doc_, ptr.c_str(), -1);
    }
    bool flag(const std::string &ptr) const
    {
        return opr_doc_bool(doc_, ptr.c_str(), false);
    }
    bool has(const std::string &ptr) const
    {
        return opr_doc_at(doc_, ptr.c_str()) != nullptr;
    }
    size_t size(const std::string &ptr) const
    {
        json_object *list = opr_doc_at(doc_, ptr.c_str());
        return list && json_object_is_type(list, json_type_array) ? json_object_array_length(list)
                                                                  : 0;
    }

  private:
    json_object *doc_ = nullptr;
};

struct Answer : Doc {
    Answer(int code, std::string text, Headers all)
        : Doc(text), status(code), body(std::move(text)), headers(std::move(all))
    {
    }
    std::string header(const std::string &name) const
    {
        for (const auto &h : headers) {
            if (h.first == name) {
                return h.second;
            }
        }
        return "";
    }
    int status;
    std::string body;
    Headers headers;
};

struct Caller {
    std::string name = "admin";
    std::vector<std::string> groups = {"system:masters"};
    Headers headers;
};

/* A watch, read as far as it goes: "ADDED name" and so on. */
class Watch
{
  public:
    explicit Watch(const opr_http_response &res) : status(res.status), source_(res.source)
    {
        waker_.wake = [](opr_http_waker *) {};
        if (source_) {
            source_->attach(source_, &waker_);
        }
    }
    Watch(const Watch &) = delete;
    Watch &operator=(const Watch &) = delete;
    ~Watch()
    {
        if (source_) {
            source_->close(source_);
        }
    }
    std::vector<Doc> events()
    {
        std::vector<Doc> all;
        opr_buf text = {};
        size_t before;
        do {
            before = text.len;
            is_over = source_->pull(source_, &text, 4096) == OPR_E_END;
        } while (!is_over && text.len > before);
        std::string left(text.data ? text.data : "", text.len);
        opr_buf_fini(&text);
        for (size_t end; (end = left.find('\n')) != std::string::npos; left.erase(0, end + 1)) {
            all.emplace_back(left.substr(0, end));
        }
        return all;
    }
    std::vector<std::string> names()
    {
        std::vector<std::string> all;
        for (const Doc &e : events()) {
            all.push_back(e.str("/type") + " " + e.str("/object/metadata/name"));
        }
        return all;
    }
    int status;
    bool is_over = false;

  private:
    opr_http_source *source_;
    opr_http_waker waker_;
};

class Api : public testing::Test
{
  protected:
    void SetUp() override
    {
        clock_ = opr_clock_fake_new(1767312000000); /* 2026-01-02T00:00:00Z */
        open(0);
    }
    void TearDown() override
    {
        opr_apiserver_free(server_);
        opr_clock_fake_free(clock_);
    }
    void open(uint32_t window)
    {
        opr_apiserver_config config = {};
        opr_error err = {};
        config.address = "127.0.0.1";
        config.clock = clock_;
        config.watch_window_events = window;
        opr_apiserver_free(server_);
        server_ = nullptr;
        ASSERT_EQ(opr_apiserver_new(&config, &server_, &err), OPR_OK) << err.message;
    }
    Answer call(const std::string &method, const std::string &path, const std::string &body = "",
                const std::string &type = "application/json")
    {
        opr_arena *a = opr_arena_new();
        opr_http_response res = {};
        handle(a, method, path, quoted(body), type, &res);
        Answer answer(res.status, std::string(res.body.data ? res.body.data : "", res.body.len),
                      headers_of(res));
        opr_http_response_fini(&res);
        opr_arena_free(a);
        return answer;
    }
    Answer get(const std::string &path)
    {
        return call("GET", path);
    }
    Answer post(const std::string &path, const std::string &body)
    {
        return call("POST", path, body);
    }
    Answer merge(const std::string &path, const std::string &body)
    {
        return call("PATCH", path, body, "application/merge-patch+json");
    }
    Answer remove(const std::string &path, const std::string &body = "")
    {
        return call("DELETE", path, body);
    }
    std::unique_ptr<Watch> watch(const std::string &path)
    {
        opr_arena *a = opr_arena_new();
        opr_http_response res = {};
        handle(a, "GET", path, "", "", &res);
        auto w = std::make_unique<Watch>(res);
        opr_buf_fini(&res.body);
        opr_arena_free(a);
        return w;
    }
    Answer make(const std::string &kind, const std::string &name, const std::string &rest = "")
    {
        return post("/api/v1/namespaces/default/" + kind,
                    "{'metadata':{'name':'" + name + "'}" + (rest.empty() ? "" : "," + rest) + "}");
    }
    Answer make_pod(const std::string &name, const std::string &spec = "")
    {
        return make("pods", name,
                    "'spec':{" + spec + (spec.empty() ? "" : ",") +
                        "'containers':[{'name':'c','image':'i'}]}");
    }
    void advance(uint64_t ms)
    {
        opr_clock_fake_advance(clock_, ms);
    }

    Caller caller;
    opr_apiserver *server_ = nullptr;
    opr_clock *clock_ = nullptr;

  private:
    static Headers headers_of(const opr_http_response &res)
    {
        Headers all;
        for (size_t i = 0; i < res.n_headers; i++) {
            all.emplace_back(std::string(res.headers[i].name.ptr, res.headers[i].name.len),
                             std::string(res.headers[i].value.ptr, res.headers[i].value.len));
        }
        return all;
    }
    void handle(opr_arena *a, const std::string &method, const std::string &path,
                const std::string &body, const std::string &type, opr_http_response *res)
    {
        std::vector<opr_http_header> headers;
        std::vector<opr_str> groups;
        for (const auto &h : caller.headers) {
            headers.push_back({opr_str_of(h.first.c_str()), opr_str_of(h.second.c_str())});
        }
        if (!type.empty()) {
            headers.push_back({OPR_STR("Content-Type"), opr_str_of(type.c_str())});
        }
        for (const auto &g : caller.groups) {
            groups.push_back(opr_str_of(g.c_str()));
        }
        size_t mark = path.find('?');
        opr_http_request req = {};
        req.method = opr_str_of(method.c_str());
        req.path = opr_str_n(path.data(), std::min(mark, path.size()));
        req.query =
            mark == std::string::npos ? opr_str_n("", 0) : opr_str_of(path.c_str() + mark + 1);
        req.headers = headers.data();
        req.n_headers = headers.size();
        req.body = opr_str_n(body.data(), body.size());
        req.peer.cert_cn = opr_str_of(caller.name.c_str());
        req.peer.cert_orgs = groups.data();
        req.peer.n_cert_orgs = groups.size();
        req.arena = a;
        opr_http_handler *h = opr_apiserver_handler(server_);
        h->handle(h, &req, res);
    }
};

#define CONFIGMAPS "/api/v1/namespaces/default/configmaps"
#define PODS "/api/v1/namespaces/default/pods"

#endif
