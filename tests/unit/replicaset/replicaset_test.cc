/* The ReplicaSet controller against the test server. */
#include "tests/unit/controllers_support.h"

namespace
{

class ReplicaSet : public testing_cluster::Cluster
{
  protected:
    void Set(int replicas, const std::string &extra = "", const std::string &meta = "")
    {
        Apply("{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'web',"
              "'namespace':'default'" +
              meta + "},'spec':{'replicas':" + std::to_string(replicas) + extra +
              ",'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{'labels':"
              "{'app':'web','tier':'front'}},'spec':{'containers':[{'name':'c','image':'x'}]}}}}");
    }
    const struct opr_obj *Self()
    {
        return Get("apps/v1/ReplicaSet", "default", "web");
    }
    void Orphan(const std::string &name, const std::string &labels, const std::string &meta = "")
    {
        Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name +
              "','namespace':'default','labels':" + labels + meta +
              "},'spec':{'containers':[{'name':'c','image':'x'}]}}");
    }
};

TEST_F(ReplicaSet, CreatesPodsOfItsTemplate)
{
    Set(3);
    Run();
    ASSERT_EQ(Count("v1/Pod"), 3u);
    const struct opr_obj *pod = All("v1/Pod")[0];
    EXPECT_EQ(Name(pod).rfind("web-", 0), 0u);
    EXPECT_EQ(Str(pod, "/metadata/labels/tier"), "front");
    EXPECT_EQ(Str(pod, "/metadata/ownerReferences/0/uid"), Str(Self(), "/metadata/uid"));
    EXPECT_TRUE(opr_obj_bool(pod, "/metadata/ownerReferences/0/controller", false));
    EXPECT_TRUE(opr_obj_bool(pod, "/metadata/ownerReferences/0/blockOwnerDeletion", false));
    EXPECT_EQ(Events("SuccessfulCreate", "Created pod: web-"), 3);
    EXPECT_EQ(Int(Self(), "/status/replicas"), 3);
    EXPECT_EQ(Int(Self(), "/status/fullyLabeledReplicas"), 3);
    EXPECT_EQ(Int(Self(), "/status/readyReplicas"), 0);
    EXPECT_EQ(Int(Self(), "/status/observedGeneration"), Int(Self(), "/metadata/generation"));
}

TEST_F(ReplicaSet, SettlesWithoutFurtherWrites)
{
    Set(2);
    Run();
    ReadyAll();
    Run();
    EXPECT_EQ(Int(Self(), "/status/availableReplicas"), 2);
    uint32_t updates = opr_test_writes(t, "update", "apps/v1/ReplicaSet");
    Advance(3600 * 1000);
    EXPECT_EQ(opr_test_writes(t, "update", "apps/v1/ReplicaSet"), updates);
    EXPECT_EQ(opr_test_writes(t, "create", "v1/Pod"), 2u);
}

TEST_F(ReplicaSet, MoreThanOneBurstIsReached)
{
    Set(1100);
    Run();
    EXPECT_EQ(Count("v1/Pod"), 1100u);
    EXPECT_EQ(opr_test_writes(t, "create", "v1/Pod"), 1100u);
}

TEST_F(ReplicaSet, AStaleCacheNeverCreatesMore)
{
    Run();
    opr_test_hold(t, "v1/Pod", true);
    Set(5);
    Run();
    for (int i = 0; i < 5; i++) {
        Set(5, "", ",'annotations':{'touched':'" + std::to_string(i) + "'}");
        Advance(20 * 1000);
        EXPECT_EQ(Count("v1/Pod"), 5u);
    }
    opr_test_hold(t, "v1/Pod", false);
    Run();
    EXPECT_EQ(Count("v1/Pod"), 5u);
    EXPECT_EQ(opr_test_writes(t, "create", "v1/Pod"), 5u);
}

TEST_F(ReplicaSet, AStaleCacheNeverDeletesMore)
{
    Set(6);
    Run();
    opr_test_hold(t, "v1/Pod", true);
    Set(4);
    Run();
    for (int i = 0; i < 5; i++) {
        Set(4, "", ",'annotations':{'touched':'" + std::to_string(i) + "'}");
        Advance(20 * 1000);
    }
    EXPECT_EQ(Count("v1/Pod"), 4u);
    opr_test_hold(t, "v1/Pod", false);
    Run();
    EXPECT_EQ(Count("v1/Pod"), 4u);
    EXPECT_EQ(opr_test_writes(t, "delete", "v1/Pod"), 2u);
    EXPECT_EQ(Events("SuccessfulDelete", "Deleted pod: web-"), 2);
}

TEST_F(ReplicaSet, ARefusedCreateStopsTheSlowStartAndSaysSo)
{
    opr_test_fail_next(t, "create", 1, 500);
    Set(20);
    EXPECT_GT(opr_test_run(t), 0u);
    EXPECT_EQ(Events("FailedCreate", "Error creating: "), 1);
    Advance(60 * 1000);
    EXPECT_EQ(Count("v1/Pod"), 20u);
    EXPECT_EQ(Condition(Self(), "ReplicaFailure"), "");
}

TEST_F(ReplicaSet, AStandingFailureIsACondition)
{
    opr_test_fail_next(t, "create", 100000, 403);
    Set(4);
    Run();
    Advance(1000);
    EXPECT_EQ(Condition(Self(), "ReplicaFailure"), "True");
    EXPECT_EQ(Condition(Self(), "ReplicaFailure", "/reason"), "FailedCreate");
    EXPECT_EQ(Count("v1/Pod"), 0u);
}

TEST_F(ReplicaSet, AForeignConditionSurvives)
{
    Set(1);
    Run();
    Status("apps/v1/ReplicaSet", "default", "web",
           "{'conditions':[{'type':'StatusUpdate','status':'True'}]}");
    Set(2);
    Run();
    EXPECT_EQ(Condition(Self(), "StatusUpdate"), "True");
    EXPECT_EQ(Int(Self(), "/status/replicas"), 2);
}

TEST_F(ReplicaSet, EndedPodsAreReplaced)
{
    Set(2);
    Run();
    Status("v1/Pod", "default", Name(All("v1/Pod")[0]), "{'phase':'Failed'}");
    Run();
    EXPECT_EQ(Count("v1/Pod"), 3u);
    EXPECT_EQ(Int(Self(), "/status/replicas"), 2);
}

TEST_F(ReplicaSet, AdoptsAMatchingOrphan)
{
    Orphan("stray", "{'app':'web'}");
    Orphan("other", "{'app':'db'}");
    Set(2);
    Run();
    EXPECT_EQ(Count("v1/Pod"), 3u);
    const struct opr_obj *stray = Get("v1/Pod", "default", "stray");
    EXPECT_EQ(Str(stray, "/metadata/ownerReferences/0/name"), "web");
    EXPECT_EQ(opr_obj_at(Get("v1/Pod", "default", "other"), "/metadata/ownerReferences/0"),
              nullptr);
    EXPECT_EQ(Int(Self(), "/status/replicas"), 2);
    EXPECT_EQ(Int(Self(), "/status/fullyLabeledReplicas"), 1);
}

TEST_F(ReplicaSet, LeavesThePodsOfOthersAlone)
{
    Orphan("theirs", "{'app':'web'}",
           ",'ownerReferences':[{'apiVersion':'apps/v1','kind':'ReplicaSet','name':'x',"
           "'uid':'other','controller':true}]");
    Set(1);
    Run();
    EXPECT_EQ(Count("v1/Pod"), 2u);
    EXPECT_EQ(Str(Get("v1/Pod", "default", "theirs"), "/metadata/ownerReferences/0/uid"), "other");
}

TEST_F(ReplicaSet, ReleasesAPodWhoseLabelsChanged)
{
    Set(2);
    Run();
    std::string name = Name(All("v1/Pod")[0]);
    const struct opr_obj *pod = Get("v1/Pod", "default", name);
    Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name +
          "','namespace':'default','labels':{'app':'aside'},'ownerReferences':[{'apiVersion':"
          "'apps/v1','kind':'ReplicaSet','name':'web','uid':'" +
          Str(pod, "/metadata/ownerReferences/0/uid") +
          "','controller':true},{'apiVersion':'v1','kind':'ConfigMap','name':'m','uid':'m'}]},"
          "'spec':{'containers':[{'name':'c','image':'x'}]}}");
    Run();
    EXPECT_EQ(Count("v1/Pod"), 3u);
    const struct opr_obj *released = Get("v1/Pod", "default", name);
    EXPECT_EQ(opr_obj_len(opr_obj_at(released, "/metadata/ownerReferences")), 1u);
    EXPECT_EQ(Str(released, "/metadata/ownerReferences/0/uid"), "m");
}

TEST_F(ReplicaSet, ADeletingSetNeitherAdoptsNorCreates)
{
    Set(1, "", ",'finalizers':['test/stay']");
    Run();
    Delete("apps/v1/ReplicaSet", "default", "web");
    Run();
    Delete("v1/Pod", "default", Name(All("v1/Pod")[0]));
    Orphan("stray", "{'app':'web'}");
    Run();
    EXPECT_EQ(Count("v1/Pod"), 1u);
    EXPECT_EQ(opr_obj_at(Get("v1/Pod", "default", "stray"), "/metadata/ownerReferences/0"),
              nullptr);
    EXPECT_EQ(Int(Self(), "/status/replicas"), 0);
}

TEST_F(ReplicaSet, AvailableAfterMinReadySeconds)
{
    Set(1, ",'minReadySeconds':30");
    Run();
    ReadyAll();
    Run();
    EXPECT_EQ(Int(Self(), "/status/readyReplicas"), 1);
    EXPECT_EQ(Int(Self(), "/status/availableReplicas"), 0);
    Advance(29 * 1000);
    EXPECT_EQ(Int(Self(), "/status/availableReplicas"), 0);
    Advance(2 * 1000);
    EXPECT_EQ(Int(Self(), "/status/availableReplicas"), 1);
}

TEST_F(ReplicaSet, ScalingDownTakesTheUnreadyOne)
{
    Set(3);
    Run();
    ReadyAll();
    std::string unready = Name(All("v1/Pod")[1]);
    SetReady(unready, false);
    Run();
    Set(2);
    Run();
    EXPECT_EQ(Count("v1/Pod"), 2u);
    EXPECT_EQ(Get("v1/Pod", "default", unready), nullptr);
}

TEST_F(ReplicaSet, ScalingDownTakesFromTheCrowdedNode)
{
    Set(3);
    Run();
    std::vector<std::string> names;
    for (const struct opr_obj *pod : All("v1/Pod")) {
        names.push_back(Name(pod));
    }
    const char *nodes[] = {"a", "a", "b"};
    for (size_t i = 0; i < 3; i++) {
        Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + names[i] +
              "','namespace':'default','labels':{'app':'web','tier':'front'},'ownerReferences':"
              "[{'apiVersion':'apps/v1','kind':'ReplicaSet','name':'web','uid':'" +
              Str(Self(), "/metadata/uid") + "','controller':true}]},'spec':{'nodeName':'" +
              nodes[i] + "','containers':[{'name':'c','image':'x'}]}}");
    }
    ReadyAll();
    Run();
    Set(2);
    Run();
    EXPECT_EQ(Count("v1/Pod"), 2u);
    EXPECT_NE(Get("v1/Pod", "default", names[2]), nullptr);
}

TEST_F(ReplicaSet, ANamespaceThatEndsIsNoFailure)
{
    Apply("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'default'}}");
    Set(0);
    Run();
    Delete("v1/Namespace", "", "default");
    Set(2);
    Run();
    EXPECT_EQ(Count("v1/Pod"), 0u);
    EXPECT_EQ(Events("FailedCreate"), 0);
    EXPECT_EQ(Condition(Self(), "ReplicaFailure"), "");
}

} // namespace
