/* What bindings, evictions, scales and the status take from a request, and what they refuse. */
#include "support.h"

#include <gmock/gmock.h>

using testing::HasSubstr;

#define PODS "/api/v1/namespaces/default/pods"
#define DEPLOYMENTS "/apis/apps/v1/namespaces/default/deployments"

class Subresource : public Api
{
  protected:
    Answer bind(const std::string &pod, const std::string &rest)
    {
        return post(PODS "/" + pod + "/binding", "{" + rest + "}");
    }
    void deployment()
    {
        ASSERT_EQ(post(DEPLOYMENTS, "{'metadata':{'name':'d','labels':{'l':'1'}},'spec':{"
                                    "'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':{"
                                    "'labels':{'a':'b'}},'spec':{'containers':[{'name':'c',"
                                    "'image':'i'}]}}}}")
                      .status,
                  201);
    }
};

TEST_F(Subresource, ABindingIsOfItsPodAndToANode)
{
    make_pod("p");
    Answer a = bind("p", "'metadata':{'name':'q'},'target':{'kind':'Node','name':'n'}");
    EXPECT_EQ(a.status, 400);
    EXPECT_EQ(a.str("/message"), "name in URL does not match name in Binding object");
    a = bind("p", "'metadata':{'name':'p'},'target':{'kind':'Pod','name':'n'}");
    EXPECT_EQ(a.status, 422);
    EXPECT_THAT(a.str("/message"), HasSubstr("target.kind: Unsupported value: \"Pod\""));
    a = bind("p", "'metadata':{'name':'p'},'target':{'kind':'Node'}");
    EXPECT_THAT(a.str("/message"), HasSubstr("target.name: Required value"));
    EXPECT_EQ(get(PODS "/p").str("/spec/nodeName"), "-");
}

TEST_F(Subresource, ABindingTellsThePodWhereItIs)
{
    ASSERT_EQ(post("/api/v1/nodes", "{'metadata':{'name':'n','labels':{"
                                    "'topology.kubernetes.io/zone':'z','other':'1'}}}")
                  .status,
              201);
    make_pod("p");
    ASSERT_EQ(bind("p", "'metadata':{'name':'p','annotations':{'why':'it fits'}},'target':{'kind':"
                        "'Node','name':'n'}")
                  .status,
              201);
    Answer a = get(PODS "/p");
    EXPECT_EQ(a.str("/spec/nodeName"), "n");
    EXPECT_EQ(a.str("/metadata/labels/topology.kubernetes.io~1zone"), "z");
    EXPECT_FALSE(a.has("/metadata/labels/other"));
    EXPECT_EQ(a.str("/metadata/annotations/why"), "it fits");
    make_pod("q", "'nodeName':'n'");
    EXPECT_EQ(get(PODS "/q").str("/metadata/labels/topology.kubernetes.io~1zone"), "z")
        << "as one that is made for a node";
    make_pod("s");
    EXPECT_EQ(post("/api/v1/namespaces/default/bindings",
                   "{'metadata':{'name':'s'},'target':{'kind':'Node','name':'n'}}")
                  .status,
              201);
    EXPECT_EQ(get(PODS "/s").str("/spec/nodeName"), "n");
    EXPECT_EQ(post("/api/v1/namespaces/default/bindings", "{'target':{'name':'n'}}").status, 404);
}

TEST_F(Subresource, AnEvictionSaysWhyThePodEnds)
{
    make_pod("p", "'nodeName':'n'");
    Answer a = post(PODS "/p/eviction", "{'apiVersion':'policy/v1','kind':'Eviction','metadata':{"
                                        "'name':'q'}}");
    EXPECT_EQ(a.status, 400);
    EXPECT_EQ(a.str("/message"), "name in URL does not match name in Eviction object");
    const char *eviction = "{'apiVersion':'policy/v1','kind':'Eviction','metadata':{'name':'p'}}";
    EXPECT_EQ(post(PODS "/p/eviction?dryRun=All", eviction).status, 201);
    EXPECT_FALSE(get(PODS "/p").has("/status/conditions"));
    EXPECT_EQ(post(PODS "/p/eviction", eviction).status, 201);
    a = get(PODS "/p");
    EXPECT_TRUE(a.has("/metadata/deletionTimestamp"));
    EXPECT_EQ(a.str("/status/conditions/0/type"), "DisruptionTarget");
    EXPECT_EQ(a.str("/status/conditions/0/reason"), "EvictionByEvictionAPI");
    EXPECT_EQ(post(PODS "/p/eviction", eviction).status, 201) << "again";
    EXPECT_EQ(get(PODS "/p").size("/status/conditions"), 1u);
}

TEST_F(Subresource, AScaleIsOfItsObject)
{
    deployment();
    const std::string rest = "'spec':{'replicas':3}}";
    const std::string scale = "{'apiVersion':'autoscaling/v1','kind':'Scale','metadata':{'name':";
    EXPECT_EQ(call("PUT", DEPLOYMENTS "/d/scale", scale + "'e'}," + rest).status, 400);
    EXPECT_EQ(call("PUT", DEPLOYMENTS "/d/scale", scale + "'d'}," + rest).status, 200);
    EXPECT_EQ(get(DEPLOYMENTS "/d").num("/spec/replicas"), 3);
}

TEST_F(Subresource, TheStatusTakesWhatUsersOwnOfTheMetadata)
{
    deployment();
    EXPECT_EQ(merge(DEPLOYMENTS "/d/status",
                    "{'metadata':{'finalizers':['a/b'],'annotations':{'x':'1'},'labels':{'l':'2'}},"
                    "'spec':{'replicas':9}}")
                  .status,
              200);
    Answer a = get(DEPLOYMENTS "/d");
    EXPECT_EQ(a.str("/metadata/finalizers/0"), "a/b");
    EXPECT_EQ(a.str("/metadata/annotations/x"), "1");
    EXPECT_EQ(a.str("/metadata/labels/l"), "1") << "not those of a Deployment";
    EXPECT_EQ(a.num("/spec/replicas"), 1);
    make_pod("p");
    EXPECT_EQ(merge(PODS "/p/status", "{'metadata':{'ownerReferences':[{'apiVersion':'v1','kind':"
                                      "'Pod','name':'x','uid':'u'}]},'status':{'qosClass':null}}")
                  .status,
              200);
    a = get(PODS "/p");
    EXPECT_FALSE(a.has("/metadata/ownerReferences"));
    EXPECT_EQ(a.str("/status/qosClass"), "BestEffort");
}

TEST_F(Subresource, ADeletedPodIsTheAnswer)
{
    make_pod("p");
    Answer a = remove(PODS "/p");
    EXPECT_EQ(a.str("/kind"), "Pod");
    EXPECT_TRUE(a.has("/metadata/deletionTimestamp"));
    EXPECT_EQ(get(PODS "/p").status, 404);
    make("configmaps", "c");
    EXPECT_EQ(remove(CONFIGMAPS "/c").str("/kind"), "Status");
}

TEST_F(Subresource, ALaterDeletionChangesWhatBecomesOfTheChildren)
{
    make("configmaps", "c");
    EXPECT_EQ(remove(CONFIGMAPS "/c?propagationPolicy=Foreground").status, 200);
    EXPECT_EQ(get(CONFIGMAPS "/c").str("/metadata/finalizers/0"), "foregroundDeletion");
    EXPECT_EQ(remove(CONFIGMAPS "/c?propagationPolicy=Orphan").status, 200);
    EXPECT_EQ(get(CONFIGMAPS "/c").str("/metadata/finalizers/0"), "orphan");
}

TEST_F(Subresource, OptionsOfADeletionAreChecked)
{
    make("configmaps", "c");
    EXPECT_EQ(remove(CONFIGMAPS "/c", "{'apiVersion':'v1','kind':'Pod'}").status, 400);
    EXPECT_EQ(remove(CONFIGMAPS "/c?gracePeriodSeconds=x").str("/message"),
              "strconv.ParseInt: parsing \"x\": invalid syntax");
    EXPECT_EQ(get(CONFIGMAPS "/c").status, 200);
    Answer a = remove(CONFIGMAPS "?labelSelector=none");
    EXPECT_EQ(a.str("/kind"), "ConfigMapList");
    EXPECT_EQ(a.size("/items"), 0u);
    a = remove(CONFIGMAPS);
    EXPECT_EQ(a.str("/items/0/metadata/name"), "c") << "what was deleted";
    EXPECT_EQ(call("DELETE", "/api/v1/namespaces").status, 405);
}

TEST_F(Subresource, ADryCreationFindsWhatIsThere)
{
    make("configmaps", "c");
    const char *body = "{'metadata':{'name':'c'}}";
    EXPECT_EQ(post(CONFIGMAPS "?dryRun=All", body).status, 409);
    EXPECT_EQ(post(CONFIGMAPS "?dryRun=All", "{'kind':'ConfigMap','metadata':{'name':'d'}}").status,
              201);
    EXPECT_EQ(get(CONFIGMAPS "/d").status, 404);
    EXPECT_EQ(call("PATCH", CONFIGMAPS "/c?dryRun=All&fieldManager=m",
                   "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'c'}}",
                   "application/apply-patch+yaml")
                  .status,
              200);
}

TEST_F(Subresource, WhatTheClusterNeedsStays)
{
    Answer a = remove("/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical");
    EXPECT_EQ(a.status, 403);
    EXPECT_THAT(a.str("/message"), HasSubstr("this is a system priority class"));
    EXPECT_EQ(post(CONFIGMAPS, "{'metadata':{'name':'f','finalizers':['a/b']}}").status, 201);
    remove(CONFIGMAPS "/f");
    EXPECT_EQ(post(CONFIGMAPS, "{'metadata':{'name':'f'}}").str("/message"),
              "object is being deleted: configmaps \"f\" already exists");
}

TEST_F(Subresource, APatchLeavesTheKindAndWhatTheServerSets)
{
    make("configmaps", "c");
    EXPECT_EQ(merge(CONFIGMAPS "/c", "{'kind':'Secret'}").status, 422);
    EXPECT_EQ(merge(CONFIGMAPS "/c", "{'apiVersion':'v2'}").status, 422);
    Answer a = merge(CONFIGMAPS "/c", "{'metadata':{'uid':'x'}}");
    EXPECT_EQ(a.status, 422);
    EXPECT_EQ(a.str("/details/causes/0/field"), "metadata.uid");
    a = merge(CONFIGMAPS "/c", "{'metadata':{'deletionTimestamp':'2020-01-01T00:00:00Z'}}");
    EXPECT_EQ(a.status, 422);
    EXPECT_EQ(get(CONFIGMAPS "/c").str("/kind"), "ConfigMap");
    EXPECT_EQ(call("PUT", CONFIGMAPS "/c", "{'metadata':{}}").str("/message"),
              "the name of the object (c based on URL) was undeterminable: name must be provided");
}
