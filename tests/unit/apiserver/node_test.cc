// What a node's user may do: its own Node, Lease and Pods, and what these name; nothing else.
#include "support.h"

#include <gmock/gmock.h>

using testing::HasSubstr;

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
#define SECRETS "/api/v1/namespaces/default/secrets"
#define RBAC "/apis/rbac.authorization.k8s.io/v1/"

class Node : public Api
{
  protected:
    void SetUp() override
    {
        Api::SetUp();
        for (const char *name : {"a", "b"}) {
            as_node(name);
            ASSERT_EQ(register_node(name).status, 201);
            ASSERT_EQ(post(LEASES, std::string("{'metadata':{'name':'") + name + "'}}").status,
                      201);
        }
        as_admin();
    }
    void as_admin()
    {
        caller = Caller();
    }
    void as_node(const std::string &name)
    {
        caller = {"system:node:" + name, {"system:nodes"}, {}};
    }
    Answer register_node(const std::string &name, const std::string &labels = "")
    {
        return post("/api/v1/nodes",
                    "{'metadata':{'name':'" + name + "','labels':{" + labels + "}}}");
    }
    void bind(const std::string &pod, const std::string &node, const std::string &spec = "")
    {
        ASSERT_EQ(make_pod(pod, spec).status, 201);
        Answer a = post(PODS "/" + pod + "/binding", "{'target':{'name':'" + node + "'}}");
        ASSERT_EQ(a.status, 201) << a.body;
    }
    int secret(const std::string &name)
    {
        return get(SECRETS "/" + name).status;
    }
};

TEST_F(Node, ReadsTheSecretsThatItsPodsName)
{
    for (const char *name : {"volume", "projected", "key", "all", "pull", "other", "unbound"}) {
        make("secrets", name);
    }
    bind("p1", "a",
         "'volumes':[{'name':'v','secret':{'secretName':'volume'}},{'name':'w',"
         "'projected':{'sources':[{'secret':{'name':'projected'}}]}}],"
         "'imagePullSecrets':[{'name':'pull'}]");
    ASSERT_EQ(make("pods", "p2",
                   "'spec':{'containers':[{'name':'c','image':'i','envFrom':[{'secretRef':"
                   "{'name':'all'}}],'env':[{'name':'E','valueFrom':{'secretKeyRef':"
                   "{'name':'key','key':'k'}}}]}]}")
                  .status,
              201);
    ASSERT_EQ(post(PODS "/p2/binding", "{'target':{'name':'a'}}").status, 201);
    bind("p3", "b", "'volumes':[{'name':'v','secret':{'secretName':'other'}}]");
    make_pod("p4", "'volumes':[{'name':'v','secret':{'secretName':'unbound'}}]");
    as_node("a");
    for (const char *name : {"volume", "projected", "key", "all", "pull"}) {
        EXPECT_EQ(secret(name), 200) << name;
    }
    Answer a = get(SECRETS "/other");
    EXPECT_EQ(a.status, 403);
    EXPECT_EQ(a.str("/message"),
              "secrets \"other\" is forbidden: User \"system:node:a\" cannot get resource "
              "\"secrets\" in API group \"\" in the namespace \"default\": no relationship found "
              "between node 'a' and this object");
    EXPECT_EQ(secret("unbound"), 403);
    EXPECT_EQ(get(SECRETS).status, 403) << "not all of them";
    EXPECT_EQ(get(SECRETS "?watch=1").status, 403);
    EXPECT_EQ(merge(SECRETS "/volume", "{'data':{'k':'dg=='}}").status, 403) << "no writing";
    as_node("b");
    EXPECT_EQ(secret("other"), 200);
    EXPECT_EQ(secret("volume"), 403);
}

TEST_F(Node, ReadsConfigMapsAndAsksForTokensLikewise)
{
    make("configmaps", "mine");
    make("configmaps", "theirs");
    make("serviceaccounts", "robot");
    make("serviceaccounts", "stranger");
    bind("p", "a",
         "'serviceAccountName':'robot','volumes':[{'name':'v','configMap':{'name':'mine'}}]");
    as_node("a");
    std::string accounts = "/api/v1/namespaces/default/serviceaccounts/";
    EXPECT_EQ(get(CONFIGMAPS "/mine").status, 200);
    EXPECT_EQ(get(CONFIGMAPS "/theirs").status, 403);
    EXPECT_EQ(get("/api/v1/namespaces/kube-system/configmaps/mine").status, 403);
    EXPECT_EQ(post(accounts + "robot/token", "{'spec':{}}").status, 201);
    EXPECT_EQ(post(accounts + "stranger/token", "{'spec':{}}").status, 403);
    as_node("b");
    EXPECT_EQ(post(accounts + "robot/token", "{'spec':{}}").status, 403);
}

TEST_F(Node, AReviewAnswersTheSame)
{
    make("secrets", "s");
    bind("p", "a", "'volumes':[{'name':'v','secret':{'secretName':'s'}}]");
    for (const char *node : {"a", "b"}) {
        Answer a = post("/apis/authorization.k8s.io/v1/subjectaccessreviews",
                        std::string("{'spec':{'user':'system:node:") + node +
                            "','groups':['system:nodes'],'resourceAttributes':{'verb':'get',"
                            "'resource':'secrets','namespace':'default','name':'s'}}}");
        EXPECT_EQ(a.flag("/status/allowed"), *node == 'a') << node;
    }
}

TEST_F(Node, TheNameAloneIsNoNode)
{
    make("secrets", "s");
    bind("p", "a", "'volumes':[{'name':'v','secret':{'secretName':'s'}}]");
    caller = {"system:node:a", {}, {}};
    EXPECT_EQ(secret("s"), 403);
    caller = {"system:node:", {"system:nodes"}, {}};
    EXPECT_EQ(secret("s"), 403);
}

TEST_F(Node, WritesItsOwnNodeOnly)
{
    as_node("a");
    EXPECT_EQ(merge("/api/v1/nodes/a/status", "{'status':{'phase':'Running'}}").status, 200);
    EXPECT_EQ(merge("/api/v1/nodes/a", "{'metadata':{'labels':{'zone':'z'}}}").status, 200);
    Answer a = merge("/api/v1/nodes/b/status", "{'status':{'phase':'Running'}}");
    EXPECT_EQ(a.status, 403);
    EXPECT_EQ(a.str("/message"),
              "nodes \"b\" is forbidden: node \"a\" is not allowed to modify node \"b\"");
    EXPECT_EQ(merge("/api/v1/nodes/b", "{'metadata':{'labels':{'zone':'z'}}}").status, 403);
    EXPECT_EQ(register_node("c").status, 403);
    EXPECT_EQ(remove("/api/v1/nodes/a").status, 403);
    EXPECT_EQ(get("/api/v1/nodes/b").status, 200) << "it may see the others";
}

TEST_F(Node, KeepsItsTaintsAndReservedLabels)
{
    as_admin();
    ASSERT_EQ(merge("/api/v1/nodes/a",
                    "{'metadata':{'labels':{'x.node-restriction.kubernetes.io/k':'1'}},'spec':"
                    "{'taints':[{'key':'k','effect':'NoSchedule'}]}}")
                  .status,
              200);
    as_node("a");
    Answer a = merge("/api/v1/nodes/a", "{'spec':{'taints':null}}");
    EXPECT_EQ(a.status, 403);
    EXPECT_THAT(a.str("/message"), HasSubstr("is not allowed to modify taints"));
    for (const char *labels :
         {"'x.node-restriction.kubernetes.io/k':'2'", "'x.node-restriction.kubernetes.io/k':null",
          "'node-restriction.kubernetes.io/new':'1'"}) {
        a = merge("/api/v1/nodes/a", std::string("{'metadata':{'labels':{") + labels + "}}}");
        EXPECT_EQ(a.status, 403) << labels;
    }
    EXPECT_EQ(merge("/api/v1/nodes/a",
                    "{'metadata':{'labels':{'notnode-restriction.kubernetes.io/k':'1'}}}")
                  .status,
              200);
    as_node("c");
    EXPECT_EQ(register_node("c", "'node-restriction.kubernetes.io/k':'1'").status, 403);
}

TEST_F(Node, WritesItsOwnLeaseOnly)
{
    as_node("a");
    EXPECT_EQ(get(LEASES "/a").status, 200);
    EXPECT_EQ(merge(LEASES "/a", "{'spec':{'holderIdentity':'a'}}").status, 200);
    Answer a = merge(LEASES "/b", "{'spec':{'holderIdentity':'a'}}");
    EXPECT_EQ(a.status, 403);
    EXPECT_THAT(a.str("/message"), HasSubstr(": can only access node lease with the same name as "
                                             "the requesting node"));
    EXPECT_EQ(post(LEASES, "{'metadata':{'name':'c'}}").status, 403);
    a = get("/apis/coordination.k8s.io/v1/namespaces/default/leases/a");
    EXPECT_EQ(a.status, 403);
    EXPECT_THAT(a.str("/message"), HasSubstr("\"kube-node-lease\" system namespace"));
    EXPECT_EQ(get(LEASES).status, 403);
}

TEST_F(Node, WritesItsOwnPodsOnly)
{
    bind("mine", "a");
    bind("theirs", "b");
    make_pod("free");
    as_node("a");
    std::string running = "{'status':{'phase':'Running'}}";
    EXPECT_EQ(merge(PODS "/mine/status", running).status, 200);
    Answer a = merge(PODS "/theirs/status", running);
    EXPECT_EQ(a.status, 403);
    EXPECT_EQ(a.str("/message"), "pods \"theirs\" is forbidden: node \"a\" can only update pod "
                                 "status for pods with spec.nodeName set to itself");
    EXPECT_EQ(merge(PODS "/free/status", running).status, 403);
    EXPECT_THAT(remove(PODS "/theirs").str("/message"), HasSubstr("can only delete pods with"));
    EXPECT_THAT(post(PODS "/theirs/eviction", "{'metadata':{'name':'theirs'}}").str("/message"),
                HasSubstr("can only evict pods with"));
    EXPECT_EQ(remove(PODS "/gone").status, 404);
    EXPECT_EQ(remove(PODS "/mine", "{'gracePeriodSeconds':0}").status, 200);
    a = make_pod("new", "'nodeName':'a'");
    EXPECT_EQ(a.status, 403);
    EXPECT_THAT(a.str("/message"), HasSubstr("node \"a\" can only create mirror pods"));
    as_node("b");
    EXPECT_EQ(get(PODS "/theirs").str("/status/phase"), "Pending") << "nothing was changed";
}
