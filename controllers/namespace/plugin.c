#include "controllers/namespace/namespace.h"

enum { RETRY_LEAST_MS = 1000, FINALIZER_ESTIMATE_S = 15 };

static bool has_finalizer(const struct opr_obj *ns)
{
    const struct opr_obj *list = opr_obj_at(ns, "/spec/finalizers");
    for (const struct opr_obj *f = opr_obj_first(list); f; f = opr_obj_next(f)) {
        if (str_eq(opr_obj_str(f, "", ""), "kubernetes")) {
            return true;
        }
    }
    return false;
}

static opr_status finalize(struct emptying *e)
{
    struct opr_doc *kept = opr_doc_new(e->c, "[]");
    const struct opr_obj *list = opr_obj_at(e->self, "/spec/finalizers");
    for (const struct opr_obj *f = opr_obj_first(list); f; f = opr_obj_next(f)) {
        if (!str_eq(opr_obj_str(f, "", ""), "kubernetes")) {
            opr_doc_set(kept, "/-", "%p", f);
        }
    }
    struct opr_doc *d = opr_doc_of(e->c, e->self);
    opr_doc_set(d, "/spec/finalizers", "%p", opr_doc_obj(kept));
    opr_status st = opr_request(
        e->c, "PUT", opr_ctx_text(e->c, "/api/v1/namespaces/%s/finalize", e->name), d, NULL);
    return st == OPR_E_NOT_FOUND ? OPR_OK : st;
}

static uint32_t wait_ms(const struct emptying *e)
{
    int64_t estimate_s = e->longest_grace_s;
    if (e->finalizer_count > 0 && estimate_s < FINALIZER_ESTIMATE_S) {
        estimate_s = FINALIZER_ESTIMATE_S;
    }
    return (uint32_t)(estimate_s * 500 + RETRY_LEAST_MS);
}

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    if (!self || !is_deleting(self) || !has_finalizer(self)) {
        return opr_done();
    }
    struct emptying *e = opr_ctx_alloc(c, sizeof *e);
    e->c = c;
    e->self = self;
    e->name = meta_name(self);
    kinds_discover(e);
    uint32_t remaining = content_remove(e);
    opr_status st = conditions_write(e, remaining);
    if (st != OPR_OK) {
        return st == OPR_E_NOT_FOUND ? opr_done() : opr_retry(opr_ctx_error(c));
    }
    if (e->discovery_failure || e->content_failure) {
        return opr_retry(e->content_failure ? e->content_failure : e->discovery_failure);
    }
    if (remaining > 0) {
        return opr_requeue_after_ms(wait_ms(e));
    }
    return result_of(c, finalize(e));
}

/* The last pod of a namespace that ends lets the rest go at once. */
static void map_pod(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                    void *state)
{
    (void)state;
    if (!is) {
        opr_map_enqueue(m, "", meta_ns(was));
    }
}

static const struct opr_watch reads[] = {
    {.gvk = "v1/Pod", .map = map_pod},
    {.gvk = NULL},
};
static const struct opr_controller namespaces = {
    .size = sizeof namespaces,
    .name = "namespace",
    .primary = {.gvk = "v1/Namespace"},
    .reads = reads,
    .reconcile = reconcile,
    .workers = 5,
    .event_source = "namespace-controller",
    .writes = "v1/Namespace/status,v1/Namespace/finalize,*",
};
static const struct opr_controller *const controllers[] = {&namespaces, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER,
    .name = "namespace",
    .version = OPR_VERSION,
    .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
