/* The Deployment controller against the test server; the test stands in for the ReplicaSet
 * controller, so that every step of a rollout can be looked at. */
#include "tests/unit/controllers_support.h"

#include <algorithm>

namespace
{

const char kSet[] = "apps/v1/ReplicaSet";
const char kDeployment[] = "apps/v1/Deployment";

class Deployment : public testing_cluster::Cluster
{
  protected:
    void Deploy(int replicas, const std::string &image, const std::string &extra = "",
                const std::string &meta = "")
    {
        Apply("{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web',"
              "'namespace':'default'" +
              meta + "},'spec':{'replicas':" + std::to_string(replicas) + extra +
              ",'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{'labels':"
              "{'app':'web'}},'spec':{'containers':[{'name':'c','image':'" +
              image + "'}]}}}}");
    }
    const struct opr_obj *Self()
    {
        return Get(kDeployment, "default", "web");
    }
    const struct opr_obj *SetOf(const std::string &image)
    {
        for (const struct opr_obj *s : All(kSet)) {
            if (Str(s, "/spec/template/spec/containers/0/image") == image) {
                return s;
            }
        }
        return nullptr;
    }
    int64_t Replicas(const std::string &image)
    {
        return Int(SetOf(image), "/spec/replicas", -1);
    }
    void SetStatus(const struct opr_obj *s, int64_t replicas, int64_t available)
    {
        Status(kSet, "default", Name(s),
               "{'replicas':" + std::to_string(replicas) + ",'readyReplicas':" +
                   std::to_string(available) + ",'availableReplicas':" + std::to_string(available) +
                   ",'terminatingReplicas':0,'observedGeneration':" +
                   std::to_string(Int(s, "/metadata/generation")) + "}");
    }
    /* What a ReplicaSet controller and nodes would do; at most steps pods become available. */
    void Step(int64_t steps)
    {
        for (const struct opr_obj *s : All(kSet)) {
            int64_t spec = Int(s, "/spec/replicas"), now = Int(s, "/status/availableReplicas");
            int64_t more = std::min<int64_t>(steps, std::max<int64_t>(0, spec - now));
            steps -= more;
            SetStatus(s, spec, std::min(spec, now + more));
        }
        Run();
    }
    void Finish()
    {
        for (int i = 0; i < 200 && !IsComplete(); i++) {
            Step(1000);
        }
        ASSERT_TRUE(IsComplete());
    }
    bool IsComplete()
    {
        const struct opr_obj *d = Self();
        int64_t n = Int(d, "/spec/replicas");
        return Int(d, "/status/replicas") == n && Int(d, "/status/updatedReplicas") == n &&
               Int(d, "/status/availableReplicas") == n &&
               Int(d, "/status/observedGeneration") == Int(d, "/metadata/generation");
    }
    int64_t Sum(const char *ptr)
    {
        int64_t sum = 0;
        for (const struct opr_obj *s : All(kSet)) {
            sum += Int(s, ptr);
        }
        return sum;
    }
    std::string Revision(const std::string &image)
    {
        return Str(SetOf(image), "/metadata/annotations/deployment.kubernetes.io~1revision");
    }
};

TEST_F(Deployment, MakesTheFirstSet)
{
    Deploy(3, "v1", ",'progressDeadlineSeconds':600",
           ",'annotations':{'note':'x','kubectl.kubernetes.io/last-applied-configuration':'y'}");
    Run();
    ASSERT_EQ(Count(kSet), 1u);
    const struct opr_obj *s = SetOf("v1");
    std::string hash = Str(s, "/metadata/labels/pod-template-hash");
    EXPECT_FALSE(hash.empty());
    EXPECT_EQ(Name(s), "web-" + hash);
    EXPECT_EQ(hash.find_first_not_of("bcdfghjklmnpqrstvwxz2456789"), std::string::npos);
    EXPECT_EQ(Str(s, "/spec/selector/matchLabels/pod-template-hash"), hash);
    EXPECT_EQ(Str(s, "/spec/template/metadata/labels/pod-template-hash"), hash);
    EXPECT_EQ(Str(s, "/spec/selector/matchLabels/app"), "web");
    EXPECT_EQ(Int(s, "/spec/replicas"), 3);
    EXPECT_EQ(Str(s, "/metadata/annotations/note"), "x");
    EXPECT_EQ(opr_obj_at(s, "/metadata/annotations/kubectl.kubernetes.io~1last-applied-"
                            "configuration"),
              nullptr);
    EXPECT_EQ(Str(s, "/metadata/annotations/deployment.kubernetes.io~1desired-replicas"), "3");
    EXPECT_EQ(Str(s, "/metadata/annotations/deployment.kubernetes.io~1max-replicas"), "4");
    EXPECT_EQ(Revision("v1"), "1");
    EXPECT_EQ(Str(Self(), "/metadata/annotations/deployment.kubernetes.io~1revision"), "1");
    EXPECT_EQ(Str(s, "/metadata/ownerReferences/0/uid"), Str(Self(), "/metadata/uid"));
    EXPECT_EQ(Events("ScalingReplicaSet", "Scaled up replica set " + Name(s) + " from 0 to 3"), 1);
    EXPECT_EQ(Condition(Self(), "Available"), "False");
    EXPECT_EQ(Condition(Self(), "Available", "/reason"), "MinimumReplicasUnavailable");
    EXPECT_EQ(Condition(Self(), "Progressing"), "True");
    Finish();
    EXPECT_EQ(Condition(Self(), "Available"), "True");
    EXPECT_EQ(Condition(Self(), "Progressing", "/reason"), "NewReplicaSetAvailable");
    EXPECT_EQ(Condition(Self(), "Progressing", "/message"),
              "ReplicaSet \"" + Name(s) + "\" has successfully progressed.");
}

TEST_F(Deployment, SettlesWithoutFurtherWrites)
{
    Deploy(2, "v1", ",'progressDeadlineSeconds':60");
    Run();
    Finish();
    uint32_t updates = opr_test_writes(t, "update", kDeployment);
    uint32_t patches = opr_test_writes(t, "patch", kSet);
    Advance(3600 * 1000);
    EXPECT_EQ(opr_test_writes(t, "update", kDeployment), updates);
    EXPECT_EQ(opr_test_writes(t, "patch", kSet), patches);
    EXPECT_EQ(Condition(Self(), "Progressing", "/reason"), "NewReplicaSetAvailable");
}

/* Every step of a rollout keeps both bounds, whatever the order of pods becoming available. */
class Bounds : public Deployment, public ::testing::WithParamInterface<std::vector<int>>
{
};

TEST_P(Bounds, HoldAtEveryStep)
{
    int replicas = GetParam()[0], surge = GetParam()[1], unavailable = GetParam()[2];
    int speed = GetParam()[3];
    std::string strategy =
        ",'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':" + std::to_string(surge) +
        ",'maxUnavailable':" + std::to_string(unavailable) + "}}";
    Deploy(replicas, "v1", strategy);
    Run();
    Finish();
    Deploy(replicas, "v2", strategy);
    Run();
    for (int i = 0; i < 100 && !IsComplete(); i++) {
        ASSERT_LE(Sum("/spec/replicas"), replicas + surge);
        int64_t kept = 0; /* what stays available once each set has its size */
        for (const struct opr_obj *s : All(kSet)) {
            kept += std::min(Int(s, "/spec/replicas"), Int(s, "/status/availableReplicas"));
        }
        ASSERT_GE(kept, replicas - std::max(unavailable, surge == 0 ? 1 : unavailable));
        Step(speed);
    }
    EXPECT_TRUE(IsComplete());
    EXPECT_EQ(Replicas("v1"), 0);
    EXPECT_EQ(Replicas("v2"), replicas);
    EXPECT_EQ(Revision("v2"), "2");
}

INSTANTIATE_TEST_SUITE_P(
    Strategies, Bounds,
    ::testing::Values(std::vector<int>{10, 3, 2, 1}, std::vector<int>{10, 0, 1, 1},
                      std::vector<int>{10, 1, 0, 1}, std::vector<int>{1, 1, 0, 1},
                      std::vector<int>{7, 2, 3, 2}, std::vector<int>{4, 0, 0, 1},
                      std::vector<int>{3, 10, 3, 5}, std::vector<int>{20, 5, 5, 3}));

TEST_F(Deployment, PercentagesRoundUpAndDown)
{
    Deploy(10, "v1",
           ",'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':'25%',"
           "'maxUnavailable':'25%'}}");
    Run();
    Finish();
    Deploy(10, "v2");
    Run();
    EXPECT_EQ(Replicas("v1"), 8); /* floor(2.5) may be missing */
    EXPECT_EQ(Replicas("v2"), 5); /* ceil(2.5) more than 10 in all */
}

TEST_F(Deployment, ABrokenRolloutStopsAtTheBoundsAndTimesOut)
{
    const std::string extra = ",'progressDeadlineSeconds':30,'strategy':{'type':'RollingUpdate',"
                              "'rollingUpdate':{'maxSurge':1,'maxUnavailable':1}}";
    Deploy(4, "v1", extra);
    Run();
    Finish();
    Deploy(4, "broken", extra);
    Run();
    for (int i = 0; i < 5; i++) {
        for (const struct opr_obj *s : All(kSet)) {
            bool is_old = Str(s, "/spec/template/spec/containers/0/image") == "v1";
            int64_t spec = Int(s, "/spec/replicas");
            SetStatus(s, spec, is_old ? spec : 0);
        }
        Run();
    }
    EXPECT_EQ(Replicas("v1"), 3);
    EXPECT_EQ(Replicas("broken"), 2);
    EXPECT_EQ(Condition(Self(), "Progressing", "/reason"), "ReplicaSetUpdated");
    Advance(25 * 1000);
    EXPECT_EQ(Condition(Self(), "Progressing"), "True");
    Advance(10 * 1000);
    EXPECT_EQ(Condition(Self(), "Progressing"), "False");
    EXPECT_EQ(Condition(Self(), "Progressing", "/reason"), "ProgressDeadlineExceeded");
    EXPECT_EQ(Condition(Self(), "Available"), "True");
    /* kubectl rollout undo: the old template again. */
    Deploy(4, "v1", extra);
    Run();
    Finish();
    EXPECT_EQ(Replicas("v1"), 4);
    EXPECT_EQ(Replicas("broken"), 0);
    EXPECT_EQ(Revision("v1"), "3");
    EXPECT_EQ(Str(SetOf("v1"), "/metadata/annotations/deployment.kubernetes.io~1revision-history"),
              "1");
    EXPECT_EQ(Str(Self(), "/metadata/annotations/deployment.kubernetes.io~1revision"), "3");
    EXPECT_EQ(Condition(Self(), "Progressing", "/reason"), "NewReplicaSetAvailable");
    EXPECT_EQ(Count(kSet), 2u);
}

TEST_F(Deployment, OldUnhealthyPodsGoFirst)
{
    const std::string extra = ",'strategy':{'type':'RollingUpdate','rollingUpdate':{"
                              "'maxSurge':1,'maxUnavailable':1}}";
    Deploy(10, "v1", extra);
    Run();
    SetStatus(SetOf("v1"), 10, 5); /* half of them never came up */
    Run();
    Deploy(10, "v2", extra);
    Run();
    SetStatus(SetOf("v2"), Replicas("v2"), 0);
    Run();
    EXPECT_LT(Replicas("v1"), 10);
    EXPECT_GE(Replicas("v1"), 5);
}

TEST_F(Deployment, ScalesDuringARolloutInProportion)
{
    /* Kubernetes' conformance case: 10 to 30 in the middle of a rollout, 8/5 becomes 20/13. */
    const std::string extra = ",'strategy':{'type':'RollingUpdate','rollingUpdate':{"
                              "'maxSurge':3,'maxUnavailable':2}}";
    Deploy(10, "v1", extra);
    Run();
    Finish();
    Deploy(10, "v2", extra);
    Run();
    SetStatus(SetOf("v1"), 8, 8);
    SetStatus(SetOf("v2"), Replicas("v2"), 0);
    Run();
    ASSERT_EQ(Replicas("v1"), 8);
    ASSERT_EQ(Replicas("v2"), 5);
    Deploy(30, "v2", extra);
    Run();
    EXPECT_EQ(Replicas("v1"), 20);
    EXPECT_EQ(Replicas("v2"), 13);
    for (const char *image : {"v1", "v2"}) {
        EXPECT_EQ(
            Str(SetOf(image), "/metadata/annotations/deployment.kubernetes.io~1desired-replicas"),
            "30");
        EXPECT_EQ(Str(SetOf(image), "/metadata/annotations/deployment.kubernetes.io~1max-replicas"),
                  "33");
    }
}

TEST_F(Deployment, ScalesTheOnlySet)
{
    Deploy(2, "v1");
    Run();
    Finish();
    Deploy(5, "v1");
    Run();
    EXPECT_EQ(Replicas("v1"), 5);
    EXPECT_EQ(Events("ScalingReplicaSet", "from 2 to 5"), 1);
    Finish();
    Deploy(0, "v1");
    Run();
    EXPECT_EQ(Replicas("v1"), 0);
    EXPECT_EQ(Events("ScalingReplicaSet", "Scaled down replica set"), 1);
}

TEST_F(Deployment, PausedHoldsTheRolloutButScales)
{
    const std::string paused = ",'paused':true,'progressDeadlineSeconds':10";
    Deploy(3, "v1", ",'progressDeadlineSeconds':10");
    Run();
    Finish();
    Deploy(3, "v2", paused);
    Run();
    EXPECT_EQ(Count(kSet), 1u);
    EXPECT_EQ(Condition(Self(), "Progressing", "/reason"), "DeploymentPaused");
    EXPECT_EQ(Condition(Self(), "Progressing"), "Unknown");
    Advance(60 * 1000);
    EXPECT_EQ(Condition(Self(), "Progressing", "/reason"), "DeploymentPaused");
    Deploy(5, "v2", paused);
    Run();
    EXPECT_EQ(Replicas("v1"), 5);
    SetStatus(SetOf("v1"), 5, 5);
    Run();
    Deploy(5, "v2", ",'progressDeadlineSeconds':10");
    Run();
    EXPECT_EQ(Count(kSet), 2u);
    Finish();
    EXPECT_EQ(Replicas("v2"), 5);
}

TEST_F(Deployment, RecreateWaitsForTheOldPods)
{
    const std::string extra = ",'strategy':{'type':'Recreate'}";
    Deploy(2, "v1", extra);
    Run();
    Finish();
    const struct opr_obj *old = SetOf("v1");
    Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'web-old','namespace':'default',"
          "'labels':{'app':'web'},'ownerReferences':[{'apiVersion':'apps/v1','kind':'ReplicaSet',"
          "'name':'" +
          Name(old) + "','uid':'" + Str(old, "/metadata/uid") +
          "','controller':true}]},'spec':{'containers':[{'name':'c'}]}}");
    Deploy(2, "v2", extra);
    Run();
    EXPECT_EQ(Replicas("v1"), 0);
    EXPECT_EQ(SetOf("v2"), nullptr);
    SetStatus(SetOf("v1"), 0, 0);
    Run();
    EXPECT_EQ(SetOf("v2"), nullptr) << "a pod of the old set is still there";
    Delete("v1/Pod", "default", "web-old");
    Run();
    ASSERT_NE(SetOf("v2"), nullptr);
    EXPECT_EQ(Replicas("v2"), 2);
}

TEST_F(Deployment, KeepsAsManyOldSetsAsItShould)
{
    const std::string extra = ",'revisionHistoryLimit':2";
    for (const char *image : {"v1", "v2", "v3", "v4", "v5"}) {
        Deploy(1, image, extra);
        Run();
        Finish();
        Step(10);
    }
    EXPECT_EQ(Count(kSet), 3u);
    EXPECT_EQ(SetOf("v1"), nullptr);
    EXPECT_EQ(SetOf("v2"), nullptr);
    EXPECT_EQ(Revision("v5"), "5");
}

TEST_F(Deployment, AdoptsASetOfItsTemplate)
{
    /* As e2e presets it: the adopted set's revision goes on from there. */
    Apply("{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'before','namespace':"
          "'default','labels':{'app':'web'},'annotations':{'deployment.kubernetes.io/revision':"
          "'3546343826724305832'}},'spec':{'replicas':1,'selector':{'matchLabels':{'app':'web'}},"
          "'template':{'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':'c',"
          "'image':'v0'}]}}}}");
    Run();
    Deploy(1, "v1");
    Run();
    EXPECT_EQ(Str(SetOf("v0"), "/metadata/ownerReferences/0/kind"), "Deployment");
    EXPECT_EQ(Revision("v1"), "3546343826724305833");
    Finish();
    EXPECT_EQ(Replicas("v0"), 0);
}

TEST_F(Deployment, ReleasesASetThatNoLongerMatches)
{
    Deploy(1, "v1");
    Run();
    Finish();
    const struct opr_obj *s = SetOf("v1");
    std::string name = Name(s), uid = Str(Self(), "/metadata/uid");
    Apply("{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'" + name +
          "','namespace':'default','labels':{'app':'aside'},'ownerReferences':[{'apiVersion':"
          "'apps/v1','kind':'Deployment','name':'web','uid':'" +
          uid +
          "','controller':true}]},'spec':{'replicas':1,'selector':{'matchLabels':{'app':'aside'}},"
          "'template':{'metadata':{'labels':{'app':'aside'}},'spec':{'containers':[{'name':'c',"
          "'image':'v1'}]}}}}");
    Run();
    EXPECT_EQ(opr_obj_len(opr_obj_at(Get(kSet, "default", name), "/metadata/ownerReferences")), 0u);
}

TEST_F(Deployment, AHashCollisionTakesAnotherName)
{
    Deploy(1, "v1");
    Run();
    std::string name = Name(SetOf("v1"));
    Delete(kDeployment, "default", "web");
    Run();
    Delete(kSet, "default", name);
    Apply("{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'" + name +
          "','namespace':'default','labels':{'app':'db'}},'spec':{'replicas':0,'selector':"
          "{'matchLabels':{'app':'db'}},'template':{'metadata':{'labels':{'app':'db'}},'spec':"
          "{'containers':[{'name':'c','image':'other'}]}}}}");
    Deploy(1, "v1");
    Run();
    Advance(1000);
    ASSERT_NE(SetOf("v1"), nullptr);
    EXPECT_NE(Name(SetOf("v1")), name);
    EXPECT_EQ(Int(Self(), "/status/collisionCount"), 1);
}

TEST_F(Deployment, ARefusedSetIsACondition)
{
    opr_test_fail_next(t, "create", 1, 403);
    Deploy(1, "v1", ",'progressDeadlineSeconds':60");
    opr_test_run(t);
    EXPECT_EQ(Events("ReplicaSetCreateError", "Failed to create new replica set \"web-"), 1);
    Advance(5000);
    EXPECT_EQ(Count(kSet), 1u);
    EXPECT_EQ(Condition(Self(), "Progressing"), "True");
}

TEST_F(Deployment, ARestartWithTheSameTemplateMakesNoNewSet)
{
    Deploy(2, "v1");
    Run();
    Finish();
    Deploy(2, "v1", "", ",'annotations':{'changed':'yes'}");
    Run();
    EXPECT_EQ(Count(kSet), 1u);
    EXPECT_EQ(Str(SetOf("v1"), "/metadata/annotations/changed"), "yes");
}

TEST_F(Deployment, AStaleCacheMakesNoSecondSet)
{
    Run();
    opr_test_hold(t, kSet, true);
    Deploy(2, "v1");
    Run();
    for (int i = 0; i < 5; i++) {
        Deploy(2, "v1", "", ",'annotations':{'touched':'" + std::to_string(i) + "'}");
        Advance(10 * 1000);
        EXPECT_EQ(Count(kSet), 1u);
    }
    opr_test_hold(t, kSet, false);
    Run();
    EXPECT_EQ(Count(kSet), 1u);
    EXPECT_EQ(Int(Self(), "/status/collisionCount"), 0);
}

TEST_F(Deployment, CopiesTheFailureOfASet)
{
    Deploy(1, "v1");
    Run();
    Status(kSet, "default", Name(SetOf("v1")),
           "{'replicas':0,'conditions':[{'type':'ReplicaFailure','status':'True','reason':"
           "'FailedCreate','message':'no quota'}]}");
    Run();
    EXPECT_EQ(Condition(Self(), "ReplicaFailure"), "True");
    EXPECT_EQ(Condition(Self(), "ReplicaFailure", "/message"), "no quota");
    Finish();
    Status(kSet, "default", Name(SetOf("v1")), "{'conditions':[]}");
    Run();
    EXPECT_EQ(Condition(Self(), "ReplicaFailure"), "");
}

TEST_F(Deployment, AnEmptySelectorIsRefused)
{
    Apply("{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'all','namespace':"
          "'default'},'spec':{'selector':{},'template':{'metadata':{'labels':{'a':'b'}},'spec':"
          "{'containers':[{'name':'c'}]}}}}");
    Run();
    EXPECT_EQ(Count(kSet), 0u);
    EXPECT_GE(Events("SelectingAll"), 1);
    EXPECT_EQ(Int(Get(kDeployment, "default", "all"), "/status/observedGeneration"), 1);
}

TEST_F(Deployment, RollsBackByAnnotation)
{
    Deploy(1, "v1");
    Run();
    Finish();
    Deploy(1, "v2");
    Run();
    Finish();
    Deploy(1, "v2", "", ",'annotations':{'deprecated.deployment.rollback.to':'1'}");
    Run();
    EXPECT_EQ(Str(Self(), "/spec/template/spec/containers/0/image"), "v1");
    EXPECT_EQ(opr_obj_at(Self(), "/spec/template/metadata/labels/pod-template-hash"), nullptr);
    EXPECT_EQ(Events("DeploymentRollback", "Rolled back deployment \"web\" to revision 1"), 1);
    Finish();
    EXPECT_EQ(Replicas("v1"), 1);
}

} // namespace
