/* The streams of an exec: a program's pipes on one side, a client's frames on the other. */
#include "agent/exec.h"
#include "core/base/str.h"
#include "core/net/channel.h"
#include "core/net/websocket.h"
#include "support.h"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <future>
#include <string>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace
{

struct ExecStreams : testing::Test {
    struct Waker {
        struct opr_http_waker base;
        std::atomic<int> count;
    } waker = {};
    struct opr_loop *loop = opr_loop_new();
    std::thread thread{[this] { opr_loop_run(loop); }};
    struct opr_http_source *source = nullptr;
    struct opr_ws_reader reader = {};
    struct opr_buf raw = {};
    pid_t pid = 0;
    int channel = 0;
    std::atomic<bool> is_over{false};
    std::string channels[4]; /* what came by each */
    std::string control;     /* opcodes of control frames */

    ~ExecStreams() override
    {
        close_source();
        opr_loop_stop(loop);
        thread.join();
        opr_loop_free(loop);
        opr_buf_fini(&raw);
    }
    /* On the loop, where the connection would be. */
    void on_loop(std::function<void()> fn)
    {
        std::promise<void> done;
        std::function<void()> call = [&] {
            fn();
            done.set_value();
        };
        opr_loop_post(
            loop, [](void *arg) { (*static_cast<std::function<void()> *>(arg))(); }, &call);
        done.get_future().wait();
    }
    void close_source()
    {
        if (source) {
            on_loop([this] { source->close(source); });
            source = nullptr;
        }
    }
    void start(const char *script, bool has_input = true, bool has_close = true)
    {
        int in[2], out[2], err[2];
        ASSERT_EQ(0, pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC));
        pid = fork();
        if (pid == 0) {
            dup2(in[0], 0);
            dup2(out[1], 1);
            dup2(err[1], 2);
            execl("/bin/sh", "sh", "-c", script, (char *)nullptr);
            _exit(127);
        }
        close(in[0]);
        close(out[1]);
        close(err[1]);
        for (int fd : {in[1], out[0], err[0]}) {
            fcntl(fd, F_SETFL, O_NONBLOCK);
        }
        if (!has_input) {
            close(in[1]);
        }
        struct opr__exec_streams config = {};
        config.loop = loop;
        config.pid = pid;
        config.pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
        config.in = has_input ? in[1] : -1;
        config.out = out[0];
        config.err = err[0];
        config.has_close = has_close;
        source = opr__exec_streams_new(&config);
        waker.base.wake = [](struct opr_http_waker *w) { reinterpret_cast<Waker *>(w)->count++; };
        on_loop([this] { source->attach(source, &waker.base); });
    }
    void pull(size_t max = 65536)
    {
        if (source->pull(source, &raw, max) == OPR_E_END) {
            is_over = true;
        }
        char part[4096];
        size_t at = 0;
        struct opr_ws_piece p;
        while (opr_ws_next(&reader, opr_buf_str(&raw), &at, part, sizeof part, &p) ==
               OPR_WS_PIECE) {
            struct opr_str data = p.data;
            if (p.opcode >= OPR_WS_CLOSE) {
                control += std::to_string(p.opcode) + " ";
                continue;
            }
            if (p.is_first && data.len > 0) {
                channel = data.ptr[0];
                data = opr_str_n(data.ptr + 1, data.len - 1);
            }
            ASSERT_LT(channel, 4);
            channels[channel].append(data.ptr, data.len);
        }
        opr_buf_consume(&raw, at);
    }
    /* Waits for a wake, and pulls. */
    void turn()
    {
        EXPECT_TRUE(wait_for([this] { return waker.count > 0; }));
        waker.count = 0;
        on_loop([this] { pull(); });
    }
    void until_over()
    {
        EXPECT_TRUE(wait_for([this] {
            on_loop([this] { pull(); });
            return is_over.load();
        }));
    }
    std::string frame(int opcode, const std::string &payload)
    {
        struct opr_buf b = {};
        opr_ws_add_head(&b, opcode, payload.size());
        std::string out(b.data, b.len);
        opr_buf_fini(&b);
        out[1] = (char)(out[1] | 0x80);
        return out + std::string(4, 0) + payload; /* a mask of zeros */
    }
    size_t push(const std::string &bytes)
    {
        auto *t = reinterpret_cast<struct opr_http_tunnel *>(source);
        size_t taken = 0;
        on_loop([&] { taken = t->push(t, opr_str_n(bytes.data(), bytes.size())); });
        return taken;
    }
    size_t say(int to, const std::string &data)
    {
        return push(frame(OPR_WS_BINARY, (char)to + data));
    }
    bool is_program_gone()
    {
        return kill(pid, 0) != 0 && errno == ESRCH;
    }
};

} // namespace

TEST_F(ExecStreams, KeepsTheStreamsApartAndTellsTheExitCode)
{
    start("echo out; echo err >&2; exit 3", false);
    until_over();
    EXPECT_EQ("out\n", channels[OPR_CHANNEL_STDOUT]);
    EXPECT_EQ("err\n", channels[OPR_CHANNEL_STDERR]);
    EXPECT_NE(std::string::npos, channels[OPR_CHANNEL_ERROR].find(R"("message":"3")"));
    EXPECT_EQ("8 ", control) << "a Close frame is the last";
}

TEST_F(ExecStreams, EndsInputWhereTheClientClosesItsChannel)
{
    start("cat; echo end");
    EXPECT_GT(say(OPR_CHANNEL_STDIN, "one "), 0u);
    say(OPR_CHANNEL_STDIN, "two ");
    say(OPR_CHANNEL_CLOSE, std::string(1, OPR_CHANNEL_STDIN));
    say(OPR_CHANNEL_STDIN, "too late");
    until_over();
    EXPECT_EQ("one two end\n", channels[OPR_CHANNEL_STDOUT]);
    EXPECT_NE(std::string::npos, channels[OPR_CHANNEL_ERROR].find("Success"));
}

TEST_F(ExecStreams, InVersion4ThatChannelMeansNothing)
{
    start("read -r line; echo \"$line\"", true, false);
    say(OPR_CHANNEL_CLOSE, std::string(1, OPR_CHANNEL_STDIN));
    say(OPR_CHANNEL_STDIN, "still\n");
    until_over();
    EXPECT_EQ("still\n", channels[OPR_CHANNEL_STDOUT]);
}

TEST_F(ExecStreams, LeavesInputThatTheProgramDoesNotTake)
{
    start("read -r go < /dev/null; sleep 0.2; cat | wc -c");
    std::string all;
    const size_t frames = 60, size = 16000;
    for (size_t i = 0; i < frames; i++) {
        all += frame(OPR_WS_BINARY, std::string(1, OPR_CHANNEL_STDIN) + std::string(size, 'x'));
    }
    all += frame(OPR_WS_BINARY, std::string("\xff\0", 2));
    size_t at = push(all);
    EXPECT_LT(at, all.size() / 2) << "a pipe and a little more";
    while (at < all.size()) {
        turn(); /* the pipe has room again */
        at += push(all.substr(at));
    }
    until_over();
    EXPECT_EQ(std::to_string(frames * size) + "\n", channels[OPR_CHANNEL_STDOUT]);
}

TEST_F(ExecStreams, ReadsNoMoreThanTheClientTakes)
{
    const std::string bytes = "4000000";
    start(("head -c " + bytes + " /dev/zero; echo done >&2").c_str(), false);
    int wakes = -1;
    EXPECT_TRUE(wait_for([&] { /* nobody pulls: it reads for a while, and then no more */
                               std::this_thread::sleep_for(std::chrono::milliseconds(50));
                               bool is_quiet = waker.count > 0 && waker.count == wakes;
                               wakes = waker.count;
                               return is_quiet;
    }));
    EXPECT_LT(wakes, 100) << "16 KiB each";
    EXPECT_FALSE(is_program_gone()) << "it waits for its pipe";
    until_over();
    EXPECT_EQ(std::stoul(bytes), channels[OPR_CHANNEL_STDOUT].size());
    EXPECT_EQ("done\n", channels[OPR_CHANNEL_STDERR]);
}

TEST_F(ExecStreams, DropsInputOfAProgramThatReadsNoMore)
{
    start("exec 0<&-; read -r x < /dev/null; sleep 0.2; exit 5");
    std::string block(60000, 'x');
    for (int i = 0; i < 20; i++) {
        std::string bytes = frame(OPR_WS_BINARY, std::string(1, 0) + block);
        for (size_t at = push(bytes); at < bytes.size(); at += push(bytes.substr(at))) {
            turn();
        }
    }
    until_over();
    EXPECT_NE(std::string::npos, channels[OPR_CHANNEL_ERROR].find(R"("message":"5")"));
}

TEST_F(ExecStreams, DoesNotWaitForThoseWhoKeepTheStreams)
{
    start("sleep 3600 & echo $!; exit 0", false);
    until_over();
    EXPECT_NE(std::string::npos, channels[OPR_CHANNEL_ERROR].find("Success"));
    kill((pid_t)std::stol(channels[OPR_CHANNEL_STDOUT]), SIGKILL);
}

TEST_F(ExecStreams, AnswersPingsAndClose)
{
    start("sleep 3600");
    push(frame(OPR_WS_PING, "beat"));
    turn();
    EXPECT_EQ("10 ", control);
    push(frame(OPR_WS_CLOSE, std::string("\x03\xe8", 2)));
    until_over();
    EXPECT_EQ("10 8 ", control);
    close_source();
    EXPECT_TRUE(is_program_gone());
}

TEST_F(ExecStreams, EndsTheProgramOfAClientThatBreaksTheRulesOrGoes)
{
    start("sleep 3600");
    push("GET / HTTP/1.1\r\n");
    until_over();
    EXPECT_EQ("8 ", control);
    close_source();
    EXPECT_TRUE(is_program_gone());
}
