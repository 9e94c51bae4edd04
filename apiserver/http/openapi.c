/* OpenAPI documents: the index of version 3 with a hash for each group version, its documents, and
 * version 2. A document is made when it is asked for and not kept: clients keep it by its hash. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/map.h"
#include "core/base/str.h"
#include "core/net/pki.h"

#include <malloc.h>

static const char *hex(struct opr_req *r, struct opr_str text)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[32];
    char *out = opr_arena_alloc(r->arena, 65);
    opr_sha256(text, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    return out;
}

void opr_api_cacheable(struct opr_req *r, const char *content_type, const char *cache_control,
                       struct opr_buf *take_text)
{
    const char *tag = opr_arena_printf(r->arena, "\"%s\"", hex(r, opr_buf_str(take_text)));
    opr_api_header(r, "ETag", opr_str_of(tag), true);
    opr_api_header(r, "Cache-Control", opr_str_of(cache_control), true);
    if (opr_str_is(opr_http_request_header(r->http, "if-none-match"), tag)) {
        opr_buf_fini(take_text);
        r->res->status = 304;
        return;
    }
    r->res->status = 200;
    opr_buf_fini(&r->res->body);
    r->res->body = *take_text;
    *take_text = (struct opr_buf){0};
    opr_api_header(r, "Content-Type", opr_str_of(content_type), true);
}

/* Served kinds, those of one group version where group is given. */
static const struct opr_kind **kinds_of(struct opr_req *r, const char *group, const char *version,
                                        size_t *ret_count)
{
    size_t count, n = 0;
    const struct opr_kind *const *all = opr_api_kinds(r->api, r->arena, &count);
    const struct opr_kind **some = opr_arena_alloc(r->arena, (count + 1) * sizeof *some);
    for (size_t i = 0; i < count; i++) {
        if (opr_kind_is_served(all[i]) &&
            (!group || (strcmp(all[i]->group, group) == 0 && !strcmp(all[i]->version, version)))) {
            some[n++] = all[i];
        }
    }
    *ret_count = n;
    return some;
}

static bool write_v3(struct opr_req *r, const char *group, const char *version,
                     struct opr_buf *text)
{
    size_t count;
    const struct opr_kind **kinds = kinds_of(r, group, version, &count);
    if (count == 0) {
        return false;
    }
    struct json_object *doc = opr_schema_openapi_v3(kinds, count);
    opr_doc_write(text, doc);
    json_object_put(doc);
    return true;
}

/* "api/v1" or "apis/G/V". */
static const char *document_name(struct opr_req *r, const struct opr_kind *k)
{
    return *k->group ? opr_arena_printf(r->arena, "apis/%s/%s", k->group, k->version)
                     : opr_arena_printf(r->arena, "api/%s", k->version);
}

/* Hashes of the built-in groups are kept for good; those of custom kinds are made anew. */
static const char *hash_of(struct opr_req *r, const struct opr_kind *k, const char *name)
{
    struct opr_apiserver *s = r->api;
    pthread_mutex_lock(&s->openapi_lock);
    const char *kept = opr_map_get(s->openapi_hashes, opr_str_of(name));
    pthread_mutex_unlock(&s->openapi_lock);
    if (kept) {
        return kept;
    }
    struct opr_buf text = {0};
    (void)write_v3(r, k->group, k->version, &text); /* the group has this kind */
    const char *hash = hex(r, opr_buf_str(&text));
    opr_buf_fini(&text);
    pthread_mutex_lock(&s->openapi_lock);
    if (!k->is_custom && !opr_map_get(s->openapi_hashes, opr_str_of(name))) {
        (void)opr_map_put(s->openapi_hashes, opr_str_of(name), opr_xstrdup(hash)); /* was absent */
    }
    pthread_mutex_unlock(&s->openapi_lock);
    return hash;
}

static void serve_index(struct opr_req *r)
{
    size_t count;
    const struct opr_kind **kinds = kinds_of(r, NULL, NULL, &count);
    struct json_object *d = json_object_new_object(), *paths = json_object_new_object();
    for (size_t i = 0; i < count; i++) {
        const char *name = document_name(r, kinds[i]);
        if (json_object_object_get_ex(paths, name, NULL)) {
            continue;
        }
        struct json_object *entry = json_object_new_object();
        json_object_object_add(entry, "serverRelativeURL",
                               json_object_new_string(opr_arena_printf(
                                   r->arena, "/openapi/v3/%s?hash=%s", name,
                                   hash_of(r, kinds[i], name))));
        json_object_object_add(paths, name, entry);
    }
    json_object_object_add(d, "paths", paths);
    struct opr_buf text = {0};
    opr_doc_write(&text, d);
    json_object_put(d);
    opr_api_cacheable(r, "text/plain; charset=utf-8", "no-cache, private", &text);
    malloc_trim(0); /* the documents were large */
}

static bool serve_v3(struct opr_req *r, struct opr_str path)
{
    struct opr_str rest = path, first, group = OPR_STR(""), version;
    struct opr_buf text = {0};
    bool is_named = opr_str_next(&rest, '/', &first) &&
                    (opr_str_is(first, "api") ||
                     (opr_str_is(first, "apis") && opr_str_next(&rest, '/', &group))) &&
                    opr_str_next(&rest, '/', &version) && rest.len == 0;
    if (!is_named || !write_v3(r, opr_arena_dup(r->arena, group), opr_arena_dup(r->arena, version),
                               &text)) {
        return false;
    }
    const char *hash = opr_api_query(r, "hash"), *now = hex(r, opr_buf_str(&text));
    if (hash && *hash && strcmp(hash, now) != 0) {
        opr_buf_fini(&text);
        r->res->status = 301;
        opr_api_header(r, "Location",
                       opr_str_of(opr_arena_printf(r->arena, "/openapi/v3/%.*s?hash=%s",
                                                   OPR_STR_ARG(path), now)),
                       true);
        return true;
    }
    opr_api_cacheable(r, "application/json",
                      hash && *hash ? "public, immutable, max-age=31536000" : "no-cache, private",
                      &text);
    malloc_trim(0);
    return true;
}

static void serve_v2(struct opr_req *r)
{
    size_t count;
    const struct opr_kind **kinds = kinds_of(r, NULL, NULL, &count);
    struct json_object *doc = opr_schema_openapi_v2(kinds, count);
    struct opr_buf text = {0};
    opr_doc_write(&text, doc);
    json_object_put(doc);
    opr_api_cacheable(r, "application/json", "no-cache, private", &text);
    malloc_trim(0);
}

bool opr_api_openapi(struct opr_req *r)
{
    static const char prefix[] = "/openapi/v3/";
    struct opr_str path = r->http->path;
    if (!opr_str_is(r->http->method, "GET")) {
        return false;
    }
    if (opr_str_is(path, "/openapi/v3")) {
        serve_index(r);
        return true;
    }
    if (opr_str_is(path, "/openapi/v2")) {
        serve_v2(r);
        return true;
    }
    size_t len = sizeof prefix - 1;
    return opr_str_starts(path, prefix) &&
           serve_v3(r, opr_str_n(path.ptr + len, path.len - len));
}
