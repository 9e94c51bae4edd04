/* ClusterRoles with an aggregationRule hold the rules of all others that its selectors choose, in
 * the order of their names, each rule once (kubernetes.io/docs/reference/access-authn-authz/rbac,
 * aggregated ClusterRoles). Threads: worker; the mapper: loop. No state. */
#include "controllers/common.h"

#define ROLE "rbac.authorization.k8s.io/v1/ClusterRole"

static const struct opr_obj *selectors_of(const struct opr_obj *role)
{
    return opr_obj_at(role, "/aggregationRule/clusterRoleSelectors");
}

static bool is_chosen(const struct opr_obj *by, const struct opr_obj *role)
{
    const struct opr_obj *labels = opr_obj_at(role, "/metadata/labels");
    for (const struct opr_obj *s = opr_obj_first(selectors_of(by)); s; s = opr_obj_next(s)) {
        if (opr_selector_matches(s, labels)) {
            return !str_eq(meta_name(by), meta_name(role));
        }
    }
    return false;
}

static bool has_rule(struct opr_doc *d, const struct opr_obj *rule)
{
    const struct opr_obj *rules = opr_obj_at(opr_doc_obj(d), "/rules");
    for (const struct opr_obj *r = opr_obj_first(rules); r; r = opr_obj_next(r)) {
        if (opr_obj_equal(r, rule)) {
            return true;
        }
    }
    return false;
}

static opr_status add_rules(struct opr_doc *d, const struct opr_obj *role)
{
    const struct opr_obj *rules = opr_obj_at(role, "/rules");
    for (const struct opr_obj *r = opr_obj_first(rules); r; r = opr_obj_next(r)) {
        opr_status st = has_rule(d, r) ? OPR_OK : opr_doc_set(d, "/rules/-", "%p", r);
        if (st != OPR_OK) {
            return st;
        }
    }
    return OPR_OK;
}

/* The chosen role whose name follows next after a name; NULL: none. */
static const struct opr_obj *next_chosen(const struct opr_obj *by,
                                         const struct opr_obj *const *roles, uint32_t count,
                                         const char *after)
{
    const struct opr_obj *next = NULL;
    for (uint32_t i = 0; i < count; i++) {
        const char *name = meta_name(roles[i]);
        if (strcmp(name, after) > 0 && (!next || strcmp(name, meta_name(next)) < 0) &&
            is_chosen(by, roles[i])) {
            next = roles[i];
        }
    }
    return next;
}

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    const struct opr_obj *const *roles;
    uint32_t count;
    if (!self || is_deleting(self) || !opr_obj_at(self, "/aggregationRule")) {
        return opr_done();
    }
    opr_status st = opr_list(c, ROLE, NULL, NULL, NULL, &roles, &count);
    struct opr_doc *d = opr_doc_new(c, "{'rules':[]}");
    const struct opr_obj *role = st == OPR_OK ? next_chosen(self, roles, count, "") : NULL;
    while (st == OPR_OK && role) {
        st = add_rules(d, role);
        role = next_chosen(self, roles, count, meta_name(role));
    }
    bool is_same = opr_obj_equal(opr_obj_at(opr_doc_obj(d), "/rules"), opr_obj_at(self, "/rules"));
    if (st != OPR_OK || is_same) {
        return result_of(c, st);
    }
    return result_of(c, opr_patch(c, self, NULL, OPR_PATCH_MERGE, d, NULL));
}

static void enqueue_gathering(const struct opr_obj *role, void *arg)
{
    if (opr_obj_at(role, "/aggregationRule")) {
        opr_map_enqueue(arg, "", meta_name(role));
    }
}

/* A role that came, changed or went: any that gathers may have it, or may have had it. */
static void map_role(struct opr_mapper *m, const struct opr_obj *was, const struct opr_obj *is,
                     void *state)
{
    (void)was;
    (void)is;
    (void)state;
    opr_map_each(m, ROLE, NULL, NULL, NULL, enqueue_gathering, m);
}

static const struct opr_controller clusterrole = {
    .size = sizeof clusterrole,
    .name = "clusterrole",
    .primary = {.gvk = ROLE, .map = map_role},
    .reconcile = reconcile,
    .event_source = "clusterrole-aggregation-controller",
};
static const struct opr_controller *const controllers[] = {&clusterrole, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER,
    .name = "clusterrole",
    .version = OPR_VERSION,
    .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
