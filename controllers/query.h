/* Text and selectors as parts of a URL's query. Threads: worker. Lifetime: the reconcile's. */
#ifndef OPR_CONTROLLERS_QUERY_H
#define OPR_CONTROLLERS_QUERY_H

#include "controllers/common.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Text for the query of a URL: all but the unreserved characters of RFC 3986 is escaped. */
static inline const char *query_escape(struct opr_ctx *c, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = (char *)opr_ctx_alloc(c, 3 * strlen(text) + 1);
    char *at = out;
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char x = (unsigned char)*p;
        bool is_plain = (x >= '0' && x <= '9') || (x >= 'A' && x <= 'Z') ||
                        (x >= 'a' && x <= 'z') || strchr("-._~", x);
        if (is_plain) {
            *at++ = (char)x;
        } else {
            *at++ = '%';
            *at++ = hex[x >> 4];
            *at++ = hex[x & 15];
        }
    }
    return out;
}

static inline const char *query_expression(struct opr_ctx *c, const struct opr_obj *e)
{
    const char *key = opr_obj_str(e, "/key", ""), *op = opr_obj_str(e, "/operator", "");
    if (str_eq(op, "Exists")) {
        return key;
    }
    if (str_eq(op, "DoesNotExist")) {
        return opr_ctx_text(c, "!%s", key);
    }
    const char *values = "";
    const struct opr_obj *list = opr_obj_at(e, "/values");
    for (const struct opr_obj *v = opr_obj_first(list); v; v = opr_obj_next(v)) {
        values =
            opr_ctx_text(c, "%s%s%s", values, values[0] != '\0' ? "," : "", opr_obj_str(v, "", ""));
    }
    return opr_ctx_text(c, "%s %s (%s)", key, str_eq(op, "In") ? "in" : "notin", values);
}

/* A LabelSelector as text for a query, escaped. */
static inline const char *query_selector(struct opr_ctx *c, const struct opr_obj *selector)
{
    const char *text = "";
    const struct opr_obj *labels = opr_obj_at(selector, "/matchLabels");
    for (const struct opr_obj *l = opr_obj_first(labels); l; l = opr_obj_next(l)) {
        text = opr_ctx_text(c, "%s%s%s=%s", text, text[0] != '\0' ? "," : "", opr_obj_name(l),
                            opr_obj_str(l, "", ""));
    }
    const struct opr_obj *list = opr_obj_at(selector, "/matchExpressions");
    for (const struct opr_obj *e = opr_obj_first(list); e; e = opr_obj_next(e)) {
        text = opr_ctx_text(c, "%s%s%s", text, text[0] != '\0' ? "," : "", query_expression(c, e));
    }
    return query_escape(c, text);
}

#ifdef __cplusplus
}
#endif
#endif
