#include "controllers/gc/gc.h"

bool has_finalizer(const struct opr_obj *o, const char *name)
{
    const struct opr_obj *list = opr_obj_at(o, "/metadata/finalizers");
    for (const struct opr_obj *f = opr_obj_first(list); f; f = opr_obj_next(f)) {
        if (str_eq(opr_obj_str(f, "", ""), name)) {
            return true;
        }
    }
    return false;
}

bool is_waiting(const struct opr_obj *o)
{
    return is_deleting(o) && has_finalizer(o, "foregroundDeletion");
}

struct opr_key gc_key(struct opr_ctx *c, const struct opr_obj *o)
{
    const char *ns = opr_ctx_text(c, "%s/%s|%s", opr_obj_str(o, "/apiVersion", ""),
                                  opr_obj_str(o, "/kind", ""), meta_ns(o));
    return (struct opr_key){ns, meta_name(o)};
}

opr_status dependents_of(struct opr_ctx *c, const struct opr_obj *o,
                         const struct opr_obj *const **ret_objs, uint32_t *ret_count)
{
    return opr_list(c, "*", NULL, "owner", meta_uid(o), ret_objs, ret_count);
}

bool is_young(struct opr_ctx *c, const struct opr_obj *o)
{
    int64_t born_ms = time_parse(opr_obj_str(o, "/metadata/creationTimestamp", NULL));
    return opr_ctx_now_ms(c) < born_ms + YOUNG_MS;
}

static bool is_definition(const struct opr_obj *o)
{
    return str_eq(opr_obj_str(o, "/kind", ""), "CustomResourceDefinition") &&
           group_is(opr_obj_str(o, "/apiVersion", ""), "apiextensions.k8s.io");
}

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    if (!self) {
        return opr_done();
    }
    bool is_new_kind = is_definition(self) && is_young(c, self);
    if (is_new_kind && opr_watch_add(c, &(struct opr_watch){.gvk = "*"}) != OPR_OK) {
        return opr_retry(opr_ctx_error(c));
    }
    opr_result r = is_deleting(self) ? deleting_sync(c, self) : dependent_sync(c, self);
    /* The server may need a moment to serve it. */
    return is_new_kind && r.op == OPR_OP_DONE ? opr_requeue_after_ms(LOOK_SOON_MS) : r;
}

/* The key of a wildcard primary: "GVK|NAMESPACE" and the name. */
static void enqueue(struct opr_mapper *m, const char *api_version, const char *kind, const char *ns,
                    const char *name)
{
    char key[512]; /* group 253, version 63, kind 63, namespace 63 */
    snprintf(key, sizeof key, "%s/%s|%s", api_version, kind, ns);
    opr_map_enqueue(m, key, name);
}

static void enqueue_object(const struct opr_obj *o, void *arg)
{
    enqueue(arg, opr_obj_str(o, "/apiVersion", ""), opr_obj_str(o, "/kind", ""), meta_ns(o),
            meta_name(o));
}

static bool is_same(const struct opr_obj *was, const struct opr_obj *is, const char *ptr)
{
    return opr_obj_equal(opr_obj_at(was, ptr), opr_obj_at(is, ptr));
}

/* An owner may wait for this one to go; it is in the same namespace, or has none. */
static void enqueue_owners(struct opr_mapper *m, const struct opr_obj *o)
{
    const struct opr_obj *refs = opr_obj_at(o, "/metadata/ownerReferences");
    for (const struct opr_obj *r = opr_obj_first(refs); r; r = opr_obj_next(r)) {
        const char *version = opr_obj_str(r, "/apiVersion", ""),
                   *kind = opr_obj_str(r, "/kind", "");
        const char *name = opr_obj_str(r, "/name", "");
        if (opr_obj_bool(r, "/blockOwnerDeletion", false)) {
            enqueue(m, version, kind, meta_ns(o), name);
            enqueue(m, version, kind, "", name);
        }
    }
}

static void map_object(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                       void *state)
{
    (void)state;
    bool is_replaced = was && is && !is_same(was, is, "/metadata/uid");
    if (was && (!is || is_replaced)) {
        opr_map_each(m, "*", NULL, "owner", meta_uid(was), enqueue_object, m);
        enqueue_owners(m, was);
    }
    if (is && is_definition(is)) {
        enqueue_object(is, m);
    }
    if (!is || (was && !is_replaced && is_same(was, is, "/metadata/ownerReferences") &&
                is_same(was, is, "/metadata/deletionTimestamp") &&
                is_same(was, is, "/metadata/finalizers"))) {
        return;
    }
    if (was && !is_same(was, is, "/metadata/ownerReferences")) {
        enqueue_owners(m, was);
    }
    if (opr_obj_at(is, "/metadata/ownerReferences") || is_deleting(is)) {
        enqueue_object(is, m);
    }
}

static opr_status init(const struct opr_obj *config, void **ret_state)
{
    (void)config;
    struct collector *g = calloc(1, sizeof *g);
    if (!g) {
        return OPR_E_NOMEM;
    }
    pthread_mutex_init(&g->lock, NULL);
    *ret_state = g;
    return OPR_OK;
}

static void fini(void *state)
{
    struct collector *g = state;
    if (g) {
        pthread_mutex_destroy(&g->lock);
    }
    free(g);
}

static const struct opr_controller gc = {
    .size = sizeof gc,
    .name = "gc",
    .primary = {.gvk = "*", .map = map_object},
    .reconcile = reconcile,
    .workers = 10,
    .event_source = "garbage-collector-controller",
    .writes = "v1/Event,*",
};
static const struct opr_controller *const controllers[] = {&gc, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER, .name = "gc", .version = OPR_VERSION,
    .init = init,      .fini = fini, .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
