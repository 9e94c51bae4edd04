#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

extern "C" {
#include "core/base/alloc.h"
#include "core/base/arena.h"
#include "core/base/heap.h"
#include "core/base/map.h"
#include "core/base/str.h"
#include "core/base/vec.h"
}

namespace
{

TEST(Alloc, NthTryFailsOnce)
{
    opr_alloc_fail_nth(2);
    void *a = opr_alloc_try(8), *b = opr_alloc_try(8), *c = opr_alloc_try(8);
    EXPECT_NE(nullptr, a);
    EXPECT_EQ(nullptr, b);
    EXPECT_NE(nullptr, c);
    opr_alloc_fail_nth(1);
    EXPECT_EQ(nullptr, opr_realloc_try(a, 100));
    opr_free(a);
    opr_free(c);
}

TEST(Alloc, TextHelpers)
{
    char *a = opr_xprintf("%s-%d", "x", 7), *b = opr_xstrndup("abcdef", 3);
    EXPECT_STREQ("x-7", a);
    EXPECT_STREQ("abc", b);
    opr_free(a);
    opr_free(b);
    opr_free(nullptr);
}

TEST(AllocDeathTest, BrokenInvariantAborts)
{
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_DEATH(OPR_CHECK(1 == 2), "broken invariant: 1 == 2");
}

TEST(Arena, AlignsAndZeroes)
{
    struct opr_arena *a = opr_arena_new();
    for (size_t size : {1u, 15u, 16u, 17u, 5000u, 100000u, 3u}) {
        auto *p = static_cast<unsigned char *>(opr_arena_alloc(a, size));
        EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(p) % 16);
        for (size_t i = 0; i < size; i++) {
            ASSERT_EQ(0, p[i]);
            p[i] = 0xff;
        }
    }
    EXPECT_STREQ("abc", opr_arena_dup(a, opr_str_n("abcdef", 3)));
    EXPECT_STREQ("n=5", opr_arena_printf(a, "n=%d", 5));
    opr_arena_free(a);
    opr_arena_free(nullptr);
}

TEST(Arena, DefersNewestFirst)
{
    static std::string seen;
    seen.clear();
    struct opr_arena *a = opr_arena_new();
    auto note = [](void *text) { seen += static_cast<const char *>(text); };
    opr_arena_defer(a, note, const_cast<char *>("1"));
    opr_arena_defer(a, note, const_cast<char *>("2"));
    opr_arena_clear(a);
    EXPECT_EQ("21", seen);
    opr_arena_defer(a, note, const_cast<char *>("3"));
    opr_arena_free(a);
    EXPECT_EQ("213", seen);
}

TEST(Vec, KeepsOrder)
{
    struct opr_vec v = {};
    static int n[5] = {4, 2, 0, 3, 1};
    opr_vec_push(&v, &n[0]);
    opr_vec_push(&v, &n[2]);
    opr_vec_insert(&v, 1, &n[1]);
    EXPECT_EQ(&n[1], v.items[1]);
    EXPECT_EQ(&n[0], opr_vec_remove(&v, 0));
    EXPECT_FALSE(opr_vec_remove_item(&v, &n[4]));
    EXPECT_TRUE(opr_vec_remove_item(&v, &n[2]));
    ASSERT_EQ(1u, v.count);
    EXPECT_EQ(&n[1], v.items[0]);
    opr_vec_fini(&v);
    for (int &i : n) {
        opr_vec_push(&v, &i);
    }
    opr_vec_sort(&v, [](const void *a, const void *b) {
        return *static_cast<const int *>(a) - *static_cast<const int *>(b);
    });
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(i, *static_cast<int *>(v.items[i]));
    }
    opr_vec_fini(&v);
}

struct Timer {
    struct opr_heap_entry entry; /* first member */
    int at;
};

bool earlier(const struct opr_heap_entry *a, const struct opr_heap_entry *b)
{
    return reinterpret_cast<const Timer *>(a)->at < reinterpret_cast<const Timer *>(b)->at;
}

TEST(Heap, PopsInOrderAfterRemovalsAndUpdates)
{
    std::mt19937 random(7);
    std::vector<Timer> timers(300);
    struct opr_heap h = {};
    h.less = earlier;
    for (auto &t : timers) {
        t.at = static_cast<int>(random() % 1000);
        opr_heap_push(&h, &t.entry);
    }
    for (size_t i = 0; i < timers.size(); i += 3) {
        opr_heap_remove(&h, &timers[i].entry);
        EXPECT_EQ(0u, timers[i].entry.pos);
    }
    for (size_t i = 1; i < timers.size(); i += 3) {
        timers[i].at = static_cast<int>(random() % 1000);
        opr_heap_update(&h, &timers[i].entry);
    }
    int last = -1;
    size_t count = 0;
    while (struct opr_heap_entry *e = opr_heap_pop(&h)) {
        EXPECT_LE(last, reinterpret_cast<Timer *>(e)->at);
        last = reinterpret_cast<Timer *>(e)->at;
        count++;
    }
    EXPECT_EQ(200u, count);
    EXPECT_EQ(nullptr, opr_heap_peek(&h));
    opr_heap_fini(&h);
}

std::string keys_of(struct opr_map *m)
{
    std::string all;
    size_t it = 0;
    struct opr_str key;
    while (opr_map_next(m, &it, &key, nullptr)) {
        all += std::string(key.ptr, key.len) + " ";
    }
    return all;
}

TEST(Map, PutsGetsRemovesInInsertionOrder)
{
    struct opr_map *m = opr_map_new();
    int a = 1, b = 2;
    EXPECT_EQ(nullptr, opr_map_get(m, OPR_STR("a")));
    EXPECT_EQ(nullptr, opr_map_remove(m, OPR_STR("a")));
    EXPECT_EQ(nullptr, opr_map_put(m, OPR_STR("z"), &a));
    EXPECT_EQ(nullptr, opr_map_put(m, OPR_STR("a"), &a));
    EXPECT_EQ(nullptr, opr_map_put(m, OPR_STR(""), &a));
    EXPECT_EQ(&a, opr_map_put(m, OPR_STR("a"), &b));
    EXPECT_EQ(&b, opr_map_get(m, OPR_STR("a")));
    EXPECT_EQ(&a, opr_map_get(m, OPR_STR("")));
    EXPECT_EQ("z a  ", keys_of(m));
    EXPECT_EQ(&a, opr_map_remove(m, OPR_STR("z")));
    EXPECT_EQ(nullptr, opr_map_get(m, OPR_STR("z")));
    EXPECT_EQ(2u, opr_map_count(m));
    opr_map_free(m, nullptr);
    opr_map_free(nullptr, nullptr);
}

TEST(Map, KeysAreCopiedAndValuesFreed)
{
    struct opr_map *m = opr_map_new();
    std::string key = "key";
    opr_map_put(m, opr_str_n(key.data(), key.size()), opr_xstrdup("v"));
    key = "gone";
    EXPECT_STREQ("v", static_cast<char *>(opr_map_get(m, OPR_STR("key"))));
    opr_map_free(m, opr_free);
}

TEST(Map, CurrentEntryMayBeRemovedWhileIterating)
{
    struct opr_map *m = opr_map_new();
    static int values[100];
    for (int i = 0; i < 100; i++) {
        opr_map_put(m, opr_str_of(std::to_string(i).c_str()), &values[i]);
    }
    size_t it = 0, seen = 0;
    struct opr_str key;
    void *value;
    while (opr_map_next(m, &it, &key, &value)) {
        EXPECT_EQ(&values[seen], value);
        if (seen++ % 2 == 0) {
            EXPECT_EQ(value, opr_map_remove(m, key));
        }
    }
    EXPECT_EQ(100u, seen);
    EXPECT_EQ(50u, opr_map_count(m));
    opr_map_free(m, nullptr);
}

TEST(Map, AgreesWithAModel)
{
    struct opr_map *m = opr_map_new();
    std::map<std::string, int *> model;
    static int values[8];
    std::mt19937 random(11);
    for (int i = 0; i < 20000; i++) {
        std::string k = "key" + std::to_string(random() % 700);
        int *v = &values[random() % 8];
        struct opr_str key = opr_str_n(k.data(), k.size());
        if (random() % 3 == 0) {
            void *was = opr_map_remove(m, key);
            ASSERT_EQ(model.count(k) ? model[k] : nullptr, was);
            model.erase(k);
        } else {
            void *was = opr_map_put(m, key, v);
            ASSERT_EQ(model.count(k) ? model[k] : nullptr, was);
            model[k] = v;
        }
        ASSERT_EQ(model.size(), opr_map_count(m));
    }
    for (auto &[k, v] : model) {
        EXPECT_EQ(v, opr_map_get(m, opr_str_n(k.data(), k.size())));
    }
    opr_map_free(m, nullptr);
}

} // namespace
