/* Pods of images: loaded from a file, run by crun under the shim. */
#include "agent_fixture.h"
#include "image_support.h"

#include <sys/wait.h>

namespace
{

class ImageRun : public AgentFixture
{
  protected:
    void SetUp() override
    {
        AgentFixture::SetUp();
        if (IsSkipped() || HasFatalFailure()) {
            return;
        }
        if (!sh("crun --version")) {
            GTEST_SKIP() << "needs crun";
        }
        if (!make_root(dir + "/root")) {
            GTEST_SKIP() << "needs a shell and its libraries";
        }
    }
    /* Loads the image "tiny:1" for the node. */
    void load(const std::string &config)
    {
        Layout layout(dir + "/layout");
        ASSERT_TRUE(sh("tar --numeric-owner --owner=0 --group=0 -C " + dir + "/root -czf " + dir +
                       "/layer.tgz ."));
        layout.add_layer(dir + "/layer.tgz");
        layout.finish(config, "tiny:1");
        struct opr_error err = {};
        struct json_object *names = nullptr;
        ASSERT_EQ(OPR_OK, opr_images_load((dir + "/n1/images").c_str(), layout.dir.c_str(), nullptr,
                                          &names, &err))
            << err.message;
        json_object_put(names);
    }
};

TEST_F(ImageRun, RunsTheImagesProgramInItsRoot)
{
    create("a", R"("containers":[{"name":"c","image":"tiny:1"}])");
    ASSERT_TRUE(waits_for("a", "/status/containerStatuses/0/state/waiting/reason", "ErrImagePull"));
    load(
        R"x({"Entrypoint":["/bin/sh","-c"],"Cmd":["echo env=$GREETING dir=$(pwd) self=$$; id; ls /; cat /etc/hosts; echo w > /written; exec sleep 60"],)x"
        R"("Env":["GREETING=hi","PATH=/bin"],"WorkingDir":"/tmp","User":"0"})");
    ASSERT_TRUE(waits_for("a", PHASE, "Running"));
    EXPECT_TRUE(logs("a", "env=hi dir=/tmp self=1\n"));
    EXPECT_TRUE(logs("a", "uid=0(root)"));
    EXPECT_TRUE(logs("a", "# Kubernetes-managed hosts file (host network)."));
    EXPECT_EQ(std::string::npos, log_of("a").find("F home\n")) << "not the host's root";
    EXPECT_EQ(0u, pod("a", "/status/containerStatuses/0/imageID").find("sha256:"));
    ASSERT_EQ(OPR_OK, call("DELETE", "/api/v1/namespaces/default/pods/a", ""));
    EXPECT_TRUE(wait_for([&] { return pod("a", "/metadata/name").empty(); }));
}

TEST_F(ImageRun, CommandArgsUserVolumesAndExitCode)
{
    load(R"({"Entrypoint":["/bin/sh","-c"],"Cmd":["exit 9"],"User":"app"})");
    create("args", R"("restartPolicy":"Never","containers":[{"name":"c","image":"tiny:1",
        "args":["id; exit 4"]}])");
    create("command", R"x("restartPolicy":"Never","containers":[{"name":"c","image":"tiny:1",
        "command":["/bin/sh","-c","id; cat /v/f; echo $X > /v/g; echo no > /bin/no; exit 5"],
        "env":[{"name":"X","value":"x-$(HOSTNAME)"}],
        "securityContext":{"runAsUser":0,"readOnlyRootFilesystem":true},
        "volumeMounts":[{"name":"v","mountPath":"/v"}]}],
        "volumes":[{"name":"v","hostPath":{"path":")x" +
                          dir + R"("}}])");
    write_file(dir + "/f", "from the volume\n");
    ASSERT_TRUE(waits_for("args", PHASE, "Failed"))
        << pod("args", "/status/containerStatuses/0/state/waiting/message");
    EXPECT_EQ("4", pod("args", "/status/containerStatuses/0/state/terminated/exitCode"));
    EXPECT_TRUE(logs("args", "uid=1000(app) gid=1001"));
    ASSERT_TRUE(waits_for("command", PHASE, "Failed"));
    EXPECT_EQ("5", pod("command", "/status/containerStatuses/0/state/terminated/exitCode"));
    EXPECT_TRUE(logs("command", "uid=0(root)"));
    EXPECT_TRUE(logs("command", "from the volume"));
    EXPECT_TRUE(logs("command", "Read-only file system"));
    EXPECT_EQ("x-command\n", read_file(dir + "/g"));
}

TEST_F(ImageRun, StopsByItsSignalProbesByExecAndIsAdopted)
{
    load(
        R"x({"Cmd":["/bin/sh","-c","trap 'echo quit; exit 0' QUIT; touch() { echo > $1; }; touch /ready; echo up; while :; do sleep 0.05; done"],"StopSignal":"SIGQUIT"})x");
    create("s", R"("containers":[{"name":"c","image":"tiny:1",
        "readinessProbe":{"exec":{"command":["/bin/cat","/ready"]},"periodSeconds":1}}])");
    ASSERT_TRUE(logs("s", "up"));
    ASSERT_TRUE(wait_for([&] {
        struct opr_obj *o = nullptr;
        (void)call("GET", "/api/v1/namespaces/default/pods/s", "", &o);
        bool is_ready = opr_json_bool(o, "/status/containerStatuses/0/ready", false);
        opr_json_unref(o);
        return is_ready;
    }));
    stop_agent();
    start_agent();
    ASSERT_TRUE(wait_for([&] { return get("/api/v1/nodes/n1", "/metadata/name") == "n1"; }));
    std::string run = run_dir("s", 0), kept = dir + "/kept";
    ASSERT_TRUE(sh("ln " + run + "/log " + kept));
    ASSERT_EQ(OPR_OK, call("DELETE", "/api/v1/namespaces/default/pods/s", ""));
    EXPECT_TRUE(wait_for([&] { return pod("s", "/metadata/name").empty(); }));
    EXPECT_NE(std::string::npos, read_file(kept).find("F quit")) << read_file(kept);
}

TEST_F(ImageRun, AProgramThatTheImageLacksIsAnError)
{
    load(R"({"Cmd":["/bin/nope"]})");
    create("n", R"("restartPolicy":"Never","containers":[{"name":"c","image":"tiny:1"}])");
    ASSERT_TRUE(waits_for("n", PHASE, "Failed"));
    EXPECT_EQ("StartError", pod("n", "/status/containerStatuses/0/state/terminated/reason"));
    const char *message = "/status/containerStatuses/0/state/terminated/message";
    EXPECT_NE(std::string::npos, pod("n", message).find("/bin/nope")) << pod("n", message);
    create(
        "root",
        R"("containers":[{"name":"c","image":"tiny:1","securityContext":{"runAsNonRoot":true}}])");
    EXPECT_TRUE(waits_for("root", "/status/containerStatuses/0/state/waiting/reason",
                          "CreateContainerConfigError"));
}

} // namespace
