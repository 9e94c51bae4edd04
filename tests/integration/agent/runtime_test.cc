/* Containers through operon-shim, without an agent. */
#include "agent/runtime.h"
#include "core/base/str.h"
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <vector>

namespace
{

class Runtime : public WithFolder
{
  protected:
    struct opr__runtime *rt = nullptr;
    std::string run;
    std::vector<struct opr__run_mount> mounts;

    void SetUp() override
    {
        WithFolder::SetUp();
        if (IsSkipped() || HasFatalFailure()) {
            return;
        }
        rt = opr__runtime_process_new(shim_path().c_str());
        run = dir + "/c/0";
    }
    void TearDown() override
    {
        if (rt) {
            rt->stop(rt, run.c_str(), SIGKILL);
            wait_for([&] { return look().phase != OPR__RUN_RUNNING; });
            rt->free(rt);
        }
        WithFolder::TearDown();
    }
    struct opr__run look()
    {
        struct opr__run r = {};
        rt->look(rt, run.c_str(), &r);
        return r;
    }
    opr_status create(const std::string &script, bool has_namespaces = true)
    {
        std::string copy = script;
        char sh[] = "sh", c[] = "-c", path[] = "PATH=/usr/bin:/bin", greeting[] = "GREETING=a\nb";
        char *args[] = {sh, c, copy.data(), nullptr}, *env[] = {path, greeting, nullptr};
        struct opr__run_spec spec = {};
        spec.dir = run.c_str();
        spec.args = args;
        spec.env = env;
        spec.has_namespaces = has_namespaces;
        spec.hostname = "pod-1";
        spec.uid = spec.gid = -1;
        for (auto &m : mounts) {
            opr_vec_push(&spec.mounts, &m);
        }
        opr_status st = rt->create(rt, &spec, nullptr);
        opr_vec_fini(&spec.mounts);
        return st;
    }
    opr_status start(std::string *ret_error = nullptr)
    {
        struct opr_error err = {};
        opr_status st = rt->start(rt, run.c_str(), &err);
        if (ret_error) {
            *ret_error = err.message;
        }
        return st;
    }
    bool ends()
    {
        return wait_for([&] { return look().phase != OPR__RUN_RUNNING; });
    }
};

TEST_F(Runtime, RunsLogsAndSaysHowItEnded)
{
    ASSERT_EQ(OPR_OK, create("echo out; echo err >&2; printf tail; echo \"$GREETING\"; exit 7"));
    ASSERT_EQ(OPR_OK, start());
    ASSERT_TRUE(ends());
    struct opr__run r = look();
    EXPECT_EQ(OPR__RUN_EXITED, r.phase);
    EXPECT_EQ(7, r.exit_code);
    EXPECT_EQ(0, r.signal);
    EXPECT_LE(r.started_ms, r.finished_ms);
    std::string log = read_file(run + "/log");
    EXPECT_NE(std::string::npos, log.find(" stdout F out\n")) << log;
    EXPECT_NE(std::string::npos, log.find(" stderr F err\n"));
    EXPECT_NE(std::string::npos, log.find(" stdout F taila\n"));
}

TEST_F(Runtime, HasItsOwnNamespaces)
{
    ASSERT_EQ(OPR_OK,
              create("hostname; readlink /proc/self/ns/pid /proc/self/ns/mnt; ls -d /proc/[0-9]*"));
    ASSERT_EQ(OPR_OK, start());
    ASSERT_TRUE(ends());
    std::string log = read_file(run + "/log");
    char own[64] = "";
    ASSERT_GT(readlink("/proc/self/ns/pid", own, sizeof own - 1), 0);
    EXPECT_NE(std::string::npos, log.find("F pod-1\n")) << log;
    EXPECT_EQ(std::string::npos, log.find(own));
    EXPECT_EQ(std::string::npos, log.find("/proc/" + std::to_string(getpid()) + "\n"));
}

TEST_F(Runtime, AProgramThatOutlivedItsShimIsEnded)
{
    ASSERT_EQ(OPR_OK, create("exec sleep 600", false));
    ASSERT_EQ(OPR_OK, start());
    auto app = (pid_t)atol(read_file(run + "/app.pid").c_str());
    ASSERT_EQ(0, kill(look().pid, SIGKILL));
    ASSERT_TRUE(ends());
    EXPECT_EQ(OPR__RUN_LOST, look().phase);
    ASSERT_EQ(0, kill(app, 0)) << "no PID namespace ends it";
    std::string noted = read_file(run + "/app.pid");
    std::string other = noted.substr(0, noted.find(' ')) + " 1\n";
    ASSERT_EQ(OPR_OK, opr_fs_write((run + "/app.pid").c_str(),
                                   opr_str_n(other.data(), other.size()), 0600, nullptr));
    rt->stop(rt, run.c_str(), SIGKILL);
    EXPECT_EQ(0, kill(app, 0)) << "another process with its pid is left alone";
    ASSERT_EQ(OPR_OK, opr_fs_write((run + "/app.pid").c_str(),
                                   opr_str_n(noted.data(), noted.size()), 0600, nullptr));
    rt->stop(rt, run.c_str(), SIGKILL);
    EXPECT_TRUE(wait_for([&] { return kill(app, 0) != 0; }));
}

TEST_F(Runtime, ALogThatWasRemovedIsWrittenAnew)
{
    ASSERT_EQ(OPR_OK, create("while :; do echo line; sleep 0.02; done"));
    ASSERT_EQ(OPR_OK, start());
    ASSERT_TRUE(
        wait_for([&] { return read_file(run + "/log").find("line") != std::string::npos; }));
    ASSERT_EQ(0, unlink((run + "/log").c_str()));
    EXPECT_TRUE(
        wait_for([&] { return read_file(run + "/log").find("line") != std::string::npos; }));
}

TEST_F(Runtime, NeverRunsASecondCopy)
{
    ASSERT_EQ(OPR_OK, create("sleep 60"));
    ASSERT_EQ(OPR_OK, start());
    EXPECT_EQ(OPR_E_EXISTS, start());
    rt->stop(rt, run.c_str(), SIGTERM);
    ASSERT_TRUE(ends());
    EXPECT_EQ(OPR_E_EXISTS, start());
}

TEST_F(Runtime, StopsBySigtermAndTellsTheSignal)
{
    ASSERT_EQ(OPR_OK, create("exec sleep 60"));
    ASSERT_EQ(OPR_OK, start());
    EXPECT_EQ(OPR__RUN_RUNNING, look().phase);
    rt->stop(rt, run.c_str(), SIGTERM);
    ASSERT_TRUE(ends());
    EXPECT_EQ(SIGTERM, look().signal);
    EXPECT_EQ(143, look().exit_code);
}

TEST_F(Runtime, KillTakesEverythingItStarted)
{
    std::string marker = "61.37" + std::to_string(getpid() % 1000);
    ASSERT_EQ(OPR_OK,
              create("trap '' TERM; setsid sleep " + marker + " & echo up; sleep " + marker));
    ASSERT_EQ(OPR_OK, start());
    ASSERT_TRUE(wait_for([&] { return read_file(run + "/log").find(" up") != std::string::npos; }));
    rt->stop(rt, run.c_str(), SIGTERM);
    EXPECT_EQ(OPR__RUN_RUNNING, look().phase) << "it ignores SIGTERM";
    rt->stop(rt, run.c_str(), SIGKILL);
    ASSERT_TRUE(ends());
    EXPECT_EQ(137, look().exit_code);
    std::string command = "pgrep -f 'sl[e]ep " + marker + "' > /dev/null";
    EXPECT_NE(0, system(command.c_str()));
}

TEST_F(Runtime, AKilledShimLeavesNothingRunningAndCountsAsLost)
{
    ASSERT_EQ(OPR_OK, create("exec sleep 60"));
    ASSERT_EQ(OPR_OK, start());
    int fd = rt->watch(rt, run.c_str());
    ASSERT_GE(fd, 0);
    pid_t app = (pid_t)atol(read_file(run + "/app.pid").c_str());
    ASSERT_GT(app, 1);
    ASSERT_EQ(0, kill(look().pid, SIGKILL));
    ASSERT_TRUE(ends());
    EXPECT_EQ(OPR__RUN_LOST, look().phase);
    EXPECT_TRUE(wait_for([&] {
        return kill(app, 0) != 0 ||
               read_file("/proc/" + std::to_string(app) + "/stat").find(") Z") != std::string::npos;
    }));
    EXPECT_EQ(-1, rt->watch(rt, run.c_str()));
    close(fd);
}

TEST_F(Runtime, AProgramThatIsNotThereIsAnErrorWithAReason)
{
    char missing[] = "/no/such/program", *args[] = {missing, nullptr}, *env[] = {nullptr};
    struct opr__run_spec spec = {};
    spec.dir = run.c_str();
    spec.args = args;
    spec.env = env;
    spec.has_namespaces = true;
    spec.uid = spec.gid = -1;
    ASSERT_EQ(OPR_OK, rt->create(rt, &spec, nullptr));
    std::string error;
    EXPECT_EQ(OPR_E_IO, start(&error));
    EXPECT_NE(std::string::npos, error.find("/no/such/program")) << error;
    ASSERT_TRUE(ends());
    EXPECT_EQ(OPR__RUN_EXITED, look().phase);
    EXPECT_EQ(128, look().exit_code);
    EXPECT_NE(std::string(""), look().error);
}

TEST_F(Runtime, ExecRunsInTheContainer)
{
    ASSERT_EQ(OPR_OK, create("sleep 60"));
    ASSERT_EQ(OPR_OK, start());
    int fds[2];
    ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
    char sh[] = "sh", c[] = "-c", script[] = "hostname; exit 3", *args[] = {sh, c, script, nullptr};
    const struct opr__exec_io io = {-1, fds[1], fds[1], false, false};
    pid_t pid = rt->exec(rt, run.c_str(), args, &io);
    close(fds[1]);
    ASSERT_GT(pid, 0);
    int status = 0;
    ASSERT_EQ(pid, waitpid(pid, &status, 0));
    char text[64] = "";
    ASSERT_GT(read(fds[0], text, sizeof text - 1), 0);
    close(fds[0]);
    EXPECT_EQ(3, WEXITSTATUS(status));
    EXPECT_STREQ("pod-1\n", text);
}

TEST_F(Runtime, VolumesAreMountedAndTheHostIsNotTouched)
{
    std::string data = dir + "/data", more = dir + "/more";
    ASSERT_EQ(0, mkdir(data.c_str(), 0755));
    ASSERT_EQ(0, mkdir(more.c_str(), 0755));
    char etc[] = "/etc/operon-test-mount", top[] = "/operon-test-mount",
         inner[] = "/operon-test-mount/in";
    mounts = {{more.data(), inner, false}, {data.data(), etc, true}, {data.data(), top, false}};
    ASSERT_EQ(OPR_OK, create("echo x > /operon-test-mount/new; echo y > /operon-test-mount/in/z;"
                             "echo no > /etc/operon-test-mount/no; cat /etc/operon-test-mount/new;"
                             "echo own > /etc/operon-test-file; ls /.operon-host"));
    ASSERT_EQ(OPR_OK, start());
    ASSERT_TRUE(ends());
    std::string log = read_file(run + "/log");
    EXPECT_EQ("x\n", read_file(data + "/new")) << log;
    EXPECT_EQ("y\n", read_file(more + "/z"));
    EXPECT_NE(std::string::npos, log.find("stdout F x\n"));
    EXPECT_NE(std::string::npos, log.find("Read-only file system"));
    for (const char *path :
         {"/etc/operon-test-mount", "/operon-test-mount", "/etc/operon-test-file"}) {
        EXPECT_NE(0, access(path, F_OK)) << path;
    }
}

TEST_F(Runtime, LongLinesAreCutIntoParts)
{
    ASSERT_EQ(OPR_OK, create("head -c 20000 /dev/zero | tr '\\0' x; echo"));
    ASSERT_EQ(OPR_OK, start());
    ASSERT_TRUE(ends());
    std::string log = read_file(run + "/log");
    EXPECT_NE(std::string::npos, log.find(" stdout P xxx"));
    EXPECT_NE(std::string::npos, log.find(" stdout F xxx"));
}

TEST_F(Runtime, PlainProcessesWithoutNamespaces)
{
    ASSERT_EQ(OPR_OK, create("sleep 60 & sleep 60", false));
    ASSERT_EQ(OPR_OK, start());
    rt->stop(rt, run.c_str(), SIGKILL);
    ASSERT_TRUE(ends());
    EXPECT_EQ(137, look().exit_code);
}

} // namespace
