#include "apiserver/schema/build.h"

#include "apiserver/schema/validate.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

void opr__validate_lease(struct opr_field_errors *e, struct json_object *doc,
                         struct json_object *old)
{
    (void)old; /* the same on create and update */
    struct opr__path p = {.name = "spec"};
    struct json_object *spec = opr__get(doc, "spec");
    struct json_object *duration = opr__get(spec, "leaseDurationSeconds");
    if (duration && json_object_get_int64(duration) <= 0) {
        opr__invalid(e, OPR__IN(&p, "leaseDurationSeconds"), duration, "must be greater than 0");
    }
    opr__check_nonnegative(e, &p, spec, "leaseTransitions");
    if (opr__has_text(spec, "preferredHolder") && !opr__has_text(spec, "strategy")) {
        opr__forbidden(e, OPR__IN(&p, "preferredHolder"),
                       "may only be specified if `strategy` is defined");
    }
}

void opr__validate_priority_class(struct opr_field_errors *e, struct json_object *doc,
                                  struct json_object *old)
{
    static const char *const policies[] = {"PreemptLowerPriority", "Never", NULL};
    const char *name = opr_doc_str(doc, "/metadata/name", "");
    bool is_system = strncmp(name, "system-", 7) == 0;
    bool is_known =
        strcmp(name, "system-node-critical") == 0 || strcmp(name, "system-cluster-critical") == 0;
    if (is_system && !is_known) {
        opr__add(e, "FieldValueForbidden", OPR__IN(OPR__IN(NULL, "metadata"), "name"),
                 "Forbidden: priority class names with 'system-' prefix are reserved for system "
                 "use only. error: %s is not a known system priority class",
                 name);
    } else if (!is_system && opr__number(doc, "value") > 1000000000) {
        opr__forbidden(e, OPR__IN(NULL, "value"),
                       "maximum allowed value of a user defined priority is 1000000000");
    }
    if (opr__get(doc, "preemptionPolicy") && !opr__has_text(doc, "preemptionPolicy")) {
        opr__required(e, OPR__IN(NULL, "preemptionPolicy"), NULL);
    } else {
        opr__check_enum(e, NULL, doc, "preemptionPolicy", policies);
    }
    if (old) {
        if (opr__number(doc, "value") != opr__number(old, "value")) {
            opr__forbidden(e, OPR__IN(NULL, "value"), "may not be changed in an update.");
        }
        opr__check_immutable(e, OPR__IN(NULL, "preemptionPolicy"),
                             opr__get(doc, "preemptionPolicy"), opr__get(old, "preemptionPolicy"));
    }
}

static void check_rules(struct opr_field_errors *e, struct json_object *rules, bool is_namespaced)
{
    const struct opr__path *p = OPR__IN(NULL, "rules");
    for (size_t i = 0; i < opr__length(rules); i++) {
        struct json_object *rule = opr__item(rules, i), *urls = opr__get(rule, "nonResourceURLs");
        const struct opr__path *at = OPR__AT(p, i);
        size_t groups = opr__length(opr__get(rule, "apiGroups"));
        size_t resources = opr__length(opr__get(rule, "resources"));
        if (opr__length(opr__get(rule, "verbs")) == 0) {
            opr__required(e, OPR__IN(at, "verbs"), "verbs must contain at least one value");
        }
        if (opr__length(urls)) {
            if (is_namespaced) {
                opr__invalid(e, OPR__IN(at, "nonResourceURLs"), urls,
                             "namespaced rules cannot apply to non-resource URLs");
            }
            if (groups || resources || opr__length(opr__get(rule, "resourceNames"))) {
                opr__invalid(e, OPR__IN(at, "nonResourceURLs"), urls,
                             "rules cannot apply to both regular resources and non-resource URLs");
            }
            continue;
        }
        if (groups == 0) {
            opr__required(e, OPR__IN(at, "apiGroups"),
                          "resource rules must supply at least one api group");
        }
        if (resources == 0) {
            opr__required(e, OPR__IN(at, "resources"),
                          "resource rules must supply at least one resource");
        }
    }
}

void opr__validate_role(struct opr_field_errors *e, struct json_object *doc,
                        struct json_object *old)
{
    (void)old; /* the same on create and update */
    check_rules(e, opr__get(doc, "rules"), true);
}

void opr__validate_cluster_role(struct opr_field_errors *e, struct json_object *doc,
                                struct json_object *old)
{
    (void)old; /* the same on create and update */
    struct json_object *selectors = opr_doc_at(doc, "/aggregationRule/clusterRoleSelectors");
    const struct opr__path *p = OPR__IN(OPR__IN(NULL, "aggregationRule"), "clusterRoleSelectors");
    check_rules(e, opr__get(doc, "rules"), false);
    if (opr__get(doc, "aggregationRule") && opr__length(selectors) == 0) {
        opr__required(e, p,
                      "at least one clusterRoleSelector required if aggregationRule is "
                      "non-nil");
    }
    for (size_t i = 0; i < opr__length(selectors); i++) {
        size_t before = e->count;
        opr__check_label_selector(e, OPR__AT(p, i), opr__item(selectors, i));
        if (e->count > before) { /* Kubernetes says it once more, of the whole */
            opr__invalid(e, OPR__AT(p, i), NULL, "invalid label selector.");
        }
    }
}

static void check_subject(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *subject, bool is_namespaced)
{
    static const char *const kinds[] = {"ServiceAccount", "User", "Group", NULL};
    static const char *const rbac[] = {RBAC_GROUP, NULL}, *const core[] = {"", NULL};
    const char *kind = opr__text(subject, "kind"), *group = opr__text(subject, "apiGroup");
    if (!opr__has_text(subject, "name")) {
        opr__required(e, OPR__IN(p, "name"), NULL);
    }
    if (strcmp(kind, "ServiceAccount") == 0) {
        if (opr__has_text(subject, "name")) {
            opr__check_name(e, OPR__IN(p, "name"), opr__text(subject, "name"),
                            opr__bad_dns_subdomain);
        }
        if (*group) {
            opr__unsupported(e, OPR__IN(p, "apiGroup"), group, core);
        }
        if (!is_namespaced && !opr__has_text(subject, "namespace")) {
            opr__required(e, OPR__IN(p, "namespace"), NULL);
        }
    } else if (strcmp(kind, "User") != 0 && strcmp(kind, "Group") != 0) {
        opr__unsupported(e, OPR__IN(p, "kind"), kind, kinds);
    } else if (strcmp(group, RBAC_GROUP) != 0) {
        opr__unsupported(e, OPR__IN(p, "apiGroup"), group, rbac);
    }
}

static void check_binding(struct opr_field_errors *e, struct json_object *doc,
                          struct json_object *old, bool is_namespaced)
{
    static const char *const rbac[] = {RBAC_GROUP, NULL};
    static const char *const any[] = {"Role", "ClusterRole", NULL};
    const struct opr__path *p = OPR__IN(NULL, "roleRef");
    struct json_object *role = opr__get(doc, "roleRef"), *subjects = opr__get(doc, "subjects");
    opr__check_enum(e, p, role, "apiGroup", rbac);
    opr__check_enum(e, p, role, "kind", is_namespaced ? any : any + 1);
    if (opr__has_text(role, "name")) {
        opr__check_name(e, OPR__IN(p, "name"), opr__text(role, "name"), opr__bad_path_segment);
    } else {
        opr__required(e, OPR__IN(p, "name"), NULL);
    }
    for (size_t i = 0; i < opr__length(subjects); i++) {
        check_subject(e, OPR__AT(OPR__IN(NULL, "subjects"), i), opr__item(subjects, i),
                      is_namespaced);
    }
    if (old && !opr_doc_equal(role, opr__get(old, "roleRef"))) {
        opr__add(e, "FieldValueInvalid", p,
                 "Invalid value: {\"APIGroup\":\"%s\",\"Kind\":\"%s\",\"Name\":\"%s\"}: cannot "
                 "change roleRef",
                 opr__text(role, "apiGroup"), opr__text(role, "kind"), opr__text(role, "name"));
    }
}

void opr__validate_role_binding(struct opr_field_errors *e, struct json_object *doc,
                                struct json_object *old)
{
    check_binding(e, doc, old, true);
}

void opr__validate_cluster_role_binding(struct opr_field_errors *e, struct json_object *doc,
                                        struct json_object *old)
{
    check_binding(e, doc, old, false);
}
