#include "apiserver/schema/reader.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdlib.h>

static const char *go_base_name(const char *go_name)
{
    const char *point = strrchr(go_name, '.');
    return point ? point + 1 : go_name;
}

opr_status opr__reader_type_error(struct opr__reader *r, const char *what, struct opr_str detail,
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

opr_status opr__reader_string(struct opr__reader *r)
{
    opr_buf_clear(&r->text);
    return opr__scan_string(&r->scan, &r->text);
}

static struct json_object *text_object(struct opr__reader *r)
{
    return json_object_new_string_len(r->text.data ? r->text.data : "", (int)r->text.len);
}

bool opr__reader_wants(const struct opr_schema_type *t, char c)
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

static opr_status read_integer(struct opr__reader *r, const struct opr_schema_type *t,
                               struct opr_str text, struct json_object **ret_value)
{
    int64_t v;
    bool is_narrow = t->node != OPR_NODE_INT64;
    if (opr_str_to_i64(text, &v) != OPR_OK || (is_narrow && (v > INT32_MAX || v < INT32_MIN))) {
        return opr__reader_type_error(r, "number", text, t);
    }
    *ret_value = json_object_new_int64(v);
    return OPR_OK;
}

opr_status opr__reader_number(struct opr__reader *r, const struct opr_schema_type *t,
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

opr_status opr__reader_text(struct opr__reader *r, const struct opr_schema_type *t,
                            struct json_object **ret_value)
{
    OPR_TRY(opr__reader_string(r));
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
            size_t good = strspn(text.ptr ? text.ptr : "",
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789+/");
            good -= good == text.len ? good % 4 : 0; /* the last group of four is not whole */
            return opr_error_set(r->scan.reterr, OPR_E_INVALID,
                                 "illegal base64 data at input byte %zu", good);
        }
    }
    *ret_value = text_object(r);
    return OPR_OK;
}
