#include "core/base/executor.h"

#include "core/base/alloc.h"

#include <pthread.h>
#include <stdio.h>

/* Address space, not memory: only touched pages count. A worker may run a whole request of the
 * embedded server, whose recursion over 128 levels of JSON must fit. */
#define STACK_BYTES (1024 * 1024)

struct task {
    struct task *next;
    void (*fn)(void *);
    void *arg;
};

struct opr_executor {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t has_work;
    struct task *first, *last; /* owned */
    bool is_ending;
    pthread_t *threads; /* owned; NULL: inline */
    uint32_t count;
};

static void *work(void *arg)
{
    struct opr_executor *e = arg;
    pthread_mutex_lock(&e->lock);
    for (;;) {
        while (!e->first && !e->is_ending) {
            pthread_cond_wait(&e->has_work, &e->lock);
        }
        struct task *t = e->first;
        if (!t) {
            break;
        }
        e->first = t->next;
        pthread_mutex_unlock(&e->lock);
        t->fn(t->arg);
        opr_free(t);
        pthread_mutex_lock(&e->lock);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

struct opr_executor *opr_executor_inline_new(void)
{
    struct opr_executor *e = opr_xalloc(sizeof *e);
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->has_work, NULL);
    return e;
}

struct opr_executor *opr_executor_pool_new(const char *name, uint32_t threads)
{
    struct opr_executor *e = opr_executor_inline_new();
    OPR_CHECK(threads > 0);
    e->threads = opr_xalloc(threads * sizeof *e->threads);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    for (; e->count < threads; e->count++) {
        char label[16];
        OPR_CHECK(pthread_create(&e->threads[e->count], &attr, work, e) == 0);
        snprintf(label, sizeof label, "%.11s-%u", name, e->count);
        (void)pthread_setname_np(e->threads[e->count], label); /* only a label */
    }
    pthread_attr_destroy(&attr);
    return e;
}

void opr_executor_free(struct opr_executor *e)
{
    if (!e) {
        return;
    }
    pthread_mutex_lock(&e->lock);
    e->is_ending = true;
    pthread_cond_broadcast(&e->has_work);
    pthread_mutex_unlock(&e->lock);
    for (uint32_t i = 0; i < e->count; i++) {
        pthread_join(e->threads[i], NULL);
    }
    pthread_cond_destroy(&e->has_work);
    pthread_mutex_destroy(&e->lock);
    opr_free(e->threads);
    opr_free(e);
}

void opr_executor_run(struct opr_executor *e, void (*fn)(void *), void *arg)
{
    if (!e->threads) {
        fn(arg);
        return;
    }
    struct task *t = opr_xalloc(sizeof *t);
    t->fn = fn;
    t->arg = arg;
    pthread_mutex_lock(&e->lock);
    if (e->first) {
        e->last->next = t;
    } else {
        e->first = t;
    }
    e->last = t;
    pthread_cond_signal(&e->has_work);
    pthread_mutex_unlock(&e->lock);
}
