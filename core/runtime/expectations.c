/* Writes whose effect the cache has not shown yet (kubernetes pkg/controller
 * ControllerExpectations). Counts may go below zero: a watch can be faster than the answer. */
#include "core/base/alloc.h"
#include "core/base/map.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"

#define EXPIRY_NS (5ull * 60 * 1000 * 1000 * 1000)

struct opr__expectations {
    const struct opr_clock *clock;
    pthread_mutex_t lock;
    struct opr_map *keys; /* lock; "ns/name" -> struct expected, owned */
};

struct expected {
    int64_t creates, deletes;
    uint64_t since_ns;
};

struct opr__expectations *opr__expectations_new(const struct opr_clock *clock)
{
    struct opr__expectations *e = opr_xalloc(sizeof *e);
    e->clock = clock;
    pthread_mutex_init(&e->lock, NULL);
    e->keys = opr_map_new();
    return e;
}

void opr__expectations_free(struct opr__expectations *e)
{
    if (!e) {
        return;
    }
    opr_map_free(e->keys, opr_free);
    pthread_mutex_destroy(&e->lock);
    opr_free(e);
}

static char *key_text(struct opr_key key)
{
    return opr_xprintf("%s/%s", key.ns ? key.ns : "", key.name);
}

bool opr__expectations_satisfied(struct opr__expectations *e, struct opr_key key)
{
    char *text = key_text(key);
    pthread_mutex_lock(&e->lock);
    const struct expected *x = opr_map_get(e->keys, opr_str_of(text));
    bool is_satisfied = !x || (x->creates <= 0 && x->deletes <= 0) ||
                        opr_clock_mono_ns(e->clock) - x->since_ns > EXPIRY_NS;
    pthread_mutex_unlock(&e->lock);
    opr_free(text);
    return is_satisfied;
}

void opr__expectations_set(struct opr__expectations *e, struct opr_key key, uint32_t creates,
                           uint32_t deletes)
{
    char *text = key_text(key);
    pthread_mutex_lock(&e->lock);
    struct expected *x = opr_map_get(e->keys, opr_str_of(text));
    if (!x) {
        x = opr_xalloc(sizeof *x);
        opr_map_put(e->keys, opr_str_of(text), x);
    }
    *x = (struct expected){creates, deletes, opr_clock_mono_ns(e->clock)};
    pthread_mutex_unlock(&e->lock);
    opr_free(text);
}

void opr__expectations_lower(struct opr__expectations *e, struct opr_key key, uint32_t creates,
                             uint32_t deletes)
{
    char *text = key_text(key);
    pthread_mutex_lock(&e->lock);
    struct expected *x = opr_map_get(e->keys, opr_str_of(text));
    if (x) {
        x->creates -= creates;
        x->deletes -= deletes;
    }
    pthread_mutex_unlock(&e->lock);
    opr_free(text);
}

void opr__expectations_forget(struct opr__expectations *e, struct opr_key key)
{
    char *text = key_text(key);
    pthread_mutex_lock(&e->lock);
    opr_free(opr_map_remove(e->keys, opr_str_of(text)));
    pthread_mutex_unlock(&e->lock);
    opr_free(text);
}
