/* Reading a store, from any thread. */
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/cache/index.h"

static void read_lock(const struct opr__store *s)
{
    pthread_rwlock_rdlock((pthread_rwlock_t *)&s->lock);
}

static void read_unlock(const struct opr__store *s)
{
    pthread_rwlock_unlock((pthread_rwlock_t *)&s->lock);
}

static struct opr_obj *visible_of(const struct opr__entry *e)
{
    return e->has_own ? e->own : e->seen;
}

struct opr_obj *opr__store_get(const struct opr__store *s, const char *ns, const char *name)
{
    struct opr_buf key = {0};
    opr_buf_printf(&key, "%s/%s", ns ? ns : "", name);
    read_lock(s);
    const struct opr__entry *e = opr_map_get(s->entries, opr_buf_str(&key));
    struct opr_obj *o = e ? opr_json_ref(visible_of(e)) : NULL;
    read_unlock(s);
    opr_buf_fini(&key);
    return o;
}

size_t opr__store_count(const struct opr__store *s)
{
    read_lock(s);
    size_t n = s->visible;
    read_unlock(s);
    return n;
}

void opr__store_seen(const struct opr__store *s, struct opr_vec *ret_objs)
{
    size_t it = 0;
    struct opr_str key;
    void *value;
    read_lock(s);
    while (opr_map_next(s->entries, &it, &key, &value)) {
        const struct opr__entry *e = value;
        if (e->seen) {
            opr_vec_push(ret_objs, opr_json_ref(e->seen));
        }
    }
    read_unlock(s);
}

/* References that an arena holds. */
struct held {
    const struct opr_obj **objs; /* in the arena */
    uint32_t count;
};

static void release(void *arg)
{
    struct held *h = arg;
    for (uint32_t i = 0; i < h->count; i++) {
        opr_json_unref((struct opr_obj *)h->objs[i]);
    }
}

static struct held *hold(struct opr_arena *a, size_t max)
{
    struct held *h = opr_arena_alloc(a, sizeof *h);
    h->objs = opr_arena_alloc(a, (max + 1) * sizeof h->objs[0]);
    opr_arena_defer(a, release, h);
    return h;
}

static void keep(struct held *h, const struct opr_obj *o)
{
    h->objs[h->count++] = opr_json_ref(o);
}

static struct held *list_all(const struct opr__store *s, struct opr_arena *a)
{
    struct held *h = hold(a, s->visible);
    size_t it = 0;
    struct opr_str key;
    void *value;
    while (opr_map_next(s->entries, &it, &key, &value)) {
        const struct opr_obj *o = visible_of(value);
        if (o) {
            keep(h, o);
        }
    }
    return h;
}

static struct held *list_bucket(struct opr_arena *a, const struct opr__bucket *b, const char *ns)
{
    struct held *h = hold(a, b ? b->postings.count : 0);
    for (size_t i = 0; b && i < b->postings.count; i++) {
        const struct opr__posting *p = b->postings.items[i];
        const struct opr_obj *o = visible_of(p->entry);
        if (!ns || strcmp(opr_meta_ns(o), ns) == 0) {
            keep(h, o);
        }
    }
    return h;
}

static const struct opr__index *index_named(const struct opr__store *s, const char *name)
{
    for (size_t i = 0; i < s->indexes.count; i++) {
        const struct opr__index *x = s->indexes.items[i];
        if (i != OPR__INDEX_NS && strcmp(x->name, name) == 0) {
            return x;
        }
    }
    return NULL;
}

opr_status opr__store_list(const struct opr__store *s, struct opr_arena *a, const char *ns,
                           const char *index, const char *value,
                           const struct opr_obj *const **ret_objs, uint32_t *ret_count)
{
    bool has_ns = ns && *ns;
    struct held *h;
    if (index) {
        const struct opr__index *x = index_named(s, index); /* indexes are fixed from the start */
        if (!x) {
            return OPR_E_INVALID;
        }
        read_lock(s);
        h = list_bucket(a, opr__index_find(x, value ? value : ""), has_ns ? ns : NULL);
    } else if (has_ns) {
        read_lock(s);
        h = list_bucket(a, opr__index_find(s->indexes.items[OPR__INDEX_NS], ns), NULL);
    } else {
        read_lock(s);
        h = list_all(s, a);
    }
    read_unlock(s);
    *ret_objs = h->objs;
    *ret_count = h->count;
    return OPR_OK;
}
