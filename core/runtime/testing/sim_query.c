/* Paths and selectors of requests. */
#include "core/api/selector.h"
#include "core/base/str.h"
#include "core/net/http.h"
#include "core/runtime/testing/sim.h"

#define MAX_PARTS 10

static void free_selector(void *arg)
{
    opr_selector_free(arg);
}

static bool parse_selectors(struct opr_arena *a, struct sim_query *q)
{
    struct opr_str labels = opr_query_get(a, q->query, "labelSelector");
    struct opr_str fields = opr_query_get(a, q->query, "fieldSelector");
    if (labels.len > 0) {
        if (opr_selector_parse(labels, &q->labels, NULL) != OPR_OK) {
            return false;
        }
        opr_arena_defer(a, free_selector, q->labels);
    }
    return fields.len == 0 ||
           opr_field_selector_parse(a, fields, &q->fields, &q->n_fields, NULL) == OPR_OK;
}

/* "namespaces/NS/PLURAL..." or "PLURAL..."; a namespace has subresources of its own. */
static void take_ns(struct opr_arena *a, struct opr_str *parts, size_t n, size_t *at,
                    struct sim_query *q)
{
    bool is_nested = n - *at >= 3 && opr_str_is(parts[*at], "namespaces") &&
                     !opr_str_is(parts[*at + 2], "status") &&
                     !opr_str_is(parts[*at + 2], "finalize");
    if (is_nested) {
        struct opr_str ns = opr_url_decode(a, parts[*at + 1], false);
        q->ns = opr_arena_dup(a, ns);
        *at += 2;
    }
}

bool sim_query_parse(struct sim *s, struct opr_arena *a, const char *path_query,
                     struct sim_query *ret)
{
    struct opr_str path, part, parts[MAX_PARTS];
    struct opr_str rest = opr_str_of(path_query);
    size_t n = 0, at = 1;
    *ret = (struct sim_query){0};
    if (!opr_str_next(&rest, '?', &path)) {
        return false;
    }
    ret->query = rest;
    path.ptr++;
    path.len--;
    while (n < MAX_PARTS && opr_str_next(&path, '/', &part)) {
        parts[n++] = part;
    }
    struct opr_str group = OPR_STR("");
    if (n >= 4 && opr_str_is(parts[0], "apis")) {
        group = parts[at++];
    } else if (n < 3 || !opr_str_is(parts[0], "api")) {
        return false;
    }
    struct opr_str version = parts[at++];
    take_ns(a, parts, n, &at, ret);
    ret->kind = at < n ? sim_kind_by_path(s, group, version, parts[at++]) : NULL;
    if (at < n) {
        ret->name = opr_arena_dup(a, opr_url_decode(a, parts[at++], false));
    }
    if (at < n) {
        ret->sub = opr_arena_dup(a, parts[at++]);
    }
    return ret->kind && at == n && parse_selectors(a, ret);
}

static bool matches_field(const struct opr_field_req *req, const struct opr_obj *o)
{
    struct opr_buf pointer = {0}, text = {0};
    opr_buf_add_char(&pointer, '/');
    for (size_t i = 0; i < req->field.len; i++) {
        opr_buf_add_char(&pointer, req->field.ptr[i] == '.' ? '/' : req->field.ptr[i]);
    }
    const struct opr_obj *value = opr_json_at(o, pointer.data);
    if (opr_json_type(value) == OPR_TYPE_STRING) {
        opr_buf_add_str(&text, opr_json_text(value, ""));
    } else if (value) {
        opr_json_write(&text, value);
    }
    bool is_equal = opr_str_eq(opr_buf_str(&text), req->value);
    opr_buf_fini(&pointer);
    opr_buf_fini(&text);
    return is_equal != req->is_negated;
}

bool sim_query_selects(const struct sim_query *q, const struct opr_obj *o)
{
    if (!o || (q->ns && q->kind->is_namespaced && strcmp(q->ns, opr_meta_ns(o)) != 0) ||
        (q->name && strcmp(q->name, opr_meta_name(o)) != 0) ||
        (q->labels && !opr_selector_match(q->labels, opr_json_at(o, "/metadata/labels")))) {
        return false;
    }
    for (size_t i = 0; i < q->n_fields; i++) {
        if (!matches_field(&q->fields[i], o)) {
            return false;
        }
    }
    return true;
}
