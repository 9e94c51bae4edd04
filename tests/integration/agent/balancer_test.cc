/* The userspace balancer on the loopback, with servers of the test. */
#include "agent/balancer.h"
#include "support.h"

#include <arpa/inet.h>
#include <atomic>
#include <netinet/in.h>
#include <set>
#include <sys/socket.h>
#include <vector>

namespace
{

constexpr uint32_t LOOPBACK = 0x7f000001, PLACE = 0x7f630007; /* 127.99.0.7 */

int listen_on(uint32_t address, uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {};
    a.sin_family = AF_INET;
    a.sin_port = htons(*port);
    a.sin_addr.s_addr = htonl(address);
    socklen_t len = sizeof a;
    EXPECT_EQ(0, bind(fd, reinterpret_cast<struct sockaddr *>(&a), len));
    EXPECT_EQ(0, listen(fd, 64));
    EXPECT_EQ(0, getsockname(fd, reinterpret_cast<struct sockaddr *>(&a), &len));
    *port = ntohs(a.sin_port);
    return fd;
}

int dial(uint32_t address, uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {};
    struct timeval limit = {10, 0};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(address);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, reinterpret_cast<struct sockaddr *>(&a), sizeof a) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Sends its name, then all that it gets back, until the client's end; then its own end. */
class Server
{
  public:
    explicit Server(char name) : name_(name), fd_(listen_on(LOOPBACK, &port_))
    {
        thread_ = std::thread([this] {
            for (int fd; (fd = accept(fd_, nullptr, nullptr)) >= 0;) {
                clients_.emplace_back([this, fd] { serve(fd); });
            }
        });
    }
    ~Server()
    {
        stop();
    }
    void stop()
    {
        if (fd_ >= 0) {
            shutdown(fd_, SHUT_RDWR);
            thread_.join();
            for (std::thread &t : clients_) {
                t.join(); /* the test has closed its connections */
            }
            clients_.clear();
            close(fd_);
            fd_ = -1;
        }
    }
    struct opr__balancer_endpoint endpoint() const
    {
        return {LOOPBACK, port_};
    }

  private:
    void serve(int fd) const
    {
        std::vector<char> data(65536);
        ssize_t n = send(fd, &name_, 1, MSG_NOSIGNAL);
        while (n > 0 && (n = recv(fd, data.data(), data.size(), 0)) > 0) {
            for (ssize_t at = 0, sent; at < n; at += sent) {
                sent = send(fd, data.data() + at, static_cast<size_t>(n - at), MSG_NOSIGNAL);
                if (sent <= 0) {
                    break;
                }
            }
        }
        close(fd);
    }
    char name_;
    uint16_t port_ = 0;
    int fd_;
    std::thread thread_;
    std::vector<std::thread> clients_; /* the thread's until it is joined */
};

class Balancer : public ::testing::Test
{
  protected:
    void SetUp() override
    {
        opr_log_set_level(OPR_LOG_ERROR);
        struct opr_error err = {};
        ASSERT_EQ(OPR_OK, opr__balancer_new(&b, &err)) << err.message;
        close(listen_on(PLACE, &port)); /* a port that is free */
    }
    void TearDown() override
    {
        opr__balancer_free(b);
    }
    void set(std::vector<struct opr__balancer_endpoint> endpoints, bool is_sticky = false)
    {
        struct opr__balancer_rule r = {PLACE, port, is_sticky, endpoints.data(), endpoints.size()};
        opr__balancer_set(b, &r, 1);
    }
    /* Name of the server behind a new connection; 0: none. */
    char ask()
    {
        int fd = dial(PLACE, port);
        char name = 0;
        if (fd >= 0) {
            name = recv(fd, &name, 1, 0) == 1 ? name : 0;
            close(fd);
        }
        return name;
    }
    bool is_refused()
    {
        int fd = dial(PLACE, port);
        if (fd >= 0) {
            close(fd);
        }
        return fd < 0;
    }
    std::multiset<char> ask_many(int n)
    {
        std::multiset<char> seen;
        for (int i = 0; i < n; i++) {
            seen.insert(ask());
        }
        return seen;
    }
    struct opr__balancer *b = nullptr;
    uint16_t port = 0;
};

TEST_F(Balancer, ConnectionsAreSpreadEvenlyAndFollowTheRules)
{
    Server x('x'), y('y');
    EXPECT_EQ(0, ask());
    set({x.endpoint(), y.endpoint()});
    ASSERT_TRUE(wait_for([&] { return ask() != 0; }));
    std::multiset<char> seen = ask_many(20);
    EXPECT_EQ(10u, seen.count('x'));
    EXPECT_EQ(10u, seen.count('y'));
    set({y.endpoint()});
    ASSERT_TRUE(wait_for([&] { return ask_many(4).count('x') == 0; }));
    EXPECT_EQ(8u, ask_many(8).count('y'));
    set({});
    EXPECT_TRUE(wait_for([&] { return is_refused(); }));
}

TEST_F(Balancer, AnEndpointThatIsGoneIsPassedOver)
{
    Server x('x'), y('y');
    set({x.endpoint(), y.endpoint()});
    ASSERT_TRUE(wait_for([&] { return ask() != 0; }));
    x.stop();
    EXPECT_EQ(10u, ask_many(10).count('y'));
    y.stop();
    EXPECT_EQ(0, ask());
}

TEST_F(Balancer, AClientKeepsItsEndpointWhereTheServiceWantsIt)
{
    Server x('x'), y('y'), z('z');
    set({x.endpoint(), y.endpoint(), z.endpoint()}, true);
    ASSERT_TRUE(wait_for([&] { return ask() != 0; }));
    char first = ask();
    EXPECT_EQ(12u, ask_many(12).count(first));
}

TEST_F(Balancer, ManyBytesBothWaysAndTheEndOfOneSide)
{
    Server x('x');
    set({x.endpoint()});
    ASSERT_TRUE(wait_for([&] { return ask() != 0; }));
    const size_t size = 8 << 20;
    std::vector<char> out(size), in;
    for (size_t i = 0; i < size; i++) {
        out[i] = static_cast<char>(i * 31 + i / 997);
    }
    int fd = dial(PLACE, port);
    std::thread writer([&] {
        for (size_t at = 0; at < size;) {
            ssize_t n = send(fd, out.data() + at, size - at, MSG_NOSIGNAL);
            ASSERT_GT(n, 0);
            at += static_cast<size_t>(n);
        }
        shutdown(fd, SHUT_WR); /* what the server still sends must arrive */
    });
    std::vector<char> part(65536);
    for (ssize_t n; (n = recv(fd, part.data(), part.size(), 0)) > 0;) {
        in.insert(in.end(), part.begin(), part.begin() + n);
    }
    writer.join();
    close(fd);
    ASSERT_EQ(size + 1, in.size());
    EXPECT_EQ('x', in[0]);
    EXPECT_TRUE(std::equal(out.begin(), out.end(), in.begin() + 1));
}

TEST_F(Balancer, AnOpenConnectionOutlivesItsRule)
{
    Server x('x');
    set({x.endpoint()});
    ASSERT_TRUE(wait_for([&] { return ask() != 0; }));
    int fd = dial(PLACE, port);
    char c = 0;
    ASSERT_EQ(1, recv(fd, &c, 1, 0));
    set({});
    ASSERT_TRUE(wait_for([&] { return is_refused(); }));
    ASSERT_EQ(4, send(fd, "ping", 4, MSG_NOSIGNAL));
    char text[8] = "";
    EXPECT_EQ(4, recv(fd, text, sizeof text, 0));
    EXPECT_STREQ("ping", text);
    close(fd);
}

TEST_F(Balancer, TwoAgentsListenSideBySideAndAnotherProgramsPortIsSaid)
{
    Server x('x');
    struct opr__balancer *second = nullptr;
    struct opr_error err = {};
    ASSERT_EQ(OPR_OK, opr__balancer_new(&second, &err)) << err.message;
    struct opr__balancer_endpoint e = x.endpoint();
    struct opr__balancer_rule r = {PLACE, port, false, &e, 1};
    opr__balancer_set(b, &r, 1);
    opr__balancer_set(second, &r, 1);
    ASSERT_TRUE(wait_for([&] { return ask() == 'x'; }));
    opr__balancer_free(b);
    b = nullptr;
    EXPECT_TRUE(wait_for([&] { return ask() == 'x'; }));
    EXPECT_EQ(0u, opr__balancer_failures(second));
    uint16_t taken = 0;
    int other = listen_on(PLACE, &taken);
    r.port = taken;
    opr__balancer_set(second, &r, 1);
    EXPECT_TRUE(wait_for([&] { return opr__balancer_failures(second) == 1; }));
    close(other);
    opr__balancer_free(second);
}

} // namespace
