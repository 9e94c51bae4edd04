/* Which groups, versions and resources there are: the aggregated form (apidiscovery.k8s.io/v2) and
 * the plain ones. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/base/vec.h"

#include <stdio.h>
#include <stdlib.h>

#define AGGREGATED "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

bool opr_kind_is_served(const struct opr_kind *k)
{
    size_t len = strlen(k->kind);
    return !k->is_virtual || (len > 6 && strcmp(k->kind + len - 6, "Review") == 0);
}

/* -- subresources ------------------------------------------------------------------------------ */

static const struct sub {
    uint32_t flag;
    const char *name;
    const char *group, *version, *kind; /* of its body; kind NULL: the resource's own */
    const char *verbs;
} subs[] = {
    {OPR_SUB_BINDING, "binding", "", "v1", "Binding", "create"},
    {OPR_SUB_EVICTION, "eviction", "policy", "v1", "Eviction", "create"},
    {OPR_SUB_FINALIZE, "finalize", NULL, NULL, NULL, "update"},
    {OPR_SUB_LOG, "log", NULL, NULL, NULL, "get"},
    {OPR_SUB_SCALE, "scale", "autoscaling", "v1", "Scale", "get patch update"},
    {OPR_SUB_STATUS, "status", NULL, NULL, NULL, "get patch update"},
    {OPR_SUB_TOKEN, "token", "authentication.k8s.io", "v1", "TokenRequest", "create"},
};
#define SUBS (sizeof subs / sizeof *subs)

static const char *verbs_of(const struct opr_kind *k)
{
    return k->is_virtual ? "create" : "create delete deletecollection get list patch update watch";
}

static struct json_object *words(const char *text)
{
    struct json_object *list = json_object_new_array();
    struct opr_str rest = opr_str_of(text), word;
    while (opr_str_next(&rest, ' ', &word)) {
        json_object_array_add(list, json_object_new_string_len(word.ptr, (int)word.len));
    }
    return list;
}

static void add_names(struct json_object *doc, const char *member, const char *const *names)
{
    if (!names || !names[0]) {
        return;
    }
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; names[i]; i++) {
        json_object_array_add(list, json_object_new_string(names[i]));
    }
    json_object_object_add(doc, member, list);
}

static void add_text(struct json_object *doc, const char *member, const char *text)
{
    json_object_object_add(doc, member, json_object_new_string(text));
}

/* -- groups ------------------------------------------------------------------------------------ */

struct catalog {
    const struct opr_kind *const *kinds; /* all; of the arena */
    size_t count;
};

static struct catalog catalog_of(struct opr_req *r)
{
    struct catalog c;
    c.kinds = opr_api_kinds(r->api, r->arena, &c.count);
    return c;
}

static bool is_shown(const struct opr_kind *k, const char *group, const char *version)
{
    return opr_kind_is_served(k) && (!group || strcmp(k->group, group) == 0) &&
           (!version || strcmp(k->version, version) == 0);
}

/* The first kind of each group, in the catalog's order; the core group is left out. */
static struct opr_vec groups_of(const struct catalog *c)
{
    struct opr_vec groups = {0};
    for (size_t i = 0; i < c->count; i++) {
        bool is_new = *c->kinds[i]->group && is_shown(c->kinds[i], NULL, NULL);
        for (size_t j = 0; j < groups.count && is_new; j++) {
            is_new = strcmp(groups.items[j], c->kinds[i]->group) != 0;
        }
        if (is_new) {
            opr_vec_push(&groups, (void *)(uintptr_t)c->kinds[i]->group);
        }
    }
    return groups;
}

/* Kubernetes' order of versions: v2, v1, v1beta2, v1beta1, v1alpha1, then the others by name. */
static long version_rank(const char *v, int *ret_stage)
{
    char stage[8] = "";
    long major = 0, minor = 0;
    int used = 0;
    if (sscanf(v, "v%ld%n", &major, &used) != 1) {
        *ret_stage = 3;
        return 0;
    }
    if (v[used] == '\0') {
        *ret_stage = 0;
        return major * 1000;
    }
    int n = sscanf(v + used, "%5[a-z]%ld", stage, &minor);
    *ret_stage = n == 2 && strcmp(stage, "beta") == 0    ? 1
                 : n == 2 && strcmp(stage, "alpha") == 0 ? 2
                                                         : 3;
    return major * 1000 + minor;
}

static int compare_versions(const void *a, const void *b)
{
    const char *x = a, *y = b;
    int stage_x, stage_y;
    long rank_x = version_rank(x, &stage_x), rank_y = version_rank(y, &stage_y);
    if (stage_x != stage_y) {
        return stage_x - stage_y;
    }
    if (rank_x != rank_y && stage_x != 3) {
        return rank_x > rank_y ? -1 : 1;
    }
    return strcmp(x, y);
}

static struct opr_vec versions_of(const struct catalog *c, const char *group)
{
    struct opr_vec versions = {0};
    for (size_t i = 0; i < c->count; i++) {
        bool is_new = is_shown(c->kinds[i], group, NULL);
        for (size_t j = 0; j < versions.count && is_new; j++) {
            is_new = strcmp(versions.items[j], c->kinds[i]->version) != 0;
        }
        if (is_new) {
            opr_vec_push(&versions, (void *)(uintptr_t)c->kinds[i]->version);
        }
    }
    opr_vec_sort(&versions, compare_versions);
    return versions;
}

/* -- the aggregated form ----------------------------------------------------------------------- */

static struct json_object *response_kind(const char *group, const char *version, const char *kind)
{
    struct json_object *d = json_object_new_object();
    add_text(d, "group", group);
    add_text(d, "version", version);
    add_text(d, "kind", kind);
    return d;
}

static struct json_object *aggregated_resource(const struct opr_kind *k)
{
    struct json_object *d = json_object_new_object(), *list = json_object_new_array();
    add_text(d, "resource", k->plural);
    json_object_object_add(d, "responseKind", response_kind(k->group, k->version, k->kind));
    add_text(d, "scope", k->is_namespaced ? "Namespaced" : "Cluster");
    add_text(d, "singularResource", k->singular);
    json_object_object_add(d, "verbs", words(verbs_of(k)));
    add_names(d, "shortNames", k->short_names);
    add_names(d, "categories", k->categories);
    for (size_t i = 0; i < SUBS; i++) {
        const struct sub *s = &subs[i];
        if (!(k->subresources & s->flag)) {
            continue;
        }
        struct json_object *sub = json_object_new_object();
        add_text(sub, "subresource", s->name);
        json_object_object_add(sub, "responseKind",
                               s->kind ? response_kind(s->group, s->version, s->kind)
                                       : response_kind(k->group, k->version, k->kind));
        json_object_object_add(sub, "verbs", words(s->verbs));
        json_object_array_add(list, sub);
    }
    if (json_object_array_length(list) > 0) {
        json_object_object_add(d, "subresources", list);
    } else {
        json_object_put(list);
    }
    return d;
}

static struct json_object *aggregated_group(const struct catalog *c, const char *group)
{
    struct json_object *d = json_object_new_object(), *meta = json_object_new_object();
    struct json_object *list = json_object_new_array();
    struct opr_vec versions = versions_of(c, group);
    add_text(meta, "name", group);
    json_object_object_add(meta, "creationTimestamp", NULL);
    json_object_object_add(d, "metadata", meta);
    for (size_t i = 0; i < versions.count; i++) {
        struct json_object *v = json_object_new_object(), *resources = json_object_new_array();
        for (size_t j = 0; j < c->count; j++) {
            if (is_shown(c->kinds[j], group, versions.items[i])) {
                json_object_array_add(resources, aggregated_resource(c->kinds[j]));
            }
        }
        add_text(v, "version", versions.items[i]);
        json_object_object_add(v, "resources", resources);
        add_text(v, "freshness", "Current");
        json_object_array_add(list, v);
    }
    json_object_object_add(d, "versions", list);
    opr_vec_fini(&versions);
    return d;
}

static void serve_aggregated(struct opr_req *r, bool is_core)
{
    struct catalog c = catalog_of(r);
    struct json_object *d = json_object_new_object();
    struct json_object *items = is_core ? json_object_new_array() : opr_samples_groups();
    struct opr_buf text = {0};
    if (is_core) {
        json_object_array_add(items, aggregated_group(&c, ""));
    } else {
        struct opr_vec groups = groups_of(&c);
        for (size_t i = 0; i < groups.count; i++) {
            json_object_array_add(items, aggregated_group(&c, groups.items[i]));
        }
        opr_vec_fini(&groups);
    }
    add_text(d, "kind", "APIGroupDiscoveryList");
    add_text(d, "apiVersion", "apidiscovery.k8s.io/v2");
    json_object_object_add(d, "metadata", json_object_new_object());
    json_object_object_add(d, "items", items);
    opr_doc_write(&text, d);
    json_object_put(d);
    opr_api_header(r, "Vary", OPR_STR("Accept"), true);
    opr_api_cacheable(r, AGGREGATED, "public", &text);
}

/* -- the plain forms --------------------------------------------------------------------------- */

static struct json_object *plain_doc(const char *kind, const char *api_version)
{
    struct json_object *d = json_object_new_object();
    add_text(d, "kind", kind);
    if (api_version) {
        add_text(d, "apiVersion", api_version);
    }
    return d;
}

static void serve_core_versions(struct opr_req *r)
{
    struct json_object *d = plain_doc("APIVersions", NULL);
    json_object_object_add(d, "versions", words("v1"));
    json_object_object_add(d, "serverAddressByClientCIDRs", json_object_new_array());
    opr_api_json(r, 200, d);
}

static struct json_object *group_version(const char *group, const char *version)
{
    struct json_object *d = json_object_new_object();
    char text[256];
    snprintf(text, sizeof text, "%s/%s", group, version);
    add_text(d, "groupVersion", text);
    add_text(d, "version", version);
    return d;
}

/* versions: names, the preferred one first. */
static struct json_object *plain_group(const char *group, void *const *versions, size_t count)
{
    struct json_object *d = json_object_new_object(), *list = json_object_new_array();
    for (size_t i = 0; i < count; i++) {
        json_object_array_add(list, group_version(group, versions[i]));
    }
    add_text(d, "name", group);
    json_object_object_add(d, "versions", list);
    json_object_object_add(d, "preferredVersion", group_version(group, versions[0]));
    return d;
}

/* The groups of the measurements, which have no kinds of their own. */
static void add_sample_groups(struct json_object *groups)
{
    struct json_object *found = opr_samples_groups();
    for (size_t i = 0; i < json_object_array_length(found); i++) {
        struct json_object *g = json_object_array_get_idx(found, i);
        void *version = (void *)(uintptr_t)opr_doc_str(g, "/versions/0/version", "");
        json_object_array_add(groups,
                              plain_group(opr_doc_str(g, "/metadata/name", ""), &version, 1));
    }
    json_object_put(found);
}

static struct json_object *all_groups(struct opr_req *r)
{
    struct catalog c = catalog_of(r);
    struct json_object *list = json_object_new_array();
    struct opr_vec groups = groups_of(&c);
    for (size_t i = 0; i < groups.count; i++) {
        struct opr_vec versions = versions_of(&c, groups.items[i]);
        json_object_array_add(list, plain_group(groups.items[i], versions.items, versions.count));
        opr_vec_fini(&versions);
    }
    opr_vec_fini(&groups);
    add_sample_groups(list);
    return list;
}

static void serve_groups(struct opr_req *r)
{
    struct json_object *d = plain_doc("APIGroupList", "v1");
    json_object_object_add(d, "groups", all_groups(r));
    opr_api_json(r, 200, d);
}

static bool serve_group(struct opr_req *r, struct opr_str group)
{
    struct json_object *all = all_groups(r);
    bool is_found = false;
    for (size_t i = 0; i < json_object_array_length(all) && !is_found; i++) {
        struct json_object *g = json_object_array_get_idx(all, i);
        if (opr_str_is(group, opr_doc_str(g, "/name", ""))) {
            struct json_object *d = opr_doc_dup(g);
            add_text(d, "kind", "APIGroup");
            add_text(d, "apiVersion", "v1");
            opr_api_json(r, 200, d);
            is_found = true;
        }
    }
    json_object_put(all);
    return is_found;
}

static void add_plain_resource(struct json_object *list, const struct opr_kind *k)
{
    struct json_object *d = json_object_new_object();
    char name[256];
    add_text(d, "name", k->plural);
    add_text(d, "singularName", k->singular);
    json_object_object_add(d, "namespaced", json_object_new_boolean(k->is_namespaced));
    add_text(d, "kind", k->kind);
    json_object_object_add(d, "verbs", words(verbs_of(k)));
    add_names(d, "shortNames", k->short_names);
    add_names(d, "categories", k->categories);
    json_object_array_add(list, d);
    for (size_t i = 0; i < SUBS; i++) {
        const struct sub *s = &subs[i];
        if (!(k->subresources & s->flag)) {
            continue;
        }
        d = json_object_new_object();
        snprintf(name, sizeof name, "%s/%s", k->plural, s->name);
        add_text(d, "name", name);
        add_text(d, "singularName", "");
        json_object_object_add(d, "namespaced", json_object_new_boolean(k->is_namespaced));
        if (s->kind && *s->group) {
            add_text(d, "group", s->group);
        }
        if (s->kind) {
            add_text(d, "version", s->version);
        }
        add_text(d, "kind", s->kind ? s->kind : k->kind);
        json_object_object_add(d, "verbs", words(s->verbs));
        json_object_array_add(list, d);
    }
}

static bool serve_resources(struct opr_req *r, struct opr_str group, struct opr_str version)
{
    struct catalog c = catalog_of(r);
    const char *g = opr_arena_dup(r->arena, group), *v = opr_arena_dup(r->arena, version);
    struct json_object *samples = opr_samples_resources(group);
    const char *whole = group.len > 0 ? opr_arena_printf(r->arena, "%s/%s", g, v) : v;
    if (samples && strcmp(opr_doc_str(samples, "/groupVersion", ""), whole) == 0) {
        opr_api_json(r, 200, samples);
        return true;
    }
    json_object_put(samples);
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < c.count; i++) {
        if (is_shown(c.kinds[i], g, v)) {
            add_plain_resource(list, c.kinds[i]);
        }
    }
    if (json_object_array_length(list) == 0) {
        json_object_put(list);
        return false;
    }
    struct json_object *d = plain_doc("APIResourceList", group.len > 0 ? "v1" : NULL);
    add_text(d, "groupVersion", whole);
    json_object_object_add(d, "resources", list);
    opr_api_json(r, 200, d);
    return true;
}

static bool wants_aggregated(struct opr_req *r)
{
    struct opr_str rest = opr_http_request_header(r->http, "accept"), part, parameter;
    while (opr_str_next(&rest, ',', &part)) {
        bool is_list = false, is_v2 = false;
        while (opr_str_next(&part, ';', &parameter)) {
            parameter = opr_str_trim(parameter);
            is_list = is_list || opr_str_is(parameter, "as=APIGroupDiscoveryList");
            is_v2 = is_v2 || opr_str_is(parameter, "v=v2");
        }
        if (is_list && is_v2) {
            return true;
        }
    }
    return false;
}

bool opr_api_discovery(struct opr_req *r)
{
    struct opr_str rest = r->http->path, part, parts[4] = {{0}};
    size_t count = 0;
    while (opr_str_next(&rest, '/', &part)) {
        if (part.len > 0 && count == 4) {
            return false;
        }
        if (part.len > 0) {
            parts[count++] = part;
        }
    }
    bool is_core = count > 0 && opr_str_is(parts[0], "api");
    if (!opr_str_is(r->http->method, "GET") || count == 0 ||
        (!is_core && !opr_str_is(parts[0], "apis"))) {
        return false;
    }
    if (count == 1 && wants_aggregated(r)) {
        serve_aggregated(r, is_core);
    } else if (count == 1 && is_core) {
        serve_core_versions(r);
    } else if (count == 1) {
        serve_groups(r);
    } else if (count == 2) {
        return is_core ? serve_resources(r, OPR_STR(""), parts[1]) : serve_group(r, parts[1]);
    } else {
        return count == 3 && !is_core && serve_resources(r, parts[1], parts[2]);
    }
    return true;
}
