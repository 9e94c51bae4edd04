#include "controllers/deployment/deployment.h"

#include <math.h>

/* "25%" of the replicas, or a number; -1 where it is neither. */
static int64_t scaled(const struct opr_obj *v, int64_t replicas, bool rounds_up)
{
    if (opr_obj_type(v) == OPR_TYPE_NUMBER) {
        return opr_obj_int(v, "", -1);
    }
    const char *text = v ? opr_obj_str(v, "", "") : "25%";
    char *end = NULL;
    double percent = strtod(text, &end);
    if (end == text || !str_eq(end, "%")) {
        return -1;
    }
    double n = percent * (double)replicas / 100;
    return (int64_t)(rounds_up ? ceil(n) : floor(n));
}

/* Both 0 would never move: then one may be unavailable. */
static void read_strategy(struct dep *d)
{
    const struct opr_obj *strategy = opr_obj_at(d->self, "/spec/strategy");
    d->is_rolling = !str_eq(opr_obj_str(strategy, "/type", "RollingUpdate"), "Recreate");
    if (!d->is_rolling) {
        return;
    }
    int64_t surge = scaled(opr_obj_at(strategy, "/rollingUpdate/maxSurge"), d->replicas, true);
    int64_t unavailable =
        scaled(opr_obj_at(strategy, "/rollingUpdate/maxUnavailable"), d->replicas, false);
    surge = surge < 0 ? 0 : surge;
    unavailable = unavailable < 0 ? 0 : unavailable;
    if (surge == 0 && unavailable == 0) {
        unavailable = 1;
    }
    d->max_surge = surge;
    d->max_unavailable = unavailable > d->replicas ? d->replicas : unavailable;
}

static void read_spec(struct dep *d)
{
    d->ns = meta_ns(d->self);
    d->name = meta_name(d->self);
    d->uid = meta_uid(d->self);
    d->replicas = opr_obj_int(d->self, "/spec/replicas", 1);
    d->is_paused = opr_obj_bool(d->self, "/spec/paused", false);
    d->deadline_s = opr_obj_int(d->self, "/spec/progressDeadlineSeconds", -1);
    if (d->deadline_s >= INT32_MAX) {
        d->deadline_s = -1; /* how clients say "none" */
    }
    d->collisions = opr_obj_int(d->self, "/status/collisionCount", -1);
    conditions_load(&d->conditions, opr_obj_at(d->self, "/status/conditions"));
    read_strategy(d);
}

/* Time spent paused must not count against the progress deadline. */
static opr_status note_pause(struct dep *d)
{
    const struct opr_obj *x = conditions_find(&d->conditions, "Progressing");
    const char *reason = opr_obj_str(x, "/reason", "");
    if (d->deadline_s < 0 || str_eq(reason, "ProgressDeadlineExceeded")) {
        return OPR_OK;
    }
    bool was_paused = str_eq(reason, "DeploymentPaused");
    if (d->is_paused == was_paused) {
        return OPR_OK;
    }
    if (d->is_paused) {
        dep_condition(d, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
    } else {
        dep_condition(d, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed");
    }
    return dep_write_conditions(d);
}

static opr_status scale_only(struct dep *d)
{
    opr_status st = dep_sync_revision(d, false);
    if (st == OPR_OK) {
        st = dep_scale_proportionally(d);
    }
    if (st == OPR_OK && d->is_paused) {
        st = dep_clean_up(d);
    }
    return st == OPR_OK ? dep_write_status(d, false) : st;
}

static opr_status sync(struct dep *d)
{
    opr_status st = dep_claim(d);
    if (st != OPR_OK) {
        return st;
    }
    if (is_deleting(d->self)) {
        dep_find_newest(d);
        return dep_write_status(d, false);
    }
    st = note_pause(d);
    if (st != OPR_OK) {
        return st;
    }
    const char *to =
        opr_obj_str(d->self, "/metadata/annotations/deprecated.deployment.rollback.to", "");
    if (!d->is_paused && to[0] != '\0') {
        return dep_roll_back(d, to);
    }
    if (d->is_paused || dep_is_scaling(d)) {
        return scale_only(d);
    }
    return d->is_rolling ? dep_roll(d) : dep_recreate(d);
}

/* An empty selector would claim every pod of the namespace. */
static opr_result refuse_all(struct opr_ctx *c, const struct opr_obj *self)
{
    int64_t generation = opr_obj_int(self, "/metadata/generation", 0);
    opr_event(c, self, "Warning", "SelectingAll",
              "This deployment is selecting all pods. A non-empty selector is required.");
    if (opr_obj_int(self, "/status/observedGeneration", 0) >= generation) {
        return opr_done();
    }
    struct opr_doc *whole = opr_doc_of(c, self);
    opr_doc_set(whole, "/status/observedGeneration", "%lld", (long long)generation);
    return result_of(c, opr_update(c, whole, "status", NULL));
}

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    if (!self) {
        return opr_done();
    }
    const struct opr_obj *selector = opr_obj_at(self, "/spec/selector");
    if (opr_obj_len(opr_obj_at(selector, "/matchLabels")) == 0 &&
        opr_obj_len(opr_obj_at(selector, "/matchExpressions")) == 0) {
        return refuse_all(c, self);
    }
    struct dep d = {.c = c, .self = self};
    read_spec(&d);
    opr_status st = sync(&d);
    if (st == OPR_E_TERMINATING || st == OPR_E_NOT_FOUND) {
        return opr_done(); /* the namespace or the object is going away */
    }
    if (st != OPR_OK) {
        return opr_retry(opr_ctx_error(c));
    }
    uint32_t after_ms = dep_deadline_ms(&d);
    return after_ms > 0 ? opr_requeue_after_ms(after_ms) : opr_done();
}

struct orphan {
    struct opr_mapper *m;
    const struct opr_obj *set;
};

static void enqueue_if_matching(const struct opr_obj *deployment, void *arg)
{
    const struct orphan *o = arg;
    if (opr_selector_matches(opr_obj_at(deployment, "/spec/selector"),
                             opr_obj_at(o->set, "/metadata/labels"))) {
        opr_map_enqueue(o->m, meta_ns(deployment), meta_name(deployment));
    }
}

static void map_set(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                    void *state)
{
    (void)state;
    const char *before = controller_name(was, "apps", "Deployment");
    const char *now = controller_name(is, "apps", "Deployment");
    const char *ns = meta_ns(is ? is : was);
    if (before && !str_eq(before, now)) {
        opr_map_enqueue(m, ns, before);
    }
    if (now) {
        opr_map_enqueue(m, ns, now);
    } else if (is && !controller_ref(is)) {
        struct orphan o = {m, is};
        opr_map_each(m, DEPLOYMENT_GVK, ns, NULL, NULL, enqueue_if_matching, &o);
    }
}

struct ended_pod {
    struct opr_mapper *m;
    const char *set_uid;
};

static void enqueue_recreate(const struct opr_obj *set, void *arg)
{
    const struct ended_pod *p = arg;
    const char *name = controller_name(set, "apps", "Deployment");
    if (name && str_eq(meta_uid(set), p->set_uid)) {
        opr_map_enqueue(p->m, meta_ns(set), name);
    }
}

/* Only the end of a pod matters, and only to a Recreate that waits for its old pods. */
static void map_pod(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                    void *state)
{
    (void)state;
    bool has_ended = !is || (pod_is_terminal(is) && !(was && pod_is_terminal(was)));
    if (!was || !has_ended || !controller_name(was, "apps", "ReplicaSet")) {
        return;
    }
    struct ended_pod p = {m, controller_uid(was)};
    opr_map_each(m, REPLICASET_GVK, meta_ns(was), NULL, NULL, enqueue_recreate, &p);
}

static const struct opr_watch reads[] = {
    {.gvk = REPLICASET_GVK, .index = REPLICASET_INDEX, .map = map_set},
    {.gvk = "v1/Pod", .map = map_pod},
    {.gvk = NULL},
};
static const struct opr_controller deployment = {
    .size = sizeof deployment,
    .name = "deployment",
    .primary = {.gvk = DEPLOYMENT_GVK},
    .reads = reads,
    .reconcile = reconcile,
    .workers = 5,
    .event_source = "deployment-controller",
    .writes = "v1/Event,apps/v1/ReplicaSet,apps/v1/Deployment,apps/v1/Deployment/status",
};
static const struct opr_controller *const controllers[] = {&deployment, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER,
    .name = "deployment",
    .version = OPR_VERSION,
    .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
