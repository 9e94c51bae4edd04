/* An agent with the embedded API server in this process. Host network, so that nothing of the
 * machine's network changes. */
#ifndef OPR_TESTS_INTEGRATION_AGENT_AGENT_FIXTURE_H
#define OPR_TESTS_INTEGRATION_AGENT_AGENT_FIXTURE_H

#include "agent/agent.h"
#include "apiserver/apiserver.h"
#include "core/base/str.h"
#include "support.h"

#include <signal.h>

class AgentFixture : public WithFolder
{
  protected:
    struct opr_apiserver *apiserver = nullptr;
    struct opr_loop *server_loop = opr_loop_new(), *loop = nullptr;
    struct opr_client *client = nullptr, *agent_client = nullptr;
    struct opr_caller *caller = nullptr;
    struct opr_agent *agent = nullptr;
    std::thread loop_thread;
    std::string cgroup = "operon-test-" + std::to_string(getpid());

    void SetUp() override
    {
        WithFolder::SetUp();
        if (IsSkipped() || HasFatalFailure()) {
            return;
        }
        static const char *const groups[] = {"system:masters", NULL};
        struct opr_error err = {};
        struct opr_apiserver_config config = {};
        config.address = "127.0.0.1";
        config.clock = opr_clock_system();
        ASSERT_EQ(OPR_OK, opr_apiserver_new(&config, &apiserver, &err)) << err.message;
        client = opr_client_new(
            opr_transport_local_new(server_loop, opr_apiserver_handler(apiserver), "test", groups));
        caller = opr_caller_new(client);
        start_agent();
        ASSERT_TRUE(wait_for([&] {
            return get("/api/v1/nodes/n1", "/status/nodeInfo/operatingSystem") == "linux";
        }));
    }
    void TearDown() override
    {
        if (agent) {
            stop_agent();
        }
        opr_caller_free(caller);
        opr_client_free(client);
        opr_apiserver_free(apiserver);
        opr_loop_free(server_loop);
        if (!dir.empty()) {
            opr_agent_clean(cgroup.c_str(), "n1", (dir + "/n1").c_str(), nullptr);
            opr_agent_clean_network(cgroup.c_str(), nullptr, nullptr);
        }
        WithFolder::TearDown();
    }
    void start_agent()
    {
        static const char *const groups[] = {"system:masters", NULL};
        struct opr_error err = {};
        loop = opr_loop_new();
        agent_client = opr_client_new(
            opr_transport_local_new(loop, opr_apiserver_handler(apiserver), "test", groups));
        std::string node_dir = dir + "/n1";
        struct opr_agent_config config = {};
        config.loop = loop;
        config.client = agent_client;
        config.clock = opr_clock_system();
        config.node_name = "n1";
        config.dir = node_dir.c_str();
        config.roles = OPR_AGENT_PODS;
        config.sync_period_ms = 500;
        config.lease_ms = 500;
        config.cgroup_parent = cgroup.c_str();
        ASSERT_EQ(OPR_OK, opr_agent_new(&config, &agent, &err)) << err.message;
        opr_agent_start(agent);
        loop_thread = std::thread([this] { opr_loop_run(loop); });
    }
    void stop_agent()
    {
        opr_loop_post(
            loop,
            [](void *arg) {
                auto *self = static_cast<AgentFixture *>(arg);
                opr_agent_stop(
                    self->agent,
                    [](void *inner) { opr_loop_stop(static_cast<AgentFixture *>(inner)->loop); },
                    self);
            },
            this);
        loop_thread.join();
        opr_agent_free(agent);
        opr_client_free(agent_client);
        opr_loop_free(loop);
        agent = nullptr;
    }
    opr_status call(const char *method, const std::string &path, const std::string &body,
                    struct opr_obj **ret = nullptr)
    {
        struct opr_error err = {};
        opr_status st = opr_call(caller, method, path.c_str(), "application/json",
                                 opr_str_n(body.data(), body.size()), ret, &err);
        if (st != OPR_OK && st != OPR_E_NOT_FOUND) {
            ADD_FAILURE() << method << " " << path << ": " << err.message;
        }
        return st;
    }
    /* Text (or number) at a pointer of an object; "" where it is absent. */
    std::string get(const std::string &path, const char *ptr)
    {
        struct opr_obj *o = nullptr;
        struct opr_error err = {};
        if (opr_call(caller, "GET", path.c_str(), NULL, opr_str{}, &o, &err) != OPR_OK) {
            return "";
        }
        const struct opr_obj *v = opr_json_at(o, ptr);
        std::string text = opr_json_type(v) == OPR_TYPE_NUMBER
                               ? std::to_string(opr_json_int(v, "", 0))
                               : opr_json_str(v, "", "");
        opr_json_unref(o);
        return text;
    }
    void create(const std::string &name, const std::string &spec)
    {
        ASSERT_EQ(OPR_OK,
                  call("POST", "/api/v1/namespaces/default/pods",
                       R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name +
                           R"("},"spec":{"nodeName":"n1","terminationGracePeriodSeconds":1,)" +
                           R"("automountServiceAccountToken":false,)" + spec + "}}"));
    }
    void create_sh(const std::string &name, const std::string &script, const std::string &more = "")
    {
        create(name, more +
                         R"("containers":[{"name":"c","image":"operon.local/host","command":)"
                         R"(["sh","-c",")" +
                         script + R"("]}])");
    }
    std::string pod(const std::string &name, const char *ptr)
    {
        return get("/api/v1/namespaces/default/pods/" + name, ptr);
    }
    std::string log_of(const std::string &name, int attempt = 0)
    {
        return read_file(run_dir(name, attempt) + "/log");
    }
    bool logs(const std::string &name, const std::string &text, int attempt = 0)
    {
        bool is_ok =
            wait_for([&] { return log_of(name, attempt).find(text) != std::string::npos; });
        EXPECT_TRUE(is_ok) << log_of(name, attempt);
        return is_ok;
    }
    bool waits_for(const std::string &name, const char *ptr, const std::string &value)
    {
        bool is_ok = wait_for([&] { return pod(name, ptr) == value; });
        EXPECT_EQ(value, pod(name, ptr)) << name << " " << ptr;
        return is_ok;
    }
    std::string run_dir(const std::string &name, int attempt)
    {
        return dir + "/n1/pods/" + pod(name, "/metadata/uid") + "/containers/c/" +
               std::to_string(attempt);
    }
    pid_t app(const std::string &name, int attempt)
    {
        return (pid_t)atol(read_file(run_dir(name, attempt) + "/app.pid").c_str());
    }
    static constexpr const char *PHASE = "/status/phase";
    static constexpr const char *RESTARTS = "/status/containerStatuses/0/restartCount";
};

#endif
