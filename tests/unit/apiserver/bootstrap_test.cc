// What a fresh cluster holds, and what an older one gets at its next start.
#include "support.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

#define ROLES "/apis/rbac.authorization.k8s.io/v1/clusterroles/"
#define BINDINGS "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/"
#define AUTOUPDATE "rbac.authorization.kubernetes.io/autoupdate"

class Bootstrap : public Api
{
  protected:
    void SetUp() override
    {
        char folder[] = "/tmp/operon-bootstrap-XXXXXX";
        ASSERT_NE(mkdtemp(folder), nullptr);
        dir_ = folder;
        clock_ = opr_clock_fake_new(1767312000000);
        start();
    }
    void TearDown() override
    {
        Api::TearDown();
        std::filesystem::remove_all(dir_);
    }
    void start()
    {
        opr_apiserver_config config = {};
        opr_error err = {};
        config.dir = dir_.c_str();
        config.address = "127.0.0.1";
        config.clock = clock_;
        opr_apiserver_free(server_);
        server_ = nullptr;
        ASSERT_EQ(opr_apiserver_new(&config, &server_, &err), OPR_OK) << err.message;
    }
    std::string dir_;
};

TEST_F(Bootstrap, DefaultRolesAreMarked)
{
    for (const char *path : {ROLES "view", BINDINGS "cluster-admin"}) {
        Answer a = get(path);
        EXPECT_EQ(a.str("/metadata/labels/kubernetes.io~1bootstrapping"), "rbac-defaults") << path;
        EXPECT_EQ(a.str("/metadata/annotations/rbac.authorization.kubernetes.io~1autoupdate"),
                  "true");
    }
}

TEST_F(Bootstrap, AnOlderRoleGetsWhatIsNewAndKeepsWhatWasAdded)
{
    size_t whole = get(ROLES "system:aggregate-to-view").size("/rules");
    ASSERT_EQ(merge(ROLES "system:aggregate-to-view",
                    "{'rules':[{'verbs':['get'],'apiGroups':['x.example'],"
                    "'resources':['things']}]}")
                  .status,
              200);
    ASSERT_EQ(merge(BINDINGS "system:discovery", "{'subjects':[{'apiGroup':"
                                                 "'rbac.authorization.k8s.io','kind':'User',"
                                                 "'name':'joe'}]}")
                  .status,
              200);
    start();
    Answer a = get(ROLES "system:aggregate-to-view");
    EXPECT_EQ(a.size("/rules"), whole + 1);
    EXPECT_EQ(a.str("/rules/0/resources/0"), "things");
    EXPECT_EQ(get(BINDINGS "system:discovery").size("/subjects"), 2u);
    std::string before = a.str("/metadata/resourceVersion");
    start();
    EXPECT_EQ(get(ROLES "system:aggregate-to-view").str("/metadata/resourceVersion"), before)
        << "once is enough";
}

TEST_F(Bootstrap, ARoleWithoutAutoupdateStaysAsItIs)
{
    ASSERT_EQ(merge(ROLES "system:aggregate-to-view",
                    "{'metadata':{'annotations':{'" AUTOUPDATE "':'false'}},"
                    "'rules':[]}")
                  .status,
              200);
    start();
    EXPECT_EQ(get(ROLES "system:aggregate-to-view").size("/rules"), 0u);
}

TEST_F(Bootstrap, AGatheringRoleIsFilled)
{
    for (const char *name : {"view", "edit", "admin"}) {
        Answer a = get(std::string(ROLES) + name);
        EXPECT_EQ(a.str("/aggregationRule/clusterRoleSelectors/0/matchLabels/"
                        "rbac.authorization.k8s.io~1aggregate-to-" +
                        std::string(name)),
                  "true");
        EXPECT_THAT(a.body, testing::HasSubstr("\"luapolicies\"")) << name;
        EXPECT_THAT(a.body, testing::HasSubstr("\"endpointslices\"")) << name;
    }
    EXPECT_EQ(get(ROLES "view").body.find("\"secrets\""), std::string::npos);
    EXPECT_EQ(get(ROLES "edit").body.find("\"rolebindings\""), std::string::npos);
    EXPECT_NE(get(ROLES "admin").body.find("\"rolebindings\""), std::string::npos);
}

TEST_F(Bootstrap, AnOlderRoleBeginsToGather)
{
    ASSERT_EQ(merge(ROLES "view", "{'aggregationRule':null,'rules':[]}").status, 200);
    start();
    Answer a = get(ROLES "view");
    EXPECT_TRUE(a.has("/aggregationRule"));
    size_t whole = a.size("/rules");
    EXPECT_GT(whole, 5u);
    ASSERT_EQ(merge(ROLES "view", "{'rules':[]}").status, 200);
    start();
    EXPECT_EQ(get(ROLES "view").size("/rules"), 0u) << "who gathers writes them";
}

TEST_F(Bootstrap, RolesOfNamespacesAndAccounts)
{
    Answer a = get("/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings/"
                   "system::leader-locking-kube-scheduler");
    EXPECT_EQ(a.str("/roleRef/kind"), "Role");
    EXPECT_EQ(a.str("/subjects/1/kind"), "ServiceAccount");
    a = get(BINDINGS "system:controller:deployment-controller");
    EXPECT_EQ(a.str("/subjects/0/name"), "deployment-controller");
    EXPECT_EQ(a.str("/subjects/0/namespace"), "kube-system");
    a = get(ROLES "system:node");
    EXPECT_EQ(a.body.find("\"secrets\""), std::string::npos) << "a node reads those of its Pods";
}

TEST_F(Bootstrap, ARuleForNamedObjectsIsNotTheWholeRule)
{
    ASSERT_EQ(merge(ROLES "system:basic-user",
                    "{'rules':[{'verbs':['*'],'apiGroups':['*'],'resources':['*'],"
                    "'resourceNames':['one']}]}")
                  .status,
              200);
    start();
    EXPECT_EQ(get(ROLES "system:basic-user").size("/rules"), 3u);
}

TEST_F(Bootstrap, TheRootNamesThePaths)
{
    Answer a = get("/");
    EXPECT_EQ(a.status, 200);
    EXPECT_THAT(a.body, testing::HasSubstr("\"/apis/apps/v1\""));
    EXPECT_EQ(a.str("/paths/0"), "/api");
    caller = {"bob", {}, {}};
    EXPECT_EQ(get("/").status, 403);
}
