/* The text form of label selectors. Grammar and messages: apimachinery pkg/labels. */
#include "core/api/selector_internal.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#define NAME_MAX_BYTES 63
#define PREFIX_MAX_BYTES 253

struct lexer {
    struct opr_str rest;
    struct opr_str token; /* empty at the end */
    struct opr_error *reterr;
};

static bool is_special(char c)
{
    return c != '\0' && strchr("=!(),><", c) != NULL;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
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
        while (n < l->rest.len && !is_special(p[n]) && !is_space(p[n])) {
            n++;
        }
    }
    l->token = opr_str_n(p, n);
    l->rest = opr_str_n(p + n, l->rest.len - n);
}

static bool is_at(const struct lexer *l, const char *token)
{
    return opr_str_is(l->token, token);
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

/* -- labels ---------------------------------------------------------------------------------- */

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Alphanumeric at both ends, "-_." between; may be empty. */
static bool is_label_text(struct opr_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool is_inner = i > 0 && i + 1 < s.len && (c == '-' || c == '_' || c == '.');
        if (!is_inner && !is_alphanumeric(c)) {
            return false;
        }
    }
    return true;
}

/* RFC 1123: lower-case labels, dots between. */
static bool is_subdomain(struct opr_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i], before = i > 0 ? s.ptr[i - 1] : '.';
        char after = i + 1 < s.len ? s.ptr[i + 1] : '.';
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        bool is_inner = (c == '-' && before != '.' && after != '.') ||
                        (c == '.' && before != '.' && before != '-' && i + 1 < s.len);
        if (!is_plain && !is_inner) {
            return false;
        }
    }
    return s.len > 0;
}

/* What is wrong with a label key, or NULL. */
static const char *key_fault(struct opr_str key)
{
    const char *slash = memchr(key.ptr, '/', key.len);
    struct opr_str name = key;
    if (slash) {
        struct opr_str prefix = opr_str_n(key.ptr, (size_t)(slash - key.ptr));
        name = opr_str_n(slash + 1, key.len - prefix.len - 1);
        if (prefix.len == 0) {
            return "prefix part must be non-empty";
        }
        if (prefix.len > PREFIX_MAX_BYTES) {
            return "prefix part must be no more than 253 bytes";
        }
        if (!is_subdomain(prefix)) {
            return "prefix part a lowercase RFC 1123 subdomain must consist of lower case "
                   "alphanumeric characters, '-' or '.', and must start and end with an "
                   "alphanumeric character (e.g. 'example.com', regex used for validation is "
                   "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
        }
    }
    if (name.len == 0) {
        return "name part must be non-empty";
    }
    if (name.len > NAME_MAX_BYTES) {
        return "name part must be no more than 63 bytes";
    }
    return is_label_text(name)
               ? NULL
               : "name part must consist of alphanumeric characters, '-', '_' or '.', and must "
                 "start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
                 "'123-abc', regex used for validation is "
                 "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
}

static const char *value_fault(struct opr_str value)
{
    if (value.len > NAME_MAX_BYTES) {
        return "must be no more than 63 bytes";
    }
    return is_label_text(value)
               ? NULL
               : "a valid label must be an empty string or consist of alphanumeric characters, "
                 "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
                 "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
                 "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
}

static opr_status check_key(const struct lexer *l, struct opr_str key)
{
    const char *fault = key_fault(key);
    return fault ? opr_error_set(l->reterr, OPR_E_INVALID,
                                 "unable to parse requirement: <nil>: Invalid value: \"%.*s\": %s",
                                 OPR_STR_ARG(key), fault)
                 : OPR_OK;
}

static opr_status check_values(const struct lexer *l, const struct opr__requirement *r)
{
    bool is_order = r->op == OP_GT || r->op == OP_LT;
    int64_t number;
    for (size_t i = 0; i < r->count; i++) {
        if (is_order && opr_str_to_i64(opr_str_of(r->values[i]), &number) != OPR_OK) {
            return opr_error_set(l->reterr, OPR_E_INVALID,
                                 "unable to parse requirement: values[%zu]: Invalid value: \"%s\": "
                                 "for 'Gt', 'Lt' operators, the value must be an integer",
                                 i, r->values[i]);
        }
        const char *fault = value_fault(opr_str_of(r->values[i]));
        if (fault) {
            return opr_error_set(
                l->reterr, OPR_E_INVALID,
                "unable to parse requirement: values[%zu][%s]: Invalid value: \"%s\": %s", i,
                r->key, r->values[i], fault);
        }
    }
    return OPR_OK;
}

/* -- requirements ---------------------------------------------------------------------------- */

/* After '(': words and commas, where nothing between two of the signs is the empty value; so "()"
 * is the set of the empty value. */
static opr_status parse_list(struct lexer *l, struct opr__requirement *r)
{
    for (;;) {
        bool has_word = is_word(l->token);
        opr__selector_add_value(r, has_word ? l->token : opr_str_n("", 0));
        if (has_word) {
            advance(l);
        }
        if (is_at(l, ")")) {
            advance(l);
            return OPR_OK;
        }
        if (!is_at(l, ",")) {
            return unexpected(l, has_word ? "',' or ')'" : "',', or identifier");
        }
        advance(l);
    }
}

static opr_status parse_set(struct lexer *l, struct opr__requirement *r)
{
    if (!is_at(l, "(")) {
        return opr_error_set(l->reterr, OPR_E_INVALID,
                             "unable to parse requirement: found '%.*s' expected: '('",
                             OPR_STR_ARG(l->token));
    }
    advance(l);
    if (!is_word(l->token) && !is_at(l, ",") && !is_at(l, ")")) {
        return unexpected(l, "',', ')' or identifier");
    }
    OPR_TRY(parse_list(l, r));
    return check_values(l, r);
}

static opr_status parse_value(struct lexer *l, struct opr__requirement *r)
{
    bool is_empty = l->token.len == 0 || is_at(l, ",");
    if (!is_empty && !is_word(l->token)) {
        return unexpected(l, "identifier");
    }
    opr__selector_add_value(r, is_empty ? opr_str_n("", 0) : l->token);
    if (!is_empty) {
        advance(l);
    }
    return check_values(l, r);
}

static opr_status parse_requirement(struct lexer *l, struct opr_selector *s)
{
    static const struct {
        const char *word;
        enum opr__op op;
        bool is_set;
    } ops[] = {{"=", OP_EQUAL, false}, {"==", OP_EQUAL, false},    {"!=", OP_NOT_EQUAL, false},
               {"in", OP_IN, true},    {"notin", OP_NOT_IN, true}, {">", OP_GT, false},
               {"<", OP_LT, false}};
    bool is_negated = is_at(l, "!");
    if (is_negated) {
        advance(l);
    }
    struct opr_str key = l->token;
    if (!is_word(key)) {
        return unexpected(l, "identifier");
    }
    OPR_TRY(check_key(l, key));
    advance(l);
    if (is_negated || l->token.len == 0 || is_at(l, ",")) {
        opr__selector_add(s, key, is_negated ? OP_NOT_EXISTS : OP_EXISTS);
        return OPR_OK;
    }
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (is_at(l, ops[i].word)) {
            advance(l);
            struct opr__requirement *r = opr__selector_add(s, key, ops[i].op);
            return ops[i].is_set ? parse_set(l, r) : parse_value(l, r);
        }
    }
    return unexpected(l, "in, notin, =, ==, !=, gt, lt");
}

/* Between requirements these errors stand without the prefix of the ones within. */
static opr_status misplaced(const struct lexer *l, const char *expected)
{
    return opr_error_set(l->reterr, OPR_E_INVALID, "found '%.*s', expected: %s",
                         OPR_STR_ARG(l->token), expected);
}

static opr_status parse_all(struct lexer *l, struct opr_selector *s)
{
    while (l->token.len > 0) {
        if (!is_word(l->token) && !is_at(l, "!")) {
            return misplaced(l, "!, identifier, or 'end of string'");
        }
        OPR_TRY(parse_requirement(l, s));
        if (l->token.len == 0) {
            break;
        }
        if (!is_at(l, ",")) {
            return misplaced(l, "',' or 'end of string'");
        }
        advance(l);
        if (!is_word(l->token) && !is_at(l, "!")) {
            return misplaced(l, "identifier after ','");
        }
    }
    return OPR_OK;
}

opr_status opr_selector_parse(struct opr_str text, struct opr_selector **ret_selector,
                              struct opr_error *reterr)
{
    struct lexer l = {.rest = text, .reterr = reterr};
    struct opr_selector *s = opr_xalloc(sizeof *s);
    advance(&l);
    opr_status st = parse_all(&l, s);
    if (st != OPR_OK) {
        opr_selector_free(s);
        return st;
    }
    opr__selector_seal(s);
    *ret_selector = s;
    return OPR_OK;
}
