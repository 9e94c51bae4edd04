/* What surrounds a container's program: hooks, messages, volumes, users, the node's limits. */
#include "agent_fixture.h"

#include <fstream>
#include <mutex>
#include <netinet/in.h>
#include <sys/socket.h>

namespace
{

/* Answers each request on a port of its own and keeps the first line of each. */
struct HttpServer {
    int fd = socket(AF_INET, SOCK_STREAM, 0), port = 0;
    std::string answer;
    std::mutex lock;
    std::string seen;
    std::thread thread;

    explicit HttpServer(const std::string &status) : answer("HTTP/1.1 " + status + "\r\n\r\n")
    {
        struct sockaddr_in at = {};
        socklen_t len = sizeof at;
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(0, bind(fd, (struct sockaddr *)&at, sizeof at));
        EXPECT_EQ(0, listen(fd, 8));
        EXPECT_EQ(0, getsockname(fd, (struct sockaddr *)&at, &len));
        port = ntohs(at.sin_port);
        thread = std::thread([this] {
            for (int c; (c = accept(fd, nullptr, nullptr)) >= 0; close(c)) {
                char text[1024] = "";
                if (recv(c, text, sizeof text - 1, 0) > 0) {
                    std::lock_guard<std::mutex> guard(lock);
                    seen += std::string(text, strcspn(text, "\r")) + "\n";
                }
                (void)!send(c, answer.data(), answer.size(), MSG_NOSIGNAL);
            }
        });
    }
    ~HttpServer()
    {
        shutdown(fd, SHUT_RDWR);
        thread.join();
        close(fd);
    }
    std::string requests()
    {
        std::lock_guard<std::mutex> guard(lock);
        return seen;
    }
};

class Lifecycle : public AgentFixture
{
  protected:
    bool is_true(const std::string &name, const char *ptr)
    {
        struct opr_obj *o = nullptr;
        (void)call("GET", "/api/v1/namespaces/default/pods/" + name, "", &o);
        bool value = opr_json_bool(o, ptr, false);
        opr_json_unref(o);
        return value;
    }
    bool has_event(const std::string &reason, const std::string &part)
    {
        struct opr_obj *o = nullptr;
        (void)call("GET", "/api/v1/namespaces/default/events", "", &o);
        bool has = false;
        const struct opr_obj *list = opr_json_at(o, "/items");
        for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
            std::string text = opr_json_str(v, "/message", opr_json_str(v, "/note", ""));
            has = has || (reason == opr_json_str(v, "/reason", "") &&
                          text.find(part) != std::string::npos);
        }
        opr_json_unref(o);
        return has;
    }
    static std::string host(const std::string &script)
    {
        return R"("name":"c","image":"operon.local/host","command":["sh","-c",")" + script + "\"]";
    }
    static constexpr const char *TERMINATED = "/status/containerStatuses/0/state/terminated";
    static constexpr const char *READY = "/status/containerStatuses/0/ready";
};

TEST_F(Lifecycle, PostStartHoldsReadinessBack)
{
    std::string flag = dir + "/flag";
    create("p", R"("containers":[{)" + host("exec sleep 60") +
                    R"(,"lifecycle":{"postStart":{"exec":{"command":["sh","-c","until [ -f )" +
                    flag + R"( ]; do sleep 0.02; done"]}}}}])");
    ASSERT_TRUE(waits_for("p", PHASE, "Running"));
    EXPECT_FALSE(is_true("p", READY));
    std::ofstream(flag) << "x";
    EXPECT_TRUE(wait_for([&] { return is_true("p", READY); }));
}

TEST_F(Lifecycle, AFailedPostStartEndsTheContainer)
{
    create("f", R"("restartPolicy":"Never","containers":[{)" + host("exec sleep 60") +
                    R"(,"lifecycle":{"postStart":{"exec":{"command":["false"]}}}}])");
    ASSERT_TRUE(waits_for("f", PHASE, "Failed"));
    EXPECT_TRUE(wait_for([&] { return has_event("FailedPostStartHook", "ended with 1"); }));
    HttpServer refusing("500 No");
    create("h",
           R"("restartPolicy":"Never","containers":[{)" + host("exec sleep 60") +
               R"(,"lifecycle":{"postStart":{"httpGet":{"host":"127.0.0.1","path":"/up","port":)" +
               std::to_string(refusing.port) + "}}}}]");
    ASSERT_TRUE(waits_for("h", PHASE, "Failed"));
    EXPECT_EQ("GET /up HTTP/1.1\n", refusing.requests());
    EXPECT_TRUE(wait_for([&] { return has_event("FailedPostStartHook", "status is 500"); }));
}

TEST_F(Lifecycle, PreStopComesBeforeTheSignal)
{
    HttpServer server("200 OK");
    std::string order = dir + "/order";
    create("web",
           R"("containers":[{)" +
               host("trap 'echo term > " + order + "; exit 0' TERM; while :; do sleep 0.02; done") +
               R"(,"lifecycle":{"preStop":{"httpGet":{"host":"127.0.0.1","path":"/bye","port":)" +
               std::to_string(server.port) + "}}}}]");
    ASSERT_TRUE(waits_for("web", PHASE, "Running"));
    ASSERT_TRUE(wait_for([&] { return app("web", 0) > 0; }));
    usleep(100000); /* the trap is set: nothing tells from outside */
    ASSERT_EQ(OPR_OK, call("DELETE", "/api/v1/namespaces/default/pods/web", ""));
    EXPECT_TRUE(wait_for([&] { return pod("web", "/metadata/name").empty(); }));
    EXPECT_EQ("GET /bye HTTP/1.1\n", server.requests());
    EXPECT_EQ("term\n", read_file(order));
    create("nap",
           R"("containers":[{)" + host("exec sleep 60") +
               R"(,"lifecycle":{"preStop":{"sleep":{"seconds":1}}}}],"restartPolicy":"Never")");
    ASSERT_TRUE(waits_for("nap", PHASE, "Running"));
    auto begin = std::chrono::steady_clock::now();
    ASSERT_EQ(OPR_OK, call("DELETE", "/api/v1/namespaces/default/pods/nap?gracePeriodSeconds=20",
                           R"({"gracePeriodSeconds":20})"));
    EXPECT_TRUE(wait_for([&] { return pod("nap", "/metadata/name").empty(); }, 15));
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(990));
}

TEST_F(Lifecycle, AProbeMaySayMuch)
{
    create("p", R"("containers":[{)" + host("exec sleep 60") +
                    R"(,"readinessProbe":{"timeoutSeconds":5,"exec":{"command":)"
                    R"(["head","-c","300000","/dev/zero"]}}}])");
    ASSERT_TRUE(waits_for("p", PHASE, "Running"));
    EXPECT_TRUE(wait_for([&] { return is_true("p", READY); }));
}

TEST_F(Lifecycle, TerminationMessages)
{
    create("m", R"("restartPolicy":"Never","containers":[{)" +
                    host("echo said > /dev/termination-log; [ -c /dev/null ] && exit 3") + "}]");
    create("own", R"("restartPolicy":"Never","containers":[{)" +
                      host("echo mine > /tmp/why-test; exit 0") +
                      R"(,"terminationMessagePath":"/tmp/why-test"}])");
    create("log", R"("restartPolicy":"Never","containers":[{)" +
                      host("echo first; echo last words; exit 4") +
                      R"(,"terminationMessagePolicy":"FallbackToLogsOnError"}])");
    create("quiet", R"("restartPolicy":"Never","containers":[{)" + host("echo fine; exit 0") +
                        R"(,"terminationMessagePolicy":"FallbackToLogsOnError"}])");
    std::string message = std::string(TERMINATED) + "/message";
    ASSERT_TRUE(waits_for("m", PHASE, "Failed"));
    EXPECT_EQ("said\n", pod("m", message.c_str()));
    EXPECT_EQ("3", pod("m", (std::string(TERMINATED) + "/exitCode").c_str()));
    ASSERT_TRUE(waits_for("own", PHASE, "Succeeded"));
    EXPECT_EQ("mine\n", pod("own", message.c_str()));
    EXPECT_NE(0, access("/tmp/why-test", F_OK)) << "the host is not touched";
    EXPECT_NE(0, access("/dev/termination-log", F_OK));
    ASSERT_TRUE(waits_for("log", PHASE, "Failed"));
    EXPECT_EQ("first\nlast words\n", pod("log", message.c_str()));
    ASSERT_TRUE(waits_for("quiet", PHASE, "Succeeded"));
    EXPECT_EQ("", pod("quiet", message.c_str()));
}

TEST_F(Lifecycle, UsersGroupsAndAReadOnlyRoot)
{
    create(
        "u",
        R"("restartPolicy":"Never","securityContext":{"runAsUser":1234,"fsGroup":4321,)"
        R"("supplementalGroups":[77]},"containers":[{)" +
            host("id -u; id -G; echo x > /v/f && echo wrote; stat -c 'owner %g' /v/f; "
                 "echo no > /tmp/no-test || echo refused") +
            R"(,"securityContext":{"runAsGroup":5678,"readOnlyRootFilesystem":true},)" +
            R"("volumeMounts":[{"name":"v","mountPath":"/v"}]}],"volumes":[{"name":"v","emptyDir":{}}])");
    ASSERT_TRUE(waits_for("u", PHASE, "Succeeded"));
    std::string log = log_of("u");
    EXPECT_NE(std::string::npos, log.find("F 1234\n")) << log;
    EXPECT_NE(std::string::npos, log.find("F 5678 77 4321\n")) << log;
    EXPECT_NE(std::string::npos, log.find("F wrote\n")) << log;
    EXPECT_NE(std::string::npos, log.find("F owner 4321\n")) << log;
    EXPECT_NE(std::string::npos, log.find("F refused\n")) << log;
    create("root",
           R"("containers":[{)" + host("true") + R"(,"securityContext":{"runAsNonRoot":true}}])");
    EXPECT_TRUE(waits_for("root", "/status/containerStatuses/0/state/waiting/reason",
                          "CreateContainerConfigError"));
}

TEST_F(Lifecycle, VolumesFollowTheirObjects)
{
    ASSERT_EQ(OPR_OK, call("POST", "/api/v1/namespaces/default/configmaps",
                           R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm"},)"
                           R"("data":{"k":"one"}})"));
    ASSERT_EQ(OPR_OK,
              call("POST", "/api/v1/namespaces/default/serviceaccounts",
                   R"({"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"sa"}})"));
    create(
        "v",
        R"("serviceAccountName":"sa","containers":[{)" +
            host("cat /v/cpu /v/name; tr -dc . < /v/token; echo; tr -dc . < /v/other; echo; "
                 "readlink /v/k; exec sleep 60") +
            R"(,"resources":{"limits":{"cpu":"250m"}},"volumeMounts":[{"name":"v","mountPath":"/v"}]}],
        "volumes":[{"name":"v","projected":{"sources":[
          {"configMap":{"name":"cm"}},
          {"serviceAccountToken":{"path":"token","expirationSeconds":600}},
          {"serviceAccountToken":{"path":"other","audience":"some\"body","expirationSeconds":600}},
          {"downwardAPI":{"items":[{"path":"cpu","resourceFieldRef":{"containerName":"c","resource":"limits.cpu","divisor":"1m"}},
            {"path":"name","fieldRef":{"fieldPath":"metadata.name"}}]}}]}}])");
    ASSERT_TRUE(waits_for("v", PHASE, "Running"));
    EXPECT_TRUE(logs("v", "F ..data/k\n"));
    std::string log = log_of("v"),
                volume = dir + "/n1/pods/" + pod("v", "/metadata/uid") + "/volumes/v";
    EXPECT_NE(std::string::npos, log.find("F 250v..\n")) << log;
    EXPECT_NE(read_file(volume + "/token"), read_file(volume + "/other"));
    struct opr_error err = {};
    ASSERT_EQ(OPR_OK, opr_call(caller, "PATCH", "/api/v1/namespaces/default/configmaps/cm",
                               "application/merge-patch+json",
                               opr_str_of(R"({"data":{"k":"two","new":"x"}})"), NULL, &err));
    EXPECT_TRUE(wait_for([&] { return read_file(volume + "/k") == "two"; }));
    EXPECT_EQ("x", read_file(volume + "/new"));
}

TEST_F(Lifecycle, SubPathsStayInTheirVolume)
{
    create("s",
           R"("restartPolicy":"Never","initContainers":[{"name":"i","image":"operon.local/host",
        "command":["sh","-c","mkdir /v/in; echo inner > /v/in/f; ln -s /etc /v/out"],
        "volumeMounts":[{"name":"v","mountPath":"/v"}]}],
      "containers":[{)" +
               host("cat /one/f; echo made > /two/g") +
               R"x(,"env":[{"name":"WHO","value":"me"}],
        "volumeMounts":[{"name":"v","mountPath":"/one","subPath":"in"},
        {"name":"v","mountPath":"/two","subPathExpr":"dir-$(WHO)"}]}],
        "volumes":[{"name":"v","emptyDir":{}}])x");
    ASSERT_TRUE(waits_for("s", PHASE, "Succeeded"));
    EXPECT_NE(std::string::npos, log_of("s").find("F inner"));
    std::string volume = dir + "/n1/pods/" + pod("s", "/metadata/uid") + "/volumes/v";
    EXPECT_EQ("made\n", read_file(volume + "/dir-me/g"));
    create("bad", R"("initContainers":[{"name":"i","image":"operon.local/host",
        "command":["ln","-s","/etc","/v/out"],"volumeMounts":[{"name":"v","mountPath":"/v"}]}],
      "containers":[{)" +
                      host("exec sleep 60") +
                      R"(,"volumeMounts":[{"name":"v","mountPath":"/one","subPath":"out"}]}],
        "volumes":[{"name":"v","emptyDir":{}}])");
    EXPECT_TRUE(waits_for("bad", "/status/containerStatuses/0/state/waiting/reason",
                          "CreateContainerError"));
    const char *message = "/status/containerStatuses/0/state/waiting/message";
    EXPECT_NE(std::string::npos, pod("bad", message).find("leaves the volume"))
        << pod("bad", message);
}

TEST_F(Lifecycle, MemoryVolumesAndSizeLimits)
{
    create("mem", R"("containers":[{)" +
                      host("stat -f -c 'type %T' /v; head -c 2000000 /dev/zero > /v/f || echo "
                           "full; exec sleep 60") +
                      R"(,"volumeMounts":[{"name":"v","mountPath":"/v"}]}],
        "volumes":[{"name":"v","emptyDir":{"medium":"Memory","sizeLimit":"1Mi"}}])");
    ASSERT_TRUE(waits_for("mem", PHASE, "Running"));
    EXPECT_TRUE(logs("mem", "F type tmpfs\n"));
    EXPECT_TRUE(logs("mem", "F full\n"));
    std::string folder = dir + "/n1/pods/" + pod("mem", "/metadata/uid");
    ASSERT_EQ(OPR_OK, call("DELETE", "/api/v1/namespaces/default/pods/mem", ""));
    EXPECT_TRUE(wait_for([&] { return access(folder.c_str(), F_OK) != 0; }))
        << "unmounted, removed";
    create("big", R"("containers":[{)" + host("head -c 3000000 /dev/zero > /v/f; exec sleep 60") +
                      R"(,"volumeMounts":[{"name":"v","mountPath":"/v"}]}],
        "volumes":[{"name":"v","emptyDir":{"sizeLimit":"1Mi"}}])");
    ASSERT_TRUE(waits_for("big", PHASE, "Failed"));
    EXPECT_EQ("Evicted", pod("big", "/status/reason"));
    EXPECT_NE(std::string::npos, pod("big", "/status/message").find("exceeds the limit \"1Mi\""));
}

} // namespace
