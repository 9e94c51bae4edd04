/* A cgroup of its own for a test, in the cpuacct hierarchy or in cgroup v2, and processes in it. */
#ifndef TESTS_BPF_METRICS_CGROUP_H
#define TESTS_BPF_METRICS_CGROUP_H

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

class Cgroup
{
  public:
    /* below "": a folder under the root of the hierarchy. */
    explicit Cgroup(const std::string &name, const std::string &below = "")
    {
        struct stat info;
        is_v1_ = stat("/sys/fs/cgroup/cpuacct/cpuacct.usage", &info) == 0;
        std::string root = is_v1_ ? "/sys/fs/cgroup/cpuacct" : "/sys/fs/cgroup";
        path_ = (below.empty() ? root : below) + "/operon-test-" + std::to_string(getpid()) + name;
        is_made_ = mkdir(path_.c_str(), 0755) == 0;
    }
    ~Cgroup()
    {
        for (pid_t pid : pids_) {
            kill(pid, SIGKILL);
            waitpid(pid, nullptr, 0);
        }
        for (int i = 0; i < 50 && is_made_ && rmdir(path_.c_str()) != 0; i++) {
            usleep(10000);
        }
    }
    Cgroup(const Cgroup &) = delete;
    bool is_made() const
    {
        return is_made_;
    }
    const char *path() const
    {
        return path_.c_str();
    }
    /* Runs fn in a child that is in this cgroup. */
    pid_t start(const std::function<void()> &fn)
    {
        pid_t pid = fork();
        if (pid == 0) {
            enter();
            fn();
            _exit(0);
        }
        pids_.push_back(pid);
        return pid;
    }
    void enter() const
    {
        take(0);
    }
    void take(pid_t pid) const
    {
        std::ofstream(path_ + "/cgroup.procs") << pid << "\n";
    }
    void wait()
    {
        for (pid_t pid : pids_) {
            waitpid(pid, nullptr, 0);
        }
        pids_.clear();
    }
    /* What the kernel itself accounts, in ns. */
    uint64_t cpu_ns() const
    {
        if (is_v1_) {
            uint64_t ns = 0;
            std::ifstream(path_ + "/cpuacct.usage") >> ns;
            return ns;
        }
        std::ifstream in(path_ + "/cpu.stat");
        std::string key;
        uint64_t us = 0;
        in >> key >> us;
        return us * 1000;
    }

  private:
    bool is_v1_, is_made_;
    std::string path_;
    std::vector<pid_t> pids_;
};

inline uint64_t mono_ns()
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

/* Busy for busy_us of each period_us, until ms have passed. */
inline void burn(int ms, int busy_us, int period_us)
{
    uint64_t end = mono_ns() + static_cast<uint64_t>(ms) * 1000000u;
    while (mono_ns() < end) {
        uint64_t begin = mono_ns();
        while (mono_ns() < begin + static_cast<uint64_t>(busy_us) * 1000u) {
        }
        if (period_us > busy_us) {
            usleep(static_cast<useconds_t>(period_us - busy_us));
        }
    }
}

#endif
