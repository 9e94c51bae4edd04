#include "apiserver/schema/decode.h"

#include "apiserver/schema/reader.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdio.h>
#include <stdlib.h>

/* Go stops naming strict errors after this many. */
#define STRICT_ERRORS_MAX 100

static opr_status read_value(struct opr__reader *r, const struct opr_schema_type *t,
                             struct json_object **ret_value);

static void strict_error(struct opr__reader *r, const char *reason, const char *what,
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

/* What null stands for within a list or a map. */
static struct json_object *null_item(const struct opr_schema_type *elem)
{
    return elem && !(elem->flags & OPR_SCHEMA_CUSTOM) ? opr__zero_value(elem) : NULL;
}

/* A list, given what one item is. */
static opr_status read_list(struct opr__reader *r, const struct opr_schema_type *elem,
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
static opr_status next_member(struct opr__reader *r, bool is_first, bool *ret_more)
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
    OPR_TRY(opr__reader_string(r));
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
static opr_status read_map(struct opr__reader *r, const struct opr_schema_type *t,
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

static opr_status read_field(struct opr__reader *r, const struct opr_schema_type *t, size_t base,
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

static opr_status read_fields(struct opr__reader *r, const struct opr_schema_type *t, size_t base)
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

static opr_status read_object(struct opr__reader *r, const struct opr_schema_type *t,
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

/* The type that a union's object or list has. */
static const struct opr_schema_type *chosen(const struct opr_schema_type *t, char c)
{
    if (!t || t->node < OPR_NODE_PROPS_OR_BOOL) {
        return t;
    }
    return c == '{' ? t->elem : NULL;
}

static opr_status read_array(struct opr__reader *r, const struct opr_schema_type *t,
                             struct json_object **ret_value)
{
    if (t && t->node == OPR_NODE_PROPS_OR_ARRAY) {
        return read_list(r, t->elem, ret_value);
    }
    bool is_list = t && (t->node == OPR_NODE_LIST || t->node == OPR_NODE_WRAPPED);
    return read_list(r, is_list ? t->elem : NULL, ret_value);
}

static opr_status wrong_type(struct opr__reader *r, char c, const struct opr_schema_type *t)
{
    const char *what = c == '{'   ? "object"
                       : c == '[' ? "array"
                       : c == '"' ? "string"
                       : c == 't' ? "bool"
                                  : "number";
    return opr__reader_type_error(r, what, opr_str_n("", 0), t);
}

/* Which sort of value begins with this character: { [ " t (true, false) n (null) 0 (number). */
static char sort_of(char c)
{
    if (c == 'f') {
        return 't';
    }
    return c == '-' || (c >= '0' && c <= '9') ? '0' : c;
}

static opr_status read_value(struct opr__reader *r, const struct opr_schema_type *t,
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
    if (t && !is_custom && !opr__reader_wants(t, sort)) {
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
        st = opr__reader_text(r, t, ret_value);
    } else if (sort == 't') {
        st = opr__scan_word(&r->scan, c == 't' ? "true" : "false");
        *ret_value = st == OPR_OK ? json_object_new_boolean(c == 't') : NULL;
    } else {
        st = opr__reader_number(r, t, ret_value);
    }
    r->depth--;
    return st;
}

#define SNIPPET_BYTES 30

/* Shows the beginning of text that is no JSON; in hexadecimal where it does not even look so. */
static void add_snippet(struct opr_error *err, struct opr_str text)
{
    static const char head[] = "couldn't get version/kind";
    char hex[2 * SNIPPET_BYTES + 1];
    size_t len = strlen(err->message);
    if (strncmp(err->message, head, strlen(head)) != 0) {
        return;
    }
    bool is_long = text.len > SNIPPET_BYTES;
    text.len = is_long ? SNIPPET_BYTES : text.len;
    if (text.len > 0 && text.ptr[0] != '{') {
        for (size_t i = 0; i < text.len; i++) {
            snprintf(hex + 2 * i, 3, "%02x", (unsigned char)text.ptr[i]);
        }
        text = opr_str_n(hex, 2 * text.len);
    }
    text = text.len > 0 ? text : OPR_STR("<empty>");
    snprintf(err->message + len, sizeof(err->message) - len, " (%.*s%s)", (int)text.len, text.ptr,
             is_long ? " ..." : "");
}

static opr_status decode(const struct opr_schema_type *type, struct opr_str text,
                         struct json_object **ret_doc, struct opr_field_errors *errors,
                         struct opr_error *reterr)
{
    struct opr__reader r = {.scan = {text.ptr, text.ptr + text.len, reterr}, .errors = errors};
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
