#include "core/queue/queue.h"

#include "core/base/alloc.h"
#include "core/base/heap.h"
#include "core/base/map.h"

#include <pthread.h>

#define MS 1000000ull

/* One key. It lives as long as it is queued, delayed, handled, or has failures to remember. */
struct item {
    struct opr_heap_entry entry; /* in the delay heap; first member */
    uint64_t due_ns;             /* while in the heap */
    uint64_t order;              /* of equal due times */
    uint64_t added_ns;           /* while ready or dirty: since when */
    struct item *next;           /* in the ready list */
    uint32_t failures;
    bool is_ready;  /* in the ready list */
    bool is_active; /* a worker has it */
    bool is_dirty;  /* came again while active */
    char key[];
};

struct opr_queue {
    struct opr_queue_config config;
    pthread_mutex_t lock;      /* guards all that follows */
    struct opr_map *items;     /* owned items by key */
    struct item *first, *last; /* ready, oldest first */
    struct opr_heap delayed;
    uint64_t next_order;
    double tokens;      /* of the bucket; may be negative: reserved ahead */
    uint64_t tokens_ns; /* when tokens was right */
    struct opr_queue_stats stats;
    bool is_stopped;
};

static bool less(const struct opr_heap_entry *a, const struct opr_heap_entry *b)
{
    const struct item *x = (const struct item *)a, *y = (const struct item *)b;
    return x->due_ns != y->due_ns ? x->due_ns < y->due_ns : x->order < y->order;
}

struct opr_queue *opr_queue_new(const struct opr_queue_config *config)
{
    struct opr_queue *q = opr_xalloc(sizeof *q);
    q->config = *config;
    q->config.base_delay_ms = config->base_delay_ms ? config->base_delay_ms : 5;
    q->config.max_delay_ms = config->max_delay_ms ? config->max_delay_ms : 1000000;
    q->config.bucket_per_s = config->bucket_per_s ? config->bucket_per_s : 10;
    q->config.bucket_burst = config->bucket_burst ? config->bucket_burst : 100;
    q->items = opr_map_new();
    q->delayed.less = less;
    q->tokens = q->config.bucket_burst;
    q->tokens_ns = opr_clock_mono_ns(config->clock);
    pthread_mutex_init(&q->lock, NULL);
    return q;
}

void opr_queue_free(struct opr_queue *q)
{
    if (!q) {
        return;
    }
    opr_heap_fini(&q->delayed);
    opr_map_free(q->items, opr_free);
    pthread_mutex_destroy(&q->lock);
    opr_free(q);
}

static struct item *item_of(struct opr_queue *q, struct opr_str key)
{
    struct item *it = opr_map_get(q->items, key);
    if (!it) {
        it = opr_xalloc(sizeof *it + key.len + 1);
        memcpy(it->key, key.ptr, key.len);
        opr_map_put(q->items, key, it);
    }
    return it;
}

/* Forgets an item that has nothing to remember. */
static void settle(struct opr_queue *q, struct item *it)
{
    if (!it->is_ready && !it->is_active && !it->is_dirty && it->entry.pos == 0 &&
        it->failures == 0) {
        opr_map_remove(q->items, opr_str_of(it->key));
        opr_free(it);
    }
}

static void push_ready(struct opr_queue *q, struct item *it)
{
    it->is_ready = true;
    it->next = NULL;
    if (q->first) {
        q->last->next = it;
    } else {
        q->first = it;
    }
    q->last = it;
    q->stats.depth++;
}

/* Makes a key ready, or ready once its worker is done. A delay of the same key stays: whoever asked
 * for it is woken then, too. True where a worker should be woken. */
static bool add_now(struct opr_queue *q, struct item *it)
{
    if (it->is_ready || it->is_dirty) {
        return false;
    }
    q->stats.adds++;
    it->added_ns = opr_clock_mono_ns(q->config.clock);
    if (it->is_active) {
        it->is_dirty = true;
        return false;
    }
    push_ready(q, it);
    return true;
}

static void wake(struct opr_queue *q, bool is_needed)
{
    if (is_needed && q->config.on_ready) {
        q->config.on_ready(q->config.arg);
    }
}

void opr_queue_add(struct opr_queue *q, struct opr_str key)
{
    pthread_mutex_lock(&q->lock);
    bool is_needed = !q->is_stopped && add_now(q, item_of(q, key));
    pthread_mutex_unlock(&q->lock);
    wake(q, is_needed);
}

/* Delays an item; the earlier of two due times stays. True where the next due time came nearer. */
static bool add_delayed(struct opr_queue *q, struct item *it, uint64_t due_ns)
{
    if (it->entry.pos > 0) {
        if (due_ns >= it->due_ns) {
            return false;
        }
        it->due_ns = due_ns;
        opr_heap_update(&q->delayed, &it->entry);
    } else {
        it->due_ns = due_ns;
        it->order = q->next_order++;
        opr_heap_push(&q->delayed, &it->entry);
        q->stats.waiting++;
    }
    return opr_heap_peek(&q->delayed) == &it->entry;
}

void opr_queue_add_after(struct opr_queue *q, struct opr_str key, uint64_t after_ms)
{
    pthread_mutex_lock(&q->lock);
    bool is_needed = false;
    if (!q->is_stopped) {
        struct item *it = item_of(q, key);
        q->stats.retries++;
        uint64_t now = opr_clock_mono_ns(q->config.clock);
        uint64_t due = after_ms > (UINT64_MAX - now) / MS ? UINT64_MAX - 1 : now + after_ms * MS;
        is_needed = after_ms == 0 ? add_now(q, it) : add_delayed(q, it, due);
    }
    pthread_mutex_unlock(&q->lock);
    wake(q, is_needed);
}

/* base * 2^failures, capped (client-go ItemExponentialFailureRateLimiter). */
static uint64_t backoff_ms(const struct opr_queue *q, uint32_t failures)
{
    uint64_t ms = q->config.base_delay_ms;
    for (uint32_t i = 0; i < failures && ms < q->config.max_delay_ms; i++) {
        ms *= 2;
    }
    return ms < q->config.max_delay_ms ? ms : q->config.max_delay_ms;
}

/* Takes a token, now or ahead of time; how long until it is there (golang.org/x/time/rate). */
static uint64_t bucket_ns(struct opr_queue *q, uint64_t now)
{
    double rate = q->config.bucket_per_s, burst = q->config.bucket_burst;
    q->tokens += (double)(now - q->tokens_ns) / 1e9 * rate;
    q->tokens = q->tokens > burst ? burst : q->tokens;
    q->tokens_ns = now;
    q->tokens -= 1;
    return q->tokens >= 0 ? 0 : (uint64_t)(-q->tokens / rate * 1e9);
}

void opr_queue_add_limited(struct opr_queue *q, struct opr_str key)
{
    pthread_mutex_lock(&q->lock);
    bool is_needed = false;
    if (!q->is_stopped) {
        struct item *it = item_of(q, key);
        uint64_t now = opr_clock_mono_ns(q->config.clock);
        uint64_t own = backoff_ms(q, it->failures) * MS, all = bucket_ns(q, now);
        it->failures += it->failures < UINT32_MAX;
        q->stats.retries++;
        is_needed = add_delayed(q, it, now + (own > all ? own : all));
    }
    pthread_mutex_unlock(&q->lock);
    wake(q, is_needed);
}

void opr_queue_forget(struct opr_queue *q, struct opr_str key)
{
    pthread_mutex_lock(&q->lock);
    struct item *it = opr_map_get(q->items, key);
    if (it) {
        it->failures = 0;
        settle(q, it);
    }
    pthread_mutex_unlock(&q->lock);
}

uint32_t opr_queue_failures(const struct opr_queue *q, struct opr_str key)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&q->lock;
    pthread_mutex_lock(lock);
    const struct item *it = opr_map_get(q->items, key);
    uint32_t failures = it ? it->failures : 0;
    pthread_mutex_unlock(lock);
    return failures;
}

bool opr_queue_take(struct opr_queue *q, char **ret_key, uint64_t *ret_waited_ns)
{
    pthread_mutex_lock(&q->lock);
    struct item *it = q->first;
    if (it) {
        q->first = it->next;
        it->is_ready = false;
        it->is_active = true;
        q->stats.depth--;
        q->stats.active++;
        *ret_key = opr_xstrdup(it->key);
        if (ret_waited_ns) {
            *ret_waited_ns = opr_clock_mono_ns(q->config.clock) - it->added_ns;
        }
    }
    pthread_mutex_unlock(&q->lock);
    return it != NULL;
}

void opr_queue_done(struct opr_queue *q, struct opr_str key)
{
    pthread_mutex_lock(&q->lock);
    struct item *it = opr_map_get(q->items, key);
    bool is_needed = false;
    OPR_CHECK(it && it->is_active);
    it->is_active = false;
    q->stats.active--;
    if (it->is_dirty) {
        it->is_dirty = false;
        push_ready(q, it);
        is_needed = true;
    }
    settle(q, it);
    pthread_mutex_unlock(&q->lock);
    wake(q, is_needed);
}

void opr_queue_tick(struct opr_queue *q)
{
    pthread_mutex_lock(&q->lock);
    uint64_t now = opr_clock_mono_ns(q->config.clock);
    bool is_needed = false;
    for (struct item *it;
         (it = (struct item *)opr_heap_peek(&q->delayed)) && it->due_ns <= now && !q->is_stopped;) {
        opr_heap_pop(&q->delayed);
        q->stats.waiting--;
        is_needed = add_now(q, it) || is_needed;
    }
    pthread_mutex_unlock(&q->lock);
    wake(q, is_needed);
}

uint64_t opr_queue_next_due_ns(const struct opr_queue *q)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&q->lock;
    pthread_mutex_lock(lock);
    const struct item *it = (const struct item *)opr_heap_peek(&q->delayed);
    uint64_t due = it && !q->is_stopped ? it->due_ns : UINT64_MAX;
    pthread_mutex_unlock(lock);
    return due;
}

void opr_queue_stop(struct opr_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->is_stopped = true;
    pthread_mutex_unlock(&q->lock);
}

struct opr_queue_stats opr_queue_stats_of(const struct opr_queue *q)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&q->lock;
    pthread_mutex_lock(lock);
    struct opr_queue_stats stats = q->stats;
    pthread_mutex_unlock(lock);
    return stats;
}
