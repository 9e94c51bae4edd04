/* Kinds and their schemas as tables, and the engine that interprets them: decode (JSON, YAML,
 * protobuf), default, validate, strategic merge patch, print, OpenAPI. Built-in kinds come from
 * tables generated at build time, custom resources from their CRD at run time; both are the same
 * structs. Threads: any for built-in kinds (static); a custom kind is reference-counted and
 * immutable. Documents are json-c trees that the caller owns. */
#ifndef OPR_APISERVER_SCHEMA_SCHEMA_H
#define OPR_APISERVER_SCHEMA_SCHEMA_H

#include "core/base/arena.h"
#include "core/json/doc.h"

#ifdef __cplusplus
extern "C" {
#endif

struct opr_schema_type; /* opaque: a message type and its fields */

enum { /* subresources */
       OPR_SUB_STATUS = 1u,
       OPR_SUB_SCALE = 2u,
       OPR_SUB_BINDING = 4u,
       OPR_SUB_LOG = 8u,
       OPR_SUB_EVICTION = 16u,
       OPR_SUB_TOKEN = 32u,
       OPR_SUB_FINALIZE = 64u,
       OPR_SUB_EXEC = 128u,
       OPR_SUB_ATTACH = 256u
};

struct opr_kind {
    const char *group, *version, *kind, *list_kind, *plural, *singular;
    const char *const *short_names; /* ends with NULL; may be NULL */
    const char *const *categories;  /* ends with NULL; may be NULL */
    bool is_namespaced;
    bool is_virtual; /* answered, never stored (SubjectAccessReview, TokenReview, Binding, Scale) */
    bool is_custom;
    bool is_amended;       /* custom: the CRD was changed since it was made, so that objects stored
                              earlier may lack defaults, or have members that are gone */
    bool has_generation;   /* metadata.generation rises when something beside metadata and status
                              changes */
    uint32_t subresources; /* OPR_SUB_* */
    const struct opr_schema_type *type;
    /* JSON pointers of the scale subresource; NULL: none */
    const char *scale_spec_replicas, *scale_status_replicas, *scale_selector;
    /* The stored group: events.k8s.io/v1 Event and v1 Event are one resource, kept as this. NULL:
     * itself */
    const struct opr_kind *stored_as;
};

/* One thing wrong with an object; worded as Kubernetes words it. */
struct opr_field_error {
    const char
        *reason; /* "FieldValueRequired", "FieldValueInvalid", "FieldValueNotSupported", ... */
    const char *field;   /* "spec.template.spec.containers[0].name" */
    const char *message; /* "Required value", "Invalid value: \"x\": ..." */
};
struct opr_field_errors {
    struct opr_arena *arena; /* borrowed; strings come from it */
    struct opr_field_error *items;
    size_t count, cap;
};
void opr_field_errors_add(struct opr_field_errors *e, const char *reason, const char *field,
                          const char *message);

/* Built-in kinds. */
size_t opr_kind_count(void);
const struct opr_kind *opr_kind_nth(size_t i);
const struct opr_kind *opr_kind_find(struct opr_str group, struct opr_str version,
                                     struct opr_str plural);
const struct opr_kind *opr_kind_find_kind(struct opr_str group, struct opr_str version,
                                          struct opr_str kind);

/* Custom kinds: one for each served version of a CRD object. Owned: opr_kind_unref(). */
OPR_NODISCARD opr_status opr_kind_from_crd(struct json_object *crd, const char *version,
                                           struct opr_kind **ret_kind,
                                           struct opr_field_errors *errors);
struct opr_kind *opr_kind_ref(const struct opr_kind *k);
void opr_kind_unref(struct opr_kind *k);

enum { OPR_STRICT_IGNORE = 0, OPR_STRICT_WARN = 1, OPR_STRICT_ERROR = 2 };

/* Decodes a request body into a document of a kind. content_type: application/json,
 * application/yaml, application/vnd.kubernetes.protobuf (built-in kinds). kind NULL: the body names
 * its own apiVersion and kind (DeleteOptions:
 * opr_kind_find_kind("meta.k8s.io","v1","DeleteOptions")). Unknown and duplicate fields: dropped,
 * and with WARN or ERROR named in errors (reason "UnknownField" or "DuplicateField"). Wrong types:
 * OPR_E_INVALID with Go's wording in reterr: bad JSON begins with "couldn't get version/kind; json
 * parse error: ", a type error with "json: cannot unmarshal". OPR_E_UNSUPPORTED: unknown content
 * type. The document is canonical: the members that Go would print, in Go's order. */
OPR_NODISCARD opr_status opr_schema_decode(const struct opr_kind *kind, struct opr_str content_type,
                                           struct opr_str body, int strictness,
                                           struct json_object **ret_doc,
                                           struct opr_field_errors *errors,
                                           struct opr_error *reterr);
/* The same check for a document that a patch made. */
OPR_NODISCARD opr_status opr_schema_prune(const struct opr_kind *kind, struct json_object *doc,
                                          int strictness, struct opr_field_errors *errors,
                                          struct opr_error *reterr);
/* YAML (or JSON) text to a document; a text of several documents gives an array of them. Keys that
 * a map has twice are named in duplicates ("line 3: key "a" already set in map"), which may be
 * NULL; the last one counts. */
OPR_NODISCARD opr_status opr_yaml_to_doc(struct opr_str text, struct opr_field_errors *duplicates,
                                         struct json_object **ret_doc, struct opr_error *reterr);

/* Changes a document of one kind to the other kind of the same resource (kind->stored_as),
 * apiVersion and kind with it. Prune or decode afterwards restores the order of members. */
void opr_schema_convert(const struct opr_kind *from, const struct opr_kind *to,
                        struct json_object *doc);

void opr_schema_default(const struct opr_kind *kind, struct json_object *doc);
/* old NULL: create. sub NULL: the object itself, else "status", "scale", ... Adds to errors. */
void opr_schema_validate(const struct opr_kind *kind, struct json_object *doc,
                         struct json_object *old, const char *sub, struct opr_field_errors *errors);
/* Built-in kinds only (custom: OPR_E_UNSUPPORTED → 415). Changes *doc. OPR_E_CONFLICT: parts of the
 * patch contradict each other, which Kubernetes answers with 500. */
OPR_NODISCARD opr_status opr_schema_strategic_patch(const struct opr_kind *kind,
                                                    struct json_object **doc,
                                                    struct json_object *patch,
                                                    struct opr_error *reterr);

/* Table output: column definitions (a JSON array for Table.columnDefinitions) and one row's cells
 * (a JSON array), from the object. now_ms is for ages. Owned results. */
struct json_object *opr_schema_columns(const struct opr_kind *kind);
struct json_object *opr_schema_cells(const struct opr_kind *kind, const struct opr_obj *obj,
                                     int64_t now_ms);

/* A field that a field selector may name; NULL text: not supported for this kind. The value is
 * written to buf where it must be made. */
OPR_NODISCARD opr_status opr_schema_field(const struct opr_kind *kind, const struct opr_obj *obj,
                                          struct opr_str field, struct opr_str *ret_value);
/* Whether it has more of them than name and namespace; refusals are worded by it. */
bool opr_schema_has_fields(const struct opr_kind *kind);

/* OpenAPI v3 document of one group version:
 * {"openapi":"3.0.0","info":...,"paths":...,"components":...} with x-kubernetes-group-version-kind,
 * list-type, patch-strategy and fieldValidation parameters, as kubectl reads it. kinds: all kinds
 * of that group version, built-in and custom. Owned. */
struct json_object *opr_schema_openapi_v3(const struct opr_kind *const *kinds, size_t count);
/* OpenAPI v2 of all kinds. Owned. */
struct json_object *opr_schema_openapi_v2(const struct opr_kind *const *kinds, size_t count);

#ifdef __cplusplus
}
#endif
#endif
