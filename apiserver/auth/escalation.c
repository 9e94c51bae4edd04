/* Nobody grants what they do not have: who writes a role must hold all of its rules (or may
 * "escalate"), who writes a binding must hold all rules of its role (or may "bind" it)
 * (kubernetes.io/docs/reference/access-authn-authz/rbac, privilege escalation prevention; words as
 * in pkg/registry/rbac). */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdlib.h>

#define RBAC_GROUP "rbac.authorization.k8s.io"

/* What a user lacks: some verbs on one resource, or on one object of it, or one verb on one path.
 */
struct lack {
    const char *group, *resource, *name, *path; /* NULL: none; borrowed from the role */
    struct json_object *verbs;                  /* owned */
};

struct lacks {
    struct opr_req *r;
    struct lack *items; /* owned */
    size_t count;
};

static const char *text_at(struct json_object *list, size_t i)
{
    return json_object_get_string(json_object_array_get_idx(list, i));
}

static size_t length(struct json_object *list)
{
    return list ? json_object_array_length(list) : 0;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Verbs on the same thing stand together; each on a path stands alone. */
static void add_lack(struct lacks *l, const struct lack *one, const char *verb)
{
    for (size_t i = 0; i < l->count && !one->path; i++) {
        struct lack *other = &l->items[i];
        if (is_same_text(other->group, one->group) &&
            is_same_text(other->resource, one->resource) && is_same_text(other->name, one->name)) {
            json_object_array_add(other->verbs, json_object_new_string(verb));
            return;
        }
    }
    l->items = opr_xrealloc(l->items, (l->count + 1) * sizeof *l->items);
    l->items[l->count] = *one;
    l->items[l->count].verbs = json_object_new_array();
    json_object_array_add(l->items[l->count].verbs, json_object_new_string(verb));
    l->count++;
}

/* A "*" of the rule is asked for as it is: only a "*" of the user's own covers it. */
static void try_object(struct lacks *l, const struct lack *one, const char *verb)
{
    struct opr_req *r = l->r;
    struct opr_access access = {.verb = verb, .path = one->path};
    if (!one->path) {
        struct opr_str rest = opr_str_of(one->resource), plural = {0};
        (void)opr_str_next(&rest, '/', &plural); /* an empty one is nobody's resource */
        access = (struct opr_access){
            .verb = verb,
            .group = one->group,
            .plural = opr_arena_dup(r->arena, plural),
            .sub = rest.len > 0 ? opr_arena_dup(r->arena, rest) : NULL,
            .ns = r->ns,
            .name = one->name,
        };
    }
    if (!opr_rbac_allows(r->api, r->arena, &r->user, &access)) {
        add_lack(l, one, verb);
    }
}

static void try_resource(struct lacks *l, struct json_object *rule, struct lack one,
                         const char *verb)
{
    struct json_object *names = opr_doc_at(rule, "/resourceNames");
    if (length(names) == 0) {
        try_object(l, &one, verb);
    }
    for (size_t i = 0; i < length(names); i++) {
        one.name = text_at(names, i);
        try_object(l, &one, verb);
    }
}

static void try_rule(struct lacks *l, struct json_object *rule, const char *verb)
{
    struct json_object *groups = opr_doc_at(rule, "/apiGroups");
    struct json_object *resources = opr_doc_at(rule, "/resources");
    struct json_object *paths = opr_doc_at(rule, "/nonResourceURLs");
    for (size_t g = 0; g < length(groups); g++) {
        for (size_t i = 0; i < length(resources); i++) {
            struct lack one = {.group = text_at(groups, g), .resource = text_at(resources, i)};
            try_resource(l, rule, one, verb);
        }
    }
    for (size_t i = 0; i < length(paths); i++) {
        try_object(l, &(struct lack){.path = text_at(paths, i)}, verb);
    }
}

static void find_lacks(struct lacks *l, struct json_object *rules)
{
    for (size_t i = 0; i < length(rules); i++) {
        struct json_object *rule = json_object_array_get_idx(rules, i);
        struct json_object *verbs = opr_doc_at(rule, "/verbs");
        for (size_t v = 0; v < length(verbs); v++) {
            try_rule(l, rule, text_at(verbs, v));
        }
    }
}

static void lacks_fini(struct lacks *l)
{
    for (size_t i = 0; i < l->count; i++) {
        json_object_put(l->items[i].verbs);
    }
    opr_free(l->items);
}

static void add_words(struct opr_buf *b, const char *title, const char *word)
{
    if (word) {
        opr_buf_printf(b, "%s%s:[", b->data[b->len - 1] == '{' ? "" : ", ", title);
        opr_buf_add_json(b, opr_str_of(word));
        opr_buf_add_char(b, ']');
    }
}

/* {APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}: words of the request's
 * arena. */
static const char *describe(struct opr_req *r, const struct lack *one)
{
    struct opr_buf b = {0};
    opr_buf_add_char(&b, '{');
    add_words(&b, "APIGroups", one->group);
    add_words(&b, "Resources", one->resource);
    add_words(&b, "NonResourceURLs", one->path);
    add_words(&b, "ResourceNames", one->name);
    opr_buf_add_text(&b, ", Verbs:[");
    for (size_t i = 0; i < length(one->verbs); i++) {
        opr_buf_add_text(&b, i > 0 ? " " : "");
        opr_buf_add_json(&b, opr_str_of(text_at(one->verbs, i)));
    }
    opr_buf_add_text(&b, "]}");
    const char *text = opr_arena_dup(r->arena, opr_buf_str(&b));
    opr_buf_fini(&b);
    return text;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_groups(struct opr_buf *b, const struct opr_user *user)
{
    opr_buf_add_char(b, '[');
    for (size_t i = 0; user->groups && user->groups[i]; i++) {
        opr_buf_add_text(b, i > 0 ? " " : "");
        opr_buf_add_json(b, opr_str_of(user->groups[i]));
    }
    opr_buf_add_char(b, ']');
}

static opr_status refuse(struct opr_req *r, const struct lacks *l)
{
    struct opr_buf b = {0};
    const char **lines = opr_arena_alloc(r->arena, l->count * sizeof *lines);
    for (size_t i = 0; i < l->count; i++) {
        lines[i] = describe(r, &l->items[i]);
    }
    qsort(lines, l->count, sizeof *lines, compare);
    opr_buf_printf(&b, "%s." RBAC_GROUP " \"%s\" is forbidden: user \"%s\" (groups=", r->plural,
                   r->name, r->user.name);
    add_groups(&b, &r->user);
    opr_buf_add_text(&b, ") is attempting to grant RBAC permissions not currently held:");
    for (size_t i = 0; i < l->count; i++) {
        if (i == 0 || strcmp(lines[i], lines[i - 1]) != 0) {
            opr_buf_printf(&b, "\n%s", lines[i]);
        }
    }
    opr_status st = opr_api_refuse(r, 403, "Forbidden", "%s", b.data);
    opr_buf_fini(&b);
    return st;
}

static opr_status check_rules(struct opr_req *r, struct json_object *rules)
{
    struct lacks l = {.r = r};
    find_lacks(&l, rules);
    opr_status st = l.count > 0 ? refuse(r, &l) : OPR_OK;
    lacks_fini(&l);
    return st;
}

/* Who lets a role gather the rules of others must have all there are: it may gather anything. */
static opr_status check_aggregation(struct opr_req *r)
{
    struct json_object *all =
        json_tokener_parse("[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]},"
                           "{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"*\"]}]");
    struct lacks l = {.r = r};
    find_lacks(&l, all);
    opr_status st = l.count == 0
                        ? OPR_OK
                        : opr_api_refuse(r, 403, "Forbidden",
                                         "%s." RBAC_GROUP " \"%s\" is forbidden: must have "
                                         "cluster-admin privileges to use the aggregationRule",
                                         r->plural, r->name);
    lacks_fini(&l);
    json_object_put(all);
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
    if (!role) { /* Kubernetes names it as a binding */
        r->name = name;
        return opr_api_refuse(r, 404, "NotFound", "%s." RBAC_GROUP " \"%s\" not found", r->plural,
                              name);
    }
    struct json_object *doc = opr_doc_from_obj(role);
    opr_status st = check_rules(r, opr_doc_at(doc, "/rules"));
    json_object_put(doc);
    opr_json_unref(role);
    return st;
}

static opr_status check_role(struct opr_req *r, struct json_object *role, const struct opr_obj *old)
{
    bool is_posted = opr_str_is(r->http->method, "POST"); /* what is posted has no name yet */
    if (may(r, "escalate", r->plural, is_posted ? NULL : r->name)) {
        return OPR_OK;
    }
    OPR_TRY(check_rules(r, opr_doc_at(role, "/rules")));
    bool is_aggregated =
        opr_doc_at(role, "/aggregationRule") || opr_json_at(old, "/aggregationRule");
    return is_aggregated ? check_aggregation(r) : OPR_OK;
}

/* Only what the garbage collector writes is another. */
static bool is_as_before(struct json_object *doc, const struct opr_obj *old)
{
    static const char *const free_parts[] = {"/metadata/ownerReferences", "/metadata/finalizers",
                                             "/metadata/managedFields",
                                             "/metadata/resourceVersion"};
    struct json_object *now = opr_doc_dup(doc), *before = opr_doc_from_obj(old);
    for (size_t i = 0; i < sizeof free_parts / sizeof *free_parts; i++) {
        (void)opr_doc_del(now, free_parts[i]); /* it need not be there */
        (void)opr_doc_del(before, free_parts[i]);
    }
    bool is_equal = opr_doc_equal(now, before);
    json_object_put(now);
    json_object_put(before);
    return is_equal;
}

opr_status opr_admit_grant(struct opr_req *r, struct json_object *doc, const struct opr_obj *old)
{
    if (strcmp(r->kind->group, RBAC_GROUP) != 0 || (old && is_as_before(doc, old))) {
        return OPR_OK;
    }
    bool is_role = strcmp(r->kind->kind, "Role") == 0 || strcmp(r->kind->kind, "ClusterRole") == 0;
    return is_role ? check_role(r, doc, old) : check_binding(r, doc);
}
