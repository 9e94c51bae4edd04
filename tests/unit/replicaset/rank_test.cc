/* The order in which pods are deleted: each key decides only where all before it are equal. */
#include "controllers/replicaset/replicaset.h"
#include "tests/unit/controllers_support.h"

namespace
{

constexpr int64_t kNow = 1767225600000; /* 2026-01-01T00:00:00Z */

class Rank : public testing_cluster::Cluster
{
  protected:
    /* One pod's key, from the JSON of its differences to a plain, running, ready pod. */
    struct pod_rank Of(const std::string &name, const std::string &meta, const std::string &spec,
                       const std::string &status, uint32_t neighbours = 1)
    {
        Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name +
              "','namespace':'default','uid':'" + name +
              "','creationTimestamp':" + "'2025-12-31T23:00:00Z'" + meta +
              "},'spec':{'containers':[{'name':'c'}]" + spec + "}}");
        Status("v1/Pod", "default", name, status);
        struct pod_rank r;
        pod_rank_fill(&r, Get("v1/Pod", "default", name), neighbours, kNow);
        return r;
    }
    static std::string Ready(const char *since, const char *status = "True")
    {
        return std::string("{'phase':'Running','conditions':[{'type':'Ready','status':'") + status +
               "','lastTransitionTime':'" + since + "'}]}";
    }
    static void ExpectFirst(const struct pod_rank &first, const struct pod_rank &second)
    {
        EXPECT_LT(pod_rank_compare(&first, &second), 0);
        EXPECT_GT(pod_rank_compare(&second, &first), 0);
    }
    const std::string node = ",'nodeName':'n'";
    const std::string old = Ready("2025-12-31T23:10:00Z");
};

TEST_F(Rank, UnassignedBeforeAssigned)
{
    ExpectFirst(Of("z", "", "", old), Of("a", "", node, "{'phase':'Pending'}"));
}
TEST_F(Rank, PendingBeforeUnknownBeforeRunning)
{
    struct pod_rank pending = Of("c", "", node, "{'phase':'Pending'}");
    struct pod_rank unknown = Of("b", "", node, "{'phase':'Unknown'}");
    ExpectFirst(pending, unknown);
    ExpectFirst(unknown, Of("a", "", node, Ready("2025-12-31T23:10:00Z", "False")));
}
TEST_F(Rank, UnreadyBeforeReadyWhateverTheCost)
{
    ExpectFirst(Of("b", ",'annotations':{'controller.kubernetes.io/pod-deletion-cost':'100'}", node,
                   Ready("2025-12-31T23:10:00Z", "False")),
                Of("a", "", node, old));
}
TEST_F(Rank, CheaperBeforeDearer)
{
    ExpectFirst(
        Of("b", ",'annotations':{'controller.kubernetes.io/pod-deletion-cost':'-5'}", node, old, 1),
        Of("a", "", node, old, 9));
}
TEST_F(Rank, ACostThatIsNoNumberIsZero)
{
    for (const char *cost : {"+1", "01", "many", "99999999999"}) {
        struct pod_rank r =
            Of("p",
               std::string(",'annotations':{'controller.kubernetes.io/pod-deletion-cost':'") +
                   cost + "'}",
               node, old);
        EXPECT_EQ(r.cost, 0) << cost;
    }
}
TEST_F(Rank, CrowdedNodeBeforeEmptyNode)
{
    ExpectFirst(Of("b", "", node, old, 3), Of("a", "", node, old, 2));
}
TEST_F(Rank, ReadyForAShorterTimeFirst)
{
    ExpectFirst(Of("b", "", node, Ready("2025-12-31T23:59:00Z")), Of("a", "", node, old));
}
TEST_F(Rank, AboutTheSameReadyTimeFallsToTheUid)
{
    /* 3000 s and 3100 s lie between the same powers of two in nanoseconds. */
    struct pod_rank a = Of("a", "", node, Ready("2025-12-31T23:10:00Z"));
    struct pod_rank b = Of("b", "", node, Ready("2025-12-31T23:08:20Z"));
    EXPECT_EQ(a.ready_age_log2, b.ready_age_log2);
    ExpectFirst(a, b);
}
TEST_F(Rank, MoreRestartsFirst)
{
    std::string unready = Ready("2025-12-31T23:10:00Z", "False");
    unready.pop_back();
    ExpectFirst(
        Of("b", "", node, unready + ",'containerStatuses':[{'name':'c','restartCount':4}]}"),
        Of("a", "", node, unready + ",'containerStatuses':[{'name':'c','restartCount':3}]}"));
}
TEST_F(Rank, NewerFirst)
{
    std::string unready = Ready("2025-12-31T23:10:00Z", "False");
    Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'young','namespace':'default',"
          "'uid':'z','creationTimestamp':'2025-12-31T23:59:00Z'},'spec':{'nodeName':'n'}}");
    Status("v1/Pod", "default", "young", unready);
    struct pod_rank young;
    pod_rank_fill(&young, Get("v1/Pod", "default", "young"), 1, kNow);
    ExpectFirst(young, Of("a", "", node, unready));
}

} // namespace
