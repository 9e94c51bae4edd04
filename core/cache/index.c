#include "core/cache/index.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdio.h>

struct opr__index *opr__index_new(struct opr_str name, struct opr_str pointer)
{
    struct opr__index *x = opr_xalloc(sizeof *x);
    x->name = opr_xstrndup(name.ptr, name.len);
    x->pointer = pointer.len > 0 ? opr_xstrndup(pointer.ptr, pointer.len) : NULL;
    x->path = opr_path_new(pointer);
    x->buckets = opr_map_new();
    return x;
}

static void free_bucket(void *p)
{
    struct opr__bucket *b = p;
    opr_free(b->value);
    opr_vec_fini(&b->postings);
    opr_free(b);
}

void opr__index_free(struct opr__index *x)
{
    if (!x) {
        return;
    }
    opr_map_free(x->buckets, free_bucket);
    opr_free(x->name);
    opr_free(x->pointer);
    opr_path_free(x->path);
    opr_free(x);
}

const struct opr__bucket *opr__index_find(const struct opr__index *x, const char *value)
{
    return opr_map_get(x->buckets, opr_str_of(value));
}

static void enter(struct opr__index *x, struct opr__entry *e, struct opr_str value)
{
    struct opr__bucket *b = opr_map_get(x->buckets, value);
    if (!b) {
        b = opr_xalloc(sizeof *b);
        b->value = opr_xstrndup(value.ptr, value.len);
        opr_map_put(x->buckets, value, b);
    }
    struct opr__posting *last =
        b->postings.count > 0 ? b->postings.items[b->postings.count - 1] : NULL;
    if (last && last->entry == e) {
        return; /* the same value twice in one array */
    }
    struct opr__posting *p = opr_xalloc(sizeof *p);
    *p = (struct opr__posting){.entry = e, .index = x, .bucket = b, .pos = b->postings.count};
    opr_vec_push(&b->postings, p);
    e->postings = opr_xrealloc(e->postings, (e->n_postings + 1) * sizeof e->postings[0]);
    e->postings[e->n_postings++] = p;
}

static void leave(struct opr__posting *p)
{
    struct opr__bucket *b = p->bucket;
    struct opr__posting *last = b->postings.items[--b->postings.count];
    b->postings.items[p->pos] = last;
    last->pos = p->pos;
    if (b->postings.count == 0) {
        opr_map_remove(p->index->buckets, opr_str_of(b->value));
        free_bucket(b);
    }
    opr_free(p);
}

static void leave_all(struct opr__entry *e)
{
    for (size_t i = 0; i < e->n_postings; i++) {
        leave(e->postings[i]);
    }
    opr_free(e->postings);
    e->postings = NULL;
    e->n_postings = 0;
}

/* Text of a value as an index key: strings as they are, numbers and booleans as JSON has them. */
static void enter_value(struct opr__index *x, struct opr__entry *e, const struct opr_obj *v)
{
    switch (opr_json_type(v)) {
    case OPR_TYPE_STRING:
        enter(x, e, opr_json_text(v, ""));
        break;
    case OPR_TYPE_NUMBER:
    case OPR_TYPE_BOOL: {
        struct opr_buf text = {0};
        opr_json_write(&text, v);
        enter(x, e, opr_buf_str(&text));
        opr_buf_fini(&text);
        break;
    }
    default:
        enter(x, e, OPR_STR(""));
    }
}

static void enter_owners(struct opr__index *x, struct opr__entry *e, const struct opr_obj *obj)
{
    const struct opr_obj *owners = opr_json_at(obj, "/metadata/ownerReferences");
    for (const struct opr_obj *o = opr_json_first(owners); o; o = opr_json_next(o)) {
        enter(x, e, opr_str_of(opr_json_str(o, "/uid", "")));
    }
}

void opr__index_entry(struct opr_vec *indexes, struct opr__entry *e, const struct opr_obj *obj)
{
    leave_all(e);
    if (!obj) {
        return;
    }
    enter_owners(indexes->items[OPR__INDEX_OWNER], e, obj);
    enter(indexes->items[OPR__INDEX_NS], e, opr_str_of(opr_meta_ns(obj)));
    for (size_t i = OPR__INDEX_NS + 1; i < indexes->count; i++) {
        struct opr__index *x = indexes->items[i];
        const struct opr_obj *v = opr_path_at(x->path, obj);
        if (opr_json_type(v) != OPR_TYPE_ARRAY) {
            enter_value(x, e, v);
            continue;
        }
        for (const struct opr_obj *item = opr_json_first(v); item; item = opr_json_next(item)) {
            enter_value(x, e, item);
        }
    }
}
