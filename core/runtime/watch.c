/* Reads that a controller adds and drops while it runs, as one needs whose kinds are named by an
 * object. Workers ask; subscriptions and sources change on the loop. */
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"

struct change {
    struct opr__controller *controller;
    struct opr_watch *watch; /* owned, its texts in the same block */
};

static char *copy_text(char **at, const char *text)
{
    if (!text || !*text) {
        return NULL;
    }
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* One block, so that one free() ends it. */
static struct opr_watch *dup_watch(const struct opr_watch *w)
{
    size_t size = sizeof *w + text_size(w->gvk) + text_size(w->ns) + text_size(w->labels) +
                  text_size(w->fields);
    struct opr_watch *copy = opr_xalloc(size);
    char *at = (char *)(copy + 1);
    *copy = (struct opr_watch){.map = w->map, .flags = w->flags | OPR_WATCH_OPTIONAL};
    copy->gvk = copy_text(&at, w->gvk);
    copy->ns = copy_text(&at, w->ns);
    copy->labels = copy_text(&at, w->labels);
    copy->fields = copy_text(&at, w->fields);
    return copy;
}

static void drop_change(void *arg)
{
    struct change *change = arg;
    opr_free(change->watch);
    opr_free(change);
}

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool is_same_watch(const struct opr_watch *a, const struct opr_watch *b)
{
    return strcmp(a->gvk, b->gvk) == 0 && is_same_text(a->ns, b->ns) &&
           is_same_text(a->labels, b->labels) && is_same_text(a->fields, b->fields);
}

/* Of those that were added while it runs. Loop, or with sources_lock. */
static struct opr__sub *find_sub(const struct opr__controller *c, const struct opr_watch *w)
{
    for (size_t i = 0; i < c->subs.count; i++) {
        struct opr__sub *sub = c->subs.items[i];
        if (sub->own_watch && is_same_watch(sub->own_watch, w)) {
            return sub;
        }
    }
    return NULL;
}

/* A kind that others read already: what is there comes as adds. */
static void show_present(struct opr__sub *sub)
{
    for (size_t i = 0; i < sub->source->children.count; i++) {
        const struct opr__child *child = sub->source->children.items[i];
        struct opr_arena *a = opr_arena_new();
        const struct opr_obj *const *objs;
        uint32_t count = 0;
        if (opr_informer_list(child->informer, a, NULL, NULL, NULL, &objs, &count) == OPR_OK) {
            for (uint32_t n = 0; n < count; n++) {
                opr__map_tell(sub, child, NULL, objs[n]);
            }
        }
        opr_arena_free(a);
    }
}

static void add(struct opr_manager *m, void *arg)
{
    struct change *change = arg;
    struct opr__controller *c = change->controller;
    if (atomic_load(&m->is_stopping) || find_sub(c, change->watch)) {
        drop_change(change);
        return;
    }
    struct opr__sub *sub = opr_xalloc(sizeof *sub);
    pthread_rwlock_wrlock(&m->sources_lock);
    struct opr__source *source = opr__source_need(m, change->watch, NULL);
    OPR_CHECK(source); /* the kind's name was checked, and there is no index */
    *sub = (struct opr__sub){.controller = c, .watch = change->watch, .source = source};
    sub->own_watch = change->watch;
    opr_vec_push(&c->subs, sub);
    opr_vec_push(&source->subs, sub);
    pthread_rwlock_unlock(&m->sources_lock);
    opr_free(change);
    if (!source->is_resolved) {
        opr__source_start(source);
        opr__manager_rearm(m);
    }
    show_present(sub);
}

/* One that discovery still looks for stays, without readers, until the answer is there. */
static void end_unread(struct opr_manager *m, struct opr__source *s)
{
    if (s->subs.count > 0 || s->is_resolving) {
        return;
    }
    pthread_rwlock_wrlock(&m->sources_lock);
    opr_vec_remove_item(&m->sources, s);
    pthread_rwlock_unlock(&m->sources_lock);
    opr__source_stop(s);
    opr__source_free(s);
}

static void drop(struct opr_manager *m, void *arg)
{
    struct change *change = arg;
    struct opr__sub *sub = find_sub(change->controller, change->watch);
    if (sub) {
        pthread_rwlock_wrlock(&m->sources_lock);
        opr_vec_remove_item(&change->controller->subs, sub);
        opr_vec_remove_item(&sub->source->subs, sub);
        pthread_rwlock_unlock(&m->sources_lock);
        struct opr__source *source = sub->source;
        opr__sub_free(sub);
        end_unread(m, source);
    }
    drop_change(change);
}

static void post_change(struct opr_ctx *c, const struct opr_watch *w,
                        void (*fn)(struct opr_manager *m, void *arg))
{
    struct change *change = opr_xalloc(sizeof *change);
    *change = (struct change){.controller = c->controller, .watch = dup_watch(w)};
    opr__manager_post(c->m, fn, change, drop_change);
}

static bool look(struct opr_ctx *c, const struct opr_watch *w, bool *ret_is_synced)
{
    pthread_rwlock_rdlock(&c->m->sources_lock);
    const struct opr__sub *sub = find_sub(c->controller, w);
    bool is_synced = sub && sub->source->children.count > 0;
    for (size_t i = 0; is_synced && i < sub->source->children.count; i++) {
        const struct opr__child *child = sub->source->children.items[i];
        is_synced = opr_informer_is_synced(child->informer);
    }
    pthread_rwlock_unlock(&c->m->sources_lock);
    *ret_is_synced = is_synced;
    return sub != NULL;
}

static void rediscover(struct opr_manager *m, void *arg)
{
    (void)arg;
    opr_manager_rediscover(m);
}

static void drop_nothing(void *arg)
{
    (void)arg;
}

opr_status opr__host_watch(struct opr_ctx *c, const struct opr_watch *w)
{
    struct opr_gvk gvk;
    if (w->gvk && strcmp(w->gvk, "*") == 0 && strcmp(c->controller->decl.primary.gvk, "*") == 0) {
        opr__manager_post(c->m, rediscover, NULL, drop_nothing);
        return OPR_OK;
    }
    if (!w->gvk || opr_gvk_parse(w->gvk, &gvk) != OPR_OK || w->index) {
        return opr_error_set(&c->error, OPR_E_INVALID,
                             "\"%s\" can not be watched while the controller runs: write "
                             "\"apps/v1/Deployment\", without an index",
                             w->gvk ? w->gvk : "");
    }
    bool is_synced = false, is_there = look(c, w, &is_synced);
    if (is_synced) {
        return OPR_OK;
    }
    const struct opr_resource *resource;
    opr_status st = opr_resource_find(c->caller, w->gvk, &resource, &c->error);
    if (st == OPR_E_NOT_FOUND) {
        opr_client_expire_discovery(c->m->config.client); /* the caller's next try asks anew */
    }
    OPR_TRY(st);
    if ((w->flags & OPR_WATCH_NAMESPACED) && !resource->is_namespaced) {
        return opr_error_set(&c->error, OPR_E_INVALID, "%s is no kind of objects in namespaces",
                             w->gvk);
    }
    if (!is_there) {
        post_change(c, w, add);
    }
    return opr_error_set(&c->error, OPR_E_BUSY, "%s is not listed yet", w->gvk);
}

void opr__host_unwatch(struct opr_ctx *c, const struct opr_watch *w)
{
    post_change(c, w, drop);
}
