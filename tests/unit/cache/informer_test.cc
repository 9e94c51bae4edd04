/* The informer against a scripted server: what it asks for, when, and what it makes of it. */
#include "core/base/log.h"
#include "core/base/rand.h"
#include "core/cache/informer.h"
#include "tests/support/fake_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace
{

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string Meta(const std::string &name, int rv, const std::string &more = "")
{
    return "\"metadata\":{\"namespace\":\"ns\",\"name\":\"" + name + "\",\"uid\":\"u-" + name +
           "\",\"resourceVersion\":\"" + std::to_string(rv) + "\"" + more + "}";
}

std::string Object(const std::string &name, int rv, const std::string &more = "")
{
    return "{\"kind\":\"Pod\",\"apiVersion\":\"v1\"," + Meta(name, rv, more) +
           ",\"spec\":{\"nodeName\":\"n1\"},\"status\":{\"phase\":\"Running\"}}";
}

std::string Event(const std::string &type, const std::string &object)
{
    return "{\"type\":\"" + type + "\",\"object\":" + object + "}\n";
}

std::string Bookmark(int rv, bool is_end = false)
{
    std::string annotation =
        is_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "";
    return Event("BOOKMARK", "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{"
                             "\"resourceVersion\":\"" +
                                 std::to_string(rv) + "\"" + annotation + "}}");
}

std::string Gone()
{
    return "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"too "
           "old resource version\",\"reason\":\"Expired\",\"code\":410}";
}

class InformerTest : public ::testing::Test
{
  protected:
    struct opr_resource pods = {"v1/Pod", "", "v1", "Pod", "pods", true, true, true, true};
    FakeTransport transport;
    struct opr_clock *clock = opr_clock_fake_new(1767225600000);
    struct opr_client *client = opr_client_new(&transport.base);
    struct opr_informer *informer = nullptr;
    struct opr_informer_config config = {};
    std::vector<std::string> told;
    int syncs = 0, failures = 0;

    void SetUp() override
    {
        opr_log_set_level(OPR_LOG_ERROR);
        opr_rand_seed(7);
        config.client = client;
        config.clock = clock;
        config.resource = &pods;
    }
    ~InformerTest() override
    {
        opr_informer_free(informer);
        opr_client_free(client);
        opr_clock_fake_free(clock);
        opr_rand_seed(0);
    }
    static void OnChange(void *arg, const struct opr_obj *was, const struct opr_obj *is)
    {
        auto *self = static_cast<InformerTest *>(arg);
        std::string text = was ? (is ? "~" : "-") : "+";
        text += opr_meta_name(is ? is : was);
        text += was ? ":" + std::to_string(opr_meta_rv(was)) : "";
        text += is ? ":" + std::to_string(opr_meta_rv(is)) : "";
        self->told.push_back(text);
    }
    void Start(const char *index = nullptr)
    {
        informer = opr_informer_new(&config);
        if (index) {
            ASSERT_EQ(opr_informer_add_index(informer, index, NULL), OPR_OK);
        }
        opr_informer_add_handler(informer, OnChange, this);
        opr_informer_on_sync(
            informer, [](void *arg) { static_cast<InformerTest *>(arg)->syncs++; }, this);
        opr_informer_on_failure(
            informer, [](void *arg) { static_cast<InformerTest *>(arg)->failures++; }, this);
        opr_informer_start(informer);
        Tick();
    }
    void Tick()
    {
        for (int i = 0; i < 5 && opr_informer_next_due_ns(informer) <= opr_clock_mono_ns(clock);
             i++) {
            opr_informer_tick(informer);
        }
    }
    void Pass(uint64_t ms)
    {
        opr_clock_fake_advance(clock, ms);
        Tick();
    }
    /* Starts, and streams these objects as the initial list at a version. */
    void StartWith(const std::string &events, int rv)
    {
        Start();
        transport.Last().Header(200);
        transport.Last().Data(events + Bookmark(rv, true));
        ASSERT_TRUE(opr_informer_is_synced(informer));
        told.clear();
    }
    uint64_t RvOf(const char *name)
    {
        struct opr_obj *o = opr_informer_get(informer, "ns", name);
        uint64_t rv = o ? opr_meta_rv(o) : 0;
        opr_json_unref(o);
        return rv;
    }
    struct opr_obj *Parse(const std::string &text)
    {
        struct opr_obj *o = nullptr;
        EXPECT_EQ(opr_json_parse({text.data(), text.size()}, &o, NULL), OPR_OK);
        return o;
    }
    void NoteWrite(const std::string &text, bool is_deleted = false)
    {
        struct opr_obj *o = Parse(text);
        opr_informer_note_write(informer, o, is_deleted);
        opr_json_unref(o);
    }
    std::vector<std::string> List(const char *ns, const char *index, const char *value)
    {
        std::vector<std::string> names;
        struct opr_arena *a = opr_arena_new();
        const struct opr_obj *const *objs;
        uint32_t n;
        EXPECT_EQ(opr_informer_list(informer, a, ns, index, value, &objs, &n), OPR_OK);
        for (uint32_t i = 0; i < n; i++) {
            names.push_back(opr_meta_name(objs[i]));
        }
        opr_arena_free(a);
        return names;
    }
};

TEST_F(InformerTest, StreamsTheInitialListAndIsSyncedByItsBookmark)
{
    Start();
    ASSERT_EQ(transport.streams.size(), 1u);
    EXPECT_THAT(transport.Last().path, HasSubstr("/api/v1/pods?watch=true"));
    EXPECT_THAT(transport.Last().path, HasSubstr("sendInitialEvents=true"));
    EXPECT_THAT(transport.Last().path, HasSubstr("resourceVersionMatch=NotOlderThan"));
    EXPECT_THAT(transport.Last().path, HasSubstr("allowWatchBookmarks=true"));
    transport.Last().Header(200);
    transport.Last().Data(Event("ADDED", Object("a", 5)) + Event("ADDED", Object("b", 3)));
    EXPECT_THAT(told, ElementsAre("+a:5", "+b:3"));
    EXPECT_FALSE(opr_informer_is_synced(informer));
    transport.Last().Data(Bookmark(9, true));
    EXPECT_TRUE(opr_informer_is_synced(informer));
    EXPECT_EQ(syncs, 1);
    EXPECT_EQ(opr_informer_count(informer), 2u);
}

TEST_F(InformerTest, EventsMayBeCutAnywhere)
{
    Start();
    transport.Last().Header(200);
    transport.Last().Bytes(Event("ADDED", Object("a", 5)) + "\n" + Bookmark(9, true) +
                           Event("MODIFIED", Object("a", 10)) + Event("ADDED", Object("b", 11)) +
                           Event("DELETED", Object("a", 12)));
    EXPECT_THAT(told, ElementsAre("+a:5", "~a:5:10", "+b:11", "-a:10"));
    EXPECT_EQ(opr_informer_count(informer), 1u);
}

TEST_F(InformerTest, SelectorsAndNamespaceGoIntoThePath)
{
    config.ns = "ns";
    config.labels = "app=web";
    config.fields = "spec.nodeName=n1";
    Start();
    EXPECT_THAT(transport.Last().path, HasSubstr("/api/v1/namespaces/ns/pods?"));
    EXPECT_THAT(transport.Last().path, HasSubstr("labelSelector=app%3Dweb"));
    EXPECT_THAT(transport.Last().path, HasSubstr("fieldSelector=spec.nodeName%3Dn1"));
}

TEST_F(InformerTest, ListsInPagesWhereTheServerDoesNotStream)
{
    Start();
    transport.Last().Header(422);
    transport.Last().Data("{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Invalid\","
                          "\"message\":\"sendInitialEvents is forbidden\",\"code\":422}");
    transport.Last().End();
    Tick();
    ASSERT_EQ(transport.streams.size(), 2u);
    EXPECT_THAT(transport.Last().path, HasSubstr("?limit=500"));
    transport.Last().Header(200);
    transport.Last().Data("{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"20\","
                          "\"continue\":\"t/1\"},\"items\":[{" +
                          Meta("a", 5) + "}]}");
    transport.Last().End();
    Tick();
    ASSERT_EQ(transport.streams.size(), 3u);
    EXPECT_THAT(transport.Last().path, HasSubstr("continue=t%2F1"));
    EXPECT_FALSE(opr_informer_is_synced(informer));
    transport.Last().Header(200);
    transport.Last().Bytes("{\"items\":[{" + Meta("b", 6) +
                           "}],\"metadata\":{\"resourceVersion\":\"20\"}}");
    transport.Last().End();
    EXPECT_TRUE(opr_informer_is_synced(informer));
    Tick();
    ASSERT_EQ(transport.streams.size(), 4u);
    EXPECT_THAT(transport.Last().path, HasSubstr("watch=true"));
    EXPECT_THAT(transport.Last().path, HasSubstr("resourceVersion=20"));
    EXPECT_THAT(transport.Last().path, Not(HasSubstr("sendInitialEvents")));
    struct opr_obj *a = opr_informer_get(informer, "ns", "a");
    ASSERT_NE(a, nullptr);
    EXPECT_STREQ(opr_json_str(a, "/apiVersion", ""), "v1") << "list items lack it";
    EXPECT_STREQ(opr_json_str(a, "/kind", ""), "Pod");
    opr_json_unref(a);
}

TEST_F(InformerTest, ACleanEndResumesAtOnceFromTheLastVersion)
{
    StartWith(Event("ADDED", Object("a", 5)), 9);
    transport.Last().Data(Event("MODIFIED", Object("a", 12)));
    transport.Last().End();
    Tick();
    ASSERT_EQ(transport.streams.size(), 2u);
    EXPECT_THAT(transport.Last().path, HasSubstr("resourceVersion=12"));
}

TEST_F(InformerTest, ABookmarkAdvancesTheVersion)
{
    StartWith(Event("ADDED", Object("a", 5)), 9);
    transport.Last().Data(Bookmark(40));
    transport.Last().End();
    Tick();
    EXPECT_THAT(transport.Last().path, HasSubstr("resourceVersion=40"));
    EXPECT_THAT(told, IsEmpty());
}

TEST_F(InformerTest, ABrokenWatchIsResumedAfterABackoffThatGrows)
{
    StartWith("", 9);
    uint64_t least = 800;
    for (int i = 0; i < 8; i++) {
        size_t before = transport.streams.size();
        transport.Last().End(OPR_E_IO);
        Pass(least - 1);
        EXPECT_EQ(transport.streams.size(), before) << "after " << least - 1 << " ms";
        Pass(least + 2); /* jitter doubles it at most */
        ASSERT_EQ(transport.streams.size(), before + 1);
        EXPECT_THAT(transport.Last().path, HasSubstr("resourceVersion=9"));
        least = std::min<uint64_t>(least * 2, 30000);
    }
    transport.Last().Header(200);
    Pass(130000); /* healthy for two minutes: the backoff begins anew */
    size_t before = transport.streams.size();
    transport.Last().End(OPR_E_IO);
    Pass(1600);
    EXPECT_EQ(transport.streams.size(), before + 1);
}

TEST_F(InformerTest, AServerThatAnswersAgainIsTriedSoon)
{
    StartWith("", 9);
    for (int i = 0; i < 8; i++) {
        transport.Last().End(OPR_E_IO);
        Pass(62000);
    }
    size_t before = transport.streams.size();
    transport.Last().End(OPR_E_IO);
    Pass(1000);
    EXPECT_EQ(transport.streams.size(), before);
    opr_informer_retry_now(informer);
    Pass(200);
    ASSERT_EQ(transport.streams.size(), before + 1);
    transport.Last().Header(500);
    transport.Last().End();
    opr_informer_retry_now(informer);
    Pass(200);
    EXPECT_EQ(transport.streams.size(), before + 1) << "it was reached, and said no";
}

TEST_F(InformerTest, AWatchThatEndsAtOnceWithoutAnEventBacksOff)
{
    StartWith("", 9);
    transport.Last().End();
    Tick();
    ASSERT_EQ(transport.streams.size(), 2u); /* the first one had events */
    transport.Last().Header(200);
    transport.Last().End();
    Tick();
    EXPECT_EQ(transport.streams.size(), 2u);
    Pass(1600);
    EXPECT_EQ(transport.streams.size(), 3u);
}

TEST_F(InformerTest, GoneListsAnewAndTellsOfWhatWentMeanwhile)
{
    for (bool is_event : {true, false}) {
        StartWith(Event("ADDED", Object("a", 5)) + Event("ADDED", Object("b", 6)), 9);
        if (is_event) {
            transport.Last().Data(Event("ERROR", Gone()));
        } else {
            transport.Last().Data(Bookmark(10));
            transport.Last().End();
            Tick();
            transport.Last().Header(410);
            transport.Last().Data(Gone());
            transport.Last().End();
        }
        Tick();
        EXPECT_THAT(transport.Last().path, HasSubstr("sendInitialEvents=true"));
        EXPECT_THAT(transport.Last().path, Not(HasSubstr("resourceVersion=")));
        transport.Last().Header(200);
        transport.Last().Data(Event("ADDED", Object("b", 6)) + Event("ADDED", Object("c", 11)));
        EXPECT_TRUE(opr_informer_is_synced(informer)) << "what it has goes on being served";
        EXPECT_EQ(opr_informer_count(informer), 3u);
        transport.Last().Data(Bookmark(20, true));
        EXPECT_THAT(told, ElementsAre("+c:11", "-a:5")) << "b did not change";
        EXPECT_EQ(opr_informer_count(informer), 2u);
        opr_informer_free(informer);
        informer = nullptr;
        told.clear();
    }
}

TEST_F(InformerTest, GoneAgainAndAgainBacksOff)
{
    StartWith("", 9);
    transport.Last().Data(Event("ERROR", Gone()));
    Tick();
    ASSERT_EQ(transport.streams.size(), 2u);
    EXPECT_TRUE(transport.streams[0]->is_closed);
    transport.Last().Header(200);
    transport.Last().Data(Event("ERROR", Gone()));
    Tick();
    EXPECT_EQ(transport.streams.size(), 2u);
    Pass(1600);
    EXPECT_EQ(transport.streams.size(), 3u);
}

TEST_F(InformerTest, AListAfterGoneThatBreaksIsRepeatedNotResumed)
{
    StartWith(Event("ADDED", Object("a", 5)), 9);
    transport.Last().Data(Event("ERROR", Gone()));
    Tick();
    transport.Last().Header(200);
    transport.Last().End(OPR_E_IO);
    Pass(1600);
    ASSERT_EQ(transport.streams.size(), 3u);
    EXPECT_THAT(transport.Last().path, HasSubstr("sendInitialEvents=true"));
}

TEST_F(InformerTest, GoneAfterAnOutageListsAtOnce)
{
    StartWith("", 9);
    transport.Last().End(OPR_E_IO);
    Pass(1600);
    transport.Last().Header(410);
    transport.Last().Data(Gone());
    transport.Last().End();
    Tick();
    ASSERT_EQ(transport.streams.size(), 3u);
    EXPECT_THAT(transport.Last().path, HasSubstr("sendInitialEvents=true"));
}

TEST_F(InformerTest, AnInitialStreamThatBreaksBeginsAnew)
{
    Start();
    transport.Last().Header(200);
    transport.Last().Data(Event("ADDED", Object("a", 5)));
    transport.Last().End(OPR_E_IO);
    EXPECT_TRUE(opr_informer_has_failed(informer));
    EXPECT_EQ(failures, 1);
    EXPECT_EQ(syncs, 0);
    Pass(1600);
    EXPECT_THAT(transport.Last().path, HasSubstr("sendInitialEvents=true"));
    transport.Last().Header(200);
    transport.Last().Data(Event("ADDED", Object("b", 6)) + Bookmark(9, true));
    EXPECT_THAT(told, ElementsAre("+a:5", "+b:6", "-a:5"));
    EXPECT_FALSE(opr_informer_has_failed(informer));
}

TEST_F(InformerTest, AServerThatIgnoresTheStreamingListIsListed)
{
    Start();
    transport.Last().Header(200);
    Pass(60001);
    EXPECT_TRUE(transport.streams[0]->is_closed);
    Pass(1600);
    EXPECT_THAT(transport.Last().path, HasSubstr("limit=500"));
}

TEST_F(InformerTest, AnOlderEventDoesNotTurnBackTime)
{
    StartWith(Event("ADDED", Object("a", 15)), 20);
    transport.Last().Data(Event("MODIFIED", Object("a", 12)) + Event("DELETED", Object("a", 13)));
    EXPECT_THAT(told, IsEmpty());
    EXPECT_EQ(RvOf("a"), 15u);
}

TEST_F(InformerTest, AListOfThePastIsNotBelievedAtOnce)
{
    StartWith(Event("ADDED", Object("a", 15)), 20);
    transport.Last().Data(Event("ERROR", Gone()));
    Tick();
    transport.Last().Header(422);
    transport.Last().Data("{\"kind\":\"Status\",\"reason\":\"Invalid\",\"code\":422}");
    transport.Last().End();
    Tick();
    for (int i = 0; i < 3; i++) {
        ASSERT_THAT(transport.Last().path, HasSubstr("limit=500"));
        EXPECT_EQ(RvOf("a"), 15u);
        transport.Last().Header(200);
        transport.Last().Data("{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{" +
                              Meta("b", 3) + "}]}");
        transport.Last().End();
        Pass(60000);
    }
    EXPECT_EQ(RvOf("a"), 0u) << "a server that says so three times was set back";
    EXPECT_EQ(RvOf("b"), 3u);
}

TEST_F(InformerTest, GarbageEndsTheStreamAndIsRetried)
{
    StartWith(Event("ADDED", Object("a", 5)), 9);
    transport.Last().Data("<html>proxy error</html>\n");
    Pass(1600);
    ASSERT_EQ(transport.streams.size(), 2u);
    EXPECT_TRUE(transport.streams[0]->is_closed);
    EXPECT_THAT(transport.Last().path, HasSubstr("resourceVersion=9"));
    transport.Last().Header(200);
    transport.Last().Data(Event("MODIFIED", "{\"metadata\":{\"name\":}}") +
                          Event("MODIFIED", Object("a", 12)));
    EXPECT_THAT(told, ElementsAre("~a:5:12")) << "one bad object does not stop the others";
}

TEST_F(InformerTest, OwnWritesAreReadAtOnceAndNeverReplacedByOlderOnes)
{
    StartWith(Event("ADDED", Object("a", 5)), 9);
    NoteWrite(Object("a", 14));
    NoteWrite(Object("b", 15));
    EXPECT_EQ(RvOf("a"), 14u);
    EXPECT_EQ(RvOf("b"), 15u);
    EXPECT_EQ(opr_informer_count(informer), 2u);
    EXPECT_THAT(told, IsEmpty()) << "handlers hear of it from the watch";
    transport.Last().Data(Event("MODIFIED", Object("a", 12)));
    EXPECT_EQ(RvOf("a"), 14u);
    transport.Last().Data(Event("MODIFIED", Object("a", 14)) + Event("ADDED", Object("b", 15)) +
                          Event("MODIFIED", Object("a", 16)));
    EXPECT_EQ(RvOf("a"), 16u);
    EXPECT_THAT(told, ElementsAre("~a:5:12", "~a:12:14", "+b:15", "~a:14:16"));
    NoteWrite(Object("a", 13));
    EXPECT_EQ(RvOf("a"), 16u);
}

TEST_F(InformerTest, AnAnswerThatComesLateMakesNoGhost)
{
    StartWith("", 9);
    transport.Last().Data(Event("ADDED", Object("a", 10)) + Event("DELETED", Object("a", 12)));
    NoteWrite(Object("a", 10));
    EXPECT_EQ(opr_informer_count(informer), 0u);
    NoteWrite(Object("b", 20));
    transport.Last().Data(Bookmark(30)); /* all up to 30 was shown, b was not among it */
    EXPECT_EQ(opr_informer_count(informer), 0u);
}

TEST_F(InformerTest, AnOwnDeletionHidesUntilTheWatchShowsIt)
{
    StartWith(Event("ADDED", Object("a", 5)), 9);
    NoteWrite(Object("a", 5), true);
    EXPECT_EQ(RvOf("a"), 0u);
    EXPECT_EQ(opr_informer_count(informer), 0u);
    transport.Last().Data(Event("MODIFIED", Object("a", 10)));
    EXPECT_EQ(RvOf("a"), 0u) << "an event from before the deletion";
    transport.Last().Data(Event("DELETED", Object("a", 12)));
    EXPECT_THAT(told, ElementsAre("~a:5:10", "-a:10"));
    transport.Last().Data(Event("ADDED", Object("a", 13)));
    EXPECT_EQ(RvOf("a"), 13u);
    NoteWrite(Object("gone", 1), true);
    EXPECT_EQ(opr_informer_count(informer), 1u);
}

TEST_F(InformerTest, DeletingWhatTheWatchHasNotShownYet)
{
    StartWith("", 9);
    NoteWrite(Object("a", 10));
    NoteWrite(Object("a", 10), true);
    EXPECT_EQ(RvOf("a"), 0u);
    transport.Last().Data(Event("ADDED", Object("a", 10)));
    EXPECT_EQ(RvOf("a"), 0u);
    transport.Last().Data(Event("DELETED", Object("a", 11)));
    EXPECT_EQ(opr_informer_count(informer), 0u);
    EXPECT_THAT(told, ElementsAre("+a:10", "-a:10"));
}

TEST_F(InformerTest, AnOwnWriteThatLeavesTheSelectionIsHidden)
{
    config.labels = "app=web";
    StartWith(Event("ADDED", Object("a", 5, ",\"labels\":{\"app\":\"web\"}")), 9);
    NoteWrite(Object("a", 11, ",\"labels\":{\"app\":\"other\"}"));
    EXPECT_EQ(RvOf("a"), 0u);
    NoteWrite(Object("b", 12, ",\"labels\":{\"app\":\"other\"}"));
    EXPECT_EQ(RvOf("b"), 0u);
    NoteWrite(Object("c", 13, ",\"labels\":{\"app\":\"web\"}"));
    EXPECT_EQ(RvOf("c"), 13u);
    transport.Last().Data(Event("DELETED", Object("a", 11)) +
                          Event("ADDED", Object("c", 13, ",\"labels\":{\"app\":\"web\"}")));
    EXPECT_EQ(opr_informer_count(informer), 1u);
}

TEST_F(InformerTest, KeepsMetadataOnlyAndNeverManagedFields)
{
    std::string managed = ",\"managedFields\":[{\"manager\":\"x\",\"fieldsV1\":{\"f:a\":{}}}]";
    for (bool is_meta_only : {false, true}) {
        config.is_meta_only = is_meta_only;
        StartWith(Event("ADDED", Object("a", 5, managed)), 9);
        EXPECT_EQ(transport.Last().accept.find("PartialObjectMetadata") != std::string::npos,
                  is_meta_only);
        struct opr_obj *a = opr_informer_get(informer, "ns", "a");
        EXPECT_EQ(opr_json_at(a, "/metadata/managedFields"), nullptr);
        EXPECT_EQ(opr_json_at(a, "/spec") == nullptr, is_meta_only);
        EXPECT_STREQ(opr_json_str(a, "/kind", ""), "Pod");
        opr_json_unref(a);
        opr_informer_free(informer);
        informer = nullptr;
    }
}

TEST_F(InformerTest, AHandlerThatComesLateSeesAllAsAdds)
{
    StartWith(Event("ADDED", Object("a", 5)), 9);
    std::vector<std::string> late;
    opr_informer_add_handler(
        informer,
        [](void *arg, const struct opr_obj *was, const struct opr_obj *is) {
            static_cast<std::vector<std::string> *>(arg)->push_back(std::string(was ? "~" : "+") +
                                                                    opr_meta_name(is ? is : was));
        },
        &late);
    EXPECT_THAT(late, IsEmpty()) << "never from inside the call";
    Tick();
    EXPECT_THAT(late, ElementsAre("+a"));
    transport.Last().Data(Event("ADDED", Object("b", 10)));
    EXPECT_THAT(late, ElementsAre("+a", "+b"));
    EXPECT_THAT(told, ElementsAre("+b:10"));
}

TEST_F(InformerTest, StoppedItIsSilent)
{
    StartWith(Event("ADDED", Object("a", 5)), 9);
    opr_informer_stop(informer);
    EXPECT_TRUE(transport.Last().is_closed);
    EXPECT_EQ(opr_informer_next_due_ns(informer), UINT64_MAX);
    Pass(3600 * 1000);
    EXPECT_EQ(transport.streams.size(), 1u);
    EXPECT_EQ(opr_informer_count(informer), 1u);
}

TEST_F(InformerTest, AWatchThatNoLongerEndsIsReplaced)
{
    StartWith("", 9);
    Pass(700 * 1000);
    Pass(1600);
    EXPECT_TRUE(transport.streams[0]->is_closed);
    EXPECT_EQ(transport.streams.size(), 2u);
    EXPECT_THAT(transport.Last().path, HasSubstr("resourceVersion=9"));
}

TEST_F(InformerTest, AWatchThatIsNeverAnsweredIsGivenUpSoon)
{
    StartWith("", 9);
    transport.Last().End();
    Tick();
    ASSERT_EQ(transport.streams.size(), 2u);
    Pass(29 * 1000);
    EXPECT_TRUE(transport.Last().IsOpen());
    Pass(1000);
    EXPECT_TRUE(transport.streams[1]->is_closed) << "a server that lives answers at once";
    Pass(1600);
    ASSERT_EQ(transport.streams.size(), 3u);
    EXPECT_THAT(transport.Last().path, HasSubstr("resourceVersion=9"));
    transport.Last().Header(200);
    Pass(290 * 1000);
    EXPECT_TRUE(transport.Last().IsOpen()) << "without bookmarks silence means nothing";
}

TEST_F(InformerTest, AWatchWhoseBookmarksStopIsResumed)
{
    StartWith("", 9);
    for (int n = 0; n < 4; n++) {
        Pass(60 * 1000);
        transport.Last().Data(Bookmark(10 + n));
        EXPECT_TRUE(transport.Last().IsOpen());
    }
    Pass(199 * 1000);
    EXPECT_TRUE(transport.Last().IsOpen());
    Pass(1000);
    EXPECT_TRUE(transport.streams[0]->is_closed);
    Pass(1600);
    ASSERT_EQ(transport.streams.size(), 2u);
    EXPECT_THAT(transport.Last().path, HasSubstr("resourceVersion=13"));
}

TEST_F(InformerTest, ABusyServerIsLeftAloneAsLongAsItAsks)
{
    StartWith("", 9);
    transport.Last().End();
    Tick();
    transport.Last().Header(429);
    transport.Last().Data("{\"kind\":\"Status\",\"reason\":\"TooManyRequests\",\"code\":429,"
                          "\"details\":{\"retryAfterSeconds\":20}}");
    transport.Last().End();
    Pass(19999);
    EXPECT_EQ(transport.streams.size(), 2u);
    Pass(801);
    EXPECT_EQ(transport.streams.size(), 3u);
    uint64_t streams = 0;
    opr_client_each_count(
        client,
        [](void *arg, const char *method, int code, uint64_t count) {
            *static_cast<uint64_t *>(arg) += strcmp(method, "GET") == 0 && code == 429 ? count : 0;
        },
        &streams);
    EXPECT_EQ(streams, 1u) << "streams are counted among the requests";
}

TEST_F(InformerTest, APageThatTheServerDoesNotUnderstandBeginsTheListAnew)
{
    Start();
    transport.Last().Header(400);
    transport.Last().Data("{\"kind\":\"Status\",\"reason\":\"BadRequest\",\"code\":400}");
    transport.Last().End();
    Tick();
    transport.Last().Header(200);
    transport.Last().Data("{\"metadata\":{\"resourceVersion\":\"5\",\"continue\":\"tok\"},"
                          "\"items\":[]}");
    transport.Last().End();
    Tick();
    ASSERT_THAT(transport.Last().path, HasSubstr("continue=tok"));
    transport.Last().Header(400);
    transport.Last().Data("{\"kind\":\"Status\",\"reason\":\"BadRequest\",\"code\":400,"
                          "\"message\":\"continue key is not valid\"}");
    transport.Last().End();
    Pass(1600);
    EXPECT_THAT(transport.Last().path, HasSubstr("limit=500"));
    EXPECT_THAT(transport.Last().path, Not(HasSubstr("continue")));
}

/* Streams with bytes changed, removed and doubled: whatever they mean, no object goes back to an
 * older version while the stream is one, and what is kept can be read. */
TEST_F(InformerTest, SurvivesDamagedStreams)
{
    StartWith("", 1);
    std::string whole;
    for (int rv = 10; rv < 40; rv++) {
        whole += Event(rv % 7 == 6 ? "DELETED" : "MODIFIED",
                       Object(std::string(1, (char)('a' + rv % 5)), rv));
    }
    uint64_t seed = 42;
    auto below = [&](size_t n) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        return (size_t)(seed >> 33) % n;
    };
    for (int round = 0; round < 400; round++) {
        std::string text = whole;
        for (int i = 0; i < 3; i++) {
            size_t at = below(text.size());
            switch (below(3)) {
            case 0:
                text[at] = (char)below(256);
                break;
            case 1:
                text.erase(at, 1 + below(40));
                break;
            default:
                text.insert(at, text.substr(at, 1 + below(40)));
            }
        }
        transport.Last().Data(text.substr(0, below(text.size())));
        std::vector<std::string> names = List(NULL, NULL, NULL);
        EXPECT_EQ(names.size(), opr_informer_count(informer));
        transport.Last().End(below(2) ? OPR_OK : OPR_E_IO);
        Pass(62000);
        ASSERT_TRUE(transport.Last().IsOpen());
        transport.Last().Header(200);
        if (transport.Last().path.find("sendInitialEvents") != std::string::npos) {
            transport.Last().Data(Bookmark(1000 + round, true));
        }
    }
}

TEST_F(InformerTest, IndexesFollowChangesAndOwnWrites)
{
    Start("node=/spec/nodeName,ip=/status/ips");
    transport.Last().Header(200);
    auto pod = [](const std::string &name, int rv, const std::string &node) {
        std::string spec = node.empty() ? "{}" : "{\"nodeName\":\"" + node + "\"}";
        return "{" + Meta(name, rv, ",\"ownerReferences\":[{\"uid\":\"o1\"},{\"uid\":\"o2\"}]") +
               ",\"spec\":" + spec + ",\"status\":{\"ips\":[\"1\",\"2\",\"2\"]}}";
    };
    transport.Last().Data(Event("ADDED", pod("a", 5, "n1")) + Event("ADDED", pod("b", 6, "n1")) +
                          Event("ADDED", pod("c", 7, "")) + Bookmark(9, true));
    EXPECT_THAT(List(NULL, "node", "n1"), ElementsAre("a", "b"));
    EXPECT_THAT(List(NULL, "node", ""), ElementsAre("c"));
    EXPECT_THAT(List("ns", "ip", "2"), ElementsAre("a", "b", "c"));
    EXPECT_THAT(List("other", "ip", "2"), IsEmpty());
    EXPECT_THAT(List(NULL, "owner", "o2"), ElementsAre("a", "b", "c"));
    EXPECT_THAT(List("ns", NULL, NULL).size(), 3u);
    NoteWrite(pod("c", 20, "n2"));
    EXPECT_THAT(List(NULL, "node", "n2"), ElementsAre("c"));
    EXPECT_THAT(List(NULL, "node", ""), IsEmpty());
    transport.Last().Data(Event("DELETED", pod("a", 21, "n1")));
    EXPECT_THAT(List(NULL, "node", "n1"), ElementsAre("b"));
    struct opr_arena *a = opr_arena_new();
    const struct opr_obj *const *objs;
    uint32_t n;
    EXPECT_EQ(opr_informer_list(informer, a, NULL, "nosuch", "x", &objs, &n), OPR_E_INVALID);
    opr_arena_free(a);
}

TEST_F(InformerTest, RefusesIndexesThatMeanNothing)
{
    informer = opr_informer_new(&config);
    struct opr_error err = {};
    EXPECT_EQ(opr_informer_add_index(informer, "node", &err), OPR_E_INVALID);
    EXPECT_THAT(err.message, HasSubstr("NAME=/JSON/POINTER"));
    EXPECT_EQ(opr_informer_add_index(informer, "=/x", NULL), OPR_E_INVALID);
    EXPECT_EQ(opr_informer_add_index(informer, "a=/x", NULL), OPR_OK);
    EXPECT_EQ(opr_informer_add_index(informer, "a=/x", NULL), OPR_OK);
    EXPECT_EQ(opr_informer_add_index(informer, "a=/y", &err), OPR_E_EXISTS);
    EXPECT_EQ(opr_informer_add_index(informer, "owner=/x", NULL), OPR_E_EXISTS);
}

} // namespace
