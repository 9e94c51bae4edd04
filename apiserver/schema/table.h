/* The tables behind a kind: types as a graph of nodes, and what is known of a kind beside struct
 * opr_kind. Generated for built-in kinds (schema_tables.c), made at run time for custom ones
 * (crd.c); immutable either way. Threads: any. Lifetime: static, or that of the custom kind. */
#ifndef OPR_APISERVER_SCHEMA_TABLE_H
#define OPR_APISERVER_SCHEMA_TABLE_H

#include "apiserver/schema/schema.h"

#include <regex.h>

#ifdef __cplusplus
extern "C" {
#endif

enum opr_node {
    OPR_NODE_ANY, /* any JSON value */
    OPR_NODE_BOOL,
    OPR_NODE_INT32,
    OPR_NODE_INT64,
    OPR_NODE_DOUBLE,
    OPR_NODE_STRING,
    OPR_NODE_BYTES, /* base64 text */
    OPR_NODE_TIME,  /* RFC 3339, seconds */
    OPR_NODE_MICROTIME,
    OPR_NODE_QUANTITY,
    OPR_NODE_INTORSTR,
    OPR_NODE_RAW,      /* any JSON value; on the wire a message with its text */
    OPR_NODE_FIELDSV1, /* as RAW */
    OPR_NODE_OBJECT,   /* fields, and for custom kinds additional members of type elem */
    OPR_NODE_LIST,
    OPR_NODE_WRAPPED, /* a list that is a message of its own on the wire */
    OPR_NODE_MAP,
    OPR_NODE_PROPS_OR_BOOL, /* elem: JSONSchemaProps */
    OPR_NODE_PROPS_OR_ARRAY,
    OPR_NODE_PROPS_OR_STRINGS
};

enum opr_list_type {
    OPR_LIST_DEFAULT, /* not said: atomic */
    OPR_LIST_ATOMIC,
    OPR_LIST_SET,
    OPR_LIST_MAP /* keys name the members that make an item unique */
};

enum { /* opr_schema_type.flags */
       OPR_SCHEMA_MAP_ATOMIC = 1u,
       OPR_SCHEMA_CUSTOM = 2u,           /* part of a CRD's schema: nothing is added or dropped */
       OPR_SCHEMA_PRESERVE_UNKNOWN = 4u, /* custom: members that are not in the schema stay */
       OPR_SCHEMA_EMBEDDED = 8u,         /* custom: holds apiVersion, kind and metadata */
       OPR_SCHEMA_NULLABLE = 16u         /* custom */
};

enum {                     /* opr_type_field.flags */
       OPR_FIELD_PTR = 1u, /* Go keeps a pointer: zero and absent differ */
       OPR_FIELD_OMITEMPTY = 2u,
       OPR_FIELD_OMITZERO = 4u,
       OPR_FIELD_REQUIRED = 8u, /* as OpenAPI publishes it */
       OPR_FIELD_INLINE = 16u,  /* wire only: the members of this message belong to the parent */
       OPR_FIELD_PATCH_MERGE = 32u,
       OPR_FIELD_PATCH_REPLACE = 64u,
       OPR_FIELD_PATCH_RETAIN_KEYS = 128u
};

/* Value rules of a CRD's schema. */
struct opr_schema_rules {
    bool has_minimum, has_maximum, is_minimum_exclusive, is_maximum_exclusive, has_pattern;
    bool has_unique_items;
    double minimum, maximum, multiple_of; /* multiple_of 0: none */
    int64_t min_length, max_length, min_items, max_items, min_properties, max_properties; /* -1 */
    const char *format;       /* NULL: none */
    const char *pattern_text; /* as it was written */
    regex_t pattern;
    struct json_object *enum_values; /* borrowed from the CRD's document; NULL: none */
    /* End with NULL; NULL: none. */
    const struct opr_schema_type *const *all_of, *const *any_of, *const *one_of;
    const struct opr_schema_type *none_of; /* "not" */
    struct json_object *source;            /* borrowed: the schema as it was written, for OpenAPI */
};

struct opr_schema_type {
    uint8_t node;      /* enum opr_node */
    uint8_t list_type; /* enum opr_list_type */
    uint16_t field_count;
    uint32_t flags;
    const char *name;    /* OpenAPI name of a message, else NULL */
    const char *go_name; /* "v1.PodSpec", "[]v1.Container", "int32"; custom: "string", "array" */
    const struct opr_type_field *fields;
    const struct opr_schema_type *elem;
    const char *const *keys;                          /* of a list of type map; ends with NULL */
    const char *const *enums;                         /* sorted; ends with NULL; NULL: none */
    void (*set_defaults)(struct json_object *object); /* after the fields' own defaults */
    const struct opr_schema_rules *rules;             /* custom only */
};

struct opr_type_field {
    const char *name; /* NULL for OPR_FIELD_INLINE */
    const struct opr_schema_type *type;
    const char *default_json; /* NULL: none */
    const char *merge_key;    /* NULL: none */
    uint16_t proto_no;        /* 0: not on the wire of this message */
    uint16_t flags;
};

/* A printer column of a CRD. */
struct opr_schema_column {
    const char *name, *type, *format, *description, *json_path;
    int32_t priority;
};

struct opr__kind_info {
    const char *const *selectable; /* field selectors beside name and namespace; NULL: none */
    /* Custom kinds: */
    const struct opr_schema_column *columns;
    size_t column_count;
};
const struct opr__kind_info *opr__info_of(const struct opr_kind *k);

/* Generated. */
extern const struct opr_kind opr__kinds[];
extern const struct opr__kind_info opr__kind_infos[];
extern const size_t opr__kinds_count;
extern const struct opr_schema_type *const opr__type_object_meta;
extern const struct opr_schema_type *const opr__type_type_meta;
extern const struct opr_schema_type *const opr__type_list_meta;
extern const struct opr_schema_type opr__type_any;

/* NULL: no such field. */
const struct opr_type_field *opr_schema_type_field(const struct opr_schema_type *t,
                                                   struct opr_str name);

#ifdef __cplusplus
}
#endif
#endif
