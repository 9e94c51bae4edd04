#include "core/json/doc.h"

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/json/node.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static struct json_object *number_from(const struct opr_obj *o)
{
    struct opr_str s = opr__node_text(o);
    int64_t i;
    uint64_t u;
    if (opr_str_to_i64(s, &i) == OPR_OK) {
        return json_object_new_int64(i);
    }
    if (opr_str_to_u64(s, &u) == OPR_OK) {
        return json_object_new_uint64(u);
    }
    return json_object_new_double_s(strtod(s.ptr, NULL), s.ptr);
}

struct json_object *opr_doc_from_obj(const struct opr_obj *o)
{
    struct json_object *doc = NULL;
    struct opr_str text;
    switch (opr_json_type(o)) {
    case OPR_TYPE_BOOL:
        return json_object_new_boolean(o->text != 0);
    case OPR_TYPE_NUMBER:
        return number_from(o);
    case OPR_TYPE_STRING:
        text = opr_json_text(o, "");
        return json_object_new_string_len(text.ptr, (int)text.len);
    case OPR_TYPE_ARRAY:
        doc = json_object_new_array_ext((int)o->len);
        for (const struct opr_obj *v = opr_json_first(o); v; v = opr_json_next(v)) {
            json_object_array_add(doc, opr_doc_from_obj(v));
        }
        return doc;
    case OPR_TYPE_OBJECT:
        doc = json_object_new_object();
        for (const struct opr_obj *v = opr_json_first(o); v; v = opr_json_next(v)) {
            json_object_object_add_ex(doc, opr_json_name(v), opr_doc_from_obj(v),
                                      JSON_C_OBJECT_ADD_KEY_IS_NEW);
        }
        return doc;
    default:
        return NULL;
    }
}

/* A number that came from text keeps it (json-c holds it as user data), be it past a double. */
static void write_double(struct opr_buf *b, struct json_object *doc)
{
    bool is_number = json_object_get_userdata(doc) || isfinite(json_object_get_double(doc));
    opr_buf_add_text(b, is_number ? json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN)
                                  : "null");
}

static void write_int(struct opr_buf *b, struct json_object *doc)
{
    int64_t i = json_object_get_int64(doc);
    if (i == INT64_MAX) {
        opr_buf_printf(b, "%" PRIu64, json_object_get_uint64(doc));
    } else {
        opr_buf_printf(b, "%" PRId64, i);
    }
}

void opr_doc_write(struct opr_buf *b, struct json_object *doc)
{
    switch (json_object_get_type(doc)) {
    case json_type_null:
        opr_buf_add_text(b, "null");
        break;
    case json_type_boolean:
        opr_buf_add_text(b, json_object_get_boolean(doc) ? "true" : "false");
        break;
    case json_type_int:
        write_int(b, doc);
        break;
    case json_type_double:
        write_double(b, doc);
        break;
    case json_type_string:
        opr_buf_add_json(
            b, opr_str_n(json_object_get_string(doc), (size_t)json_object_get_string_len(doc)));
        break;
    case json_type_array:
        opr_buf_add_char(b, '[');
        for (size_t i = 0; i < json_object_array_length(doc); i++) {
            if (i > 0) {
                opr_buf_add_char(b, ',');
            }
            opr_doc_write(b, json_object_array_get_idx(doc, i));
        }
        opr_buf_add_char(b, ']');
        break;
    case json_type_object: {
        char separator = '{';
        json_object_object_foreach(doc, name, value)
        {
            opr_buf_add_char(b, separator);
            opr_buf_add_json(b, opr_str_of(name));
            opr_buf_add_char(b, ':');
            opr_doc_write(b, value);
            separator = ',';
        }
        opr_buf_add_text(b, separator == '{' ? "{}" : "}");
        break;
    }
    }
}

struct opr_obj *opr_doc_to_obj(struct json_object *doc)
{
    struct opr_buf text = {0};
    struct opr_obj *obj = NULL;
    opr_doc_write(&text, doc);
    opr_status st = opr_json_parse(opr_buf_str(&text), &obj, NULL);
    opr_buf_fini(&text);
    return st == OPR_OK ? obj : NULL;
}

opr_status opr_doc_parse(struct opr_str text, struct json_object **ret_doc,
                         struct opr_error *reterr)
{
    struct opr_obj *obj = NULL;
    OPR_TRY(opr_json_parse(text, &obj, reterr));
    *ret_doc = opr_doc_from_obj(obj);
    opr_json_unref(obj);
    return OPR_OK;
}

/* Takes the next token off a pointer, unescaped into name. */
static bool next_token(const char **ptr, struct opr_buf *name)
{
    const char *p = *ptr;
    if (*p != '/') {
        return false;
    }
    opr_buf_clear(name);
    opr_buf_reserve(name, 0);
    for (p++; *p && *p != '/'; p++) {
        if (*p == '~' && (p[1] == '0' || p[1] == '1')) {
            opr_buf_add_char(name, *++p == '1' ? '/' : '~');
        } else {
            opr_buf_add_char(name, *p);
        }
    }
    *ptr = p;
    return true;
}

static struct json_object *child_of(struct json_object *doc, const struct opr_buf *name)
{
    struct json_object *child = NULL;
    uint64_t i;
    if (json_object_is_type(doc, json_type_object)) {
        json_object_object_get_ex(doc, name->data, &child);
    } else if (json_object_is_type(doc, json_type_array) &&
               opr_str_to_u64(opr_buf_str(name), &i) == OPR_OK) {
        child = json_object_array_get_idx(doc, i);
    }
    return child;
}

struct json_object *opr_doc_at(struct json_object *doc, const char *ptr)
{
    struct opr_buf name = {0};
    while (doc && next_token(&ptr, &name)) {
        doc = child_of(doc, &name);
    }
    opr_buf_fini(&name);
    return *ptr == '\0' ? doc : NULL;
}

const char *opr_doc_str(struct json_object *doc, const char *ptr, const char *dflt)
{
    struct json_object *value = opr_doc_at(doc, ptr);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : dflt;
}

int64_t opr_doc_int(struct json_object *doc, const char *ptr, int64_t dflt)
{
    struct json_object *value = opr_doc_at(doc, ptr);
    bool is_number =
        json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
    return is_number ? json_object_get_int64(value) : dflt;
}

bool opr_doc_bool(struct json_object *doc, const char *ptr, bool dflt)
{
    struct json_object *value = opr_doc_at(doc, ptr);
    return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value) : dflt;
}

/* Puts a value into a container; takes it in any case. */
static opr_status put_child(struct json_object *doc, const struct opr_buf *name,
                            struct json_object *take_value)
{
    uint64_t i;
    if (json_object_is_type(doc, json_type_object)) {
        json_object_object_add(doc, name->data, take_value);
        return OPR_OK;
    }
    if (json_object_is_type(doc, json_type_array)) {
        if (strcmp(name->data, "-") == 0) {
            json_object_array_add(doc, take_value);
            return OPR_OK;
        }
        if (opr_str_to_u64(opr_buf_str(name), &i) == OPR_OK && i <= json_object_array_length(doc)) {
            json_object_array_put_idx(doc, i, take_value);
            return OPR_OK;
        }
    }
    json_object_put(take_value);
    return OPR_E_INVALID;
}

opr_status opr_doc_put(struct json_object *doc, const char *ptr, struct json_object *take_value)
{
    struct opr_buf name = {0};
    opr_status st = next_token(&ptr, &name) ? OPR_OK : OPR_E_INVALID;
    while (st == OPR_OK && *ptr == '/') {
        struct json_object *child = child_of(doc, &name);
        if (!child) {
            child = ptr[1] == '-' && (ptr[2] == '\0' || ptr[2] == '/') ? json_object_new_array()
                                                                       : json_object_new_object();
            st = put_child(doc, &name, child);
        }
        doc = child;
        if (st == OPR_OK) {
            next_token(&ptr, &name);
        }
    }
    if (st != OPR_OK) {
        json_object_put(take_value);
    } else {
        st = put_child(doc, &name, take_value);
    }
    opr_buf_fini(&name);
    return st;
}

void opr_doc_put_str(struct json_object *doc, const char *ptr, const char *text)
{
    (void)!opr_doc_put(doc, ptr, json_object_new_string(text)); /* the path is the caller's own */
}

void opr_doc_put_int(struct json_object *doc, const char *ptr, int64_t value)
{
    (void)!opr_doc_put(doc, ptr, json_object_new_int64(value)); /* the path is the caller's own */
}

bool opr_doc_del(struct json_object *doc, const char *ptr)
{
    struct opr_buf name = {0};
    bool is_found = false;
    while (doc && next_token(&ptr, &name)) {
        if (*ptr == '/') {
            doc = child_of(doc, &name);
            continue;
        }
        uint64_t i;
        if (json_object_is_type(doc, json_type_object)) {
            is_found = json_object_object_get_ex(doc, name.data, NULL);
            json_object_object_del(doc, name.data);
        } else if (json_object_is_type(doc, json_type_array) &&
                   opr_str_to_u64(opr_buf_str(&name), &i) == OPR_OK) {
            is_found = json_object_array_del_idx(doc, i, 1) == 0;
        }
        break;
    }
    opr_buf_fini(&name);
    return is_found;
}

bool opr_doc_equal(struct json_object *a, struct json_object *b)
{
    struct opr_obj *x = opr_doc_to_obj(a), *y = opr_doc_to_obj(b);
    bool is_equal = x && y ? opr_json_equal(x, y) : json_object_equal(a, b);
    opr_json_unref(x);
    opr_json_unref(y);
    return is_equal;
}

struct json_object *opr_doc_dup(struct json_object *doc)
{
    struct json_object *copy = NULL;
    if (doc) {
        OPR_CHECK(json_object_deep_copy(doc, &copy, NULL) == 0);
    }
    return copy;
}
