/* The rows of kubectl's tables: one function a kind adds its cells. Threads: any. */
#ifndef OPR_APISERVER_SCHEMA_COLUMNS_H
#define OPR_APISERVER_SCHEMA_COLUMNS_H

#include "apiserver/schema/table.h"
#include "core/base/buf.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*opr__row_fn)(struct json_object *cells, const struct opr_obj *obj, int64_t now_ms);

void opr__row_pod(struct json_object *cells, const struct opr_obj *pod, int64_t now_ms);
void opr__row_service(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
void opr__row_endpoints(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
void opr__row_endpoint_slice(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
void opr__row_node(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
void opr__row_event(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
void opr__row_autoscaler(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
void opr__row_binding(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
/* A custom kind's own columns, after the name. */
void opr__row_custom(struct json_object *cells, const struct opr__kind_info *info,
                     const struct opr_obj *o, int64_t now_ms);

/* Cells. */
void opr__cell_text(struct json_object *cells, const char *text);
void opr__cell_buf(struct json_object *cells, struct opr_buf *take_text);
void opr__cell_int(struct json_object *cells, int64_t value);
/* "5m", "3d2h": the time since a timestamp at a pointer; "<unknown>" where there is none. */
void opr__cell_age(struct json_object *cells, const struct opr_obj *o, const char *ptr,
                   int64_t now_ms);
#define OPR__AGE_MAX 40
void opr__age_text(const char *timestamp, int64_t now_ms, char ret_text[OPR__AGE_MAX]);
void opr__cell_name(struct json_object *cells, const struct opr_obj *o);
/* The age of the object. */
void opr__cell_created(struct json_object *cells, const struct opr_obj *o, int64_t now_ms);
/* The text, or dflt where it is empty. */
void opr__cell_or(struct json_object *cells, struct opr_buf *take_text, const char *dflt);
void opr__add_joined(struct opr_buf *b, const char *separator, const char *text);
#define OPR__EACH(item, list)                                                                      \
    for (const struct opr_obj *item = opr_json_first(list); item; item = opr_json_next(item))
/* "a,b + 2 more..." */
void opr__add_more(struct opr_buf *b, size_t shown, size_t count);

#ifdef __cplusplus
}
#endif
#endif
