/* The namespace controller against the test server. */
#include "tests/unit/controllers_support.h"

namespace
{

class Namespace : public testing_cluster::Cluster
{
  protected:
    void Make(const std::string &name)
    {
        Apply("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'" + name + "'}}");
    }
    void Object(const std::string &kind, const std::string &name, const std::string &ns,
                const std::string &meta = "")
    {
        Apply("{'apiVersion':'v1','kind':'" + kind + "','metadata':{'name':'" + name +
              "','namespace':'" + ns + "'" + meta + "}}");
    }
    const struct opr_obj *Self()
    {
        return Get("v1/Namespace", "", "a");
    }
};

TEST_F(Namespace, IsEmptiedAndGoes)
{
    Make("a");
    Make("b");
    Object("ConfigMap", "m", "a");
    Object("Secret", "s", "a");
    Object("Pod", "p", "a");
    Object("ConfigMap", "m", "b");
    Run();
    Delete("v1/Namespace", "", "a");
    Run();
    EXPECT_EQ(Self(), nullptr);
    EXPECT_EQ(opr_test_count(t, "v1/ConfigMap", "a"), 0u);
    EXPECT_EQ(opr_test_count(t, "v1/Secret", "a"), 0u);
    EXPECT_EQ(opr_test_count(t, "v1/Pod", "a"), 0u);
    EXPECT_EQ(opr_test_count(t, "v1/ConfigMap", "b"), 1u);
    EXPECT_NE(Get("v1/Namespace", "", "b"), nullptr);
}

TEST_F(Namespace, PodsGoFirst)
{
    Make("a");
    Object("ConfigMap", "m", "a");
    Object("Pod", "p", "a", ",'finalizers':['test/stay']");
    Run();
    Delete("v1/Namespace", "", "a");
    Run();
    EXPECT_EQ(opr_test_count(t, "v1/ConfigMap", "a"), 1u) << "the pod may still read it";
    EXPECT_EQ(Condition(Self(), "NamespaceContentRemaining"), "True");
    EXPECT_EQ(Condition(Self(), "NamespaceContentRemaining", "/message"),
              "Some resources are remaining: pods. has 1 resource instances");
    EXPECT_EQ(Condition(Self(), "NamespaceFinalizersRemaining", "/message"),
              "Some content in the namespace has finalizers remaining: test/stay in 1 resource "
              "instances");
    EXPECT_EQ(Condition(Self(), "NamespaceDeletionDiscoveryFailure"), "False");
    EXPECT_EQ(Condition(Self(), "NamespaceDeletionContentFailure", "/reason"), "ContentDeleted");
    EXPECT_EQ(Condition(Self(), "NamespaceDeletionGroupVersionParsingFailure", "/reason"),
              "ParsedGroupVersions");
    Object("Pod", "p", "a"); /* without its finalizer it goes */
    Run();
    EXPECT_EQ(Self(), nullptr);
    EXPECT_EQ(opr_test_count(t, "v1/ConfigMap", "a"), 0u);
}

TEST_F(Namespace, AFinalizerHoldsIt)
{
    Make("a");
    Object("ConfigMap", "m", "a", ",'finalizers':['test/stay']");
    Run();
    Delete("v1/Namespace", "", "a");
    Run();
    Advance(60 * 1000);
    ASSERT_NE(Self(), nullptr);
    EXPECT_EQ(Condition(Self(), "NamespaceFinalizersRemaining"), "True");
    Object("ConfigMap", "m", "a");
    Advance(20 * 1000);
    EXPECT_EQ(Self(), nullptr);
}

TEST_F(Namespace, WhatCanNotBeReadHoldsIt)
{
    Make("a");
    Object("ConfigMap", "m", "a");
    Run();
    opr_test_fail_next(t, "list", 3, 500);
    Delete("v1/Namespace", "", "a");
    opr_test_run(t);
    ASSERT_NE(Self(), nullptr);
    EXPECT_EQ(Condition(Self(), "NamespaceDeletionContentFailure"), "True");
    Advance(30 * 1000);
    EXPECT_EQ(Self(), nullptr);
}

TEST_F(Namespace, AnActiveOneIsLeftAlone)
{
    Make("a");
    Object("Pod", "p", "a");
    Run();
    Delete("v1/Pod", "a", "p");
    Object("ConfigMap", "m", "a");
    Run();
    EXPECT_EQ(opr_test_count(t, "v1/ConfigMap", "a"), 1u);
    EXPECT_EQ(opr_test_writes(t, "update", "v1/Namespace"), 0u);
}

} // namespace
