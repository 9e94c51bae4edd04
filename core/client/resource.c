/* The registry of kinds: what discovery said, how old it is, and paths. */
#include "core/client/client_internal.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#define MIN_AGE_NS (10ull * 1000 * 1000 * 1000) /* between two discoveries on a miss */

static bool is_same(const struct opr_resource *a, const struct opr_resource *b)
{
    return strcmp(a->gvk, b->gvk) == 0 && strcmp(a->plural, b->plural) == 0 &&
           a->is_namespaced == b->is_namespaced && a->can_list_watch == b->can_list_watch &&
           a->can_delete == b->can_delete && a->is_preferred == b->is_preferred;
}

/* Takes what was discovered into the registry; pointers handed out before stay good. */
static void merge_kinds(struct opr_client *c, struct opr_vec *take_found)
{
    pthread_mutex_lock(&c->kinds_lock);
    size_t n_old = c->kinds.count;
    for (size_t i = 0; i < n_old; i++) {
        ((struct opr__kind *)c->kinds.items[i])->is_served = false;
    }
    for (size_t i = 0; i < take_found->count; i++) {
        struct opr__kind *found = take_found->items[i];
        struct opr__kind *known = NULL;
        for (size_t j = 0; j < n_old && !known; j++) {
            struct opr__kind *k = c->kinds.items[j];
            known = is_same(&k->pub, &found->pub) ? k : NULL;
        }
        if (known) {
            known->is_served = true;
            opr__kind_free(found);
        } else {
            opr_vec_push(&c->kinds, found);
        }
    }
    c->is_discovered = true;
    c->discovered_ns = opr_clock_mono_ns(c->clock);
    pthread_mutex_unlock(&c->kinds_lock);
    opr_vec_fini(take_found);
}

static opr_status discover(struct opr_caller *k, struct opr_error *reterr)
{
    struct opr_vec found = {0};
    OPR_TRY(opr__discover(k, &found, reterr));
    merge_kinds(k->client, &found);
    return OPR_OK;
}

static bool is_short_name(const struct opr__kind *k, const char *name)
{
    for (size_t i = 0; i < k->shorts.count; i++) {
        if (strcmp(k->shorts.items[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* "deployments.apps": a plural and its group. */
static bool is_plural_and_group(const struct opr_resource *r, const char *name)
{
    size_t len = strlen(r->plural);
    return strncmp(name, r->plural, len) == 0 && name[len] == '.' &&
           strcmp(name + len + 1, r->group) == 0;
}

static bool goes_by(const struct opr__kind *k, const char *name)
{
    if (strchr(name, '/')) {
        return strcmp(k->pub.gvk, name) == 0;
    }
    if (!k->pub.is_preferred) {
        return false;
    }
    struct opr_str text = opr_str_of(name);
    return opr_str_ieq(text, opr_str_of(k->pub.plural)) ||
           opr_str_ieq(text, opr_str_of(k->singular)) ||
           opr_str_ieq(text, opr_str_of(k->pub.kind)) || is_short_name(k, name) ||
           is_plural_and_group(&k->pub, name);
}

/* The kind, or NULL; *ret_may_ask: discovery is old enough to be asked again. */
static const struct opr_resource *look_up(struct opr_client *c, const char *name, bool *ret_may_ask)
{
    const struct opr_resource *found = NULL;
    pthread_mutex_lock(&c->kinds_lock);
    for (size_t i = 0; i < c->kinds.count && !found; i++) {
        struct opr__kind *k = c->kinds.items[i];
        found = k->is_served && goes_by(k, name) ? &k->pub : NULL;
    }
    *ret_may_ask = !c->is_discovered || c->discovered_ns == 0 ||
                   opr_clock_mono_ns(c->clock) - c->discovered_ns >= MIN_AGE_NS;
    pthread_mutex_unlock(&c->kinds_lock);
    return found;
}

void opr_client_expire_discovery(struct opr_client *c)
{
    pthread_mutex_lock(&c->kinds_lock);
    c->discovered_ns = 0;
    pthread_mutex_unlock(&c->kinds_lock);
}

opr_status opr_resource_find(struct opr_caller *k, const char *name,
                             const struct opr_resource **ret_resource, struct opr_error *reterr)
{
    struct opr_client *c = k->client;
    bool may_ask;
    const struct opr_resource *found = look_up(c, name, &may_ask);
    if (!found && may_ask) {
        pthread_mutex_lock(&c->discovery);
        found = look_up(c, name, &may_ask); /* another worker may have asked meanwhile */
        opr_status st = !found && may_ask ? discover(k, reterr) : OPR_OK;
        pthread_mutex_unlock(&c->discovery);
        OPR_TRY(st);
        found = look_up(c, name, &may_ask);
    }
    if (!found) {
        return opr_error_set(reterr, OPR_E_NOT_FOUND, "the server does not have a kind \"%s\"",
                             name);
    }
    *ret_resource = found;
    return OPR_OK;
}

opr_status opr_resource_all(struct opr_caller *k, struct opr_arena *a,
                            const struct opr_resource *const **ret_resources, size_t *ret_count,
                            struct opr_error *reterr)
{
    struct opr_client *c = k->client;
    pthread_mutex_lock(&c->discovery);
    opr_status st = discover(k, reterr);
    pthread_mutex_unlock(&c->discovery);
    OPR_TRY(st);
    pthread_mutex_lock(&c->kinds_lock);
    const struct opr_resource **all =
        opr_arena_alloc(a, (c->kinds.count + 1) * sizeof(const struct opr_resource *));
    size_t n = 0;
    for (size_t i = 0; i < c->kinds.count; i++) {
        struct opr__kind *kind = c->kinds.items[i];
        if (kind->is_served && kind->pub.can_list_watch) {
            all[n++] = &kind->pub;
        }
    }
    pthread_mutex_unlock(&c->kinds_lock);
    *ret_resources = all;
    *ret_count = n;
    return OPR_OK;
}

char *opr_resource_path(struct opr_arena *a, const struct opr_resource *r, const char *ns,
                        const char *name, const char *sub)
{
    bool has_ns = r->is_namespaced && ns && *ns;
    bool has_name = name && *name;
    bool has_sub = sub && *sub;
    struct opr_buf b = {0};
    opr_buf_printf(&b, "%s%s/%s", *r->group ? "/apis/" : "/api", r->group, r->version);
    if (has_ns) {
        opr_buf_add_text(&b, "/namespaces/");
        opr_url_encode(&b, opr_str_of(ns));
    }
    opr_buf_printf(&b, "/%s", r->plural);
    if (has_name) {
        opr_buf_add_char(&b, '/');
        opr_url_encode(&b, opr_str_of(name));
    }
    if (has_sub) {
        opr_buf_printf(&b, "/%s", sub);
    }
    char *path = opr_arena_dup(a, opr_buf_str(&b));
    opr_buf_fini(&b);
    return path;
}
