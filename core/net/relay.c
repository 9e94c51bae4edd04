#include "core/net/relay.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/net/client_internal.h"
#include "core/net/websocket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    WAY_MAX = 128 * 1024, /* held for one side */
    PART_BYTES = 16 * 1024,
    HEAD_MAX = 16 * 1024,
    ANSWER_MS = 10000,
};

struct relay {
    struct opr_http_tunnel tunnel; /* first member */
    struct opr__easy easy;         /* the connection; the relay's thread once it runs */
    int fd;                        /* of easy, borrowed */
    int event_fd;                  /* owned: something for the thread; -1: it has none */
    pthread_t thread;
    struct opr_buf farewell, sending;   /* thread */
    struct opr_ws_reader reader;        /* thread: follows the server's frames */
    bool has_said_close, is_unreadable; /* thread */
    pthread_mutex_t lock;               /* guards what follows */
    struct opr_buf to_peer, to_server;
    struct opr_http_waker *waker;
    bool is_over; /* nothing more comes from the server */
    bool is_deaf; /* it takes nothing more; what it said before is still to be read */
    bool is_closing;
    bool is_peer_held; /* it offered more than there was room for */
};

/* -- the peer's side: the loop of its connection -- */

static void signal_thread(const struct relay *r)
{
    uint64_t one = 1;
    if (r->event_fd >= 0) {
        (void)!write(r->event_fd, &one, sizeof one); /* it fails only where one is waiting */
    }
}

static opr_status pull(struct opr_http_source *s, struct opr_buf *out, size_t max)
{
    struct relay *r = (struct relay *)s;
    pthread_mutex_lock(&r->lock);
    bool was_full = r->to_peer.len >= WAY_MAX;
    size_t n = r->to_peer.len < max ? r->to_peer.len : max;
    opr_buf_add(out, r->to_peer.data, n);
    opr_buf_consume(&r->to_peer, n);
    if (was_full && r->to_peer.len < WAY_MAX) {
        signal_thread(r);
    }
    opr_status st = r->is_over && n == 0 ? OPR_E_END : OPR_OK;
    pthread_mutex_unlock(&r->lock);
    return st;
}

static size_t push(struct opr_http_tunnel *t, struct opr_str data)
{
    struct relay *r = (struct relay *)t;
    pthread_mutex_lock(&r->lock);
    size_t room = r->to_server.len < WAY_MAX ? WAY_MAX - r->to_server.len : 0;
    size_t n = data.len;
    if (!r->is_over && !r->is_deaf) { /* else nobody is there to take it */
        n = n < room ? n : room;
        opr_buf_add(&r->to_server, data.ptr, n);
        r->is_peer_held = n < data.len;
        signal_thread(r);
    }
    pthread_mutex_unlock(&r->lock);
    return n;
}

static void attach(struct opr_http_source *s, struct opr_http_waker *waker)
{
    struct relay *r = (struct relay *)s;
    pthread_mutex_lock(&r->lock);
    r->waker = waker;
    pthread_mutex_unlock(&r->lock);
}

static void relay_free(struct relay *r)
{
    if (r->easy.curl) {
        opr__easy_fini(&r->easy);
    }
    if (r->event_fd >= 0) {
        close(r->event_fd);
    }
    opr_buf_fini(&r->farewell);
    opr_buf_fini(&r->sending);
    opr_buf_fini(&r->to_peer);
    opr_buf_fini(&r->to_server);
    pthread_mutex_destroy(&r->lock);
    opr_free(r);
}

static void close_relay(struct opr_http_source *s)
{
    struct relay *r = (struct relay *)s;
    pthread_mutex_lock(&r->lock);
    r->waker = NULL;
    r->is_closing = true;
    signal_thread(r);
    pthread_mutex_unlock(&r->lock);
    if (r->event_fd >= 0) {
        pthread_join(r->thread, NULL); /* it never blocks but in its poll */
    }
    relay_free(r);
}

static struct relay *relay_new(void)
{
    struct relay *r = opr_xalloc(sizeof *r);
    r->tunnel = (struct opr_http_tunnel){
        .source = {.pull = pull, .attach = attach, .close = close_relay}, .push = push};
    r->event_fd = -1;
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

struct opr_http_source *opr_relay_say(struct opr_str frames)
{
    struct relay *r = relay_new();
    opr_buf_add_str(&r->to_peer, frames);
    r->is_over = true;
    return &r->tunnel.source;
}

/* -- the server's side: the relay's thread -- */

/* lock is held */
static void wake_peer(struct relay *r)
{
    if (r->waker) {
        r->waker->wake(r->waker);
    }
}

static void follow_frames(struct relay *r, struct opr_str data)
{
    size_t at = 0;
    struct opr_ws_piece piece;
    int result = OPR_WS_PIECE;
    while (!r->is_unreadable && result == OPR_WS_PIECE) {
        result = opr_ws_next(&r->reader, data, &at, NULL, 0, &piece);
        r->has_said_close =
            r->has_said_close || (result == OPR_WS_PIECE && piece.opcode == OPR_WS_CLOSE);
        r->is_unreadable = result != OPR_WS_PIECE && result != OPR_WS_MORE;
    }
}

static void end(struct relay *r)
{
    bool is_cut = !r->has_said_close && !r->is_unreadable && opr_ws_is_between(&r->reader);
    pthread_mutex_lock(&r->lock);
    if (is_cut) {
        opr_buf_add_str(&r->to_peer, opr_buf_str(&r->farewell));
    }
    r->is_over = true;
    opr_buf_fini(&r->to_server);
    wake_peer(r);
    pthread_mutex_unlock(&r->lock);
}

static void send_some(struct relay *r)
{
    if (r->sending.len == 0) {
        pthread_mutex_lock(&r->lock);
        struct opr_buf empty = r->sending;
        r->sending = r->to_server;
        r->to_server = empty;
        if (r->is_peer_held) {
            r->is_peer_held = false;
            wake_peer(r);
        }
        pthread_mutex_unlock(&r->lock);
    }
    if (r->sending.len == 0) {
        return;
    }
    size_t sent = 0;
    CURLcode code = curl_easy_send(r->easy.curl, r->sending.data, r->sending.len, &sent);
    opr_buf_consume(&r->sending, sent);
    if (code != CURLE_OK && code != CURLE_AGAIN) {
        opr_buf_fini(&r->sending);
        pthread_mutex_lock(&r->lock);
        r->is_deaf = true;
        opr_buf_fini(&r->to_server);
        wake_peer(r);
        pthread_mutex_unlock(&r->lock);
    }
}

/* Until there is no more, or no room; false: the connection is over. What OpenSSL holds makes no
 * event, so that this is tried before each poll. */
static bool receive_all(struct relay *r, bool *ret_has_room)
{
    for (;;) {
        char part[PART_BYTES];
        size_t n = 0;
        pthread_mutex_lock(&r->lock);
        *ret_has_room = r->to_peer.len < WAY_MAX;
        pthread_mutex_unlock(&r->lock);
        if (!*ret_has_room) {
            return true;
        }
        CURLcode code = curl_easy_recv(r->easy.curl, part, sizeof part, &n);
        if (code == CURLE_AGAIN) {
            return true;
        }
        if (code != CURLE_OK || n == 0) {
            return false;
        }
        follow_frames(r, opr_str_n(part, n));
        pthread_mutex_lock(&r->lock);
        opr_buf_add(&r->to_peer, part, n);
        wake_peer(r);
        pthread_mutex_unlock(&r->lock);
    }
}

static bool wait_for_more(struct relay *r, bool has_room)
{
    uint64_t count;
    pthread_mutex_lock(&r->lock);
    bool has_more = r->sending.len > 0 || r->to_server.len > 0;
    pthread_mutex_unlock(&r->lock);
    short events = (short)((has_room ? POLLIN : 0) | (has_more ? POLLOUT : 0));
    /* Where nothing is asked of the connection, its end must not make this spin. */
    struct pollfd fds[2] = {{.fd = events ? r->fd : -1, .events = events},
                            {.fd = r->event_fd, .events = POLLIN}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) {
        return false;
    }
    if (fds[1].revents) {
        (void)!read(r->event_fd, &count, sizeof count); /* what it is about, the buffers say */
    }
    pthread_mutex_lock(&r->lock);
    bool is_closing = r->is_closing;
    pthread_mutex_unlock(&r->lock);
    return !is_closing;
}

static void *run(void *arg)
{
    struct relay *r = arg;
    bool has_room = true;
    do {
        send_some(r);
    } while (receive_all(r, &has_room) && wait_for_more(r, has_room));
    end(r);
    return NULL;
}

/* -- opening -- */

static opr_status fail(const struct relay *r, opr_status st, const char *what,
                       struct opr_error *reterr)
{
    const char *url = "";
    curl_easy_getinfo(r->easy.curl, CURLINFO_PRIMARY_IP, &url);
    return opr_error_set(reterr, st, "%s: %s", url, what);
}

static opr_status connect_to(struct relay *r, struct opr_endpoint *endpoint,
                             const struct opr_relay_request *req, struct opr_error *reterr)
{
    struct opr_client_request get = {.method = "GET", .path_query = req->path_query};
    opr__easy_init(&r->easy);
    OPR_TRY(opr__easy_prepare(&r->easy, endpoint, &get, reterr));
    CURL *curl = r->easy.curl;
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    OPR_TRY(opr__easy_result(&r->easy, curl_easy_perform(curl), "GET", reterr));
    curl_socket_t fd = CURL_SOCKET_BAD;
    curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &fd);
    r->fd = fd;
    return fd == CURL_SOCKET_BAD ? fail(r, OPR_E_IO, "the connection is gone", reterr) : OPR_OK;
}

static void write_request(struct relay *r, const struct opr_endpoint *endpoint,
                          const struct opr_relay_request *req)
{
    const char *host = strstr(opr_endpoint_url(endpoint), "://") + 3;
    opr_buf_printf(&r->sending,
                   "GET %s HTTP/1.1\r\nHost: %.*s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %.*s\r\n"
                   "Sec-WebSocket-Protocol: %s\r\nUser-Agent: %s\r\n\r\n",
                   req->path_query, (int)strcspn(host, "/"), host, OPR_STR_ARG(req->key),
                   req->protocol, endpoint->user_agent);
}

/* Sends what there is to send, and reads once; OPR_E_BUSY: nothing came yet. */
static opr_status step(struct relay *r, struct opr_buf *answer, struct opr_error *reterr)
{
    char part[1024];
    size_t n = 0;
    send_some(r);
    CURLcode code = curl_easy_recv(r->easy.curl, part, sizeof part, &n);
    if (code == CURLE_AGAIN) {
        return OPR_E_BUSY;
    }
    if (code != CURLE_OK || n == 0 || answer->len + n > HEAD_MAX) {
        return fail(r, OPR_E_IO, "the connection ended before its answer", reterr);
    }
    opr_buf_add(answer, part, n);
    return OPR_OK;
}

/* "HTTP/1.1 101 ..." up to the empty line; what follows it is the peer's. */
static opr_status read_answer(struct relay *r, struct opr_buf *answer, struct opr_error *reterr)
{
    const struct opr_clock *clock = opr_clock_system();
    uint64_t until_ns = opr_clock_mono_ns(clock) + ANSWER_MS * 1000000ull;
    const char *end_of_head = NULL;
    while (!end_of_head) {
        opr_status st = step(r, answer, reterr);
        if (st != OPR_OK && st != OPR_E_BUSY) {
            return st;
        }
        if (st == OPR_E_BUSY) {
            uint64_t now = opr_clock_mono_ns(clock);
            struct pollfd fd = {.fd = r->fd, .events = POLLIN};
            fd.events = (short)(fd.events | (r->sending.len > 0 ? POLLOUT : 0));
            if (now >= until_ns || poll(&fd, 1, (int)((until_ns - now) / 1000000) + 1) == 0) {
                return fail(r, OPR_E_TIMEOUT, "no answer", reterr);
            }
        }
        end_of_head = answer->data ? strstr(answer->data, "\r\n\r\n") : NULL;
    }
    int status = 0;
    if (sscanf(answer->data, "HTTP/1.%*1d %3d", &status) != 1 || status != 101) {
        char what[64];
        snprintf(what, sizeof what, "it answers with HTTP status %d", status);
        return fail(r, OPR_E_SERVER, what, reterr);
    }
    opr_buf_consume(answer, (size_t)(end_of_head - answer->data) + 4);
    return OPR_OK;
}

opr_status opr_relay_open(struct opr_endpoint *endpoint, const struct opr_relay_request *req,
                          struct opr_http_source **ret_source, struct opr_error *reterr)
{
    struct relay *r = relay_new();
    opr_status st = connect_to(r, endpoint, req, reterr);
    if (st == OPR_OK) {
        write_request(r, endpoint, req);
        st = read_answer(r, &r->to_peer, reterr);
    }
    if (st == OPR_OK) {
        r->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        st = r->event_fd < 0 ? fail(r, OPR_E_LIMIT, "no file descriptor is left", reterr) : OPR_OK;
    }
    if (st != OPR_OK) {
        relay_free(r);
        return st;
    }
    follow_frames(r, opr_buf_str(&r->to_peer));
    opr_buf_add_str(&r->farewell, req->farewell);
    OPR_CHECK(pthread_create(&r->thread, NULL, run, r) == 0);
    *ret_source = &r->tunnel.source;
    return OPR_OK;
}
