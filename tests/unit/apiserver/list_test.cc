#include "support.h"

#include <gmock/gmock.h>

#include <memory>

using testing::HasSubstr;

class List : public Api
{
  protected:
    void SetUp() override
    {
        Api::SetUp();
        for (const char *name : {"a", "b", "c", "d", "e"}) {
            std::string label = *name < 'c' ? "low" : "high";
            ASSERT_EQ(post(CONFIGMAPS, std::string("{'metadata':{'name':'") + name +
                                           "','labels':{'half':'" + label + "'}}}")
                          .status,
                      201);
        }
    }
    static std::string names(const Answer &a)
    {
        std::string all;
        for (size_t i = 0; i < a.size("/items"); i++) {
            all += a.str("/items/" + std::to_string(i) + "/metadata/name");
        }
        return all;
    }
};

TEST_F(List, All)
{
    Answer a = get(CONFIGMAPS);
    EXPECT_EQ(a.str("/kind"), "ConfigMapList");
    EXPECT_EQ(names(a), "abcde");
    EXPECT_EQ(names(get("/api/v1/configmaps")), "abcde");
    EXPECT_EQ(names(get("/api/v1/namespaces/kube-system/configmaps")), "");
}

TEST_F(List, Selectors)
{
    EXPECT_EQ(names(get(CONFIGMAPS "?labelSelector=half%3Dlow")), "ab");
    EXPECT_EQ(names(get(CONFIGMAPS "?labelSelector=half+in+(high),half")), "cde");
    EXPECT_EQ(names(get(CONFIGMAPS "?fieldSelector=metadata.name%3Dc")), "c");
    EXPECT_EQ(names(get(CONFIGMAPS "?fieldSelector=metadata.name!%3Dc")), "abde");
    Answer a = get(CONFIGMAPS "?fieldSelector=spec.foo%3D1");
    EXPECT_EQ(a.status, 400);
    EXPECT_EQ(a.str("/message"), "field label not supported: spec.foo");
    a = get(CONFIGMAPS "?labelSelector=a%20b");
    EXPECT_EQ(a.status, 400);
    EXPECT_EQ(a.str("/message"),
              "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
}

TEST_F(List, Pages)
{
    Answer a = get(CONFIGMAPS "?limit=2");
    EXPECT_EQ(names(a), "ab");
    EXPECT_EQ(a.num("/metadata/remainingItemCount"), 3);
    a = get(CONFIGMAPS "?limit=2&continue=" + a.str("/metadata/continue"));
    EXPECT_EQ(names(a), "cd");
    a = get(CONFIGMAPS "?limit=2&continue=" + a.str("/metadata/continue"));
    EXPECT_EQ(names(a), "e");
    EXPECT_FALSE(a.has("/metadata/continue"));
    a = get(CONFIGMAPS "?limit=1&labelSelector=half%3Dhigh");
    EXPECT_EQ(names(a), "c");
    EXPECT_TRUE(a.has("/metadata/continue"));
    EXPECT_FALSE(a.has("/metadata/remainingItemCount")) << "with a selector nobody counts";
    EXPECT_EQ(get(CONFIGMAPS "?limit=2&continue=bogus").status, 400);
}

TEST_F(List, Options)
{
    Answer a = get(CONFIGMAPS "?resourceVersion=abc");
    EXPECT_EQ(a.status, 400);
    EXPECT_THAT(a.str("/message"), HasSubstr("strconv.ParseUint: parsing \"abc\""));
    a = get(CONFIGMAPS "?resourceVersionMatch=Exact");
    EXPECT_EQ(a.status, 422);
    EXPECT_EQ(a.str("/details/causes/0/field"), "resourceVersionMatch");
    EXPECT_EQ(get(CONFIGMAPS "?sendInitialEvents=true").status, 422);
    a = get(CONFIGMAPS "?resourceVersion=99999&resourceVersionMatch=NotOlderThan");
    EXPECT_EQ(a.status, 504);
    EXPECT_EQ(a.str("/details/causes/0/reason"), "ResourceVersionTooLarge");
    EXPECT_EQ(names(get(CONFIGMAPS "?resourceVersion=0")), "abcde");
}

TEST_F(List, ExactlyARevision)
{
    std::string rv = get(CONFIGMAPS).str("/metadata/resourceVersion");
    std::string path = CONFIGMAPS "?resourceVersionMatch=Exact&resourceVersion=" + rv;
    make("secrets", "foreign");
    EXPECT_EQ(names(get(path)), "abcde") << "nothing of it changed since";
    make("configmaps", "f");
    Answer a = get(path);
    EXPECT_EQ(a.status, 410);
    EXPECT_EQ(a.str("/reason"), "Expired");
}
