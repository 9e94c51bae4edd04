/* Every write of every story is a place to crash: before the server gets it, and after, with the
 * answer lost. A new manager then knows nothing but what the server has, and must come to the same
 * end as one that never crashed. Each case also runs with caches that lag behind. */
#include <operon/testing.h>

#include "core/base/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

const struct opr_host *opr__host;

namespace
{

std::string PluginPath(const std::string &name)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    std::string path(self, n > 0 ? (size_t)n : 0);
    return path.substr(0, path.rfind('/')) + "/../plugins/" + name + ".so";
}

struct Cluster {
    struct opr_test *t = nullptr;
    bool is_stale = false;
    int crashes = 0;

    std::string Now() const
    {
        time_t s = (time_t)(opr_test_now_ms(t) / 1000);
        struct tm tm;
        char text[32];
        gmtime_r(&s, &tm);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
        return text;
    }
    void Apply(const std::string &json)
    {
        ASSERT_STREQ("", opr_test_apply(t, json.c_str()));
    }
    void Delete(const char *gvk, const char *ns, const char *name)
    {
        ASSERT_STREQ("", opr_test_delete(t, gvk, ns, name));
    }
    std::vector<const struct opr_obj *> All(const char *gvk)
    {
        std::vector<const struct opr_obj *> all;
        for (uint32_t i = 0; i < opr_test_count(t, gvk, nullptr); i++) {
            all.push_back(opr_test_nth(t, gvk, nullptr, i));
        }
        return all;
    }
    /* What node agents do: Pods come up on the nodes that live. */
    std::function<void(Cluster &)> nodes;

    void MakePodsReady()
    {
        for (const struct opr_obj *pod : All("v1/Pod")) {
            if (std::string(opr_obj_str(pod, "/status/conditions/0/status", "")) != "True") {
                std::string json = "{'phase':'Running','podIP':'10.0.0.1','conditions':[{'type':"
                                   "'Ready','status':'True','lastTransitionTime':'" +
                                   Now() + "'}]}";
                (void)opr_test_status(t, "v1/Pod", opr_obj_str(pod, "/metadata/namespace", ""),
                                      opr_obj_str(pod, "/metadata/name", ""), json.c_str());
            }
        }
    }
    void Restart()
    {
        if (opr_test_has_crashed(t)) {
            crashes++;
            opr_test_restart(t);
        }
    }
    /* Two minutes in steps of five seconds. */
    void Settle()
    {
        for (int i = 0; i < 24; i++) {
            for (const char *gvk : {"v1/Pod", "apps/v1/ReplicaSet"}) {
                opr_test_hold(t, gvk, is_stale && i < 12 && i % 3 != 0);
            }
            nodes(*this);
            opr_test_advance_ms(t, 5000);
            Restart();
        }
    }
};

struct Story {
    const char *name;
    std::vector<std::pair<std::string, const char *>> plugins; /* and their configuration */
    std::function<void(Cluster &)> play;
    std::vector<const char *> kinds; /* what the end is compared by */
};

void PrintTo(const Story &story, std::ostream *out)
{
    *out << story.name;
}

/* An object without what differs from run to run: generated names, versions, times, messages. */
std::string Text(const struct opr_obj *o, const std::string &name, int depth)
{
    if (opr_obj_type(o) == OPR_TYPE_OBJECT) {
        std::vector<std::string> members;
        for (const struct opr_obj *m = opr_obj_first(o); m; m = opr_obj_next(m)) {
            std::string key = opr_obj_name(m);
            bool is_metadata = name == "metadata" && depth == 1;
            static const char *const passing[] = {"uid",  "resourceVersion", "creationTimestamp",
                                                  "name", "generateName",    "generation"};
            bool is_passing = is_metadata && std::find(std::begin(passing), std::end(passing),
                                                       key) != std::end(passing);
            bool is_time = key.find("Time") != std::string::npos ||
                           key.find("-time") != std::string::npos || key == "message" ||
                           key == "observedGeneration" || key == "timeAdded";
            bool is_reference = key == "targetRef" || (name == "ownerReferences" && key == "uid");
            if (!is_passing && !is_time && !is_reference) {
                members.push_back(key + ":" + Text(m, key, depth + 1));
            }
        }
        std::sort(members.begin(), members.end());
        std::string text = "{";
        for (const std::string &m : members) {
            text += m + " ";
        }
        return text + "}";
    }
    if (opr_obj_type(o) == OPR_TYPE_ARRAY) {
        std::vector<std::string> items;
        for (const struct opr_obj *m = opr_obj_first(o); m; m = opr_obj_next(m)) {
            items.push_back(Text(m, name, depth + 1));
        }
        std::sort(items.begin(), items.end());
        std::string text = "[";
        for (const std::string &i : items) {
            text += i + " ";
        }
        return text + "]";
    }
    switch (opr_obj_type(o)) {
    case OPR_TYPE_STRING:
        return opr_obj_str(o, "", "");
    case OPR_TYPE_NUMBER:
        return std::to_string(opr_obj_int(o, "", 0));
    case OPR_TYPE_BOOL:
        return opr_obj_bool(o, "", 0) ? "true" : "false";
    default:
        return "null";
    }
}

struct Ending {
    std::string text;
    int crashes = 0;
};

Ending Play(const Story &story, uint32_t crash, bool is_after, bool is_stale)
{
    Cluster c;
    Ending end;
    opr__host = opr_test_host();
    c.t = opr_test_new(nullptr, nullptr);
    c.is_stale = is_stale;
    c.nodes = [](Cluster &me) { me.MakePodsReady(); };
    for (const auto &plugin : story.plugins) {
        EXPECT_STREQ("", opr_test_load(c.t, PluginPath(plugin.first).c_str(), plugin.second));
    }
    opr_test_crash(c.t, crash, is_after);
    story.play(c);
    for (const char *gvk : story.kinds) {
        std::vector<std::string> lines;
        for (const struct opr_obj *o : c.All(gvk)) {
            lines.push_back(Text(o, "", 0));
        }
        std::sort(lines.begin(), lines.end());
        end.text += std::string("== ") + gvk + "\n";
        for (const std::string &line : lines) {
            end.text += line + "\n";
        }
    }
    end.crashes = c.crashes;
    opr_test_free(c.t);
    return end;
}

std::string Deployment(int replicas, const std::string &image, const std::string &strategy)
{
    return "{'apiVersion':'apps/"
           "v1','kind':'Deployment','metadata':{'name':'web','namespace':'default'},"
           "'spec':{'replicas':" +
           std::to_string(replicas) + ",'strategy':" + strategy +
           ",'revisionHistoryLimit':1,'selector':{'matchLabels':{'app':'web'}},'template':{'"
           "metadata':"
           "{'labels':{'app':'web'}},'spec':{'containers':[{'name':'c','image':'" +
           image + "'}]}}}}";
}

const char *const kRolling =
    "{'type':'RollingUpdate','rollingUpdate':{'maxSurge':1,'maxUnavailable':1}}";

void Rollout(Cluster &c)
{
    c.Apply("{'apiVersion':'v1','kind':'Service','metadata':{'name':'web','namespace':'default'},'"
            "spec':"
            "{'selector':{'app':'web'},'ports':[{'port':80}]}}");
    c.Apply(Deployment(3, "v0", kRolling));
    c.Settle();
    c.Apply(Deployment(3, "v1", kRolling));
    c.Settle();
    c.Apply(Deployment(4, "v2", kRolling));
    c.Settle();
    c.Apply(Deployment(2, "v1", kRolling)); /* back to an older revision */
    c.Settle();
}

void Recreate(Cluster &c)
{
    c.Apply(Deployment(2, "v0", "{'type':'Recreate'}"));
    c.Settle();
    c.Apply(Deployment(2, "v1", "{'type':'Recreate'}"));
    c.Settle();
}

void Cascade(Cluster &c)
{
    c.Apply(Deployment(2, "v0", kRolling));
    c.Settle();
    c.Delete("apps/v1/Deployment", "default", "web");
    c.Settle();
}

void Budget(Cluster &c)
{
    c.Apply("{'apiVersion':'policy/v1','kind':'PodDisruptionBudget','metadata':{'name':'web',"
            "'namespace':'default'},'spec':{'maxUnavailable':'50%','selector':{'matchLabels':{"
            "'app':'web'}}}}");
    c.Apply(Deployment(3, "v0", kRolling));
    c.Settle();
    c.Apply(Deployment(4, "v0", kRolling));
    c.Settle();
}

void NodeDeath(Cluster &c)
{
    bool is_dead = false;
    c.nodes = [&is_dead](Cluster &me) {
        for (const char *name : {"n1", "n2"}) {
            if (is_dead && std::string(name) == "n2") {
                continue;
            }
            me.Apply(
                std::string(
                    "{'apiVersion':'coordination.k8s.io/v1','kind':'Lease','metadata':{'name':'") +
                name + "','namespace':'kube-node-lease'},'spec':{'renewTime':'" + me.Now() +
                "','count':" + std::to_string(opr_test_now_ms(me.t)) + "}}");
        }
    };
    for (const char *name : {"n1", "n2"}) {
        c.Apply(std::string("{'apiVersion':'v1','kind':'Node','metadata':{'name':'") + name +
                "'},'spec':{},'status':{'conditions':[{'type':'Ready','status':'True','"
                "lastHeartbeatTime':'" +
                c.Now() + "'}]}}");
        c.Apply(std::string("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'on-") + name +
                "','namespace':'default'},'spec':{'nodeName':'" + name +
                "','containers':[{'name':'c'}]}}");
    }
    c.Settle();
    is_dead = true;
    c.Settle();
}

const Story kStories[] = {
    {"Rollout",
     {{"deployment", nullptr},
      {"replicaset", nullptr},
      {"endpointslice", nullptr},
      {"gc", nullptr}},
     Rollout,
     {"apps/v1/Deployment", "apps/v1/ReplicaSet", "v1/Pod", "discovery.k8s.io/v1/EndpointSlice"}},
    {"Recreate",
     {{"deployment", nullptr}, {"replicaset", nullptr}},
     Recreate,
     {"apps/v1/Deployment", "apps/v1/ReplicaSet", "v1/Pod"}},
    {"Cascade",
     {{"deployment", nullptr}, {"replicaset", nullptr}, {"gc", nullptr}},
     Cascade,
     {"apps/v1/Deployment", "apps/v1/ReplicaSet", "v1/Pod"}},
    {"Budget",
     {{"deployment", nullptr}, {"replicaset", nullptr}, {"disruption", nullptr}},
     Budget,
     {"apps/v1/ReplicaSet", "v1/Pod", "policy/v1/PodDisruptionBudget"}},
    {"NodeDeath",
     {{"nodelifecycle", R"({"gracePeriodMs":10000,"evictionMs":10000})"}},
     NodeDeath,
     {"v1/Node", "v1/Pod"}},
};

class Crash : public ::testing::TestWithParam<Story>
{
};

TEST_P(Crash, ComesToTheSameEnd)
{
    const Story &story = GetParam();
    opr_log_set_level(OPR_LOG_ERROR); /* a crash is full of failed calls */
    const Ending calm = Play(story, 0, false, false);
    ASSERT_EQ(0, calm.crashes);
    int crashes = 0;
    for (uint32_t n = 1;; n++) {
        int reached = 0;
        for (int variant = 0; variant < 4; variant++) {
            const Ending end = Play(story, n, variant & 1, variant & 2);
            ASSERT_EQ(calm.text, end.text)
                << "crash " << (variant & 1 ? "after" : "before") << " write " << n
                << (variant & 2 ? ", stale caches" : "");
            reached += end.crashes;
        }
        crashes += reached;
        if (reached == 0) {
            break;
        }
    }
    EXPECT_GT(crashes, 10);
    RecordProperty("crashes", crashes);
}

INSTANTIATE_TEST_SUITE_P(Stories, Crash, ::testing::ValuesIn(kStories),
                         [](const auto &param) { return std::string(param.param.name); });

} // namespace
