/* Text to a packed value: one validating pass (RFC 8259). */
#include "core/json/node.h"

#include "core/base/alloc.h"
#include "core/base/map.h"
#include "core/base/str.h"

#define TEXT_MAX ((size_t)1 << 30)
#define SMALL_OBJECT 16

struct parser {
    struct opr_str in;
    size_t at;
    struct opr_obj *nodes; /* owned */
    size_t count, cap;
    char *text; /* owned; as large as the input, which no value outgrows */
    size_t text_len;
    unsigned depth;
    struct opr_error *reterr;
};

static opr_status fail(struct parser *p, const char *expected)
{
    if (p->at >= p->in.len) {
        return opr_error_set(p->reterr, OPR_E_INVALID,
                             "invalid JSON: it ends at byte %zu, expected %s", p->at, expected);
    }
    return opr_error_set(p->reterr, OPR_E_INVALID, "invalid JSON at byte %zu: expected %s", p->at,
                         expected);
}

static void skip_space(struct parser *p)
{
    while (p->at < p->in.len) {
        char c = p->in.ptr[p->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
            break;
        }
        p->at++;
    }
}

static char peek(const struct parser *p)
{
    return p->at < p->in.len ? p->in.ptr[p->at] : '\0';
}

static opr_status add_node(struct parser *p, int32_t type, uint32_t name, size_t *ret_index)
{
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : p->in.len / 16 + 8;
        if (p->count >= OPR__NODES_MAX) {
            return opr_error_set(p->reterr, OPR_E_LIMIT, "invalid JSON: too many values");
        }
        cap = cap < OPR__NODES_MAX ? cap : OPR__NODES_MAX;
        struct opr_obj *grown = opr_realloc_try(p->nodes, cap * sizeof *p->nodes);
        if (!grown) {
            return opr_error_set(p->reterr, OPR_E_NOMEM, "no memory for a JSON value");
        }
        p->nodes = grown;
        p->cap = cap;
    }
    *ret_index = p->count++;
    p->nodes[*ret_index] = (struct opr_obj){
        .head = (uint32_t)*ret_index << 5 | (uint32_t)type,
        .text = (uint32_t)p->text_len,
        .name = name,
    };
    return OPR_OK;
}

/* Unescapes the string at the position to the end of the text. */
static opr_status read_string(struct parser *p, struct opr_str *ret_text)
{
    size_t begin = p->text_len;
    p->at++;
    const char *expected = opr__unescape(p->in, &p->at, p->text, &p->text_len);
    if (expected) {
        return fail(p, expected);
    }
    *ret_text = opr_str_n(p->text + begin, p->text_len - begin - 1);
    return OPR_OK;
}

/* Gives back what read_string() took when the text stands in the pool. */
static uint32_t share(struct parser *p, struct opr_str text)
{
    uint32_t at = opr__intern(text);
    if (at != 0) {
        p->text_len -= text.len + 1;
    }
    return at;
}

static opr_status parse_string(struct parser *p, uint32_t name)
{
    size_t index;
    struct opr_str text;
    OPR_TRY(add_node(p, OPR_TYPE_STRING, name, &index));
    OPR_TRY(read_string(p, &text));
    uint32_t shared = share(p, text);
    if (shared != 0) {
        p->nodes[index].head |= OPR__NODE_SHARED;
        p->nodes[index].text = shared;
    }
    p->nodes[index].len = (uint32_t)text.len;
    return OPR_OK;
}

static size_t digits(struct parser *p)
{
    size_t begin = p->at;
    while (peek(p) >= '0' && peek(p) <= '9') {
        p->at++;
    }
    return p->at - begin;
}

static opr_status parse_number(struct parser *p, uint32_t name)
{
    size_t index, begin = p->at;
    OPR_TRY(add_node(p, OPR_TYPE_NUMBER, name, &index));
    if (peek(p) == '-') {
        p->at++;
    }
    if (peek(p) == '0') {
        p->at++;
    } else if (digits(p) == 0) {
        return fail(p, "a value");
    }
    if (peek(p) == '.') {
        p->at++;
        if (digits(p) == 0) {
            return fail(p, "a digit");
        }
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        p->at++;
        if (peek(p) == '+' || peek(p) == '-') {
            p->at++;
        }
        if (digits(p) == 0) {
            return fail(p, "a digit");
        }
    }
    p->nodes[index].len = (uint32_t)(p->at - begin);
    memcpy(p->text + p->text_len, p->in.ptr + begin, p->at - begin);
    p->text_len += p->at - begin;
    p->text[p->text_len++] = '\0';
    return OPR_OK;
}

static opr_status parse_word(struct parser *p, const char *word, int32_t type, uint32_t value,
                             uint32_t name)
{
    size_t index, len = strlen(word);
    if (p->in.len - p->at < len || memcmp(p->in.ptr + p->at, word, len) != 0) {
        return fail(p, "a value");
    }
    OPR_TRY(add_node(p, type, name, &index));
    p->nodes[index].text = value;
    p->at += len;
    return OPR_OK;
}

static opr_status parse_value(struct parser *p, uint32_t name);

static struct opr_str name_at(const struct parser *p, size_t index)
{
    return opr_str_of(opr__node_name(&p->nodes[index], p->text));
}

/* The index after the value at an index and all that is in it. */
static size_t after(const struct parser *p, size_t index)
{
    const struct opr_obj *n = &p->nodes[index];
    int32_t type = OPR__NODE_TYPE(n);
    return type == OPR_TYPE_OBJECT || type == OPR_TYPE_ARRAY ? n->text : index + 1;
}

static opr_status duplicate(struct parser *p, struct opr_str name)
{
    return opr_error_set(p->reterr, OPR_E_INVALID, "invalid JSON: duplicate member \"%.*s\"",
                         OPR_STR_ARG(name));
}

/* Names in the object whose node is at index are all different. */
static opr_status check_names(struct parser *p, size_t object)
{
    struct opr_str small[SMALL_OBJECT];
    size_t seen = 0, end = p->count;
    struct opr_map *names = p->nodes[object].len > SMALL_OBJECT ? opr_map_new() : NULL;
    opr_status st = OPR_OK;
    for (size_t i = object + 1; i < end && st == OPR_OK; i = after(p, i)) {
        struct opr_str name = name_at(p, i);
        if (names) {
            st = opr_map_put(names, name, p) ? duplicate(p, name) : OPR_OK;
            continue;
        }
        for (size_t j = 0; j < seen && st == OPR_OK; j++) {
            st = opr_str_eq(small[j], name) ? duplicate(p, name) : OPR_OK;
        }
        small[seen++] = name;
    }
    opr_map_free(names, NULL);
    return st;
}

/* Names are handed on as terminated text, so a terminator within would make two of them one. */
static opr_status parse_name(struct parser *p, uint32_t *ret_name)
{
    size_t begin = p->at, place = p->text_len;
    struct opr_str text;
    OPR_TRY(read_string(p, &text));
    if (text.len > 0 && memchr(text.ptr, '\0', text.len)) {
        return opr_error_set(p->reterr, OPR_E_INVALID,
                             "invalid JSON at byte %zu: \\u0000 in a member name", begin);
    }
    uint32_t shared = share(p, text);
    *ret_name = shared ? shared | OPR__NAME_SHARED : (uint32_t)place + 1;
    return OPR_OK;
}

static opr_status parse_members(struct parser *p, size_t object)
{
    for (size_t last = 0;; p->at++) {
        skip_space(p);
        if (peek(p) == '}' && p->nodes[object].len == 0) {
            break;
        }
        if (peek(p) != '"') {
            return fail(p, "a member name");
        }
        uint32_t name = 0;
        OPR_TRY(parse_name(p, &name));
        skip_space(p);
        if (peek(p) != ':') {
            return fail(p, "':'");
        }
        p->at++;
        last = p->count;
        OPR_TRY(parse_value(p, name));
        p->nodes[object].len++;
        skip_space(p);
        if (peek(p) == ',') {
            continue;
        }
        if (peek(p) != '}') {
            return fail(p, "',' or '}'");
        }
        p->nodes[last].head |= OPR__NODE_LAST;
        break;
    }
    p->at++;
    return check_names(p, object);
}

static opr_status parse_elements(struct parser *p, size_t array)
{
    for (;; p->at++) {
        skip_space(p);
        if (peek(p) == ']' && p->nodes[array].len == 0) {
            break;
        }
        size_t last = p->count;
        OPR_TRY(parse_value(p, 0));
        p->nodes[array].len++;
        skip_space(p);
        if (peek(p) == ',') {
            continue;
        }
        if (peek(p) != ']') {
            return fail(p, "',' or ']'");
        }
        p->nodes[last].head |= OPR__NODE_LAST;
        break;
    }
    p->at++;
    return OPR_OK;
}

static opr_status parse_container(struct parser *p, int32_t type, uint32_t name)
{
    size_t index;
    OPR_TRY(add_node(p, type, name, &index));
    if (++p->depth > OPR_JSON_MAX_DEPTH) {
        return opr_error_set(p->reterr, OPR_E_LIMIT, "invalid JSON at byte %zu: deeper than %d",
                             p->at, OPR_JSON_MAX_DEPTH);
    }
    p->at++;
    OPR_TRY(type == OPR_TYPE_OBJECT ? parse_members(p, index) : parse_elements(p, index));
    p->depth--;
    p->nodes[index].text = (uint32_t)p->count;
    return OPR_OK;
}

static opr_status parse_value(struct parser *p, uint32_t name)
{
    skip_space(p);
    switch (peek(p)) {
    case '{':
        return parse_container(p, OPR_TYPE_OBJECT, name);
    case '[':
        return parse_container(p, OPR_TYPE_ARRAY, name);
    case '"':
        return parse_string(p, name);
    case 't':
        return parse_word(p, "true", OPR_TYPE_BOOL, 1, name);
    case 'f':
        return parse_word(p, "false", OPR_TYPE_BOOL, 0, name);
    case 'n':
        return parse_word(p, "null", OPR_TYPE_NULL, 0, name);
    default:
        return parse_number(p, name);
    }
}

static opr_status pack(struct parser *p, struct opr_obj **ret_obj)
{
    size_t nodes = p->count * sizeof *p->nodes;
    struct opr__block *b = opr_alloc_try(sizeof *b + nodes + p->text_len);
    if (!b) {
        return opr_error_set(p->reterr, OPR_E_NOMEM, "no memory for a JSON value");
    }
    p->nodes[0].head |= OPR__NODE_LAST;
    b->refs = 1;
    b->nodes = (uint32_t)p->count;
    b->text_len = (uint32_t)p->text_len;
    memcpy(b->node, p->nodes, nodes);
    if (p->text_len > 0) {
        memcpy((char *)b->node + nodes, p->text, p->text_len);
    }
    *ret_obj = b->node;
    return OPR_OK;
}

opr_status opr_json_parse(struct opr_str text, struct opr_obj **ret_obj, struct opr_error *reterr)
{
    struct parser p = {.in = text, .reterr = reterr};
    if (text.len > TEXT_MAX) {
        return opr_error_set(reterr, OPR_E_LIMIT, "JSON text of %zu bytes is too long", text.len);
    }
    p.text = opr_alloc_try(text.len + 1);
    if (!p.text) {
        return opr_error_set(reterr, OPR_E_NOMEM, "no memory for a JSON value");
    }
    opr_status st = parse_value(&p, 0);
    if (st == OPR_OK) {
        skip_space(&p);
        st = p.at < text.len ? fail(&p, "nothing after the value") : pack(&p, ret_obj);
    }
    opr_free(p.nodes);
    opr_free(p.text);
    return st;
}
