/* Where a Pod may and would rather run: tolerations, affinity, topology spread. */
#include "apiserver/schema/validate.h"

#define REQUIRED_TERMS "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED_TERMS "preferredDuringSchedulingIgnoredDuringExecution"

void opr__validate_tolerations(struct opr_field_errors *e, const struct opr__path *p,
                               struct json_object *tolerations)
{
    static const char *const operators[] = {"Equal", "Exists", NULL};
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    for (size_t i = 0; i < opr__length(tolerations); i++) {
        struct json_object *t = opr__item(tolerations, i);
        const struct opr__path *at = OPR__AT(p, i);
        const char *key = opr__text(t, "key"), *op = opr__text(t, "operator");
        const char *effect = opr__text(t, "effect"), *value = opr__text(t, "value");
        if (*key) {
            opr__check_name(e, OPR__IN(at, "key"), key, opr__bad_qualified_name);
        } else if (strcmp(op, "Exists") != 0) {
            opr__invalid_text(e, OPR__IN(at, "operator"), op,
                              "operator must be Exists when `key` is empty, which means \"match "
                              "all values and all keys\"");
        }
        if (opr__get(t, "tolerationSeconds") && strcmp(effect, "NoExecute") != 0) {
            opr__invalid_text(e, OPR__IN(at, "effect"), effect,
                              "effect must be 'NoExecute' when `tolerationSeconds` is set");
        }
        if (!*op || strcmp(op, "Equal") == 0) {
            opr__check_name(e, OPR__IN(at, "operator"), value, opr__bad_label_value);
        } else if (strcmp(op, "Exists") == 0) {
            if (*value) {
                opr__invalid_text(e, OPR__IN(at, "operator"), value,
                                  "value must be empty when `operator` is 'Exists'");
            }
        } else {
            opr__check_enum(e, at, t, "operator", operators);
        }
        if (*effect) {
            opr__check_enum(e, at, t, "effect", effects);
        }
    }
}

static void check_expression(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *r, bool is_required)
{
    static const char *const operators[] = {"DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn"};
    const char *op = opr__text(r, "operator");
    struct json_object *values = opr__get(r, "values");
    size_t count = opr__length(values), known = 0;
    while (known < 6 && strcmp(op, operators[known]) != 0) {
        known++;
    }
    if (known == 6) {
        opr__invalid_text(e, OPR__IN(p, "operator"), op, "not a valid selector operator");
    } else if ((known == 3 || known == 5) && count == 0) {
        opr__required(e, OPR__IN(p, "values"),
                      "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (known < 2 && count) {
        opr__forbidden(e, OPR__IN(p, "values"),
                       "may not be specified when `operator` is 'Exists' or "
                       "'DoesNotExist'");
    } else if ((known == 2 || known == 4) && count != 1) {
        opr__required(e, OPR__IN(p, "values"),
                      "must be specified single value when `operator` is 'Lt' or 'Gt'");
    }
    opr__check_name(e, OPR__IN(p, "key"), opr__text(r, "key"), opr__bad_qualified_name);
    for (size_t i = 0; is_required && i < count; i++) {
        opr__check_name(e, OPR__AT(OPR__IN(p, "values"), i), opr__item_text(values, i),
                        opr__bad_label_value);
    }
}

/* A node has one field to go by: its name. */
static void check_field(struct opr_field_errors *e, const struct opr__path *p,
                        struct json_object *r)
{
    const char *op = opr__text(r, "operator"), *key = opr__text(r, "key");
    struct json_object *values = opr__get(r, "values");
    if (strcmp(op, "In") != 0 && strcmp(op, "NotIn") != 0) {
        opr__invalid_text(e, OPR__IN(p, "operator"), op, "not a valid selector operator");
    } else if (opr__length(values) != 1) {
        opr__required(e, OPR__IN(p, "values"),
                      "must be only one value when `operator` is 'In' or 'NotIn' for node field "
                      "selector");
    }
    if (strcmp(key, "metadata.name") != 0) {
        opr__invalid_text(e, OPR__IN(p, "key"), key, "not a valid field selector key");
        return;
    }
    for (size_t i = 0; i < opr__length(values); i++) {
        opr__check_name(e, OPR__AT(OPR__IN(p, "values"), i), opr__item_text(values, i),
                        opr__bad_dns_subdomain);
    }
}

static void check_node_term(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *term, bool is_required)
{
    struct json_object *expressions = opr__get(term, "matchExpressions");
    struct json_object *fields = opr__get(term, "matchFields");
    for (size_t i = 0; i < opr__length(expressions); i++) {
        check_expression(e, OPR__AT(OPR__IN(p, "matchExpressions"), i), opr__item(expressions, i),
                         is_required);
    }
    for (size_t i = 0; i < opr__length(fields); i++) {
        check_field(e, OPR__AT(OPR__IN(p, "matchFields"), i), opr__item(fields, i));
    }
}

static void check_weight(struct opr_field_errors *e, const struct opr__path *p,
                         struct json_object *term)
{
    int64_t weight = opr__number(term, "weight");
    if (weight <= 0 || weight > 100) {
        opr__invalid(e, OPR__IN(p, "weight"), opr__get(term, "weight"),
                     "must be in the range 1-100");
    }
}

static void check_node_affinity(struct opr_field_errors *e, const struct opr__path *p,
                                struct json_object *affinity)
{
    struct json_object *required = opr__get(affinity, REQUIRED_TERMS);
    struct json_object *preferred = opr__get(affinity, PREFERRED_TERMS);
    struct json_object *terms = opr__get(required, "nodeSelectorTerms");
    const struct opr__path *at = OPR__IN(OPR__IN(p, REQUIRED_TERMS), "nodeSelectorTerms");
    if (required && opr__length(terms) == 0) {
        opr__required(e, at, "must have at least one node selector term");
    }
    for (size_t i = 0; i < opr__length(terms); i++) {
        check_node_term(e, OPR__AT(at, i), opr__item(terms, i), true);
    }
    for (size_t i = 0; i < opr__length(preferred); i++) {
        struct json_object *term = opr__item(preferred, i);
        const struct opr__path *one = OPR__AT(OPR__IN(p, PREFERRED_TERMS), i);
        check_weight(e, one, term);
        check_node_term(e, OPR__IN(one, "preference"), opr__get(term, "preference"), false);
    }
}

static void check_label_keys(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *term, const char *name)
{
    struct json_object *keys = opr__get(term, name);
    if (opr__length(keys) && !opr__get(term, "labelSelector")) {
        opr__forbidden(e, OPR__IN(p, name), "must not be specified when labelSelector is not set");
        return;
    }
    for (size_t i = 0; i < opr__length(keys); i++) {
        opr__check_name(e, OPR__AT(OPR__IN(p, name), i), opr__item_text(keys, i),
                        opr__bad_qualified_name);
    }
}

static void check_pod_term(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *term)
{
    struct json_object *namespaces = opr__get(term, "namespaces");
    opr__check_label_selector(e, OPR__IN(p, "labelSelector"), opr__get(term, "labelSelector"));
    opr__check_label_selector(e, OPR__IN(p, "namespaceSelector"),
                              opr__get(term, "namespaceSelector"));
    for (size_t i = 0; i < opr__length(namespaces); i++) {
        opr__check_name(e, OPR__IN(p, "namespace"), opr__item_text(namespaces, i),
                        opr__bad_dns_label);
    }
    if (!opr__has_text(term, "topologyKey")) {
        opr__required(e, OPR__IN(p, "topologyKey"), "can not be empty");
    }
    opr__check_name(e, OPR__IN(p, "topologyKey"), opr__text(term, "topologyKey"),
                    opr__bad_qualified_name);
    check_label_keys(e, p, term, "matchLabelKeys");
    check_label_keys(e, p, term, "mismatchLabelKeys");
}

static void check_pod_affinity(struct opr_field_errors *e, const struct opr__path *p,
                               struct json_object *affinity)
{
    struct json_object *required = opr__get(affinity, REQUIRED_TERMS);
    struct json_object *preferred = opr__get(affinity, PREFERRED_TERMS);
    for (size_t i = 0; i < opr__length(required); i++) {
        check_pod_term(e, OPR__AT(OPR__IN(p, REQUIRED_TERMS), i), opr__item(required, i));
    }
    for (size_t i = 0; i < opr__length(preferred); i++) {
        struct json_object *term = opr__item(preferred, i);
        const struct opr__path *at = OPR__AT(OPR__IN(p, PREFERRED_TERMS), i);
        check_weight(e, at, term);
        check_pod_term(e, OPR__IN(at, "podAffinityTerm"), opr__get(term, "podAffinityTerm"));
    }
}

void opr__validate_affinity(struct opr_field_errors *e, const struct opr__path *p,
                            struct json_object *affinity)
{
    check_node_affinity(e, OPR__IN(p, "nodeAffinity"), opr__get(affinity, "nodeAffinity"));
    check_pod_affinity(e, OPR__IN(p, "podAffinity"), opr__get(affinity, "podAffinity"));
    check_pod_affinity(e, OPR__IN(p, "podAntiAffinity"), opr__get(affinity, "podAntiAffinity"));
}

static bool is_same_spread(struct json_object *a, struct json_object *b)
{
    return strcmp(opr__text(a, "topologyKey"), opr__text(b, "topologyKey")) == 0 &&
           strcmp(opr__text(a, "whenUnsatisfiable"), opr__text(b, "whenUnsatisfiable")) == 0;
}

static void check_domains(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *c)
{
    struct json_object *domains = opr__get(c, "minDomains");
    const char *action = opr__text(c, "whenUnsatisfiable");
    if (domains && json_object_get_int64(domains) <= 0) {
        opr__invalid(e, OPR__IN(p, "minDomains"), domains, "must be greater than zero");
    }
    if (domains && strcmp(action, "DoNotSchedule") != 0) {
        opr__invalid(e, OPR__IN(p, "minDomains"), domains,
                     opr_arena_printf(e->arena,
                                      "can only use minDomains if "
                                      "whenUnsatisfiable=DoNotSchedule, not %s",
                                      action));
    }
}

void opr__validate_spread(struct opr_field_errors *e, const struct opr__path *p,
                          struct json_object *constraints)
{
    static const char *const actions[] = {"DoNotSchedule", "ScheduleAnyway", NULL};
    static const char *const policies[] = {"Honor", "Ignore", NULL};
    for (size_t i = 0; i < opr__length(constraints); i++) {
        struct json_object *c = opr__item(constraints, i);
        const struct opr__path *at = OPR__AT(p, i);
        if (opr__number(c, "maxSkew") <= 0) {
            opr__invalid(e, OPR__IN(at, "maxSkew"), opr__get(c, "maxSkew"),
                         "must be greater than zero");
        }
        if (!opr__has_text(c, "topologyKey")) {
            opr__required(e, OPR__IN(at, "topologyKey"), "can not be empty");
        }
        opr__check_enum(e, at, c, "whenUnsatisfiable", actions);
        for (size_t j = i + 1; j < opr__length(constraints); j++) {
            if (is_same_spread(c, opr__item(constraints, j))) {
                opr__duplicate_text(e, OPR__IN(at, "{topologyKey, whenUnsatisfiable}"),
                                    opr_arena_printf(e->arena, "{%s, %s}",
                                                     opr__text(c, "topologyKey"),
                                                     opr__text(c, "whenUnsatisfiable")));
                break;
            }
        }
        check_domains(e, at, c);
        opr__check_enum(e, at, c, "nodeAffinityPolicy", policies);
        opr__check_enum(e, at, c, "nodeTaintsPolicy", policies);
        check_label_keys(e, at, c, "matchLabelKeys");
        opr__check_label_selector(e, OPR__IN(at, "labelSelector"), opr__get(c, "labelSelector"));
    }
}
