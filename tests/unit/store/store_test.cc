#include "support.h"

#include <gmock/gmock.h>

#include <thread>

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Store, GivesEachWriteTheNextRevision)
{
    Store s;
    uint64_t first = 0, second = 0;
    EXPECT_EQ(opr_store_revision(s.get()), 0u);
    EXPECT_EQ(s.put("g/p/a", "1", OPR_STORE_ABSENT, &first), OPR_OK);
    EXPECT_EQ(s.put("g/p/b", "1", OPR_STORE_ABSENT, &second), OPR_OK);
    EXPECT_EQ(first, 1u);
    EXPECT_EQ(second, 2u);
    EXPECT_EQ(opr_store_revision(s.get()), 2u);
}

TEST(Store, AbsentRefusesAKeyThatIsThere)
{
    Store s;
    EXPECT_EQ(s.put("g/p/a", "1", OPR_STORE_ABSENT), OPR_OK);
    EXPECT_EQ(s.put("g/p/a", "2", OPR_STORE_ABSENT), OPR_E_EXISTS);
    EXPECT_EQ(s.data("g/p/a"), "1");
    EXPECT_EQ(opr_store_revision(s.get()), 1u);
}

TEST(Store, AnOlderRevisionConflicts)
{
    Store s;
    uint64_t rv = 0, newer = 0;
    ASSERT_EQ(s.put("g/p/a", "1", OPR_STORE_ABSENT, &rv), OPR_OK);
    ASSERT_EQ(s.put("g/p/a", "2", rv, &newer), OPR_OK);
    EXPECT_EQ(s.put("g/p/a", "3", rv), OPR_E_CONFLICT);
    EXPECT_EQ(s.remove("g/p/a", rv), OPR_E_CONFLICT);
    EXPECT_EQ(s.data("g/p/a"), "2");
    EXPECT_EQ(s.remove("g/p/a", newer), OPR_OK);
    EXPECT_EQ(s.data("g/p/a"), "-");
}

TEST(Store, AKeyThatIsNotThereCanNotBeReplacedOrRemoved)
{
    Store s;
    EXPECT_EQ(s.put("g/p/a", "1", 7), OPR_E_NOT_FOUND);
    EXPECT_EQ(s.remove("g/p/a"), OPR_E_NOT_FOUND);
    EXPECT_EQ(opr_store_revision(s.get()), 0u);
}

TEST(Store, ListsAPrefixInKeyOrder)
{
    Store s;
    for (const char *key :
         {"g/pods/b/2", "g/pods/a/1", "g/podsx/a/1", "f/pods/a/1", "g/pods/b/1"}) {
        ASSERT_EQ(s.put(key, "x"), OPR_OK);
    }
    EXPECT_THAT(s.list("g/pods/"), ElementsAre("g/pods/a/1", "g/pods/b/1", "g/pods/b/2"));
    EXPECT_THAT(s.list("g/pods/b/"), ElementsAre("g/pods/b/1", "g/pods/b/2"));
    EXPECT_THAT(s.list("g/none/"), IsEmpty());
    EXPECT_EQ(opr_store_count(s.get(), OPR_STR("g/pods/")), 3u);
}

TEST(Store, ListsPiecewise)
{
    Store s;
    size_t more = 0;
    for (const char *key : {"g/p/1", "g/p/2", "g/p/3", "g/p/5", "g/q/1"}) {
        ASSERT_EQ(s.put(key, "x"), OPR_OK);
    }
    EXPECT_THAT(s.list("g/p/", "", 2, &more), ElementsAre("g/p/1", "g/p/2"));
    EXPECT_EQ(more, 2u);
    EXPECT_THAT(s.list("g/p/", "g/p/2", 2, &more), ElementsAre("g/p/3", "g/p/5"));
    EXPECT_EQ(more, 0u);
    /* The key where the last piece ended went meanwhile. */
    EXPECT_THAT(s.list("g/p/", "g/p/4", 2, &more), ElementsAre("g/p/5"));
    EXPECT_THAT(s.list("g/p/", "g/p/5", 2, &more), IsEmpty());
}

TEST(Store, AListedObjectOutlivesItsRemoval)
{
    Store s;
    ASSERT_EQ(s.put("g/p/a", "1"), OPR_OK);
    opr_arena *a = opr_arena_new();
    const opr_obj *const *objs = nullptr;
    size_t count = 0, more = 0;
    uint64_t revision = 0;
    opr_store_list(s.get(), a, OPR_STR("g/"), OPR_STR(""), 0, &objs, &count, &revision, &more);
    ASSERT_EQ(s.remove("g/p/a"), OPR_OK);
    ASSERT_EQ(count, 1u);
    EXPECT_EQ(revision, 1u);
    EXPECT_STREQ(opr_json_str(objs[0], "/data", ""), "1");
    opr_arena_free(a);
}

TEST(Store, ADeletionAnswersTheLastStateWithItsOwnRevision)
{
    Store s;
    opr_obj *obj = nullptr;
    ASSERT_EQ(s.put("g/p/a", "1"), OPR_OK);
    ASSERT_EQ(opr_store_delete(s.get(), OPR_STR("g/p/a"), OPR_STORE_ANY, nullptr, &obj, nullptr),
              OPR_OK);
    EXPECT_STREQ(opr_json_str(obj, "/data", ""), "1");
    EXPECT_STREQ(opr_json_str(obj, "/metadata/resourceVersion", ""), "2");
    opr_json_unref(obj);
}

/* Every increment that is acknowledged is there, and no two writers won the same revision. */
TEST(Store, ManyWritersLoseNothing)
{
    Store s;
    const int writers = 8, each = 50;
    ASSERT_EQ(s.put("g/p/n", "0"), OPR_OK);
    std::vector<std::thread> threads;
    for (int i = 0; i < writers; i++) {
        threads.emplace_back([&s] {
            for (int done = 0; done < each;) {
                opr_obj *now = opr_store_get(s.get(), OPR_STR("g/p/n"));
                std::string next = std::to_string(atoi(opr_json_str(now, "/data", "")) + 1);
                done += s.put("g/p/n", next, Store::rv_of(now)) == OPR_OK;
                opr_json_unref(now);
            }
        });
    }
    for (auto &t : threads) {
        t.join();
    }
    EXPECT_EQ(s.data("g/p/n"), std::to_string(writers * each));
    EXPECT_EQ(opr_store_revision(s.get()), 1u + writers * each);
}
