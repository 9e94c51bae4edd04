/* The probes against the kernel's own accounting and against a client's log. */
#include "bpf/metrics.h"
#include "tests/bpf/metrics/cgroup.h"
#include "tests/bpf/metrics/http.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <memory>

#include <bpf/libbpf.h>
#include <sched.h>

namespace
{

class Probes : public testing::Test
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
        if (!cgroup_.is_made()) {
            GTEST_SKIP() << "no cgroup can be made at " << cgroup_.path();
        }
    }
    void TearDown() override
    {
        opr_bpf_close(b_);
    }
    bool has(uint32_t feature) const
    {
        return opr_bpf_features(b_) & feature;
    }
    static uint32_t add(struct opr_bpf *b, const Cgroup &c)
    {
        uint32_t slot = 0;
        struct opr_error err = {};
        EXPECT_EQ(opr_bpf_slot_add(b, c.path(), &slot, &err), OPR_OK) << err.message;
        return slot;
    }
    static struct opr_bpf_totals read(struct opr_bpf *b, uint32_t slot)
    {
        struct opr_bpf_totals t;
        opr_bpf_read(b, slot, &t);
        return t;
    }
    /* Looks 10 ms apart at one running task: each time the figure is between what the kernel says
     * before and after, which is up to a tick old; never lower than the time before. */
    void expect_kernels_for(uint32_t slot, int looks)
    {
        constexpr double tick_ns = 12e6;
        double first = static_cast<double>(read(b_, slot).cpu_ns), last = first;
        for (int i = 0; i < looks; i++) {
            usleep(10000);
            double before = static_cast<double>(cgroup_.cpu_ns());
            double now = static_cast<double>(read(b_, slot).cpu_ns);
            double after = static_cast<double>(cgroup_.cpu_ns());
            EXPECT_GE(now, last);
            EXPECT_GE(now, before - tick_ns) << "look " << i;
            EXPECT_LE(now, after + tick_ns) << "look " << i;
            last = now;
        }
        EXPECT_GT(last - first, 50e6);
    }
    struct opr_bpf *b_ = nullptr;
    Cgroup cgroup_{""}, outside_{"-outside"};
};

/* Until the last of a request's events has been counted. */
template <typename F> void eventually(F fn)
{
    for (int i = 0; i < 200 && !fn(); i++) {
        usleep(5000);
    }
    EXPECT_TRUE(fn());
}

void expect_near_share(double got, double want, double share, double slack)
{
    EXPECT_NEAR(got, want, want * share + slack);
}

/* What the other tests skip for must be the kernel's refusal, not a fault of the programs. */
TEST_F(Probes, LoadWhereTheKernelHasBtfAndRawTracepoints)
{
    if (access("/sys/kernel/btf/vmlinux", R_OK) != 0 ||
        libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_RAW_TRACEPOINT, nullptr) != 1) {
        GTEST_SKIP() << "a kernel without BTF or raw tracepoints";
    }
    EXPECT_TRUE(has(OPR_BPF_SCHED));
    EXPECT_TRUE(has(OPR_BPF_LATENCY));
}

TEST_F(Probes, RefuseWhatIsNoCgroup)
{
    uint32_t slot = 77;
    struct opr_error err = {};
    EXPECT_EQ(opr_bpf_slot_add(b_, "/tmp", &slot, &err), OPR_E_INVALID);
    EXPECT_EQ(opr_bpf_slot_add(b_, "/sys/fs/cgroup/no-such", &slot, &err), OPR_E_NOT_FOUND);
    EXPECT_EQ(slot, 77u);
    opr_bpf_slot_remove(b_, 0);
    opr_bpf_slot_remove(b_, 5);
    opr_bpf_slot_remove(b_, 1u << 20);
    EXPECT_EQ(read(b_, 5).cpu_ns, 0u);
}

TEST_F(Probes, SlotsRunOutWithAnError)
{
    uint32_t slot = 0;
    struct opr_error err = {};
    for (uint32_t i = 1; i < OPR_BPF_SLOTS; i++) {
        ASSERT_EQ(opr_bpf_slot_add(b_, cgroup_.path(), &slot, &err), OPR_OK) << err.message;
        ASSERT_GT(slot, 0u);
    }
    EXPECT_EQ(opr_bpf_slot_add(b_, cgroup_.path(), &slot, &err), OPR_E_LIMIT);
    opr_bpf_slot_remove(b_, 9);
    EXPECT_EQ(opr_bpf_slot_add(b_, cgroup_.path(), &slot, &err), OPR_OK);
    EXPECT_EQ(slot, 9u);
}

TEST_F(Probes, CpuTimeEqualsTheKernels)
{
    if (!has(OPR_BPF_SCHED)) {
        GTEST_SKIP() << "the kernel refused the probe sched";
    }
    uint32_t slot = add(b_, cgroup_);
    uint64_t before = cgroup_.cpu_ns();
    cgroup_.start([] { burn(1500, 10000, 10000); });
    cgroup_.start([] { burn(1500, 3000, 10000); });
    cgroup_.wait();
    usleep(20000);
    double want = static_cast<double>(cgroup_.cpu_ns() - before);
    EXPECT_GT(want, 1e8);
    expect_near_share(static_cast<double>(read(b_, slot).cpu_ns), want, 0.005, 1e6);
}

TEST_F(Probes, ATaskThatNeverSwitchesIsSeenWhileItRuns)
{
    if (!has(OPR_BPF_SCHED)) {
        GTEST_SKIP() << "the kernel refused the probe sched";
    }
    uint32_t slot = add(b_, cgroup_);
    cgroup_.start([] { burn(1000, 10000, 10000); });
    usleep(200000);
    expect_kernels_for(slot, 50);
}

TEST_F(Probes, ATaskThatEntersWhileItRunsIsSeen)
{
    if (!has(OPR_BPF_SCHED)) {
        GTEST_SKIP() << "the kernel refused the probe sched";
    }
    pid_t pid = outside_.start([] { burn(1500, 10000, 10000); });
    usleep(200000);
    uint32_t slot = add(b_, cgroup_);
    cgroup_.take(pid);
    usleep(50000);
    expect_kernels_for(slot, 50);
}

TEST_F(Probes, RunDelayEqualsTheKernels)
{
    if (!has(OPR_BPF_SCHED)) {
        GTEST_SKIP() << "the kernel refused the probe sched";
    }
    uint32_t slot = add(b_, cgroup_);
    auto pinned = [] {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(0, &one);
        sched_setaffinity(0, sizeof one, &one);
        burn(1500, 10000, 10000);
        /* the last switch of each task is at its end; let the parent look before that */
        usleep(500000);
    };
    pid_t pids[] = {cgroup_.start(pinned), cgroup_.start(pinned)};
    usleep(1800000);
    double want = 0;
    for (pid_t pid : pids) {
        uint64_t cpu = 0, delay = 0;
        std::ifstream("/proc/" + std::to_string(pid) + "/schedstat") >> cpu >> delay;
        want += static_cast<double>(delay);
    }
    EXPECT_GT(want, 1e8);
    struct opr_bpf_totals t = read(b_, slot);
    expect_near_share(static_cast<double>(t.run_delay_ns), want, 0.01, 1e7);
    /* the histogram's waits are those of the sum: no less than its lower bounds, no more than its
     * upper ones */
    double least = 0, most = 0;
    uint64_t waits = 0;
    for (uint32_t i = 0; i + 1 < OPR_BPF_WAIT_BUCKETS; i++) {
        double n = static_cast<double>(t.waits[i]);
        least += n * (i ? static_cast<double>(1u << (i - 1)) : 0) * 1000;
        most += n * static_cast<double>(1u << i) * 1000;
        waits += t.waits[i];
    }
    EXPECT_GT(waits, 10u);
    EXPECT_EQ(t.waits[OPR_BPF_WAIT_BUCKETS - 1], 0u);
    EXPECT_LE(least, static_cast<double>(t.run_delay_ns));
    EXPECT_GE(most, static_cast<double>(t.run_delay_ns));
}

TEST_F(Probes, ACgroupBelowCounts)
{
    if (!has(OPR_BPF_SCHED)) {
        GTEST_SKIP() << "the kernel refused the probe sched";
    }
    Cgroup before("-before", cgroup_.path());
    uint32_t slot = add(b_, cgroup_);
    Cgroup after("-after", cgroup_.path());
    ASSERT_TRUE(before.is_made() && after.is_made());
    before.start([] { burn(300, 10000, 10000); });
    before.wait();
    uint64_t first = read(b_, slot).cpu_ns;
    EXPECT_GT(first, 30000000u);
    after.start([] { burn(300, 10000, 10000); });
    after.wait();
    EXPECT_GT(read(b_, slot).cpu_ns, first + 30000000u);
}

TEST_F(Probes, ASlotThatIsUsedAgainStartsAtZero)
{
    if (!has(OPR_BPF_SCHED)) {
        GTEST_SKIP() << "the kernel refused the probe sched";
    }
    uint32_t slot = add(b_, cgroup_);
    cgroup_.start([] { burn(100, 10000, 10000); });
    cgroup_.wait();
    EXPECT_GT(read(b_, slot).cpu_ns, 0u);
    opr_bpf_slot_remove(b_, slot);
    EXPECT_EQ(read(b_, slot).cpu_ns, 0u);
    cgroup_.start([] { burn(100, 10000, 10000); });
    cgroup_.wait();
    EXPECT_EQ(read(b_, slot).cpu_ns, 0u);
    uint32_t again = add(b_, cgroup_);
    EXPECT_LT(read(b_, again).cpu_ns, 1000000u);
}

TEST_F(Probes, TwoAgentsCountTheirOwn)
{
    if (!has(OPR_BPF_SCHED) || !has(OPR_BPF_LATENCY)) {
        GTEST_SKIP() << "the kernel refused a probe";
    }
    struct opr_bpf *other = nullptr;
    struct opr_error err = {};
    ASSERT_EQ(opr_bpf_open(&other, &err), OPR_OK) << err.message;
    Cgroup theirs("-theirs");
    uint32_t mine = add(b_, cgroup_), second = add(other, theirs);
    uint16_t port = start_server(cgroup_), their_port = start_server(theirs);
    {
        Client a(port), b(their_port);
        for (int i = 0; i < 5; i++) {
            EXPECT_GT(a.request(200, 1000), 0);
        }
        for (int i = 0; i < 3; i++) {
            EXPECT_GT(b.request(200, 1000), 0);
        }
    }
    eventually(
        [&] { return read(b_, mine).completions == 5 && read(other, second).completions == 3; });
    EXPECT_EQ(read(b_, mine).arrivals, 5u);
    EXPECT_EQ(read(other, second).arrivals, 3u);
    opr_bpf_close(other);
}

TEST_F(Probes, LatencyIsTheClients)
{
    if (!has(OPR_BPF_LATENCY)) {
        GTEST_SKIP() << "the kernel refused the probe latency";
    }
    uint32_t slot = add(b_, cgroup_);
    uint16_t port = start_server(cgroup_);
    ASSERT_NE(port, 0);
    const int connections = 4, each = 60;
    const int delays[] = {4000, 6000, 8000, 20000};
    std::atomic<uint64_t> sum_us{0}, failed{0};
    std::vector<std::thread> clients;
    for (int c = 0; c < connections; c++) {
        clients.emplace_back([&] {
            Client client(port);
            for (int i = 0; i < each; i++) {
                double us = client.request(200, delays[i % 4]);
                failed += us < 0;
                sum_us += static_cast<uint64_t>(us);
            }
        });
    }
    for (auto &t : clients) {
        t.join();
    }
    ASSERT_EQ(failed, 0u);
    const uint64_t total = connections * each;
    eventually([&] { return read(b_, slot).completions == total; });
    struct opr_bpf_totals t = read(b_, slot);
    EXPECT_EQ(t.arrivals, total);
    EXPECT_EQ(t.status[2], total);
    EXPECT_EQ(t.inflight, 0);
    uint64_t in_buckets = 0, short_ones = 0;
    for (uint32_t i = 0; i < OPR_BPF_BUCKETS; i++) {
        in_buckets += t.latency[i];
        short_ones += opr_bpf_bucket_upper_us(i) <= 4000 ? t.latency[i] : 0;
    }
    EXPECT_EQ(in_buckets, total);
    EXPECT_EQ(short_ones, 0u);
    double mean = static_cast<double>(t.latency_sum_us) / static_cast<double>(total);
    double theirs = static_cast<double>(sum_us) / static_cast<double>(total);
    EXPECT_NEAR(mean, theirs, theirs * 0.05);
}

TEST_F(Probes, StatusAndConnectionsThatEnd)
{
    if (!has(OPR_BPF_LATENCY)) {
        GTEST_SKIP() << "the kernel refused the probe latency";
    }
    uint32_t slot = add(b_, cgroup_);
    uint16_t port = start_server(cgroup_);
    const int statuses[] = {200, 204, 301, 404, 404, 500, 503};
    for (int status : statuses) {
        Client c(port);
        EXPECT_GT(c.request(status, 0), 0);
    }
    eventually([&] { return read(b_, slot).completions == 7; });
    struct opr_bpf_totals t = read(b_, slot);
    EXPECT_EQ(t.status[2], 2u);
    EXPECT_EQ(t.status[3], 1u);
    EXPECT_EQ(t.status[4], 2u);
    EXPECT_EQ(t.status[5], 2u);
    EXPECT_EQ(t.inflight, 0);
}

TEST_F(Probes, AResponseThatLeavesWithTheEndOfItsConnectionCounts)
{
    if (!has(OPR_BPF_LATENCY)) {
        GTEST_SKIP() << "the kernel refused the probe latency";
    }
    uint32_t slot = add(b_, cgroup_);
    uint16_t port = start_server(cgroup_);
    for (int i = 0; i < 10; i++) {
        Client client(port);
        EXPECT_GT(client.request(200, 1000, "Connection: close\r\n"), 0);
    }
    eventually([&] { return read(b_, slot).completions == 10; });
    EXPECT_EQ(read(b_, slot).status[2], 10u);
    EXPECT_EQ(read(b_, slot).inflight, 0);
}

TEST_F(Probes, ARequestThatComesWithTheHandshakeIsItsConnections)
{
    if (!has(OPR_BPF_LATENCY)) {
        GTEST_SKIP() << "the kernel refused the probe latency";
    }
    for (bool is_dual : {false, true}) {
        uint32_t slot = add(b_, cgroup_);
        uint16_t port = start_server(cgroup_, is_dual);
        for (int i = 0; i < 10; i++) {
            /* the acknowledgement that ends the handshake waits for the request, as proxies do it
             */
            Client client(port, [](int fd) {
                int zero = 0;
                setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &zero, sizeof zero);
            });
            EXPECT_GT(client.request(200, 1000), 0);
            EXPECT_GT(client.request(200, 1000), 0);
        }
        usleep(300000);
        Client usual(port);
        EXPECT_GT(usual.request(200, 1000), 0);
        eventually([&] { return read(b_, slot).completions == 21; });
        struct opr_bpf_totals t = read(b_, slot);
        EXPECT_EQ(t.arrivals, 21u);
        EXPECT_EQ(t.inflight, 0);
        EXPECT_GE(t.latency_sum_us, 21000u);
        EXPECT_LT(t.latency_sum_us, 200000u) << "one has begun with another's request";
        opr_bpf_slot_remove(b_, slot);
    }
}

TEST_F(Probes, WaitingRequestsAreInFlight)
{
    if (!has(OPR_BPF_LATENCY)) {
        GTEST_SKIP() << "the kernel refused the probe latency";
    }
    uint32_t slot = add(b_, cgroup_);
    uint16_t port = start_server(cgroup_);
    {
        Client a(port), b(port);
        ASSERT_TRUE(a.send_request(200, 300000) && b.send_request(200, 300000));
        eventually([&] { return read(b_, slot).inflight == 2; });
        EXPECT_EQ(read(b_, slot).completions, 0u);
    }
    /* both clients hang up; the server's answers find no one, or the sockets end without one */
    eventually([&] { return read(b_, slot).inflight == 0; });
}

TEST_F(Probes, ARequestThatIsNoHttpIsIgnored)
{
    if (!has(OPR_BPF_LATENCY)) {
        GTEST_SKIP() << "the kernel refused the probe latency";
    }
    uint32_t slot = add(b_, cgroup_);
    uint16_t port = start_server(cgroup_);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(fd, reinterpret_cast<struct sockaddr *>(&a), sizeof a), 0);
    ASSERT_EQ(send(fd, "HELLO something else\r\n", 22, 0), 22);
    char data[64];
    EXPECT_EQ(recv(fd, data, sizeof data, 0), 0);
    close(fd);
    EXPECT_EQ(read(b_, slot).arrivals, 0u);
}

TEST_F(Probes, WhatTheAgentAsksItselfDoesNotCount)
{
    if (!has(OPR_BPF_LATENCY)) {
        GTEST_SKIP() << "the kernel refused the probe latency";
    }
    uint32_t slot = add(b_, cgroup_);
    for (bool is_dual : {false, true}) {
        uint64_t before = read(b_, slot).completions;
        uint16_t port = start_server(cgroup_, is_dual);
        ASSERT_NE(port, 0);
        Client user(port);
        for (int i = 0; i < 5; i++) {
            Client own(port, [&](int fd) { opr_bpf_exclude(b_, fd); });
            EXPECT_GT(own.request(200, 0), 0);
            EXPECT_GT(own.request(500, 0), 0);
            EXPECT_GT(user.request(200, 0), 0);
        }
        /* refused: nobody listens; what is entered for it does not stay for another */
        Client lost(1, [&](int fd) { opr_bpf_exclude(b_, fd); });
        EXPECT_FALSE(lost.is_open());
        eventually([&] { return read(b_, slot).completions == before + 5; });
        EXPECT_EQ(read(b_, slot).arrivals, before + 5);
        EXPECT_EQ(read(b_, slot).status[5], 0u);
    }
}

TEST_F(Probes, APortThatTheAgentUsedBeforeIsAUsersAgain)
{
    if (!has(OPR_BPF_LATENCY)) {
        GTEST_SKIP() << "the kernel refused the probe latency";
    }
    uint32_t slot = add(b_, cgroup_);
    uint16_t port = start_server(cgroup_);
    uint16_t local = 0;
    {
        /* an end by reset leaves no TIME_WAIT, so that the next may have the port at once */
        Client own(port, [&](int fd) { opr_bpf_exclude(b_, fd); });
        EXPECT_GT(own.request(200, 0), 0);
        local = own.local_port();
        own.reset_at_end();
    }
    Client user(port, [&](int fd) {
        int one = 1;
        struct sockaddr_in a = {};
        a.sin_family = AF_INET;
        a.sin_port = htons(local);
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        EXPECT_EQ(bind(fd, reinterpret_cast<struct sockaddr *>(&a), sizeof a), 0);
    });
    ASSERT_EQ(user.local_port(), local);
    EXPECT_GT(user.request(200, 0), 0);
    eventually([&] { return read(b_, slot).completions == 1; });
    EXPECT_EQ(read(b_, slot).arrivals, 1u);
}

TEST_F(Probes, AServerOlderThanTheAgentIsSeen)
{
    if (!has(OPR_BPF_LATENCY)) {
        GTEST_SKIP() << "the kernel refused the probe latency";
    }
    uint16_t port = start_server(cgroup_);
    Client old(port);
    ASSERT_GT(old.request(200, 0), 0);
    uint32_t slot = add(b_, cgroup_);
    EXPECT_EQ(read(b_, slot).arrivals, 0u);
    for (int i = 0; i < 4; i++) {
        EXPECT_GT(old.request(200, 0), 0);
    }
    {
        Client fresh(port);
        EXPECT_GT(fresh.request(200, 0), 0);
    }
    eventually([&] { return read(b_, slot).completions == 5; });
}

TEST_F(Probes, AStaleSocketDoesNotCountForTheNextOwner)
{
    if (!has(OPR_BPF_LATENCY)) {
        GTEST_SKIP() << "the kernel refused the probe latency";
    }
    uint32_t slot = add(b_, cgroup_);
    uint16_t port = start_server(cgroup_);
    Client client(port);
    EXPECT_GT(client.request(200, 0), 0);
    opr_bpf_slot_remove(b_, slot);
    Cgroup next("-next");
    uint32_t taken = 0;
    std::vector<uint32_t> others;
    /* until the same slot comes round */
    for (uint32_t i = 0; i < OPR_BPF_SLOTS && taken != slot; i++) {
        taken = add(b_, next);
        others.push_back(taken);
    }
    ASSERT_EQ(taken, slot);
    EXPECT_GT(client.request(200, 0), 0);
    EXPECT_EQ(read(b_, slot).arrivals, 0u);
    uint64_t stale = 0;
    const char *name;
    uint64_t count;
    for (uint32_t i = 0; (name = opr_bpf_loss(b_, i, &count)); i++) {
        stale += std::string(name) == "stale_slot" ? count : 0;
    }
    EXPECT_GT(stale, 0u);
}

TEST_F(Probes, LossesHaveNames)
{
    uint64_t count;
    uint32_t n = 0;
    while (opr_bpf_loss(b_, n, &count)) {
        EXPECT_EQ(count, 0u);
        n++;
    }
    EXPECT_EQ(n, 4u);
}

} // namespace
