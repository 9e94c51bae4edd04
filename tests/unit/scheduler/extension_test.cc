#include <operon/scheduler.h>
#include <operon/testing.h>

#include <gtest/gtest.h>

#include <string>

extern "C" const struct opr_plugin *opr_plugin_entry(const struct opr_host *host);

namespace
{
int state_of_plugin;
int64_t cpu_seen, pods_seen;

opr_status Init(const struct opr_obj *, void **ret_state)
{
    *ret_state = &state_of_plugin;
    return OPR_OK;
}
const char *Filter(struct opr_ctx *c, const struct opr_sched_view *v)
{
    cpu_seen = v->free_cpu_milli;
    pods_seen = v->pod_count;
    bool is_bad = strcmp(opr_obj_str(v->node, "/metadata/name", ""), "bad") == 0;
    return v->state != &state_of_plugin ? "no state"
           : is_bad                     ? opr_ctx_text(c, "node(s) are %s", "bad")
                                        : nullptr;
}
/* Far outside of 0..100: cut off, so that it can not outweigh everything. */
int64_t Score(struct opr_ctx *, const struct opr_sched_view *v)
{
    return strcmp(opr_obj_str(v->node, "/metadata/name", ""), "good") == 0 ? 1000000 : -1000000;
}

struct opr_sched_plugin extension;
const struct opr_sched_plugin *const extensions[] = {&extension, nullptr};
struct opr_plugin table;

const struct opr_plugin *Entry(const struct opr_host *)
{
    return &table;
}

class Extension : public ::testing::Test
{
  protected:
    struct opr_test *t = nullptr;

    void SetUp() override
    {
        extension = {};
        extension.size = sizeof extension;
        extension.name = "test";
        extension.filter = Filter;
        extension.score = Score;
        table = {};
        table.size = sizeof table;
        table.magic = OPR_PLUGIN_MAGIC;
        table.abi_major = OPR_ABI_MAJOR;
        table.abi_minor = OPR_ABI_MINOR;
        table.name = "extension";
        table.init = Init;
        table.schedulers = extensions;
        t = opr_test_new(opr_plugin_entry, nullptr);
    }
    void TearDown() override
    {
        opr_test_free(t);
    }
    void Node(const std::string &name)
    {
        std::string status = "{'allocatable':{'cpu':'4','memory':'8Gi','pods':'110'},"
                             "'conditions':[{'type':'Ready','status':'True'}]}";
        ASSERT_STREQ("",
                     opr_test_apply(t, ("{'apiVersion':'v1','kind':'Node','metadata':{'name':'" +
                                        name + "'},'status':" + status + "}")
                                           .c_str()));
        ASSERT_STREQ("", opr_test_status(t, "v1/Node", nullptr, name.c_str(), status.c_str()));
    }
    std::string Place(const std::string &name)
    {
        EXPECT_STREQ(
            "", opr_test_apply(t, ("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name +
                                   "','namespace':'default'},'spec':{'schedulerName':"
                                   "'default-scheduler','containers':[{'name':'c',"
                                   "'resources':{'requests':{'cpu':'1'}}}]}}")
                                      .c_str()));
        opr_test_run(t);
        return opr_obj_str(opr_test_get(t, "v1/Pod", "default", name.c_str()), "/spec/nodeName",
                           "");
    }
};
} // namespace

TEST_F(Extension, ItsScoreCounts)
{
    ASSERT_STREQ("", opr_test_add(t, Entry, nullptr));
    Node("good");
    Node("other");
    EXPECT_EQ("good", Place("a"));
    EXPECT_EQ("good", Place("b"));
}

TEST_F(Extension, ItsFilterCountsAndSaysWhy)
{
    ASSERT_STREQ("", opr_test_add(t, Entry, nullptr));
    Node("bad");
    EXPECT_EQ("", Place("a"));
    const struct opr_obj *pod = opr_test_get(t, "v1/Pod", "default", "a");
    EXPECT_STREQ("0/1 nodes are available: 1 node(s) are bad. preemption: 0/1 nodes are "
                 "available: 1 No preemption victims found for incoming pod.",
                 opr_obj_str(pod, "/status/conditions/0/message", ""));
    Node("fine");
    opr_test_advance_ms(t, 60000);
    pod = opr_test_get(t, "v1/Pod", "default", "a");
    EXPECT_STREQ("fine", opr_obj_str(pod, "/spec/nodeName", ""));
    EXPECT_EQ(4000, cpu_seen);
    EXPECT_EQ("fine", Place("b"));
    EXPECT_EQ(3000, cpu_seen);
    EXPECT_EQ(1, pods_seen);
}

TEST_F(Extension, OneWithoutANameIsRefused)
{
    extension.name = nullptr;
    EXPECT_NE(std::string::npos, std::string(opr_test_add(t, Entry, nullptr)).find("no name"));
    extension.name = "test";
    extension.size = 0;
    EXPECT_NE(std::string::npos, std::string(opr_test_add(t, Entry, nullptr)).find("no name"));
    Node("bad"); /* nothing of it is left */
    EXPECT_EQ("bad", Place("a"));
}
