/* Published volume content: whole, replaced at once, and never outside of its folder. */
#include "agent/files.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace
{

class Files : public ::testing::Test
{
  protected:
    void SetUp() override
    {
        char text[] = "/tmp/operon-files-XXXXXX";
        ASSERT_NE(nullptr, mkdtemp(text));
        dir_ = text;
        files_.arena = opr_arena_new();
    }
    void TearDown() override
    {
        opr_vec_fini(&files_.list);
        opr_arena_free(files_.arena);
        EXPECT_EQ(OPR_OK, opr_fs_remove_tree(dir_.c_str(), nullptr));
    }
    opr_status add(const char *path, const char *data, unsigned mode = 0644)
    {
        return opr__files_add(&files_, path, opr_str_of(data), mode, nullptr);
    }
    void publish()
    {
        struct opr_error err = {};
        ASSERT_EQ(OPR_OK, opr__files_publish(&files_, dir_.c_str(), &err)) << err.message;
    }
    std::string read(const std::string &name)
    {
        std::ifstream f(dir_ + "/" + name);
        std::stringstream s;
        s << f.rdbuf();
        return s.str();
    }
    std::string link()
    {
        char text[256] = "";
        ssize_t n = readlink((dir_ + "/..data").c_str(), text, sizeof text - 1);
        return n > 0 ? std::string(text, (size_t)n) : "";
    }
    std::string dir_;
    struct opr__files files_ = {};
};

TEST_F(Files, ArePublishedWithTheirModes)
{
    ASSERT_EQ(OPR_OK, add("a", "1"));
    ASSERT_EQ(OPR_OK, add("sub/b", "two", 0400));
    publish();
    EXPECT_EQ("1", read("a"));
    EXPECT_EQ("two", read("sub/b"));
    struct stat st;
    ASSERT_EQ(0, stat((dir_ + "/sub/b").c_str(), &st));
    EXPECT_EQ(0400u, st.st_mode & 0777);
}

TEST_F(Files, TheSameContentIsLeftAlone)
{
    ASSERT_EQ(OPR_OK, add("a", "1"));
    publish();
    std::string before = link();
    publish();
    EXPECT_EQ(before, link());
}

TEST_F(Files, AChangeReplacesAllAtOnceAndDropsWhatIsGone)
{
    ASSERT_EQ(OPR_OK, add("a", "1"));
    ASSERT_EQ(OPR_OK, add("b", "1"));
    publish();
    std::string before = link();
    files_.list.count = 0;
    ASSERT_EQ(OPR_OK, add("a", "2"));
    publish();
    EXPECT_NE(before, link());
    EXPECT_EQ("2", read("a"));
    EXPECT_NE(0, access((dir_ + "/b").c_str(), F_OK));
    EXPECT_FALSE(opr_fs_exists((dir_ + "/" + before).c_str()));
}

TEST_F(Files, TheLastOneOfAPathCounts)
{
    ASSERT_EQ(OPR_OK, add("a", "1"));
    ASSERT_EQ(OPR_OK, add("a", "2"));
    publish();
    EXPECT_EQ("2", read("a"));
}

TEST_F(Files, NoPathLeavesTheVolume)
{
    for (const char *path : {"", "/etc/passwd", "../x", "a/../../x", "..data/x", "a//b", "./a"}) {
        EXPECT_EQ(OPR_E_INVALID, add(path, "x")) << path;
    }
}

} // namespace
