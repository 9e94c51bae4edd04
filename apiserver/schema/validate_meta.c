#include "apiserver/schema/build.h"

#include "apiserver/schema/validate.h"
#include "core/base/alloc.h"

#include <ctype.h>

#define ANNOTATIONS_MAX_BYTES (256u << 10)

void opr__check_labels(struct opr_field_errors *e, const struct opr__path *p,
                       struct json_object *labels)
{
    if (!json_object_is_type(labels, json_type_object)) {
        return;
    }
    json_object_object_foreach(labels, name, value)
    {
        opr__check_name(e, p, name, opr__bad_qualified_name);
        const char *text = json_object_get_string(value);
        opr__check_name(e, p, text ? text : "", opr__bad_label_value);
    }
}

static void check_annotations(struct opr_field_errors *e, const struct opr__path *p,
                              struct json_object *annotations)
{
    if (!json_object_is_type(annotations, json_type_object)) {
        return;
    }
    size_t size = 0;
    json_object_object_foreach(annotations, name, value)
    {
        char *lower = opr_xstrdup(name);
        for (char *c = lower; *c; c++) {
            *c = (char)tolower((unsigned char)*c);
        }
        const char *problem = opr__bad_qualified_name(lower);
        opr_free(lower);
        if (problem) {
            opr__invalid_text(e, p, name, problem);
        }
        size += strlen(name) + (size_t)json_object_get_string_len(value);
    }
    if (size > ANNOTATIONS_MAX_BYTES) {
        opr__too_long(e, p, ANNOTATIONS_MAX_BYTES);
    }
}

static void check_owner(struct opr_field_errors *e, const struct opr__path *p,
                        struct json_object *owner)
{
    const char *version = opr__text(owner, "apiVersion");
    const char *slash = strchr(version, '/');
    if (!*version || (slash && !slash[1])) {
        opr__invalid_text(e, OPR__IN(p, "apiVersion"), version, "version must not be empty");
    }
    static const char *const names[] = {"kind", "name", "uid"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!opr__has_text(owner, names[i])) {
            opr__invalid_text(e, OPR__IN(p, names[i]), "", "must not be empty");
        }
    }
    if (strcmp(version, "v1") == 0 && strcmp(opr__text(owner, "kind"), "Event") == 0) {
        opr__invalid(e, p, owner, "/v1, Kind=Event is disallowed from being an owner");
    }
}

static void check_owners(struct opr_field_errors *e, const struct opr__path *p,
                         struct json_object *owners)
{
    struct json_object *controller = NULL;
    for (size_t i = 0; i < opr__length(owners); i++) {
        struct json_object *owner = opr__item(owners, i);
        check_owner(e, p, owner);
        if (!opr__flag(owner, "controller")) {
            continue;
        }
        if (controller) {
            opr__invalid(e, p, owners,
                         opr_arena_printf(e->arena,
                                          "Only one reference can have Controller set to true. "
                                          "Found \"true\" in references for %s/%s and %s/%s",
                                          opr__text(controller, "kind"),
                                          opr__text(controller, "name"), opr__text(owner, "kind"),
                                          opr__text(owner, "name")));
        } else {
            controller = owner;
        }
    }
}

static bool contains(struct json_object *list, const char *text)
{
    for (size_t i = 0; i < opr__length(list); i++) {
        const char *item = json_object_get_string(opr__item(list, i));
        if (item && strcmp(item, text) == 0) {
            return true;
        }
    }
    return false;
}

/* is_strict: built-in kinds know their short finalizers. */
static void check_finalizers(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *finalizers, bool is_strict)
{
    for (size_t i = 0; i < opr__length(finalizers); i++) {
        const char *name = json_object_get_string(opr__item(finalizers, i));
        opr__check_name(e, p, name ? name : "", opr__bad_qualified_name);
    }
    for (size_t i = 0; is_strict && i < opr__length(finalizers); i++) {
        const char *name = json_object_get_string(opr__item(finalizers, i));
        bool is_standard =
            name && (strchr(name, '/') || strcmp(name, "orphan") == 0 ||
                     strcmp(name, "foregroundDeletion") == 0 || strcmp(name, "kubernetes") == 0);
        if (!is_standard) {
            opr__invalid_text(e, OPR__AT(p, i), name ? name : "",
                              "name is neither a standard finalizer name nor is it fully "
                              "qualified");
        }
    }
    if (contains(finalizers, "orphan") && contains(finalizers, "foregroundDeletion")) {
        opr__invalid(e, p, finalizers,
                     "finalizer orphan and foregroundDeletion cannot be both set");
    }
}

/* What create and update share. */
static void check_common(struct opr_field_errors *e, const struct opr__path *p,
                         struct json_object *meta, bool is_strict)
{
    opr__check_nonnegative(e, p, meta, "generation");
    opr__check_labels(e, OPR__IN(p, "labels"), opr__get(meta, "labels"));
    check_annotations(e, OPR__IN(p, "annotations"), opr__get(meta, "annotations"));
    check_owners(e, OPR__IN(p, "ownerReferences"), opr__get(meta, "ownerReferences"));
    check_finalizers(e, OPR__IN(p, "finalizers"), opr__get(meta, "finalizers"), is_strict);
}

void opr__validate_meta(struct opr_field_errors *e, const struct opr_kind *kind,
                        struct json_object *meta, opr__name_fn bad_name)
{
    struct opr__path p = {.name = "metadata"};
    const char *prefix = opr__text(meta, "generateName"), *ns = opr__text(meta, "namespace");
    if (*prefix) {
        char *base = opr_xstrdup(prefix); /* a suffix follows: the last '-' is not the end */
        size_t len = strlen(base);
        if (base[len - 1] == '-') {
            base[len - 1] = 'a';
        }
        const char *problem = bad_name(base);
        opr_free(base);
        if (problem) {
            opr__invalid_text(e, OPR__IN(&p, "generateName"), prefix, problem);
        }
    }
    if (opr__has_text(meta, "name")) {
        opr__check_name(e, OPR__IN(&p, "name"), opr__text(meta, "name"), bad_name);
    } else {
        opr__required(e, OPR__IN(&p, "name"), "name or generateName is required");
    }
    if (kind->is_namespaced && !*ns) {
        opr__required(e, OPR__IN(&p, "namespace"), NULL);
    } else if (kind->is_namespaced) {
        opr__check_name(e, OPR__IN(&p, "namespace"), ns, opr__bad_dns_label);
    } else if (*ns) {
        opr__forbidden(e, OPR__IN(&p, "namespace"), "not allowed on this type");
    }
    check_common(e, &p, meta, !kind->is_custom);
}

void opr__validate_template_meta(struct opr_field_errors *e, const struct opr__path *p,
                                 struct json_object *meta)
{
    opr__check_labels(e, OPR__IN(p, "labels"), opr__get(meta, "labels"));
    check_annotations(e, OPR__IN(p, "annotations"), opr__get(meta, "annotations"));
}

static void check_new_finalizers(struct opr_field_errors *e, const struct opr__path *p,
                                 struct json_object *meta, struct json_object *old)
{
    struct json_object *finalizers = opr__get(meta, "finalizers");
    struct opr_buf found = {0};
    for (size_t i = 0; i < opr__length(finalizers); i++) {
        const char *name = json_object_get_string(opr__item(finalizers, i));
        if (name && !contains(opr__get(old, "finalizers"), name)) {
            opr_buf_printf(&found, "%s\"%s\"", found.len ? ", " : "", name);
        }
    }
    if (found.len) {
        opr__add(e, "FieldValueForbidden", OPR__IN(p, "finalizers"),
                 "Forbidden: no new finalizers can be added if the object is being deleted, found "
                 "new finalizers []string{%s}",
                 found.data);
    }
    opr_buf_fini(&found);
}

void opr__validate_meta_update(struct opr_field_errors *e, const struct opr_kind *kind,
                               struct json_object *meta, struct json_object *old)
{
    static const char *const fixed[] = {"name",
                                        "namespace",
                                        "uid",
                                        "creationTimestamp",
                                        "deletionTimestamp",
                                        "deletionGracePeriodSeconds"};
    struct opr__path p = {.name = "metadata"};
    if (opr__get(old, "deletionTimestamp")) {
        check_new_finalizers(e, &p, meta, old);
    }
    if (opr__number(meta, "generation") < opr__number(old, "generation")) {
        opr__invalid(e, OPR__IN(&p, "generation"), opr__get(meta, "generation"),
                     "must not be decremented");
    }
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        /* What the request leaves out, the registry fills in from the old object. */
        if (opr__get(meta, fixed[i]) && opr__get(old, fixed[i])) {
            opr__check_immutable(e, OPR__IN(&p, fixed[i]), opr__get(meta, fixed[i]),
                                 opr__get(old, fixed[i]));
        }
    }
    check_common(e, &p, meta, !kind->is_custom);
}

void opr__check_quantity_nonnegative(struct opr_field_errors *e, const struct opr__path *p,
                                     const char *value)
{
    if (opr__quantity_cmp(opr_str_of(value), OPR_STR("0")) < 0) {
        opr__invalid_text(e, p, value, "must be greater than or equal to 0");
    }
}

static void check_requirement(struct opr_field_errors *e, const struct opr__path *p,
                              struct json_object *r)
{
    const char *op = opr__text(r, "operator");
    struct json_object *values = opr__get(r, "values");
    bool is_set = strcmp(op, "In") == 0 || strcmp(op, "NotIn") == 0;
    bool is_presence = strcmp(op, "Exists") == 0 || strcmp(op, "DoesNotExist") == 0;
    if (is_set && opr__length(values) == 0) {
        opr__required(e, OPR__IN(p, "values"),
                      "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (is_presence && opr__length(values)) {
        opr__forbidden(e, OPR__IN(p, "values"),
                       "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (!is_set && !is_presence) {
        opr__invalid_text(e, OPR__IN(p, "operator"), op, "not a valid selector operator");
    }
    opr__check_name(e, OPR__IN(p, "key"), opr__text(r, "key"), opr__bad_qualified_name);
    for (size_t i = 0; i < opr__length(values); i++) {
        const char *value = json_object_get_string(opr__item(values, i));
        opr__check_name(e, OPR__AT(OPR__IN(p, "values"), i), value ? value : "",
                        opr__bad_label_value);
    }
}

void opr__check_label_selector(struct opr_field_errors *e, const struct opr__path *p,
                               struct json_object *selector)
{
    struct json_object *expressions = opr__get(selector, "matchExpressions");
    opr__check_labels(e, OPR__IN(p, "matchLabels"), opr__get(selector, "matchLabels"));
    for (size_t i = 0; i < opr__length(expressions); i++) {
        check_requirement(e, OPR__AT(OPR__IN(p, "matchExpressions"), i), opr__item(expressions, i));
    }
}

void opr__check_full_selector(struct opr_field_errors *e, const struct opr__path *p,
                              struct json_object *selector)
{
    struct json_object *labels = opr__get(selector, "matchLabels");
    if (!selector) {
        opr__required(e, p, NULL);
        return;
    }
    opr__check_label_selector(e, p, selector);
    bool has_labels = labels && json_object_object_length(labels);
    if (!has_labels && opr__length(opr__get(selector, "matchExpressions")) == 0) {
        opr__invalid(e, p, selector, "empty selector is invalid for deployment");
    }
}

void opr__check_condition_type(struct opr_field_errors *e, const struct opr__path *p,
                               const char *type)
{
    opr__check_name(e, p, type, opr__bad_qualified_name);
}
