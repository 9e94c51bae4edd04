#include "agent/backoff.h"

#include <gtest/gtest.h>

namespace
{

TEST(Backoff, TenSecondsDoublingToFiveMinutes)
{
    const uint32_t expected[] = {10000, 20000, 40000, 80000, 160000, 300000, 300000};
    uint32_t wait = 0; /* the first restart is at once */
    for (uint32_t e : expected) {
        wait = opr__backoff_next(wait);
        EXPECT_EQ(e, wait);
    }
}

TEST(Backoff, IsForgottenAfterTenMinutes)
{
    EXPECT_EQ(300000u, opr__backoff_after_run(300000, 599999));
    EXPECT_EQ(0u, opr__backoff_after_run(300000, 600000));
}

TEST(Backoff, IsNamedAsDurationsAre)
{
    char text[OPR__BACKOFF_TEXT_MAX];
    const std::pair<uint32_t, const char *> cases[] = {
        {10000, "10s"}, {80000, "1m20s"}, {160000, "2m40s"}, {300000, "5m0s"}, {0, "0s"}};
    for (const auto &c : cases) {
        opr__backoff_format(c.first, text);
        EXPECT_STREQ(c.second, text);
    }
}

} // namespace
