/* Each rung of the ladder below the kernel's probes, on folders that look like the kernel's. */
#include "agent/metrics_source.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

namespace
{

namespace fs = std::filesystem;

class Source : public ::testing::Test
{
  protected:
    void SetUp() override
    {
        char text[] = "/tmp/operon-source-XXXXXX";
        ASSERT_NE(nullptr, mkdtemp(text));
        dir = text;
    }
    void TearDown() override
    {
        fs::remove_all(dir);
    }
    void write(const std::string &path, const std::string &text)
    {
        fs::create_directories(fs::path(dir + "/" + path).parent_path());
        std::ofstream(dir + "/" + path) << text;
    }
    /* The container's folder, relative to dir, in the hierarchies that are to be had. */
    void have(int version, const std::string &cpu, const std::string &memory)
    {
        groups.version = version;
        base = "node";
        groups.base = &base[0];
        cpu_root = dir + "/" + cpu;
        memory_root = dir + "/" + memory;
        groups.roots[OPR__CGROUP_CPU] = groups.roots[OPR__CGROUP_CPUACCT] = &cpu_root[0];
        groups.roots[OPR__CGROUP_MEMORY] = &memory_root[0];
        fs::create_directories(cpu_root + AT);
        fs::create_directories(memory_root + AT);
    }
    void process(int pid, int ticks, int pages, std::initializer_list<int> delays_us)
    {
        std::string at = "proc/" + std::to_string(pid);
        std::string stat = std::to_string(pid) + " (a (b) c) S";
        for (int field = 4; field <= 30; field++) {
            stat += " " + std::to_string(field >= 14 && field <= 17 ? ticks
                                         : field == 24              ? pages
                                                                    : 7);
        }
        write(at + "/stat", stat + "\n");
        int tid = pid;
        for (int us : delays_us) {
            write(at + "/task/" + std::to_string(tid++) + "/schedstat",
                  "123 " + std::to_string(us) + "000 9\n");
        }
    }
    struct opr__usage read(bool needs_delay = true)
    {
        std::string proc = dir + "/proc", run = dir + "/run";
        struct opr__source_place at = {&groups, proc.c_str(), "uid-1",
                                       "web",   run.c_str(),  needs_delay};
        struct opr__usage u;
        opr__source_read(&at, &u);
        return u;
    }
    static constexpr const char *AT = "/node/uid-1/web";
    std::string dir, base, cpu_root, memory_root;
    struct opr__cgroups groups = {};
    const uint64_t tick_ns = 1000000000ull / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
    const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
};

TEST_F(Source, NamesOfAll)
{
    EXPECT_STREQ("bpf", opr__source_name(OPR__SOURCE_BPF));
    EXPECT_STREQ("cgroup-v2", opr__source_name(OPR__SOURCE_CGROUP2));
    EXPECT_STREQ("cgroup-v1", opr__source_name(OPR__SOURCE_CGROUP1));
    EXPECT_STREQ("psi", opr__source_name(OPR__SOURCE_PSI));
    EXPECT_STREQ("proc", opr__source_name(OPR__SOURCE_PROC));
}

TEST_F(Source, Version2WithAllControllersAndPressure)
{
    have(2, "v2", "v2");
    write(std::string("v2") + AT + "/cpu.stat",
          "usage_usec 5000\nuser_usec 4000\nsystem_usec 1000\n");
    write(std::string("v2") + AT + "/memory.current", "90000\n");
    write(std::string("v2") + AT + "/memory.stat", "anon 50000\ninactive_file 30000\n");
    write(std::string("v2") + AT + "/cpu.pressure",
          "some avg10=1.50 avg60=0.00 avg300=0.00 total=777\nfull avg10=0.00 avg60=0.00 "
          "avg300=0.00 total=5\n");
    struct opr__usage u = read();
    EXPECT_EQ(OPR__SOURCE_CGROUP2, u.cpu);
    EXPECT_EQ(5000000u, u.cpu_ns);
    EXPECT_EQ(OPR__SOURCE_CGROUP2, u.memory);
    EXPECT_EQ(60000u, u.memory_bytes);
    EXPECT_EQ(OPR__SOURCE_PSI, u.run_delay);
    EXPECT_EQ(777000u, u.run_delay_ns);
}

TEST_F(Source, Version2WithoutControllersAsksTheProcesses)
{
    have(2, "v2", "v2");
    write(std::string("v2") + AT + "/cpu.stat", "usage_usec 5000\n");
    write(std::string("v2") + AT + "/cgroup.procs", "41\n42\n99\n");
    process(41, 3, 10, {100, 20});
    process(42, 1, 5, {7});
    struct opr__usage u = read();
    EXPECT_EQ(OPR__SOURCE_CGROUP2, u.cpu);
    EXPECT_EQ(5000000u, u.cpu_ns);
    EXPECT_EQ(OPR__SOURCE_PROC, u.memory);
    EXPECT_EQ(15 * page, u.memory_bytes);
    EXPECT_EQ(OPR__SOURCE_PROC, u.run_delay);
    EXPECT_EQ(127000u, u.run_delay_ns);
}

TEST_F(Source, Version1)
{
    have(1, "cpuacct", "memory");
    write(std::string("cpuacct") + AT + "/cpuacct.usage", "1234567\n");
    write(std::string("cpuacct") + AT + "/cgroup.procs", "41\n");
    write(std::string("memory") + AT + "/memory.usage_in_bytes", "90000\n");
    write(std::string("memory") + AT + "/memory.stat",
          "inactive_file 1\ntotal_inactive_file 40000\n");
    process(41, 3, 10, {100});
    struct opr__usage u = read();
    EXPECT_EQ(OPR__SOURCE_CGROUP1, u.cpu);
    EXPECT_EQ(1234567u, u.cpu_ns);
    EXPECT_EQ(OPR__SOURCE_CGROUP1, u.memory);
    EXPECT_EQ(50000u, u.memory_bytes);
    EXPECT_EQ(OPR__SOURCE_PROC, u.run_delay);
    EXPECT_EQ(100000u, u.run_delay_ns);
    EXPECT_EQ(OPR__SOURCE_NONE, read(false).run_delay);
}

TEST_F(Source, WithoutCgroupsTheProgramItself)
{
    write("run/app.pid", "41\n");
    process(41, 3, 10, {100, 11});
    struct opr__usage u = read();
    EXPECT_EQ(OPR__SOURCE_PROC, u.cpu);
    EXPECT_EQ(12 * tick_ns, u.cpu_ns);
    EXPECT_EQ(OPR__SOURCE_PROC, u.memory);
    EXPECT_EQ(10 * page, u.memory_bytes);
    EXPECT_EQ(OPR__SOURCE_PROC, u.run_delay);
    EXPECT_EQ(111000u, u.run_delay_ns);
}

TEST_F(Source, NothingIsKnownOfWhatIsGoneOrBroken)
{
    struct opr__usage u = read();
    EXPECT_EQ(OPR__SOURCE_NONE, u.cpu);
    EXPECT_EQ(OPR__SOURCE_NONE, u.memory);
    EXPECT_EQ(OPR__SOURCE_NONE, u.run_delay);
    write("run/app.pid", "41\n");
    write("proc/41/stat", "nonsense");
    write("proc/41/task/41/schedstat", "x");
    u = read();
    EXPECT_EQ(OPR__SOURCE_NONE, u.cpu);
    EXPECT_EQ(OPR__SOURCE_NONE, u.run_delay);
    write("run/app.pid", "not a number\n");
    EXPECT_EQ(OPR__SOURCE_NONE, read().cpu);
}

} // namespace
