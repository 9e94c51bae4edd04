/* How exact the figures are, over ten seconds of known load: against the cgroup's own accounting
 * and against the load generators'. The figures are printed. */
#include "bpf/metrics.h"
#include "tests/bpf/metrics/cgroup.h"
#include "tests/bpf/metrics/http.h"

#include <gtest/gtest.h>

#include <climits>
#include <cmath>
#include <vector>

#include <linux/net_tstamp.h>

namespace
{

constexpr double CPU_SHARE = 0.005, LATENCY_SHARE = 0.05;
constexpr int LOAD_MS = 10000;

class Exact : public testing::Test
{
  protected:
    void SetUp() override
    {
        struct opr_error err = {};
        if (geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
        if (opr_bpf_open(&b_, &err) != OPR_OK) {
            GTEST_SKIP() << err.message;
        }
        if ((opr_bpf_features(b_) & wanted) != wanted) {
            GTEST_SKIP() << "the kernel refused a probe";
        }
        if (!cgroup_.is_made()) {
            GTEST_SKIP() << "no cgroup can be made at " << cgroup_.path();
        }
        ASSERT_EQ(opr_bpf_slot_add(b_, cgroup_.path(), &slot_, &err), OPR_OK) << err.message;
    }
    void TearDown() override
    {
        opr_bpf_close(b_);
    }
    struct opr_bpf_totals read_totals()
    {
        struct opr_bpf_totals t;
        opr_bpf_read(b_, slot_, &t);
        return t;
    }
    /* Until the last request's events have been counted. */
    void wait_for_completions(uint64_t want)
    {
        for (int i = 0; i < 400 && read_totals().completions < want; i++) {
            usleep(5000);
        }
    }

    static constexpr uint32_t wanted = OPR_BPF_SCHED | OPR_BPF_LATENCY;
    struct opr_bpf *b_ = nullptr;
    Cgroup cgroup_{"-exact"};
    uint32_t slot_ = 0;
};

struct cpu_pair {
    double kernel_ns, probe_ns;
};

/* Both figures of one moment: the kernel's is read before and after the probe's, and again where
 * this thread lost the CPU in between. */
cpu_pair read_pair(struct opr_bpf *b, uint32_t slot, const Cgroup &cgroup)
{
    cpu_pair best = {};
    double best_gap = 1e18;
    for (int i = 0; i < 20 && best_gap > 1e6; i++) {
        struct opr_bpf_totals t;
        double before = static_cast<double>(cgroup.cpu_ns());
        opr_bpf_read(b, slot, &t);
        double after = static_cast<double>(cgroup.cpu_ns());
        if (after - before < best_gap) {
            best_gap = after - before;
            best = {(before + after) / 2, static_cast<double>(t.cpu_ns)};
        }
    }
    return best;
}

TEST_F(Exact, CpuTimeOfAKnownLoadOverTenSeconds)
{
    cgroup_.start([] { burn(LOAD_MS + 2000, 10000, 10000); });
    cgroup_.start([] { burn(LOAD_MS + 2000, 3000, 10000); });
    cgroup_.start([] { burn(LOAD_MS + 2000, 100, 1000); });
    usleep(500000);
    cpu_pair first = read_pair(b_, slot_, cgroup_);
    usleep(LOAD_MS * 1000);
    cpu_pair last = read_pair(b_, slot_, cgroup_);
    double kernel = last.kernel_ns - first.kernel_ns, probe = last.probe_ns - first.probe_ns;
    double off = std::fabs(probe - kernel) / kernel;
    printf("CPU over %d s: cgroup %.6f s, probe %.6f s, off by %.4f %%\n", LOAD_MS / 1000,
           kernel / 1e9, probe / 1e9, off * 100);
    EXPECT_GT(kernel, 1e9);
    EXPECT_LT(off, CPU_SHARE);
}

/* One connection. Two logs: by the program's clock around its calls, and with the kernel's time of
 * the answer's arrival, which does not depend on when the program gets a CPU to see it. */
struct Log {
    uint64_t count = 0, failed = 0;
    double program_us = 0, kernel_us = 0;
};

double real_us()
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

int connect_to(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int one = 1, stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    struct sockaddr_in a = {};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps);
    if (connect(fd, reinterpret_cast<struct sockaddr *>(&a), sizeof a) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Arrival of the answer in us by the kernel's clock; -1: none. */
double receive(int fd)
{
    char data[512], control[512];
    struct iovec part = {data, sizeof data};
    struct msghdr m = {};
    m.msg_iov = &part;
    m.msg_iovlen = 1;
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    if (recvmsg(fd, &m, 0) <= 0) {
        return -1;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING) {
            struct timespec t[3];
            memcpy(t, CMSG_DATA(c), sizeof t);
            return static_cast<double>(t[0].tv_sec) * 1e6 + static_cast<double>(t[0].tv_nsec) / 1e3;
        }
    }
    return -1;
}

void drive(uint16_t port, uint64_t end_ns, Log *log)
{
    static const int delays_us[] = {2000, 4000, 6000, 20000};
    int fd = connect_to(port);
    for (int i = 0; fd >= 0 && mono_ns() < end_ns; i++) {
        char text[128];
        int len = snprintf(text, sizeof text, "GET /200/%d HTTP/1.1\r\nHost: x\r\n\r\n",
                           delays_us[i % 4]);
        double begin = real_us();
        double arrival =
            send(fd, text, static_cast<size_t>(len), MSG_NOSIGNAL) == len ? receive(fd) : -1;
        double end = real_us();
        log->count++;
        log->failed += arrival < 0;
        log->program_us += end - begin;
        log->kernel_us += arrival - begin;
    }
    close(fd);
}

TEST_F(Exact, RequestsAndMeanLatencyOverTenSeconds)
{
    const int connections = 6;
    uint16_t port = start_server(cgroup_);
    ASSERT_NE(port, 0);
    Log logs[connections];
    std::vector<std::thread> clients;
    uint64_t end_ns = mono_ns() + LOAD_MS * 1000000ull;
    for (Log &log : logs) {
        clients.emplace_back(drive, port, end_ns, &log);
    }
    Log sum;
    for (int i = 0; i < connections; i++) {
        clients[static_cast<size_t>(i)].join();
        sum.count += logs[i].count;
        sum.failed += logs[i].failed;
        sum.program_us += logs[i].program_us;
        sum.kernel_us += logs[i].kernel_us;
    }
    ASSERT_EQ(sum.failed, 0u);
    ASSERT_GT(sum.count, 0u);
    wait_for_completions(sum.count);
    struct opr_bpf_totals t = read_totals();
    double n = static_cast<double>(sum.count), mean = static_cast<double>(t.latency_sum_us) / n;
    double kernel = sum.kernel_us / n, program = sum.program_us / n;
    printf("requests: client %llu, probe %llu; mean: client %.1f us (until its program ran again "
           "%.1f), probe %.1f us, off by %.3f %%\n",
           static_cast<unsigned long long>(sum.count),
           static_cast<unsigned long long>(t.completions), kernel, program, mean,
           (mean - kernel) / kernel * 100);
    EXPECT_EQ(t.arrivals, sum.count);
    EXPECT_EQ(t.completions, sum.count);
    EXPECT_EQ(t.inflight, 0);
    EXPECT_NEAR(mean, kernel, kernel * LATENCY_SHARE);
    EXPECT_LE(mean, program * (1 + LATENCY_SHARE));
}

/* The programs of the demo: the server burns a known time a request, one at a time, so that most of
 * the latency is the wait in its queue. */
std::string example(const char *name)
{
    char self[PATH_MAX] = "";
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    std::string path(self, len > 0 ? static_cast<size_t>(len) : 0);
    path = path.substr(0, path.rfind('/'));
    return path.substr(0, path.rfind('/')) + "/examples/" + name;
}

double member(const std::string &json, const std::string &name)
{
    size_t at = json.find("\"" + name + "\":");
    return at == std::string::npos ? -1 : strtod(json.c_str() + at + name.size() + 3, nullptr);
}

TEST_F(Exact, TheLoadGeneratorOfTheShopSaysTheSame)
{
    std::string server = example("shop"), load = example("shop-load");
    if (access(server.c_str(), X_OK) != 0 || access(load.c_str(), X_OK) != 0) {
        GTEST_SKIP() << "shop and shop-load are not built";
    }
    uint16_t port = 0;
    close(listen_loopback(&port));
    cgroup_.start([&] {
        std::string number = std::to_string(port);
        execl(server.c_str(), "shop", "--port", number.c_str(), "--work-us", "3000", nullptr);
    });
    std::string url = " --url http://127.0.0.1:" + std::to_string(port) + "/work", text;
    for (int i = 0; i < 200 && connect_to(port) < 0; i++) {
        usleep(10000);
    }
    FILE *f = popen((load + url + " --connections 4 --seconds 5 --json").c_str(), "r");
    char line[1024];
    while (f && fgets(line, sizeof line, f)) {
        text = line; /* the last one */
    }
    if (f) {
        pclose(f);
    }
    double requests = member(text, "requests"), theirs = member(text, "mean_ms") * 1000;
    ASSERT_GT(requests, 0) << text;
    ASSERT_EQ(member(text, "errors"), 0) << text;
    wait_for_completions(static_cast<uint64_t>(requests));
    struct opr_bpf_totals t = read_totals();
    double mean = static_cast<double>(t.latency_sum_us) / requests;
    printf("shop-load: %.0f requests, mean %.1f us; probe: %llu requests, mean %.1f us, off by "
           "%.3f %%\n",
           requests, theirs, static_cast<unsigned long long>(t.completions), mean,
           (mean - theirs) / theirs * 100);
    EXPECT_EQ(t.arrivals, static_cast<uint64_t>(requests));
    EXPECT_EQ(t.completions, static_cast<uint64_t>(requests));
    EXPECT_NEAR(mean, theirs, theirs * LATENCY_SHARE);
}

} // namespace
