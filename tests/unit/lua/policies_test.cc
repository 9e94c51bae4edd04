/* The stock policies pass their own cases. */
#include "core/base/buf.h"
#include "core/base/error.h"
#include "lua/policy_host.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include <unistd.h>

namespace
{

std::string root()
{
    std::string file = __FILE__;
    return file.substr(0, file.rfind("/tests/unit/"));
}

class StockPolicy : public testing::TestWithParam<const char *>
{
};

TEST_P(StockPolicy, PassesItsOwnCases)
{
    struct opr_buf report = {};
    struct opr_error err = {};
    std::string path = root() + "/lua/policies/" + GetParam();
    int failures = opr_policy_test(path.c_str(), &report, &err);
    EXPECT_EQ(failures, 0) << err.message << "\n" << (report.data ? report.data : "");
    EXPECT_NE(report.len, 0u);
    opr_buf_fini(&report);
}

INSTANTIATE_TEST_SUITE_P(All, StockPolicy,
                         testing::Values("cpu_target.lua", "latency_target.lua", "combined.lua",
                                         "spread.lua"),
                         [](const auto &p) {
                             std::string s = p.param;
                             return s.substr(0, s.find('.'));
                         });

TEST(WebExample, PassesItsOwnCases)
{
    struct opr_buf report = {};
    struct opr_error err = {};
    std::string path = root() + "/examples/lua-web/web.lua";
    EXPECT_EQ(opr_policy_test(path.c_str(), &report, &err), 0) << err.message << "\n"
                                                               << (report.data ? report.data : "");
    EXPECT_NE(report.len, 0u);
    opr_buf_fini(&report);
}

/* The example's policy stands in a manifest: its source is the indented block after "source: |". */
TEST(ShopPolicy, PassesItsOwnCases)
{
    std::ifstream in(root() + "/examples/shop/policy.yaml");
    std::string path = testing::TempDir() + "operon_shop_" + std::to_string(getpid()) + ".lua";
    std::ofstream out(path);
    bool is_source = false;
    for (std::string line; std::getline(in, line);) {
        if (is_source) {
            out << (line.size() > 4 ? line.substr(4) : "") << "\n";
        }
        is_source = is_source || line == "  source: |";
    }
    out.close();
    ASSERT_TRUE(is_source);
    struct opr_buf report = {};
    struct opr_error err = {};
    EXPECT_EQ(opr_policy_test(path.c_str(), &report, &err), 0) << err.message << "\n"
                                                               << (report.data ? report.data : "");
    opr_buf_fini(&report);
    unlink(path.c_str());
}

} // namespace
