/* `operon run` and `operon apiserver` as processes: how a manager ends, and how one takes over from
 * another. */
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/client/client.h"
#include "core/client/kubeconfig.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace
{

class Process
{
  public:
    Process(const std::string &log, std::vector<std::string> args) : log_path(log)
    {
        pid = fork();
        if (pid == 0) {
            int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
            dup2(fd, 2);
            std::vector<char *> argv;
            for (auto &a : args) {
                argv.push_back(a.data());
            }
            argv.push_back(nullptr);
            execv(argv[0], argv.data());
            _exit(127);
        }
    }
    ~Process()
    {
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, nullptr, 0);
        }
    }
    std::string Log() const
    {
        std::ifstream in(log_path);
        std::stringstream text;
        text << in.rdbuf();
        return text.str();
    }
    bool Says(const std::string &text) const
    {
        return Log().find(text) != std::string::npos;
    }
    /* The exit code, -1 where it still runs, 1000 + n for the signal n. */
    int Ended()
    {
        int status = 0;
        if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid) {
            pid = 0;
            code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
        }
        return code;
    }
    void Signal(int signo) const
    {
        kill(pid, signo);
    }

  private:
    std::string log_path;
    pid_t pid = 0;
    int code = -1;
};

class ProcessTest : public ::testing::Test
{
  protected:
    std::string dir;
    struct opr_loop *loop = opr_loop_new();
    struct opr_kubeconfig access = {};
    struct opr_client *client = nullptr;
    struct opr_caller *caller = nullptr;
    std::unique_ptr<Process> apiserver;
    struct opr_error err = {};

    void SetUp() override
    {
        if (access_is_missing(TEST_OPERON)) {
            GTEST_SKIP() << "the program is not built: " << TEST_OPERON;
        }
        char path[] = "/tmp/opr-process-XXXXXX";
        dir = mkdtemp(path);
        opr_log_set_level(OPR_LOG_ERROR);
        apiserver = std::make_unique<Process>(
            dir + "/apiserver.log", Args({"apiserver", "--dir", dir + "/data", "--port", "0"}));
        ASSERT_TRUE(Eventually([this] { return Connect(); })) << apiserver->Log();
    }
    ~ProcessTest() override
    {
        opr_caller_free(caller);
        opr_client_free(client);
        opr_kubeconfig_fini(&access);
        opr_loop_free(loop);
        apiserver.reset();
        if (!dir.empty()) {
            EXPECT_EQ(opr_fs_remove_tree(dir.c_str(), nullptr), OPR_OK);
        }
    }
    static bool access_is_missing(const char *path)
    {
        return ::access(path, X_OK) != 0;
    }
    static std::vector<std::string> Args(std::vector<std::string> args)
    {
        args.insert(args.begin(), TEST_OPERON);
        return args;
    }
    static bool Eventually(const std::function<bool()> &is_so)
    {
        auto end = std::chrono::steady_clock::now() + std::chrono::seconds(40);
        while (!is_so()) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return true;
    }
    bool Connect()
    {
        if (!caller && opr_kubeconfig_load((dir + "/data/kubeconfig").c_str(), NULL, &access,
                                           &err) == OPR_OK) {
            client = opr_client_new(opr_transport_https_new(loop, access.endpoint));
            caller = opr_caller_new(client);
        }
        return caller && opr_call(caller, "GET", "/api/v1/namespaces/default", NULL, {nullptr, 0},
                                  NULL, &err) == OPR_OK;
    }
    void CreateMap(const std::string &name)
    {
        std::string body = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                           "\"name\":\"" +
                           name + "\"}}";
        ASSERT_EQ(opr_call(caller, "POST", "/api/v1/namespaces/default/configmaps",
                           "application/json", {body.data(), body.size()}, NULL, &err),
                  OPR_OK)
            << err.message;
    }
    std::unique_ptr<Process> Run(const std::string &name, bool with_lease = false)
    {
        auto args =
            Args({"run", "--kubeconfig", dir + "/data/kubeconfig", "--plugin", TEST_SLOW_PLUGIN});
        if (with_lease) {
            args.insert(args.end(), {"--lease", "default/slow"});
        }
        return std::make_unique<Process>(dir + "/" + name + ".log", args);
    }
    std::string Holder()
    {
        struct opr_obj *lease = nullptr;
        std::string holder;
        if (opr_call(caller, "GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases/slow",
                     NULL, {nullptr, 0}, &lease, &err) == OPR_OK) {
            holder = opr_json_str(lease, "/spec/holderIdentity", "");
        }
        opr_json_unref(lease);
        return holder;
    }
};

TEST_F(ProcessTest, APluginThatIsNotThereIsRefusedWithTheNearestName)
{
    std::string kubeconfig = dir + "/data/kubeconfig";
    Process run(dir + "/run.log",
                Args({"run", "--kubeconfig", kubeconfig, "--plugin", "replicasett"}));
    ASSERT_TRUE(Eventually([&] { return run.Ended() != -1; })) << run.Log();
    EXPECT_EQ(run.Ended(), 1);
    EXPECT_TRUE(run.Says("did you mean \"replicaset\"?")) << run.Log();
}

TEST_F(ProcessTest, AReconcileThatTakesSecondsIsFinishedBeforeTheEnd)
{
    CreateMap("slow");
    auto run = Run("run");
    ASSERT_TRUE(Eventually([&] { return run->Says("reconcile of slow began"); })) << run->Log();
    run->Signal(SIGTERM);
    ASSERT_TRUE(Eventually([&] { return run->Ended() != -1; })) << run->Log();
    EXPECT_EQ(run->Ended(), 0) << run->Log();
    EXPECT_TRUE(run->Says("reconcile of slow ended")) << run->Log();
}

TEST_F(ProcessTest, AReconcileThatNeverEndsIsAbandonedAtTheDeadline)
{
    CreateMap("stuck");
    auto run = Run("run");
    ASSERT_TRUE(Eventually([&] { return run->Says("reconcile of stuck began"); })) << run->Log();
    run->Signal(SIGTERM);
    ASSERT_TRUE(Eventually([&] { return run->Ended() != -1; })) << run->Log();
    EXPECT_EQ(run->Ended(), 1) << "its supervisor is to know\n" << run->Log();
    EXPECT_TRUE(run->Says("left behind  controller=slow key=default/stuck")) << run->Log();
    EXPECT_FALSE(run->Says("reconcile of stuck ended"));
}

TEST_F(ProcessTest, TheNextOneLeadsOnceTheReconcileOfTheFirstHasEnded)
{
    CreateMap("slow");
    auto a = Run("a", true);
    ASSERT_TRUE(Eventually([&] { return a->Says("reconcile of slow began"); })) << a->Log();
    std::string first = Holder();
    EXPECT_FALSE(first.empty());
    auto b = Run("b", true);
    a->Signal(SIGTERM);
    ASSERT_TRUE(Eventually([&] { return b->Says("reconcile of slow began"); })) << b->Log();
    EXPECT_TRUE(a->Says("reconcile of slow ended")) << "never two at once";
    EXPECT_NE(Holder(), first);
    ASSERT_TRUE(Eventually([&] { return a->Ended() != -1; }));
    EXPECT_EQ(a->Ended(), 0) << a->Log();
    b->Signal(SIGTERM);
    ASSERT_TRUE(Eventually([&] { return b->Ended() != -1; }));
    EXPECT_EQ(Holder(), "") << "given back";
}

TEST_F(ProcessTest, AKilledLeaderIsFollowedWhenItsLeaseRunsOut)
{
    CreateMap("slow");
    auto a = Run("a", true);
    ASSERT_TRUE(Eventually([&] { return a->Says("reconcile of slow ended"); })) << a->Log();
    std::string first = Holder();
    auto b = Run("b", true);
    a->Signal(SIGKILL);
    ASSERT_TRUE(Eventually([&] { return b->Says("reconcile of slow began"); })) << b->Log();
    EXPECT_NE(Holder(), first);
}

} // namespace
