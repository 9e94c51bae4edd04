/* Workers: each takes a key, runs its reconcile with a session and an arena of its own, and tells
 * the queue how it ended. */
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"

/* A key's failures are logged when they begin and then now and again. */
#define LOG_EVERY_FAILURE 10u

static bool may_run(const struct opr_manager *m)
{
    return !atomic_load(&m->is_stopping) && atomic_load(&m->is_leading);
}

/* Never counts past the limit, not even for a moment: another worker that looked just then would
 * find no place, and sleep beside a key. */
static bool reserve_place(struct opr__controller *c)
{
    uint32_t active = atomic_load(&c->active);
    while (active < c->max_workers) {
        if (atomic_compare_exchange_weak(&c->active, &active, active + 1)) {
            return true;
        }
    }
    return false;
}

/* Keys that waited for this place are for any worker: this one may turn to another controller. */
static void give_place_back(struct opr__controller *c)
{
    bool was_full = atomic_fetch_sub(&c->active, 1) >= c->max_workers;
    if (was_full && opr_queue_stats_of(c->queue).depth > 0) {
        opr__manager_wake_workers(c->m);
    }
}

/* Reserves a place among the controller's workers and takes a key, or does neither. */
static char *take_key(struct opr__controller *c)
{
    char *key = NULL;
    if (!atomic_load(&c->is_ready) || !reserve_place(c)) {
        return NULL;
    }
    uint64_t waited_ns = 0;
    if (opr_queue_take(c->queue, &key, &waited_ns)) {
        opr__histogram_add(&c->queued, OPR__BOUNDS_QUEUE, waited_ns);
        return key;
    }
    atomic_fetch_sub(&c->active, 1);
    return NULL;
}

/* The controllers take turns. */
static struct opr__controller *next_job(struct opr_manager *m, char **ret_key)
{
    size_t n = m->controllers.count;
    uint32_t first = atomic_fetch_add(&m->next_controller, 1);
    for (size_t i = 0; i < n && may_run(m); i++) {
        struct opr__controller *c = m->controllers.items[(first + i) % n];
        char *key = take_key(c);
        if (key) {
            *ret_key = key;
            return c;
        }
    }
    return NULL;
}

/* The object that a key means, as the cache has it; kept by the arena. */
static const struct opr_obj *find_self(struct opr_ctx *ctx)
{
    const struct opr__source *s = ((struct opr__sub *)ctx->controller->subs.items[0])->source;
    char *gvk = s->gvk, *ns = (char *)ctx->key.ns;
    if (s->is_wildcard && !opr__wildcard_split(ctx->arena, ctx->key.ns, &gvk, &ns)) {
        return NULL;
    }
    pthread_rwlock_rdlock(&ctx->m->sources_lock);
    const struct opr_informer *informer = opr__source_informer(s, gvk);
    struct opr_obj *self = informer ? opr_informer_get(informer, ns, ctx->key.name) : NULL;
    pthread_rwlock_unlock(&ctx->m->sources_lock);
    return opr__ctx_keep(ctx, self);
}

static void begin(struct opr_ctx *ctx, struct opr__controller *c, const char *key)
{
    const char *slash = strrchr(key, '/');
    const struct opr_clock *client_clock = opr_client_clock(c->m->config.client);
    opr_arena_clear(ctx->arena);
    ctx->controller = c;
    ctx->key.ns = opr_arena_dup(ctx->arena, opr_str_n(key, (size_t)(slash - key)));
    ctx->key.name = opr_arena_dup(ctx->arena, opr_str_of(slash + 1));
    ctx->error = (struct opr_error){0};
    ctx->deadline_ns = opr_clock_mono_ns(c->m->clock) + c->timeout_ns;
    opr_caller_set_deadline(ctx->caller, opr_clock_mono_ns(client_clock) + c->timeout_ns);
}

static void log_failure(const struct opr_ctx *ctx, const opr_result *r, uint32_t failures)
{
    const char *why = r->why && *r->why ? r->why : ctx->error.message;
    bool is_final = r->op == OPR_OP_FAIL;
    bool is_first = failures <= 1 || failures % LOG_EVERY_FAILURE == 0;
    opr_log(is_final || is_first ? OPR_LOG_WARN : OPR_LOG_DEBUG, ctx->controller->decl.name,
            is_final ? "reconcile failed, waiting for a change" : "reconcile failed, will retry",
            "key=%s/%s failures=%u error=%s", ctx->key.ns, ctx->key.name, failures, why);
}

static void conclude(const struct opr_ctx *ctx, struct opr_str key, const opr_result *r)
{
    struct opr__controller *c = ctx->controller;
    switch (r->op) {
    case OPR_OP_DONE:
        atomic_fetch_add(&c->done, 1);
        opr_queue_forget(c->queue, key);
        break;
    case OPR_OP_AFTER:
        atomic_fetch_add(&c->after, 1);
        opr_queue_forget(c->queue, key);
        opr_queue_add_after(c->queue, key, r->after_ms);
        break;
    case OPR_OP_FAIL:
        atomic_fetch_add(&c->errors, 1);
        atomic_fetch_add(&c->terminal, 1);
        opr_queue_forget(c->queue, key);
        log_failure(ctx, r, 1);
        break;
    default:
        atomic_fetch_add(&c->errors, 1);
        opr_queue_add_limited(c->queue, key);
        log_failure(ctx, r, opr_queue_failures(c->queue, key));
    }
}

static void show_key(struct opr__worker *w, const char *key)
{
    pthread_mutex_lock(&w->m->dispatch_lock);
    w->key = key;
    pthread_mutex_unlock(&w->m->dispatch_lock);
}

static void run(struct opr__worker *w, struct opr__controller *c, const char *key)
{
    struct opr_ctx *ctx = &w->ctx;
    uint64_t started = opr_clock_mono_ns(c->m->clock);
    begin(ctx, c, key);
    atomic_store(&w->started_ns, started);
    atomic_store(&w->running, c);
    if (!may_run(c->m)) { /* the lease was lost between the take and the new deadline */
        opr_caller_cancel(ctx->caller);
    }
    const struct opr_obj *self = find_self(ctx);
    opr_result r = c->decl.reconcile(ctx, self);
    uint64_t took = opr_clock_mono_ns(c->m->clock) - started;
    if (took >= c->timeout_ns) {
        atomic_fetch_add(&c->timeouts, 1);
    }
    opr__histogram_add(&c->time, OPR__BOUNDS_RECONCILE, took);
    opr__histogram_add(&c->work, OPR__BOUNDS_QUEUE, took);
    if (!self && r.op == OPR_OP_DONE) {
        opr__expectations_forget(c->expectations, ctx->key);
    }
    conclude(ctx, opr_str_of(key), &r);
    atomic_store(&w->running, NULL);
    opr_arena_clear(ctx->arena);
}

bool opr__worker_run_one(struct opr__worker *w)
{
    char *key = NULL;
    struct opr__controller *c = next_job(w->m, &key);
    if (!c) {
        return false;
    }
    show_key(w, key);
    run(w, c, key);
    show_key(w, NULL);
    opr_queue_done(c->queue, opr_str_of(key));
    give_place_back(c);
    opr_free(key);
    return true;
}

static void on_worker_ended(struct opr_manager *m, void *arg)
{
    (void)arg;
    opr__manager_rearm(m);
}

static void *worker_main(void *arg)
{
    struct opr__worker *w = arg;
    struct opr_manager *m = w->m;
    while (!atomic_load(&m->is_stopping)) {
        pthread_mutex_lock(&m->dispatch_lock);
        uint64_t seq = m->dispatch_seq;
        pthread_mutex_unlock(&m->dispatch_lock);
        if (opr__worker_run_one(w)) {
            continue;
        }
        pthread_mutex_lock(&m->dispatch_lock);
        while (seq == m->dispatch_seq && !atomic_load(&m->is_stopping)) {
            pthread_cond_wait(&m->dispatch_wakeup, &m->dispatch_lock);
        }
        pthread_mutex_unlock(&m->dispatch_lock);
    }
    if (atomic_fetch_sub(&m->live_workers, 1) == 1) {
        opr__manager_post(m, on_worker_ended, NULL, NULL);
    }
    return NULL;
}

struct opr__worker *opr__worker_new(struct opr_manager *m, bool has_thread)
{
    struct opr__worker *w = opr_xalloc(sizeof *w);
    w->m = m;
    w->ctx.m = m;
    w->ctx.caller = opr_caller_new(m->config.client);
    w->ctx.arena = opr_arena_new();
    if (has_thread) {
        atomic_fetch_add(&m->live_workers, 1);
        w->has_thread = pthread_create(&w->thread, NULL, worker_main, w) == 0;
        OPR_CHECK(w->has_thread);
        pthread_setname_np(w->thread, "opr-worker");
    }
    return w;
}

void opr__worker_free(struct opr__worker *w)
{
    if (!w) {
        return;
    }
    if (w->has_thread) {
        pthread_join(w->thread, NULL);
    }
    opr_caller_free(w->ctx.caller);
    opr_arena_free(w->ctx.arena);
    opr_free(w);
}
