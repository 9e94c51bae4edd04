#include "controllers/namespace/namespace.h"

static bool has_verb(const struct opr_obj *verbs, const char *verb)
{
    for (const struct opr_obj *v = opr_obj_first(verbs); v; v = opr_obj_next(v)) {
        if (str_eq(opr_obj_str(v, "", ""), verb)) {
            return true;
        }
    }
    return false;
}

static void add(struct emptying *e, const char *group, const char *version, const char *plural,
                const struct opr_obj *verbs)
{
    if (strchr(plural, '/') || !has_verb(verbs, "delete") || !has_verb(verbs, "list") ||
        e->count == KINDS_MAX) {
        return;
    }
    e->kinds[e->count++] = (struct kind){
        .group = group,
        .version = version,
        .plural = plural,
        .deletes_collections = has_verb(verbs, "deletecollection"),
    };
}

static void read_group_version(struct emptying *e, const char *group, const char *version)
{
    const struct opr_obj *list = NULL;
    const char *path = group[0] != '\0' ? opr_ctx_text(e->c, "/apis/%s/%s", group, version)
                                        : opr_ctx_text(e->c, "/api/%s", version);
    if (opr_request(e->c, "GET", path, NULL, &list) != OPR_OK) {
        e->discovery_failure = opr_ctx_text(e->c, "Discovery failed for some groups, %s/%s: %s",
                                            group, version, opr_ctx_error(e->c));
        return;
    }
    list = opr_obj_at(list, "/resources");
    for (const struct opr_obj *r = opr_obj_first(list); r; r = opr_obj_next(r)) {
        if (opr_obj_bool(r, "/namespaced", false)) {
            add(e, group, version, opr_obj_str(r, "/name", ""), opr_obj_at(r, "/verbs"));
        }
    }
}

/* apidiscovery.k8s.io/v2: everything in one answer, the preferred version first. */
static void read_aggregated(struct emptying *e, const struct opr_obj *groups)
{
    for (const struct opr_obj *g = opr_obj_first(groups); g; g = opr_obj_next(g)) {
        const struct opr_obj *version = opr_obj_at(g, "/versions/0");
        const struct opr_obj *list = opr_obj_at(version, "/resources");
        for (const struct opr_obj *r = opr_obj_first(list); r; r = opr_obj_next(r)) {
            if (str_eq(opr_obj_str(r, "/scope", ""), "Namespaced")) {
                add(e, opr_obj_str(g, "/metadata/name", ""), opr_obj_str(version, "/version", ""),
                    opr_obj_str(r, "/resource", ""), opr_obj_at(r, "/verbs"));
            }
        }
    }
}

void kinds_discover(struct emptying *e)
{
    static const char *const paths[] = {"/api", "/apis"};
    for (size_t i = 0; i < 2; i++) {
        const struct opr_obj *list = NULL;
        if (opr_request(e->c, "GET", paths[i], NULL, &list) != OPR_OK) {
            e->discovery_failure = opr_ctx_text(e->c, "%s", opr_ctx_error(e->c));
            continue;
        }
        if (opr_obj_at(list, "/items")) {
            read_aggregated(e, opr_obj_at(list, "/items"));
            continue;
        }
        const struct opr_obj *versions = opr_obj_at(list, "/versions");
        for (const struct opr_obj *v = opr_obj_first(versions); v; v = opr_obj_next(v)) {
            read_group_version(e, "", opr_obj_str(v, "", "v1"));
        }
        const struct opr_obj *groups = opr_obj_at(list, "/groups");
        for (const struct opr_obj *g = opr_obj_first(groups); g; g = opr_obj_next(g)) {
            read_group_version(e, opr_obj_str(g, "/name", ""),
                               opr_obj_str(g, "/preferredVersion/version", ""));
        }
    }
}
