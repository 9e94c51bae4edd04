extern "C" {
#include "cmd/liveview.h"
}

#include <gtest/gtest.h>

#include <string>

static const uint64_t MS = 1000000;

class LiveView : public ::testing::Test
{
  protected:
    char *text = nullptr;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    struct opr_liveview view;

    ~LiveView() override
    {
        fclose(out);
        free(text);
    }
    std::string Text()
    {
        fflush(out);
        return std::string(text, len);
    }
};

TEST_F(LiveView, AwayFromATerminalEachPartIsOneLineOnceReady)
{
    opr_liveview_init(&view, out, false);
    opr_liveview_starting(&view, "a", 1 * MS);
    opr_liveview_starting(&view, "b", 2 * MS);
    EXPECT_EQ("", Text());
    opr_liveview_ready(&view, "b", 12 * MS);
    opr_liveview_ready(&view, "b", 99 * MS); /* again: nothing */
    opr_liveview_ready(&view, "never started", 99 * MS);
    EXPECT_EQ("  b                            ready        10 ms\n", Text());
}

TEST_F(LiveView, OnATerminalTheRowsAreDrawnAgain)
{
    opr_liveview_init(&view, out, true);
    opr_liveview_starting(&view, "a", 0);
    opr_liveview_starting(&view, "b", 0);
    opr_liveview_ready(&view, "a", 5 * MS);
    std::string last = Text();
    last = last.substr(last.rfind("\033[2A"));
    EXPECT_NE(std::string::npos, last.find("a                            ready         5 ms"));
    EXPECT_NE(std::string::npos, last.find("b                            starting"));
}

TEST_F(LiveView, MorePartsThanRowsAreLeftOut)
{
    opr_liveview_init(&view, out, false);
    for (int i = 0; i < OPR_LIVEVIEW_ROWS + 3; i++) {
        opr_liveview_starting(&view, std::to_string(i).c_str(), 1);
    }
    EXPECT_EQ((size_t)OPR_LIVEVIEW_ROWS, view.count);
}
