/* The kind "*": every kind that can be listed, watched and deleted, except Events; discovered again
 * every 30 s, as the garbage collector of kube-controller-manager does. */
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"

#define SECOND_NS 1000000000ull
#define PERIOD_NS (30 * SECOND_NS)
#define DISCOVERY_LIMIT_NS (25 * SECOND_NS)

struct survey {
    struct opr_manager *m;
    struct opr__source *source;
    struct opr_arena *arena; /* owned; of the list */
    const struct opr_resource *const *resources;
    size_t count;
    struct opr_error error;
};

static void free_survey(void *arg)
{
    struct survey *v = arg;
    opr_arena_free(v->arena);
    opr_free(v);
}

static bool is_followed(const struct opr_resource *r)
{
    return r->is_preferred && r->can_list_watch && r->can_delete && strcmp(r->kind, "Event") != 0;
}

static struct opr__child *find_child(const struct opr__source *s, const struct opr_resource *r)
{
    for (size_t i = 0; i < s->children.count; i++) {
        struct opr__child *child = s->children.items[i];
        if (opr_informer_resource(child->informer) == r) {
            return child;
        }
    }
    return NULL;
}

/* The kind is no longer served: so are its objects. */
static void drop_child(struct opr__source *s, size_t at)
{
    pthread_rwlock_wrlock(&s->m->sources_lock);
    struct opr__child *child = opr_vec_remove(&s->children, at);
    pthread_rwlock_unlock(&s->m->sources_lock);
    opr_informer_stop(child->informer);
    struct opr_arena *a = opr_arena_new();
    const struct opr_obj *const *objs;
    uint32_t count;
    if (opr_informer_list(child->informer, a, NULL, NULL, NULL, &objs, &count) == OPR_OK) {
        for (uint32_t i = 0; i < count; i++) {
            opr__map_change(child, objs[i], NULL);
        }
    }
    opr_arena_free(a);
    opr_informer_free(child->informer);
    opr_free(child);
}

static void follow(struct opr__source *s, const struct survey *v)
{
    for (size_t i = 0; i < s->children.count; i++) {
        ((struct opr__child *)s->children.items[i])->is_named = false;
    }
    for (size_t i = 0; i < v->count; i++) {
        const struct opr_resource *r = v->resources[i];
        struct opr__child *child = find_child(s, r);
        if (child) {
            child->is_named = true;
        } else if (is_followed(r)) {
            opr__source_add_child(s, r);
        }
    }
    for (size_t i = s->children.count; i-- > 0;) {
        if (!((struct opr__child *)s->children.items[i])->is_named) {
            drop_child(s, i);
        }
    }
}

static void surveyed(struct opr_manager *m, void *arg)
{
    struct survey *v = arg;
    struct opr__source *s = v->source;
    s->is_resolving = false;
    s->resolve_due_ns = opr_clock_mono_ns(m->clock) + PERIOD_NS;
    if (atomic_load(&m->is_stopping)) {
        s->resolve_due_ns = UINT64_MAX;
    } else if (v->resources) {
        s->is_resolved = true;
        s->failures = 0;
        follow(s, v);
    } else {
        s->error = v->error;
        s->resolve_due_ns = opr_clock_mono_ns(m->clock) + opr__source_backoff_ns(s);
        opr_log(OPR_LOG_WARN, "runtime", "discovery failed, will try again", "error=%s",
                v->error.message);
    }
    free_survey(v);
    opr__source_changed(s);
    opr__manager_rearm(m);
}

static void survey(void *arg)
{
    struct survey *v = arg;
    struct opr_manager *m = v->m;
    const struct opr_clock *clock = opr_client_clock(m->config.client);
    opr_caller_set_deadline(m->aux_caller, opr_clock_mono_ns(clock) + DISCOVERY_LIMIT_NS);
    if (opr_resource_all(m->aux_caller, v->arena, &v->resources, &v->count, &v->error) != OPR_OK) {
        v->resources = NULL;
    }
    opr__manager_post(m, surveyed, v, free_survey);
}

void opr__wildcard_resolve(struct opr__source *s)
{
    struct survey *v = opr_xalloc(sizeof *v);
    v->m = s->m;
    v->source = s;
    v->arena = opr_arena_new();
    opr_executor_run(s->m->aux, survey, v);
}

char *opr__wildcard_ns(struct opr_arena *a, const char *gvk, const char *ns)
{
    return opr_arena_printf(a, "%s|%s", gvk, ns);
}

bool opr__wildcard_split(struct opr_arena *a, const char *key_ns, char **ret_gvk, char **ret_ns)
{
    const char *bar = strchr(key_ns, '|');
    if (!bar) {
        return false;
    }
    *ret_gvk = opr_arena_dup(a, opr_str_n(key_ns, (size_t)(bar - key_ns)));
    *ret_ns = opr_arena_dup(a, opr_str_of(bar + 1));
    return true;
}
