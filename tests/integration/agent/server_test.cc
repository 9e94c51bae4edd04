/* The agent's HTTPS server: who is let in, and what a log looks like from outside. */
#include "agent/agent.h"
#include "agent/shim/layout.h"
#include "apiserver/apiserver.h"
#include "core/base/str.h"
#include "core/net/client.h"
#include "core/net/pki.h"
#include "support.h"

#include <fstream>

namespace
{

struct Pem {
    std::string cert, key;
};

Pem issue(const char *name, bool is_ca, bool is_server, const Pem *ca)
{
    static const char *const addresses[] = {"127.0.0.1", nullptr};
    struct opr_pki_request req = {};
    req.common_name = name;
    req.ip_addresses = is_server ? addresses : nullptr;
    req.is_ca = is_ca;
    req.is_server = is_server;
    req.valid_days = 1;
    struct opr_buf cert = {}, key = {};
    struct opr_error err = {};
    EXPECT_EQ(OPR_OK, opr_pki_issue(&req, ca ? ca->cert.c_str() : nullptr,
                                    ca ? ca->key.c_str() : nullptr, &cert, &key, &err))
        << err.message;
    Pem pem = {std::string(cert.data, cert.len), std::string(key.data, key.len)};
    opr_buf_fini(&cert);
    opr_buf_fini(&key);
    return pem;
}

class Server : public WithFolder
{
  protected:
    struct opr_apiserver *apiserver = nullptr;
    struct opr_loop *loop = opr_loop_new();
    struct opr_client *client = nullptr;
    struct opr_caller *caller = nullptr;
    struct opr_agent *agent = nullptr;
    std::thread loop_thread;
    std::string cgroup = "operon-test-s" + std::to_string(getpid());
    Pem ca, server, api, bob;
    int64_t port = 0;

    void SetUp() override
    {
        WithFolder::SetUp();
        if (IsSkipped() || HasFatalFailure()) {
            return;
        }
        static const char *const groups[] = {"system:masters", NULL};
        struct opr_error err = {};
        struct opr_apiserver_config server_config = {};
        server_config.address = "127.0.0.1";
        server_config.clock = opr_clock_system();
        ASSERT_EQ(OPR_OK, opr_apiserver_new(&server_config, &apiserver, &err)) << err.message;
        client = opr_client_new(
            opr_transport_local_new(loop, opr_apiserver_handler(apiserver), "test", groups));
        caller = opr_caller_new(client);
        ca = issue("test-ca", true, false, nullptr);
        server = issue("n1", false, true, &ca);
        api = issue("kube-apiserver-kubelet-client", false, false, &ca);
        bob = issue("bob", false, false, &ca);
        struct opr_agent_config config = {};
        config.loop = loop;
        config.client = client;
        config.clock = opr_clock_system();
        config.node_name = "n1";
        config.dir = dir.c_str();
        config.roles = OPR_AGENT_PODS;
        config.cert_pem = server.cert.c_str();
        config.key_pem = server.key.c_str();
        config.client_ca_pem = ca.cert.c_str();
        config.cgroup_parent = cgroup.c_str();
        ASSERT_EQ(OPR_OK, opr_agent_new(&config, &agent, &err)) << err.message;
        opr_agent_start(agent);
        loop_thread = std::thread([this] { opr_loop_run(loop); });
        ASSERT_TRUE(wait_for([&] {
            struct opr_obj *node = get("/api/v1/nodes/n1");
            port = opr_json_int(node, "/status/daemonEndpoints/kubeletEndpoint/Port", 0);
            opr_json_unref(node);
            return port > 0;
        }));
    }
    void TearDown() override
    {
        if (agent) {
            opr_loop_post(
                loop,
                [](void *arg) {
                    auto *self = static_cast<Server *>(arg);
                    opr_agent_stop(
                        self->agent,
                        [](void *inner) { opr_loop_stop(static_cast<Server *>(inner)->loop); },
                        self);
                },
                this);
            loop_thread.join();
            opr_agent_free(agent);
            opr_agent_clean(cgroup.c_str(), "n1", dir.c_str(), nullptr);
            opr_agent_clean_network(cgroup.c_str(), nullptr, nullptr);
        }
        opr_caller_free(caller);
        opr_client_free(client);
        opr_apiserver_free(apiserver);
        opr_loop_free(loop);
        WithFolder::TearDown();
    }
    struct opr_obj *get(const std::string &path)
    {
        struct opr_obj *o = nullptr;
        (void)!opr_call(caller, "GET", path.c_str(), NULL, opr_str{}, &o, NULL);
        return o;
    }
    /* Status and body of a request to the agent. */
    int fetch(const Pem *who, const std::string &path, std::string *ret_body = nullptr)
    {
        std::string url = "https://127.0.0.1:" + std::to_string(port);
        struct opr_endpoint_config config = {};
        config.url = url.c_str();
        config.ca_pem = ca.cert.c_str();
        config.client_cert_pem = who ? who->cert.c_str() : nullptr;
        config.client_key_pem = who ? who->key.c_str() : nullptr;
        struct opr_endpoint *endpoint = nullptr;
        struct opr_client_request req = {};
        struct opr_client_response res = {};
        struct opr_error err = {};
        req.method = "GET";
        req.path_query = path.c_str();
        req.accept = "*/*";
        EXPECT_EQ(OPR_OK, opr_endpoint_new(&config, &endpoint, &err)) << err.message;
        struct opr_session *session = opr_session_new(endpoint);
        opr_status st = opr_session_call(session, &req, &res, &err);
        EXPECT_EQ(OPR_OK, st) << err.message;
        if (ret_body) {
            ret_body->assign(res.body.data ? res.body.data : "", res.body.len);
        }
        int status = res.status;
        opr_buf_fini(&res.body);
        opr_session_free(session);
        opr_endpoint_unref(endpoint);
        return st == OPR_OK ? status : -1;
    }
    /* A Pod "a" whose container "c" has run; its log is replaced by the given records. */
    void pod_with_log(const std::string &log, const std::string &older = "")
    {
        const char *pod =
            R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"nodeName":"n1",)"
            R"("restartPolicy":"Never","automountServiceAccountToken":false,"containers":)"
            R"([{"name":"c","image":"operon.local/host","command":["true"]}]}})";
        ASSERT_EQ(OPR_OK, opr_call(caller, "POST", "/api/v1/namespaces/default/pods",
                                   "application/json", opr_str_of(pod), NULL, NULL));
        std::string uid;
        ASSERT_TRUE(wait_for([&] {
            struct opr_obj *o = get("/api/v1/namespaces/default/pods/a");
            bool is_over = strcmp(opr_json_str(o, "/status/phase", ""), "Succeeded") == 0;
            uid = opr_json_str(o, "/metadata/uid", "");
            opr_json_unref(o);
            return is_over;
        }));
        std::string run = dir + "/pods/" + uid + "/containers/c/0/";
        std::ofstream(run + SHIM_FILE_LOG) << log;
        if (!older.empty()) {
            std::ofstream(run + SHIM_FILE_LOG_OLD) << older;
        }
    }
    std::string logs(const std::string &query)
    {
        std::string body;
        EXPECT_EQ(200, fetch(&api, "/containerLogs/default/a/c?" + query, &body));
        return body;
    }
};

const char RECORDS[] = "2026-01-01T00:00:01.000000000Z stdout F one\n"
                       "2026-01-01T00:00:02.000000000Z stderr P tw\n"
                       "2026-01-01T00:00:02.000000001Z stderr F o\n"
                       "2026-01-01T00:00:03.000000000Z stdout F three words here\n";

TEST_F(Server, LetsInOnlyTheApiServer)
{
    std::string body;
    EXPECT_EQ(200, fetch(nullptr, "/healthz", &body));
    EXPECT_EQ("ok", body);
    EXPECT_EQ(401, fetch(nullptr, "/pods"));
    EXPECT_EQ(401, fetch(nullptr, "/metrics"));
    EXPECT_EQ(403, fetch(&bob, "/containerLogs/default/a/c"));
    EXPECT_EQ(200, fetch(&api, "/pods", &body));
    EXPECT_NE(std::string::npos, body.find("PodList"));
    EXPECT_EQ(200, fetch(&api, "/metrics", &body));
    EXPECT_NE(std::string::npos, body.find("operon_agent_pods 0"));
    EXPECT_EQ(404, fetch(&api, "/nothing"));
}

TEST_F(Server, LogsWholeAndInParts)
{
    pod_with_log(RECORDS, "2025-12-31T00:00:00.000000000Z stdout F old\n");
    EXPECT_EQ("old\none\ntwo\nthree words here\n", logs(""));
    EXPECT_EQ("three words here\n", logs("tailLines=1"));
    EXPECT_EQ("two\nthree words here\n", logs("tailLines=2"));
    EXPECT_EQ("old\none\ntwo\nthree words here\n", logs("tailLines=4"));
    EXPECT_EQ("old\none\ntwo\nthree words here\n", logs("tailLines=99"));
    EXPECT_EQ("", logs("tailLines=0"));
    EXPECT_EQ("two\nthree words here\n", logs("sinceTime=2026-01-01T00:00:02Z"));
    EXPECT_EQ("old\none", logs("limitBytes=7"));
    EXPECT_EQ("2026-01-01T00:00:03.000000000Z three words here\n",
              logs("tailLines=1&timestamps=true"));
    EXPECT_EQ("old\none\ntwo\nthree words here\n", logs("follow=true")) << "its run is over";
}

TEST_F(Server, LogsThatAreNotThere)
{
    std::string body;
    pod_with_log(RECORDS);
    EXPECT_EQ(404, fetch(&api, "/containerLogs/default/none/c"));
    EXPECT_EQ(400, fetch(&api, "/containerLogs/default/a/none"));
    EXPECT_EQ(400, fetch(&api, "/containerLogs/default/a/c?previous=true", &body));
    EXPECT_EQ("previous terminated container \"c\" in pod \"a\" not found\n", body);
    EXPECT_EQ(400, fetch(&api, "/containerLogs/default/a/%2e%2e"));
    EXPECT_EQ(400, fetch(&api, "/containerLogs/default/a"));
}

} // namespace
