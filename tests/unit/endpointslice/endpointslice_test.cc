/* The EndpointSlice controller against the test server. */
#include "tests/unit/controllers_support.h"

namespace
{

const char kSlice[] = "discovery.k8s.io/v1/EndpointSlice";

class EndpointSlice : public testing_cluster::Cluster
{
  protected:
    void Service(const std::string &spec = "", const std::string &meta = "",
                 const std::string &ports = "{'name':'http','port':80,'targetPort':'web'}")
    {
        Apply("{'apiVersion':'v1','kind':'Service','metadata':{'name':'svc','namespace':'default'" +
              meta + "},'spec':{'selector':{'app':'web'},'ports':[" + ports + "]" + spec + "}}");
    }
    void Node(const std::string &name, const std::string &zone)
    {
        Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'" + name +
              "','labels':{'topology.kubernetes.io/zone':'" + zone + "'}}}");
    }
    void Pod(const std::string &name, const std::string &ip, bool is_ready = true, int port = 8080,
             const std::string &spec = "", const std::string &meta = "",
             const std::string &label = "web")
    {
        Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name +
              "','namespace':'default','labels':{'app':'" + label + "'}" + meta +
              "},'spec':{'containers':[{'name':'c','ports':[{'name':'web','containerPort':" +
              std::to_string(port) + "}]}]" + spec + "}}");
        SetReady(name, is_ready, ",'podIP':'" + ip + "','podIPs':[{'ip':'" + ip + "'}]");
    }
    const struct opr_obj *Only()
    {
        EXPECT_EQ(Count(kSlice), 1u);
        return opr_test_nth(t, kSlice, "default", 0);
    }
    size_t Total()
    {
        size_t n = 0;
        for (const struct opr_obj *s : All(kSlice)) {
            n += opr_obj_len(opr_obj_at(s, "/endpoints"));
        }
        return n;
    }
};

TEST_F(EndpointSlice, AReadyPodIsAnEndpoint)
{
    Node("n1", "z1");
    Service();
    Pod("a", "10.0.0.1", true, 8080, ",'nodeName':'n1'");
    Run();
    const struct opr_obj *s = Only();
    EXPECT_EQ(Name(s).rfind("svc-", 0), 0u);
    EXPECT_EQ(Str(s, "/addressType"), "IPv4");
    EXPECT_EQ(Str(s, "/metadata/labels/kubernetes.io~1service-name"), "svc");
    EXPECT_EQ(Str(s, "/metadata/labels/endpointslice.kubernetes.io~1managed-by"),
              "endpointslice-controller.k8s.io");
    EXPECT_EQ(Str(s, "/metadata/ownerReferences/0/kind"), "Service");
    EXPECT_EQ(Str(s, "/endpoints/0/addresses/0"), "10.0.0.1");
    EXPECT_TRUE(opr_obj_bool(s, "/endpoints/0/conditions/ready", false));
    EXPECT_TRUE(opr_obj_bool(s, "/endpoints/0/conditions/serving", false));
    EXPECT_FALSE(opr_obj_bool(s, "/endpoints/0/conditions/terminating", true));
    EXPECT_EQ(Str(s, "/endpoints/0/targetRef/name"), "a");
    EXPECT_EQ(Str(s, "/endpoints/0/nodeName"), "n1");
    EXPECT_EQ(Str(s, "/endpoints/0/zone"), "z1");
    EXPECT_EQ(Int(s, "/ports/0/port"), 8080);
    EXPECT_EQ(Str(s, "/ports/0/name"), "http");
    EXPECT_EQ(Str(s, "/metadata/annotations/endpoints.kubernetes.io~1last-change-trigger-time"),
              Now());
    const struct opr_obj *old = Get("v1/Endpoints", "default", "svc");
    EXPECT_EQ(Str(old, "/subsets/0/addresses/0/ip"), "10.0.0.1");
    EXPECT_EQ(Int(old, "/subsets/0/ports/0/port"), 8080);
}

TEST_F(EndpointSlice, WithoutPodsThereIsAPlaceholder)
{
    Service();
    Run();
    EXPECT_EQ(opr_obj_len(opr_obj_at(Only(), "/endpoints")), 0u);
    EXPECT_EQ(opr_obj_len(opr_obj_at(Only(), "/ports")), 0u);
    Pod("a", "10.0.0.1");
    Run();
    EXPECT_EQ(opr_obj_len(opr_obj_at(Only(), "/endpoints")), 1u);
    Delete("v1/Pod", "default", "a");
    Run();
    EXPECT_EQ(opr_obj_len(opr_obj_at(Only(), "/endpoints")), 0u);
}

TEST_F(EndpointSlice, FollowsReadiness)
{
    Service();
    Pod("a", "10.0.0.1", false);
    Run();
    EXPECT_FALSE(opr_obj_bool(Only(), "/endpoints/0/conditions/ready", true));
    EXPECT_EQ(Str(Get("v1/Endpoints", "default", "svc"), "/subsets/0/notReadyAddresses/0/ip"),
              "10.0.0.1");
    SetReady("a", true);
    Run();
    EXPECT_TRUE(opr_obj_bool(Only(), "/endpoints/0/conditions/ready", false));
    EXPECT_EQ(Str(Get("v1/Endpoints", "default", "svc"), "/subsets/0/addresses/0/ip"), "10.0.0.1");
}

TEST_F(EndpointSlice, ATerminatingPodServesButIsNotReady)
{
    Service();
    Pod("a", "10.0.0.1", true, 8080, "", ",'finalizers':['test/stay']");
    Run();
    Delete("v1/Pod", "default", "a");
    Run();
    const struct opr_obj *s = Only();
    EXPECT_FALSE(opr_obj_bool(s, "/endpoints/0/conditions/ready", true));
    EXPECT_TRUE(opr_obj_bool(s, "/endpoints/0/conditions/serving", false));
    EXPECT_TRUE(opr_obj_bool(s, "/endpoints/0/conditions/terminating", false));
}

TEST_F(EndpointSlice, LeavesOutEndedAndAddresslessPods)
{
    Service();
    Pod("ended", "10.0.0.1");
    Status("v1/Pod", "default", "ended", "{'phase':'Succeeded'}");
    Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'new','namespace':'default',"
          "'labels':{'app':'web'}},'spec':{'containers':[{'name':'c'}]}}");
    Pod("other", "10.0.0.2", true, 80, "", "", "db");
    Run();
    EXPECT_EQ(Total(), 0u);
}

TEST_F(EndpointSlice, PublishesNotReadyWhereAsked)
{
    Service(",'publishNotReadyAddresses':true,'clusterIP':'None'");
    Pod("a", "10.0.0.1", false, 8080, ",'hostname':'h','subdomain':'svc'");
    Run();
    EXPECT_TRUE(opr_obj_bool(Only(), "/endpoints/0/conditions/ready", false));
    EXPECT_FALSE(opr_obj_bool(Only(), "/endpoints/0/conditions/serving", true));
    EXPECT_EQ(Str(Only(), "/endpoints/0/hostname"), "h");
    EXPECT_NE(opr_obj_at(Only(), "/metadata/labels/service.kubernetes.io~1headless"), nullptr);
}

TEST_F(EndpointSlice, AtMostAHundredASlice)
{
    Service();
    for (int i = 0; i < 250; i++) {
        Pod("p" + std::to_string(1000 + i),
            "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1));
    }
    Run();
    EXPECT_EQ(Count(kSlice), 3u);
    EXPECT_EQ(Total(), 250u);
    for (const struct opr_obj *s : All(kSlice)) {
        EXPECT_LE(opr_obj_len(opr_obj_at(s, "/endpoints")), 100u);
    }
    /* one pod less is one slice written */
    uint32_t before = opr_test_writes(t, "update", kSlice);
    Delete("v1/Pod", "default", "p1000");
    Run();
    EXPECT_EQ(opr_test_writes(t, "update", kSlice), before + 1);
    EXPECT_EQ(Total(), 249u);
}

TEST_F(EndpointSlice, PodsWithOtherPortsHaveASliceOfTheirOwn)
{
    Service();
    Pod("a", "10.0.0.1", true, 8080);
    Pod("b", "10.0.0.2", true, 9090);
    Run();
    ASSERT_EQ(Count(kSlice), 2u);
    EXPECT_NE(Int(All(kSlice)[0], "/ports/0/port"), Int(All(kSlice)[1], "/ports/0/port"));
    EXPECT_EQ(opr_obj_len(opr_obj_at(Get("v1/Endpoints", "default", "svc"), "/subsets")), 2u);
}

TEST_F(EndpointSlice, SettlesWithoutFurtherWrites)
{
    Service("", ",'labels':{'team':'x'}");
    Pod("a", "10.0.0.1");
    Run();
    EXPECT_EQ(Str(Only(), "/metadata/labels/team"), "x");
    uint32_t writes = opr_test_writes(t, "update", kSlice);
    SetReady("a", true, ",'startTime':'2026-01-01T00:00:00Z'");
    Advance(600 * 1000);
    EXPECT_EQ(opr_test_writes(t, "update", kSlice), writes);
    EXPECT_EQ(opr_test_writes(t, "create", kSlice), 1u);
}

TEST_F(EndpointSlice, RepairsWhatSomebodyRemoved)
{
    Service();
    Pod("a", "10.0.0.1");
    Run();
    Delete(kSlice, "default", Name(Only()));
    Run();
    EXPECT_EQ(Total(), 1u);
}

TEST_F(EndpointSlice, ServicesWithoutSelectorAreNotOurs)
{
    Apply("{'apiVersion':'v1','kind':'Service','metadata':{'name':'kubernetes','namespace':"
          "'default'},'spec':{'ports':[{'port':443}]}}");
    Apply("{'apiVersion':'v1','kind':'Endpoints','metadata':{'name':'kubernetes','namespace':"
          "'default'},'subsets':[{'addresses':[{'ip':'10.1.1.1'}]}]}");
    Service(",'type':'ExternalName'");
    Run();
    EXPECT_EQ(Count(kSlice), 0u);
    Delete("v1/Service", "default", "kubernetes");
    Run();
    EXPECT_EQ(Count("v1/Endpoints"), 1u) << "made by someone else";
}

TEST_F(EndpointSlice, EndpointsGoWithTheirService)
{
    Service();
    Run();
    EXPECT_EQ(Count("v1/Endpoints"), 1u);
    Delete("v1/Service", "default", "svc");
    Run();
    EXPECT_EQ(Count("v1/Endpoints"), 0u);
}

TEST_F(EndpointSlice, APodOnAnUnknownNodeWaits)
{
    Service();
    Pod("a", "10.0.0.1", true, 8080, ",'nodeName':'gone'");
    Run();
    EXPECT_EQ(Total(), 0u);
    Node("gone", "z");
    Advance(2000);
    EXPECT_EQ(Total(), 1u);
}

TEST_F(EndpointSlice, TrafficDistributionGivesHints)
{
    Node("n1", "z1");
    Service(",'trafficDistribution':'PreferSameZone'");
    Pod("a", "10.0.0.1", true, 8080, ",'nodeName':'n1'");
    Run();
    EXPECT_EQ(Str(Only(), "/endpoints/0/hints/forZones/0/name"), "z1");
    EXPECT_FALSE(opr_obj_at(Only(), "/endpoints/0/hints/forNodes"));
    Service(",'trafficDistribution':'PreferSameNode'");
    Run();
    EXPECT_EQ(Str(Only(), "/endpoints/0/hints/forZones/0/name"), "z1");
    EXPECT_EQ(Str(Only(), "/endpoints/0/hints/forNodes/0/name"), "n1");
    SetReady("a", false, ",'podIP':'10.0.0.1','podIPs':[{'ip':'10.0.0.1'}]");
    Run();
    EXPECT_FALSE(opr_obj_at(Only(), "/endpoints/0/hints")) << "nobody is sent there";
    Service();
    SetReady("a", true, ",'podIP':'10.0.0.1','podIPs':[{'ip':'10.0.0.1'}]");
    Run();
    EXPECT_FALSE(opr_obj_at(Only(), "/endpoints/0/hints"));
}

TEST_F(EndpointSlice, TwoFamiliesTwoSlices)
{
    Service(",'ipFamilies':['IPv4','IPv6']");
    Pod("a", "10.0.0.1");
    SetReady("a", true, ",'podIP':'10.0.0.1','podIPs':[{'ip':'10.0.0.1'},{'ip':'fd00::1'}]");
    Run();
    ASSERT_EQ(Count(kSlice), 2u);
    for (const struct opr_obj *s : All(kSlice)) {
        EXPECT_EQ(Str(s, "/endpoints/0/addresses/0"),
                  Str(s, "/addressType") == "IPv6" ? "fd00::1" : "10.0.0.1");
    }
}

} // namespace
