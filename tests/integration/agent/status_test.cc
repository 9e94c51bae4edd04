/* The words and numbers of a Pod's status, and what of them the next agent keeps. */
#include "agent_fixture.h"

#include <fstream>

namespace
{

class Status : public AgentFixture
{
  protected:
    static std::string host(const std::string &name, const std::string &script)
    {
        return R"({"name":")" + name + R"(","image":"operon.local/host","command":["sh","-c",")" +
               script + "\"]";
    }
    /* A member of the condition of that type. */
    std::string condition(const std::string &name, const std::string &type, const char *ptr)
    {
        struct opr_obj *o = nullptr;
        (void)call("GET", "/api/v1/namespaces/default/pods/" + name, "", &o);
        std::string text;
        const struct opr_obj *list = opr_json_at(o, "/status/conditions");
        for (const struct opr_obj *c = opr_json_first(list); c; c = opr_json_next(c)) {
            text = type == opr_json_str(c, "/type", "") ? opr_json_str(c, ptr, "") : text;
        }
        opr_json_unref(o);
        return text;
    }
    static std::string state(const char *what)
    {
        return std::string("/status/containerStatuses/0/") + what;
    }
};

TEST_F(Status, ASidecarKeepsThePodRunningAndEndsWithItsWork)
{
    std::string flag = dir + "/go";
    create("s",
           R"("restartPolicy":"Never","initContainers":[)" +
               host("one", "trap 'echo one >> " + dir +
                               "/ended; exit 0' TERM; "
                               "while :; do sleep 0.02; done") +
               R"(,"restartPolicy":"Always"},)" +
               host("two", "trap 'echo two >> " + dir +
                               "/ended; exit 0' TERM; "
                               "while :; do sleep 0.02; done") +
               R"(,"restartPolicy":"Always"}],"terminationGracePeriodSeconds":20,"containers":[)" +
               host("c", "until [ -f " + flag + " ]; do sleep 0.02; done; exit 0") + "}]");
    ASSERT_TRUE(waits_for("s", PHASE, "Running"));
    std::ofstream(flag) << "x";
    ASSERT_TRUE(waits_for("s", PHASE, "Succeeded"));
    EXPECT_EQ("two\none\n", read_file(dir + "/ended")) << "the last that began ends first";
    EXPECT_EQ("PodCompleted", condition("s", "Ready", "/reason"));
    EXPECT_EQ("False", condition("s", "PodReadyToStartContainers", "/status"));
    EXPECT_EQ("0", pod("s", "/status/initContainerStatuses/0/restartCount"));
}

TEST_F(Status, AFailedInitContainerIsNamedAsIncomplete)
{
    create("i", R"("restartPolicy":"Never","initContainers":[)" + host("good", "exit 0") + "}," +
                    host("bad", "exit 3") + "}]," + R"("containers":[)" + host("c", "sleep 9") +
                    "}]");
    ASSERT_TRUE(waits_for("i", PHASE, "Failed"));
    EXPECT_EQ("ContainersNotInitialized", condition("i", "Initialized", "/reason"));
    EXPECT_EQ("containers with incomplete status: [bad]",
              condition("i", "Initialized", "/message"));
    EXPECT_EQ("PodFailed", condition("i", "Ready", "/reason"));
    EXPECT_EQ("PodInitializing", pod("i", state("state/waiting/reason").c_str()));
}

TEST_F(Status, ReadinessGatesAreNamed)
{
    create("g", R"("readinessGates":[{"conditionType":"a.b/c"}],"containers":[)" +
                    host("c", "exec sleep 60") + "}]");
    ASSERT_TRUE(waits_for("g", PHASE, "Running"));
    EXPECT_TRUE(wait_for([&] {
        return condition("g", "Ready", "/message") ==
               "corresponding condition of pod readiness gate \"a.b/c\" does not exist.";
    })) << condition("g", "Ready", "/message");
    EXPECT_EQ("True", condition("g", "ContainersReady", "/status"));
    struct opr_error err = {};
    auto set = [&](const char *status) {
        std::string body = std::string(R"({"status":{"conditions":[{"type":"a.b/c","status":")") +
                           status + "\"}]}}";
        ASSERT_EQ(OPR_OK, opr_call(caller, "PATCH", "/api/v1/namespaces/default/pods/g/status",
                                   "application/strategic-merge-patch+json",
                                   opr_str_n(body.data(), body.size()), NULL, &err))
            << err.message;
    };
    set("False");
    EXPECT_TRUE(wait_for([&] {
        return condition("g", "Ready", "/message") ==
               "the status of pod readiness gate \"a.b/c\" is not \"True\", but False";
    })) << condition("g", "Ready", "/message");
    set("True");
    EXPECT_TRUE(wait_for([&] { return condition("g", "Ready", "/status") == "True"; }));
}

TEST_F(Status, AProgramThatCanNotBeRun)
{
    create("r",
           R"("containers":[{"name":"c","image":"operon.local/host","command":["/no/such"]}])");
    ASSERT_TRUE(waits_for("r", state("state/waiting/reason").c_str(), "RunContainerError"));
    EXPECT_EQ("StartError", pod("r", state("lastState/terminated/reason").c_str()));
    EXPECT_EQ("128", pod("r", state("lastState/terminated/exitCode").c_str()));
    ASSERT_TRUE(waits_for("r", state("state/waiting/reason").c_str(), "CrashLoopBackOff"));
    EXPECT_EQ("back-off 10s restarting failed container=c pod=r_default(" +
                  pod("r", "/metadata/uid") + ")",
              pod("r", state("state/waiting/message").c_str()));
    create("n", R"("restartPolicy":"Never","containers":[{"name":"c","image":"operon.local/host",)"
                R"("command":["/no/such"]}])");
    ASSERT_TRUE(waits_for("n", PHASE, "Failed"));
    EXPECT_EQ("StartError", pod("n", state("state/terminated/reason").c_str()));
}

TEST_F(Status, AContainerThatNeverBeganWhenThePodWasEnded)
{
    create("d", R"("activeDeadlineSeconds":2,"containers":[)" + host("c", "exec sleep 60") + "}," +
                    R"({"name":"d","image":"not/there:1"}])");
    ASSERT_TRUE(waits_for("d", PHASE, "Failed"));
    EXPECT_EQ("DeadlineExceeded", pod("d", "/status/reason"));
    EXPECT_EQ("ContainerStatusUnknown",
              pod("d", "/status/containerStatuses/1/state/terminated/reason"));
    EXPECT_EQ("137", pod("d", "/status/containerStatuses/1/state/terminated/exitCode"));
    EXPECT_EQ("143", pod("d", state("state/terminated/exitCode").c_str()));
}

TEST_F(Status, ALivenessProbeMayBringItsOwnGrace)
{
    create("p", R"("containers":[)" + host("c", "trap '' TERM; while :; do sleep 0.02; done") +
                    R"(,"livenessProbe":{"exec":{"command":["false"]},"periodSeconds":1,)"
                    R"("failureThreshold":1,"terminationGracePeriodSeconds":1}}],)"
                    R"("terminationGracePeriodSeconds":600)");
    ASSERT_TRUE(waits_for("p", RESTARTS, "1")) << "and not after ten minutes";
    EXPECT_EQ("137", pod("p", state("lastState/terminated/exitCode").c_str()));
}

TEST_F(Status, AProgramHasTimeToEndAfterASlowPreStop)
{
    create("l", R"("containers":[)" +
                    host("c", "trap 'sleep 0.3; echo end > " + dir +
                                  "/end; exit 0' TERM; echo up; while :; do sleep 0.02; done") +
                    R"(,"lifecycle":{"preStop":{"exec":{"command":["sleep","60"]}}}}])");
    ASSERT_TRUE(waits_for("l", PHASE, "Running"));
    ASSERT_TRUE(logs("l", "F up"));
    ASSERT_EQ(OPR_OK, call("DELETE", "/api/v1/namespaces/default/pods/l", ""));
    EXPECT_TRUE(wait_for([&] { return pod("l", "/metadata/name").empty(); }));
    EXPECT_EQ("end\n", read_file(dir + "/end"));
}

TEST_F(Status, AnotherImageEndsTheRunWhateverThePolicy)
{
    create("i", R"("restartPolicy":"Never","containers":[)" + host("c", "exec sleep 600") + "}]");
    ASSERT_TRUE(waits_for("i", PHASE, "Running"));
    auto set_image = [&](const char *image) {
        struct opr_error err = {};
        std::string body =
            std::string(R"({"spec":{"containers":[{"name":"c","image":")") + image + "\"}]}}";
        ASSERT_EQ(OPR_OK, opr_call(caller, "PATCH", "/api/v1/namespaces/default/pods/i",
                                   "application/strategic-merge-patch+json",
                                   opr_str_n(body.data(), body.size()), NULL, &err))
            << err.message;
    };
    set_image("operon.local/host:2");
    ASSERT_TRUE(waits_for("i", RESTARTS, "1"));
    EXPECT_TRUE(waits_for("i", state("image").c_str(), "operon.local/host:2"));
    stop_agent(); /* the next one knows what runs, and what should */
    set_image("operon.local/host:3");
    start_agent();
    EXPECT_TRUE(waits_for("i", RESTARTS, "2"));
    stop_agent();
    start_agent();
    ASSERT_TRUE(wait_for([&] { return condition("i", "Ready", "/status") == "True"; }));
    EXPECT_EQ("2", pod("i", RESTARTS));
}

TEST_F(Status, ReadinessThatOthersWriteIsPutRight)
{
    create("r", R"("containers":[)" + host("c", "exec sleep 600") + "}]");
    ASSERT_TRUE(wait_for([&] { return condition("r", "Ready", "/status") == "True"; }));
    struct opr_error err = {};
    ASSERT_EQ(
        OPR_OK,
        opr_call(caller, "PATCH", "/api/v1/namespaces/default/pods/r/status",
                 "application/strategic-merge-patch+json",
                 opr_str_of(R"({"status":{"conditions":[{"type":"Ready","status":"False"}]}})"),
                 NULL, &err));
    EXPECT_EQ("False", condition("r", "Ready", "/status"));
    EXPECT_TRUE(wait_for([&] { return condition("r", "Ready", "/status") == "True"; }));
}

TEST_F(Status, AMissingObjectIsNamedAndWaitedFor)
{
    create("w", R"("volumes":[{"name":"v","configMap":{"name":"late"}}],"containers":[)" +
                    host("c", "cat /v/k; echo; exec sleep 60") +
                    R"(,"volumeMounts":[{"name":"v","mountPath":"/v"}],)"
                    R"("envFrom":[{"secretRef":{"name":"later"}}]}])");
    EXPECT_TRUE(
        waits_for("w", state("state/waiting/message").c_str(),
                  "MountVolume.SetUp failed for volume \"v\" : configmap \"late\" not found"));
    EXPECT_EQ("ContainerCreating", pod("w", state("state/waiting/reason").c_str()));
    ASSERT_EQ(OPR_OK, call("POST", "/api/v1/namespaces/default/configmaps",
                           R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"late"},)"
                           R"("data":{"k":"here"}})"));
    EXPECT_TRUE(
        waits_for("w", state("state/waiting/reason").c_str(), "CreateContainerConfigError"));
    EXPECT_EQ("secret \"later\" not found", pod("w", state("state/waiting/message").c_str()));
    ASSERT_EQ(OPR_OK, call("POST", "/api/v1/namespaces/default/secrets",
                           R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"later"}})"));
    ASSERT_TRUE(waits_for("w", PHASE, "Running"));
    EXPECT_TRUE(logs("w", "F here"));
}

TEST_F(Status, OneMissingObjectDoesNotHoldOtherVolumesBack)
{
    for (const char *name : {"gone", "kept"}) {
        ASSERT_EQ(
            OPR_OK,
            call("POST", "/api/v1/namespaces/default/configmaps",
                 std::string(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")") +
                     name + R"("},"data":{"k":"one"}})"));
    }
    create("v", R"("volumes":[{"name":"a","configMap":{"name":"gone"}},)"
                R"({"name":"b","configMap":{"name":"kept"}}],"containers":[)" +
                    host("c", "exec sleep 60") + "}]");
    ASSERT_TRUE(waits_for("v", PHASE, "Running"));
    std::string volumes = dir + "/n1/pods/" + pod("v", "/metadata/uid") + "/volumes/";
    ASSERT_EQ(OPR_OK, call("DELETE", "/api/v1/namespaces/default/configmaps/gone", ""));
    struct opr_error err = {};
    ASSERT_EQ(OPR_OK, opr_call(caller, "PATCH", "/api/v1/namespaces/default/configmaps/kept",
                               "application/merge-patch+json",
                               opr_str_of(R"({"data":{"k":"two"}})"), NULL, &err));
    EXPECT_TRUE(wait_for([&] { return read_file(volumes + "b/k") == "two"; }));
    EXPECT_EQ("one", read_file(volumes + "a/k")) << "what was there stays";
}

TEST_F(Status, TheNextAgentKnowsReadinessAndWhyARunEnded)
{
    create("ready", R"("containers":[)" + host("c", "exec sleep 60") +
                        R"(,"readinessProbe":{"exec":{"command":["test","-f",")" + dir +
                        R"(/ok"]},"periodSeconds":1,"failureThreshold":1000}}])");
    create("oom", R"("restartPolicy":"Never","containers":[)" +
                      host("c", "until [ -f " + dir +
                                    "/go ]; do sleep 0.02; done; "
                                    "head -c 200000000 /dev/zero | tail -c 150000000 > /dev/null") +
                      R"(,"resources":{"limits":{"memory":"16Mi"}}}])");
    std::ofstream(dir + "/ok") << "x";
    ASSERT_TRUE(waits_for("oom", PHASE, "Running"));
    ASSERT_TRUE(wait_for([&] { return condition("ready", "Ready", "/status") == "True"; }));
    std::string since = condition("ready", "Ready", "/lastTransitionTime");
    stop_agent();
    unlink((dir + "/ok").c_str()); /* asked anew, the probe would say no */
    std::ofstream(dir + "/go") << "x";
    std::string oom_dir = run_dir("oom", 0);
    ASSERT_TRUE(wait_for([&] { return access((oom_dir + "/exit").c_str(), F_OK) == 0; }));
    start_agent();
    ASSERT_TRUE(wait_for(
        [&] { return pod("oom", PHASE) == "Failed" || pod("oom", PHASE) == "Succeeded"; }));
    if (pod("oom", PHASE) == "Failed") { /* else there are no limits here */
        EXPECT_EQ("OOMKilled", pod("oom", state("state/terminated/reason").c_str()));
    }
    EXPECT_EQ("True", condition("ready", "Ready", "/status"));
    EXPECT_EQ(since, condition("ready", "Ready", "/lastTransitionTime"));
}

TEST_F(Status, WhatBelongsToNobodyIsEndedAtTheStart)
{
    create_sh("x", "exec sleep 600");
    ASSERT_TRUE(waits_for("x", PHASE, "Running"));
    pid_t pid = app("x", 0);
    std::string uid = pod("x", "/metadata/uid");
    stop_agent();
    ASSERT_EQ(0, system(("rm -rf " + dir + "/n1/pods/" + uid).c_str()));
    ASSERT_EQ(0, kill(pid, 0));
    start_agent();
    EXPECT_TRUE(wait_for([&] { return kill(pid, 0) != 0; })) << "it would run beside the new one";
    EXPECT_TRUE(wait_for([&] { return app("x", 0) > 0 && app("x", 0) != pid; }));
}

} // namespace
