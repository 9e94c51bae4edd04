/* Making room for urgent pods. */
#include "tests/unit/controllers_support.h"

namespace
{

class Preemption : public testing_cluster::Cluster
{
  public:
    Preemption() : Cluster("{\"seed\":7}")
    {
    }

  protected:
    void Node(const std::string &name, const std::string &cpu = "2", const std::string &spec = "")
    {
        Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'" + name +
              "','labels':{'kubernetes.io/hostname':'" + name + "'}},'spec':{" + spec +
              "},'status':{'allocatable':{'cpu':'" + cpu + "','memory':'8Gi','pods':'110'}}}");
        Run();
    }
    void Pod(const std::string &name, const std::string &cpu, int priority,
             const std::string &spec = "", const std::string &meta = "")
    {
        Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name +
              "','namespace':'default'" + meta +
              "},'spec':{'priority':" + std::to_string(priority) +
              ",'containers':[{'name':'c','resources':{'requests':{'cpu':'" + cpu + "'}}}]" + spec +
              "}}");
        Run();
    }
    void Budget(const std::string &app, int allowed)
    {
        Apply("{'apiVersion':'policy/v1','kind':'PodDisruptionBudget','metadata':{'name':'" + app +
              "','namespace':'default'},'spec':{'selector':{'matchLabels':{'app':'" + app +
              "'}}},'status':{'disruptionsAllowed':" + std::to_string(allowed) + "}}");
        Run();
    }
    static std::string On(const std::string &node)
    {
        return ",'nodeSelector':{'kubernetes.io/hostname':'" + node + "'}";
    }
    static std::string App(const std::string &app)
    {
        return ",'labels':{'app':'" + app + "'}";
    }
    std::string Where(const std::string &pod)
    {
        return Str(Get("v1/Pod", "default", pod), "/spec/nodeName");
    }
    std::string Why(const std::string &pod)
    {
        return Condition(Get("v1/Pod", "default", pod), "PodScheduled", "/message");
    }
    bool Exists(const std::string &pod)
    {
        return Get("v1/Pod", "default", pod) != nullptr;
    }
};

TEST_F(Preemption, TheLeastUrgentLeave)
{
    Node("n1");
    Pod("keep", "1", 5);
    Pod("victim", "1", 3);
    Pod("urgent", "1", 10);
    EXPECT_EQ(Where("urgent"), "n1");
    EXPECT_TRUE(Exists("keep"));
    EXPECT_FALSE(Exists("victim"));
    EXPECT_EQ(Events("Preempted", "Preempted by pod "), 1);
    EXPECT_EQ(Events("FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu."), 1);
}

TEST_F(Preemption, EqualsAndBettersStay)
{
    Node("n1");
    Node("n2", "2", "'taints':[{'key':'k','effect':'NoSchedule'}]");
    Pod("a", "1", 10);
    Pod("b", "1", 11);
    Pod("urgent", "1", 10);
    EXPECT_EQ(Where("urgent"), "");
    EXPECT_EQ(Why("urgent"),
              "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). "
              "preemption: 0/2 nodes are available: 1 No preemption victims found for incoming "
              "pod, 1 Preemption is not helpful for scheduling.");
    EXPECT_EQ(Count("v1/Pod"), 3u);
}

TEST_F(Preemption, WhoNeverPreemptsWaits)
{
    Node("n1");
    Pod("a", "2", 0);
    Pod("patient", "1", 10, ",'preemptionPolicy':'Never'");
    EXPECT_EQ(Why("patient"), "0/1 nodes are available: 1 Insufficient cpu. preemption: not "
                              "eligible due to preemptionPolicy=Never.");
    EXPECT_TRUE(Exists("a"));
    Delete("v1/Pod", "default", "a");
    Run();
    EXPECT_EQ(Where("patient"), "n1");
}

TEST_F(Preemption, NobodyLeavesForNothing)
{
    Node("n1");
    Pod("a", "1", 0);
    Pod("huge", "3", 10); /* more than the node has */
    EXPECT_NE(Why("huge").find("1 Preemption is not helpful for scheduling"), std::string::npos);
    Pod("b", "1", 20);
    Pod("big", "2", 10); /* a could go, b can not */
    EXPECT_EQ(Where("big"), "");
    EXPECT_TRUE(Exists("a"));
    EXPECT_NE(Why("big").find("preemption: 0/1 nodes are available: 1 Insufficient cpu."),
              std::string::npos)
        << Why("big");
}

TEST_F(Preemption, ItCostsAsLittleAsItCan)
{
    Node("n1");
    Node("n2");
    Pod("four", "2", 4, On("n1"));
    Pod("three-a", "1", 3, On("n2"));
    Pod("three-b", "1", 3, On("n2"));
    Pod("urgent", "2", 10);
    EXPECT_EQ(Where("urgent"), "n2") << "whose most important victim matters least";
    EXPECT_TRUE(Exists("four"));
    Pod("second", "1", 9);
    EXPECT_EQ(Where("second"), "n1");
    EXPECT_FALSE(Exists("four"));
}

TEST_F(Preemption, BudgetsAreKeptWherePossible)
{
    Node("n1");
    Node("n2");
    Budget("web", 0);
    Pod("shielded", "2", 1, On("n1"), App("web"));
    Pod("other", "2", 5, On("n2"), App("db"));
    Pod("urgent", "1", 10);
    EXPECT_EQ(Where("urgent"), "n2") << "though its victim matters more";
    EXPECT_TRUE(Exists("shielded"));
    Pod("more", "2", 10);
    EXPECT_EQ(Where("more"), "n1") << "where nothing else is left";
}

TEST_F(Preemption, VictimsThatLeaveSlowlyAreWaitedFor)
{
    Node("n1");
    Node("n2");
    Pod("slow", "2", 0, On("n1"), ",'finalizers':['example.com/wait']");
    Pod("fixed", "2", 50, On("n2"));
    Pod("urgent", "1", 10);
    EXPECT_EQ(Where("urgent"), "");
    EXPECT_EQ(Str(Get("v1/Pod", "default", "urgent"), "/status/nominatedNodeName"), "n1");
    EXPECT_EQ(Condition(Get("v1/Pod", "default", "slow"), "DisruptionTarget", "/reason"),
              "PreemptionByScheduler");
    /* tried again before the victim has gone, it takes no second one */
    Pod("fixed", "1", 50, On("n2") + ",'x':1");
    Advance(301 * 1000);
    EXPECT_TRUE(Exists("slow"));
    EXPECT_EQ(Events("Preempted"), 1);
    /* the room is kept for it */
    Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'slow','namespace':'default'}}");
    Run();
    EXPECT_FALSE(Exists("slow"));
    EXPECT_EQ(Where("urgent"), "n1");
}

TEST_F(Preemption, APromiseCountsAgainstTheLessUrgentOnly)
{
    Node("n1");
    Pod("slow", "2", 0, "", ",'finalizers':['example.com/wait']");
    Pod("urgent", "1500m", 10);
    Pod("lesser", "1", 5);
    EXPECT_EQ(Where("lesser"), "");
    Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'slow','namespace':'default'}}");
    Run();
    EXPECT_EQ(Where("urgent"), "n1");
    EXPECT_EQ(Where("lesser"), "");
}

} // namespace
