/* Durability: one SQLite file in WAL mode with synchronous FULL, so that a commit is on disk before
 * it returns (sqlite.org/pragma.html#pragma_synchronous). */
#include "apiserver/store/internal.h"

#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/str.h"

#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_BYTES (4352 * 1024) /* somewhat more than wal_autocheckpoint pages */

struct opr__disk {
    sqlite3 *db;
    sqlite3_stmt *begin, *put, *remove, *revision, *commit, *rollback;
    char path[PATH_MAX];
};

static opr_status failed(const struct opr__disk *d, const char *what, struct opr_error *reterr)
{
    return opr_error_set(reterr, OPR_E_IO, "store %s: can not %s: %s", d->path, what,
                         d->db ? sqlite3_errmsg(d->db) : "no memory");
}

static bool prepare(struct opr__disk *d, const char *sql, sqlite3_stmt **ret_statement)
{
    return sqlite3_prepare_v3(d->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_statement, NULL) ==
           SQLITE_OK;
}

static opr_status set_up(struct opr__disk *d, struct opr_error *reterr)
{
    static const char sql[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-256;"
        "PRAGMA temp_store=MEMORY; PRAGMA locking_mode=EXCLUSIVE; PRAGMA wal_autocheckpoint=1000;"
        "CREATE TABLE IF NOT EXISTS objects(key TEXT PRIMARY KEY, rv INTEGER NOT NULL,"
        " value BLOB NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS meta(id INTEGER PRIMARY KEY CHECK(id=1),"
        " format INTEGER NOT NULL, revision INTEGER NOT NULL);"
        "INSERT OR IGNORE INTO meta VALUES(1, 1, 0);";
    if (sqlite3_exec(d->db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return failed(d, "set up", reterr);
    }
    bool is_good =
        prepare(d, "BEGIN IMMEDIATE", &d->begin) && prepare(d, "COMMIT", &d->commit) &&
        prepare(d, "ROLLBACK", &d->rollback) &&
        prepare(d, "INSERT OR REPLACE INTO objects(key,rv,value) VALUES(?1,?2,?3)", &d->put) &&
        prepare(d, "DELETE FROM objects WHERE key=?1", &d->remove) &&
        prepare(d, "UPDATE meta SET revision=?1 WHERE id=1", &d->revision);
    return is_good ? OPR_OK : failed(d, "prepare", reterr);
}

/* Appending to a file costs a change of its metadata with each fsync, writing over it does not: on
 * ext4 the second is some ten times faster. SQLite writes over its log after each checkpoint, so a
 * log that begins with its full length is fast from the first commit on. What follows the last
 * valid frame is not read (sqlite.org/fileformat2.html#walformat); zeros are no valid frame. */
static void prefill_log(struct opr__disk *d)
{
    static const char zeros[64 * 1024];
    char path[PATH_MAX + 8];
    struct stat info;
    int on = 1;
    (void)sqlite3_file_control(d->db, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
    snprintf(path, sizeof path, "%s-wal", d->path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    off_t at = fstat(fd, &info) == 0 ? info.st_size : LOG_BYTES;
    while (at < LOG_BYTES) {
        ssize_t n = pwrite(fd, zeros, sizeof zeros, at);
        if (n <= 0) {
            break; /* it is only slower without */
        }
        at += n;
    }
    (void)fsync(fd);
    close(fd);
}

opr_status opr__disk_open(const char *dir, struct opr__disk **ret_disk, struct opr_error *reterr)
{
    OPR_TRY(opr_fs_mkdirs(dir, 0700, reterr));
    struct opr__disk *d = opr_xalloc(sizeof *d);
    snprintf(d->path, sizeof d->path, "%s/store.db", dir);
    opr_status st = OPR_OK;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(d->path, &d->db, flags, NULL) != SQLITE_OK) {
        st = failed(d, "open", reterr);
    }
    if (st == OPR_OK) {
        st = set_up(d, reterr);
    }
    if (st != OPR_OK) {
        opr__disk_close(d);
        return st;
    }
    prefill_log(d);
    *ret_disk = d;
    return OPR_OK;
}

void opr__disk_close(struct opr__disk *d)
{
    if (!d) {
        return;
    }
    sqlite3_stmt *all[] = {d->begin, d->put, d->remove, d->revision, d->commit, d->rollback};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        sqlite3_finalize(all[i]);
    }
    sqlite3_close(d->db);
    opr_free(d);
}

opr_status opr__disk_load(struct opr__disk *d,
                          void (*fn)(void *arg, struct opr_str key, uint64_t rv,
                                     struct opr_str value),
                          void *arg, uint64_t *ret_revision, struct opr_error *reterr)
{
    sqlite3_stmt *s = NULL;
    int rc = SQLITE_ERROR;
    if (prepare(d, "SELECT revision FROM meta WHERE id=1", &s) && sqlite3_step(s) == SQLITE_ROW) {
        *ret_revision = (uint64_t)sqlite3_column_int64(s, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(s);
    s = NULL;
    if (rc == SQLITE_OK && prepare(d, "SELECT key,rv,value FROM objects ORDER BY key", &s)) {
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
            fn(arg,
               opr_str_n((const char *)sqlite3_column_text(s, 0),
                         (size_t)sqlite3_column_bytes(s, 0)),
               (uint64_t)sqlite3_column_int64(s, 1),
               opr_str_n(sqlite3_column_blob(s, 2), (size_t)sqlite3_column_bytes(s, 2)));
        }
    }
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? OPR_OK : failed(d, "read", reterr);
}

static opr_status run(struct opr__disk *d, sqlite3_stmt *s, const char *what,
                      struct opr_error *reterr)
{
    int rc = sqlite3_step(s);
    opr_status st = rc == SQLITE_DONE ? OPR_OK : failed(d, what, reterr);
    sqlite3_reset(s);
    return st;
}

opr_status opr__disk_begin(struct opr__disk *d, struct opr_error *reterr)
{
    return run(d, d->begin, "begin", reterr);
}

opr_status opr__disk_put(struct opr__disk *d, struct opr_str key, uint64_t rv, struct opr_str value,
                         struct opr_error *reterr)
{
    sqlite3_bind_text(d->put, 1, key.ptr, (int)key.len, SQLITE_STATIC);
    sqlite3_bind_int64(d->put, 2, (sqlite3_int64)rv);
    sqlite3_bind_blob(d->put, 3, value.ptr, (int)value.len, SQLITE_STATIC);
    return run(d, d->put, "write", reterr);
}

opr_status opr__disk_delete(struct opr__disk *d, struct opr_str key, struct opr_error *reterr)
{
    sqlite3_bind_text(d->remove, 1, key.ptr, (int)key.len, SQLITE_STATIC);
    return run(d, d->remove, "delete", reterr);
}

opr_status opr__disk_commit(struct opr__disk *d, uint64_t revision, struct opr_error *reterr)
{
    sqlite3_bind_int64(d->revision, 1, (sqlite3_int64)revision);
    OPR_TRY(run(d, d->revision, "write the revision", reterr));
    return run(d, d->commit, "commit", reterr);
}

void opr__disk_rollback(struct opr__disk *d)
{
    (void)!run(d, d->rollback, "roll back", NULL); /* the first failure is the one to tell */
}
