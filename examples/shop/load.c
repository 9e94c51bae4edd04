/* A load generator for HTTP/1.1.
 *
 *     shop-load --url http://10.0.0.1:80/work --connections 8 --seconds 10     closed loop
 *     shop-load --url http://10.0.0.1:80/work --rate 500 --seconds 10          open loop
 *
 * Closed: each connection sends the next request when it has the answer. Open: requests are due at
 * fixed times; latency counts from when a request was due, so that a slow server can not hide the
 * requests that waited for it. A request ends with the arrival of its answer by the kernel's clock:
 * how long this program then waits for a CPU is not the server's. --requests-per-connection N: a
 * new connection each N requests, so that a balancer sees connections. A line a second; --json ends
 * with one object of all figures. */
#include <errno.h>
#include <linux/net_tstamp.h>
#include <netdb.h>
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
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024
#define MAX_SERVERS 64
#define NAME_MAX_BYTES 80
#define BUFFER_BYTES 16384
/* 64 buckets of 1 us, then 32 to each power of two: 3 % wide. */
#define BUCKETS 1024

struct options {
    char host[256], port[8], path[1024];
    double rate, seconds;
    int connections, per_connection, timeout_ms;
    bool is_json;
};

struct figures {
    _Atomic uint64_t requests, errors, sum_us, bucket[BUCKETS];
};

struct server {
    char name[NAME_MAX_BYTES];
    uint64_t count;
};

static struct options options = {.connections = 8, .seconds = 10, .timeout_ms = 5000};
static struct figures all, second;
static struct addrinfo *address;
static _Atomic bool is_over;
static _Atomic uint64_t next_request;
static uint64_t start_ns;
static pthread_mutex_t server_lock = PTHREAD_MUTEX_INITIALIZER;
static struct server servers[MAX_SERVERS]; /* server_lock */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static int bucket_of(uint64_t us)
{
    if (us < 64) {
        return (int)us;
    }
    int log = 63 - __builtin_clzll(us);
    int i = (log - 5) * 32 + (int)(us >> (log - 5));
    return i < BUCKETS ? i : BUCKETS - 1;
}

/* Middle of a bucket. */
static double bucket_us(int i)
{
    if (i < 64) {
        return i + 0.5;
    }
    int log = i / 32 + 4;
    return ((double)(i - (log - 5) * 32) + 0.5) * (double)(1ull << (log - 5));
}

static void record(struct figures *f, uint64_t us)
{
    f->requests++;
    f->sum_us += us;
    f->bucket[bucket_of(us)]++;
}

static double percentile_ms(const struct figures *f, double share)
{
    uint64_t want = (uint64_t)(share * (double)f->requests), seen = 0;
    for (int i = 0; i < BUCKETS; i++) {
        seen += f->bucket[i];
        if (seen > want || (seen > 0 && seen == f->requests)) {
            return bucket_us(i) / 1000;
        }
    }
    return 0;
}

static double mean_ms(const struct figures *f)
{
    return f->requests ? (double)f->sum_us / (double)f->requests / 1000 : 0;
}

static void count_server(const char *name)
{
    pthread_mutex_lock(&server_lock);
    for (int i = 0; i < MAX_SERVERS; i++) {
        if (servers[i].name[0] == '\0') {
            snprintf(servers[i].name, sizeof servers[i].name, "%s", name);
        }
        if (strcmp(servers[i].name, name) == 0) {
            servers[i].count++;
            break;
        }
    }
    pthread_mutex_unlock(&server_lock);
}

static int dial(void)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    struct timeval limit = {options.timeout_ms / 1000, options.timeout_ms % 1000 * 1000};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void header_value(const char *head, const char *name, char *ret_value, size_t size)
{
    const char *at = strcasestr(head, name);
    ret_value[0] = '\0';
    if (at) {
        at += strlen(name);
        at += strspn(at, " ");
        snprintf(ret_value, size, "%.*s", (int)strcspn(at, "\r\n"), at);
    }
}

/* When the data came, on this program's clock; now where the kernel does not say. */
static uint64_t arrival_ns(struct msghdr *m)
{
    uint64_t now = now_ns();
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        struct timespec stamp, wall;
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPING) {
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            clock_gettime(CLOCK_REALTIME, &wall);
            int64_t age =
                (int64_t)(wall.tv_sec - stamp.tv_sec) * 1000000000 + (wall.tv_nsec - stamp.tv_nsec);
            return stamp.tv_sec > 0 && age > 0 && (uint64_t)age < now ? now - (uint64_t)age : now;
        }
    }
    return now;
}

static ssize_t receive(int fd, char *data, size_t size, uint64_t *ret_arrival_ns)
{
    char control[256];
    struct iovec part = {data, size};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &m, 0);
    *ret_arrival_ns = arrival_ns(&m);
    return n;
}

/* Reads one whole answer. Returns its status, or -1; *ret_closes where the server ends here. */
static int read_answer(int fd, char *ret_server, bool *ret_closes, uint64_t *ret_end_ns)
{
    char data[BUFFER_BYTES], text[NAME_MAX_BYTES];
    size_t len = 0, want = 0;
    char *end = NULL;
    while (!end || len < want) {
        ssize_t n = receive(fd, data + len, sizeof data - 1 - len, ret_end_ns);
        if (n <= 0) {
            return -1;
        }
        len += (size_t)n;
        data[len] = '\0';
        if (!end && (end = strstr(data, "\r\n\r\n"))) {
            header_value(data, "\r\nContent-Length:", text, sizeof text);
            want = (size_t)(end - data) + 4 + strtoul(text, NULL, 10);
            if (want >= sizeof data) {
                return -1;
            }
        }
    }
    header_value(data, "\r\nX-Server:", ret_server, NAME_MAX_BYTES);
    *ret_closes = strcasestr(data, "\r\nConnection: close") != NULL;
    return strncmp(data, "HTTP/1.", 7) == 0 ? atoi(data + 9) : -1;
}

struct session {
    int fd;   /* -1: none */
    int used; /* requests sent on it */
};

static void hang_up(struct session *s)
{
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

/* One request; due_ns is when its latency starts. */
static void request(struct session *s, uint64_t due_ns)
{
    char text[2048], server[NAME_MAX_BYTES] = "";
    bool closes = false;
    int status = -1;
    uint64_t end_ns = 0;
    if (s->fd < 0) {
        s->fd = dial();
        s->used = 0;
    }
    if (s->fd >= 0) {
        int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", options.path,
                         options.host);
        if (send(s->fd, text, (size_t)n, MSG_NOSIGNAL) == n) {
            status = read_answer(s->fd, server, &closes, &end_ns);
        }
    }
    if (status < 200 || status > 299) {
        all.errors++;
        second.errors++;
        hang_up(s);
        sleep_until(now_ns() + 5000000);
        return;
    }
    uint64_t us = end_ns > due_ns ? (end_ns - due_ns) / 1000 : 0;
    record(&all, us);
    record(&second, us);
    count_server(server[0] ? server : "unknown");
    s->used++;
    if (closes || (options.per_connection > 0 && s->used >= options.per_connection)) {
        hang_up(s);
    }
}

static void *run(void *unused)
{
    (void)unused;
    struct session s = {.fd = -1};
    while (!atomic_load(&is_over)) {
        uint64_t due_ns = now_ns();
        if (options.rate > 0) {
            uint64_t i = atomic_fetch_add(&next_request, 1);
            due_ns = start_ns + (uint64_t)((double)i * 1e9 / options.rate);
            if (due_ns > start_ns + (uint64_t)(options.seconds * 1e9)) {
                break;
            }
            sleep_until(due_ns);
        }
        request(&s, due_ns);
    }
    hang_up(&s);
    return NULL;
}

static void print_second(int number)
{
    printf("%4d s  %6llu requests  %4llu errors  mean %8.2f ms  p50 %8.2f  p90 %8.2f  p99 %8.2f\n",
           number, (unsigned long long)second.requests, (unsigned long long)second.errors,
           mean_ms(&second), percentile_ms(&second, 0.5), percentile_ms(&second, 0.9),
           percentile_ms(&second, 0.99));
    fflush(stdout);
    second.requests = 0;
    second.errors = 0;
    second.sum_us = 0;
    for (int i = 0; i < BUCKETS; i++) {
        second.bucket[i] = 0;
    }
}

static void print_end(double seconds)
{
    pthread_mutex_lock(&server_lock);
    if (!options.is_json) {
        printf("%llu requests, %llu errors in %.1f s: mean %.2f ms, p50 %.2f, p90 %.2f, p99 %.2f\n",
               (unsigned long long)all.requests, (unsigned long long)all.errors, seconds,
               mean_ms(&all), percentile_ms(&all, 0.5), percentile_ms(&all, 0.9),
               percentile_ms(&all, 0.99));
    } else {
        printf("{\"requests\":%llu,\"errors\":%llu,\"seconds\":%.3f,\"rps\":%.1f,\"mean_ms\":%.3f,"
               "\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"servers\":{",
               (unsigned long long)all.requests, (unsigned long long)all.errors, seconds,
               (double)all.requests / seconds, mean_ms(&all), percentile_ms(&all, 0.5),
               percentile_ms(&all, 0.9), percentile_ms(&all, 0.99));
    }
    for (int i = 0; i < MAX_SERVERS && servers[i].name[0]; i++) {
        const char *form = options.is_json ? "%s\"%s\":%llu" : "%s  %s %llu\n";
        printf(form, options.is_json && i > 0 ? "," : "", servers[i].name,
               (unsigned long long)servers[i].count);
    }
    printf("%s", options.is_json ? "}}\n" : "");
    pthread_mutex_unlock(&server_lock);
}

static bool parse_url(const char *url)
{
    int n = sscanf(url, "http://%255[^:/]:%7[0-9]%1023s", options.host, options.port, options.path);
    if (n < 2) {
        n = sscanf(url, "http://%255[^:/]%1023s", options.host, options.path);
        snprintf(options.port, sizeof options.port, "80");
    }
    if (options.path[0] == '\0') {
        snprintf(options.path, sizeof options.path, "/");
    }
    return n >= 1 && options.path[0] == '/';
}

static bool parse_flag(const char *flag, const char *value)
{
    if (strcmp(flag, "--url") == 0) {
        return parse_url(value);
    }
    char *end;
    double number = strtod(value, &end);
    if (*value == '\0' || *end != '\0' || number < 0) {
        return false;
    }
    if (strcmp(flag, "--rate") == 0) {
        options.rate = number;
    } else if (strcmp(flag, "--seconds") == 0) {
        options.seconds = number;
    } else if (strcmp(flag, "--connections") == 0) {
        options.connections = (int)number;
    } else if (strcmp(flag, "--requests-per-connection") == 0) {
        options.per_connection = (int)number;
    } else if (strcmp(flag, "--timeout-ms") == 0) {
        options.timeout_ms = (int)number;
    } else {
        return false;
    }
    return options.connections >= 0 && options.connections <= MAX_CONNECTIONS;
}

static bool parse_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            options.is_json = true;
        } else if (i + 1 == argc || !parse_flag(argv[i], argv[i + 1])) {
            fprintf(stderr, "shop-load: wrong option %s\n", argv[i]);
            return false;
        } else {
            i++;
        }
    }
    return options.host[0] != '\0' && options.connections > 0;
}

/* A line a second until the end or a signal. */
static void watch(const sigset_t *ends)
{
    uint64_t end_ns = start_ns + (uint64_t)(options.seconds * 1e9);
    for (int i = 1;; i++) {
        uint64_t mark_ns = start_ns + (uint64_t)i * 1000000000u, now = now_ns();
        mark_ns = mark_ns < end_ns ? mark_ns : end_ns;
        uint64_t left_ns = mark_ns > now ? mark_ns - now : 0;
        struct timespec left = {(time_t)(left_ns / 1000000000u), (long)(left_ns % 1000000000u)};
        bool is_stopped = sigtimedwait(ends, NULL, &left) > 0;
        print_second(i);
        if (is_stopped || mark_ns == end_ns) {
            return;
        }
    }
}

int main(int argc, char **argv)
{
    if (!parse_options(argc, argv)) {
        fprintf(stderr,
                "usage: shop-load --url http://HOST[:PORT]/PATH [--connections N] [--rate R] "
                "[--seconds S]\n                 [--requests-per-connection N] "
                "[--timeout-ms N] [--json]\n");
        return 2;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int rc = getaddrinfo(options.host, options.port, &hints, &address);
    if (rc != 0) {
        fprintf(stderr, "shop-load: %s: %s\n", options.host, gai_strerror(rc));
        return 1;
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    start_ns = now_ns();
    static pthread_t threads[MAX_CONNECTIONS];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 * 1024);
    for (int i = 0; i < options.connections; i++) {
        if (pthread_create(&threads[i], &small, run, NULL) != 0) {
            fprintf(stderr, "shop-load: no thread\n");
            return 1;
        }
    }
    watch(&ends);
    atomic_store(&is_over, true);
    double seconds = (double)(now_ns() - start_ns) / 1e9;
    for (int i = 0; i < options.connections; i++) {
        pthread_join(threads[i], NULL);
    }
    print_end(seconds);
    freeaddrinfo(address);
    return all.requests > 0 ? 0 : 1;
}
