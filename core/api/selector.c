#include "core/api/selector.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

enum op { OP_IN, OP_NOT_IN, OP_EXISTS, OP_NOT_EXISTS, OP_GT, OP_LT };

struct requirement {
    char *key; /* owned */
    enum op op;
    char **values; /* owned strings */
    size_t count;
};

struct opr_selector {
    struct requirement *items; /* owned */
    size_t count;
};

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

static struct requirement *add(struct opr_selector *s, struct opr_str key, enum op op)
{
    s->items = opr_xrealloc(s->items, (s->count + 1) * sizeof *s->items);
    struct requirement *r = &s->items[s->count++];
    *r = (struct requirement){.key = opr_xstrndup(key.ptr, key.len), .op = op};
    return r;
}

static void add_value(struct requirement *r, struct opr_str value)
{
    r->values = opr_xrealloc(r->values, (r->count + 1) * sizeof *r->values);
    r->values[r->count++] = opr_xstrndup(value.ptr, value.len);
}

/* -- text form ------------------------------------------------------------------------------- */

struct lexer {
    struct opr_str rest;
    struct opr_str token; /* empty at the end */
    struct opr_error *reterr;
};

static bool is_special(char c)
{
    return c != '\0' && strchr("=!(),><", c) != NULL;
}

static void advance(struct lexer *l)
{
    l->rest = opr_str_trim(l->rest);
    size_t n = 0;
    const char *p = l->rest.ptr;
    if (l->rest.len > 0 && is_special(p[0])) {
        bool is_pair = l->rest.len > 1 && p[1] == '=' && (p[0] == '=' || p[0] == '!');
        n = is_pair ? 2 : 1;
    } else {
        while (n < l->rest.len && !is_special(p[n]) && p[n] != ' ' && p[n] != '\t') {
            n++;
        }
    }
    l->token = opr_str_n(p, n);
    l->rest = opr_str_n(p + n, l->rest.len - n);
}

static bool is_word(struct opr_str token)
{
    return token.len > 0 && !is_special(token.ptr[0]);
}

static opr_status unexpected(const struct lexer *l, const char *expected)
{
    return opr_error_set(l->reterr, OPR_E_INVALID,
                         "unable to parse requirement: found '%.*s', expected: %s",
                         OPR_STR_ARG(l->token), expected);
}

/* Alphanumeric at both ends, "-_." between (Kubernetes label names and values); at most 63. */
static bool is_label_text(struct opr_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool is_inner = i > 0 && i + 1 < s.len;
        if (!is_plain && !(is_inner && (c == '-' || c == '_' || c == '.'))) {
            return false;
        }
    }
    return s.len <= 63;
}

static opr_status check_key(const struct lexer *l, struct opr_str key)
{
    const char *slash = memchr(key.ptr, '/', key.len);
    struct opr_str name =
        slash ? opr_str_n(slash + 1, key.len - (size_t)(slash + 1 - key.ptr)) : key;
    if (name.len > 0 && is_label_text(name) && slash != key.ptr) {
        return OPR_OK;
    }
    return opr_error_set(l->reterr, OPR_E_INVALID,
                         "unable to parse requirement: <nil>: Invalid value: \"%.*s\": name part "
                         "must consist of alphanumeric characters, '-', '_' or '.', and must start "
                         "and end with an alphanumeric character",
                         OPR_STR_ARG(key));
}

static opr_status check_value(const struct lexer *l, struct opr_str key, struct opr_str value)
{
    if (is_label_text(value)) {
        return OPR_OK;
    }
    return opr_error_set(l->reterr, OPR_E_INVALID,
                         "unable to parse requirement: values[0][%.*s]: Invalid value: \"%.*s\": a "
                         "valid label must be an empty string or consist of alphanumeric "
                         "characters, '-', '_' or '.', and must start and end with an "
                         "alphanumeric character",
                         OPR_STR_ARG(key), OPR_STR_ARG(value));
}

static opr_status parse_set(struct lexer *l, struct requirement *r)
{
    if (!opr_str_is(l->token, "(")) {
        return unexpected(l, "'('");
    }
    advance(l);
    for (;;) {
        struct opr_str value = is_word(l->token) ? l->token : opr_str_n("", 0);
        OPR_TRY(check_value(l, opr_str_of(r->key), value));
        add_value(r, value);
        if (is_word(l->token)) {
            advance(l);
        }
        if (opr_str_is(l->token, ")")) {
            advance(l);
            return OPR_OK;
        }
        if (!opr_str_is(l->token, ",")) {
            return unexpected(l, "',' or ')'");
        }
        advance(l);
    }
}

static opr_status parse_one_value(struct lexer *l, struct requirement *r)
{
    struct opr_str value = is_word(l->token) ? l->token : opr_str_n("", 0);
    int64_t number;
    OPR_TRY(check_value(l, opr_str_of(r->key), value));
    if ((r->op == OP_GT || r->op == OP_LT) && opr_str_to_i64(value, &number) != OPR_OK) {
        return opr_error_set(l->reterr, OPR_E_INVALID,
                             "unable to parse requirement: values[0][%s]: Invalid value: \"%.*s\": "
                             "for 'Gt', 'Lt' operators, the value must be an integer",
                             r->key, OPR_STR_ARG(value));
    }
    add_value(r, value);
    if (is_word(l->token)) {
        advance(l);
    }
    return OPR_OK;
}

static opr_status parse_requirement(struct lexer *l, struct opr_selector *s)
{
    static const struct {
        const char *word;
        enum op op;
        bool is_set;
    } ops[] = {{"=", OP_IN, false}, {"==", OP_IN, false},       {"!=", OP_NOT_IN, false},
               {"in", OP_IN, true}, {"notin", OP_NOT_IN, true}, {">", OP_GT, false},
               {"<", OP_LT, false}};
    bool is_negated = opr_str_is(l->token, "!");
    if (is_negated) {
        advance(l);
    }
    struct opr_str key = l->token;
    if (!is_word(key)) {
        return unexpected(l, "identifier");
    }
    OPR_TRY(check_key(l, key));
    advance(l);
    if (is_negated || l->token.len == 0 || opr_str_is(l->token, ",")) {
        add(s, key, is_negated ? OP_NOT_EXISTS : OP_EXISTS);
        return OPR_OK;
    }
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (opr_str_is(l->token, ops[i].word)) {
            advance(l);
            struct requirement *r = add(s, key, ops[i].op);
            return ops[i].is_set ? parse_set(l, r) : parse_one_value(l, r);
        }
    }
    return unexpected(l, "in, notin, =, ==, !=, gt, lt");
}

opr_status opr_selector_parse(struct opr_str text, struct opr_selector **ret_selector,
                              struct opr_error *reterr)
{
    struct lexer l = {.rest = text, .reterr = reterr};
    struct opr_selector *s = opr_xalloc(sizeof *s);
    opr_status st = OPR_OK;
    advance(&l);
    while (st == OPR_OK && l.token.len > 0) {
        st = parse_requirement(&l, s);
        if (st != OPR_OK || l.token.len == 0) {
            break;
        }
        if (!opr_str_is(l.token, ",")) {
            st = unexpected(&l, "',' or 'end of string'");
            break;
        }
        advance(&l);
        if (l.token.len == 0) {
            st = unexpected(&l, "identifier after ','");
        }
    }
    if (st != OPR_OK) {
        opr_selector_free(s);
        return st;
    }
    *ret_selector = s;
    return OPR_OK;
}

/* -- object form ----------------------------------------------------------------------------- */

static opr_status add_expression(struct opr_selector *s, const struct opr_obj *e,
                                 struct opr_error *reterr)
{
    static const struct {
        const char *name;
        enum op op;
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
        struct requirement *r = add(s, key, ops[i].op);
        for (const struct opr_obj *v = opr_json_first(values); v; v = opr_json_next(v)) {
            add_value(r, opr_json_text(v, ""));
        }
        return OPR_OK;
    }
    return opr_error_set(reterr, OPR_E_INVALID, "\"%.*s\" is not a valid label selector operator",
                         OPR_STR_ARG(name));
}

opr_status opr_selector_from_obj(const struct opr_obj *o, struct opr_selector **ret_selector,
                                 struct opr_error *reterr)
{
    struct opr_selector *s = opr_xalloc(sizeof *s);
    const struct opr_obj *labels = opr_json_at(o, "/matchLabels");
    const struct opr_obj *expressions = opr_json_at(o, "/matchExpressions");
    opr_status st = OPR_OK;
    for (const struct opr_obj *v = opr_json_first(labels); v; v = opr_json_next(v)) {
        add_value(add(s, opr_str_of(opr_json_name(v)), OP_IN), opr_json_text(v, ""));
    }
    for (const struct opr_obj *e = opr_json_first(expressions); e && st == OPR_OK;
         e = opr_json_next(e)) {
        st = add_expression(s, e, reterr);
    }
    if (st != OPR_OK) {
        opr_selector_free(s);
        return st;
    }
    *ret_selector = s;
    return OPR_OK;
}

/* -- matching -------------------------------------------------------------------------------- */

bool opr_selector_is_empty(const struct opr_selector *s)
{
    return s->count == 0;
}

static bool has_value(const struct requirement *r, struct opr_str value)
{
    for (size_t i = 0; i < r->count; i++) {
        if (opr_str_is(value, r->values[i])) {
            return true;
        }
    }
    return false;
}

static bool compare_numbers(const struct requirement *r, struct opr_str value)
{
    int64_t have, want;
    if (r->count != 1 || opr_str_to_i64(value, &have) != OPR_OK ||
        opr_str_to_i64(opr_str_of(r->values[0]), &want) != OPR_OK) {
        return false;
    }
    return r->op == OP_GT ? have > want : have < want;
}

static bool matches(const struct requirement *r, const struct opr_obj *labels)
{
    struct opr_str value = opr_json_text(opr_json_member(labels, opr_str_of(r->key)), "");
    bool is_there = value.ptr != NULL;
    switch (r->op) {
    case OP_IN:
        return is_there && has_value(r, value);
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

bool opr_selector_obj_matches(const struct opr_obj *selector, const struct opr_obj *labels)
{
    struct opr_selector *s = NULL;
    if (opr_json_type(selector) != OPR_TYPE_OBJECT ||
        opr_selector_from_obj(selector, &s, NULL) != OPR_OK) {
        return false;
    }
    bool is_match = opr_selector_match(s, labels);
    opr_selector_free(s);
    return is_match;
}

static void format_values(const struct requirement *r, const char *op, struct opr_buf *b)
{
    if (r->count == 1) {
        opr_buf_printf(b, "%s%s%s", r->key, r->op == OP_IN ? "=" : "!=", r->values[0]);
        return;
    }
    opr_buf_printf(b, "%s %s (", r->key, op);
    for (size_t i = 0; i < r->count; i++) {
        opr_buf_printf(b, "%s%s", i > 0 ? "," : "", r->values[i]);
    }
    opr_buf_add_char(b, ')');
}

void opr_selector_format(const struct opr_selector *s, struct opr_buf *b)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct requirement *r = &s->items[i];
        if (i > 0) {
            opr_buf_add_char(b, ',');
        }
        switch (r->op) {
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
