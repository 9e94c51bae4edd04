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

} // namespace
