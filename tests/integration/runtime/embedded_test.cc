/* Manager, plugins from their files, in-process transport and embedded API server, as `operon
 * apiserver --controllers` joins them. */
#include "apiserver/apiserver.h"
#include "core/base/log.h"
#include "core/client/transport.h"
#include "core/runtime/manager.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>

namespace
{

class Embedded : public ::testing::Test
{
  protected:
    struct opr_apiserver *apiserver = nullptr;
    struct opr_loop *loop = opr_loop_new();
    struct opr_client *client = nullptr;
    struct opr_manager *manager = nullptr;
    std::thread loop_thread;

    void SetUp() override
    {
        static const char *const groups[] = {"system:masters", NULL};
        struct opr_error err = {};
        opr_log_set_level(OPR_LOG_ERROR);
        struct opr_apiserver_config server_config = {};
        server_config.address = "127.0.0.1";
        server_config.clock = opr_clock_system();
        ASSERT_EQ(opr_apiserver_new(&server_config, &apiserver, &err), OPR_OK) << err.message;
        client = opr_client_new(
            opr_transport_local_new(loop, opr_apiserver_handler(apiserver), "test", groups));
        struct opr_manager_config config = {};
        config.loop = loop;
        config.client = client;
        config.clock = opr_clock_system();
        config.identity = "test";
        manager = opr_manager_new(&config);
        for (const char *name : {"deployment", "replicaset", "gc"}) {
            std::string path = std::string(TEST_BUILT_PLUGINS) + "/" + name + ".so";
            ASSERT_EQ(opr_manager_load(manager, path.c_str(), NULL, &err), OPR_OK) << err.message;
        }
        opr_manager_start(manager);
        loop_thread = std::thread([this] { opr_loop_run(loop); });
    }
    void TearDown() override
    {
        opr_loop_post(loop, OnStop, this);
        loop_thread.join();
        opr_manager_free(manager);
        opr_client_free(client);
        opr_apiserver_free(apiserver);
        opr_loop_free(loop);
    }
    static void OnStop(void *arg)
    {
        auto *self = static_cast<Embedded *>(arg);
        opr_manager_stop(
            self->manager, 2000,
            [](void *loop_arg) { opr_loop_stop(static_cast<struct opr_loop *>(loop_arg)); },
            self->loop);
    }
    static bool Eventually(const std::function<bool()> &is_so)
    {
        auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!is_so()) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return true;
    }
};

TEST_F(Embedded, ADeploymentIsMadeScaledAndCollected)
{
    struct opr_caller *k = opr_caller_new(client);
    struct opr_error err = {};
    auto call = [&](const char *method, const char *path, const std::string &body) {
        const char *type =
            std::string(method) == "PATCH" ? "application/merge-patch+json" : "application/json";
        return opr_call(k, method, path, type, {body.data(), body.size()}, NULL, &err);
    };
    auto count = [&](const char *path) {
        struct opr_obj *list = nullptr;
        EXPECT_EQ(opr_call(k, "GET", path, NULL, {nullptr, 0}, &list, &err), OPR_OK) << err.message;
        uint32_t n = opr_json_len(opr_json_at(list, "/items"));
        opr_json_unref(list);
        return n;
    };
    const char pods[] = "/api/v1/namespaces/default/pods";
    const char sets[] = "/apis/apps/v1/namespaces/default/replicasets";
    ASSERT_TRUE(Eventually([&] { return opr_manager_is_ready(manager); }));
    ASSERT_EQ(call("POST", "/apis/apps/v1/namespaces/default/deployments",
                   "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":"
                   "\"web\"},\"spec\":{\"replicas\":20,\"selector\":{\"matchLabels\":{\"app\":"
                   "\"web\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{"
                   "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}"),
              OPR_OK)
        << err.message;
    EXPECT_TRUE(Eventually([&] { return count(pods) == 20; }));
    EXPECT_EQ(count(sets), 1u);
    ASSERT_EQ(call("PATCH", "/apis/apps/v1/namespaces/default/deployments/web/scale",
                   "{\"spec\":{\"replicas\":3}}"),
              OPR_OK)
        << err.message;
    EXPECT_TRUE(Eventually([&] { return count(pods) == 3; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(count(pods), 3u) << "and stays there";
    ASSERT_EQ(call("DELETE", "/apis/apps/v1/namespaces/default/deployments/web", ""), OPR_OK)
        << err.message;
    EXPECT_TRUE(Eventually([&] { return count(pods) == 0 && count(sets) == 0; }));
    opr_caller_free(k);
}

} // namespace
