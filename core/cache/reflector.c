/* What an informer asks the server for, and when. The times are client-go's (tools/cache
 * Reflector): back-off 0.8 s doubling to 30 s with jitter, cleared after 2 min of health; a watch
 * lasts 5 to 10 min. */
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/cache/informer_internal.h"
#include "core/net/loop.h"

#define MS_NS 1000000ull
#define BACKOFF_FIRST_MS 800u
#define BACKOFF_MAX_MS 30000u
#define BACKOFF_RESET_MS 120000u
#define WATCH_MIN_S 300u
#define GONE_MS 10000u            /* twice within this time is too often */
#define HEALTHY_MS 1000u          /* a watch that lasted as long did not fail at once */
#define INITIAL_SILENCE_MS 60000u /* then the server is taken not to stream lists */
#define STALL_GRACE_MS 30000u     /* a watch ends this long after its own end at the latest */
#define HEADER_MS 30000u          /* a server that lives answers a watch at once */
/* Bookmarks come about every minute (apiserver bookmarkFrequency): three that are missing mean a
 * server that hangs, whose kernel still answers for it. */
#define BOOKMARK_SILENCE_MS 200000u
#define RETRY_AFTER_MAX_S 600
#define RETRY_SPREAD_MS 200u
#define PAGE_ITEMS 500

static uint64_t now_ns(const struct opr_informer *i)
{
    return opr_clock_mono_ns(i->clock);
}

void opr__reflector_arm(struct opr_informer *i)
{
    if (!i->timer) {
        return;
    }
    uint64_t due = opr_informer_next_due_ns(i);
    if (due == UINT64_MAX) {
        opr_timer_stop(i->timer);
        return;
    }
    uint64_t now = now_ns(i);
    opr_timer_set(i->timer, due > now ? (due - now + MS_NS - 1) / MS_NS : 0);
}

static void wait_ms(struct opr_informer *i, enum opr__phase next, uint64_t ms)
{
    i->phase = OPR__PHASE_WAITING;
    i->next = next;
    i->due_ns = now_ns(i) + ms * MS_NS;
    opr__reflector_arm(i);
}

/* The phase that makes the store complete again. */
static enum opr__phase list_phase(const struct opr_informer *i)
{
    return i->is_streaming_refused ? OPR__PHASE_LISTING : OPR__PHASE_STREAMING;
}

static enum opr__phase resume_phase(const struct opr_informer *i)
{
    return i->rv && opr_informer_is_synced(i) ? OPR__PHASE_WATCHING : list_phase(i);
}

/* Waits at least at_least_ms, as a server that is busy may ask. */
static void back_off_for(struct opr_informer *i, enum opr__phase next, uint64_t at_least_ms)
{
    uint64_t now = now_ns(i);
    if (i->backoff_ms == 0 || now - i->failed_ns >= BACKOFF_RESET_MS * MS_NS) {
        i->backoff_ms = BACKOFF_FIRST_MS;
    }
    uint64_t ms = i->backoff_ms + opr_rand_below(i->backoff_ms + 1);
    i->failed_ns = now;
    i->backoff_ms = i->backoff_ms * 2 < BACKOFF_MAX_MS ? i->backoff_ms * 2 : BACKOFF_MAX_MS;
    wait_ms(i, next, ms > at_least_ms ? ms : at_least_ms + ms / 2);
}

static void back_off(struct opr_informer *i, enum opr__phase next)
{
    back_off_for(i, next, 0);
}

static void fail_for(struct opr_informer *i, enum opr__phase next, const char *why,
                     uint64_t at_least_ms)
{
    atomic_store(&i->has_failed, true);
    opr_log(opr_informer_is_synced(i) ? OPR_LOG_DEBUG : OPR_LOG_WARN, "cache",
            "watch interrupted, will retry", "kind=%s error=%s", i->resource->gvk, why);
    back_off_for(i, next, at_least_ms);
    if (i->on_failure) {
        i->on_failure(i->on_failure_arg);
    }
}

static void fail(struct opr_informer *i, enum opr__phase next, const char *why)
{
    fail_for(i, next, why, 0);
}

/* What a Status asks for; the handler of a stream does not see the Retry-After header beside it. */
static uint64_t retry_after_ms(struct opr_str body)
{
    struct opr_obj *status = NULL;
    int64_t seconds = 0;
    if (opr_json_parse(body, &status, NULL) == OPR_OK) {
        seconds = opr_json_int(status, "/details/retryAfterSeconds", 0);
    }
    opr_json_unref(status);
    seconds = seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S;
    return seconds > 0 ? (uint64_t)seconds * 1000 : 0;
}

/* The history that the watch needs is gone: list anew, at once where that did not happen just now.
 */
static void list_again(struct opr_informer *i)
{
    uint64_t now = now_ns(i);
    bool is_first = i->gone_ns == 0 || now - i->gone_ns >= GONE_MS * MS_NS;
    opr_free(i->rv);
    i->rv = NULL;
    opr_free(i->page);
    i->page = NULL;
    i->gone_ns = now;
    if (is_first) {
        wait_ms(i, list_phase(i), 0);
    } else {
        back_off(i, list_phase(i));
    }
}

/* The server refused the request with a code; what was received is its answer. */
static void refused(struct opr_informer *i, enum opr__phase phase)
{
    struct opr_error err = {0};
    opr_status st = opr_status_from_answer(i->http_status, opr_buf_str(&i->pending), &err);
    bool is_about_request = st == OPR_E_INVALID || st == OPR_E_UNSUPPORTED || st == OPR_E_FORBIDDEN;
    if (phase == OPR__PHASE_STREAMING && is_about_request && !i->is_streaming_refused) {
        i->is_streaming_refused = true;
        wait_ms(i, OPR__PHASE_LISTING, 0);
    } else if (st == OPR_E_EXPIRED) {
        list_again(i);
    } else if (phase == OPR__PHASE_WATCHING && st == OPR_E_INVALID) {
        fail(i, list_phase(i), err.message); /* a version that the server does not understand */
    } else if (phase == OPR__PHASE_LISTING && i->page && st == OPR_E_INVALID) {
        opr_free(i->page); /* a page that it does not understand: another server, or a new key */
        i->page = NULL;
        fail(i, OPR__PHASE_LISTING, err.message);
    } else {
        fail_for(i, phase == OPR__PHASE_LISTING ? OPR__PHASE_LISTING : resume_phase(i), err.message,
                 retry_after_ms(opr_buf_str(&i->pending)));
    }
}

static void page_done(struct opr_informer *i)
{
    char *page = NULL;
    opr_status st = opr__informer_decode_page(i, &page);
    opr_free(i->page);
    i->page = page;
    if (st != OPR_OK) {
        fail(i, OPR__PHASE_LISTING, "the list could not be used");
        return;
    }
    if (page) {
        wait_ms(i, OPR__PHASE_LISTING, 0);
        return;
    }
    char *rv = opr_xstrdup(i->rv);
    opr__informer_list_done(i, rv);
    opr_free(rv);
    wait_ms(i, OPR__PHASE_WATCHING, 0);
}

/* A watch ended; where it worked for a while, that is how watches end. */
static void watch_ended(struct opr_informer *i)
{
    bool was_healthy = i->has_event || now_ns(i) - i->started_ns >= HEALTHY_MS * MS_NS;
    if (was_healthy) {
        wait_ms(i, resume_phase(i), 0);
    } else {
        back_off(i, resume_phase(i));
    }
}

static void on_header(void *arg, int status)
{
    struct opr_informer *i = arg;
    i->http_status = status;
    opr_client_note_answer(i->client, "GET", status);
    if (status == 200 && i->on_answer) {
        i->on_answer(i->on_answer_arg);
    }
}

void opr_informer_retry_now(struct opr_informer *i)
{
    if (i->phase == OPR__PHASE_WAITING && i->is_unreached) {
        uint64_t due = now_ns(i) + opr_rand_below(RETRY_SPREAD_MS) * MS_NS;
        i->due_ns = due < i->due_ns ? due : i->due_ns;
        opr__reflector_arm(i);
    }
}

/* The decoder wants the stream to end. It is closed in the next turn: not from its own callback. */
static void decode_failed(struct opr_informer *i, opr_status st)
{
    opr_buf_clear(&i->pending);
    i->scanned = 0;
    if (st == OPR_E_EXPIRED) {
        list_again(i);
    } else {
        fail(i, resume_phase(i), opr_status_name(st));
    }
}

/* When a watch counts as dead; later, as long as it is heard of. */
static uint64_t watch_end_ns(const struct opr_informer *i)
{
    uint64_t end = i->started_ns + (2 * WATCH_MIN_S * 1000ull + STALL_GRACE_MS) * MS_NS;
    uint64_t silence_end = i->heard_ns + BOOKMARK_SILENCE_MS * MS_NS;
    return i->has_bookmark && silence_end < end ? silence_end : end;
}

static void on_data(void *arg, struct opr_str data)
{
    struct opr_informer *i = arg;
    if (i->phase == OPR__PHASE_WAITING || i->phase == OPR__PHASE_STOPPED) {
        return;
    }
    i->heard_ns = now_ns(i);
    opr_buf_add_str(&i->pending, data);
    if (i->http_status != 200 || i->phase == OPR__PHASE_LISTING) {
        return;
    }
    opr_status st = opr__informer_decode_events(i);
    if (st != OPR_OK && i->phase != OPR__PHASE_STOPPED) {
        decode_failed(i, st);
    } else if (i->phase == OPR__PHASE_WATCHING && watch_end_ns(i) < i->due_ns) {
        i->due_ns = watch_end_ns(i); /* the first bookmark came */
        opr__reflector_arm(i);
    }
}

static void on_end(void *arg, opr_status st, const struct opr_error *err)
{
    struct opr_informer *i = arg;
    enum opr__phase phase = i->phase;
    i->stream = NULL;
    if (phase == OPR__PHASE_WAITING || phase == OPR__PHASE_STOPPED) {
        return;
    }
    if (st != OPR_OK) {
        const char *why = err && err->message[0] ? err->message : opr_status_name(st);
        fail(i, phase == OPR__PHASE_LISTING ? OPR__PHASE_LISTING : resume_phase(i), why);
        i->is_unreached = st == OPR_E_IO;
    } else if (i->http_status != 200) {
        refused(i, phase);
    } else if (phase == OPR__PHASE_LISTING) {
        page_done(i);
    } else if (phase == OPR__PHASE_STREAMING) {
        fail(i, OPR__PHASE_STREAMING, "the initial events ended early");
    } else {
        watch_ended(i);
    }
}

static const struct opr_stream_handler stream_handler = {on_header, on_data, on_end};

static void add_selectors(const struct opr_informer *i, struct opr_buf *path)
{
    if (i->labels) {
        opr_buf_add_text(path, "&labelSelector=");
        opr_url_encode(path, opr_str_of(i->labels));
    }
    if (i->fields) {
        opr_buf_add_text(path, "&fieldSelector=");
        opr_url_encode(path, opr_str_of(i->fields));
    }
}

/* Seconds that a watch is to last; spread, so that many do not end at once. */
static uint32_t watch_seconds(void)
{
    return WATCH_MIN_S + (uint32_t)opr_rand_below(WATCH_MIN_S);
}

static void build_path(const struct opr_informer *i, enum opr__phase phase, uint32_t seconds,
                       struct opr_buf *path)
{
    struct opr_arena *a = opr_arena_new();
    opr_buf_add_text(path, opr_resource_path(a, i->resource, i->ns, NULL, NULL));
    opr_arena_free(a);
    if (phase == OPR__PHASE_LISTING) {
        opr_buf_printf(path, "?limit=%d", PAGE_ITEMS);
        if (i->page) {
            opr_buf_add_text(path, "&continue=");
            opr_url_encode(path, opr_str_of(i->page));
        }
    } else {
        opr_buf_printf(path, "?watch=true&allowWatchBookmarks=true&timeoutSeconds=%u", seconds);
        if (phase == OPR__PHASE_STREAMING) {
            opr_buf_add_text(path, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
        } else {
            opr_buf_add_text(path, "&resourceVersion=");
            opr_url_encode(path, opr_str_of(i->rv));
        }
    }
    add_selectors(i, path);
}

static const char *accept_of(const struct opr_informer *i, enum opr__phase phase)
{
    if (!i->is_meta_only) {
        return NULL;
    }
    return phase == OPR__PHASE_LISTING
               ? "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
               : "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
}

static void open_stream(struct opr_informer *i, enum opr__phase phase)
{
    uint32_t seconds = watch_seconds();
    struct opr_buf path = {0};
    if (phase == OPR__PHASE_STREAMING || (phase == OPR__PHASE_LISTING && !i->page)) {
        i->epoch++;
    }
    build_path(i, phase, seconds, &path);
    uint64_t patience_ms = phase == OPR__PHASE_WATCHING ? HEADER_MS : INITIAL_SILENCE_MS;
    i->phase = phase;
    i->http_status = 0;
    i->has_event = false;
    i->has_bookmark = false;
    i->is_unreached = false;
    opr_buf_clear(&i->pending);
    i->scanned = 0;
    i->started_ns = now_ns(i);
    i->heard_ns = i->started_ns;
    i->due_ns = i->started_ns + patience_ms * MS_NS;
    struct opr_client_request req = {.method = "GET",
                                     .path_query = path.data,
                                     .accept = accept_of(i, phase),
                                     .timeout_ms = (seconds + 60) * 1000};
    struct opr_transport *t = opr_client_transport(i->client);
    i->stream = t->stream_open(t, &req, &stream_handler, i);
    opr_buf_fini(&path);
    opr__reflector_arm(i);
}

static void close_stream(struct opr_informer *i)
{
    if (i->stream) {
        struct opr_transport *t = opr_client_transport(i->client);
        t->stream_close(i->stream);
        i->stream = NULL;
    }
}

/* A stream's patience is over. */
static void stalled(struct opr_informer *i)
{
    close_stream(i);
    if (i->phase == OPR__PHASE_STREAMING && !i->has_event) {
        i->is_streaming_refused = true;
    }
    fail(i, i->phase == OPR__PHASE_LISTING ? OPR__PHASE_LISTING : resume_phase(i),
         "nothing came for too long");
}

void opr__reflector_tick(struct opr_informer *i)
{
    if (i->phase == OPR__PHASE_STOPPED || now_ns(i) < i->due_ns) {
        opr__reflector_arm(i);
        return;
    }
    if (i->phase == OPR__PHASE_WAITING) {
        close_stream(i);
        open_stream(i, i->next);
        return;
    }
    bool is_first_list_slow = i->phase == OPR__PHASE_STREAMING && i->has_event;
    if (is_first_list_slow) {
        i->has_event = false; /* events come: go on as long as they do */
        i->due_ns = now_ns(i) + INITIAL_SILENCE_MS * MS_NS;
        opr__reflector_arm(i);
        return;
    }
    uint64_t end = watch_end_ns(i);
    if (i->phase == OPR__PHASE_WATCHING && i->http_status != 0 && now_ns(i) < end) {
        i->due_ns = end;
        opr__reflector_arm(i);
        return;
    }
    stalled(i);
}

void opr__reflector_start(struct opr_informer *i)
{
    if (i->phase == OPR__PHASE_STOPPED) {
        wait_ms(i, list_phase(i), 0);
    }
}

void opr__reflector_stop(struct opr_informer *i)
{
    close_stream(i);
    i->phase = OPR__PHASE_STOPPED;
    i->due_ns = UINT64_MAX;
    if (i->timer) {
        opr_timer_stop(i->timer);
    }
}
