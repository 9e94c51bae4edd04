/* The whole chain on one thread: client, informers, queue, manager, test server. */
#include <operon/testing.h>

#include <gtest/gtest.h>

#include <string>

const struct opr_host *opr__host;

namespace
{

/* Web makes spec.replicas ConfigMaps and counts those that it has. */
opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    struct opr_key key = opr_ctx_key(c);
    if (!self) {
        return opr_done();
    }
    if (opr_obj_bool(self, "/spec/fail", false)) {
        return opr_fail("told to fail");
    }
    if (opr_obj_int(self, "/spec/poll", 0) > 0) {
        return opr_requeue_after_ms((uint32_t)opr_obj_int(self, "/spec/poll", 0));
    }
    const struct opr_obj *const *owned;
    uint32_t n = 0;
    if (opr_list(c, "v1/ConfigMap", key.ns, "owner", opr_obj_str(self, "/metadata/uid", ""), &owned,
                 &n) != OPR_OK) {
        return opr_retry(opr_ctx_error(c));
    }
    int64_t want = opr_obj_int(self, "/spec/replicas", 1);
    for (int64_t i = n; i < want; i++) {
        struct opr_doc *d = opr_doc_new(
            c,
            "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'generateName':%s,'namespace':%s,"
            "'ownerReferences':[{'apiVersion':'demo.dev/v1','kind':'Web','name':%s,'uid':%s,"
            "'controller':true}]}}",
            opr_ctx_text(c, "%s-", key.name), key.ns, key.name,
            opr_obj_str(self, "/metadata/uid", ""));
        const struct opr_obj *made;
        if (opr_create(c, d, &made) != OPR_OK) {
            return opr_retry(opr_ctx_error(c));
        }
        opr_event(c, self, "Normal", "Made", "made %s", opr_obj_str(made, "/metadata/name", ""));
    }
    for (uint32_t i = (uint32_t)want; i < n; i++) {
        if (opr_delete(c, owned[i], NULL) != OPR_OK) {
            return opr_retry(opr_ctx_error(c));
        }
    }
    if (opr_list(c, "v1/ConfigMap", key.ns, "owner", opr_obj_str(self, "/metadata/uid", ""), &owned,
                 &n) != OPR_OK) {
        return opr_retry(opr_ctx_error(c));
    }
    if (opr_obj_int(self, "/status/ready", -1) != n) {
        struct opr_doc *d = opr_doc_new(c, "{'status':{'ready':%d}}", (int)n);
        if (opr_patch(c, self, "status", OPR_PATCH_MERGE, d, NULL) != OPR_OK) {
            return opr_retry(opr_ctx_error(c));
        }
    }
    return opr_done();
}

const struct opr_controller *Web()
{
    static struct opr_watch reads[2];
    static struct opr_controller web;
    reads[0].gvk = "v1/ConfigMap";
    web.size = sizeof web;
    web.name = "web";
    web.primary.gvk = "demo.dev/v1/Web";
    web.primary.flags = OPR_WATCH_OPTIONAL;
    web.reads = reads;
    web.reconcile = reconcile;
    return &web;
}

const struct opr_plugin *entry(const struct opr_host *host)
{
    static const struct opr_controller *const controllers[] = {Web(), NULL};
    static const struct opr_plugin table = {
        sizeof table, OPR_PLUGIN_MAGIC, OPR_ABI_MAJOR, OPR_ABI_MINOR, "tiny", "1", NULL,
        NULL,         controllers,      NULL};
    opr__host = host;
    return &table;
}

class Tiny : public ::testing::Test
{
  protected:
    struct opr_test *t = opr_test_new(entry, NULL);
    ~Tiny() override
    {
        opr_test_free(t);
    }
    void ApplyWeb(const std::string &spec)
    {
        std::string json = "{'apiVersion':'demo.dev/v1','kind':'Web','metadata':{'name':'a',"
                           "'namespace':'default'},'spec':" +
                           spec + "}";
        ASSERT_STREQ(opr_test_apply(t, json.c_str()), "");
    }
    int64_t Ready()
    {
        return opr_obj_int(opr_test_get(t, "demo.dev/v1/Web", "default", "a"), "/status/ready", -1);
    }
};

TEST_F(Tiny, MakesAndDeletesChildren)
{
    ApplyWeb("{'replicas':3}");
    opr_test_run(t);
    EXPECT_EQ(opr_test_count(t, "v1/ConfigMap", "default"), 3u);
    EXPECT_EQ(Ready(), 3);
    EXPECT_EQ(opr_test_writes(t, "create", "v1/ConfigMap"), 3u);
    ApplyWeb("{'replicas':1}");
    opr_test_run(t);
    EXPECT_EQ(opr_test_count(t, "v1/ConfigMap", "default"), 1u);
    EXPECT_EQ(Ready(), 1);
}

TEST_F(Tiny, SettlesAndStaysSettled)
{
    ApplyWeb("{'replicas':2}");
    opr_test_run(t);
    uint32_t creates = opr_test_writes(t, "create", "v1/ConfigMap");
    uint32_t patches = opr_test_writes(t, "patch", "demo.dev/v1/Web");
    opr_test_advance_ms(t, 3600 * 1000);
    EXPECT_EQ(opr_test_writes(t, "create", "v1/ConfigMap"), creates);
    EXPECT_EQ(opr_test_writes(t, "patch", "demo.dev/v1/Web"), patches);
}

TEST_F(Tiny, AChildThatIsDeletedComesBack)
{
    ApplyWeb("{'replicas':1}");
    opr_test_run(t);
    const char *name =
        opr_obj_str(opr_test_nth(t, "v1/ConfigMap", "default", 0), "/metadata/name", "");
    std::string first = name;
    EXPECT_STREQ(opr_test_delete(t, "v1/ConfigMap", "default", name), "");
    EXPECT_GT(opr_test_run(t), 0u);
    ASSERT_EQ(opr_test_count(t, "v1/ConfigMap", "default"), 1u);
    EXPECT_NE(first,
              opr_obj_str(opr_test_nth(t, "v1/ConfigMap", "default", 0), "/metadata/name", ""));
}

TEST_F(Tiny, FailedWritesAreRetriedWithBackoff)
{
    ApplyWeb("{'replicas':1}");
    opr_test_fail_next(t, "create", 3, 500);
    opr_test_run(t);
    EXPECT_EQ(opr_test_count(t, "v1/ConfigMap", "default"), 0u);
    opr_test_advance_ms(t, 5 + 10 + 20);
    EXPECT_EQ(opr_test_count(t, "v1/ConfigMap", "default"), 1u);
    EXPECT_EQ(opr_test_writes(t, "create", "v1/ConfigMap"), 1u);
}

TEST_F(Tiny, OwnWritesAreSeenThoughTheWatchStandsStill)
{
    ApplyWeb("{'replicas':1}");
    opr_test_run(t);
    opr_test_hold(t, "v1/ConfigMap", true);
    ApplyWeb("{'replicas':4}");
    opr_test_run(t);
    ApplyWeb("{'replicas':5}");
    opr_test_run(t);
    EXPECT_EQ(opr_test_count(t, "v1/ConfigMap", "default"), 5u) << "no child was made twice";
    EXPECT_EQ(Ready(), 5);
    opr_test_hold(t, "v1/ConfigMap", false);
    opr_test_run(t);
    EXPECT_EQ(opr_test_count(t, "v1/ConfigMap", "default"), 5u);
}

TEST_F(Tiny, RequeueAfterRunsAtItsTime)
{
    ApplyWeb("{'poll':60000}");
    opr_test_run(t);
    EXPECT_EQ(opr_test_run(t), 0u);
    EXPECT_EQ(opr_test_advance_ms(t, 59000), 0u);
    EXPECT_EQ(opr_test_advance_ms(t, 1000), 1u);
    EXPECT_EQ(opr_test_advance_ms(t, 600000), 10u);
}

TEST_F(Tiny, FailWaitsForAChange)
{
    ApplyWeb("{'fail':true}");
    opr_test_run(t);
    EXPECT_EQ(opr_test_advance_ms(t, 3600 * 1000), 0u);
    ApplyWeb("{'replicas':1}");
    EXPECT_GT(opr_test_run(t), 0u);
    EXPECT_EQ(opr_test_count(t, "v1/ConfigMap", "default"), 1u);
}

TEST_F(Tiny, EventsAreWrittenAndDoNotCountAsFailures)
{
    ApplyWeb("{'replicas':2}");
    opr_test_fail_next(t, "patch", 1, 409);
    opr_test_run(t);
    opr_test_advance_ms(t, 5);
    ASSERT_EQ(opr_test_count(t, "v1/Event", "default"), 2u);
    const struct opr_obj *e = opr_test_nth(t, "v1/Event", "default", 0);
    EXPECT_STREQ(opr_obj_str(e, "/reason", ""), "Made");
    EXPECT_STREQ(opr_obj_str(e, "/source/component", ""), "web");
    EXPECT_STREQ(opr_obj_str(e, "/involvedObject/kind", ""), "Web");
    EXPECT_EQ(Ready(), 2);
}

} // namespace
