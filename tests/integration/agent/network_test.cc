/* The Pod network's netlink requests and the Service table, in a network namespace of the test. */
#include "agent/netlink.h"
#include "agent/proxy_rules.h"
#include "core/base/str.h"
#include "core/json/json.h"
#include "support.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>

namespace
{

class Network : public WithFolder
{
  protected:
    int home = -1;

    void SetUp() override
    {
        WithFolder::SetUp();
        if (IsSkipped() || HasFatalFailure()) {
            return;
        }
        home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        if (unshare(CLONE_NEWNET) != 0) {
            GTEST_SKIP() << "no network namespaces";
        }
    }
    void TearDown() override
    {
        if (home >= 0) {
            EXPECT_EQ(0, setns(home, CLONE_NEWNET));
            close(home);
        }
        WithFolder::TearDown();
    }
    std::string output(const std::string &command)
    {
        FILE *f = popen(command.c_str(), "r");
        char text[8192] = "";
        size_t len = f ? fread(text, 1, sizeof text - 1, f) : 0;
        if (f) {
            pclose(f);
        }
        return std::string(text, len);
    }
};

constexpr uint32_t GATEWAY = 0x0ae70101, POD = 0x0ae70102;

TEST_F(Network, BridgeVethAddressesAndRoutesTwice)
{
    struct opr_error err = {};
    int other = -1;
    {
        std::thread t([&] {
            ASSERT_EQ(0, unshare(CLONE_NEWNET));
            other = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        });
        t.join();
    }
    ASSERT_GE(other, 0);
    for (int i = 0; i < 2; i++) { /* the second time nothing is new */
        ASSERT_EQ(OPR_OK, opr__nl_link_up("lo", &err)) << err.message;
        ASSERT_EQ(OPR_OK, opr__nl_bridge("oprtest", GATEWAY, 24, &err)) << err.message;
        ASSERT_EQ(OPR_OK, opr__nl_route(OPR__NL_UNREACHABLE, 0x0ae70000, 16, NULL, 0, &err))
            << err.message;
        ASSERT_EQ(OPR_OK, opr__nl_route(OPR__NL_LINK, 0x0a630000, 16, "lo", 0, &err))
            << err.message;
    }
    ASSERT_EQ(OPR_OK, opr__nl_veth("oprvtest", "oprtest", other, POD, &err)) << err.message;
    std::string routes = output("ip route");
    EXPECT_NE(std::string::npos, routes.find("unreachable 10.231.0.0/16")) << routes;
    EXPECT_NE(std::string::npos, routes.find("10.99.0.0/16 dev lo")) << routes;
    EXPECT_NE(std::string::npos, output("ip link show oprvtest").find("master oprtest"));
    opr__nl_route_delete(OPR__NL_UNREACHABLE, 0x0ae70000, 16, NULL);
    opr__nl_route_delete(OPR__NL_LINK, 0x0a630000, 16, "lo");
    routes = output("ip route");
    EXPECT_EQ(std::string::npos, routes.find("unreachable")) << routes;
    EXPECT_EQ(std::string::npos, routes.find("10.99.0.0")) << routes;
    opr__nl_link_delete("oprvtest");
    opr__nl_link_delete("oprtest");
    EXPECT_EQ(0u, if_nametoindex("oprtest"));
    close(other);
}

TEST_F(Network, ErrorsNameTheObject)
{
    struct opr_error err = {};
    EXPECT_EQ(OPR_E_IO, opr__nl_link_up("nosuchlink", &err));
    EXPECT_NE(std::string::npos, std::string(err.message).find("nosuchlink")) << err.message;
}

struct opr_obj *parse(const std::string &text)
{
    struct opr_obj *o = nullptr;
    EXPECT_EQ(OPR_OK, opr_json_parse(opr_str_n(text.data(), text.size()), &o, nullptr)) << text;
    return o;
}

TEST_F(Network, TheKernelTakesTheServiceTableAndKeepsOthers)
{
    struct opr_obj *web =
        parse(R"({"metadata":{"name":"web","namespace":"d"},"spec":{"clusterIP":)"
              R"("10.99.0.7","sessionAffinity":"ClientIP","ports":[{"name":"a",)"
              R"("port":80,"nodePort":30080},{"name":"u","port":53,"protocol":"UDP"}]}})");
    struct opr_obj *none =
        parse(R"({"metadata":{"name":"none","namespace":"d"},"spec":{"clusterIP":)"
              R"("10.99.0.8","ports":[{"name":"a","port":80,"nodePort":30090}]}})");
    struct opr_obj *slice = parse(
        R"({"metadata":{"name":"s","namespace":"d","labels":{"kubernetes.io/service-name":"web"}},)"
        R"("addressType":"IPv4","ports":[{"name":"a","port":8080,"protocol":"TCP"},{"name":"u",)"
        R"("port":5353,"protocol":"UDP"}],"endpoints":[{"addresses":["10.163.1.2"]},)"
        R"({"addresses":["10.163.1.3"]}]})");
    const struct opr_obj *services[] = {web, none}, *slices[] = {slice};
    struct opr_error err = {};
    ASSERT_EQ(OPR_OK, opr__nft_run("table ip other {\n chain c {\n }\n}\n", &err)) << err.message;
    for (size_t n : {2, 0, 2}) {
        struct opr_buf text = {};
        struct opr__proxy_ranges ranges = {"10.99.0.0/16", "10.163.0.0/16", 24, nullptr};
        opr__proxy_rules(&text, &ranges, services, n, slices, 1);
        ASSERT_EQ(OPR_OK, opr__nft_run(text.data, &err)) << err.message << "\n" << text.data;
        opr_buf_fini(&text);
    }
    std::string ruleset = output("nft list ruleset");
    EXPECT_NE(std::string::npos, ruleset.find("table ip other")) << ruleset;
    EXPECT_NE(std::string::npos, ruleset.find("dnat to 10.163.1.2:8080")) << ruleset;
    EXPECT_NE(std::string::npos, ruleset.find("dnat to 10.163.1.3:5353")) << ruleset;
    EXPECT_EQ(ruleset.find("table ip operon-99"), ruleset.rfind("table ip operon-99"));
    opr_json_unref(web);
    opr_json_unref(none);
    opr_json_unref(slice);
}

TEST_F(Network, ClientsKeepTheirEndpointsWhenTheTableIsReplaced)
{
    struct opr_obj *web =
        parse(R"({"metadata":{"name":"web","namespace":"d"},"spec":{"clusterIP":"10.99.0.7",)"
              R"("sessionAffinity":"ClientIP","ports":[{"name":"a","port":80}]}})");
    std::string slice_text =
        R"({"metadata":{"name":"s","namespace":"d","labels":{"kubernetes.io/service-name":"web"}},)"
        R"("addressType":"IPv4","ports":[{"name":"a","port":8080,"protocol":"TCP"}],"endpoints":[)"
        R"({"addresses":["10.163.1.2"]},{"addresses":["10.163.1.3"]})";
    struct opr_obj *two = parse(slice_text + "]}");
    struct opr_obj *three = parse(slice_text + R"(,{"addresses":["10.163.1.4"]}]})");
    const struct opr_obj *services[] = {web}, *slices[] = {two}, *more[] = {three};
    struct opr_error err = {};
    struct opr_buf text = {}, kernel = {};
    struct opr__proxy_ranges ranges = {"10.99.0.0/16", "10.163.0.0/16", 24, nullptr};
    opr__proxy_rules(&text, &ranges, services, 1, slices, 1);
    ASSERT_EQ(OPR_OK, opr__nft_run(text.data, &err)) << err.message << text.data;
    ASSERT_EQ(OPR_OK,
              opr__nft_run("add element ip operon-99 svc-10.99.0.7-tcp-80-to-10.163.1.3-8080 "
                           "{ 10.163.1.9, 10.163.1.8 timeout 20s }",
                           &err))
        << err.message;
    ASSERT_EQ(OPR_OK, opr__nft_read("list table ip operon-99", &kernel, &err)) << err.message;
    ranges.kernel_text = kernel.data;
    opr_buf_clear(&text);
    opr__proxy_rules(&text, &ranges, services, 1, more, 1);
    ASSERT_EQ(OPR_OK, opr__nft_run(text.data, &err)) << err.message << text.data;
    std::string set =
        output("nft list set ip operon-99 svc-10.99.0.7-tcp-80-to-10.163.1.3-8080 2>&1");
    EXPECT_NE(std::string::npos, set.find("10.163.1.9 expires")) << set;
    EXPECT_NE(std::string::npos, set.find("10.163.1.8 timeout 20s expires")) << set;
    EXPECT_NE(std::string::npos, output("nft list table ip operon-99").find("10.163.1.4:8080"));
    opr_buf_fini(&text);
    opr_buf_fini(&kernel);
    for (struct opr_obj *o : {web, two, three}) {
        opr_json_unref(o);
    }
}

TEST_F(Network, TheKernelTakesLocalPoliciesAndHostPorts)
{
    struct opr_error err = {};
    struct opr_obj *web =
        parse(R"({"metadata":{"name":"web","namespace":"d"},"spec":{"clusterIP":)"
              R"("10.99.0.7","internalTrafficPolicy":"Local","ports":[{"port":80}]}})");
    struct opr_obj *slice = parse(
        R"({"metadata":{"name":"s","namespace":"d","labels":{"kubernetes.io/service-name":"web"}},)"
        R"("addressType":"IPv4","ports":[{"port":8080}],"endpoints":[{"addresses":["10.163.1.2"]},)"
        R"({"addresses":["10.163.2.3"]},{"addresses":["192.0.2.2"]}]})");
    struct opr_obj *pod = parse(
        R"({"spec":{"containers":[{"ports":[{"containerPort":80,"hostPort":8080},{"containerPort":53,)"
        R"("hostPort":53,"protocol":"UDP","hostIP":"127.0.0.1"}]}]},"status":{"podIP":"10.163.1.2",)"
        R"("phase":"Running"}})");
    const struct opr_obj *services[] = {web}, *slices[] = {slice}, *pods[] = {pod};
    struct opr__proxy_ranges ranges = {"10.99.0.0/16", "10.163.0.0/16", 24, nullptr};
    struct opr_buf text = {};
    opr__proxy_rules(&text, &ranges, services, 1, slices, 1);
    ASSERT_EQ(OPR_OK, opr__nft_run(text.data, &err)) << err.message << "\n" << text.data;
    opr_buf_fini(&text);
    for (size_t n : {1, 1, 0}) {
        text = {};
        opr__hostports_rules(&text, "10.163.1.0/24", pods, n);
        ASSERT_EQ(OPR_OK, opr__nft_run(text.data, &err)) << err.message << "\n" << text.data;
        opr_buf_fini(&text);
        std::string ruleset = output("nft list ruleset");
        EXPECT_EQ(n == 1, ruleset.find("dport 8080 dnat to 10.163.1.2:80") != std::string::npos)
            << ruleset;
        EXPECT_EQ(n == 1, ruleset.find("operon-hostports-163-1") != std::string::npos) << ruleset;
        EXPECT_NE(std::string::npos, ruleset.find("ip saddr 10.163.2.0/24 goto")) << ruleset;
    }
    opr_json_unref(web);
    opr_json_unref(slice);
    opr_json_unref(pod);
}

TEST_F(Network, ABadTableIsRefusedWholeWithAReason)
{
    struct opr_error err = {};
    EXPECT_EQ(OPR_E_IO, opr__nft_run("table ip bad {\n chain c {\n }\n}\nnonsense\n", &err));
    EXPECT_NE(std::string(""), err.message);
    EXPECT_EQ(std::string::npos, output("nft list tables").find("bad"));
}

} // namespace
