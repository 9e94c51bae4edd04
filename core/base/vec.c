#include "core/base/vec.h"

#include "core/base/alloc.h"

#include <stdlib.h>

void opr_vec_fini(struct opr_vec *v)
{
    opr_free(v->items);
    *v = (struct opr_vec){0};
}

void opr_vec_push(struct opr_vec *v, void *item)
{
    opr_vec_insert(v, v->count, item);
}

void opr_vec_insert(struct opr_vec *v, size_t at, void *item)
{
    OPR_CHECK(at <= v->count);
    if (v->count == v->cap) {
        v->cap = v->cap ? v->cap * 2 : 8;
        v->items = opr_xrealloc(v->items, v->cap * sizeof *v->items);
    }
    memmove(v->items + at + 1, v->items + at, (v->count - at) * sizeof *v->items);
    v->items[at] = item;
    v->count++;
}

void *opr_vec_remove(struct opr_vec *v, size_t at)
{
    OPR_CHECK(at < v->count);
    void *item = v->items[at];
    v->count--;
    memmove(v->items + at, v->items + at + 1, (v->count - at) * sizeof *v->items);
    return item;
}

bool opr_vec_remove_item(struct opr_vec *v, const void *item)
{
    for (size_t i = 0; i < v->count; i++) {
        if (v->items[i] == item) {
            opr_vec_remove(v, i);
            return true;
        }
    }
    return false;
}

static int compare(const void *a, const void *b, void *arg)
{
    int (*const *cmp)(const void *, const void *) = arg;
    return (*cmp)(*(void *const *)a, *(void *const *)b);
}

void opr_vec_sort(struct opr_vec *v, int (*cmp)(const void *a, const void *b))
{
    if (v->count > 1) {
        qsort_r(v->items, v->count, sizeof *v->items, compare, &cmp);
    }
}
