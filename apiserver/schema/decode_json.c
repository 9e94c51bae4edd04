#include "apiserver/schema/decode.h"
#include "apiserver/schema/scan.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdio.h>
#include <stdlib.h>

/* Go stops naming strict errors after this many. */
#define STRICT_ERRORS_MAX 100

struct reader {
    struct opr__scan scan;
    struct opr__slots slots;
    struct opr_buf text;   /* the string being read */
    struct opr_buf path;   /* "spec.containers[0].name", for strict errors */
    struct opr_buf go;     /* "spec.containers.name", for type errors */
    const char *go_struct; /* Go's name of the innermost struct; NULL: none */
    struct opr_field_errors *errors;
    int depth;
};

static opr_status read_value(struct reader *r, const struct opr_schema_type *t,
                             struct json_object **ret_value);

static void strict_error(struct reader *r, const char *reason, const char *what,
                         struct opr_str member)
{
    if (!r->errors || r->errors->count >= STRICT_ERRORS_MAX) {
        return;
    }
    const char *prefix = r->path.len ? r->path.data : "";
    const char *field = opr_arena_printf(r->errors->arena, "%s%s%.*s", prefix, *prefix ? "." : "",
                                         OPR_STR_ARG(member));
    opr_field_errors_add(r->errors, reason, field,
                         opr_arena_printf(r->errors->arena, "%s field \"%s\"", what, field));
}

static void path_cut(struct opr_buf *b, size_t len)
{
    b->len = len;
    if (b->data) {
        b->data[len] = 0;
    }
}

static void path_add(struct opr_buf *b, struct opr_str name)
{
    if (b->len) {
        opr_buf_add_char(b, '.');
    }
    opr_buf_add_str(b, name);
}

static const char *go_base_name(const char *go_name)
{
    const char *point = strrchr(go_name, '.');
    return point ? point + 1 : go_name;
}

static opr_status type_error(struct reader *r, const char *what, struct opr_str detail,
                             const struct opr_schema_type *t)
{
    if (t->node == OPR_NODE_QUANTITY) { /* reads its own text, whatever it is */
        char unused[OPR__SCALAR_TEXT_MAX];
        return opr__canonical_quantity(OPR_STR("x"), unused, r->scan.reterr);
    }
    const char *type = t->node == OPR_NODE_INTORSTR ? "int32" : t->go_name;
    const char *gap = detail.len ? " " : "";
    if (r->go_struct) {
        return opr_error_set(
            r->scan.reterr, OPR_E_INVALID,
            "json: cannot unmarshal %s%s%.*s into Go struct field %s.%s of type %s", what, gap,
            OPR_STR_ARG(detail), go_base_name(r->go_struct), r->go.data ? r->go.data : "", type);
    }
    return opr_error_set(r->scan.reterr, OPR_E_INVALID,
                         "json: cannot unmarshal %s%s%.*s into Go value of type %s", what, gap,
                         OPR_STR_ARG(detail), type);
}

static opr_status read_string(struct reader *r)
{
    opr_buf_clear(&r->text);
    return opr__scan_string(&r->scan, &r->text);
}

static struct json_object *text_object(struct reader *r)
{
    return json_object_new_string_len(r->text.data ? r->text.data : "", (int)r->text.len);
}

/* What null stands for within a list or a map. */
static struct json_object *null_item(const struct opr_schema_type *elem)
{
    return elem && !(elem->flags & OPR_SCHEMA_CUSTOM) ? opr__zero_value(elem) : NULL;
}

/* A list, given what one item is. */
static opr_status read_list(struct reader *r, const struct opr_schema_type *elem,
                            struct json_object **ret_value)
{
    struct json_object *list = json_object_new_array();
    r->scan.p++;
    size_t path_len = r->path.len;
    opr_status st = OPR_OK;
    for (size_t i = 0; opr__scan_peek(&r->scan) != ']' || i; i++) {
        opr_buf_printf(&r->path, "[%zu]", i);
        struct json_object *item = NULL;
        st = read_value(r, elem, &item);
        path_cut(&r->path, path_len);
        if (st != OPR_OK) {
            break;
        }
        json_object_array_add(list, item ? item : null_item(elem));
        if (opr__scan_peek(&r->scan) == ']') {
            break;
        }
        st = opr__scan_expect(&r->scan, ',', "after array element");
        if (st != OPR_OK) {
            break;
        }
    }
    if (st != OPR_OK) {
        json_object_put(list);
        return st;
    }
    r->scan.p++;
    *ret_value = list;
    return OPR_OK;
}

/* After "{" or a member: takes the name of the next member into r->text; *ret_more false at "}". */
static opr_status next_member(struct reader *r, bool is_first, bool *ret_more)
{
    char c = opr__scan_peek(&r->scan);
    if (c == '}') {
        r->scan.p++;
        *ret_more = false;
        return OPR_OK;
    }
    if (!is_first) {
        OPR_TRY(opr__scan_expect(&r->scan, ',', "after object key:value pair"));
        c = opr__scan_peek(&r->scan);
    }
    if (c != '"') {
        return opr__scan_error(&r->scan, "looking for beginning of object key string");
    }
    OPR_TRY(read_string(r));
    *ret_more = true;
    return opr__scan_expect(&r->scan, ':', "after object key");
}

static const struct opr_schema_type *member_type(const struct opr_schema_type *t,
                                                 struct opr_str name)
{
    if (!t || t->node == OPR_NODE_MAP) {
        return t ? t->elem : NULL;
    }
    const struct opr_type_field *f = opr_schema_type_field(t, name);
    return f ? f->type : t->elem;
}

/* A map, or with t NULL or of a custom kind an object whose members stay as they are. */
static opr_status read_map(struct reader *r, const struct opr_schema_type *t,
                           struct json_object *map)
{
    r->scan.p++;
    size_t path_len = r->path.len;
    for (bool is_first = true, more;; is_first = false) {
        OPR_TRY(next_member(r, is_first, &more));
        if (!more) {
            return OPR_OK;
        }
        char *name = opr_xstrndup(r->text.data ? r->text.data : "", r->text.len);
        struct opr_str key = {name, r->text.len};
        if (json_object_object_get_ex(map, name, NULL)) {
            strict_error(r, "DuplicateField", "duplicate", key);
        }
        path_add(&r->path, key);
        const struct opr_schema_type *elem = member_type(t, key);
        struct json_object *value = NULL;
        opr_status st = read_value(r, elem, &value);
        path_cut(&r->path, path_len);
        if (st == OPR_OK) {
            json_object_object_add(map, name, value ? value : null_item(elem));
        }
        opr_free(name);
        OPR_TRY(st);
    }
}

static opr_status read_field(struct reader *r, const struct opr_schema_type *t, size_t base,
                             const struct opr_type_field *f)
{
    size_t path_len = r->path.len, go_len = r->go.len;
    const char *outer = r->go_struct;
    path_add(&r->path, opr_str_of(f->name));
    path_add(&r->go, opr_str_of(f->name));
    r->go_struct = t->go_name;
    struct json_object *value = NULL;
    opr_status st = read_value(r, f->type, &value);
    path_cut(&r->path, path_len);
    path_cut(&r->go, go_len);
    r->go_struct = outer;
    if (st == OPR_OK) {
        opr__slots_set(&r->slots, base, (size_t)(f - t->fields), value);
    }
    return st;
}

static opr_status read_fields(struct reader *r, const struct opr_schema_type *t, size_t base)
{
    enum { SEEN_WORDS = 4 };
    uint64_t seen[SEEN_WORDS] = {0};
    OPR_CHECK(t->field_count <= SEEN_WORDS * 64);
    r->scan.p++;
    for (bool is_first = true, more;; is_first = false) {
        OPR_TRY(next_member(r, is_first, &more));
        if (!more) {
            return OPR_OK;
        }
        const struct opr_type_field *f = opr_schema_type_field(t, opr_buf_str(&r->text));
        if (!f) {
            strict_error(r, "UnknownField", "unknown", opr_buf_str(&r->text));
            struct json_object *ignored = NULL;
            struct opr_field_errors *errors = r->errors;
            r->errors = NULL;
            opr_status st = read_value(r, NULL, &ignored);
            r->errors = errors;
            json_object_put(ignored);
            OPR_TRY(st);
            continue;
        }
        size_t i = (size_t)(f - t->fields);
        if (seen[i / 64] & (1ull << (i % 64))) {
            strict_error(r, "DuplicateField", "duplicate", opr_str_of(f->name));
        }
        seen[i / 64] |= 1ull << (i % 64);
        OPR_TRY(read_field(r, t, base, f));
    }
}

static opr_status read_object(struct reader *r, const struct opr_schema_type *t,
                              struct json_object **ret_value)
{
    if (t && t->node == OPR_NODE_OBJECT && !(t->flags & OPR_SCHEMA_CUSTOM)) {
        size_t base = opr__slots_open(&r->slots, t);
        opr_status st = read_fields(r, t, base);
        if (st != OPR_OK) {
            opr__slots_drop(&r->slots, base);
            return st;
        }
        *ret_value = opr__slots_build(&r->slots, base, t);
        return OPR_OK;
    }
    struct json_object *map = json_object_new_object();
    bool is_typed = t && (t->node == OPR_NODE_MAP || t->node == OPR_NODE_OBJECT);
    opr_status st = read_map(r, is_typed ? t : NULL, map);
    if (st != OPR_OK) {
        json_object_put(map);
        return st;
    }
    *ret_value = map;
    return OPR_OK;
}

static bool wants(const struct opr_schema_type *t, char c)
{
    switch ((enum opr_node)t->node) {
    case OPR_NODE_ANY:
    case OPR_NODE_RAW:
    case OPR_NODE_FIELDSV1:
        return true;
    case OPR_NODE_OBJECT:
    case OPR_NODE_MAP:
        return c == '{';
    case OPR_NODE_LIST:
    case OPR_NODE_WRAPPED:
        return c == '[';
    case OPR_NODE_BOOL:
        return c == 't';
    case OPR_NODE_INT32:
    case OPR_NODE_INT64:
    case OPR_NODE_DOUBLE:
        return c == '0';
    case OPR_NODE_STRING:
    case OPR_NODE_BYTES:
    case OPR_NODE_TIME:
    case OPR_NODE_MICROTIME:
        return c == '"';
    case OPR_NODE_QUANTITY:
    case OPR_NODE_INTORSTR:
        return c == '"' || c == '0';
    case OPR_NODE_PROPS_OR_BOOL:
        return c == '{' || c == 't';
    case OPR_NODE_PROPS_OR_ARRAY:
    case OPR_NODE_PROPS_OR_STRINGS:
        return c == '{' || c == '[';
    }
    return false;
}

static opr_status read_integer(struct reader *r, const struct opr_schema_type *t,
                               struct opr_str text, struct json_object **ret_value)
{
    int64_t v;
    bool is_narrow = t->node != OPR_NODE_INT64;
    if (opr_str_to_i64(text, &v) != OPR_OK || (is_narrow && (v > INT32_MAX || v < INT32_MIN))) {
        return type_error(r, "number", text, t);
    }
    *ret_value = json_object_new_int64(v);
    return OPR_OK;
}

static opr_status read_number(struct reader *r, const struct opr_schema_type *t,
                              struct json_object **ret_value)
{
    struct opr_str text;
    OPR_TRY(opr__scan_number(&r->scan, &text));
    if (t &&
        (t->node == OPR_NODE_INT32 || t->node == OPR_NODE_INT64 || t->node == OPR_NODE_INTORSTR)) {
        return read_integer(r, t, text, ret_value);
    }
    if (t && t->node == OPR_NODE_QUANTITY) {
        char canonical[OPR__SCALAR_TEXT_MAX];
        OPR_TRY(opr__canonical_quantity(text, canonical, r->scan.reterr));
        *ret_value = json_object_new_string(canonical);
        return OPR_OK;
    }
    int64_t v;
    if (opr_str_to_i64(text, &v) == OPR_OK && !(t && t->node == OPR_NODE_DOUBLE)) {
        *ret_value = json_object_new_int64(v);
        return OPR_OK;
    }
    char *copy = opr_xstrndup(text.ptr, text.len);
    *ret_value = json_object_new_double_s(strtod(copy, NULL), copy);
    opr_free(copy);
    return OPR_OK;
}

static opr_status read_text(struct reader *r, const struct opr_schema_type *t,
                            struct json_object **ret_value)
{
    OPR_TRY(read_string(r));
    char canonical[OPR__SCALAR_TEXT_MAX];
    struct opr_str text = opr_buf_str(&r->text);
    uint8_t node = t ? t->node : (uint8_t)OPR_NODE_ANY;
    if (node == OPR_NODE_QUANTITY) {
        OPR_TRY(opr__canonical_quantity(opr_str_trim(text), canonical, r->scan.reterr));
        *ret_value = json_object_new_string(canonical);
        return OPR_OK;
    }
    if (node == OPR_NODE_TIME || node == OPR_NODE_MICROTIME) {
        bool is_micro = node == OPR_NODE_MICROTIME;
        OPR_TRY(opr__canonical_time(text, is_micro, canonical, r->scan.reterr));
        *ret_value = json_object_new_string(canonical);
        return OPR_OK;
    }
    if (node == OPR_NODE_BYTES) {
        struct opr_buf bytes = {0};
        opr_status st = opr_buf_unbase64(&bytes, text);
        opr_buf_fini(&bytes);
        if (st != OPR_OK) {
            return opr_error_set(r->scan.reterr, OPR_E_INVALID,
                                 "illegal base64 data at input byte %zu",
                                 strspn(text.ptr ? text.ptr : "",
                                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                        "0123456789+/"));
        }
    }
    *ret_value = text_object(r);
    return OPR_OK;
}

/* The type that a union's object or list has. */
static const struct opr_schema_type *chosen(const struct opr_schema_type *t, char c)
{
    if (!t || t->node < OPR_NODE_PROPS_OR_BOOL) {
        return t;
    }
    return c == '{' ? t->elem : NULL;
}

static opr_status read_array(struct reader *r, const struct opr_schema_type *t,
                             struct json_object **ret_value)
{
    if (t && t->node == OPR_NODE_PROPS_OR_ARRAY) {
        return read_list(r, t->elem, ret_value);
    }
    bool is_list = t && (t->node == OPR_NODE_LIST || t->node == OPR_NODE_WRAPPED);
    return read_list(r, is_list ? t->elem : NULL, ret_value);
}

static opr_status wrong_type(struct reader *r, char c, const struct opr_schema_type *t)
{
    const char *what = c == '{'   ? "object"
                       : c == '[' ? "array"
                       : c == '"' ? "string"
                       : c == 't' ? "bool"
                                  : "number";
    return type_error(r, what, opr_str_n("", 0), t);
}

/* Which sort of value begins with this character: { [ " t (true, false) n (null) 0 (number). */
static char sort_of(char c)
{
    if (c == 'f') {
        return 't';
    }
    return c == '-' || (c >= '0' && c <= '9') ? '0' : c;
}

static opr_status read_value(struct reader *r, const struct opr_schema_type *t,
                             struct json_object **ret_value)
{
    char c = opr__scan_peek(&r->scan), sort = sort_of(c);
    if (!c || !strchr("{[\"tn0", sort)) {
        return opr__scan_error(&r->scan, "looking for beginning of value");
    }
    if (sort == 'n') {
        *ret_value = NULL;
        return opr__scan_word(&r->scan, "null");
    }
    bool is_custom = t && (t->flags & OPR_SCHEMA_CUSTOM);
    if (t && !is_custom && !wants(t, sort)) {
        return wrong_type(r, sort, t);
    }
    if (is_custom && sort != '{' && sort != '[') {
        t = NULL; /* validation judges it, with the CRD's rules */
    }
    if (r->depth >= OPR__DECODE_MAX_DEPTH) {
        return opr_error_set(r->scan.reterr, OPR_E_LIMIT, "exceeded max depth");
    }
    opr_status st = OPR_OK;
    r->depth++;
    if (sort == '{') {
        st = read_object(r, chosen(t, '{'), ret_value);
    } else if (sort == '[') {
        st = read_array(r, t, ret_value);
    } else if (sort == '"') {
        st = read_text(r, t, ret_value);
    } else if (sort == 't') {
        st = opr__scan_word(&r->scan, c == 't' ? "true" : "false");
        *ret_value = st == OPR_OK ? json_object_new_boolean(c == 't') : NULL;
    } else {
        st = read_number(r, t, ret_value);
    }
    r->depth--;
    return st;
}

#define SNIPPET_BYTES 30

/* Shows the beginning of text that is no JSON. */
static void add_snippet(struct opr_error *err, struct opr_str text)
{
    static const char head[] = "couldn't get version/kind";
    size_t len = strlen(err->message);
    if (strncmp(err->message, head, strlen(head)) == 0) {
        bool is_long = text.len > SNIPPET_BYTES;
        snprintf(err->message + len, sizeof(err->message) - len, " (%.*s%s)",
                 (int)(is_long ? SNIPPET_BYTES : text.len), text.ptr, is_long ? " ..." : "");
    }
}

static opr_status decode(const struct opr_schema_type *type, struct opr_str text,
                         struct json_object **ret_doc, struct opr_field_errors *errors,
                         struct opr_error *reterr)
{
    struct reader r = {.scan = {text.ptr, text.ptr + text.len, reterr}, .errors = errors};
    struct json_object *doc = NULL;
    opr_status st = read_value(&r, type, &doc);
    if (st == OPR_OK) {
        st = opr__scan_end(&r.scan);
    }
    opr__slots_fini(&r.slots);
    opr_buf_fini(&r.text);
    opr_buf_fini(&r.path);
    opr_buf_fini(&r.go);
    if (st != OPR_OK) {
        json_object_put(doc);
        if (reterr) {
            add_snippet(reterr, text);
        }
        return st;
    }
    *ret_doc = doc;
    return OPR_OK;
}

opr_status opr__decode_json(const struct opr_schema_type *type, struct opr_str text,
                            struct json_object **ret_doc, struct opr_field_errors *errors,
                            struct opr_error *reterr)
{
    opr_status st = decode(type, text, ret_doc, errors, reterr);
    if (st != OPR_E_INVALID || !type) {
        return st;
    }
    /* Text that is no JSON is called so, even where a wrong type comes first. */
    struct json_object *any = NULL;
    struct opr_error syntax = {0};
    if (decode(NULL, text, &any, NULL, &syntax) == OPR_OK) {
        json_object_put(any);
    } else if (reterr) {
        *reterr = syntax;
    }
    return st;
}
