#include "core/api/selector_internal.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdlib.h>

void opr_selector_free(struct opr_selector *s)
{
    if (!s) {
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        for (size_t j = 0; j < s->items[i].count; j++) {
            opr_free(s->items[i].values[j]);
        }
        opr_free(s->items[i].values);
        opr_free(s->items[i].key);
    }
    opr_free(s->items);
    opr_free(s);
}

struct opr__requirement *opr__selector_add(struct opr_selector *s, struct opr_str key,
                                           enum opr__op op)
{
    s->items = opr_xrealloc(s->items, (s->count + 1) * sizeof *s->items);
    struct opr__requirement *r = &s->items[s->count++];
    *r = (struct opr__requirement){.key = opr_xstrndup(key.ptr, key.len), .op = op};
    return r;
}

void opr__selector_add_value(struct opr__requirement *r, struct opr_str value)
{
    r->values = opr_xrealloc(r->values, (r->count + 1) * sizeof *r->values);
    r->values[r->count++] = opr_xstrndup(value.ptr, value.len);
}

static int compare_values(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_keys(const void *a, const void *b)
{
    const struct opr__requirement *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

void opr__selector_seal(struct opr_selector *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct opr__requirement *r = &s->items[i];
        size_t kept = 0;
        r->number = i;
        if (r->count > 1) {
            qsort(r->values, r->count, sizeof *r->values, compare_values);
        }
        for (size_t j = 0; j < r->count; j++) {
            if (kept > 0 && strcmp(r->values[kept - 1], r->values[j]) == 0) {
                opr_free(r->values[j]);
            } else {
                r->values[kept++] = r->values[j];
            }
        }
        r->count = kept;
    }
    if (s->count > 1) {
        qsort(s->items, s->count, sizeof *s->items, compare_keys);
    }
}

/* -- object form ----------------------------------------------------------------------------- */

static opr_status add_expression(struct opr_selector *s, const struct opr_obj *e,
                                 struct opr_error *reterr)
{
    static const struct {
        const char *name;
        enum opr__op op;
        bool has_values;
    } ops[] = {{"In", OP_IN, true},          {"NotIn", OP_NOT_IN, true},
               {"Exists", OP_EXISTS, false}, {"DoesNotExist", OP_NOT_EXISTS, false},
               {"Gt", OP_GT, true},          {"Lt", OP_LT, true}};
    struct opr_str key = opr_json_text(e, "/key"), name = opr_json_text(e, "/operator");
    const struct opr_obj *values = opr_json_at(e, "/values");
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (!opr_str_is(name, ops[i].name)) {
            continue;
        }
        if (key.len == 0 || ops[i].has_values != (opr_json_len(values) > 0)) {
            return opr_error_set(
                reterr, OPR_E_INVALID, "label selector: operator %s of key \"%.*s\" needs %s",
                ops[i].name, OPR_STR_ARG(key), ops[i].has_values ? "values" : "no values");
        }
        struct opr__requirement *r = opr__selector_add(s, key, ops[i].op);
        for (const struct opr_obj *v = opr_json_first(values); v; v = opr_json_next(v)) {
            opr__selector_add_value(r, opr_json_text(v, ""));
        }
        return OPR_OK;
    }
    return opr_error_set(reterr, OPR_E_INVALID, "\"%.*s\" is not a valid label selector operator",
                         OPR_STR_ARG(name));
}

static void add_labels(struct opr_selector *s, const struct opr_obj *labels)
{
    for (const struct opr_obj *v = opr_json_first(labels); v; v = opr_json_next(v)) {
        opr__selector_add_value(opr__selector_add(s, opr_str_of(opr_json_name(v)), OP_EQUAL),
                                opr_json_text(v, ""));
    }
}

struct opr_selector *opr_selector_from_map(const struct opr_obj *labels)
{
    struct opr_selector *s = opr_xalloc(sizeof *s);
    if (opr_json_type(labels) == OPR_TYPE_OBJECT) {
        add_labels(s, labels);
        opr__selector_seal(s);
    }
    return s;
}

opr_status opr_selector_from_obj(const struct opr_obj *o, struct opr_selector **ret_selector,
                                 struct opr_error *reterr)
{
    struct opr_selector *s = opr_xalloc(sizeof *s);
    const struct opr_obj *labels = opr_json_at(o, "/matchLabels");
    const struct opr_obj *expressions = opr_json_at(o, "/matchExpressions");
    opr_status st = OPR_OK;
    if (opr_json_type(labels) == OPR_TYPE_OBJECT) {
        add_labels(s, labels);
    }
    for (const struct opr_obj *e = opr_json_first(expressions); e && st == OPR_OK;
         e = opr_json_next(e)) {
        st = add_expression(s, e, reterr);
    }
    if (st != OPR_OK) {
        opr_selector_free(s);
        return st;
    }
    opr__selector_seal(s);
    *ret_selector = s;
    return OPR_OK;
}

/* -- matching -------------------------------------------------------------------------------- */

bool opr_selector_is_empty(const struct opr_selector *s)
{
    return s->count == 0;
}

static bool has_value(const struct opr__requirement *r, struct opr_str value)
{
    for (size_t i = 0; i < r->count; i++) {
        if (opr_str_is(value, r->values[i])) {
            return true;
        }
    }
    return false;
}

static bool compare_numbers(const struct opr__requirement *r, struct opr_str value)
{
    int64_t have, want;
    if (r->count != 1 || opr_str_to_i64(value, &have) != OPR_OK ||
        opr_str_to_i64(opr_str_of(r->values[0]), &want) != OPR_OK) {
        return false;
    }
    return r->op == OP_GT ? have > want : have < want;
}

static bool matches(const struct opr__requirement *r, const struct opr_obj *labels)
{
    struct opr_str value = opr_json_text(opr_json_member(labels, opr_str_of(r->key)), "");
    bool is_there = value.ptr != NULL;
    switch (r->op) {
    case OP_EQUAL:
    case OP_IN:
        return is_there && has_value(r, value);
    case OP_NOT_EQUAL:
    case OP_NOT_IN:
        return !is_there || !has_value(r, value);
    case OP_EXISTS:
        return is_there;
    case OP_NOT_EXISTS:
        return !is_there;
    default:
        return is_there && compare_numbers(r, value);
    }
}

bool opr_selector_match(const struct opr_selector *s, const struct opr_obj *labels)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!matches(&s->items[i], labels)) {
            return false;
        }
    }
    return true;
}

/* The common case, without building a selector. */
static bool has_labels(const struct opr_obj *wanted, const struct opr_obj *labels)
{
    for (const struct opr_obj *v = opr_json_first(wanted); v; v = opr_json_next(v)) {
        const struct opr_obj *have = opr_json_member(labels, opr_str_of(opr_json_name(v)));
        struct opr_str value = opr_json_text(have, "");
        if (!value.ptr || !opr_str_eq(value, opr_json_text(v, ""))) {
            return false;
        }
    }
    return true;
}

bool opr_selector_obj_matches(const struct opr_obj *selector, const struct opr_obj *labels)
{
    struct opr_selector *s = NULL;
    const struct opr_obj *wanted = opr_json_member(selector, OPR_STR("matchLabels"));
    if (opr_json_type(selector) != OPR_TYPE_OBJECT) {
        return false;
    }
    if (opr_json_type(wanted) == OPR_TYPE_OBJECT && !has_labels(wanted, labels)) {
        return false;
    }
    if (opr_json_len(opr_json_member(selector, OPR_STR("matchExpressions"))) == 0) {
        return true;
    }
    if (opr_selector_from_obj(selector, &s, NULL) != OPR_OK) {
        return false;
    }
    bool is_match = opr_selector_match(s, labels);
    opr_selector_free(s);
    return is_match;
}

static void format_values(const struct opr__requirement *r, const char *op, struct opr_buf *b)
{
    opr_buf_printf(b, "%s %s (", r->key, op);
    for (size_t i = 0; i < r->count; i++) {
        opr_buf_printf(b, "%s%s", i > 0 ? "," : "", r->values[i]);
    }
    opr_buf_add_text(b, ")");
}

void opr_selector_format(const struct opr_selector *s, struct opr_buf *b)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct opr__requirement *r = &s->items[i];
        if (i > 0) {
            opr_buf_add_char(b, ',');
        }
        switch (r->op) {
        case OP_EQUAL:
        case OP_NOT_EQUAL:
            opr_buf_printf(b, "%s%s%s", r->key, r->op == OP_EQUAL ? "=" : "!=", r->values[0]);
            break;
        case OP_IN:
            format_values(r, "in", b);
            break;
        case OP_NOT_IN:
            format_values(r, "notin", b);
            break;
        case OP_EXISTS:
            opr_buf_add_text(b, r->key);
            break;
        case OP_NOT_EXISTS:
            opr_buf_printf(b, "!%s", r->key);
            break;
        default:
            opr_buf_printf(b, "%s%c%s", r->key, r->op == OP_GT ? '>' : '<', r->values[0]);
            break;
        }
    }
}
