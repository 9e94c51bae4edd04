/* Which kinds there are: built in, and by CRDs. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/base/vec.h"

struct custom {
    char *crd;             /* owned: name of the CRD */
    struct opr_kind *kind; /* ref */
};

struct opr_custom_kinds {
    pthread_rwlock_t lock; /* guards items */
    struct opr_vec items;  /* owned customs */
};

struct opr_custom_kinds *opr_custom_kinds_new(void)
{
    struct opr_custom_kinds *c = opr_xalloc(sizeof *c);
    pthread_rwlock_init(&c->lock, NULL);
    return c;
}

static void free_custom(struct custom *k)
{
    opr_kind_unref(k->kind);
    opr_free(k->crd);
    opr_free(k);
}

void opr_custom_kinds_free(struct opr_custom_kinds *c)
{
    if (!c) {
        return;
    }
    for (size_t i = 0; i < c->items.count; i++) {
        free_custom(c->items.items[i]);
    }
    opr_vec_fini(&c->items);
    pthread_rwlock_destroy(&c->lock);
    opr_free(c);
}

/* Served versions of a CRD as kinds; all or none. */
static opr_status make_kinds(struct opr_vec *fresh, const char *crd_name, struct json_object *crd,
                             struct opr_field_errors *errors)
{
    struct json_object *versions = opr_doc_at(crd, "/spec/versions");
    size_t count = versions ? json_object_array_length(versions) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *v = json_object_array_get_idx(versions, i);
        struct opr_kind *kind = NULL;
        if (!opr_doc_bool(v, "/served", false)) {
            continue;
        }
        OPR_TRY(opr_kind_from_crd(crd, opr_doc_str(v, "/name", ""), &kind, errors));
        struct custom *k = opr_xalloc(sizeof *k);
        k->crd = opr_xstrdup(crd_name);
        k->kind = kind;
        opr_vec_push(fresh, k);
    }
    return OPR_OK;
}

opr_status opr_custom_kinds_set(struct opr_custom_kinds *c, const char *crd_name,
                                struct json_object *crd, struct opr_field_errors *errors)
{
    struct opr_vec fresh = {0}, kept = {0};
    opr_status st = crd ? make_kinds(&fresh, crd_name, crd, errors) : OPR_OK;
    if (st != OPR_OK) {
        for (size_t i = 0; i < fresh.count; i++) {
            free_custom(fresh.items[i]);
        }
        opr_vec_fini(&fresh);
        return st;
    }
    pthread_rwlock_wrlock(&c->lock);
    for (size_t i = 0; i < c->items.count; i++) {
        struct custom *k = c->items.items[i];
        if (strcmp(k->crd, crd_name) == 0) {
            free_custom(k);
        } else {
            opr_vec_push(&kept, k);
        }
    }
    for (size_t i = 0; i < fresh.count; i++) {
        opr_vec_push(&kept, fresh.items[i]);
    }
    opr_vec_fini(&c->items);
    c->items = kept;
    pthread_rwlock_unlock(&c->lock);
    opr_vec_fini(&fresh);
    return OPR_OK;
}

static void release_kind(void *arg)
{
    opr_kind_unref(arg);
}

const struct opr_kind *opr_api_find_kind(struct opr_apiserver *s, struct opr_arena *a,
                                         struct opr_str group, struct opr_str version,
                                         struct opr_str plural)
{
    const struct opr_kind *found = opr_kind_find(group, version, plural);
    if (found) {
        return found;
    }
    pthread_rwlock_rdlock(&s->custom->lock);
    for (size_t i = 0; i < s->custom->items.count && !found; i++) {
        const struct opr_kind *k = ((struct custom *)s->custom->items.items[i])->kind;
        if (opr_str_is(group, k->group) && opr_str_is(version, k->version) &&
            opr_str_is(plural, k->plural)) {
            found = opr_kind_ref(k);
        }
    }
    pthread_rwlock_unlock(&s->custom->lock);
    if (found) {
        opr_arena_defer(a, release_kind, (void *)(uintptr_t)found);
    }
    return found;
}

const struct opr_kind *const *opr_api_kinds(struct opr_apiserver *s, struct opr_arena *a,
                                            size_t *ret_count)
{
    size_t built_in = opr_kind_count(), count = 0;
    pthread_rwlock_rdlock(&s->custom->lock);
    const struct opr_kind **all =
        opr_arena_alloc(a, (built_in + s->custom->items.count + 1) * sizeof *all);
    for (size_t i = 0; i < built_in; i++) {
        all[count++] = opr_kind_nth(i);
    }
    for (size_t i = 0; i < s->custom->items.count; i++) {
        struct opr_kind *k = opr_kind_ref(((struct custom *)s->custom->items.items[i])->kind);
        opr_arena_defer(a, release_kind, k);
        all[count++] = k;
    }
    pthread_rwlock_unlock(&s->custom->lock);
    *ret_count = count;
    return all;
}

bool opr_api_has_group(struct opr_apiserver *s, struct opr_arena *a, struct opr_str group,
                       struct opr_str version)
{
    size_t count;
    const struct opr_kind *const *all = opr_api_kinds(s, a, &count);
    for (size_t i = 0; i < count; i++) {
        if (opr_kind_is_served(all[i]) && opr_str_is(group, all[i]->group) &&
            (version.len == 0 || opr_str_is(version, all[i]->version))) {
            return true;
        }
    }
    return false;
}

struct opr_str opr_api_key(struct opr_arena *a, const struct opr_kind *kind, const char *ns,
                           const char *name)
{
    const struct opr_kind *k = opr_api_stored_kind(kind);
    if (!k->is_namespaced && name) {
        ns = "";
    }
    if (!ns) {
        return opr_str_of(opr_arena_printf(a, "%s/%s/", k->group, k->plural));
    }
    return opr_str_of(
        opr_arena_printf(a, "%s/%s/%s/%s", k->group, k->plural, ns, name ? name : ""));
}

bool opr_kind_is(const struct opr_kind *k, const char *group, const char *plural)
{
    return strcmp(k->group, group) == 0 && strcmp(k->plural, plural) == 0;
}
