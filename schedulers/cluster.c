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

/* Small allocations do not fail (docs/CONVENTIONS.md): a scheduler without its picture of the
 * cluster would place pods wrongly. */
static void *must(void *p)
{
    if (!p) {
        abort();
    }
    return p;
}

struct cluster *cluster_new(uint64_t seed)
{
    static const char *const fixed[RES_FIXED] = {"cpu", "memory", "ephemeral-storage"};
    struct cluster *k = must(calloc(1, sizeof *k));
    pthread_mutex_init(&k->lock, NULL);
    k->inbox_end = &k->inbox;
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

void cluster_post(struct cluster *k, const struct opr_obj *o, bool is_node, bool is_gone)
{
    struct change *x = must(calloc(1, sizeof *x));
    *x = (struct change){.o = opr_obj_ref(o), .is_node = is_node, .is_gone = is_gone};
    pthread_mutex_lock(&k->lock);
    *k->inbox_end = x;
    k->inbox_end = &x->next;
    pthread_mutex_unlock(&k->lock);
}

static struct sched_node *find_node(struct cluster *k, const char *name)
{
    struct sched_node want = {.name = (char *)name};
    void *found = tfind(&want, &k->nodes_by_name, by_name);
    return found ? *(struct sched_node **)found : NULL;
}

static struct sched_node *need_node(struct cluster *k, const char *name)
{
    struct sched_node *n = find_node(k, name);
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
    count(n, &p->request, -1);
    k->affine_pods -= p->has_affinity;
    for (uint32_t i = 0; i < n->pod_count; i++) {
        if (n->pods[i] == p) {
            n->pods[i] = n->pods[--n->pod_count];
            break;
        }
    }
    tdelete(p, &k->pods_by_uid, by_uid);
    opr_obj_unref(p->o);
    free(p->uid);
    free(p);
    drop_node_if_empty(k, n);
}

void cluster_forget(struct cluster *k, const char *uid)
{
    struct sched_pod *p = find_pod(k, uid);
    if (p) {
        remove_pod(k, p);
    }
}

void cluster_assume(struct cluster *k, const struct opr_obj *pod, const struct amounts *request,
                    struct sched_node *n, int64_t until_ms)
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
        .assumed_until_ms = until_ms,
    };
    if (n->pod_count == n->pod_room) {
        n->pod_room = n->pod_room ? n->pod_room * 2 : 8;
        n->pods = must(realloc(n->pods, n->pod_room * sizeof(struct sched_pod *)));
    }
    n->pods[n->pod_count++] = p;
    k->affine_pods += p->has_affinity;
    count(n, request, 1);
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

static void apply_node(struct cluster *k, const struct change *x)
{
    const char *name = opr_obj_str(x->o, "/metadata/name", "");
    struct sched_node *n = x->is_gone ? find_node(k, name) : need_node(k, name);
    if (!n) {
        return;
    }
    opr_obj_unref(n->o);
    n->o = x->is_gone ? NULL : opr_obj_ref(x->o);
    n->labels = opr_obj_at(n->o, "/metadata/labels");
    n->taints = opr_obj_at(n->o, "/spec/taints");
    n->is_unschedulable = opr_obj_bool(n->o, "/spec/unschedulable", false);
    n->zone = zone_of(k, n->labels);
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
    k->wakes_all = true;
    drop_node_if_empty(k, n);
}

static void apply_pod(struct cluster *k, const struct change *x)
{
    const char *uid = opr_obj_str(x->o, "/metadata/uid", "");
    const char *node = opr_obj_str(x->o, "/spec/nodeName", "");
    struct sched_pod *p = find_pod(k, uid);
    bool is_gone = x->is_gone || pod_is_terminal(x->o);
    if (p && (is_gone || node[0] != '\0')) {
        remove_pod(k, p);
    }
    k->wakes_all |= is_gone;
    if (is_gone || node[0] == '\0') {
        return;
    }
    struct amounts request;
    pod_request(k, x->o, &request);
    cluster_assume(k, x->o, &request, need_node(k, node), 0);
    k->wakes_for_pods = true;
}

/* An assumption that the server never confirmed: the pod was deleted before we saw it bound. */
static void expire(struct cluster *k, int64_t now_ms)
{
    for (uint32_t i = 0; i < k->node_count; i++) {
        struct sched_node *n = k->nodes[i];
        for (uint32_t j = n->pod_count; j > 0; j--) {
            struct sched_pod *p = n->pods[j - 1];
            if (p->assumed_until_ms > 0 && p->assumed_until_ms < now_ms) {
                bool is_last = n->pod_count == 1 && !n->o;
                remove_pod(k, p);
                k->wakes_all = true;
                if (is_last) {
                    return; /* the node went with it: the rest waits for the next time */
                }
            }
        }
    }
}

void cluster_apply(struct cluster *k, int64_t now_ms)
{
    pthread_mutex_lock(&k->lock);
    struct change *x = k->inbox;
    k->inbox = NULL;
    k->inbox_end = &k->inbox;
    pthread_mutex_unlock(&k->lock);
    while (x) {
        struct change *next = x->next;
        if (x->is_node) {
            apply_node(k, x);
        } else {
            apply_pod(k, x);
        }
        opr_obj_unref(x->o);
        free(x);
        x = next;
    }
    if (now_ms >= k->next_expiry_ms) {
        k->next_expiry_ms = now_ms + 5000;
        expire(k, now_ms);
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
    for (uint32_t i = 0; i < k->waiting_count; i++) {
        free(k->waiting[i].ns);
        free(k->waiting[i].name);
    }
    for (uint32_t i = 0; i < RES_MAX; i++) {
        free(k->resources[i]);
    }
    for (uint32_t i = 0; i < k->zone_count; i++) {
        free(k->zones[i]);
    }
    free(k->waiting);
    free(k->nodes);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
