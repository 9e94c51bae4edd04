#include "schedulers/scheduler.h"

#include <search.h>

static int by_uid(const void *a, const void *b)
{
    return strcmp(((const struct sched_pod *)a)->uid, ((const struct sched_pod *)b)->uid);
}
static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sched_node *)a)->name, ((const struct sched_node *)b)->name);
}

struct cluster *cluster_new(uint64_t seed)
{
    static const char *const fixed[RES_FIXED] = {"cpu", "memory", "ephemeral-storage"};
    struct cluster *k = must(calloc(1, sizeof *k));
    pthread_mutex_init(&k->lock, NULL);
    k->inbox_end = &k->inbox;
    queues_init(&k->queues);
    k->random = seed != 0 ? seed : 1;
    for (uint32_t i = 0; i < RES_FIXED; i++) {
        k->resources[i] = must(strdup(fixed[i]));
    }
    return k;
}

uint64_t cluster_random(struct cluster *k)
{
    /* xorshift64 (Marsaglia 2003) */
    k->random ^= k->random << 13;
    k->random ^= k->random >> 7;
    k->random ^= k->random << 17;
    return k->random;
}

void cluster_post(struct cluster *k, const struct opr_obj *o, int32_t kind, bool is_gone)
{
    struct change *x = must(calloc(1, sizeof *x));
    *x = (struct change){.o = opr_obj_ref(o), .kind = kind, .is_gone = is_gone};
    pthread_mutex_lock(&k->lock);
    *k->inbox_end = x;
    k->inbox_end = &x->next;
    pthread_mutex_unlock(&k->lock);
}

struct sched_node *cluster_node(struct cluster *k, const char *name)
{
    struct sched_node want = {.name = (char *)name};
    void *found = tfind(&want, &k->nodes_by_name, by_name);
    return found ? *(struct sched_node **)found : NULL;
}

static struct sched_node *need_node(struct cluster *k, const char *name)
{
    struct sched_node *n = cluster_node(k, name);
    if (n) {
        return n;
    }
    if (k->node_count == k->node_room) {
        k->node_room = k->node_room ? k->node_room * 2 : 16;
        k->nodes = must(realloc(k->nodes, k->node_room * sizeof(struct sched_node *)));
    }
    n = must(calloc(1, sizeof *n));
    n->name = must(strdup(name));
    n->zone = NO_ZONE;
    n->index = k->node_count;
    k->nodes[k->node_count++] = n;
    must(tsearch(n, &k->nodes_by_name, by_name));
    return n;
}

/* A node that is gone stays for as long as pods name it. */
static void drop_node_if_empty(struct cluster *k, struct sched_node *n)
{
    if (n->o || n->pod_count > 0) {
        return;
    }
    tdelete(n, &k->nodes_by_name, by_name);
    struct sched_node *last = k->nodes[--k->node_count];
    k->nodes[n->index] = last;
    last->index = n->index;
    free(n->pods);
    free(n->name);
    free(n);
}

static void count(struct sched_node *n, const struct amounts *request, int64_t sign)
{
    for (uint32_t i = 0; i < RES_MAX; i++) {
        n->used.at[i] += sign * request->at[i];
    }
    n->used.scored[RES_CPU] += sign * request->scored[RES_CPU];
    n->used.scored[RES_MEMORY] += sign * request->scored[RES_MEMORY];
}

void node_put(struct sched_node *n, struct sched_pod *p)
{
    if (n->pod_count == n->pod_room) {
        n->pod_room = n->pod_room ? n->pod_room * 2 : 8;
        n->pods = must(realloc(n->pods, n->pod_room * sizeof(struct sched_pod *)));
    }
    n->pods[n->pod_count++] = p;
    count(n, &p->request, 1);
}

void node_take(struct sched_node *n, struct sched_pod *p)
{
    for (uint32_t i = 0; i < n->pod_count; i++) {
        if (n->pods[i] == p) {
            n->pods[i] = n->pods[--n->pod_count];
            count(n, &p->request, -1);
            return;
        }
    }
}

static struct sched_pod *find_pod(struct cluster *k, const char *uid)
{
    struct sched_pod want = {.uid = (char *)uid};
    void *found = tfind(&want, &k->pods_by_uid, by_uid);
    return found ? *(struct sched_pod **)found : NULL;
}

bool cluster_has(struct cluster *k, const char *uid)
{
    return find_pod(k, uid) != NULL;
}

static void remove_pod(struct cluster *k, struct sched_pod *p)
{
    struct sched_node *n = p->node;
    node_take(n, p);
    k->affine_pods -= p->has_affinity;
    tdelete(p, &k->pods_by_uid, by_uid);
    opr_obj_unref(p->o);
    free(p->uid);
    free(p);
    drop_node_if_empty(k, n);
}

/* The pod leaves its node, for good or to come again as it is now. */
static void take_away(struct cluster *k, struct opr_ctx *c, struct sched_pod *p, uint32_t kinds)
{
    struct opr_obj *o = opr_obj_ref(p->o);
    const char *node = opr_ctx_text(c, "%s", p->node->name);
    remove_pod(k, p);
    if (kinds != 0) {
        filters_wake(k, c, &(struct event){kinds, cluster_node(k, node), o});
    }
    opr_obj_unref(o);
}

void cluster_forget(struct cluster *k, struct opr_ctx *c, const char *uid)
{
    struct sched_pod *p = find_pod(k, uid);
    if (p) {
        take_away(k, c, p, EVENT_POD_GONE);
    }
}

void cluster_assume(struct cluster *k, const struct opr_obj *pod, const struct amounts *request,
                    struct sched_node *n)
{
    struct sched_pod *p = must(calloc(1, sizeof *p));
    *p = (struct sched_pod){
        .uid = must(strdup(opr_obj_str(pod, "/metadata/uid", ""))),
        .o = opr_obj_ref(pod),
        .node = n,
        .request = *request,
        .owner = owner_hash(pod),
        .has_affinity = opr_obj_at(pod, "/spec/affinity/podAffinity") ||
                        opr_obj_at(pod, "/spec/affinity/podAntiAffinity"),
    };
    node_put(n, p);
    k->affine_pods += p->has_affinity;
    must(tsearch(p, &k->pods_by_uid, by_uid));
}

static int32_t zone_of(struct cluster *k, const struct opr_obj *labels)
{
    const char *zone = label_of(labels, "topology.kubernetes.io/zone");
    if (!zone) {
        return NO_ZONE;
    }
    for (uint32_t i = 0; i < k->zone_count; i++) {
        if (strcmp(k->zones[i], zone) == 0) {
            return (int32_t)i;
        }
    }
    if (k->zone_count == ZONES_MAX) {
        return NO_ZONE;
    }
    k->zones[k->zone_count] = must(strdup(zone));
    return (int32_t)k->zone_count++;
}

static void read_allocatable(struct cluster *k, struct sched_node *n)
{
    n->capacity = (struct amounts){0};
    n->max_pods = 0;
    const struct opr_obj *list = opr_obj_at(n->o, "/status/allocatable");
    for (const struct opr_obj *r = opr_obj_first(list); r; r = opr_obj_next(r)) {
        int64_t milli = 0;
        if (opr_obj_milli(r, "", &milli) != OPR_OK) {
            continue;
        }
        if (str_eq(opr_obj_name(r), "pods")) {
            n->max_pods = milli / 1000;
            continue;
        }
        uint32_t i = resource_index(k, opr_obj_name(r));
        if (i < RES_MAX) {
            n->capacity.at[i] = milli;
        }
    }
}

static bool differs(const struct opr_obj *was, const struct opr_obj *is, const char *ptr)
{
    return !opr_obj_equal(opr_obj_at(was, ptr), opr_obj_at(is, ptr));
}

static uint32_t node_event(const struct opr_obj *was, const struct opr_obj *is)
{
    if (!is) {
        return EVENT_NODE_GONE;
    }
    if (!was) {
        return EVENT_NODE_ADDED;
    }
    bool is_tainted = differs(was, is, "/spec/taints") || differs(was, is, "/spec/unschedulable");
    return (differs(was, is, "/status/allocatable") ? EVENT_NODE_ADDED : 0) |
           (differs(was, is, "/metadata/labels") ? EVENT_NODE_LABELS : 0) |
           (is_tainted ? EVENT_NODE_TAINTS : 0);
}

static void apply_node(struct cluster *k, struct opr_ctx *c, const struct change *x)
{
    const char *name = opr_obj_str(x->o, "/metadata/name", "");
    struct sched_node *n = x->is_gone ? cluster_node(k, name) : need_node(k, name);
    if (!n) {
        return;
    }
    struct opr_obj *old = n->o;
    n->o = x->is_gone ? NULL : opr_obj_ref(x->o);
    n->labels = opr_obj_at(n->o, "/metadata/labels");
    n->taints = opr_obj_at(n->o, "/spec/taints");
    n->is_unschedulable = opr_obj_bool(n->o, "/spec/unschedulable", false);
    n->zone = zone_of(k, n->labels);
    read_allocatable(k, n);
    struct event e = {node_event(old, n->o), n->o ? n : NULL, NULL};
    opr_obj_unref(old);
    drop_node_if_empty(k, n);
    filters_wake(k, c, &e);
}

/* A pod of a node that is still there: what of it has changed. */
static uint32_t pod_event(const struct sched_pod *was, const struct opr_obj *is,
                          const struct amounts *request)
{
    uint32_t kinds = differs(was->o, is, "/metadata/labels") ? EVENT_POD_LABELS : 0;
    for (uint32_t i = 0; i < RES_MAX; i++) {
        kinds |= request->at[i] < was->request.at[i] ? EVENT_POD_GONE : 0;
    }
    return kinds;
}

static void apply_assigned(struct cluster *k, struct opr_ctx *c, const struct opr_obj *o,
                           struct sched_pod *p)
{
    const char *node = opr_obj_str(o, "/spec/nodeName", "");
    uint32_t kinds = EVENT_POD_ADDED;
    struct amounts request;
    pod_request(k, o, &request);
    struct opr_obj *old = p ? opr_obj_ref(p->o) : NULL;
    if (p && str_eq(p->node->name, node)) {
        bool is_confirmation = opr_obj_str(p->o, "/spec/nodeName", "")[0] == '\0';
        kinds = pod_event(p, o, &request) | (is_confirmation ? EVENT_POD_ADDED : 0);
        take_away(k, c, p, 0);
    } else if (p) {
        take_away(k, c, p, EVENT_POD_GONE);
    }
    struct sched_node *n = need_node(k, node);
    cluster_assume(k, o, &request, n);
    filters_wake(k, c, &(struct event){kinds, n->o ? n : NULL, o});
    if (kinds & EVENT_POD_LABELS) { /* what it was counts as well */
        filters_wake(k, c, &(struct event){EVENT_POD_LABELS, n->o ? n : NULL, old});
    }
    opr_obj_unref(old);
}

static void apply_pod(struct cluster *k, struct opr_ctx *c, const struct change *x)
{
    const char *uid = opr_obj_str(x->o, "/metadata/uid", "");
    struct sched_pod *p = find_pod(k, uid);
    bool is_gone = x->is_gone || pod_is_terminal(x->o);
    if (!is_gone && pod_is_pending(x->o)) {
        queue_update(&k->queues, x->o, opr_ctx_now_ms(c));
        return;
    }
    queue_remove(&k->queues, uid);
    if (!is_gone && opr_obj_str(x->o, "/spec/nodeName", "")[0] != '\0') {
        apply_assigned(k, c, x->o, p);
    } else if (p) {
        take_away(k, c, p, EVENT_POD_GONE);
    }
}

void cluster_apply(struct cluster *k, struct opr_ctx *c)
{
    pthread_mutex_lock(&k->lock);
    struct change *x = k->inbox;
    k->inbox = NULL;
    k->inbox_end = &k->inbox;
    pthread_mutex_unlock(&k->lock);
    while (x) {
        struct change *next = x->next;
        if (x->kind == CHANGE_NODE) {
            apply_node(k, c, x);
        } else if (x->kind == CHANGE_POD) {
            apply_pod(k, c, x);
        } else {
            filters_wake(k, c, &(struct event){EVENT_NAMESPACE, NULL, NULL});
        }
        opr_obj_unref(x->o);
        free(x);
        x = next;
    }
    if (k->queues.has_freed_promise) {
        k->queues.has_freed_promise = false;
        for (uint32_t i = 0; i < k->node_count; i++) {
            filters_wake(k, c, &(struct event){EVENT_POD_GONE, k->nodes[i], NULL});
        }
    }
}

void cluster_free(struct cluster *k)
{
    if (!k) {
        return;
    }
    while (k->inbox) {
        struct change *x = k->inbox;
        k->inbox = x->next;
        opr_obj_unref(x->o);
        free(x);
    }
    while (k->node_count > 0) {
        struct sched_node *n = k->nodes[k->node_count - 1];
        opr_obj_unref(n->o);
        n->o = NULL;
        if (n->pod_count == 0) {
            drop_node_if_empty(k, n);
            continue;
        }
        for (uint32_t left = n->pod_count; left > 0; left--) {
            remove_pod(k, n->pods[left - 1]); /* the last one takes the node with it */
        }
    }
    queues_fini(&k->queues);
    for (uint32_t i = 0; i < RES_MAX; i++) {
        free(k->resources[i]);
    }
    for (uint32_t i = 0; i < k->zone_count; i++) {
        free(k->zones[i]);
    }
    free(k->nodes);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
