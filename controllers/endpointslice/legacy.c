#include "controllers/endpointslice/endpointslice.h"

#define OWNED_PTR "/metadata/labels/endpoints.kubernetes.io~1managed-by"

static void add_address(struct service *s, struct opr_doc *subset, const struct endpoint *e)
{
    struct opr_doc *a =
        opr_doc_new(s->c, "{'ip':%s,'targetRef':{'kind':'Pod','namespace':%s,'name':%s,'uid':%s}}",
                    e->ip, s->ns, meta_name(e->pod), meta_uid(e->pod));
    const char *node = opr_obj_str(e->pod, "/spec/nodeName", NULL);
    if (node) {
        opr_doc_set(a, "/nodeName", "%s", node);
    }
    const char *host = opr_obj_str(e->value, "/hostname", NULL);
    if (host) {
        opr_doc_set(a, "/hostname", "%s", host);
    }
    opr_doc_set(subset, e->is_ready ? "/addresses/-" : "/notReadyAddresses/-", "%p",
                opr_doc_obj(a));
}

static void add_ports(struct service *s, struct opr_doc *subset, const struct opr_obj *ports)
{
    for (const struct opr_obj *p = opr_obj_first(ports); p; p = opr_obj_next(p)) {
        struct opr_doc *one = opr_doc_of(s->c, p);
        if (opr_obj_str(p, "/name", "")[0] == '\0') {
            opr_doc_remove(one, "/name");
        }
        opr_doc_set(subset, "/ports/-", "%p", opr_doc_obj(one));
    }
}

/* One subset a group of ports; a pod that is being deleted is left out. */
static const struct opr_obj *subsets_of(struct service *s, const struct family *f)
{
    struct opr_doc *all = opr_doc_new(s->c, "[]");
    uint32_t total = 0;
    for (uint32_t g = 0; g < f->groups; g++) {
        struct opr_doc *subset = opr_doc_new(s->c, "{}");
        uint32_t added = 0;
        for (uint32_t i = 0; i < f->count && total < ENDPOINTS_MAX; i++) {
            const struct endpoint *e = &f->endpoints[i];
            if (e->group == g && (!is_deleting(e->pod) || s->publishes_not_ready)) {
                const char *list = e->is_ready ? "/addresses" : "/notReadyAddresses";
                if (!opr_obj_at(opr_doc_obj(subset), list)) {
                    opr_doc_set(subset, list, "[]");
                }
                add_address(s, subset, e);
                added++;
                total++;
            }
        }
        if (added > 0) {
            opr_doc_set(subset, "/ports", "[]");
            add_ports(s, subset, f->ports[g]);
            opr_doc_set(all, "/-", "%p", opr_doc_obj(subset));
        }
    }
    return opr_doc_obj(all);
}

static const struct opr_obj *labels_of(struct service *s)
{
    struct opr_doc *d = opr_doc_new(s->c, "{}");
    const struct opr_obj *own = opr_obj_at(s->self, "/metadata/labels");
    for (const struct opr_obj *l = opr_obj_first(own); l; l = opr_obj_next(l)) {
        opr_doc_set(d, member_ptr(s->c, "", opr_obj_name(l)), "%s", opr_obj_str(l, "", ""));
    }
    opr_doc_remove(d, "/service.kubernetes.io~1headless");
    if (str_eq(opr_obj_str(s->self, "/spec/clusterIP", ""), "None")) {
        opr_doc_set(d, "/service.kubernetes.io~1headless", "''");
    }
    opr_doc_set(d, "/endpoints.kubernetes.io~1managed-by", "'endpoint-controller'");
    return opr_doc_obj(d);
}

opr_status endpoints_write(struct service *s, const struct family *f)
{
    const struct opr_obj *subsets = subsets_of(s, f), *labels = labels_of(s), *old = NULL;
    opr_status st = opr_get(s->c, ENDPOINTS_GVK, s->ns, s->name, &old);
    if (st == OPR_E_NOT_FOUND) {
        return opr_create(s->c,
                          opr_doc_new(s->c,
                                      "{'apiVersion':'v1','kind':'Endpoints','metadata':{"
                                      "'name':%s,'namespace':%s,'labels':%p},'subsets':%p}",
                                      s->name, s->ns, labels, subsets),
                          NULL);
    }
    if (st != OPR_OK || (opr_obj_equal(opr_obj_at(old, "/subsets"), subsets) &&
                         opr_obj_equal(opr_obj_at(old, "/metadata/labels"), labels))) {
        return st;
    }
    struct opr_doc *d = opr_doc_of(s->c, old);
    opr_doc_set(d, "/subsets", "%p", subsets);
    opr_doc_set(d, "/metadata/labels", "%p", labels);
    return opr_update(s->c, d, NULL, NULL);
}

/* Endpoints have no owner reference: those that we made go with their Service. */
opr_status endpoints_remove(struct opr_ctx *c, const char *ns, const char *name)
{
    const struct opr_obj *old = NULL;
    opr_status st = opr_get(c, ENDPOINTS_GVK, ns, name, &old);
    if (st == OPR_OK && str_eq(opr_obj_str(old, OWNED_PTR, ""), "endpoint-controller")) {
        st = opr_delete(c, old, NULL);
    }
    return st == OPR_E_NOT_FOUND ? OPR_OK : st;
}
