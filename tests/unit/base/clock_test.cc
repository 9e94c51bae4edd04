#include <gtest/gtest.h>

#include <string>

extern "C" {
#include "core/base/clock.h"
#include "core/base/str.h"
}

namespace
{

std::string format(int64_t ms)
{
    char text[OPR_TIME_TEXT_MAX];
    opr_time_format(ms, text);
    return text;
}

std::string format_micro(int64_t ms)
{
    char text[OPR_TIME_TEXT_MAX];
    opr_time_format_micro(ms, text);
    return text;
}

TEST(Clock, FakeOneMovesOnlyWhenTold)
{
    struct opr_clock *c = opr_clock_fake_new(1000);
    uint64_t mono = opr_clock_mono_ns(c), boot = opr_clock_boot_ns(c);
    EXPECT_EQ(1000, opr_clock_wall_ms(c));
    opr_clock_fake_advance(c, 250);
    EXPECT_EQ(1250, opr_clock_wall_ms(c));
    EXPECT_EQ(mono + 250000000, opr_clock_mono_ns(c));
    EXPECT_EQ(boot + 250000000, opr_clock_boot_ns(c));
    opr_clock_fake_free(c);
}

TEST(Clock, SystemOneNeverGoesBack)
{
    const struct opr_clock *c = opr_clock_system();
    uint64_t before = opr_clock_mono_ns(c);
    EXPECT_GE(opr_clock_mono_ns(c), before);
    EXPECT_GT(opr_clock_wall_ms(c), 1600000000000);
}

TEST(Time, Formats)
{
    EXPECT_EQ("1970-01-01T00:00:00Z", format(0));
    EXPECT_EQ("2026-01-02T03:04:05Z", format(1767323045678));
    EXPECT_EQ("2026-01-02T03:04:05.678000Z", format_micro(1767323045678));
    EXPECT_EQ("1969-12-31T23:59:59Z", format(-1));
    EXPECT_EQ("1969-12-31T23:59:59.999000Z", format_micro(-1));
    EXPECT_EQ("9999-12-31T23:59:59Z", format(INT64_MAX));
    EXPECT_EQ("0000-01-01T00:00:00Z", format(INT64_MIN));
}

TEST(Time, Parses)
{
    struct {
        const char *text;
        int64_t ms;
    } good[] = {{"1970-01-01T00:00:00Z", 0},
                {"2026-01-02T03:04:05Z", 1767323045000},
                {"2026-01-02t03:04:05z", 1767323045000},
                {"2026-01-02T03:04:05.6Z", 1767323045600},
                {"2026-01-02T03:04:05.678999999Z", 1767323045678},
                {"2026-01-02T05:04:05+02:00", 1767323045000},
                {"2026-01-01T21:34:05-05:30", 1767323045000},
                {"2024-02-29T00:00:00Z", 1709164800000}};
    for (auto &g : good) {
        int64_t ms = -1;
        EXPECT_EQ(OPR_OK, opr_time_parse(opr_str_of(g.text), &ms)) << g.text;
        EXPECT_EQ(g.ms, ms) << g.text;
    }
}

TEST(Time, RefusesWhatIsNoTime)
{
    for (const char *bad :
         {"", "2026", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z",
          "2026-02-29T00:00:00Z", "2026-00-02T03:04:05Z", "2026-01-32T03:04:05Z",
          "2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z",
          "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+0200", "2026-01-02T03:04:05+24:00",
          "2026-01-02T03:04:05Zx", "2026-01-02 03:04:05Z", "+026-01-02T03:04:05Z"}) {
        int64_t ms;
        EXPECT_EQ(OPR_E_INVALID, opr_time_parse(opr_str_of(bad), &ms)) << bad;
    }
}

TEST(Duration, ReadsGoDurations)
{
    struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0", 0},       {"0s", 0},          {"300ms", 300},    {"20s", 20000},
                {"5m", 300000}, {"1h30m", 5400000}, {"1.5h", 5400000}, {"1h0m0.25s", 3600250},
                {"1500us", 1},  {"2\xc2\xb5s", 0},  {"3000000ns", 3},  {".5s", 500},
                {"1.s", 1000}};
    for (auto &g : good) {
        int64_t ms = -1;
        EXPECT_EQ(OPR_OK, opr_duration_parse(opr_str_of(g.text), &ms)) << g.text;
        EXPECT_EQ(g.ms, ms) << g.text;
    }
    for (const char *bad :
         {"", "1", "s", "1x", "1 s", ".s", "1..5s", "-1s", "+1s", "1h-5m", "1s ", "h1"}) {
        int64_t ms;
        EXPECT_EQ(OPR_E_INVALID, opr_duration_parse(opr_str_of(bad), &ms)) << bad;
    }
    int64_t ms;
    EXPECT_EQ(OPR_E_LIMIT, opr_duration_parse(OPR_STR("9999999999h"), &ms));
    EXPECT_EQ(OPR_E_LIMIT, opr_duration_parse(OPR_STR("2562047h2562047h"), &ms));
}

} // namespace
