// Access reviews: what they refuse, and the words of their answers.
#include "support.h"

#include <gmock/gmock.h>

#define RBAC "/apis/rbac.authorization.k8s.io/v1/"
#define GROUP "/apis/authorization.k8s.io/v1/"
#define SAR GROUP "subjectaccessreviews"
#define PODS_GET "'resourceAttributes':{'verb':'get','resource':'pods'}"

class Review : public Api
{
  protected:
    void role(const std::string &name, const std::string &rules)
    {
        ASSERT_EQ(post(RBAC "clusterroles",
                       "{'metadata':{'name':'" + name + "'},'rules':[" + rules + "]}")
                      .status,
                  201);
    }
    void bind(const std::string &name, const std::string &subject)
    {
        ASSERT_EQ(post(RBAC "clusterrolebindings",
                       "{'metadata':{'name':'" + name +
                           "'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io','kind':"
                           "'ClusterRole','name':'" +
                           name + "'},'subjects':[" + subject + "]}")
                      .status,
                  201);
    }
    static std::string user(const std::string &name)
    {
        return "{'apiGroup':'rbac.authorization.k8s.io','kind':'User','name':'" + name + "'}";
    }
    Answer ask(const std::string &user, const std::string &rest)
    {
        return post(SAR, "{'spec':{'user':'" + user + "'," + rest + "}}");
    }
};

TEST_F(Review, WhatIsNoQuestion)
{
    const struct {
        const char *path, *body, *field;
        int status;
    } cases[] = {
        {SAR, "{}", "spec.resourceAttributes", 422},
        {SAR, "{'spec':{" PODS_GET "}}", "spec.user", 422},
        {SAR, "{'spec':{'user':'bob'," PODS_GET ",'nonResourceAttributes':{'path':'/'}}}",
         "spec.nonResourceAttributes", 422},
        {SAR, "{'metadata':{'name':'n'},'spec':{'user':'bob'," PODS_GET "}}", "metadata", 422},
        {SAR,
         "{'spec':{'user':'bob','resourceAttributes':{'verb':'list','resource':'pods',"
         "'labelSelector':{}}}}",
         "spec.resourceAttributes.labelSelector.requirements", 422},
        {SAR,
         "{'spec':{'user':'bob','resourceAttributes':{'verb':'list','resource':'pods',"
         "'fieldSelector':{'requirements':[{'key':'a','operator':'In'}]}}}}",
         "spec.resourceAttributes.fieldSelector.requirements[0].values", 422},
        {GROUP "selfsubjectaccessreviews", "{}", "spec.resourceAttributes", 422},
        {GROUP "namespaces/default/localsubjectaccessreviews",
         "{'spec':{'user':'bob'," PODS_GET "}}", "spec.resourceAttributes.namespace", 422},
        {GROUP "namespaces/default/localsubjectaccessreviews",
         "{'spec':{'user':'bob','nonResourceAttributes':{'path':'/'}}}",
         "spec.nonResourceAttributes", 422},
        {GROUP "namespaces/default/localsubjectaccessreviews",
         "{'metadata':{'namespace':'other'},'spec':{'user':'bob'," PODS_GET "}}", "-", 400},
        {GROUP "selfsubjectrulesreviews", "{'spec':{}}", "-", 400},
        {"/apis/authentication.k8s.io/v1/tokenreviews", "{'spec':{}}", "-", 400},
    };
    for (const auto &one : cases) {
        Answer a = post(one.path, one.body);
        EXPECT_EQ(a.status, one.status) << one.path << one.body;
        EXPECT_EQ(a.str("/details/causes/0/field"), one.field) << a.body;
    }
}

TEST_F(Review, ItSaysWhichBindingAllows)
{
    role("reader", "{'verbs':['get'],'apiGroups':[''],'resources':['pods']}");
    bind("reader", user("bob") + ",{'kind':'ServiceAccount','name':'sa','namespace':'default'}");
    EXPECT_EQ(ask("bob", PODS_GET).str("/status/reason"),
              "RBAC: allowed by ClusterRoleBinding \"reader\" of ClusterRole \"reader\" to User "
              "\"bob\"");
    EXPECT_EQ(ask("system:serviceaccount:default:sa", PODS_GET).str("/status/reason"),
              "RBAC: allowed by ClusterRoleBinding \"reader\" of ClusterRole \"reader\" to "
              "ServiceAccount \"sa/default\"");
    EXPECT_FALSE(ask("eve", PODS_GET).has("/status/reason"));
}

TEST_F(Review, ABindingInVainIsTold)
{
    bind("gone", user("bob"));
    const std::string words = "clusterrole.rbac.authorization.k8s.io \"gone\" not found";
    EXPECT_EQ(ask("bob", PODS_GET).str("/status/reason"), "RBAC: " + words);
    caller = {"bob", {}, {}};
    EXPECT_THAT(get(PODS).str("/message"), testing::EndsWith(": RBAC: " + words));
    Answer a = post(GROUP "selfsubjectrulesreviews", "{'spec':{'namespace':'default'}}");
    EXPECT_EQ(a.str("/status/evaluationError"), words);
    EXPECT_FALSE(a.flag("/status/incomplete"));
}

TEST_F(Review, ANamedObjectByItsList)
{
    role("one", "{'verbs':['list','watch','deletecollection'],'apiGroups':[''],'resources':"
                "['configmaps'],'resourceNames':['a']}");
    bind("one", user("bob"));
    make("configmaps", "a");
    make("configmaps", "b");
    caller = {"bob", {}, {}};
    Answer a = get(CONFIGMAPS "?fieldSelector=metadata.name%3Da");
    EXPECT_EQ(a.status, 200);
    EXPECT_EQ(a.size("/items"), 1u);
    EXPECT_EQ(get(CONFIGMAPS).status, 403);
    EXPECT_EQ(get(CONFIGMAPS "?fieldSelector=metadata.name%3Db").status, 403);
    EXPECT_EQ(get(CONFIGMAPS "?fieldSelector=metadata.name!%3Da").status, 403);
    EXPECT_EQ(remove(CONFIGMAPS "?fieldSelector=metadata.name%3Da").status, 403)
        << "a deletion of many names none";
}

TEST_F(Review, AStarIsNoNameOfAnObject)
{
    role("star", "{'verbs':['get'],'apiGroups':[''],'resources':['pods'],'resourceNames':['*']}");
    bind("star", user("bob"));
    caller = {"bob", {}, {}};
    EXPECT_EQ(get(PODS "/p").status, 403);
}

TEST_F(Review, APathIsAskedForByItsMethod)
{
    role("poster", "{'verbs':['post'],'nonResourceURLs':['/x']},"
                   "{'verbs':['create'],'nonResourceURLs':['/y']}");
    bind("poster", user("bob"));
    caller = {"bob", {}, {}};
    EXPECT_NE(call("POST", "/x").status, 403);
    EXPECT_EQ(call("POST", "/y").str("/message"),
              "forbidden: User \"bob\" cannot post path \"/y\"");
}
