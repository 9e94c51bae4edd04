#include "apiserver/schema/decode.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

/* YAML 1.1 as sigs.k8s.io/yaml reads it: plain scalars are resolved by the core rules, timestamps
 * stay strings, "<<" merges. Aliases are expanded; the limits keep a small text from growing. */
#define NODES_PER_NODE_MAX 10 /* nodes written for one node of the text */
#define NODES_FREE 10000
#define OUTPUT_MAX_BYTES (64u << 20)

struct writer {
    yaml_document_t *doc;
    struct opr_buf *json;
    struct opr_field_errors *duplicates; /* NULL: they do not matter */
    struct opr_error *reterr;
    size_t nodes, nodes_max;
    int depth;
};

static opr_status write_node(struct writer *w, yaml_node_t *n);

static bool is_one_of(struct opr_str s, const char *const *words)
{
    for (; *words; words++) {
        if (opr_str_is(s, *words)) {
            return true;
        }
    }
    return false;
}

static struct opr_str node_text(const yaml_node_t *n)
{
    return opr_str_n((const char *)n->data.scalar.value, n->data.scalar.length);
}

/* "0x1F", "0755", "0o17", "0b101", "1_000", with a sign, as Go's ParseInt with base 0. */
static bool parse_int(const char *plain, struct opr_buf *out)
{
    bool is_negative = *plain == '-';
    const char *p = plain + (*plain == '-' || *plain == '+');
    int base = 10;
    if (p[0] == '0' && p[1]) {
        char c = (char)tolower((unsigned char)p[1]);
        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        p += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
    }
    if (!isxdigit((unsigned char)*p)) {
        return false;
    }
    char *end;
    errno = 0;
    unsigned long long v = strtoull(p, &end, base);
    if (*end || errno || (is_negative && v > (unsigned long long)INT64_MAX + 1)) {
        return false;
    }
    opr_buf_printf(out, "%s%llu", is_negative && v ? "-" : "", v);
    return true;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *p)
{
    p += *p == '-' || *p == '+';
    size_t before = strspn(p, "0123456789"), after = 0;
    p += before;
    if (*p == '.') {
        after = strspn(p + 1, "0123456789");
        p += 1 + after;
    }
    if (before + after == 0) {
        return false;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+';
        size_t digits = strspn(p, "0123456789");
        if (digits == 0) {
            return false;
        }
        p += digits;
    }
    return *p == 0;
}

/* The shortest text that reads back as the same number, without a point where it is whole. */
static void write_double(struct opr_buf *out, double v)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v) {
            break;
        }
    }
    if (fabs(v) < 1e21 && v == floor(v)) {
        snprintf(text, sizeof(text), "%.0f", v);
    }
    opr_buf_add_text(out, text);
}

/* A number in JSON, or false. */
static bool write_number(struct opr_buf *out, struct opr_str s)
{
    char plain[64];
    size_t n = 0;
    if (s.len == 0 || s.len >= sizeof(plain) || !strchr("+-.0123456789", s.ptr[0])) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '_') {
            plain[n++] = s.ptr[i];
        }
    }
    plain[n] = 0;
    if (s.ptr[0] != '.' && parse_int(plain, out)) {
        return true;
    }
    if (!is_float(plain)) {
        return false;
    }
    write_double(out, strtod(plain, NULL));
    return true;
}

static const char *const TRUE_WORDS[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                         "True", "TRUE", "on",  "On",  "ON",  NULL};
static const char *const FALSE_WORDS[] = {"n",     "N",     "no",  "No",  "NO",  "false",
                                          "False", "FALSE", "off", "Off", "OFF", NULL};
static const char *const NULL_WORDS[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const INFINITE_WORDS[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",
                                             ".INF",  "+.inf", "+.Inf", "+.INF", "-.inf",
                                             "-.Inf", "-.INF", NULL};

static bool is_plain(const yaml_node_t *n)
{
    const char *tag = (const char *)n->tag;
    /* libyaml gives every untagged scalar the string tag, so that "!!str 1" is 1 here. */
    return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!tag || strcmp(tag, YAML_DEFAULT_SCALAR_TAG) == 0);
}

static opr_status write_scalar(struct writer *w, yaml_node_t *n)
{
    struct opr_str s = node_text(n);
    const char *tag = (const char *)n->tag;
    if (tag && strcmp(tag, YAML_NULL_TAG) == 0) {
        opr_buf_add_text(w->json, "null");
        return OPR_OK;
    }
    if (!is_plain(n)) {
        bool is_typed = tag && (strcmp(tag, YAML_INT_TAG) == 0 || strcmp(tag, YAML_FLOAT_TAG) == 0);
        if (!is_typed || !write_number(w->json, s)) {
            opr_buf_add_json(w->json, s);
        }
        return OPR_OK;
    }
    if (is_one_of(s, INFINITE_WORDS)) {
        return opr_error_set(w->reterr, OPR_E_INVALID,
                             "error converting YAML to JSON: json: unsupported value: %.*s",
                             OPR_STR_ARG(s));
    }
    if (is_one_of(s, NULL_WORDS)) {
        opr_buf_add_text(w->json, "null");
    } else if (is_one_of(s, TRUE_WORDS) || is_one_of(s, FALSE_WORDS)) {
        opr_buf_add_text(w->json, is_one_of(s, TRUE_WORDS) ? "true" : "false");
    } else if (!write_number(w->json, s)) {
        opr_buf_add_json(w->json, s);
    }
    return OPR_OK;
}

/* Keys become strings, resolved first: 0x10 is "16", yes is "true". */
static opr_status write_key(struct writer *w, yaml_node_t *key)
{
    struct opr_buf text = {0};
    struct opr_buf *out = w->json;
    if (key->type != YAML_SCALAR_NODE) {
        return opr_error_set(w->reterr, OPR_E_INVALID,
                             "error converting YAML to JSON: yaml: line %zu: unsupported map key",
                             key->start_mark.line + 1);
    }
    w->json = &text;
    opr_status st = write_scalar(w, key);
    w->json = out;
    if (st == OPR_OK && text.len && text.data[0] == '"') {
        opr_buf_add_str(out, opr_buf_str(&text));
    } else if (st == OPR_OK) {
        opr_buf_add_json(out, opr_buf_str(&text));
    }
    opr_buf_fini(&text);
    return st;
}

static bool is_merge(const yaml_node_t *key)
{
    return key->type == YAML_SCALAR_NODE && is_plain(key) && opr_str_is(node_text(key), "<<");
}

static bool has_key_before(struct writer *w, yaml_node_t *map, const yaml_node_pair_t *end,
                           yaml_node_t *key)
{
    w->nodes += (size_t)(end - map->data.mapping.pairs.start) / 64; /* it costs time for each */
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < end; p++) {
        yaml_node_t *other = yaml_document_get_node(w->doc, p->key);
        if (other->type == YAML_SCALAR_NODE && key->type == YAML_SCALAR_NODE &&
            opr_str_eq(node_text(other), node_text(key))) {
            return true;
        }
    }
    return false;
}

static opr_status write_pair(struct writer *w, yaml_node_pair_t *p, bool *is_first)
{
    if (!*is_first) {
        opr_buf_add_char(w->json, ',');
    }
    *is_first = false;
    OPR_TRY(write_key(w, yaml_document_get_node(w->doc, p->key)));
    opr_buf_add_char(w->json, ':');
    return write_node(w, yaml_document_get_node(w->doc, p->value));
}

/* What "<<" brings in and the map does not say itself. */
static opr_status write_merged(struct writer *w, yaml_node_t *into, yaml_node_t *from,
                               bool *is_first)
{
    if (from->type == YAML_SEQUENCE_NODE) {
        for (yaml_node_item_t *i = from->data.sequence.items.start;
             i < from->data.sequence.items.top; i++) {
            yaml_node_t *map = yaml_document_get_node(w->doc, *i);
            if (map->type != YAML_MAPPING_NODE) {
                return opr_error_set(w->reterr, OPR_E_INVALID,
                                     "yaml: map merge requires map or sequence of maps as the "
                                     "value");
            }
            OPR_TRY(write_merged(w, into, map, is_first));
        }
        return OPR_OK;
    }
    if (from->type != YAML_MAPPING_NODE) {
        return opr_error_set(w->reterr, OPR_E_INVALID,
                             "yaml: map merge requires map or sequence of maps as the value");
    }
    for (yaml_node_pair_t *p = from->data.mapping.pairs.start; p < from->data.mapping.pairs.top;
         p++) {
        yaml_node_t *key = yaml_document_get_node(w->doc, p->key);
        if (!is_merge(key) && !has_key_before(w, into, into->data.mapping.pairs.top, key)) {
            OPR_TRY(write_pair(w, p, is_first));
        }
    }
    return OPR_OK;
}

/* A key that is in the map before this pair already. */
static void note_duplicate(struct writer *w, yaml_node_t *map, yaml_node_pair_t *at)
{
    yaml_node_t *key = yaml_document_get_node(w->doc, at->key);
    if (!w->duplicates || key->type != YAML_SCALAR_NODE || !has_key_before(w, map, at, key)) {
        return;
    }
    struct opr_str name = node_text(key);
    const char *message =
        opr_arena_printf(w->duplicates->arena, "line %zu: key \"%.*s\" already set in map",
                         key->start_mark.line + 1, OPR_STR_ARG(name));
    opr_field_errors_add(w->duplicates, "DuplicateField", "", message);
}

static opr_status write_mapping(struct writer *w, yaml_node_t *n)
{
    bool is_first = true;
    opr_buf_add_char(w->json, '{');
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
        note_duplicate(w, n, p);
        if (is_merge(yaml_document_get_node(w->doc, p->key))) {
            yaml_node_t *from = yaml_document_get_node(w->doc, p->value);
            OPR_TRY(write_merged(w, n, from, &is_first));
        } else {
            OPR_TRY(write_pair(w, p, &is_first));
        }
    }
    opr_buf_add_char(w->json, '}');
    return OPR_OK;
}

static opr_status write_sequence(struct writer *w, yaml_node_t *n)
{
    opr_buf_add_char(w->json, '[');
    for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
        if (i > n->data.sequence.items.start) {
            opr_buf_add_char(w->json, ',');
        }
        OPR_TRY(write_node(w, yaml_document_get_node(w->doc, *i)));
    }
    opr_buf_add_char(w->json, ']');
    return OPR_OK;
}

static opr_status write_node(struct writer *w, yaml_node_t *n)
{
    if (++w->nodes > w->nodes_max || w->json->len > OUTPUT_MAX_BYTES ||
        w->depth >= OPR__DECODE_MAX_DEPTH) {
        return opr_error_set(w->reterr, OPR_E_LIMIT, "yaml: document contains excessive aliasing");
    }
    w->depth++;
    opr_status st = n->type == YAML_SCALAR_NODE     ? write_scalar(w, n)
                    : n->type == YAML_SEQUENCE_NODE ? write_sequence(w, n)
                                                    : write_mapping(w, n);
    w->depth--;
    return st;
}

static opr_status parser_error(const yaml_parser_t *p, struct opr_error *reterr)
{
    size_t line = p->problem_mark.line ? p->problem_mark.line : p->context_mark.line;
    return opr_error_set(reterr, p->error == YAML_MEMORY_ERROR ? OPR_E_NOMEM : OPR_E_INVALID,
                         "error converting YAML to JSON: yaml: line %zu: %s", line + 1,
                         p->problem ? p->problem : "invalid input");
}

/* One document; *ret_more false where there is none left. */
static opr_status write_document(yaml_parser_t *parser, struct opr_buf *json,
                                 struct opr_field_errors *duplicates, bool *ret_more,
                                 struct opr_error *reterr)
{
    yaml_document_t doc;
    if (!yaml_parser_load(parser, &doc)) {
        return parser_error(parser, reterr);
    }
    struct writer w = {.doc = &doc, .json = json, .duplicates = duplicates, .reterr = reterr};
    w.nodes_max = (size_t)(doc.nodes.top - doc.nodes.start) * NODES_PER_NODE_MAX + NODES_FREE;
    yaml_node_t *root = yaml_document_get_root_node(&doc);
    *ret_more = root != NULL;
    opr_status st = root ? write_node(&w, root) : OPR_OK;
    yaml_document_delete(&doc);
    return st;
}

/* An empty document between two others stands for nothing. */
static bool is_null(struct opr_str json)
{
    return opr_str_is(json, "null");
}

opr_status opr__yaml_to_json(struct opr_str text, struct opr_buf *json,
                             struct opr_field_errors *duplicates, struct opr_error *reterr)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        return opr_error_set(reterr, OPR_E_NOMEM, "out of memory");
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.len ? text.ptr : ""),
                                 text.len);
    struct opr_buf all = {0};
    size_t count = 0;
    opr_status st = OPR_OK;
    for (bool has_more = true; has_more && st == OPR_OK;) {
        struct opr_buf one = {0};
        st = write_document(&parser, &one, duplicates, &has_more, reterr);
        if (st == OPR_OK && has_more && !is_null(opr_buf_str(&one))) {
            opr_buf_add_text(&all, count++ ? "," : "");
            opr_buf_add_str(&all, opr_buf_str(&one));
        }
        opr_buf_fini(&one);
    }
    yaml_parser_delete(&parser);
    if (st == OPR_OK && count == 0) {
        opr_buf_add_text(json, "null");
    } else if (st == OPR_OK) {
        opr_buf_printf(json, "%s", count > 1 ? "[" : "");
        opr_buf_add_str(json, opr_buf_str(&all));
        opr_buf_printf(json, "%s", count > 1 ? "]" : "");
    }
    opr_buf_fini(&all);
    return st;
}
