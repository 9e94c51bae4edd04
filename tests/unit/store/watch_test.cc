#include "support.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

using testing::ElementsAre;
using testing::IsEmpty;

namespace
{

struct Waker {
    opr_http_waker waker;
    std::atomic<int> count;
};

void wake(opr_http_waker *w)
{
    reinterpret_cast<Waker *>(w)->count++;
}

class Cursor
{
  public:
    Cursor(const Store &s, const char *prefix, uint64_t rv, opr_http_waker *waker = nullptr)
    {
        status = opr_store_watch(s.get(), opr_str_of(prefix), rv, waker, &cursor_);
    }
    ~Cursor()
    {
        opr_store_unwatch(cursor_);
    }
    /* "+name" created, "*name" changed, "-name" deleted, each with its revision. */
    std::vector<std::string> all()
    {
        std::vector<std::string> events;
        opr_store_event e;
        while ((status = opr_store_next(cursor_, &e)) == OPR_OK) {
            EXPECT_EQ(Store::rv_of(e.obj), e.rv);
            std::string kind = e.is_delete ? "-" : e.was ? "*" : "+";
            events.push_back(kind + opr_json_str(e.obj, "/metadata/name", "") + "@" +
                             std::to_string(e.rv));
        }
        return events;
    }
    uint64_t rv() const
    {
        return opr_store_cursor_rv(cursor_);
    }
    opr_status status;

  private:
    opr_store_cursor *cursor_ = nullptr;
};

} // namespace

TEST(StoreWatch, GivesChangesInOrder)
{
    Store s;
    Cursor c(s, "g/p/", 0);
    ASSERT_EQ(s.put("g/p/a", "1"), OPR_OK);
    ASSERT_EQ(s.put("g/q/a", "1"), OPR_OK);
    ASSERT_EQ(s.put("g/p/a", "2"), OPR_OK);
    ASSERT_EQ(s.remove("g/p/a"), OPR_OK);
    EXPECT_THAT(c.all(), ElementsAre("+g/p/a@1", "*g/p/a@3", "-g/p/a@4"));
    EXPECT_EQ(c.status, OPR_E_END);
    EXPECT_THAT(c.all(), IsEmpty());
}

TEST(StoreWatch, BeginsAfterARevision)
{
    Store s;
    for (const char *key : {"g/p/a", "g/p/b", "g/p/c"}) {
        ASSERT_EQ(s.put(key, "1"), OPR_OK);
    }
    EXPECT_THAT(Cursor(s, "g/p/", 2).all(), ElementsAre("+g/p/c@3"));
    EXPECT_THAT(Cursor(s, "g/p/", 3).all(), IsEmpty());
}

/* A bookmark of a quiet watch says how far the whole store is. */
TEST(StoreWatch, MovesOverForeignChanges)
{
    Store s;
    Cursor c(s, "g/p/", 0);
    ASSERT_EQ(s.put("g/q/a", "1"), OPR_OK);
    ASSERT_EQ(s.put("g/q/b", "1"), OPR_OK);
    EXPECT_THAT(c.all(), IsEmpty());
    EXPECT_EQ(c.rv(), 2u);
}

TEST(StoreWatch, ADeletionCarriesTheStateBefore)
{
    Store s;
    ASSERT_EQ(s.put("g/p/a", "before"), OPR_OK);
    opr_store_cursor *c = nullptr;
    ASSERT_EQ(opr_store_watch(s.get(), OPR_STR("g/p/"), 1, nullptr, &c), OPR_OK);
    ASSERT_EQ(s.remove("g/p/a"), OPR_OK);
    opr_store_event e;
    ASSERT_EQ(opr_store_next(c, &e), OPR_OK);
    EXPECT_TRUE(e.is_delete);
    EXPECT_STREQ(opr_json_str(e.was, "/data", ""), "before");
    EXPECT_STREQ(opr_json_str(e.was, "/metadata/resourceVersion", ""), "1");
    EXPECT_STREQ(opr_json_str(e.obj, "/metadata/resourceVersion", ""), "2");
    opr_store_unwatch(c);
}

TEST(StoreWatch, ASlowReaderFallsOut)
{
    Store s(nullptr, 4);
    Cursor slow(s, "g/p/", 0);
    for (int i = 0; i < 5; i++) {
        ASSERT_EQ(s.put("g/p/" + std::to_string(i), "1"), OPR_OK);
    }
    EXPECT_THAT(slow.all(), IsEmpty());
    EXPECT_EQ(slow.status, OPR_E_EXPIRED);
}

TEST(StoreWatch, TheWindowIsKeptToTheLastEvent)
{
    Store s(nullptr, 4);
    for (int i = 0; i < 9; i++) {
        ASSERT_EQ(s.put("g/p/" + std::to_string(i), "1"), OPR_OK);
    }
    EXPECT_EQ(Cursor(s, "g/p/", 4).status, OPR_E_EXPIRED);
    EXPECT_THAT(Cursor(s, "g/p/", 5).all(),
                ElementsAre("+g/p/5@6", "+g/p/6@7", "+g/p/7@8", "+g/p/8@9"));
}

TEST(StoreWatch, LargeObjectsShortenTheWindow)
{
    Store s;
    std::string large(64 * 1024, 'x');
    for (int i = 0; i < 400; i++) {
        ASSERT_EQ(s.put("g/p/" + std::to_string(i % 4), large), OPR_OK);
    }
    EXPECT_EQ(Cursor(s, "g/p/", 100).status, OPR_E_EXPIRED) << "16 MiB are some 256 of them";
    Cursor c(s, "g/p/", 400 - 200);
    EXPECT_EQ(c.all().size(), 200u);
}

TEST(StoreWatch, WakesForItsOwnKeysOnly)
{
    Store s;
    Waker w = {{wake}, {0}};
    {
        Cursor c(s, "g/p/", 0, &w.waker);
        ASSERT_EQ(s.put("g/q/a", "1"), OPR_OK);
        EXPECT_EQ(w.count, 0);
        ASSERT_EQ(s.put("g/p/a", "1"), OPR_OK);
        EXPECT_EQ(w.count, 1);
        EXPECT_EQ(s.put("g/p/a", "1", OPR_STORE_ABSENT), OPR_E_EXISTS);
        EXPECT_EQ(w.count, 1);
    }
    ASSERT_EQ(s.put("g/p/b", "1"), OPR_OK);
    EXPECT_EQ(w.count, 1) << "no wake follows the end of a watch";
}

/* Each reader sees all revisions, without gaps and in order, while others write. */
TEST(StoreWatch, ReadersSeeTheSameOrderUnderWrites)
{
    Store s;
    const uint64_t total = 400;
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int i = 0; i < 3; i++) {
        threads.emplace_back([&s, &wrong] {
            opr_store_cursor *c = nullptr;
            opr_store_event e;
            uint64_t next = 1;
            wrong += opr_store_watch(s.get(), OPR_STR("g/"), 0, nullptr, &c) != OPR_OK;
            while (next <= total) {
                if (opr_store_next(c, &e) == OPR_OK) {
                    wrong += e.rv != next++;
                } else {
                    std::this_thread::yield();
                }
            }
            opr_store_unwatch(c);
        });
    }
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&s, &wrong, i] {
            for (uint64_t n = 0; n < total / 4; n++) {
                wrong += s.put("g/" + std::to_string(i) + "/" + std::to_string(n), "x") != OPR_OK;
            }
        });
    }
    for (auto &t : threads) {
        t.join();
    }
    EXPECT_EQ(wrong, 0);
}
