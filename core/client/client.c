/* The client, its sessions, and the calls themselves. */
#include "core/client/client_internal.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <time.h>

#define DEFAULT_TIMEOUT_MS 30000u
#define MAX_RETRIES 10 /* client-go rest.Request maxRetries */
#define MS_NS 1000000ull

/* Waits as a server asked (Retry-After); false where it would pass the deadline. */
static bool wait_for_retry(struct opr_caller *k, uint32_t after_s)
{
    uint64_t now = opr_clock_mono_ns(k->client->clock);
    if (k->deadline_ns != 0 && now + after_s * 1000 * MS_NS >= k->deadline_ns) {
        return false;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)after_s;
    pthread_mutex_lock(&k->lock);
    while (!k->is_cancelled && pthread_cond_timedwait(&k->wakeup, &k->lock, &until) == 0) {
    }
    bool may_go_on = !k->is_cancelled;
    pthread_mutex_unlock(&k->lock);
    return may_go_on;
}

struct opr_client *opr_client_new(struct opr_transport *take_transport)
{
    struct opr_client *c = opr_xalloc(sizeof *c);
    c->transport = take_transport;
    c->clock = opr_clock_system();
    c->wait = wait_for_retry;
    pthread_mutex_init(&c->discovery, NULL);
    pthread_mutex_init(&c->kinds_lock, NULL);
    pthread_mutex_init(&c->counts_lock, NULL);
    return c;
}

void opr_client_free(struct opr_client *c)
{
    if (!c) {
        return;
    }
    c->transport->free(c->transport);
    for (size_t i = 0; i < c->kinds.count; i++) {
        opr__kind_free(c->kinds.items[i]);
    }
    opr_vec_fini(&c->kinds);
    pthread_mutex_destroy(&c->discovery);
    pthread_mutex_destroy(&c->kinds_lock);
    pthread_mutex_destroy(&c->counts_lock);
    opr_free(c);
}

struct opr_transport *opr_client_transport(struct opr_client *c)
{
    return c->transport;
}

void opr_client_set_clock(struct opr_client *c, const struct opr_clock *clock)
{
    c->clock = clock ? clock : opr_clock_system();
}

const struct opr_clock *opr_client_clock(const struct opr_client *c)
{
    return c->clock;
}

struct opr_caller *opr_caller_new(struct opr_client *c)
{
    struct opr_caller *k = opr_xalloc(sizeof *k);
    k->client = c;
    k->session = c->transport->session_new(c->transport);
    pthread_mutex_init(&k->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->wakeup, &attr);
    pthread_condattr_destroy(&attr);
    return k;
}

void opr_caller_free(struct opr_caller *k)
{
    if (!k) {
        return;
    }
    k->client->transport->session_free(k->session);
    pthread_cond_destroy(&k->wakeup);
    pthread_mutex_destroy(&k->lock);
    opr_free(k);
}

void opr_caller_cancel(struct opr_caller *k)
{
    pthread_mutex_lock(&k->lock);
    k->is_cancelled = true;
    pthread_cond_broadcast(&k->wakeup);
    if (k->is_calling) { /* a transport may take a cancel for one that is meant for the next call */
        k->client->transport->cancel(k->session);
    }
    pthread_mutex_unlock(&k->lock);
}

bool opr_caller_is_cancelled(const struct opr_caller *k)
{
    struct opr_caller *mutable_k = (struct opr_caller *)k; /* only for its lock */
    pthread_mutex_lock(&mutable_k->lock);
    bool is_cancelled = k->is_cancelled;
    pthread_mutex_unlock(&mutable_k->lock);
    return is_cancelled;
}

void opr_caller_set_deadline(struct opr_caller *k, uint64_t mono_ns)
{
    pthread_mutex_lock(&k->lock);
    k->is_cancelled = false;
    pthread_mutex_unlock(&k->lock);
    k->deadline_ns = mono_ns;
}

void opr_client_note_answer(struct opr_client *c, const char *method, int code)
{
    pthread_mutex_lock(&c->counts_lock);
    size_t i = 0;
    while (i < c->n_counts &&
           (c->counts[i].code != code || strcmp(c->counts[i].method, method) != 0)) {
        i++;
    }
    if (i == c->n_counts && i < OPR__CLIENT_COUNTS) {
        c->counts[i].code = code;
        size_t len = strnlen(method, sizeof c->counts[i].method - 1);
        memcpy(c->counts[i].method, method, len);
        c->n_counts++;
    }
    if (i < OPR__CLIENT_COUNTS) {
        c->counts[i].count++;
    }
    pthread_mutex_unlock(&c->counts_lock);
}

void opr_client_each_count(struct opr_client *c, opr_client_count_fn fn, void *arg)
{
    struct opr__count counts[OPR__CLIENT_COUNTS];
    pthread_mutex_lock(&c->counts_lock);
    size_t n = c->n_counts;
    memcpy(counts, c->counts, n * sizeof counts[0]);
    pthread_mutex_unlock(&c->counts_lock);
    for (size_t i = 0; i < n; i++) {
        fn(arg, counts[i].method, counts[i].code, counts[i].count);
    }
}

uint64_t opr_client_retries(const struct opr_client *c)
{
    struct opr_client *mutable_c = (struct opr_client *)c; /* only for its lock */
    pthread_mutex_lock(&mutable_c->counts_lock);
    uint64_t retries = c->retries;
    pthread_mutex_unlock(&mutable_c->counts_lock);
    return retries;
}

static void count_retry(struct opr_client *c)
{
    pthread_mutex_lock(&c->counts_lock);
    c->retries++;
    pthread_mutex_unlock(&c->counts_lock);
}

/* Milliseconds left for a call, at most the usual time-out; 0: none is left. */
static uint32_t time_left_ms(const struct opr_caller *k)
{
    if (k->deadline_ns == 0) {
        return DEFAULT_TIMEOUT_MS;
    }
    uint64_t now = opr_clock_mono_ns(k->client->clock);
    if (now >= k->deadline_ns) {
        return 0;
    }
    uint64_t left_ms = (k->deadline_ns - now + MS_NS - 1) / MS_NS;
    return left_ms < DEFAULT_TIMEOUT_MS ? (uint32_t)left_ms : DEFAULT_TIMEOUT_MS;
}

/* Where it returns OPR_OK, end_call() must follow. */
static opr_status begin_call(struct opr_caller *k, struct opr_error *reterr)
{
    if (time_left_ms(k) == 0) {
        return opr_error_set(reterr, OPR_E_TIMEOUT, "no time is left for the call");
    }
    pthread_mutex_lock(&k->lock);
    bool is_cancelled = k->is_cancelled;
    k->is_calling = !is_cancelled;
    pthread_mutex_unlock(&k->lock);
    return is_cancelled ? opr_error_set(reterr, OPR_E_CANCELLED, "the call was cancelled") : OPR_OK;
}

static void end_call(struct opr_caller *k)
{
    pthread_mutex_lock(&k->lock);
    k->is_calling = false;
    pthread_mutex_unlock(&k->lock);
}

/* client-go's with_retry: only where the server names a time, which it does where it has not begun
 * to serve the request. */
static bool should_retry(const struct opr_client_response *res, int attempt)
{
    return attempt < MAX_RETRIES && res->retry_after_s > 0 &&
           (res->status == 429 || res->status >= 500);
}

static opr_status exchange(struct opr_caller *k, struct opr_client_request *req,
                           struct opr_client_response *ret_res, struct opr_error *reterr)
{
    struct opr_client *c = k->client;
    for (int attempt = 0;; attempt++) {
        OPR_TRY(begin_call(k, reterr));
        req->timeout_ms = time_left_ms(k);
        memset(ret_res, 0, sizeof *ret_res);
        uint64_t sent_ns = opr_clock_mono_ns(c->clock);
        opr_status st = c->transport->call(k->session, req, ret_res, reterr);
        opr__client_note_latency(c, req->method, opr_clock_mono_ns(c->clock) - sent_ns);
        end_call(k);
        opr_client_note_answer(c, req->method, st == OPR_OK ? ret_res->status : 0);
        if (st != OPR_OK || !should_retry(ret_res, attempt) ||
            !c->wait(k, ret_res->retry_after_s)) {
            return st;
        }
        opr_buf_fini(&ret_res->body);
        count_retry(c);
    }
}

/* The object of a good answer; a refusal becomes its status. */
static opr_status read_answer(const struct opr_client_response *res, struct opr_obj **ret_obj,
                              struct opr_error *reterr)
{
    struct opr_str body = opr_buf_str(&res->body);
    opr_status st = opr_status_from_answer(res->status, body, reterr);
    if (st != OPR_OK || !ret_obj) {
        return st;
    }
    if (opr_str_trim(body).len == 0) {
        *ret_obj = NULL;
        return OPR_OK;
    }
    return opr_json_parse(body, ret_obj, reterr);
}

opr_status opr_call(struct opr_caller *k, const char *method, const char *path_query,
                    const char *content_type, struct opr_str body, struct opr_obj **ret_obj,
                    struct opr_error *reterr)
{
    struct opr_client_request req = {
        .method = method, .path_query = path_query, .content_type = content_type, .body = body};
    struct opr_client_response res = {0};
    opr_status st = exchange(k, &req, &res, reterr);
    if (st == OPR_OK) {
        st = read_answer(&res, ret_obj, reterr);
    }
    opr_buf_fini(&res.body);
    return st;
}

opr_status opr__call_text(struct opr_caller *k, const char *path, const char *accept,
                          struct opr_buf *ret_body, struct opr_error *reterr)
{
    struct opr_client_request req = {.method = "GET", .path_query = path, .accept = accept};
    struct opr_client_response res = {0};
    opr_status st = exchange(k, &req, &res, reterr);
    if (st == OPR_OK) {
        st = opr_status_from_answer(res.status, opr_buf_str(&res.body), reterr);
    }
    if (st != OPR_OK) {
        opr_buf_fini(&res.body);
        return st;
    }
    *ret_body = res.body;
    return OPR_OK;
}

static void finish_item(struct opr_caller *k, struct opr_call_item *item,
                        struct opr_client_response *res, opr_status st)
{
    opr_client_note_answer(k->client, item->method, st == OPR_OK ? res->status : 0);
    if (st != OPR_OK) {
        item->status = opr_error_set(&item->error, st, "%s %s: %s", item->method, item->path_query,
                                     opr_status_name(st));
    } else if (should_retry(res, 0) && k->client->wait(k, res->retry_after_s)) {
        count_retry(k->client);
        item->status = opr_call(k, item->method, item->path_query, item->content_type, item->body,
                                &item->ret_obj, &item->error);
    } else {
        item->status = read_answer(res, &item->ret_obj, &item->error);
    }
    opr_buf_fini(&res->body);
}

void opr_call_many(struct opr_caller *k, struct opr_call_item *items, size_t n)
{
    struct opr_error err = {0};
    opr_status refusal = n > 0 ? begin_call(k, &err) : OPR_OK;
    if (n == 0 || refusal != OPR_OK) {
        for (size_t i = 0; i < n; i++) {
            items[i].status = refusal;
            items[i].error = err;
        }
        return;
    }
    struct opr_client_request *reqs = opr_xalloc(n * sizeof *reqs);
    struct opr_client_response *res = opr_xalloc(n * sizeof *res);
    opr_status *statuses = opr_xalloc(n * sizeof *statuses);
    uint32_t timeout_ms = time_left_ms(k);
    for (size_t i = 0; i < n; i++) {
        reqs[i] = (struct opr_client_request){.method = items[i].method,
                                              .path_query = items[i].path_query,
                                              .content_type = items[i].content_type,
                                              .body = items[i].body,
                                              .timeout_ms = timeout_ms};
    }
    uint64_t sent_ns = opr_clock_mono_ns(k->client->clock);
    k->client->transport->call_many(k->session, reqs, n, res, statuses);
    uint64_t took_ns = opr_clock_mono_ns(k->client->clock) - sent_ns;
    end_call(k);
    for (size_t i = 0; i < n; i++) {
        opr__client_note_latency(k->client, items[i].method, took_ns);
        finish_item(k, &items[i], &res[i], statuses[i]);
    }
    opr_free(reqs);
    opr_free(res);
    opr_free(statuses);
}
