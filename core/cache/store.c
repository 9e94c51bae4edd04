#include "core/cache/store.h"

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/cache/index.h"

#include <stdio.h>

#define RV_UNKNOWN UINT64_MAX

void opr__store_init(struct opr__store *s)
{
    memset(s, 0, sizeof *s);
    pthread_rwlock_init(&s->lock, NULL);
    s->entries = opr_map_new();
    opr_vec_push(&s->indexes, opr__index_new(OPR_STR("owner"), (struct opr_str){0}));
    opr_vec_push(&s->indexes, opr__index_new(OPR_STR(""), (struct opr_str){0}));
}

static void free_entry(void *p)
{
    struct opr__entry *e = p;
    opr_json_unref(e->seen);
    opr_json_unref(e->own);
    opr_free(e->key);
    opr_free(e);
}

static void empty_entry(struct opr__store *s, struct opr__entry *e)
{
    opr__index_entry(&s->indexes, e, NULL);
    free_entry(e);
}

void opr__store_fini(struct opr__store *s)
{
    size_t it = 0;
    struct opr_str key;
    void *entry;
    while (opr_map_next(s->entries, &it, &key, &entry)) {
        empty_entry(s, entry);
    }
    opr_map_free(s->entries, NULL);
    for (size_t i = 0; i < s->indexes.count; i++) {
        opr__index_free(s->indexes.items[i]);
    }
    opr_vec_fini(&s->indexes);
    opr_vec_fini(&s->overlaid);
    pthread_rwlock_destroy(&s->lock);
}

static struct opr__index *find_index(const struct opr__store *s, struct opr_str name)
{
    for (size_t i = 0; i < s->indexes.count; i++) {
        struct opr__index *x = s->indexes.items[i];
        if (i != OPR__INDEX_NS && opr_str_is(name, x->name)) {
            return x;
        }
    }
    return NULL;
}

static opr_status add_one_index(struct opr__store *s, struct opr_str part, const char *spec,
                                struct opr_error *reterr)
{
    struct opr_str rest = part, name;
    if (!opr_str_next(&rest, '=', &name) || name.len == 0 || rest.len == 0 || rest.ptr[0] != '/') {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "index \"%s\": each part is NAME=/JSON/POINTER, not \"%.*s\"", spec,
                             OPR_STR_ARG(part));
    }
    struct opr__index *known = find_index(s, name);
    if (!known) {
        opr_vec_push(&s->indexes, opr__index_new(name, rest));
        return OPR_OK;
    }
    if (!known->pointer || !opr_str_is(rest, known->pointer)) {
        return opr_error_set(reterr, OPR_E_EXISTS,
                             "index \"%.*s\" is already there, for another field",
                             OPR_STR_ARG(name));
    }
    return OPR_OK;
}

opr_status opr__store_add_index(struct opr__store *s, const char *spec, struct opr_error *reterr)
{
    struct opr_str rest = opr_str_of(spec), part;
    while (opr_str_next(&rest, ',', &part)) {
        OPR_TRY(add_one_index(s, part, spec, reterr));
    }
    return OPR_OK;
}

static struct opr_obj *visible_of(const struct opr__entry *e)
{
    return e->has_own ? e->own : e->seen;
}

/* "ns/name" in a buffer of the caller's. */
static struct opr_str key_of(struct opr_buf *b, const char *ns, const char *name)
{
    opr_buf_clear(b);
    opr_buf_add_text(b, ns ? ns : "");
    opr_buf_add_char(b, '/');
    opr_buf_add_text(b, name);
    return opr_buf_str(b);
}

static struct opr__entry *find_entry(const struct opr__store *s, const char *ns, const char *name)
{
    struct opr_buf b = {0};
    struct opr__entry *e = opr_map_get(s->entries, key_of(&b, ns, name));
    opr_buf_fini(&b);
    return e;
}

static struct opr__entry *need_entry(struct opr__store *s, const struct opr_obj *obj)
{
    struct opr_buf b = {0};
    struct opr_str key = key_of(&b, opr_meta_ns(obj), opr_meta_name(obj));
    struct opr__entry *e = opr_map_get(s->entries, key);
    if (!e) {
        e = opr_xalloc(sizeof *e);
        e->key = opr_xstrndup(key.ptr, key.len);
        opr_map_put(s->entries, key, e);
    }
    opr_buf_fini(&b);
    return e;
}

static void clear_own(struct opr__store *s, struct opr__entry *e)
{
    if (e->has_own) {
        opr_json_unref(e->own);
        e->own = NULL;
        e->has_own = false;
        opr_vec_remove_item(&s->overlaid, e);
    }
}

/* After a change of what a reader sees: was is what it saw before. */
static void show(struct opr__store *s, struct opr__entry *e, bool was_visible)
{
    struct opr_obj *now = visible_of(e);
    s->visible += (size_t)(now != NULL) - (size_t)was_visible;
    opr__index_entry(&s->indexes, e, now);
}

/* Takes the entry out where nothing is left of it. */
static void settle(struct opr__store *s, struct opr__entry *e)
{
    if (!e->seen && !e->has_own) {
        opr_map_remove(s->entries, opr_str_of(e->key));
        empty_entry(s, e);
    }
}

static bool is_same_uid(const struct opr_obj *a, const struct opr_obj *b)
{
    return strcmp(opr_meta_uid(a), opr_meta_uid(b)) == 0;
}

bool opr__store_apply(struct opr__store *s, struct opr_obj *take_obj, uint32_t epoch,
                      struct opr_obj **ret_was)
{
    uint64_t rv = opr_meta_rv(take_obj);
    pthread_rwlock_wrlock(&s->lock);
    struct opr__entry *e = need_entry(s, take_obj);
    e->epoch = epoch;
    if (e->seen && rv != 0 && rv <= e->seen_rv) {
        pthread_rwlock_unlock(&s->lock);
        opr_json_unref(take_obj);
        return false;
    }
    bool was_visible = visible_of(e) != NULL;
    if (e->has_own && ((e->own_rv != RV_UNKNOWN && e->own_rv <= rv) ||
                       (e->seen && !is_same_uid(e->seen, take_obj)))) {
        clear_own(s, e);
    }
    *ret_was = e->seen;
    e->seen = take_obj;
    e->seen_rv = rv;
    show(s, e, was_visible);
    pthread_rwlock_unlock(&s->lock);
    return true;
}

bool opr__store_remove(struct opr__store *s, const struct opr_obj *last, struct opr_obj **ret_was)
{
    uint64_t rv = opr_meta_rv(last);
    pthread_rwlock_wrlock(&s->lock);
    struct opr__entry *e = find_entry(s, opr_meta_ns(last), opr_meta_name(last));
    if (!e || !e->seen || (rv != 0 && rv < e->seen_rv)) {
        pthread_rwlock_unlock(&s->lock);
        return false;
    }
    bool was_visible = visible_of(e) != NULL;
    if (e->has_own && (e->own_rv == RV_UNKNOWN || e->own_rv <= rv || rv == 0)) {
        clear_own(s, e);
    }
    *ret_was = e->seen;
    e->seen = NULL;
    e->seen_rv = 0;
    show(s, e, was_visible);
    settle(s, e);
    pthread_rwlock_unlock(&s->lock);
    return true;
}

/* Drops own writes up to rv; with is_listed also deletions, which a list answers. */
static void drop_own(struct opr__store *s, uint64_t rv, bool is_listed)
{
    for (size_t i = s->overlaid.count; i-- > 0;) {
        struct opr__entry *e = s->overlaid.items[i];
        if (e->own_rv == RV_UNKNOWN ? !is_listed : e->own_rv > rv) {
            continue;
        }
        bool was_visible = visible_of(e) != NULL;
        clear_own(s, e);
        show(s, e, was_visible);
        settle(s, e);
    }
}

void opr__store_sweep(struct opr__store *s, uint32_t epoch, uint64_t rv, struct opr_vec *ret_gone)
{
    pthread_rwlock_wrlock(&s->lock);
    size_t it = 0;
    struct opr_str key;
    void *value;
    while (opr_map_next(s->entries, &it, &key, &value)) {
        struct opr__entry *e = value;
        if (!e->seen || e->epoch == epoch) {
            continue;
        }
        bool was_visible = visible_of(e) != NULL;
        opr_vec_push(ret_gone, e->seen);
        e->seen = NULL;
        e->seen_rv = 0;
        if (e->has_own && (!e->own || e->own_rv <= rv)) {
            clear_own(s, e);
        }
        show(s, e, was_visible);
        settle(s, e);
    }
    drop_own(s, rv, true);
    if (rv > s->passed_rv) {
        s->passed_rv = rv;
    }
    pthread_rwlock_unlock(&s->lock);
}

void opr__store_pass(struct opr__store *s, uint64_t rv)
{
    pthread_rwlock_wrlock(&s->lock);
    if (rv > s->passed_rv) {
        s->passed_rv = rv;
        drop_own(s, rv, false);
    }
    pthread_rwlock_unlock(&s->lock);
}

uint64_t opr__store_passed_rv(const struct opr__store *s)
{
    pthread_rwlock_rdlock((pthread_rwlock_t *)&s->lock);
    uint64_t rv = s->passed_rv;
    pthread_rwlock_unlock((pthread_rwlock_t *)&s->lock);
    return rv;
}

void opr__store_forget_rv(struct opr__store *s)
{
    pthread_rwlock_wrlock(&s->lock);
    s->passed_rv = 0;
    size_t it = 0;
    struct opr_str key;
    void *value;
    while (opr_map_next(s->entries, &it, &key, &value)) {
        ((struct opr__entry *)value)->seen_rv = 0;
    }
    pthread_rwlock_unlock(&s->lock);
}

static void set_own(struct opr__store *s, struct opr__entry *e, const struct opr_obj *obj,
                    uint64_t rv)
{
    bool was_visible = visible_of(e) != NULL;
    clear_own(s, e);
    e->own = opr_json_ref(obj);
    e->own_rv = rv;
    e->has_own = true;
    opr_vec_push(&s->overlaid, e);
    show(s, e, was_visible);
}

/* A deletion hides what is there; an object that is not there needs no hiding. */
static void note_deletion(struct opr__store *s, const struct opr_obj *obj)
{
    struct opr__entry *e = find_entry(s, opr_meta_ns(obj), opr_meta_name(obj));
    if (!e) {
        return;
    }
    const struct opr_obj *now = visible_of(e);
    if (now && is_same_uid(now, obj)) {
        set_own(s, e, NULL, RV_UNKNOWN);
    }
}

void opr__store_note(struct opr__store *s, const struct opr_obj *obj, bool is_hidden,
                     bool is_deleted)
{
    uint64_t rv = opr_meta_rv(obj);
    pthread_rwlock_wrlock(&s->lock);
    if (is_deleted) {
        note_deletion(s, obj);
    } else if (rv > s->passed_rv) {
        struct opr__entry *e = find_entry(s, opr_meta_ns(obj), opr_meta_name(obj));
        bool is_older = e && (rv <= e->seen_rv || (e->has_own && rv <= e->own_rv));
        if (!is_older && (e || !is_hidden)) {
            set_own(s, e ? e : need_entry(s, obj), is_hidden ? NULL : obj, rv);
        }
    }
    pthread_rwlock_unlock(&s->lock);
}
