/* Common to the agent's integration tests: root, a folder, the shim's place, waiting. */
#ifndef OPR_TESTS_INTEGRATION_AGENT_SUPPORT_H
#define OPR_TESTS_INTEGRATION_AGENT_SUPPORT_H

#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/log.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <limits.h>
#include <string>
#include <thread>
#include <unistd.h>

inline std::string shim_path()
{
    char self[PATH_MAX] = "";
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    std::string path(self, len > 0 ? (size_t)len : 0);
    path = path.substr(0, path.rfind('/'));
    return path.substr(0, path.rfind('/')) + "/operon-shim";
}

inline bool wait_for(const std::function<bool()> &fn, int seconds = 10)
{
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (!fn()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

inline std::string read_file(const std::string &path)
{
    struct opr_buf b = {};
    std::string text;
    if (opr_fs_read(path.c_str(), 1 << 20, &b, nullptr) == OPR_OK) {
        text.assign(b.data ? b.data : "", b.len);
    }
    opr_buf_fini(&b);
    return text;
}

class WithFolder : public ::testing::Test
{
  protected:
    std::string dir;

    void SetUp() override
    {
        opr_log_set_level(OPR_LOG_ERROR);
        if (geteuid() != 0) {
            GTEST_SKIP() << "needs root for namespaces and cgroups";
        }
        char text[] = "/tmp/operon-agent-XXXXXX";
        ASSERT_NE(nullptr, mkdtemp(text));
        dir = text;
        setenv("OPERON_SHIM", shim_path().c_str(), 1);
    }
    void TearDown() override
    {
        if (!dir.empty()) {
            EXPECT_EQ(OPR_OK, opr_fs_remove_tree(dir.c_str(), nullptr));
        }
    }
};

#endif
