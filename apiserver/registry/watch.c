/* Watches: a cursor in the store's history, read as the connection pulls. A slow reader costs
 * nothing and falls off with 410. Threads: made by a worker, pulled and closed by the connection's
 * loop, woken by the store's writer and the watch clock. */
#include "apiserver/registry/api.h"

#include "core/api/selector.h"
#include "core/base/alloc.h"
#include "core/base/rand.h"
#include "core/base/str.h"

#include <stdio.h>

#define BOOKMARK_MS 60000
#define TIMEOUT_MIN_MS 1800000 /* without timeoutSeconds: 30 to 60 minutes, as kube-apiserver */

struct watch {
    struct opr_http_source source; /* first member */
    struct opr_http_waker hook;    /* what the store wakes */
    struct opr_apiserver *api;
    struct opr_kind *kind; /* ref */
    struct opr_select select;
    struct opr_arena *arena;         /* owned: the selector's text, the initial objects */
    struct opr_store_cursor *cursor; /* NULL: expired from the start */
    const struct opr_obj *const *initial;
    size_t n_initial, next_initial;
    uint64_t initial_rv;
    uint64_t given_rv; /* of an expired watch, for its message */
    uint64_t end_ns, bookmark_ns;
    uint64_t alarm_ns; /* what the alarm was set to last */
    struct opr_alarm alarm;
    enum opr_form form;
    bool has_bookmarks, has_initial_end, has_columns, is_over;
    pthread_mutex_t lock;         /* guards waker */
    struct opr_http_waker *waker; /* NULL before attach */
};

static void wake(struct watch *w)
{
    pthread_mutex_lock(&w->lock);
    if (w->waker) {
        w->waker->wake(w->waker);
    }
    pthread_mutex_unlock(&w->lock);
}

static void on_store(struct opr_http_waker *hook)
{
    wake((struct watch *)(void *)((char *)hook - offsetof(struct watch, hook)));
}

static void on_alarm(void *arg)
{
    wake(arg);
}

static void attach(struct opr_http_source *s, struct opr_http_waker *waker)
{
    struct watch *w = (struct watch *)s;
    pthread_mutex_lock(&w->lock);
    w->waker = waker;
    pthread_mutex_unlock(&w->lock);
}

static void close_watch(struct opr_http_source *s)
{
    struct watch *w = (struct watch *)s;
    opr_alarm_set(w->api->watch_clock, &w->alarm, 0);
    opr_store_unwatch(w->cursor);
    opr_select_fini(&w->select);
    opr_kind_unref(w->kind);
    opr_arena_free(w->arena);
    pthread_mutex_destroy(&w->lock);
    opr_free(w);
}

static void add_event(struct watch *w, struct opr_buf *out, const char *type,
                      const struct opr_obj *obj)
{
    opr_buf_printf(out, "{\"type\":\"%s\",\"object\":", type);
    struct opr_obj *view = opr_api_view(w->kind, obj);
    if (w->form == OPR_FORM_OBJECT && view == obj) {
        opr_texts_add(w->api->texts, obj, out); /* as it is stored: one text for all watchers */
    } else {
        opr_form_object(out, w->kind, w->form, !w->has_columns, obj,
                        opr_clock_wall_ms(w->api->clock));
    }
    opr_json_unref(view);
    opr_buf_add_text(out, "}\n");
    w->has_columns = true;
}

static void add_bookmark(struct watch *w, struct opr_buf *out, uint64_t rv, bool is_initial_end)
{
    const char *annotation =
        is_initial_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "";
    opr_buf_add_text(out, "{\"type\":\"BOOKMARK\",\"object\":");
    if (opr_form_is_table(w->form)) {
        opr_buf_printf(out,
                       "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":"
                       "{\"resourceVersion\":\"%llu\"},\"columnDefinitions\":null,\"rows\":"
                       "[{\"cells\":[],\"object\":{\"kind\":\"PartialObjectMetadata\","
                       "\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":"
                       "\"%llu\",\"creationTimestamp\":null%s}}}]}",
                       (unsigned long long)rv, (unsigned long long)rv, annotation);
    } else {
        bool is_partial = w->form == OPR_FORM_PARTIAL;
        opr_buf_printf(out,
                       "{\"kind\":\"%s\",\"apiVersion\":\"%s%s%s\",\"metadata\":"
                       "{\"resourceVersion\":\"%llu\",\"creationTimestamp\":null%s}}",
                       is_partial ? "PartialObjectMetadata" : w->kind->kind,
                       is_partial ? "meta.k8s.io" : w->kind->group,
                       is_partial || *w->kind->group ? "/" : "",
                       is_partial ? "v1" : w->kind->version, (unsigned long long)rv, annotation);
    }
    opr_buf_add_text(out, "}\n");
    w->bookmark_ns = opr_clock_mono_ns(w->api->clock) + BOOKMARK_MS * 1000000ull;
}

static void add_expired(struct watch *w, struct opr_buf *out)
{
    struct opr_buf message = {0};
    opr_buf_printf(&message, "too old resource version: %llu (%llu)",
                   (unsigned long long)w->given_rv,
                   (unsigned long long)opr_store_revision(w->api->store));
    struct json_object *status = opr_status_doc(410, "Expired", message.data);
    opr_buf_add_text(out, "{\"type\":\"ERROR\",\"object\":");
    opr_doc_write(out, status);
    opr_buf_add_text(out, "}\n");
    json_object_put(status);
    opr_buf_fini(&message);
    w->is_over = true;
}

static bool selects(const struct watch *w, const struct opr_obj *obj)
{
    return obj && (w->select.is_all || opr_select_matches(&w->select, w->kind, obj));
}

/* It left the selection: told as it was within it, at the revision at which it left. */
static void add_leaving(struct watch *w, struct opr_buf *out, const struct opr_store_event *e)
{
    char rv[24];
    struct json_object *doc = opr_doc_from_obj(e->was);
    snprintf(rv, sizeof rv, "%llu", (unsigned long long)e->rv);
    opr_doc_put_str(doc, "/metadata/resourceVersion", rv);
    struct opr_obj *obj = opr_doc_to_obj(doc);
    add_event(w, out, "DELETED", obj);
    opr_json_unref(obj);
    json_object_put(doc);
}

/* An object that enters or leaves the selection is added or deleted for this watcher. */
static void add_change(struct watch *w, struct opr_buf *out, const struct opr_store_event *e)
{
    bool was = selects(w, e->was), is = !e->is_delete && selects(w, e->obj);
    if (was && is) {
        add_event(w, out, "MODIFIED", e->obj);
    } else if (is) {
        add_event(w, out, "ADDED", e->obj);
    } else if (was && e->is_delete) {
        add_event(w, out, "DELETED", e->obj);
    } else if (was) {
        add_leaving(w, out, e);
    }
}

static void add_initial(struct watch *w, struct opr_buf *out, size_t max)
{
    while (w->next_initial < w->n_initial && out->len < max) {
        const struct opr_obj *obj = w->initial[w->next_initial++];
        if (selects(w, obj)) {
            add_event(w, out, "ADDED", obj);
        }
    }
    if (w->next_initial == w->n_initial && w->has_initial_end) {
        w->has_initial_end = false;
        add_bookmark(w, out, w->initial_rv, true);
    }
}

static void add_changes(struct watch *w, struct opr_buf *out, size_t max)
{
    struct opr_store_event event;
    opr_status st = OPR_OK;
    while (out->len < max && (st = opr_store_next(w->cursor, &event)) == OPR_OK) {
        add_change(w, out, &event);
    }
    if (st == OPR_E_EXPIRED) {
        w->given_rv = opr_store_cursor_rv(w->cursor);
        add_expired(w, out);
    }
}

/* The next time that something is due without a change. */
static void set_alarm(struct watch *w)
{
    uint64_t due = w->has_bookmarks && w->bookmark_ns < w->end_ns ? w->bookmark_ns : w->end_ns;
    if (due != w->alarm_ns) {
        w->alarm_ns = due;
        opr_alarm_set(w->api->watch_clock, &w->alarm, due);
    }
}

static opr_status pull(struct opr_http_source *s, struct opr_buf *out, size_t max)
{
    struct watch *w = (struct watch *)s;
    size_t before = out->len;
    max += before;
    if (w->is_over) {
        return OPR_E_END;
    }
    if (!w->cursor) {
        add_expired(w, out);
        return OPR_OK;
    }
    add_initial(w, out, max);
    if (w->next_initial < w->n_initial) {
        return OPR_OK;
    }
    add_changes(w, out, max);
    uint64_t now = opr_clock_mono_ns(w->api->clock);
    bool is_ending = now >= w->end_ns;
    if (w->has_bookmarks && !w->is_over && (is_ending || now >= w->bookmark_ns)) {
        add_bookmark(w, out, opr_store_cursor_rv(w->cursor), false);
    }
    w->is_over = w->is_over || is_ending;
    if (w->is_over && out->len == before) {
        return OPR_E_END;
    }
    set_alarm(w);
    return OPR_OK;
}

static uint64_t timeout_ms(const struct opr_list_options *o)
{
    return o->timeout_s > 0 ? o->timeout_s * 1000 : TIMEOUT_MIN_MS + opr_rand_below(TIMEOUT_MIN_MS);
}

/* Where it begins: with the present objects, or after a revision. */
static void position(struct opr_req *r, struct watch *w, const struct opr_list_options *o)
{
    struct opr_str prefix = opr_api_key(r->arena, r->kind, r->ns, NULL);
    uint64_t rv = o->rv;
    bool is_from_now = rv == 0, wants_initial = o->has_initial ? o->wants_initial : is_from_now;
    size_t more;
    w->given_rv = rv;
    if (wants_initial || is_from_now) {
        const struct opr_obj *const *objs;
        size_t count;
        opr_store_list(r->api->store, w->arena, prefix, OPR_STR(""), 0, &objs, &count, &rv, &more);
        w->initial = objs;
        w->n_initial = wants_initial ? count : 0;
        w->initial_rv = rv;
        w->has_initial_end = wants_initial && w->has_bookmarks && o->has_initial;
    }
    /* A revision that was never given is of another store: the client has to begin anew. */
    if (rv > opr_store_revision(r->api->store) ||
        opr_store_watch(r->api->store, prefix, rv, &w->hook, &w->cursor) != OPR_OK) {
        w->cursor = NULL;
    }
}

void opr_api_watch(struct opr_req *r)
{
    struct opr_list_options o;
    struct opr_select select;
    if (opr_api_list_options(r, true, &o) != OPR_OK || opr_api_select(r, &select) != OPR_OK) {
        return;
    }
    struct watch *w = opr_xalloc(sizeof *w);
    uint64_t now = opr_clock_mono_ns(r->api->clock);
    w->source = (struct opr_http_source){pull, attach, close_watch};
    w->hook.wake = on_store;
    w->api = r->api;
    w->kind = opr_kind_ref(r->kind);
    w->arena = opr_arena_new();
    w->select = select;
    /* The fields' text lives in the request's arena: keep a copy. */
    w->select.fields = opr_arena_alloc(w->arena, (select.n_fields + 1) * sizeof *select.fields);
    for (size_t i = 0; i < select.n_fields; i++) {
        w->select.fields[i] = select.fields[i];
        w->select.fields[i].field = opr_str_of(opr_arena_dup(w->arena, select.fields[i].field));
        w->select.fields[i].value = opr_str_of(opr_arena_dup(w->arena, select.fields[i].value));
    }
    w->form = r->form;
    w->has_bookmarks = o.has_bookmarks;
    w->end_ns = now + timeout_ms(&o) * 1000000;
    w->bookmark_ns = now + BOOKMARK_MS * 1000000ull;
    w->alarm.fn = on_alarm;
    w->alarm.arg = w;
    pthread_mutex_init(&w->lock, NULL);
    position(r, w, &o);
    r->res->status = 200;
    r->res->source = &w->source;
    opr_api_header(r, "Content-Type", OPR_STR("application/json"));
}
