#include "core/net/loop.h"

#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

struct LoopTest : testing::Test {
    struct opr_loop *loop = opr_loop_new();
    std::string log;
    struct opr_timer *timer = nullptr;
    struct opr_io *io = nullptr;
    int fds[2];
    int count = 0;

    void SetUp() override
    {
        ASSERT_EQ(0, pipe(fds));
    }
    ~LoopTest() override
    {
        opr_timer_free(timer);
        opr_io_free(io);
        opr_loop_free(loop);
        close(fds[0]);
        close(fds[1]);
    }
};

TEST_F(LoopTest, PostsRunInOrderOnTheLoop)
{
    std::vector<std::thread> threads;
    opr_loop_post(
        loop, [](void *a) { static_cast<LoopTest *>(a)->log += "a"; }, this);
    opr_loop_post(
        loop, [](void *a) { static_cast<LoopTest *>(a)->log += "b"; }, this);
    EXPECT_FALSE(opr_loop_is_current(loop));
    for (int t = 0; t < 4; t++) {
        threads.emplace_back([this] {
            for (int i = 0; i < 1000; i++) {
                opr_loop_post(
                    loop,
                    [](void *a) {
                        LoopTest *self = static_cast<LoopTest *>(a);
                        EXPECT_TRUE(opr_loop_is_current(self->loop));
                        if (++self->count == 4000) {
                            opr_loop_stop(self->loop);
                        }
                    },
                    this);
            }
        });
    }
    opr_loop_run(loop);
    for (auto &t : threads) {
        t.join();
    }
    EXPECT_EQ(4000, count);
    EXPECT_EQ("ab", log);
    EXPECT_FALSE(opr_loop_is_current(loop));
}

TEST_F(LoopTest, FreeRunsWhatIsLeft)
{
    struct opr_loop *other = opr_loop_new();
    struct Chain {
        struct opr_loop *loop;
        int left;
    } chain = {other, 3};
    void (*fn)(void *) = [](void *a) {
        Chain *c = static_cast<Chain *>(a);
        c->left--;
        if (c->left > 0) {
            opr_loop_post(
                c->loop, [](void *b) { static_cast<Chain *>(b)->left = -1; }, c);
        }
    };
    opr_loop_post(other, fn, &chain);
    opr_loop_free(other);
    EXPECT_EQ(-1, chain.left);
}

TEST_F(LoopTest, TimerCanBeSetAgainAndFreedFromItsCallback)
{
    timer = opr_timer_new(
        loop,
        [](void *a) {
            LoopTest *self = static_cast<LoopTest *>(a);
            if (++self->count < 3) {
                opr_timer_set(self->timer, 1);
                return;
            }
            opr_timer_free(self->timer);
            self->timer = nullptr;
            opr_loop_stop(self->loop);
        },
        this);
    opr_timer_set(timer, 3600000);
    opr_timer_set(timer, 0); /* replaces the earlier one */
    opr_loop_run(loop);
    EXPECT_EQ(3, count);
}

TEST_F(LoopTest, IoIsPausedByAnEmptyMask)
{
    io = opr_io_new(
        loop, fds[0], 0,
        [](void *a, int events) {
            LoopTest *self = static_cast<LoopTest *>(a);
            EXPECT_EQ(OPR_IO_READ, events);
            self->count++;
            opr_io_set(self->io, 0);
            opr_loop_post(
                self->loop, [](void *b) { opr_loop_stop((struct opr_loop *)b); }, self->loop);
        },
        this);
    ASSERT_EQ(1, write(fds[1], "x", 1));
    opr_loop_post(
        loop, [](void *a) { opr_loop_stop((struct opr_loop *)a); }, loop);
    opr_loop_run(loop);
    EXPECT_EQ(0, count);
    opr_io_set(io, OPR_IO_READ);
    opr_loop_run(loop);
    EXPECT_EQ(1, count);
}

TEST_F(LoopTest, Signal)
{
    opr_loop_on_signal(
        loop, SIGHUP,
        [](void *a, int signo) {
            static_cast<LoopTest *>(a)->count = signo;
            opr_loop_stop(static_cast<LoopTest *>(a)->loop);
        },
        this);
    raise(SIGHUP);
    opr_loop_run(loop);
    EXPECT_EQ(SIGHUP, count);
}

TEST_F(LoopTest, BrokenPipeIsAnErrorAndNotTheEnd)
{
    int other[2];
    ASSERT_EQ(0, pipe(other));
    close(other[0]);
    EXPECT_EQ(-1, write(other[1], "x", 1));
    EXPECT_EQ(EPIPE, errno);
    close(other[1]);
}
