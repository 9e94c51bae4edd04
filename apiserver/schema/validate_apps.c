#include "apiserver/schema/validate.h"

#include "core/api/selector.h"

#include <stdlib.h>

/* Whether a selector that parses matches the labels; an empty one matches all. */
static bool is_match(struct json_object *selector, struct json_object *labels, bool *ret_is_valid)
{
    struct opr_obj *s = opr_doc_to_obj(selector), *l = opr_doc_to_obj(labels);
    struct opr_selector *parsed = NULL;
    *ret_is_valid = opr_selector_from_obj(s, &parsed, NULL) == OPR_OK;
    bool matches = *ret_is_valid && opr_selector_match(parsed, l);
    opr_selector_free(parsed);
    opr_json_unref(s);
    opr_json_unref(l);
    return matches;
}

/* Whether the selector says what it selects; one that says nothing is wrong, but clear. */
static bool check_selector(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *selector)
{
    size_t before = e->count;
    struct json_object *labels = opr__get(selector, "matchLabels");
    bool is_empty = (!labels || json_object_object_length(labels) == 0) &&
                    opr__length(opr__get(selector, "matchExpressions")) == 0;
    opr__check_full_selector(e, OPR__IN(p, "selector"), selector);
    return is_empty || e->count == before;
}

static void check_template(struct opr_field_errors *e, const struct opr__path *spec_path,
                           struct json_object *spec, bool is_clear)
{
    static const char *const always[] = {"Always", NULL};
    const struct opr__path *p = OPR__IN(spec_path, "template");
    struct json_object *template = opr__get(spec, "template");
    struct json_object *selector = opr__get(spec, "selector");
    struct json_object *labels = opr_doc_at(template, "/metadata/labels");
    bool is_valid = is_clear;
    if (is_clear && (!selector || !is_match(selector, labels, &is_valid)) && is_valid) {
        opr__invalid(e, OPR__IN(OPR__IN(p, "metadata"), "labels"), labels,
                     "`selector` does not match template `labels`");
    }
    if (!is_valid) {
        opr__invalid(e, OPR__IN(spec_path, "selector"), selector, "invalid label selector");
        return;
    }
    struct json_object *pod = opr__get(template, "spec");
    opr__validate_pod_template(e, p, template);
    opr__check_enum(e, OPR__IN(p, "spec"), pod, "restartPolicy", always);
    if (opr__get(pod, "activeDeadlineSeconds")) {
        opr__forbidden(e, OPR__IN(OPR__IN(p, "spec"), "activeDeadlineSeconds"),
                       "activeDeadlineSeconds in ReplicaSet is not Supported");
    }
}

/* A number, or the number of a percentage; *ret_is_percent says which. */
static bool int_or_percent(struct json_object *v, int64_t *ret_value, bool *ret_is_percent)
{
    *ret_is_percent = json_object_is_type(v, json_type_string);
    if (!*ret_is_percent) {
        *ret_value = json_object_get_int64(v);
        return true;
    }
    const char *text = json_object_get_string(v);
    size_t len = strlen(text);
    return len > 1 && text[len - 1] == '%' &&
           opr_str_to_i64(opr_str_n(text, len - 1), ret_value) == OPR_OK && *ret_value >= 0;
}

static int64_t check_int_or_percent(struct opr_field_errors *e, const struct opr__path *p,
                                    struct json_object *v)
{
    int64_t value = 0;
    bool is_percent;
    if (!int_or_percent(v, &value, &is_percent)) {
        opr__invalid(e, p, v,
                     "a valid percent string must be a numeric string followed by an ending '%' "
                     "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')");
        return 0;
    }
    if (value < 0) {
        opr__invalid(e, p, v, "must be greater than or equal to 0");
    }
    return value;
}

/* The strategy is shown as the server's own type has it. */
static void unsupported_strategy(struct opr_field_errors *e, const struct opr__path *p,
                                 const char *type)
{
    opr__add(e, "FieldValueNotSupported", p,
             "Unsupported value: {\"Type\":\"%s\",\"RollingUpdate\":null}: supported values: "
             "\"Recreate\", \"RollingUpdate\"",
             type);
}

static void check_strategy(struct opr_field_errors *e, const struct opr__path *p,
                           struct json_object *strategy)
{
    const char *type = opr__text(strategy, "type");
    struct json_object *rolling = opr__get(strategy, "rollingUpdate");
    p = OPR__IN(p, "strategy");
    if (strcmp(type, "Recreate") == 0) {
        if (rolling) {
            opr__forbidden(e, OPR__IN(p, "rollingUpdate"),
                           "may not be specified when strategy `type` is 'Recreate'");
        }
        return;
    }
    if (strcmp(type, "RollingUpdate") != 0) {
        unsupported_strategy(e, p, type);
        return;
    }
    p = OPR__IN(p, "rollingUpdate");
    struct json_object *unavailable = opr__get(rolling, "maxUnavailable");
    int64_t down = check_int_or_percent(e, OPR__IN(p, "maxUnavailable"), unavailable);
    int64_t up = check_int_or_percent(e, OPR__IN(p, "maxSurge"), opr__get(rolling, "maxSurge"));
    if (down == 0 && up == 0) {
        opr__invalid(e, OPR__IN(p, "maxUnavailable"), unavailable,
                     "may not be 0 when `maxSurge` is 0");
    }
    if (json_object_is_type(unavailable, json_type_string) && down > 100) {
        opr__invalid(e, OPR__IN(p, "maxUnavailable"), unavailable, "must not be greater than 100%");
    }
}

static void check_selector_kept(struct opr_field_errors *e, struct json_object *doc,
                                struct json_object *old)
{
    if (old) {
        opr__check_immutable(e, &(struct opr__path){NULL, "spec.selector", NULL, 0},
                             opr_doc_at(doc, "/spec/selector"), opr_doc_at(old, "/spec/selector"));
    }
}

void opr__validate_deployment(struct opr_field_errors *e, struct json_object *doc,
                              struct json_object *old)
{
    struct opr__path p = {.name = "spec"};
    struct json_object *spec = opr__get(doc, "spec");
    opr__check_nonnegative(e, &p, spec, "replicas");
    bool is_clear = check_selector(e, &p, opr__get(spec, "selector"));
    check_template(e, &p, spec, is_clear);
    check_strategy(e, &p, opr__get(spec, "strategy"));
    opr__check_nonnegative(e, &p, spec, "minReadySeconds");
    opr__check_nonnegative(e, &p, spec, "revisionHistoryLimit");
    opr__check_nonnegative(e, &p, spec, "progressDeadlineSeconds");
    struct json_object *deadline = opr__get(spec, "progressDeadlineSeconds");
    if (deadline && json_object_get_int64(deadline) <= opr__number(spec, "minReadySeconds")) {
        opr__invalid(e, OPR__IN(&p, "progressDeadlineSeconds"), deadline,
                     "must be greater than minReadySeconds");
    }
    check_selector_kept(e, doc, old);
}

void opr__validate_replica_set(struct opr_field_errors *e, struct json_object *doc,
                               struct json_object *old)
{
    struct opr__path p = {.name = "spec"};
    struct json_object *spec = opr__get(doc, "spec");
    opr__check_nonnegative(e, &p, spec, "replicas");
    opr__check_nonnegative(e, &p, spec, "minReadySeconds");
    bool is_clear = check_selector(e, &p, opr__get(spec, "selector"));
    check_template(e, &p, spec, is_clear);
    check_selector_kept(e, doc, old);
}

void opr__validate_scale(struct opr_field_errors *e, struct json_object *doc,
                         struct json_object *old)
{
    (void)old; /* the same on create and update */
    opr__check_nonnegative(e, &(struct opr__path){.name = "spec"}, opr__get(doc, "spec"),
                           "replicas");
}

static void check_budget_amount(struct opr_field_errors *e, const struct opr__path *p,
                                struct json_object *spec, const char *name)
{
    struct json_object *v = opr__get(spec, name);
    if (v) {
        int64_t amount = check_int_or_percent(e, OPR__IN(p, name), v);
        if (json_object_is_type(v, json_type_string) && amount > 100) {
            opr__invalid(e, OPR__IN(p, name), v, "must not be greater than 100%");
        }
    }
}

void opr__validate_disruption_budget(struct opr_field_errors *e, struct json_object *doc,
                                     struct json_object *old)
{
    static const char *const policies[] = {"AlwaysAllow", "IfHealthyBudget", NULL};
    (void)old; /* the same on create and update */
    struct opr__path p = {.name = "spec"};
    struct json_object *spec = opr__get(doc, "spec");
    if (opr__get(spec, "minAvailable") && opr__get(spec, "maxUnavailable")) {
        opr__invalid(e, &p, spec, "minAvailable and maxUnavailable cannot be both set");
    }
    check_budget_amount(e, &p, spec, "minAvailable");
    check_budget_amount(e, &p, spec, "maxUnavailable");
    opr__check_label_selector(e, OPR__IN(&p, "selector"), opr__get(spec, "selector"));
    opr__check_enum(e, &p, spec, "unhealthyPodEvictionPolicy", policies);
}
