/* Reconciles as a plugin sees them: outcomes, reading, writing, mapping, expectations, events. */
#include "tests/support/lab_host.h"

#include "core/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace
{

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class ReconcileTest : public ::testing::Test
{
  protected:
    Lab lab;
    struct opr_test *t = nullptr;
    std::vector<std::string> ran; /* keys */

    void SetUp() override
    {
        opr_log_set_level(OPR_LOG_ERROR);
    }
    ~ReconcileTest() override
    {
        opr_test_free(t);
    }
    void Note(struct opr_ctx *c, const struct opr_obj *self)
    {
        struct opr_key key = opr_ctx_key(c);
        ran.push_back(std::string(key.ns) + "/" + key.name + (self ? "" : " gone"));
    }
    /* A controller of ConfigMaps that notes what it is called with. */
    LabController &AddNoting(std::function<opr_result(struct opr_ctx *)> then = nullptr)
    {
        return lab.Add("main", "v1/ConfigMap",
                       [this, then](struct opr_ctx *c, const struct opr_obj *self) {
                           Note(c, self);
                           return then ? then(c) : opr_done();
                       });
    }
    void Start(const char *config = nullptr)
    {
        t = opr_test_new(Lab::Entry, config);
        opr_test_run(t);
    }
    void Apply(const std::string &json)
    {
        ASSERT_STREQ(opr_test_apply(t, json.c_str()), "");
    }
    void ApplyMap(const std::string &name, const std::string &more = "")
    {
        Apply("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'" + name + "'" + more +
              "}}");
    }
};

TEST_F(ReconcileTest, AKeyOfEachObjectAndOfItsEnd)
{
    AddNoting();
    Start();
    ApplyMap("a");
    ApplyMap("b", ",'namespace':'other'");
    opr_test_run(t);
    EXPECT_THAT(ran, ElementsAre("default/a", "other/b"));
    opr_test_delete(t, "v1/ConfigMap", "default", "a");
    opr_test_run(t);
    EXPECT_EQ(ran.back(), "default/a gone");
}

TEST_F(ReconcileTest, ObjectsThatWereThereBeforeAreSeen)
{
    AddNoting();
    t = opr_test_new(Lab::Entry, nullptr);
    ApplyMap("a");
    opr_test_run(t);
    EXPECT_THAT(ran, ElementsAre("default/a"));
}

TEST_F(ReconcileTest, RetryBacksOffAndDoneClearsIt)
{
    int failures = 3;
    AddNoting([&](struct opr_ctx *) { return failures-- > 0 ? opr_retry("no") : opr_done(); });
    Start();
    ApplyMap("a");
    EXPECT_EQ(opr_test_run(t), 1u);
    EXPECT_EQ(opr_test_advance_ms(t, 4), 0u);
    EXPECT_EQ(opr_test_advance_ms(t, 1), 1u);
    EXPECT_EQ(opr_test_advance_ms(t, 9), 0u);
    EXPECT_EQ(opr_test_advance_ms(t, 1), 1u);
    EXPECT_EQ(opr_test_advance_ms(t, 20), 1u);
    EXPECT_EQ(opr_test_advance_ms(t, 3600000), 0u);
    failures = 1;
    ApplyMap("a", ",'labels':{'x':'1'}");
    EXPECT_EQ(opr_test_run(t), 1u);
    EXPECT_EQ(opr_test_advance_ms(t, 5), 1u) << "from the start again";
}

TEST_F(ReconcileTest, AfterRunsAgainAtItsTime)
{
    AddNoting(
        [&](struct opr_ctx *) { return ran.size() < 3 ? opr_requeue_after_ms(1000) : opr_done(); });
    Start();
    ApplyMap("a");
    EXPECT_EQ(opr_test_run(t), 1u);
    EXPECT_EQ(opr_test_advance_ms(t, 999), 0u);
    EXPECT_EQ(opr_test_advance_ms(t, 1), 1u);
    EXPECT_EQ(opr_test_advance_ms(t, 1000), 1u);
    EXPECT_EQ(opr_test_advance_ms(t, 100000), 0u);
}

TEST_F(ReconcileTest, FailWaitsForTheNextChange)
{
    AddNoting([&](struct opr_ctx *) { return opr_fail("never"); });
    Start();
    ApplyMap("a");
    EXPECT_EQ(opr_test_run(t), 1u);
    EXPECT_EQ(opr_test_advance_ms(t, 3600000), 0u);
    ApplyMap("a", ",'labels':{'x':'1'}");
    EXPECT_EQ(opr_test_run(t), 1u);
}

TEST_F(ReconcileTest, TheOwnerOfTheRightKindIsWoken)
{
    LabController &c = lab.Add("main", "apps/v1/ReplicaSet",
                               [this](struct opr_ctx *ctx, const struct opr_obj *self) {
                                   Note(ctx, self);
                                   return opr_done();
                               });
    c.reads = {Lab::Read("v1/ConfigMap")};
    Start();
    auto owner = [](const char *api, const char *kind, const char *name, bool is_controller) {
        return std::string(",'ownerReferences':[{'apiVersion':'") + api + "','kind':'" + kind +
               "','name':'" + name + "','uid':'u-" + name + "'" +
               (is_controller ? ",'controller':true" : "") + "}]";
    };
    ApplyMap("a", owner("apps/v1", "ReplicaSet", "web", true));
    ApplyMap("b", owner("apps/v1beta1", "ReplicaSet", "older", true));
    ApplyMap("c", owner("other.dev/v1", "ReplicaSet", "foreign", true));
    ApplyMap("d", owner("apps/v1", "Deployment", "kind", true));
    ApplyMap("e", owner("apps/v1", "ReplicaSet", "mere", false));
    opr_test_run(t);
    EXPECT_THAT(ran, UnorderedElementsAre("default/web gone", "default/older gone"));
    ran.clear();
    ApplyMap("a", owner("apps/v1", "ReplicaSet", "next", true));
    opr_test_run(t);
    EXPECT_THAT(ran, UnorderedElementsAre("default/web gone", "default/next gone"))
        << "the old owner hears that it left";
}

TEST_F(ReconcileTest, MappingFunctionsSeeBothStatesAndTheCache)
{
    static std::vector<std::string> seen;
    seen.clear();
    LabController &c = AddNoting();
    c.reads = {Lab::Read("v1/Node", [](struct opr_mapper *m, const struct opr_obj *was,
                                       const struct opr_obj *is, void *) {
        seen.push_back(std::string(was ? "was" : "") + (is ? "is" : ""));
        opr_map_each(
            m, "v1/ConfigMap", NULL, NULL, NULL,
            [](const struct opr_obj *o, void *arg) {
                opr_map_enqueue(static_cast<struct opr_mapper *>(arg),
                                opr_obj_str(o, "/metadata/namespace", ""),
                                opr_obj_str(o, "/metadata/name", ""));
            },
            m);
    })};
    Start();
    ApplyMap("a");
    ApplyMap("b");
    opr_test_run(t);
    ran.clear();
    Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1'}}");
    opr_test_run(t);
    EXPECT_THAT(ran, UnorderedElementsAre("default/a", "default/b"));
    Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1','labels':{'a':'b'}}}");
    opr_test_run(t);
    opr_test_delete(t, "v1/Node", NULL, "n1");
    opr_test_run(t);
    EXPECT_THAT(seen, ElementsAre("is", "wasis", "was"));
}

TEST_F(ReconcileTest, ReadsDeclaredKindsFromTheCacheAndOthersLive)
{
    std::string node, secret, error;
    opr_status list_undeclared = OPR_OK, list_index = OPR_OK, absent = OPR_OK;
    uint32_t on_n1 = 0;
    LabController &c = AddNoting([&](struct opr_ctx *ctx) {
        const struct opr_obj *o = nullptr;
        const struct opr_obj *const *objs;
        uint32_t n;
        node = opr_get(ctx, "v1/Node", NULL, "n1", &o) == OPR_OK
                   ? opr_obj_str(o, "/metadata/labels/v", "")
                   : "none";
        secret = opr_get(ctx, "v1/Secret", "default", "s", &o) == OPR_OK ? "live" : "none";
        absent = opr_get(ctx, "v1/Node", NULL, "n2", &o);
        list_undeclared = opr_list(ctx, "v1/Secret", NULL, NULL, NULL, &objs, &n);
        error = opr_ctx_error(ctx);
        list_index = opr_list(ctx, "v1/Pod", NULL, "nosuch", "x", &objs, &n);
        EXPECT_EQ(opr_list(ctx, "v1/Pod", "default", "node", "n1", &objs, &on_n1), OPR_OK);
        return opr_done();
    });
    struct opr_watch pods = Lab::Read("v1/Pod");
    pods.index = "node=/spec/nodeName";
    c.reads = {Lab::Read("v1/Node"), pods};
    Start();
    Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1','labels':{'v':'1'}}}");
    Apply("{'apiVersion':'v1','kind':'Secret','metadata':{'name':'s'}}");
    Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p'},'spec':{'nodeName':'n1'}}");
    opr_test_run(t);
    opr_test_hold(t, "v1/Node", true);
    Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1','labels':{'v':'2'}}}");
    ApplyMap("a");
    opr_test_run(t);
    EXPECT_EQ(node, "1") << "the cache stands still";
    EXPECT_EQ(secret, "live");
    EXPECT_EQ(absent, OPR_E_NOT_FOUND);
    EXPECT_EQ(list_undeclared, OPR_E_INVALID);
    EXPECT_THAT(error, HasSubstr("does not declare"));
    EXPECT_EQ(list_index, OPR_E_INVALID);
    EXPECT_EQ(on_n1, 1u);
}

TEST_F(ReconcileTest, WritesAreOneRequestEachAndSeenAtOnce)
{
    std::vector<opr_status> results;
    int64_t scale = 0;
    LabController &c = AddNoting([&](struct opr_ctx *ctx) {
        const struct opr_obj *d = nullptr, *o = nullptr;
        struct opr_doc *doc =
            opr_doc_new(ctx,
                        "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':%s,"
                        "'namespace':'default'},'spec':{'replicas':%d}}",
                        "web", 2);
        results.push_back(opr_create(ctx, doc, &d));
        results.push_back(opr_create(ctx, doc, NULL));
        results.push_back(opr_get(ctx, "apps/v1/Deployment", "default", "web", &o));
        struct opr_doc *patch = opr_doc_new(ctx, "{'spec':{'replicas':3}}");
        results.push_back(opr_patch(ctx, d, NULL, OPR_PATCH_MERGE, patch, &d));
        results.push_back(opr_patch(ctx, d, "scale", OPR_PATCH_MERGE,
                                    opr_doc_new(ctx, "{'spec':{'replicas':%d}}", 7), &o));
        EXPECT_STREQ(opr_obj_str(o, "/kind", ""), "Scale");
        results.push_back(opr_get_live(ctx, "apps/v1/Deployment", "default", "web", &o));
        scale = opr_obj_int(o, "/spec/replicas", 0);
        struct opr_doc *stale = opr_doc_of(ctx, d);
        results.push_back(opr_update(ctx, stale, NULL, NULL));
        struct opr_doc *fresh = opr_doc_of(ctx, o);
        EXPECT_EQ(opr_doc_set(fresh, "/status", "{'readyReplicas':%d}", 1), OPR_OK);
        results.push_back(opr_update(ctx, fresh, "status", &o));
        EXPECT_EQ(opr_obj_int(o, "/status/readyReplicas", 0), 1);
        EXPECT_EQ(opr_obj_int(o, "/metadata/generation", 0), 3) << "a status is no new generation";
        struct opr_delete_options options = {sizeof options, "Background", -1, true};
        results.push_back(opr_delete(ctx, d, &options));
        results.push_back(opr_delete(ctx, o, &options));
        results.push_back(opr_get(ctx, "apps/v1/Deployment", "default", "web", &o));
        return opr_done();
    });
    c.reads = {Lab::Read("apps/v1/Deployment")};
    Start();
    ApplyMap("a");
    opr_test_run(t);
    EXPECT_THAT(results,
                ElementsAre(OPR_OK, OPR_E_EXISTS, OPR_OK, OPR_OK, OPR_OK, OPR_OK, OPR_E_CONFLICT,
                            OPR_OK, OPR_E_CONFLICT, OPR_OK, OPR_E_NOT_FOUND));
    EXPECT_EQ(scale, 7);
    EXPECT_EQ(opr_test_writes(t, "patch", "apps/v1/Deployment"), 2u);
}

TEST_F(ReconcileTest, RefusesDocumentsThatCanNotBeSent)
{
    std::vector<opr_status> results;
    std::vector<std::string> errors;
    AddNoting([&](struct opr_ctx *ctx) {
        auto note = [&](opr_status st) {
            results.push_back(st);
            errors.push_back(opr_ctx_error(ctx));
        };
        note(opr_create(ctx, opr_doc_new(ctx, "{'a':"), NULL));
        note(opr_create(ctx, opr_doc_new(ctx, "{'metadata':{}}"), NULL));
        note(opr_create(ctx, opr_doc_new(ctx, "{'apiVersion':'no.dev/v1','kind':'No'}"), NULL));
        note(opr_update(ctx, opr_doc_new(ctx, "{'apiVersion':'v1','kind':'Pod'}"), NULL, NULL));
        note(opr_request(ctx, "GET", "/metrics", NULL, NULL));
        const struct opr_obj *o;
        note(opr_get(ctx, "no.dev/v1/No", "default", "x", &o));
        return opr_done();
    });
    Start();
    ApplyMap("a");
    opr_test_run(t);
    EXPECT_THAT(results, ElementsAre(OPR_E_INVALID, OPR_E_INVALID, OPR_E_NOT_FOUND, OPR_E_INVALID,
                                     OPR_E_INVALID, OPR_E_NOT_FOUND));
    EXPECT_THAT(errors[1], HasSubstr("apiVersion"));
    EXPECT_THAT(errors[2], HasSubstr("no.dev/v1/No"));
    for (const std::string &e : errors) {
        EXPECT_NE(e, "");
    }
}

TEST_F(ReconcileTest, ABatchHasAResultForEachWrite)
{
    uint32_t failed = 0;
    std::vector<opr_status> results;
    std::string error;
    LabController &c = AddNoting([&](struct opr_ctx *ctx) {
        if (ran.size() > 1) {
            return opr_done();
        }
        struct opr_batch *b = opr_batch_new(ctx);
        for (int i = 0; i < 150; i++) {
            opr_batch_create(b, opr_doc_new(ctx,
                                            "{'apiVersion':'v1','kind':'Secret','metadata':{"
                                            "'name':%s,'namespace':'default'}}",
                                            opr_ctx_text(ctx, "s%d", i % 149)));
        }
        opr_batch_create(b, opr_doc_new(ctx, "{'kind':'Secret'}"));
        failed = opr_batch_run(b);
        const char *text = nullptr;
        for (uint32_t i : {0u, 149u, 150u, 151u}) {
            results.push_back(opr_batch_status(b, i, NULL, &text));
            error = i == 149 ? text : error;
        }
        const struct opr_obj *o = nullptr;
        EXPECT_EQ(opr_batch_status(b, 3, &o, NULL), OPR_OK);
        struct opr_batch *d = opr_batch_new(ctx);
        opr_batch_delete(d, o, NULL);
        opr_batch_delete(d, o, NULL);
        EXPECT_EQ(opr_batch_run(d), 1u);
        EXPECT_EQ(opr_batch_status(d, 1, NULL, NULL), OPR_E_NOT_FOUND);
        const struct opr_obj *const *objs;
        uint32_t n = 0;
        EXPECT_EQ(opr_list(ctx, "v1/Secret", NULL, NULL, NULL, &objs, &n), OPR_OK);
        EXPECT_EQ(n, 148u) << "the cache knows at once";
        return opr_done();
    });
    c.reads = {Lab::Read("v1/Secret")};
    Start();
    ApplyMap("a");
    opr_test_run(t);
    EXPECT_EQ(failed, 2u);
    EXPECT_THAT(results, ElementsAre(OPR_OK, OPR_E_EXISTS, OPR_E_INVALID, OPR_E_INVALID));
    EXPECT_THAT(error, HasSubstr("already exists"));
    EXPECT_EQ(opr_test_count(t, "v1/Secret", NULL), 148u);
}

TEST_F(ReconcileTest, ExpectationsHoldUntilSeenOrExpired)
{
    std::vector<bool> satisfied;
    LabController &c = AddNoting([&](struct opr_ctx *ctx) {
        satisfied.push_back(opr_expect_satisfied(ctx));
        if (satisfied.size() == 1) {
            opr_expect(ctx, 2, 0);
            for (const char *name : {"s1", "s2"}) {
                EXPECT_EQ(opr_create(ctx,
                                     opr_doc_new(ctx,
                                                 "{'apiVersion':'v1','kind':'Secret','metadata':{"
                                                 "'name':%s,'namespace':'default'}}",
                                                 name),
                                     NULL),
                          OPR_OK);
            }
        }
        return opr_done();
    });
    c.reads = {Lab::Read("v1/Secret", [](struct opr_mapper *m, const struct opr_obj *was,
                                         const struct opr_obj *is, void *) {
        if (!was && is) {
            opr_map_expected(m, "default", "a", 1, 0);
            opr_map_enqueue(m, "default", "a");
        }
    })};
    Start();
    opr_test_hold(t, "v1/Secret", true);
    ApplyMap("a");
    opr_test_run(t);
    ApplyMap("a", ",'labels':{'x':'1'}");
    opr_test_run(t);
    EXPECT_THAT(satisfied, ElementsAre(true, false));
    opr_test_hold(t, "v1/Secret", false);
    opr_test_run(t);
    EXPECT_TRUE(satisfied.back());
}

TEST_F(ReconcileTest, ExpectationsExpireAfterFiveMinutes)
{
    std::vector<bool> satisfied;
    AddNoting([&](struct opr_ctx *ctx) {
        satisfied.push_back(opr_expect_satisfied(ctx));
        if (satisfied.size() == 1) {
            opr_expect(ctx, 1, 1);
        } else if (satisfied.size() == 2) {
            opr_expect_lower(ctx, 1, 0);
        }
        return opr_requeue_after_ms(299000);
    });
    Start();
    ApplyMap("a");
    opr_test_run(t);
    opr_test_advance_ms(t, 299000);
    opr_test_advance_ms(t, 299000);
    EXPECT_THAT(satisfied, ElementsAre(true, false, true));
}

TEST_F(ReconcileTest, TheContextTellsKeyTimeStateAndText)
{
    AddNoting([&](struct opr_ctx *ctx) {
        EXPECT_STREQ(opr_ctx_key(ctx).ns, "default");
        EXPECT_STREQ(opr_ctx_key(ctx).name, "a.b");
        EXPECT_EQ(opr_ctx_now_ms(ctx), opr_test_now_ms(t));
        EXPECT_FALSE(opr_ctx_cancelled(ctx));
        EXPECT_STREQ(opr_ctx_error(ctx), "");
        EXPECT_STREQ(opr_ctx_text(ctx, "%d-%s", 7, "x"), "7-x");
        auto *bytes = static_cast<char *>(opr_ctx_alloc(ctx, 100));
        EXPECT_EQ(bytes[0] + bytes[99], 0);
        EXPECT_EQ(opr_ctx_state(ctx), &lab);
        return opr_done();
    });
    lab.table.init = [](const struct opr_obj *config, void **ret_state) {
        EXPECT_EQ(opr_obj_int(config, "/n", 0), 5);
        *ret_state = Lab::Current();
        return (opr_status)OPR_OK;
    };
    Start("{\"n\":5}");
    ApplyMap("a.b");
    opr_test_run(t);
    EXPECT_EQ(ran.size(), 1u);
}

TEST_F(ReconcileTest, EnqueueAfterReachesOtherControllers)
{
    AddNoting([&](struct opr_ctx *ctx) {
        opr_enqueue_after(ctx, "other", {"x", "y"}, 500);
        opr_enqueue_after(ctx, "nobody", {"x", "y"}, 0);
        return opr_done();
    });
    lab.Add("other", "v1/Secret", [this](struct opr_ctx *c, const struct opr_obj *self) {
        Note(c, self);
        return opr_done();
    });
    opr_log_set_level(OPR_LOG_ERROR + 1);
    Start();
    ApplyMap("a");
    opr_test_run(t);
    EXPECT_THAT(ran, ElementsAre("default/a"));
    opr_test_advance_ms(t, 500);
    EXPECT_THAT(ran, ElementsAre("default/a", "x/y gone"));
}

TEST_F(ReconcileTest, SameEventsAreCountedAndTooManyAreCombined)
{
    int round = 0;
    AddNoting([&](struct opr_ctx *ctx) {
        const struct opr_obj *o;
        EXPECT_EQ(opr_get(ctx, "v1/ConfigMap", "default", "a", &o), OPR_OK);
        opr_event(ctx, o, "Normal", "Same", "the same");
        opr_event(ctx, o, "Warning", "Differs", "number %d", round);
        return ++round < 12 ? opr_requeue_after_ms(1000) : opr_done();
    });
    Start();
    ApplyMap("a");
    opr_test_run(t);
    opr_test_advance_ms(t, 60000);
    ASSERT_EQ(round, 12);
    std::map<std::string, int64_t> counts;
    for (uint32_t i = 0; i < opr_test_count(t, "v1/Event", NULL); i++) {
        const struct opr_obj *e = opr_test_nth(t, "v1/Event", NULL, i);
        counts[opr_obj_str(e, "/message", "")] = opr_obj_int(e, "/count", 0);
        EXPECT_THAT(opr_obj_str(e, "/metadata/name", ""), HasSubstr("a."));
    }
    EXPECT_EQ(counts["the same"], 12);
    EXPECT_EQ(counts["number 0"], 1);
    EXPECT_EQ(counts["number 9"], 1);
    EXPECT_EQ(counts.count("number 10"), 0u);
    EXPECT_EQ(counts["(combined from similar events): number 11"], 2);
}

TEST_F(ReconcileTest, AnObjectThatCausesTooManyEventsIsThrottled)
{
    AddNoting([&](struct opr_ctx *ctx) {
        const struct opr_obj *o;
        EXPECT_EQ(opr_get(ctx, "v1/ConfigMap", "default", "a", &o), OPR_OK);
        for (int i = 0; i < 40; i++) {
            opr_event(ctx, o, "Normal", opr_ctx_text(ctx, "R%d", i), "x");
        }
        return opr_done();
    });
    Start();
    ApplyMap("a");
    opr_test_run(t);
    EXPECT_EQ(opr_test_count(t, "v1/Event", NULL), 25u);
}

TEST_F(ReconcileTest, TheWildcardFollowsAllKinds)
{
    std::set<std::string> kinds;
    uint32_t owned = 0, all = 0;
    std::string live;
    lab.Add("gc", "*", [&](struct opr_ctx *c, const struct opr_obj *self) {
        struct opr_key key = opr_ctx_key(c);
        ran.push_back(std::string(key.ns) + "/" + key.name + (self ? "" : " gone"));
        if (self) {
            EXPECT_EQ(opr_obj_at(self, "/data"), nullptr) << "metadata only";
            EXPECT_STRNE(opr_obj_str(self, "/kind", ""), "");
            const struct opr_obj *const *objs;
            EXPECT_EQ(opr_list(c, "*", NULL, "owner", "u1", &objs, &owned), OPR_OK);
            EXPECT_EQ(opr_list(c, "*", NULL, NULL, NULL, &objs, &all), OPR_OK);
            const struct opr_obj *o;
            if (opr_get_live(c, "v1/ConfigMap", "default", "a", &o) == OPR_OK) {
                live = opr_obj_str(o, "/data/x", "");
            }
        }
        return opr_done();
    });
    Start();
    Apply("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a','uid':'u1'},'data':{'x':"
          "'y'}}");
    Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'n','ownerReferences':[{'uid':'u1',"
          "'name':'a','kind':'ConfigMap','apiVersion':'v1'}]}}");
    Apply("{'apiVersion':'v1','kind':'Event','metadata':{'name':'e'}}");
    opr_test_run(t);
    EXPECT_THAT(ran, UnorderedElementsAre("v1/ConfigMap|default/a", "v1/Node|/n"));
    EXPECT_EQ(owned, 1u);
    EXPECT_EQ(all, 2u);
    EXPECT_EQ(live, "y");
    ran.clear();
    Apply("{'apiVersion':'new.dev/v1','kind':'Thing','metadata':{'name':'t','namespace':'default'}"
          "}");
    opr_test_run(t);
    EXPECT_THAT(ran, ElementsAre("new.dev/v1/Thing|default/t"));
    opr_test_delete(t, "v1/ConfigMap", "default", "a");
    opr_test_run(t);
    EXPECT_EQ(ran.back(), "v1/ConfigMap|default/a gone");
}

TEST_F(ReconcileTest, AWildcardDoesNotWaitForAKindThatIsRefused)
{
    lab.Add("gc", "*", [&](struct opr_ctx *c, const struct opr_obj *self) {
        Note(c, self);
        return opr_done();
    });
    t = opr_test_new(Lab::Entry, nullptr);
    ApplyMap("a");
    opr_test_fail_next(t, "watch", 1, 403); /* the first kind's stream */
    opr_test_fail_next(t, "list", 1, 403);  /* and its list */
    opr_test_run(t);
    EXPECT_THAT(ran, ElementsAre("v1/ConfigMap|default/a"));
}

TEST_F(ReconcileTest, AControllerWaitsForAllThatItReads)
{
    LabController &c = AddNoting();
    c.reads = {Lab::Read("v1/Node")};
    t = opr_test_new(Lab::Entry, nullptr);
    ApplyMap("a");
    opr_test_hold(t, "v1/Node", true);
    opr_test_run(t);
    EXPECT_THAT(ran, ElementsAre());
    opr_test_hold(t, "v1/Node", false);
    opr_test_run(t);
    EXPECT_THAT(ran, ElementsAre("default/a"));
}

TEST_F(ReconcileTest, AWatchWhoseHistoryIsGoneIsListedAnew)
{
    AddNoting();
    Start();
    ApplyMap("a");
    opr_test_run(t);
    opr_test_hold(t, "v1/ConfigMap", true);
    opr_test_fail_next(t, "watch", 1, 410);
    opr_test_advance_ms(t, 1000000); /* the watch has long ended */
    opr_test_delete(t, "v1/ConfigMap", "default", "a");
    ApplyMap("b");
    opr_test_hold(t, "v1/ConfigMap", false);
    opr_test_advance_ms(t, 60000);
    EXPECT_THAT(ran, ElementsAre("default/a", "default/b", "default/a gone"));
}

TEST_F(ReconcileTest, SelfNullForgetsWhatWasExpected)
{
    std::vector<bool> satisfied;
    AddNoting([&](struct opr_ctx *ctx) {
        satisfied.push_back(opr_expect_satisfied(ctx));
        if (satisfied.size() == 1) {
            opr_expect(ctx, 1, 0);
        }
        return opr_done();
    });
    Start();
    ApplyMap("a");
    opr_test_run(t);
    opr_test_delete(t, "v1/ConfigMap", "default", "a");
    opr_test_run(t);
    ApplyMap("a");
    opr_test_run(t);
    EXPECT_THAT(satisfied, ElementsAre(true, false, true));
}

TEST_F(ReconcileTest, PoliciesAnswerWhatTheTestSaid)
{
    std::vector<opr_status> results;
    int64_t replicas = 0;
    uint32_t n = 0;
    AddNoting([&](struct opr_ctx *ctx) {
        const struct opr_obj *r;
        const char *const *names;
        results.push_back(opr_policy_load(ctx, "p", "error here"));
        results.push_back(opr_policy_load(ctx, "p", "return {}"));
        n = opr_policy_list(ctx, "scale", &names);
        results.push_back(opr_policy_call(ctx, "p", "scale", opr_doc_new(ctx, "{'n':%d}", 2), &r));
        replicas = opr_obj_int(r, "/0", 0);
        results.push_back(opr_policy_call(ctx, "p", "filter", opr_doc_new(ctx, "{}"), &r));
        return opr_done();
    });
    Start();
    opr_test_policy(t, "p", "scale", "[5,'queue is long']");
    opr_test_policy(t, "p", "filter", NULL);
    ApplyMap("a");
    opr_test_run(t);
    EXPECT_THAT(results, ElementsAre(OPR_E_INVALID, OPR_OK, OPR_OK, OPR_E_INVALID));
    EXPECT_EQ(replicas, 5);
    EXPECT_EQ(n, 1u);
    EXPECT_EQ(opr_obj_int(opr_test_policy_input(t, "p", "scale"), "/n", 0), 2);
}

TEST_F(ReconcileTest, AReconcileThatRunsPastItsDeadlineIsToldSo)
{
    bool was_cancelled = false;
    opr_status late = OPR_OK;
    LabController &c = AddNoting([&](struct opr_ctx *ctx) {
        if (ran.size() == 1) {
            opr_test_advance_clock(t, 2000);
            was_cancelled = opr_ctx_cancelled(ctx);
            const struct opr_obj *o;
            late = opr_get_live(ctx, "v1/ConfigMap", "default", "a", &o);
        }
        return opr_done();
    });
    c.decl.timeout_ms = 2000;
    Start();
    ApplyMap("a");
    opr_test_run(t);
    EXPECT_TRUE(was_cancelled);
    EXPECT_EQ(late, OPR_E_TIMEOUT);
}

} // namespace
