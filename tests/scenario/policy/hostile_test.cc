/* A hostile controller in Lua beside a good one, under the real manager, loop, workers and sandbox:
 * each attack is ended and told, while the good policy, its watches and its writes go on. */
#include "tests/support/loop_server.h"

#include "core/base/log.h"
#include "core/runtime/manager.h"
#include "lua/policy_host.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>

namespace
{

/* The service that the program gives to the manager. */
struct Service {
    struct opr_policy_service table = {}; /* first */
    struct opr_policy_host *host = opr_policy_host_new(nullptr);

    Service()
    {
        table.load = [](struct opr_policy_service *s, const char *name, struct opr_str source,
                        struct opr_error *e) {
            return opr_policy_host_load(Of(s), name, source, e);
        };
        table.unload = [](struct opr_policy_service *s, const char *name) {
            opr_policy_host_unload(Of(s), name);
        };
        table.call = [](struct opr_policy_service *s, const char *name, const char *function,
                        const struct opr_obj *input, struct opr_obj **result, struct opr_error *e) {
            return opr_policy_host_call(Of(s), name, function, input, result, e);
        };
        table.list = [](struct opr_policy_service *s, const char *function, struct opr_arena *a,
                        const char *const **names) {
            return opr_policy_host_list(Of(s), function, a, names);
        };
    }
    ~Service()
    {
        opr_policy_host_free(host);
    }
    static struct opr_policy_host *Of(struct opr_policy_service *s)
    {
        return reinterpret_cast<Service *>(s)->host;
    }
};

class HostilePolicies : public ::testing::Test
{
  protected:
    struct opr_loop *loop = opr_loop_new();
    LoopServer server{loop};
    struct opr_client *client = opr_client_new(&server.transport);
    Service service;
    struct opr_manager *manager = nullptr;
    struct opr_timer *poll = opr_timer_new(loop, OnPoll, this);
    std::function<bool()> until;
    std::chrono::steady_clock::time_point give_up;
    bool was_reached = false;

    void SetUp() override
    {
        opr_log_set_level(OPR_LOG_ERROR);
        Put("operon.local/v1/LuaPolicy", "none", "\"spec\":{\"source\":\"return {\"}");
        struct opr_manager_config config = {};
        config.loop = loop;
        config.client = client;
        config.clock = opr_clock_system();
        config.policies = &service.table;
        config.identity = "test";
        config.workers = 4;
        manager = opr_manager_new(&config);
        struct opr_error err = {};
        ASSERT_EQ(opr_manager_load(manager, TEST_POLICY_PLUGIN, NULL, &err), OPR_OK) << err.message;
        opr_manager_start(manager);
    }
    ~HostilePolicies() override
    {
        opr_timer_free(poll);
        opr_manager_free(manager);
        opr_client_free(client);
        opr_loop_free(loop);
    }
    static void OnPoll(void *arg)
    {
        auto *self = static_cast<HostilePolicies *>(arg);
        self->was_reached = self->until();
        if (self->was_reached || std::chrono::steady_clock::now() > self->give_up) {
            opr_loop_stop(self->loop);
        } else {
            opr_timer_set(self->poll, 2);
        }
    }
    bool RunUntil(std::function<bool()> condition)
    {
        until = std::move(condition);
        give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        opr_timer_set(poll, 0);
        opr_loop_run(loop);
        return was_reached;
    }
    void Put(const char *gvk, const std::string &name, const std::string &rest)
    {
        server.Apply(gvk, "default", "{\"metadata\":{\"name\":\"" + name + "\"}," + rest + "}");
    }
    void Policy(const std::string &name, const std::string &source)
    {
        std::string text;
        for (char c : source) {
            text += c == '\n'               ? "\\n"
                    : c == '"' || c == '\\' ? std::string("\\") + c
                                            : std::string(1, c);
        }
        Put("operon.local/v1/LuaPolicy", name, "\"spec\":{\"source\":\"" + text + "\"}");
    }
    /* Every Service's status says that the policy failed at this line. */
    bool AllFailedAt(int line)
    {
        std::string place = "default/evil:" + std::to_string(line) + ":";
        return server.All("v1/Service", [&](const struct opr_obj *o) {
            const struct opr_obj *list = opr_json_at(o, "/status/conditions");
            return std::string(opr_json_str(list, "/0/message", "")).rfind(place, 0) == 0;
        });
    }
};

TEST_F(HostilePolicies, EachIsEndedWhileTheOtherGoesOn)
{
    Policy("good", "return { controller = { primary = 'v1/Endpoints', owns = { 'v1/ConfigMap' } }, "
                   "reconcile = function(o) return { children = { { apiVersion = 'v1', kind = "
                   "'ConfigMap', metadata = { name = o.metadata.name } } } } end }");
    for (int i = 0; i < 6; i++) {
        Put("v1/Service", "s" + std::to_string(i), "\"spec\":{}");
    }
    const char *const attacks[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end",
        "local s = 'x' while true do s = s .. s end",
        "local function f() return 1 + f() end f()",
        "return ('a'):rep(100000):find('.-.-.-.-b')",
        "return setmetatable({}, {__index = function() while true do end end}).x",
        "error(setmetatable({}, {__tostring = function() while true do end end}))",
        "table.sort({3, 2, 1}, function() while true do end end)",
        "os.exit(1)",
        "while true do local s = ('x'):rep(100000) end",
        "return string.dump(function() end)",
    };
    int round = 0;
    for (const char *attack : attacks) {
        /* The line in the message tells the rounds apart. */
        int line = ++round + 1;
        Policy("evil", "return { controller = { primary = 'v1/Service' }, reconcile = function() " +
                           std::string(line - 1, '\n') + attack + " end }");
        std::string name = "e" + std::to_string(round);
        Put("v1/Endpoints", name, "\"subsets\":[]");
        size_t wanted = static_cast<size_t>(round);
        EXPECT_TRUE(RunUntil([&] { return server.Count("v1/ConfigMap") == wanted; }))
            << "the good policy waits, beside: " << attack;
        bool has_place = std::string(attack).find("error(") == std::string::npos;
        EXPECT_TRUE(RunUntil([&] { return !has_place || AllFailedAt(line); })) << attack;
    }
}

/* Declarations that change: watches come and go beside the ones that stay. */
TEST_F(HostilePolicies, WatchesComeAndGo)
{
    Policy("good", "return { controller = { primary = 'v1/Endpoints', owns = { 'v1/ConfigMap' } }, "
                   "reconcile = function(o) return { children = { { apiVersion = 'v1', kind = "
                   "'ConfigMap', metadata = { name = o.metadata.name } } } } end }");
    for (int round = 1; round <= 10; round++) {
        bool is_odd = round % 2 == 1;
        std::string kind = is_odd ? "v1/Service" : "v1/PersistentVolumeClaim";
        std::string name = "n" + std::to_string(round);
        Policy("other",
               "return { controller = { primary = '" + kind +
                   "', owns = { 'v1/ServiceAccount' } }, reconcile = function(o) return { "
                   "children = { { apiVersion = 'v1', kind = 'ServiceAccount', metadata = { "
                   "name = o.metadata.name } } } } end }");
        Put(kind.c_str(), name, "\"spec\":{}");
        Put("v1/Endpoints", name, "\"subsets\":[]");
        size_t wanted = static_cast<size_t>(round);
        EXPECT_TRUE(RunUntil([&] {
            return server.Count("v1/ConfigMap") == wanted &&
                   server.Count("v1/ServiceAccount") == wanted;
        })) << "round "
            << round;
    }
}

} // namespace
