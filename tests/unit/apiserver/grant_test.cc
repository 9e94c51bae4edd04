// Who writes a role gives away rules: the words of a refusal, and the ways around it.
#include "support.h"

#include <gmock/gmock.h>

#define RBAC "/apis/rbac.authorization.k8s.io/v1/"
#define ROLES RBAC "namespaces/default/roles"

using testing::HasSubstr;

class Grant : public Api
{
  protected:
    void SetUp() override
    {
        Api::SetUp();
        let("{'verbs':['create','get','update','patch'],'apiGroups':['rbac.authorization.k8s.io'],"
            "'resources':['roles','rolebindings','clusterroles']},"
            "{'verbs':['get'],'apiGroups':[''],'resources':['pods']}");
    }
    /* mia's rules, as the admin; she is the caller afterwards. */
    void let(const std::string &rules)
    {
        caller = Caller();
        remove(RBAC "clusterroles/mia");
        ASSERT_EQ(
            post(RBAC "clusterroles", "{'metadata':{'name':'mia'},'rules':[" + rules + "]}").status,
            201);
        post(RBAC "clusterrolebindings",
             "{'metadata':{'name':'mia'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io','kind':"
             "'ClusterRole','name':'mia'},'subjects':[{'apiGroup':'rbac.authorization.k8s.io',"
             "'kind':'User','name':'mia'}]}");
        caller = {"mia", {}, {}};
    }
};

TEST_F(Grant, ARefusalNamesWhatIsMissing)
{
    Answer a = post(ROLES, "{'metadata':{'name':'r'},'rules':[{'verbs':['get','list','watch'],"
                           "'apiGroups':['','apps'],'resources':['pods']},{'verbs':['get'],"
                           "'apiGroups':[''],'resources':['secrets'],'resourceNames':['a','b']}]}");
    EXPECT_EQ(a.status, 403);
    EXPECT_EQ(
        a.str("/message"),
        "roles.rbac.authorization.k8s.io \"r\" is forbidden: user \"mia\" "
        "(groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not "
        "currently held:\n"
        "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"list\" \"watch\"]}\n"
        "{APIGroups:[\"\"], Resources:[\"secrets\"], ResourceNames:[\"a\"], Verbs:[\"get\"]}\n"
        "{APIGroups:[\"\"], Resources:[\"secrets\"], ResourceNames:[\"b\"], Verbs:[\"get\"]}\n"
        "{APIGroups:[\"apps\"], Resources:[\"pods\"], Verbs:[\"get\" \"list\" \"watch\"]}");
    a = post(RBAC "clusterroles", "{'metadata':{'name':'r'},'rules':[{'verbs':['get','post'],"
                                  "'nonResourceURLs':['/x']}]}");
    EXPECT_THAT(a.str("/message"), HasSubstr("held:\n{NonResourceURLs:[\"/x\"], Verbs:[\"get\"]}\n"
                                             "{NonResourceURLs:[\"/x\"], Verbs:[\"post\"]}"));
}

TEST_F(Grant, WhoGathersMayGatherAnything)
{
    const char *gatherer = "{'metadata':{'name':'g'},'aggregationRule':{'clusterRoleSelectors':"
                           "[{'matchLabels':{'a':'b'}}]}}";
    Answer a = post(RBAC "clusterroles", gatherer);
    EXPECT_EQ(a.status, 403);
    EXPECT_THAT(a.str("/message"), HasSubstr("must have cluster-admin privileges"));
    caller = Caller();
    ASSERT_EQ(post(RBAC "clusterroles", gatherer).status, 201);
    caller = {"mia", {}, {}};
    EXPECT_EQ(merge(RBAC "clusterroles/g", "{'aggregationRule':null}").status, 403)
        << "nor may it be taken away";
    let("{'verbs':['*'],'apiGroups':['*'],'resources':['*']},{'verbs':['*'],'nonResourceURLs':"
        "['*']}");
    EXPECT_EQ(merge(RBAC "clusterroles/g", "{'aggregationRule':null}").status, 200);
}

TEST_F(Grant, TheNameOfANewRoleIsNoReason)
{
    let("{'verbs':['create','get','update','patch'],'apiGroups':['rbac.authorization.k8s.io'],"
        "'resources':['roles']},{'verbs':['escalate'],'apiGroups':['rbac.authorization.k8s.io'],"
        "'resources':['roles'],'resourceNames':['free']}");
    const std::string rules =
        "'rules':[{'verbs':['delete'],'apiGroups':[''],'resources':['pods']}]";
    EXPECT_EQ(post(ROLES, "{'metadata':{'name':'free'}," + rules + "}").status, 403)
        << "what is posted has no name yet";
    caller = Caller();
    post(ROLES, "{'metadata':{'name':'free'}}");
    post(ROLES, "{'metadata':{'name':'other'}}");
    caller = {"mia", {}, {}};
    EXPECT_EQ(merge(ROLES "/free", "{" + rules + "}").status, 200);
    EXPECT_EQ(merge(ROLES "/other", "{" + rules + "}").status, 403);
}
