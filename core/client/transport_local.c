/* The local transport: calls into a handler of the same process, with the identity it was made
 * with. A call runs on the thread that makes it; a stream is pulled on the loop.
 *
 * Lifetime of a stream: the loop frees it. Where a function that it posted is still under way when
 * it is closed, that function frees it. */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/client/transport.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define DEFAULT_TIMEOUT_MS 30000u
#define BODY_MAX (256u * 1024 * 1024) /* as over https */
#define PULL_BYTES (64u * 1024)
#define PULLS_A_TURN 16 /* then the loop's other work has its turn */
/* As in core/net: a cancel just before a call is meant for it. */
#define CANCEL_AHEAD_NS (100ull * 1000000)
#define MS_NS 1000000ull

struct local {
    struct opr_transport pub;         /* first */
    struct opr_loop *loop;            /* borrowed */
    struct opr_http_handler *handler; /* borrowed */
    struct opr_arena *arena;          /* owned: the identity */
    struct opr_http_peer peer;
};

struct local_session {
    struct opr_http_waker waker; /* first */
    struct local *owner;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_awake;         /* lock */
    uint64_t cancelled_ns; /* lock; 0: not */
};

struct local_stream {
    struct opr_http_waker waker; /* first */
    struct local *owner;
    struct opr_stream_handler handler;
    void *arg;
    struct opr_arena *arena; /* owned: the request */
    struct opr_http_request req;
    struct opr_buf body; /* owned: of the request */
    struct opr_http_response res;
    struct opr_buf data;
    bool is_started;
    bool is_closed; /* no callback any more */
    bool is_busy;   /* a callback runs: whoever runs it frees the stream */
    atomic_bool is_posted;
};

/* headers: four of the arena. */
static void build_request(const struct local *owner, struct opr_arena *a,
                          const struct opr_client_request *req, struct opr_http_request *ret_req)
{
    struct opr_http_header *headers = opr_arena_alloc(a, 4 * sizeof *headers);
    size_t n = 0;
    headers[n++] = (struct opr_http_header){
        OPR_STR("Accept"), opr_str_of(req->accept ? req->accept : "application/json")};
    headers[n++] = (struct opr_http_header){OPR_STR("User-Agent"), OPR_STR("operon/" OPR_VERSION)};
    if (req->content_type) {
        headers[n++] =
            (struct opr_http_header){OPR_STR("Content-Type"), opr_str_of(req->content_type)};
    }
    *ret_req = (struct opr_http_request){
        .method = opr_str_of(req->method),
        .path = opr_str_of(req->path_query),
        .query = opr_str_n("", 0),
        .headers = headers,
        .n_headers = n,
        .body = req->body,
        .peer = owner->peer,
        .arena = a,
    };
    const char *mark = strchr(req->path_query, '?');
    if (mark) {
        ret_req->path.len = (size_t)(mark - req->path_query);
        ret_req->query = opr_str_of(mark + 1);
    }
}

static struct local_session *session_of(struct opr_transport_session *s)
{
    return (struct local_session *)s;
}

static void wake_session(struct opr_http_waker *w)
{
    struct local_session *s = (struct local_session *)w;
    pthread_mutex_lock(&s->lock);
    s->is_awake = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static struct opr_transport_session *session_new(struct opr_transport *t)
{
    struct local_session *s = opr_xalloc(sizeof *s);
    s->waker.wake = wake_session;
    s->owner = (struct local *)t;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    return (struct opr_transport_session *)s;
}

static void session_free(struct opr_transport_session *ts)
{
    if (ts) {
        struct local_session *s = session_of(ts);
        pthread_cond_destroy(&s->changed);
        pthread_mutex_destroy(&s->lock);
        opr_free(s);
    }
}

static void cancel(struct opr_transport_session *ts)
{
    struct local_session *s = session_of(ts);
    pthread_mutex_lock(&s->lock);
    s->cancelled_ns = opr_clock_mono_ns(opr_clock_system());
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static bool take_cancel(struct local_session *s, uint64_t since_ns)
{
    pthread_mutex_lock(&s->lock);
    bool is_cancelled = s->cancelled_ns != 0 && s->cancelled_ns + CANCEL_AHEAD_NS >= since_ns;
    s->cancelled_ns = 0;
    pthread_mutex_unlock(&s->lock);
    return is_cancelled;
}

/* Waits for a wake; an error ends the wait. */
static opr_status wait_for_more(struct local_session *s, uint64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / (1000 * MS_NS)),
                             .tv_nsec = (long)(deadline_ns % (1000 * MS_NS))};
    pthread_mutex_lock(&s->lock);
    int err = 0;
    while (!s->is_awake && s->cancelled_ns == 0 && err == 0) {
        err = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    }
    opr_status st = s->cancelled_ns != 0 ? OPR_E_CANCELLED : s->is_awake ? OPR_OK : OPR_E_TIMEOUT;
    s->is_awake = false;
    pthread_mutex_unlock(&s->lock);
    return st;
}

/* Reads a source to its end. */
static opr_status drain(struct local_session *s, struct opr_http_source *source,
                        uint64_t deadline_ns, struct opr_buf *body)
{
    s->is_awake = false; /* no source is attached yet */
    source->attach(source, &s->waker);
    opr_status st = OPR_OK;
    while (st == OPR_OK) {
        size_t before = body->len;
        st = source->pull(source, body, PULL_BYTES);
        if (body->len > BODY_MAX) {
            return OPR_E_LIMIT;
        }
        if (st == OPR_OK && body->len == before) {
            st = wait_for_more(s, deadline_ns);
        } else if (st == OPR_OK && opr_clock_mono_ns(opr_clock_system()) > deadline_ns) {
            st = OPR_E_TIMEOUT;
        }
    }
    return st == OPR_E_END ? OPR_OK : st;
}

static void copy_headers(const struct opr_http_response *from, struct opr_client_response *to)
{
    for (size_t i = 0; i < from->n_headers; i++) {
        struct opr_str value = from->headers[i].value;
        uint64_t seconds = 0;
        if (opr_str_ieq(from->headers[i].name, OPR_STR("content-type"))) {
            snprintf(to->content_type, sizeof to->content_type, "%.*s", OPR_STR_ARG(value));
        } else if (opr_str_ieq(from->headers[i].name, OPR_STR("retry-after")) &&
                   opr_str_to_u64(value, &seconds) == OPR_OK && seconds <= UINT32_MAX) {
            to->retry_after_s = (uint32_t)seconds;
        }
    }
}

static opr_status call(struct opr_transport_session *ts, const struct opr_client_request *req,
                       struct opr_client_response *ret_res, struct opr_error *reterr)
{
    struct local_session *s = session_of(ts);
    memset(ret_res, 0, sizeof *ret_res);
    uint64_t begin = opr_clock_mono_ns(opr_clock_system());
    if (take_cancel(s, begin)) {
        return opr_error_set(reterr, OPR_E_CANCELLED, "%s %s: cancelled", req->method,
                             req->path_query);
    }
    if (req->path_query[0] != '/') {
        return opr_error_set(reterr, OPR_E_INVALID, "path \"%s\" does not begin with /",
                             req->path_query);
    }
    uint64_t timeout_ms = req->timeout_ms ? req->timeout_ms : DEFAULT_TIMEOUT_MS;
    struct opr_arena *a = opr_arena_new();
    struct opr_http_request http_req;
    build_request(s->owner, a, req, &http_req);
    struct opr_http_response res = {0};
    s->owner->handler->handle(s->owner->handler, &http_req, &res);
    opr_status st = OPR_OK;
    if (res.source) {
        st = drain(s, res.source, begin + timeout_ms * MS_NS, &res.body);
    }
    (void)take_cancel(s, 0); /* one that came too late is not for the next call */
    if (st == OPR_OK) {
        ret_res->status = res.status;
        ret_res->body = res.body;
        res.body = (struct opr_buf){0};
        copy_headers(&res, ret_res);
    } else {
        (void)opr_error_set(reterr, st, "%s %s: %s", req->method, req->path_query,
                            opr_status_name(st)); /* st is what counts */
    }
    opr_http_response_fini(&res);
    opr_arena_free(a);
    return st;
}

static void call_many(struct opr_transport_session *ts, const struct opr_client_request *reqs,
                      size_t n, struct opr_client_response *ret_res, opr_status *ret_status)
{
    for (size_t i = 0; i < n; i++) {
        ret_status[i] = call(ts, &reqs[i], &ret_res[i], NULL);
        if (ret_status[i] == OPR_E_CANCELLED) {
            for (i++; i < n; i++) {
                memset(&ret_res[i], 0, sizeof ret_res[i]);
                ret_status[i] = OPR_E_CANCELLED;
            }
        }
    }
}

static void on_posted(void *arg);

static void post(struct local_stream *st)
{
    if (!atomic_exchange(&st->is_posted, true)) {
        opr_loop_post(st->owner->loop, on_posted, st);
    }
}

static void wake_stream(struct opr_http_waker *w)
{
    post((struct local_stream *)w);
}

/* Waits for the function that is under way, if there is one. */
static void stream_free(struct local_stream *st)
{
    st->is_closed = true;
    opr_http_response_fini(&st->res);
    if (atomic_load(&st->is_posted)) {
        return;
    }
    opr_buf_fini(&st->body);
    opr_buf_fini(&st->data);
    opr_arena_free(st->arena);
    opr_free(st);
}

/* The next three make callbacks, after each of which the stream may be closed. */
static void start(struct local_stream *st)
{
    st->is_started = true;
    st->owner->handler->handle(st->owner->handler, &st->req, &st->res);
    if (st->handler.on_header) {
        st->handler.on_header(st->arg, st->res.status);
    }
    if (!st->is_closed && st->res.source) {
        st->res.source->attach(st->res.source, &st->waker);
    }
}

static void end(struct local_stream *st, opr_status status)
{
    struct opr_error err = {0};
    if (status != OPR_OK) {
        (void)opr_error_set(&err, status, "%.*s %.*s: the stream broke off",
                            OPR_STR_ARG(st->req.method), OPR_STR_ARG(st->req.path));
    }
    st->is_closed = true;
    st->handler.on_end(st->arg, status, status == OPR_OK ? NULL : &err);
}

static void read_some(struct local_stream *st)
{
    opr_status status = OPR_OK;
    for (int i = 0; i < PULLS_A_TURN && status == OPR_OK && !st->is_closed; i++) {
        opr_buf_clear(&st->data);
        status = st->res.source->pull(st->res.source, &st->data, PULL_BYTES);
        if (st->data.len > 0) {
            st->handler.on_data(st->arg, opr_buf_str(&st->data));
        } else if (status == OPR_OK) {
            opr_buf_fini(&st->data); /* a waiting stream keeps no buffer */
            return;
        }
    }
    if (st->is_closed) {
        return;
    }
    if (status == OPR_OK) {
        post(st);
    } else {
        end(st, status == OPR_E_END ? OPR_OK : status);
    }
}

static void on_posted(void *arg)
{
    struct local_stream *st = arg;
    atomic_store(&st->is_posted, false);
    if (!st->is_closed) {
        st->is_busy = true;
        if (!st->is_started) {
            start(st);
        }
        if (!st->is_closed && st->res.source) {
            read_some(st);
        } else if (!st->is_closed) {
            if (st->res.body.len > 0) {
                st->handler.on_data(st->arg, opr_buf_str(&st->res.body));
            }
            if (!st->is_closed) {
                end(st, OPR_OK);
            }
        }
        st->is_busy = false;
    }
    if (st->is_closed) {
        stream_free(st);
    }
}

static struct opr_transport_stream *stream_open(struct opr_transport *t,
                                                const struct opr_client_request *req,
                                                const struct opr_stream_handler *handler, void *arg)
{
    struct local_stream *st = opr_xalloc(sizeof *st);
    st->waker.wake = wake_stream;
    st->owner = (struct local *)t;
    st->handler = *handler;
    st->arg = arg;
    st->arena = opr_arena_new();
    opr_buf_add_str(&st->body, req->body);
    struct opr_client_request copy = {
        .method = opr_arena_dup(st->arena, opr_str_of(req->method)),
        .path_query = opr_arena_dup(st->arena, opr_str_of(req->path_query)),
        .content_type =
            req->content_type ? opr_arena_dup(st->arena, opr_str_of(req->content_type)) : NULL,
        .accept = req->accept ? opr_arena_dup(st->arena, opr_str_of(req->accept)) : NULL,
        .body = opr_buf_str(&st->body),
    };
    build_request(st->owner, st->arena, &copy, &st->req);
    post(st);
    return (struct opr_transport_stream *)st;
}

static void stream_close(struct opr_transport_stream *ts)
{
    struct local_stream *st = (struct local_stream *)ts;
    if (st->is_busy) {
        st->is_closed = true;
    } else {
        stream_free(st);
    }
}

static void local_free(struct opr_transport *t)
{
    struct local *l = (struct local *)t;
    opr_arena_free(l->arena);
    opr_free(l);
}

struct opr_transport *opr_transport_local_new(struct opr_loop *loop,
                                              struct opr_http_handler *handler, const char *user,
                                              const char *const *groups)
{
    struct local *l = opr_xalloc(sizeof *l);
    l->pub = (struct opr_transport){
        .session_new = session_new,
        .session_free = session_free,
        .call = call,
        .call_many = call_many,
        .cancel = cancel,
        .stream_open = stream_open,
        .stream_close = stream_close,
        .free = local_free,
    };
    l->loop = loop;
    l->handler = handler;
    l->arena = opr_arena_new();
    size_t n = 0;
    while (groups && groups[n]) {
        n++;
    }
    struct opr_str *orgs = opr_arena_alloc(l->arena, (n + 1) * sizeof *orgs);
    for (size_t i = 0; i < n; i++) {
        orgs[i] = opr_str_of(opr_arena_dup(l->arena, opr_str_of(groups[i])));
    }
    l->peer = (struct opr_http_peer){
        .cert_cn = opr_str_of(opr_arena_dup(l->arena, opr_str_of(user))),
        .cert_orgs = orgs,
        .n_cert_orgs = n,
        .is_in_process = true,
    };
    return &l->pub;
}
