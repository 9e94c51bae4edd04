#include "controllers/replicaset/replicaset.h"

#include <errno.h>
#include <limits.h>

static int32_t phase_rank(const char *phase)
{
    if (str_eq(phase, "Pending") || phase[0] == '\0') {
        return 0;
    }
    return str_eq(phase, "Running") ? 2 : 1;
}

/* Int32 text without sign "+" and leading zeros; anything else counts as 0, as upstream. */
static int32_t deletion_cost(const struct opr_obj *pod)
{
    const char *text =
        opr_obj_str(pod, "/metadata/annotations/controller.kubernetes.io~1pod-deletion-cost", "");
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (digits[0] < '0' || digits[0] > '9' || (digits[0] == '0' && digits[1] != '\0')) {
        return 0;
    }
    char *end = NULL;
    errno = 0;
    long cost = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || cost > INT32_MAX || cost < INT32_MIN) {
        return 0;
    }
    return (int32_t)cost;
}

/* floor(log2(age in ns)): pods of about the same age fall into one bucket, and the UID decides. */
static int64_t age_bucket(int64_t since_ms, int64_t now_ms)
{
    if (since_ms < 0 || now_ms <= since_ms) {
        return 0;
    }
    uint64_t age_ns = (uint64_t)(now_ms - since_ms) * 1000000u;
    return 63 - __builtin_clzll(age_ns);
}

static int64_t max_restarts(const struct opr_obj *statuses)
{
    int64_t most = 0;
    for (const struct opr_obj *s = opr_obj_first(statuses); s; s = opr_obj_next(s)) {
        int64_t count = opr_obj_int(s, "/restartCount", 0);
        most = count > most ? count : most;
    }
    return most;
}

static int64_t max_sidecar_restarts(const struct opr_obj *pod)
{
    const struct opr_obj *statuses = opr_obj_at(pod, "/status/initContainerStatuses");
    const struct opr_obj *specs = opr_obj_at(pod, "/spec/initContainers");
    int64_t most = 0;
    for (const struct opr_obj *k = opr_obj_first(specs); k; k = opr_obj_next(k)) {
        if (!str_eq(opr_obj_str(k, "/restartPolicy", ""), "Always")) {
            continue;
        }
        for (const struct opr_obj *s = opr_obj_first(statuses); s; s = opr_obj_next(s)) {
            int64_t count = opr_obj_int(s, "/restartCount", 0);
            if (str_eq(opr_obj_str(s, "/name", ""), opr_obj_str(k, "/name", NULL)) &&
                count > most) {
                most = count;
            }
        }
    }
    return most;
}

void pod_rank_fill(struct pod_rank *r, const struct opr_obj *pod, uint32_t neighbours,
                   int64_t now_ms)
{
    *r = (struct pod_rank){
        .pod = pod,
        .uid = meta_uid(pod),
        .is_assigned = opr_obj_str(pod, "/spec/nodeName", "")[0] != '\0',
        .is_ready = pod_is_ready(pod),
        .phase = phase_rank(opr_obj_str(pod, "/status/phase", "")),
        .cost = deletion_cost(pod),
        .neighbours = neighbours,
        .ready_age_log2 = age_bucket(pod_ready_since_ms(pod), now_ms),
        .age_log2 =
            age_bucket(time_parse(opr_obj_str(pod, "/metadata/creationTimestamp", NULL)), now_ms),
        .restarts = max_restarts(opr_obj_at(pod, "/status/containerStatuses")),
        .sidecar_restarts = max_sidecar_restarts(pod),
    };
}

static int by_less(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int pod_rank_compare(const void *a, const void *b)
{
    const struct pod_rank *x = a, *y = b;
    int order[] = {
        by_less(x->is_assigned, y->is_assigned), by_less(x->phase, y->phase),
        by_less(x->is_ready, y->is_ready),       by_less(x->cost, y->cost),
        by_less(y->neighbours, x->neighbours),
    };
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (order[i] != 0) {
            return order[i];
        }
    }
    if (x->is_ready && y->is_ready) {
        int shorter = by_less(x->ready_age_log2, y->ready_age_log2);
        return shorter != 0 ? shorter : strcmp(x->uid, y->uid);
    }
    int more = by_less(y->restarts, x->restarts);
    more = more != 0 ? more : by_less(y->sidecar_restarts, x->sidecar_restarts);
    more = more != 0 ? more : by_less(x->age_log2, y->age_log2);
    return more != 0 ? more : strcmp(x->uid, y->uid);
}

/* The selectors of all ReplicaSets that have the same controller as this one (its own alone where
 * it has none), so that a rollout prefers to thin out crowded nodes. */
static uint32_t related_sets(struct rset *rs, const struct opr_obj *const **ret_sets)
{
    const char *parent = controller_uid(rs->self);
    uint32_t n = 0;
    if (parent[0] == '\0' ||
        opr_list(rs->c, REPLICASET_GVK, rs->ns, "owner", parent, ret_sets, &n) != OPR_OK) {
        const struct opr_obj **own = opr_ctx_alloc(rs->c, sizeof *own);
        own[0] = rs->self;
        *ret_sets = own;
        return 1;
    }
    return n;
}

static bool is_related(const struct opr_obj *pod, const struct opr_obj *const *sets, uint32_t n)
{
    const struct opr_obj *labels = opr_obj_at(pod, "/metadata/labels");
    for (uint32_t i = 0; i < n; i++) {
        if (opr_selector_matches(opr_obj_at(sets[i], "/spec/selector"), labels)) {
            return true;
        }
    }
    return false;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* How many of the sorted node names equal name. */
static uint32_t count_equal(const char *const *names, uint32_t n, const char *name)
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (strcmp(names[mid], name) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    uint32_t count = 0;
    while (low + count < n && strcmp(names[low + count], name) == 0) {
        count++;
    }
    return count;
}

void rset_rank(struct rset *rs, uint32_t n)
{
    if (n == 0 || n >= rs->count) {
        return;
    }
    const struct opr_obj *const *sets = NULL, *const *all = NULL;
    uint32_t set_count = related_sets(rs, &sets), all_count = 0, related = 0;
    if (opr_list(rs->c, "v1/Pod", rs->ns, NULL, NULL, &all, &all_count) != OPR_OK) {
        all_count = 0;
    }
    const char **nodes = opr_ctx_alloc(rs->c, (all_count + 1) * sizeof *nodes);
    for (uint32_t i = 0; i < all_count; i++) {
        if (pod_is_active(all[i]) && is_related(all[i], sets, set_count)) {
            nodes[related++] = opr_obj_str(all[i], "/spec/nodeName", "");
        }
    }
    qsort(nodes, related, sizeof *nodes, by_text);
    struct pod_rank *ranks = opr_ctx_alloc(rs->c, rs->count * sizeof *ranks);
    int64_t now_ms = opr_ctx_now_ms(rs->c);
    for (uint32_t i = 0; i < rs->count; i++) {
        const char *node = opr_obj_str(rs->pods[i], "/spec/nodeName", "");
        uint32_t neighbours = count_equal((const char *const *)nodes, related, node);
        pod_rank_fill(&ranks[i], rs->pods[i], neighbours, now_ms);
    }
    qsort(ranks, rs->count, sizeof *ranks, pod_rank_compare);
    for (uint32_t i = 0; i < rs->count; i++) {
        rs->pods[i] = ranks[i].pod;
    }
}
