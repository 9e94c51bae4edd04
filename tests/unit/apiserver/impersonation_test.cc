// Requests in another's name.
#include "support.h"

#include <gmock/gmock.h>

#define RBAC "/apis/rbac.authorization.k8s.io/v1/"
#define WHO "/apis/authentication.k8s.io/v1/selfsubjectreviews"

using testing::HasSubstr;

class Impersonation : public Api
{
  protected:
    Answer who(Headers headers)
    {
        caller.headers = std::move(headers);
        return post(WHO, "{}");
    }
    static std::string groups(const Answer &a)
    {
        std::string all;
        for (size_t i = 0; i < a.size("/status/userInfo/groups"); i++) {
            all += (i > 0 ? " " : "") + a.str("/status/userInfo/groups/" + std::to_string(i));
        }
        return all;
    }
    /* eve may impersonate what the rules say. */
    void let_eve(const std::string &rules)
    {
        ASSERT_EQ(
            post(RBAC "clusterroles", "{'metadata':{'name':'r'},'rules':[" + rules + "]}").status,
            201);
        ASSERT_EQ(post(RBAC "clusterrolebindings",
                       "{'metadata':{'name':'b'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io',"
                       "'kind':'ClusterRole','name':'r'},'subjects':[{'apiGroup':"
                       "'rbac.authorization.k8s.io','kind':'User','name':'eve'}]}")
                      .status,
                  201);
        caller = {"eve", {}, {}};
    }
};

TEST_F(Impersonation, GroupsThatEveryUserIsIn)
{
    const std::string account = "system:serviceaccount:default:sa";
    EXPECT_EQ(groups(who({{"Impersonate-User", "bob"}})), "system:authenticated");
    EXPECT_EQ(groups(who({{"Impersonate-User", "bob"},
                          {"Impersonate-Group", "a"},
                          {"Impersonate-Group", "system:authenticated"}})),
              "a system:authenticated");
    EXPECT_EQ(groups(who({{"Impersonate-User", account}})),
              "system:serviceaccounts system:serviceaccounts:default system:authenticated");
    EXPECT_EQ(groups(who({{"Impersonate-User", account}, {"Impersonate-Group", "a"}})),
              "a system:authenticated");
    EXPECT_EQ(groups(who({{"Impersonate-User", "system:serviceaccount:default"}})),
              "system:authenticated")
        << "no account's name";
    EXPECT_EQ(
        who({{"Impersonate-User", "bob"}, {"Impersonate-Group", "system:unauthenticated"}}).status,
        403)
        << "such a user is in no other group";
    EXPECT_EQ(who({{"Impersonate-User", "system:anonymous"}}).status, 403);
}

TEST_F(Impersonation, UidAndExtra)
{
    Answer a = who({{"Impersonate-User", "bob"},
                    {"Impersonate-Uid", "u1"},
                    {"Impersonate-Extra-Scopes", "view"},
                    {"impersonate-extra-scopes", "edit"},
                    {"Impersonate-Extra-Example.com%2fKey", "v"}});
    EXPECT_EQ(a.str("/status/userInfo/uid"), "u1");
    EXPECT_EQ(a.str("/status/userInfo/extra/scopes/0"), "view");
    EXPECT_EQ(a.str("/status/userInfo/extra/scopes/1"), "edit");
    EXPECT_EQ(a.str("/status/userInfo/extra/example.com~1key/0"), "v");
}

TEST_F(Impersonation, NothingWithoutAUser)
{
    EXPECT_EQ(who({{"Impersonate-Group", "a"}}).status, 400);
    EXPECT_EQ(who({{"Impersonate-Uid", "u"}}).status, 400);
    EXPECT_EQ(who({{"Impersonate-Extra-scopes", "view"}}).status, 400);
}

TEST_F(Impersonation, EachPartIsAllowedByItself)
{
    let_eve("{'verbs':['impersonate'],'apiGroups':[''],'resources':['users'],'resourceNames':"
            "['bob']},{'verbs':['impersonate'],'apiGroups':[''],'resources':['groups'],"
            "'resourceNames':['team']},{'verbs':['impersonate'],'apiGroups':"
            "['authentication.k8s.io'],'resources':['userextras/scopes'],'resourceNames':['view']},"
            "{'verbs':['impersonate'],'apiGroups':['authentication.k8s.io'],'resources':['uids'],"
            "'resourceNames':['u1']}");
    EXPECT_EQ(who({{"Impersonate-User", "bob"},
                   {"Impersonate-Group", "team"},
                   {"Impersonate-Uid", "u1"},
                   {"Impersonate-Extra-Scopes", "view"}})
                  .status,
              201);
    const struct {
        Headers headers;
        const char *words;
    } refused[] = {
        {{{"Impersonate-User", "joe"}}, "users \"joe\" is forbidden: User \"eve\" cannot "},
        {{{"Impersonate-User", "bob"}, {"Impersonate-Group", "system:masters"}},
         "groups \"system:masters\" is forbidden"},
        {{{"Impersonate-User", "bob"}, {"Impersonate-Uid", "u2"}},
         "uids.authentication.k8s.io \"u2\" is forbidden"},
        {{{"Impersonate-User", "bob"}, {"Impersonate-Extra-Scopes", "edit"}},
         "cannot impersonate resource \"userextras/scopes\" in API group "
         "\"authentication.k8s.io\""},
        {{{"Impersonate-User", "bob"}, {"Impersonate-Extra-Other", "view"}},
         "resource \"userextras/other\""},
        {{{"Impersonate-User", "system:serviceaccount:default:sa"}},
         "resource \"serviceaccounts\" in API group \"\" in the namespace \"default\""}};
    for (const auto &one : refused) {
        Answer a = who(one.headers);
        EXPECT_EQ(a.status, 403);
        EXPECT_THAT(a.str("/message"), HasSubstr(one.words));
    }
}
