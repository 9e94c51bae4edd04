#include "controllers/autoscaler/autoscaler.h"

static struct record *record_of(struct autoscaler *a, const char *key)
{
    pthread_mutex_lock(&a->lock);
    struct record *r = a->first;
    while (r && strcmp(r->key, key) != 0) {
        r = r->next;
    }
    if (!r && (r = calloc(1, sizeof *r)) != NULL) {
        r->key = strdup(key);
        r->next = a->first;
        a->first = r;
    }
    pthread_mutex_unlock(&a->lock);
    return r;
}

static void free_record(struct record *r)
{
    free(r->selector);
    free(r->recommended.at);
    free(r->ups.at);
    free(r->downs.at);
    free(r->key);
    free(r);
}

static void drop(struct autoscaler *a, const char *key)
{
    pthread_mutex_lock(&a->lock);
    for (struct record **at = &a->first; *at; at = &(*at)->next) {
        if (strcmp((*at)->key, key) == 0) {
            struct record *gone = *at;
            *at = gone->next;
            free_record(gone);
            break;
        }
    }
    pthread_mutex_unlock(&a->lock);
}

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    struct autoscaler *a = opr_ctx_state(c);
    struct opr_key key = opr_ctx_key(c);
    const char *name = opr_ctx_text(c, "%s/%s", key.ns, key.name);
    if (!self || is_deleting(self)) {
        drop(a, name);
        return opr_done();
    }
    struct hpa h = {
        .c = c,
        .autoscaler = a,
        .self = self,
        .record = record_of(a, name),
        .ns = key.ns,
        .now_ms = opr_ctx_now_ms(c),
        .min = opr_obj_int(self, "/spec/minReplicas", 1),
        .max = opr_obj_int(self, "/spec/maxReplicas", 1),
        .reason = "",
    };
    if (!h.record) {
        return opr_retry("out of memory");
    }
    opr_status st = hpa_sync(&h);
    if (st != OPR_OK && st != OPR_E_CONFLICT) {
        return opr_retry(opr_ctx_error(c));
    }
    return opr_requeue_after_ms((uint32_t)a->period_ms);
}

/* Read when a period is due; a change of theirs is no reason to decide earlier. */
static void map_nothing(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                        void *state)
{
    (void)m;
    (void)was;
    (void)is;
    (void)state;
}

/* config: {"periodMs": 1000}. */
static opr_status init(const struct opr_obj *config, void **ret_state)
{
    struct autoscaler *a = calloc(1, sizeof *a);
    if (!a) {
        return OPR_E_NOMEM;
    }
    pthread_mutex_init(&a->lock, NULL);
    a->period_ms = opr_obj_int(config, "/periodMs", PERIOD_MS);
    if (a->period_ms < 100 || a->period_ms > INT32_MAX) {
        a->period_ms = PERIOD_MS;
    }
    *ret_state = a;
    return OPR_OK;
}

static void fini(void *state)
{
    struct autoscaler *a = state;
    while (a && a->first) {
        struct record *r = a->first;
        a->first = r->next;
        free_record(r);
    }
    if (a) {
        names_free(a);
        pthread_mutex_destroy(&a->lock);
    }
    free(a);
}

/* The spec and its own deletion; the status is what we write. */
static void map_self(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                     void *state)
{
    (void)state;
    if (was && is && opr_obj_equal(opr_obj_at(was, "/spec"), opr_obj_at(is, "/spec")) &&
        str_eq(meta_uid(was), meta_uid(is)) && is_deleting(was) == is_deleting(is)) {
        return;
    }
    opr_map_enqueue(m, meta_ns(is ? is : was), meta_name(is ? is : was));
}

static const struct opr_watch reads[] = {
    {.gvk = "v1/Pod", .map = map_nothing},
    {.gvk = NULL},
};
static const struct opr_controller autoscaler = {
    .size = sizeof autoscaler,
    .name = "autoscaler",
    .primary = {.gvk = HPA_GVK, .map = map_self},
    .reads = reads,
    .reconcile = reconcile,
    .workers = 5,
    .event_source = "horizontal-pod-autoscaler",
    .writes = "v1/Event,autoscaling/v2/HorizontalPodAutoscaler/status,apps/v1/Deployment/scale,"
              "apps/v1/ReplicaSet/scale,apps/v1/StatefulSet/scale,v1/ReplicationController/scale",
};
static const struct opr_controller *const controllers[] = {&autoscaler, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER, .name = "autoscaler", .version = OPR_VERSION,
    .init = init,      .fini = fini,         .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
