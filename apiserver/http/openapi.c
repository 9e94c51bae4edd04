/* OpenAPI documents: the v3 index, one v3 document a group version, and v2. */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/alloc.h"
#include "core/base/map.h"
#include "core/base/str.h"
#include "core/net/pki.h"

#include <malloc.h>
#include <stdio.h>

/* "api/v1" or "apis/GROUP/VERSION". */
static const char *path_of(struct opr_arena *a, const struct opr_kind *k)
{
    return *k->group ? opr_arena_printf(a, "apis/%s/%s", k->group, k->version)
                     : opr_arena_printf(a, "api/%s", k->version);
}

/* Kinds of one path, in the arena. */
static const struct opr_kind **kinds_of(struct opr_req *r, const char *path, size_t *ret_count)
{
    size_t count, n = 0;
    const struct opr_kind *const *all = opr_api_kinds(r->api, r->arena, &count);
    const struct opr_kind **found = opr_arena_alloc(r->arena, (count + 1) * sizeof *found);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(path_of(r->arena, all[i]), path) == 0) {
            found[n++] = all[i];
        }
    }
    *ret_count = n;
    return found;
}

static const char *hash_of(struct opr_req *r, struct opr_str text)
{
    uint8_t digest[32];
    char *hex = opr_arena_alloc(r->arena, 65);
    opr_sha256(text, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        snprintf(hex + i * 2, 3, "%02X", digest[i]);
    }
    return hex;
}

/* Adds what tells the state of a group's CRDs. */
static void add_crds(struct opr_req *r, const char *group, struct opr_buf *text)
{
    const struct opr_kind *kind = opr_kind_find(OPR_STR("apiextensions.k8s.io"), OPR_STR("v1"),
                                                OPR_STR("customresourcedefinitions"));
    const struct opr_obj *const *crds;
    size_t count, more;
    uint64_t revision;
    opr_store_list(r->api->store, r->arena, opr_api_key(r->arena, kind, NULL, NULL), OPR_STR(""), 0,
                   &crds, &count, &revision, &more);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(opr_json_str(crds[i], "/spec/group", ""), group) == 0) {
            opr_buf_printf(text, " %s %s", opr_meta_uid(crds[i]),
                           opr_json_str(crds[i], "/metadata/resourceVersion", ""));
        }
    }
}

/* The hash stands for the kinds that the document is made from: their names, and for custom kinds
 * the versions of their CRDs. */
static const char *version_hash(struct opr_req *r, const char *path)
{
    size_t count;
    bool has_custom = false;
    const struct opr_kind **kinds = kinds_of(r, path, &count);
    struct opr_buf text = {0};
    opr_buf_printf(&text, "%s %s", OPR_VERSION, path);
    for (size_t i = 0; i < count; i++) {
        opr_buf_printf(&text, " %s", kinds[i]->kind);
        has_custom = has_custom || kinds[i]->is_custom;
    }
    if (has_custom) {
        add_crds(r, kinds[0]->group, &text);
    }
    const char *hash = hash_of(r, opr_buf_str(&text));
    opr_buf_fini(&text);
    return hash;
}

static void serve_index(struct opr_req *r)
{
    size_t count;
    const struct opr_kind *const *all = opr_api_kinds(r->api, r->arena, &count);
    struct json_object *d = json_object_new_object(), *paths = json_object_new_object();
    json_object_object_add(d, "paths", paths);
    for (size_t i = 0; i < count; i++) {
        const char *path = path_of(r->arena, all[i]);
        if (!opr_kind_is_served(all[i]) || json_object_object_get_ex(paths, path, NULL)) {
            continue;
        }
        struct json_object *entry = json_object_new_object();
        json_object_object_add(
            entry, "serverRelativeURL",
            json_object_new_string(
                opr_arena_printf(r->arena, "/openapi/v3/%s?hash=%s", path, version_hash(r, path))));
        json_object_object_add(paths, path, entry);
    }
    opr_api_json(r, 200, d);
}

static void serve_document(struct opr_req *r, const char *path)
{
    size_t count;
    const struct opr_kind **kinds = kinds_of(r, path, &count);
    if (count == 0) {
        opr_api_text(r, 404, "404 page not found\n");
        return;
    }
    const char *given = opr_api_query(r, "hash"), *hash = version_hash(r, path);
    if (given && strcmp(given, hash) != 0) {
        opr_api_text(r, 301, "");
        opr_http_response_header(
            r->res, "Location",
            opr_str_of(opr_arena_printf(r->arena, "/openapi/v3/%s?hash=%s", path, hash)));
        return;
    }
    opr_http_response_header(r->res, "ETag",
                             opr_str_of(opr_arena_printf(r->arena, "\"%s\"", hash)));
    opr_api_json(r, 200, opr_schema_openapi_v3(kinds, count));
}

static void serve_v2(struct opr_req *r)
{
    size_t count;
    const struct opr_kind *const *all = opr_api_kinds(r->api, r->arena, &count);
    struct opr_str accept = opr_http_request_header(r->http, "accept");
    struct json_object *doc = opr_schema_openapi_v2(all, count);
    if (memmem(accept.ptr ? accept.ptr : "", accept.len, "proto-openapi", 13) &&
        !memmem(accept.ptr, accept.len, "application/json", 16)) {
        opr_api_openapi_proto(r, doc);
        return;
    }
    opr_api_json(r, 200, doc);
}

bool opr_api_serves_openapi(struct opr_req *r, struct opr_str path)
{
    if (opr_str_is(path, "/openapi/v2")) {
        serve_v2(r);
    } else if (opr_str_is(path, "/openapi/v3")) {
        serve_index(r);
    } else if (opr_str_starts(path, "/openapi/v3/")) {
        serve_document(r, opr_arena_dup(r->arena, opr_str_n(path.ptr + 12, path.len - 12)));
    } else {
        return false;
    }
    (void)malloc_trim(0); /* what a document is made from takes megabytes, for a moment */
    return true;
}
