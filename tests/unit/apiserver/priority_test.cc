// Pods and their PriorityClasses, and what else is admitted.
#include "support.h"

#include <gmock/gmock.h>

#define CLASSES "/apis/scheduling.k8s.io/v1/priorityclasses"

using testing::HasSubstr;

class Priority : public Api
{
  protected:
    void make_class(const std::string &name, int value, const std::string &rest = "")
    {
        ASSERT_EQ(post(CLASSES, "{'metadata':{'name':'" + name +
                                    "'},'value':" + std::to_string(value) + rest + "}")
                      .status,
                  201);
    }
};

TEST_F(Priority, AUserWritesNoOther)
{
    make_class("high", 1000, ",'preemptionPolicy':'Never'");
    Answer a = make_pod("a", "'priority':5");
    EXPECT_EQ(a.status, 403);
    EXPECT_EQ(a.str("/message"),
              "pods \"a\" is forbidden: the integer value of priority (5) must not be provided in "
              "pod spec; priority admission controller computed 0 from the given PriorityClass "
              "name");
    a = make_pod("b", "'preemptionPolicy':'Never'");
    EXPECT_EQ(a.status, 403);
    EXPECT_THAT(a.str("/message"), HasSubstr("the string value of PreemptionPolicy (Never)"));
    EXPECT_EQ(make_pod("c", "'priorityClassName':'high','preemptionPolicy':'PreemptLowerPriority'")
                  .status,
              403);
    a = make_pod("d", "'priorityClassName':'high','priority':1000,'preemptionPolicy':'Never'");
    EXPECT_EQ(a.status, 201) << "the same is no other";
    EXPECT_EQ(a.num("/spec/priority"), 1000);
    EXPECT_EQ(make_pod("e", "'priorityClassName':'none'").status, 403);
}

TEST_F(Priority, ThereIsOneDefault)
{
    make_class("d", 7, ",'globalDefault':true");
    Answer a = make_pod("a");
    EXPECT_EQ(a.num("/spec/priority"), 7);
    EXPECT_EQ(a.str("/spec/priorityClassName"), "d");
    a = post(CLASSES, "{'metadata':{'name':'e'},'value':9,'globalDefault':true}");
    EXPECT_EQ(a.status, 403);
    EXPECT_EQ(a.str("/message"),
              "priorityclasses.scheduling.k8s.io \"e\" is forbidden: PriorityClass d is already "
              "marked as default. Only one default can exist");
    make_class("e", 9);
    EXPECT_EQ(merge(CLASSES "/e", "{'globalDefault':true}").status, 403);
    EXPECT_EQ(merge(CLASSES "/d", "{'description':'x'}").status, 200);
    ASSERT_EQ(merge(CLASSES "/d", "{'globalDefault':false}").status, 200);
    EXPECT_EQ(merge(CLASSES "/e", "{'globalDefault':true}").status, 200);
}

TEST_F(Priority, ANodeIsTaintedOnce)
{
    const std::string taint = "'spec':{'taints':[{'key':'node.kubernetes.io/not-ready','effect':"
                              "'NoSchedule'}]}";
    Answer a = post("/api/v1/nodes", "{'metadata':{'name':'n'}," + taint + "}");
    EXPECT_EQ(a.status, 201) << a.body;
    EXPECT_EQ(a.size("/spec/taints"), 1u);
}

TEST_F(Priority, AnEndingNamespaceIsToldWithTheGroup)
{
    post("/api/v1/namespaces", "{'metadata':{'name':'t'}}");
    make("configmaps", "x");
    ASSERT_EQ(remove("/api/v1/namespaces/t").status, 200);
    Answer a =
        post("/apis/coordination.k8s.io/v1/namespaces/t/leases", "{'metadata':{'name':'l'}}");
    EXPECT_EQ(a.str("/message"),
              "leases.coordination.k8s.io \"l\" is forbidden: unable to create new content in "
              "namespace t because it is being terminated");
    EXPECT_EQ(post("/api/v1/namespaces/t/serviceaccounts/default/token", "{}").status, 403);
}
