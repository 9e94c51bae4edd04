#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

extern "C" {
#include "core/base/executor.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"
}

namespace
{

class Fs : public testing::Test
{
  protected:
    void SetUp() override
    {
        char name[] = "/tmp/operon-fs-XXXXXX";
        ASSERT_NE(nullptr, mkdtemp(name));
        root = name;
    }
    void TearDown() override
    {
        opr_fs_fail_nth(0, 0);
        EXPECT_EQ(OPR_OK, opr_fs_remove_tree(root.c_str(), nullptr));
        opr_buf_fini(&data);
    }
    std::string at(const char *name) const
    {
        return root + "/" + name;
    }
    std::string read(const char *name)
    {
        opr_buf_clear(&data);
        EXPECT_EQ(OPR_OK, opr_fs_read(at(name).c_str(), 1 << 20, &data, &err)) << err.message;
        return std::string(opr_buf_str(&data).ptr, data.len);
    }
    size_t entries() const
    {
        size_t count = 0;
        DIR *dir = opendir(root.c_str());
        while (readdir(dir)) {
            count++;
        }
        closedir(dir);
        return count - 2;
    }
    std::string root;
    struct opr_buf data = {};
    struct opr_error err = {};
};

TEST_F(Fs, WritesAndReads)
{
    EXPECT_EQ(OPR_OK, opr_fs_write(at("f").c_str(), OPR_STR("one"), 0600, &err));
    EXPECT_EQ(OPR_OK, opr_fs_write(at("f").c_str(), OPR_STR("two"), 0640, &err));
    EXPECT_EQ("two", read("f"));
    struct stat s;
    ASSERT_EQ(0, stat(at("f").c_str(), &s));
    EXPECT_EQ(0640u, s.st_mode & 07777);
    EXPECT_EQ(1u, entries());
    EXPECT_TRUE(opr_fs_exists(at("f").c_str()));
    EXPECT_FALSE(opr_fs_exists(at("g").c_str()));
}

TEST_F(Fs, ReadsProcAndKeepsToTheLimit)
{
    EXPECT_EQ(OPR_OK, opr_fs_read("/proc/self/stat", 4096, &data, &err));
    EXPECT_GT(data.len, 10u);
    std::string large(10000, 'x');
    EXPECT_EQ(OPR_OK,
              opr_fs_write(at("l").c_str(), opr_str_n(large.data(), large.size()), 0600, &err));
    EXPECT_EQ(large, read("l"));
    opr_buf_clear(&data);
    EXPECT_EQ(OPR_OK, opr_fs_read(at("l").c_str(), 10000, &data, &err));
    opr_buf_clear(&data);
    EXPECT_EQ(OPR_E_LIMIT, opr_fs_read(at("l").c_str(), 9999, &data, &err));
    EXPECT_EQ(OPR_E_NOT_FOUND, opr_fs_read(at("none").c_str(), 10, &data, &err));
    EXPECT_NE(nullptr, strstr(err.message, "none"));
}

/* Write, fsync, rename, fsync of the folder: before the rename the old file stands, whole. */
TEST_F(Fs, FailedWriteLeavesTheOldFile)
{
    ASSERT_EQ(OPR_OK, opr_fs_write(at("f").c_str(), OPR_STR("old"), 0600, nullptr));
    for (uint64_t n = 1; n <= 3; n++) {
        opr_fs_fail_nth(n, ENOSPC);
        EXPECT_EQ(OPR_E_IO, opr_fs_write(at("f").c_str(), OPR_STR("new"), 0600, &err)) << n;
        EXPECT_NE(nullptr, strstr(err.message, "No space left")) << err.message;
        EXPECT_EQ("old", read("f"));
        EXPECT_EQ(1u, entries()) << "a temporary file is left";
    }
    opr_fs_fail_nth(4, EIO);
    EXPECT_EQ(OPR_E_IO, opr_fs_write(at("f").c_str(), OPR_STR("new"), 0600, &err));
    EXPECT_EQ("new", read("f"));
    opr_fs_fail_nth(5, EIO);
    EXPECT_EQ(OPR_OK, opr_fs_write(at("f").c_str(), OPR_STR("newer"), 0600, &err));
}

TEST_F(Fs, PokesOnlyWhatExists)
{
    EXPECT_EQ(OPR_E_NOT_FOUND, opr_fs_poke(at("p").c_str(), OPR_STR("1"), &err));
    ASSERT_EQ(OPR_OK, opr_fs_write(at("p").c_str(), OPR_STR("0"), 0600, nullptr));
    EXPECT_EQ(OPR_OK, opr_fs_poke(at("p").c_str(), OPR_STR("1"), &err));
    EXPECT_EQ("1", read("p"));
    opr_fs_fail_nth(1, EBUSY);
    EXPECT_EQ(OPR_E_IO, opr_fs_poke(at("p").c_str(), OPR_STR("2"), &err));
}

TEST_F(Fs, MakesAndRemovesTrees)
{
    EXPECT_EQ(OPR_OK, opr_fs_mkdirs(at("a/b//c/").c_str(), 0755, &err)) << err.message;
    EXPECT_EQ(OPR_OK, opr_fs_mkdirs(at("a/b/c").c_str(), 0755, &err));
    ASSERT_EQ(OPR_OK, opr_fs_write(at("a/b/c/f").c_str(), OPR_STR("x"), 0600, nullptr));
    EXPECT_EQ(OPR_E_IO, opr_fs_mkdirs(at("a/b/c/f").c_str(), 0755, &err));
    EXPECT_EQ(OPR_E_IO, opr_fs_mkdirs(at("a/b/c/f/g").c_str(), 0755, &err));
    EXPECT_EQ(OPR_E_INVALID, opr_fs_mkdirs("", 0755, &err));
    EXPECT_EQ(OPR_OK, opr_fs_remove_tree(at("a").c_str(), &err));
    EXPECT_FALSE(opr_fs_exists(at("a").c_str()));
    EXPECT_EQ(OPR_OK, opr_fs_remove_tree(at("a").c_str(), &err));
}

TEST_F(Fs, RemovalDoesNotFollowLinks)
{
    ASSERT_EQ(OPR_OK, opr_fs_mkdirs(at("keep").c_str(), 0755, nullptr));
    ASSERT_EQ(OPR_OK, opr_fs_write(at("keep/f").c_str(), OPR_STR("x"), 0600, nullptr));
    ASSERT_EQ(OPR_OK, opr_fs_mkdirs(at("gone").c_str(), 0755, nullptr));
    ASSERT_EQ(0, symlink(at("keep").c_str(), at("gone/link").c_str()));
    EXPECT_EQ(OPR_OK, opr_fs_remove_tree(at("gone").c_str(), &err)) << err.message;
    EXPECT_EQ("x", read("keep/f"));
}

class Log : public testing::Test
{
  protected:
    void SetUp() override
    {
        opr_log_set_sink(
            [](void *arg, int32_t, const char *line) {
                static_cast<std::vector<std::string> *>(arg)->push_back(line);
            },
            &lines);
    }
    void TearDown() override
    {
        opr_log_set_sink(nullptr, nullptr);
        opr_log_set_level(OPR_LOG_INFO);
    }
    std::vector<std::string> lines;
};

TEST_F(Log, WritesOneLineARecord)
{
    opr_log(OPR_LOG_INFO, "scheduler", "pod bound", "pod=%s/%s n=%d", "default", "web-1", 2);
    opr_log(OPR_LOG_WARN, "x", "no facts", nullptr);
    opr_log(OPR_LOG_ERROR, "x", "bad", "text=%s", "a\nINFO forged\x1b[31m\t");
    ASSERT_EQ(3u, lines.size());
    EXPECT_EQ("Z INFO  scheduler  pod bound  pod=default/web-1 n=2", lines[0].substr(23));
    EXPECT_EQ('T', lines[0][10]);
    EXPECT_EQ("Z WARN  x  no facts", lines[1].substr(23));
    EXPECT_EQ("Z ERROR x  bad  text=a\\nINFO forged\\x1b[31m\\t", lines[2].substr(23));
}

TEST_F(Log, LevelHidesWhatIsBelow)
{
    EXPECT_FALSE(opr_log_enabled(OPR_LOG_DEBUG));
    opr_log(OPR_LOG_DEBUG, "x", "hidden", nullptr);
    opr_log_set_level(OPR_LOG_DEBUG);
    EXPECT_TRUE(opr_log_enabled(OPR_LOG_DEBUG));
    opr_log(OPR_LOG_DEBUG, "x", "shown", nullptr);
    EXPECT_EQ(1u, lines.size());
}

TEST_F(Log, ThreadsDoNotMixLines)
{
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) {
        threads.emplace_back([t] {
            for (int i = 0; i < 100; i++) {
                opr_log(OPR_LOG_INFO, "t", "message", "t=%d i=%d", t, i);
            }
        });
    }
    for (auto &t : threads) {
        t.join();
    }
    EXPECT_EQ(400u, lines.size());
}

TEST(Executor, InlineRunsInTheCall)
{
    struct opr_executor *e = opr_executor_inline_new();
    pthread_t ran = 0;
    opr_executor_run(
        e, [](void *arg) { *static_cast<pthread_t *>(arg) = pthread_self(); }, &ran);
    EXPECT_TRUE(pthread_equal(ran, pthread_self()));
    opr_executor_free(e);
    opr_executor_free(nullptr);
}

TEST(Executor, PoolRunsAllBeforeItEnds)
{
    static std::atomic<int> count;
    count = 0;
    struct opr_executor *e = opr_executor_pool_new("worker-with-a-long-name", 3);
    for (int i = 0; i < 2000; i++) {
        opr_executor_run(
            e, [](void *) { count++; }, nullptr);
    }
    opr_executor_free(e);
    EXPECT_EQ(2000, count);
}

TEST(Executor, PoolThreadsRunAtOnceAndAreNamed)
{
    struct Meeting {
        pthread_barrier_t barrier;
        std::mutex lock;
        std::string names;
    } meeting;
    pthread_barrier_init(&meeting.barrier, nullptr, 3);
    struct opr_executor *e = opr_executor_pool_new("work", 2);
    for (int i = 0; i < 2; i++) {
        opr_executor_run(
            e,
            [](void *arg) {
                auto *m = static_cast<Meeting *>(arg);
                pthread_barrier_wait(&m->barrier); /* both tasks must be running to pass */
                char name[16];
                pthread_getname_np(pthread_self(), name, sizeof name);
                std::lock_guard<std::mutex> guard(m->lock);
                m->names += std::string(name).substr(0, 5);
            },
            &meeting);
    }
    pthread_barrier_wait(&meeting.barrier);
    opr_executor_free(e);
    EXPECT_EQ("work-work-", meeting.names);
    pthread_barrier_destroy(&meeting.barrier);
}

TEST(Executor, TaskMayRunAnother)
{
    struct Chain {
        struct opr_executor *e;
        std::atomic<int> left;
    } chain = {opr_executor_pool_new("chain", 1), {5}};
    static void (*step)(void *) = [](void *arg) {
        auto *c = static_cast<Chain *>(arg);
        if (--c->left > 0) {
            opr_executor_run(c->e, step, c);
        }
    };
    opr_executor_run(chain.e, step, &chain);
    while (chain.left > 0) {
        std::this_thread::yield();
    }
    opr_executor_free(chain.e);
    EXPECT_EQ(0, chain.left);
}

} // namespace
