/* The node lifecycle controller against the test server and its clock. */
#include "tests/unit/controllers_support.h"

namespace
{

class NodeLifecycle : public testing_cluster::Cluster
{
  public:
    explicit NodeLifecycle(const char *config = nullptr) : Cluster(config)
    {
    }

  protected:
    void Node(const std::string &name, const std::string &ready = "True",
              const std::string &spec = "", const std::string &labels = "")
    {
        Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'" + name + "','labels':{" +
              labels + "}},'spec':{" + spec +
              "},'status':{'conditions':[{'type':'Ready','status':'" + ready +
              "','lastHeartbeatTime':'" + Now() + "'}]}}");
    }
    void Beat(const std::string &name)
    {
        Apply("{'apiVersion':'coordination.k8s.io/v1','kind':'Lease','metadata':{'name':'" + name +
              "','namespace':'kube-node-lease'},'spec':{'renewTime':'" + Now() +
              "','count':" + std::to_string(opr_test_now_ms(t)) + "}}");
    }
    void Pod(const std::string &name, const std::string &node, const std::string &tolerations = "",
             const std::string &meta = "")
    {
        Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name +
              "','namespace':'default'" + meta + "},'spec':{'nodeName':'" + node +
              "','containers':[{'name':'c'}],'tolerations':[" + tolerations + "]}}");
        SetReady(name, true);
    }
    static std::string Default(int seconds = 300)
    {
        std::string both;
        for (const char *key : {"not-ready", "unreachable"}) {
            both += std::string(both.empty() ? "" : ",") + "{'key':'node.kubernetes.io/" + key +
                    "','operator':'Exists','effect':'NoExecute','tolerationSeconds':" +
                    std::to_string(seconds) + "}";
        }
        return both;
    }
    bool HasTaint(const std::string &node, const std::string &key, const std::string &effect)
    {
        const struct opr_obj *list = opr_obj_at(Get("v1/Node", "", node), "/spec/taints");
        for (const struct opr_obj *x = opr_obj_first(list); x; x = opr_obj_next(x)) {
            if (Str(x, "/key") == key && Str(x, "/effect") == effect) {
                return true;
            }
        }
        return false;
    }
    std::string Ready(const std::string &node)
    {
        return Condition(Get("v1/Node", "", node), "Ready");
    }
    /* The named nodes go on reporting each 10 s. */
    void Live(int seconds, const std::vector<std::string> &alive)
    {
        for (int i = 0; i < seconds; i += 10) {
            Advance(10 * 1000);
            for (const std::string &name : alive) {
                Beat(name);
            }
            Run();
        }
    }
    const std::string unreachable = "node.kubernetes.io/unreachable";
    const std::string not_ready = "node.kubernetes.io/not-ready";
};
class Quick : public NodeLifecycle
{
  public:
    Quick() : NodeLifecycle("{\"gracePeriodMs\":2000,\"evictionMs\":1000}")
    {
    }
};

TEST_F(NodeLifecycle, ANewNodeIsTaintedUntilItIsReady)
{
    Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1'},'spec':{'taints':[{'key':"
          "'mine','effect':'NoSchedule'}]}}");
    Run();
    EXPECT_TRUE(HasTaint("n1", not_ready, "NoSchedule"));
    EXPECT_TRUE(HasTaint("n1", "mine", "NoSchedule"));
    EXPECT_EQ(Events("RegisteredNode"), 1);
    Status("v1/Node", "", "n1", "{'conditions':[{'type':'Ready','status':'True'}]}");
    Run();
    EXPECT_FALSE(HasTaint("n1", not_ready, "NoSchedule"));
    EXPECT_TRUE(HasTaint("n1", "mine", "NoSchedule"));
}

TEST_F(NodeLifecycle, PressureAndCordonAreTaints)
{
    Node("n1", "True", "'unschedulable':true");
    Status("v1/Node", "", "n1",
           "{'conditions':[{'type':'Ready','status':'True'},{'type':'DiskPressure','status':'True'}"
           "]}");
    Run();
    EXPECT_TRUE(HasTaint("n1", "node.kubernetes.io/disk-pressure", "NoSchedule"));
    EXPECT_TRUE(HasTaint("n1", "node.kubernetes.io/unschedulable", "NoSchedule"));
    Node("n1");
    Run();
    EXPECT_FALSE(HasTaint("n1", "node.kubernetes.io/disk-pressure", "NoSchedule"));
    EXPECT_FALSE(HasTaint("n1", "node.kubernetes.io/unschedulable", "NoSchedule"));
}

TEST_F(NodeLifecycle, ALeaseIsAHeartbeat)
{
    Node("n1");
    Live(600, {"n1"});
    EXPECT_EQ(Ready("n1"), "True");
    EXPECT_EQ(opr_test_writes(t, "patch", "v1/Node"), 0u);
}

TEST_F(NodeLifecycle, ASilentNodeBecomesUnknownAndItsPodsNotReady)
{
    Node("n1");
    Node("n2");
    Pod("a", "n1", Default());
    Pod("b", "n2", Default());
    Run();
    Live(40, {"n2"});
    EXPECT_EQ(Ready("n1"), "True");
    Live(10, {"n2"});
    EXPECT_EQ(Ready("n1"), "Unknown");
    EXPECT_EQ(Condition(Get("v1/Node", "", "n1"), "Ready", "/reason"), "NodeStatusUnknown");
    EXPECT_EQ(Condition(Get("v1/Node", "", "n1"), "MemoryPressure", "/reason"),
              "NodeStatusNeverUpdated");
    EXPECT_TRUE(HasTaint("n1", unreachable, "NoSchedule"));
    EXPECT_TRUE(HasTaint("n1", unreachable, "NoExecute"));
    EXPECT_EQ(Condition(Get("v1/Pod", "default", "a"), "Ready"), "False");
    EXPECT_EQ(Condition(Get("v1/Pod", "default", "b"), "Ready"), "True");
    EXPECT_EQ(Events("NodeNotReady", "Node n1 status is now: NodeNotReady"), 1);
    Live(280, {"n2"});
    EXPECT_NE(Get("v1/Pod", "default", "a"), nullptr);
    Live(20, {"n2"});
    EXPECT_EQ(Get("v1/Pod", "default", "a"), nullptr);
    EXPECT_NE(Get("v1/Pod", "default", "b"), nullptr);
    EXPECT_EQ(Events("TaintManagerEviction", "Marking for deletion Pod default/a"), 1);
    /* it comes back */
    Node("n1");
    Run();
    EXPECT_FALSE(HasTaint("n1", unreachable, "NoSchedule"));
    EXPECT_FALSE(HasTaint("n1", unreachable, "NoExecute"));
}

TEST_F(Quick, TheConfigurationMakesItQuick)
{
    Node("n1");
    Node("n2");
    Pod("a", "n1", Default());
    Pod("patient", "n1", Default(30));
    Pod("daemon", "n1", "{'operator':'Exists'}");
    Pod("bare", "n1");
    Run();
    for (int i = 0; i < 6; i++) {
        Advance(500);
        Beat("n2");
        Run();
    }
    EXPECT_EQ(Ready("n1"), "Unknown");
    EXPECT_EQ(Get("v1/Pod", "default", "bare"), nullptr) << "tolerates nothing";
    for (int i = 0; i < 4; i++) {
        Advance(500);
        Beat("n2");
        Run();
    }
    EXPECT_EQ(Get("v1/Pod", "default", "a"), nullptr);
    EXPECT_NE(Get("v1/Pod", "default", "patient"), nullptr) << "its own time, not the default";
    EXPECT_NE(Get("v1/Pod", "default", "daemon"), nullptr);
}

TEST_F(NodeLifecycle, WhatADeadNodeRanIsGivenUpOnlyWhereSomebodySaysThatItIsOff)
{
    Node("n1", "False");
    Pod("a", "n1", "{'operator':'Exists'}", ",'finalizers':['test/keep']");
    Pod("stays", "n1", "{'operator':'Exists'}");
    ASSERT_STREQ(opr_test_delete(t, "v1/Pod", "default", "a"), "");
    Run();
    EXPECT_STRNE(opr_obj_str(Get("v1/Pod", "default", "a"), "/status/phase", ""), "Failed");
    Node("n1", "False",
         "'taints':[{'key':'node.kubernetes.io/out-of-service','effect':'NoExecute'}]");
    Run();
    EXPECT_STREQ(opr_obj_str(Get("v1/Pod", "default", "a"), "/status/phase", ""), "Failed");
    EXPECT_EQ(Condition(Get("v1/Pod", "default", "a"), "DisruptionTarget"), "");
    EXPECT_NE(Get("v1/Pod", "default", "stays"), nullptr) << "nobody deleted it";
}

TEST_F(NodeLifecycle, NobodyIsEvictedWhenAllNodesAreSilent)
{
    Node("n1");
    Node("n2");
    Pod("a", "n1");
    Pod("b", "n2");
    Run();
    Advance(600 * 1000);
    EXPECT_EQ(Ready("n1"), "Unknown");
    EXPECT_EQ(Ready("n2"), "Unknown");
    EXPECT_TRUE(HasTaint("n1", unreachable, "NoSchedule"));
    int tainted =
        HasTaint("n1", unreachable, "NoExecute") + HasTaint("n2", unreachable, "NoExecute");
    EXPECT_EQ(tainted, 0);
    EXPECT_LE(2u - Count("v1/Pod"), 1u) << "at most the first, while the other still counted";
}

TEST_F(NodeLifecycle, OneNodeOfAZoneInTenSeconds)
{
    std::vector<std::string> alive;
    for (int i = 0; i < 10; i++) {
        Node("n" + std::to_string(i));
        if (i >= 3) {
            alive.push_back("n" + std::to_string(i));
        }
    }
    Run();
    Live(40, alive);
    Advance(500);
    int first = 0, later = 0;
    for (int i = 0; i < 3; i++) {
        first += HasTaint("n" + std::to_string(i), unreachable, "NoExecute");
    }
    EXPECT_EQ(first, 1);
    Live(30, alive);
    for (int i = 0; i < 3; i++) {
        later += HasTaint("n" + std::to_string(i), unreachable, "NoExecute");
    }
    EXPECT_EQ(later, 3);
}

TEST_F(NodeLifecycle, MostOfASmallZoneDownStopsEviction)
{
    for (int i = 0; i < 5; i++) {
        Node("n" + std::to_string(i), i < 4 ? "False" : "True");
    }
    Run();
    Live(120, {"n0", "n1", "n2", "n3", "n4"});
    int tainted = 0;
    for (int i = 0; i < 5; i++) {
        tainted += HasTaint("n" + std::to_string(i), not_ready, "NoExecute");
    }
    EXPECT_EQ(tainted, 0);
}

TEST_F(NodeLifecycle, AUserTaintEvictsAndItsTolerationHasATime)
{
    Node("n1");
    Pod("now", "n1");
    Pod("later", "n1",
        "{'key':'k','operator':'Equal','value':'v','effect':'NoExecute','tolerationSeconds':60}");
    Pod("stays", "n1", "{'key':'k','operator':'Exists'}");
    Run();
    EXPECT_EQ(Count("v1/Pod"), 3u);
    Node("n1", "True", "'taints':[{'key':'k','value':'v','effect':'NoExecute'}]");
    Run();
    EXPECT_EQ(Get("v1/Pod", "default", "now"), nullptr);
    Live(50, {"n1"});
    EXPECT_NE(Get("v1/Pod", "default", "later"), nullptr);
    Live(20, {"n1"});
    EXPECT_EQ(Get("v1/Pod", "default", "later"), nullptr);
    EXPECT_NE(Get("v1/Pod", "default", "stays"), nullptr);
}

TEST_F(NodeLifecycle, PodsOfAVanishedNodeAreCollected)
{
    Node("n1");
    Pod("a", "n1", "", ",'finalizers':['test/stay']");
    Pod("b", "n1");
    Run();
    Delete("v1/Node", "", "n1");
    Run();
    EXPECT_EQ(Events("RemovingNode"), 1);
    Advance(39 * 1000);
    EXPECT_EQ(Count("v1/Pod"), 2u);
    Advance(2 * 1000);
    EXPECT_EQ(Get("v1/Pod", "default", "b"), nullptr);
    const struct opr_obj *a = Get("v1/Pod", "default", "a");
    EXPECT_EQ(Str(a, "/status/phase"), "Failed");
    EXPECT_EQ(Condition(a, "DisruptionTarget", "/reason"), "DeletionByPodGC");
}

TEST_F(NodeLifecycle, ANodeThatComesBackInTimeKeepsItsPods)
{
    Node("n1");
    Pod("a", "n1");
    Run();
    Delete("v1/Node", "", "n1");
    Run();
    Advance(20 * 1000);
    Node("n1");
    Run();
    Live(60, {"n1"});
    EXPECT_EQ(Count("v1/Pod"), 1u);
}

} // namespace
