/* Reading immutable objects and building editable documents.
 *
 * struct opr_obj is any JSON value: a whole object or a value inside one. What a ctx hands out is
 * borrowed until the reconcile returns; opr_obj_ref() keeps it longer. Every reading function takes
 * NULL and gives the default, so that a path of absent fields needs no checks. Paths are RFC 6901
 * JSON pointers ("/spec/template", "/metadata/labels/app.kubernetes.io~1name"); "" is the value
 * itself.
 *
 * Templates (opr_doc_new, opr_doc_set) are JSON in which ' may stand for ". Conversions:
 *   %s  const char *, becomes a quoted and escaped JSON string; NULL becomes null
 *   %d  int   %u unsigned   %lld long long   %f double
 *   %p  const struct opr_obj *, becomes that value; NULL becomes null
 *   %%  a percent sign
 * Input can not break out of a template: it is always escaped. Threads: worker, except the reading
 * functions, which are for any thread. */
#ifndef OPERON_OBJECT_H
#define OPERON_OBJECT_H

#include <operon/host.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    OPR_TYPE_NONE = 0, /* NULL pointer */
    OPR_TYPE_NULL,
    OPR_TYPE_BOOL,
    OPR_TYPE_NUMBER,
    OPR_TYPE_STRING,
    OPR_TYPE_ARRAY,
    OPR_TYPE_OBJECT
};

/* The value at a pointer, or NULL. Borrowed. */
static inline const struct opr_obj *opr_obj_at(const struct opr_obj *o, const char *ptr)
{
    return opr__host->obj_at(o, ptr);
}
/* The string at a pointer, terminated; dflt where it is absent or no string. Borrowed. */
static inline const char *opr_obj_str(const struct opr_obj *o, const char *ptr, const char *dflt)
{
    return opr__host->obj_str(o, ptr, dflt);
}
static inline int64_t opr_obj_int(const struct opr_obj *o, const char *ptr, int64_t dflt)
{
    return opr__host->obj_int(o, ptr, dflt);
}
static inline double opr_obj_num(const struct opr_obj *o, const char *ptr, double dflt)
{
    return opr__host->obj_num(o, ptr, dflt);
}
static inline bool opr_obj_bool(const struct opr_obj *o, const char *ptr, bool dflt)
{
    return opr__host->obj_bool(o, ptr, dflt);
}
/* OPR_TYPE_*. */
static inline int32_t opr_obj_type(const struct opr_obj *o)
{
    return opr__host->obj_type(o);
}
/* Members of an object, elements of an array, bytes of a string; else 0. */
static inline uint32_t opr_obj_len(const struct opr_obj *o)
{
    return opr__host->obj_len(o);
}
/* Iteration: for (v = opr_obj_first(a); v; v = opr_obj_next(v)). opr_obj_name(v) is the member's
 * name within an object, NULL within an array. */
static inline const struct opr_obj *opr_obj_first(const struct opr_obj *o)
{
    return opr__host->obj_first(o);
}
static inline const struct opr_obj *opr_obj_next(const struct opr_obj *o)
{
    return opr__host->obj_next(o);
}
static inline const char *opr_obj_name(const struct opr_obj *o)
{
    return opr__host->obj_name(o);
}
/* Deep equality. Member order does not matter; an absent member equals null, {} and []. */
static inline bool opr_obj_equal(const struct opr_obj *a, const struct opr_obj *b)
{
    return opr__host->obj_equal(a, b);
}
/* A Kubernetes quantity ("250m", "64Mi", 2) in thousandths, rounded up. OPR_E_NOT_FOUND where it is
 * absent, OPR_E_INVALID where it is no quantity, OPR_E_LIMIT past 64 bits. */
OPR_NODISCARD static inline opr_status opr_obj_milli(const struct opr_obj *o, const char *ptr,
                                                     int64_t *ret_milli)
{
    return opr__host->obj_milli(o, ptr, ret_milli);
}
/* Keeps the whole object that o belongs to; give it back with opr_obj_unref(). NULL is fine. */
static inline struct opr_obj *opr_obj_ref(const struct opr_obj *o)
{
    return opr__host->obj_ref(o);
}
static inline void opr_obj_unref(struct opr_obj *o)
{
    opr__host->obj_unref(o);
}
/* True where a LabelSelector value ({matchLabels, matchExpressions}) selects a labels value. A NULL
 * selector selects nothing, an empty one everything; an invalid one nothing. */
static inline bool opr_selector_matches(const struct opr_obj *selector,
                                        const struct opr_obj *labels)
{
    return opr__host->selector_matches(selector, labels);
}

/* A value as compact JSON text, and back, for what is kept in an annotation. Borrowed until the
 * reconcile returns. OPR_E_INVALID where the text is no JSON. Since 0.2. */
static inline const char *opr_obj_text(struct opr_ctx *c, const struct opr_obj *o)
{
    return opr__host->obj_text(c, o);
}
OPR_NODISCARD static inline opr_status opr_obj_parse(struct opr_ctx *c, const char *text,
                                                     const struct opr_obj **ret_obj)
{
    return opr__host->obj_parse(c, text, ret_obj);
}

/* A new document from a template; NULL and an error in ctx where the template is not JSON. It lives
 * until the reconcile returns. */
static inline struct opr_doc *opr_doc_new(struct opr_ctx *c, const char *tmpl, ...)
{
    va_list args;
    va_start(args, tmpl);
    struct opr_doc *d = opr__host->doc_parse(c, tmpl, args);
    va_end(args);
    return d;
}
/* An editable copy of a value. */
static inline struct opr_doc *opr_doc_of(struct opr_ctx *c, const struct opr_obj *o)
{
    return opr__host->doc_of(c, o);
}
/* Sets the value at a pointer to a template, making absent parents; "/-" appends to an array.
 * OPR_E_INVALID where a parent is neither object nor array. */
static inline opr_status opr_doc_set(struct opr_doc *d, const char *ptr, const char *tmpl, ...)
{
    va_list args;
    va_start(args, tmpl);
    opr_status st = opr__host->doc_set(d, ptr, tmpl, args);
    va_end(args);
    return st;
}
/* Removes the value at a pointer, if there is one. */
static inline void opr_doc_remove(struct opr_doc *d, const char *ptr)
{
    opr__host->doc_remove(d, ptr);
}
/* An immutable picture of the document as it is now. Borrowed until the reconcile returns. */
static inline const struct opr_obj *opr_doc_obj(struct opr_doc *d)
{
    return opr__host->doc_obj(d);
}

#ifdef __cplusplus
}
#endif
#endif
