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
    EXPECT_EQ(a.str("/message"), "\"spec.foo\" is not a known field selector: only "
                                 "\"metadata.name\", \"metadata.namespace\"");
    a = get("/api/v1/pods?fieldSelector=spec.foo%3D1");
    EXPECT_EQ(a.str("/message"), "field label not supported: spec.foo") << "it has others";
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

TEST_F(List, WhatGoesTogether)
{
    struct {
        const char *query, *message;
    } const cases[] = {
        {"resourceVersionMatch=Odd&resourceVersion=1",
         "resourceVersionMatch: Unsupported value: \"Odd\": supported values: \"Exact\", "
         "\"NotOlderThan\", \"\""},
        {"resourceVersionMatch=Exact&resourceVersion=0",
         "resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for "
         "resourceVersion \"0\""},
        {"resourceVersionMatch=Exact&resourceVersion=1&continue=x",
         "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is "
         "provided"},
        {"watch=true&resourceVersionMatch=NotOlderThan",
         "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless "
         "sendInitialEvents is provided"},
    };
    for (const auto &c : cases) {
        Answer a = get(std::string(CONFIGMAPS "?") + c.query);
        EXPECT_EQ(a.status, 422) << c.query;
        EXPECT_EQ(a.str("/message"),
                  std::string("ListOptions.meta.k8s.io \"\" is invalid: ") + c.message);
    }
    EXPECT_EQ(get(CONFIGMAPS "?limit=x").str("/message"),
              "strconv.ParseInt: parsing \"x\": invalid syntax");
    EXPECT_EQ(get(CONFIGMAPS "?timeoutSeconds=x").status, 400);
    EXPECT_EQ(names(get(CONFIGMAPS "?limit=-1")), "abcde");
}

TEST_F(List, ExactlyARevision)
{
    std::string rv = get(CONFIGMAPS).str("/metadata/resourceVersion");
    std::string path = CONFIGMAPS "?resourceVersionMatch=Exact&resourceVersion=" + rv;
    make("secrets", "foreign");
    EXPECT_EQ(names(get(path)), "abcde") << "nothing of it changed since";
    make("configmaps", "bb");
    EXPECT_EQ(merge(CONFIGMAPS "/c", "{'data':{'x':'1'}}").status, 200);
    EXPECT_EQ(merge(CONFIGMAPS "/c", "{'data':{'x':'2'}}").status, 200);
    EXPECT_EQ(remove(CONFIGMAPS "/a").status, 200);
    EXPECT_EQ(remove(CONFIGMAPS "/e").status, 200);
    EXPECT_EQ(names(get(CONFIGMAPS)), "bbbcd");
    Answer a = get(path);
    EXPECT_EQ(names(a), "abcde") << "as it was";
    EXPECT_FALSE(a.has("/items/2/data"));
    EXPECT_EQ(a.str("/metadata/resourceVersion"), rv);
    EXPECT_EQ(names(get(CONFIGMAPS "?limit=2&resourceVersion=" + rv)), "ab")
        << "a page of a revision is of exactly that one";
    a = get(CONFIGMAPS "?resourceVersionMatch=Exact&resourceVersion=1");
    EXPECT_EQ(a.status, 200) << "before the first of them";
    EXPECT_EQ(names(a), "");
}

TEST_F(List, PagesAreOfOneRevision)
{
    Answer first = get(CONFIGMAPS "?limit=2");
    std::string rv = first.str("/metadata/resourceVersion");
    make("configmaps", "bb");
    EXPECT_EQ(remove(CONFIGMAPS "/d").status, 200);
    Answer a = get(CONFIGMAPS "?limit=2&continue=" + first.str("/metadata/continue"));
    EXPECT_EQ(names(a), "cd");
    EXPECT_EQ(a.str("/metadata/resourceVersion"), rv) << "a watch from it misses nothing";
    a = get(CONFIGMAPS "?limit=2&continue=" + a.str("/metadata/continue"));
    EXPECT_EQ(names(a), "e");
    EXPECT_EQ(a.str("/metadata/resourceVersion"), rv);
    EXPECT_EQ(get(CONFIGMAPS "?resourceVersion=1&continue=" + first.str("/metadata/continue"))
                  .str("/message"),
              "specifying resource version is not allowed when using continue");
}

/* {"v":"meta.k8s.io/v1","rv":-1,"start":"..."} made by a client. */
static std::string token_of(const std::string &start)
{
    std::string plain = R"({"v":"meta.k8s.io/v1","rv":-1,"start":")" + start + R"("})";
    struct opr_buf out = {};
    opr_buf_base64(&out, plain.data(), plain.size());
    std::string text(out.data, out.len);
    opr_buf_fini(&out);
    return text;
}

TEST_F(List, AForgedTokenDoesNotLeadOutOfTheNamespace)
{
    ASSERT_EQ(post("/api/v1/namespaces", "{'metadata':{'name':'m'}}").status, 201);
    ASSERT_EQ(post("/api/v1/namespaces", "{'metadata':{'name':'z'}}").status, 201);
    ASSERT_EQ(post("/api/v1/namespaces/m/secrets", "{'metadata':{'name':'own'}}").status, 201);
    make("secrets", "foreign");
    ASSERT_EQ(post("/api/v1/namespaces/z/secrets", "{'metadata':{'name':'far'}}").status, 201);
    for (const char *start : {"a/", "default/a", "default/zz", "/", "zz/z"}) {
        std::string all =
            names(get("/api/v1/namespaces/m/secrets?limit=9&continue=" + token_of(start)));
        EXPECT_TRUE(all == "own" || all.empty()) << start << ": " << all;
    }
}
