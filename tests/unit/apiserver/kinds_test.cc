#include "support.h"

#include <gmock/gmock.h>

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using Pods = Api;

TEST_F(Pods, Admission)
{
    Answer a = make_pod("p");
    EXPECT_EQ(a.status, 201);
    EXPECT_EQ(a.num("/metadata/generation"), 1);
    EXPECT_EQ(a.str("/status/phase"), "Pending");
    EXPECT_EQ(a.str("/status/qosClass"), "BestEffort");
    EXPECT_EQ(a.str("/spec/serviceAccountName"), "default");
    EXPECT_EQ(a.num("/spec/priority"), 0);
    EXPECT_EQ(a.size("/spec/tolerations"), 2u);
    EXPECT_EQ(a.num("/spec/tolerations/0/tolerationSeconds"), 300);
    a = make_pod("q", "'priorityClassName':'system-node-critical','tolerations':"
                      "[{'operator':'Exists'}]");
    EXPECT_EQ(a.num("/spec/priority"), 2000001000);
    EXPECT_EQ(a.size("/spec/tolerations"), 1u) << "it tolerates all";
    a = make_pod("r", "'priorityClassName':'none'");
    EXPECT_EQ(a.status, 403);
    EXPECT_EQ(a.str("/message"),
              "pods \"r\" is forbidden: no PriorityClass with name none was found");
}

TEST_F(Pods, QualityOfService)
{
    auto make_with = [this](const std::string &name, const std::string &resources) {
        return post(PODS, "{'metadata':{'name':'" + name +
                              "'},'spec':{'containers':[{'name':'c','image':'i','resources':" +
                              resources + "}]}}")
            .str("/status/qosClass");
    };
    EXPECT_EQ(make_with("a", "{'limits':{'cpu':'1','memory':'1Gi'}}"), "Guaranteed");
    EXPECT_EQ(make_with("b", "{'requests':{'cpu':'1000m','memory':'1Gi'},'limits':{'cpu':'1',"
                             "'memory':'1024Mi'}}"),
              "Guaranteed");
    EXPECT_EQ(make_with("c", "{'requests':{'cpu':'1'}}"), "Burstable");
    EXPECT_EQ(make_with("d", "{'limits':{'cpu':'1'}}"), "Burstable");
}

TEST_F(Pods, ADefaultPriorityClass)
{
    ASSERT_EQ(post("/apis/scheduling.k8s.io/v1/priorityclasses",
                   "{'metadata':{'name':'usual'},'value':7,'globalDefault':true}")
                  .status,
              201);
    Answer a = make_pod("p");
    EXPECT_EQ(a.str("/spec/priorityClassName"), "usual");
    EXPECT_EQ(a.num("/spec/priority"), 7);
}

TEST_F(Pods, ANewNodeTakesNone)
{
    Answer a = post("/api/v1/nodes", "{'metadata':{'name':'n'},'status':{'capacity':{'cpu':'2'}}}");
    EXPECT_EQ(a.str("/spec/taints/0/key"), "node.kubernetes.io/not-ready");
    EXPECT_EQ(a.str("/spec/taints/0/effect"), "NoSchedule");
    EXPECT_EQ(a.str("/status/capacity/cpu"), "2") << "an agent registers with its status";
}

using Services = Api;

TEST_F(Services, Addresses)
{
    EXPECT_EQ(get("/api/v1/namespaces/default/services/kubernetes").str("/spec/clusterIP"),
              "10.96.0.1");
    Answer a = make("services", "a", "'spec':{'ports':[{'port':80}]}");
    EXPECT_THAT(a.str("/spec/clusterIP"), testing::StartsWith("10.96."));
    EXPECT_EQ(a.str("/spec/clusterIPs/0"), a.str("/spec/clusterIP"));
    EXPECT_EQ(a.str("/spec/ipFamilies/0"), "IPv4");
    Answer b =
        make("services", "b",
             "'spec':{'clusterIP':'" + a.str("/spec/clusterIP") + "','ports':[{'port':80}]}");
    EXPECT_EQ(b.status, 422);
    EXPECT_THAT(b.str("/message"), HasSubstr("provided IP is already allocated"));
    b = make("services", "b", "'spec':{'clusterIP':'192.168.0.1','ports':[{'port':80}]}");
    EXPECT_EQ(b.status, 422);
    b = make("services", "b", "'spec':{'clusterIP':'None','ports':[{'port':80}]}");
    EXPECT_EQ(b.str("/spec/clusterIP"), "None");
    b = merge("/api/v1/namespaces/default/services/a", "{'spec':{'ports':[{'port':81}]}}");
    EXPECT_EQ(b.str("/spec/clusterIP"), a.str("/spec/clusterIP")) << "it keeps its address";
}

TEST_F(Services, NodePorts)
{
    Answer a = make("services", "a", "'spec':{'type':'NodePort','ports':[{'port':80}]}");
    int64_t port = a.num("/spec/ports/0/nodePort");
    EXPECT_GE(port, 30000);
    EXPECT_LE(port, 32767);
    Answer b = make(
        "services", "b",
        "'spec':{'type':'NodePort','ports':[{'port':80,'nodePort':" + std::to_string(port) + "}]}");
    EXPECT_EQ(b.status, 422);
    EXPECT_THAT(b.str("/message"), HasSubstr("provided port is already allocated"));
}

TEST_F(Services, TheLowerPartsOfTheRangesAreLeftToUsers)
{
    for (int i = 0; i < 60; i++) {
        Answer a = make("services", "s" + std::to_string(i),
                        "'spec':{'type':'NodePort','ports':[{'port':80}]}");
        EXPECT_GE(a.num("/spec/ports/0/nodePort"), 30086);
        EXPECT_THAT(a.str("/spec/clusterIP"), testing::Not(testing::StartsWith("10.96.0.")));
    }
    Answer low = make("services", "low",
                      "'spec':{'type':'NodePort','clusterIP':'10.96.0.9','ports':[{'port':80,"
                      "'nodePort':30000}]}");
    EXPECT_EQ(low.status, 201) << low.body;
    low = make("services", "lower",
               "'spec':{'type':'NodePort','ports':[{'port':80,'nodePort':29999}]}");
    EXPECT_THAT(low.str("/message"), HasSubstr("The range of valid ports is 30000-32767"));
}

TEST_F(Services, ATypeTakesWithItWhatItAloneHas)
{
    const std::string path = "/api/v1/namespaces/default/services/a";
    Answer a = make("services", "a",
                    "'spec':{'type':'LoadBalancer','externalTrafficPolicy':'Local','ports':["
                    "{'port':80,'name':'w'},{'port':81,'name':'x'}]}");
    int64_t port = a.num("/spec/ports/0/nodePort"), check = a.num("/spec/healthCheckNodePort");
    EXPECT_GE(check, 30086);
    EXPECT_NE(check, port);
    Answer b = merge(path, "{'spec':{'ports':[{'port':81,'name':'x'},{'port':80,'name':'w'}]}}");
    EXPECT_EQ(b.num("/spec/ports/1/nodePort"), port) << "the same port keeps its node port";
    EXPECT_EQ(b.num("/spec/healthCheckNodePort"), check);
    b = merge(path, "{'spec':{'healthCheckNodePort':31999}}");
    EXPECT_THAT(b.str("/message"), HasSubstr("field is immutable"));
    b = merge(path, "{'spec':{'type':'NodePort'}}");
    EXPECT_EQ(b.num("/spec/ports/1/nodePort"), port);
    EXPECT_EQ(b.num("/spec/healthCheckNodePort"), -1);
    b = merge(path, "{'spec':{'type':'ClusterIP'}}");
    EXPECT_EQ(b.status, 200) << b.body;
    EXPECT_EQ(b.num("/spec/ports/0/nodePort"), -1);
    EXPECT_EQ(b.str("/spec/externalTrafficPolicy"), "-");
    EXPECT_EQ(b.str("/spec/clusterIP"), a.str("/spec/clusterIP"));
    b = merge(path, "{'spec':{'type':'ExternalName','externalName':'x.example'}}");
    EXPECT_EQ(b.status, 200) << b.body;
    EXPECT_EQ(b.str("/spec/clusterIP"), "-");
    EXPECT_EQ(b.str("/spec/ipFamilies/0"), "-");
    b = merge(path, "{'spec':{'type':'ClusterIP','externalName':null}}");
    EXPECT_THAT(b.str("/spec/clusterIP"), testing::StartsWith("10."));
}

TEST_F(Services, Families)
{
    Answer a = make("services", "open", "'spec':{'clusterIP':'None','ports':[{'port':80}]}");
    EXPECT_EQ(a.str("/spec/ipFamilyPolicy"), "RequireDualStack") << "its endpoints may be of both";
    EXPECT_EQ(a.str("/spec/ipFamilies/1"), "IPv6");
    a = make("services", "own",
             "'spec':{'clusterIP':'None','selector':{'a':'b'},'ports':[{'port':80}]}");
    EXPECT_EQ(a.str("/spec/ipFamilyPolicy"), "SingleStack");
    a = make("services", "six", "'spec':{'ipFamilies':['IPv6'],'ports':[{'port':80}]}");
    EXPECT_THAT(a.str("/message"), HasSubstr("not configured on this cluster"));
    a = make("services", "both",
             "'spec':{'ipFamilyPolicy':'RequireDualStack','ports':[{'port':80}]}");
    EXPECT_EQ(a.status, 422);
}

TEST_F(Services, NullsAreNothing)
{
    const char *const specs[] = {
        "'ports':[null]",       "'ports':null",
        "'clusterIPs':[null]",  "'clusterIP':null",
        "'ipFamilies':[null]",  "'selector':null",
        "'type':null",          "'ipFamilyPolicy':null",
        "'externalIPs':[null]", "'ports':[{'port':null,'nodePort':null}]",
    };
    Answer whole = make("services", "whole", "'spec':{'type':'NodePort','ports':[{'port':80}]}");
    for (const char *type : {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"}) {
        for (const char *spec : specs) {
            std::string all = std::string("{'type':'") + type + "'," + spec + "}";
            EXPECT_LT(make("services", "n", "'spec':" + all).status, 500) << all;
            EXPECT_LT(
                merge("/api/v1/namespaces/default/services/whole", "{'spec':" + all + "}").status,
                500)
                << all;
            call("DELETE", "/api/v1/namespaces/default/services/n");
        }
    }
}

class Custom : public Api
{
  protected:
    static constexpr const char *CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    static constexpr const char *WIDGETS = "/apis/x.io/v1/namespaces/default/widgets";
    void SetUp() override
    {
        Api::SetUp();
        Answer a = post(
            CRDS,
            "{'metadata':{'name':'widgets.x.io'},'spec':{'group':'x.io','scope':'Namespaced',"
            "'names':{'plural':'widgets','kind':'Widget','singular':'widget','listKind':"
            "'WidgetList','shortNames':['wd']},'versions':[{'name':'v1','served':true,'storage':"
            "true,'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':{'type':"
            "'object','properties':{'size':{'type':'integer','minimum':1,'default':2}}},"
            "'status':{'type':'object','x-kubernetes-preserve-unknown-fields':true}}}},"
            "'subresources':{'status':{}}}]}}");
        ASSERT_EQ(a.status, 201) << a.body;
        EXPECT_EQ(a.str("/status/conditions/1/type"), "Established");
        EXPECT_EQ(a.str("/status/storedVersions/0"), "v1");
    }
    Answer make_widget(const std::string &name, const std::string &spec)
    {
        return post(WIDGETS, "{'apiVersion':'x.io/v1','kind':'Widget','metadata':{'name':'" + name +
                                 "'},'spec':" + spec + "}");
    }
};

TEST_F(Custom, IsServedAndDiscovered)
{
    Answer a = make_widget("a", "{}");
    EXPECT_EQ(a.status, 201) << a.body;
    EXPECT_EQ(a.num("/spec/size"), 2);
    EXPECT_EQ(a.num("/metadata/generation"), 1);
    EXPECT_EQ(get(WIDGETS).str("/kind"), "WidgetList");
    EXPECT_THAT(get("/apis").body, HasSubstr("x.io/v1"));
    EXPECT_EQ(get("/apis/x.io/v1").str("/resources/0/shortNames/0"), "wd");
    EXPECT_THAT(get("/openapi/v3").body, HasSubstr("apis/x.io/v1"));
}

TEST_F(Custom, ReadsOldObjectsByTheSchemaOfToday)
{
    ASSERT_EQ(make_widget("a", "{'size':3}").status, 201);
    std::string amended =
        "{'spec':{'versions':[{'name':'v1','served':true,'storage':true,'schema':"
        "{'openAPIV3Schema':{'type':'object','properties':{'spec':{'type':'object',"
        "'properties':{'color':{'type':'string','default':'red'}}}}}}}]}}";
    ASSERT_EQ(merge(std::string(CRDS) + "/widgets.x.io", amended).status, 200);
    Answer a = get(std::string(WIDGETS) + "/a");
    EXPECT_EQ(a.str("/spec/color"), "red");
    EXPECT_FALSE(a.has("/spec/size"));
    EXPECT_EQ(get(WIDGETS).str("/items/0/spec/color"), "red");
    auto w = watch(std::string(WIDGETS) + "?watch=true");
    EXPECT_EQ(w->events().at(0).str("/object/spec/color"), "red");
}

TEST_F(Custom, IsValidated)
{
    Answer a = make_widget("a", "{'size':0}");
    EXPECT_EQ(a.status, 422);
    EXPECT_THAT(a.str("/message"), HasSubstr("spec.size"));
    a = make_widget("a", "{'size':'x'}");
    EXPECT_EQ(a.status, 422) << a.body;
}

TEST_F(Custom, IsPatchedAndKeepsItsStatusApart)
{
    make_widget("a", "{'size':3}");
    Answer a = merge(std::string(WIDGETS) + "/a", "{'spec':{'size':4},'status':{'x':1}}");
    EXPECT_EQ(a.num("/spec/size"), 4);
    EXPECT_FALSE(a.has("/status/x"));
    EXPECT_EQ(a.num("/metadata/generation"), 2);
    a = merge(std::string(WIDGETS) + "/a/status", "{'status':{'x':1}}");
    EXPECT_EQ(a.num("/status/x"), 1);
    a = call("PATCH", std::string(WIDGETS) + "/a", "{}", "application/strategic-merge-patch+json");
    EXPECT_EQ(a.status, 415);
    a = call("PUT", std::string(WIDGETS) + "/a",
             "{'apiVersion':'x.io/v1','kind':'Widget','metadata':{'name':'a'},'spec':{'size':5}}");
    EXPECT_EQ(a.status, 422);
    EXPECT_THAT(a.str("/message"), HasSubstr("must be specified for an update"));
}

TEST_F(Custom, GoesWithItsDefinition)
{
    make_widget("a", "{}");
    auto w = watch(std::string(WIDGETS) + "?watch=1");
    EXPECT_THAT(w->names(), ElementsAre("ADDED a"));
    EXPECT_EQ(remove(std::string(CRDS) + "/widgets.x.io").status, 200);
    EXPECT_THAT(w->names(), ElementsAre("DELETED a"));
    EXPECT_EQ(get(WIDGETS).status, 404);
    EXPECT_THAT(get("/apis").body, Not(HasSubstr("x.io")));
}

TEST_F(Custom, ABrokenSchemaIsRefused)
{
    Answer a = call("PATCH", std::string(CRDS) + "/widgets.x.io",
                    "[{'op':'replace','path':'/spec/versions/0/schema/openAPIV3Schema/type',"
                    "'value':'nonsense'}]",
                    "application/json-patch+json");
    EXPECT_EQ(a.status, 422) << a.body;
    EXPECT_EQ(make_widget("b", "{}").status, 201) << "the last good one serves on";
}

using Samples = Api;

TEST_F(Samples, ServeTheMetricsApis)
{
    Answer pod = post(PODS, "{'metadata':{'name':'p','labels':{'a':'b'}},'spec':{'containers':"
                            "[{'name':'c','image':'i'}]}}");
    std::string sample =
        "{'apiVersion':'metrics.operon.local/v1','kind':'NodeSample','node':'n1','time':"
        "'2026-01-02T00:00:00.000000Z','source':'bpf','nodeUsage':{'cpuNano':1500000000,"
        "'memoryBytes':1048576},'pods':[{'namespace':'default','name':'p','uid':'" +
        pod.str("/metadata/uid") +
        "','windowMs':1000,'containers':[{'name':'c','cpuNano':250000000,'memoryBytes':2097152}],"
        "'runDelayRatio':0.25,'http':{'rps':10.5,'inflight':2,'p99Ms':120,'p50Ms':1.5,"
        "'requests':99,'source':'bpf'}}]}";
    ASSERT_EQ(post("/apis/metrics.operon.local/v1/nodesamples", sample).status, 201);
    Answer a = get("/apis/metrics.k8s.io/v1beta1/nodes");
    EXPECT_EQ(a.size("/items"), 0u) << "there is no such Node";
    post("/api/v1/nodes", "{'metadata':{'name':'n1','labels':{'z':'1'}}}");
    EXPECT_EQ(get("/apis/metrics.k8s.io/v1beta1/nodes?labelSelector=z%3D2").size("/items"), 0u);
    EXPECT_EQ(get("/apis/metrics.k8s.io/v1beta1/namespaces/default/nodes").status, 404);
    a = get("/apis/metrics.k8s.io/v1beta1/nodes?labelSelector=z%3D1");
    EXPECT_EQ(a.str("/kind"), "NodeMetricsList");
    EXPECT_EQ(a.str("/items/0/usage/cpu"), "1500000000n");
    EXPECT_EQ(a.str("/items/0/usage/memory"), "1024Ki");
    a = get("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/p");
    EXPECT_EQ(a.str("/containers/0/usage/cpu"), "250000000n");
    a = get("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=a%3Dx");
    EXPECT_EQ(a.size("/items"), 0u);
    std::string custom = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/";
    a = get(custom + "*/http_server_latency_p99?labelSelector=a%3Db");
    EXPECT_EQ(a.str("/kind"), "MetricValueList");
    EXPECT_EQ(a.str("/items/0/value"), "120m");
    EXPECT_EQ(a.str("/items/0/describedObject/name"), "p");
    EXPECT_EQ(get(custom + "p/http_server_rps").str("/items/0/value"), "10500m");
    EXPECT_EQ(get(custom + "p/none").status, 404);
    a = get("/apis/metrics.operon.local/v1/namespaces/default/pods");
    EXPECT_EQ(a.str("/kind"), "PodSampleList");
    EXPECT_EQ(a.num("/items/0/cpuNano"), 250000000);
    EXPECT_EQ(a.num("/items/0/http/requests"), 99);
    advance(10001);
    EXPECT_EQ(get("/apis/metrics.k8s.io/v1beta1/nodes").size("/items"), 0u) << "it is too old";
}

using Discovery = Api;

TEST_F(Discovery, Aggregated)
{
    caller.headers = {{"Accept",
                       "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
                       "application/json"}};
    Answer a = get("/api");
    EXPECT_EQ(a.str("/kind"), "APIGroupDiscoveryList");
    EXPECT_EQ(a.header("Content-Type"),
              "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    EXPECT_EQ(get("/apis").str("/items/0/versions/0/freshness"), "Current");
    caller.headers.push_back({"If-None-Match", a.header("ETag")});
    a = get("/api");
    EXPECT_EQ(a.status, 304);
    EXPECT_EQ(a.body, "");
}

TEST_F(Discovery, Plain)
{
    EXPECT_EQ(get("/api").str("/versions/0"), "v1");
    EXPECT_EQ(get("/apis/apps").str("/preferredVersion/groupVersion"), "apps/v1");
    EXPECT_THAT(get("/api/v1").body, HasSubstr("\"pods/eviction\""));
    EXPECT_THAT(get("/apis/apps/v1").body, HasSubstr("\"deployments/scale\""));
    EXPECT_EQ(get("/apis/none/v1").status, 404);
    EXPECT_THAT(get("/apis").body,
                HasSubstr("\"preferredVersion\":{\"groupVersion\":\"autoscaling/v2\""));
    EXPECT_THAT(get("/apis/autoscaling/v1").body, HasSubstr("horizontalpodautoscalers/status"));
    EXPECT_THAT(get("/apis/autoscaling/v1").body, Not(HasSubstr("scales")))
        << "the body of a subresource is no resource";
}

TEST_F(Discovery, OpenApiByHash)
{
    Answer index = get("/openapi/v3");
    std::string url = index.str("/paths/apis~1apps~1v1/serverRelativeURL");
    EXPECT_THAT(url, HasSubstr("/openapi/v3/apis/apps/v1?hash="));
    Answer a = get(url);
    EXPECT_EQ(a.status, 200);
    EXPECT_EQ(a.str("/openapi"), "3.0.0");
    a = get("/openapi/v3/apis/apps/v1?hash=x");
    EXPECT_EQ(a.status, 301);
    EXPECT_EQ(a.header("Location"), url);
    make("configmaps", "a");
    EXPECT_EQ(get("/openapi/v3").body, index.body) << "objects do not change the documents";
    EXPECT_EQ(get("/openapi/v2").str("/swagger"), "2.0");
}
