/* Pod affinity and anti-affinity in the scheduler. */
#include "tests/unit/controllers_support.h"

#include <set>

namespace
{

class PodAffinity : public testing_cluster::Cluster
{
  public:
    PodAffinity() : Cluster("{\"seed\":7}")
    {
    }

  protected:
    void SetUp() override
    {
        for (const char *name : {"a1", "a2", "b1"}) {
            Apply(std::string("{'apiVersion':'v1','kind':'Node','metadata':{'name':'") + name +
                  "','labels':{'kubernetes.io/hostname':'" + name + "','zone':'" + name[0] +
                  "'}},'status':{'allocatable':{'cpu':'64','memory':'64Gi','pods':'110'}}}");
        }
        Run();
    }
    void Pod(const std::string &name, const std::string &app, const std::string &affinity = "",
             const std::string &ns = "default", const std::string &selector = "")
    {
        Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name + "','namespace':'" +
              ns + "','labels':{'app':'" + app + "'}},'spec':{'containers':[{'name':'c'}]" +
              (affinity.empty() ? "" : ",'affinity':{" + affinity + "}") + selector + "}}");
        Run();
    }
    static std::string Term(const std::string &app, const std::string &key,
                            const std::string &more = "")
    {
        return "{'topologyKey':'" + key + "','labelSelector':{'matchLabels':{'app':'" + app +
               "'}}" + more + "}";
    }
    static std::string Required(const std::string &kind, const std::string &term)
    {
        return "'" + kind + "':{'requiredDuringSchedulingIgnoredDuringExecution':[" + term + "]}";
    }
    static std::string Preferred(const std::string &kind, const std::string &term)
    {
        return "'" + kind +
               "':{'preferredDuringSchedulingIgnoredDuringExecution':[{'weight':100,"
               "'podAffinityTerm':" +
               term + "}]}";
    }
    std::string Where(const std::string &pod, const char *ns = "default")
    {
        return Str(Get("v1/Pod", ns, pod), "/spec/nodeName");
    }
    std::string Why(const std::string &pod)
    {
        const std::string why =
            Condition(Get("v1/Pod", "default", pod), "PodScheduled", "/message");
        return why.substr(0, why.find(" preemption: ")); /* preemption_test.cc has the rest */
    }
    const std::string host = "kubernetes.io/hostname";
};

TEST_F(PodAffinity, AntiAffinityKeepsApart)
{
    const std::string apart = Required("podAntiAffinity", Term("web", host));
    std::set<std::string> used;
    for (const char *name : {"p1", "p2", "p3"}) {
        Pod(name, "web", apart);
        used.insert(Where(name));
    }
    EXPECT_EQ(used.size(), 3u);
    Pod("p4", "web", apart);
    EXPECT_EQ(Why("p4"),
              "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.");
    Delete("v1/Pod", "default", "p1");
    Run();
    EXPECT_NE(Where("p4"), "");
}

TEST_F(PodAffinity, ExistingPodsKeepOthersAway)
{
    Pod("hermit", "x", Required("podAntiAffinity", Term("web", "zone")), "default",
        ",'nodeSelector':{'zone':'a'}");
    for (int i = 0; i < 4; i++) {
        std::string name = "p" + std::to_string(i);
        Pod(name, "web");
        EXPECT_EQ(Where(name), "b1");
    }
    Pod("stuck", "web", "", "default", ",'nodeSelector':{'zone':'a'}");
    EXPECT_NE(Why("stuck").find("2 node(s) didn't satisfy existing pods anti-affinity rules"),
              std::string::npos)
        << Why("stuck");
}

TEST_F(PodAffinity, AffinityFollows)
{
    const std::string near_db = Required("podAffinity", Term("db", "zone"));
    Pod("early", "web", near_db);
    EXPECT_EQ(Why("early"), "0/3 nodes are available: 3 node(s) didn't match pod affinity rules.");
    Pod("db", "db", "", "default", ",'nodeSelector':{'zone':'b'}");
    EXPECT_EQ(Where("early"), "b1") << "a pod that started lets it go";
    Pod("late", "web", near_db);
    EXPECT_EQ(Where("late"), "b1");
}

TEST_F(PodAffinity, TheFirstOfAGroupMayGoAnywhere)
{
    const std::string together = Required("podAffinity", Term("web", "zone"));
    Pod("p1", "web", together);
    ASSERT_NE(Where("p1"), "");
    Pod("p2", "web", together);
    EXPECT_EQ(Where("p2")[0], Where("p1")[0]);
    Pod("p3", "web", Required("podAffinity", Term("web", "rack")));
    EXPECT_EQ(Where("p3"), "") << "no node has the key";
}

TEST_F(PodAffinity, NamespacesCount)
{
    Apply("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'other','labels':{'team':'x'}}"
          "}");
    Run();
    Pod("db", "db", "", "other", ",'nodeSelector':{'zone':'b'}");
    EXPECT_EQ(Where("db", "other"), "b1");
    Pod("own", "web", Required("podAffinity", Term("db", "zone")));
    EXPECT_EQ(Where("own"), "");
    Pod("named", "web", Required("podAffinity", Term("db", "zone", ",'namespaces':['other']")));
    EXPECT_EQ(Where("named"), "b1");
    Pod("all", "web", Required("podAffinity", Term("db", "zone", ",'namespaceSelector':{}")));
    EXPECT_EQ(Where("all"), "b1");
    Pod("selected", "web",
        Required("podAffinity",
                 Term("db", "zone", ",'namespaceSelector':{'matchLabels':{'team':'x'}}")));
    EXPECT_EQ(Where("selected"), "b1");
    Pod("wrong", "web",
        Required("podAffinity",
                 Term("db", "zone", ",'namespaceSelector':{'matchLabels':{'team':'y'}}")));
    EXPECT_EQ(Where("wrong"), "");
}

TEST_F(PodAffinity, PreferencesWeigh)
{
    Pod("db", "db", "", "default", ",'nodeSelector':{'zone':'b'}");
    for (int i = 0; i < 3; i++) {
        std::string name = "near" + std::to_string(i);
        Pod(name, "near", Preferred("podAffinity", Term("db", "zone")));
        EXPECT_EQ(Where(name), "b1");
    }
    for (int i = 0; i < 3; i++) {
        std::string name = "far" + std::to_string(i);
        Pod(name, "far", Preferred("podAntiAffinity", Term("db", "zone")));
        EXPECT_EQ(Where(name)[0], 'a');
    }
}

} // namespace
