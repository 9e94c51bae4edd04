#include "schedulers/preempt.h"

/* A disruption budget and what this preemption has taken of it so far. */
struct budget {
    const struct opr_obj *o;
    int64_t left;
};

static int64_t priority_of(const struct sched_pod *p)
{
    return opr_obj_int(p->o, "/spec/priority", 0);
}

/* Times are RFC 3339 in UTC: the order of the texts is theirs. One that has not started is young.
 */
static const char *start_of(const struct sched_pod *p)
{
    return opr_obj_str(p->o, "/status/startTime", "~");
}

static int by_importance(const void *a, const void *b)
{
    const struct sched_pod *x = *(const struct sched_pod *const *)a;
    const struct sched_pod *z = *(const struct sched_pod *const *)b;
    if (priority_of(x) != priority_of(z)) {
        return priority_of(x) > priority_of(z) ? -1 : 1;
    }
    return strcmp(start_of(x), start_of(z));
}

static uint32_t read_budgets(struct cycle *y, struct budget **ret_budgets)
{
    const struct opr_obj *const *all = NULL;
    uint32_t count = 0;
    if (opr_list(y->c, BUDGET_GVK, NULL, NULL, NULL, &all, &count) != OPR_OK) {
        return 0; /* the server does not know the kind */
    }
    *ret_budgets = opr_ctx_alloc(y->c, (count + 1) * sizeof **ret_budgets);
    for (uint32_t i = 0; i < count; i++) {
        (*ret_budgets)[i] =
            (struct budget){all[i], opr_obj_int(all[i], "/status/disruptionsAllowed", 0)};
    }
    return count;
}

static bool covers(const struct budget *b, const struct opr_obj *pod)
{
    const struct opr_obj *labels = opr_obj_at(pod, "/metadata/labels");
    const struct opr_obj *selector = opr_obj_at(b->o, "/spec/selector");
    const struct opr_obj *done = opr_obj_at(b->o, "/status/disruptedPods");
    const char *name = opr_obj_str(pod, "/metadata/name", "");
    if (!selector || opr_obj_len(labels) == 0 || !opr_selector_matches(selector, labels) ||
        !str_eq(opr_obj_str(b->o, "/metadata/namespace", ""),
                opr_obj_str(pod, "/metadata/namespace", ""))) {
        return false;
    }
    for (const struct opr_obj *d = opr_obj_first(done); d; d = opr_obj_next(d)) {
        if (str_eq(opr_obj_name(d), name)) {
            return false; /* counted by the budget already */
        }
    }
    return true;
}

/* Moves those that a budget protects to the front, each part in its order; how many they are. */
static uint32_t protected_first(struct cycle *y, const struct sched_pod **pods, uint32_t count)
{
    struct budget *budgets = NULL;
    uint32_t budget_count = read_budgets(y, &budgets), front = 0, back = 0;
    const struct sched_pod **others = opr_ctx_alloc(y->c, (count + 1) * sizeof *others);
    for (uint32_t i = 0; i < count; i++) {
        bool is_violation = false;
        for (uint32_t b = 0; b < budget_count; b++) {
            is_violation |= covers(&budgets[b], pods[i]->o) && --budgets[b].left < 0;
        }
        if (is_violation) {
            pods[front++] = pods[i];
        } else {
            others[back++] = pods[i];
        }
    }
    for (uint32_t i = 0; i < back; i++) {
        pods[front + i] = others[i];
    }
    return front;
}

/* What the filters keep of all pods has to follow each step. */
static bool fits(struct cycle *y, const struct sched_node *n)
{
    if (y->spread) {
        spread_prepare(y);
    }
    if (y->affinity) {
        pod_affinity_prepare(y);
    }
    return filters_pass(y, n);
}

static bool outside_agrees(struct cycle *y, struct sched_node *n)
{
    struct candidate *fit = y->fit, one = {n, 0};
    y->fit = &one;
    y->fit_count = 1;
    extension_filter(y);
    lua_filter(y);
    bool agrees = y->fit_count > 0;
    y->fit = fit;
    y->fit_count = 0;
    return agrees;
}

/* Puts back all that can stay; the rest are the victims. pods are those that were taken off n. */
static void reprieve(struct cycle *y, struct sched_node *n, const struct sched_pod **pods,
                     uint32_t count, struct victims *v)
{
    uint32_t shielded = protected_first(y, pods, count);
    y->is_silent = true;
    for (uint32_t i = 0; i < count; i++) {
        node_put(n, (struct sched_pod *)pods[i]);
        if (!fits(y, n)) {
            node_take(n, (struct sched_pod *)pods[i]);
            v->pods[v->count++] = pods[i];
            v->violations += i < shielded;
        }
    }
    y->is_silent = false;
    for (uint32_t i = 0; i < v->count; i++) {
        node_put(n, (struct sched_pod *)v->pods[i]);
    }
    qsort(v->pods, v->count, sizeof(const struct sched_pod *), by_importance);
}

bool victims_find(struct cycle *y, struct sched_node *n, struct victims *ret_victims)
{
    uint32_t count = 0;
    const struct sched_pod **pods = opr_ctx_alloc(y->c, (n->pod_count + 1) * sizeof *pods);
    struct victims v = {.node = n, .pods = opr_ctx_alloc(y->c, (n->pod_count + 1) * sizeof *pods)};
    for (uint32_t i = 0; i < n->pod_count; i++) {
        if (priority_of(n->pods[i]) < y->priority) {
            pods[count++] = n->pods[i];
        }
    }
    if (count == 0) {
        cycle_reject(y, "No preemption victims found for incoming pod");
        return false;
    }
    qsort(pods, count, sizeof *pods, by_importance);
    for (uint32_t i = 0; i < count; i++) {
        node_take(n, (struct sched_pod *)pods[i]);
    }
    if (fits(y, n) && outside_agrees(y, n)) {
        reprieve(y, n, pods, count, &v);
        *ret_victims = v;
        return v.count > 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        node_put(n, (struct sched_pod *)pods[i]);
    }
    return false;
}

static const char *earliest_of_highest(const struct victims *v)
{
    const char *earliest = start_of(v->pods[0]);
    for (uint32_t i = 1; i < v->count && priority_of(v->pods[i]) == priority_of(v->pods[0]); i++) {
        const char *start = start_of(v->pods[i]);
        earliest = strcmp(start, earliest) < 0 ? start : earliest;
    }
    return earliest;
}

/* Priorities may be negative: each counts from the lowest one, so that fewer victims cost less. */
static int64_t sum_of(const struct victims *v)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        sum += priority_of(v->pods[i]) + (1ll << 31);
    }
    return sum;
}

bool victims_are_cheaper(const struct victims *a, const struct victims *b)
{
    if (a->violations != b->violations) {
        return a->violations < b->violations;
    }
    if (priority_of(a->pods[0]) != priority_of(b->pods[0])) {
        return priority_of(a->pods[0]) < priority_of(b->pods[0]);
    }
    if (sum_of(a) != sum_of(b)) {
        return sum_of(a) < sum_of(b);
    }
    if (a->count != b->count) {
        return a->count < b->count;
    }
    return strcmp(earliest_of_highest(a), earliest_of_highest(b)) > 0;
}
