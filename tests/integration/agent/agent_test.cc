/* The agent against the embedded API server in this process: a Pod's life, a killed program, a
 * killed agent, a power cut. Host network, so that nothing of the machine's network changes. */
#include "agent_fixture.h"

namespace
{

class Agent : public AgentFixture
{
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

TEST_F(Agent, ItsNodeTellsWhatItIsAndIsBelieved)
{
    const char *node = "/api/v1/nodes/n1";
    EXPECT_EQ("operon.local/host", get(node, "/status/images/0/names/0"));
    EXPECT_NE("", get(node, "/status/nodeInfo/bootID"));
    EXPECT_NE("", get(node, "/status/capacity/ephemeral-storage"));
    EXPECT_EQ("127.0.0.1", get(node, "/status/addresses/0/address"));
    EXPECT_EQ("", get(node, "/status/addresses/1/address")) << "no name that leads nowhere";
    auto ready = [&] {
        for (int i = 0; i < 4; i++) {
            std::string at = "/status/conditions/" + std::to_string(i);
            if (get(node, (at + "/type").c_str()) == "Ready") {
                return get(node, (at + "/status").c_str());
            }
        }
        return std::string();
    };
    EXPECT_TRUE(wait_for([&] { return ready() == "True"; }));
    struct opr_obj *events = nullptr;
    std::string reasons;
    ASSERT_TRUE(wait_for([&] {
        reasons.clear();
        (void)call("GET", "/api/v1/namespaces/default/events", "", &events);
        const struct opr_obj *list = opr_json_at(events, "/items");
        for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
            reasons += std::string(opr_json_str(v, "/reason", "")) + " ";
        }
        opr_json_unref(events);
        return reasons.find("NodeReady ") != std::string::npos;
    })) << reasons;
    EXPECT_NE(std::string::npos, reasons.find("Starting ")) << reasons;
    EXPECT_NE(std::string::npos, reasons.find("NodeHasSufficientPID ")) << reasons;
    struct opr_error err = {};
    const char *patch = R"({"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}})";
    ASSERT_EQ(OPR_OK,
              opr_call(caller, "PATCH", "/api/v1/nodes/n1/status",
                       "application/strategic-merge-patch+json", opr_str_of(patch), NULL, &err))
        << err.message;
    EXPECT_TRUE(wait_for([&] { return ready() == "True"; }, 20)) << "as after a late lease";
}

TEST_F(Agent, ANodeThatIsDeletedRegistersAgainAndKeepsItsPods)
{
    create_sh("p", "exec sleep 600");
    ASSERT_TRUE(waits_for("p", PHASE, "Running"));
    pid_t pid = app("p", 0);
    std::string uid = get("/api/v1/nodes/n1", "/metadata/uid");
    ASSERT_EQ(OPR_OK, call("DELETE", "/api/v1/nodes/n1", ""));
    ASSERT_EQ(
        OPR_OK,
        call("DELETE", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1", ""));
    ASSERT_TRUE(wait_for(
        [&] {
            std::string now = get("/api/v1/nodes/n1", "/metadata/uid");
            return !now.empty() && now != uid;
        },
        30));
    EXPECT_TRUE(wait_for(
        [&] { return get("/api/v1/nodes/n1", "/status/nodeInfo/operatingSystem") == "linux"; }));
    EXPECT_EQ("n1", get("/api/v1/nodes/n1", "/metadata/labels/kubernetes.io~1hostname"));
    EXPECT_TRUE(wait_for([&] {
        return get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1",
                   "/spec/holderIdentity") == "n1";
    }));
    EXPECT_EQ(0, kill(pid, 0));
    EXPECT_EQ("0", pod("p", RESTARTS));
}

TEST_F(Agent, APodOfTheSameNameIsAnother)
{
    create_sh("p", "trap '' TERM; while :; do sleep 0.05; done");
    ASSERT_TRUE(waits_for("p", PHASE, "Running"));
    pid_t first = app("p", 0);
    std::string uid = pod("p", "/metadata/uid");
    ASSERT_EQ(OPR_OK, call("DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0", ""));
    create_sh("p", "exec sleep 600");
    ASSERT_TRUE(waits_for("p", PHASE, "Running"));
    EXPECT_NE(uid, pod("p", "/metadata/uid"));
    EXPECT_NE(first, app("p", 0));
    EXPECT_TRUE(wait_for([&] { return kill(first, 0) != 0; }));
    EXPECT_TRUE(wait_for([&] { return access((dir + "/n1/pods/" + uid).c_str(), F_OK) != 0; }));
    EXPECT_EQ("Running", pod("p", PHASE));
}

TEST_F(Agent, APodIsDeletedWhileItStarts)
{
    for (int i = 0; i < 5; i++) {
        std::string name = "q" + std::to_string(i);
        create_sh(name, "exec sleep 600");
        if (i > 0) { /* at different points of its start */
            std::this_thread::sleep_for(std::chrono::milliseconds(i * 4));
        }
        ASSERT_EQ(OPR_OK, call("DELETE", "/api/v1/namespaces/default/pods/" + name, ""));
    }
    EXPECT_TRUE(wait_for([&] {
        struct opr_obj *o = nullptr;
        (void)call("GET", "/api/v1/namespaces/default/pods", "", &o);
        bool is_empty = opr_json_len(opr_json_at(o, "/items")) == 0;
        opr_json_unref(o);
        return is_empty;
    }));
    EXPECT_TRUE(wait_for([&] {
        return system(("rmdir " + dir + "/n1/pods 2>/dev/null").c_str()) == 0;
    })) << "a folder is left";
}

TEST_F(Agent, APodRunsAndIsDeleted)
{
    create_sh("a", "echo hello; exec sleep 60");
    ASSERT_TRUE(waits_for("a", PHASE, "Running"));
    EXPECT_NE("", pod("a", "/status/podIP"));
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
    const char *message = "/status/containerStatuses/0/state/waiting/message";
    EXPECT_NE(std::string::npos, pod("img", message).find("operon image load"))
        << pod("img", message);
    EXPECT_EQ("Pending", pod("img", PHASE));
    EXPECT_TRUE(
        waits_for("img", "/status/containerStatuses/0/state/waiting/reason", "ImagePullBackOff"));
    create("never", R"("containers":[{"name":"c","image":"nginx:1","imagePullPolicy":"Never"}])");
    EXPECT_TRUE(waits_for("never", "/status/containerStatuses/0/state/waiting/reason",
                          "ErrImageNeverPull"));
    create("bad", R"("containers":[{"name":"c","image":"UPPER:1"}])");
    EXPECT_TRUE(
        waits_for("bad", "/status/containerStatuses/0/state/waiting/reason", "InvalidImageName"));
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
    ASSERT_EQ(OPR_OK, opr_call(caller, "PATCH", "/api/v1/namespaces/default/pods/t/status",
                               "application/merge-patch+json",
                               opr_str_of(R"({"status":{"phase":"Failed"}})"), NULL, &err))
        << err.message;
    EXPECT_TRUE(wait_for(
        [&] { return access(("/proc/" + std::to_string(pid) + "/exe").c_str(), F_OK) != 0; }));
    EXPECT_EQ("Failed", pod("t", PHASE));
}

/* Others write the Pod all the while; nothing of theirs is lost, and the agent's status arrives. */
TEST_F(Agent, WritesOfOthersAndItsOwnBothArrive)
{
    create_sh("w", "sleep 0.3; exit 3", R"("restartPolicy":"Never",)");
    for (int i = 0; i < 40; i++) {
        std::string n = std::to_string(i);
        std::string patch = R"({"metadata":{"annotations":{"a)" + n + R"(":"x"}}})";
        std::string gate =
            R"({"status":{"conditions":[{"type":"test.local/c)" + n + R"(","status":"True"}]}})";
        struct opr_error err = {};
        const std::string path = "/api/v1/namespaces/default/pods/w";
        ASSERT_EQ(OPR_OK, opr_call(caller, "PATCH", path.c_str(), "application/merge-patch+json",
                                   opr_str_of(patch.c_str()), NULL, &err))
            << err.message;
        ASSERT_EQ(OPR_OK, opr_call(caller, "PATCH", (path + "/status").c_str(),
                                   "application/strategic-merge-patch+json",
                                   opr_str_of(gate.c_str()), NULL, &err))
            << err.message;
        usleep(10000);
    }
    ASSERT_TRUE(waits_for("w", PHASE, "Failed"));
    EXPECT_EQ("3", pod("w", "/status/containerStatuses/0/state/terminated/exitCode"));
    struct opr_obj *o = nullptr;
    (void)call("GET", "/api/v1/namespaces/default/pods/w", "", &o);
    EXPECT_EQ(40u, opr_json_len(opr_json_at(o, "/metadata/annotations")));
    int kept = 0;
    const struct opr_obj *list = opr_json_at(o, "/status/conditions");
    for (const struct opr_obj *c = opr_json_first(list); c; c = opr_json_next(c)) {
        kept += opr_str_starts(opr_json_text(c, "/type"), "test.local/");
    }
    EXPECT_EQ(40, kept);
    opr_json_unref(o);
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
