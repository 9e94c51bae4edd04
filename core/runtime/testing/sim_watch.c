/* Watches: each is a cursor into the log of changes. Nothing is delivered before sim_pump(). */
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/net/http.h"
#include "core/runtime/testing/sim.h"

struct opr_transport_stream {
    struct sim *sim;
    const struct opr_stream_handler *handler;
    void *arg;
    struct opr_arena *arena; /* owned; of the query */
    char *path_query;        /* owned */
    struct sim_query query;
    bool is_found; /* the path means something */
    bool is_watch, sends_initial;
    bool is_begun, is_closed;
    size_t cursor; /* into the log */
};

static uint64_t number_of(struct opr_str text)
{
    uint64_t n = 0;
    return opr_str_to_u64(text, &n) == OPR_OK ? n : 0;
}

/* The first change behind a version. */
static size_t cursor_behind(const struct sim *s, uint64_t rv)
{
    size_t at = s->log.count;
    while (at > 0 && ((const struct sim_change *)s->log.items[at - 1])->rv > rv) {
        at--;
    }
    return at;
}

struct opr_transport_stream *sim_stream_open(struct opr_transport *t,
                                             const struct opr_client_request *req,
                                             const struct opr_stream_handler *handler, void *arg)
{
    struct sim *s = (struct sim *)t;
    struct opr_transport_stream *st = opr_xalloc(sizeof *st);
    st->sim = s;
    st->handler = handler;
    st->arg = arg;
    st->arena = opr_arena_new();
    st->path_query = opr_xstrdup(req->path_query);
    st->is_found = sim_query_parse(s, st->arena, st->path_query, &st->query);
    if (st->is_found) {
        struct opr_str query = st->query.query;
        struct opr_str rv = opr_query_get(st->arena, query, "resourceVersion");
        st->is_watch = opr_str_is(opr_query_get(st->arena, query, "watch"), "true");
        st->sends_initial =
            opr_str_is(opr_query_get(st->arena, query, "sendInitialEvents"), "true");
        st->cursor = rv.len > 0 ? cursor_behind(s, number_of(rv)) : s->log.count;
    }
    opr_vec_push(&s->streams, st);
    return st;
}

void sim_stream_close(struct opr_transport_stream *st)
{
    st->is_closed = true; /* freed by the next pump: the call may come from its own callback */
}

static void free_stream(struct opr_transport_stream *st)
{
    opr_arena_free(st->arena);
    opr_free(st->path_query);
    opr_free(st);
}

void sim_streams_fini(struct sim *s)
{
    for (size_t i = 0; i < s->streams.count; i++) {
        free_stream(s->streams.items[i]);
    }
    opr_vec_fini(&s->streams);
}

static void send(struct opr_transport_stream *st, struct opr_buf *b)
{
    if (!st->is_closed && b->len > 0) {
        st->handler->on_data(st->arg, opr_buf_str(b));
    }
    opr_buf_clear(b);
}

static void add_event(struct opr_buf *b, const char *type, const struct opr_obj *o)
{
    opr_buf_printf(b, "{\"type\":\"%s\",\"object\":", type);
    opr_json_write(b, o);
    opr_buf_add_text(b, "}\n");
}

static void add_bookmark(struct opr_buf *b, const struct opr_transport_stream *st)
{
    const struct sim_kind *k = st->query.kind;
    opr_buf_printf(b,
                   "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s%s%s\","
                   "\"metadata\":{\"resourceVersion\":\"%llu\",\"creationTimestamp\":null,"
                   "\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n",
                   k->kind, k->group, *k->group ? "/" : "", k->version,
                   (unsigned long long)st->sim->rv);
}

/* Anything but a watch, and a watch that is refused: one answer, then the end. */
static void answer_once(struct opr_transport_stream *st, int failure)
{
    struct opr_client_request req = {.method = "GET", .path_query = st->path_query};
    struct opr_client_response res = {0};
    if (failure) {
        sim_answer_failure(failure, &res);
    } else {
        (void)sim_handle(st->sim, &req, &res); /* nothing is pumped to a client that crashed */
    }
    st->handler->on_header(st->arg, res.status);
    send(st, &res.body);
    opr_buf_fini(&res.body);
    if (!st->is_closed) {
        st->is_closed = true;
        st->handler->on_end(st->arg, OPR_OK, NULL);
    }
}

static void begin_watch(struct opr_transport_stream *st)
{
    struct opr_buf b = {0};
    st->handler->on_header(st->arg, 200);
    if (st->sends_initial) {
        const struct sim_kind *k = st->query.kind;
        for (size_t i = 0; i < k->objects.count; i++) {
            if (sim_query_selects(&st->query, k->objects.items[i])) {
                add_event(&b, "ADDED", k->objects.items[i]);
            }
        }
        add_bookmark(&b, st);
        st->cursor = st->sim->log.count;
    }
    send(st, &b);
    opr_buf_fini(&b);
}

/* An object that enters or leaves the selection is added or deleted, for this watch. */
static void add_change(struct opr_buf *b, const struct opr_transport_stream *st,
                       const struct sim_change *c)
{
    if (c->kind != st->query.kind) {
        return;
    }
    bool was = sim_query_selects(&st->query, c->was);
    bool is = sim_query_selects(&st->query, c->is);
    if (is) {
        add_event(b, was ? "MODIFIED" : "ADDED", c->is);
    } else if (was) {
        add_event(b, "DELETED", c->last ? c->last : c->is);
    }
}

/* True where something was delivered. */
static bool pump_stream(struct opr_transport_stream *st)
{
    if (st->is_closed || (st->is_found && st->query.kind->is_held)) {
        return false;
    }
    bool is_first = !st->is_begun;
    int failure = is_first && st->is_found && st->is_watch
                      ? sim_planned_failure(st->sim, "watch", st->query.kind)
                      : 0;
    if (!st->is_found || !st->is_watch || failure) {
        answer_once(st, failure);
        return true;
    }
    if (is_first) {
        st->is_begun = true;
        begin_watch(st);
    }
    struct opr_buf b = {0};
    while (!st->is_closed && st->cursor < st->sim->log.count) {
        add_change(&b, st, st->sim->log.items[st->cursor++]);
    }
    bool has_news = b.len > 0;
    send(st, &b);
    opr_buf_fini(&b);
    return is_first || has_news;
}

bool sim_pump(struct sim *s)
{
    bool did_something = false;
    for (size_t i = 0; i < s->streams.count && !s->is_client_crashed; i++) {
        did_something = pump_stream(s->streams.items[i]) || did_something;
    }
    for (size_t i = s->streams.count; i-- > 0;) {
        struct opr_transport_stream *st = s->streams.items[i];
        if (st->is_closed) {
            opr_vec_remove(&s->streams, i);
            free_stream(st);
        }
    }
    return did_something;
}
