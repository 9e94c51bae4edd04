#include "controllers/policy/reconcile.h"

static struct record *record_of(struct policies *p, const char *name)
{
    pthread_mutex_lock(&p->lock);
    struct record *r = p->first;
    while (r && strcmp(r->name, name) != 0) {
        r = r->next;
    }
    if (!r && (r = calloc(1, sizeof *r)) != NULL) {
        r->name = strdup(name);
        r->last_up_ms = r->last_down_ms = -1;
        r->next = p->first;
        p->first = r;
    }
    pthread_mutex_unlock(&p->lock);
    return r;
}

static void free_record(struct record *r)
{
    free(r->name);
    free(r->source);
    free(r->problem);
    free(r->written);
    free(r);
}

static void drop(struct policies *p, const char *name)
{
    pthread_mutex_lock(&p->lock);
    for (struct record **at = &p->first; *at; at = &(*at)->next) {
        if (strcmp((*at)->name, name) == 0) {
            struct record *gone = *at;
            *at = gone->next;
            free_record(gone);
            break;
        }
    }
    pthread_mutex_unlock(&p->lock);
}

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    struct policies *p = opr_ctx_state(c);
    struct opr_key key = opr_ctx_key(c);
    const char *name = opr_ctx_text(c, "%s/%s", key.ns, key.name);
    if (!self || is_deleting(self)) {
        opr_policy_unload(c, name);
        drop(p, name);
        opr_enqueue_after(c, RECONCILER, (struct opr_key){name, ""}, 0);
        return opr_done();
    }
    struct record *r = record_of(p, name);
    if (!r) {
        return opr_retry("out of memory");
    }
    policy_load(c, self, r);
    if (!opr_obj_at(self, "/spec/target")) {
        return result_of(c, policy_status(c, self, r, NULL));
    }
    struct verdict v;
    opr_status st = policy_scale(c, self, r, &v);
    if (st != OPR_OK) {
        return opr_retry(opr_ctx_error(c));
    }
    st = policy_status(c, self, r, &v);
    if (st != OPR_OK && st != OPR_E_CONFLICT) {
        return opr_retry(opr_ctx_error(c));
    }
    int64_t period_ms = opr_obj_int(self, "/spec/periodMs", PERIOD_MS);
    return opr_requeue_after_ms(
        (uint32_t)(period_ms < PERIOD_LEAST_MS ? PERIOD_LEAST_MS : period_ms));
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

static opr_result reconcile_program(struct opr_ctx *c, const struct opr_obj *self)
{
    (void)self; /* its keys are no LuaPolicy objects: reconcile.h */
    struct opr_key key = opr_ctx_key(c);
    if (key.name[0] == '\0') {
        return reconcile_policy(c, key.ns);
    }
    const char *bar = strrchr(key.ns, '|');
    if (!bar) {
        return opr_done();
    }
    const char *policy = opr_ctx_text(c, "%.*s", (int)(bar - key.ns), key.ns);
    return reconcile_object(c, policy, bar + 1, key.name);
}

static opr_status init(const struct opr_obj *config, void **ret_state)
{
    (void)config;
    struct policies *p = calloc(1, sizeof *p);
    if (!p) {
        return OPR_E_NOMEM;
    }
    pthread_mutex_init(&p->lock, NULL);
    *ret_state = p;
    return OPR_OK;
}

static void fini(void *state)
{
    struct policies *p = state;
    while (p && p->first) {
        struct record *r = p->first;
        p->first = r->next;
        free_record(r);
    }
    if (p) {
        programs_free(p);
        pthread_mutex_destroy(&p->lock);
    }
    free(p);
}

static const struct opr_watch reads[] = {
    {.gvk = "apps/v1/Deployment", .map = map_nothing},
    {.gvk = "v1/Pod", .map = map_nothing},
    {.gvk = NULL},
};
static const struct opr_controller policy = {
    .size = sizeof policy,
    .name = "policy",
    .primary = {.gvk = "operon.local/v1/LuaPolicy", .flags = OPR_WATCH_OPTIONAL},
    .reads = reads,
    .reconcile = reconcile,
    .workers = 4,
    .event_source = "policy-controller",
    .writes = "v1/Event,operon.local/v1/LuaPolicy/status,apps/v1/Deployment/scale",
};
static const struct opr_controller reconciler = {
    .size = sizeof reconciler,
    .name = RECONCILER,
    .primary = {.gvk = "operon.local/v1/LuaPolicy",
                .map = map_nothing,
                .flags = OPR_WATCH_OPTIONAL},
    .reconcile = reconcile_program,
    .workers = 4,
    .event_source = "policy-controller",
    .writes = "v1/Event",
};
static const struct opr_controller *const controllers[] = {&policy, &reconciler, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER, .name = "policy", .version = OPR_VERSION,
    .init = init,      .fini = fini,     .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
