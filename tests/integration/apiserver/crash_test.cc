/* The store's promise: what was acknowledged is there after the process is killed at any moment. */
#include "apiserver/store/store.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/json/json.h"

#include <gtest/gtest.h>

#include <csignal>
#include <map>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace
{

const int WRITERS = 4;

struct Note { /* one acknowledged write; fits a pipe's atomic write */
    int writer, number;
    uint64_t rv;
};

/* Writer i counts its own key up, and says so after each acknowledgement. */
void count_up(opr_store *s, int writer, int first, int out)
{
    std::string key = "g/p/" + std::to_string(writer);
    for (int n = first;; n++) {
        json_object *doc = json_object_new_object();
        opr_obj *obj = nullptr;
        opr_doc_put_int(doc, "/n", n);
        if (opr_store_put(s, opr_str_of(key.c_str()), OPR_STORE_ANY, doc, &obj, nullptr) !=
            OPR_OK) {
            _exit(3);
        }
        Note note = {writer, n,
                     strtoull(opr_json_str(obj, "/metadata/resourceVersion", ""), nullptr, 10)};
        if (write(out, &note, sizeof note) != sizeof note) {
            _exit(4);
        }
        opr_json_unref(obj);
        json_object_put(doc);
    }
}

[[noreturn]] void write_until_killed(const char *dir, int first, int out)
{
    opr_store_config config = {dir, 0};
    opr_store *s = nullptr;
    if (opr_store_open(&config, &s, nullptr) != OPR_OK) {
        _exit(2);
    }
    std::vector<std::thread> threads;
    for (int i = 0; i < WRITERS; i++) {
        threads.emplace_back(count_up, s, i, first, out);
    }
    for (auto &t : threads) {
        t.join();
    }
    _exit(5);
}

struct Acknowledged {
    std::map<int, int> newest; /* by writer */
    uint64_t revision = 0;
    int count = 0;
};

/* Kills the child after so many acknowledgements, and reads those that were under way. */
void run_and_kill(const char *dir, int first, int kill_after, Acknowledged *acked)
{
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        write_until_killed(dir, first, ends[1]);
    }
    close(ends[1]);
    Note note;
    for (int seen = 0; read(ends[0], &note, sizeof note) == sizeof note;) {
        acked->newest[note.writer] = note.number;
        acked->revision = std::max(acked->revision, note.rv);
        acked->count++;
        if (++seen == kill_after) {
            kill(child, SIGKILL);
        }
    }
    close(ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);
}

} // namespace

TEST(StoreCrash, AcknowledgedWritesSurviveKill)
{
    char dir[] = "/tmp/operon-crash-XXXXXX";
    ASSERT_NE(mkdtemp(dir), nullptr);
    Acknowledged acked;
    for (int round = 0; round < 8; round++) {
        run_and_kill(dir, round * 100000, 20 + round * 37, &acked);
        if (HasFatalFailure()) {
            return;
        }
        opr_store_config config = {dir, 0};
        opr_store *s = nullptr;
        opr_error err = {};
        ASSERT_EQ(opr_store_open(&config, &s, &err), OPR_OK) << err.message;
        EXPECT_GE(opr_store_revision(s), acked.revision);
        for (const auto &[writer, number] : acked.newest) {
            std::string key = "g/p/" + std::to_string(writer);
            opr_obj *obj = opr_store_get(s, opr_str_of(key.c_str()));
            EXPECT_GE(opr_json_int(obj, "/n", -1), number) << "writer " << writer;
            opr_json_unref(obj);
        }
        opr_store_close(s);
    }
    EXPECT_GT(acked.count, 8 * 20);
    EXPECT_EQ(opr_fs_remove_tree(dir, nullptr), OPR_OK);
}
