#include "schedulers/queue.h"

#include "schedulers/scheduler.h"

#include <search.h>

/* kube-scheduler: podInitialBackoffSeconds, podMaxBackoffSeconds,
 * podMaxInUnschedulablePodsDuration; what policies say may change without an event. */
enum {
    BACKOFF_MS = 1000,
    BACKOFF_MAX_MS = 10000,
    PARKED_MS = 300000,
    OUTSIDE_MS = 30000,
    FLUSH_EVERY_MS = 1000
};

static int by_uid(const void *a, const void *b)
{
    return strcmp(((const struct queued *)a)->uid, ((const struct queued *)b)->uid);
}

static bool is_more_urgent(const struct queued *a, const struct queued *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->age < b->age;
}

static bool is_ready_sooner(const struct queued *a, const struct queued *b)
{
    return a->ready_ms != b->ready_ms ? a->ready_ms < b->ready_ms : is_more_urgent(a, b);
}

static void set(struct pile *p, uint32_t i, struct queued *q)
{
    p->at[i] = q;
    q->index = i;
}

static void sift_up(struct pile *p, uint32_t i)
{
    struct queued *q = p->at[i];
    for (; i > 0 && p->is_before && p->is_before(q, p->at[(i - 1) / 2]); i = (i - 1) / 2) {
        set(p, i, p->at[(i - 1) / 2]);
    }
    set(p, i, q);
}

static void sift_down(struct pile *p, uint32_t i)
{
    struct queued *q = p->at[i];
    while (p->is_before && 2 * i + 1 < p->count) {
        uint32_t child = 2 * i + 1;
        if (child + 1 < p->count && p->is_before(p->at[child + 1], p->at[child])) {
            child++;
        }
        if (!p->is_before(p->at[child], q)) {
            break;
        }
        set(p, i, p->at[child]);
        i = child;
    }
    set(p, i, q);
}

static void leave(struct queued *q)
{
    struct pile *p = q->pile;
    if (!p) {
        return;
    }
    uint32_t i = q->index;
    struct queued *last = p->at[--p->count];
    if (last != q) {
        set(p, i, last);
        sift_down(p, i);
        sift_up(p, last->index);
    }
    q->pile = NULL;
}

static void enter(struct pile *p, struct queued *q)
{
    leave(q);
    if (p->count == p->room) {
        p->room = p->room ? p->room * 2 : 16;
        p->at = must(realloc(p->at, p->room * sizeof(struct queued *)));
    }
    set(p, p->count++, q);
    q->pile = p;
    sift_up(p, q->index);
}

void queues_init(struct queues *s)
{
    *s = (struct queues){
        .active.is_before = is_more_urgent,
        .backoff.is_before = is_ready_sooner,
        .errors.is_before = is_ready_sooner,
    };
}

struct queued *queue_find(struct queues *s, const char *uid)
{
    struct queued want = {.uid = (char *)uid};
    void *found = tfind(&want, &s->by_uid, by_uid);
    return found ? *(struct queued **)found : NULL;
}

static const char *promised_node(const struct opr_obj *pod)
{
    return opr_obj_str(pod, "/status/nominatedNodeName", "");
}

void queue_drop_nomination(struct queues *s, struct queued *q, const char *now_on)
{
    for (struct queued **at = &s->nominated; *at; at = &(*at)->next_nominated) {
        if (*at == q) {
            *at = q->next_nominated;
            s->has_freed_promise |= strcmp(promised_node(q->o), now_on) != 0;
            return;
        }
    }
}

void queue_refresh(struct queues *s, struct queued *q, const struct opr_obj *pod)
{
    struct opr_obj *old = q->o;
    if (old) {
        queue_drop_nomination(s, q, promised_node(pod));
    }
    q->o = opr_obj_ref(pod);
    opr_obj_unref(old);
    if (promised_node(pod)[0] != '\0') {
        q->next_nominated = s->nominated;
        s->nominated = q;
    }
}

static bool has_gates(const struct opr_obj *pod)
{
    return opr_obj_len(opr_obj_at(pod, "/spec/schedulingGates")) > 0;
}

static bool has_changed(const struct opr_obj *was, const struct opr_obj *is)
{
    return !opr_obj_equal(opr_obj_at(was, "/spec"), opr_obj_at(is, "/spec")) ||
           !opr_obj_equal(opr_obj_at(was, "/metadata/labels"), opr_obj_at(is, "/metadata/labels"));
}

void queue_update(struct queues *s, const struct opr_obj *pod, int64_t now_ms)
{
    const char *uid = opr_obj_str(pod, "/metadata/uid", "");
    struct queued *q = queue_find(s, uid);
    if (!q) {
        q = must(calloc(1, sizeof *q));
        q->uid = must(strdup(uid));
        q->priority = opr_obj_int(pod, "/spec/priority", 0);
        q->age = ++s->ages;
        must(tsearch(q, &s->by_uid, by_uid));
        queue_refresh(s, q, pod);
        enter(has_gates(pod) ? &s->gated : &s->active, q);
        return;
    }
    bool is_changed = has_changed(q->o, pod);
    queue_refresh(s, q, pod);
    if (q->pile == &s->gated && !has_gates(pod)) {
        enter(&s->active, q);
    } else if (q->pile == &s->parked && is_changed) {
        queue_wake(s, q, now_ms);
    }
}

void queue_remove(struct queues *s, const char *uid)
{
    struct queued *q = queue_find(s, uid);
    if (!q) {
        return;
    }
    leave(q);
    queue_drop_nomination(s, q, "");
    tdelete(q, &s->by_uid, by_uid);
    opr_obj_unref(q->o);
    free(q->uid);
    free(q);
}

void queue_wake(struct queues *s, struct queued *q, int64_t now_ms)
{
    enter(q->ready_ms > now_ms ? &s->backoff : &s->active, q);
}

static void flush(struct queues *s, int64_t now_ms)
{
    while (s->errors.count > 0 && s->errors.at[0]->ready_ms <= now_ms) {
        enter(&s->active, s->errors.at[0]);
    }
    while (s->backoff.count > 0 && s->backoff.at[0]->ready_ms <= now_ms) {
        enter(&s->active, s->backoff.at[0]);
    }
    if (now_ms < s->next_flush_ms) {
        return;
    }
    s->next_flush_ms = now_ms + FLUSH_EVERY_MS;
    for (uint32_t i = s->parked.count; i > 0; i--) {
        if (s->parked.at[i - 1]->flush_ms <= now_ms) {
            queue_wake(s, s->parked.at[i - 1], now_ms);
        }
    }
}

struct queued *queue_pop(struct queues *s, int64_t now_ms)
{
    flush(s, now_ms);
    struct pile *p = s->active.count > 0 ? &s->active : &s->backoff;
    if (p->count == 0) {
        return NULL;
    }
    struct queued *q = p->at[0];
    leave(q);
    return q;
}

static void count_attempt(struct queues *s, struct queued *q, int64_t now_ms)
{
    int64_t wait = BACKOFF_MS;
    for (uint32_t i = 0; i < q->attempts && wait < BACKOFF_MAX_MS; i++) {
        wait *= 2;
    }
    q->attempts++;
    q->age = ++s->ages;
    q->ready_ms = now_ms + (wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS);
}

void queue_park(struct queues *s, struct queued *q, uint32_t rejected_by, int64_t now_ms)
{
    count_attempt(s, q, now_ms);
    q->rejected_by = rejected_by;
    q->flush_ms = now_ms + (rejected_by & REJECTED_OUTSIDE ? OUTSIDE_MS : PARKED_MS);
    enter(&s->parked, q);
}

void queue_retry(struct queues *s, struct queued *q, int64_t now_ms)
{
    count_attempt(s, q, now_ms);
    enter(&s->errors, q);
}

int64_t queue_next_ms(const struct queues *s, int64_t now_ms)
{
    if (s->active.count + s->backoff.count > 0 || s->has_freed_promise) {
        return 0;
    }
    int64_t next = s->errors.count > 0 ? s->errors.at[0]->ready_ms : INT64_MAX;
    for (uint32_t i = 0; i < s->parked.count; i++) {
        next = s->parked.at[i]->flush_ms < next ? s->parked.at[i]->flush_ms : next;
    }
    return next == INT64_MAX ? -1 : next > now_ms ? next - now_ms : 0;
}

void queues_fini(struct queues *s)
{
    while (s->by_uid) {
        queue_remove(s, (*(struct queued **)s->by_uid)->uid);
    }
    free(s->active.at);
    free(s->backoff.at);
    free(s->errors.at);
    free(s->parked.at);
    free(s->gated.at);
}
