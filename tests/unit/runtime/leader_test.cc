/* Leader election between managers over one test server, by a clock that the test owns. */
#include "tests/support/lab.h"

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/rand.h"
#include "core/runtime/manager.h"
#include "core/runtime/testing/sim.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace
{

/* Monotonic time stands still while a machine sleeps, the boot clock does not. */
struct SleepyClock {
    struct opr_clock base; /* first */
    uint64_t awake_ms = 1000, asleep_ms = 0;

    SleepyClock()
    {
        base.wall_ms = [](const struct opr_clock *c) {
            auto *self = reinterpret_cast<const SleepyClock *>(c);
            return (int64_t)(1767225600000 + self->awake_ms + self->asleep_ms);
        };
        base.mono_ns = [](const struct opr_clock *c) {
            return reinterpret_cast<const SleepyClock *>(c)->awake_ms * 1000000;
        };
        base.boot_ns = [](const struct opr_clock *c) {
            auto *self = reinterpret_cast<const SleepyClock *>(c);
            return (self->awake_ms + self->asleep_ms) * 1000000;
        };
    }
};

class LeaderTest : public ::testing::Test
{
  protected:
    struct Replica {
        struct opr_client *client;
        struct opr_manager *manager;
    };
    Lab lab;
    SleepyClock clock;
    struct sim *sim = sim_new(&clock.base);
    Replica a = {}, b = {};
    int ran = 0;

    void SetUp() override
    {
        opr_log_set_level(OPR_LOG_ERROR);
        opr_rand_seed(3);
        sim->transport.free = [](struct opr_transport *) {};
        lab.Add("main", "v1/ConfigMap", [this](struct opr_ctx *, const struct opr_obj *) {
            ran++;
            return opr_done();
        });
    }
    ~LeaderTest() override
    {
        Free(a);
        Free(b);
        sim_free(sim);
        opr_rand_seed(0);
    }
    Replica Start(const char *identity)
    {
        Replica r;
        r.client = opr_client_new(&sim->transport);
        opr_client_set_clock(r.client, &clock.base);
        struct opr_manager_config config = {};
        config.client = r.client;
        config.clock = &clock.base;
        config.identity = identity;
        config.lease = "kube-system/operon";
        config.workers = UINT32_MAX;
        r.manager = opr_manager_new(&config);
        struct opr_error err = {};
        EXPECT_EQ(opr_manager_add(r.manager, Lab::Entry, NULL, &err), OPR_OK) << err.message;
        opr_manager_start(r.manager);
        return r;
    }
    static void Free(Replica &r)
    {
        opr_manager_free(r.manager);
        opr_client_free(r.client);
        r = {};
    }
    void Turn(Replica &r)
    {
        for (int i = 0; i < 6; i++) {
            opr_manager_turn(r.manager, 1000);
            sim_pump(sim);
        }
        opr_manager_turn(r.manager, 1000);
    }
    static bool Leads(Replica &r)
    {
        struct opr_buf text = {};
        opr_manager_metrics(r.manager, &text);
        bool is_leading =
            strstr(text.data, "leader_election_master_status{name=\"kube-system/operon\"} 1");
        opr_buf_fini(&text);
        return is_leading;
    }
    void Pass(uint64_t seconds, bool with_a, bool with_b)
    {
        for (uint64_t i = 0; i < seconds; i++) {
            clock.awake_ms += 1000;
            if (with_a) {
                Turn(a);
            }
            if (with_b) {
                Turn(b);
            }
            if (with_a && with_b) {
                ASSERT_FALSE(Leads(a) && Leads(b));
            }
        }
    }
    void Touch()
    {
        static int n;
        struct json_object *doc = json_object_new_object();
        std::string name = "m" + std::to_string(n++);
        opr_doc_put_str(doc, "/metadata/name", name.c_str());
        struct sim_answer answer = {};
        sim_create(sim, sim_kind_find(sim, "v1/ConfigMap"), "default", doc, true, &answer);
        opr_json_unref(answer.obj);
        json_object_put(doc);
    }
    const struct opr_obj *Lease()
    {
        return sim_get(sim_kind_find(sim, "coordination.k8s.io/v1/Lease"), "kube-system", "operon");
    }
    void FailNext(const char *verb, uint32_t n)
    {
        auto *f = static_cast<struct sim_failure *>(opr_xalloc(sizeof(struct sim_failure)));
        f->verb = opr_xstrdup(verb);
        f->left = n;
        f->http_status = 500;
        opr_vec_push(&sim->failures, f);
    }
};

TEST_F(LeaderTest, OneLeadsAndOnlyItReconciles)
{
    a = Start("a");
    b = Start("b");
    Turn(a);
    Turn(b);
    EXPECT_TRUE(Leads(a));
    EXPECT_FALSE(Leads(b));
    Touch();
    Turn(b);
    EXPECT_EQ(ran, 0);
    Turn(a);
    EXPECT_EQ(ran, 1);
    ASSERT_NE(Lease(), nullptr);
    EXPECT_STREQ(opr_json_str(Lease(), "/spec/holderIdentity", ""), "a");
    EXPECT_EQ(opr_json_int(Lease(), "/spec/leaseDurationSeconds", 0), 15);
    EXPECT_EQ(opr_json_int(Lease(), "/spec/leaseTransitions", -1), 0);
    Pass(60, true, true);
    EXPECT_TRUE(Leads(a));
}

TEST_F(LeaderTest, TheNextOneTakesOverWhenTheLeaseRunsOut)
{
    a = Start("a");
    b = Start("b");
    Pass(10, true, true);
    Touch();
    Pass(14, false, true); /* a hangs */
    EXPECT_FALSE(Leads(b));
    EXPECT_EQ(ran, 0);
    Pass(6, false, true);
    EXPECT_TRUE(Leads(b));
    EXPECT_EQ(ran, 1);
    EXPECT_STREQ(opr_json_str(Lease(), "/spec/holderIdentity", ""), "b");
    EXPECT_EQ(opr_json_int(Lease(), "/spec/leaseTransitions", -1), 1);
    Touch();
    int before = ran;
    Turn(a);
    EXPECT_FALSE(Leads(a)) << "it notices before it does anything";
    EXPECT_EQ(ran, before);
    Pass(30, true, true);
    EXPECT_TRUE(Leads(b));
}

TEST_F(LeaderTest, AMachineThatSleptDoesNotWakeAsLeader)
{
    a = Start("a");
    Turn(a);
    ASSERT_TRUE(Leads(a));
    Touch();
    sim_pump(sim);
    clock.asleep_ms += 10000;
    int before = ran;
    opr_manager_turn(a.manager, 1000);
    /* It may lead again once it has renewed, but not on the strength of the old lease. */
    EXPECT_STREQ(opr_json_str(Lease(), "/spec/holderIdentity", ""), "a");
    EXPECT_EQ(ran, before);
    EXPECT_FALSE(Leads(a));
    Pass(3, true, false);
    EXPECT_TRUE(Leads(a));
    EXPECT_GT(ran, before);
}

TEST_F(LeaderTest, WithoutRenewalItStandsByAfterTenSecondsAndComesBack)
{
    a = Start("a");
    Turn(a);
    ASSERT_TRUE(Leads(a));
    FailNext("get", 8);
    Pass(9, true, false);
    EXPECT_TRUE(Leads(a));
    Pass(2, true, false);
    EXPECT_FALSE(Leads(a));
    Pass(30, true, false);
    EXPECT_TRUE(Leads(a)) << "no exit: it tries again";
}

TEST_F(LeaderTest, ARenewalThatIsOldWhenItIsHeardOfDoesNotMakeALeader)
{
    static SleepyClock *slept;
    static decltype(sim->transport.call) call;
    slept = &clock;
    call = sim->transport.call;
    sim->transport.call = [](struct opr_transport_session *s, const struct opr_client_request *req,
                             struct opr_client_response *res, struct opr_error *err) {
        if (slept && strcmp(req->method, "POST") == 0) {
            slept->asleep_ms += 20000; /* the machine sleeps before the answer is read */
            slept = nullptr;
        }
        return call(s, req, res, err);
    };
    a = Start("a"); /* tries at once */
    ASSERT_EQ(slept, nullptr);
    ASSERT_NE(Lease(), nullptr);
    EXPECT_FALSE(Leads(a)) << "the lease that it took has run out";
    Turn(a);
    EXPECT_TRUE(Leads(a)) << "renewed";
}

TEST_F(LeaderTest, ALeaseThatWasRenewedUnheardIsGivenBackToo)
{
    a = Start("a");
    Pass(5, true, false);
    ASSERT_TRUE(Leads(a));
    struct json_object *doc = json_object_new_object();
    opr_doc_put_str(doc, "/metadata/annotations/x", "newer than a knows");
    struct sim_answer answer = {};
    sim_patch(sim, sim_kind_find(sim, "coordination.k8s.io/v1/Lease"), "kube-system", "operon",
              nullptr, "application/merge-patch+json", doc, &answer);
    EXPECT_EQ(answer.code, 200);
    opr_json_unref(answer.obj);
    json_object_put(doc);
    opr_manager_stop(a.manager, 1000, nullptr, nullptr);
    Free(a);
    EXPECT_STREQ(opr_json_str(Lease(), "/spec/holderIdentity", "x"), "");
}

TEST_F(LeaderTest, AnothersLeaseIsNotGivenBack)
{
    a = Start("a");
    Pass(5, true, false);
    ASSERT_TRUE(Leads(a));
    struct json_object *doc = json_object_new_object();
    opr_doc_put_str(doc, "/spec/holderIdentity", "b");
    struct sim_answer answer = {};
    sim_patch(sim, sim_kind_find(sim, "coordination.k8s.io/v1/Lease"), "kube-system", "operon",
              nullptr, "application/merge-patch+json", doc, &answer);
    EXPECT_EQ(answer.code, 200);
    opr_json_unref(answer.obj);
    json_object_put(doc);
    Free(a);
    EXPECT_STREQ(opr_json_str(Lease(), "/spec/holderIdentity", "x"), "b");
}

TEST_F(LeaderTest, AStoppedLeaderGivesTheLeaseBack)
{
    a = Start("a");
    b = Start("b");
    Pass(5, true, true);
    ASSERT_TRUE(Leads(a));
    bool is_stopped = false;
    opr_manager_stop(
        a.manager, 1000, [](void *arg) { *static_cast<bool *>(arg) = true; }, &is_stopped);
    EXPECT_TRUE(is_stopped);
    EXPECT_STREQ(opr_json_str(Lease(), "/spec/holderIdentity", "x"), "");
    Pass(5, false, true);
    EXPECT_TRUE(Leads(b)) << "without waiting for its end";
}

} // namespace
