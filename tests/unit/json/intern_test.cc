/* What values share, and that nobody can tell. */
#include "core/json/intern.h"
#include "core/json/json.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace
{

struct Value {
    struct opr_obj *obj = nullptr;
    explicit Value(const std::string &text)
    {
        opr_error err = {};
        EXPECT_EQ(OPR_OK, opr_json_parse({text.data(), text.size()}, &obj, &err)) << err.message;
    }
    ~Value()
    {
        opr_json_unref(obj);
    }
    std::string text() const
    {
        opr_buf b = {};
        opr_json_write(&b, obj);
        std::string out(b.data, b.len);
        opr_buf_fini(&b);
        return out;
    }
};

uint32_t intern(const std::string &text)
{
    return opr__intern({text.data(), text.size()});
}

TEST(Intern, WhatComesAgainIsShared)
{
    EXPECT_EQ(0u, intern("seen-once"));
    uint32_t at = intern("seen-once");
    ASSERT_NE(0u, at);
    EXPECT_STREQ("seen-once", opr__intern_pool + at);
    EXPECT_EQ(at, intern("seen-once"));
    EXPECT_NE(at, intern("seen-onc"));
}

TEST(Intern, WhatDoesNotComeAgainOftenIsNot)
{
    const std::string texts[] = {"",
                                 "2026-01-02T03:04:05Z",
                                 "10.160.1.2",
                                 std::string(65, 'a'),
                                 "6f3a5c1e-9c8b-4d6e-8f00-112233445566",
                                 std::string("a\0b", 3)};
    for (const auto &text : texts) {
        EXPECT_EQ(0u, intern(text));
        EXPECT_EQ(0u, intern(text)) << text;
    }
}

TEST(Intern, AValueTakesLessRoomWhenItsWordsAreKnown)
{
    const std::string text =
        R"({"interned-name":"interned-word","list":["interned-word",{"x":"nginx:1.25"}]})";
    Value first(text), second(text), third(text);
    EXPECT_LT(opr_json_size_bytes(third.obj), opr_json_size_bytes(first.obj));
    EXPECT_EQ(text, first.text());
    EXPECT_EQ(text, third.text());
    EXPECT_TRUE(opr_json_equal(first.obj, third.obj));
    EXPECT_STREQ("interned-word", opr_json_str(third.obj, "/interned-name", ""));
    EXPECT_STREQ("nginx:1.25", opr_json_str(third.obj, "/list/1/x", ""));
    EXPECT_STREQ("interned-name", opr_json_name(opr_json_first(third.obj)));
    EXPECT_EQ(nullptr, opr_json_at(third.obj, "/interned-nam"));
    EXPECT_EQ(nullptr, opr_json_at(third.obj, "/interned-names"));
}

TEST(Intern, DuplicateNamesAreFoundWhereverTheyStand)
{
    for (int i = 0; i < 3; i++) {
        struct opr_obj *obj = nullptr;
        const std::string text = R"({"twice-here":1,"twice-here":2})";
        EXPECT_EQ(OPR_E_INVALID, opr_json_parse({text.data(), text.size()}, &obj, nullptr));
    }
}

TEST(Intern, TheTableIsBoundedAndThreadsAgree)
{
    constexpr int kThreads = 4, kTexts = 6000;
    std::vector<std::vector<uint32_t>> places(kThreads);
    std::vector<std::thread> threads;
    auto name = [](int i) {
        return std::string(1, static_cast<char>('a' + i % 26)) + "w" + std::to_string(i / 26);
    };
    for (int t = 0; t < kThreads; t++) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < kTexts; i++) {
                (void)intern(name(i)); /* the first may be forgotten by then */
                places[t].push_back(intern(name(i)));
            }
        });
    }
    for (auto &thread : threads) {
        thread.join();
    }
    for (int i = 0; i < kTexts; i++) {
        for (int t = 0; t < kThreads; t++) {
            if (places[t][i]) {
                EXPECT_EQ(places[t][i], intern(name(i)));
                EXPECT_EQ(name(i), opr__intern_pool + places[t][i]);
            }
        }
    }
    (void)intern("before-it-is-full");
    ASSERT_NE(0u, intern("before-it-is-full"));
    /* Twice the table's size of new words: it says no at the end, and goes on with what it has. */
    int refused = 0;
    for (int i = 0; i < 30000; i++) {
        std::string text = "full-";
        for (int n = i; n > 0; n /= 26) {
            text += static_cast<char>('a' + n % 26);
        }
        (void)intern(text);
        refused += intern(text) == 0;
    }
    EXPECT_GT(refused, 10000);
    EXPECT_NE(0u, intern("before-it-is-full"));
}

} // namespace
