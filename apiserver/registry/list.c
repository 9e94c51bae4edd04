/* GET of an object and of a collection. */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdio.h>

void opr_api_get(struct opr_req *r)
{
    struct opr_obj *obj =
        opr_store_get(r->api->store, opr_api_key(r->arena, r->kind, r->ns, r->name));
    if (!obj) {
        opr_api_not_found(r, r->plural, r->name);
        return;
    }
    opr_api_object(r, 200, obj);
    opr_json_unref(obj);
}

/* -- continue tokens: base64 of {"v":"meta.k8s.io/v1","rv":N,"start":"ns/name\0"} ---------------
 */

static const char *make_token(struct opr_req *r, const char *start, int64_t revision)
{
    struct opr_buf plain = {0}, token = {0};
    opr_buf_printf(&plain, "{\"v\":\"meta.k8s.io/v1\",\"rv\":%lld,\"start\":", (long long)revision);
    opr_buf_add_json(&plain, opr_str_n(start, strlen(start) + 1));
    opr_buf_add_char(&plain, '}');
    opr_buf_base64(&token, plain.data, plain.len);
    const char *text = opr_arena_dup(r->arena, opr_buf_str(&token));
    opr_buf_fini(&plain);
    opr_buf_fini(&token);
    return text;
}

struct position {
    const char *start; /* of the token: "ns/name" */
    struct opr_str after;
    int64_t rv; /* negative: the present, as it is */
};

/* Where a continued list goes on. */
static opr_status read_token(struct opr_req *r, const char *token, struct position *ret)
{
    struct opr_buf plain = {0};
    struct opr_obj *obj = NULL;
    const char *start = NULL;
    if (opr_buf_unbase64(&plain, opr_str_of(token)) == OPR_OK &&
        opr_json_parse(opr_buf_str(&plain), &obj, NULL) == OPR_OK) {
        start = opr_json_str(obj, "/start", NULL);
        ret->rv = opr_json_int(obj, "/rv", 0);
    }
    const struct opr_kind *k = opr_api_stored_kind(r->kind);
    if (start && strchr(start, '/')) {
        ret->start = opr_arena_dup(r->arena, opr_str_of(start));
        ret->after = opr_str_of(opr_arena_printf(r->arena, "%s/%s/%s", k->group, k->plural, start));
    }
    opr_json_unref(obj);
    opr_buf_fini(&plain);
    return ret->start && ret->rv != 0
               ? OPR_OK
               : opr_api_fail(r, 400, "BadRequest",
                              "invalid continue token: continue key is not valid: it is not a "
                              "token of this server");
}

/* With a token of the present, for who would rather have an uneven list than none. */
static opr_status refuse_continuation(struct opr_req *r, const char *start)
{
    struct json_object *d = opr_status_doc(
        410, "Expired",
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter, or use the continue token in this "
        "response to retrieve the remainder of the results. Continuing with the provided token "
        "results in an inconsistent list - objects that were created, modified, or deleted "
        "between the time the first chunk was returned and now may show up in the list.");
    opr_doc_put_str(d, "/metadata/continue", make_token(r, start, -1));
    opr_api_json(r, 410, d);
    return OPR_E_EXPIRED;
}

static opr_status refuse_future(struct opr_req *r, uint64_t rv)
{
    unsigned long long now = opr_store_revision(r->api->store);
    struct json_object *d = opr_status_doc(
        504, "Timeout",
        opr_arena_printf(r->arena, "Timeout: Too large resource version: %llu, current: %llu",
                         (unsigned long long)rv, now));
    opr_doc_put_str(d, "/details/causes/-/reason", "ResourceVersionTooLarge");
    opr_doc_put_str(d, "/details/causes/0/message", "Too large resource version");
    opr_doc_put_int(d, "/details/retryAfterSeconds", 1);
    opr_api_json(r, 504, d);
    opr_api_header(r, "Retry-After", OPR_STR("1"));
    return OPR_E_INVALID;
}

struct page {
    size_t end;     /* position after its last object */
    size_t matched; /* in the page */
    size_t left;    /* listed objects after it */
};

/* What is listed: the present, or how it was at a revision. */
struct picture {
    const struct opr_obj *const *objs;
    size_t count;
    uint64_t revision;
};

/* The metadata of the list as JSON text. All pages have the revision of the first. */
static const char *metadata_of(struct opr_req *r, const struct page *p, const struct picture *now,
                               bool is_all)
{
    unsigned long long revision = now->revision;
    if (p->left == 0) {
        return opr_arena_printf(r->arena, "{\"resourceVersion\":\"%llu\"}", revision);
    }
    const struct opr_obj *last = now->objs[p->end - 1];
    const char *start = opr_arena_printf(r->arena, "%s/%s", opr_meta_ns(last), opr_meta_name(last));
    const char *token = make_token(r, start, (int64_t)revision);
    const char *remaining =
        is_all ? opr_arena_printf(r->arena, ",\"remainingItemCount\":%zu", p->left) : "";
    return opr_arena_printf(r->arena, "{\"resourceVersion\":\"%llu\",\"continue\":\"%s\"%s}",
                            revision, token, remaining);
}

/* The end of the page: after `limit` matching objects. */
static struct page cut_page(struct opr_req *r, const struct opr_select *select,
                            const struct opr_obj *const *objs, size_t count, size_t limit)
{
    struct page p = {.end = count};
    for (size_t i = 0; i < count; i++) {
        p.matched += select->is_all || opr_select_matches(select, r->kind, objs[i]);
        if (limit > 0 && p.matched == limit) {
            p.end = i + 1;
            break;
        }
    }
    p.left = count - p.end;
    return p;
}

static void write_list(struct opr_req *r, const struct opr_select *select,
                       const struct picture *now, size_t limit)
{
    const struct opr_obj *const *objs = now->objs;
    struct page p = cut_page(r, select, objs, now->count, limit);
    struct opr_buf *out = &r->res->body;
    opr_form_list_begin(out, r->kind, r->form, metadata_of(r, &p, now, select->is_all));
    bool is_first = true;
    for (size_t i = 0; i < p.end; i++) {
        if (!select->is_all && !opr_select_matches(select, r->kind, objs[i])) {
            continue;
        }
        if (!is_first) {
            opr_buf_add_char(out, ',');
        }
        is_first = false;
        opr_form_list_item(out, r->kind, r->form, objs[i], r->now_ms);
    }
    opr_buf_add_text(out, "]}");
    r->res->status = 200;
    opr_api_header(r, "Content-Type", OPR_STR("application/json"));
}

/* At rv, or the present where that is negative. */
static opr_status take_picture(struct opr_req *r, struct opr_str after, int64_t rv,
                               struct picture *ret)
{
    struct opr_str prefix = opr_api_key(r->arena, r->kind, r->ns, NULL);
    size_t more;
    if (rv >= 0) {
        ret->revision = (uint64_t)rv;
        return opr_store_list_at(r->api->store, r->arena, prefix, after, ret->revision, &ret->objs,
                                 &ret->count);
    }
    opr_store_list(r->api->store, r->arena, prefix, after, 0, &ret->objs, &ret->count,
                   &ret->revision, &more);
    return OPR_OK;
}

/* Exactly that revision is meant, too, where a page of it is asked for and nothing else was said.
 */
static bool is_exact(const struct opr_list_options *o)
{
    return strcmp(o->match, "Exact") == 0 || (!*o->match && o->limit > 0 && o->rv > 0);
}

static opr_status find_picture(struct opr_req *r, const struct opr_list_options *o,
                               struct picture *ret)
{
    struct position from = {.start = NULL, .after = {"", 0}, .rv = -1};
    if (*o->token) {
        OPR_TRY(read_token(r, o->token, &from));
    } else if (is_exact(o)) {
        from.rv = (int64_t)o->rv;
    }
    uint64_t least = from.rv > 0 ? (uint64_t)from.rv : o->rv;
    if (least > opr_store_revision(r->api->store)) {
        return refuse_future(r, least);
    }
    if (take_picture(r, from.after, from.rv, ret) == OPR_OK) {
        return OPR_OK;
    }
    return from.start ? refuse_continuation(r, from.start)
                      : opr_api_fail(r, 410, "Expired",
                                     "The resourceVersion for the provided list is too old.");
}

void opr_api_list(struct opr_req *r)
{
    struct opr_list_options options;
    struct opr_select select;
    struct picture picture = {0};
    if (opr_api_list_options(r, false, &options) != OPR_OK ||
        opr_api_select(r, &select) != OPR_OK) {
        return;
    }
    if (find_picture(r, &options, &picture) == OPR_OK) {
        write_list(r, &select, &picture, (size_t)options.limit);
    }
    opr_select_fini(&select);
}
