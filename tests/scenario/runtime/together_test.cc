/* Several plugins, loaded from their files as in production, work on one cluster. */
#include <operon/testing.h>

#include "core/base/log.h"

#include <gtest/gtest.h>

#include <string>

namespace
{

class Together : public ::testing::Test
{
  protected:
    struct opr_test *t = opr_test_new(nullptr, nullptr);

    void SetUp() override
    {
        opr_log_set_level(OPR_LOG_ERROR);
        for (const char *name : {"deployment", "replicaset", "gc"}) {
            std::string path = std::string(TEST_BUILT_PLUGINS) + "/" + name + ".so";
            ASSERT_STREQ(opr_test_load(t, path.c_str(), nullptr), "");
        }
    }
    ~Together() override
    {
        opr_test_free(t);
    }
    void ApplyWeb(int replicas, const std::string &image)
    {
        std::string json = "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web'},"
                           "'spec':{'replicas':" +
                           std::to_string(replicas) +
                           ",'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{"
                           "'labels':{'app':'web'}},'spec':{'containers':[{'name':'c','image':'" +
                           image + "'}]}}}}";
        ASSERT_STREQ(opr_test_apply(t, json.c_str()), "");
        Settle();
    }
    /* Runs, and plays the node agent: every Pod becomes ready. */
    void Settle()
    {
        for (int round = 0; round < 30; round++) {
            ASSERT_LT(opr_test_run(t), 10000u);
            for (uint32_t i = 0; i < opr_test_count(t, "v1/Pod", "default"); i++) {
                const struct opr_obj *pod = opr_test_nth(t, "v1/Pod", "default", i);
                opr_test_status(t, "v1/Pod", "default",
                                opr_test_host()->obj_str(pod, "/metadata/name", ""),
                                "{'phase':'Running','conditions':[{'type':'Ready','status':'True',"
                                "'lastTransitionTime':'2026-01-01T00:00:00Z'}]}");
            }
        }
        opr_test_advance_ms(t, 1000);
    }
    uint32_t PodsWithImage(const std::string &image)
    {
        uint32_t n = 0;
        for (uint32_t i = 0; i < opr_test_count(t, "v1/Pod", "default"); i++) {
            const struct opr_obj *pod = opr_test_nth(t, "v1/Pod", "default", i);
            n += opr_test_host()->obj_str(pod, "/spec/containers/0/image", "") == image;
        }
        return n;
    }
};

TEST_F(Together, ADeploymentIsMadeScaledRolledAndCollected)
{
    ApplyWeb(3, "v1");
    EXPECT_EQ(opr_test_count(t, "apps/v1/ReplicaSet", "default"), 1u);
    EXPECT_EQ(PodsWithImage("v1"), 3u);
    ApplyWeb(1, "v1");
    EXPECT_EQ(opr_test_count(t, "v1/Pod", "default"), 1u);
    ApplyWeb(4, "v2");
    EXPECT_EQ(PodsWithImage("v2"), 4u);
    EXPECT_EQ(PodsWithImage("v1"), 0u);
    EXPECT_EQ(opr_test_count(t, "apps/v1/ReplicaSet", "default"), 2u);
    const struct opr_obj *web = opr_test_get(t, "apps/v1/Deployment", "default", "web");
    EXPECT_EQ(opr_test_host()->obj_int(web, "/status/availableReplicas", 0), 4);
    EXPECT_STREQ(opr_test_delete(t, "apps/v1/Deployment", "default", "web"), "");
    opr_test_advance_ms(t, 60000);
    EXPECT_EQ(opr_test_count(t, "apps/v1/ReplicaSet", "default"), 0u);
    EXPECT_EQ(opr_test_count(t, "v1/Pod", "default"), 0u);
}

TEST_F(Together, RefusesAFileThatIsNotThere)
{
    EXPECT_STRNE(opr_test_load(t, "/nowhere.so", nullptr), "");
}

} // namespace
