/* Which pod is next, and when one that was refused is tried again. */
#include "tests/unit/controllers_support.h"

namespace
{

class Queue : public testing_cluster::Cluster
{
  public:
    Queue() : Cluster("{\"seed\":7}")
    {
    }

  protected:
    void Node(const std::string &name, const std::string &cpu = "1", const std::string &spec = "",
              const std::string &labels = "")
    {
        Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'" + name +
              "','labels':{'kubernetes.io/hostname':'" + name + "'" + labels + "}},'spec':{" +
              spec + "},'status':{'allocatable':{'cpu':'" + cpu +
              "','memory':'8Gi','pods':'110'}}}");
    }
    void Pod(const std::string &name, const std::string &cpu, const std::string &spec = "",
             const std::string &meta = "", const std::string &ns = "default")
    {
        Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name + "','namespace':'" +
              ns + "'" + meta +
              "},'spec':{'containers':[{'name':'c','resources':{'requests':{'cpu':'" + cpu +
              "'}}}]" + spec + "}}");
    }
    std::string Where(const std::string &pod)
    {
        return Str(Get("v1/Pod", "default", pod), "/spec/nodeName");
    }
    std::string Why(const std::string &pod)
    {
        const std::string why =
            Condition(Get("v1/Pod", "default", pod), "PodScheduled", "/message");
        return why.substr(0, why.find(" preemption: ")); /* preemption_test.cc has the rest */
    }
    /* Attempts write nothing when the reason is the same: a policy that is asked shows them. */
    uint32_t Refusals()
    {
        return opr_test_writes(t, "patch", "v1/Pod");
    }
};

TEST_F(Queue, TheMostUrgentIsFirstAndThenTheOldest)
{
    Pod("a-old", "1", ",'priority':5");
    Pod("b-young", "1", ",'priority':5");
    Pod("c-urgent", "1", ",'priority':6");
    Node("n1");
    Run();
    EXPECT_EQ(Where("c-urgent"), "n1");
    Node("n2");
    Run();
    EXPECT_EQ(Where("a-old"), "n2");
    EXPECT_EQ(Where("b-young"), "");
}

TEST_F(Queue, ATaintThatGoesLetsAPodGo)
{
    Node("n1", "1", "'taints':[{'key':'k','effect':'NoSchedule'}]");
    Pod("a", "100m");
    Run();
    EXPECT_EQ(Why("a"), "0/1 nodes are available: 1 node(s) had untolerated taint(s).");
    Node("n1", "2", "'taints':[{'key':'other','effect':'NoSchedule'}]");
    Run();
    EXPECT_EQ(Where("a"), "");
    Node("n1");
    Run();
    EXPECT_EQ(Where("a"), "n1");
}

TEST_F(Queue, ALabelAndAllocatableLetAPodGo)
{
    Node("n1");
    Pod("a", "100m", ",'nodeSelector':{'disk':'ssd'}");
    Pod("big", "2");
    Run();
    Node("n1", "1", "", ",'disk':'ssd'");
    Run();
    EXPECT_EQ(Where("a"), "n1");
    EXPECT_EQ(Where("big"), "");
    Node("n1", "4", "", ",'disk':'ssd'");
    Run();
    EXPECT_EQ(Where("big"), "n1");
}

TEST_F(Queue, APodThatGoesLetsOnlyThoseTryThatFitNow)
{
    Node("n1");
    Pod("half", "500m");
    Run();
    Pod("whole", "1");
    Pod("other-half", "500m");
    Run();
    EXPECT_EQ(Where("other-half"), "n1");
    Delete("v1/Pod", "default", "half");
    Run();
    EXPECT_EQ(Where("whole"), "") << "half a node is free";
    Delete("v1/Pod", "default", "other-half");
    Run();
    EXPECT_EQ(Where("whole"), "n1");
}

TEST_F(Queue, APodOfItsOwnOrChangedIsTriedAgain)
{
    Node("n1", "1", "'taints':[{'key':'k','effect':'NoSchedule'}]");
    Pod("a", "100m");
    Run();
    EXPECT_EQ(Where("a"), "");
    Pod("a", "100m", ",'tolerations':[{'key':'k','operator':'Exists'}]");
    Run();
    EXPECT_EQ(Where("a"), "n1");
}

TEST_F(Queue, AGatedPodWaitsAndCountsNoAttempt)
{
    Node("n1");
    Pod("a", "100m", ",'schedulingGates':[{'name':'x'},{'name':'y'}]");
    Run();
    Node("n2");
    Advance(600 * 1000);
    EXPECT_EQ(Where("a"), "");
    Pod("a", "100m", ",'schedulingGates':[{'name':'y'}]");
    Run();
    EXPECT_EQ(Where("a"), "");
    EXPECT_EQ(Refusals(), 0u);
    Pod("a", "100m");
    Run();
    EXPECT_NE(Where("a"), "");
}

TEST_F(Queue, AnErrorWaitsForItsBackoffWhichDoubles)
{
    Node("n1");
    Run();
    opr_test_fail_next(t, "create", 2, 500);
    Pod("a", "1");
    Run();
    EXPECT_EQ(Condition(Get("v1/Pod", "default", "a"), "PodScheduled", "/reason"),
              "SchedulerError");
    Advance(999);
    EXPECT_EQ(Where("a"), "");
    Advance(1); /* fails once more */
    Advance(1999);
    EXPECT_EQ(Where("a"), "");
    Advance(1);
    EXPECT_EQ(Where("a"), "n1");
}

TEST_F(Queue, AHandfulOfUselessChangesCostsNoAttempt)
{
    Node("n1");
    Pod("a", "2");
    Run();
    EXPECT_EQ(Refusals(), 1u);
    for (int i = 0; i < 5; i++) {
        Node("n" + std::to_string(i), "1", "", ",'round':'" + std::to_string(i) + "'");
        Run();
    }
    EXPECT_EQ(Refusals(), 1u) << "the message would have changed with the number of nodes";
    Advance(301 * 1000);
    EXPECT_EQ(Why("a"), "0/5 nodes are available: 5 Insufficient cpu.");
}

TEST_F(Queue, ADeletedPodIsNotHeldOnTo)
{
    Pod("a", "1");
    Run();
    Delete("v1/Pod", "default", "a");
    Run();
    Node("n1");
    Pod("b", "1");
    Run();
    EXPECT_EQ(Where("b"), "n1");
}

TEST_F(Queue, TheNominatedNodeIsTakenAndKept)
{
    Node("n1");
    Node("n2", "4");
    Pod("promised", "1", ",'priority':5,'schedulingGates':[{'name':'x'}]");
    Status("v1/Pod", "default", "promised", "{'nominatedNodeName':'n1'}");
    Run();
    Pod("lesser", "1", ",'priority':4,'nodeSelector':{'kubernetes.io/hostname':'n1'}");
    Run();
    EXPECT_EQ(Why("lesser"), "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match "
                             "Pod's node affinity/selector.");
    Pod("promised", "1", ",'priority':5");
    Status("v1/Pod", "default", "promised", "{'nominatedNodeName':'n1'}");
    Run();
    EXPECT_EQ(Where("promised"), "n1") << "though n2 is emptier";
    Pod("greater", "3", ",'priority':6");
    Run();
    EXPECT_EQ(Where("greater"), "n2");
}

} // namespace
