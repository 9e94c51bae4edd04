/* Small helpers that the built-in controllers share: metadata, times, conditions, pods.
 * Threads: worker, except those that take no ctx, which are for any thread. */
#ifndef OPR_CONTROLLERS_COMMON_H
#define OPR_CONTROLLERS_COMMON_H

#include <operon/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline bool str_eq(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Metadata; "" where absent. */
static inline const char *meta_name(const struct opr_obj *o)
{
    return opr_obj_str(o, "/metadata/name", "");
}
static inline const char *meta_ns(const struct opr_obj *o)
{
    return opr_obj_str(o, "/metadata/namespace", "");
}
static inline const char *meta_uid(const struct opr_obj *o)
{
    return opr_obj_str(o, "/metadata/uid", "");
}
static inline bool is_deleting(const struct opr_obj *o)
{
    return opr_obj_at(o, "/metadata/deletionTimestamp") != NULL;
}

/* RFC 3339 to milliseconds since 1970; -1 where absent or malformed. A fraction counts to the
 * millisecond. */
static inline int64_t time_parse(const char *text)
{
    struct tm tm;
    memset(&tm, 0, sizeof tm);
    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (!rest) {
        return -1;
    }
    int64_t ms = (int64_t)timegm(&tm) * 1000;
    if (*rest == '.') {
        char digits[4] = "000";
        for (int i = 0; i < 3 && rest[i + 1] >= '0' && rest[i + 1] <= '9'; i++) {
            digits[i] = rest[i + 1];
        }
        ms += strtol(digits, NULL, 10);
    }
    return ms;
}
/* Milliseconds since 1970 to RFC 3339 in whole seconds, as metav1.Time is written. */
static inline const char *time_format(struct opr_ctx *c, int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    char text[32];
    gmtime_r(&s, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return opr_ctx_text(c, "%s", text);
}
static inline const char *time_now(struct opr_ctx *c)
{
    return time_format(c, opr_ctx_now_ms(c));
}

/* The owner reference with controller true, or NULL. */
static inline const struct opr_obj *controller_ref(const struct opr_obj *o)
{
    const struct opr_obj *refs = opr_obj_at(o, "/metadata/ownerReferences");
    for (const struct opr_obj *r = opr_obj_first(refs); r; r = opr_obj_next(r)) {
        if (opr_obj_bool(r, "/controller", false)) {
            return r;
        }
    }
    return NULL;
}
static inline const char *controller_uid(const struct opr_obj *o)
{
    return opr_obj_str(controller_ref(o), "/uid", "");
}
/* apiVersion is "GROUP/anything". */
static inline bool group_is(const char *api_version, const char *group)
{
    size_t n = strlen(group);
    return strncmp(api_version, group, n) == 0 && api_version[n] == '/';
}
/* Name of the controller owner where it is of this group and kind, else NULL. */
static inline const char *controller_name(const struct opr_obj *o, const char *group,
                                          const char *kind)
{
    const struct opr_obj *r = controller_ref(o);
    if (!r || !str_eq(opr_obj_str(r, "/kind", ""), kind) ||
        !group_is(opr_obj_str(r, "/apiVersion", ""), group)) {
        return NULL;
    }
    return opr_obj_str(r, "/name", NULL);
}

/* prefix + "/" + key, escaped as RFC 6901 asks: a pointer to the member of that name. */
static inline const char *member_ptr(struct opr_ctx *c, const char *prefix, const char *key)
{
    size_t at = strlen(prefix);
    char *ptr = (char *)opr_ctx_alloc(c, at + 2 * strlen(key) + 2);
    memcpy(ptr, prefix, at);
    ptr[at++] = '/';
    for (; *key != '\0'; key++) {
        if (*key == '~' || *key == '/') {
            ptr[at++] = '~';
            ptr[at++] = *key == '~' ? '0' : '1';
        } else {
            ptr[at++] = *key;
        }
    }
    return ptr;
}

/* Conditions of a status as a list to edit; foreign ones pass through unchanged. */
enum { CONDITIONS_MAX = 32 };
struct conditions {
    const struct opr_obj *at[CONDITIONS_MAX]; /* borrowed */
    uint32_t count;
};
static inline const struct opr_obj *condition_in(const struct opr_obj *array, const char *type)
{
    for (const struct opr_obj *x = opr_obj_first(array); x; x = opr_obj_next(x)) {
        if (str_eq(opr_obj_str(x, "/type", ""), type)) {
            return x;
        }
    }
    return NULL;
}
static inline void conditions_load(struct conditions *list, const struct opr_obj *array)
{
    list->count = 0;
    for (const struct opr_obj *x = opr_obj_first(array); x; x = opr_obj_next(x)) {
        if (list->count < CONDITIONS_MAX) {
            list->at[list->count++] = x;
        }
    }
}
static inline const struct opr_obj *conditions_find(const struct conditions *list, const char *type)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (str_eq(opr_obj_str(list->at[i], "/type", ""), type)) {
            return list->at[i];
        }
    }
    return NULL;
}
static inline void conditions_remove(struct conditions *list, const char *type)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (!str_eq(opr_obj_str(list->at[i], "/type", ""), type)) {
            list->at[kept++] = list->at[i];
        }
    }
    list->count = kept;
}
/* Appends after removing the one of the same type. */
static inline void conditions_put(struct conditions *list, const struct opr_obj *condition)
{
    conditions_remove(list, opr_obj_str(condition, "/type", ""));
    if (list->count < CONDITIONS_MAX) {
        list->at[list->count++] = condition;
    }
}
/* Sets status, reason and message in place; lastTransitionTime moves only with the status. */
static inline void conditions_set(struct opr_ctx *c, struct conditions *list, const char *type,
                                  const char *status, const char *reason, const char *message)
{
    const char *since = time_now(c);
    uint32_t i = 0;
    while (i < list->count && !str_eq(opr_obj_str(list->at[i], "/type", ""), type)) {
        i++;
    }
    if (i == CONDITIONS_MAX) {
        return;
    }
    if (i < list->count && str_eq(opr_obj_str(list->at[i], "/status", ""), status)) {
        since = opr_obj_str(list->at[i], "/lastTransitionTime", since);
    }
    struct opr_doc *d = opr_doc_new(c,
                                    "{'type':%s,'status':%s,'lastTransitionTime':%s,"
                                    "'reason':%s,'message':%s}",
                                    type, status, since, reason, message);
    list->at[i] = opr_doc_obj(d);
    list->count += i == list->count;
}
static inline const struct opr_obj *conditions_array(struct opr_ctx *c,
                                                     const struct conditions *list)
{
    struct opr_doc *d = opr_doc_new(c, "[]");
    for (uint32_t i = 0; i < list->count; i++) {
        opr_doc_set(d, "/-", "%p", list->at[i]);
    }
    return opr_doc_obj(d);
}

/* Pods (spec: an active pod has not ended and is not being deleted). */
static inline bool pod_is_terminal(const struct opr_obj *pod)
{
    const char *phase = opr_obj_str(pod, "/status/phase", "");
    return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}
static inline bool pod_is_active(const struct opr_obj *pod)
{
    return !is_deleting(pod) && !pod_is_terminal(pod);
}
static inline const struct opr_obj *pod_ready_condition(const struct opr_obj *pod)
{
    return condition_in(opr_obj_at(pod, "/status/conditions"), "Ready");
}
static inline bool pod_is_ready(const struct opr_obj *pod)
{
    return str_eq(opr_obj_str(pod_ready_condition(pod), "/status", ""), "True");
}
/* When it became ready; -1 where it is not. */
static inline int64_t pod_ready_since_ms(const struct opr_obj *pod)
{
    if (!pod_is_ready(pod)) {
        return -1;
    }
    return time_parse(opr_obj_str(pod_ready_condition(pod), "/lastTransitionTime", NULL));
}

/* A refused write: the server's conflict, busy or failure is retried with backoff. */
static inline opr_result result_of(struct opr_ctx *c, opr_status st)
{
    return st == OPR_OK ? opr_done() : opr_retry(opr_ctx_error(c));
}

#ifdef __cplusplus
}
#endif
#endif
