/* Discovery: what kinds the server has. First the aggregated form (one answer for /api and one for
 * /apis), where the server does not give it the older one (an answer a group and version). */
#include "core/client/client_internal.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

static const char accept_aggregated[] =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

void opr__kind_free(struct opr__kind *kind)
{
    if (!kind) {
        return;
    }
    opr_free((void *)kind->pub.gvk);
    opr_free((void *)kind->pub.group);
    opr_free((void *)kind->pub.version);
    opr_free((void *)kind->pub.kind);
    opr_free((void *)kind->pub.plural);
    opr_free(kind->singular);
    for (size_t i = 0; i < kind->shorts.count; i++) {
        opr_free(kind->shorts.items[i]);
    }
    opr_vec_fini(&kind->shorts);
    opr_free(kind);
}

/* The first of the versions that offer a group's plural is the preferred one. */
static bool is_first_version(const struct opr_vec *kinds, const char *group, const char *plural)
{
    for (size_t i = 0; i < kinds->count; i++) {
        const struct opr_resource *r = &((struct opr__kind *)kinds->items[i])->pub;
        if (strcmp(r->group, group) == 0 && strcmp(r->plural, plural) == 0) {
            return false;
        }
    }
    return true;
}

static void read_verbs(struct opr_resource *r, const struct opr_obj *verbs)
{
    bool has_list = false, has_watch = false;
    for (const struct opr_obj *v = opr_json_first(verbs); v; v = opr_json_next(v)) {
        const char *verb = opr_json_str(v, "", "");
        has_list = has_list || strcmp(verb, "list") == 0;
        has_watch = has_watch || strcmp(verb, "watch") == 0;
        r->can_delete = r->can_delete || strcmp(verb, "delete") == 0;
    }
    r->can_list_watch = has_list && has_watch;
}

struct facts {
    const char *group, *version, *kind, *plural, *singular;
    bool is_namespaced;
    const struct opr_obj *verbs, *shorts;
};

static void add_kind(struct opr_vec *kinds, const struct facts *f)
{
    if (!*f->kind || !*f->plural || strchr(f->plural, '/')) {
        return;
    }
    struct opr__kind *k = opr_xalloc(sizeof *k);
    k->pub.gvk = *f->group ? opr_xprintf("%s/%s/%s", f->group, f->version, f->kind)
                           : opr_xprintf("%s/%s", f->version, f->kind);
    k->pub.group = opr_xstrdup(f->group);
    k->pub.version = opr_xstrdup(f->version);
    k->pub.kind = opr_xstrdup(f->kind);
    k->pub.plural = opr_xstrdup(f->plural);
    k->pub.is_namespaced = f->is_namespaced;
    k->pub.is_preferred = is_first_version(kinds, f->group, f->plural);
    k->singular = opr_xstrdup(f->singular);
    k->is_served = true;
    read_verbs(&k->pub, f->verbs);
    for (const struct opr_obj *s = opr_json_first(f->shorts); s; s = opr_json_next(s)) {
        opr_vec_push(&k->shorts, opr_xstrdup(opr_json_str(s, "", "")));
    }
    opr_vec_push(kinds, k);
}

static void add_aggregated_version(struct opr_vec *kinds, const char *group,
                                   const struct opr_obj *version)
{
    const struct opr_obj *resources = opr_json_at(version, "/resources");
    for (const struct opr_obj *r = opr_json_first(resources); r; r = opr_json_next(r)) {
        struct facts f = {
            .group = group,
            .version = opr_json_str(version, "/version", ""),
            .kind = opr_json_str(r, "/responseKind/kind", ""),
            .plural = opr_json_str(r, "/resource", ""),
            .singular = opr_json_str(r, "/singularResource", ""),
            .is_namespaced = strcmp(opr_json_str(r, "/scope", ""), "Namespaced") == 0,
            .verbs = opr_json_at(r, "/verbs"),
            .shorts = opr_json_at(r, "/shortNames"),
        };
        add_kind(kinds, &f);
    }
}

static void add_aggregated(struct opr_vec *kinds, const struct opr_obj *list)
{
    const struct opr_obj *items = opr_json_at(list, "/items");
    for (const struct opr_obj *g = opr_json_first(items); g; g = opr_json_next(g)) {
        const char *group = opr_json_str(g, "/metadata/name", "");
        const struct opr_obj *versions = opr_json_at(g, "/versions");
        for (const struct opr_obj *v = opr_json_first(versions); v; v = opr_json_next(v)) {
            add_aggregated_version(kinds, group, v);
        }
    }
}

/* One answer, parsed. */
static opr_status fetch(struct opr_caller *k, const char *path, const char *accept,
                        struct opr_obj **ret_obj, struct opr_error *reterr)
{
    struct opr_buf body = {0};
    OPR_TRY(opr__call_text(k, path, accept, &body, reterr));
    opr_status st = opr_json_parse(opr_buf_str(&body), ret_obj, reterr);
    opr_buf_fini(&body);
    return st;
}

static opr_status add_version(struct opr_caller *k, struct opr_vec *kinds, const char *group,
                              const char *version, struct opr_error *reterr)
{
    char *path =
        *group ? opr_xprintf("/apis/%s/%s", group, version) : opr_xprintf("/api/%s", version);
    struct opr_obj *list = NULL;
    opr_status st = fetch(k, path, NULL, &list, reterr);
    opr_free(path);
    OPR_TRY(st);
    const struct opr_obj *resources = opr_json_at(list, "/resources");
    for (const struct opr_obj *r = opr_json_first(resources); r; r = opr_json_next(r)) {
        struct facts f = {
            .group = group,
            .version = version,
            .kind = opr_json_str(r, "/kind", ""),
            .plural = opr_json_str(r, "/name", ""),
            .singular = opr_json_str(r, "/singularName", ""),
            .is_namespaced = opr_json_bool(r, "/namespaced", false),
            .verbs = opr_json_at(r, "/verbs"),
            .shorts = opr_json_at(r, "/shortNames"),
        };
        add_kind(kinds, &f);
    }
    opr_json_unref(list);
    return OPR_OK;
}

/* An aggregated API whose server is down fails alone; the groups that answer are still of use. */
static opr_status add_group(struct opr_caller *k, struct opr_vec *kinds,
                            const struct opr_obj *group, struct opr_error *reterr)
{
    const char *name = opr_json_str(group, "/name", "");
    const char *preferred = opr_json_str(group, "/preferredVersion/version", "");
    if (*preferred) {
        opr_status st = add_version(k, kinds, name, preferred, reterr);
        if (st == OPR_E_CANCELLED || st == OPR_E_TIMEOUT || st == OPR_E_IO) {
            return st;
        }
    }
    const struct opr_obj *versions = opr_json_at(group, "/versions");
    for (const struct opr_obj *v = opr_json_first(versions); v; v = opr_json_next(v)) {
        const char *version = opr_json_str(v, "/version", "");
        if (*version && strcmp(version, preferred) != 0) {
            opr_status st = add_version(k, kinds, name, version, reterr);
            if (st == OPR_E_CANCELLED || st == OPR_E_TIMEOUT || st == OPR_E_IO) {
                return st;
            }
        }
    }
    return OPR_OK;
}

static opr_status add_core_versions(struct opr_caller *k, struct opr_vec *kinds,
                                    const struct opr_obj *versions, struct opr_error *reterr)
{
    for (const struct opr_obj *v = opr_json_first(versions); v; v = opr_json_next(v)) {
        OPR_TRY(add_version(k, kinds, "", opr_json_str(v, "", ""), reterr));
    }
    return OPR_OK;
}

static opr_status add_groups(struct opr_caller *k, struct opr_vec *kinds,
                             const struct opr_obj *groups, struct opr_error *reterr)
{
    for (const struct opr_obj *g = opr_json_first(groups); g; g = opr_json_next(g)) {
        OPR_TRY(add_group(k, kinds, g, reterr));
    }
    return OPR_OK;
}

/* /api or /apis, in whichever form it comes. */
static opr_status discover_root(struct opr_caller *k, const char *path, struct opr_vec *kinds,
                                struct opr_error *reterr)
{
    struct opr_obj *list = NULL;
    OPR_TRY(fetch(k, path, accept_aggregated, &list, reterr));
    const char *kind = opr_json_str(list, "/kind", "");
    opr_status st = OPR_OK;
    if (strcmp(kind, "APIGroupDiscoveryList") == 0) {
        add_aggregated(kinds, list);
    } else if (strcmp(kind, "APIVersions") == 0) {
        st = add_core_versions(k, kinds, opr_json_at(list, "/versions"), reterr);
    } else if (strcmp(kind, "APIGroupList") == 0) {
        st = add_groups(k, kinds, opr_json_at(list, "/groups"), reterr);
    } else {
        st = opr_error_set(reterr, OPR_E_UNSUPPORTED,
                           "discovery at %s gave a '%s'; is this an API server?", path, kind);
    }
    opr_json_unref(list);
    return st;
}

opr_status opr__discover(struct opr_caller *k, struct opr_vec *ret_kinds, struct opr_error *reterr)
{
    struct opr_vec kinds = {0};
    opr_status st = discover_root(k, "/api", &kinds, reterr);
    if (st == OPR_OK) {
        st = discover_root(k, "/apis", &kinds, reterr);
    }
    if (st != OPR_OK) {
        for (size_t i = 0; i < kinds.count; i++) {
            opr__kind_free(kinds.items[i]);
        }
        opr_vec_fini(&kinds);
        return st;
    }
    *ret_kinds = kinds;
    return OPR_OK;
}
