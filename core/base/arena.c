#include "core/base/arena.h"

#include "core/base/alloc.h"

#include <stdio.h>

#define BLOCK_BYTES 4096
#define ALIGNMENT 16

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(ALIGNMENT) char data[];
};

struct deferred {
    struct deferred *next;
    void (*fn)(void *);
    void *arg;
};

struct opr_arena {
    struct block *blocks;       /* owned; the first is filled */
    struct deferred *deferreds; /* in the blocks; newest first */
};

struct opr_arena *opr_arena_new(void)
{
    return opr_xalloc(sizeof(struct opr_arena));
}

void opr_arena_clear(struct opr_arena *a)
{
    while (a->deferreds) {
        struct deferred *d = a->deferreds;
        a->deferreds = d->next;
        d->fn(d->arg);
    }
    while (a->blocks) {
        struct block *b = a->blocks;
        a->blocks = b->next;
        opr_free(b);
    }
}

void opr_arena_free(struct opr_arena *a)
{
    if (a) {
        opr_arena_clear(a);
        opr_free(a);
    }
}

void *opr_arena_alloc(struct opr_arena *a, size_t size_bytes)
{
    size_t size = (size_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    OPR_CHECK(size >= size_bytes);
    struct block *b = a->blocks;
    if (!b || b->size - b->used < size) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        struct block *fresh = opr_xalloc(sizeof *fresh + room);
        fresh->size = room;
        fresh->next = b;
        a->blocks = b = fresh;
    }
    void *p = b->data + b->used;
    b->used += size;
    return p;
}

char *opr_arena_dup(struct opr_arena *a, struct opr_str s)
{
    char *copy = opr_arena_alloc(a, s.len + 1);
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    return copy;
}

char *opr_arena_vprintf(struct opr_arena *a, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    OPR_CHECK(len >= 0);
    char *text = opr_arena_alloc(a, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

char *opr_arena_printf(struct opr_arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = opr_arena_vprintf(a, fmt, args);
    va_end(args);
    return text;
}

void opr_arena_defer(struct opr_arena *a, void (*fn)(void *), void *arg)
{
    struct deferred *d = opr_arena_alloc(a, sizeof *d);
    d->fn = fn;
    d->arg = arg;
    d->next = a->deferreds;
    a->deferreds = d;
}
