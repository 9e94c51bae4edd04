/* Documents that a plugin edits. Each belongs to its reconcile and goes with its arena. */
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"

static void put_json(void *arg)
{
    json_object_put(((struct opr_doc *)arg)->json);
}

static struct opr_doc *new_doc(struct opr_ctx *c, struct json_object *take_json)
{
    struct opr_doc *d = opr_arena_alloc(c->arena, sizeof *d);
    d->ctx = c;
    d->json = take_json;
    opr_arena_defer(c->arena, put_json, d);
    return d;
}

struct opr_doc *opr__host_doc_parse(struct opr_ctx *c, const char *tmpl, va_list args)
{
    struct json_object *json = NULL;
    if (opr_doc_template(&json, &c->error, tmpl, args) != OPR_OK) {
        return NULL;
    }
    return new_doc(c, json);
}

struct opr_doc *opr__host_doc_of(struct opr_ctx *c, const struct opr_obj *o)
{
    return new_doc(c, opr_doc_from_obj(o));
}

opr_status opr__host_doc_set(struct opr_doc *d, const char *ptr, const char *tmpl, va_list args)
{
    if (!d) {
        return OPR_E_INVALID; /* the text that its making left in the ctx stays */
    }
    struct json_object *value = NULL;
    opr_status st = opr_doc_template(&value, &d->ctx->error, tmpl, args);
    if (st != OPR_OK) {
        return st;
    }
    if (*ptr == '\0') {
        json_object_put(d->json);
        d->json = value;
        return OPR_OK;
    }
    st = opr_doc_put(d->json, ptr, value);
    if (st != OPR_OK) {
        opr_error_set(&d->ctx->error, st, "no value can be set at \"%s\"", ptr);
    }
    return st;
}

void opr__host_doc_remove(struct opr_doc *d, const char *ptr)
{
    if (d) {
        (void)opr_doc_del(d->json, ptr); /* absent is as good */
    }
}

const struct opr_obj *opr__host_doc_obj(struct opr_doc *d)
{
    return d ? opr__ctx_keep(d->ctx, opr_doc_to_obj(d->json)) : NULL;
}

const char *opr__host_obj_text(struct opr_ctx *c, const struct opr_obj *o)
{
    struct opr_buf text = {0};
    opr_json_write(&text, o);
    const char *copy = opr_arena_dup(c->arena, opr_buf_str(&text));
    opr_buf_fini(&text);
    return copy;
}

opr_status opr__host_obj_parse(struct opr_ctx *c, const char *text, const struct opr_obj **ret_obj)
{
    struct opr_obj *obj = NULL;
    OPR_TRY(opr_json_parse(opr_str_of(text), &obj, &c->error));
    *ret_obj = opr__ctx_keep(c, obj);
    return OPR_OK;
}
