/* A pod that fits nowhere waits, says why, and goes as soon as a node comes, a pod leaves or a
 * taint does. */
#include "tests/unit/controllers_support.h"

namespace
{

class Waiting : public testing_cluster::Cluster
{
  protected:
    void SetUp() override
    {
        Node("full", "1");
        Node("tainted", "4", "'taints':[{'key':'k','effect':'NoSchedule'}]");
        Pod("first");
        Run();
        ASSERT_EQ(Str(Get("v1/Pod", "default", "first"), "/spec/nodeName"), "full");
        Pod("second");
        Run();
        const struct opr_obj *pod = Get("v1/Pod", "default", "second");
        const std::string why =
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). "
            "preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, "
            "1 Preemption is not helpful for scheduling.";
        ASSERT_EQ(Condition(pod, "PodScheduled", "/message"), why);
        ASSERT_EQ(Condition(pod, "PodScheduled", "/reason"), "Unschedulable");
        ASSERT_EQ(Events("FailedScheduling", why), 1);
        Advance(60 * 1000);
        ASSERT_EQ(Events("FailedScheduling"), 1);
    }
    void Node(const std::string &name, const std::string &cpu, const std::string &spec = "")
    {
        Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'" + name + "'},'spec':{" +
              spec + "},'status':{'allocatable':{'cpu':'" + cpu +
              "','memory':'8Gi','pods':'110'}}}");
    }
    void Pod(const std::string &name)
    {
        Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name +
              "','namespace':'default'},'spec':{'containers':[{'name':'c','resources':{'requests':"
              "{'cpu':'1'}}}]}}");
    }
    std::string Second()
    {
        Run();
        return Str(Get("v1/Pod", "default", "second"), "/spec/nodeName");
    }
};

TEST_F(Waiting, ForANode)
{
    Node("new", "4");
    EXPECT_EQ(Second(), "new");
    EXPECT_EQ(Events("Scheduled", "Successfully assigned default/second to new"), 1);
}

TEST_F(Waiting, ForAPodToLeave)
{
    Delete("v1/Pod", "default", "first");
    EXPECT_EQ(Second(), "full");
}

TEST_F(Waiting, ForAPodToEnd)
{
    Status("v1/Pod", "default", "first", "{'phase':'Succeeded'}");
    EXPECT_EQ(Second(), "full");
}

TEST_F(Waiting, ForATaintToGo)
{
    Node("tainted", "4");
    EXPECT_EQ(Second(), "tainted");
}

TEST_F(Waiting, ForANodeToGrow)
{
    Node("full", "2");
    EXPECT_EQ(Second(), "full");
}

TEST_F(Waiting, ThroughARestart)
{
    opr_test_restart(t);
    EXPECT_EQ(Second(), "");
    EXPECT_EQ(Events("FailedScheduling"), 1) << "nothing new to say";
    Node("new", "4");
    EXPECT_EQ(Second(), "new");
}

} // namespace
