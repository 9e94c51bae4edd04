#include "support.h"

#include <gmock/gmock.h>

using testing::ElementsAre;
using testing::HasSubstr;

using Delete = Api;

TEST_F(Delete, AtOnce)
{
    Answer made = make("configmaps", "a");
    Answer a = remove(CONFIGMAPS "/a");
    EXPECT_EQ(a.status, 200);
    EXPECT_EQ(a.str("/kind"), "Status");
    EXPECT_EQ(a.str("/status"), "Success");
    EXPECT_EQ(a.str("/details/uid"), made.str("/metadata/uid"));
    EXPECT_EQ(get(CONFIGMAPS "/a").status, 404);
    EXPECT_EQ(remove(CONFIGMAPS "/a").status, 404);
}

TEST_F(Delete, Preconditions)
{
    make("configmaps", "a");
    Answer a = remove(CONFIGMAPS "/a", "{'preconditions':{'uid':'x'}}");
    EXPECT_EQ(a.status, 409);
    EXPECT_THAT(a.str("/message"),
                HasSubstr("Operation cannot be fulfilled on ConfigMap \"a\": the UID in the "
                          "precondition (x) does not match the UID in record ("));
    EXPECT_EQ(a.str("/details/kind"), "ConfigMap");
    a = remove(CONFIGMAPS "/a", "{'preconditions':{'resourceVersion':'1'}}");
    EXPECT_EQ(a.status, 409);
    EXPECT_EQ(get(CONFIGMAPS "/a").status, 200);
}

TEST_F(Delete, Options)
{
    make("configmaps", "a");
    Answer a = remove(CONFIGMAPS "/a?propagationPolicy=Foo");
    EXPECT_EQ(a.status, 422);
    EXPECT_EQ(a.str("/message"),
              "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: "
              "\"Foo\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"");
    a = remove(CONFIGMAPS "/a", "{'orphanDependents':true,'propagationPolicy':'Orphan'}");
    EXPECT_EQ(a.status, 422);
    EXPECT_THAT(a.str("/message"), HasSubstr("cannot be both set"));
    EXPECT_EQ(remove(CONFIGMAPS "/a", "{'dryRun':['All']}").status, 200);
    EXPECT_EQ(get(CONFIGMAPS "/a").status, 200);
}

TEST_F(Delete, FinalizersHoldIt)
{
    post(CONFIGMAPS, "{'metadata':{'name':'a','finalizers':['x.y/z']}}");
    Answer a = remove(CONFIGMAPS "/a");
    EXPECT_EQ(a.str("/kind"), "ConfigMap");
    EXPECT_EQ(a.str("/metadata/deletionTimestamp"), "2026-01-02T00:00:00Z");
    std::string rv = a.str("/metadata/resourceVersion");
    advance(5000);
    EXPECT_EQ(remove(CONFIGMAPS "/a").str("/metadata/resourceVersion"), rv) << "no second mark";
    a = merge(CONFIGMAPS "/a", "{'metadata':{'finalizers':null}}");
    EXPECT_EQ(a.status, 200);
    EXPECT_EQ(get(CONFIGMAPS "/a").status, 404);
}

TEST_F(Delete, PropagationPoliciesAreFinalizers)
{
    make("configmaps", "a");
    Answer a = remove(CONFIGMAPS "/a", "{'propagationPolicy':'Foreground'}");
    EXPECT_EQ(a.str("/metadata/finalizers/0"), "foregroundDeletion");
    make("configmaps", "b");
    a = remove(CONFIGMAPS "/b", "{'propagationPolicy':'Orphan'}");
    EXPECT_EQ(a.str("/metadata/finalizers/0"), "orphan");
    a = remove(CONFIGMAPS "/b", "{'propagationPolicy':'Background'}");
    EXPECT_EQ(a.str("/status"), "Success") << "the policy was changed";
}

TEST_F(Delete, Collection)
{
    for (const char *name : {"a", "b", "c"}) {
        post(CONFIGMAPS,
             std::string("{'metadata':{'name':'") + name + "','labels':{'n':'" + name + "'}}}");
    }
    Answer a = remove(CONFIGMAPS "?labelSelector=n+in+(a,b)");
    EXPECT_EQ(a.status, 200);
    EXPECT_EQ(get(CONFIGMAPS).size("/items"), 1u);
}

/* More failures than an answer has room for headers. */
TEST_F(Delete, CollectionWithManyRefusals)
{
    for (int i = 0; i < 40; i++) {
        make("configmaps", "c" + std::to_string(i));
    }
    Answer a = remove(CONFIGMAPS, "{'preconditions':{'uid':'x'}}");
    EXPECT_EQ(get(CONFIGMAPS).size("/items"), 40u);
    EXPECT_LE(a.headers.size(), 4u);
}

class DeletePod : public Api
{
  protected:
    void bind(const std::string &name)
    {
        ASSERT_EQ(post(PODS "/" + name + "/binding",
                       "{'apiVersion':'v1','kind':'Binding','metadata':{'name':'" + name +
                           "'},'target':{'kind':'Node','name':'n1'}}")
                      .status,
                  201);
    }
};

TEST_F(DeletePod, UnboundGoesAtOnce)
{
    make_pod("p");
    remove(PODS "/p");
    EXPECT_EQ(get(PODS "/p").status, 404);
}

TEST_F(DeletePod, BoundIsGivenTime)
{
    make_pod("p");
    bind("p");
    Answer a = remove(PODS "/p");
    EXPECT_EQ(a.str("/kind"), "Pod");
    EXPECT_EQ(a.str("/metadata/deletionTimestamp"), "2026-01-02T00:00:30Z");
    EXPECT_EQ(a.num("/metadata/deletionGracePeriodSeconds"), 30);
    a = remove(PODS "/p", "{'gracePeriodSeconds':5}");
    EXPECT_EQ(a.str("/metadata/deletionTimestamp"), "2026-01-02T00:00:05Z") << "it can be shorter";
    a = remove(PODS "/p", "{'gracePeriodSeconds':60}");
    EXPECT_EQ(a.num("/metadata/deletionGracePeriodSeconds"), 5) << "but not longer";
    remove(PODS "/p", "{'gracePeriodSeconds':0}");
    EXPECT_EQ(get(PODS "/p").status, 404);
}

TEST_F(DeletePod, BindingIsOnce)
{
    make_pod("p");
    EXPECT_EQ(merge(PODS "/p/status", "{'status':{'nominatedNodeName':'n1'}}").status, 200);
    bind("p");
    Answer a = get(PODS "/p");
    EXPECT_EQ(a.str("/status/nominatedNodeName"), "-") << "the promise is fulfilled";
    EXPECT_EQ(a.str("/spec/nodeName"), "n1");
    EXPECT_EQ(a.str("/status/conditions/0/type"), "PodScheduled");
    a = post(PODS "/p/binding", "{'metadata':{'name':'p'},'target':{'kind':'Node','name':'n2'}}");
    EXPECT_EQ(a.status, 409);
    EXPECT_EQ(a.str("/message"), "Operation cannot be fulfilled on pods/binding \"p\": pod p is "
                                 "already assigned to node \"n1\"");
    EXPECT_EQ(a.str("/details/kind"), "pods/binding");
    EXPECT_EQ(post(PODS "/p/binding", "{'metadata':{'name':'p'}}").status, 422);
}

class Evict : public Api
{
  protected:
    static constexpr const char *BUDGETS =
        "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    void make_ready_pod(const std::string &name)
    {
        ASSERT_EQ(post(PODS, "{'metadata':{'name':'" + name +
                                 "','labels':{'a':'b'}},'spec':{'nodeName':'n','containers':"
                                 "[{'name':'c','image':'i'}]}}")
                      .status,
                  201);
        ASSERT_EQ(merge(PODS "/" + name + "/status",
                        "{'status':{'phase':'Running','conditions':[{'type':'Ready','status':"
                        "'True'}]}}")
                      .status,
                  200);
    }
    void make_budget(const std::string &spec)
    {
        ASSERT_EQ(post(BUDGETS, "{'metadata':{'name':'b'},'spec':{" + spec +
                                    ",'selector':{'matchLabels':{'a':'b'}}}}")
                      .status,
                  201);
    }
    Answer evict(const std::string &name)
    {
        return post(PODS "/" + name + "/eviction",
                    "{'apiVersion':'policy/v1','kind':'Eviction','metadata':{'name':'" + name +
                        "'}}");
    }
};

TEST_F(Evict, EachTakesOneDisruption)
{
    for (const char *name : {"p", "q", "r"}) {
        make_ready_pod(name);
    }
    make_budget("'minAvailable':2");
    Answer a = evict("p");
    EXPECT_EQ(a.status, 201);
    EXPECT_EQ(a.str("/status"), "Success");
    EXPECT_TRUE(get(PODS "/p").has("/metadata/deletionTimestamp")) << "it is given its time";
    a = evict("q");
    EXPECT_EQ(a.status, 429);
    EXPECT_EQ(a.str("/reason"), "TooManyRequests");
    EXPECT_EQ(a.str("/details/causes/0/reason"), "DisruptionBudget");
    EXPECT_EQ(a.str("/details/causes/0/message"),
              "The disruption budget b needs 2 healthy pods and has 2 currently");
    EXPECT_FALSE(get(PODS "/q").has("/metadata/deletionTimestamp"));
    remove(std::string(BUDGETS) + "/b");
    EXPECT_EQ(evict("q").status, 201);
}

TEST_F(Evict, PercentagesAreRoundedUp)
{
    for (const char *name : {"p", "q", "r"}) {
        make_ready_pod(name);
    }
    make_budget("'maxUnavailable':'34%'"); /* 2 of 3 */
    EXPECT_EQ(evict("p").status, 201);
    EXPECT_EQ(evict("q").status, 201);
    EXPECT_EQ(evict("r").status, 429);
}

TEST_F(Evict, APodThatServesNobodyGoes)
{
    make_ready_pod("p");
    make_budget("'minAvailable':1");
    post(PODS, "{'metadata':{'name':'pending','labels':{'a':'b'}},'spec':{'containers':"
               "[{'name':'c','image':'i'}]}}");
    EXPECT_EQ(evict("pending").status, 201);
    EXPECT_EQ(get(PODS "/pending").status, 404);
    EXPECT_EQ(evict("none").status, 404);
}

using DeleteNamespace = Api;

TEST_F(DeleteNamespace, EndsWhenFinalized)
{
    Answer a = post("/api/v1/namespaces", "{'metadata':{'name':'tt'}}");
    EXPECT_EQ(a.str("/spec/finalizers/0"), "kubernetes");
    EXPECT_EQ(a.str("/status/phase"), "Active");
    EXPECT_EQ(a.str("/metadata/labels/kubernetes.io~1metadata.name"), "tt");
    a = remove("/api/v1/namespaces/tt");
    EXPECT_EQ(a.str("/status/phase"), "Terminating");
    EXPECT_FALSE(a.has("/metadata/deletionGracePeriodSeconds"));
    a = post("/api/v1/namespaces/tt/configmaps", "{'metadata':{'name':'a'}}");
    EXPECT_EQ(a.status, 403);
    EXPECT_EQ(a.str("/message"), "configmaps \"a\" is forbidden: unable to create new content in "
                                 "namespace tt because it is being terminated");
    EXPECT_EQ(a.str("/details/causes/0/reason"), "NamespaceTerminating");
    a = call("PUT", "/api/v1/namespaces/tt/finalize",
             "{'metadata':{'name':'tt'},'spec':{'finalizers':[]}}");
    EXPECT_EQ(a.status, 200) << a.body;
    EXPECT_EQ(get("/api/v1/namespaces/tt").status, 404);
}

TEST_F(DeleteNamespace, SystemNamespacesStay)
{
    for (const char *name : {"default", "kube-system", "kube-public"}) {
        Answer a = remove(std::string("/api/v1/namespaces/") + name);
        EXPECT_EQ(a.status, 403);
        EXPECT_THAT(a.str("/message"), HasSubstr("this namespace may not be deleted"));
    }
}
