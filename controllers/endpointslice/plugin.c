#include "controllers/endpointslice/endpointslice.h"

/* The slices that this controller made for the Service. */
static opr_status own_slices(struct service *s, const struct opr_obj ***ret_slices,
                             uint32_t *ret_count)
{
    const struct opr_obj *const *all = NULL;
    uint32_t n = 0;
    opr_status st = opr_list(s->c, SLICE_GVK, s->ns, "owner", s->uid, &all, &n);
    if (st != OPR_OK) {
        return st;
    }
    *ret_slices = opr_ctx_alloc(s->c, (n + 1) * sizeof(void *));
    *ret_count = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (str_eq(
                opr_obj_str(all[i], "/metadata/labels/endpointslice.kubernetes.io~1managed-by", ""),
                MANAGED_BY)) {
            (*ret_slices)[(*ret_count)++] = all[i];
        }
    }
    return OPR_OK;
}

static opr_status sync_family(struct service *s, const char *type, bool is_first)
{
    const struct opr_obj **slices = NULL;
    uint32_t slice_count = 0, plan_count = 0;
    opr_status st = own_slices(s, &slices, &slice_count);
    if (st != OPR_OK) {
        return st;
    }
    struct family f;
    family_load(s, type, &f);
    struct plan *plans = family_pack(s, &f, slices, slice_count, &plan_count);
    st = plans_write(s, &f, plans, plan_count);
    return st == OPR_OK && is_first ? endpoints_write(s, &f) : st;
}

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    struct opr_key key = opr_ctx_key(c);
    if (!self) {
        return result_of(c, endpoints_remove(c, key.ns, key.name));
    }
    if (opr_obj_len(opr_obj_at(self, "/spec/selector")) == 0 || is_deleting(self) ||
        str_eq(opr_obj_str(self, "/spec/type", ""), "ExternalName")) {
        return opr_done();
    }
    struct service s = {
        .c = c, .self = self, .ns = key.ns, .name = key.name, .uid = meta_uid(self)};
    opr_status st = service_load(&s);
    const struct opr_obj *families = opr_obj_at(self, "/spec/ipFamilies");
    const struct opr_obj *first = opr_obj_first(families);
    if (st == OPR_OK && !first) {
        st = sync_family(&s, "IPv4", true);
    }
    for (const struct opr_obj *f = first; f && st == OPR_OK; f = opr_obj_next(f)) {
        st = sync_family(&s, opr_obj_str(f, "", "IPv4"), f == first);
    }
    if (st == OPR_E_TERMINATING) {
        return opr_done();
    }
    if (st == OPR_OK && s.lacks_node) {
        return opr_retry("the node of a pod is not known");
    }
    if (st != OPR_OK && st != OPR_E_CONFLICT) {
        opr_event(c, self, "Warning", "FailedToUpdateEndpointSlices",
                  "Error updating Endpoint Slices for Service %s/%s: %s", s.ns, s.name,
                  opr_ctx_error(c));
    }
    return result_of(c, st);
}

struct changed_pod {
    struct opr_mapper *m;
    const struct opr_obj *was, *is;
};

static void enqueue_if_selected(const struct opr_obj *service, void *arg)
{
    const struct changed_pod *p = arg;
    if (service_selects(service, p->was) || service_selects(service, p->is)) {
        opr_map_enqueue(p->m, meta_ns(service), meta_name(service));
    }
}

static bool is_same(const struct opr_obj *was, const struct opr_obj *is, const char *ptr)
{
    return opr_obj_equal(opr_obj_at(was, ptr), opr_obj_at(is, ptr));
}

/* What an endpoint is made from; the rest of a pod's status changes often and means nothing. */
static void map_pod(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                    void *state)
{
    (void)state;
    if (was && is && is_same(was, is, "/metadata/labels") && is_same(was, is, "/metadata/uid") &&
        is_same(was, is, "/spec/nodeName") && is_same(was, is, "/status/podIPs") &&
        is_same(was, is, "/status/podIP") && pod_is_ready(was) == pod_is_ready(is) &&
        pod_is_terminal(was) == pod_is_terminal(is) && is_deleting(was) == is_deleting(is)) {
        return;
    }
    struct changed_pod p = {m, was, is};
    opr_map_each(m, "v1/Service", meta_ns(is ? is : was), NULL, NULL, enqueue_if_selected, &p);
}

/* A slice that someone else changed or removed is made right again. */
static void map_slice(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                      void *state)
{
    (void)state;
    const struct opr_obj *o = is ? is : was;
    const char *name = opr_obj_str(o, "/metadata/labels/kubernetes.io~1service-name", "");
    if (name[0] != '\0') {
        opr_map_enqueue(m, meta_ns(o), name);
    }
}

static void map_endpoints(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                          void *state)
{
    (void)state;
    const struct opr_obj *o = is ? is : was;
    opr_map_enqueue(m, meta_ns(o), meta_name(o));
}

static const struct opr_watch reads[] = {
    {.gvk = "v1/Pod", .map = map_pod},
    {.gvk = SLICE_GVK, .map = map_slice},
    {.gvk = ENDPOINTS_GVK, .map = map_endpoints},
    /* For the zone; a pod on an unknown node is looked at again by backoff. */
    {.gvk = "v1/Node"},
    {.gvk = NULL},
};
static const struct opr_controller endpointslice = {
    .size = sizeof endpointslice,
    .name = "endpointslice",
    .primary = {.gvk = "v1/Service"},
    .reads = reads,
    .reconcile = reconcile,
    .workers = 5,
    .event_source = "endpoint-slice-controller",
    .writes = "v1/Event,v1/Endpoints,discovery.k8s.io/v1/EndpointSlice",
};
static const struct opr_controller *const controllers[] = {&endpointslice, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER,
    .name = "endpointslice",
    .version = OPR_VERSION,
    .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
