/* Role-based access control, evaluated over the stored roles and bindings at each request, so that
 * there is nothing to keep in step (kubernetes.io/docs/reference/access-authn-authz/rbac). */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/str.h"

#include <stdio.h>

#define RBAC_GROUP "rbac.authorization.k8s.io"

struct walk;
/* Called for each rule that holds for a user; true ends the walk. */
typedef bool (*rule_fn)(const struct walk *w, const struct opr_obj *rule, void *arg);

struct walk {
    struct opr_apiserver *api;
    struct opr_arena *arena;
    const struct opr_user *user;
    rule_fn fn;
    void *arg;
    /* where the walk is: borrowed, while fn is called */
    const struct opr_obj *binding, *subject;
    const char **missing; /* the roles that bindings name in vain, in words, each once */
    size_t n_missing;
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

/* A binding to a role that is not there gives nothing, and is told of. */
static void miss(struct walk *w, const char *singular, const char *name)
{
    const char *text =
        opr_arena_printf(w->arena, "%s." RBAC_GROUP " \"%s\" not found", singular, name);
    for (size_t i = 0; i < w->n_missing; i++) {
        if (strcmp(w->missing[i], text) == 0) {
            return;
        }
    }
    const char **all = opr_arena_alloc(w->arena, (w->n_missing + 1) * sizeof *all);
    for (size_t i = 0; i < w->n_missing; i++) {
        all[i] = w->missing[i];
    }
    all[w->n_missing++] = text;
    w->missing = all;
}

/* What is missing as one text; "": nothing. */
static const char *missing_text(const struct walk *w)
{
    const char *text = w->n_missing > 0 ? w->missing[0] : "";
    for (size_t i = 1; i < w->n_missing; i++) {
        text = opr_arena_printf(w->arena, "%s, %s", text, w->missing[i]);
    }
    return w->n_missing > 1 ? opr_arena_printf(w->arena, "[%s]", text) : text;
}

static bool walk_role(struct walk *w, bool is_cluster, const char *ns, const char *name)
{
    const struct opr_kind *kind = opr_kind_find(OPR_STR(RBAC_GROUP), OPR_STR("v1"),
                                                opr_str_of(is_cluster ? "clusterroles" : "roles"));
    struct opr_obj *role =
        opr_store_get(w->api->store, opr_api_key(w->arena, kind, is_cluster ? "" : ns, name));
    const struct opr_obj *rules = opr_json_at(role, "/rules");
    bool is_over = false;
    if (!role) {
        miss(w, is_cluster ? "clusterrole" : "role", name);
    }
    for (const struct opr_obj *rule = opr_json_first(rules); rule && !is_over;
         rule = opr_json_next(rule)) {
        is_over = w->fn(w, rule, w->arg);
    }
    opr_json_unref(role);
    return is_over;
}

static bool walk_bindings(struct walk *w, const char *plural, const char *ns)
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
            w->binding = bindings[i];
            w->subject = s;
            if (walk_role(
                    w, strcmp(opr_json_str(bindings[i], "/roleRef/kind", ""), "ClusterRole") == 0,
                    ns, opr_json_str(bindings[i], "/roleRef/name", ""))) {
                return true;
            }
            break;
        }
    }
    return false;
}

static void walk(struct walk *w, const char *ns)
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

/* A name is only itself: "*" is no word for all names. */
static bool has_name(const struct opr_obj *list, const char *name)
{
    for (const struct opr_obj *v = opr_json_first(list); v; v = opr_json_next(v)) {
        if (strcmp(opr_json_str(v, "", ""), name) == 0) {
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
    bool wants_reason;
    const char *reason;
};

/* Which binding gives the rule, as Kubernetes words it (pkg/registry/rbac/validation). */
static const char *describe(const struct walk *w)
{
    const char *ns = opr_meta_ns(w->binding);
    const char *kind = opr_json_str(w->subject, "/kind", "");
    const char *name = opr_json_str(w->subject, "/name", "");
    if (strcmp(kind, "ServiceAccount") == 0) {
        name =
            opr_arena_printf(w->arena, "%s/%s", name, opr_json_str(w->subject, "/namespace", ""));
    }
    return opr_arena_printf(w->arena,
                            "RBAC: allowed by %sBinding \"%s%s%s\" of %s \"%s\" to %s \"%s\"",
                            *ns ? "Role" : "ClusterRole", opr_meta_name(w->binding), *ns ? "/" : "",
                            ns, opr_json_str(w->binding, "/roleRef/kind", ""),
                            opr_json_str(w->binding, "/roleRef/name", ""), kind, name);
}

static bool try_rule(const struct walk *w, const struct opr_obj *rule, void *arg)
{
    struct question *q = arg;
    const struct opr_access *a = q->access;
    if (!list_has(opr_json_at(rule, "/verbs"), a->verb)) {
        return false;
    }
    if (!a->plural) {
        q->is_allowed = has_path(opr_json_at(rule, "/nonResourceURLs"), a->path);
    } else {
        const struct opr_obj *names = opr_json_at(rule, "/resourceNames");
        q->is_allowed = list_has(opr_json_at(rule, "/apiGroups"), a->group) &&
                        has_resource(opr_json_at(rule, "/resources"), a) &&
                        (opr_json_len(names) == 0 || has_name(names, a->name ? a->name : ""));
    }
    if (q->is_allowed && q->wants_reason) {
        q->reason = describe(w);
    }
    return q->is_allowed;
}

bool opr_rbac_decide(struct opr_apiserver *s, struct opr_arena *a, const struct opr_user *user,
                     const struct opr_access *access, const char **ret_reason)
{
    struct question q = {.access = access, .wants_reason = ret_reason != NULL, .reason = ""};
    if (has_group(user, "system:masters") || opr_node_allows(s, a, user, access, NULL)) {
        q.is_allowed = true;
    } else {
        struct walk w = {.api = s, .arena = a, .user = user, .fn = try_rule, .arg = &q};
        walk(&w, access->plural ? access->ns : NULL);
        if (!q.is_allowed && w.n_missing > 0) {
            q.reason = opr_arena_printf(a, "RBAC: %s", missing_text(&w));
        }
    }
    if (ret_reason) {
        *ret_reason = q.reason;
    }
    return q.is_allowed;
}

bool opr_rbac_allows(struct opr_apiserver *s, struct opr_arena *a, const struct opr_user *user,
                     const struct opr_access *access)
{
    return opr_rbac_decide(s, a, user, access, NULL);
}

static bool collect(const struct walk *w, const struct opr_obj *rule, void *arg)
{
    (void)w;
    bool is_path = opr_json_len(opr_json_at(rule, "/nonResourceURLs")) > 0;
    (void)!opr_doc_put(arg, is_path ? "/nonResourceRules/-" : "/resourceRules/-",
                       opr_doc_from_obj(rule)); /* both are arrays of ours */
    return false;
}

void opr_rbac_rules(struct opr_apiserver *s, struct opr_arena *a, const struct opr_user *user,
                    const char *ns, struct json_object *status)
{
    struct walk w = {.api = s, .arena = a, .user = user, .fn = collect, .arg = status};
    json_object_object_add(status, "resourceRules", json_object_new_array());
    json_object_object_add(status, "nonResourceRules", json_object_new_array());
    walk(&w, ns);
    json_object_object_add(status, "incomplete", json_object_new_boolean(0));
    if (w.n_missing > 0) {
        opr_doc_put_str(status, "/evaluationError", missing_text(&w));
    }
}
