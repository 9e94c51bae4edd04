#include "controllers/endpointslice/endpointslice.h"

static const struct opr_obj *labels_of(struct service *s)
{
    struct opr_doc *d = opr_doc_new(s->c,
                                    "{'kubernetes.io/service-name':%s,"
                                    "'endpointslice.kubernetes.io/managed-by':'" MANAGED_BY "'}",
                                    s->name);
    const struct opr_obj *own = opr_obj_at(s->self, "/metadata/labels");
    for (const struct opr_obj *l = opr_obj_first(own); l; l = opr_obj_next(l)) {
        const char *key = opr_obj_name(l);
        if (!str_eq(key, "kubernetes.io/service-name") &&
            !str_eq(key, "endpointslice.kubernetes.io/managed-by")) {
            opr_doc_set(d, member_ptr(s->c, "", key), "%s", opr_obj_str(l, "", ""));
        }
    }
    if (str_eq(opr_obj_str(s->self, "/spec/clusterIP", ""), "None")) {
        opr_doc_set(d, "/service.kubernetes.io~1headless", "''");
    } else {
        opr_doc_remove(d, "/service.kubernetes.io~1headless");
    }
    return opr_doc_obj(d);
}

static const struct opr_obj *endpoints_of(struct service *s, const struct family *f,
                                          const struct plan *p)
{
    struct opr_doc *d = opr_doc_new(s->c, "[]");
    for (uint32_t i = 0; i < p->count; i++) {
        opr_doc_set(d, "/-", "%p", f->endpoints[p->members[i]].value);
    }
    return opr_doc_obj(d);
}

/* The time of the change that this write tells of; left out where it would not advance. */
static void note_trigger(struct service *s, struct opr_doc *d, const struct opr_obj *old)
{
    int64_t before = time_parse(opr_obj_str(old, TRIGGER_PTR, NULL));
    opr_doc_remove(d, TRIGGER_PTR);
    if (s->triggered_ms > before && s->triggered_ms >= 0) {
        opr_doc_set(d, TRIGGER_PTR, "%s", time_format(s->c, s->triggered_ms));
    }
}

static opr_status update(struct service *s, const struct plan *p, const struct opr_obj *labels,
                         const struct opr_obj *endpoints, const struct opr_obj *ports)
{
    if (opr_obj_equal(opr_obj_at(p->old, "/endpoints"), endpoints) &&
        opr_obj_equal(opr_obj_at(p->old, "/ports"), ports) &&
        opr_obj_equal(opr_obj_at(p->old, "/metadata/labels"), labels)) {
        return OPR_OK;
    }
    struct opr_doc *d = opr_doc_of(s->c, p->old);
    opr_doc_set(d, "/endpoints", "%p", endpoints);
    opr_doc_set(d, "/ports", "%p", ports);
    opr_doc_set(d, "/metadata/labels", "%p", labels);
    note_trigger(s, d, p->old);
    return opr_update(s->c, d, NULL, NULL);
}

static void create(struct service *s, struct opr_batch *b, const struct family *f,
                   const struct opr_obj *labels, const struct opr_obj *endpoints,
                   const struct opr_obj *ports)
{
    struct opr_doc *d = opr_doc_new(
        s->c,
        "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice','metadata':{"
        "'generateName':%s,'namespace':%s,'labels':%p,'ownerReferences':[{'apiVersion':'v1',"
        "'kind':'Service','name':%s,'uid':%s,'controller':true,'blockOwnerDeletion':true}]},"
        "'addressType':%s,'endpoints':%p,'ports':%p}",
        opr_ctx_text(s->c, "%s-", s->name), s->ns, labels, s->name, s->uid, f->type, endpoints,
        ports);
    note_trigger(s, d, NULL);
    opr_batch_create(b, d);
}

opr_status plans_write(struct service *s, const struct family *f, const struct plan *plans,
                       uint32_t count)
{
    const struct opr_obj *labels = labels_of(s);
    struct opr_batch *b = opr_batch_new(s->c);
    uint32_t calls = 0;
    opr_status st = OPR_OK;
    for (uint32_t i = 0; i < count && st == OPR_OK; i++) {
        const struct plan *p = &plans[i];
        bool is_placeholder = p->group < 0 && f->count == 0 && p == &plans[0];
        if (p->count == 0 && !is_placeholder) {
            if (p->old) {
                opr_batch_delete(b, p->old, NULL);
                calls++;
            }
            continue;
        }
        const struct opr_obj *ports =
            is_placeholder ? opr_doc_obj(opr_doc_new(s->c, "[]")) : f->ports[p->group];
        const struct opr_obj *endpoints = endpoints_of(s, f, p);
        if (p->old) {
            st = update(s, p, labels, endpoints, ports);
        } else {
            create(s, b, f, labels, endpoints, ports);
            calls++;
        }
    }
    if (calls > 0) {
        (void)opr_batch_run(b); /* each result is read below */
    }
    for (uint32_t i = 0; i < calls && st == OPR_OK; i++) {
        st = opr_batch_status(b, i, NULL, NULL);
        st = st == OPR_E_NOT_FOUND ? OPR_OK : st;
    }
    return st;
}
