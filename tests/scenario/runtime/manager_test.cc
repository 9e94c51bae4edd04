/* The manager with its real loop, threads and clock, over the test server: concurrency, draining,
 * the health endpoints. */
#include "tests/support/lab.h"
#include "tests/support/loop_server.h"

#include "core/base/log.h"
#include "core/runtime/manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <set>
#include <thread>

const struct opr_host *opr__host;

namespace
{

using ::testing::HasSubstr;

class ManagerTest : public ::testing::Test
{
  protected:
    Lab lab;
    struct opr_loop *loop = opr_loop_new();
    LoopServer server{loop};
    struct opr_client *client = opr_client_new(&server.transport);
    struct opr_manager *manager = nullptr;
    struct opr_timer *poll = opr_timer_new(loop, OnPoll, this);
    std::function<bool()> until;
    std::chrono::steady_clock::time_point give_up;
    bool was_reached = false, is_stopped = false;

    void SetUp() override
    {
        opr_log_set_level(OPR_LOG_ERROR);
    }
    ~ManagerTest() override
    {
        opr_timer_free(poll);
        opr_manager_free(manager);
        opr_client_free(client);
        opr_loop_free(loop);
    }
    static void OnPoll(void *arg)
    {
        auto *self = static_cast<ManagerTest *>(arg);
        self->was_reached = self->until();
        if (self->was_reached || std::chrono::steady_clock::now() > self->give_up) {
            opr_loop_stop(self->loop);
        } else {
            opr_timer_set(self->poll, 2);
        }
    }
    /* Runs the loop until something holds; false: it did not within 20 s. */
    bool RunUntil(std::function<bool()> condition)
    {
        until = std::move(condition);
        give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        opr_timer_set(poll, 0);
        opr_loop_run(loop);
        return was_reached;
    }
    struct opr_manager *NewManager(const char *identity, uint32_t workers, const char *lease)
    {
        struct opr_manager_config config = {};
        config.loop = loop;
        config.client = client;
        config.clock = opr_clock_system();
        config.identity = identity;
        config.workers = workers;
        config.lease = lease;
        struct opr_manager *m = opr_manager_new(&config);
        struct opr_error err = {};
        EXPECT_EQ(opr_manager_add(m, Lab::Entry, NULL, &err), OPR_OK) << err.message;
        return m;
    }
    void Start(uint32_t workers)
    {
        manager = NewManager("test", workers, NULL);
        opr_manager_start(manager);
    }
    bool Stop(uint32_t drain_ms)
    {
        is_stopped = false;
        opr_manager_stop(
            manager, drain_ms,
            [](void *arg) { static_cast<ManagerTest *>(arg)->is_stopped = true; }, this);
        return RunUntil([this] { return is_stopped; });
    }
    void ApplyMap(const std::string &name, const std::string &data = "0")
    {
        server.Apply("v1/ConfigMap", "default",
                     "{\"metadata\":{\"name\":\"" + name + "\"},\"data\":{\"v\":\"" + data +
                         "\"}}");
    }
};

TEST_F(ManagerTest, NoKeyRunsTwiceAtOnceAndNoLimitIsPassed)
{
    static std::mutex lock;
    static std::set<std::string> running;
    static std::atomic<int> now, most, overlaps, done;
    now = most = overlaps = done = 0;
    LabController &c =
        lab.Add("main", "v1/ConfigMap", [](struct opr_ctx *ctx, const struct opr_obj *self) {
            std::string key = opr_ctx_key(ctx).name;
            {
                std::lock_guard<std::mutex> guard(lock);
                overlaps += running.insert(key).second ? 0 : 1;
            }
            int n = ++now;
            most = std::max(most.load(), n);
            std::this_thread::sleep_for(std::chrono::microseconds(300));
            if (self && opr_obj_bool(self, "/data/marked", false) == false) {
                const struct opr_obj *o;
                (void)!opr_patch(ctx, self, NULL, OPR_PATCH_MERGE,
                                 opr_doc_new(ctx, "{'data':{'marked':'yes'}}"), &o);
            }
            --now;
            ++done;
            std::lock_guard<std::mutex> guard(lock);
            running.erase(key);
            return opr_done();
        });
    c.decl.workers = 3;
    Start(8);
    for (int i = 0; i < 40; i++) {
        ApplyMap("m" + std::to_string(i));
    }
    std::thread user([this] {
        for (int round = 1; round <= 5; round++) {
            for (int i = 0; i < 40; i++) {
                ApplyMap("m" + std::to_string(i), std::to_string(round));
            }
        }
    });
    EXPECT_TRUE(RunUntil([this] {
        return server.All("v1/ConfigMap", [](const struct opr_obj *o) {
            return opr_json_at(o, "/data/marked") && done.load() >= 80;
        });
    }));
    user.join();
    EXPECT_EQ(overlaps, 0);
    EXPECT_LE(most, 3);
    EXPECT_GE(most, 2) << "they did run side by side";
    EXPECT_TRUE(Stop(2000));
}

TEST_F(ManagerTest, ControllersShareTheWorkersFairly)
{
    static std::atomic<int> slow, fast;
    slow = fast = 0;
    LabController &a =
        lab.Add("slow", "v1/ConfigMap", [](struct opr_ctx *, const struct opr_obj *) {
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
            slow++;
            return opr_done();
        });
    a.decl.workers = 8;
    LabController &b = lab.Add("fast", "v1/Secret", [](struct opr_ctx *, const struct opr_obj *) {
        fast++;
        return opr_done();
    });
    b.decl.workers = 8;
    for (int i = 0; i < 300; i++) {
        ApplyMap("m" + std::to_string(i));
    }
    server.Apply("v1/Secret", "default", "{\"metadata\":{\"name\":\"s\"}}");
    Start(2);
    EXPECT_TRUE(RunUntil([] { return fast.load() > 0; }));
    EXPECT_LT(slow, 150) << "a long queue does not keep another controller waiting";
    EXPECT_TRUE(Stop(2000));
}

TEST_F(ManagerTest, StoppingLetsWhatRunsEnd)
{
    static std::atomic<int> begun, ended;
    begun = ended = 0;
    lab.Add("main", "v1/ConfigMap", [](struct opr_ctx *, const struct opr_obj *) {
        begun++;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        ended++;
        return opr_done();
    });
    for (int i = 0; i < 5; i++) {
        ApplyMap("m" + std::to_string(i));
    }
    Start(2);
    EXPECT_TRUE(RunUntil([] { return begun.load() > 0; }));
    EXPECT_TRUE(Stop(5000));
    EXPECT_EQ(begun, ended);
    EXPECT_LT(begun, 5) << "no new one began";
}

TEST_F(ManagerTest, TheLeaseIsRenewedWhileWhatRunsEnds)
{
    static std::atomic<bool> has_begun, may_end;
    has_begun = may_end = false;
    lab.Add("main", "v1/ConfigMap", [](struct opr_ctx *, const struct opr_obj *) {
        has_begun = true;
        while (!may_end) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return opr_done();
    });
    std::atomic<int> renewals{0};
    server.on_call = [&](const struct opr_client_request *req) {
        renewals += strcmp(req->method, "PUT") == 0 && strstr(req->path_query, "/leases/") != NULL;
    };
    ApplyMap("a");
    manager = NewManager("test", 1, "kube-system/operon");
    opr_manager_start(manager);
    EXPECT_TRUE(RunUntil([] { return has_begun.load(); }));
    bool has_stopped = false;
    opr_manager_stop(
        manager, 60000, [](void *arg) { *static_cast<bool *>(arg) = true; }, &has_stopped);
    int before = renewals;
    EXPECT_TRUE(RunUntil([&] { return renewals >= before + 2; }));
    EXPECT_FALSE(has_stopped);
    EXPECT_TRUE(server.All("coordination.k8s.io/v1/Lease", [](const struct opr_obj *o) {
        return strcmp(opr_obj_str(o, "/spec/holderIdentity", ""), "test") == 0;
    })) << "nobody else may begin while this one has not ended";
    may_end = true;
    EXPECT_TRUE(RunUntil([&] { return has_stopped; }));
    EXPECT_TRUE(server.All("coordination.k8s.io/v1/Lease", [](const struct opr_obj *o) {
        return strcmp(opr_obj_str(o, "/spec/holderIdentity", "x"), "") == 0;
    }));
    EXPECT_FALSE(opr_manager_has_left_behind(manager));
}

/* A place among a controller's workers that is given back is seen by those who wait for it. */
TEST_F(ManagerTest, NoKeyIsForgottenAtTheLimit)
{
    static std::atomic<int> done;
    done = 0;
    for (const char *name : {"a", "b", "c"}) {
        LabController &c =
            lab.Add(name, "v1/ConfigMap", [](struct opr_ctx *, const struct opr_obj *) {
                done++;
                return opr_done();
            });
        c.decl.workers = 1;
    }
    Start(8);
    EXPECT_TRUE(RunUntil([this] { return opr_manager_is_ready(manager); }));
    for (int round = 1; round <= 200; round++) {
        int expected = done + 12;
        for (const char *name : {"a", "b", "c"}) {
            for (int i = 0; i < 4; i++) {
                ASSERT_TRUE(opr_manager_enqueue(manager, name, "default",
                                                ("m" + std::to_string(i)).c_str()));
            }
        }
        ASSERT_TRUE(RunUntil([&] { return done >= expected; })) << "round " << round;
    }
    EXPECT_TRUE(Stop(1000));
}

TEST_F(ManagerTest, WhatDoesNotEndIsCancelled)
{
    static std::atomic<bool> has_begun, was_cancelled;
    has_begun = was_cancelled = false;
    lab.Add("main", "v1/ConfigMap", [](struct opr_ctx *c, const struct opr_obj *) {
        has_begun = true;
        while (!opr_ctx_cancelled(c)) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        const struct opr_obj *o;
        was_cancelled = opr_get_live(c, "v1/ConfigMap", "default", "a", &o) == OPR_E_CANCELLED;
        return opr_retry("cancelled");
    });
    ApplyMap("a");
    Start(1);
    EXPECT_TRUE(RunUntil([] { return has_begun.load(); }));
    EXPECT_TRUE(Stop(20));
    EXPECT_TRUE(was_cancelled);
}

TEST_F(ManagerTest, DelayedKeysComeInTime)
{
    static std::atomic<int> runs;
    runs = 0;
    lab.Add("main", "v1/ConfigMap", [](struct opr_ctx *, const struct opr_obj *) {
        return ++runs < 6 ? opr_requeue_after_ms(10) : opr_done();
    });
    ApplyMap("a");
    auto begin = std::chrono::steady_clock::now();
    Start(2);
    EXPECT_TRUE(RunUntil([] { return runs.load() == 6; }));
    auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_GE(took, std::chrono::milliseconds(50));
    EXPECT_LT(took, std::chrono::milliseconds(5000));
    EXPECT_TRUE(Stop(1000));
}

TEST_F(ManagerTest, EventsAreWrittenBesideTheReconcile)
{
    lab.Add("main", "v1/ConfigMap", [](struct opr_ctx *c, const struct opr_obj *self) {
        opr_event(c, self, "Normal", "Seen", "seen %s", opr_ctx_key(c).name);
        return opr_done();
    });
    std::atomic<bool> is_slow{true};
    server.on_call = [&](const struct opr_client_request *req) {
        while (is_slow && strstr(req->path_query, "/events")) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    };
    ApplyMap("a");
    ApplyMap("b");
    Start(1);
    struct opr_buf text = {};
    EXPECT_TRUE(RunUntil([&] {
        opr_buf_clear(&text);
        opr_manager_metrics(manager, &text);
        return strstr(text.data, "reconcile_total{controller=\"main\",result=\"success\"} 2");
    })) << "the events stand still, the reconciles do not";
    EXPECT_EQ(server.Count("v1/Event"), 0u);
    is_slow = false;
    EXPECT_TRUE(RunUntil([this] { return server.Count("v1/Event") == 2; }));
    EXPECT_TRUE(Stop(1000));
    opr_buf_fini(&text);
}

TEST_F(ManagerTest, MetricsHaveTheNamesThatDashboardsKnow)
{
    lab.Add("main", "v1/ConfigMap",
            [](struct opr_ctx *, const struct opr_obj *) { return opr_fail("no"); });
    ApplyMap("a");
    Start(1);
    struct opr_buf text = {};
    EXPECT_TRUE(RunUntil([&] {
        opr_buf_clear(&text);
        opr_manager_metrics(manager, &text);
        return strstr(text.data, "reconcile_total{controller=\"main\",result=\"error\"} 1");
    }));
    for (const char *line :
         {"controller_runtime_terminal_reconcile_errors_total{controller=\"main\"} 1\n",
          "controller_runtime_reconcile_errors_total{controller=\"main\"} 1\n",
          "controller_runtime_max_concurrent_reconciles{controller=\"main\"} 1\n",
          "controller_runtime_reconcile_time_seconds_count{controller=\"main\"} 1\n",
          "controller_runtime_reconcile_time_seconds_bucket{controller=\"main\",le=\"60\"} 1\n",
          "workqueue_depth{name=\"main\"} 0\n", "workqueue_adds_total{name=\"main\"} 1\n",
          "# TYPE workqueue_work_duration_seconds histogram\n",
          "workqueue_queue_duration_seconds_count{name=\"main\"} 1\n",
          "rest_client_request_duration_seconds_bucket{host=\"\",verb=\"GET\",le=\"+Inf\"} ",
          "rest_client_requests_total{code=\"200\",host=\"\",method=\"GET\"}"}) {
        EXPECT_THAT(text.data, HasSubstr(line));
    }
    opr_buf_fini(&text);
    EXPECT_TRUE(Stop(1000));
}

TEST_F(ManagerTest, ALongOutageOfTheServerIsSurvived)
{
    static std::atomic<int> runs;
    runs = 0;
    lab.Add("main", "v1/ConfigMap", [](struct opr_ctx *c, const struct opr_obj *self) {
        runs++;
        const struct opr_obj *o;
        if (self && opr_get_live(c, "v1/ConfigMap", "default", "a", &o) != OPR_OK) {
            return opr_retry(opr_ctx_error(c));
        }
        return opr_done();
    });
    server.is_down = true;
    Start(2);
    std::thread later([this] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        server.is_down = false;
        ApplyMap("a");
    });
    EXPECT_TRUE(RunUntil([] { return runs.load() > 0; }));
    later.join();
    EXPECT_TRUE(opr_manager_is_ready(manager));
    EXPECT_TRUE(Stop(1000));
}

TEST_F(ManagerTest, FreedWithoutAStart)
{
    lab.Add("main", "v1/ConfigMap",
            [](struct opr_ctx *, const struct opr_obj *) { return opr_done(); });
    manager = NewManager("test", 4, NULL);
}

TEST_F(ManagerTest, FreedWhileItRuns)
{
    lab.Add("main", "v1/ConfigMap", [](struct opr_ctx *c, const struct opr_obj *) {
        const struct opr_obj *o;
        (void)!opr_get_live(c, "v1/ConfigMap", "default", "m1", &o);
        return opr_requeue_after_ms(1);
    });
    for (int i = 0; i < 20; i++) {
        ApplyMap("m" + std::to_string(i));
    }
    Start(4);
    EXPECT_TRUE(RunUntil([this] { return opr_manager_is_ready(manager); }));
    opr_manager_free(manager);
    manager = nullptr;
}

} // namespace
