/* Blocking calls on a worker: a multi handle of its own, no hand-over to another thread. */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/base/vec.h"
#include "core/net/client_internal.h"

#include <stdio.h>

#define POLL_MS 1000
/* While transfers share a connection, see nudge(); it grows up to POLL_MS while nothing comes. */
#define FIRST_POLL_MS 20
#define CONNECTIONS_MAX 16 /* where the server speaks HTTP/1.1 only */
#define KEPT_TRANSFERS 16
/* A cancel that comes while no call runs counts for a call that begins within this time: the worker
 * was on its way into it. */
#define CANCEL_AHEAD_NS (100ull * 1000000)

struct transfer {
    struct opr__easy easy;
    const char *method;              /* borrowed */
    struct opr_client_response *res; /* borrowed */
    struct opr_error *reterr;        /* borrowed; may be NULL */
    opr_status status;
    bool is_running, is_over_limit;
};

struct opr_session {
    struct opr_endpoint *endpoint; /* ref */
    CURLM *multi;                  /* owned */
    struct opr_vec transfers;      /* of struct transfer, owned */
    _Atomic uint64_t cancelled_ns; /* 0: not */
};

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * count;
    if (len > OPR__BODY_MAX - t->res->body.len) {
        t->is_over_limit = true;
        return 0;
    }
    opr_buf_add(&t->res->body, data, len);
    return len;
}

struct opr_session *opr_session_new(struct opr_endpoint *endpoint)
{
    struct opr_session *s = opr_xalloc(sizeof *s);
    s->endpoint = opr_endpoint_ref(endpoint);
    s->multi = curl_multi_init();
    OPR_CHECK(s->multi);
    curl_multi_setopt(s->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    curl_multi_setopt(s->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CONNECTIONS_MAX);
    return s;
}

static void drop_transfers(struct opr_session *s, size_t keep)
{
    while (s->transfers.count > keep) {
        struct transfer *t = opr_vec_remove(&s->transfers, s->transfers.count - 1);
        opr__easy_fini(&t->easy);
        opr_free(t);
    }
}

void opr_session_free(struct opr_session *s)
{
    if (!s) {
        return;
    }
    drop_transfers(s, 0);
    opr_vec_fini(&s->transfers);
    curl_multi_cleanup(s->multi);
    opr_endpoint_unref(s->endpoint);
    opr_free(s);
}

static struct transfer *transfer_at(struct opr_session *s, size_t i)
{
    while (s->transfers.count <= i) {
        struct transfer *t = opr_xalloc(sizeof *t);
        opr__easy_init(&t->easy);
        t->easy.may_block = true;
        opr_vec_push(&s->transfers, t);
    }
    return s->transfers.items[i];
}

static void start(struct opr_session *s, struct transfer *t, const struct opr_client_request *req,
                  struct opr_client_response *res, struct opr_error *reterr)
{
    memset(res, 0, sizeof *res);
    t->method = req->method;
    t->res = res;
    t->reterr = reterr;
    t->is_over_limit = false;
    t->is_running = false;
    t->status = opr__easy_prepare(&t->easy, s->endpoint, req, reterr);
    if (t->status != OPR_OK) {
        return;
    }
    CURL *curl = t->easy.curl;
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     (long)(req->timeout_ms ? req->timeout_ms : OPR__CALL_TIMEOUT_MS));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, t);
    CURLMcode code = curl_multi_add_handle(s->multi, curl);
    if (code != CURLM_OK) {
        t->status = opr_error_set(reterr, OPR_E_IO, "%s %s: %s", req->method, req->path_query,
                                  curl_multi_strerror(code));
        return;
    }
    t->is_running = true;
}

static void read_info(struct transfer *t)
{
    CURL *curl = t->easy.curl;
    long status = 0;
    curl_off_t retry_after = 0;
    const char *type = NULL;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    t->res->status = (int)status;
    t->res->retry_after_s = retry_after > 0 ? (uint32_t)retry_after : 0;
    snprintf(t->res->content_type, sizeof t->res->content_type, "%s", type ? type : "");
}

static void end(struct opr_session *s, struct transfer *t, CURLcode code)
{
    if (t->is_over_limit) {
        t->status = opr_error_set(t->reterr, OPR_E_LIMIT, "%s: the answer is over %u MiB",
                                  t->method, OPR__BODY_MAX / (1024 * 1024));
    } else {
        t->status = opr__easy_result(&t->easy, code, t->method, t->reterr);
    }
    if (t->status == OPR_OK) {
        read_info(t);
    } else {
        opr_buf_fini(&t->res->body);
    }
    curl_multi_remove_handle(s->multi, t->easy.curl);
    t->is_running = false;
}

static void read_ended(struct opr_session *s)
{
    int left = 0;
    CURLMsg *msg;
    while ((msg = curl_multi_info_read(s->multi, &left))) {
        if (msg->msg == CURLMSG_DONE) {
            CURLcode code = msg->data.result;
            char *private = NULL;
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
            end(s, (struct transfer *)private, code);
        }
    }
}

/* Ends what still runs, as cancelled or failed. */
static void give_up(struct opr_session *s, size_t n, opr_status st, const char *why)
{
    for (size_t i = 0; i < n; i++) {
        struct transfer *t = s->transfers.items[i];
        if (t->is_running) {
            curl_multi_remove_handle(s->multi, t->easy.curl);
            opr_buf_fini(&t->res->body);
            t->is_running = false;
            t->status = opr_error_set(t->reterr, st, "%s: %s", t->method, why);
        }
    }
}

static bool is_cancelled_ahead(struct opr_session *s)
{
    uint64_t at = atomic_exchange(&s->cancelled_ns, 0);
    return at != 0 && opr_clock_mono_ns(opr_clock_system()) - at < CANCEL_AHEAD_NS;
}

/* libcurl 7.88 can leave the last bytes of one transfer in its buffers when another one on the same
 * HTTP/2 connection has read them off the socket; nothing more arrives then, and it never looks.
 * Pausing and going on makes it look. */
static void nudge(struct opr_session *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct transfer *t = s->transfers.items[i];
        if (t->is_running) {
            curl_easy_pause(t->easy.curl, CURLPAUSE_RECV);
            curl_easy_pause(t->easy.curl, CURLPAUSE_CONT);
        }
    }
}

static void drive(struct opr_session *s, size_t n)
{
    if (is_cancelled_ahead(s)) {
        give_up(s, n, OPR_E_CANCELLED, "cancelled");
        return;
    }
    int shared_poll_ms = FIRST_POLL_MS;
    for (;;) {
        int running = 0;
        CURLMcode code = curl_multi_perform(s->multi, &running);
        read_ended(s);
        if (code == CURLM_OK && running == 0) {
            break;
        }
        if (atomic_load(&s->cancelled_ns) != 0) {
            give_up(s, n, OPR_E_CANCELLED, "cancelled");
            break;
        }
        int ready = 0;
        if (code == CURLM_OK) {
            code = curl_multi_poll(s->multi, NULL, 0, n > 1 ? shared_poll_ms : POLL_MS, &ready);
        }
        if (ready > 0) {
            shared_poll_ms = FIRST_POLL_MS;
        } else if (n > 1) {
            nudge(s, n);
            shared_poll_ms = shared_poll_ms < POLL_MS / 2 ? shared_poll_ms * 2 : POLL_MS;
        }
        if (code != CURLM_OK) {
            give_up(s, n, OPR_E_IO, curl_multi_strerror(code));
            break;
        }
    }
    atomic_store(&s->cancelled_ns, 0);
}

opr_status opr_session_call(struct opr_session *s, const struct opr_client_request *req,
                            struct opr_client_response *ret_res, struct opr_error *reterr)
{
    struct transfer *t = transfer_at(s, 0);
    start(s, t, req, ret_res, reterr);
    drive(s, 1);
    if (t->status == OPR_OK && ret_res->status == 401 &&
        opr__endpoint_token_refused(s->endpoint, t->easy.token_number, true)) {
        opr_buf_fini(&ret_res->body);
        start(s, t, req, ret_res, reterr); /* once more, with the token that has replaced it */
        drive(s, 1);
    }
    return t->status;
}

void opr_session_call_many(struct opr_session *s, const struct opr_client_request *reqs, size_t n,
                           struct opr_client_response *ret_res, opr_status *ret_status)
{
    for (size_t i = 0; i < n; i++) {
        start(s, transfer_at(s, i), &reqs[i], &ret_res[i], NULL);
    }
    drive(s, n);
    for (size_t i = 0; i < n; i++) {
        const struct transfer *t = transfer_at(s, i);
        ret_status[i] = t->status;
        if (t->status == OPR_OK && ret_res[i].status == 401) {
            (void)opr__endpoint_token_refused(s->endpoint, t->easy.token_number,
                                              true); /* next time */
        }
    }
    drop_transfers(s, KEPT_TRANSFERS);
}

void opr_session_cancel(struct opr_session *s)
{
    atomic_store(&s->cancelled_ns, opr_clock_mono_ns(opr_clock_system()));
    curl_multi_wakeup(s->multi);
}
