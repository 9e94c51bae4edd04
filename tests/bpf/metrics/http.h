/* A server whose delays are known and a client that logs each request. */
#ifndef TESTS_BPF_METRICS_HTTP_H
#define TESTS_BPF_METRICS_HTTP_H

#include "tests/bpf/metrics/cgroup.h"

#include <cstdio>
#include <cstring>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* GET /STATUS/DELAY_US: answers with that status after that time. One thread a connection. After
 * "Connection: close" the response waits in the socket's queue and leaves with the FIN. */
inline void serve_connection(int fd)
{
    char data[4096];
    ssize_t n;
    while ((n = recv(fd, data, sizeof data - 1, 0)) > 0) {
        int status = 0, delay_us = 0;
        data[n] = '\0';
        if (sscanf(data, "%*s /%d/%d", &status, &delay_us) != 2) {
            break;
        }
        usleep(static_cast<useconds_t>(delay_us));
        int is_last = strstr(data, "Connection: close") != nullptr;
        setsockopt(fd, IPPROTO_TCP, TCP_CORK, &is_last, sizeof is_last);
        int len =
            snprintf(data, sizeof data, "HTTP/1.1 %d Word\r\nContent-Length: 2\r\n\r\nok", status);
        if (send(fd, data, static_cast<size_t>(len), MSG_NOSIGNAL) != len || is_last) {
            break;
        }
    }
    close(fd);
}

/* is_dual: an IPv6 socket that takes IPv4 too, as many servers have it. */
inline int listen_loopback(uint16_t *ret_port, bool is_dual = false)
{
    if (is_dual) {
        int fd = socket(AF_INET6, SOCK_STREAM, 0), zero = 0;
        struct sockaddr_in6 a = {};
        a.sin6_family = AF_INET6;
        socklen_t len = sizeof a;
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
        if (bind(fd, reinterpret_cast<struct sockaddr *>(&a), len) != 0 || listen(fd, 128) != 0 ||
            getsockname(fd, reinterpret_cast<struct sockaddr *>(&a), &len) != 0) {
            return -1;
        }
        *ret_port = ntohs(a.sin6_port);
        return fd;
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof a;
    if (bind(fd, reinterpret_cast<struct sockaddr *>(&a), len) != 0 || listen(fd, 128) != 0 ||
        getsockname(fd, reinterpret_cast<struct sockaddr *>(&a), &len) != 0) {
        return -1;
    }
    *ret_port = ntohs(a.sin_port);
    return fd;
}

/* In a child of the cgroup; tells its port through the pipe. */
inline void run_server(int tell_fd, bool is_dual)
{
    uint16_t port = 0;
    int listener = listen_loopback(&port, is_dual);
    if (write(tell_fd, &port, sizeof port) != sizeof port) {
        return;
    }
    for (;;) {
        int fd = accept(listener, nullptr, nullptr), one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        std::thread(serve_connection, fd).detach();
    }
}

inline uint16_t start_server(Cgroup &cgroup, bool is_dual = false)
{
    int ends[2];
    uint16_t port = 0;
    if (pipe(ends) != 0) {
        return 0;
    }
    cgroup.start([&] { run_server(ends[1], is_dual); });
    if (read(ends[0], &port, sizeof port) != sizeof port) {
        port = 0;
    }
    close(ends[0]);
    close(ends[1]);
    return port;
}

class Client
{
  public:
    /* before: what is done with the socket before it connects. */
    explicit Client(uint16_t port, const std::function<void(int)> &before = nullptr)
    {
        fd_ = socket(AF_INET, SOCK_STREAM, 0);
        if (before) {
            before(fd_);
        }
        struct sockaddr_in a = {};
        a.sin_family = AF_INET;
        a.sin_port = htons(port);
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int one = 1;
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        is_open_ = connect(fd_, reinterpret_cast<struct sockaddr *>(&a), sizeof a) == 0;
    }
    ~Client()
    {
        close(fd_);
    }
    Client(const Client &) = delete;
    bool is_open() const
    {
        return is_open_;
    }
    uint16_t local_port() const
    {
        struct sockaddr_in a = {};
        socklen_t len = sizeof a;
        getsockname(fd_, reinterpret_cast<struct sockaddr *>(&a), &len);
        return ntohs(a.sin_port);
    }
    void reset_at_end()
    {
        struct linger now = {1, 0};
        setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    bool send_request(int status, int delay_us, const char *more = "")
    {
        char data[256];
        int len = snprintf(data, sizeof data, "GET /%d/%d HTTP/1.1\r\nHost: x\r\n%s\r\n", status,
                           delay_us, more);
        return send(fd_, data, static_cast<size_t>(len), MSG_NOSIGNAL) == len;
    }
    /* Time of one request in us; -1: it failed. */
    double request(int status, int delay_us, const char *more = "")
    {
        char data[256];
        uint64_t begin = mono_ns();
        if (!send_request(status, delay_us, more) || recv(fd_, data, sizeof data, 0) <= 0) {
            return -1;
        }
        return static_cast<double>(mono_ns() - begin) / 1000;
    }

  private:
    int fd_;
    bool is_open_;
};

#endif
