/* The Deployment, ReplicaSet and EndpointSlice controllers together, as the plugins that are
 * shipped: rollouts under stale caches, refused writes and dying pods, the same from seed to seed.
 */
#include <operon/testing.h>

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

const struct opr_host *opr__host;

namespace
{

std::vector<opr_plugin_entry_fn> entries;

std::string PluginPath(const char *name)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    std::string path(self, n > 0 ? (size_t)n : 0);
    return path.substr(0, path.rfind('/')) + "/../plugins/" + name + ".so";
}

/* One table with the controllers of several plugins; each was given the host by its own entry. */
const struct opr_plugin *Together(const struct opr_host *host)
{
    static std::vector<const struct opr_controller *> controllers;
    static struct opr_plugin table;
    controllers.clear();
    opr__host = host;
    for (opr_plugin_entry_fn entry : entries) {
        for (const struct opr_controller *const *c = entry(host)->controllers; *c; c++) {
            controllers.push_back(*c);
        }
    }
    controllers.push_back(nullptr);
    table.size = sizeof table;
    table.magic = OPR_PLUGIN_MAGIC;
    table.abi_major = OPR_ABI_MAJOR;
    table.abi_minor = OPR_ABI_MINOR;
    table.name = "together";
    table.version = "1";
    table.controllers = controllers.data();
    return &table;
}

bool LoadPlugins()
{
    if (!entries.empty()) {
        return true;
    }
    for (const char *name : {"deployment", "replicaset", "endpointslice"}) {
        void *lib = dlopen(PluginPath(name).c_str(), RTLD_NOW | RTLD_LOCAL);
        void *entry = lib ? dlsym(lib, "opr_plugin_entry") : nullptr;
        if (!entry) {
            entries.clear();
            return false;
        }
        entries.push_back(reinterpret_cast<opr_plugin_entry_fn>(entry));
    }
    return true;
}

const int kReplicas = 6, kSurge = 2, kUnavailable = 1;

class Rollout : public ::testing::TestWithParam<unsigned>
{
  protected:
    void SetUp() override
    {
        if (!LoadPlugins()) {
            GTEST_SKIP() << "the plugins are not built: " << PluginPath("deployment");
        }
        t = opr_test_new(Together, nullptr);
        random.seed(GetParam());
    }
    void TearDown() override
    {
        opr_test_free(t);
    }

    struct opr_test *t = nullptr;
    std::mt19937 random;
    std::map<std::string, int64_t> most; /* the largest size that each set had */

    int Dice(int sides)
    {
        return (int)(random() % (unsigned)sides);
    }
    std::string Now()
    {
        time_t s = (time_t)(opr_test_now_ms(t) / 1000);
        struct tm tm;
        char text[32];
        gmtime_r(&s, &tm);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
        return text;
    }
    void Deploy(int replicas, const std::string &image)
    {
        std::string json =
            "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web','namespace':"
            "'default'},'spec':{'replicas':" +
            std::to_string(replicas) +
            ",'strategy':{'type':'RollingUpdate','rollingUpdate':{"
            "'maxSurge':" +
            std::to_string(kSurge) + ",'maxUnavailable':" + std::to_string(kUnavailable) +
            "}},'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{'labels':{'app':"
            "'web'}},'spec':{'containers':[{'name':'c','image':'" +
            image + "'}]}}}}";
        ASSERT_STREQ(opr_test_apply(t, json.c_str()), "");
    }
    void Service()
    {
        ASSERT_STREQ(opr_test_apply(t, "{'apiVersion':'v1','kind':'Service','metadata':{'name':"
                                       "'web','namespace':'default'},'spec':{'selector':{'app':"
                                       "'web'},'ports':[{'port':80}]}}"),
                     "");
    }
    std::vector<const struct opr_obj *> Pods()
    {
        std::vector<const struct opr_obj *> all;
        for (uint32_t i = 0; i < opr_test_count(t, "v1/Pod", "default"); i++) {
            all.push_back(opr_test_nth(t, "v1/Pod", "default", i));
        }
        return all;
    }
    static bool IsReady(const struct opr_obj *pod)
    {
        return std::string(opr_obj_str(pod, "/status/conditions/0/status", "")) == "True";
    }
    static std::string Image(const struct opr_obj *pod)
    {
        return opr_obj_str(pod, "/spec/containers/0/image", "");
    }
    void MakeReady(const struct opr_obj *pod)
    {
        std::string json = "{'phase':'Running','podIP':'10.0.0.1','conditions':[{'type':'Ready',"
                           "'status':'True','lastTransitionTime':'" +
                           Now() + "'}]}";
        (void)opr_test_status(t, "v1/Pod", "default", opr_obj_str(pod, "/metadata/name", ""),
                              json.c_str());
    }
    /* As nodes would: up to n pods become ready. */
    void MakeSomeReady(int n)
    {
        for (const struct opr_obj *pod : Pods()) {
            if (!IsReady(pod) && n-- > 0) {
                MakeReady(pod);
            }
        }
    }
    void CheckBounds()
    {
        int ready = 0;
        std::map<std::string, int64_t> by_image;
        for (const struct opr_obj *pod : Pods()) {
            ready += IsReady(pod);
            by_image[Image(pod)]++;
        }
        ASSERT_GE(ready, kReplicas - kUnavailable);
        int64_t sum = 0;
        for (uint32_t i = 0; i < opr_test_count(t, "apps/v1/ReplicaSet", "default"); i++) {
            const struct opr_obj *s = opr_test_nth(t, "apps/v1/ReplicaSet", "default", i);
            std::string image = opr_obj_str(s, "/spec/template/spec/containers/0/image", "");
            sum += opr_obj_int(s, "/spec/replicas", 0);
            most[image] = std::max(most[image], opr_obj_int(s, "/spec/replicas", 0));
            ASSERT_LE(by_image[image], most[image]) << "more pods than ever were asked for";
        }
        ASSERT_LE(sum, kReplicas + kSurge);
    }
    /* Long enough for backoffs of 1000 s to pass, however many refusals are still to come. */
    void Settle()
    {
        for (int i = 0; i < 60; i++) {
            MakeSomeReady(100);
            opr_test_advance_ms(t, 1100 * 1000);
        }
    }
    void ExpectEnd(int replicas, const std::string &image)
    {
        EXPECT_EQ(Pods().size(), (size_t)replicas);
        for (const struct opr_obj *pod : Pods()) {
            EXPECT_EQ(Image(pod), image);
        }
        const struct opr_obj *d = opr_test_get(t, "apps/v1/Deployment", "default", "web");
        EXPECT_EQ(opr_obj_int(d, "/status/updatedReplicas", 0), replicas);
        EXPECT_EQ(opr_obj_int(d, "/status/availableReplicas", 0), replicas);
        EXPECT_EQ(opr_obj_int(d, "/status/replicas", 0), replicas);
        EXPECT_EQ(opr_obj_int(d, "/status/observedGeneration", 0),
                  opr_obj_int(d, "/metadata/generation", 0));
        const struct opr_obj *slice =
            opr_test_nth(t, "discovery.k8s.io/v1/EndpointSlice", "default", 0);
        EXPECT_EQ(opr_obj_len(opr_obj_at(slice, "/endpoints")), (uint32_t)replicas);
    }
    void HoldSome()
    {
        for (const char *gvk : {"v1/Pod", "apps/v1/ReplicaSet", "apps/v1/Deployment"}) {
            opr_test_hold(t, gvk, Dice(3) == 0);
        }
    }
    void HoldNone()
    {
        for (const char *gvk : {"v1/Pod", "apps/v1/ReplicaSet", "apps/v1/Deployment"}) {
            opr_test_hold(t, gvk, false);
        }
    }
};

/* Only images change, and pods never die: both bounds hold at every instant. */
TEST_P(Rollout, KeepsItsBoundsUnderStaleCachesAndRefusedWrites)
{
    Service();
    Deploy(kReplicas, "v0");
    opr_test_run(t);
    Settle();
    ExpectEnd(kReplicas, "v0");
    int version = 0;
    for (int step = 0; step < 150; step++) {
        switch (Dice(6)) {
        case 0:
            Deploy(kReplicas, "v" + std::to_string(version = Dice(4)));
            break;
        case 1:
            HoldSome();
            break;
        case 2:
            opr_test_fail_next(t, Dice(2) ? "*" : "patch", 1 + (uint32_t)Dice(4),
                               Dice(2) ? 500 : 409);
            break;
        case 3:
            opr_test_advance_ms(t, (uint64_t)Dice(3000));
            break;
        default:
            MakeSomeReady(1 + Dice(3));
        }
        opr_test_run(t);
        CheckBounds();
        if (HasFatalFailure()) {
            FAIL() << "seed " << GetParam() << " step " << step;
        }
    }
    HoldNone();
    Settle();
    ExpectEnd(kReplicas, "v" + std::to_string(version));
}

/* Anything may happen; it ends as it should, and no pod too many was made on the way. */
TEST_P(Rollout, ConvergesWhateverHappens)
{
    int replicas = kReplicas, version = 0;
    Service();
    Deploy(replicas, "v0");
    for (int step = 0; step < 150; step++) {
        std::vector<const struct opr_obj *> pods = Pods();
        switch (Dice(9)) {
        case 0:
            Deploy(replicas = Dice(12), "v" + std::to_string(version = Dice(3)));
            break;
        case 1:
            HoldSome();
            break;
        case 2:
            opr_test_fail_next(t, "*", 1 + (uint32_t)Dice(5), Dice(2) ? 503 : 409);
            break;
        case 3:
            opr_test_advance_ms(t, (uint64_t)Dice(60000));
            break;
        case 4:
            if (!pods.empty()) {
                (void)opr_test_delete(
                    t, "v1/Pod", "default",
                    opr_obj_str(pods[(size_t)Dice((int)pods.size())], "/metadata/name", ""));
            }
            break;
        case 5:
            HoldNone();
            break;
        default:
            MakeSomeReady(Dice(4));
        }
        opr_test_run(t);
        ASSERT_LE(Pods().size(), 14u + 12u) << "seed " << GetParam() << " step " << step;
    }
    HoldNone();
    Settle();
    ExpectEnd(replicas, "v" + std::to_string(version));
}

INSTANTIATE_TEST_SUITE_P(Seeds, Rollout, ::testing::Range(1u, 26u));

} // namespace
