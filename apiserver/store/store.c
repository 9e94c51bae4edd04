#include "apiserver/store/internal.h"

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/base/vec.h"

#define WINDOW_EVENTS 10000

pthread_rwlock_t *opr__store_lock(const struct opr_store *s)
{
    return (pthread_rwlock_t *)(uintptr_t)&s->lock;
}

static void drop_refs(void *arg)
{
    struct opr__refs *r = arg;
    for (size_t i = 0; i < r->count; i++) {
        opr_json_unref((struct opr_obj *)(uintptr_t)r->items[i]);
    }
}

struct opr__refs *opr__refs_new(struct opr_arena *a)
{
    struct opr__refs *r = opr_arena_alloc(a, sizeof *r);
    *r = (struct opr__refs){0};
    opr_arena_defer(a, drop_refs, r);
    return r;
}

/* A value that does not parse is a broken file: keep it out of the table and refuse to open. */
struct load {
    struct opr_store *store;
    struct opr_error error;
};

static void load_one(void *arg, struct opr_str key, uint64_t rv, struct opr_str value)
{
    struct load *l = arg;
    struct opr_obj *obj = NULL;
    struct opr_error err = {0};
    if (opr_json_parse(value, &obj, &err) != OPR_OK) {
        (void)opr_error_set(&l->error, OPR_E_IO, "store: the object %.*s is damaged: %s",
                            OPR_STR_ARG(key), err.message);
        return;
    }
    (void)opr__table_set(&l->store->table, key, rv, obj); /* keys are unique: nothing stood there */
    opr_json_unref(obj);
}

static opr_status open_disk(struct opr_store *s, const char *dir, struct opr_error *reterr)
{
    struct load l = {.store = s};
    OPR_TRY(opr__disk_open(dir, &s->disk, reterr));
    OPR_TRY(opr__disk_load(s->disk, load_one, &l, &s->revision, reterr));
    if (l.error.status != OPR_OK && reterr) {
        *reterr = l.error;
    }
    return l.error.status;
}

opr_status opr_store_open(const struct opr_store_config *config, struct opr_store **ret_store,
                          struct opr_error *reterr)
{
    struct opr_store *s = opr_xalloc(sizeof *s);
    pthread_rwlock_init(&s->lock, NULL);
    pthread_mutex_init(&s->queue_lock, NULL);
    pthread_cond_init(&s->has_writes, NULL);
    pthread_cond_init(&s->has_results, NULL);
    s->cursors = opr_xalloc(sizeof *s->cursors);
    opr_status st = config->dir ? open_disk(s, config->dir, reterr) : OPR_OK;
    /* Revision 0 means "none" to clients: the first write is 1 or more, watches begin after it. */
    opr__history_init(&s->history, config->window_events ? config->window_events : WINDOW_EVENTS,
                      s->revision);
    if (st != OPR_OK) {
        s->is_closing = true;
        opr_store_close(s);
        return st;
    }
    OPR_CHECK(pthread_create(&s->writer, NULL, opr__writer_run, s) == 0);
    *ret_store = s;
    return OPR_OK;
}

void opr_store_close(struct opr_store *s)
{
    if (!s) {
        return;
    }
    if (!s->is_closing) {
        pthread_mutex_lock(&s->queue_lock);
        s->is_closing = true;
        pthread_cond_signal(&s->has_writes);
        pthread_mutex_unlock(&s->queue_lock);
        pthread_join(s->writer, NULL);
    }
    OPR_CHECK(s->cursors->count == 0);
    opr_vec_fini(s->cursors);
    opr_free(s->cursors);
    opr__disk_close(s->disk);
    opr__table_fini(&s->table);
    opr__history_fini(&s->history);
    pthread_rwlock_destroy(&s->lock);
    pthread_mutex_destroy(&s->queue_lock);
    pthread_cond_destroy(&s->has_writes);
    pthread_cond_destroy(&s->has_results);
    opr_free(s);
}

uint64_t opr_store_revision(const struct opr_store *s)
{
    pthread_rwlock_rdlock(opr__store_lock(s));
    uint64_t revision = s->revision;
    pthread_rwlock_unlock(opr__store_lock(s));
    return revision;
}

struct opr_obj *opr_store_get(const struct opr_store *s, struct opr_str key)
{
    pthread_rwlock_rdlock(opr__store_lock(s));
    const struct opr__record *r = opr__table_get(&s->table, key);
    struct opr_obj *obj = r ? opr_json_ref(r->obj) : NULL;
    pthread_rwlock_unlock(opr__store_lock(s));
    return obj;
}

size_t opr_store_count(const struct opr_store *s, struct opr_str prefix)
{
    size_t begin, end;
    pthread_rwlock_rdlock(opr__store_lock(s));
    opr__table_range(&s->table, prefix, OPR_STR(""), &begin, &end);
    pthread_rwlock_unlock(opr__store_lock(s));
    return end - begin;
}

void opr_store_list(const struct opr_store *s, struct opr_arena *a, struct opr_str prefix,
                    struct opr_str after, size_t limit, const struct opr_obj *const **ret_objs,
                    size_t *ret_count, uint64_t *ret_revision, size_t *ret_more)
{
    struct opr__refs *r = opr__refs_new(a);
    size_t begin, end;
    pthread_rwlock_rdlock(opr__store_lock(s));
    opr__table_range(&s->table, prefix, after, &begin, &end);
    size_t count = limit > 0 && end - begin > limit ? limit : end - begin;
    r->items = opr_arena_alloc(a, (count + 1) * sizeof *r->items);
    for (; r->count < count; r->count++) {
        r->items[r->count] = opr_json_ref(s->table.items[begin + r->count]->obj);
    }
    *ret_revision = s->revision;
    *ret_more = end - begin - count;
    pthread_rwlock_unlock(opr__store_lock(s));
    *ret_objs = r->items;
    *ret_count = count;
}

/* Hands a chain of writes to the writer; they are done in order, the last one last. */
static void submit(struct opr_store *s, struct opr__write *first, struct opr__write *last)
{
    pthread_mutex_lock(&s->queue_lock);
    if (s->last) {
        s->last->next = first;
    } else {
        s->first = first;
    }
    s->last = last;
    pthread_cond_signal(&s->has_writes);
    while (!last->is_done) {
        pthread_cond_wait(&s->has_results, &s->queue_lock);
    }
    pthread_mutex_unlock(&s->queue_lock);
}

static opr_status write_and_wait(struct opr_store *s, struct opr__write *w,
                                 struct opr_obj **ret_obj, struct opr_error *reterr)
{
    submit(s, w, w);
    if (w->status != OPR_OK) {
        if (reterr) {
            *reterr = w->error;
        }
        return w->status;
    }
    if (ret_obj) {
        *ret_obj = w->obj;
    } else {
        opr_json_unref(w->obj);
    }
    return OPR_OK;
}

opr_status opr_store_put(struct opr_store *s, struct opr_str key, uint64_t expected_rv,
                         struct json_object *doc, struct opr_obj **ret_obj,
                         struct opr_error *reterr)
{
    struct opr__write w = {.key = key, .expected_rv = expected_rv, .doc = doc};
    return write_and_wait(s, &w, ret_obj, reterr);
}

opr_status opr_store_put_absent(struct opr_store *s, const struct opr_store_new *objects,
                                size_t count, struct opr_error *reterr)
{
    opr_status st = OPR_OK;
    struct opr__write *writes = opr_xalloc((count + 1) * sizeof *writes);
    for (size_t i = 0; i < count; i++) {
        writes[i].key = objects[i].key;
        writes[i].doc = objects[i].doc;
        writes[i].expected_rv = OPR_STORE_ABSENT;
        writes[i].next = i + 1 < count ? &writes[i + 1] : NULL;
    }
    if (count > 0) {
        submit(s, &writes[0], &writes[count - 1]);
    }
    for (size_t i = 0; i < count; i++) {
        if (writes[i].status != OPR_OK && writes[i].status != OPR_E_EXISTS && st == OPR_OK) {
            st = writes[i].status;
            if (reterr) {
                *reterr = writes[i].error;
            }
        } else if (writes[i].status == OPR_OK) {
            opr_json_unref(writes[i].obj);
        }
    }
    opr_free(writes);
    return st;
}

opr_status opr_store_delete(struct opr_store *s, struct opr_str key, uint64_t expected_rv,
                            struct json_object *last, struct opr_obj **ret_obj,
                            struct opr_error *reterr)
{
    struct opr__write w = {.key = key, .expected_rv = expected_rv, .doc = last, .is_delete = true};
    return write_and_wait(s, &w, ret_obj, reterr);
}
