#include "apiserver/schema/decode.h"

#include "apiserver/schema/wire.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/str.h"

#include <stdio.h>

static struct json_object *new_text(struct opr_str s)
{
    return json_object_new_string_len(s.len ? s.ptr : "", (int)s.len);
}

static opr_status read_time(const struct opr__wire *w, const struct opr_schema_type *t,
                            struct opr_str bytes, struct json_object **ret_value)
{
    struct opr__small m;
    OPR_TRY(opr__wire_small(w, bytes, &m));
    int64_t seconds = (int64_t)m.number[1];
    int32_t nanos = (int32_t)m.number[2];
    if (seconds < -62135596800 || seconds > 253402300799 || nanos < 0 || nanos > 999999999) {
        return opr_error_set(w->reterr, OPR_E_INVALID, "proto: time out of range");
    }
    if (bytes.len == 0 || seconds == -62135596800) {
        *ret_value = NULL; /* Go's zero time */
        return OPR_OK;
    }
    char text[OPR_TIME_TEXT_MAX], micro[OPR_TIME_TEXT_MAX + 8];
    opr_time_format(seconds * 1000, text);
    if (t->node == OPR_NODE_MICROTIME) {
        snprintf(micro, sizeof(micro), "%.19s.%06dZ", text, nanos / 1000);
        *ret_value = json_object_new_string(micro);
    } else {
        *ret_value = json_object_new_string(text);
    }
    return OPR_OK;
}

static opr_status read_quantity(const struct opr__wire *w, struct opr_str bytes,
                                struct json_object **ret_value)
{
    struct opr__small m;
    char text[OPR__SCALAR_TEXT_MAX];
    OPR_TRY(opr__wire_small(w, bytes, &m));
    struct opr_str amount = m.text[1].len ? m.text[1] : opr_str_n("0", 1);
    OPR_TRY(opr__canonical_quantity(amount, text, w->reterr));
    *ret_value = json_object_new_string(text);
    return OPR_OK;
}

static opr_status read_json_text(const struct opr__wire *w, struct opr_str bytes,
                                 struct json_object **ret_value)
{
    struct opr__small m;
    OPR_TRY(opr__wire_small(w, bytes, &m));
    *ret_value = NULL;
    return m.text[1].len == 0 ? OPR_OK
                              : opr__decode_json(NULL, m.text[1], ret_value, NULL, w->reterr);
}

static opr_status read_int_or_string(const struct opr__wire *w, struct opr_str bytes,
                                     struct json_object **ret_value)
{
    struct opr__small m;
    OPR_TRY(opr__wire_small(w, bytes, &m));
    *ret_value = m.number[1] == 1 ? new_text(m.text[3]) : json_object_new_int((int32_t)m.number[2]);
    return OPR_OK;
}

static opr_status read_message(const struct opr__wire *outer, const struct opr_schema_type *t,
                               struct opr_str bytes, struct opr__slots *slots,
                               struct json_object **ret_value);
static opr_status read_bytes(const struct opr__wire *w, const struct opr_schema_type *t,
                             struct opr_str bytes, struct opr__slots *slots,
                             struct json_object **ret_value);

/* JSONSchemaPropsOrBool {allows=1, schema=2}, ...OrArray and ...OrStringArray {schema=1, list=2}.
 */
static opr_status read_union(const struct opr__wire *outer, const struct opr_schema_type *t,
                             struct opr_str bytes, struct opr__slots *slots,
                             struct json_object **ret_value)
{
    struct opr__wire w = opr__wire_of(outer, bytes);
    struct opr__wire_field f;
    struct json_object *list = NULL, *schema = NULL;
    bool is_allowed = false, is_bool = t->node == OPR_NODE_PROPS_OR_BOOL;
    opr_status st;
    while ((st = opr__wire_next(&w, &f)) == OPR_OK) {
        struct json_object *item = NULL;
        if (is_bool && f.number == 1) {
            is_allowed = f.number_value != 0;
        } else if (f.number == (is_bool ? 2u : 1u)) {
            st = read_message(&w, t->elem, f.bytes, slots, &item);
            json_object_put(schema);
            schema = item;
        } else if (f.number == 2) {
            list = list ? list : json_object_new_array();
            st = OPR_OK;
            if (t->node == OPR_NODE_PROPS_OR_STRINGS) {
                item = new_text(f.bytes);
            } else {
                st = read_message(&w, t->elem, f.bytes, slots, &item);
            }
            json_object_array_add(list, item);
        }
        if (st != OPR_OK) {
            break;
        }
    }
    if (st != OPR_E_END) {
        json_object_put(list);
        json_object_put(schema);
        return st;
    }
    if (!schema && is_bool) {
        schema = json_object_new_boolean(is_allowed);
    }
    *ret_value = schema ? schema : list;
    if (schema) {
        json_object_put(list);
    }
    return OPR_OK;
}

static opr_status read_wrapped(const struct opr__wire *outer, const struct opr_schema_type *t,
                               struct opr_str bytes, struct opr__slots *slots,
                               struct json_object **ret_value)
{
    struct opr__wire w = opr__wire_of(outer, bytes);
    struct opr__wire_field f;
    struct json_object *list = json_object_new_array();
    opr_status st;
    while ((st = opr__wire_next(&w, &f)) == OPR_OK) {
        struct json_object *item = NULL;
        st = read_bytes(&w, t->elem, f.bytes, slots, &item);
        if (st != OPR_OK) {
            break;
        }
        json_object_array_add(list, item);
    }
    if (st != OPR_E_END) {
        json_object_put(list);
        return st;
    }
    *ret_value = list;
    return OPR_OK;
}

/* A length-delimited value that is no list and no map. */
static opr_status read_bytes(const struct opr__wire *w, const struct opr_schema_type *t,
                             struct opr_str bytes, struct opr__slots *slots,
                             struct json_object **ret_value)
{
    struct opr_buf text = {0};
    switch ((enum opr_node)t->node) {
    case OPR_NODE_STRING:
        *ret_value = new_text(bytes);
        return OPR_OK;
    case OPR_NODE_BYTES:
        opr_buf_base64(&text, bytes.ptr, bytes.len);
        *ret_value = new_text(opr_buf_str(&text));
        opr_buf_fini(&text);
        return OPR_OK;
    case OPR_NODE_TIME:
    case OPR_NODE_MICROTIME:
        return read_time(w, t, bytes, ret_value);
    case OPR_NODE_QUANTITY:
        return read_quantity(w, bytes, ret_value);
    case OPR_NODE_INTORSTR:
        return read_int_or_string(w, bytes, ret_value);
    case OPR_NODE_RAW:
    case OPR_NODE_FIELDSV1:
    case OPR_NODE_ANY:
        return read_json_text(w, bytes, ret_value);
    case OPR_NODE_OBJECT:
        return read_message(w, t, bytes, slots, ret_value);
    case OPR_NODE_WRAPPED:
        return read_wrapped(w, t, bytes, slots, ret_value);
    case OPR_NODE_PROPS_OR_BOOL:
    case OPR_NODE_PROPS_OR_ARRAY:
    case OPR_NODE_PROPS_OR_STRINGS:
        return read_union(w, t, bytes, slots, ret_value);
    default:
        return opr_error_set(w->reterr, OPR_E_INVALID, "proto: wrong wireType for %s", t->go_name);
    }
}

static opr_status read_number(const struct opr__wire *w, const struct opr_schema_type *t,
                              const struct opr__wire_field *f, struct json_object **ret_value)
{
    double d;
    switch ((enum opr_node)t->node) {
    case OPR_NODE_BOOL:
        *ret_value = json_object_new_boolean(f->number_value != 0);
        return OPR_OK;
    case OPR_NODE_INT32:
        *ret_value = json_object_new_int((int32_t)f->number_value);
        return OPR_OK;
    case OPR_NODE_INT64:
        *ret_value = json_object_new_int64((int64_t)f->number_value);
        return OPR_OK;
    case OPR_NODE_DOUBLE:
        memcpy(&d, &f->number_value, sizeof(d));
        *ret_value = json_object_new_double(d);
        return OPR_OK;
    default:
        return opr_error_set(w->reterr, OPR_E_INVALID, "proto: wrong wireType for %s", t->go_name);
    }
}

static opr_status read_single(const struct opr__wire *w, const struct opr_schema_type *t,
                              const struct opr__wire_field *f, struct opr__slots *slots,
                              struct json_object **ret_value)
{
    return f->type == OPR__WIRE_BYTES ? read_bytes(w, t, f->bytes, slots, ret_value)
                                      : read_number(w, t, f, ret_value);
}

/* Packed numbers: many in one length-delimited field. */
static opr_status read_packed(const struct opr__wire *outer, const struct opr_schema_type *elem,
                              struct opr_str bytes, struct json_object *list)
{
    struct opr__wire w = opr__wire_of(outer, bytes);
    while (w.p < w.end) {
        struct opr__wire_field f = {.type = OPR__WIRE_VARINT};
        struct json_object *item = NULL;
        OPR_TRY(elem->node == OPR_NODE_DOUBLE ? opr__wire_fixed(&w, 8, &f.number_value)
                                              : opr__wire_varint(&w, &f.number_value));
        OPR_TRY(read_number(&w, elem, &f, &item));
        json_object_array_add(list, item);
    }
    return OPR_OK;
}

static opr_status read_item(const struct opr__wire *w, const struct opr_schema_type *elem,
                            const struct opr__wire_field *f, struct opr__slots *slots,
                            struct json_object *list)
{
    bool is_number = elem->node >= OPR_NODE_BOOL && elem->node <= OPR_NODE_DOUBLE;
    if (is_number && f->type == OPR__WIRE_BYTES) {
        return read_packed(w, elem, f->bytes, list);
    }
    struct json_object *item = NULL;
    OPR_TRY(read_single(w, elem, f, slots, &item));
    json_object_array_add(list, item);
    return OPR_OK;
}

static opr_status read_entry(const struct opr__wire *outer, const struct opr_schema_type *elem,
                             struct opr_str bytes, struct opr__slots *slots,
                             struct json_object *map)
{
    struct opr__wire w = opr__wire_of(outer, bytes);
    struct opr__wire_field f;
    struct opr_str name = {"", 0};
    struct json_object *value = NULL;
    opr_status st;
    while ((st = opr__wire_next(&w, &f)) == OPR_OK) {
        if (f.number == 1) {
            name = f.bytes;
        } else if (f.number == 2) {
            json_object_put(value);
            value = NULL;
            st = read_single(&w, elem, &f, slots, &value);
        }
        if (st != OPR_OK) {
            break;
        }
    }
    if (st != OPR_E_END) {
        json_object_put(value);
        return st;
    }
    char *key = opr_xstrndup(name.ptr, name.len);
    json_object_object_add(map, key, value ? value : opr__zero_value(elem));
    opr_free(key);
    return OPR_OK;
}

static const struct opr_type_field *field_of(const struct opr_schema_type *t, uint32_t number)
{
    for (uint16_t i = 0; i < t->field_count; i++) {
        if (t->fields[i].proto_no == number) {
            return &t->fields[i];
        }
    }
    return NULL;
}

static opr_status read_members(struct opr__wire *w, const struct opr_schema_type *t,
                               struct opr__slots *slots, size_t base);

/* A message whose members belong to the parent in JSON. Its fields are in the parent's table by
 * name. */
static opr_status read_inline(const struct opr__wire *outer, const struct opr_schema_type *parent,
                              const struct opr_schema_type *t, struct opr_str bytes,
                              struct opr__slots *slots, size_t parent_base)
{
    struct opr__wire w = opr__wire_of(outer, bytes);
    size_t base = opr__slots_open(slots, t);
    opr_status st = read_members(&w, t, slots, base);
    for (uint16_t i = 0; st == OPR_OK && i < t->field_count; i++) {
        struct json_object *value = slots->items[base + i];
        const struct opr_type_field *f =
            t->fields[i].name ? opr_schema_type_field(parent, opr_str_of(t->fields[i].name)) : NULL;
        if (value && f) {
            slots->items[base + i] = NULL;
            opr__slots_set(slots, parent_base, (size_t)(f - parent->fields), value);
        }
    }
    opr__slots_drop(slots, base);
    return st;
}

static opr_status read_member(const struct opr__wire *w, const struct opr_schema_type *t,
                              const struct opr_type_field *field, const struct opr__wire_field *f,
                              struct opr__slots *slots, size_t base)
{
    size_t index = (size_t)(field - t->fields);
    struct json_object *value = slots->items[base + index];
    bool is_message = (field->flags & OPR_FIELD_INLINE) || field->type->node == OPR_NODE_MAP;
    if (is_message && f->type != OPR__WIRE_BYTES) {
        return opr_error_set(w->reterr, OPR_E_INVALID, "proto: wrong wireType for %s",
                             field->type->go_name);
    }
    if (field->flags & OPR_FIELD_INLINE) {
        return read_inline(w, t, field->type, f->bytes, slots, base);
    }
    if (field->type->node == OPR_NODE_LIST || field->type->node == OPR_NODE_MAP) {
        bool is_list = field->type->node == OPR_NODE_LIST;
        if (!value) {
            value = is_list ? json_object_new_array() : json_object_new_object();
            opr__slots_set(slots, base, index, value);
        }
        return is_list ? read_item(w, field->type->elem, f, slots, value)
                       : read_entry(w, field->type->elem, f->bytes, slots, value);
    }
    value = NULL;
    OPR_TRY(read_single(w, field->type, f, slots, &value));
    opr__slots_set(slots, base, index, value);
    return OPR_OK;
}

static opr_status read_members(struct opr__wire *w, const struct opr_schema_type *t,
                               struct opr__slots *slots, size_t base)
{
    if (w->depth > OPR__DECODE_MAX_DEPTH) {
        return opr_error_set(w->reterr, OPR_E_LIMIT, "proto: exceeded max depth");
    }
    struct opr__wire_field f;
    opr_status st;
    while ((st = opr__wire_next(w, &f)) == OPR_OK) {
        const struct opr_type_field *field = field_of(t, f.number);
        if (field) {
            OPR_TRY(read_member(w, t, field, &f, slots, base));
        }
    }
    return st == OPR_E_END ? OPR_OK : st;
}

static opr_status read_message(const struct opr__wire *outer, const struct opr_schema_type *t,
                               struct opr_str bytes, struct opr__slots *slots,
                               struct json_object **ret_value)
{
    struct opr__wire w = opr__wire_of(outer, bytes);
    size_t base = opr__slots_open(slots, t);
    opr_status st = read_members(&w, t, slots, base);
    if (st != OPR_OK) {
        opr__slots_drop(slots, base);
        return st;
    }
    *ret_value = opr__slots_build(slots, base, t);
    return OPR_OK;
}

static const struct opr_kind *find_kind(struct opr_str api_version, struct opr_str name)
{
    struct opr_str group = {"", 0}, version = api_version;
    if (opr_str_is(name, "DeleteOptions")) { /* every group version has it */
        return opr_kind_find_kind(OPR_STR("meta.k8s.io"), OPR_STR("v1"), name);
    }
    if (version.len && memchr(version.ptr, '/', version.len)) {
        (void)opr_str_next(&version, '/', &group); /* there is a '/' */
    }
    return opr_kind_find_kind(group, version, name);
}

opr_status opr__decode_proto(const struct opr_kind *kind, struct opr_str body,
                             struct json_object **ret_doc, struct opr_error *reterr)
{
    struct opr__wire top = {NULL, NULL, reterr, 0};
    struct opr__small unknown, meta;
    if (body.len < 4 || memcmp(body.ptr, "k8s\0", 4) != 0) {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "provided data does not appear to be a protobuf message, expected "
                             "prefix [107 56 115 0]");
    }
    OPR_TRY(opr__wire_small(&top, opr_str_n(body.ptr + 4, body.len - 4), &unknown));
    OPR_TRY(opr__wire_small(&top, unknown.text[1], &meta));
    const struct opr_kind *named = kind ? kind : find_kind(meta.text[1], meta.text[2]);
    if (!named) {
        return opr_error_set(reterr, OPR_E_INVALID,
                             "no kind \"%.*s\" is registered for version \"%.*s\"",
                             OPR_STR_ARG(meta.text[2]), OPR_STR_ARG(meta.text[1]));
    }
    struct opr__slots slots = {0};
    struct opr__wire w = opr__wire_of(&top, unknown.text[2]);
    size_t base = opr__slots_open(&slots, named->type);
    opr_status st = read_members(&w, named->type, &slots, base);
    const struct opr_str names[] = {OPR_STR("apiVersion"), OPR_STR("kind")};
    for (size_t i = 0; st == OPR_OK && i < 2; i++) {
        const struct opr_type_field *f = opr_schema_type_field(named->type, names[i]);
        if (f && meta.text[i + 1].len) {
            opr__slots_set(&slots, base, (size_t)(f - named->type->fields),
                           new_text(meta.text[i + 1]));
        }
    }
    if (st == OPR_OK) {
        *ret_doc = opr__slots_build(&slots, base, named->type);
    }
    opr__slots_fini(&slots);
    return st;
}
