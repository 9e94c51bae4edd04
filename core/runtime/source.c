/* Sources: the kinds that controllers read, each with one informer however many read it. */
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/cache/store.h"
#include "core/runtime/internal.h"

#define SECOND_NS 1000000000ull
#define ABSENT_RETRY_NS (10 * SECOND_NS) /* the kind may appear: a CRD */
#define ERROR_RETRY_NS (SECOND_NS / 10)  /* doubling, to: */
#define ERROR_RETRY_MAX_NS (5 * SECOND_NS)
#define DISCOVERY_LIMIT_NS (20 * SECOND_NS)

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static char *dup_or_null(const char *text)
{
    return text && *text ? opr_xstrdup(text) : NULL;
}

static struct opr__source *find_source(struct opr_manager *m, const struct opr_watch *w)
{
    bool is_meta_only = (w->flags & OPR_WATCH_META_ONLY) != 0;
    for (size_t i = 0; i < m->sources.count; i++) {
        struct opr__source *s = m->sources.items[i];
        if (strcmp(s->gvk, w->gvk) == 0 && is_same_text(s->ns, w->ns) &&
            is_same_text(s->labels, w->labels) && is_same_text(s->fields, w->fields) &&
            (s->is_wildcard || s->is_meta_only == is_meta_only)) {
            return s;
        }
    }
    return NULL;
}

/* All indexes of a source must agree, so that the informer can take them once it is made. */
static opr_status check_indexes(const struct opr__source *s, const char *spec,
                                struct opr_error *reterr)
{
    struct opr__store store;
    opr__store_init(&store);
    opr_status st = OPR_OK;
    for (size_t i = 0; i < s->index_specs.count && st == OPR_OK; i++) {
        st = opr__store_add_index(&store, s->index_specs.items[i], reterr);
    }
    if (st == OPR_OK) {
        st = opr__store_add_index(&store, spec, reterr);
    }
    opr__store_fini(&store);
    return st;
}

static struct opr__source *new_source(struct opr_manager *m, const struct opr_watch *w)
{
    struct opr__source *s = opr_xalloc(sizeof *s);
    s->m = m;
    s->gvk = opr_xstrdup(w->gvk);
    s->ns = dup_or_null(w->ns);
    s->labels = dup_or_null(w->labels);
    s->fields = dup_or_null(w->fields);
    s->is_wildcard = strcmp(w->gvk, "*") == 0;
    s->is_meta_only = s->is_wildcard || (w->flags & OPR_WATCH_META_ONLY) != 0;
    s->is_optional = true;
    opr_vec_push(&m->sources, s);
    return s;
}

struct opr__source *opr__source_need(struct opr_manager *m, const struct opr_watch *w,
                                     struct opr_error *reterr)
{
    struct opr_gvk gvk;
    if (strcmp(w->gvk, "*") != 0 && opr_gvk_parse(w->gvk, &gvk) != OPR_OK) {
        opr_error_set(reterr, OPR_E_INVALID, "\"%s\" is no kind; write \"apps/v1/Deployment\"",
                      w->gvk);
        return NULL;
    }
    struct opr__source *s = find_source(m, w);
    if (!s) {
        s = new_source(m, w);
    }
    if (w->index) {
        if (check_indexes(s, w->index, reterr) != OPR_OK) {
            return NULL;
        }
        opr_vec_push(&s->index_specs, opr_xstrdup(w->index));
    }
    s->is_optional = s->is_optional && (w->flags & OPR_WATCH_OPTIONAL) != 0;
    return s;
}

static void on_news(void *arg)
{
    opr__source_changed(((struct opr__child *)arg)->source);
}

static void on_answer(void *arg)
{
    opr__source_retry_all(((struct opr__child *)arg)->source->m);
}

void opr__source_retry_all(struct opr_manager *m)
{
    for (size_t i = 0; i < m->sources.count; i++) {
        struct opr__source *s = m->sources.items[i];
        for (size_t n = 0; n < s->children.count; n++) {
            opr_informer_retry_now(((struct opr__child *)s->children.items[n])->informer);
        }
    }
}

void opr__source_add_child(struct opr__source *s, const struct opr_resource *r)
{
    struct opr__child *child = opr_xalloc(sizeof *child);
    struct opr_informer_config config = {
        .loop = s->m->config.loop,
        .client = s->m->config.client,
        .clock = s->m->clock,
        .resource = r,
        .ns = s->ns,
        .labels = s->labels,
        .fields = s->fields,
        .is_meta_only = s->is_meta_only,
    };
    child->source = s;
    child->is_named = true;
    child->informer = opr_informer_new(&config);
    for (size_t i = 0; i < s->index_specs.count; i++) {
        opr_status st = opr_informer_add_index(child->informer, s->index_specs.items[i], NULL);
        OPR_CHECK(st == OPR_OK); /* check_indexes() agreed */
    }
    opr_informer_add_handler(child->informer, opr__map_change, child);
    opr_informer_on_sync(child->informer, on_news, child);
    opr_informer_on_failure(child->informer, on_news, child);
    opr_informer_on_answer(child->informer, on_answer, child);
    pthread_rwlock_wrlock(&s->m->sources_lock);
    opr_vec_push(&s->children, child);
    pthread_rwlock_unlock(&s->m->sources_lock);
    opr_informer_start(child->informer);
}

uint64_t opr__source_backoff_ns(struct opr__source *s)
{
    uint64_t ns = ERROR_RETRY_NS << s->failures;
    if (ns >= ERROR_RETRY_MAX_NS) {
        return ERROR_RETRY_MAX_NS;
    }
    s->failures++;
    return ns;
}

/* One question to discovery, asked on the auxiliary thread. */
struct lookup {
    struct opr_manager *m;
    struct opr__source *source;
    const struct opr_resource *resource;
    struct opr_error error;
};

static void looked_up(struct opr_manager *m, void *arg)
{
    struct lookup *l = arg;
    struct opr__source *s = l->source;
    uint64_t now = opr_clock_mono_ns(m->clock);
    s->is_resolving = false;
    if (s->subs.count == 0) {
        s->resolve_due_ns = UINT64_MAX; /* its last reader left meanwhile */
    } else if (l->resource) {
        s->is_resolved = true;
        s->failures = 0;
        s->resolve_due_ns = UINT64_MAX;
        if (!atomic_load(&m->is_stopping)) {
            opr__source_add_child(s, l->resource);
        }
    } else {
        bool is_absent = l->error.status == OPR_E_NOT_FOUND;
        bool is_news = s->error.status != l->error.status;
        s->error = l->error;
        s->resolve_due_ns = now + (is_absent ? ABSENT_RETRY_NS : opr__source_backoff_ns(s));
        if (is_news) {
            opr_log(s->is_optional ? OPR_LOG_INFO : OPR_LOG_WARN, "runtime",
                    "kind not available, will look again", "kind=%s error=%s", s->gvk,
                    l->error.message);
        }
    }
    opr_free(l);
    opr__source_changed(s);
    opr__manager_rearm(m);
}

static void look_up(void *arg)
{
    struct lookup *l = arg;
    struct opr_manager *m = l->m;
    const struct opr_clock *clock = opr_client_clock(m->config.client);
    opr_caller_set_deadline(m->aux_caller, opr_clock_mono_ns(clock) + DISCOVERY_LIMIT_NS);
    if (opr_resource_find(m->aux_caller, l->source->gvk, &l->resource, &l->error) != OPR_OK) {
        l->resource = NULL;
    }
    opr__manager_post(m, looked_up, l, opr_free);
}

void opr__source_tick(struct opr__source *s)
{
    if (s->is_resolving || opr_clock_mono_ns(s->m->clock) < s->resolve_due_ns) {
        return;
    }
    s->is_resolving = true;
    if (s->is_wildcard) {
        opr__wildcard_resolve(s);
        return;
    }
    struct lookup *l = opr_xalloc(sizeof *l);
    l->m = s->m;
    l->source = s;
    opr_executor_run(s->m->aux, look_up, l);
}

uint64_t opr__source_due_ns(const struct opr__source *s)
{
    return s->is_resolving ? UINT64_MAX : s->resolve_due_ns;
}

void opr__source_start(struct opr__source *s)
{
    s->resolve_due_ns = opr_clock_mono_ns(s->m->clock);
    opr__source_tick(s);
}

void opr__source_stop(struct opr__source *s)
{
    s->resolve_due_ns = UINT64_MAX;
    for (size_t i = 0; i < s->children.count; i++) {
        opr_informer_stop(((struct opr__child *)s->children.items[i])->informer);
    }
}

void opr__source_free(struct opr__source *s)
{
    for (size_t i = 0; i < s->children.count; i++) {
        struct opr__child *child = s->children.items[i];
        opr_informer_free(child->informer);
        opr_free(child);
    }
    opr_vec_fini(&s->children);
    opr_vec_fini(&s->subs);
    for (size_t i = 0; i < s->index_specs.count; i++) {
        opr_free(s->index_specs.items[i]);
    }
    opr_vec_fini(&s->index_specs);
    opr_free(s->gvk);
    opr_free(s->ns);
    opr_free(s->labels);
    opr_free(s->fields);
    opr_free(s);
}

bool opr__source_is_ready(const struct opr__source *s)
{
    if (!s->is_resolved) {
        return s->is_optional && s->error.status != OPR_OK;
    }
    for (size_t i = 0; i < s->children.count; i++) {
        const struct opr_informer *informer = ((struct opr__child *)s->children.items[i])->informer;
        bool may_lack = s->is_wildcard || s->is_optional;
        if (!opr_informer_is_synced(informer) && !(may_lack && opr_informer_has_failed(informer))) {
            return false;
        }
    }
    return true;
}

void opr__source_changed(struct opr__source *s)
{
    for (size_t i = 0; i < s->subs.count; i++) {
        opr__controller_check_ready(((struct opr__sub *)s->subs.items[i])->controller);
    }
}

struct opr_informer *opr__source_informer(const struct opr__source *s, const char *gvk)
{
    for (size_t i = 0; i < s->children.count; i++) {
        struct opr_informer *informer = ((struct opr__child *)s->children.items[i])->informer;
        if (strcmp(opr_informer_resource(informer)->gvk, gvk) == 0) {
            return informer;
        }
    }
    return NULL;
}

/* Objects of all kinds of a wildcard, one kind after the other. */
static opr_status list_children(const struct opr__source *s, struct opr_arena *a, const char *ns,
                                const char *index, const char *value,
                                const struct opr_obj *const **ret_objs, uint32_t *ret_count)
{
    size_t n = s->children.count;
    const struct opr_obj *const **parts = opr_arena_alloc(a, (n + 1) * sizeof(void *));
    uint32_t *counts = opr_arena_alloc(a, (n + 1) * sizeof *counts);
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        const struct opr__child *child = s->children.items[i];
        OPR_TRY(opr_informer_list(child->informer, a, ns, index, value, &parts[i], &counts[i]));
        total += counts[i];
    }
    const struct opr_obj **all = opr_arena_alloc(a, (total + 1) * sizeof(void *));
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(all + at, parts[i], counts[i] * sizeof(void *));
        at += counts[i];
    }
    *ret_objs = all;
    *ret_count = (uint32_t)total;
    return OPR_OK;
}

opr_status opr__source_list(const struct opr__source *s, struct opr_arena *a, const char *gvk,
                            const char *ns, const char *index, const char *value,
                            const struct opr_obj *const **ret_objs, uint32_t *ret_count)
{
    static const struct opr_obj *const none[] = {NULL};
    if (strcmp(gvk, "*") == 0) {
        return list_children(s, a, ns, index, value, ret_objs, ret_count);
    }
    const struct opr_informer *informer = opr__source_informer(s, gvk);
    if (!informer) {
        *ret_objs = none;
        *ret_count = 0;
        return OPR_OK;
    }
    return opr_informer_list(informer, a, ns, index, value, ret_objs, ret_count);
}
