#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

extern "C" {
#include "core/base/alloc.h"
#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/executor.h"
#include "core/base/fs.h"
#include "core/base/heap.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/base/vec.h"
}

namespace {

std::string text_of(struct opr_buf &b)
{
    std::string s(b.data ? b.data : "", b.len);
    opr_buf_fini(&b);
    return s;
}

TEST(Str, SplitsAndTrims)
{
    struct opr_str rest = opr_str_of("a,,b,"), part;
    std::string seen;
    while (opr_str_next(&rest, ',', &part)) {
        seen += "[" + std::string(part.ptr, part.len) + "]";
    }
    EXPECT_EQ("[a][][b]", seen);
    EXPECT_TRUE(opr_str_is(opr_str_trim(opr_str_of(" \t x y\r\n")), "x y"));
    EXPECT_TRUE(opr_str_ieq(opr_str_of("Content-Type"), opr_str_of("content-type")));
    EXPECT_LT(opr_str_cmp(opr_str_of("ab"), opr_str_of("abc")), 0);
    EXPECT_TRUE(opr_str_starts(opr_str_of("node-1"), "node-"));
    EXPECT_FALSE(opr_str_ends(opr_str_of("x"), "yx"));
}

TEST(Str, NumbersAreStrict)
{
    int64_t i = 7;
    EXPECT_EQ(OPR_OK, opr_str_to_i64(opr_str_of("-9223372036854775808"), &i));
    EXPECT_EQ(INT64_MIN, i);
    EXPECT_EQ(OPR_E_LIMIT, opr_str_to_i64(opr_str_of("9223372036854775808"), &i));
    for (const char *bad : {"", "-", "+1", " 1", "1 ", "0x1", "1.0"}) {
        EXPECT_EQ(OPR_E_INVALID, opr_str_to_i64(opr_str_of(bad), &i)) << bad;
    }
    EXPECT_EQ(INT64_MIN, i);
    uint64_t u;
    EXPECT_EQ(OPR_E_LIMIT, opr_str_to_u64(opr_str_of("18446744073709551616"), &u));
}

TEST(Buf, GrowsFormatsAndConsumes)
{
    struct opr_buf b = {};
    for (int i = 0; i < 100; i++) {
        opr_buf_printf(&b, "%d,", i);
    }
    opr_buf_consume(&b, 4);
    EXPECT_EQ('2', b.data[0]);
    EXPECT_EQ('\0', b.data[b.len]);
    opr_buf_clear(&b);
    opr_buf_add_json(&b, opr_str_n("a\"\\\n\x01\xff\xc3\xa9", 8));
    EXPECT_EQ("\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\"", text_of(b));
}

TEST(Buf, Base64BothWays)
{
    const char *pairs[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}};
    for (auto &p : pairs) {
        struct opr_buf b = {}, back = {};
        opr_buf_base64(&b, p[0], strlen(p[0]));
        EXPECT_EQ(OPR_OK, opr_buf_unbase64(&back, opr_str_of(p[1])));
        EXPECT_EQ(p[1], text_of(b));
        EXPECT_EQ(p[0], text_of(back));
    }
    for (const char *bad : {"Zg=", "Zg", "Z===", "Zm9v!", "Zg==Zg=="}) {
        struct opr_buf b = {};
        EXPECT_EQ(OPR_E_INVALID, opr_buf_unbase64(&b, opr_str_of(bad))) << bad;
        opr_buf_fini(&b);
    }
}

TEST(Arena, GivesAlignedZeroedMemoryAndRunsDeferred)
{
    struct opr_arena *a = opr_arena_new();
    std::string order;
    opr_arena_defer(a, [](void *s) { *static_cast<std::string *>(s) += "1"; }, &order);
    opr_arena_defer(a, [](void *s) { *static_cast<std::string *>(s) += "2"; }, &order);
    for (size_t size : {1u, 17u, 5000u, 100000u}) {
        char *p = static_cast<char *>(opr_arena_alloc(a, size));
        EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(p) % 16);
        EXPECT_EQ(0, p[size - 1]);
        memset(p, 1, size);
    }
    EXPECT_STREQ("a=1", opr_arena_printf(a, "a=%d", 1));
    opr_arena_clear(a);
    EXPECT_EQ("21", order);
    EXPECT_STREQ("x", opr_arena_dup(a, opr_str_n("xyz", 1)));
    opr_arena_free(a);
    opr_arena_free(nullptr);
}

TEST(Map, KeepsOrderAndSurvivesChurn)
{
    struct opr_map *m = opr_map_new();
    static int value;
    EXPECT_EQ(nullptr, opr_map_get(m, opr_str_of("a")));
    for (int i = 0; i < 1000; i++) {
        EXPECT_EQ(nullptr, opr_map_put(m, opr_str_of(std::to_string(i).c_str()), &value));
    }
    EXPECT_EQ(&value, opr_map_put(m, opr_str_of("5"), &value));
    size_t it = 0, n = 0;
    struct opr_str key;
    while (opr_map_next(m, &it, &key, nullptr)) {
        EXPECT_TRUE(opr_str_is(key, std::to_string(n++).c_str()));
        if (n % 2 == 0) {
            EXPECT_EQ(&value, opr_map_remove(m, key));
        }
    }
    EXPECT_EQ(1000u, n);
    EXPECT_EQ(500u, opr_map_count(m));
    for (int i = 0; i < 5000; i++) {
        std::string k = "churn" + std::to_string(i);
        opr_map_put(m, opr_str_of(k.c_str()), &value);
        EXPECT_EQ(&value, opr_map_remove(m, opr_str_of(k.c_str())));
    }
    EXPECT_EQ(500u, opr_map_count(m));
    EXPECT_EQ(&value, opr_map_get(m, opr_str_of("998")));
    EXPECT_EQ(nullptr, opr_map_get(m, opr_str_of("999")));
    opr_map_free(m, nullptr);
}

struct Item {
    struct opr_heap_entry entry;
    int value;
};

TEST(Heap, PopsInOrderAfterRemovals)
{
    struct opr_heap h = {};
    h.less = [](const struct opr_heap_entry *a, const struct opr_heap_entry *b) {
        return reinterpret_cast<const Item *>(a)->value < reinterpret_cast<const Item *>(b)->value;
    };
    std::vector<Item> items(200);
    for (int i = 0; i < 200; i++) {
        items[i].value = i * 73 % 200;
        opr_heap_push(&h, &items[i].entry);
    }
    for (int i = 0; i < 200; i += 3) {
        opr_heap_remove(&h, &items[i].entry);
    }
    items[1].value = -1;
    opr_heap_update(&h, &items[1].entry);
    int last = -2, count = 0;
    while (auto *e = opr_heap_pop(&h)) {
        int value = reinterpret_cast<Item *>(e)->value;
        EXPECT_GT(value, last);
        last = value;
        count++;
    }
    EXPECT_EQ(133, count);
    opr_heap_fini(&h);
}

TEST(Vec, InsertsRemovesSorts)
{
    struct opr_vec v = {};
    int n[] = {3, 1, 2};
    for (int &i : n) {
        opr_vec_insert(&v, 0, &i);
    }
    opr_vec_sort(&v, [](const void *a, const void *b) {
        return *static_cast<const int *>(a) - *static_cast<const int *>(b);
    });
    EXPECT_EQ(&n[1], v.items[0]);
    EXPECT_EQ(&n[2], opr_vec_remove(&v, 1));
    EXPECT_TRUE(opr_vec_remove_item(&v, &n[0]));
    EXPECT_FALSE(opr_vec_remove_item(&v, &n[0]));
    EXPECT_EQ(1u, v.count);
    opr_vec_fini(&v);
}

TEST(Error, KeepsTextThatQuotesItself)
{
    struct opr_error err = {};
    EXPECT_EQ(OPR_E_IO, opr_error_set(&err, OPR_E_IO, "can not read %s", "x"));
    EXPECT_EQ(OPR_E_LIMIT, opr_error_set(&err, OPR_E_LIMIT, "file: %s", err.message));
    EXPECT_STREQ("file: can not read x", err.message);
    EXPECT_EQ(OPR_E_IO, opr_error_set(nullptr, OPR_E_IO, "no place for it"));
    EXPECT_STREQ("conflict", opr_status_name(OPR_E_CONFLICT));
    EXPECT_STREQ("unknown", opr_status_name(-999));
}

TEST(Clock, FakeMovesOnlyWhenTold)
{
    struct opr_clock *c = opr_clock_fake_new(1000);
    uint64_t begin = opr_clock_mono_ns(c);
    opr_clock_fake_advance(c, 1500);
    EXPECT_EQ(2500, opr_clock_wall_ms(c));
    EXPECT_EQ(begin + 1500000000, opr_clock_mono_ns(c));
    EXPECT_EQ(opr_clock_mono_ns(c), opr_clock_boot_ns(c));
    opr_clock_fake_free(c);
}

TEST(Time, FormatsAndParses)
{
    char text[OPR_TIME_TEXT_MAX];
    opr_time_format(1767323045678, text);
    EXPECT_STREQ("2026-01-02T03:04:05Z", text);
    opr_time_format_micro(1767323045678, text);
    EXPECT_STREQ("2026-01-02T03:04:05.678000Z", text);
    int64_t ms;
    EXPECT_EQ(OPR_OK, opr_time_parse(opr_str_of(text), &ms));
    EXPECT_EQ(1767323045678, ms);
    EXPECT_EQ(OPR_OK, opr_time_parse(opr_str_of("2026-01-02T05:04:05+02:00"), &ms));
    EXPECT_EQ(1767323045000, ms);
    for (const char *bad : {"", "2026-01-02", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05",
                            "2026-01-02T24:04:05Z", "2026-01-02T03:04:05Zx"}) {
        EXPECT_EQ(OPR_E_INVALID, opr_time_parse(opr_str_of(bad), &ms)) << bad;
    }
}

TEST(Time, ParsesDurations)
{
    const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0", 0}, {"300ms", 300}, {"20s", 20000}, {"1h30m", 5400000}, {"1.5s", 1500}};
    for (auto &g : good) {
        int64_t ms = -1;
        EXPECT_EQ(OPR_OK, opr_duration_parse(opr_str_of(g.text), &ms)) << g.text;
        EXPECT_EQ(g.ms, ms) << g.text;
    }
    int64_t ms;
    for (const char *bad : {"", "5", "s", "1x", "-1s", "1..5s", "1h-5m"}) {
        EXPECT_NE(OPR_OK, opr_duration_parse(opr_str_of(bad), &ms)) << bad;
    }
}

TEST(Rand, SeedReplays)
{
    opr_rand_seed(42);
    uint64_t a = opr_rand_u64();
    char name[9];
    opr_rand_name(name, 8);
    opr_rand_seed(42);
    EXPECT_EQ(a, opr_rand_u64());
    opr_rand_seed(0);
    EXPECT_NE(opr_rand_u64(), opr_rand_u64());
    EXPECT_EQ(8u, strspn(name, "bcdfghjklmnpqrstvwxz2456789"));
    char uuid[OPR_UUID_TEXT_MAX];
    opr_uuid4(uuid);
    EXPECT_EQ(36u, strlen(uuid));
    EXPECT_EQ('4', uuid[14]);
    for (int i = 0; i < 100; i++) {
        EXPECT_LT(opr_rand_below(3), 3u);
    }
}

class Fs : public testing::Test {
  protected:
    void SetUp() override
    {
        char name[] = "/tmp/operon-fs-XXXXXX";
        ASSERT_NE(nullptr, mkdtemp(name));
        dir = name;
    }
    void TearDown() override
    {
        opr_fs_fail_nth(0, 0);
        EXPECT_EQ(OPR_OK, opr_fs_remove_tree(dir.c_str(), nullptr));
    }
    std::string read(const std::string &path)
    {
        struct opr_buf b = {};
        EXPECT_EQ(OPR_OK, opr_fs_read(path.c_str(), 1000, &b, nullptr));
        return text_of(b);
    }
    std::string dir;
};

TEST_F(Fs, WritesAtomicallyAndReads)
{
    std::string path = dir + "/a/b/file";
    EXPECT_EQ(OPR_OK, opr_fs_mkdirs((dir + "/a/b").c_str(), 0700, nullptr));
    EXPECT_EQ(OPR_OK, opr_fs_write(path.c_str(), opr_str_of("one"), 0600, nullptr));
    EXPECT_EQ(OPR_OK, opr_fs_write(path.c_str(), opr_str_of("two"), 0600, nullptr));
    EXPECT_EQ("two", read(path));
    struct opr_buf b = {};
    struct opr_error err = {};
    EXPECT_EQ(OPR_E_LIMIT, opr_fs_read(path.c_str(), 2, &b, &err));
    opr_buf_fini(&b);
    EXPECT_EQ(OPR_E_NOT_FOUND, opr_fs_read((dir + "/none").c_str(), 2, &b, &err));
    EXPECT_NE(nullptr, strstr(err.message, "/none"));
    opr_buf_fini(&b);
}

TEST_F(Fs, FailedWriteLeavesTheOldFile)
{
    std::string path = dir + "/file";
    EXPECT_EQ(OPR_OK, opr_fs_write(path.c_str(), opr_str_of("old"), 0600, nullptr));
    for (uint64_t n = 1; n <= 3; n++) {
        opr_fs_fail_nth(n, ENOSPC);
        EXPECT_EQ(OPR_E_IO, opr_fs_write(path.c_str(), opr_str_of("new"), 0600, nullptr)) << n;
        EXPECT_EQ("old", read(path));
    }
    opr_fs_fail_nth(4, EIO);
    EXPECT_EQ(OPR_E_IO, opr_fs_write(path.c_str(), opr_str_of("new"), 0600, nullptr));
}

TEST(Executor, PoolRunsAllBeforeItEnds)
{
    static std::atomic<int> count;
    count = 0;
    struct opr_executor *e = opr_executor_pool_new("test", 3);
    for (int i = 0; i < 500; i++) {
        opr_executor_run(e, [](void *) { count++; }, nullptr);
    }
    opr_executor_free(e);
    EXPECT_EQ(500, count);
    e = opr_executor_inline_new();
    opr_executor_run(e, [](void *) { count++; }, nullptr);
    EXPECT_EQ(501, count);
    opr_executor_free(e);
}

TEST(Log, OneLineARecord)
{
    static std::vector<std::string> lines;
    lines.clear();
    opr_log_set_sink([](void *, int32_t, const char *line) { lines.push_back(line); }, nullptr);
    opr_log(OPR_LOG_INFO, "test", "pod bound", "pod=%s", "a\nb");
    opr_log(OPR_LOG_DEBUG, "test", "not shown", nullptr);
    opr_log_set_sink(nullptr, nullptr);
    ASSERT_EQ(1u, lines.size());
    EXPECT_NE(std::string::npos, lines[0].find("INFO  test  pod bound  pod=a b"));
    EXPECT_EQ(std::string::npos, lines[0].find('\n'));
}

TEST(Alloc, NthTryFails)
{
    opr_alloc_fail_nth(2);
    void *a = opr_alloc_try(8), *b = opr_alloc_try(8), *c = opr_alloc_try(8);
    EXPECT_NE(nullptr, a);
    EXPECT_EQ(nullptr, b);
    EXPECT_NE(nullptr, c);
    opr_free(a);
    opr_free(c);
}

} // namespace
