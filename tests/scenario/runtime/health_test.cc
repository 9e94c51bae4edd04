/* The health endpoints, asked over a real connection. */
#include "tests/support/lab.h"
#include "tests/support/loop_server.h"

#include "core/base/log.h"
#include "core/net/client.h"
#include "core/runtime/manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

namespace
{

using ::testing::HasSubstr;

/* A port that was free a moment ago. */
uint16_t FreePort()
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof address;
    EXPECT_EQ(bind(fd, (struct sockaddr *)&address, len), 0);
    EXPECT_EQ(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

struct Reply {
    int status = 0;
    std::string body, type;
};

TEST(Health, SaysWhetherItLivesAndIsReadyAndWhatItDid)
{
    opr_log_set_level(OPR_LOG_ERROR);
    Lab lab;
    lab.Add("main", "v1/ConfigMap",
            [](struct opr_ctx *, const struct opr_obj *) { return opr_done(); });
    struct opr_loop *loop = opr_loop_new();
    LoopServer server(loop);
    server.is_down = true;
    struct opr_client *client = opr_client_new(&server.transport);
    uint16_t port = FreePort();
    struct opr_manager_config config = {};
    config.loop = loop;
    config.client = client;
    config.clock = opr_clock_system();
    config.identity = "test";
    config.workers = 1;
    config.health_port = port;
    struct opr_manager *manager = opr_manager_new(&config);
    ASSERT_EQ(opr_manager_add(manager, Lab::Entry, NULL, NULL), OPR_OK);
    opr_manager_start(manager);

    std::string url = "http://127.0.0.1:" + std::to_string(port);
    struct opr_endpoint_config endpoint_config = {};
    endpoint_config.url = url.c_str();
    struct opr_endpoint *endpoint = nullptr;
    ASSERT_EQ(opr_endpoint_new(&endpoint_config, &endpoint, NULL), OPR_OK);
    Reply health, not_ready, ready, metrics, nothing;
    std::thread reader([&] {
        struct opr_session *session = opr_session_new(endpoint);
        auto get = [&](const char *path) {
            struct opr_client_request req = {};
            struct opr_client_response res = {};
            req.method = "GET";
            req.path_query = path;
            Reply r;
            if (opr_session_call(session, &req, &res, NULL) == OPR_OK) {
                r = {res.status, std::string(res.body.data ? res.body.data : "", res.body.len),
                     res.content_type};
            }
            opr_buf_fini(&res.body);
            return r;
        };
        health = get("/healthz");
        not_ready = get("/readyz");
        server.is_down = false;
        for (int i = 0; i < 2000 && ready.status != 200; i++) {
            ready = get("/readyz");
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        metrics = get("/metrics");
        nothing = get("/nothing");
        opr_session_free(session);
        opr_loop_post(
            loop, [](void *arg) { opr_loop_stop(static_cast<struct opr_loop *>(arg)); }, loop);
    });
    opr_loop_run(loop);
    reader.join();
    opr_endpoint_unref(endpoint);
    opr_manager_free(manager);
    opr_client_free(client);
    opr_loop_free(loop);
    EXPECT_EQ(health.status, 200);
    EXPECT_EQ(health.body, "ok");
    EXPECT_EQ(not_ready.status, 503);
    EXPECT_THAT(not_ready.body, HasSubstr("controller main waits"));
    EXPECT_EQ(ready.status, 200);
    EXPECT_EQ(metrics.status, 200);
    EXPECT_THAT(metrics.type, HasSubstr("version=0.0.4"));
    EXPECT_THAT(metrics.body, HasSubstr("workqueue_depth{name=\"main\"}"));
    EXPECT_EQ(nothing.status, 404);
}

} // namespace
