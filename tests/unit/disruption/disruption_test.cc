/* The disruption controller against the test server and its clock. */
#include "tests/unit/controllers_support.h"

namespace
{

const char kBudget[] = "policy/v1/PodDisruptionBudget";
const char kSet[] = "apps/v1/ReplicaSet";
const char kDeployment[] = "apps/v1/Deployment";

class Disruption : public testing_cluster::Cluster
{
  protected:
    void Budget(const std::string &rule)
    {
        Apply("{'apiVersion':'policy/v1','kind':'PodDisruptionBudget','metadata':{'name':'b',"
              "'namespace':'default'},'spec':{'selector':{'matchLabels':{'app':'web'}}," +
              rule + "}}");
    }
    void Set(int replicas, const std::string &owner = "")
    {
        Apply("{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'web','namespace':"
              "'default'" +
              (owner.empty() ? "" : ",'ownerReferences':[" + owner + "]") +
              "},'spec':{'replicas':" + std::to_string(replicas) + "}}");
    }
    std::string RefTo(const char *gvk, const std::string &kind)
    {
        return "{'apiVersion':'apps/v1','kind':'" + kind + "','name':'web','uid':'" +
               Str(Get(gvk, "default", "web"), "/metadata/uid") + "','controller':true}";
    }
    void Pod(const std::string &name, bool is_ready, const std::string &refs,
             const std::string &app = "web")
    {
        Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name +
              "','namespace':'default','labels':{'app':'" + app + "'},'ownerReferences':[" + refs +
              "]}}");
        Status("v1/Pod", "default", name,
               std::string("{'conditions':[{'type':'Ready','status':'") +
                   (is_ready ? "True" : "False") + "'}]}");
    }
    /* Pods of the ReplicaSet, the first of them ready. */
    void Pods(int count, int ready)
    {
        for (int i = 0; i < count; i++) {
            Pod("p" + std::to_string(i), i < ready, RefTo(kSet, "ReplicaSet"));
        }
    }
    const struct opr_obj *Self()
    {
        return Get(kBudget, "default", "b");
    }
    void Expect(int64_t expected, int64_t healthy, int64_t desired, int64_t allowed)
    {
        EXPECT_EQ(Int(Self(), "/status/expectedPods", -1), expected);
        EXPECT_EQ(Int(Self(), "/status/currentHealthy", -1), healthy);
        EXPECT_EQ(Int(Self(), "/status/desiredHealthy", -1), desired);
        EXPECT_EQ(Int(Self(), "/status/disruptionsAllowed", -1), allowed);
        EXPECT_EQ(Condition(Self(), "DisruptionAllowed"), allowed > 0 ? "True" : "False");
        EXPECT_EQ(Condition(Self(), "DisruptionAllowed", "/reason"),
                  allowed > 0 ? "SufficientPods" : "InsufficientPods");
    }
};

TEST_F(Disruption, MinAvailableAsANumber)
{
    Set(3);
    Pods(3, 3);
    Pod("other", true, "", "db");
    Budget("'minAvailable':2");
    Run();
    Expect(3, 3, 2, 1);
    EXPECT_EQ(Int(Self(), "/status/observedGeneration", -1),
              Int(Self(), "/metadata/generation", -2));
    Status("v1/Pod", "default", "p0", "{'conditions':[{'type':'Ready','status':'False'}]}");
    Run();
    Expect(3, 2, 2, 0);
}

TEST_F(Disruption, PercentagesAreRoundedUp)
{
    Set(7);
    Pods(7, 7);
    Budget("'minAvailable':'50%'");
    Run();
    Expect(7, 7, 4, 3);
    Budget("'maxUnavailable':'30%'"); /* 2.1 may be missing: 3 */
    Run();
    Expect(7, 7, 4, 3);
}

TEST_F(Disruption, MaxUnavailableIsOfWhatTheDeploymentWants)
{
    Apply("{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web','namespace':"
          "'default'},'spec':{'replicas':5}}");
    Set(3, RefTo(kDeployment, "Deployment"));
    Pods(3, 3);
    Budget("'maxUnavailable':1");
    Run();
    Expect(5, 3, 4, 0);
    Apply("{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web','namespace':"
          "'default'},'spec':{'replicas':3}}");
    Run();
    Expect(3, 3, 2, 1);
}

TEST_F(Disruption, WhatIsBeingDeletedIsNotHealthy)
{
    Set(3);
    Pods(3, 3);
    Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p0','namespace':'default','labels':"
          "{'app':'web'},'finalizers':['a.b/c'],'ownerReferences':[" +
          RefTo(kSet, "ReplicaSet") + "]}}");
    Budget("'minAvailable':1");
    Delete("v1/Pod", "default", "p0");
    Run();
    Expect(3, 2, 1, 1);
}

TEST_F(Disruption, NoPodsAllowNothing)
{
    Budget("'minAvailable':0");
    Run();
    Expect(0, 0, 0, 0);
    EXPECT_EQ(Events("NoPods", "No matching pods found"), 1);
}

TEST_F(Disruption, AnOwnerThatCannotBeFoundFailsTheSync)
{
    Pod("p", true,
        "{'apiVersion':'apps/v1','kind':'ReplicaSet','name':'gone','uid':'u','controller':true}");
    Budget("'maxUnavailable':1");
    Run();
    EXPECT_EQ(Condition(Self(), "DisruptionAllowed"), "False");
    EXPECT_EQ(Condition(Self(), "DisruptionAllowed", "/reason"), "SyncFailed");
    EXPECT_EQ(Condition(Self(), "DisruptionAllowed", "/message"),
              "found no controllers for pod \"p\"");
    EXPECT_EQ(Int(Self(), "/status/disruptionsAllowed", -1), 0);
    Budget("'minAvailable':0"); /* needs no owner */
    Advance(2000);
    Expect(1, 1, 0, 1);
}

TEST_F(Disruption, AnAllowedEvictionCountsForTwoMinutes)
{
    Set(2);
    Pods(2, 2);
    Budget("'minAvailable':1");
    Status(kBudget, "default", "b",
           "{'disruptedPods':{'p0':'" + Now() + "','gone':'" + Now() + "'}}");
    Run();
    Expect(2, 1, 1, 0);
    EXPECT_EQ(opr_obj_len(opr_obj_at(Self(), "/status/disruptedPods")), 1u);
    Advance(119000);
    Expect(2, 1, 1, 0);
    Advance(2000);
    Expect(2, 2, 1, 1);
    EXPECT_EQ(opr_obj_len(opr_obj_at(Self(), "/status/disruptedPods")), 0u);
    EXPECT_EQ(Events("NotDeleted", "Pod was expected by PDB default/b to be deleted but it wasn't"),
              1);
}

TEST_F(Disruption, TheSameStatusIsNotWrittenTwice)
{
    Set(2);
    Pods(2, 2);
    Budget("'minAvailable':1");
    Run();
    uint32_t writes = opr_test_writes(t, "update", kBudget);
    Set(2);
    Status("v1/Pod", "default", "p0", "{'phase':'Running'}");
    Run();
    EXPECT_EQ(opr_test_writes(t, "update", kBudget), writes);
}

} // namespace
