/* Lists as they were: the present with what happened since undone. */
#include "apiserver/store/internal.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdlib.h>

/* A key that changed since, as it was before its first change. */
struct undo {
    struct opr_str key;
    size_t position; /* of the event in the history */
    struct opr_obj *was;
};

static int by_key(const void *a, const void *b)
{
    const struct undo *x = a, *y = b;
    int order = opr_str_cmp(x->key, y->key);
    return order != 0 ? order : (x->position > y->position) - (x->position < y->position);
}

static bool is_in(struct opr_str key, struct opr_str prefix)
{
    return key.len >= prefix.len && memcmp(key.ptr, prefix.ptr, prefix.len) == 0;
}

/* In key order, one for each key. */
static size_t collect(const struct opr__history *h, struct opr_arena *a, struct opr_str prefix,
                      struct opr_str after, uint64_t rv, struct undo **ret_undos)
{
    size_t first = opr__history_after(h, rv), n = 0, kept = 0;
    struct undo *undos = opr_arena_alloc(a, (h->count - first + 1) * sizeof *undos);
    for (size_t i = first; i < h->count; i++) {
        const struct opr__event *e = opr__history_at(h, i);
        struct opr_str key = opr_str_of(e->key);
        if (is_in(key, prefix) && opr_str_cmp(key, after) > 0) {
            undos[n++] = (struct undo){key, i, e->was};
        }
    }
    qsort(undos, n, sizeof *undos, by_key);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !opr_str_eq(undos[i].key, undos[i - 1].key)) {
            undos[kept++] = undos[i];
        }
    }
    *ret_undos = undos;
    return kept;
}

static void add(struct opr__refs *r, struct opr_obj *obj)
{
    if (obj) {
        r->items[r->count++] = opr_json_ref(obj);
    }
}

/* Both are in key order; of a key that is in both, what it was counts. */
static void merge(struct opr__refs *r, const struct opr__table *t, size_t begin, size_t end,
                  const struct undo *undos, size_t n)
{
    size_t u = 0;
    for (size_t i = begin; i < end; i++) {
        const struct opr__record *record = t->items[i];
        struct opr_str key = opr_str_n(record->key, record->key_len);
        while (u < n && opr_str_cmp(undos[u].key, key) < 0) {
            add(r, undos[u++].was);
        }
        if (u < n && opr_str_eq(undos[u].key, key)) {
            add(r, undos[u++].was);
        } else {
            add(r, record->obj);
        }
    }
    while (u < n) {
        add(r, undos[u++].was);
    }
}

opr_status opr_store_list_at(const struct opr_store *s, struct opr_arena *a, struct opr_str prefix,
                             struct opr_str after, uint64_t rv,
                             const struct opr_obj *const **ret_objs, size_t *ret_count)
{
    struct opr__refs *r = opr__refs_new(a);
    pthread_rwlock_rdlock(opr__store_lock(s));
    opr_status st = rv < s->history.forgotten_rv ? OPR_E_EXPIRED : OPR_OK;
    if (st == OPR_OK) {
        size_t begin, end;
        struct undo *undos;
        opr__table_range(&s->table, prefix, after, &begin, &end);
        size_t n = collect(&s->history, a, prefix, after, rv, &undos);
        r->items = opr_arena_alloc(a, (end - begin + n + 1) * sizeof *r->items);
        merge(r, &s->table, begin, end, undos, n);
    }
    pthread_rwlock_unlock(opr__store_lock(s));
    *ret_objs = r->items;
    *ret_count = r->count;
    return st;
}
