/* Controllers in Lua: what is declared, written, refused and limited. The policy is a stand-in. */
#include "tests/unit/controllers_support.h"

namespace
{

const char *const kWeb = "demo.example/v1/Web";
const char *const kMap = "v1/ConfigMap";

std::string Child(const std::string &name, const std::string &more = ",'data':{'a':'1'}")
{
    return "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'" + name + "'}" + more + "}";
}

class Reconcile : public testing_cluster::Cluster
{
  protected:
    void Web(const std::string &name = "w", const std::string &ns = "default", int size = 1)
    {
        Apply("{'apiVersion':'demo.example/v1','kind':'Web','metadata':{'name':'" + name +
              "','namespace':'" + ns + "'},'spec':{'size':" + std::to_string(size) + "}}");
    }
    void Lua(const std::string &name = "p", const std::string &source = "return {}")
    {
        Apply("{'apiVersion':'operon.local/v1','kind':'LuaPolicy','metadata':{'name':'" + name +
              "','namespace':'default'},'spec':{'source':'" + source + "'}}");
    }
    void Declare(const std::string &owns = "['v1/ConfigMap']",
                 const std::string &primary = "demo.example/v1/Web",
                 const char *policy = "default/p")
    {
        std::string json = "[{'primary':'" + primary + "','owns':" + owns + "}]";
        opr_test_policy(t, policy, "controller", json.c_str());
    }
    void Answer(const std::string &json, const char *policy = "default/p")
    {
        opr_test_policy(t, policy, "reconcile", json.c_str());
    }
    void Children(const std::string &list, const std::string &more = "")
    {
        Answer("[{'children':[" + list + "]" + more + "}]");
    }
    /* Once more, with the present answer. */
    void Again()
    {
        Web("w", "default", ++size_);
        Settle();
    }
    void Settle()
    {
        Run();
        Advance(3000);
    }
    void Begin(const std::string &list)
    {
        Web();
        Declare();
        Children(list);
        Lua();
        Settle();
    }
    const struct opr_obj *W()
    {
        return Get(kWeb, "default", "w");
    }
    const struct opr_obj *Policy(const char *name = "p")
    {
        return Get("operon.local/v1/LuaPolicy", "default", name);
    }
    std::string Why(const char *name = "p")
    {
        return Condition(Policy(name), "Reconciling", "/message");
    }
    int size_ = 1;
};

TEST_F(Reconcile, MakesChangesAndDeletesWhatItOwns)
{
    Begin(Child("one") + "," + Child("two"));
    ASSERT_NE(Get(kMap, "default", "one"), nullptr);
    const struct opr_obj *one = Get(kMap, "default", "one");
    EXPECT_EQ(Str(one, "/metadata/ownerReferences/0/uid"), Str(W(), "/metadata/uid"));
    EXPECT_TRUE(opr_obj_bool(one, "/metadata/ownerReferences/0/controller", false));
    EXPECT_EQ(Count(kMap), 2u);
    EXPECT_EQ(Condition(W(), "Synced"), "True");
    EXPECT_EQ(Events("ChildCreated"), 2);

    Children(Child("one", ",'data':{'a':'2'}"));
    Again();
    EXPECT_EQ(Str(Get(kMap, "default", "one"), "/data/a"), "2");
    EXPECT_EQ(Get(kMap, "default", "two"), nullptr);
    EXPECT_EQ(Events("ChildUpdated", "one"), 1);
    EXPECT_EQ(Events("ChildDeleted", "two"), 1);

    Answer("[{'children':{}}]");
    Again();
    EXPECT_EQ(Count(kMap), 0u);
}

TEST_F(Reconcile, RunningAgainWritesNothing)
{
    Begin(Child("one"));
    uint32_t writes = opr_test_writes(t, "patch", kMap) + opr_test_writes(t, "create", kMap);
    uint32_t status = opr_test_writes(t, "patch", kWeb);
    Again();
    Again();
    EXPECT_EQ(opr_test_writes(t, "patch", kMap) + opr_test_writes(t, "create", kMap), writes);
    EXPECT_EQ(opr_test_writes(t, "patch", kWeb), status);
}

TEST_F(Reconcile, GivesThePolicyTheObjectAndItsChildren)
{
    Begin(Child("one"));
    Apply("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'foreign','namespace':"
          "'default'}}");
    Again();
    const struct opr_obj *in = opr_test_policy_input(t, "default/p", "reconcile");
    EXPECT_EQ(Str(in, "/0/metadata/name"), "w");
    EXPECT_EQ(Str(in, "/1/ConfigMap/one/data/a"), "1");
    EXPECT_EQ(opr_obj_at(in, "/1/ConfigMap/foreign"), nullptr);
}

TEST_F(Reconcile, WhatOthersAddStaysAndWhatIsNoLongerWantedGoes)
{
    Begin(Child("one", ",'data':{'a':'1','b':'2'}"));
    std::string wanted =
        Str(Get(kMap, "default", "one"), "/metadata/annotations/operon.local~1wanted");
    ASSERT_NE(wanted, "");
    /* A user adds a member and changes one of ours. */
    const struct opr_obj *one = Get(kMap, "default", "one");
    std::string json =
        "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'one','namespace':'default',"
        "'uid':'" +
        Str(one, "/metadata/uid") +
        "','annotations':{'operon.local/wanted':'WANTED'},'ownerReferences':[{'apiVersion':"
        "'demo.example/v1','kind':'Web','name':'w','controller':true,'uid':'" +
        Str(W(), "/metadata/uid") + "'}]},'data':{'a':'9','b':'2','mine':'x'}}";
    json = testing_cluster::Replace(json, "'", "\"");
    Apply(testing_cluster::Replace(json, "WANTED", testing_cluster::Replace(wanted, "\"", "\\\"")));
    Settle();
    one = Get(kMap, "default", "one");
    EXPECT_EQ(Str(one, "/data/a"), "1");
    EXPECT_EQ(Str(one, "/data/mine"), "x");
    Children(Child("one", ",'data':{'a':'1'}"));
    Again();
    one = Get(kMap, "default", "one");
    EXPECT_EQ(opr_obj_at(one, "/data/b"), nullptr);
    EXPECT_EQ(Str(one, "/data/mine"), "x");
}

TEST_F(Reconcile, AChildThatGoesComesBack)
{
    Begin(Child("one"));
    Delete(kMap, "default", "one");
    Settle();
    EXPECT_NE(Get(kMap, "default", "one"), nullptr);
}

TEST_F(Reconcile, TakesNothingFromAnother)
{
    Apply("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'one','namespace':'default'},"
          "'data':{'a':'theirs'}}");
    Begin(Child("one") + "," + Child("two"));
    EXPECT_EQ(Str(Get(kMap, "default", "one"), "/data/a"), "theirs");
    EXPECT_NE(Get(kMap, "default", "two"), nullptr) << "the others are written all the same";
    EXPECT_EQ(Condition(W(), "Synced", "/reason"), "ChildNotWritten");
    EXPECT_NE(Why().find("belongs to another"), std::string::npos) << Why();
    Delete(kMap, "default", "one");
    Run();
    Advance(31000);
    EXPECT_EQ(Str(Get(kMap, "default", "one"), "/data/a"), "1");
    EXPECT_EQ(Condition(Policy(), "Reconciling"), "True");
}

TEST_F(Reconcile, WritesTheStatusWithConditionsOfItsOwn)
{
    Web();
    Declare();
    Children("", ",'status':{'ready':3,'conditions':[{'type':'Ready','status':'True','reason':"
                 "'Fine','message':'m'}]}");
    Lua();
    Settle();
    EXPECT_EQ(Int(W(), "/status/ready"), 3);
    EXPECT_EQ(Int(W(), "/status/observedGeneration"), 1);
    EXPECT_EQ(Condition(W(), "Ready", "/reason"), "Fine");
    std::string since = Condition(W(), "Ready", "/lastTransitionTime");
    EXPECT_NE(since, "");
    Children("", ",'status':{'other':1,'conditions':[{'type':'Ready','status':'True','reason':"
                 "'Better'}]}");
    Again();
    EXPECT_EQ(Condition(W(), "Ready", "/reason"), "Better");
    EXPECT_EQ(Condition(W(), "Ready", "/lastTransitionTime"), since);
    EXPECT_EQ(opr_obj_at(W(), "/status/ready"), nullptr);
    EXPECT_EQ(Int(W(), "/status/other"), 1);
}

TEST_F(Reconcile, AnErrorChangesNothingAndIsTold)
{
    Begin(Child("one"));
    opr_test_policy(t, "default/p", "reconcile", nullptr);
    Again();
    EXPECT_NE(Get(kMap, "default", "one"), nullptr);
    EXPECT_EQ(Condition(W(), "Synced", "/reason"), "PolicyFailed");
    EXPECT_NE(Condition(W(), "Synced", "/message").find("raised"), std::string::npos);
    EXPECT_NE(Why().find("default/w: "), std::string::npos) << Why();
    EXPECT_EQ(Events("PolicyFailed"), 1);
    Children(Child("one"));
    Advance(31000);
    EXPECT_EQ(Condition(W(), "Synced"), "True");
    EXPECT_EQ(Condition(Policy(), "Reconciling"), "True");
}

TEST_F(Reconcile, RefusesAnswersAsAWhole)
{
    Begin(Child("one"));
    const struct {
        std::string answer;
        const char *why;
    } cases[] = {
        {"['no table']", "must return a table"},
        {"[]", "must return a table"},
        {"[{}]", "must return children"},
        {"[{'children':{'a':1}}]", "must return children"},
        {"[{'children':[],'child':1}]", "returned 'child'"},
        {"[{'children':['x']}]", "is no object"},
        {"[{'children':[{'apiVersion':'v1','kind':'Secret','metadata':{'name':'s'}}]}]",
         "does not name"},
        {"[{'children':[{'apiVersion':'v1','kind':'ConfigMap'}]}]", "no metadata.name"},
        {"[{'children':[" + Child("x") + "," + Child("x") + "]}]", "twice"},
        {"[{'children':[{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'x',"
         "'namespace':'kube-system'}}]}]",
         "that of their owner"},
        {"[{'children':[{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'x',"
         "'ownerReferences':[]}}]}]",
         "is the host's"},
        {"[{'children':[{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'x',"
         "'finalizers':['a/b']}}]}]",
         "is the host's"},
        {"[{'children':[" + Child("new") + "],'status':[1]}]", "no table with names"},
        {"[{'children':[" + Child("new") + "],'requeue':'5m'}]", "number of seconds"},
        {"[{'children':[" + Child("new") + "],'requeue':-1}]", "number of seconds"},
    };
    for (const auto &c : cases) {
        Answer(c.answer);
        Again();
        EXPECT_EQ(Condition(W(), "Synced", "/reason"), "PolicyAnswerRefused") << c.answer;
        EXPECT_NE(Condition(W(), "Synced", "/message").find(c.why), std::string::npos)
            << Condition(W(), "Synced", "/message");
        EXPECT_EQ(Count(kMap), 1u) << c.answer;
    }
}

TEST_F(Reconcile, RefusesDeclarations)
{
    Web();
    const struct {
        const char *owns, *primary, *why;
    } cases[] = {
        {"['v1/Secret']", kWeb, "closed to policies"},
        {"['rbac.authorization.k8s.io/v1/Role']", kWeb, "closed to policies"},
        {"['v1/ConfigMap']", "v1/Secret", "closed to policies"},
        {"['operon.local/v1/LuaPolicy']", kWeb, "closed to policies"},
        {"['ConfigMap']", kWeb, "is no kind"},
        {"['v1/ConfigMap','x.y/v1/ConfigMap']", kWeb, "twice"},
        {"['demo.example/v1/Web']", kWeb, "can not be one that it owns"},
        {"'v1/ConfigMap'", kWeb, "must be a list"},
        {"['v1/ConfigMap']", "", "is no kind"},
        {"['v1/Node']", kWeb, "no kind of objects in namespaces"},
    };
    int n = 0;
    for (const auto &c : cases) {
        Declare(c.owns, c.primary);
        Children("");
        Lua("p", "return {} -- " + std::to_string(++n));
        Settle();
        EXPECT_NE(Why().find(c.why), std::string::npos) << c.owns << c.primary << ": " << Why();
        EXPECT_EQ(Condition(Policy(), "Reconciling"), "False") << c.owns;
    }
}

TEST_F(Reconcile, OneControllerAKind)
{
    Begin(Child("one"));
    Declare("['v1/ConfigMap']", kWeb, "default/q");
    Answer("[{'children':[]}]", "default/q");
    Lua("q");
    Settle();
    EXPECT_NE(Why("q").find("controlled by the policy default/p"), std::string::npos) << Why("q");
    EXPECT_NE(Get(kMap, "default", "one"), nullptr);
    Delete("operon.local/v1/LuaPolicy", "default", "p");
    Run();
    Advance(31000);
    EXPECT_EQ(Condition(Policy("q"), "Reconciling"), "True");
    Again();
    EXPECT_EQ(Get(kMap, "default", "one"), nullptr);
}

TEST_F(Reconcile, StaysInItsNamespace)
{
    Begin(Child("one"));
    Web("w", "other");
    Settle();
    EXPECT_EQ(Count(kMap, "other"), 0u);
    EXPECT_EQ(Condition(Get(kWeb, "other", "w"), "Synced"), "");
}

TEST_F(Reconcile, ANewSourceLooksAtEveryObject)
{
    Begin(Child("one"));
    Children(Child("other"));
    Lua("p", "return { }");
    Settle();
    EXPECT_NE(Get(kMap, "default", "other"), nullptr);
    EXPECT_EQ(Get(kMap, "default", "one"), nullptr);
    /* A new declaration: what it no longer owns is left alone. */
    Declare("['v1/Service']");
    Children("{'apiVersion':'v1','kind':'Service','metadata':{'name':'s'}}");
    Lua("p", "return {  }");
    Settle();
    EXPECT_NE(Get("v1/Service", "default", "s"), nullptr);
    EXPECT_NE(Get(kMap, "default", "other"), nullptr);
}

TEST_F(Reconcile, EndsWithItsPolicyAndLeavesTheChildren)
{
    Begin(Child("one"));
    Delete("operon.local/v1/LuaPolicy", "default", "p");
    Settle();
    Delete(kMap, "default", "one");
    Settle();
    EXPECT_EQ(Get(kMap, "default", "one"), nullptr);
}

TEST_F(Reconcile, AKindThatComesLater)
{
    Declare();
    Children(Child("one"));
    Lua();
    Settle();
    EXPECT_EQ(Condition(Policy(), "Reconciling"), "False");
    Web();
    Advance(30000);
    EXPECT_NE(Get(kMap, "default", "one"), nullptr);
    EXPECT_EQ(Condition(Policy(), "Reconciling"), "True");
}

TEST_F(Reconcile, AnObjectThatIsGoingMakesNothing)
{
    Declare();
    Children(Child("one"));
    Apply("{'apiVersion':'demo.example/v1','kind':'Web','metadata':{'name':'w','namespace':"
          "'default','finalizers':['a.b/c']},'spec':{}}");
    Delete(kWeb, "default", "w");
    Lua();
    Settle();
    EXPECT_EQ(Count(kMap), 0u);
}

TEST_F(Reconcile, WritesAreLimited)
{
    std::string list;
    for (int i = 0; i < 80; i++) {
        list += (i > 0 ? "," : "") + Child("c" + std::to_string(i));
    }
    Web();
    Declare();
    Children(list);
    Lua();
    Run();
    Advance(100);
    EXPECT_LE(Count(kMap), 52u) << "the burst";
    EXPECT_GE(Count(kMap), 50u);
    EXPECT_EQ(Condition(W(), "Synced", "/reason"), "Limited");
    for (int i = 0; i < 40; i++) {
        Advance(200);
    }
    EXPECT_EQ(Count(kMap), 80u);
    EXPECT_EQ(Condition(W(), "Synced"), "True");
}

TEST_F(Reconcile, ComesBackWhenAsked)
{
    Web();
    Declare();
    Children("", ",'requeue':60");
    Lua();
    Settle();
    Children(Child("one"), ",'requeue':60");
    Advance(20000);
    EXPECT_EQ(Count(kMap), 0u);
    Advance(45000);
    EXPECT_EQ(Count(kMap), 1u);
}

TEST_F(Reconcile, ARefusedWriteIsTriedAgain)
{
    Web();
    Declare();
    Children(Child("one"));
    Lua();
    opr_test_fail_next(t, "create", 2, 503);
    Settle();
    Advance(60000);
    EXPECT_NE(Get(kMap, "default", "one"), nullptr);
    EXPECT_EQ(Condition(W(), "Synced"), "True");
}

/* Lists are matched by their keys: what a server adds to an element stays. */
TEST_F(Reconcile, ListsAreMergedByTheirKeys)
{
    Web();
    Declare("['apps/v1/Deployment']");
    auto deployment = [](const std::string &containers) {
        return "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'d'},'spec':{"
               "'template':{'spec':{'containers':[" +
               containers + "]}}}}";
    };
    Children(deployment("{'name':'a','image':'1'},{'name':'b','image':'1','args':['x']}"));
    Lua();
    Settle();
    const struct opr_obj *d = Get("apps/v1/Deployment", "default", "d");
    ASSERT_EQ(opr_obj_len(opr_obj_at(d, "/spec/template/spec/containers")), 2u);
    Children(deployment("{'name':'c','image':'3'},{'name':'b','image':'2'}"));
    Again();
    d = Get("apps/v1/Deployment", "default", "d");
    ASSERT_EQ(opr_obj_len(opr_obj_at(d, "/spec/template/spec/containers")), 2u);
    EXPECT_EQ(Str(d, "/spec/template/spec/containers/0/name"), "b");
    EXPECT_EQ(Str(d, "/spec/template/spec/containers/0/image"), "2");
    EXPECT_EQ(opr_obj_at(d, "/spec/template/spec/containers/0/args"), nullptr);
    EXPECT_EQ(Str(d, "/spec/template/spec/containers/1/name"), "c");
}

} // namespace
