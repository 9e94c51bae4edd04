#include "support.h"

class Patch : public Api
{
  protected:
    void SetUp() override
    {
        Api::SetUp();
        ASSERT_EQ(make("configmaps", "a", "'data':{'k':'v','l':'w'}").status, 201);
    }
    Answer json(const std::string &path, const std::string &body)
    {
        return call("PATCH", path, body, "application/json-patch+json");
    }
    Answer strategic(const std::string &path, const std::string &body)
    {
        return call("PATCH", path, body, "application/strategic-merge-patch+json");
    }
};

TEST_F(Patch, Merge)
{
    Answer a = merge(CONFIGMAPS "/a", "{'data':{'k':null,'m':'x'}}");
    EXPECT_EQ(a.status, 200);
    EXPECT_FALSE(a.has("/data/k"));
    EXPECT_EQ(a.str("/data/l"), "w");
    EXPECT_EQ(a.str("/data/m"), "x");
    EXPECT_EQ(merge(CONFIGMAPS "/none", "{}").status, 404);
    EXPECT_EQ(merge(CONFIGMAPS "/a", "{bad").status, 400);
}

TEST_F(Patch, Json)
{
    Answer a = json(CONFIGMAPS "/a", "[{'op':'test','path':'/data/k','value':'v'},"
                                     "{'op':'replace','path':'/data/k','value':'n'}]");
    EXPECT_EQ(a.str("/data/k"), "n");
    for (const char *body : {"[{'op':'test','path':'/data/k','value':'zz'}]",
                             "[{'op':'remove','path':'/data/nope'}]"}) {
        a = json(CONFIGMAPS "/a", body);
        EXPECT_EQ(a.status, 422);
        EXPECT_EQ(a.str("/message"),
                  "the server rejected our request due to an error in our request");
        EXPECT_EQ(a.str("/reason"), "Invalid");
    }
}

TEST_F(Patch, StrategicMergesListsByKey)
{
    ASSERT_EQ(make_pod("p").status, 201);
    Answer a = strategic(PODS "/p", "{'spec':{'containers':[{'name':'c','image':'new'}]}}");
    EXPECT_EQ(a.status, 200) << a.body;
    EXPECT_EQ(a.size("/spec/containers"), 1u);
    EXPECT_EQ(a.str("/spec/containers/0/image"), "new");
    EXPECT_EQ(a.str("/spec/containers/0/imagePullPolicy"), "Always") << "the rest of it stays";
}

TEST_F(Patch, AVersionInThePatchIsAPrecondition)
{
    Answer a = merge(CONFIGMAPS "/a", "{'metadata':{'resourceVersion':'1'},'data':{'k':'x'}}");
    EXPECT_EQ(a.status, 409);
    EXPECT_EQ(a.str("/reason"), "Conflict");
    EXPECT_EQ(get(CONFIGMAPS "/a").str("/data/k"), "v");
}

TEST_F(Patch, ImmutableFieldsStay)
{
    Answer a = merge(CONFIGMAPS "/a", "{'metadata':{'name':'b'}}");
    EXPECT_EQ(a.status, 400);
    std::string uid = get(CONFIGMAPS "/a").str("/metadata/uid");
    EXPECT_EQ(merge(CONFIGMAPS "/a", "{'metadata':{'creationTimestamp':'2001-01-01T00:00:00Z'}}")
                  .str("/metadata/creationTimestamp"),
              "2026-01-02T00:00:00Z");
}

TEST_F(Patch, UnknownTypes)
{
    Answer a = call("PATCH", CONFIGMAPS "/a", "{}", "application/json");
    EXPECT_EQ(a.status, 415);
    EXPECT_EQ(a.str("/message"), "415: Unsupported Media Type");
    a = call("PATCH", CONFIGMAPS "/a?fieldManager=m", "{}", "application/apply-patch+cbor");
    EXPECT_EQ(a.status, 415);
}

TEST_F(Patch, Scale)
{
    std::string path = "/apis/apps/v1/namespaces/default/deployments";
    ASSERT_EQ(post(path, "{'metadata':{'name':'d'},'spec':{'selector':{'matchLabels':{'a':'b'}},"
                         "'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':"
                         "[{'name':'c','image':'i'}]}}}}")
                  .status,
              201);
    Answer a = get(path + "/d/scale");
    EXPECT_EQ(a.str("/kind"), "Scale");
    EXPECT_EQ(a.str("/apiVersion"), "autoscaling/v1");
    EXPECT_EQ(a.num("/spec/replicas"), 1);
    EXPECT_EQ(a.str("/status/selector"), "a=b");
    a = merge(path + "/d/scale", "{'spec':{'replicas':3}}");
    EXPECT_EQ(a.status, 200) << a.body;
    EXPECT_EQ(a.num("/spec/replicas"), 3);
    EXPECT_EQ(get(path + "/d").num("/spec/replicas"), 3);
    EXPECT_EQ(get(path + "/d").num("/metadata/generation"), 2);
    a = call("PUT", path + "/d/scale",
             "{'apiVersion':'autoscaling/v1','kind':'Scale','metadata':{'name':'d',"
             "'namespace':'default','resourceVersion':'1'},'spec':{'replicas':4}}");
    EXPECT_EQ(a.status, 409);
    EXPECT_EQ(merge(path + "/d/scale", "{'spec':{'replicas':-1}}").status, 422);
    EXPECT_EQ(merge(path + "/d/scale", "{'spec':{'replicas':0}}").num("/spec/replicas"), 0);
}
