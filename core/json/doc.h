/* Editable documents: json-c trees, and the way between them and packed values. A json-c tree has
 * one owner and is changed by one thread. Threads: worker. */
#ifndef OPR_JSON_DOC_H
#define OPR_JSON_DOC_H

#include "core/json/json.h"

#include <json-c/json.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Owned: json_object_put(). NULL gives NULL. */
struct json_object *opr_doc_from_obj(const struct opr_obj *o);
/* Owned: opr_json_unref(). NULL where the document is no JSON value that opr_json_parse() would
 * take (deeper than OPR_JSON_MAX_DEPTH) or there is no memory. */
struct opr_obj *opr_doc_to_obj(struct json_object *doc);
/* Strict parse (as opr_json_parse). */
OPR_NODISCARD opr_status opr_doc_parse(struct opr_str text, struct json_object **ret_doc,
                                       struct opr_error *reterr);
/* Compact text. A number that is not finite becomes null, invalid UTF-8 U+FFFD. */
void opr_doc_write(struct opr_buf *b, struct json_object *doc);

/* Pointers as in operon/object.h. Borrowed results. */
struct json_object *opr_doc_at(struct json_object *doc, const char *ptr);
const char *opr_doc_str(struct json_object *doc, const char *ptr, const char *dflt);
int64_t opr_doc_int(struct json_object *doc, const char *ptr, int64_t dflt);
bool opr_doc_bool(struct json_object *doc, const char *ptr, bool dflt);
/* Sets, making absent parent objects; "/-" appends. */
OPR_NODISCARD opr_status opr_doc_put(struct json_object *doc, const char *ptr,
                                     struct json_object *take_value);
void opr_doc_put_str(struct json_object *doc, const char *ptr, const char *text);
void opr_doc_put_int(struct json_object *doc, const char *ptr, int64_t value);
bool opr_doc_del(struct json_object *doc, const char *ptr);       /* false: was not there */
bool opr_doc_equal(struct json_object *a, struct json_object *b); /* as opr_obj_equal */
struct json_object *opr_doc_dup(struct json_object *doc);

/* The template language of operon/object.h (conversions %s %d %u %lld %f %p). */
OPR_NODISCARD opr_status opr_doc_template(struct json_object **ret_doc, struct opr_error *reterr,
                                          const char *tmpl, va_list args);

#ifdef __cplusplus
}
#endif
#endif
