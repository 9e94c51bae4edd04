// The plugin line (docs/ABI.md): what a released header said about the place of a member stays
// true. New members go at the end of a table and of these lists; nothing here is ever reordered.
#include <operon/scheduler.h>

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace
{
struct Member {
    const char *name;
    size_t offset;
};

/* Pointers and words, one after the other without a gap, from the first one's offset on. */
void Consecutive(const std::vector<Member> &members, size_t first, size_t size)
{
    size_t at = first;
    for (const Member &m : members) {
        EXPECT_EQ(at, m.offset) << m.name;
        at += sizeof(void *);
    }
    EXPECT_EQ(at, size) << "a member was added: name it here and in docs/ABI.md";
}

#define MEMBER(name)                                                                               \
    {                                                                                              \
#name, offsetof(struct opr_host, name)                                                     \
    }
const std::vector<Member> host = {
    /* 0.1 */
    MEMBER(obj_at),
    MEMBER(obj_str),
    MEMBER(obj_int),
    MEMBER(obj_num),
    MEMBER(obj_bool),
    MEMBER(obj_type),
    MEMBER(obj_len),
    MEMBER(obj_first),
    MEMBER(obj_next),
    MEMBER(obj_name),
    MEMBER(obj_equal),
    MEMBER(obj_milli),
    MEMBER(obj_ref),
    MEMBER(obj_unref),
    MEMBER(selector_matches),
    MEMBER(doc_parse),
    MEMBER(doc_of),
    MEMBER(doc_set),
    MEMBER(doc_remove),
    MEMBER(doc_obj),
    MEMBER(ctx_key),
    MEMBER(ctx_now_ms),
    MEMBER(ctx_cancelled),
    MEMBER(ctx_error),
    MEMBER(ctx_state),
    MEMBER(ctx_text),
    MEMBER(ctx_alloc),
    MEMBER(ctx_log),
    MEMBER(get),
    MEMBER(get_live),
    MEMBER(list),
    MEMBER(create),
    MEMBER(update),
    MEMBER(patch),
    MEMBER(remove),
    MEMBER(request),
    MEMBER(batch_new),
    MEMBER(batch_create),
    MEMBER(batch_remove),
    MEMBER(batch_run),
    MEMBER(batch_status),
    MEMBER(event),
    MEMBER(expect_satisfied),
    MEMBER(expect),
    MEMBER(expect_lower),
    MEMBER(enqueue_after),
    MEMBER(map_enqueue),
    MEMBER(map_each),
    MEMBER(map_expected),
    MEMBER(policy_load),
    MEMBER(policy_unload),
    MEMBER(policy_call),
    MEMBER(policy_list),
    /* 0.2 */
    MEMBER(watch),
    MEMBER(unwatch),
    MEMBER(obj_text),
    MEMBER(obj_parse),
    MEMBER(sched_plugins),
};
#undef MEMBER
} // namespace

TEST(Abi, HostTable)
{
    EXPECT_EQ(0u, offsetof(struct opr_host, size));
    EXPECT_EQ(4u, offsetof(struct opr_host, abi_major));
    EXPECT_EQ(6u, offsetof(struct opr_host, abi_minor));
    Consecutive(host, 8, sizeof(struct opr_host));
}

#define MEMBER(name)                                                                               \
    {                                                                                              \
#name, offsetof(struct opr_plugin, name)                                                   \
    }
TEST(Abi, PluginTable)
{
    EXPECT_EQ(0u, offsetof(struct opr_plugin, size));
    EXPECT_EQ(4u, offsetof(struct opr_plugin, magic));
    EXPECT_EQ(8u, offsetof(struct opr_plugin, abi_major));
    EXPECT_EQ(10u, offsetof(struct opr_plugin, abi_minor));
    Consecutive({MEMBER(name), MEMBER(version), MEMBER(init), MEMBER(fini), MEMBER(controllers),
                 /* 0.2 */ MEMBER(schedulers)},
                16, sizeof(struct opr_plugin));
}
#undef MEMBER

TEST(Abi, ControllerTable)
{
    EXPECT_EQ(8u, offsetof(struct opr_controller, name));
    EXPECT_EQ(16u, offsetof(struct opr_controller, primary));
    EXPECT_EQ(72u, offsetof(struct opr_controller, reads));
    EXPECT_EQ(80u, offsetof(struct opr_controller, reconcile));
    EXPECT_EQ(88u, offsetof(struct opr_controller, workers));
    EXPECT_EQ(92u, offsetof(struct opr_controller, timeout_ms));
    EXPECT_EQ(96u, offsetof(struct opr_controller, event_source));
    EXPECT_EQ(104u, offsetof(struct opr_controller, writes));
}

/* These have no size member: they do not change within a major version. */
TEST(Abi, FixedStructs)
{
    EXPECT_EQ(56u, sizeof(struct opr_watch));
    EXPECT_EQ(48u, offsetof(struct opr_watch, flags));
    EXPECT_EQ(16u, sizeof(struct opr_key));
    EXPECT_EQ(16u, sizeof(struct opr_str));
    EXPECT_EQ(16u, sizeof(opr_result));
}

TEST(Abi, SchedulerTables)
{
    EXPECT_EQ(8u, offsetof(struct opr_sched_plugin, name));
    EXPECT_EQ(16u, offsetof(struct opr_sched_plugin, filter));
    EXPECT_EQ(24u, offsetof(struct opr_sched_plugin, score));
    EXPECT_EQ(32u, offsetof(struct opr_sched_plugin, weight));
    EXPECT_EQ(8u, offsetof(struct opr_sched_view, pod));
    EXPECT_EQ(32u, offsetof(struct opr_sched_view, pod_count));
    EXPECT_EQ(64u, offsetof(struct opr_sched_view, state));
}

TEST(Abi, Numbers)
{
    EXPECT_EQ(-17, OPR_E_TERMINATING);
    EXPECT_EQ(-1, OPR_E_INVALID);
    EXPECT_EQ(2, OPR_PATCH_STRATEGIC);
    EXPECT_EQ(3, OPR_OP_FAIL);
    EXPECT_EQ(6, OPR_TYPE_OBJECT);
    EXPECT_EQ(3, OPR_LOG_ERROR);
    EXPECT_EQ(0x4f505231u, OPR_PLUGIN_MAGIC);
}
