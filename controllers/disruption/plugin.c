#include "controllers/disruption/disruption.h"

bool budget_selects(const struct opr_obj *budget, const struct opr_obj *pod)
{
    return opr_selector_matches(opr_obj_at(budget, "/spec/selector"),
                                opr_obj_at(pod, "/metadata/labels"));
}

static opr_status select_pods(struct budget *b)
{
    const struct opr_obj *const *all = NULL;
    uint32_t n = 0;
    opr_status st = opr_list(b->c, "v1/Pod", b->ns, NULL, NULL, &all, &n);
    if (st != OPR_OK) {
        return st;
    }
    b->pods = opr_ctx_alloc(b->c, ((size_t)n + 1) * sizeof *b->pods);
    for (uint32_t i = 0; i < n; i++) {
        if (budget_selects(b->self, all[i])) {
            b->pods[b->pod_count++] = all[i];
        }
    }
    return OPR_OK;
}

/* Whether an eviction of this pod was allowed so lately that it counts as gone. */
static bool is_disrupted(struct budget *b, const struct opr_obj *pod)
{
    const char *ptr = member_ptr(b->c, "/status/disruptedPods", meta_name(pod));
    const char *when = opr_obj_str(b->self, ptr, NULL);
    if (!when || is_deleting(pod)) {
        return false;
    }
    int64_t until_ms = time_parse(when) + DELETION_MS;
    if (b->now_ms >= until_ms) {
        opr_event(b->c, pod, "Warning", "NotDeleted",
                  "Pod was expected by PDB %s/%s to be deleted but it wasn't", b->ns,
                  meta_name(b->self));
        return false;
    }
    opr_doc_set(b->disrupted, member_ptr(b->c, "", meta_name(pod)), "%s", when);
    b->next_ms = until_ms < b->next_ms ? until_ms : b->next_ms;
    return true;
}

static void count_healthy(struct budget *b)
{
    for (uint32_t i = 0; i < b->pod_count; i++) {
        const struct opr_obj *pod = b->pods[i];
        b->healthy += !is_disrupted(b, pod) && !is_deleting(pod) && pod_is_ready(pod);
    }
}

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    if (!self || is_deleting(self)) {
        return opr_done();
    }
    struct budget b = {
        .c = c,
        .self = self,
        .ns = meta_ns(self),
        .now_ms = opr_ctx_now_ms(c),
        .next_ms = INT64_MAX,
        .disrupted = opr_doc_new(c, "{}"),
    };
    opr_status st = select_pods(&b);
    if (st != OPR_OK) {
        return opr_retry(opr_ctx_error(c));
    }
    if (b.pod_count == 0) {
        opr_event(c, self, "Normal", "NoPods", "No matching pods found");
    }
    budget_expect(&b);
    if (b.problem) {
        opr_event(c, self, "Warning", "CalculateExpectedPodCountFailed",
                  "Failed to calculate the number of expected pods: %s", b.problem);
    } else {
        count_healthy(&b);
    }
    st = budget_write(&b);
    if (st == OPR_E_NOT_FOUND) {
        return opr_done();
    }
    if (st != OPR_OK || b.problem) {
        return opr_retry(b.problem ? b.problem : opr_ctx_error(c));
    }
    int64_t after_ms = b.next_ms - b.now_ms;
    return b.next_ms == INT64_MAX ? opr_done() : opr_requeue_after_ms((uint32_t)after_ms);
}

struct changed_pod {
    struct opr_mapper *m;
    const struct opr_obj *was, *is;
};

static void enqueue(const struct opr_obj *budget, void *m)
{
    opr_map_enqueue(m, meta_ns(budget), meta_name(budget));
}

static void enqueue_if_selected(const struct opr_obj *budget, void *arg)
{
    const struct changed_pod *p = arg;
    if ((p->was && budget_selects(budget, p->was)) || (p->is && budget_selects(budget, p->is))) {
        enqueue(budget, p->m);
    }
}

static void map_pod(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                    void *state)
{
    (void)state;
    if (was && is && str_eq(meta_uid(was), meta_uid(is)) && pod_is_ready(was) == pod_is_ready(is) &&
        is_deleting(was) == is_deleting(is) && str_eq(controller_uid(was), controller_uid(is)) &&
        opr_obj_equal(opr_obj_at(was, "/metadata/labels"), opr_obj_at(is, "/metadata/labels"))) {
        return;
    }
    struct changed_pod p = {m, was, is};
    opr_map_each(m, BUDGET_GVK, meta_ns(is ? is : was), NULL, NULL, enqueue_if_selected, &p);
}

/* Its size is what a percentage is of. Few budgets share a namespace: all are counted again. */
static void map_scaled(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                       void *state)
{
    (void)state;
    if (was && is && str_eq(meta_uid(was), meta_uid(is)) &&
        str_eq(controller_uid(was), controller_uid(is)) &&
        opr_obj_int(was, "/spec/replicas", 1) == opr_obj_int(is, "/spec/replicas", 1)) {
        return;
    }
    opr_map_each(m, BUDGET_GVK, meta_ns(is ? is : was), NULL, NULL, enqueue, m);
}

/* All but the figures, which are what we write. */
static void map_self(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                     void *state)
{
    (void)state;
    static const char *const parts[] = {"/metadata/uid", "/spec", "/status/disruptedPods"};
    bool is_same = was && is;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && is_same; i++) {
        is_same = opr_obj_equal(opr_obj_at(was, parts[i]), opr_obj_at(is, parts[i]));
    }
    if (!is_same) {
        opr_map_enqueue(m, meta_ns(is ? is : was), meta_name(is ? is : was));
    }
}

static const struct opr_watch reads[] = {
    {.gvk = "v1/Pod", .map = map_pod},
    {.gvk = "apps/v1/ReplicaSet", .map = map_scaled},
    {.gvk = "apps/v1/Deployment", .map = map_scaled},
    {.gvk = NULL},
};
static const struct opr_controller disruption = {
    .size = sizeof disruption,
    .name = "disruption",
    .primary = {.gvk = BUDGET_GVK, .map = map_self},
    .reads = reads,
    .reconcile = reconcile,
    .workers = 2,
    .event_source = "controllermanager",
    .writes = "v1/Event,policy/v1/PodDisruptionBudget/status",
};
static const struct opr_controller *const controllers[] = {&disruption, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER,
    .name = "disruption",
    .version = OPR_VERSION,
    .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
