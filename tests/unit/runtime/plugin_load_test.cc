/* Loading plugins: what is refused, with which words, and before any of its code runs. */
#include "core/base/log.h"
#include "core/runtime/manager.h"
#include "tests/support/fake_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace
{

using ::testing::HasSubstr;

class PluginLoad : public ::testing::Test
{
  protected:
    FakeTransport transport;
    struct opr_clock *clock = opr_clock_fake_new(0);
    struct opr_client *client = opr_client_new(&transport.base);
    struct opr_manager *manager = nullptr;
    struct opr_error err = {};

    void SetUp() override
    {
        opr_log_set_level(OPR_LOG_ERROR);
        unsetenv("PLUGIN_WAS_OPENED");
        struct opr_manager_config config = {};
        config.client = client;
        config.clock = clock;
        config.workers = UINT32_MAX;
        manager = opr_manager_new(&config);
    }
    ~PluginLoad() override
    {
        opr_manager_free(manager);
        opr_client_free(client);
        opr_clock_fake_free(clock);
    }
    static std::string Path(const std::string &kind)
    {
        return std::string(TEST_PLUGIN_DIR) + "/" + kind + ".so";
    }
    opr_status Load(const std::string &path, const char *config = nullptr)
    {
        err = {};
        return opr_manager_load(manager, path.c_str(), config, &err);
    }
    static bool WasOpened()
    {
        return getenv("PLUGIN_WAS_OPENED") != nullptr;
    }
};

TEST_F(PluginLoad, LoadsAGoodOne)
{
    ASSERT_EQ(Load(Path("good")), OPR_OK) << err.message;
    EXPECT_TRUE(WasOpened());
}

TEST_F(PluginLoad, RefusesANewerMinorNamingBothAndTheFile)
{
    EXPECT_EQ(Load(Path("newer_minor")), OPR_E_UNSUPPORTED);
    EXPECT_THAT(err.message, HasSubstr("newer_minor.so"));
    EXPECT_THAT(err.message, HasSubstr("ABI " + std::to_string(OPR_ABI_MAJOR) + "." +
                                       std::to_string(OPR_ABI_MINOR + 1)));
    EXPECT_THAT(err.message, HasSubstr("host has " + std::to_string(OPR_ABI_MAJOR) + "." +
                                       std::to_string(OPR_ABI_MINOR)));
    EXPECT_FALSE(WasOpened());
}

TEST_F(PluginLoad, RefusesAnotherMajor)
{
    EXPECT_EQ(Load(Path("other_major")), OPR_E_UNSUPPORTED);
    EXPECT_THAT(err.message, HasSubstr("ABI " + std::to_string(OPR_ABI_MAJOR + 7) + ".0"));
    EXPECT_FALSE(WasOpened());
}

TEST_F(PluginLoad, RefusesWhatHasNoNote)
{
    EXPECT_EQ(Load(Path("no_note")), OPR_E_INVALID);
    EXPECT_THAT(err.message, HasSubstr("no ABI note"));
    EXPECT_FALSE(WasOpened());
}

TEST_F(PluginLoad, RefusesWhatHasNoEntryOrNoTable)
{
    EXPECT_EQ(Load(Path("no_entry")), OPR_E_INVALID);
    EXPECT_THAT(err.message, HasSubstr("opr_plugin_entry"));
    EXPECT_EQ(Load(Path("bad_magic")), OPR_E_INVALID);
    EXPECT_THAT(err.message, HasSubstr("OPR_PLUGIN_HEADER"));
    EXPECT_EQ(Load(Path("table_newer")), OPR_E_UNSUPPORTED) << "the table counts too";
}

TEST_F(PluginLoad, RefusesAControllerWithoutAName)
{
    EXPECT_EQ(Load(Path("no_name")), OPR_E_INVALID);
    EXPECT_THAT(err.message, HasSubstr("lacks its name"));
}

TEST_F(PluginLoad, APluginMayRefuseItsConfiguration)
{
    EXPECT_EQ(Load(Path("init_fails")), OPR_E_UNSUPPORTED);
    EXPECT_THAT(err.message, HasSubstr("refused to start"));
    EXPECT_EQ(Load(Path("good"), "{\"refuse\":true}"), OPR_E_INVALID);
    EXPECT_EQ(Load(Path("good"), "{refuse"), OPR_E_INVALID);
    EXPECT_THAT(err.message, HasSubstr("not JSON"));
    EXPECT_EQ(Load(Path("good"), "{\"refuse\":false}"), OPR_OK) << "and may be loaded afterwards";
}

TEST_F(PluginLoad, RefusesTheSameControllerTwice)
{
    ASSERT_EQ(Load(Path("good")), OPR_OK);
    EXPECT_EQ(Load(Path("good")), OPR_E_INVALID);
    EXPECT_THAT(err.message, HasSubstr("already a controller"));
}

TEST_F(PluginLoad, RefusesFilesThatAreNoPlugins)
{
    EXPECT_EQ(Load("/nowhere/x.so"), OPR_E_NOT_FOUND);
    EXPECT_THAT(err.message, HasSubstr("/nowhere/x.so"));
    EXPECT_EQ(Load("/dev/null"), OPR_E_INVALID);
    EXPECT_EQ(Load("/proc/self/exe"), OPR_E_INVALID);
}

/* A file that is cut anywhere, or has a byte changed in its header and tables, is refused or loaded
 * by the system's loader, but never read past its end. Only the reader is put to the test: a file
 * whose note is found is left alone. */
TEST_F(PluginLoad, ReadsDamagedFilesWithinTheirBounds)
{
    std::ifstream in(Path("newer_minor"), std::ios::binary);
    std::stringstream all;
    all << in.rdbuf();
    std::string whole = all.str();
    ASSERT_GT(whole.size(), 1000u);
    std::string path = ::testing::TempDir() + "/damaged.so";
    auto refused = [&](const std::string &content) {
        std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
        return Load(path) != OPR_OK;
    };
    for (size_t len = 0; len < whole.size(); len += len < 128 ? 1 : whole.size() / 97) {
        EXPECT_TRUE(refused(whole.substr(0, len))) << len;
    }
    for (size_t at = 32; at < 64; at++) { /* offsets, sizes and counts of the header */
        std::string changed = whole;
        changed[at] = (char)0xff;
        EXPECT_TRUE(refused(changed)) << at;
    }
    EXPECT_FALSE(WasOpened());
    remove(path.c_str());
}

} // namespace
