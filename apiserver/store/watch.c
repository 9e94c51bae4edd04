#include "apiserver/store/internal.h"

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/base/vec.h"

opr_status opr_store_watch(struct opr_store *s, struct opr_str prefix, uint64_t rv,
                           struct opr_http_waker *waker, struct opr_store_cursor **ret_cursor)
{
    struct opr_store_cursor *c = opr_xalloc(sizeof *c);
    c->store = s;
    c->prefix = opr_xstrndup(prefix.ptr, prefix.len);
    c->prefix_len = prefix.len;
    c->rv = rv;
    c->waker = waker;
    pthread_rwlock_wrlock(&s->lock);
    bool is_expired = rv < s->history.forgotten_rv;
    if (!is_expired) {
        opr_vec_push(s->cursors, c);
    }
    pthread_rwlock_unlock(&s->lock);
    if (is_expired) {
        opr_free(c->prefix);
        opr_free(c);
        return OPR_E_EXPIRED;
    }
    *ret_cursor = c;
    return OPR_OK;
}

static bool is_watched(const struct opr_store_cursor *c, const char *key)
{
    return strncmp(key, c->prefix, c->prefix_len) == 0;
}

static void drop_event(struct opr_store_cursor *c)
{
    opr_json_unref(c->obj);
    opr_json_unref(c->was);
    c->obj = c->was = NULL;
}

/* Under the lock: the next event for the cursor, or NULL; the cursor moves over the others. */
static const struct opr__event *advance(struct opr_store_cursor *c)
{
    const struct opr__history *h = &c->store->history;
    for (size_t i = opr__history_after(h, c->rv); i < h->count; i++) {
        const struct opr__event *e = opr__history_at(h, i);
        c->rv = e->rv;
        if (is_watched(c, e->key)) {
            return e;
        }
    }
    c->rv = c->store->revision > c->rv ? c->store->revision : c->rv;
    return NULL;
}

opr_status opr_store_next(struct opr_store_cursor *c, struct opr_store_event *ret_event)
{
    struct opr_store *s = c->store;
    opr_status st = OPR_E_END;
    drop_event(c);
    pthread_rwlock_rdlock(&s->lock);
    if (c->rv < s->history.forgotten_rv) {
        st = OPR_E_EXPIRED;
    } else {
        const struct opr__event *e = advance(c);
        if (e) {
            c->obj = opr_json_ref(e->obj);
            c->was = opr_json_ref(e->was);
            *ret_event = (struct opr_store_event){e->rv, c->obj, c->was, e->is_delete};
            st = OPR_OK;
        }
    }
    pthread_rwlock_unlock(&s->lock);
    return st;
}

uint64_t opr_store_cursor_rv(const struct opr_store_cursor *c)
{
    return c->rv;
}

void opr_store_unwatch(struct opr_store_cursor *c)
{
    if (!c) {
        return;
    }
    pthread_rwlock_wrlock(&c->store->lock);
    opr_vec_remove_item(c->store->cursors, c);
    pthread_rwlock_unlock(&c->store->lock);
    drop_event(c);
    opr_free(c->prefix);
    opr_free(c);
}
