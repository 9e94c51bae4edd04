/* Kubernetes Events (core/v1), written by a thread of their own so that no reconcile waits for
 * them. Correlated as client-go does it (tools/record/events_cache.go): the same event again raises
 * a count, more than ten similar ones within ten minutes become one, and an object that causes too
 * many is throttled. */
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"

#include <inttypes.h>

#define QUEUE_MAX 1000u
#define CACHE_MAX 4096u
#define SIMILAR_MAX 10u
#define SIMILAR_MS (10 * 60 * 1000)
#define BURST 25.0
#define REFILL_MS 300000.0 /* one event */
#define WRITE_LIMIT_NS (10ull * 1000 * 1000 * 1000)
#define CLOSE_LIMIT_NS (1ull * 1000 * 1000 * 1000) /* for what is left at the end */
#define MESSAGE_MAX 1024u

struct note {
    char *source, *type, *reason, *message;               /* owned */
    char *api_version, *kind, *ns, *name, *uid, *version; /* owned; of the object */
    int64_t at_ms;
};

/* What was written of one event. */
struct written {
    char *name; /* owned; of the Event object */
    int64_t first_ms;
    uint32_t count;
};

/* Events that differ in their message only. */
struct similar {
    uint64_t messages[SIMILAR_MAX]; /* hashes */
    uint32_t count;
    int64_t last_ms;
};

struct bucket {
    double tokens;
    int64_t at_ms;
};

struct opr__recorder {
    struct opr_manager *m;
    struct opr_executor *executor; /* owned; NULL: inline */
    struct opr_caller *caller;     /* owned; writer only */

    pthread_mutex_t lock;
    struct opr_vec queue;         /* of struct note, owned; lock */
    uint64_t dropped;             /* lock */
    _Atomic uint64_t close_by_ns; /* client's clock; UINT64_MAX: not closing */

    /* writer only */
    struct opr_map *written; /* by all of the event */
    struct opr_map *similar; /* by all but the message */
    struct opr_map *buckets; /* by source and object */
    uint64_t serial;
};

static void free_note(struct note *n)
{
    opr_free(n->source);
    opr_free(n->type);
    opr_free(n->reason);
    opr_free(n->message);
    opr_free(n->api_version);
    opr_free(n->kind);
    opr_free(n->ns);
    opr_free(n->name);
    opr_free(n->uid);
    opr_free(n->version);
    opr_free(n);
}

static void free_written(void *arg)
{
    struct written *w = arg;
    opr_free(w->name);
    opr_free(w);
}

static uint64_t client_now(const struct opr__recorder *e)
{
    return opr_clock_mono_ns(opr_client_clock(e->m->config.client));
}

struct opr__recorder *opr__recorder_new(struct opr_manager *m)
{
    struct opr__recorder *e = opr_xalloc(sizeof *e);
    e->m = m;
    e->caller = opr_caller_new(m->config.client);
    e->executor = m->is_inline ? NULL : opr_executor_pool_new("opr-events", 1);
    atomic_store(&e->close_by_ns, UINT64_MAX);
    pthread_mutex_init(&e->lock, NULL);
    e->written = opr_map_new();
    e->similar = opr_map_new();
    e->buckets = opr_map_new();
    return e;
}

void opr__recorder_free(struct opr__recorder *e)
{
    if (!e) {
        return;
    }
    atomic_store(&e->close_by_ns, client_now(e) + CLOSE_LIMIT_NS);
    opr_caller_cancel(e->caller); /* the running write; the next ones have until close_by_ns */
    if (e->executor) {
        opr_executor_free(e->executor);
    }
    for (size_t i = 0; i < e->queue.count; i++) {
        free_note(e->queue.items[i]);
    }
    opr_vec_fini(&e->queue);
    opr_map_free(e->written, free_written);
    opr_map_free(e->similar, opr_free);
    opr_map_free(e->buckets, opr_free);
    opr_caller_free(e->caller);
    pthread_mutex_destroy(&e->lock);
    opr_free(e);
}

/* A map that only ever grows is emptied: what it forgot begins anew. */
static void bound_map(struct opr_map **map, void (*free_value)(void *))
{
    if (opr_map_count(*map) >= CACHE_MAX) {
        opr_map_free(*map, free_value);
        *map = opr_map_new();
    }
}

static bool is_throttled(struct opr__recorder *e, const struct note *n)
{
    char *key = opr_xprintf("%s|%s|%s|%s|%s", n->source, n->kind, n->ns, n->name, n->uid);
    struct bucket *b = opr_map_get(e->buckets, opr_str_of(key));
    if (!b) {
        bound_map(&e->buckets, opr_free);
        b = opr_xalloc(sizeof *b);
        *b = (struct bucket){BURST, n->at_ms};
        opr_map_put(e->buckets, opr_str_of(key), b);
    }
    opr_free(key);
    double tokens = b->tokens + (double)(n->at_ms - b->at_ms) / REFILL_MS;
    b->tokens = tokens < BURST ? tokens : BURST;
    b->at_ms = n->at_ms;
    if (b->tokens < 1) {
        return true;
    }
    b->tokens -= 1;
    return false;
}

/* True where too many similar ones came: then one Event stands for all of them. */
static bool is_combined(struct opr__recorder *e, const struct note *n, const char *key)
{
    struct similar *s = opr_map_get(e->similar, opr_str_of(key));
    if (!s) {
        bound_map(&e->similar, opr_free);
        s = opr_xalloc(sizeof *s);
        opr_map_put(e->similar, opr_str_of(key), s);
    } else if (n->at_ms - s->last_ms > SIMILAR_MS) {
        s->count = 0;
    }
    s->last_ms = n->at_ms;
    uint64_t hash = opr_str_hash(opr_str_of(n->message));
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->messages[i] == hash) {
            return false;
        }
    }
    if (s->count == SIMILAR_MAX) {
        return true;
    }
    s->messages[s->count++] = hash;
    return false;
}

static void add_member(struct opr_buf *b, const char *name, const char *value)
{
    opr_buf_printf(b, "\"%s\":", name);
    opr_buf_add_json(b, opr_str_of(value));
    opr_buf_add_char(b, ',');
}

static const char *event_ns(const struct note *n)
{
    return *n->ns ? n->ns : "default";
}

static void build_event(struct opr_buf *b, const struct note *n, const struct written *w,
                        const char *message)
{
    char first[OPR_TIME_TEXT_MAX], last[OPR_TIME_TEXT_MAX];
    opr_time_format(w->first_ms, first);
    opr_time_format(n->at_ms, last);
    opr_buf_add_text(b, "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{");
    add_member(b, "namespace", event_ns(n));
    opr_buf_add_text(b, "\"name\":");
    opr_buf_add_json(b, opr_str_of(w->name));
    opr_buf_add_text(b, "},\"involvedObject\":{");
    add_member(b, "apiVersion", n->api_version);
    add_member(b, "kind", n->kind);
    if (*n->ns) {
        add_member(b, "namespace", n->ns);
    }
    add_member(b, "name", n->name);
    add_member(b, "resourceVersion", n->version);
    opr_buf_add_text(b, "\"uid\":");
    opr_buf_add_json(b, opr_str_of(n->uid));
    opr_buf_add_text(b, "},");
    add_member(b, "reason", n->reason);
    add_member(b, "message", message);
    add_member(b, "type", n->type);
    add_member(b, "firstTimestamp", first);
    add_member(b, "lastTimestamp", last);
    add_member(b, "reportingComponent", n->source);
    add_member(b, "reportingInstance", "");
    opr_buf_add_text(b, "\"source\":{\"component\":");
    opr_buf_add_json(b, opr_str_of(n->source));
    opr_buf_printf(b, "},\"count\":%" PRIu32 "}", w->count);
}

static opr_status create_event(struct opr__recorder *e, const struct note *n, struct written *w,
                               const char *message, struct opr_error *reterr)
{
    struct opr_buf body = {0};
    opr_free(w->name);
    w->name =
        opr_xprintf("%s.%" PRIx64, n->name, (uint64_t)n->at_ms * 1000000 + e->serial++ % 1000000);
    w->first_ms = n->at_ms;
    build_event(&body, n, w, message);
    char *path = opr_xprintf("/api/v1/namespaces/%s/events", event_ns(n));
    opr_status st =
        opr_call(e->caller, "POST", path, "application/json", opr_buf_str(&body), NULL, reterr);
    opr_free(path);
    opr_buf_fini(&body);
    return st;
}

static opr_status raise_count(struct opr__recorder *e, const struct note *n,
                              const struct written *w, const char *message,
                              struct opr_error *reterr)
{
    char last[OPR_TIME_TEXT_MAX];
    opr_time_format(n->at_ms, last);
    struct opr_buf body = {0};
    opr_buf_printf(&body, "{\"count\":%" PRIu32 ",\"lastTimestamp\":\"%s\",\"message\":", w->count,
                   last);
    opr_buf_add_json(&body, opr_str_of(message));
    opr_buf_add_char(&body, '}');
    char *path = opr_xprintf("/api/v1/namespaces/%s/events/%s", event_ns(n), w->name);
    opr_status st = opr_call(e->caller, "PATCH", path, "application/merge-patch+json",
                             opr_buf_str(&body), NULL, reterr);
    opr_free(path);
    opr_buf_fini(&body);
    return st;
}

static void write_event(struct opr__recorder *e, const struct note *n, const char *key,
                        const char *message)
{
    struct opr_error err = {0};
    struct written *w = opr_map_get(e->written, opr_str_of(key));
    opr_status st = OPR_E_NOT_FOUND;
    uint64_t limit = client_now(e) + WRITE_LIMIT_NS, close_by = atomic_load(&e->close_by_ns);
    opr_caller_set_deadline(e->caller, limit < close_by ? limit : close_by);
    if (!w) {
        bound_map(&e->written, free_written);
        w = opr_xalloc(sizeof *w);
        opr_map_put(e->written, opr_str_of(key), w);
    }
    w->count++;
    if (w->name) {
        st = raise_count(e, n, w, message, &err);
    }
    if (st == OPR_E_NOT_FOUND) { /* the first one, or it has expired since */
        st = create_event(e, n, w, message, &err);
    }
    if (st != OPR_OK) {
        opr_log(OPR_LOG_DEBUG, "events", "event not written", "reason=%s error=%s", n->reason,
                err.message);
    }
}

static void correlate(struct opr__recorder *e, const struct note *n)
{
    struct opr_buf key = {0}, message = {0};
    opr_buf_printf(&key, "%s|%s|%s|%s|%s|%s|%s|%s", n->source, n->api_version, n->kind, n->ns,
                   n->name, n->uid, n->type, n->reason);
    if (is_combined(e, n, key.data)) {
        opr_buf_add_text(&message, "(combined from similar events): ");
    } else {
        opr_buf_printf(&key, "|%s", n->message);
    }
    if (!is_throttled(e, n)) {
        opr_buf_add_text(&message, n->message);
        write_event(e, n, key.data, message.data ? message.data : "");
    }
    opr_buf_fini(&key);
    opr_buf_fini(&message);
}

static struct note *next_note(struct opr__recorder *e)
{
    pthread_mutex_lock(&e->lock);
    struct note *n = e->queue.count > 0 ? opr_vec_remove(&e->queue, 0) : NULL;
    pthread_mutex_unlock(&e->lock);
    return n;
}

static void write_one(void *arg)
{
    struct opr__recorder *e = arg;
    struct note *n = next_note(e);
    if (n) {
        correlate(e, n);
        free_note(n);
    }
}

void opr__recorder_flush(struct opr__recorder *e)
{
    struct note *n;
    while (!e->executor && (n = next_note(e))) {
        correlate(e, n);
        free_note(n);
    }
}

void opr__recorder_add(struct opr__recorder *e, const char *source, const struct opr_obj *about,
                       const char *type, const char *reason, const char *message)
{
    struct note *n = opr_xalloc(sizeof *n);
    *n = (struct note){
        .source = opr_xstrdup(source),
        .type = opr_xstrdup(type),
        .reason = opr_xstrdup(reason),
        .message = opr_xstrndup(message, strnlen(message, MESSAGE_MAX)),
        .api_version = opr_xstrdup(opr_json_str(about, "/apiVersion", "")),
        .kind = opr_xstrdup(opr_json_str(about, "/kind", "")),
        .ns = opr_xstrdup(opr_meta_ns(about)),
        .name = opr_xstrdup(opr_meta_name(about)),
        .uid = opr_xstrdup(opr_meta_uid(about)),
        .version = opr_xstrdup(opr_json_str(about, "/metadata/resourceVersion", "")),
        .at_ms = opr_clock_wall_ms(e->m->clock),
    };
    pthread_mutex_lock(&e->lock);
    bool is_full = e->queue.count >= QUEUE_MAX;
    if (is_full) {
        e->dropped++;
    } else {
        opr_vec_push(&e->queue, n);
    }
    pthread_mutex_unlock(&e->lock);
    if (is_full) {
        free_note(n);
    } else if (e->executor) {
        opr_executor_run(e->executor, write_one, e);
    }
}
