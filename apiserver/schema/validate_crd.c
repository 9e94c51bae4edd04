#include "apiserver/schema/crd.h"

#include "apiserver/schema/validate.h"

/* The names of a CRD: plural and singular are labels, kinds are labels but for case. */
static void check_names(struct opr_field_errors *e, const struct opr__path *p,
                        struct json_object *names)
{
    static const char *const lower[] = {"plural", "singular"};
    static const char *const kinds[] = {"kind", "listKind"};
    for (size_t i = 0; i < 2; i++) {
        const char *name = opr__text(names, lower[i]);
        if (!*name) {
            opr__required(e, OPR__IN(p, lower[i]), NULL);
        } else {
            opr__check_name(e, OPR__IN(p, lower[i]), name, opr__bad_dns1035);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        const char *name = opr__text(names, kinds[i]);
        char label[65];
        size_t n = 0;
        for (; name[n] && n < sizeof(label) - 1; n++) {
            label[n] = name[n] >= 'A' && name[n] <= 'Z' ? (char)(name[n] | 32) : name[n];
        }
        label[n] = 0;
        const char *problem = opr__bad_dns1035(label);
        if (!*name) {
            opr__required(e, OPR__IN(p, kinds[i]), NULL);
        } else if (problem) {
            opr__add(e, "FieldValueInvalid", OPR__IN(p, kinds[i]),
                     "Invalid value: \"%s\": may have mixed case, but should otherwise match: %s",
                     name, problem);
        }
    }
    static const char *const lists[] = {"shortNames", "categories"};
    for (size_t i = 0; i < 2; i++) {
        struct json_object *list = opr__get(names, lists[i]);
        for (size_t j = 0; j < opr__length(list); j++) {
            opr__check_name(e, OPR__AT(OPR__IN(p, lists[i]), j), opr__item_text(list, j),
                            opr__bad_dns1035);
        }
    }
    if (opr__has_text(names, "kind") &&
        strcmp(opr__text(names, "kind"), opr__text(names, "listKind")) == 0) {
        opr__invalid_text(e, OPR__IN(p, "listKind"), opr__text(names, "listKind"),
                          "kind and listKind may not be the same");
    }
}

/* Every schema compiles: patterns, depth. */
static void check_schema(struct opr_field_errors *e, const struct opr__path *p,
                         struct json_object *doc, struct json_object *version)
{
    struct json_object *schema = opr_doc_at(version, "/schema/openAPIV3Schema");
    const struct opr__path *at = OPR__IN(OPR__IN(p, "schema"), "openAPIV3Schema");
    if (!schema) {
        opr__required(e, at, NULL);
        return;
    }
    const char *type = opr__text(schema, "type");
    if (!*type) {
        opr__required(e, OPR__IN(at, "type"), "must not be empty at the root");
    } else if (strcmp(type, "object") != 0) {
        opr__invalid_text(e, OPR__IN(at, "type"), type, "must be object at the root");
    }
    struct opr_kind *kind = NULL;
    struct opr_field_errors found = {.arena = e->arena};
    opr_status st = opr_kind_from_crd(doc, opr__text(version, "name"), &kind, &found);
    for (size_t i = 0; st != OPR_OK && i < found.count; i++) {
        opr_field_errors_add(e, found.items[i].reason, opr__path_text(e, at),
                             found.items[i].message);
    }
    opr_kind_unref(kind);
    if (st == OPR_OK) {
        opr__validate_crd_schema(e, at, schema);
    }
}

static void check_versions(struct opr_field_errors *e, const struct opr__path *spec_path,
                           struct json_object *doc, struct json_object *versions)
{
    const struct opr__path *p = OPR__IN(spec_path, "versions");
    size_t stored = 0;
    for (size_t i = 0; i < opr__length(versions); i++) {
        struct json_object *v = opr__item(versions, i);
        const char *name = opr__text(v, "name");
        const struct opr__path *at = OPR__AT(p, i);
        stored += opr__flag(v, "storage");
        opr__check_name(e, OPR__IN(at, "name"), name, opr__bad_dns1035);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(opr__text(opr__item(versions, j), "name"), name) == 0) {
                opr__invalid(e, p, versions, "must contain unique version names");
            }
        }
        check_schema(e, at, doc, v);
        opr__validate_crd_version(e, at, v);
    }
    if (stored != 1) {
        opr__invalid(e, p, versions, "must have exactly one version marked as storage version");
    }
}

static void check_stored(struct opr_field_errors *e, struct json_object *doc,
                         struct json_object *versions)
{
    struct json_object *stored = opr_doc_at(doc, "/status/storedVersions");
    const struct opr__path *p = OPR__IN(OPR__IN(NULL, "status"), "storedVersions");
    if (opr__length(stored) == 0) {
        opr__invalid(e, p, stored, "must have at least one stored version");
    }
    for (size_t i = 0; i < opr__length(stored); i++) {
        const char *name = json_object_get_string(opr__item(stored, i));
        bool is_there = false;
        for (size_t j = 0; name && j < opr__length(versions); j++) {
            is_there = is_there || strcmp(opr__text(opr__item(versions, j), "name"), name) == 0;
        }
        if (!is_there) {
            opr__invalid_text(e, OPR__AT(p, i), name ? name : "",
                              "missing from spec.versions; must be removed from spec.versions only "
                              "when it is no longer in status.storedVersions");
        }
    }
}

void opr__validate_crd(struct opr_field_errors *e, struct json_object *doc, struct json_object *old)
{
    static const char *const scopes[] = {"Cluster", "Namespaced", NULL};
    static const char *const strategies[] = {"None", "Webhook", NULL};
    struct opr__path p = {.name = "spec"};
    struct json_object *spec = opr__get(doc, "spec"), *names = opr__get(spec, "names");
    const char *group = opr__text(spec, "group"), *plural = opr__text(names, "plural");
    const char *name = opr_doc_str(doc, "/metadata/name", "");
    const char *wanted = opr_arena_printf(e->arena, "%s.%s", plural, group);
    if (!old && strcmp(name, wanted) != 0) {
        opr__invalid_text(e, OPR__IN(OPR__IN(NULL, "metadata"), "name"), name,
                          "must be spec.names.plural+\".\"+spec.group");
    }
    if (!*group) {
        opr__required(e, OPR__IN(&p, "group"), NULL);
    } else {
        opr__check_name(e, OPR__IN(&p, "group"), group, opr__bad_dns_subdomain);
        if (!opr__bad_dns_subdomain(group) && !strchr(group, '.')) {
            opr__invalid_text(e, OPR__IN(&p, "group"), group,
                              "should be a domain with at least one dot");
        }
    }
    if (opr__has_text(spec, "scope")) {
        opr__check_enum(e, &p, spec, "scope", scopes);
    } else {
        opr__required(e, OPR__IN(&p, "scope"), NULL);
    }
    struct json_object *conversion = opr__get(spec, "conversion");
    const struct opr__path *strategy = OPR__IN(OPR__IN(&p, "conversion"), "strategy");
    if (conversion && !opr__has_text(conversion, "strategy")) {
        opr__required(e, strategy, NULL);
    } else if (conversion) {
        opr__check_enum(e, OPR__IN(&p, "conversion"), conversion, "strategy", strategies);
    }
    check_versions(e, &p, doc, opr__get(spec, "versions"));
    check_names(e, OPR__IN(&p, "names"), names);
    check_stored(e, doc, opr__get(spec, "versions"));
    static const char *const kept[] = {"group", "scope"};
    for (size_t i = 0; old && i < 2; i++) {
        opr__check_immutable(e, OPR__IN(&p, kept[i]), opr__get(spec, kept[i]),
                             opr_doc_at(old, i ? "/spec/scope" : "/spec/group"));
    }
}
