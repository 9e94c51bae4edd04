#include "support.h"

#include <gmock/gmock.h>

using testing::HasSubstr;

class Access : public Api
{
  protected:
    void as(const std::string &name, std::vector<std::string> groups = {}, Headers headers = {})
    {
        caller = {name, std::move(groups), std::move(headers)};
    }
    void as_admin()
    {
        caller = Caller();
    }
    void allow(const std::string &verb, const std::string &resource, const std::string &subject)
    {
        std::string rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/";
        ASSERT_EQ(post(rbac + "roles", "{'metadata':{'name':'r'},'rules':[{'verbs':['" + verb +
                                           "'],'apiGroups':[''],'resources':['" + resource +
                                           "']}]}")
                      .status,
                  201);
        ASSERT_EQ(post(rbac + "rolebindings",
                       "{'metadata':{'name':'b'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io',"
                       "'kind':'Role','name':'r'},'subjects':[" +
                           subject + "]}")
                      .status,
                  201);
    }
    std::string token(const std::string &spec = "{}")
    {
        Answer a =
            post("/api/v1/namespaces/default/serviceaccounts/sa/token", "{'spec':" + spec + "}");
        EXPECT_EQ(a.status, 201) << a.body;
        return a.str("/status/token");
    }
    void as_token(const std::string &text)
    {
        as("", {}, {{"Authorization", "Bearer " + text}});
    }
};

static const char BOB[] = "{'apiGroup':'rbac.authorization.k8s.io','kind':'User','name':'bob'}";
static const char ACCOUNT[] = "{'kind':'ServiceAccount','name':'sa','namespace':'default'}";

TEST_F(Access, NobodyMayAskForHealthAndVersionOnly)
{
    as("");
    for (const char *path : {"/healthz", "/livez", "/readyz", "/readyz?verbose", "/version"}) {
        EXPECT_EQ(get(path).status, 200) << path;
    }
    for (const char *path : {PODS, "/api", "/metrics", "/openapi/v3", "/readyz/ping"}) {
        Answer a = get(path);
        EXPECT_EQ(a.status, 403) << path;
        EXPECT_THAT(a.str("/message"), HasSubstr("forbidden: User \"system:anonymous\" cannot "));
    }
    EXPECT_EQ(call("POST", PODS, "{}").status, 403);
    for (const char *none : {"Bearer", "Bearer ", "bearer", "Basic Ym9iOmJvYg==", "nonsense", ""}) {
        as("", {}, {{"Authorization", none}});
        EXPECT_EQ(get(PODS).status, 403) << none;
        EXPECT_EQ(get("/version").status, 200) << none;
    }
    for (const char *wrong : {"Bearer nonsense", "BEARER a.b.c", "Bearer x y"}) {
        as("", {}, {{"Authorization", wrong}});
        EXPECT_EQ(get(PODS).status, 401) << "a wrong credential is not none: " << wrong;
    }
}

TEST_F(Access, AForbiddenRequestSaysWhat)
{
    as("bob");
    Answer a = get(PODS);
    EXPECT_EQ(a.status, 403);
    EXPECT_EQ(a.str("/message"), "pods is forbidden: User \"bob\" cannot list resource \"pods\" in "
                                 "API group \"\" in the namespace \"default\"");
    EXPECT_EQ(a.str("/details/kind"), "pods");
    a = call("PATCH", "/apis/apps/v1/namespaces/default/deployments/d/status", "{}",
             "application/merge-patch+json");
    EXPECT_EQ(a.str("/message"),
              "deployments.apps \"d\" is forbidden: User \"bob\" cannot patch resource "
              "\"deployments/status\" in API group \"apps\" in the namespace \"default\"");
    EXPECT_THAT(get("/api/v1/nodes").str("/message"), HasSubstr("at the cluster scope"));
    EXPECT_EQ(get("/apis").status, 200) << "every user may discover";
}

TEST_F(Access, RolesAllowWhatTheyName)
{
    allow("list", "pods", BOB);
    as("bob");
    EXPECT_EQ(get(PODS).status, 200);
    EXPECT_EQ(get(PODS "/p").status, 403) << "list is not get";
    EXPECT_EQ(get("/api/v1/pods").status, 403) << "a namespace is not all";
    EXPECT_EQ(get("/api/v1/namespaces/kube-system/pods").status, 403);
    EXPECT_EQ(get(PODS "?watch=1").status, 403);
    as("alice");
    EXPECT_EQ(get(PODS).status, 403);
    as_admin();
    remove("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings/b");
    as("bob");
    EXPECT_EQ(get(PODS).status, 403) << "at once";
}

TEST_F(Access, ARoleOfANamespaceDoesNotLeadToTheCluster)
{
    const std::string all = "'apiGroups':['*'],'resources':['*'],'verbs':['*']";
    std::string own = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/";
    ASSERT_EQ(post(own + "roles", "{'metadata':{'name':'all'},'rules':[{" + all + "}]}").status,
              201);
    ASSERT_EQ(post(own + "rolebindings",
                   std::string("{'metadata':{'name':'all'},'roleRef':{'apiGroup':"
                               "'rbac.authorization.k8s.io','kind':'Role','name':'all'},"
                               "'subjects':[") +
                       BOB + "]}")
                  .status,
              201);
    as("bob");
    EXPECT_EQ(get(PODS).status, 200);
    EXPECT_EQ(get("/api/v1/namespaces/default/nodes").status, 404);
    EXPECT_EQ(get(own + "clusterroles/cluster-admin").status, 404);
    EXPECT_EQ(remove(own + "clusterroles/cluster-admin").status, 404);
    EXPECT_EQ(post(own + "clusterroles", "{'metadata':{'name':'x'}}").status, 404);
    EXPECT_EQ(get("/api/v1/nodes").status, 403);
    EXPECT_EQ(get("/api/v1/namespaces/default").status, 200) << "a namespace is within itself";
}

TEST_F(Access, ASubresourceIsItsOwnResource)
{
    make_pod("p");
    allow("get", "pods/status", BOB);
    as("bob");
    EXPECT_EQ(get(PODS "/p/status").status, 200);
    EXPECT_EQ(get(PODS "/p").status, 403);
}

TEST_F(Access, AccountsByToken)
{
    make("serviceaccounts", "sa");
    allow("list", "pods", ACCOUNT);
    std::string good = token();
    as_token(good);
    EXPECT_EQ(get(PODS).status, 200);
    EXPECT_EQ(get(CONFIGMAPS).status, 403);
    Answer a = post("/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}");
    EXPECT_EQ(a.str("/status/userInfo/username"), "system:serviceaccount:default:sa");
    as_token(good + "x");
    EXPECT_EQ(get(PODS).status, 401);
    std::string other = good;
    other[good.find('.') + 5] ^= 1; /* within the claims */
    as_token(other);
    EXPECT_EQ(get(PODS).status, 401);
    as_token(good);
    advance(3601 * 1000);
    EXPECT_EQ(get(PODS).status, 401) << "it is over";
}

TEST_F(Access, ATokenEndsWithItsAccount)
{
    make("serviceaccounts", "sa");
    allow("list", "pods", ACCOUNT);
    std::string text = token();
    remove("/api/v1/namespaces/default/serviceaccounts/sa");
    make("serviceaccounts", "sa");
    as_token(text);
    EXPECT_EQ(get(PODS).status, 401) << "the new account has another uid";
}

TEST_F(Access, ATokenForSomebodyElseIsNotForUs)
{
    make("serviceaccounts", "sa");
    allow("list", "pods", ACCOUNT);
    std::string text = token("{'audiences':['vault']}");
    as_token(text);
    EXPECT_EQ(get(PODS).status, 401);
    as_admin();
    EXPECT_EQ(post("/api/v1/namespaces/default/serviceaccounts/sa/token",
                   "{'spec':{'expirationSeconds':5}}")
                  .status,
              422);
    EXPECT_EQ(post("/api/v1/namespaces/default/serviceaccounts/no/token", "{'spec':{}}").status,
              404);
}

TEST_F(Access, TokenReview)
{
    make("serviceaccounts", "sa");
    std::string path = "/apis/authentication.k8s.io/v1/tokenreviews";
    Answer a = post(path, "{'spec':{'token':'" + token() + "'}}");
    EXPECT_TRUE(a.flag("/status/authenticated"));
    EXPECT_EQ(a.str("/status/user/username"), "system:serviceaccount:default:sa");
    a = post(path, "{'spec':{'token':'x.y.z'}}");
    EXPECT_EQ(a.status, 201);
    EXPECT_FALSE(a.flag("/status/authenticated"));
}

TEST_F(Access, Impersonation)
{
    allow("list", "pods", BOB);
    caller.headers = {{"Impersonate-User", "bob"}};
    EXPECT_EQ(get(PODS).status, 200);
    EXPECT_EQ(get(CONFIGMAPS).status, 403) << "the admin's own rights do not help bob";
    as("bob", {}, {{"Impersonate-User", "admin"}, {"Impersonate-Group", "system:masters"}});
    Answer a = get(CONFIGMAPS);
    EXPECT_EQ(a.status, 403);
    EXPECT_THAT(a.str("/message"), HasSubstr("cannot impersonate resource \"users\""));
    as("bob", {}, {{"Impersonate-Group", "system:masters"}});
    EXPECT_EQ(get(PODS).status, 400);
}

TEST_F(Access, Reviews)
{
    allow("list", "pods", BOB);
    std::string group = "/apis/authorization.k8s.io/v1/";
    std::string what = "'resourceAttributes':{'namespace':'default','verb':'list','resource':"
                       "'pods'}";
    Answer a = post(group + "subjectaccessreviews", "{'spec':{'user':'bob'," + what + "}}");
    EXPECT_EQ(a.status, 201);
    EXPECT_TRUE(a.flag("/status/allowed"));
    a = post(group + "subjectaccessreviews", "{'spec':{'user':'eve'," + what + "}}");
    EXPECT_FALSE(a.flag("/status/allowed"));
    as("bob");
    EXPECT_TRUE(post(group + "selfsubjectaccessreviews", "{'spec':{" + what + "}}")
                    .flag("/status/allowed"));
    EXPECT_EQ(post(group + "subjectaccessreviews", "{'spec':{'user':'bob'," + what + "}}").status,
              403);
    a = post(group + "selfsubjectrulesreviews", "{'spec':{'namespace':'default'}}");
    EXPECT_THAT(a.body, HasSubstr(quoted("'resources':['pods']")));
    as_admin();
    a = post(group + "selfsubjectrulesreviews", "{'spec':{'namespace':'default'}}");
    EXPECT_EQ(a.str("/status/resourceRules/0/resources/0"), "*");
}

TEST_F(Access, ANodeSpeaksForItself)
{
    as("system:node:n1", {"system:nodes"});
    std::string path = "/apis/metrics.operon.local/v1/nodesamples";
    EXPECT_EQ(post(path, "{'node':'n1','pods':[]}").status, 201);
    EXPECT_EQ(post(path, "{'node':'n2','pods':[]}").status, 403);
    EXPECT_EQ(get("/api/v1/pods").status, 200);
    EXPECT_EQ(remove("/api/v1/namespaces/tt").status, 403);
    as("bob");
    EXPECT_EQ(post(path, "{'node':'n1','pods':[]}").status, 403);
}

class Grants : public Access
{
  protected:
    static constexpr const char *RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/";
    /* mia may write roles and bindings, and get pods. */
    void SetUp() override
    {
        Access::SetUp();
        std::string rbac = RBAC;
        post(rbac + "roles", "{'metadata':{'name':'mine'},'rules':[{'verbs':['*'],'apiGroups':"
                             "['rbac.authorization.k8s.io'],'resources':['roles','rolebindings']},"
                             "{'verbs':['get'],'apiGroups':[''],'resources':['pods']}]}");
        bind("mine");
        as("mia");
    }
    Answer bind(const std::string &role, const std::string &kind = "Role",
                const std::string &name = "b")
    {
        return post(std::string(RBAC) + "rolebindings",
                    "{'metadata':{'name':'" + name +
                        "'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io','kind':'" + kind +
                        "','name':'" + role +
                        "'},'subjects':[{'apiGroup':'rbac.authorization.k8s.io','kind':'User',"
                        "'name':'mia'}]}");
    }
    Answer grant(const std::string &name, const std::string &rule)
    {
        return post(std::string(RBAC) + "roles",
                    "{'metadata':{'name':'" + name + "'},'rules':[" + rule + "]}");
    }
};

TEST_F(Grants, NobodyGivesMoreThanTheyHave)
{
    /* '*' on roles includes escalate and bind: take the words one by one. */
    as_admin();
    merge(std::string(RBAC) + "roles/mine",
          "{'rules':[{'verbs':['create','get','update','patch'],'apiGroups':"
          "['rbac.authorization.k8s.io'],'resources':['roles','rolebindings']},"
          "{'verbs':['get'],'apiGroups':[''],'resources':['pods']}]}");
    as("mia");
    EXPECT_EQ(grant("same", "{'verbs':['get'],'apiGroups':[''],'resources':['pods']}").status, 201);
    for (const char *rule : {"{'verbs':['get','delete'],'apiGroups':[''],'resources':['pods']}",
                             "{'verbs':['*'],'apiGroups':[''],'resources':['pods']}",
                             "{'verbs':['get'],'apiGroups':['*'],'resources':['pods']}",
                             "{'verbs':['get'],'apiGroups':[''],'resources':['*']}",
                             "{'verbs':['get'],'apiGroups':[''],'resources':['pods/log']}"}) {
        Answer a = grant("more", rule);
        EXPECT_EQ(a.status, 403) << rule;
        EXPECT_THAT(a.str("/message"), HasSubstr("permissions not currently held"));
    }
    Answer a = merge(std::string(RBAC) + "roles/same",
                     "{'rules':[{'verbs':['list'],'apiGroups':[''],'resources':['secrets']}]}");
    EXPECT_EQ(a.status, 403) << "nor by changing a role";
    as_admin();
    ASSERT_EQ(grant("other", "{'verbs':['get'],'apiGroups':[''],'resources':['nodes']}").status,
              201);
    as("mia");
    std::string other = std::string(RBAC) + "roles/other";
    EXPECT_EQ(merge(other, "{'metadata':{'finalizers':['a.example/f']}}").status, 200)
        << "what the garbage collector writes";
    EXPECT_EQ(merge(other, "{'metadata':{'labels':{'a':'b'}}}").status, 403)
        << "a label may give it to others";
    EXPECT_EQ(bind("same", "Role", "c").status, 201);
    EXPECT_EQ(bind("cluster-admin", "ClusterRole", "d").status, 403);
    EXPECT_EQ(bind("none", "Role", "e").status, 404);
    const char *lift = "{'roleRef':{'kind':'ClusterRole','name':'cluster-admin'}}";
    EXPECT_EQ(merge(std::string(RBAC) + "rolebindings/c", lift).status, 403);
    as_admin();
    EXPECT_EQ(merge(std::string(RBAC) + "rolebindings/c", lift).status, 422)
        << "a roleRef does not change";
}

TEST_F(Grants, UnlessTheyMayEscalate)
{
    EXPECT_EQ(grant("more", "{'verbs':['list'],'apiGroups':[''],'resources':['secrets']}").status,
              201)
        << "'*' has the verb escalate";
    EXPECT_EQ(bind("more", "Role", "c").status, 201);
    EXPECT_EQ(bind("cluster-admin", "ClusterRole", "d").status, 403)
        << "the verb bind is for roles of the namespace only";
}
