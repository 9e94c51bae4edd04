/* What the user of a node may do: the objects that its own Pods name, its own Node, Lease and Pods.
 * Reading is granted here beside the roles, writing is refused here although a role allows it
 * (kubernetes.io/docs/reference/access-authn-authz/node and NodeRestriction in
 * .../admission-controllers). Evaluated over the stored Pods at each request, as roles are. */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/str.h"

#define NODE_USER "system:node:"
#define LEASE_NS "kube-node-lease"
#define OWN_LABELS "node-restriction.kubernetes.io"

/* The node that a user speaks for; NULL: none. */
static const char *node_of(const struct opr_user *user)
{
    size_t len = sizeof NODE_USER - 1;
    if (strncmp(user->name, NODE_USER, len) != 0 || user->name[len] == '\0') {
        return NULL;
    }
    for (size_t i = 0; user->groups && user->groups[i]; i++) {
        if (strcmp(user->groups[i], "system:nodes") == 0) {
            return user->name + len;
        }
    }
    return NULL;
}

static bool is_at(const struct opr_obj *o, const char *ptr, const char *name)
{
    return strcmp(opr_json_str(o, ptr, ""), name) == 0;
}

static bool is_in_list(const struct opr_obj *list, const char *ptr, const char *name)
{
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        if (is_at(v, ptr, name)) {
            return true;
        }
    }
    return false;
}

static bool is_in_volumes(const struct opr_obj *pod, bool is_secret, const char *name)
{
    const struct opr_obj *list = opr_json_at(pod, "/spec/volumes");
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        if (is_at(v, is_secret ? "/secret/secretName" : "/configMap/name", name) ||
            is_in_list(opr_json_at(v, "/projected/sources"),
                       is_secret ? "/secret/name" : "/configMap/name", name)) {
            return true;
        }
    }
    return false;
}

static bool is_in_environment(const struct opr_obj *pod, bool is_secret, const char *name)
{
    static const char *const lists[] = {"/spec/containers", "/spec/initContainers",
                                        "/spec/ephemeralContainers"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const struct opr_obj *list = opr_json_at(pod, lists[i]);
        for (const struct opr_obj *c = opr_json_first(list); c; c = opr_json_next(c)) {
            if (is_in_list(opr_json_at(c, "/envFrom"),
                           is_secret ? "/secretRef/name" : "/configMapRef/name", name) ||
                is_in_list(opr_json_at(c, "/env"),
                           is_secret ? "/valueFrom/secretKeyRef/name"
                                     : "/valueFrom/configMapKeyRef/name",
                           name)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_named_by(const struct opr_obj *pod, const char *plural, const char *name)
{
    if (strcmp(plural, "serviceaccounts") == 0) {
        return is_at(pod, "/spec/serviceAccountName", name);
    }
    bool is_secret = strcmp(plural, "secrets") == 0;
    return is_in_volumes(pod, is_secret, name) || is_in_environment(pod, is_secret, name) ||
           (is_secret && is_in_list(opr_json_at(pod, "/spec/imagePullSecrets"), "/name", name));
}

static const struct opr_kind *pod_kind(void)
{
    return opr_kind_find(OPR_STR(""), OPR_STR("v1"), OPR_STR("pods"));
}

/* A Pod on the node names the object. */
static bool is_related(struct opr_apiserver *s, struct opr_arena *a, const char *node,
                       const struct opr_access *access)
{
    const struct opr_obj *const *pods;
    size_t count, more;
    uint64_t revision;
    opr_store_list(s->store, a, opr_api_key(a, pod_kind(), access->ns, NULL), OPR_STR(""), 0, &pods,
                   &count, &revision, &more);
    for (size_t i = 0; i < count; i++) {
        if (is_at(pods[i], "/spec/nodeName", node) &&
            is_named_by(pods[i], access->plural, access->name)) {
            return true;
        }
    }
    return false;
}

/* NULL: allowed; else why not. */
static const char *check_lease(const char *node, const struct opr_access *access)
{
    static const char *const verbs[] = {"create", "get", "update", "patch", "delete"};
    bool is_known = false;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        is_known = is_known || strcmp(access->verb, verbs[i]) == 0;
    }
    if (!is_known || access->sub) {
        return "can only get, create, update, patch, or delete a node lease";
    }
    if (!access->ns || strcmp(access->ns, LEASE_NS) != 0) {
        return "can only access leases in the \"" LEASE_NS "\" system namespace";
    }
    /* A new one's name is in the body: opr_node_admit_new() looks there. */
    if (strcmp(access->verb, "create") != 0 && (!access->name || strcmp(access->name, node) != 0)) {
        return "can only access node lease with the same name as the requesting node";
    }
    return NULL;
}

static const char *check_object(struct opr_apiserver *s, struct opr_arena *a, const char *node,
                                const struct opr_access *access)
{
    bool is_token = strcmp(access->plural, "serviceaccounts") == 0;
    if (is_token ? strcmp(access->verb, "create") != 0 || !access->sub ||
                       strcmp(access->sub, "token") != 0
                 : strcmp(access->verb, "get") != 0 || access->sub) {
        return is_token ? "can only create tokens for individual service accounts"
                        : "can only read resources of this type";
    }
    if (!access->ns || !access->name) {
        return "No Object name found";
    }
    return is_related(s, a, node, access)
               ? NULL
               : opr_arena_printf(a, "no relationship found between node '%s' and this object",
                                  node);
}

bool opr_node_allows(struct opr_apiserver *s, struct opr_arena *a, const struct opr_user *user,
                     const struct opr_access *access, const char **ret_reason)
{
    const char *node = node_of(user), *reason = "";
    if (node && access->plural && strcmp(access->group, "coordination.k8s.io") == 0 &&
        strcmp(access->plural, "leases") == 0) {
        reason = check_lease(node, access);
    } else if (node && access->plural && *access->group == '\0' &&
               (strcmp(access->plural, "secrets") == 0 ||
                strcmp(access->plural, "configmaps") == 0 ||
                strcmp(access->plural, "serviceaccounts") == 0)) {
        reason = check_object(s, a, node, access);
    }
    if (reason && *reason && ret_reason) {
        *ret_reason = reason;
    }
    return reason == NULL;
}

/* What is done to a named Pod: status, deletion, eviction. */
static opr_status restrict_pod(struct opr_req *r, const char *node)
{
    const char *what = strcmp(r->verb, "delete") == 0              ? "delete pods"
                       : r->sub && strcmp(r->sub, "eviction") == 0 ? "evict pods"
                       : r->sub && strcmp(r->sub, "status") == 0   ? "update pod status for pods"
                                                                   : NULL;
    struct opr_obj *pod =
        opr_store_get(r->api->store, opr_api_key(r->arena, r->kind, r->ns, r->name));
    bool is_own = !pod || is_at(pod, "/spec/nodeName", node); /* none: the verb says so */
    opr_json_unref(pod);
    if (!what || is_own) {
        return OPR_OK;
    }
    return opr_api_refuse(
        r, 403, "Forbidden",
        "pods \"%s\" is forbidden: node \"%s\" can only %s with spec.nodeName set "
        "to itself",
        r->name, node, what);
}

static opr_status refuse_node(struct opr_req *r, const char *node)
{
    return opr_api_refuse(r, 403, "Forbidden",
                          "nodes \"%s\" is forbidden: node \"%s\" is not allowed to modify node "
                          "\"%s\"",
                          r->name, node, r->name);
}

opr_status opr_node_admit(struct opr_req *r)
{
    const char *node = node_of(&r->user);
    bool is_read = strcmp(r->verb, "get") == 0 || strcmp(r->verb, "watch") == 0;
    if (!node || !r->name || is_read) {
        return OPR_OK;
    }
    if (opr_kind_is(r->kind, "", "pods")) {
        return restrict_pod(r, node);
    }
    bool is_other = opr_kind_is(r->kind, "", "nodes") && strcmp(r->name, node) != 0;
    return is_other ? refuse_node(r, node) : OPR_OK;
}

opr_status opr_node_admit_new(struct opr_req *r, struct json_object *doc)
{
    const char *node = node_of(&r->user);
    if (!node) {
        return OPR_OK;
    }
    if (opr_kind_is(r->kind, "", "pods") &&
        !opr_doc_at(doc, "/metadata/annotations/kubernetes.io~1config.mirror")) {
        return opr_api_refuse(r, 403, "Forbidden",
                              "pods \"%s\" is forbidden: pod does not have "
                              "\"kubernetes.io/config.mirror\" annotation, node \"%s\" can only "
                              "create mirror pods",
                              r->name, node);
    }
    if (opr_kind_is(r->kind, "coordination.k8s.io", "leases") && strcmp(r->name, node) != 0) {
        return opr_api_refuse(r, 403, "Forbidden",
                              "leases.coordination.k8s.io \"%s\" is forbidden: can only access "
                              "node lease with the same name as the requesting node",
                              r->name);
    }
    if (!opr_kind_is(r->kind, "", "nodes")) {
        return OPR_OK;
    }
    return strcmp(r->name, node) != 0 ? refuse_node(r, node) : opr_node_admit_change(r, doc, NULL);
}

/* The key's domain is the one whose labels only others set. */
static bool is_reserved(const char *key)
{
    const char *slash = strchr(key, '/');
    size_t len = slash ? (size_t)(slash - key) : 0, own = sizeof OWN_LABELS - 1;
    return len >= own && strncmp(slash - own, OWN_LABELS, own) == 0 &&
           (len == own || slash[-(ptrdiff_t)own - 1] == '.');
}

/* Every reserved label of one is the same in the other; either may be NULL. */
static bool has_labels_of(struct json_object *these, struct json_object *others)
{
    if (!these) {
        return true;
    }
    json_object_object_foreach(these, key, value)
    {
        struct json_object *other = NULL;
        bool is_same =
            json_object_object_get_ex(others, key, &other) && opr_doc_equal(value, other);
        if (is_reserved(key) && !is_same) {
            return false;
        }
    }
    return true;
}

opr_status opr_node_admit_change(struct opr_req *r, struct json_object *doc,
                                 const struct opr_obj *old)
{
    const char *node = node_of(&r->user);
    if (!node || !opr_kind_is(r->kind, "", "nodes")) {
        return OPR_OK;
    }
    struct json_object *was = old ? opr_doc_from_obj(old) : NULL;
    struct json_object *taints = opr_doc_at(doc, "/spec/taints");
    struct json_object *taints_were = opr_doc_at(was, "/spec/taints");
    struct json_object *labels = opr_doc_at(doc, "/metadata/labels");
    struct json_object *labels_were = opr_doc_at(was, "/metadata/labels");
    bool keeps_taints = !old || (!taints && !taints_were) ||
                        (taints && taints_were && opr_doc_equal(taints, taints_were));
    bool keeps_labels = has_labels_of(labels, labels_were) && has_labels_of(labels_were, labels);
    json_object_put(was);
    if (keeps_taints && keeps_labels) {
        return OPR_OK;
    }
    return opr_api_refuse(
        r, 403, "Forbidden", "nodes \"%s\" is forbidden: node \"%s\" is not allowed to modify %s",
        r->name, node, keeps_labels ? "taints" : "labels in the domain " OWN_LABELS);
}
