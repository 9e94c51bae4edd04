/* The OpenAPI v2 document as protocol buffers, which older clients, and kubectl for kinds that are
 * not served, ask for with no other choice. Field numbers: the message descriptions of openapi.v2
 * (gnostic). What has no field there is left out. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/str.h"

enum form {
    FORM_TEXT,
    FORM_BOOL,
    FORM_INT,
    FORM_DOUBLE,
    FORM_ANY,       /* Any, or several: JSON as YAML text */
    FORM_TEXTS,     /* of each element */
    FORM_MESSAGE,   /* or several */
    FORM_MAP,       /* within one message: an entry of name and message a member */
    FORM_PARAMETERS /* each by where it stands */
};

struct message;
struct field {
    const char *name;
    uint8_t path[4]; /* field numbers, those of the messages around it first; ends with 0 */
    enum form form;
    const struct message *of;
    uint8_t value_path[4]; /* FORM_MAP: of the value within an entry */
};
struct message {
    const struct field *fields;
    uint8_t extension; /* number of the list of x-members; 0: none */
};

static const struct message schema;
static const struct field schema_fields[] = {
    {"$ref", {1}, FORM_TEXT, NULL, {0}},
    {"format", {2}, FORM_TEXT, NULL, {0}},
    {"title", {3}, FORM_TEXT, NULL, {0}},
    {"description", {4}, FORM_TEXT, NULL, {0}},
    {"default", {5}, FORM_ANY, NULL, {0}},
    {"multipleOf", {6}, FORM_DOUBLE, NULL, {0}},
    {"maximum", {7}, FORM_DOUBLE, NULL, {0}},
    {"exclusiveMaximum", {8}, FORM_BOOL, NULL, {0}},
    {"minimum", {9}, FORM_DOUBLE, NULL, {0}},
    {"exclusiveMinimum", {10}, FORM_BOOL, NULL, {0}},
    {"maxLength", {11}, FORM_INT, NULL, {0}},
    {"minLength", {12}, FORM_INT, NULL, {0}},
    {"pattern", {13}, FORM_TEXT, NULL, {0}},
    {"maxItems", {14}, FORM_INT, NULL, {0}},
    {"minItems", {15}, FORM_INT, NULL, {0}},
    {"uniqueItems", {16}, FORM_BOOL, NULL, {0}},
    {"maxProperties", {17}, FORM_INT, NULL, {0}},
    {"minProperties", {18}, FORM_INT, NULL, {0}},
    {"required", {19}, FORM_TEXTS, NULL, {0}},
    {"enum", {20}, FORM_ANY, NULL, {0}},
    {"additionalProperties", {21, 1}, FORM_MESSAGE, &schema, {0}},
    {"type", {22, 1}, FORM_TEXT, NULL, {0}},
    {"items", {23, 1}, FORM_MESSAGE, &schema, {0}},
    {"allOf", {24}, FORM_MESSAGE, &schema, {0}},
    {"properties", {25, 1}, FORM_MAP, &schema, {2}},
    {0}};
static const struct message schema = {schema_fields, 31};

static const struct field body_fields[] = {
    {"description", {1}, FORM_TEXT, NULL, {0}},  {"name", {2}, FORM_TEXT, NULL, {0}},
    {"in", {3}, FORM_TEXT, NULL, {0}},           {"required", {4}, FORM_BOOL, NULL, {0}},
    {"schema", {5}, FORM_MESSAGE, &schema, {0}}, {0}};
static const struct field query_fields[] = {
    {"required", {1}, FORM_BOOL, NULL, {0}},     {"in", {2}, FORM_TEXT, NULL, {0}},
    {"description", {3}, FORM_TEXT, NULL, {0}},  {"name", {4}, FORM_TEXT, NULL, {0}},
    {"type", {6}, FORM_TEXT, NULL, {0}},         {"format", {7}, FORM_TEXT, NULL, {0}},
    {"uniqueItems", {20}, FORM_BOOL, NULL, {0}}, {0}};
static const struct field path_fields[] = {
    {"required", {1}, FORM_BOOL, NULL, {0}},     {"in", {2}, FORM_TEXT, NULL, {0}},
    {"description", {3}, FORM_TEXT, NULL, {0}},  {"name", {4}, FORM_TEXT, NULL, {0}},
    {"type", {5}, FORM_TEXT, NULL, {0}},         {"format", {6}, FORM_TEXT, NULL, {0}},
    {"uniqueItems", {19}, FORM_BOOL, NULL, {0}}, {0}};

static const struct {
    const char *in;
    uint8_t path[5]; /* from the list's field number, which is put first */
    struct message message;
} parameters[] = {{"body", {1, 1}, {body_fields, 6}},
                  {"query", {1, 2, 3}, {query_fields, 23}},
                  {"path", {1, 2, 4}, {path_fields, 22}}};

static const struct field response_fields[] = {{"description", {1}, FORM_TEXT, NULL, {0}},
                                               {"schema", {2, 1}, FORM_MESSAGE, &schema, {0}},
                                               {0}};
static const struct message response = {response_fields, 5};
static const struct field operation_fields[] = {{"tags", {1}, FORM_TEXTS, NULL, {0}},
                                                {"summary", {2}, FORM_TEXT, NULL, {0}},
                                                {"description", {3}, FORM_TEXT, NULL, {0}},
                                                {"operationId", {5}, FORM_TEXT, NULL, {0}},
                                                {"produces", {6}, FORM_TEXTS, NULL, {0}},
                                                {"consumes", {7}, FORM_TEXTS, NULL, {0}},
                                                {"parameters", {8}, FORM_PARAMETERS, NULL, {0}},
                                                {"responses", {9, 1}, FORM_MAP, &response, {2, 1}},
                                                {0}};
static const struct message operation = {operation_fields, 13};
static const struct field item_fields[] = {{"get", {2}, FORM_MESSAGE, &operation, {0}},
                                           {"put", {3}, FORM_MESSAGE, &operation, {0}},
                                           {"post", {4}, FORM_MESSAGE, &operation, {0}},
                                           {"delete", {5}, FORM_MESSAGE, &operation, {0}},
                                           {"patch", {8}, FORM_MESSAGE, &operation, {0}},
                                           {"parameters", {9}, FORM_PARAMETERS, NULL, {0}},
                                           {0}};
static const struct message item = {item_fields, 10};
static const struct field info_fields[] = {
    {"title", {1}, FORM_TEXT, NULL, {0}}, {"version", {2}, FORM_TEXT, NULL, {0}}, {0}};
static const struct message info = {info_fields, 7};
static const struct field document_fields[] = {{"swagger", {1}, FORM_TEXT, NULL, {0}},
                                               {"info", {2}, FORM_MESSAGE, &info, {0}},
                                               {"paths", {8, 2}, FORM_MAP, &item, {2}},
                                               {"definitions", {9, 1}, FORM_MAP, &schema, {2}},
                                               {0}};
static const struct message document = {document_fields, 16};

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

static void put_varint(struct opr_buf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        opr_buf_add_char(out, (char)(v | 0x80));
    }
    opr_buf_add_char(out, (char)v);
}

/* Bytes as the innermost field of a path; the messages around it hold nothing else. */
static void put_bytes(struct opr_buf *out, const uint8_t *path, struct opr_str bytes)
{
    struct opr_buf inner = {0};
    if (path[1]) {
        put_bytes(&inner, path + 1, bytes);
        bytes = opr_buf_str(&inner);
    }
    put_varint(out, (uint64_t)path[0] << 3 | WIRE_BYTES);
    put_varint(out, bytes.len);
    opr_buf_add_str(out, bytes);
    opr_buf_fini(&inner);
}

static void put_text(struct opr_buf *out, const uint8_t *path, struct json_object *v)
{
    const char *text = json_object_get_string(v);
    put_bytes(out, path, opr_str_of(text ? text : ""));
}

/* Any {yaml = 2}: JSON is YAML. */
static void put_any(struct opr_buf *out, const uint8_t *path, struct json_object *v)
{
    struct opr_buf text = {0}, any = {0};
    opr_doc_write(&text, v);
    put_bytes(&any, (const uint8_t[]){2, 0}, opr_buf_str(&text));
    put_bytes(out, path, opr_buf_str(&any));
    opr_buf_fini(&text);
    opr_buf_fini(&any);
}

static void put_members(struct opr_buf *out, const struct message *m, struct json_object *v);

static void put_message(struct opr_buf *out, const uint8_t *path, const struct message *m,
                        struct json_object *v)
{
    struct opr_buf inner = {0};
    put_members(&inner, m, v);
    put_bytes(out, path, opr_buf_str(&inner));
    opr_buf_fini(&inner);
}

/* Entries {name = 1, value = 2}, all in the message that path[0] is. */
static void put_map(struct opr_buf *out, const struct field *f, struct json_object *v)
{
    struct opr_buf entries = {0};
    json_object_object_foreach(v, key, value)
    {
        struct opr_buf entry = {0};
        put_bytes(&entry, (const uint8_t[]){1, 0}, opr_str_of(key));
        put_message(&entry, f->value_path, f->of, value);
        put_bytes(&entries, f->path + 1, opr_buf_str(&entry));
        opr_buf_fini(&entry);
    }
    put_bytes(out, (const uint8_t[]){f->path[0], 0}, opr_buf_str(&entries));
    opr_buf_fini(&entries);
}

static void put_parameter(struct opr_buf *out, uint8_t number, struct json_object *v)
{
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
        if (strcmp(opr_doc_str(v, "/in", ""), parameters[i].in) == 0) {
            struct opr_buf inner = {0};
            put_message(&inner, parameters[i].path, &parameters[i].message, v);
            put_bytes(out, (const uint8_t[]){number, 0}, opr_buf_str(&inner));
            opr_buf_fini(&inner);
        }
    }
}

/* One value of a field; a list's elements come one by one. */
static void put_value(struct opr_buf *out, const struct field *f, struct json_object *v)
{
    double number = json_object_get_double(v);
    switch (f->form) {
    case FORM_BOOL:
        put_varint(out, (uint64_t)f->path[0] << 3 | WIRE_VARINT);
        put_varint(out, json_object_get_boolean(v));
        break;
    case FORM_INT:
        put_varint(out, (uint64_t)f->path[0] << 3 | WIRE_VARINT);
        put_varint(out, (uint64_t)json_object_get_int64(v));
        break;
    case FORM_DOUBLE:
        put_varint(out, (uint64_t)f->path[0] << 3 | WIRE_FIXED64);
        opr_buf_add(out, &number, sizeof number);
        break;
    case FORM_ANY:
        put_any(out, f->path, v);
        break;
    case FORM_MESSAGE:
        if (json_object_is_type(v, json_type_object)) {
            put_message(out, f->path, f->of, v);
        }
        break;
    case FORM_MAP:
        put_map(out, f, v);
        break;
    case FORM_PARAMETERS:
        put_parameter(out, f->path[0], v);
        break;
    case FORM_TEXT:
    case FORM_TEXTS:
        put_text(out, f->path, v);
        break;
    }
}

static void put_extension(struct opr_buf *out, uint8_t number, const char *name,
                          struct json_object *v)
{
    struct opr_buf entry = {0};
    put_bytes(&entry, (const uint8_t[]){1, 0}, opr_str_of(name));
    put_any(&entry, (const uint8_t[]){2, 0}, v);
    put_bytes(out, (const uint8_t[]){number, 0}, opr_buf_str(&entry));
    opr_buf_fini(&entry);
}

static void put_members(struct opr_buf *out, const struct message *m, struct json_object *v)
{
    json_object_object_foreach(v, key, value)
    {
        const struct field *f = m->fields;
        while (f->name && strcmp(f->name, key) != 0) {
            f++;
        }
        bool is_extension = strncmp(key, "x-", 2) == 0 && m->extension;
        bool is_list = json_object_is_type(value, json_type_array) &&
                       !(strcmp(key, "default") == 0); /* a default may be a list itself */
        if (!f->name && is_extension) {
            put_extension(out, m->extension, key, value);
        } else if (f->name && is_list) {
            for (size_t i = 0; i < json_object_array_length(value); i++) {
                put_value(out, f, json_object_array_get_idx(value, i));
            }
        } else if (f->name) {
            put_value(out, f, value);
        }
    }
}

void opr_api_openapi_proto(struct opr_req *r, struct json_object *take_doc)
{
    r->res->status = 200;
    opr_buf_clear(&r->res->body);
    put_members(&r->res->body, &document, take_doc);
    opr_api_header(r, "Content-Type",
                   OPR_STR("application/com.github.proto-openapi.spec.v2.v1.0+protobuf"));
    json_object_put(take_doc);
}
