/* The API server behind its HTTPS listener: certificates, watches over the wire, restarts, and logs
 * from a node agent. */
#include "apiserver/apiserver.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/json/json.h"
#include "core/net/client.h"
#include "core/net/pki.h"
#include "core/net/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

using testing::HasSubstr;

namespace
{

/* A loop on its own thread. */
class Loop
{
  public:
    Loop() : loop(opr_loop_new()), thread_([this] { opr_loop_run(loop); })
    {
    }
    ~Loop()
    {
        opr_loop_stop(loop);
        thread_.join();
        opr_loop_free(loop);
    }
    /* fn on the loop; returns when it ran. */
    void run(const std::function<void()> &fn)
    {
        struct Call {
            const std::function<void()> *fn;
            std::mutex lock;
            std::condition_variable done;
            bool is_done;
        } call = {&fn, {}, {}, false};
        opr_loop_post(
            loop,
            [](void *arg) {
                Call *c = static_cast<Call *>(arg);
                (*c->fn)();
                std::lock_guard<std::mutex> hold(c->lock);
                c->is_done = true;
                c->done.notify_one();
            },
            &call);
        std::unique_lock<std::mutex> hold(call.lock);
        call.done.wait(hold, [&] { return call.is_done; });
    }
    opr_loop *loop;

  private:
    std::thread thread_;
};

/* A listener that ends with its owner. */
class Listener
{
  public:
    Listener(opr_http_handler *handler, const char *cert, const char *key, const char *ca)
        : executor_(opr_executor_pool_new("test", 4))
    {
        loop_.run([&] {
            opr_server_config config = {};
            opr_error err = {};
            config.loop = loop_.loop;
            config.executor = executor_;
            config.handler = handler;
            config.address = "127.0.0.1";
            config.cert_pem = cert;
            config.key_pem = key;
            config.client_ca_pem = ca;
            ASSERT_EQ(opr_server_new(&config, &server_, &err), OPR_OK) << err.message;
        });
    }
    ~Listener()
    {
        std::mutex lock;
        std::condition_variable done;
        bool is_done = false;
        std::function<void()> finish = [&] {
            std::lock_guard<std::mutex> hold(lock);
            is_done = true;
            done.notify_one();
        };
        loop_.run([&] {
            opr_server_stop(
                server_, 2000, [](void *arg) { (*static_cast<std::function<void()> *>(arg))(); },
                &finish);
        });
        std::unique_lock<std::mutex> hold(lock);
        done.wait(hold, [&] { return is_done; });
        loop_.run([&] { opr_server_free(server_); });
        opr_executor_free(executor_);
    }
    uint16_t port() const
    {
        return opr_server_port(server_);
    }

  private:
    Loop loop_;
    opr_executor *executor_;
    opr_server *server_ = nullptr;
};

struct Reply {
    int status = 0;
    std::string body;
    opr_status st = OPR_OK;
};

class Https : public testing::Test
{
  protected:
    void SetUp() override
    {
        ASSERT_NE(mkdtemp(dir_), nullptr);
        start();
    }
    void TearDown() override
    {
        stop();
        EXPECT_EQ(opr_fs_remove_tree(dir_, nullptr), OPR_OK);
    }
    void start()
    {
        opr_apiserver_config config = {};
        opr_error err = {};
        config.dir = dir_;
        config.address = "127.0.0.1";
        config.clock = opr_clock_system();
        ASSERT_EQ(opr_apiserver_new(&config, &api_, &err), OPR_OK) << err.message;
        listener_ =
            std::make_unique<Listener>(opr_apiserver_handler(api_), opr_apiserver_cert(api_),
                                       opr_apiserver_key(api_), opr_apiserver_ca(api_));
        url_ = "https://127.0.0.1:" + std::to_string(listener_->port());
    }
    void stop()
    {
        listener_.reset();
        opr_apiserver_free(api_);
        api_ = nullptr;
    }
    std::string file(const std::string &name) const
    {
        opr_buf text = {};
        EXPECT_EQ(opr_fs_read((std::string(dir_) + "/" + name).c_str(), 65536, &text, nullptr),
                  OPR_OK);
        std::string all(text.data ? text.data : "", text.len);
        opr_buf_fini(&text);
        return all;
    }
    /* user "": without a certificate. */
    opr_endpoint *endpoint(const char *user, const char *group = "system:masters")
    {
        opr_buf cert = {}, key = {};
        const char *groups[] = {group, nullptr};
        std::string ca = file("pki/ca.crt"), ca_key = file("pki/ca.key");
        if (*user) {
            opr_pki_request request = {};
            request.common_name = user;
            request.organizations = groups;
            request.valid_days = 1;
            EXPECT_EQ(opr_pki_issue(&request, ca.c_str(), ca_key.c_str(), &cert, &key, nullptr),
                      OPR_OK);
        }
        opr_endpoint_config config = {};
        config.url = url_.c_str();
        config.ca_pem = ca.c_str();
        config.client_cert_pem = cert.data;
        config.client_key_pem = key.data;
        opr_endpoint *e = nullptr;
        EXPECT_EQ(opr_endpoint_new(&config, &e, nullptr), OPR_OK);
        opr_buf_fini(&cert);
        opr_buf_fini(&key);
        return e;
    }
    Reply call(const char *method, const std::string &path, const std::string &body = "",
               const char *user = "admin", const char *group = "system:masters")
    {
        opr_endpoint *e = endpoint(user, group);
        opr_session *s = opr_session_new(e);
        opr_client_request req = {};
        opr_client_response res = {};
        req.method = method;
        req.path_query = path.c_str();
        req.content_type = "application/json";
        req.body = opr_str_n(body.data(), body.size());
        Reply reply;
        reply.st = opr_session_call(s, &req, &res, nullptr);
        reply.status = res.status;
        reply.body.assign(res.body.data ? res.body.data : "", res.body.len);
        opr_buf_fini(&res.body);
        opr_session_free(s);
        opr_endpoint_unref(e);
        return reply;
    }
    Reply make_config(const std::string &name)
    {
        return call("POST", "/api/v1/namespaces/default/configmaps",
                    "{\"metadata\":{\"name\":\"" + name + "\"}}");
    }

    char dir_[32] = "/tmp/operon-https-XXXXXX";
    opr_apiserver *api_ = nullptr;
    std::unique_ptr<Listener> listener_;
    std::string url_;
};

/* A response read as it comes. */
class Stream
{
  public:
    Stream(opr_endpoint *take_endpoint, const std::string &path)
        : endpoint_(take_endpoint), path_(path)
    {
        loop_.run([this] {
            static const opr_stream_handler handler = {on_header, on_data, on_end};
            opr_client_request req = {};
            req.method = "GET";
            req.path_query = path_.c_str();
            streams_ = opr_streams_new(loop_.loop, endpoint_);
            opr_stream_open(streams_, &req, &handler, this);
        });
    }
    ~Stream()
    {
        loop_.run([this] { opr_streams_free(streams_); });
        opr_endpoint_unref(endpoint_);
    }
    /* True once the text so far has a part. */
    bool waits_for(const std::string &part)
    {
        std::unique_lock<std::mutex> hold(lock_);
        return changed_.wait_for(hold, std::chrono::seconds(10),
                                 [&] { return text_.find(part) != std::string::npos; });
    }
    bool waits_for_end()
    {
        std::unique_lock<std::mutex> hold(lock_);
        return changed_.wait_for(hold, std::chrono::seconds(10), [&] { return is_over_; });
    }
    std::string text()
    {
        std::lock_guard<std::mutex> hold(lock_);
        return text_;
    }
    int status()
    {
        std::lock_guard<std::mutex> hold(lock_);
        return status_;
    }

  private:
    static void on_header(void *arg, int status)
    {
        Stream *s = static_cast<Stream *>(arg);
        std::lock_guard<std::mutex> hold(s->lock_);
        s->status_ = status;
    }
    static void on_data(void *arg, opr_str data)
    {
        Stream *s = static_cast<Stream *>(arg);
        std::lock_guard<std::mutex> hold(s->lock_);
        s->text_.append(data.ptr, data.len);
        s->changed_.notify_all();
    }
    static void on_end(void *arg, opr_status, const opr_error *)
    {
        Stream *s = static_cast<Stream *>(arg);
        std::lock_guard<std::mutex> hold(s->lock_);
        s->is_over_ = true;
        s->changed_.notify_all();
    }
    opr_endpoint *endpoint_;
    std::string path_;
    std::mutex lock_;
    std::condition_variable changed_;
    std::string text_;
    int status_ = 0;
    bool is_over_ = false;
    opr_streams *streams_ = nullptr;
    Loop loop_; /* last: it ends first */
};

} // namespace

TEST_F(Https, CertificatesAreUsers)
{
    EXPECT_EQ(make_config("a").status, 201);
    Reply r = call("GET", "/api/v1/namespaces/default/configmaps/a", "", "bob", "dev");
    EXPECT_EQ(r.status, 403);
    EXPECT_THAT(r.body, HasSubstr("User \\\"bob\\\" cannot get resource \\\"configmaps\\\""));
    EXPECT_EQ(call("GET", "/api/v1/namespaces", "", "").status, 403);
    EXPECT_EQ(call("GET", "/healthz", "", "").body, "ok");
}

TEST_F(Https, AWatchGoesOverTheWire)
{
    Stream watch(endpoint("admin"), "/api/v1/namespaces/default/configmaps?watch=1");
    ASSERT_EQ(make_config("first").status, 201);
    EXPECT_TRUE(watch.waits_for("\"name\":\"first\""));
    ASSERT_EQ(make_config("second").status, 201);
    EXPECT_TRUE(watch.waits_for("\"name\":\"second\""));
    EXPECT_EQ(watch.status(), 200);
}

TEST_F(Https, ARestartKeepsObjectsAndKeys)
{
    std::string ca = opr_apiserver_ca(api_);
    ASSERT_EQ(make_config("a").status, 201);
    Reply list = call("GET", "/api/v1/namespaces/default/configmaps");
    opr_obj *obj = nullptr;
    ASSERT_EQ(opr_json_parse(opr_str_of(list.body.c_str()), &obj, nullptr), OPR_OK);
    std::string rv = opr_json_str(obj, "/metadata/resourceVersion", "");
    opr_json_unref(obj);
    ASSERT_EQ(make_config("b").status, 201);
    stop();
    start();
    EXPECT_EQ(opr_apiserver_ca(api_), ca);
    EXPECT_EQ(call("GET", "/api/v1/namespaces/default/configmaps/b").status, 200);
    Stream old(endpoint("admin"),
               "/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=" + rv);
    EXPECT_TRUE(old.waits_for("\"code\":410"));
    EXPECT_TRUE(old.waits_for_end());
}

/* A node agent that answers with a few lines, or with a line now and one when it is told. */
class Agent
{
  public:
    explicit Agent(const std::string &dir)
    {
        handler_.base.handle = handle;
        handler_.owner = this;
        auto read = [&](const char *name) {
            opr_buf text = {};
            EXPECT_EQ(opr_fs_read((dir + "/" + name).c_str(), 65536, &text, nullptr), OPR_OK);
            std::string all(text.data, text.len);
            opr_buf_fini(&text);
            return all;
        };
        listener_ = std::make_unique<Listener>(&handler_.base, read("tls.crt").c_str(),
                                               read("tls.key").c_str(), read("ca.crt").c_str());
    }
    uint16_t port() const
    {
        return listener_->port();
    }
    std::string path, user;
    int status = 200;

  private:
    struct Handler {
        opr_http_handler base;
        Agent *owner;
    };
    static void handle(opr_http_handler *h, const opr_http_request *req, opr_http_response *res)
    {
        Agent *a = reinterpret_cast<Handler *>(h)->owner;
        a->path = std::string(req->path.ptr, req->path.len) + "?" +
                  std::string(req->query.ptr, req->query.len);
        a->user = std::string(req->peer.cert_cn.ptr, req->peer.cert_cn.len);
        res->status = a->status;
        opr_buf_add_text(&res->body, a->status == 200 ? "one\ntwo\n" : "no such container");
    }
    Handler handler_;
    std::unique_ptr<Listener> listener_;
};

class Logs : public Https
{
  protected:
    void SetUp() override
    {
        Https::SetUp();
        std::string folder = std::string(dir_) + "/node";
        ASSERT_EQ(opr_apiserver_node_files(api_, folder.c_str(), "n1", url_.c_str(), nullptr),
                  OPR_OK);
        agent_ = std::make_unique<Agent>(folder);
        std::string port = std::to_string(agent_->port());
        ASSERT_EQ(call("POST", "/api/v1/nodes",
                       R"({"metadata":{"name":"n1"},"status":{"addresses":[{"type":"InternalIP",)"
                       R"("address":"127.0.0.1"}],"daemonEndpoints":{"kubeletEndpoint":{"Port":)" +
                           port + "}}}}")
                      .status,
                  201);
        ASSERT_EQ(call("POST", "/api/v1/namespaces/default/pods",
                       R"({"metadata":{"name":"p"},"spec":{"nodeName":"n1","containers":)"
                       R"([{"name":"c","image":"i"}]}})")
                      .status,
                  201);
    }
    std::unique_ptr<Agent> agent_;
};

TEST_F(Logs, ComeFromTheAgent)
{
    Reply r = call("GET", "/api/v1/namespaces/default/pods/p/log?tailLines=5&timestamps=true");
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(r.body, "one\ntwo\n");
    EXPECT_THAT(agent_->path, HasSubstr("/containerLogs/default/p/c?tailLines=5&timestamps=true"));
    EXPECT_EQ(agent_->user, "kube-apiserver-kubelet-client");
    r = call("GET", "/api/v1/namespaces/default/pods/p/log?container=x");
    EXPECT_EQ(r.status, 400);
    EXPECT_THAT(r.body, HasSubstr("container x is not valid for pod p"));
}

TEST_F(Logs, AreFollowed)
{
    Stream log(endpoint("admin"), "/api/v1/namespaces/default/pods/p/log?follow=true");
    EXPECT_TRUE(log.waits_for_end());
    EXPECT_EQ(log.status(), 200);
    EXPECT_EQ(log.text(), "one\ntwo\n");
    EXPECT_THAT(agent_->path, HasSubstr("follow=true"));
}

TEST_F(Logs, ARefusalIsPassedOn)
{
    agent_->status = 404;
    Reply r = call("GET", "/api/v1/namespaces/default/pods/p/log");
    EXPECT_EQ(r.status, 404);
    EXPECT_THAT(r.body, HasSubstr("no such container"));
    r = call("GET", "/api/v1/namespaces/default/pods/p/log?follow=true");
    EXPECT_EQ(r.status, 404);
    EXPECT_THAT(r.body, HasSubstr("no such container"));
    agent_.reset();
    r = call("GET", "/api/v1/namespaces/default/pods/p/log");
    EXPECT_EQ(r.status, 500);
    EXPECT_THAT(r.body, HasSubstr("the node agent does not answer"));
}
