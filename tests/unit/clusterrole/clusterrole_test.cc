/* ClusterRoles that gather the rules of others. */
#include "tests/unit/controllers_support.h"

namespace
{

const char kRole[] = "rbac.authorization.k8s.io/v1/ClusterRole";

class ClusterRole : public testing_cluster::Cluster
{
  protected:
    void Role(const std::string &name, const std::string &labels, const std::string &resources,
              const std::string &rest = "")
    {
        std::string rules;
        for (const char c : resources) {
            rules += (rules.empty() ? "" : ",") +
                     std::string("{'verbs':['get'],'apiGroups':[''],'resources':['") + c + "']}";
        }
        Apply("{'apiVersion':'rbac.authorization.k8s.io/v1','kind':'ClusterRole','metadata':"
              "{'name':'" +
              name + "','labels':{" + labels + "}},'rules':[" + rules + "]" + rest + "}");
    }
    void Gatherer(const std::string &name, const std::string &selector,
                  const std::string &labels = "")
    {
        Role(name, labels, "",
             ",'aggregationRule':{'clusterRoleSelectors':[{'matchLabels':{" + selector + "}}]}");
    }
    /* The resources of a role's rules, in order. */
    std::string Resources(const std::string &name)
    {
        std::string all;
        const struct opr_obj *rules = opr_obj_at(Get(kRole, "", name), "/rules");
        for (const struct opr_obj *r = opr_obj_first(rules); r; r = opr_obj_next(r)) {
            all += opr_obj_str(r, "/resources/0", "?");
        }
        return all;
    }
};

TEST_F(ClusterRole, HoldsTheRulesOfTheChosenOnceInTheOrderOfNames)
{
    Role("z", "'to':'g'", "ab");
    Role("m", "'to':'g'", "bc");
    Role("other", "'to':'h'", "d");
    Gatherer("g", "'to':'g'");
    Run();
    EXPECT_EQ(Resources("g"), "bca");
    EXPECT_EQ(Resources("z"), "ab");
}

TEST_F(ClusterRole, FollowsWhatComesChangesAndGoes)
{
    Gatherer("g", "'to':'g'");
    Role("a", "'to':'g'", "a");
    Run();
    EXPECT_EQ(Resources("g"), "a");
    Role("b", "'to':'g'", "b");
    Run();
    EXPECT_EQ(Resources("g"), "ab");
    Role("a", "'to':'h'", "a");
    Run();
    EXPECT_EQ(Resources("g"), "b") << "its label is another now";
    Delete(kRole, "", "b");
    Run();
    EXPECT_EQ(Resources("g"), "");
}

TEST_F(ClusterRole, OneGathererFeedsAnother)
{
    Gatherer("edit", "'to':'edit'");
    Gatherer("view", "'to':'view'", "'to':'edit'");
    Role("x", "'to':'view'", "x");
    Run();
    EXPECT_EQ(Resources("view"), "x");
    EXPECT_EQ(Resources("edit"), "x");
}

TEST_F(ClusterRole, WhatIsWrittenByHandGoes)
{
    Role("x", "'to':'g'", "x");
    Role("g", "'to':'g'", "hand",
         ",'aggregationRule':{'clusterRoleSelectors':[{'matchLabels':{'to':'g'}}]}");
    Run();
    EXPECT_EQ(Resources("g"), "x") << "not its own rules, though its label fits";
}

} // namespace
