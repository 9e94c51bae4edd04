/* JSON of objects that several watchers want at about the same time: written by the first, copied
 * for the others. A few slots, each kept by its object's address, which stays taken as long as the
 * slot holds its reference. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"

#define SLOTS 64
#define TEXT_MAX (16 * 1024) /* of a kept text */

struct opr_texts {
    pthread_mutex_t lock; /* guards slots */
    struct {
        struct opr_obj *obj; /* ref; NULL: empty */
        struct opr_buf text;
    } slots[SLOTS];
};

struct opr_texts *opr_texts_new(void)
{
    struct opr_texts *t = opr_xalloc(sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void opr_texts_free(struct opr_texts *t)
{
    for (size_t i = 0; t && i < SLOTS; i++) {
        opr_json_unref(t->slots[i].obj);
        opr_buf_fini(&t->slots[i].text);
    }
    if (t) {
        pthread_mutex_destroy(&t->lock);
        opr_free(t);
    }
}

void opr_texts_add(struct opr_texts *t, const struct opr_obj *obj, struct opr_buf *out)
{
    size_t at = ((uintptr_t)obj >> 4) * 0x9E3779B97F4A7C15u >> 58;
    pthread_mutex_lock(&t->lock);
    bool is_kept = t->slots[at].obj == obj;
    if (is_kept) {
        opr_buf_add_str(out, opr_buf_str(&t->slots[at].text));
    }
    pthread_mutex_unlock(&t->lock);
    if (is_kept) {
        return;
    }
    size_t begin = out->len;
    opr_json_write(out, obj);
    if (out->len - begin > TEXT_MAX) {
        return;
    }
    pthread_mutex_lock(&t->lock);
    struct opr_obj *was = t->slots[at].obj;
    t->slots[at].obj = opr_json_ref(obj);
    opr_buf_clear(&t->slots[at].text);
    opr_buf_add(&t->slots[at].text, out->data + begin, out->len - begin);
    pthread_mutex_unlock(&t->lock);
    opr_json_unref(was);
}
