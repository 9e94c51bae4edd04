/* The garbage collector against the test server. */
#include "tests/unit/controllers_support.h"

namespace
{

class Gc : public testing_cluster::Cluster
{
  protected:
    std::string Ref(const std::string &kind, const std::string &name, const std::string &uid,
                    const std::string &version = "v1", bool blocks = false)
    {
        return "{'apiVersion':'" + version + "','kind':'" + kind + "','name':'" + name +
               "','uid':'" + uid + "'" + (blocks ? ",'blockOwnerDeletion':true" : "") + "}";
    }
    std::string RefTo(const char *gvk, const std::string &name, bool blocks = false)
    {
        const struct opr_obj *o = Get(gvk, "default", name);
        return Ref(Str(o, "/kind"), name, Str(o, "/metadata/uid"), Str(o, "/apiVersion"), blocks);
    }
    void Make(const std::string &kind, const std::string &name, const std::string &refs = "",
              const std::string &meta = "", const std::string &version = "v1")
    {
        Apply("{'apiVersion':'" + version + "','kind':'" + kind + "','metadata':{'name':'" + name +
              "','namespace':'default','ownerReferences':[" + refs + "]" + meta + "}}");
    }
    bool Exists(const char *gvk, const std::string &name)
    {
        return Get(gvk, "default", name) != nullptr;
    }
    size_t Refs(const char *gvk, const std::string &name)
    {
        return opr_obj_len(opr_obj_at(Get(gvk, "default", name), "/metadata/ownerReferences"));
    }
};

TEST_F(Gc, ACascadeGoesAllTheWayDown)
{
    Make("Deployment", "d", "", "", "apps/v1");
    Make("ReplicaSet", "r", RefTo("apps/v1/Deployment", "d"), "", "apps/v1");
    for (int i = 0; i < 5; i++) {
        Make("Pod", "p" + std::to_string(i), RefTo("apps/v1/ReplicaSet", "r"));
    }
    Make("Pod", "free");
    Run();
    EXPECT_EQ(Count("v1/Pod"), 6u);
    Delete("apps/v1/Deployment", "default", "d");
    Run();
    EXPECT_FALSE(Exists("apps/v1/ReplicaSet", "r"));
    EXPECT_EQ(Count("v1/Pod"), 1u);
    EXPECT_TRUE(Exists("v1/Pod", "free"));
}

TEST_F(Gc, AnotherOwnerKeepsIt)
{
    Make("ConfigMap", "a");
    Make("ConfigMap", "b");
    Make("Pod", "p", RefTo("v1/ConfigMap", "a") + "," + RefTo("v1/ConfigMap", "b"));
    Run();
    Delete("v1/ConfigMap", "default", "a");
    Run();
    ASSERT_TRUE(Exists("v1/Pod", "p"));
    EXPECT_EQ(Refs("v1/Pod", "p"), 1u);
    Delete("v1/ConfigMap", "default", "b");
    Run();
    EXPECT_FALSE(Exists("v1/Pod", "p"));
}

TEST_F(Gc, AnOwnerThatWasMadeAgainIsAnotherOne)
{
    Make("ConfigMap", "a");
    Make("Pod", "p", RefTo("v1/ConfigMap", "a"));
    Run();
    Delete("v1/ConfigMap", "default", "a");
    Make("ConfigMap", "a");
    Run();
    EXPECT_FALSE(Exists("v1/Pod", "p"));
    EXPECT_TRUE(Exists("v1/ConfigMap", "a"));
}

TEST_F(Gc, AnOwnerThatNeverWasIsLookedUpAndMissed)
{
    Make("Pod", "p", Ref("ConfigMap", "ghost", "no-such-uid"));
    Run();
    EXPECT_FALSE(Exists("v1/Pod", "p"));
}

TEST_F(Gc, AKindThatIsNotKnownKeepsItsDependents)
{
    Make("Pod", "p", Ref("Widget", "w", "u", "example.com/v1"));
    Run();
    Advance(120 * 1000);
    EXPECT_TRUE(Exists("v1/Pod", "p"));
}

TEST_F(Gc, AStaleCacheIsNotTrusted)
{
    Run();
    opr_test_hold(t, "v1/ConfigMap", true);
    Make("ConfigMap", "a"); /* the cache has not heard of it */
    Make("Pod", "p", RefTo("v1/ConfigMap", "a"));
    Run();
    EXPECT_TRUE(Exists("v1/Pod", "p"));
    opr_test_hold(t, "v1/ConfigMap", false);
    Run();
    EXPECT_TRUE(Exists("v1/Pod", "p"));
}

TEST_F(Gc, AFailingServerDeletesNothing)
{
    Run();
    opr_test_fail_next(t, "get", 3, 500);
    Make("Pod", "p", Ref("ConfigMap", "ghost", "no-such-uid"));
    opr_test_run(t);
    EXPECT_TRUE(Exists("v1/Pod", "p"));
    Advance(200 * 1000);
    EXPECT_FALSE(Exists("v1/Pod", "p"));
}

TEST_F(Gc, AnOwnerInAnotherNamespaceDoesNotCount)
{
    Apply("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a','namespace':'other'}}");
    const struct opr_obj *a = Get("v1/ConfigMap", "other", "a");
    Make("Pod", "p", Ref("ConfigMap", "a", Str(a, "/metadata/uid")));
    Run();
    EXPECT_FALSE(Exists("v1/Pod", "p"));
    EXPECT_EQ(Events("OwnerRefInvalidNamespace"), 1);
}

TEST_F(Gc, AClusterScopedOwnerCountsAnywhere)
{
    Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'n'}}");
    const struct opr_obj *n = Get("v1/Node", "", "n");
    Make("Pod", "p", Ref("Node", "n", Str(n, "/metadata/uid")));
    Run();
    EXPECT_TRUE(Exists("v1/Pod", "p"));
    Delete("v1/Node", "", "n");
    Run();
    EXPECT_FALSE(Exists("v1/Pod", "p"));
}

TEST_F(Gc, AClusterScopedChildOfANamespacedOwnerIsKept)
{
    Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'n','ownerReferences':[" +
          Ref("ConfigMap", "a", "u") + "]}}");
    Run();
    Advance(60 * 1000);
    EXPECT_NE(Get("v1/Node", "", "n"), nullptr);
}

TEST_F(Gc, ForegroundWaitsForWhatBlocks)
{
    Make("Deployment", "d", "", ",'finalizers':['foregroundDeletion']", "apps/v1");
    Make("ReplicaSet", "blocking", RefTo("apps/v1/Deployment", "d", true),
         ",'finalizers':['test/stay']", "apps/v1");
    Make("ReplicaSet", "plain", RefTo("apps/v1/Deployment", "d"), ",'finalizers':['test/stay']",
         "apps/v1");
    Run();
    Delete("apps/v1/Deployment", "default", "d");
    Run();
    EXPECT_TRUE(Exists("apps/v1/Deployment", "d"));
    EXPECT_NE(
        opr_obj_at(Get("apps/v1/ReplicaSet", "default", "blocking"), "/metadata/deletionTimestamp"),
        nullptr);
    /* whatever held it lets go: the owner follows, though the plain one is still there */
    Apply("{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'blocking','namespace':"
          "'default'}}");
    Run();
    EXPECT_FALSE(Exists("apps/v1/Deployment", "d"));
    EXPECT_TRUE(Exists("apps/v1/ReplicaSet", "plain"));
}

TEST_F(Gc, OrphanTakesTheReferencesAway)
{
    Make("Deployment", "d", "", ",'finalizers':['orphan']", "apps/v1");
    Make("ReplicaSet", "r", RefTo("apps/v1/Deployment", "d"), "", "apps/v1");
    Run();
    Delete("apps/v1/Deployment", "default", "d");
    Run();
    EXPECT_FALSE(Exists("apps/v1/Deployment", "d"));
    ASSERT_TRUE(Exists("apps/v1/ReplicaSet", "r"));
    EXPECT_EQ(Refs("apps/v1/ReplicaSet", "r"), 0u);
}

TEST_F(Gc, AConflictIsTriedAgain)
{
    Make("ConfigMap", "a");
    Make("Pod", "p", RefTo("v1/ConfigMap", "a"));
    Run();
    opr_test_fail_next(t, "delete", 2, 409);
    Delete("v1/ConfigMap", "default", "a");
    opr_test_run(t);
    Advance(5000);
    EXPECT_FALSE(Exists("v1/Pod", "p"));
}

/* Whose kind is learned while it is young does not wait for the long period. */
TEST_F(Gc, AYoungChildOfANewKindIsLookedAtAgainSoon)
{
    Make("ConfigMap", "child", Ref("Thing", "t", "gone", "a.example/v1"));
    Run();
    Advance(3000);
    ASSERT_TRUE(Exists("v1/ConfigMap", "child")) << "no such kind: nothing may be deleted";
    Make("Thing", "other", "", "", "a.example/v1");
    Advance(2000);
    EXPECT_FALSE(Exists("v1/ConfigMap", "child"));
}

TEST_F(Gc, ADefinitionIsNotLookedAtForEver)
{
    Apply("{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','metadata':{"
          "'name':'things.a.example'},'spec':{}}");
    Run();
    Advance(20000);
    EXPECT_EQ(opr_test_advance_ms(t, 5000), 0u);
}

} // namespace
