/* $(NAME) in commands and values. */
#include "agent/env.h"

#include <gtest/gtest.h>

namespace
{

TEST(EnvExpand, FollowsTheRulesOfKubernetes)
{
    struct opr_arena *arena = opr_arena_new();
    char a[] = "A=one", b[] = "AB=two", empty[] = "EMPTY=";
    char *env[] = {a, b, empty, nullptr};
    const struct {
        const char *text, *expected;
    } cases[] = {
        {"plain", "plain"},     {"$(A)", "one"},   {"x$(A)y$(AB)z", "xoneytwoz"},
        {"$(NOPE)", "$(NOPE)"}, {"$$(A)", "$(A)"}, {"$$$(A)", "$one"},
        {"$A", "$A"},           {"$(A", "$(A"},    {"$", "$"},
        {"$(EMPTY)", ""},       {"$$", "$"},       {"$()", "$()"},
    };
    for (const auto &c : cases) {
        EXPECT_STREQ(c.expected, opr__env_expand(arena, c.text, env)) << c.text;
    }
    opr_arena_free(arena);
}

} // namespace
