/* The agent against the embedded API server in this process: a Pod's life, a killed program, a
 * killed agent, a power cut. Host network, so that nothing of the machine's network changes. */
#include "agent/agent.h"
#include "apiserver/apiserver.h"
#include "core/base/str.h"
#include "support.h"

#include <signal.h>

namespace
{

class Agent : public WithFolder
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
                auto *self = static_cast<Agent *>(arg);
                opr_agent_stop(
                    self->agent,
                    [](void *inner) { opr_loop_stop(static_cast<Agent *>(inner)->loop); }, self);
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
    static constexpr const char *STATE = "/status/containerStatuses/0/state";
    static constexpr const char *RESTARTS = "/status/containerStatuses/0/restartCount";
};

TEST_F(Agent, RegistersItsNodeAndRenewsItsLease)
{
    EXPECT_EQ("n1", get("/api/v1/nodes/n1", "/metadata/labels/kubernetes.io~1hostname"));
    EXPECT_NE("", get("/api/v1/nodes/n1", "/status/allocatable/memory"));
    const char *path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1";
    ASSERT_TRUE(wait_for([&] { return get(path, "/spec/renewTime") != ""; }));
    std::string first = get(path, "/spec/renewTime");
    EXPECT_EQ("2", get(path, "/spec/leaseDurationSeconds"));
    EXPECT_TRUE(wait_for([&] { return get(path, "/spec/renewTime") > first; }));
}

TEST_F(Agent, APodRunsAndIsDeleted)
{
    create_sh("a", "echo hello; exec sleep 60");
    ASSERT_TRUE(waits_for("a", PHASE, "Running"));
    EXPECT_EQ("127.0.0.1", pod("a", "/status/podIP"));
    EXPECT_EQ("BestEffort", pod("a", "/status/qosClass"));
    EXPECT_NE("", pod("a", "/status/containerStatuses/0/state/running/startedAt"));
    EXPECT_TRUE(wait_for(
        [&] { return read_file(run_dir("a", 0) + "/log").find("F hello") != std::string::npos; }));
    std::string folder = dir + "/n1/pods/" + pod("a", "/metadata/uid");
    pid_t pid = app("a", 0);
    ASSERT_EQ(OPR_OK, call("DELETE", "/api/v1/namespaces/default/pods/a", ""));
    EXPECT_TRUE(wait_for([&] { return pod("a", "/metadata/name").empty(); }));
    EXPECT_TRUE(wait_for([&] { return access(folder.c_str(), F_OK) != 0; }));
    EXPECT_NE(0, access(("/proc/" + std::to_string(pid) + "/exe").c_str(), F_OK));
}

TEST_F(Agent, AKilledProgramIsStartedAgainAtOnceThenWithBackOff)
{
    create_sh("b", "exec sleep 60");
    ASSERT_TRUE(waits_for("b", PHASE, "Running"));
    auto begin = std::chrono::steady_clock::now();
    ASSERT_EQ(0, kill(app("b", 0), SIGKILL));
    ASSERT_TRUE(waits_for("b", RESTARTS, "1"));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
    EXPECT_EQ("137", pod("b", "/status/containerStatuses/0/lastState/terminated/exitCode"));
    ASSERT_EQ(0, kill(app("b", 1), SIGKILL));
    EXPECT_TRUE(
        waits_for("b", "/status/containerStatuses/0/state/waiting/reason", "CrashLoopBackOff"));
    EXPECT_EQ("Running", pod("b", PHASE));
}

TEST_F(Agent, RestartPoliciesDecideTheEnd)
{
    create_sh("ok", "exit 0", R"("restartPolicy":"Never",)");
    create_sh("bad", "exit 3", R"("restartPolicy":"Never",)");
    create_sh("retry", "exit 0", R"("restartPolicy":"OnFailure",)");
    EXPECT_TRUE(waits_for("ok", PHASE, "Succeeded"));
    EXPECT_TRUE(waits_for("bad", PHASE, "Failed"));
    EXPECT_EQ("3", pod("bad", "/status/containerStatuses/0/state/terminated/exitCode"));
    EXPECT_EQ("Error", pod("bad", "/status/containerStatuses/0/state/terminated/reason"));
    EXPECT_TRUE(waits_for("retry", PHASE, "Succeeded"));
    EXPECT_EQ("0", pod("retry", RESTARTS));
}

TEST_F(Agent, InitContainersRunInOrderAndShareAVolume)
{
    create("i", R"("initContainers":[
        {"name":"i1","image":"operon.local/host","command":["sh","-c","sleep 0.2; echo 1 > /v/f"],
         "volumeMounts":[{"name":"v","mountPath":"/v"}]},
        {"name":"i2","image":"operon.local/host","command":["sh","-c","echo 2 >> /v/f"],
         "volumeMounts":[{"name":"v","mountPath":"/v"}]}],
      "containers":[{"name":"c","image":"operon.local/host","command":["sh","-c","cat /v/f; exec sleep 60"],
         "volumeMounts":[{"name":"v","mountPath":"/v"}]}],
      "volumes":[{"name":"v","emptyDir":{}}])");
    ASSERT_TRUE(waits_for("i", PHASE, "Running"));
    EXPECT_EQ("0", pod("i", "/status/initContainerStatuses/0/state/terminated/exitCode"));
    ASSERT_TRUE(wait_for(
        [&] { return read_file(run_dir("i", 0) + "/log").find(" F 2") != std::string::npos; }));
    EXPECT_NE(std::string::npos, read_file(run_dir("i", 0) + "/log").find(" F 1"));
}

TEST_F(Agent, AFailedInitContainerHoldsTheRestBack)
{
    create("f",
           R"("restartPolicy":"Never","initContainers":[{"name":"i","image":"operon.local/host",
        "command":["false"]}],"containers":[{"name":"c","image":"operon.local/host","command":["true"]}])");
    ASSERT_TRUE(waits_for("f", PHASE, "Failed"));
    EXPECT_EQ("PodInitializing", pod("f", "/status/containerStatuses/0/state/waiting/reason"));
}

TEST_F(Agent, ASidecarServesFromBeginningToEnd)
{
    std::string file = dir + "/order";
    create("side",
           R"("initContainers":[{"name":"s","image":"operon.local/host","restartPolicy":"Always",
        "command":["sh","-c","trap 'echo side >> )" +
               file + R"(; exit 0' TERM; echo up >> )" + file +
               R"(; while :; do sleep 0.05; done"]}],
      "containers":[{"name":"c","image":"operon.local/host",
        "command":["sh","-c","trap 'sleep 0.3; echo main >> )" +
               file + R"(; exit 0' TERM; echo run >> )" + file +
               R"(; while :; do sleep 0.05; done"]}])");
    ASSERT_TRUE(waits_for("side", PHASE, "Running"));
    ASSERT_TRUE(wait_for([&] { return read_file(file).find("run") != std::string::npos; }));
    ASSERT_EQ(OPR_OK, call("DELETE", "/api/v1/namespaces/default/pods/side", ""));
    ASSERT_TRUE(wait_for([&] { return pod("side", "/metadata/name").empty(); }));
    std::string order = read_file(file);
    EXPECT_LT(order.find("main\n"), order.find("side\n")) << order;
    EXPECT_NE(std::string::npos, order.find("side\n")) << order;
}

TEST_F(Agent, OtherImagesAreRefusedHonestly)
{
    create("img", R"("containers":[{"name":"c","image":"nginx:1"}])");
    ASSERT_TRUE(
        waits_for("img", "/status/containerStatuses/0/state/waiting/reason", "ErrImagePull"));
    EXPECT_EQ("Pending", pod("img", PHASE));
}

TEST_F(Agent, EnvironmentFromObjects)
{
    create("e", R"("containers":[{"name":"c","image":"operon.local/host",
        "command":["sh","-c","echo got-$A-$(A)-$NAME-$LIM; exec sleep 60"],
        "resources":{"limits":{"memory":"64Mi"}},
        "env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"cm","key":"k"}}},
               {"name":"NAME","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},
               {"name":"LIM","valueFrom":{"resourceFieldRef":{"resource":"limits.memory","divisor":"1Mi"}}}]}])");
    ASSERT_TRUE(waits_for("e", "/status/containerStatuses/0/state/waiting/reason",
                          "CreateContainerConfigError"));
    EXPECT_EQ("configmap \"cm\" not found",
              pod("e", "/status/containerStatuses/0/state/waiting/message"));
    ASSERT_EQ(OPR_OK, call("POST", "/api/v1/namespaces/default/configmaps",
                           R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm"},)"
                           R"("data":{"k":"v"}})"));
    ASSERT_TRUE(waits_for("e", PHASE, "Running"));
    EXPECT_TRUE(wait_for([&] {
        return read_file(run_dir("e", 0) + "/log").find("got-v-v-e-64") != std::string::npos;
    })) << read_file(run_dir("e", 0) + "/log");
}

TEST_F(Agent, ProbesDecideReadinessAndRestart)
{
    std::string flag = dir + "/flag";
    create("p", R"("containers":[{"name":"c","image":"operon.local/host","command":["sleep","60"],
        "readinessProbe":{"exec":{"command":["test","-f",")" +
                    flag + R"("]},"periodSeconds":1}}])");
    ASSERT_TRUE(waits_for("p", PHASE, "Running"));
    auto ready = [&] {
        struct opr_obj *o = nullptr;
        (void)call("GET", "/api/v1/namespaces/default/pods/p", "", &o);
        bool is_ready = opr_json_bool(o, "/status/containerStatuses/0/ready", false);
        opr_json_unref(o);
        return is_ready;
    };
    EXPECT_FALSE(ready());
    FILE *f = fopen(flag.c_str(), "w");
    ASSERT_NE(nullptr, f);
    fclose(f);
    EXPECT_TRUE(wait_for(ready));
    create("live",
           R"("containers":[{"name":"c","image":"operon.local/host","command":["sleep","60"],
        "livenessProbe":{"tcpSocket":{"port":1},"periodSeconds":1,"failureThreshold":1}}])");
    EXPECT_TRUE(waits_for("live", RESTARTS, "1"));
}

TEST_F(Agent, TheNextAgentAdoptsWhatRuns)
{
    create_sh("k", "exec sleep 60");
    create_sh("gone", "exec sleep 60");
    ASSERT_TRUE(waits_for("k", PHASE, "Running"));
    ASSERT_TRUE(waits_for("gone", PHASE, "Running"));
    pid_t pid = app("k", 0);
    std::string folder = dir + "/n1/pods/" + pod("gone", "/metadata/uid");
    stop_agent();
    ASSERT_EQ(0, kill(pid, 0));
    ASSERT_EQ(OPR_OK, call("DELETE", "/api/v1/namespaces/default/pods/gone?gracePeriodSeconds=0",
                           R"({"gracePeriodSeconds":0})"));
    start_agent();
    EXPECT_TRUE(wait_for([&] { return access(folder.c_str(), F_OK) != 0; })) << "the deleted one";
    EXPECT_EQ(pid, app("k", 0));
    EXPECT_EQ("0", pod("k", RESTARTS));
    ASSERT_EQ(0, kill(pid, SIGKILL));
    EXPECT_TRUE(waits_for("k", RESTARTS, "1")) << "the adopted one is looked after";
}

TEST_F(Agent, TheComparisonRepairsAStatusThatOthersWrote)
{
    create_sh("s", "exec sleep 60");
    ASSERT_TRUE(waits_for("s", PHASE, "Running"));
    struct opr_error err = {};
    const char *patch = R"({"status":{"phase":"Pending","containerStatuses":null}})";
    ASSERT_EQ(OPR_OK, opr_call(caller, "PATCH", "/api/v1/namespaces/default/pods/s/status",
                               "application/merge-patch+json", opr_str_of(patch), NULL, &err))
        << err.message;
    EXPECT_TRUE(waits_for("s", PHASE, "Running"));
    EXPECT_TRUE(waits_for("s", RESTARTS, "0"));
}

TEST_F(Agent, APhaseThatIsFinalEndsTheContainers)
{
    create_sh("t", "exec sleep 60");
    ASSERT_TRUE(waits_for("t", PHASE, "Running"));
    pid_t pid = app("t", 0);
    struct opr_error err = {};
    std::string version; /* the agent's own writes about the start are over */
    while (version != pod("t", "/metadata/resourceVersion")) {
        version = pod("t", "/metadata/resourceVersion");
        usleep(400000);
    }
    ASSERT_EQ(OPR_OK, opr_call(caller, "PATCH", "/api/v1/namespaces/default/pods/t/status",
                               "application/merge-patch+json",
                               opr_str_of(R"({"status":{"phase":"Failed"}})"), NULL, &err))
        << err.message;
    EXPECT_TRUE(wait_for(
        [&] { return access(("/proc/" + std::to_string(pid) + "/exe").c_str(), F_OK) != 0; }));
    EXPECT_EQ("Failed", pod("t", PHASE));
}

TEST_F(Agent, TheActiveDeadlineEndsAPod)
{
    create_sh("d", "exec sleep 60", R"("activeDeadlineSeconds":1,)");
    ASSERT_TRUE(waits_for("d", PHASE, "Failed"));
    EXPECT_EQ("DeadlineExceeded", pod("d", "/status/reason"));
}

TEST_F(Agent, TooMuchMemoryIsToldAsSuch)
{
    create("oom", R"("restartPolicy":"Never","containers":[{"name":"c","image":"operon.local/host",
        "command":["sh","-c","head -c 200000000 /dev/zero | tail -c 150000000 > /dev/null"],
        "resources":{"limits":{"memory":"16Mi"}}}])");
    ASSERT_TRUE(wait_for(
        [&] { return pod("oom", PHASE) == "Failed" || pod("oom", PHASE) == "Succeeded"; }));
    if (pod("oom", PHASE) == "Succeeded") {
        GTEST_SKIP() << "no memory cgroup limits here";
    }
    EXPECT_EQ("OOMKilled", pod("oom", "/status/containerStatuses/0/state/terminated/reason"));
}

TEST_F(Agent, APowerCutLosesEveryProcess)
{
    create_sh("x", "exec sleep 60");
    ASSERT_TRUE(waits_for("x", PHASE, "Running"));
    pid_t pid = app("x", 0);
    std::string run = run_dir("x", 0);
    stop_agent();
    opr_agent_kill_node(cgroup.c_str(), "n1", (dir + "/n1").c_str());
    EXPECT_TRUE(wait_for(
        [&] { return access(("/proc/" + std::to_string(pid) + "/exe").c_str(), F_OK) != 0; }));
    EXPECT_NE(0, access((run + "/exit").c_str(), F_OK)) << "nothing can say good-bye";
    start_agent();
    EXPECT_TRUE(waits_for("x", RESTARTS, "1"));
}

} // namespace
