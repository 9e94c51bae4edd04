/* Long responses on a loop: one multi handle, driven by the loop's descriptors and timers.
 *
 * Each stream has a connection of its own, HTTP/1.1: in libcurl 7.88 to 8.14 (Debian 12 has 7.88)
 * streams that share an HTTP/2 connection under curl_multi_socket_action can stall with data left
 * in libcurl, and the RST_STREAM of a closed one is only sent with the next traffic (curl issue
 * 17611), so that the server would keep a watch that nobody reads. Its cost of an event also grows
 * with the idle streams beside it. Calls (session.c) use HTTP/2.
 *
 * libcurl must not be called from within its own callbacks. While it runs, and while callbacks of
 * ours run (depth > 0), opening and closing only leave a mark, which sweep() sees to afterwards. */
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/base/vec.h"
#include "core/net/client_internal.h"

struct opr_streams {
    struct opr_loop *loop;         /* borrowed */
    struct opr_endpoint *endpoint; /* ref */
    CURLM *multi;                  /* owned */
    struct opr_timer *timer;       /* owned: libcurl's */
    struct opr_timer *kick;        /* owned: a sweep without an event */
    struct opr_vec streams;        /* of struct opr_stream, owned */
    struct opr_vec sockets;        /* of struct stream_socket, owned */
    int depth;
    bool is_dirty; /* a stream carries a mark */
    bool is_freed;
};

struct stream_socket {
    struct opr_streams *owner;
    struct opr_io *io; /* owned */
    curl_socket_t fd;
};

struct opr_stream {
    struct opr_streams *owner;
    struct opr__easy easy;
    struct opr_stream_handler handler;
    void *arg;
    char *method;        /* owned */
    struct opr_buf body; /* of the request */
    opr_status status;   /* how it ended */
    struct opr_error error;
    bool is_added, is_header_seen;
    bool is_closed; /* no callback any more */
    bool is_ended;  /* on_end is due, or runs */
};

static void sweep(struct opr_streams *s);

static void act(struct opr_streams *s, curl_socket_t fd, int events)
{
    int running = 0;
    s->depth++;
    curl_multi_socket_action(s->multi, fd, events, &running);
    s->depth--;
    sweep(s);
}

static void on_io(void *arg, int events)
{
    struct stream_socket *k = arg;
    int mask = (events & OPR_IO_READ ? CURL_CSELECT_IN : 0) |
               (events & OPR_IO_WRITE ? CURL_CSELECT_OUT : 0);
    act(k->owner, k->fd, mask);
}

static void on_timer(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void on_kick(void *arg)
{
    sweep(arg);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    struct opr_streams *s = arg;
    if (timeout_ms < 0) {
        opr_timer_stop(s->timer);
    } else {
        opr_timer_set(s->timer, (uint64_t)timeout_ms);
    }
    return 0;
}

static void socket_free(struct stream_socket *k)
{
    opr_vec_remove_item(&k->owner->sockets, k);
    opr_io_free(k->io);
    opr_free(k);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket)
{
    (void)easy;
    struct opr_streams *s = arg;
    struct stream_socket *k = socket;
    if (what == CURL_POLL_REMOVE) {
        if (k) {
            curl_multi_assign(s->multi, fd, NULL);
            socket_free(k);
        }
        return 0;
    }
    int events =
        (what & CURL_POLL_IN ? OPR_IO_READ : 0) | (what & CURL_POLL_OUT ? OPR_IO_WRITE : 0);
    if (k) {
        opr_io_set(k->io, events);
        return 0;
    }
    k = opr_xalloc(sizeof *k);
    k->owner = s;
    k->fd = fd;
    k->io = opr_io_new(s->loop, fd, events, on_io, k);
    opr_vec_push(&s->sockets, k);
    curl_multi_assign(s->multi, fd, k);
    return 0;
}

struct opr_streams *opr_streams_new(struct opr_loop *l, struct opr_endpoint *endpoint)
{
    struct opr_streams *s = opr_xalloc(sizeof *s);
    s->loop = l;
    s->endpoint = opr_endpoint_ref(endpoint);
    s->timer = opr_timer_new(l, on_timer, s);
    s->kick = opr_timer_new(l, on_kick, s);
    s->multi = curl_multi_init();
    OPR_CHECK(s->multi);
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
    return s;
}

static void stream_free(struct opr_stream *st)
{
    struct opr_streams *s = st->owner;
    if (st->is_added) {
        s->depth++; /* removing makes libcurl call the socket callback */
        curl_multi_remove_handle(s->multi, st->easy.curl);
        s->depth--;
    }
    opr_vec_remove_item(&s->streams, st);
    opr__easy_fini(&st->easy);
    opr_buf_fini(&st->body);
    opr_free(st->method);
    opr_free(st);
}

void opr_streams_free(struct opr_streams *s)
{
    if (!s) {
        return;
    }
    if (s->depth > 0) {
        s->is_freed = true;
        s->is_dirty = true;
        for (size_t i = 0; i < s->streams.count; i++) {
            ((struct opr_stream *)s->streams.items[i])->is_closed = true;
        }
        return;
    }
    while (s->streams.count > 0) {
        stream_free(s->streams.items[s->streams.count - 1]);
    }
    curl_multi_cleanup(s->multi);
    while (s->sockets.count > 0) {
        socket_free(s->sockets.items[s->sockets.count - 1]);
    }
    opr_vec_fini(&s->streams);
    opr_vec_fini(&s->sockets);
    opr_timer_free(s->timer);
    opr_timer_free(s->kick);
    opr_endpoint_unref(s->endpoint);
    opr_free(s);
}

static size_t on_head_line(char *data, size_t size, size_t count, void *arg)
{
    struct opr_stream *st = arg;
    size_t len = size * count;
    bool is_end = len == 2 && memcmp(data, "\r\n", 2) == 0;
    if (!is_end || st->is_header_seen || st->is_closed) {
        return len;
    }
    long status = 0;
    curl_easy_getinfo(st->easy.curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200) {
        st->is_header_seen = true;
        if (status == 401) {
            (void)opr__endpoint_token_refused(st->owner->endpoint, st->easy.token_number,
                                              false); /* for the next stream */
        }
        if (st->handler.on_header) {
            st->handler.on_header(st->arg, (int)status);
        }
    }
    return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct opr_stream *st = arg;
    size_t len = size * count;
    if (st->is_closed) {
        return 0;
    }
    st->handler.on_data(st->arg, opr_str_n(data, len));
    return st->is_closed ? 0 : len;
}

static void prepare(struct opr_stream *st, const struct opr_client_request *req)
{
    struct opr_client_request copy = *req;
    opr_buf_add_str(&st->body, req->body);
    copy.body = opr_buf_str(&st->body);
    st->status = opr__easy_prepare(&st->easy, st->owner->endpoint, &copy, &st->error);
    CURL *curl = st->easy.curl;
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_PIPEWAIT, 0L);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_head_line);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, st);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, st);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, st);
}

static void add(struct opr_stream *st)
{
    CURLMcode code = curl_multi_add_handle(st->owner->multi, st->easy.curl);
    if (code == CURLM_OK) {
        st->is_added = true;
        return;
    }
    st->status =
        opr_error_set(&st->error, OPR_E_IO, "%s: %s", st->method, curl_multi_strerror(code));
    st->is_ended = true;
}

struct opr_stream *opr_stream_open(struct opr_streams *s, const struct opr_client_request *req,
                                   const struct opr_stream_handler *handler, void *arg)
{
    struct opr_stream *st = opr_xalloc(sizeof *st);
    st->owner = s;
    st->handler = *handler;
    st->arg = arg;
    st->method = opr_xstrdup(req->method);
    opr__easy_init(&st->easy);
    prepare(st, req);
    st->is_ended = st->status != OPR_OK;
    opr_vec_push(&s->streams, st);
    if (s->depth == 0 && !st->is_ended) {
        add(st);
    }
    if (s->depth > 0 || st->is_ended) {
        s->is_dirty = true;
        opr_timer_set(s->kick, 0);
    }
    return st;
}

void opr_stream_close(struct opr_stream *st)
{
    struct opr_streams *s = st->owner;
    if (s->depth > 0) {
        st->is_closed = true;
        s->is_dirty = true;
        return;
    }
    stream_free(st);
}

static void read_ended(struct opr_streams *s)
{
    int left = 0;
    CURLMsg *msg;
    while ((msg = curl_multi_info_read(s->multi, &left))) {
        if (msg->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = msg->data.result;
        char *private = NULL;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
        struct opr_stream *st = (struct opr_stream *)private;
        st->status = opr__easy_result(&st->easy, code, st->method, &st->error);
        st->is_ended = true;
        s->is_dirty = true;
    }
}

/* One mark; false: there is none. */
static bool sweep_one(struct opr_streams *s)
{
    for (size_t i = 0; i < s->streams.count; i++) {
        struct opr_stream *st = s->streams.items[i];
        if (st->is_closed) {
            stream_free(st);
            return true;
        }
        if (st->is_ended) {
            s->depth++;
            st->handler.on_end(st->arg, st->status, st->status == OPR_OK ? NULL : &st->error);
            s->depth--;
            stream_free(st);
            return true;
        }
        if (!st->is_added) {
            add(st);
            return true;
        }
    }
    return false;
}

static void sweep(struct opr_streams *s)
{
    read_ended(s);
    while (s->is_dirty) {
        s->is_dirty = false;
        while (sweep_one(s)) {
        }
        read_ended(s);
    }
    if (s->is_freed) {
        s->is_freed = false;
        opr_streams_free(s);
    }
}
