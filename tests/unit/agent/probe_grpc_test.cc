/* The gRPC health check against a server of nghttp2's over a socket pair. */
#include "agent/probe_grpc.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace
{

class Grpc : public ::testing::Test
{
  protected:
    int fds[2] = {-1, -1};
    nghttp2_session *server = nullptr;
    std::string asked, body, reply, status = "0", path;
    size_t sent = 0;

    static nghttp2_nv nv(const char *name, const char *value)
    {
        return {(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                strlen(value), NGHTTP2_NV_FLAG_NONE};
    }
    void SetUp() override
    {
        ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
        nghttp2_session_callbacks *callbacks = nullptr;
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
            callbacks,
            [](nghttp2_session *, uint8_t, int32_t, const uint8_t *data, size_t len, void *arg) {
                static_cast<Grpc *>(arg)->asked.append((const char *)data, len);
                return 0;
            });
        nghttp2_session_callbacks_set_on_header_callback(
            callbacks, [](nghttp2_session *, const nghttp2_frame *, const uint8_t *name, size_t len,
                          const uint8_t *value, size_t value_len, uint8_t, void *arg) {
                if (std::string((const char *)name, len) == ":path") {
                    static_cast<Grpc *>(arg)->path.assign((const char *)value, value_len);
                }
                return 0;
            });
        nghttp2_session_callbacks_set_on_frame_recv_callback(
            callbacks, [](nghttp2_session *, const nghttp2_frame *frame, void *arg) {
                if (frame->hd.stream_id == 1 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
                    static_cast<Grpc *>(arg)->answer();
                }
                return 0;
            });
        nghttp2_session_server_new(&server, callbacks, this);
        nghttp2_session_callbacks_del(callbacks);
        nghttp2_submit_settings(server, 0, nullptr, 0);
    }
    void TearDown() override
    {
        nghttp2_session_del(server);
        close(fds[0]);
        close(fds[1]);
    }
    void answer()
    {
        nghttp2_nv headers[] = {nv(":status", "200"), nv("content-type", "application/grpc")};
        nghttp2_data_provider data = {};
        data.source.ptr = this;
        data.read_callback = [](nghttp2_session *session, int32_t id, uint8_t *to, size_t,
                                uint32_t *flags, nghttp2_data_source *source, void *) -> ssize_t {
            auto *self = static_cast<Grpc *>(source->ptr);
            memcpy(to, self->reply.data(), self->reply.size());
            *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
            nghttp2_nv trailers[] = {nv("grpc-status", self->status.c_str()),
                                     nv("grpc-message", "why")};
            nghttp2_submit_trailer(session, id, trailers, 2);
            return (ssize_t)self->reply.size();
        };
        nghttp2_submit_response(server, 1, headers, 2, &data);
    }
    void serve()
    {
        uint8_t block[4096];
        const uint8_t *out;
        ssize_t n;
        while ((n = recv(fds[1], block, sizeof block, 0)) > 0) {
            ASSERT_GE(nghttp2_session_mem_recv(server, block, (size_t)n), 0);
        }
        while ((n = nghttp2_session_mem_send(server, &out)) > 0) {
            ASSERT_EQ(n, send(fds[1], out, (size_t)n, 0));
        }
    }
    /* The verdict's text; "..." where there is none after all is said. */
    std::string check(const char *service, bool *ret_healthy)
    {
        struct opr__grpc *g = opr__grpc_new("127.0.0.1", 80, service);
        char text[200] = "";
        bool is_over = opr__grpc_step(g, fds[0], ret_healthy, text, sizeof text);
        for (int i = 0; i < 4 && !is_over; i++) {
            serve();
            is_over = opr__grpc_step(g, fds[0], ret_healthy, text, sizeof text);
        }
        opr__grpc_free(g);
        return is_over ? text : "...";
    }
};

TEST_F(Grpc, ServingIsHealthy)
{
    bool is_healthy = false;
    reply = std::string("\0\0\0\0\2\x08\x01", 7);
    EXPECT_EQ("service SERVING", check("shop", &is_healthy));
    EXPECT_TRUE(is_healthy);
    EXPECT_EQ("/grpc.health.v1.Health/Check", path);
    EXPECT_EQ(std::string("\0\0\0\0\6\x0a\4shop", 11), asked);
}

TEST_F(Grpc, OtherAnswersAreNot)
{
    bool is_healthy = true;
    reply = std::string("\0\0\0\0\2\x08\x02", 7);
    EXPECT_EQ("service NOT_SERVING", check("", &is_healthy));
    EXPECT_FALSE(is_healthy);
    EXPECT_EQ(std::string("\0\0\0\0\0", 5), asked);
}

TEST_F(Grpc, AnErrorOfTheServerIsTold)
{
    bool is_healthy = true;
    status = "12";
    EXPECT_EQ("health check failed: gRPC status 12 why", check("", &is_healthy));
    EXPECT_FALSE(is_healthy);
}

TEST_F(Grpc, AClosedConnectionAndNoiseAreFailures)
{
    bool is_healthy = true;
    struct opr__grpc *g = opr__grpc_new("127.0.0.1", 80, "");
    char text[200] = "";
    std::string noise = "HTTP/1.1 400 Bad Request\r\n\r\n";
    EXPECT_FALSE(opr__grpc_step(g, fds[0], &is_healthy, text, sizeof text));
    ASSERT_GT(send(fds[1], noise.data(), noise.size(), 0), 0);
    EXPECT_TRUE(opr__grpc_step(g, fds[0], &is_healthy, text, sizeof text));
    EXPECT_FALSE(is_healthy);
    opr__grpc_free(g);
    g = opr__grpc_new("127.0.0.1", 80, "");
    shutdown(fds[1], SHUT_RDWR);
    EXPECT_TRUE(opr__grpc_step(g, fds[0], &is_healthy, text, sizeof text));
    EXPECT_FALSE(is_healthy);
    opr__grpc_free(g);
    EXPECT_EQ(nullptr, opr__grpc_new("127.0.0.1", 80, std::string(200, 'x').c_str()));
}

} // namespace
