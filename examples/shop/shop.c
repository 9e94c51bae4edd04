/* A small HTTP/1.1 server whose work per request is known: it burns WORK_US of CPU time for each
 * GET /work and answers with its name. GET /healthz answers at once.
 *
 *     PORT=8080 WORK_US=2000 CONCURRENCY=1 POD_NAME=shop-1 shop
 *
 * or the flags --port, --work-us, --concurrency. One epoll set is shared by CONCURRENCY threads; a
 * connection is handled by one of them at a time. SIGTERM: it answers what arrives until nothing
 * has come for a moment, then ends. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES 16384
#define MAX_THREADS 64
#define QUIET_MS 300        /* without a request after SIGTERM: done */
#define LONGEST_END_MS 3000 /* after SIGTERM */

struct options {
    int port, work_us, concurrency;
    const char *name;
};

struct connection {
    int fd;
    size_t len; /* bytes in data */
    char data[BUFFER_BYTES];
};

static struct options options = {8080, 2000, 1, "shop"};
static int epoll_fd, listener = -1;
static _Atomic bool is_ending;
static _Atomic uint64_t served;

static uint64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* CPU time of this thread, not wall time: the work stays the same on a busy machine. */
static void burn(int us)
{
    uint64_t end = now_ns(CLOCK_THREAD_CPUTIME_ID) + (uint64_t)us * 1000;
    volatile uint64_t sum = 0;
    while (now_ns(CLOCK_THREAD_CPUTIME_ID) < end) {
        for (int i = 0; i < 500; i++) {
            sum += (uint64_t)i;
        }
    }
}

static void arm(int op, int fd, void *what)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, .data.ptr = what};
    epoll_ctl(epoll_fd, op, fd, &e);
}

static void drop(struct connection *c)
{
    close(c->fd);
    free(c);
}

static bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            struct timespec pause = {0, 1000000};
            nanosleep(&pause, NULL);
            continue;
        }
        if (n <= 0) {
            return false;
        }
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static bool answer(struct connection *c, int status, const char *reason, const char *body,
                   bool is_last)
{
    char text[1024];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                     "X-Server: %s\r\n%s\r\n%s",
                     status, reason, strlen(body), options.name,
                     is_last ? "Connection: close\r\n" : "", body);
    return send_all(c->fd, text, (size_t)n);
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* head is terminated after its last header line. */
static bool serve(struct connection *c, const char *head, bool is_last)
{
    char body[400];
    if (starts(head, "GET /healthz ")) {
        return answer(c, 200, "OK", "{\"status\":\"ok\"}\n", is_last);
    }
    if (starts(head, "GET /work ") || starts(head, "GET / ")) {
        burn(options.work_us);
        uint64_t count = atomic_fetch_add(&served, 1) + 1;
        snprintf(body, sizeof body, "{\"server\":\"%s\",\"requests\":%llu,\"work_us\":%d}\n",
                 options.name, (unsigned long long)count, options.work_us);
        return answer(c, 200, "OK", body, is_last);
    }
    if (starts(head, "GET ")) {
        return answer(c, 404, "Not Found", "{\"error\":\"try /work or /healthz\"}\n", is_last);
    }
    (void)answer(c, 405, "Method Not Allowed", "{\"error\":\"only GET\"}\n", true);
    return false;
}

/* Whole requests in the buffer are answered; false: the connection is over. */
static bool serve_buffered(struct connection *c)
{
    for (;;) {
        char *end = memmem(c->data, c->len, "\r\n\r\n", 4);
        if (!end) {
            return c->len < sizeof c->data;
        }
        *end = '\0';
        bool is_last = atomic_load(&is_ending) || strcasestr(c->data, "\r\nConnection: close");
        if (!serve(c, c->data, is_last) || is_last) {
            return false;
        }
        size_t used = (size_t)(end - c->data) + 4;
        memmove(c->data, c->data + used, c->len - used);
        c->len -= used;
    }
}

static void on_readable(struct connection *c)
{
    ssize_t n = recv(c->fd, c->data + c->len, sizeof c->data - c->len, 0);
    if (n <= 0 && !(n < 0 && errno == EAGAIN)) {
        drop(c);
        return;
    }
    c->len += n > 0 ? (size_t)n : 0;
    if (!serve_buffered(c)) {
        drop(c);
        return;
    }
    arm(EPOLL_CTL_MOD, c->fd, c);
}

static void on_connect(void)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (!c) {
            close(fd);
            break;
        }
        c->fd = fd;
        arm(EPOLL_CTL_ADD, fd, c);
    }
    arm(EPOLL_CTL_MOD, listener, &listener);
}

static void *work(void *unused)
{
    (void)unused;
    uint64_t end_ns = 0;
    for (;;) {
        struct epoll_event e;
        int n = epoll_wait(epoll_fd, &e, 1, QUIET_MS);
        bool is_over = atomic_load(&is_ending);
        uint64_t now = now_ns(CLOCK_MONOTONIC);
        if (is_over && end_ns == 0) {
            end_ns = now + LONGEST_END_MS * 1000000ull;
        }
        if (n == 1 && e.data.ptr == &listener) {
            on_connect();
        } else if (n == 1) {
            on_readable(e.data.ptr);
        }
        if (is_over && (n == 0 || now > end_ns)) {
            return NULL;
        }
    }
}

static bool listen_on(int port)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1, zero = 0;
    listener = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool has_v6 = listener >= 0;
    if (!has_v6) {
        listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    } else {
        setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    }
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int rc = has_v6 ? bind(listener, (struct sockaddr *)&a, sizeof a)
                    : bind(listener, (struct sockaddr *)&a4, sizeof a4);
    return rc == 0 && listen(listener, 1024) == 0;
}

static int number(const char *text, int least, int most, const char *what)
{
    char *end;
    long v = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || v < least || v > most) {
        fprintf(stderr, "shop: %s is \"%s\": give a number from %d to %d\n", what, text, least,
                most);
        exit(2);
    }
    return (int)v;
}

static void read_options(int argc, char **argv)
{
    static char host[256];
    struct {
        const char *flag, *variable;
        int *value, least, most;
    } table[] = {{"--port", "PORT", &options.port, 1, 65535},
                 {"--work-us", "WORK_US", &options.work_us, 0, 10000000},
                 {"--concurrency", "CONCURRENCY", &options.concurrency, 1, MAX_THREADS}};
    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        const char *text = getenv(table[t].variable);
        if (text) {
            *table[t].value = number(text, table[t].least, table[t].most, table[t].variable);
        }
        for (int i = 1; i + 1 < argc; i++) {
            if (strcmp(argv[i], table[t].flag) == 0) {
                *table[t].value = number(argv[i + 1], table[t].least, table[t].most, argv[i]);
            }
        }
    }
    const char *name = getenv("POD_NAME");
    if (name && strlen(name) < sizeof host) {
        options.name = name;
    } else if (gethostname(host, sizeof host - 1) == 0) {
        options.name = host;
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    if (!listen_on(options.port)) {
        fprintf(stderr, "shop: port %d: %s\n", options.port, strerror(errno));
        return 1;
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    arm(EPOLL_CTL_ADD, listener, &listener);
    pthread_t threads[MAX_THREADS];
    for (int i = 0; i < options.concurrency; i++) {
        if (pthread_create(&threads[i], NULL, work, NULL) != 0) {
            fprintf(stderr, "shop: no thread\n");
            return 1;
        }
    }
    printf("shop %s: port %d, %d us of work a request, %d at a time\n", options.name, options.port,
           options.work_us, options.concurrency);
    fflush(stdout);
    int signal_number;
    sigwait(&ends, &signal_number);
    atomic_store(&is_ending, true);
    for (int i = 0; i < options.concurrency; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("shop %s: ends after %llu requests\n", options.name,
           (unsigned long long)atomic_load(&served));
    return 0;
}
