/* Aggregated discovery (apidiscovery.k8s.io/v2): all groups in one answer. */
#include "apiserver/http/discovery.h"

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/net/pki.h"

#include <stdio.h>

#define AGGREGATED "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

static int by_resource(const void *a, const void *b)
{
    struct json_object *const *x = a, *const *y = b;
    int order = strcmp(opr_doc_str(*x, "/resource", ""), opr_doc_str(*y, "/resource", ""));
    return order != 0
               ? order
               : strcmp(opr_doc_str(*x, "/subresource", ""), opr_doc_str(*y, "/subresource", ""));
}

static struct json_object *response_kind(const struct opr_kind *k, const struct opr__sub *sub)
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
    json_object_object_add(d, "verbs", opr__discovery_verbs(opr__discovery_verbs_of(k)));
    opr__discovery_names(d, "shortNames", k->short_names);
    opr__discovery_names(d, "categories", k->categories);
    struct json_object *list = json_object_new_array();
    for (size_t j = 0; j < opr__n_subs; j++) {
        if (k->subresources & opr__subs[j].flag) {
            struct json_object *s = json_object_new_object();
            json_object_object_add(s, "subresource", json_object_new_string(opr__subs[j].name));
            json_object_object_add(s, "responseKind", response_kind(k, &opr__subs[j]));
            json_object_object_add(s, "verbs", opr__discovery_verbs(opr__subs[j].verbs));
            json_object_array_add(list, s);
        }
    }
    if (json_object_array_length(list) > 0) {
        json_object_array_sort(list, by_resource);
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

static void sort_resources(struct json_object *items)
{
    for (size_t i = 0; i < json_object_array_length(items); i++) {
        struct json_object *versions = opr_doc_at(json_object_array_get_idx(items, i), "/versions");
        for (size_t j = 0; j < json_object_array_length(versions); j++) {
            json_object_array_sort(opr_doc_at(json_object_array_get_idx(versions, j), "/resources"),
                                   by_resource);
        }
    }
}

void opr__serve_aggregated(struct opr_req *r, bool is_core)
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
    sort_resources(items);
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
    opr_api_header(r, "Cache-Control", OPR_STR("public"));
    opr_http_response_header(r->res, "Vary", OPR_STR("Accept"));
    opr_http_response_header(r->res, "ETag", opr_str_of(opr_arena_dup(r->arena, opr_str_of(tag))));
}

/* True where the first acceptable form is the aggregated v2. */
bool opr__wants_aggregated(struct opr_req *r)
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
