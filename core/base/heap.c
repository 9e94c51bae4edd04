#include "core/base/heap.h"

#include "core/base/alloc.h"

void opr_heap_fini(struct opr_heap *h)
{
    opr_free(h->items);
    h->items = NULL;
    h->count = h->cap = 0;
}

static void place(struct opr_heap *h, size_t at, struct opr_heap_entry *e)
{
    h->items[at] = e;
    e->pos = at + 1;
}

static void sift_up(struct opr_heap *h, size_t at)
{
    struct opr_heap_entry *e = h->items[at];
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!h->less(e, h->items[parent])) {
            break;
        }
        place(h, at, h->items[parent]);
        at = parent;
    }
    place(h, at, e);
}

static void sift_down(struct opr_heap *h, size_t at)
{
    struct opr_heap_entry *e = h->items[at];
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= h->count) {
            break;
        }
        if (child + 1 < h->count && h->less(h->items[child + 1], h->items[child])) {
            child++;
        }
        if (!h->less(h->items[child], e)) {
            break;
        }
        place(h, at, h->items[child]);
        at = child;
    }
    place(h, at, e);
}

void opr_heap_push(struct opr_heap *h, struct opr_heap_entry *e)
{
    OPR_CHECK(e->pos == 0);
    if (h->count == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->items = opr_xrealloc(h->items, h->cap * sizeof *h->items);
    }
    place(h, h->count++, e);
    sift_up(h, h->count - 1);
}

struct opr_heap_entry *opr_heap_peek(const struct opr_heap *h)
{
    return h->count > 0 ? h->items[0] : NULL;
}

struct opr_heap_entry *opr_heap_pop(struct opr_heap *h)
{
    struct opr_heap_entry *e = opr_heap_peek(h);
    if (e) {
        opr_heap_remove(h, e);
    }
    return e;
}

void opr_heap_remove(struct opr_heap *h, struct opr_heap_entry *e)
{
    OPR_CHECK(e->pos > 0 && e->pos <= h->count && h->items[e->pos - 1] == e);
    size_t at = e->pos - 1;
    struct opr_heap_entry *last = h->items[--h->count];
    e->pos = 0;
    if (last != e) {
        place(h, at, last);
        opr_heap_update(h, last);
    }
}

void opr_heap_update(struct opr_heap *h, struct opr_heap_entry *e)
{
    sift_up(h, e->pos - 1);
    sift_down(h, e->pos - 1);
}
