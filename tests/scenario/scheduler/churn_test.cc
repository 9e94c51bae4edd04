/* The scheduler in a cluster that never rests, the same from seed to seed: nodes come, go, are
 * tainted and labelled, pods of several priorities come and go, writes fail, the scheduler crashes.
 * At each rest no node holds more than it has, and a pod waits only while it fits nowhere: no
 * change that helps one is ever missed, without the flush that comes after five minutes. */
#include "tests/unit/controllers_support.h"

#include <map>
#include <random>

namespace
{

const int kNodeCpu = 4000;

class Churn : public testing_cluster::Cluster, public ::testing::WithParamInterface<unsigned>
{
  public:
    Churn() : Cluster("{\"seed\":3}"), random(GetParam())
    {
    }

  protected:
    std::mt19937 random;
    int made = 0;

    int Dice(int sides)
    {
        return (int)(random() % (unsigned)sides);
    }
    void Node(const std::string &name)
    {
        const char *taints[] = {"", "", "'taints':[{'key':'k','effect':'NoSchedule'}]",
                                "'unschedulable':true"};
        const char *labels[] = {"'disk':'ssd'", "'disk':'hdd'", "'x':'y'"};
        Apply("{'apiVersion':'v1','kind':'Node','metadata':{'name':'" + name + "','labels':{" +
              labels[Dice(3)] + "}},'spec':{" + taints[Dice(4)] +
              "},'status':{'allocatable':{'cpu':'" + std::to_string(kNodeCpu / (1 + Dice(2))) +
              "m','memory':'64Gi','pods':'110'}}}");
    }
    void Pod()
    {
        const char *wishes[] = {"", "", ",'nodeSelector':{'disk':'ssd'}",
                                ",'tolerations':[{'key':'k','operator':'Exists'}]",
                                ",'schedulingGates':[{'name':'g'}]"};
        Apply("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p" + std::to_string(made++) +
              "','namespace':'default'},'spec':{'priority':" + std::to_string(Dice(3)) +
              (Dice(2) ? ",'preemptionPolicy':'Never'" : "") +
              ",'containers':[{'name':'c','resources':{'requests':{'cpu':'" +
              std::to_string(100 * (1 + Dice(25))) + "m'}}}]" + wishes[Dice(5)] + "}}");
    }
    void Step()
    {
        std::vector<const struct opr_obj *> pods = All("v1/Pod");
        switch (Dice(10)) {
        case 0:
        case 1:
            Node("n" + std::to_string(Dice(5)));
            break;
        case 2:
            if (Count("v1/Node", nullptr) > 1) {
                Delete("v1/Node", "", Name(opr_test_nth(t, "v1/Node", nullptr, 0)));
            }
            break;
        case 3:
        case 4:
            if (!pods.empty()) {
                Delete("v1/Pod", "default", Name(pods[(size_t)Dice((int)pods.size())]));
            }
            break;
        case 5:
            opr_test_fail_next(t, Dice(2) ? "create" : "patch", 1, 500);
            break;
        default:
            Pod();
        }
    }
    static int64_t Cpu(const struct opr_obj *o, const char *ptr)
    {
        int64_t milli = 0;
        EXPECT_EQ(opr_obj_milli(o, ptr, &milli), OPR_OK);
        return milli;
    }
    static int64_t Request(const struct opr_obj *pod)
    {
        return Cpu(pod, "/spec/containers/0/resources/requests/cpu");
    }
    static bool Suits(const struct opr_obj *pod, const struct opr_obj *node, int64_t used)
    {
        bool is_tainted = opr_obj_len(opr_obj_at(node, "/spec/taints")) > 0;
        const std::string disk = Str(pod, "/spec/nodeSelector/disk");
        return !opr_obj_bool(node, "/spec/unschedulable", false) &&
               (!is_tainted || opr_obj_len(opr_obj_at(pod, "/spec/tolerations")) > 0) &&
               (disk.empty() || disk == Str(node, "/metadata/labels/disk")) &&
               used + Request(pod) <= Cpu(node, "/status/allocatable/cpu");
    }
    /* The longest backoff passes, and again while a failure that was asked for may be met. */
    void Rest()
    {
        bool has_error = true;
        for (int i = 0; i < 4 || (i < 20 && has_error); i++) {
            Advance(11 * 1000);
            has_error = false;
            for (const struct opr_obj *pod : All("v1/Pod")) {
                has_error |= Str(pod, "/spec/nodeName").empty() &&
                             !opr_obj_at(pod, "/spec/schedulingGates") &&
                             Condition(pod, "PodScheduled", "/reason") != "Unschedulable";
            }
        }
    }
    std::string Promises()
    {
        std::string all;
        for (const struct opr_obj *pod : All("v1/Pod")) {
            const std::string node = Str(pod, "/status/nominatedNodeName");
            if (!node.empty()) {
                all += "; " + Name(pod) + " was promised " + node +
                       (Str(pod, "/spec/nodeName").empty()
                            ? ": " + Condition(pod, "PodScheduled", "/message")
                            : " and is there");
            }
        }
        return all;
    }
    /* allocatable may shrink under the pods that are there: then nothing more may come. */
    void Check(std::map<std::string, int64_t> *held)
    {
        std::map<std::string, int64_t> used;
        for (const struct opr_obj *pod : All("v1/Pod")) {
            used[Str(pod, "/spec/nodeName")] += Request(pod);
        }
        for (const struct opr_obj *node : All("v1/Node", nullptr)) {
            const int64_t here = used[Name(node)];
            if (here > (*held)[Name(node)]) {
                EXPECT_LE(here, kNodeCpu) << Name(node);
            }
            (*held)[Name(node)] = here;
            for (const struct opr_obj *pod : All("v1/Pod")) {
                if (Str(pod, "/spec/nodeName").empty() &&
                    !opr_obj_at(pod, "/spec/schedulingGates")) {
                    EXPECT_FALSE(Suits(pod, node, here))
                        << Name(pod) << " waits and " << Name(node) << " has room; it says "
                        << Condition(pod, "PodScheduled", "/message") << Promises();
                    EXPECT_NE(Condition(pod, "PodScheduled", "/message"), "") << Name(pod);
                }
            }
        }
    }
};

TEST_P(Churn, NoOneWaitsForNothing)
{
    std::map<std::string, int64_t> held;
    Node("n0");
    for (int round = 0; round < 60 && !HasFailure(); round++) {
        for (int steps = 1 + Dice(4); steps > 0; steps--) {
            Step();
            if (Dice(2)) {
                Run();
            }
        }
        Run();
        Rest();
        Check(&held);
        if (Dice(12) == 0) {
            opr_test_crash(t, 1 + (uint32_t)Dice(2), Dice(2));
            Pod();
            Run();
            opr_test_crash(t, 0, 0);
            opr_test_restart(t);
            Run();
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Churn, ::testing::Range(0u, 20u));

} // namespace
