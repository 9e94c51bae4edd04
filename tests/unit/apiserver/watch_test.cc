#include "support.h"

#include <gmock/gmock.h>

#include <memory>

using testing::ElementsAre;
using testing::IsEmpty;

class Watching : public Api
{
  protected:
    std::string revision()
    {
        return get(CONFIGMAPS).str("/metadata/resourceVersion");
    }
    std::string since(const std::string &rv)
    {
        return CONFIGMAPS "?watch=1&resourceVersion=" + rv;
    }
};

TEST_F(Watching, ChangesAfterARevision)
{
    auto w = watch(since(revision()));
    EXPECT_EQ(w->status, 200);
    EXPECT_THAT(w->names(), IsEmpty());
    Answer made = make("configmaps", "a");
    merge(CONFIGMAPS "/a", "{'data':{'k':'v'}}");
    remove(CONFIGMAPS "/a");
    auto events = w->events();
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(events[0].str("/type"), "ADDED");
    EXPECT_EQ(events[0].str("/object/metadata/resourceVersion"),
              made.str("/metadata/resourceVersion"));
    EXPECT_EQ(events[1].str("/type"), "MODIFIED");
    EXPECT_EQ(events[1].str("/object/data/k"), "v");
    EXPECT_EQ(events[2].str("/type"), "DELETED");
    EXPECT_EQ(events[2].str("/object/metadata/resourceVersion"), revision());
    EXPECT_FALSE(w->is_over);
}

TEST_F(Watching, WithoutARevisionThePresentComesFirst)
{
    make("configmaps", "a");
    for (const char *rv : {"", "&resourceVersion=0", "&resourceVersion="}) {
        auto w = watch(std::string(CONFIGMAPS "?watch=true") + rv);
        EXPECT_THAT(w->names(), ElementsAre("ADDED a")) << rv;
    }
}

TEST_F(Watching, InitialEventsEndWithABookmark)
{
    make("configmaps", "a");
    auto w = watch(CONFIGMAPS "?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&"
                              "resourceVersionMatch=NotOlderThan");
    auto events = w->events();
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[0].str("/type"), "ADDED");
    EXPECT_EQ(events[1].str("/type"), "BOOKMARK");
    EXPECT_EQ(events[1].str("/object/kind"), "ConfigMap");
    EXPECT_EQ(events[1].str("/object/metadata/annotations/k8s.io~1initial-events-end"), "true");
    EXPECT_EQ(events[1].str("/object/metadata/resourceVersion"), revision());
    make("configmaps", "b");
    EXPECT_THAT(w->names(), ElementsAre("ADDED b"));
    EXPECT_EQ(get(CONFIGMAPS "?watch=1&sendInitialEvents=true").status, 422);
}

TEST_F(Watching, SelectionsAreEnteredAndLeft)
{
    auto w = watch(since(revision()) + "&labelSelector=on%3Dyes");
    make("configmaps", "a");
    EXPECT_THAT(w->names(), IsEmpty());
    merge(CONFIGMAPS "/a", "{'metadata':{'labels':{'on':'yes'}}}");
    merge(CONFIGMAPS "/a", "{'data':{'k':'v'}}");
    merge(CONFIGMAPS "/a", "{'metadata':{'labels':null}}");
    merge(CONFIGMAPS "/a", "{'data':{'k':'w'}}");
    remove(CONFIGMAPS "/a");
    EXPECT_THAT(w->names(), ElementsAre("ADDED a", "MODIFIED a", "DELETED a"));
}

TEST_F(Watching, OneObjectByFieldSelector)
{
    auto w = watch(since(revision()) + "&fieldSelector=metadata.name%3Db");
    make("configmaps", "a");
    make("configmaps", "b");
    EXPECT_THAT(w->names(), ElementsAre("ADDED b"));
}

TEST_F(Watching, TheObjectOfThePathIsTheOneThatIsWatched)
{
    make("configmaps", "a");
    make("configmaps", "b");
    auto w = watch(CONFIGMAPS "/a?watch=1&fieldSelector=metadata.name%3Db");
    EXPECT_THAT(w->names(), ElementsAre("ADDED a")) << "whoever may see a may not see b by it";
}

TEST_F(Watching, BookmarksEveryMinuteAndAtTheEnd)
{
    auto w = watch(since(revision()) + "&allowWatchBookmarks=true&timeoutSeconds=90");
    EXPECT_THAT(w->names(), IsEmpty());
    make("secrets", "foreign");
    advance(61000);
    auto events = w->events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].str("/type"), "BOOKMARK");
    EXPECT_EQ(events[0].str("/object/metadata/resourceVersion"), revision());
    EXPECT_FALSE(w->is_over);
    advance(30000);
    EXPECT_THAT(w->names(), ElementsAre("BOOKMARK -"));
    EXPECT_TRUE(w->is_over);
}

TEST_F(Watching, EndsAtItsTimeout)
{
    auto w = watch(since(revision()) + "&timeoutSeconds=5");
    EXPECT_THAT(w->names(), IsEmpty());
    EXPECT_FALSE(w->is_over);
    advance(5001);
    EXPECT_THAT(w->names(), IsEmpty());
    EXPECT_TRUE(w->is_over);
}

TEST_F(Watching, TooOldIsAnErrorEvent)
{
    open(4);
    std::string rv = revision();
    for (int i = 0; i < 6; i++) {
        make("configmaps", "c" + std::to_string(i));
    }
    auto w = watch(since(rv));
    EXPECT_EQ(w->status, 200);
    auto events = w->events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].str("/type"), "ERROR");
    EXPECT_EQ(events[0].num("/object/code"), 410);
    EXPECT_EQ(events[0].str("/object/reason"), "Expired");
    EXPECT_EQ(events[0].str("/object/message"),
              "too old resource version: " + rv + " (" + revision() + ")");
    EXPECT_TRUE(w->is_over);
}

TEST_F(Watching, ASlowReaderGets410)
{
    open(4);
    auto w = watch(since(revision()));
    for (int i = 0; i < 6; i++) {
        make("configmaps", "c" + std::to_string(i));
    }
    auto events = w->events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].num("/object/code"), 410);
}

/* A client of a store that was lost must not wait for a revision that never comes. */
TEST_F(Watching, ARevisionOfAnotherStoreIsExpired)
{
    auto events = watch(since("123456"))->events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].num("/object/code"), 410);
}

TEST_F(Watching, TablesNameTheirColumnsOnce)
{
    caller.headers = {{"Accept", "application/json;as=Table;v=v1;g=meta.k8s.io"}};
    auto w = watch(CONFIGMAPS "?watch=1");
    caller.headers.clear();
    make("configmaps", "a");
    make("configmaps", "b");
    auto events = w->events();
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[0].str("/object/kind"), "Table");
    EXPECT_GT(events[0].size("/object/columnDefinitions"), 0u);
    EXPECT_EQ(events[1].size("/object/columnDefinitions"), 0u);
    EXPECT_EQ(events[1].str("/object/rows/0/cells/0"), "b");
}
