#include "controllers/endpointslice/endpointslice.h"

bool service_selects(const struct opr_obj *service, const struct opr_obj *pod)
{
    const struct opr_obj *selector = opr_obj_at(service, "/spec/selector");
    const struct opr_obj *labels = opr_obj_at(pod, "/metadata/labels");
    if (opr_obj_len(selector) == 0) {
        return false;
    }
    for (const struct opr_obj *w = opr_obj_first(selector); w; w = opr_obj_next(w)) {
        bool is_found = false;
        for (const struct opr_obj *l = opr_obj_first(labels); l && !is_found; l = opr_obj_next(l)) {
            is_found = str_eq(opr_obj_name(l), opr_obj_name(w)) &&
                       str_eq(opr_obj_str(l, "", ""), opr_obj_str(w, "", NULL));
        }
        if (!is_found) {
            return false;
        }
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(meta_name(*(const struct opr_obj *const *)a),
                  meta_name(*(const struct opr_obj *const *)b));
}

opr_status service_load(struct service *s)
{
    const struct opr_obj *const *all = NULL;
    uint32_t n = 0;
    opr_status st = opr_list(s->c, "v1/Pod", s->ns, NULL, NULL, &all, &n);
    if (st != OPR_OK) {
        return st;
    }
    s->pods = opr_ctx_alloc(s->c, (n + 1) * sizeof(void *));
    for (uint32_t i = 0; i < n; i++) {
        if (service_selects(s->self, all[i]) && !pod_is_terminal(all[i])) {
            s->pods[s->pod_count++] = all[i];
        }
    }
    qsort(s->pods, s->pod_count, sizeof(void *), by_name);
    s->publishes_not_ready = opr_obj_bool(s->self, "/spec/publishNotReadyAddresses", false);
    s->triggered_ms = time_parse(opr_obj_str(s->self, "/metadata/creationTimestamp", NULL));
    for (uint32_t i = 0; i < s->pod_count; i++) {
        int64_t since =
            time_parse(opr_obj_str(pod_ready_condition(s->pods[i]), "/lastTransitionTime", NULL));
        s->triggered_ms = since > s->triggered_ms ? since : s->triggered_ms;
    }
    return OPR_OK;
}

/* The pod's address of a family; "" where it has none. */
static const char *ip_of(const struct opr_obj *pod, const char *type)
{
    bool wants_6 = str_eq(type, "IPv6");
    const struct opr_obj *ips = opr_obj_at(pod, "/status/podIPs");
    for (const struct opr_obj *x = opr_obj_first(ips); x; x = opr_obj_next(x)) {
        const char *ip = opr_obj_str(x, "/ip", "");
        if (ip[0] != '\0' && (strchr(ip, ':') != NULL) == wants_6) {
            return ip;
        }
    }
    const char *ip = opr_obj_str(pod, "/status/podIP", "");
    return (strchr(ip, ':') != NULL) == wants_6 ? ip : "";
}

static int64_t port_named(const struct opr_obj *containers, bool sidecars_only, const char *name,
                          const char *protocol)
{
    for (const struct opr_obj *k = opr_obj_first(containers); k; k = opr_obj_next(k)) {
        if (sidecars_only && !str_eq(opr_obj_str(k, "/restartPolicy", ""), "Always")) {
            continue;
        }
        const struct opr_obj *ports = opr_obj_at(k, "/ports");
        for (const struct opr_obj *p = opr_obj_first(ports); p; p = opr_obj_next(p)) {
            if (str_eq(opr_obj_str(p, "/name", ""), name) &&
                str_eq(opr_obj_str(p, "/protocol", "TCP"), protocol)) {
                return opr_obj_int(p, "/containerPort", 0);
            }
        }
    }
    return 0;
}

/* 0: the pod has no port of that name. */
static int64_t target_port(const struct opr_obj *port, const struct opr_obj *pod)
{
    const struct opr_obj *target = opr_obj_at(port, "/targetPort");
    if (opr_obj_type(target) != OPR_TYPE_STRING) {
        int64_t number = opr_obj_int(target, "", 0);
        return number > 0 ? number : opr_obj_int(port, "/port", 0);
    }
    const char *name = opr_obj_str(target, "", ""),
               *protocol = opr_obj_str(port, "/protocol", "TCP");
    int64_t number = port_named(opr_obj_at(pod, "/spec/containers"), false, name, protocol);
    return number > 0 ? number
                      : port_named(opr_obj_at(pod, "/spec/initContainers"), true, name, protocol);
}

static const struct opr_obj *ports_of(struct service *s, const struct opr_obj *pod)
{
    struct opr_doc *d = opr_doc_new(s->c, "[]");
    const struct opr_obj *list = opr_obj_at(s->self, "/spec/ports");
    for (const struct opr_obj *p = opr_obj_first(list); p; p = opr_obj_next(p)) {
        int64_t number = target_port(p, pod);
        const char *app = opr_obj_str(p, "/appProtocol", NULL);
        if (number == 0) {
            continue;
        }
        struct opr_doc *one =
            opr_doc_new(s->c, "{'name':%s,'protocol':%s,'port':%lld}", opr_obj_str(p, "/name", ""),
                        opr_obj_str(p, "/protocol", "TCP"), (long long)number);
        if (app) {
            opr_doc_set(one, "/appProtocol", "%s", app);
        }
        opr_doc_set(d, "/-", "%p", opr_doc_obj(one));
    }
    return opr_doc_obj(d);
}

static uint32_t group_of(struct family *f, const struct opr_obj *ports)
{
    for (uint32_t i = 0; i < f->groups; i++) {
        if (opr_obj_equal(f->ports[i], ports)) {
            return i;
        }
    }
    if (f->groups == GROUPS_MAX) {
        return GROUPS_MAX;
    }
    f->ports[f->groups] = ports;
    return f->groups++;
}

static const char *zone_of(struct service *s, const char *node, bool *ret_is_known)
{
    const struct opr_obj *n = NULL;
    *ret_is_known = opr_get(s->c, "v1/Node", "", node, &n) == OPR_OK;
    return opr_obj_str(n, "/metadata/labels/topology.kubernetes.io~1zone", NULL);
}

/* spec.trafficDistribution: a ready endpoint is meant for its own zone, or first for its own node.
 */
static void add_hints(struct service *s, struct opr_doc *d, const struct endpoint *e,
                      const char *node, const char *zone)
{
    const char *wanted = opr_obj_str(s->self, "/spec/trafficDistribution", "");
    bool is_by_node = str_eq(wanted, "PreferSameNode");
    bool is_by_zone =
        is_by_node || str_eq(wanted, "PreferClose") || str_eq(wanted, "PreferSameZone");
    if (is_by_zone && e->is_ready && zone) {
        opr_doc_set(d, "/hints/forZones", "[{'name':%s}]", zone);
    }
    if (is_by_node && e->is_ready && node) {
        opr_doc_set(d, "/hints/forNodes", "[{'name':%s}]", node);
    }
}

/* NULL where the pod's node is not known: it can not be reached. */
static const struct opr_obj *endpoint_value(struct service *s, const struct endpoint *e)
{
    const struct opr_obj *pod = e->pod;
    const char *node = opr_obj_str(pod, "/spec/nodeName", NULL), *zone = NULL;
    bool is_known = true;
    if (node) {
        zone = zone_of(s, node, &is_known);
    }
    if (!is_known && !s->publishes_not_ready) {
        s->lacks_node = true;
        return NULL;
    }
    struct opr_doc *d = opr_doc_new(
        s->c,
        "{'addresses':[%s],'conditions':{},'targetRef':{'kind':'Pod','namespace':%s,'name':%s,"
        "'uid':%s}}",
        e->ip, s->ns, meta_name(pod), meta_uid(pod));
    opr_doc_set(d, "/conditions/ready", e->is_ready ? "true" : "false");
    opr_doc_set(d, "/conditions/serving", pod_is_ready(pod) ? "true" : "false");
    opr_doc_set(d, "/conditions/terminating", is_deleting(pod) ? "true" : "false");
    if (node) {
        opr_doc_set(d, "/nodeName", "%s", node);
    }
    if (zone) {
        opr_doc_set(d, "/zone", "%s", zone);
    }
    const char *host = opr_obj_str(pod, "/spec/hostname", "");
    if (host[0] != '\0' && str_eq(opr_obj_str(pod, "/spec/subdomain", ""), s->name)) {
        opr_doc_set(d, "/hostname", "%s", host);
    }
    add_hints(s, d, e, node, zone);
    return opr_doc_obj(d);
}

void family_load(struct service *s, const char *type, struct family *ret_family)
{
    struct family *f = ret_family;
    *f = (struct family){.type = type};
    f->endpoints = opr_ctx_alloc(s->c, (s->pod_count + 1) * sizeof *f->endpoints);
    for (uint32_t i = 0; i < s->pod_count; i++) {
        const struct opr_obj *pod = s->pods[i];
        struct endpoint e = {
            .pod = pod,
            .ip = ip_of(pod, type),
            .is_ready = s->publishes_not_ready || (pod_is_ready(pod) && !is_deleting(pod)),
        };
        e.value = e.ip[0] != '\0' ? endpoint_value(s, &e) : NULL;
        e.group = e.value ? group_of(f, ports_of(s, pod)) : GROUPS_MAX;
        if (e.group < GROUPS_MAX) {
            f->endpoints[f->count++] = e;
        }
    }
}
