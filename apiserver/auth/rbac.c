/* Role-based access control, evaluated over the stored roles and bindings at each request, so that
 * there is nothing to keep in step (kubernetes.io/docs/reference/access-authn-authz/rbac). */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/str.h"

#include <stdio.h>

#define RBAC_GROUP "rbac.authorization.k8s.io"

/* Called for each rule that holds for a user; true ends the walk. */
typedef bool (*rule_fn)(const struct opr_obj *rule, void *arg);

struct walk {
    struct opr_apiserver *api;
    struct opr_arena *arena;
    const struct opr_user *user;
    rule_fn fn;
    void *arg;
};

static bool has_group(const struct opr_user *user, const char *group)
{
    for (size_t i = 0; user->groups && user->groups[i]; i++) {
        if (strcmp(user->groups[i], group) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_subject(const struct opr_user *user, const struct opr_obj *subject,
                       const char *binding_ns)
{
    const char *kind = opr_json_str(subject, "/kind", "");
    const char *name = opr_json_str(subject, "/name", "");
    char account[512];
    if (strcmp(kind, "User") == 0) {
        return strcmp(user->name, name) == 0;
    }
    if (strcmp(kind, "Group") == 0) {
        return has_group(user, name);
    }
    snprintf(account, sizeof account, "system:serviceaccount:%s:%s",
             opr_json_str(subject, "/namespace", binding_ns), name);
    return strcmp(kind, "ServiceAccount") == 0 && strcmp(user->name, account) == 0;
}

static bool walk_role(const struct walk *w, const char *plural, const char *ns, const char *name)
{
    const struct opr_kind *kind =
        opr_kind_find(OPR_STR(RBAC_GROUP), OPR_STR("v1"), opr_str_of(plural));
    struct opr_obj *role = opr_store_get(w->api->store, opr_api_key(w->arena, kind, ns, name));
    const struct opr_obj *rules = opr_json_at(role, "/rules");
    bool is_over = false;
    for (const struct opr_obj *rule = opr_json_first(rules); rule && !is_over;
         rule = opr_json_next(rule)) {
        is_over = w->fn(rule, w->arg);
    }
    opr_json_unref(role);
    return is_over;
}

static bool walk_bindings(const struct walk *w, const char *plural, const char *ns)
{
    const struct opr_kind *kind =
        opr_kind_find(OPR_STR(RBAC_GROUP), OPR_STR("v1"), opr_str_of(plural));
    const struct opr_obj *const *bindings;
    size_t count, more;
    uint64_t revision;
    opr_store_list(w->api->store, w->arena, opr_api_key(w->arena, kind, ns, NULL), OPR_STR(""), 0,
                   &bindings, &count, &revision, &more);
    for (size_t i = 0; i < count; i++) {
        const struct opr_obj *subjects = opr_json_at(bindings[i], "/subjects");
        for (const struct opr_obj *s = opr_json_first(subjects); s; s = opr_json_next(s)) {
            if (!is_subject(w->user, s, opr_meta_ns(bindings[i]))) {
                continue;
            }
            bool is_cluster =
                strcmp(opr_json_str(bindings[i], "/roleRef/kind", ""), "ClusterRole") == 0;
            if (walk_role(w, is_cluster ? "clusterroles" : "roles", is_cluster ? "" : ns,
                          opr_json_str(bindings[i], "/roleRef/name", ""))) {
                return true;
            }
            break;
        }
    }
    return false;
}

static void walk(const struct walk *w, const char *ns)
{
    if (!walk_bindings(w, "clusterrolebindings", NULL) && ns && *ns) {
        (void)walk_bindings(w, "rolebindings", ns);
    }
}

static bool list_has(const struct opr_obj *list, const char *value)
{
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        const char *text = opr_json_str(v, "", "");
        if (strcmp(text, "*") == 0 || strcmp(text, value) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_resource(const struct opr_obj *list, const struct opr_access *a)
{
    char whole[256], any[256];
    if (!a->sub) {
        return list_has(list, a->plural);
    }
    snprintf(whole, sizeof whole, "%s/%s", a->plural, a->sub);
    snprintf(any, sizeof any, "*/%s", a->sub);
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        const char *text = opr_json_str(v, "", "");
        if (strcmp(text, "*") == 0 || strcmp(text, whole) == 0 || strcmp(text, any) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_path(const struct opr_obj *list, const char *path)
{
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        const char *text = opr_json_str(v, "", "");
        size_t len = strlen(text);
        bool is_prefix = len > 0 && text[len - 1] == '*';
        if (is_prefix ? strncmp(path, text, len - 1) == 0 : strcmp(path, text) == 0) {
            return true;
        }
    }
    return false;
}

struct question {
    const struct opr_access *access;
    bool is_allowed;
};

static bool try_rule(const struct opr_obj *rule, void *arg)
{
    struct question *q = arg;
    const struct opr_access *a = q->access;
    if (!list_has(opr_json_at(rule, "/verbs"), a->verb)) {
        return false;
    }
    if (!a->plural) {
        q->is_allowed = has_path(opr_json_at(rule, "/nonResourceURLs"), a->path);
        return q->is_allowed;
    }
    const struct opr_obj *names = opr_json_at(rule, "/resourceNames");
    q->is_allowed = list_has(opr_json_at(rule, "/apiGroups"), a->group) &&
                    has_resource(opr_json_at(rule, "/resources"), a) &&
                    (opr_json_len(names) == 0 || (a->name && list_has(names, a->name)));
    return q->is_allowed;
}

bool opr_rbac_allows(struct opr_apiserver *s, struct opr_arena *a, const struct opr_user *user,
                     const struct opr_access *access)
{
    if (has_group(user, "system:masters") || opr_node_allows(s, a, user, access, NULL)) {
        return true;
    }
    struct question q = {.access = access};
    struct walk w = {s, a, user, try_rule, &q};
    walk(&w, access->plural ? access->ns : NULL);
    return q.is_allowed;
}

static bool collect(const struct opr_obj *rule, void *arg)
{
    bool is_path = opr_json_len(opr_json_at(rule, "/nonResourceURLs")) > 0;
    (void)!opr_doc_put(arg, is_path ? "/nonResourceRules/-" : "/resourceRules/-",
                       opr_doc_from_obj(rule)); /* both are arrays of ours */
    return false;
}

void opr_rbac_rules(struct opr_apiserver *s, struct opr_arena *a, const struct opr_user *user,
                    const char *ns, struct json_object *status)
{
    struct walk w = {s, a, user, collect, status};
    json_object_object_add(status, "resourceRules", json_object_new_array());
    json_object_object_add(status, "nonResourceRules", json_object_new_array());
    if (!walk_bindings(&w, "clusterrolebindings", NULL) && ns && *ns) {
        (void)walk_bindings(&w, "rolebindings", ns);
    }
}

opr_status opr_authorize(struct opr_req *r)
{
    char group[160];
    snprintf(group, sizeof group, "%.*s", OPR_STR_ARG(r->group));
    struct opr_access access = {
        .verb = r->verb,
        .group = group,
        .plural = r->plural,
        .sub = r->sub,
        .ns = r->ns,
        .name = r->name,
        .path = opr_arena_dup(r->arena, r->http->path),
    };
    if (opr_rbac_allows(r->api, r->arena, &r->user, &access)) {
        return OPR_OK;
    }
    if (!r->plural) {
        return opr_api_reject(r, 403, "Forbidden",
                              opr_arena_printf(r->arena,
                                               "forbidden: User \"%s\" cannot %s path \"%s\"",
                                               r->user.name, r->verb, access.path));
    }
    const char *reason = NULL;
    (void)opr_node_allows(r->api, r->arena, &r->user, &access, &reason); /* why a node may not */
    const char *scope = r->ns ? opr_arena_printf(r->arena, "in the namespace \"%s\"", r->ns)
                              : "at the cluster scope";
    const char *sub = r->sub ? opr_arena_printf(r->arena, "/%s", r->sub) : "";
    const char *name = r->name ? opr_arena_printf(r->arena, " \"%s\"", r->name) : "";
    const char *qualified =
        *group ? opr_arena_printf(r->arena, "%s.%s", r->plural, group) : r->plural;
    return opr_api_refuse(r, 403, "Forbidden",
                          "%s%s is forbidden: User \"%s\" cannot %s resource \"%s%s\" in API group "
                          "\"%s\" %s%s%s",
                          qualified, name, r->user.name, r->verb, r->plural, sub, group, scope,
                          reason ? ": " : "", reason ? reason : "");
}
