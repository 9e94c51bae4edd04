/* LuaPolicy: loading, deciding, writing the target's scale. The policy itself is a stand-in. */
#include "tests/unit/controllers_support.h"

namespace
{

class Policy : public testing_cluster::Cluster
{
  protected:
    void Deploy(int replicas)
    {
        Apply("{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web','namespace':"
              "'default'},'spec':{'replicas':" +
              std::to_string(replicas) +
              ",'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{'labels':{'app':"
              "'web'}}}}}");
    }
    void Pods(int count, bool has_samples = true)
    {
        for (int i = 0; i < count; i++) {
            std::string name = "web-" + std::to_string(i);
            Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name +
                  "','namespace':'default','labels':{'app':'web'}},'spec':{'containers':[{'name':"
                  "'c','resources':{'requests':{'cpu':'200m'}}}]}}");
            SetReady(name, true);
            if (has_samples) {
                Sample(name);
            }
        }
    }
    void Sample(const std::string &name)
    {
        Apply("{'apiVersion':'metrics.operon.local/v1','kind':'Pod','metadata':{'name':'" + name +
              "','namespace':'default','labels':{'app':'web'}},'window':'10s','cpuNano':100000000,"
              "'memoryBytes':1048576,'runDelayRatio':0.25,'http':{'rps':50,'inflight':2,"
              "'latencyMeanMs':8,'p50Ms':5,'p90Ms':9,'p99Ms':20}}");
    }
    void Lua(const std::string &source, const std::string &extra = "", bool has_target = true)
    {
        std::string target =
            has_target ? ",'target':{'apiVersion':'apps/v1','kind':'Deployment','name':'web'}" : "";
        Apply("{'apiVersion':'operon.local/v1','kind':'LuaPolicy','metadata':{'name':'p',"
              "'namespace':'default'},'spec':{'source':'" +
              source + "'" + target + ",'minReplicas':1,'maxReplicas':5,'params':{'goal':25}" +
              extra + "}}");
    }
    const struct opr_obj *Self()
    {
        return Get("operon.local/v1/LuaPolicy", "default", "p");
    }
    int64_t Replicas()
    {
        return Int(Get("apps/v1/Deployment", "default", "web"), "/spec/replicas", -1);
    }
    void Verdict(const char *json)
    {
        opr_test_policy(t, "default/p", "scale", json);
    }
};

TEST_F(Policy, ScalesWhatItSays)
{
    Deploy(1);
    Pods(1);
    Verdict("[3,'p99 over goal']");
    Lua("return {}");
    Run();
    Advance(1500);
    EXPECT_EQ(Replicas(), 3);
    EXPECT_EQ(Events("SuccessfulRescale", "New size: 3; reason: p99 over goal"), 1);
    EXPECT_EQ(Int(Self(), "/status/desiredReplicas"), 3);
    EXPECT_NE(Str(Self(), "/status/lastScaleTime"), "");
    EXPECT_TRUE(opr_obj_bool(Self(), "/status/ready", false));
    Verdict("[1,'quiet']");
    Advance(1500);
    EXPECT_EQ(Replicas(), 1);
    EXPECT_EQ(Int(Self(), "/status/currentReplicas"), 1);
    EXPECT_EQ(Condition(Self(), "ScalingActive"), "True");
}

TEST_F(Policy, GivesThePolicyWhatIsMeasured)
{
    Deploy(2);
    Pods(2);
    Verdict("[2,'fine']");
    Lua("return {}");
    Run();
    Advance(1500);
    const struct opr_obj *in = opr_test_policy_input(t, "default/p", "scale");
    ASSERT_NE(in, nullptr);
    EXPECT_EQ(Int(in, "/replicas"), 2);
    EXPECT_EQ(Int(in, "/min"), 1);
    EXPECT_EQ(Int(in, "/max"), 5);
    EXPECT_EQ(Int(in, "/ready"), 2);
    EXPECT_EQ(Int(in, "/params/goal"), 25);
    EXPECT_DOUBLE_EQ(opr_obj_num(in, "/rps", 0), 100);
    EXPECT_DOUBLE_EQ(opr_obj_num(in, "/mean_ms", 0), 8);
    EXPECT_DOUBLE_EQ(opr_obj_num(in, "/p99_ms", 0), 20);
    EXPECT_DOUBLE_EQ(opr_obj_num(in, "/cpu_utilization", 0), 50);
    EXPECT_EQ(opr_obj_len(opr_obj_at(in, "/pods")), 2u);
    EXPECT_DOUBLE_EQ(opr_obj_num(in, "/pods/0/cpu_milli", 0), 100);
    EXPECT_DOUBLE_EQ(opr_obj_num(in, "/pods/0/cpu_request_milli", 0), 200);
    EXPECT_DOUBLE_EQ(opr_obj_num(in, "/pods/0/run_delay", 0), 0.25);
    EXPECT_GT(opr_obj_num(in, "/since_up_s", 0), 3600);
}

/* Whatever it says, the size stays within what the LuaPolicy allows. */
TEST_F(Policy, KeepsWildVerdictsWithinBounds)
{
    Deploy(2);
    Pods(2);
    Lua("return {}");
    Run();
    struct {
        const char *verdict;
        int64_t replicas;
    } cases[] = {{"[2147483647,'all']", 5},
                 {"[-2147483647,'none']", 1},
                 {"[4.9,'most of it']", 4},
                 {"[1e300,'more']", 4},
                 {"['3','text']", 4},
                 {"[null]", 4},
                 {"[]", 4},
                 {"[[3]]", 4},
                 {"[true]", 4},
                 {"[-0.5,'less']", 1}};
    for (const auto &c : cases) {
        Verdict(c.verdict);
        Advance(1500);
        EXPECT_EQ(Replicas(), c.replicas) << c.verdict;
    }
}

TEST_F(Policy, WithoutABoundTheTargetDoesNotGrow)
{
    Deploy(2);
    Pods(2);
    Apply("{'apiVersion':'operon.local/v1','kind':'LuaPolicy','metadata':{'name':'p',"
          "'namespace':'default'},'spec':{'source':'return {}','target':{'apiVersion':'apps/v1',"
          "'kind':'Deployment','name':'web'}}}");
    Verdict("[1000000,'all']");
    Run();
    Advance(1500);
    EXPECT_EQ(Replicas(), 2);
    EXPECT_EQ(Str(Self(), "/status/lastVerdict"), "2: all (there is no maxReplicas)");
    Verdict("[1,'fewer']");
    Advance(1500);
    EXPECT_EQ(Replicas(), 1);
}

TEST_F(Policy, CutsALongReason)
{
    Deploy(1);
    Pods(1);
    std::string euros;
    for (int i = 0; i < 1000; i++) {
        euros += "\xe2\x82\xac";
    }
    Verdict(("[2,'" + euros + "']").c_str());
    Lua("return {}");
    Run();
    Advance(1500);
    EXPECT_EQ(Replicas(), 2);
    EXPECT_EQ(Events("SuccessfulRescale",
                     ("New size: 2; reason: " + euros.substr(0, 510) + "...").c_str()),
              1);
}

/* A policy has no memory: the host has it. */
TEST_F(Policy, GivesThePolicyWhatItWantedBefore)
{
    Deploy(2);
    Pods(2);
    Verdict("[2,'held',4]");
    Lua("return {}");
    Run();
    Advance(1500);
    Verdict("[2,'fine']");
    Advance(1500);
    Advance(60000);
    for (int i = 0; i < 2; i++) {
        Sample("web-" + std::to_string(i));
    }
    Advance(1500);
    const struct opr_obj *in = opr_test_policy_input(t, "default/p", "scale");
    uint32_t n = opr_obj_len(opr_obj_at(in, "/recent"));
    ASSERT_GE(n, 2u);
    EXPECT_EQ(Int(in, "/recent/0/wanted"), 2);
    EXPECT_EQ(opr_obj_num(in, "/recent/0/age_s", -1), 0);
    std::string last = "/recent/" + std::to_string(n - 1);
    EXPECT_EQ(Int(in, (last + "/wanted").c_str()), 4);
    EXPECT_GT(opr_obj_num(in, (last + "/age_s").c_str(), 0), 40);
    Advance(700000);
    Advance(1500);
    in = opr_test_policy_input(t, "default/p", "scale");
    last = "/recent/" + std::to_string(opr_obj_len(opr_obj_at(in, "/recent")) - 1);
    EXPECT_EQ(Int(in, (last + "/wanted").c_str()), 2) << "ten minutes are kept";
}

TEST_F(Policy, ItsBoundsHold)
{
    Deploy(2);
    Pods(2);
    Verdict("[100,'more']");
    Lua("return {}");
    Run();
    Advance(1500);
    EXPECT_EQ(Replicas(), 5);
    Verdict("[-3,'less']");
    Advance(1500);
    EXPECT_EQ(Replicas(), 1);
}

TEST_F(Policy, WithoutMetricsItNeverScales)
{
    Deploy(3);
    Pods(3, false);
    Verdict("[1,'quiet']");
    Lua("return {}");
    Run();
    Advance(5000);
    EXPECT_EQ(Replicas(), 3);
    EXPECT_EQ(Condition(Self(), "ScalingActive"), "False");
    EXPECT_NE(Str(Self(), "/status/message"), "");
    Sample("web-0");
    Advance(12000);
    EXPECT_EQ(Replicas(), 1);
}

TEST_F(Policy, AVerdictThatIsNoNumberHolds)
{
    Deploy(2);
    Pods(2);
    for (const char *verdict : {"['many']", "[]", "[1e300]", "[null,'x']"}) {
        Verdict(verdict);
        Lua("return {}");
        Run();
        Advance(1500);
        EXPECT_EQ(Replicas(), 2) << verdict;
    }
    Verdict(nullptr);
    Advance(1500);
    EXPECT_EQ(Replicas(), 2);
    EXPECT_NE(Str(Self(), "/status/message").find("raised"), std::string::npos);
}

TEST_F(Policy, ABrokenSourceKeepsTheLastGoodOne)
{
    Deploy(1);
    Pods(1);
    Verdict("[2,'up']");
    Lua("return {}");
    Run();
    Advance(1500);
    EXPECT_EQ(Replicas(), 2);
    Lua("error here");
    Run();
    EXPECT_FALSE(opr_obj_bool(Self(), "/status/ready", true));
    EXPECT_NE(Str(Self(), "/status/message").find("syntax error"), std::string::npos);
    EXPECT_EQ(Events("PolicyNotLoaded"), 1);
    Verdict("[4,'still here']");
    Advance(3000);
    EXPECT_EQ(Replicas(), 4);
    EXPECT_EQ(Events("PolicyNotLoaded"), 1);
    Lua("return {}");
    Run();
    EXPECT_TRUE(opr_obj_bool(Self(), "/status/ready", false));
}

TEST_F(Policy, APolicyThatNeverLoadedDecidesNothing)
{
    Deploy(2);
    Pods(2);
    Verdict("[5,'up']");
    Lua("error here");
    Run();
    Advance(3000);
    EXPECT_EQ(Replicas(), 2);
}

TEST_F(Policy, WithoutATargetItIsOnlyLoaded)
{
    Lua("return {}", "", false);
    Run();
    EXPECT_TRUE(opr_obj_bool(Self(), "/status/ready", false));
    EXPECT_EQ(opr_obj_at(Self(), "/status/desiredReplicas"), nullptr);
    EXPECT_EQ(Condition(Self(), "ScalingActive"), "");
}

TEST_F(Policy, AMissingTargetIsSaid)
{
    Lua("return {}");
    Run();
    EXPECT_NE(Str(Self(), "/status/message").find("Deployment web"), std::string::npos);
}

TEST_F(Policy, WritesItsStatusOnlyWhenSomethingChanged)
{
    Deploy(2);
    Pods(2);
    Verdict("[2,'p99 19 ms']");
    Lua("return {}");
    Run();
    Advance(2000);
    uint32_t updates = opr_test_writes(t, "update", "operon.local/v1/LuaPolicy");
    Verdict("[2,'p99 21 ms']");
    Advance(60 * 1000);
    EXPECT_EQ(opr_test_writes(t, "update", "operon.local/v1/LuaPolicy"), updates);
}

TEST_F(Policy, AStaleTargetIsNotScaledTwice)
{
    Deploy(1);
    Pods(1);
    Verdict("[1,'ok']");
    Lua("return {}");
    Run();
    opr_test_hold(t, "apps/v1/Deployment", true);
    Verdict("[2,'up']");
    Advance(10 * 1000);
    EXPECT_EQ(opr_test_writes(t, "patch", "apps/v1/Deployment"), 1u);
    EXPECT_EQ(Events("SuccessfulRescale"), 1);
}

TEST_F(Policy, ADeletedPolicyIsUnloaded)
{
    Deploy(1);
    Pods(1);
    Verdict("[1,'ok']");
    Lua("return {}");
    Run();
    Delete("operon.local/v1/LuaPolicy", "default", "p");
    Run();
    EXPECT_EQ(opr_test_policy_input(t, "default/p", "scale"), nullptr);
}

} // namespace
