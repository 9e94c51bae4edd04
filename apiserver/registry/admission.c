/* Built-in admission: what the server itself adds to an object or refuses before it is stored. */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/api/quantity.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdio.h>

#define NOT_READY "node.kubernetes.io/not-ready"

/* A toleration of 300 s for a node that is not ready or unreachable (DefaultTolerationSeconds). */
static void add_toleration(struct json_object *pod, const char *key)
{
    struct json_object *list = opr_doc_at(pod, "/spec/tolerations");
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *t = json_object_array_get_idx(list, i);
        const char *effect = opr_doc_str(t, "/effect", "");
        const char *other = opr_doc_str(t, "/key", "");
        if ((strcmp(other, key) == 0 || *other == '\0') &&
            (*effect == '\0' || strcmp(effect, "NoExecute") == 0)) {
            return;
        }
    }
    struct json_object *t = json_object_new_object();
    json_object_object_add(t, "key", json_object_new_string(key));
    json_object_object_add(t, "operator", json_object_new_string("Exists"));
    json_object_object_add(t, "effect", json_object_new_string("NoExecute"));
    json_object_object_add(t, "tolerationSeconds", json_object_new_int(300));
    (void)!opr_doc_put(pod, "/spec/tolerations/-", t); /* spec is an object: it was decoded */
}

static const char *amount(struct json_object *container, const char *side, const char *resource)
{
    char path[64];
    snprintf(path, sizeof path, "/resources/%s/%s", side, resource);
    return opr_doc_str(container, path, "");
}

/* Guaranteed: every container limits CPU and memory and requests as much. BestEffort: none requests
 * or limits either (kubernetes.io/docs/concepts/workloads/pods/pod-qos). */
static const char *qos_class(struct json_object *pod)
{
    static const char *const lists[] = {"/spec/containers", "/spec/initContainers"};
    static const char *const resources[] = {"cpu", "memory"};
    bool is_guaranteed = true, is_best_effort = true;
    for (size_t i = 0; i < 4; i++) {
        struct json_object *list = opr_doc_at(pod, lists[i / 2]);
        for (size_t j = 0; list && j < json_object_array_length(list); j++) {
            struct json_object *c = json_object_array_get_idx(list, j);
            struct opr_str request = opr_str_of(amount(c, "requests", resources[i % 2]));
            struct opr_str limit = opr_str_of(amount(c, "limits", resources[i % 2]));
            int64_t wanted = 0, most = 0;
            (void)!opr_quantity_parse(request, &wanted); /* none is none; it was validated */
            (void)!opr_quantity_parse(limit, &most);
            is_best_effort = is_best_effort && wanted == 0 && most == 0;
            is_guaranteed = is_guaranteed && most > 0 && wanted == most;
        }
    }
    return is_best_effort ? "BestEffort" : is_guaranteed ? "Guaranteed" : "Burstable";
}

static opr_status admit_pod(struct opr_req *r, struct json_object *pod)
{
    opr_doc_put_str(pod, "/status/phase", "Pending");
    opr_doc_put_str(pod, "/status/qosClass", qos_class(pod));
    OPR_TRY(opr_admit_service_account(r, pod));
    const char *node = opr_doc_str(pod, "/spec/nodeName", "");
    if (*node) {
        opr_pod_take_topology(r, pod, node);
    }
    add_toleration(pod, NOT_READY);
    add_toleration(pod, "node.kubernetes.io/unreachable");
    return opr_admit_priority(r, pod);
}

/* A new node takes no Pods before it is Ready (TaintNodesByCondition). */
static void taint_new_node(struct json_object *node)
{
    struct json_object *taints = opr_doc_at(node, "/spec/taints");
    for (size_t i = 0; taints && i < json_object_array_length(taints); i++) {
        struct json_object *other = json_object_array_get_idx(taints, i);
        if (strcmp(opr_doc_str(other, "/key", ""), NOT_READY) == 0 &&
            strcmp(opr_doc_str(other, "/effect", ""), "NoSchedule") == 0) {
            return;
        }
    }
    struct json_object *t = json_object_new_object();
    json_object_object_add(t, "key", json_object_new_string(NOT_READY));
    json_object_object_add(t, "effect", json_object_new_string("NoSchedule"));
    (void)!opr_doc_put(node, "/spec/taints/-", t); /* spec is an object or absent */
}

/* NamespaceLifecycle. */
opr_status opr_admit_namespace(struct opr_req *r)
{
    const struct opr_kind *kind = opr_kind_find(OPR_STR(""), OPR_STR("v1"), OPR_STR("namespaces"));
    struct opr_obj *ns = opr_store_get(r->api->store, opr_api_key(r->arena, kind, "", r->ns));
    if (!ns) {
        return opr_api_not_found(r, "namespaces", r->ns);
    }
    bool is_ending = strcmp(opr_json_str(ns, "/status/phase", ""), "Terminating") == 0 ||
                     opr_meta_is_deleting(ns);
    opr_json_unref(ns);
    if (!is_ending) {
        return OPR_OK;
    }
    opr_api_refuse(r, 403, "Forbidden",
                   "%s%s%.*s \"%s\" is forbidden: unable to create new content in namespace %s "
                   "because it is being terminated",
                   r->plural, r->group.len > 0 ? "." : "", OPR_STR_ARG(r->group), r->name, r->ns);
    opr_api_add_cause(r, "NamespaceTerminating",
                      opr_arena_printf(r->arena, "namespace %s is being terminated", r->ns),
                      "metadata.namespace");
    return OPR_E_INVALID;
}

/* The kinds that it makes are tried before it is stored. */
static opr_status admit_crd(struct opr_req *r, struct json_object *crd)
{
    struct opr_field_errors errors = {.arena = r->arena};
    struct opr_custom_kinds *trial = opr_custom_kinds_new();
    opr_crd_prepare(r, crd);
    opr_status st = opr_custom_kinds_set(trial, r->name, crd, &errors);
    opr_custom_kinds_free(trial);
    return st == OPR_OK ? OPR_OK : opr_api_invalid(r, r->kind, r->name, &errors);
}

opr_status opr_admit_create(struct opr_req *r, struct json_object *doc)
{
    if (r->kind->is_namespaced) {
        OPR_TRY(opr_admit_namespace(r));
    }
    OPR_TRY(opr_admit_grant(r, doc, NULL));
    OPR_TRY(opr_node_admit_new(r, doc));
    if (opr_kind_is(r->kind, "", "pods")) {
        return admit_pod(r, doc);
    }
    if (opr_kind_is(r->kind, "scheduling.k8s.io", "priorityclasses")) {
        return opr_admit_priority_class(r, doc);
    }
    if (opr_kind_is(r->kind, "", "nodes")) {
        taint_new_node(doc);
    } else if (opr_kind_is(r->kind, "", "namespaces")) {
        opr_doc_put_str(doc, "/metadata/labels/kubernetes.io~1metadata.name", r->name);
        opr_doc_put_str(doc, "/status/phase", "Active");
    } else if (opr_kind_is(r->kind, "apiextensions.k8s.io", "customresourcedefinitions")) {
        return admit_crd(r, doc);
    }
    return OPR_OK;
}

opr_status opr_admit_update(struct opr_req *r, struct json_object *doc, const struct opr_obj *old)
{
    OPR_TRY(opr_admit_grant(r, doc, old));
    OPR_TRY(opr_node_admit_change(r, doc, old));
    if (opr_kind_is(r->kind, "scheduling.k8s.io", "priorityclasses")) {
        return opr_admit_priority_class(r, doc);
    }
    if (opr_kind_is(r->kind, "", "services") && !r->sub) {
        return opr_service_assign(r, doc, old);
    }
    if (opr_kind_is(r->kind, "apiextensions.k8s.io", "customresourcedefinitions") && !r->sub) {
        return admit_crd(r, doc);
    }
    return OPR_OK;
}
