/* The text of the Service table: what is reached, what is refused, and that order does not matter.
 */
#include "agent/netlink.h"
#include "agent/proxy_rules.h"
#include "core/base/str.h"
#include "core/json/json.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace
{

class Objects
{
  public:
    ~Objects()
    {
        for (const struct opr_obj *o : list_) {
            opr_json_unref(const_cast<struct opr_obj *>(o));
        }
    }
    void add(const std::string &text)
    {
        struct opr_obj *o = nullptr;
        struct opr_error err = {};
        ASSERT_EQ(OPR_OK, opr_json_parse(opr_str_n(text.data(), text.size()), &o, &err))
            << err.message;
        list_.push_back(o);
    }
    void reverse()
    {
        list_ = {list_.rbegin(), list_.rend()};
    }
    const struct opr_obj *const *data() const
    {
        return list_.data();
    }
    size_t size() const
    {
        return list_.size();
    }

  private:
    std::vector<const struct opr_obj *> list_;
};

std::string rules(const Objects &services, const Objects &slices)
{
    struct opr_buf b = {};
    opr__proxy_rules(&b, "10.99.0.0/16", "10.163.0.0/16", services.data(), services.size(),
                     slices.data(), slices.size());
    std::string text(b.data, b.len);
    opr_buf_fini(&b);
    return text;
}

std::string service(const std::string &name, const std::string &ip, const std::string &more = "")
{
    return R"({"metadata":{"name":")" + name + R"(","namespace":"default"},"spec":{"clusterIP":")" +
           ip + R"(","ports":[{"name":"http","port":80,"protocol":"TCP"}])" + more + "}}";
}

std::string slice(const std::string &of, const std::string &endpoints)
{
    return R"({"metadata":{"name":"s-)" + of + R"(","namespace":"default","labels":)" +
           R"({"kubernetes.io/service-name":")" + of + R"("}},"addressType":"IPv4","ports":)" +
           R"([{"name":"http","port":8080,"protocol":"TCP"}],"endpoints":[)" + endpoints + "]}";
}

const char READY_A[] = R"({"addresses":["10.163.1.2"],"conditions":{"ready":true}})";
const char READY_B[] = R"({"addresses":["10.163.2.2"],"conditions":{"ready":true}})";
const char UNREADY[] = R"({"addresses":["10.163.2.9"],"conditions":{"ready":false}})";

TEST(ProxyRules, ReadyEndpointsAreReachedAndOthersAreNot)
{
    Objects services, slices;
    services.add(service("web", "10.99.0.7"));
    slices.add(slice("web", std::string(READY_B) + "," + UNREADY + "," + READY_A));
    std::string text = rules(services, slices);
    EXPECT_NE(std::string::npos,
              text.find("numgen random mod 2 map { 0 : 10.163.1.2 . 8080, 1 : 10.163.2.2 . 8080 }"))
        << text;
    EXPECT_NE(std::string::npos, text.find("10.99.0.7 . tcp . 80 : goto svc-10.99.0.7-tcp-80"));
    EXPECT_EQ(std::string::npos, text.find("10.163.2.9"));
}

TEST(ProxyRules, AServiceWithoutEndpointsHasNoEntry)
{
    Objects services, slices;
    services.add(service("web", "10.99.0.7"));
    slices.add(slice("web", UNREADY));
    std::string text = rules(services, slices);
    EXPECT_EQ(std::string::npos, text.find("10.99.0.7"));
    EXPECT_NE(std::string::npos, text.find("ip daddr 10.99.0.0/16 meta l4proto tcp reject"));
}

TEST(ProxyRules, TheTextDoesNotDependOnTheOrderOfObjects)
{
    Objects services, slices;
    services.add(service("web", "10.99.0.7"));
    services.add(service("api", "10.99.0.8"));
    slices.add(slice("web", std::string(READY_A) + "," + READY_B));
    slices.add(slice("api", READY_B));
    std::string text = rules(services, slices);
    services.reverse();
    slices.reverse();
    EXPECT_EQ(text, rules(services, slices));
}

TEST(ProxyRules, NodePortsWithAndWithoutEndpoints)
{
    Objects services, slices;
    services.add(R"({"metadata":{"name":"web","namespace":"default"},"spec":{"clusterIP":)"
                 R"("10.99.0.7","ports":[{"name":"http","port":80,"nodePort":30080}]}})");
    services.add(R"({"metadata":{"name":"none","namespace":"default"},"spec":{"clusterIP":)"
                 R"("10.99.0.9","ports":[{"name":"http","port":80,"nodePort":30090}]}})");
    slices.add(slice("web", READY_A));
    std::string text = rules(services, slices);
    EXPECT_NE(std::string::npos, text.find("tcp . 30080 : goto svc-10.99.0.7-tcp-80"));
    EXPECT_NE(std::string::npos, text.find("set refused"));
    EXPECT_NE(std::string::npos, text.find("tcp . 30090"));
}

TEST(ProxyRules, AffinityHashesTheClient)
{
    Objects services, slices;
    services.add(service("web", "10.99.0.7", R"(,"sessionAffinity":"ClientIP")"));
    slices.add(slice("web", READY_A));
    EXPECT_NE(std::string::npos, rules(services, slices).find("jhash ip saddr mod 1"));
}

TEST(ProxyRules, HeadlessAndForeignSlicesAreLeftOut)
{
    Objects services, slices;
    services.add(service("web", "None"));
    services.add(service("api", "10.99.0.8"));
    slices.add(slice("web", READY_A));
    slices.add(R"({"metadata":{"name":"s","namespace":"other","labels":)"
               R"({"kubernetes.io/service-name":"api"}},"ports":[{"name":"http","port":8080}],)"
               R"("endpoints":[{"addresses":["10.163.1.5"]}]})");
    std::string text = rules(services, slices);
    EXPECT_EQ(std::string::npos, text.find("numgen"));
    EXPECT_EQ(std::string::npos, text.find("10.163.1.5"));
}

TEST(ProxyRules, AnAddressThatIsNoneDoesNotReachTheRules)
{
    Objects services, slices;
    services.add(service("web", "10.99.0.7"));
    slices.add(slice("web", R"({"addresses":["1.2.3.4; flush ruleset"]})"));
    EXPECT_EQ(std::string::npos, rules(services, slices).find("flush"));
}

TEST(ProxyRules, TheTableIsNamedAfterTheRange)
{
    char name[64];
    opr__proxy_table_name("10.99.0.0/16", name, sizeof name);
    EXPECT_STREQ("operon-99", name);
    opr__proxy_table_name("172.20.8.0/24", name, sizeof name);
    EXPECT_STREQ("operon-172-20-8-0", name);
}

TEST(Cidr, ParsesAndRefuses)
{
    uint32_t address;
    int prefix;
    ASSERT_TRUE(opr__cidr_parse("10.200.1.0/24", &address, &prefix));
    EXPECT_EQ(0x0ac80100u, address);
    EXPECT_EQ(24, prefix);
    for (const char *bad : {"", "10.0.0.0", "10.0.0/8", "10.0.0.0/33", "10.0.0.256/8", "x/8"}) {
        EXPECT_FALSE(opr__cidr_parse(bad, &address, &prefix)) << bad;
    }
}

} // namespace
