/* The text of the Service table: what is reached, what is refused, and that order does not matter.
 */
#include "agent/balancer.h"
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

std::string rules(const Objects &services, const Objects &slices, const char *kernel = nullptr)
{
    struct opr_buf b = {};
    struct opr__proxy_ranges ranges = {"10.99.0.0/16", "10.163.0.0/16", 24, kernel};
    opr__proxy_rules(&b, &ranges, services.data(), services.size(), slices.data(), slices.size());
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

TEST(ProxyRules, AffinityRemembersTheClient)
{
    Objects services, slices, plain;
    services.add(service("web", "10.99.0.7",
                         R"(,"sessionAffinity":"ClientIP","sessionAffinityConfig":)"
                         R"({"clientIP":{"timeoutSeconds":77}})"));
    slices.add(slice("web", READY_A));
    const std::string set = "svc-10.99.0.7-tcp-80-to-10.163.1.2-8080";
    std::string text = rules(services, slices);
    EXPECT_NE(std::string::npos, text.find("set " + set + " {")) << text;
    EXPECT_NE(std::string::npos, text.find("timeout 77s")) << text;
    EXPECT_NE(std::string::npos, text.find("ip saddr @" + set + " goto " + set)) << text;
    EXPECT_NE(std::string::npos, text.find("mod 1 vmap { 0 : goto " + set)) << text;
    EXPECT_NE(std::string::npos, text.find("update @" + set + " { ip saddr }")) << text;
    EXPECT_EQ(std::string::npos, text.find("elements = { 10.")) << text;
    const std::string kernel =
        "table ip operon-99 {\n\tset other {\n\t\telements = { 10.0.0.1 }\n\t}\n"
        "\tset " +
        set +
        " {\n\t\ttype ipv4_addr\n\t\telements = { 10.163.1.9 "
        "expires 1m2s,\n\t\t\t     10.163.1.8 expires 3s }\n\t}\n}\n";
    text = rules(services, slices, kernel.c_str());
    EXPECT_NE(std::string::npos, text.find("elements = { 10.163.1.9 expires 1m2s,")) << text;
    EXPECT_EQ(std::string::npos, text.find("10.0.0.1")) << text;
    plain.add(service("web", "10.99.0.7"));
    EXPECT_EQ(std::string::npos, rules(plain, slices, kernel.c_str()).find("10.163.1.9"));
}

TEST(ProxyRules, ElementsOfASet)
{
    const char text[] = "table ip t {\n\tset a {\n\t\ttype ipv4_addr\n\t}\n"
                        "\tset b {\n\t\telements = { 10.0.0.1 expires 5s }\n\t}\n}\n";
    auto of = [&](const char *set) {
        struct opr_str e = opr__nft_elements(text, set);
        return std::string(e.ptr ? e.ptr : "", e.len);
    };
    EXPECT_EQ("", of("a")) << "not those of the next set";
    EXPECT_EQ("10.0.0.1 expires 5s", of("b"));
    EXPECT_EQ("", of("c"));
    EXPECT_EQ(0u, opr__nft_elements(nullptr, "a").len);
}

TEST(ProxyRules, EndpointsThatEndServeWhereNoneIsReady)
{
    const char ending[] = R"({"addresses":["10.163.1.7"],"conditions":)"
                          R"({"ready":false,"serving":true,"terminating":true}})";
    const char ended[] = R"({"addresses":["10.163.1.8"],"conditions":)"
                         R"({"ready":false,"serving":false,"terminating":true}})";
    Objects services, last, others;
    services.add(service("web", "10.99.0.7"));
    last.add(slice("web", std::string(ending) + "," + ended + "," + UNREADY));
    std::string text = rules(services, last);
    EXPECT_NE(std::string::npos, text.find("mod 1 map { 0 : 10.163.1.7 . 8080 }")) << text;
    others.add(slice("web", std::string(ending) + "," + READY_A));
    text = rules(services, others);
    EXPECT_NE(std::string::npos, text.find("mod 1 map { 0 : 10.163.1.2 . 8080 }")) << text;
}

TEST(ProxyRules, ALocalPolicyDividesTheClientsByTheirNode)
{
    const char on_host[] = R"({"addresses":["192.0.2.2"]})";
    const char second[] = R"({"addresses":["10.163.1.9"]})";
    Objects services, slices, with_host;
    services.add(service("web", "10.99.0.7", R"(,"internalTrafficPolicy":"Local")"));
    slices.add(slice("web", std::string(READY_A) + "," + READY_B + "," + second));
    std::string text = rules(services, slices);
    EXPECT_NE(std::string::npos,
              text.find("10.99.0.7 . tcp . 80 : goto svc-10.99.0.7-tcp-80-local"));
    EXPECT_NE(std::string::npos,
              text.find("ip saddr 10.163.1.0/24 goto svc-10.99.0.7-tcp-80-at-10.163.1.0\n"
                        "    ip saddr 10.163.2.0/24 goto svc-10.99.0.7-tcp-80-at-10.163.2.0\n"
                        "    ip saddr 10.163.0.0/16 return\n"))
        << text;
    EXPECT_NE(std::string::npos,
              text.find("-at-10.163.1.0 {\n    meta l4proto tcp dnat ip to numgen "
                        "random mod 2 map { 0 : 10.163.1.2 . 8080, 1 : "
                        "10.163.1.9 . 8080 }"))
        << text;
    with_host.add(slice("web", std::string(READY_A) + "," + on_host));
    text = rules(services, with_host);
    EXPECT_NE(std::string::npos,
              text.find("ip saddr 10.163.0.0/16 goto svc-10.99.0.7-tcp-80-at-host"))
        << text;
    EXPECT_NE(std::string::npos,
              text.find("-at-10.163.1.0 {\n    meta l4proto tcp dnat ip to numgen "
                        "random mod 2 map { 0 : 10.163.1.2 . 8080, 1 : "
                        "192.0.2.2 . 8080 }"))
        << text;
}

std::string hostports(const Objects &pods)
{
    struct opr_buf b = {};
    opr__hostports_rules(&b, "10.163.2.0/24", pods.data(), pods.size());
    std::string text(b.data, b.len);
    opr_buf_fini(&b);
    return text;
}

std::string pod(const std::string &ports, const std::string &phase, const std::string &more = "")
{
    return R"({"spec":{"containers":[{"ports":[)" + ports + "]}]" + more +
           R"(},"status":{"podIP":"10.163.2.5","phase":")" + phase + "\"}}";
}

TEST(ProxyRules, HostPortsLeadToRunningPods)
{
    const char port[] = R"({"containerPort":80,"hostPort":8080})";
    const char udp[] =
        R"({"containerPort":53,"hostPort":5353,"protocol":"UDP","hostIP":"127.0.0.1"})";
    Objects pods, none;
    pods.add(pod(std::string(port) + "," + udp + R"(,{"containerPort":90})", "Running"));
    std::string text = hostports(pods);
    EXPECT_NE(std::string::npos, text.find("    tcp dport 8080 dnat ip to 10.163.2.5:80\n"))
        << text;
    EXPECT_NE(std::string::npos,
              text.find("    ip daddr 127.0.0.1 udp dport 5353 dnat ip to 10.163.2.5:53\n"))
        << text;
    EXPECT_EQ(0u, text.find("table ip operon-hostports-163-2\ndelete table"));
    none.add(pod(port, "Succeeded"));
    none.add(pod(port, "Running", R"(,"hostNetwork":true)"));
    none.add(pod(R"({"containerPort":90})", "Running"));
    none.add(pod(R"({"containerPort":90,"hostPort":90,"protocol":"SCTP"})", "Running"));
    EXPECT_EQ(std::string::npos, hostports(none).find("dnat"));
    EXPECT_TRUE(opr__hostports_has(pods.data()[0]));
    EXPECT_FALSE(opr__hostports_has(none.data()[1]));
    EXPECT_FALSE(opr__hostports_has(none.data()[2]));
}

class BalancerRules : public ::testing::Test
{
  protected:
    void TearDown() override
    {
        opr_vec_fini(&list);
        opr_arena_free(arena);
    }
    /* "ADDRESS:PORT ENDPOINT:PORT ..." */
    std::vector<std::string> make(const Objects &services, const Objects &slices)
    {
        std::vector<std::string> lines;
        list.count = 0;
        opr__balancer_rules(services.data(), services.size(), slices.data(), slices.size(),
                            "node-1", arena, &list);
        for (size_t i = 0; i < list.count; i++) {
            auto *r = static_cast<const struct opr__balancer_rule *>(list.items[i]);
            std::string line = text(r->address, r->port) + (r->is_sticky ? " sticky" : "");
            for (size_t e = 0; e < r->n_endpoints; e++) {
                line += " " + text(r->endpoints[e].address, r->endpoints[e].port);
            }
            lines.push_back(line);
        }
        return lines;
    }
    static std::string text(uint32_t address, uint16_t port)
    {
        char ip[OPR__IPV4_TEXT_MAX];
        opr__ipv4_format(address, ip);
        return std::string(ip) + ":" + std::to_string(port);
    }
    struct opr_arena *arena = opr_arena_new();
    struct opr_vec list = {};
};

using Lines = std::vector<std::string>;

TEST_F(BalancerRules, PlacesFollowFromTheService)
{
    Objects services, slices;
    services.add(
        R"({"metadata":{"name":"web","namespace":"default"},"spec":{"clusterIP":"10.99.4.7",)"
        R"("sessionAffinity":"ClientIP","ports":[{"name":"http","port":80,"nodePort":30080},)"
        R"({"name":"dns","port":53,"protocol":"UDP"},{"name":"high","port":60000}]}})");
    services.add(service("headless", "None"));
    slices.add(slice("web", std::string(READY_A) + "," + UNREADY));
    EXPECT_EQ((Lines{"127.99.4.7:20080 sticky 10.163.1.2:8080",
                     "127.0.0.1:30080 sticky 10.163.1.2:8080", "127.99.4.7:40000 sticky"}),
              make(services, slices));
    uint32_t address;
    uint16_t port;
    EXPECT_FALSE(opr__balancer_place(services.data()[0], 0, &address, &port));
    EXPECT_FALSE(opr__balancer_place(services.data()[0], 65536, &address, &port));
    EXPECT_FALSE(opr__balancer_place(services.data()[1], 80, &address, &port));
}

TEST_F(BalancerRules, LocalPoliciesKeepToTheNode)
{
    Objects services, slices;
    services.add(service("web", "10.99.4.7", R"(,"internalTrafficPolicy":"Local")"));
    slices.add(slice("web", R"({"addresses":["192.0.2.2"],"nodeName":"node-1"},)"
                            R"({"addresses":["192.0.2.3"],"nodeName":"node-2"})"));
    EXPECT_EQ(Lines{"127.99.4.7:20080 192.0.2.2:8080"}, make(services, slices));
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
