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
    size_t whole = get(ROLES "view").size("/rules");
    ASSERT_EQ(merge(ROLES "view", "{'rules':[{'verbs':['get'],'apiGroups':['x.example'],"
                                  "'resources':['things']}]}")
                  .status,
              200);
    ASSERT_EQ(merge(BINDINGS "system:discovery", "{'subjects':[{'apiGroup':"
                                                 "'rbac.authorization.k8s.io','kind':'User',"
                                                 "'name':'joe'}]}")
                  .status,
              200);
    start();
    Answer a = get(ROLES "view");
    EXPECT_EQ(a.size("/rules"), whole + 1);
    EXPECT_EQ(a.str("/rules/0/resources/0"), "things");
    EXPECT_EQ(get(BINDINGS "system:discovery").size("/subjects"), 2u);
    std::string before = a.str("/metadata/resourceVersion");
    start();
    EXPECT_EQ(get(ROLES "view").str("/metadata/resourceVersion"), before) << "once is enough";
}

TEST_F(Bootstrap, ARoleWithoutAutoupdateStaysAsItIs)
{
    ASSERT_EQ(merge(ROLES "view", "{'metadata':{'annotations':{'" AUTOUPDATE "':'false'}},"
                                  "'rules':[]}")
                  .status,
              200);
    start();
    EXPECT_EQ(get(ROLES "view").size("/rules"), 0u);
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
