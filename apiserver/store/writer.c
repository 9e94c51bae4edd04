/* The one writer: takes all waiting writes as a batch, checks and numbers them, makes the batch
 * durable, and only then lets readers, watchers and the callers know. */
#include "apiserver/store/internal.h"

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/base/vec.h"

/* The newest state of a key as this batch leaves it so far: an earlier write of the batch, or what
 * is committed. */
static struct opr_obj *newest(struct opr_store *s, struct opr__write *batch,
                              const struct opr__write *w, uint64_t *ret_rv)
{
    const struct opr__write *last = NULL;
    for (const struct opr__write *e = batch; e != w; e = e->next) {
        if (e->status == OPR_OK && opr_str_eq(e->key, w->key)) {
            last = e;
        }
    }
    if (last) {
        *ret_rv = last->rv;
        return last->is_delete ? NULL : last->obj;
    }
    /* Only this thread changes the table, so that reading it here needs no lock. */
    const struct opr__record *r = opr__table_get(&s->table, w->key);
    *ret_rv = r ? r->rv : 0;
    return r ? r->obj : NULL;
}

static opr_status check(const struct opr__write *w, const struct opr_obj *now, uint64_t rv)
{
    if (w->expected_rv == OPR_STORE_ABSENT) {
        return now ? OPR_E_EXISTS : OPR_OK;
    }
    if (!now) {
        return w->expected_rv == OPR_STORE_ANY && !w->is_delete ? OPR_OK : OPR_E_NOT_FOUND;
    }
    return w->expected_rv == OPR_STORE_ANY || w->expected_rv == rv ? OPR_OK : OPR_E_CONFLICT;
}

/* Gives the object its resource version and packs it. */
static struct opr_obj *stamp(struct json_object *doc, const struct opr_obj *as_it_was, uint64_t rv)
{
    char text[24];
    struct json_object *copy = doc ? NULL : opr_doc_from_obj(as_it_was);
    struct opr_buf number = {0};
    opr_buf_printf(&number, "%llu", (unsigned long long)rv);
    memcpy(text, number.data, number.len + 1);
    opr_buf_fini(&number);
    opr_doc_put_str(doc ? doc : copy, "/metadata/resourceVersion", text);
    struct opr_obj *obj = opr_doc_to_obj(doc ? doc : copy);
    json_object_put(copy);
    return obj;
}

static opr_status persist(struct opr_store *s, struct opr__write *w)
{
    if (!s->disk) {
        return OPR_OK;
    }
    if (w->is_delete) {
        return opr__disk_delete(s->disk, w->key, &w->error);
    }
    struct opr_buf text = {0};
    opr_json_write(&text, w->obj);
    opr_status st = opr__disk_put(s->disk, w->key, w->rv, opr_buf_str(&text), &w->error);
    opr_buf_fini(&text);
    return st;
}

/* Decides one write. OPR_E_IO ends the batch; another failure is this write's own. */
static opr_status decide(struct opr_store *s, struct opr__write *batch, struct opr__write *w,
                         uint64_t *revision)
{
    uint64_t rv;
    struct opr_obj *now = newest(s, batch, w, &rv);
    w->status = check(w, now, rv);
    if (w->status != OPR_OK) {
        (void)opr_error_set(&w->error, w->status, "%.*s: %s", OPR_STR_ARG(w->key),
                            opr_status_name(w->status));
        return OPR_OK;
    }
    w->was = opr_json_ref(now);
    w->rv = *revision + 1;
    w->obj = stamp(w->doc, now, w->rv);
    if (!w->obj) {
        w->status = opr_error_set(&w->error, OPR_E_LIMIT, "%.*s: the object is too large or deep",
                                  OPR_STR_ARG(w->key));
        return OPR_OK;
    }
    (*revision)++;
    return persist(s, w);
}

static opr_status make_durable(struct opr_store *s, struct opr__write *batch, uint64_t *revision,
                               struct opr_error *reterr)
{
    opr_status st = s->disk ? opr__disk_begin(s->disk, reterr) : OPR_OK;
    for (struct opr__write *w = batch; w && st == OPR_OK; w = w->next) {
        st = decide(s, batch, w, revision);
        if (st != OPR_OK && reterr) {
            *reterr = w->error;
        }
    }
    if (st == OPR_OK && s->disk && *revision == s->revision) {
        opr__disk_rollback(s->disk);
    } else if (st == OPR_OK && s->disk) {
        st = opr__disk_commit(s->disk, *revision, reterr);
    }
    if (st != OPR_OK && s->disk) {
        opr__disk_rollback(s->disk);
    }
    return st;
}

static void fail_all(struct opr__write *batch, opr_status st, const struct opr_error *err)
{
    for (struct opr__write *w = batch; w; w = w->next) {
        opr_json_unref(w->obj);
        w->obj = NULL;
        w->status = st;
        w->error = *err;
    }
}

static bool is_watched(const struct opr_store_cursor *c, struct opr_str key)
{
    return key.len >= c->prefix_len && memcmp(key.ptr, c->prefix, c->prefix_len) == 0;
}

static void wake_watchers(struct opr_store *s, const struct opr__write *batch)
{
    for (size_t i = 0; i < s->cursors->count; i++) {
        struct opr_store_cursor *c = s->cursors->items[i];
        for (const struct opr__write *w = batch; w && c->waker; w = w->next) {
            if (w->status == OPR_OK && is_watched(c, w->key)) {
                c->waker->wake(c->waker);
                break;
            }
        }
    }
}

static void publish(struct opr_store *s, struct opr__write *batch, uint64_t revision)
{
    pthread_rwlock_wrlock(&s->lock);
    for (struct opr__write *w = batch; w; w = w->next) {
        if (w->status != OPR_OK) {
            continue;
        }
        opr_json_unref(opr__table_set(&s->table, w->key, w->rv, w->is_delete ? NULL : w->obj));
        opr__history_add(&s->history, (struct opr__event){
                                          .rv = w->rv,
                                          .key = opr_xstrndup(w->key.ptr, w->key.len),
                                          .obj = opr_json_ref(w->obj),
                                          .was = opr_json_ref(w->was),
                                          .is_delete = w->is_delete,
                                      });
    }
    s->revision = revision;
    wake_watchers(s, batch);
    pthread_rwlock_unlock(&s->lock);
}

static void run_batch(struct opr_store *s, struct opr__write *batch)
{
    struct opr_error err = {0};
    uint64_t revision = s->revision;
    opr_status st = make_durable(s, batch, &revision, &err);
    if (st == OPR_OK) {
        publish(s, batch, revision);
    } else {
        fail_all(batch, st, &err);
    }
    for (struct opr__write *w = batch; w; w = w->next) {
        opr_json_unref(w->was);
        w->was = NULL;
    }
}

void *opr__writer_run(void *store)
{
    struct opr_store *s = store;
    pthread_mutex_lock(&s->queue_lock);
    for (;;) {
        while (!s->first && !s->is_closing) {
            pthread_cond_wait(&s->has_writes, &s->queue_lock);
        }
        struct opr__write *batch = s->first;
        if (!batch) {
            break;
        }
        s->first = s->last = NULL;
        pthread_mutex_unlock(&s->queue_lock);
        run_batch(s, batch);
        pthread_mutex_lock(&s->queue_lock);
        for (struct opr__write *w = batch; w;) {
            struct opr__write *next = w->next; /* w is its caller's again once done */
            w->is_done = true;
            w = next;
        }
        pthread_cond_broadcast(&s->has_results);
    }
    pthread_mutex_unlock(&s->queue_lock);
    return NULL;
}
