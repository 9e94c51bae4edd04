/* The manager: what it owns, its one timer, and its end. */
#include "core/runtime/internal.h"

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <inttypes.h>

#define DEFAULT_WORKERS 4u
#define MS_NS 1000000ull
#define CANCEL_GRACE_NS (2000 * MS_NS) /* a cancelled reconcile ends by then, or is left behind */

static void on_timer(void *arg);

static char *dup_or_null(const char *text)
{
    return text && *text ? opr_xstrdup(text) : NULL;
}

struct opr_manager *opr_manager_new(const struct opr_manager_config *config)
{
    struct opr_manager *m = opr_xalloc(sizeof *m);
    m->config = *config;
    m->config.identity = dup_or_null(config->identity);
    m->config.lease = dup_or_null(config->lease);
    m->clock = config->clock;
    m->is_inline = config->workers == UINT32_MAX;
    OPR_CHECK(config->loop || m->is_inline);
    m->mailbox = opr_xalloc(sizeof *m->mailbox);
    m->mailbox->m = m;
    atomic_store(&m->mailbox->refs, 1);
    m->drain_due_ns = UINT64_MAX;
    atomic_store(&m->armed_ns, UINT64_MAX);
    pthread_rwlock_init(&m->sources_lock, NULL);
    pthread_mutex_init(&m->dispatch_lock, NULL);
    pthread_cond_init(&m->dispatch_wakeup, NULL);
    m->aux = m->is_inline ? opr_executor_inline_new() : opr_executor_pool_new("opr-aux", 1);
    m->aux_caller = opr_caller_new(config->client);
    m->events = opr__recorder_new(m);
    if (config->loop) {
        m->timer = opr_timer_new(config->loop, on_timer, m);
    }
    return m;
}

/* A function on its way to the loop. */
struct post {
    struct opr__mailbox *mailbox; /* ref */
    void (*fn)(struct opr_manager *m, void *arg);
    void (*drop)(void *arg);
    void *arg;
};

static void unref_mailbox(struct opr__mailbox *mailbox)
{
    if (atomic_fetch_sub(&mailbox->refs, 1) == 1) {
        opr_free(mailbox);
    }
}

static void deliver(void *arg)
{
    struct post *p = arg;
    if (p->mailbox->m) {
        p->fn(p->mailbox->m, p->arg);
    } else if (p->drop) {
        p->drop(p->arg);
    }
    unref_mailbox(p->mailbox);
    opr_free(p);
}

void opr__manager_post(struct opr_manager *m, void (*fn)(struct opr_manager *m, void *arg),
                       void *arg, void (*drop)(void *arg))
{
    if (!m->config.loop) {
        fn(m, arg);
        return;
    }
    struct post *p = opr_xalloc(sizeof *p);
    *p = (struct post){.mailbox = m->mailbox, .fn = fn, .drop = drop, .arg = arg};
    atomic_fetch_add(&m->mailbox->refs, 1);
    opr_loop_post(m->config.loop, deliver, p);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t opr_manager_next_due_ns(struct opr_manager *m)
{
    uint64_t due = m->drain_due_ns;
    for (size_t i = 0; i < m->controllers.count; i++) {
        struct opr__controller *c = m->controllers.items[i];
        due = earlier(due, opr_queue_next_due_ns(c->queue));
    }
    for (size_t i = 0; i < m->sources.count; i++) {
        const struct opr__source *s = m->sources.items[i];
        due = earlier(due, opr__source_due_ns(s));
        for (size_t n = 0; !m->config.loop && n < s->children.count; n++) {
            const struct opr__child *child = s->children.items[n];
            due = earlier(due, opr_informer_next_due_ns(child->informer));
        }
    }
    return m->leader ? earlier(due, opr__leader_due_ns(m->leader)) : due;
}

static void arm(struct opr_manager *m)
{
    uint64_t due = opr_manager_next_due_ns(m);
    uint64_t now = opr_clock_mono_ns(m->clock);
    atomic_store(&m->armed_ns, due);
    due = opr_manager_next_due_ns(m); /* one that came nearer meanwhile asks for a new turn */
    if (due == UINT64_MAX) {
        opr_timer_stop(m->timer);
    } else {
        opr_timer_set(m->timer, due > now ? (due - now + MS_NS - 1) / MS_NS : 0);
    }
}

static void on_rearm(struct opr_manager *m, void *arg)
{
    (void)arg;
    atomic_store(&m->is_rearm_posted, false);
    on_timer(m);
}

void opr__manager_rearm(struct opr_manager *m)
{
    if (m->config.loop && !atomic_exchange(&m->is_rearm_posted, true)) {
        opr__manager_post(m, on_rearm, NULL, NULL);
    }
}

void opr__manager_wake_workers(struct opr_manager *m)
{
    pthread_mutex_lock(&m->dispatch_lock);
    m->dispatch_seq++;
    pthread_cond_broadcast(&m->dispatch_wakeup);
    pthread_mutex_unlock(&m->dispatch_lock);
}

static void cancel_workers(struct opr_manager *m)
{
    for (uint32_t i = 0; i < m->n_workers; i++) {
        opr_caller_cancel(m->workers[i]->ctx.caller);
    }
    opr_caller_cancel(m->aux_caller);
}

static void finish_stop(struct opr_manager *m)
{
    void (*stopped)(void *) = m->stopped;
    m->stopped = NULL;
    m->drain_due_ns = UINT64_MAX;
    if (atomic_load(&m->live_workers) == 0) {
        opr__leader_free(m->leader); /* only now: a reconcile that ran was under the lease */
        m->leader = NULL;
    }
    if (stopped) {
        stopped(m->stopped_arg);
    }
}

/* Says what keeps the process from a clean end. */
static void log_running(struct opr_manager *m, int32_t level, const char *what)
{
    uint64_t now = opr_clock_mono_ns(m->clock);
    pthread_mutex_lock(&m->dispatch_lock);
    for (uint32_t i = 0; i < m->n_workers; i++) {
        const struct opr__worker *w = m->workers[i];
        const struct opr__controller *c = atomic_load(&w->running);
        uint64_t started = atomic_load(&w->started_ns);
        if (w->key && c) {
            opr_log(level, "runtime", what, "controller=%s key=%s running_ms=%" PRIu64,
                    c->decl.name, w->key, now > started ? (uint64_t)((now - started) / MS_NS) : 0);
        }
    }
    pthread_mutex_unlock(&m->dispatch_lock);
}

static void check_drained(struct opr_manager *m)
{
    uint64_t now = opr_clock_mono_ns(m->clock);
    if (!m->stopped) {
        return;
    }
    if (atomic_load(&m->live_workers) == 0) {
        finish_stop(m);
    } else if (now >= m->drain_due_ns && !m->is_cancelled) {
        m->is_cancelled = true;
        m->drain_due_ns = now + CANCEL_GRACE_NS;
        log_running(m, OPR_LOG_WARN, "a reconcile outlasts the drain, it is cancelled");
        cancel_workers(m);
    } else if (now >= m->drain_due_ns) {
        log_running(m, OPR_LOG_ERROR, "a reconcile did not end, it is left behind");
        finish_stop(m);
    }
}

/* All that is due on the loop; reconciles are not among it. */
static void do_due(struct opr_manager *m)
{
    uint64_t now = opr_clock_mono_ns(m->clock);
    for (size_t i = 0; i < m->controllers.count; i++) {
        opr_queue_tick(((struct opr__controller *)m->controllers.items[i])->queue);
    }
    for (size_t i = 0; i < m->sources.count; i++) {
        struct opr__source *s = m->sources.items[i];
        if (!atomic_load(&m->is_stopping)) {
            opr__source_tick(s);
        }
        for (size_t n = 0; !m->config.loop && n < s->children.count; n++) {
            struct opr__child *child = s->children.items[n];
            if (opr_informer_next_due_ns(child->informer) <= now) {
                opr_informer_tick(child->informer);
            }
        }
    }
    if (m->leader) {
        opr__leader_tick(m->leader);
    }
    check_drained(m);
}

uint32_t opr_manager_turn(struct opr_manager *m, uint32_t max)
{
    uint32_t ran = 0;
    if (!m->is_started) {
        return 0;
    }
    do_due(m);
    while (ran < max && opr__worker_run_one(m->workers[0])) {
        ran++;
    }
    opr__recorder_flush(m->events);
    return ran;
}

static void on_timer(void *arg)
{
    struct opr_manager *m = arg;
    if (!m->is_started) {
        return;
    }
    if (m->is_inline) {
        (void)opr_manager_turn(m, UINT32_MAX);
    } else {
        do_due(m);
    }
    arm(m);
}

void opr_manager_start(struct opr_manager *m)
{
    OPR_CHECK(!m->is_started);
    m->is_started = true;
    uint32_t wanted = m->config.workers ? m->config.workers : DEFAULT_WORKERS;
    wanted = m->is_inline ? 1 : wanted;
    m->workers = opr_xalloc(wanted * sizeof(struct opr__worker *));
    for (uint32_t i = 0; i < wanted; i++) {
        m->workers[i] = opr__worker_new(m, !m->is_inline);
    }
    m->n_workers = wanted;
    if (m->config.lease) {
        m->leader = opr__leader_new(m, m->config.lease);
        opr__leader_start(m->leader);
    } else {
        atomic_store(&m->is_leading, true);
    }
    for (size_t i = 0; i < m->sources.count; i++) {
        opr__source_start(m->sources.items[i]);
    }
    if (m->config.health_port && m->config.loop) {
        m->health = opr__health_server_new(m, m->config.health_port);
    }
    opr__manager_rearm(m);
}

void opr_manager_rediscover(struct opr_manager *m)
{
    opr_client_expire_discovery(m->config.client);
    for (size_t i = 0; i < m->sources.count; i++) {
        struct opr__source *s = m->sources.items[i];
        if (!s->is_resolved || s->is_wildcard) {
            s->resolve_due_ns = opr_clock_mono_ns(m->clock);
        }
    }
    opr__manager_rearm(m);
}

bool opr_manager_enqueue(struct opr_manager *m, const char *controller, const char *ns,
                         const char *name)
{
    struct opr__controller *c = opr__controller_find(m, controller);
    if (c) {
        opr__controller_enqueue(c, ns, name, 0);
    }
    return c != NULL;
}

bool opr_manager_is_ready(const struct opr_manager *m)
{
    for (size_t i = 0; i < m->controllers.count; i++) {
        if (!atomic_load(&((const struct opr__controller *)m->controllers.items[i])->is_ready)) {
            return false;
        }
    }
    return m->is_started;
}

static void halt(struct opr_manager *m)
{
    atomic_store(&m->is_stopping, true);
    for (size_t i = 0; i < m->sources.count; i++) {
        opr__source_stop(m->sources.items[i]);
    }
    for (size_t i = 0; i < m->controllers.count; i++) {
        opr_queue_stop(((struct opr__controller *)m->controllers.items[i])->queue);
    }
    opr__manager_wake_workers(m);
}

void opr_manager_stop(struct opr_manager *m, uint32_t drain_ms, void (*done)(void *), void *arg)
{
    m->stopped = done;
    m->stopped_arg = arg;
    m->drain_due_ns = opr_clock_mono_ns(m->clock) + drain_ms * MS_NS;
    opr__health_server_free(m->health);
    m->health = NULL;
    halt(m);
    opr__manager_rearm(m);
    if (!m->config.loop) {
        check_drained(m);
    }
}

static void free_plugin(struct opr__plugin *p)
{
    if (p->table.fini) {
        p->table.fini(p->state);
    }
    opr_json_unref(p->config);
    opr__plugin_close(p->handle);
    opr_free(p);
}

static void free_parts(struct opr_manager *m)
{
    for (uint32_t i = 0; i < m->n_workers; i++) {
        opr__worker_free(m->workers[i]);
    }
    opr_free(m->workers);
    opr_executor_free(m->aux);
    opr__leader_free(m->leader);
    opr__recorder_free(m->events);
    for (size_t i = 0; i < m->controllers.count; i++) {
        opr__controller_free(m->controllers.items[i]);
    }
    opr_vec_fini(&m->controllers);
    for (size_t i = 0; i < m->sources.count; i++) {
        opr__source_free(m->sources.items[i]);
    }
    opr_vec_fini(&m->sources);
    for (size_t i = m->plugins.count; i-- > 0;) {
        free_plugin(m->plugins.items[i]);
    }
    opr_vec_fini(&m->plugins);
    opr_free(m->schedulers);
    opr_caller_free(m->aux_caller);
}

bool opr_manager_has_left_behind(const struct opr_manager *m)
{
    return m->is_cancelled && !m->stopped && atomic_load(&m->live_workers) > 0;
}

void opr_manager_free(struct opr_manager *m)
{
    if (!m) {
        return;
    }
    opr__health_server_free(m->health);
    m->health = NULL;
    bool has_left_behind = opr_manager_has_left_behind(m);
    m->mailbox->m = NULL;
    if (has_left_behind) {
        return; /* its memory is in use by a reconcile that does not end */
    }
    halt(m);
    cancel_workers(m);
    opr_timer_free(m->timer);
    struct opr__mailbox *mailbox = m->mailbox;
    free_parts(m);
    pthread_rwlock_destroy(&m->sources_lock);
    pthread_mutex_destroy(&m->dispatch_lock);
    pthread_cond_destroy(&m->dispatch_wakeup);
    opr_free((void *)m->config.identity);
    opr_free((void *)m->config.lease);
    opr_free(m);
    unref_mailbox(mailbox);
}
