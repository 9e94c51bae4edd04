/* What a Scale says of the pods it selects, in each operator; and two autoscalers of one pod. */
#include "tests/unit/controllers_support.h"

namespace
{

class Selector : public testing_cluster::Cluster
{
  protected:
    void Deploy(const std::string &name, const std::string &selector)
    {
        Apply("{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'" + name +
              "','namespace':'default'},'spec':{'replicas':1,'selector':" + selector +
              "},'status':{'replicas':1}}");
    }
    void Hpa(const std::string &name, const std::string &target)
    {
        Apply("{'apiVersion':'autoscaling/v2','kind':'HorizontalPodAutoscaler','metadata':{'name':"
              "'" +
              name +
              "','namespace':'default'},'spec':{'scaleTargetRef':{'apiVersion':'apps/v1','kind':"
              "'Deployment','name':'" +
              target +
              "'},'maxReplicas':10,'metrics':[{'type':'Resource','resource':{'name':'cpu',"
              "'target':{'type':'AverageValue','averageValue':'100m'}}}]}}");
    }
    void Pod(const std::string &name, const std::string &labels, const std::string &cpu)
    {
        Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name +
              "','namespace':'default','labels':" + labels +
              "},'spec':{'containers':[{'name':'c'}]}}");
        std::string old = Time(opr_test_now_ms(t) - 3600 * 1000);
        Status("v1/Pod", "default", name,
               "{'phase':'Running','startTime':'" + old +
                   "','conditions':[{'type':'Ready','status':'True','lastTransitionTime':'" + old +
                   "'}]}");
        Apply("{'apiVersion':'metrics.k8s.io/v1beta1','kind':'PodMetrics','metadata':{'name':'" +
              name + "','namespace':'default','labels':" + labels + "},'timestamp':'" + Now() +
              "','window':'1s','containers':[{'name':'c','usage':{'cpu':'" + cpu + "'}}]}");
    }
    int64_t Replicas(const char *name)
    {
        return Int(Get("apps/v1/Deployment", "default", name), "/spec/replicas", -1);
    }
};

TEST_F(Selector, EveryOperatorCounts)
{
    Deploy("web", "{'matchLabels':{'app':'web'},'matchExpressions':["
                  "{'key':'tier','operator':'In','values':['a','b']},"
                  "{'key':'track','operator':'NotIn','values':['canary','old']},"
                  "{'key':'x/y','operator':'Exists'},{'key':'gone','operator':'DoesNotExist'}]}");
    Pod("in", "{'app':'web','tier':'b','x/y':''}", "300m");
    Pod("tier", "{'app':'web','tier':'c','x/y':''}", "900m");
    Pod("track", "{'app':'web','tier':'a','x/y':'','track':'canary'}", "900m");
    Pod("exists", "{'app':'web','tier':'a'}", "900m");
    Pod("absent", "{'app':'web','tier':'a','x/y':'','gone':'1'}", "900m");
    Hpa("h", "web");
    Run();
    EXPECT_EQ(Condition(Get("autoscaling/v2/HorizontalPodAutoscaler", "default", "h"),
                        "ScalingActive", "/message"),
              "the HPA was able to successfully calculate a replica count from cpu resource");
    EXPECT_EQ(Replicas("web"), 3);
}

TEST_F(Selector, TwoAutoscalersOfOnePodDecideNothing)
{
    Deploy("web", "{'matchLabels':{'app':'web'}}");
    Deploy("twin", "{'matchExpressions':[{'key':'app','operator':'Exists'}]}");
    Deploy("free", "{'matchLabels':{'app':'free'}}");
    Pod("p", "{'app':'web'}", "300m");
    Hpa("h", "web");
    Hpa("i", "twin");
    Run();
    Advance(2000);
    for (const char *name : {"h", "i"}) {
        EXPECT_EQ(Condition(Get("autoscaling/v2/HorizontalPodAutoscaler", "default", name),
                            "ScalingActive", "/reason"),
                  "AmbiguousSelector");
    }
    int64_t held = Replicas("web");
    Delete("autoscaling/v2/HorizontalPodAutoscaler", "default", "i");
    Advance(2000);
    EXPECT_EQ(Condition(Get("autoscaling/v2/HorizontalPodAutoscaler", "default", "h"),
                        "ScalingActive", "/reason"),
              "ValidMetricFound");
    EXPECT_GT(Replicas("web"), 0);
    EXPECT_LE(held, 3);
}

} // namespace
