/* The horizontal pod autoscaler against the test server and its clock. */
#include "tests/unit/controllers_support.h"

namespace
{

const char kHpa[] = "autoscaling/v2/HorizontalPodAutoscaler";

class Autoscaler : public testing_cluster::Cluster
{
  protected:
    void Deploy(int replicas)
    {
        Apply("{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web','namespace':"
              "'default'},'spec':{'replicas':" +
              std::to_string(replicas) +
              ",'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{'labels':{'app':"
              "'web'}}}},'status':{'replicas':" +
              std::to_string(replicas) + "}}");
    }
    /* A pod that has been up for an hour, of 1000 m and 1000 Mi. */
    void Pod(const std::string &name, const std::string &phase = "Running",
             const std::string &ready = "True",
             const std::string &requests = "'cpu':'1','memory':'1000Mi'")
    {
        Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name +
              "','namespace':'default','labels':{'app':'web'}},'spec':{'containers':[{'name':'c',"
              "'resources':{'requests':{" +
              requests + "}}}]}}");
        std::string old = Time(opr_test_now_ms(t) - 3600 * 1000);
        Status("v1/Pod", "default", name,
               "{'phase':'" + phase + "','startTime':'" + old +
                   "','conditions':[{'type':'Ready','status':'" + ready +
                   "','lastTransitionTime':'" + old + "'}]}");
    }
    void Use(const std::string &name, const std::string &cpu, const std::string &memory = "100Mi")
    {
        Apply("{'apiVersion':'metrics.k8s.io/v1beta1','kind':'PodMetrics','metadata':{'name':'" +
              name + "','namespace':'default','labels':{'app':'web'}},'timestamp':'" + Now() +
              "','window':'1s','containers':[{'name':'c','usage':{'cpu':'" + cpu + "','memory':'" +
              memory + "'}}]}");
    }
    void UseAll(int pods, const std::string &cpu, const std::string &memory = "100Mi")
    {
        for (int i = 0; i < pods; i++) {
            Pod("web-" + std::to_string(i));
            Use("web-" + std::to_string(i), cpu, memory);
        }
    }
    static std::string Resource(const std::string &name, const std::string &target)
    {
        return "{'type':'Resource','resource':{'name':'" + name + "','target':{" + target + "}}}";
    }
    static std::string Utilization(int percent, const std::string &name = "cpu")
    {
        return Resource(name,
                        "'type':'Utilization','averageUtilization':" + std::to_string(percent));
    }
    void Hpa(const std::string &metrics, const std::string &extra = "", int max = 10)
    {
        Apply("{'apiVersion':'autoscaling/v2','kind':'HorizontalPodAutoscaler','metadata':{'name':"
              "'h','namespace':'default'},'spec':{'scaleTargetRef':{'apiVersion':'apps/v1','kind':"
              "'Deployment','name':'web'},'minReplicas':1,'maxReplicas':" +
              std::to_string(max) + ",'metrics':[" + metrics + "]" + extra + "}}");
    }
    const struct opr_obj *Self()
    {
        return Get(kHpa, "default", "h");
    }
    int64_t Replicas()
    {
        return Int(Get("apps/v1/Deployment", "default", "web"), "/spec/replicas", -1);
    }
};

TEST_F(Autoscaler, ScalesUpByUtilization)
{
    Deploy(2);
    UseAll(2, "900m");
    Hpa(Utilization(50));
    Run();
    EXPECT_EQ(Replicas(), 4); /* ceil(2 * 90 / 50) */
    EXPECT_EQ(Events("SuccessfulRescale", "New size: 4; reason: cpu resource utilization "
                                          "(percentage of request) above target"),
              1);
    EXPECT_EQ(Int(Self(), "/status/currentReplicas"), 2);
    EXPECT_EQ(Int(Self(), "/status/desiredReplicas"), 4);
    EXPECT_EQ(Int(Self(), "/status/currentMetrics/0/resource/current/averageUtilization"), 90);
    EXPECT_EQ(Str(Self(), "/status/currentMetrics/0/resource/current/averageValue"), "900m");
    EXPECT_EQ(Condition(Self(), "AbleToScale", "/reason"), "SucceededRescale");
    EXPECT_EQ(Condition(Self(), "ScalingActive", "/reason"), "ValidMetricFound");
    EXPECT_EQ(Condition(Self(), "ScalingLimited", "/reason"), "DesiredWithinRange");
    EXPECT_EQ(Str(Self(), "/status/lastScaleTime"), Now());
}

TEST_F(Autoscaler, UtilizationIsCutToAWholePercent)
{
    Deploy(3);
    UseAll(3, "559m"); /* 55.9 % is 55: 55/50 is just tolerated */
    Hpa(Utilization(50));
    Run();
    EXPECT_EQ(Replicas(), 3);
    UseAll(3, "560m");
    Advance(1500);
    EXPECT_EQ(Replicas(), 4);
}

TEST_F(Autoscaler, WithinTheToleranceNothingHappens)
{
    Deploy(3);
    UseAll(3, "540m");
    Hpa(Utilization(50));
    Run();
    UseAll(3, "460m");
    Advance(1500);
    EXPECT_EQ(Replicas(), 3);
    EXPECT_EQ(Condition(Self(), "AbleToScale", "/reason"), "ReadyForNewScale");
}

TEST_F(Autoscaler, AToleranceOfItsOwn)
{
    Deploy(3);
    UseAll(3, "540m");
    Hpa(Utilization(50), ",'behavior':{'scaleUp':{'tolerance':'50m'}}");
    Run();
    EXPECT_EQ(Replicas(), 4);
}

TEST_F(Autoscaler, DownWaitsForTheStabilisation)
{
    Deploy(4);
    UseAll(4, "500m");
    Hpa(Utilization(50));
    Run();
    EXPECT_EQ(Replicas(), 4);
    UseAll(4, "100m");
    Advance(290 * 1000);
    EXPECT_EQ(Replicas(), 4);
    EXPECT_EQ(Condition(Self(), "AbleToScale", "/reason"), "ScaleDownStabilized");
    Advance(15 * 1000);
    EXPECT_EQ(Replicas(), 1);
    EXPECT_EQ(Events("SuccessfulRescale", "All metrics below target"), 1);
}

TEST_F(Autoscaler, AShortWindowIsHonoured)
{
    Deploy(4);
    UseAll(4, "500m");
    Hpa(Utilization(50), ",'behavior':{'scaleDown':{'stabilizationWindowSeconds':5}}");
    Run();
    UseAll(4, "100m");
    Advance(3000);
    EXPECT_EQ(Replicas(), 4);
    Advance(4000);
    EXPECT_EQ(Replicas(), 1);
}

TEST_F(Autoscaler, UpIsStabilisedWhereAsked)
{
    Deploy(2);
    UseAll(2, "500m");
    Hpa(Utilization(50), ",'behavior':{'scaleUp':{'stabilizationWindowSeconds':10}}");
    Run();
    UseAll(2, "1000m");
    Advance(5000);
    EXPECT_EQ(Replicas(), 2);
    EXPECT_EQ(Condition(Self(), "AbleToScale", "/reason"), "ScaleUpStabilized");
    Advance(7000);
    EXPECT_EQ(Replicas(), 4);
}

TEST_F(Autoscaler, WithoutBehaviorItDoublesAtMost)
{
    Deploy(3);
    UseAll(3, "3000m");
    Hpa(Utilization(10), "", 100);
    Run();
    EXPECT_EQ(Replicas(), 6);
    EXPECT_EQ(Condition(Self(), "ScalingLimited", "/reason"), "ScaleUpLimit");
}

TEST_F(Autoscaler, PoliciesLimitTheRate)
{
    Deploy(2);
    UseAll(2, "3000m");
    Hpa(Utilization(10),
        ",'behavior':{'scaleUp':{'policies':[{'type':'Pods','value':3,'periodSeconds':60}]}}", 100);
    Run();
    EXPECT_EQ(Replicas(), 5);
    Advance(30 * 1000);
    EXPECT_EQ(Replicas(), 5) << "three a minute";
    Advance(31 * 1000);
    EXPECT_EQ(Replicas(), 8);
}

TEST_F(Autoscaler, TheSelectPolicyChooses)
{
    const std::string policies = "'policies':[{'type':'Pods','value':1,'periodSeconds':15},{"
                                 "'type':'Percent','value':200,'periodSeconds':15}]";
    Deploy(2);
    UseAll(2, "3000m");
    Hpa(Utilization(10), ",'behavior':{'scaleUp':{'selectPolicy':'Disabled'," + policies + "}}",
        100);
    Run();
    EXPECT_EQ(Replicas(), 2);
    Hpa(Utilization(10), ",'behavior':{'scaleUp':{'selectPolicy':'Min'," + policies + "}}", 100);
    Run();
    EXPECT_EQ(Replicas(), 3);
    Hpa(Utilization(10), ",'behavior':{'scaleUp':{" + policies + "}}", 100);
    Run();
    EXPECT_EQ(Replicas(), 6); /* (3 - 1) * 3: one was added within the period */
}

TEST_F(Autoscaler, DownGoesByItsPolicy)
{
    Deploy(8);
    UseAll(8, "10m");
    Hpa(Utilization(50), ",'behavior':{'scaleDown':{'stabilizationWindowSeconds':0,'policies':[{"
                         "'type':'Percent','value':50,'periodSeconds':15}]}}");
    Run();
    EXPECT_EQ(Replicas(), 4);
    EXPECT_EQ(Condition(Self(), "ScalingLimited", "/reason"), "ScaleDownLimit");
    Advance(16 * 1000);
    EXPECT_EQ(Replicas(), 2);
}

TEST_F(Autoscaler, ItsBoundsHold)
{
    Deploy(2);
    UseAll(2, "3000m");
    Hpa(Utilization(50), "", 3);
    Run();
    EXPECT_EQ(Replicas(), 3);
    EXPECT_EQ(Condition(Self(), "ScalingLimited", "/reason"), "TooManyReplicas");
    Deploy(20);
    Advance(1500);
    EXPECT_EQ(Replicas(), 3);
    EXPECT_EQ(Events("SuccessfulRescale", "Current number of replicas above Spec.MaxReplicas"), 1);
}

TEST_F(Autoscaler, ZeroReplicasTurnItOff)
{
    Deploy(0);
    UseAll(1, "900m");
    Hpa(Utilization(50));
    Run();
    Advance(3000);
    EXPECT_EQ(Replicas(), 0);
    EXPECT_EQ(Condition(Self(), "ScalingActive", "/reason"), "ScalingDisabled");
}

TEST_F(Autoscaler, MissingMetricsHold)
{
    Deploy(3);
    for (const char *name : {"web-0", "web-1", "web-2"}) {
        Pod(name);
    }
    Hpa(Utilization(50));
    Run();
    Advance(5000);
    EXPECT_EQ(Replicas(), 3);
    EXPECT_EQ(Condition(Self(), "ScalingActive"), "False");
    EXPECT_EQ(Condition(Self(), "ScalingActive", "/reason"), "FailedGetResourceMetric");
    EXPECT_EQ(Events("FailedComputeMetricsReplicas"), 1) << "said once";
}

TEST_F(Autoscaler, AMissingSampleCountsAgainstTheMove)
{
    Deploy(4);
    UseAll(4, "1000m");
    Delete("metrics.k8s.io/v1beta1/PodMetrics", "default", "web-3");
    Hpa(Utilization(50));
    Run();
    EXPECT_EQ(Replicas(), 6); /* 75 % over four pods, not 100 % over three */
    Deploy(4);
    UseAll(4, "100m");
    Delete("metrics.k8s.io/v1beta1/PodMetrics", "default", "web-3");
    Hpa(Utilization(50), ",'behavior':{'scaleDown':{'stabilizationWindowSeconds':0}}");
    Advance(16 * 1000);
    EXPECT_EQ(Replicas(), 3); /* (3 * 10 + 100) / 4 = 32 %: 2.6 pods */
}

TEST_F(Autoscaler, AStartingPodCountsAsIdleOnTheWayUp)
{
    Deploy(2);
    UseAll(2, "1000m");
    Status("v1/Pod", "default", "web-1",
           "{'phase':'Running','startTime':'" + Now() +
               "','conditions':[{'type':'Ready','status':"
               "'False','lastTransitionTime':'" +
               Now() + "'}]}");
    Hpa(Utilization(50));
    Run();
    EXPECT_EQ(Replicas(), 2) << "100 % over one is 50 % over two";
}

TEST_F(Autoscaler, DeletingAndFailedPodsDoNotCount)
{
    Deploy(1);
    UseAll(1, "900m");
    Pod("web-failed", "Failed");
    Use("web-failed", "0");
    Hpa(Utilization(50));
    Run();
    EXPECT_EQ(Replicas(), 2);
}

TEST_F(Autoscaler, APodWithoutARequestIsNamed)
{
    Deploy(2);
    UseAll(1, "900m");
    Pod("web-1", "Running", "True", "'memory':'1Mi'");
    Use("web-1", "900m");
    Hpa(Utilization(50));
    Run();
    EXPECT_EQ(Replicas(), 2);
    EXPECT_NE(Condition(Self(), "ScalingActive", "/message").find("missing request for cpu"),
              std::string::npos);
    Hpa(Resource("cpu", "'type':'AverageValue','averageValue':'300m'"));
    Run();
    EXPECT_EQ(Replicas(), 4) << "an average needs none: 6, at most doubled";
}

TEST_F(Autoscaler, TheLargestOfSeveralMetricsWins)
{
    Deploy(2);
    UseAll(2, "500m", "900Mi");
    Hpa(Utilization(50) + "," + Utilization(50, "memory"));
    Run();
    EXPECT_EQ(Replicas(), 4);
    EXPECT_EQ(Events("SuccessfulRescale", "memory resource utilization"), 1);
    EXPECT_EQ(Str(Self(), "/status/currentMetrics/1/resource/current/averageValue"), "900Mi");
}

TEST_F(Autoscaler, ABrokenMetricNeverScalesDown)
{
    Deploy(4);
    UseAll(4, "10m");
    Hpa(Utilization(50) + ",{'type':'Foreign','foreign':{}}",
        ",'behavior':{'scaleDown':{'stabilizationWindowSeconds':0}}");
    Run();
    Advance(5000);
    EXPECT_EQ(Replicas(), 4);
    EXPECT_EQ(Condition(Self(), "ScalingActive", "/reason"), "InvalidMetricSourceType");
    UseAll(4, "900m");
    Advance(1500);
    EXPECT_EQ(Replicas(), 8) << "up it may go on the rest";
}

TEST_F(Autoscaler, AMissingTargetIsSaid)
{
    Hpa(Utilization(50));
    Run();
    Advance(3000);
    EXPECT_EQ(Condition(Self(), "AbleToScale"), "False");
    EXPECT_EQ(Condition(Self(), "AbleToScale", "/reason"), "FailedGetScale");
    EXPECT_EQ(Events("FailedGetScale"), 1);
}

TEST_F(Autoscaler, MeasuredValuesAloneAreWrittenSeldom)
{
    Deploy(2);
    UseAll(2, "500m");
    Hpa(Utilization(50));
    Run();
    Advance(2000);
    uint32_t before = opr_test_writes(t, "update", kHpa);
    for (int i = 0; i < 30; i++) {
        UseAll(2, std::to_string(500 + i % 2) + "m");
        Advance(1000);
    }
    EXPECT_LE(opr_test_writes(t, "update", kHpa) - before, 3u);
}

/* What an adapter of custom or external metrics would serve: lists, named as their resources. */
class AutoscalerValues : public Autoscaler
{
  protected:
    void Metric(const std::string &kind, const std::string &name, const std::string &items)
    {
        Apply("{'apiVersion':'custom.metrics.k8s.io/v1beta2','kind':'" + kind +
              "','metadata':{'name':'" + name + "','namespace':'default'},'items':[" + items +
              "]}");
    }
    void External(const std::string &name, const std::string &value)
    {
        Apply(
            "{'apiVersion':'external.metrics.k8s.io/v1beta1','kind':'Depth','metadata':{'name':'" +
            name + "','namespace':'default','labels':{'queue':'" + name.substr(0, 1) +
            "'}},'value':'" + value + "'}");
    }
    static std::string Object(const std::string &target)
    {
        return "{'type':'Object','object':{'describedObject':{'apiVersion':'v1','kind':'Service',"
               "'name':'front'},'metric':{'name':'hits'},'target':{" +
               target + "}}}";
    }
    static std::string Depths(const std::string &target, const std::string &selector = "")
    {
        return "{'type':'External','external':{'metric':{'name':'depths'" + selector +
               "},'target':{" + target + "}}}";
    }
};

TEST_F(AutoscalerValues, PodsMetricsComeByTheVersionThatIsServed)
{
    Deploy(2);
    UseAll(2, "1m");
    Metric("Pod", "*",
           "{'describedObject':{'kind':'Pod','name':'web-0'},'value':'300m'},"
           "{'describedObject':{'kind':'Pod','name':'web-1'},'value':'500m'}");
    Hpa("{'type':'Pods','pods':{'metric':{'name':'rps'},'target':{'type':'AverageValue',"
        "'averageValue':'200m'}}}");
    Run();
    EXPECT_EQ(Replicas(), 4); /* 400m against 200m */
    EXPECT_EQ(Str(Self(), "/status/currentMetrics/0/pods/current/averageValue"), "400m");
}

TEST_F(AutoscalerValues, AnObjectsValueMovesTheReadyPods)
{
    Deploy(3);
    UseAll(2, "1m");
    Pod("web-2", "Running", "False");
    Metric("Service", "front", "{'value':'20'}");
    Hpa(Object("'type':'Value','value':'10'"));
    Run();
    EXPECT_EQ(Replicas(), 4); /* twice the target, two pods are ready */
    EXPECT_EQ(Str(Self(), "/status/currentMetrics/0/object/current/value"), "20");
    EXPECT_EQ(Str(Self(), "/status/currentMetrics/0/object/describedObject/name"), "front");
    EXPECT_EQ(Events("SuccessfulRescale", "Service metric hits above target"), 1);
}

TEST_F(AutoscalerValues, AnObjectsAverageIsSharedOut)
{
    Deploy(3);
    UseAll(3, "1m");
    Metric("Service", "front", "{'value':'49'}");
    Hpa(Object("'type':'AverageValue','averageValue':'10'"));
    Run();
    EXPECT_EQ(Replicas(), 5);
    EXPECT_EQ(Str(Self(), "/status/currentMetrics/0/object/current/averageValue"), "16334m");
}

TEST_F(AutoscalerValues, AnObjectsValueWithinTheToleranceIsKept)
{
    Deploy(3);
    UseAll(3, "1m");
    Metric("Service", "front", "{'value':'10900m'}");
    Hpa(Object("'type':'Value','value':'10'"));
    Run();
    EXPECT_EQ(Replicas(), 3);
    EXPECT_EQ(Condition(Self(), "ScalingActive", "/reason"), "ValidMetricFound");
}

TEST_F(AutoscalerValues, ExternalSeriesAreAddedAndSelected)
{
    Deploy(1);
    UseAll(1, "1m");
    External("a1", "15");
    External("a2", "15");
    External("b1", "100");
    Hpa(Depths("'type':'AverageValue','averageValue':'10'",
               ",'selector':{'matchLabels':{'queue':'a'}}"));
    Run();
    EXPECT_EQ(Replicas(), 3);
    Hpa(Depths("'type':'Value','value':'35'", ",'selector':{'matchExpressions':[{'key':'queue',"
                                              "'operator':'In','values':['a','b']}]}"));
    Deploy(1);
    Advance(1500);
    EXPECT_EQ(Replicas(), 4); /* 130 of 35, one ready pod */
}

TEST_F(AutoscalerValues, AMetricThatIsNotServedIsSaid)
{
    Deploy(2);
    UseAll(2, "1m");
    Hpa(Object("'type':'Value','value':'10'"));
    Run();
    EXPECT_EQ(Replicas(), 2);
    EXPECT_EQ(Condition(Self(), "ScalingActive", "/reason"), "FailedGetObjectMetric");
    EXPECT_EQ(Events("FailedGetObjectMetric"), 1);
    Metric("Service", "front", "{'value':'20'}");
    Advance(1500);
    EXPECT_EQ(Replicas(), 4) << "it is asked for again";
    Hpa(Depths("'type':'Value','value':'10'"));
    Advance(1500);
    EXPECT_EQ(Condition(Self(), "ScalingActive", "/reason"), "FailedGetExternalMetric");
}

TEST_F(AutoscalerValues, TheTargetsResourceIsWhatDiscoverySays)
{
    Apply("{'apiVersion':'example.com/v1','kind':'Relay','metadata':{'name':'web','namespace':"
          "'default'},'spec':{'replicas':2,'selector':{'matchLabels':{'app':'web'}}},'status':{"
          "'replicas':2}}"); /* the test server calls them "relaies" */
    UseAll(2, "900m");
    Hpa(Utilization(50));
    Apply("{'apiVersion':'autoscaling/v2','kind':'HorizontalPodAutoscaler','metadata':{'name':'h',"
          "'namespace':'default'},'spec':{'scaleTargetRef':{'apiVersion':'example.com/v1','kind':"
          "'Relay','name':'web'},'minReplicas':1,'maxReplicas':10,'metrics':[" +
          Utilization(50) + "]}}");
    Run();
    EXPECT_EQ(Int(Get("example.com/v1/Relay", "default", "web"), "/spec/replicas"), 4);
}

} // namespace
