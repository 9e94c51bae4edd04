/* Nobody grants what they do not have: who writes a role must hold all of its rules (or may
 * "escalate"), who writes a binding must hold all rules of its role (or may "bind" it)
 * (kubernetes.io/docs/reference/access-authn-authz/rbac, privilege escalation prevention). */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

static const char *text_at(struct json_object *list, size_t i)
{
    return json_object_get_string(json_object_array_get_idx(list, i));
}

static size_t length(struct json_object *list)
{
    return list ? json_object_array_length(list) : 0;
}

/* One access for each of a rule's names; a rule without names is for all. */
static bool holds_names(struct opr_req *r, struct json_object *rule, struct opr_access *access)
{
    struct json_object *names = opr_doc_at(rule, "/resourceNames");
    if (length(names) == 0) {
        return opr_rbac_allows(r->api, r->arena, &r->user, access);
    }
    for (size_t i = 0; i < length(names); i++) {
        access->name = text_at(names, i);
        if (!opr_rbac_allows(r->api, r->arena, &r->user, access)) {
            return false;
        }
    }
    return true;
}

/* A "*" of the rule is asked for as it is: only a "*" of the user's own covers it. */
static bool holds_resources(struct opr_req *r, struct json_object *rule, const char *verb)
{
    struct json_object *groups = opr_doc_at(rule, "/apiGroups");
    struct json_object *resources = opr_doc_at(rule, "/resources");
    for (size_t g = 0; g < length(groups); g++) {
        for (size_t i = 0; i < length(resources); i++) {
            struct opr_str rest = opr_str_of(text_at(resources, i)), plural = {0};
            (void)opr_str_next(&rest, '/', &plural); /* an empty one is nobody's resource */
            struct opr_access access = {
                .verb = verb,
                .group = text_at(groups, g),
                .plural = opr_arena_dup(r->arena, plural),
                .sub = rest.len > 0 ? opr_arena_dup(r->arena, rest) : NULL,
                .ns = r->ns,
            };
            if (!holds_names(r, rule, &access)) {
                return false;
            }
        }
    }
    return true;
}

static bool holds_paths(struct opr_req *r, struct json_object *rule, const char *verb)
{
    struct json_object *paths = opr_doc_at(rule, "/nonResourceURLs");
    for (size_t i = 0; i < length(paths); i++) {
        struct opr_access access = {.verb = verb, .path = text_at(paths, i)};
        if (!opr_rbac_allows(r->api, r->arena, &r->user, &access)) {
            return false;
        }
    }
    return true;
}

static bool holds(struct opr_req *r, struct json_object *rule)
{
    struct json_object *verbs = opr_doc_at(rule, "/verbs");
    for (size_t i = 0; i < length(verbs); i++) {
        if (!holds_resources(r, rule, text_at(verbs, i)) ||
            !holds_paths(r, rule, text_at(verbs, i))) {
            return false;
        }
    }
    return true;
}

static opr_status check_rules(struct opr_req *r, struct json_object *rules)
{
    struct opr_buf missing = {0};
    for (size_t i = 0; i < length(rules); i++) {
        struct json_object *rule = json_object_array_get_idx(rules, i);
        if (!holds(r, rule)) {
            opr_buf_add_char(&missing, '\n');
            opr_doc_write(&missing, rule);
        }
    }
    opr_status st = OPR_OK;
    if (missing.len > 0) {
        st = opr_api_refuse(r, 403, "Forbidden",
                            "%s.%s \"%s\" is forbidden: user \"%s\" is attempting to grant RBAC "
                            "permissions not currently held:%s",
                            r->plural, RBAC_GROUP, r->name, r->user.name, missing.data);
    }
    opr_buf_fini(&missing);
    return st;
}

/* "escalate" or "bind" on a role. */
static bool may(struct opr_req *r, const char *verb, const char *plural, const char *name)
{
    struct opr_access access = {
        .verb = verb, .group = RBAC_GROUP, .plural = plural, .ns = r->ns, .name = name};
    return opr_rbac_allows(r->api, r->arena, &r->user, &access);
}

static opr_status check_binding(struct opr_req *r, struct json_object *binding)
{
    const char *name = opr_doc_str(binding, "/roleRef/name", "");
    bool is_cluster = strcmp(opr_doc_str(binding, "/roleRef/kind", ""), "ClusterRole") == 0;
    const char *plural = is_cluster ? "clusterroles" : "roles";
    const struct opr_kind *kind =
        opr_kind_find(OPR_STR(RBAC_GROUP), OPR_STR("v1"), opr_str_of(plural));
    if (may(r, "bind", plural, name)) {
        return OPR_OK;
    }
    struct opr_obj *role =
        opr_store_get(r->api->store, opr_api_key(r->arena, kind, is_cluster ? "" : r->ns, name));
    if (!role) {
        return opr_api_not_found(r, plural, name);
    }
    struct json_object *doc = opr_doc_from_obj(role);
    opr_status st = check_rules(r, opr_doc_at(doc, "/rules"));
    json_object_put(doc);
    opr_json_unref(role);
    return st;
}

static bool is_same(struct json_object *doc, const struct opr_obj *old, const char *ptr)
{
    struct json_object *before = opr_doc_from_obj(opr_json_at(old, ptr));
    bool is_equal = opr_doc_equal(opr_doc_at(doc, ptr), before);
    json_object_put(before);
    return is_equal;
}

opr_status opr_admit_grant(struct opr_req *r, struct json_object *doc, const struct opr_obj *old)
{
    if (strcmp(r->kind->group, RBAC_GROUP) != 0) {
        return OPR_OK;
    }
    bool is_role = strcmp(r->kind->kind, "Role") == 0 || strcmp(r->kind->kind, "ClusterRole") == 0;
    if (old && is_same(doc, old, is_role ? "/rules" : "/subjects")) {
        return OPR_OK; /* what it gives stays as it was; a roleRef does not change */
    }
    if (!is_role) {
        return check_binding(r, doc);
    }
    return may(r, "escalate", r->plural, r->name) ? OPR_OK
                                                  : check_rules(r, opr_doc_at(doc, "/rules"));
}
