#include "support.h"

#include <gmock/gmock.h>

#include <sqlite3.h>

using testing::ElementsAre;

namespace
{

/* Runs SQL on the file of a store that is closed. */
void run_sql(const char *dir, const char *sql)
{
    sqlite3 *db = nullptr;
    ASSERT_EQ(sqlite3_open((std::string(dir) + "/store.db").c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
}

} // namespace

TEST(StoreDisk, KeepsObjectsAndTheRevision)
{
    Folder dir;
    {
        Store s(dir.path());
        ASSERT_EQ(s.put("g/p/b", "2"), OPR_OK);
        ASSERT_EQ(s.put("g/p/a", "1"), OPR_OK);
        ASSERT_EQ(s.put("g/p/c", "3"), OPR_OK);
        ASSERT_EQ(s.put("g/p/a", "new"), OPR_OK);
        ASSERT_EQ(s.remove("g/p/c"), OPR_OK);
    }
    Store s(dir.path());
    EXPECT_EQ(opr_store_revision(s.get()), 5u);
    EXPECT_THAT(s.list("g/"), ElementsAre("g/p/a", "g/p/b"));
    EXPECT_EQ(s.data("g/p/a"), "new");
    uint64_t rv = 0;
    EXPECT_EQ(s.put("g/p/b", "3", 1, &rv), OPR_OK) << "the object's own revision was kept";
    EXPECT_EQ(rv, 6u);
}

TEST(StoreDisk, AWatchFromBeforeTheRestartExpires)
{
    Folder dir;
    {
        Store s(dir.path());
        ASSERT_EQ(s.put("g/p/a", "1"), OPR_OK);
        ASSERT_EQ(s.put("g/p/a", "2"), OPR_OK);
    }
    Store s(dir.path());
    opr_store_cursor *c = nullptr;
    EXPECT_EQ(opr_store_watch(s.get(), OPR_STR("g/"), 1, nullptr, &c), OPR_E_EXPIRED);
    ASSERT_EQ(opr_store_watch(s.get(), OPR_STR("g/"), 2, nullptr, &c), OPR_OK);
    ASSERT_EQ(s.put("g/p/a", "3"), OPR_OK);
    opr_store_event e;
    ASSERT_EQ(opr_store_next(c, &e), OPR_OK);
    EXPECT_EQ(e.rv, 3u);
    opr_store_unwatch(c);
}

TEST(StoreDisk, RefusesADamagedObject)
{
    Folder dir;
    {
        Store s(dir.path());
        ASSERT_EQ(s.put("g/p/a", "1"), OPR_OK);
    }
    run_sql(dir.path(), "UPDATE objects SET value = x'7b22' WHERE key = 'g/p/a'");
    opr_store_config config = {dir.path(), 0};
    opr_store *s = nullptr;
    opr_error err = {};
    EXPECT_EQ(opr_store_open(&config, &s, &err), OPR_E_IO);
    EXPECT_THAT(err.message, testing::HasSubstr("g/p/a"));
}

TEST(StoreDisk, RefusesAFileThatIsNoDatabase)
{
    Folder dir;
    std::string path = std::string(dir.path()) + "/store.db";
    std::string text(4096, 'x');
    ASSERT_EQ(opr_fs_write(path.c_str(), opr_str_n(text.data(), text.size()), 0600, nullptr),
              OPR_OK);
    opr_store_config config = {dir.path(), 0};
    opr_store *s = nullptr;
    opr_error err = {};
    EXPECT_EQ(opr_store_open(&config, &s, &err), OPR_E_IO);
    EXPECT_THAT(err.message, testing::HasSubstr("store.db"));
}

/* A write that can not be made durable is refused and seen by nobody. */
TEST(StoreDisk, AFailedCommitChangesNothing)
{
    Folder dir;
    {
        Store s(dir.path());
        ASSERT_EQ(s.put("g/p/a", "1"), OPR_OK);
    }
    run_sql(dir.path(), "CREATE TRIGGER full BEFORE INSERT ON objects WHEN NEW.key = 'g/p/full' "
                        "BEGIN SELECT RAISE(ABORT, 'disk full'); END");
    Store s(dir.path());
    opr_store_cursor *c = nullptr;
    opr_store_event e;
    ASSERT_EQ(opr_store_watch(s.get(), OPR_STR("g/"), 1, nullptr, &c), OPR_OK);
    EXPECT_EQ(s.put("g/p/full", "1"), OPR_E_IO);
    EXPECT_EQ(s.data("g/p/full"), "-");
    EXPECT_EQ(opr_store_revision(s.get()), 1u);
    EXPECT_EQ(opr_store_next(c, &e), OPR_E_END);
    EXPECT_EQ(s.put("g/p/b", "1"), OPR_OK) << "the store goes on";
    ASSERT_EQ(opr_store_next(c, &e), OPR_OK);
    EXPECT_EQ(e.rv, 2u);
    opr_store_unwatch(c);
}
