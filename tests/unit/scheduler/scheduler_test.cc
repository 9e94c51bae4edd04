/* The scheduler against the test server. */
#include "tests/unit/controllers_support.h"

#include <map>
#include <set>

namespace
{

class Scheduler : public testing_cluster::Cluster
{
  public:
    Scheduler() : Cluster("{\"seed\":7}")
    {
    }

  protected:
    void Node(const std::string &name, const std::string &cpu = "4",
              const std::string &memory = "8Gi", const std::string &spec = "",
              const std::string &labels = "", const std::string &pods = "110")
    {
        Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'" + name +
              "','labels':{'kubernetes.io/hostname':'" + name + "'" + labels + "}},'spec':{" +
              spec + "},'status':{'allocatable':{'cpu':'" + cpu + "','memory':'" + memory +
              "','pods':'" + pods + "','ephemeral-storage':'10Gi'}}}");
    }
    void Pod(const std::string &name, const std::string &requests = "",
             const std::string &spec = "", const std::string &meta = "",
             const std::string &ports = "")
    {
        Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name +
              "','namespace':'default'" + meta +
              "},'spec':{'schedulerName':'default-scheduler','containers':[{'name':'c','image':"
              "'x','resources':{'requests':{" +
              requests + "}}" + ports + "}]" + spec + "}}");
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
    std::map<std::string, int> PodsByNode()
    {
        std::map<std::string, int> count;
        for (const struct opr_obj *pod : All("v1/Pod")) {
            count[Str(pod, "/spec/nodeName")]++;
        }
        return count;
    }
};

TEST_F(Scheduler, BindsAPodAndSaysSo)
{
    Node("n1");
    Pod("a", "'cpu':'1'");
    Run();
    EXPECT_EQ(Where("a"), "n1");
    EXPECT_EQ(Events("Scheduled", "Successfully assigned default/a to n1"), 1);
}

TEST_F(Scheduler, WithoutNodesAPodWaitsAndGoesOnceThereIsOne)
{
    Pod("a");
    Run();
    EXPECT_EQ(Where("a"), "");
    EXPECT_EQ(Why("a"), "no nodes available to schedule pods");
    EXPECT_EQ(Condition(Get("v1/Pod", "default", "a"), "PodScheduled", "/reason"), "Unschedulable");
    Node("n1");
    Run();
    EXPECT_EQ(Where("a"), "n1");
}

TEST_F(Scheduler, CountsTheReasons)
{
    Node("small", "500m");
    Node("tainted", "4", "8Gi", "'taints':[{'key':'k','value':'v','effect':'NoSchedule'}]");
    Node("tainted2", "4", "8Gi", "'taints':[{'key':'k','value':'v','effect':'NoExecute'}]");
    Pod("a", "'cpu':'1'");
    Run();
    const std::string why =
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated "
        "taint(s).";
    EXPECT_EQ(Why("a"), why);
    EXPECT_EQ(Events("FailedScheduling", why), 1);
}

TEST_F(Scheduler, WritesAnUnchangedReasonOnce)
{
    Node("small", "500m");
    Pod("a", "'cpu':'1'");
    Run();
    uint32_t patches = opr_test_writes(t, "patch", "v1/Pod");
    EXPECT_EQ(patches, 1u);
    Advance(299 * 1000);
    Node("small2", "500m", "8Gi", "'unschedulable':true");
    Run();
    EXPECT_EQ(opr_test_writes(t, "patch", "v1/Pod"), 1u) << "such a node can not help it";
    Advance(2 * 1000);
    EXPECT_EQ(opr_test_writes(t, "patch", "v1/Pod"), 2u) << "the message has changed";
    EXPECT_EQ(Why("a"),
              "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.");
}

TEST_F(Scheduler, NamesEveryShortage)
{
    Node("n1", "1", "1Gi", "", "", "0");
    Pod("a", "'cpu':'2','memory':'2Gi','ephemeral-storage':'20Gi','example.com/gpu':'1'");
    Run();
    EXPECT_EQ(Why("a"), "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient "
                        "ephemeral-storage, 1 Insufficient example.com/gpu, 1 Insufficient memory, "
                        "1 Too many pods.");
}

TEST_F(Scheduler, NeverOverfillsANode)
{
    Node("n1", "2");
    Node("n2", "2");
    for (int i = 0; i < 10; i++) {
        Pod("p" + std::to_string(i), "'cpu':'500m'");
    }
    Run();
    std::map<std::string, int> count = PodsByNode();
    EXPECT_EQ(count["n1"], 4);
    EXPECT_EQ(count["n2"], 4);
    EXPECT_EQ(count[""], 2);
    /* room is given back */
    for (const struct opr_obj *pod : All("v1/Pod")) {
        if (Str(pod, "/spec/nodeName") == "n1") {
            Delete("v1/Pod", "default", Name(pod));
            break;
        }
    }
    Run();
    EXPECT_EQ(PodsByNode()[""], 1);
}

TEST_F(Scheduler, CountsWhatItHasJustBound)
{
    Node("n1", "2");
    Node("n2", "2");
    Run();
    opr_test_hold(t, "v1/Pod", false);
    for (int i = 0; i < 4; i++) {
        Pod("p" + std::to_string(i), "'cpu':'1'");
    }
    Run();
    std::map<std::string, int> count = PodsByNode();
    EXPECT_EQ(count["n1"], 2);
    EXPECT_EQ(count["n2"], 2);
}

TEST_F(Scheduler, AnEndedPodGivesItsRoomBack)
{
    Node("n1", "1");
    Pod("a", "'cpu':'1'");
    Run();
    Pod("b", "'cpu':'1'");
    Run();
    EXPECT_EQ(Where("b"), "");
    Status("v1/Pod", "default", "a", "{'phase':'Succeeded'}");
    Run();
    EXPECT_EQ(Where("b"), "n1");
}

TEST_F(Scheduler, InitContainersCountByTheirMost)
{
    Node("n1", "1");
    Pod("a", "'cpu':'100m'",
        ",'initContainers':[{'name':'i','resources':{'requests':{'cpu':'2'}}}]");
    Run();
    EXPECT_EQ(Why("a"), "0/1 nodes are available: 1 Insufficient cpu.");
}

TEST_F(Scheduler, LeavesThePodsOfOthersAlone)
{
    Node("n1");
    Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'a','namespace':'default'},'spec':{"
          "'schedulerName':'mine','containers':[{'name':'c'}]}}");
    Pod("gated", "", ",'schedulingGates':[{'name':'g'}]");
    Run();
    EXPECT_EQ(Where("a"), "");
    EXPECT_EQ(Where("gated"), "");
    EXPECT_EQ(opr_test_writes(t, "patch", "v1/Pod"), 0u);
    Pod("gated");
    Run();
    EXPECT_EQ(Where("gated"), "n1");
}

TEST_F(Scheduler, ToleratesTaints)
{
    Node("n1", "4", "8Gi", "'taints':[{'key':'k','value':'v','effect':'NoSchedule'}]");
    Pod("equal", "", ",'tolerations':[{'key':'k','operator':'Equal','value':'v'}]");
    Pod("exists", "", ",'tolerations':[{'operator':'Exists'}]");
    Pod("other", "", ",'tolerations':[{'key':'k','operator':'Equal','value':'w'}]");
    Pod("effect", "", ",'tolerations':[{'key':'k','operator':'Exists','effect':'NoExecute'}]");
    Run();
    EXPECT_EQ(Where("equal"), "n1");
    EXPECT_EQ(Where("exists"), "n1");
    EXPECT_EQ(Where("other"), "");
    EXPECT_EQ(Where("effect"), "");
}

TEST_F(Scheduler, UnschedulableNodesAreLeftOut)
{
    Node("n1", "4", "8Gi", "'unschedulable':true");
    Pod("a");
    Run();
    EXPECT_EQ(Why("a"), "0/1 nodes are available: 1 node(s) were unschedulable.");
    Node("n1");
    Run();
    EXPECT_EQ(Where("a"), "n1");
}

TEST_F(Scheduler, NodeSelectorAndAffinity)
{
    Node("ssd", "4", "8Gi", "", ",'disk':'ssd','cores':'8'");
    Node("hdd", "4", "8Gi", "", ",'disk':'hdd','cores':'2'");
    auto required = [](const std::string &expression) {
        return ",'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{"
               "'nodeSelectorTerms':[{'matchExpressions':[" +
               expression + "]}]}}}";
    };
    Pod("selector", "", ",'nodeSelector':{'disk':'hdd'}");
    Pod("in", "", required("{'key':'disk','operator':'In','values':['ssd']}"));
    Pod("notin", "", required("{'key':'disk','operator':'NotIn','values':['ssd']}"));
    Pod("gt", "", required("{'key':'cores','operator':'Gt','values':['4']}"));
    Pod("lt", "", required("{'key':'cores','operator':'Lt','values':['4']}"));
    Pod("exists", "", required("{'key':'gpu','operator':'Exists'}"));
    Pod("name", "",
        ",'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{"
        "'nodeSelectorTerms':[{'matchFields':[{'key':'metadata.name','operator':'In','values':"
        "['hdd']}]}]}}}");
    Run();
    EXPECT_EQ(Where("selector"), "hdd");
    EXPECT_EQ(Where("in"), "ssd");
    EXPECT_EQ(Where("notin"), "hdd");
    EXPECT_EQ(Where("gt"), "ssd");
    EXPECT_EQ(Where("lt"), "hdd");
    EXPECT_EQ(Where("name"), "hdd");
    EXPECT_EQ(Why("exists"),
              "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.");
}

TEST_F(Scheduler, PrefersWhatIsPreferred)
{
    Node("a", "4", "8Gi", "", ",'disk':'hdd'");
    Node("b", "4", "8Gi", "", ",'disk':'ssd'");
    Node("c", "4", "8Gi", "'taints':[{'key':'k','effect':'PreferNoSchedule'}]", ",'disk':'ssd'");
    for (int i = 0; i < 3; i++) {
        Pod("p" + std::to_string(i), "'cpu':'100m'",
            ",'affinity':{'nodeAffinity':{'preferredDuringSchedulingIgnoredDuringExecution':[{"
            "'weight':100,'preference':{'matchExpressions':[{'key':'disk','operator':'In',"
            "'values':['ssd']}]}}]}}");
    }
    Run();
    EXPECT_EQ(PodsByNode()["b"], 3);
}

TEST_F(Scheduler, HostPortsConflict)
{
    Node("n1");
    Node("n2");
    const std::string port = ",'ports':[{'containerPort':80,'hostPort':8080}]";
    const std::string udp = ",'ports':[{'containerPort':80,'hostPort':8080,'protocol':'UDP'}]";
    for (const char *name : {"a", "b", "c"}) {
        Pod(name, "", "", "", port);
        Run();
    }
    Pod("udp", "", "", "", udp);
    Run();
    EXPECT_NE(Where("a"), Where("b"));
    EXPECT_EQ(Why("c"), "0/2 nodes are available: 2 node(s) didn't have free ports for the "
                        "requested pod ports.");
    EXPECT_NE(Where("udp"), "");
}

TEST_F(Scheduler, SpreadsHard)
{
    Node("a1", "4", "8Gi", "", ",'zone':'a'");
    Node("a2", "4", "8Gi", "", ",'zone':'a'");
    Node("b1", "4", "8Gi", "", ",'zone':'b'");
    Node("none", "4", "8Gi", "'unschedulable':true");
    const std::string spread =
        ",'topologySpreadConstraints':[{'maxSkew':1,'topologyKey':'zone','whenUnsatisfiable':"
        "'DoNotSchedule','labelSelector':{'matchLabels':{'app':'web'}}}]";
    for (int i = 0; i < 4; i++) {
        Pod("p" + std::to_string(i), "", spread, ",'labels':{'app':'web'}");
        Run();
    }
    std::map<std::string, int> count = PodsByNode();
    EXPECT_EQ(count["a1"] + count["a2"], 2);
    EXPECT_EQ(count["b1"], 2);
    Node("b1", "4", "8Gi", "'unschedulable':true", ",'zone':'b'");
    Run();
    for (const char *name : {"x", "y"}) {
        Pod(name, "", spread, ",'labels':{'app':'web'}");
        Run();
    }
    EXPECT_NE(Where("x"), "");
    EXPECT_EQ(Where("y"), "");
    EXPECT_NE(Why("y").find("2 node(s) didn't match pod topology spread constraints"),
              std::string::npos)
        << Why("y");
    /* a pod that arrives in the other zone lets it go */
    Node("b2", "4", "8Gi", "", ",'zone':'b'");
    Run();
    EXPECT_EQ(Where("y"), "b2");
}

TEST_F(Scheduler, ANodeWithoutTheKeyIsNamed)
{
    Node("n1");
    Pod("a", "",
        ",'topologySpreadConstraints':[{'maxSkew':1,'topologyKey':'rack','whenUnsatisfiable':"
        "'DoNotSchedule','labelSelector':{}}]");
    Run();
    EXPECT_EQ(Why("a"), "0/1 nodes are available: 1 node(s) didn't match pod topology spread "
                        "constraints (missing required label).");
}

TEST_F(Scheduler, SpreadsThePodsOfOneOwner)
{
    for (const char *node : {"n1", "n2", "n3"}) {
        Node(node, "64", "64Gi");
    }
    for (int i = 0; i < 9; i++) {
        Pod("p" + std::to_string(i), "'cpu':'100m','memory':'100Mi'", "",
            ",'ownerReferences':[{'apiVersion':'apps/v1','kind':'ReplicaSet','name':'r','uid':'r',"
            "'controller':true}]");
    }
    Run();
    for (const auto &n : PodsByNode()) {
        EXPECT_EQ(n.second, 3) << n.first;
    }
}

TEST_F(Scheduler, PrefersTheEmptierNode)
{
    Node("full", "4");
    Node("empty", "4");
    Pod("big", "'cpu':'3','memory':'6Gi'", ",'nodeSelector':{'kubernetes.io/hostname':'full'}");
    Run();
    Pod("a", "'cpu':'500m','memory':'1Gi'");
    Run();
    EXPECT_EQ(Where("a"), "empty");
}

TEST_F(Scheduler, EqualNodesAllGetTheirShare)
{
    for (int i = 0; i < 4; i++) {
        Node("n" + std::to_string(i), "1000", "1000Gi");
    }
    std::set<std::string> used;
    for (int i = 0; i < 40; i++) {
        Pod("p" + std::to_string(i));
    }
    Run();
    for (const auto &n : PodsByNode()) {
        EXPECT_GE(n.second, 3) << n.first;
    }
}

TEST_F(Scheduler, HigherPriorityWaitsLess)
{
    Node("n1", "1");
    Pod("blocker", "'cpu':'1'", ",'priority':1000");
    Run();
    Pod("low", "'cpu':'1'", ",'priority':1");
    Run();
    Pod("high", "'cpu':'1'", ",'priority':100");
    Run();
    Delete("v1/Pod", "default", "blocker");
    Run();
    EXPECT_EQ(Where("high"), "n1");
    EXPECT_EQ(Where("low"), "");
}

TEST_F(Scheduler, AFailedBindingIsTriedAgainAndHoldsNoRoom)
{
    Node("n1", "1");
    Run();
    opr_test_fail_next(t, "create", 1, 500);
    Pod("a", "'cpu':'1'");
    opr_test_run(t);
    EXPECT_EQ(Where("a"), "");
    Advance(2000);
    EXPECT_EQ(Where("a"), "n1");
}

TEST_F(Scheduler, AVanishedNodeIsForgotten)
{
    Node("n1");
    Pod("a");
    Run();
    Delete("v1/Node", "", "n1");
    Run();
    Pod("b");
    Run();
    EXPECT_EQ(Where("b"), "");
    EXPECT_EQ(Why("b"), "no nodes available to schedule pods");
    Delete("v1/Pod", "default", "a");
    Node("n2");
    Run();
    EXPECT_EQ(Where("b"), "n2");
}

TEST_F(Scheduler, APolicyFiltersAndScores)
{
    Node("n1");
    Node("n2");
    opr_test_policy(t, "default/p", "filter", "[false,'node(s) were refused by taste']");
    Pod("a");
    Run();
    EXPECT_EQ(Why("a"), "0/2 nodes are available: 2 node(s) were refused by taste.");
    const struct opr_obj *input = opr_test_policy_input(t, "default/p", "filter");
    EXPECT_EQ(Str(input, "/pod/metadata/name"), "a");
    EXPECT_NE(Str(input, "/node/metadata/name"), "");
    opr_test_policy(t, "default/p", "filter", "[true]");
    opr_test_policy(t, "default/p", "score", "[250]");
    Advance(31 * 1000);
    EXPECT_NE(Where("a"), "");
    EXPECT_NE(opr_test_policy_input(t, "default/p", "score"), nullptr);
}

TEST_F(Scheduler, ABrokenFilterPolicyLetsNothingPass)
{
    Node("n1");
    Node("n2");
    opr_test_policy(t, "default/p", "filter", nullptr);
    Pod("a");
    Run();
    EXPECT_EQ(Where("a"), "");
    EXPECT_EQ(Why("a"), "0/2 nodes are available: 2 node(s) got no verdict of policy default/p.");
    EXPECT_EQ(Events("PolicyFailed", "Policy default/p: "), 1);
    /* no event tells of a mended policy: it is asked again before long */
    opr_test_policy(t, "default/p", "filter", "[true]");
    Advance(31 * 1000);
    EXPECT_NE(Where("a"), "");
}

TEST_F(Scheduler, ABrokenScorePolicyStopsNobody)
{
    Node("n1");
    Node("n2");
    opr_test_policy(t, "default/p", "score", nullptr);
    Pod("a");
    Run();
    EXPECT_NE(Where("a"), "");
}

} // namespace
