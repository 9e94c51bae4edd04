/* Discovery: which groups, versions and resources there are; plain and aggregated (v2). */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/map.h"
#include "core/base/str.h"
#include "core/net/pki.h"

#include <stdio.h>

#define AGGREGATED "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

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

static struct json_object *verbs(const char *text)
{
    struct json_object *list = json_object_new_array();
    struct opr_str rest = opr_str_of(text), verb;
    while (opr_str_next(&rest, ' ', &verb)) {
        json_object_array_add(list, json_object_new_string_len(verb.ptr, (int)verb.len));
    }
    return list;
}

static const char *verbs_of(const struct opr_kind *k)
{
    return k->is_virtual ? "create" : "create delete deletecollection get list patch update watch";
}

/* Kinds that are answers only (Scale, DeleteOptions, Status) have no resource of their own. */
bool opr_kind_is_served(const struct opr_kind *k)
{
    return k->plural && *k->plural && strcmp(k->group, "meta.k8s.io") != 0 &&
           !(k->is_virtual && (strcmp(k->kind, "Scale") == 0 || strcmp(k->kind, "Eviction") == 0 ||
                               strcmp(k->kind, "TokenRequest") == 0));
}

struct sub {
    uint32_t flag;
    const char *name, *kind, *group, *version, *verbs; /* kind NULL: the resource's own */
};
static const struct sub subs[] = {
    {OPR_SUB_STATUS, "status", NULL, NULL, NULL, "get patch update"},
    {OPR_SUB_SCALE, "scale", "Scale", "autoscaling", "v1", "get patch update"},
    {OPR_SUB_BINDING, "binding", "Binding", "", "v1", "create"},
    {OPR_SUB_EVICTION, "eviction", "Eviction", "policy", "v1", "create"},
    {OPR_SUB_LOG, "log", NULL, NULL, NULL, "get"},
    {OPR_SUB_TOKEN, "token", "TokenRequest", "authentication.k8s.io", "v1", "create"},
    {OPR_SUB_FINALIZE, "finalize", NULL, NULL, NULL, "update"},
    {OPR_SUB_EXEC, "exec", "PodExecOptions", "", "v1", "create get"},
    {OPR_SUB_ATTACH, "attach", "PodAttachOptions", "", "v1", "create get"},
};
#define SUBS (sizeof subs / sizeof *subs)

/* -- plain ------------------------------------------------------------------------------------- */

static void add_plain(struct json_object *list, const struct opr_kind *k, const struct sub *sub)
{
    char name[256];
    struct json_object *d = json_object_new_object();
    snprintf(name, sizeof name, "%s%s%s", k->plural, sub ? "/" : "", sub ? sub->name : "");
    json_object_object_add(d, "name", json_object_new_string(name));
    json_object_object_add(d, "singularName", json_object_new_string(sub ? "" : k->singular));
    json_object_object_add(d, "namespaced", json_object_new_boolean(k->is_namespaced));
    if (sub && sub->kind) {
        json_object_object_add(d, "group", json_object_new_string(sub->group));
        json_object_object_add(d, "version", json_object_new_string(sub->version));
    }
    json_object_object_add(d, "kind",
                           json_object_new_string(sub && sub->kind ? sub->kind : k->kind));
    json_object_object_add(d, "verbs", verbs(sub ? sub->verbs : verbs_of(k)));
    if (!sub) {
        add_names(d, "shortNames", k->short_names);
        add_names(d, "categories", k->categories);
    }
    json_object_array_add(list, d);
}

static void serve_version(struct opr_req *r, struct opr_str group, struct opr_str version)
{
    size_t count;
    const struct opr_kind *const *all = opr_api_kinds(r->api, r->arena, &count);
    struct json_object *d = opr_samples_resources(group);
    if (d) {
        opr_api_json(r, 200, d);
        return;
    }
    struct json_object *list = json_object_new_array();
    d = json_object_new_object();
    opr_doc_put_str(d, "/kind", "APIResourceList");
    opr_doc_put_str(d, "/apiVersion", "v1");
    opr_doc_put_str(d, "/groupVersion",
                    group.len > 0 ? opr_arena_printf(r->arena, "%.*s/%.*s", OPR_STR_ARG(group),
                                                     OPR_STR_ARG(version))
                                  : "v1");
    json_object_object_add(d, "resources", list);
    bool is_found = false;
    for (size_t i = 0; i < count; i++) {
        const struct opr_kind *k = all[i];
        if (!opr_str_is(group, k->group) || !opr_str_is(version, k->version) ||
            !opr_kind_is_served(k)) {
            continue;
        }
        is_found = true;
        add_plain(list, k, NULL);
        for (size_t j = 0; j < SUBS; j++) {
            if (k->subresources & subs[j].flag) {
                add_plain(list, k, &subs[j]);
            }
        }
    }
    if (is_found) {
        opr_api_json(r, 200, d);
    } else {
        opr_api_text(r, 404, "404 page not found\n");
        json_object_put(d);
    }
}

/* Names of all groups but core, in order, each with its versions. */
static struct json_object *groups_of(struct opr_req *r)
{
    size_t count;
    const struct opr_kind *const *all = opr_api_kinds(r->api, r->arena, &count);
    struct json_object *groups = json_object_new_array();
    struct opr_map *seen = opr_map_new();
    for (size_t i = 0; i < count; i++) {
        const struct opr_kind *k = all[i];
        if (!*k->group || !opr_kind_is_served(k)) {
            continue;
        }
        struct json_object *group = opr_map_get(seen, opr_str_of(k->group));
        const char *full = opr_arena_printf(r->arena, "%s/%s", k->group, k->version);
        if (!group) {
            group = json_object_new_object();
            opr_doc_put_str(group, "/name", k->group);
            json_object_object_add(group, "versions", json_object_new_array());
            opr_doc_put_str(group, "/preferredVersion/groupVersion", full);
            opr_doc_put_str(group, "/preferredVersion/version", k->version);
            json_object_array_add(groups, group);
            opr_map_put(seen, opr_str_of(k->group), group);
        }
        struct json_object *versions = opr_doc_at(group, "/versions");
        bool is_known = false;
        for (size_t j = 0; j < json_object_array_length(versions); j++) {
            is_known = is_known || strcmp(opr_doc_str(json_object_array_get_idx(versions, j),
                                                      "/groupVersion", ""),
                                          full) == 0;
        }
        if (!is_known) {
            struct json_object *v = json_object_new_object();
            opr_doc_put_str(v, "/groupVersion", full);
            opr_doc_put_str(v, "/version", k->version);
            json_object_array_add(versions, v);
        }
    }
    opr_map_free(seen, NULL);
    return groups;
}

static void add_sample_groups(struct json_object *groups)
{
    struct json_object *own = opr_samples_groups();
    for (size_t i = 0; i < json_object_array_length(own); i++) {
        struct json_object *from = json_object_array_get_idx(own, i);
        const char *name = opr_doc_str(from, "/metadata/name", "");
        const char *version = opr_doc_str(from, "/versions/0/version", "");
        char full[128];
        snprintf(full, sizeof full, "%s/%s", name, version);
        struct json_object *group = json_object_new_object();
        opr_doc_put_str(group, "/name", name);
        opr_doc_put_str(group, "/versions/-/groupVersion", full);
        opr_doc_put_str(group, "/versions/0/version", version);
        opr_doc_put_str(group, "/preferredVersion/groupVersion", full);
        opr_doc_put_str(group, "/preferredVersion/version", version);
        json_object_array_add(groups, group);
    }
    json_object_put(own);
}

static void serve_groups(struct opr_req *r, struct opr_str wanted)
{
    struct json_object *groups = groups_of(r);
    add_sample_groups(groups);
    if (wanted.len == 0) {
        struct json_object *d = json_object_new_object();
        opr_doc_put_str(d, "/kind", "APIGroupList");
        opr_doc_put_str(d, "/apiVersion", "v1");
        json_object_object_add(d, "groups", groups);
        opr_api_json(r, 200, d);
        return;
    }
    for (size_t i = 0; i < json_object_array_length(groups); i++) {
        struct json_object *group = json_object_array_get_idx(groups, i);
        if (opr_str_is(wanted, opr_doc_str(group, "/name", ""))) {
            opr_doc_put_str(group, "/kind", "APIGroup");
            opr_doc_put_str(group, "/apiVersion", "v1");
            opr_api_json(r, 200, json_object_get(group));
            json_object_put(groups);
            return;
        }
    }
    json_object_put(groups);
    opr_api_text(r, 404, "404 page not found\n");
}

/* -- aggregated -------------------------------------------------------------------------------- */

static struct json_object *response_kind(const struct opr_kind *k, const struct sub *sub)
{
    bool is_other = sub && sub->kind;
    struct json_object *d = json_object_new_object();
    opr_doc_put_str(d, "/group", is_other ? sub->group : k->group);
    opr_doc_put_str(d, "/version", is_other ? sub->version : k->version);
    opr_doc_put_str(d, "/kind", is_other ? sub->kind : k->kind);
    return d;
}

static struct json_object *aggregated_resource(const struct opr_kind *k)
{
    struct json_object *d = json_object_new_object();
    json_object_object_add(d, "resource", json_object_new_string(k->plural));
    json_object_object_add(d, "responseKind", response_kind(k, NULL));
    json_object_object_add(d, "scope",
                           json_object_new_string(k->is_namespaced ? "Namespaced" : "Cluster"));
    json_object_object_add(d, "singularResource", json_object_new_string(k->singular));
    json_object_object_add(d, "verbs", verbs(verbs_of(k)));
    add_names(d, "shortNames", k->short_names);
    add_names(d, "categories", k->categories);
    struct json_object *list = json_object_new_array();
    for (size_t j = 0; j < SUBS; j++) {
        if (k->subresources & subs[j].flag) {
            struct json_object *s = json_object_new_object();
            json_object_object_add(s, "subresource", json_object_new_string(subs[j].name));
            json_object_object_add(s, "responseKind", response_kind(k, &subs[j]));
            json_object_object_add(s, "verbs", verbs(subs[j].verbs));
            json_object_array_add(list, s);
        }
    }
    if (json_object_array_length(list) > 0) {
        json_object_object_add(d, "subresources", list);
    } else {
        json_object_put(list);
    }
    return d;
}

/* The version entry of a group, made where it is not there yet. */
static struct json_object *version_entry(struct json_object *items, const struct opr_kind *k)
{
    struct json_object *group = NULL;
    for (size_t i = 0; i < json_object_array_length(items); i++) {
        struct json_object *g = json_object_array_get_idx(items, i);
        group = strcmp(opr_doc_str(g, "/metadata/name", ""), k->group) == 0 ? g : group;
    }
    if (!group) {
        group = json_object_new_object();
        json_object_object_add(group, "metadata", json_object_new_object());
        if (*k->group) {
            opr_doc_put_str(group, "/metadata/name", k->group);
        }
        json_object_object_add(group, "versions", json_object_new_array());
        json_object_array_add(items, group);
    }
    struct json_object *versions = opr_doc_at(group, "/versions");
    for (size_t i = 0; i < json_object_array_length(versions); i++) {
        struct json_object *v = json_object_array_get_idx(versions, i);
        if (strcmp(opr_doc_str(v, "/version", ""), k->version) == 0) {
            return v;
        }
    }
    struct json_object *v = json_object_new_object();
    opr_doc_put_str(v, "/version", k->version);
    json_object_object_add(v, "resources", json_object_new_array());
    opr_doc_put_str(v, "/freshness", "Current");
    json_object_array_add(versions, v);
    return v;
}

static void serve_aggregated(struct opr_req *r, bool is_core)
{
    size_t count;
    const struct opr_kind *const *all = opr_api_kinds(r->api, r->arena, &count);
    struct json_object *items = json_object_new_array();
    for (size_t i = 0; i < count; i++) {
        if (opr_kind_is_served(all[i]) && (*all[i]->group == '\0') == is_core) {
            json_object_array_add(opr_doc_at(version_entry(items, all[i]), "/resources"),
                                  aggregated_resource(all[i]));
        }
    }
    if (!is_core) {
        struct json_object *own = opr_samples_groups();
        for (size_t i = 0; i < json_object_array_length(own); i++) {
            json_object_array_add(items, json_object_get(json_object_array_get_idx(own, i)));
        }
        json_object_put(own);
    }
    struct json_object *d = json_object_new_object();
    opr_doc_put_str(d, "/kind", "APIGroupDiscoveryList");
    opr_doc_put_str(d, "/apiVersion", "apidiscovery.k8s.io/v2");
    json_object_object_add(d, "metadata", json_object_new_object());
    json_object_object_add(d, "items", items);
    opr_doc_write(&r->res->body, d);
    json_object_put(d);
    uint8_t digest[32];
    char tag[68] = "\"";
    opr_sha256(opr_buf_str(&r->res->body), digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        snprintf(tag + 1 + i * 2, 3, "%02X", digest[i]);
    }
    tag[65] = '"';
    r->res->status = 200;
    if (opr_str_is(opr_http_request_header(r->http, "if-none-match"), tag)) {
        r->res->status = 304;
        opr_buf_clear(&r->res->body);
    }
    opr_http_response_header(r->res, "Content-Type", OPR_STR(AGGREGATED));
    opr_http_response_header(r->res, "Vary", OPR_STR("Accept"));
    opr_http_response_header(r->res, "ETag", opr_str_of(opr_arena_dup(r->arena, opr_str_of(tag))));
}

/* True where the first acceptable form is the aggregated v2. */
static bool wants_aggregated(struct opr_req *r)
{
    struct opr_str rest = opr_http_request_header(r->http, "accept"), part;
    while (opr_str_next(&rest, ',', &part)) {
        if (memmem(part.ptr, part.len, "as=APIGroupDiscoveryList", 24)) {
            if (memmem(part.ptr, part.len, "v=v2;", 5) || opr_str_ends(part, "v=v2")) {
                return true;
            }
        } else if (opr_str_starts(opr_str_trim(part), "application/json")) {
            return false;
        }
    }
    return false;
}

void opr_api_discovery(struct opr_req *r, struct opr_str path)
{
    struct opr_str rest = path, part, group = {"", 0}, version = {"", 0};
    opr_str_next(&rest, '/', &part);
    opr_str_next(&rest, '/', &part);
    bool is_core = opr_str_is(part, "api");
    bool has_more = opr_str_next(&rest, '/', &group);
    if (!has_more && wants_aggregated(r)) {
        serve_aggregated(r, is_core);
    } else if (!has_more && is_core) {
        struct json_object *d = json_object_new_object();
        opr_doc_put_str(d, "/kind", "APIVersions");
        opr_doc_put_str(d, "/versions/-", "v1");
        opr_doc_put_str(d, "/serverAddressByClientCIDRs/-/clientCIDR", "0.0.0.0/0");
        opr_doc_put_str(d, "/serverAddressByClientCIDRs/0/serverAddress", "");
        opr_api_json(r, 200, d);
    } else if (!has_more) {
        serve_groups(r, opr_str_n("", 0));
    } else if (is_core) {
        serve_version(r, opr_str_n("", 0), group);
    } else if (opr_str_next(&rest, '/', &version)) {
        serve_version(r, group, version);
    } else {
        serve_groups(r, group);
    }
}
