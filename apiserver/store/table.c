#include "apiserver/store/internal.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

size_t opr__table_find(const struct opr__table *t, struct opr_str key, bool *ret_found)
{
    size_t low = 0, high = t->count;
    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct opr__record *r = t->items[middle];
        int order = opr_str_cmp(opr_str_n(r->key, r->key_len), key);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool has_prefix(const struct opr__record *r, struct opr_str prefix)
{
    return r->key_len >= prefix.len && memcmp(r->key, prefix.ptr, prefix.len) == 0;
}

void opr__table_range(const struct opr__table *t, struct opr_str prefix, struct opr_str after,
                      size_t *ret_begin, size_t *ret_end)
{
    bool is_found, is_after = opr_str_cmp(after, prefix) >= 0;
    size_t begin = opr__table_find(t, is_after ? after : prefix, &is_found);
    begin += is_after && is_found;
    size_t low = begin, high = t->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (has_prefix(t->items[middle], prefix)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_begin = begin;
    *ret_end = low;
}

struct opr__record *opr__table_get(const struct opr__table *t, struct opr_str key)
{
    bool is_found;
    size_t at = opr__table_find(t, key, &is_found);
    return is_found ? t->items[at] : NULL;
}

static void insert(struct opr__table *t, size_t at, struct opr__record *r)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->items = opr_xrealloc(t->items, t->cap * sizeof *t->items);
    }
    memmove(t->items + at + 1, t->items + at, (t->count - at) * sizeof *t->items);
    t->items[at] = r;
    t->count++;
}

static void free_record(struct opr__record *r)
{
    opr_json_unref(r->obj);
    opr_free(r->key);
    opr_free(r);
}

struct opr_obj *opr__table_set(struct opr__table *t, struct opr_str key, uint64_t rv,
                               const struct opr_obj *obj)
{
    bool is_found;
    size_t at = opr__table_find(t, key, &is_found);
    struct opr__record *r = is_found ? t->items[at] : NULL;
    struct opr_obj *was = r ? r->obj : NULL;
    if (!obj) {
        if (r) {
            r->obj = NULL;
            free_record(r);
            t->count--;
            memmove(t->items + at, t->items + at + 1, (t->count - at) * sizeof *t->items);
        }
        return was;
    }
    if (!r) {
        r = opr_xalloc(sizeof *r);
        r->key = opr_xstrndup(key.ptr, key.len);
        r->key_len = key.len;
        insert(t, at, r);
    }
    r->rv = rv;
    r->obj = opr_json_ref(obj);
    return was;
}

void opr__table_fini(struct opr__table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free_record(t->items[i]);
    }
    opr_free(t->items);
    *t = (struct opr__table){0};
}
