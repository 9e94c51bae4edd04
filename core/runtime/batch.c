/* Several writes that run side by side on one worker. */
#include "core/base/vec.h"
#include "core/runtime/internal.h"

/* At most so many are on the way at once: a fan-out must not starve other clients. */
#define BATCH_WIDTH 64

struct write {
    struct opr_call_item item;
    const struct opr_obj *removed; /* what a deletion deletes; NULL: a creation */
    bool is_over;                  /* was sent, or refused before */
};

struct opr_batch {
    struct opr_ctx *ctx;
    struct opr_vec writes; /* of struct write, in the arena */
};

static void free_batch(void *arg)
{
    opr_vec_fini(&((struct opr_batch *)arg)->writes);
}

struct opr_batch *opr__host_batch_new(struct opr_ctx *c)
{
    struct opr_batch *b = opr_arena_alloc(c->arena, sizeof *b);
    b->ctx = c;
    opr_arena_defer(c->arena, free_batch, b);
    return b;
}

static struct write *add_write(struct opr_batch *b)
{
    struct write *w = opr_arena_alloc(b->ctx->arena, sizeof *w);
    opr_vec_push(&b->writes, w);
    return w;
}

static void set_refusal(struct write *w, opr_status st, const struct opr_error *err)
{
    if (st != OPR_OK) {
        w->is_over = true;
        w->item.status = st;
        w->item.error = *err;
    }
}

void opr__host_batch_create(struct opr_batch *b, struct opr_doc *d)
{
    struct write *w = add_write(b);
    set_refusal(w, opr__write_create(b->ctx, d, &w->item), &b->ctx->error);
}

void opr__host_batch_remove(struct opr_batch *b, const struct opr_obj *o,
                            const struct opr_delete_options *options)
{
    struct write *w = add_write(b);
    w->removed = o;
    set_refusal(w, opr__write_remove(b->ctx, o, options, &w->item), &b->ctx->error);
}

static void take_answer(struct opr_batch *b, struct write *w, const struct opr_call_item *item)
{
    w->item = *item;
    opr__ctx_keep(b->ctx, w->item.ret_obj);
    if (w->item.status != OPR_OK) {
        b->ctx->error = w->item.error;
        return;
    }
    bool is_gone = w->removed && strcmp(opr_json_str(w->item.ret_obj, "/kind", ""), "Status") == 0;
    opr__write_fold(b->ctx, w->item.ret_obj, is_gone ? w->removed : NULL);
}

uint32_t opr__host_batch_run(struct opr_batch *b)
{
    struct opr_call_item items[BATCH_WIDTH];
    struct write *sent[BATCH_WIDTH];
    uint32_t failed = 0;
    size_t next = 0;
    while (next < b->writes.count) {
        size_t n = 0;
        for (; next < b->writes.count && n < BATCH_WIDTH; next++) {
            struct write *w = b->writes.items[next];
            if (!w->is_over) {
                w->is_over = true;
                items[n] = w->item;
                sent[n++] = w;
            }
        }
        opr_call_many(b->ctx->caller, items, n);
        for (size_t i = 0; i < n; i++) {
            take_answer(b, sent[i], &items[i]);
        }
    }
    for (size_t i = 0; i < b->writes.count; i++) {
        failed += ((struct write *)b->writes.items[i])->item.status != OPR_OK;
    }
    return failed;
}

opr_status opr__host_batch_status(const struct opr_batch *b, uint32_t i,
                                  const struct opr_obj **ret_obj, const char **ret_error)
{
    if (i >= b->writes.count) {
        return OPR_E_INVALID;
    }
    const struct write *w = b->writes.items[i];
    if (ret_obj) {
        *ret_obj = w->item.ret_obj;
    }
    if (ret_error) {
        *ret_error = w->item.error.message;
    }
    return w->item.status;
}
