/* Discovery: which groups, versions and resources there are. */
#include "apiserver/http/discovery.h"

#include "core/base/alloc.h"
#include "core/base/map.h"
#include "core/base/str.h"
#include "core/net/pki.h"

#include <stdio.h>

void opr__discovery_names(struct json_object *doc, const char *member, const char *const *names)
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

struct json_object *opr__discovery_verbs(const char *text)
{
    struct json_object *list = json_object_new_array();
    struct opr_str rest = opr_str_of(text), verb;
    while (opr_str_next(&rest, ' ', &verb)) {
        json_object_array_add(list, json_object_new_string_len(verb.ptr, (int)verb.len));
    }
    return list;
}

const char *opr__discovery_verbs_of(const struct opr_kind *k)
{
    return k->is_virtual                      ? "create"
           : opr_kind_is(k, "", "namespaces") ? "create delete get list patch update watch"
                                              : "create delete deletecollection get list patch "
                                                "update watch";
}

static int by_name(const void *a, const void *b)
{
    struct json_object *const *x = a, *const *y = b;
    return strcmp(opr_doc_str(*x, "/name", ""), opr_doc_str(*y, "/name", ""));
}

/* Tells a client when the stored form of a kind becomes another one. */
static void add_storage_hash(struct json_object *d, const struct opr_kind *k)
{
    const struct opr_kind *stored = opr_api_stored_kind(k);
    struct opr_buf plain = {0}, hash = {0};
    uint8_t digest[32];
    opr_buf_printf(&plain, "%s/%s/%s", stored->group, stored->version, stored->kind);
    opr_sha256(opr_buf_str(&plain), digest);
    opr_buf_base64(&hash, digest, 8);
    json_object_object_add(d, "storageVersionHash",
                           json_object_new_string_len(hash.data, (int)hash.len));
    opr_buf_fini(&plain);
    opr_buf_fini(&hash);
}

/* Kinds that are answers only (Scale, DeleteOptions, Status) have no resource of their own. */
bool opr_kind_is_served(const struct opr_kind *k)
{
    return k->plural && *k->plural && strcmp(k->group, "meta.k8s.io") != 0 &&
           !(k->is_virtual && (strcmp(k->kind, "Scale") == 0 || strcmp(k->kind, "Eviction") == 0 ||
                               strcmp(k->kind, "TokenRequest") == 0));
}

const struct opr__sub opr__subs[] = {
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
const size_t opr__n_subs = sizeof opr__subs / sizeof *opr__subs;

static void add_plain(struct json_object *list, const struct opr_kind *k,
                      const struct opr__sub *sub)
{
    char name[256];
    struct json_object *d = json_object_new_object();
    snprintf(name, sizeof name, "%s%s%s", k->plural, sub ? "/" : "", sub ? sub->name : "");
    json_object_object_add(d, "name", json_object_new_string(name));
    json_object_object_add(d, "singularName", json_object_new_string(sub ? "" : k->singular));
    json_object_object_add(d, "namespaced", json_object_new_boolean(k->is_namespaced));
    bool is_of_other = sub && sub->kind &&
                       (strcmp(sub->group, k->group) != 0 || strcmp(sub->version, k->version) != 0);
    if (is_of_other) {
        json_object_object_add(d, "group", json_object_new_string(sub->group));
        json_object_object_add(d, "version", json_object_new_string(sub->version));
    }
    json_object_object_add(d, "kind",
                           json_object_new_string(sub && sub->kind ? sub->kind : k->kind));
    json_object_object_add(d, "verbs",
                           opr__discovery_verbs(sub ? sub->verbs : opr__discovery_verbs_of(k)));
    if (!sub) {
        opr__discovery_names(d, "shortNames", k->short_names);
        opr__discovery_names(d, "categories", k->categories);
        if (!k->is_virtual) {
            add_storage_hash(d, k);
        }
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
        for (size_t j = 0; j < opr__n_subs; j++) {
            if (k->subresources & opr__subs[j].flag) {
                add_plain(list, k, &opr__subs[j]);
            }
        }
    }
    if (is_found) {
        json_object_array_sort(list, by_name);
        opr_api_json(r, 200, d);
        return;
    }
    json_object_put(d);
    if (opr_api_has_group(r->api, r->arena, group, (struct opr_str){0})) {
        opr_api_unknown_resource(r);
    } else {
        opr_api_text(r, 404, "404 page not found\n");
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

void opr_api_discovery(struct opr_req *r, struct opr_str path)
{
    struct opr_str rest = path, part, group = {"", 0}, version = {"", 0};
    opr_str_next(&rest, '/', &part);
    opr_str_next(&rest, '/', &part);
    bool is_core = opr_str_is(part, "api");
    bool has_more = opr_str_next(&rest, '/', &group);
    if (!has_more && opr__wants_aggregated(r)) {
        opr__serve_aggregated(r, is_core);
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
