#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include "core/base/alloc.h"
#include "core/queue/queue.h"
}

namespace
{

class Queue : public testing::Test
{
  protected:
    void SetUp() override
    {
        clock = opr_clock_fake_new(1700000000000);
        make(1000000, 1000000);
    }
    void TearDown() override
    {
        opr_queue_free(q);
        opr_clock_fake_free(clock);
    }
    void make(uint32_t rate, uint32_t burst)
    {
        opr_queue_free(q);
        struct opr_queue_config config = {};
        config.name = "test";
        config.clock = clock;
        config.bucket_per_s = rate;
        config.bucket_burst = burst;
        config.on_ready = [](void *arg) { static_cast<Queue *>(arg)->wakes++; };
        config.arg = this;
        q = opr_queue_new(&config);
    }
    static struct opr_str key(const char *text)
    {
        return opr_str_of(text);
    }
    std::string take()
    {
        char *k = nullptr;
        if (!opr_queue_take(q, &k, NULL)) {
            return "";
        }
        std::string text = k;
        opr_free(k);
        return text;
    }
    void pass(uint64_t ms)
    {
        opr_clock_fake_advance(clock, ms);
        opr_queue_tick(q);
    }
    struct opr_clock *clock = nullptr;
    struct opr_queue *q = nullptr;
    std::atomic<int> wakes{0};
};

TEST_F(Queue, TellsHowLongAKeyWaited)
{
    char *k = nullptr;
    uint64_t waited_ns = 7;
    EXPECT_FALSE(opr_queue_take(q, &k, &waited_ns));
    EXPECT_EQ(7u, waited_ns);
    opr_queue_add(q, key("a"));
    pass(20);
    opr_queue_add(q, key("a"));
    pass(5);
    ASSERT_TRUE(opr_queue_take(q, &k, &waited_ns));
    EXPECT_EQ(25000000u, waited_ns) << "since the first of the two adds";
    opr_queue_add(q, key("a"));
    pass(3);
    opr_queue_done(q, key("a"));
    opr_free(k);
    ASSERT_TRUE(opr_queue_take(q, &k, &waited_ns));
    EXPECT_EQ(3000000u, waited_ns) << "it came again while it was handled";
    opr_queue_done(q, key("a"));
    opr_free(k);
}

TEST_F(Queue, GivesEachKeyOnceInOrder)
{
    for (const char *k : {"a", "b", "a", "c", "b"}) {
        opr_queue_add(q, key(k));
    }
    EXPECT_EQ("a", take());
    EXPECT_EQ("b", take());
    EXPECT_EQ("c", take());
    EXPECT_EQ("", take());
    EXPECT_EQ(3, wakes);
}

TEST_F(Queue, KeyAddedWhileHandledComesAgainAfterDone)
{
    opr_queue_add(q, key("a"));
    EXPECT_EQ("a", take());
    opr_queue_add(q, key("a"));
    opr_queue_add(q, key("a"));
    EXPECT_EQ("", take());
    opr_queue_done(q, key("a"));
    EXPECT_EQ("a", take());
    opr_queue_done(q, key("a"));
    EXPECT_EQ("", take());
    EXPECT_EQ(0u, opr_queue_stats_of(q).active);
}

TEST_F(Queue, DelayedAddKeepsTheEarliestTime)
{
    opr_queue_add_after(q, key("a"), 500);
    opr_queue_add_after(q, key("a"), 100);
    opr_queue_add_after(q, key("a"), 900);
    pass(99);
    EXPECT_EQ("", take());
    pass(1);
    EXPECT_EQ("a", take());
    opr_queue_done(q, key("a"));
    pass(2000);
    EXPECT_EQ("", take());
    EXPECT_EQ(UINT64_MAX, opr_queue_next_due_ns(q));
}

TEST_F(Queue, DelayedKeysComeInOrderOfTheirTime)
{
    opr_queue_add_after(q, key("late"), 300);
    opr_queue_add_after(q, key("early"), 100);
    opr_queue_add_after(q, key("middle"), 200);
    EXPECT_EQ(opr_clock_mono_ns(clock) + 100000000, opr_queue_next_due_ns(q));
    pass(1000);
    EXPECT_EQ("early", take());
    EXPECT_EQ("middle", take());
    EXPECT_EQ("late", take());
}

TEST_F(Queue, AddNowLeavesADelayInPlace)
{
    opr_queue_add_after(q, key("a"), 100);
    opr_queue_add(q, key("a"));
    EXPECT_EQ("a", take());
    opr_queue_done(q, key("a"));
    pass(99);
    EXPECT_EQ("", take());
    pass(1);
    EXPECT_EQ("a", take());
}

TEST_F(Queue, DelayThatEndsWhileReadyOrHandledCollapses)
{
    opr_queue_add_after(q, key("a"), 10);
    opr_queue_add(q, key("a"));
    pass(10);
    EXPECT_EQ("a", take());
    EXPECT_EQ("", take());
    opr_queue_add_after(q, key("a"), 10);
    pass(10);
    EXPECT_EQ("", take());
    opr_queue_done(q, key("a"));
    EXPECT_EQ("a", take());
    opr_queue_done(q, key("a"));
    EXPECT_EQ("", take());
    EXPECT_EQ(UINT64_MAX, opr_queue_next_due_ns(q));
}

TEST_F(Queue, KeysDueAtOnceKeepTheOrderOfTheirAdds)
{
    for (const char *k : {"c", "a", "b"}) {
        opr_queue_add_after(q, key(k), 50);
    }
    pass(50);
    EXPECT_EQ("c", take());
    EXPECT_EQ("a", take());
    EXPECT_EQ("b", take());
}

TEST_F(Queue, ZeroDelayIsAnAdd)
{
    opr_queue_add_after(q, key("a"), 0);
    EXPECT_EQ("a", take());
    EXPECT_EQ(UINT64_MAX, opr_queue_next_due_ns(q));
}

TEST_F(Queue, HugeDelayDoesNotWrap)
{
    opr_queue_add_after(q, key("a"), UINT64_MAX);
    pass(1000000);
    EXPECT_EQ("", take());
    EXPECT_EQ(1u, opr_queue_stats_of(q).waiting);
}

TEST_F(Queue, KeyDoneMayComeAgain)
{
    opr_queue_add(q, key("a"));
    EXPECT_EQ("a", take());
    opr_queue_done(q, key("a"));
    opr_queue_add(q, key("a"));
    EXPECT_EQ("a", take());
}

TEST_F(Queue, CountsWhatItDoes)
{
    opr_queue_add(q, key("a"));
    opr_queue_add(q, key("a"));
    opr_queue_add(q, key("b"));
    opr_queue_add_after(q, key("c"), 10);
    EXPECT_EQ("a", take());
    opr_queue_add(q, key("a"));
    opr_queue_add(q, key("a"));
    auto s = opr_queue_stats_of(q);
    EXPECT_EQ(3u, s.adds);
    EXPECT_EQ(1u, s.retries);
    EXPECT_EQ(1u, s.depth);
    EXPECT_EQ(1u, s.active);
    EXPECT_EQ(1u, s.waiting);
}

TEST_F(Queue, WakesForANearerDueTimeOnly)
{
    opr_queue_add_after(q, key("a"), 100);
    EXPECT_EQ(1, wakes);
    opr_queue_add_after(q, key("b"), 200);
    EXPECT_EQ(1, wakes);
    opr_queue_add_after(q, key("c"), 50);
    EXPECT_EQ(2, wakes);
}

TEST_F(Queue, CallbackMayUseTheQueue)
{
    struct Seen {
        struct opr_queue *queue;
        uint32_t depth;
    } seen = {};
    struct opr_queue_config config = {};
    config.clock = clock;
    config.arg = &seen;
    config.on_ready = [](void *arg) { /* a lock that is held would block here for ever */
                                      auto *s = static_cast<Seen *>(arg);
                                      s->depth = opr_queue_stats_of(s->queue).depth;
    };
    seen.queue = opr_queue_new(&config);
    opr_queue_add(seen.queue, key("a"));
    EXPECT_EQ(1u, seen.depth);
    opr_queue_free(seen.queue);
}

TEST_F(Queue, BackoffDoublesAndForgetResets)
{
    uint64_t expected[] = {5, 10, 20, 40, 80};
    for (uint64_t ms : expected) {
        opr_queue_add_limited(q, key("a"));
        pass(ms - 1);
        EXPECT_EQ("", take());
        pass(1);
        EXPECT_EQ("a", take());
        opr_queue_done(q, key("a"));
    }
    EXPECT_EQ(5u, opr_queue_failures(q, key("a")));
    opr_queue_forget(q, key("a"));
    EXPECT_EQ(0u, opr_queue_failures(q, key("a")));
    opr_queue_add_limited(q, key("a"));
    pass(5);
    EXPECT_EQ("a", take());
}

TEST_F(Queue, BackoffIsCapped)
{
    for (int i = 0; i < 60; i++) {
        opr_queue_add_limited(q, key("a"));
        pass(1000000);
        EXPECT_EQ("a", take());
        opr_queue_done(q, key("a"));
    }
    opr_queue_add_limited(q, key("a"));
    EXPECT_EQ(opr_clock_mono_ns(clock) + 1000000ull * 1000000, opr_queue_next_due_ns(q));
}

TEST_F(Queue, BucketHoldsBackManyKeys)
{
    make(10, 2);
    for (const char *k : {"a", "b", "c", "d"}) {
        opr_queue_add_limited(q, key(k));
    }
    pass(5);
    EXPECT_EQ("a", take());
    EXPECT_EQ("b", take());
    EXPECT_EQ("", take());
    pass(95);
    EXPECT_EQ("c", take());
    pass(100);
    EXPECT_EQ("d", take());
}

TEST_F(Queue, StopRefusesAddsAndDrains)
{
    opr_queue_add(q, key("a"));
    opr_queue_add(q, key("busy"));
    opr_queue_add_after(q, key("d"), 1);
    EXPECT_EQ("a", take());
    opr_queue_add(q, key("a"));
    opr_queue_stop(q);
    opr_queue_add(q, key("b"));
    opr_queue_add_after(q, key("c"), 1);
    opr_queue_add_limited(q, key("e"));
    pass(10);
    EXPECT_EQ(UINT64_MAX, opr_queue_next_due_ns(q));
    EXPECT_EQ("busy", take());
    EXPECT_EQ("", take());
    opr_queue_done(q, key("a"));
    EXPECT_EQ("a", take());
    opr_queue_done(q, key("a"));
    opr_queue_done(q, key("busy"));
    EXPECT_EQ("", take());
    EXPECT_EQ(0u, opr_queue_stats_of(q).active);
}

TEST_F(Queue, ManyThreadsNeverHandleOneKeyAtOnce)
{
    std::atomic<int> busy[4] = {}, handled{0};
    std::atomic<bool> is_over{false};
    std::vector<std::thread> threads;
    const char *keys[] = {"k0", "k1", "k2", "k3"};
    for (int t = 0; t < 3; t++) {
        threads.emplace_back([&] {
            char *k = nullptr;
            while (!is_over || opr_queue_stats_of(q).depth > 0) {
                if (!opr_queue_take(q, &k, NULL)) {
                    std::this_thread::yield();
                    continue;
                }
                int i = k[1] - '0';
                EXPECT_EQ(0, busy[i].fetch_add(1));
                handled++;
                busy[i].fetch_sub(1);
                opr_queue_done(q, key(k));
                opr_free(k);
            }
        });
    }
    for (int i = 0; i < 4000; i++) {
        opr_queue_add(q, key(keys[i % 4]));
    }
    is_over = true;
    for (auto &t : threads) {
        t.join();
    }
    EXPECT_GE(handled, 4);
    EXPECT_EQ("", take());
}

} // namespace
