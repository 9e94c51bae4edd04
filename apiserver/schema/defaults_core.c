#include "apiserver/schema/build.h"

#include "apiserver/schema/hooks.h"
#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/json/doc.h"

#include <string.h>

static bool is_empty(struct json_object *o, const char *name)
{
    struct json_object *v = json_object_object_get(o, name);
    return !v || (json_object_is_type(v, json_type_string) && json_object_get_string_len(v) == 0);
}

static bool is_text(struct json_object *o, const char *name, const char *text)
{
    const char *v = json_object_get_string(json_object_object_get(o, name));
    return v && strcmp(v, text) == 0;
}

static void set_text(struct json_object *o, const char *name, const char *text)
{
    json_object_object_add(o, name, json_object_new_string(text));
}

/* No tag and no digest, or the tag "latest". */
static bool is_latest(const char *image)
{
    const char *digest = strchr(image, '@');
    const char *end = digest ? digest : image + strlen(image);
    const char *tag = NULL;
    for (const char *p = image; p < end; p++) {
        tag = *p == '/' ? NULL : *p == ':' ? p + 1 : tag;
    }
    if (!tag) {
        return !digest && *image;
    }
    return end - tag == 6 && memcmp(tag, "latest", 6) == 0;
}

void opr__default_container(struct json_object *container)
{
    if (is_empty(container, "imagePullPolicy")) {
        const char *image = opr_doc_str(container, "/image", "");
        set_text(container, "imagePullPolicy", is_latest(image) ? "Always" : "IfNotPresent");
    }
    if (is_empty(container, "terminationMessagePath")) {
        set_text(container, "terminationMessagePath", "/dev/termination-log");
    }
    if (is_empty(container, "terminationMessagePolicy")) {
        set_text(container, "terminationMessagePolicy", "File");
    }
}

void opr__default_volume(struct json_object *volume)
{
    struct json_object *image = json_object_object_get(volume, "image");
    if (image && is_empty(image, "pullPolicy")) {
        const char *reference = opr_doc_str(image, "/reference", "");
        set_text(image, "pullPolicy", is_latest(reference) ? "Always" : "IfNotPresent");
    }
    bool has_source = false;
    json_object_object_foreach(volume, name, value)
    {
        has_source = has_source || (value && strcmp(name, "name") != 0);
    }
    if (!has_source) {
        json_object_object_add(volume, "emptyDir", json_object_new_object());
    }
}

/* serviceAccount is the old name of serviceAccountName; conversion keeps the two equal. */
void opr__default_pod_spec(struct json_object *spec)
{
    if (is_empty(spec, "serviceAccountName")) {
        if (!is_empty(spec, "serviceAccount")) {
            set_text(spec, "serviceAccountName", opr_doc_str(spec, "/serviceAccount", ""));
        }
    } else {
        set_text(spec, "serviceAccount", opr_doc_str(spec, "/serviceAccountName", ""));
    }
}

/* Adds to a map of quantities what another has and it lacks. */
static void fill_from(struct json_object *into, struct json_object *from)
{
    json_object_object_foreach(from, name, value)
    {
        if (!json_object_object_get_ex(into, name, NULL)) {
            json_object_object_add(into, name, opr_doc_dup(value));
        }
    }
}

static void requests_from_limits(struct json_object *containers)
{
    for (size_t i = 0; containers && i < json_object_array_length(containers); i++) {
        struct json_object *c = json_object_array_get_idx(containers, i);
        struct json_object *limits = opr_doc_at(c, "/resources/limits");
        if (!limits) {
            continue;
        }
        struct json_object *requests = opr_doc_at(c, "/resources/requests");
        if (!requests) {
            requests = json_object_new_object();
            json_object_object_add(json_object_object_get(c, "resources"), "requests", requests);
        }
        fill_from(requests, limits);
    }
}

static void host_ports(struct json_object *containers)
{
    for (size_t i = 0; containers && i < json_object_array_length(containers); i++) {
        struct json_object *c = json_object_array_get_idx(containers, i);
        struct json_object *ports = json_object_object_get(c, "ports");
        for (size_t j = 0; ports && j < json_object_array_length(ports); j++) {
            struct json_object *p = json_object_array_get_idx(ports, j);
            if (opr_doc_int(p, "/hostPort", 0) == 0) {
                int64_t port = opr_doc_int(p, "/containerPort", 0);
                json_object_object_add(p, "hostPort", json_object_new_int64(port));
            }
        }
    }
}

/* podIP and the first of podIPs are one address; podIP counts where they differ. */
static void join_addresses(struct json_object *status)
{
    struct json_object *all = json_object_object_get(status, "podIPs");
    const char *one = opr_doc_str(status, "/podIP", "");
    const char *first = opr_doc_str(all, "/0/ip", "");
    if (*one && strcmp(one, first) != 0) {
        struct json_object *address = json_object_new_object();
        set_text(address, "ip", one);
        all = json_object_new_array();
        json_object_array_add(all, address);
        json_object_object_add(status, "podIPs", all);
    } else if (!*one && *first) {
        set_text(status, "podIP", first);
    }
}

/* podCIDR and the first of podCIDRs are one range; podCIDR counts where they differ. */
void opr__default_node_spec(struct json_object *spec)
{
    struct json_object *all = json_object_object_get(spec, "podCIDRs");
    const char *one = opr_doc_str(spec, "/podCIDR", "");
    const char *first = opr_doc_str(all, "/0", "");
    if (*one && strcmp(one, first) != 0) {
        all = json_object_new_array();
        json_object_array_add(all, json_object_new_string(one));
        json_object_object_add(spec, "podCIDRs", all);
    } else if (!*one && *first) {
        set_text(spec, "podCIDR", first);
    }
}

void opr__default_pod(struct json_object *pod)
{
    join_addresses(json_object_object_get(pod, "status"));
    struct json_object *spec = json_object_object_get(pod, "spec");
    requests_from_limits(json_object_object_get(spec, "containers"));
    requests_from_limits(json_object_object_get(spec, "initContainers"));
    if (!json_object_object_get(spec, "enableServiceLinks")) {
        json_object_object_add(spec, "enableServiceLinks", json_object_new_boolean(1));
    }
    if (opr_doc_bool(spec, "/hostNetwork", false)) {
        host_ports(json_object_object_get(spec, "containers"));
        host_ports(json_object_object_get(spec, "initContainers"));
    }
}

void opr__default_namespace(struct json_object *ns)
{
    const char *name = opr_doc_str(ns, "/metadata/name", "");
    if (*name) {
        opr_doc_put_str(ns, "/metadata/labels/kubernetes.io~1metadata.name", name);
    }
    /* A new one is held by the namespace controller; one that is stored may have been let go. */
    if (opr_doc_at(ns, "/metadata/resourceVersion") ||
        opr_doc_at(ns, "/metadata/deletionTimestamp")) {
        return;
    }
    struct json_object *finalizers = opr_doc_at(ns, "/spec/finalizers");
    for (size_t i = 0; finalizers && i < json_object_array_length(finalizers); i++) {
        if (strcmp(opr_doc_str(json_object_array_get_idx(finalizers, i), "", ""), "kubernetes") ==
            0) {
            return;
        }
    }
    (void)!opr_doc_put(ns, "/spec/finalizers/-", json_object_new_string("kubernetes"));
}

/* stringData is for writing only: its text becomes data. */
void opr__default_secret(struct json_object *secret)
{
    struct json_object *texts = json_object_object_get(secret, "stringData");
    if (!texts) {
        return;
    }
    struct json_object *data = json_object_object_get(secret, "data");
    if (!data) {
        data = json_object_new_object();
        json_object_object_add(secret, "data", data);
    }
    json_object_object_foreach(texts, name, value)
    {
        struct opr_buf encoded = {0};
        opr_buf_base64(&encoded, json_object_get_string(value),
                       (size_t)json_object_get_string_len(value));
        set_text(data, name, encoded.data ? encoded.data : "");
        opr_buf_fini(&encoded);
    }
    json_object_object_del(secret, "stringData");
}

void opr__default_node_status(struct json_object *status)
{
    struct json_object *capacity = json_object_object_get(status, "capacity");
    if (capacity && !json_object_object_get(status, "allocatable")) {
        json_object_object_add(status, "allocatable", opr_doc_dup(capacity));
    }
}

static void default_affinity(struct json_object *spec)
{
    if (is_text(spec, "sessionAffinity", "None")) {
        json_object_object_del(spec, "sessionAffinityConfig");
        return;
    }
    if (is_text(spec, "sessionAffinity", "ClientIP") &&
        !opr_doc_at(spec, "/sessionAffinityConfig/clientIP/timeoutSeconds")) {
        json_object_object_add(spec, "sessionAffinityConfig",
                               json_tokener_parse("{\"clientIP\":{\"timeoutSeconds\":10800}}"));
    }
}

static void default_ports(struct json_object *ports)
{
    for (size_t i = 0; ports && i < json_object_array_length(ports); i++) {
        struct json_object *p = json_object_array_get_idx(ports, i);
        struct json_object *target = json_object_object_get(p, "targetPort");
        bool is_number = json_object_is_type(target, json_type_int);
        if (!target || (is_number && json_object_get_int64(target) == 0) ||
            (!is_number && json_object_get_string_len(target) == 0)) {
            json_object_object_add(p, "targetPort",
                                   json_object_new_int64(opr_doc_int(p, "/port", 0)));
        }
    }
}

static void default_load_balancer(struct json_object *service, struct json_object *spec)
{
    if (!json_object_object_get(spec, "allocateLoadBalancerNodePorts")) {
        json_object_object_add(spec, "allocateLoadBalancerNodePorts", json_object_new_boolean(1));
    }
    struct json_object *ingress = opr_doc_at(service, "/status/loadBalancer/ingress");
    for (size_t i = 0; ingress && i < json_object_array_length(ingress); i++) {
        struct json_object *entry = json_object_array_get_idx(ingress, i);
        if (!is_empty(entry, "ip") && is_empty(entry, "ipMode")) {
            set_text(entry, "ipMode", "VIP");
        }
    }
}

void opr__default_service(struct json_object *service)
{
    struct json_object *spec = json_object_object_get(service, "spec");
    if (is_empty(spec, "type")) {
        set_text(spec, "type", "ClusterIP");
    }
    if (is_empty(spec, "sessionAffinity")) {
        set_text(spec, "sessionAffinity", "None");
    }
    default_affinity(spec);
    default_ports(json_object_object_get(spec, "ports"));
    bool is_balancer = is_text(spec, "type", "LoadBalancer");
    bool is_outside = is_balancer || is_text(spec, "type", "NodePort");
    struct json_object *external = json_object_object_get(spec, "externalIPs");
    bool has_external =
        is_text(spec, "type", "ClusterIP") && external && json_object_array_length(external);
    if ((is_outside || has_external) && is_empty(spec, "externalTrafficPolicy")) {
        set_text(spec, "externalTrafficPolicy", "Cluster");
    }
    if (!is_text(spec, "type", "ExternalName") && is_empty(spec, "internalTrafficPolicy")) {
        set_text(spec, "internalTrafficPolicy", "Cluster");
    }
    if (is_balancer) {
        default_load_balancer(service, spec);
    }
}
