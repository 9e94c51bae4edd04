/* The default ServiceAccount and the root CA of each namespace. */
#include "tests/unit/controllers_support.h"

namespace
{

class ServiceAccount : public testing_cluster::Cluster
{
  public:
    explicit ServiceAccount(const char *config = "{\"rootCA\":\"PEM\"}") : Cluster(config)
    {
    }

  protected:
    void Namespace(const std::string &name)
    {
        Apply("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'" + name + "'}}");
    }
};
class NoCa : public ServiceAccount
{
  public:
    NoCa() : ServiceAccount(nullptr)
    {
    }
};

TEST_F(ServiceAccount, EachNamespaceGetsBoth)
{
    Namespace("a");
    Namespace("b");
    Run();
    EXPECT_NE(Get("v1/ServiceAccount", "a", "default"), nullptr);
    EXPECT_NE(Get("v1/ServiceAccount", "b", "default"), nullptr);
    EXPECT_EQ(Str(Get("v1/ConfigMap", "b", "kube-root-ca.crt"), "/data/ca.crt"), "PEM");
}
TEST_F(ServiceAccount, ADeletedOneComesBack)
{
    Namespace("a");
    Run();
    Delete("v1/ServiceAccount", "a", "default");
    Delete("v1/ConfigMap", "a", "kube-root-ca.crt");
    Run();
    EXPECT_NE(Get("v1/ServiceAccount", "a", "default"), nullptr);
    EXPECT_NE(Get("v1/ConfigMap", "a", "kube-root-ca.crt"), nullptr);
}
TEST_F(ServiceAccount, AChangedCaIsMadeRight)
{
    Namespace("a");
    Run();
    Apply("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'kube-root-ca.crt','namespace':"
          "'a'},'data':{'ca.crt':'other'}}");
    Run();
    EXPECT_EQ(Str(Get("v1/ConfigMap", "a", "kube-root-ca.crt"), "/data/ca.crt"), "PEM");
}
TEST_F(ServiceAccount, ANamespaceThatEndsGetsNothing)
{
    Namespace("a");
    Run();
    Delete("v1/Namespace", "", "a");
    Run();
    Delete("v1/ServiceAccount", "a", "default");
    Run();
    EXPECT_EQ(Get("v1/ServiceAccount", "a", "default"), nullptr);
}
TEST_F(NoCa, WithoutACaThereIsNoConfigMap)
{
    Namespace("a");
    Run();
    EXPECT_EQ(opr_test_count(t, "v1/ConfigMap", "a"), 0u);
    EXPECT_EQ(opr_test_count(t, "v1/ServiceAccount", "a"), 1u);
}

} // namespace
