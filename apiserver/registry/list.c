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

static const char *make_token(struct opr_req *r, const struct opr_obj *last, uint64_t revision)
{
    struct opr_buf plain = {0}, token = {0}, start = {0};
    opr_buf_printf(&start, "%s/%s", opr_meta_ns(last), opr_meta_name(last));
    opr_buf_add_char(&start, '\0');
    opr_buf_printf(
        &plain, "{\"v\":\"meta.k8s.io/v1\",\"rv\":%llu,\"start\":", (unsigned long long)revision);
    opr_buf_add_json(&plain, opr_buf_str(&start));
    opr_buf_add_char(&plain, '}');
    opr_buf_base64(&token, plain.data, plain.len);
    const char *text = opr_arena_dup(r->arena, opr_buf_str(&token));
    opr_buf_fini(&plain);
    opr_buf_fini(&token);
    opr_buf_fini(&start);
    return text;
}

/* The key after which a continued list goes on. */
static opr_status read_token(struct opr_req *r, const char *token, struct opr_str *ret_after)
{
    struct opr_buf plain = {0};
    struct opr_obj *obj = NULL;
    const char *start = NULL;
    if (opr_buf_unbase64(&plain, opr_str_of(token)) == OPR_OK &&
        opr_json_parse(opr_buf_str(&plain), &obj, NULL) == OPR_OK) {
        start = opr_json_str(obj, "/start", NULL);
    }
    const struct opr_kind *k = opr_api_stored_kind(r->kind);
    if (start && strchr(start, '/')) {
        *ret_after = opr_str_of(opr_arena_printf(r->arena, "%s/%s/%s", k->group, k->plural, start));
    }
    opr_json_unref(obj);
    opr_buf_fini(&plain);
    return start ? OPR_OK
                 : opr_api_fail(r, 400, "BadRequest",
                                "invalid continue token: continue key is not valid: it is not a "
                                "token of this server");
}

static opr_status check_options(struct opr_req *r, uint64_t *ret_rv)
{
    const char *rv = opr_api_query(r, "resourceVersion");
    const char *match = opr_api_query(r, "resourceVersionMatch");
    *ret_rv = 0;
    if (rv && *rv && opr_str_to_u64(opr_str_of(rv), ret_rv) != OPR_OK) {
        return opr_api_fail(r, 400, "BadRequest",
                            "invalid resource version: resourceVersion: Invalid value: \"%s\": "
                            "strconv.ParseUint: parsing \"%s\": invalid syntax",
                            rv, rv);
    }
    if (match && *match && (!rv || !*rv)) {
        return opr_api_bad_option(r, "ListOptions", "FieldValueForbidden", "resourceVersionMatch",
                                  "Forbidden: resourceVersionMatch is forbidden unless "
                                  "resourceVersion is provided");
    }
    if (opr_api_query_bool(r, "sendInitialEvents")) {
        return opr_api_bad_option(r, "ListOptions", "FieldValueForbidden", "sendInitialEvents",
                                  "Forbidden: sendInitialEvents is forbidden for list");
    }
    return OPR_OK;
}

/* Exact: the present is the picture of that revision as long as nothing of it changed since. */
static opr_status check_exact(struct opr_req *r, uint64_t rv)
{
    const char *match = opr_api_query(r, "resourceVersionMatch");
    struct opr_store_cursor *cursor = NULL;
    struct opr_store_event event;
    if (!match || strcmp(match, "Exact") != 0) {
        return OPR_OK;
    }
    opr_status st = opr_store_watch(r->api->store, opr_api_key(r->arena, r->kind, r->ns, NULL), rv,
                                    NULL, &cursor);
    if (st == OPR_OK) {
        st = opr_store_next(cursor, &event) == OPR_E_END ? OPR_OK : OPR_E_EXPIRED;
    }
    opr_store_unwatch(cursor);
    return st == OPR_OK ? OPR_OK
                        : opr_api_fail(r, 410, "Expired",
                                       "The resourceVersion for the provided list is too old.");
}

struct page {
    size_t end;     /* position after its last object */
    size_t matched; /* in the page */
    size_t left;    /* listed objects after it */
};

/* The metadata of the list as JSON text. */
static const char *metadata_of(struct opr_req *r, const struct page *p,
                               const struct opr_obj *const *objs, uint64_t revision, bool is_all)
{
    if (p->left == 0) {
        return opr_arena_printf(r->arena, "{\"resourceVersion\":\"%llu\"}",
                                (unsigned long long)revision);
    }
    const char *token = make_token(r, objs[p->end - 1], revision);
    const char *remaining =
        is_all ? opr_arena_printf(r->arena, ",\"remainingItemCount\":%zu", p->left) : "";
    return opr_arena_printf(r->arena, "{\"resourceVersion\":\"%llu\",\"continue\":\"%s\"%s}",
                            (unsigned long long)revision, token, remaining);
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

static void write_list(struct opr_req *r, const struct opr_select *select, struct opr_str after,
                       size_t limit)
{
    const struct opr_obj *const *objs;
    size_t count, more;
    uint64_t revision;
    opr_store_list(r->api->store, r->arena, opr_api_key(r->arena, r->kind, r->ns, NULL), after, 0,
                   &objs, &count, &revision, &more);
    struct page p = cut_page(r, select, objs, count, limit);
    struct opr_buf *out = &r->res->body;
    opr_form_list_begin(out, r->kind, r->form, metadata_of(r, &p, objs, revision, select->is_all));
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

void opr_api_list(struct opr_req *r)
{
    struct opr_select select;
    struct opr_str after = {"", 0};
    uint64_t rv, limit = 0;
    const char *token = opr_api_query(r, "continue"), *text = opr_api_query(r, "limit");
    if (check_options(r, &rv) != OPR_OK) {
        return;
    }
    if (text && *text && opr_str_to_u64(opr_str_of(text), &limit) != OPR_OK) {
        opr_api_fail(r, 400, "BadRequest", "limit: Invalid value: \"%s\": must be a number", text);
        return;
    }
    if (rv > opr_store_revision(r->api->store)) {
        opr_api_fail(r, 504, "Timeout", "Too large resource version: %llu, current: %llu",
                     (unsigned long long)rv, (unsigned long long)opr_store_revision(r->api->store));
        opr_api_add_cause(r, "ResourceVersionTooLarge", "Too large resource version", NULL);
        return;
    }
    if (check_exact(r, rv) != OPR_OK ||
        (token && *token && read_token(r, token, &after) != OPR_OK) ||
        opr_api_select(r, &select) != OPR_OK) {
        return;
    }
    write_list(r, &select, after, (size_t)limit);
    opr_select_fini(&select);
}
