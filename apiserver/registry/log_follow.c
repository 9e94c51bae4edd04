/* A followed log: a thread of its own reads the agent for as long as somebody listens, and waits
 * where the listener is slower than the agent. Threads: made by a worker, pulled and closed by the
 * connection, filled by its own. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <time.h>

#define HEADER_WAIT_S 20
#define TEXT_MAX (256 * 1024) /* read ahead of the listener */

struct follow {
    struct opr_http_source source; /* first member */
    pthread_t thread;
    struct opr_loop *loop;         /* owned; runs on the thread */
    struct opr_endpoint *endpoint; /* ref */
    char *path;                    /* owned */
    pthread_mutex_t lock;          /* guards what follows */
    pthread_cond_t changed;
    struct opr_buf text;
    struct opr_http_waker *waker;
    int status; /* of the agent's answer; 0: none yet */
    struct opr_error error;
    bool is_over, is_closing;
};

static void on_header(void *arg, int status)
{
    struct follow *f = arg;
    pthread_mutex_lock(&f->lock);
    f->status = status;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Blocking here stops this thread's loop, which has nothing else to do, and so the agent. */
static void on_data(void *arg, struct opr_str data)
{
    struct follow *f = arg;
    pthread_mutex_lock(&f->lock);
    while (f->text.len > TEXT_MAX && !f->is_closing) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    opr_buf_add_str(&f->text, data);
    if (f->waker) {
        f->waker->wake(f->waker);
    }
    pthread_mutex_unlock(&f->lock);
}

static void on_end(void *arg, opr_status st, const struct opr_error *err)
{
    struct follow *f = arg;
    pthread_mutex_lock(&f->lock);
    f->is_over = true;
    if (st != OPR_OK && err) {
        f->error = *err;
    }
    if (f->waker) {
        f->waker->wake(f->waker);
    }
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void *run(void *arg)
{
    static const struct opr_stream_handler handler = {on_header, on_data, on_end};
    struct follow *f = arg;
    struct opr_client_request req = {.method = "GET", .path_query = f->path, .accept = "*/*"};
    struct opr_streams *streams = opr_streams_new(f->loop, f->endpoint);
    (void)opr_stream_open(streams, &req, &handler, f); /* it ends with on_end or with its streams */
    opr_loop_run(f->loop);
    opr_streams_free(streams);
    return NULL;
}

static opr_status pull(struct opr_http_source *s, struct opr_buf *out, size_t max)
{
    struct follow *f = (struct follow *)s;
    pthread_mutex_lock(&f->lock);
    size_t len = f->text.len < max ? f->text.len : max;
    opr_buf_add(out, f->text.data, len);
    opr_buf_consume(&f->text, len);
    opr_status st = f->is_over && len == 0 ? OPR_E_END : OPR_OK;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return st;
}

static void attach(struct opr_http_source *s, struct opr_http_waker *waker)
{
    struct follow *f = (struct follow *)s;
    pthread_mutex_lock(&f->lock);
    f->waker = waker;
    pthread_mutex_unlock(&f->lock);
}

static void close_follow(struct opr_http_source *s)
{
    struct follow *f = (struct follow *)s;
    pthread_mutex_lock(&f->lock);
    f->waker = NULL;
    f->is_closing = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    opr_loop_stop(f->loop);
    pthread_join(f->thread, NULL);
    opr_loop_free(f->loop);
    opr_endpoint_unref(f->endpoint);
    opr_buf_fini(&f->text);
    opr_free(f->path);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    opr_free(f);
}

/* Waits for the answer's status, and for all of a refusal. */
static void wait_for_status(struct follow *f)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += HEADER_WAIT_S;
    int rc = 0;
    while (!f->is_over && f->status != 200 && rc == 0) {
        rc = pthread_cond_timedwait(&f->changed, &f->lock, &until);
    }
}

void opr_log_follow(struct opr_req *r, struct opr_endpoint *endpoint, const char *path)
{
    struct follow *f = opr_xalloc(sizeof *f);
    f->source = (struct opr_http_source){pull, attach, close_follow};
    f->loop = opr_loop_new();
    f->endpoint = opr_endpoint_ref(endpoint);
    f->path = opr_xstrdup(path);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    OPR_CHECK(pthread_create(&f->thread, NULL, run, f) == 0);
    pthread_mutex_lock(&f->lock);
    wait_for_status(f);
    int status = f->status;
    if (status == 0) {
        opr_api_fail(r, 500, NULL, "the node agent does not answer: %s", f->error.message);
    } else if (status != 200) {
        opr_log_refuse(r, status, opr_buf_str(&f->text));
    }
    pthread_mutex_unlock(&f->lock);
    if (status != 200) {
        close_follow(&f->source);
        return;
    }
    r->res->status = 200;
    r->res->source = &f->source;
    opr_api_header(r, "Content-Type", OPR_STR("text/plain"));
}
