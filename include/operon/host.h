/* The table of services that the runtime hands to a plugin. A plugin does not call it directly: the
 * other public headers wrap each member in a static inline function, so that a plugin has no
 * undefined symbol. The table begins with its size and grows at the end only (docs/ABI.md).
 * Threads: each member's wrapper says. Lifetime: program. */
#ifndef OPERON_HOST_H
#define OPERON_HOST_H

#include <operon/types.h>

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OPR_ABI_MAJOR 0u
#define OPR_ABI_MINOR 2u
#define OPR_PLUGIN_MAGIC 0x4f505231u /* "OPR1" */

struct opr_obj;    /* an immutable JSON value: a whole object or any value inside one */
struct opr_doc;    /* an editable JSON document, owned by the call that made it */
struct opr_ctx;    /* one running reconcile: its key, memory, deadline and error */
struct opr_batch;  /* several writes that run side by side */
struct opr_mapper; /* what a mapping function or a predicate may use: it has no client */
struct opr_delete_options;
struct opr_watch;
struct opr_sched_loaded;

struct opr_host {
    uint32_t size;
    uint16_t abi_major, abi_minor;

    /* values (object.h) */
    const struct opr_obj *(*obj_at)(const struct opr_obj *, const char *ptr);
    const char *(*obj_str)(const struct opr_obj *, const char *ptr, const char *dflt);
    int64_t (*obj_int)(const struct opr_obj *, const char *ptr, int64_t dflt);
    double (*obj_num)(const struct opr_obj *, const char *ptr, double dflt);
    bool (*obj_bool)(const struct opr_obj *, const char *ptr, bool dflt);
    int32_t (*obj_type)(const struct opr_obj *);
    uint32_t (*obj_len)(const struct opr_obj *);
    const struct opr_obj *(*obj_first)(const struct opr_obj *);
    const struct opr_obj *(*obj_next)(const struct opr_obj *);
    const char *(*obj_name)(const struct opr_obj *);
    bool (*obj_equal)(const struct opr_obj *, const struct opr_obj *);
    opr_status (*obj_milli)(const struct opr_obj *, const char *ptr, int64_t *ret_milli);
    struct opr_obj *(*obj_ref)(const struct opr_obj *);
    void (*obj_unref)(struct opr_obj *);
    bool (*selector_matches)(const struct opr_obj *selector, const struct opr_obj *labels);

    /* documents (object.h) */
    struct opr_doc *(*doc_parse)(struct opr_ctx *, const char *tmpl, va_list args);
    struct opr_doc *(*doc_of)(struct opr_ctx *, const struct opr_obj *);
    opr_status (*doc_set)(struct opr_doc *, const char *ptr, const char *tmpl, va_list args);
    void (*doc_remove)(struct opr_doc *, const char *ptr);
    const struct opr_obj *(*doc_obj)(struct opr_doc *);

    /* one reconcile (reconcile.h) */
    struct opr_key (*ctx_key)(const struct opr_ctx *);
    int64_t (*ctx_now_ms)(const struct opr_ctx *);
    bool (*ctx_cancelled)(const struct opr_ctx *);
    const char *(*ctx_error)(const struct opr_ctx *);
    void *(*ctx_state)(const struct opr_ctx *);
    char *(*ctx_text)(struct opr_ctx *, const char *fmt, va_list args);
    void *(*ctx_alloc)(struct opr_ctx *, size_t size_bytes);
    void (*ctx_log)(struct opr_ctx *, int32_t level, const char *msg, va_list args);

    /* client (client.h) */
    opr_status (*get)(struct opr_ctx *, const char *gvk, const char *ns, const char *name,
                      const struct opr_obj **ret_obj);
    opr_status (*get_live)(struct opr_ctx *, const char *gvk, const char *ns, const char *name,
                           const struct opr_obj **ret_obj);
    opr_status (*list)(struct opr_ctx *, const char *gvk, const char *ns, const char *index,
                       const char *value, const struct opr_obj *const **ret_objs,
                       uint32_t *ret_count);
    opr_status (*create)(struct opr_ctx *, struct opr_doc *, const struct opr_obj **ret_obj);
    opr_status (*update)(struct opr_ctx *, struct opr_doc *, const char *sub,
                         const struct opr_obj **ret_obj);
    opr_status (*patch)(struct opr_ctx *, const struct opr_obj *, const char *sub, int32_t type,
                        struct opr_doc *, const struct opr_obj **ret_obj);
    opr_status (*remove)(struct opr_ctx *, const struct opr_obj *,
                         const struct opr_delete_options *);
    opr_status (*request)(struct opr_ctx *, const char *method, const char *path, struct opr_doc *,
                          const struct opr_obj **ret_obj);
    struct opr_batch *(*batch_new)(struct opr_ctx *);
    void (*batch_create)(struct opr_batch *, struct opr_doc *);
    void (*batch_remove)(struct opr_batch *, const struct opr_obj *,
                         const struct opr_delete_options *);
    uint32_t (*batch_run)(struct opr_batch *);
    opr_status (*batch_status)(const struct opr_batch *, uint32_t i, const struct opr_obj **ret_obj,
                               const char **ret_error);

    /* around a reconcile (reconcile.h, controller.h) */
    void (*event)(struct opr_ctx *, const struct opr_obj *about, const char *type,
                  const char *reason, const char *msg, va_list args);
    bool (*expect_satisfied)(struct opr_ctx *);
    void (*expect)(struct opr_ctx *, uint32_t creates, uint32_t deletes);
    void (*expect_lower)(struct opr_ctx *, uint32_t creates, uint32_t deletes);
    void (*enqueue_after)(struct opr_ctx *, const char *controller, struct opr_key, uint32_t ms);

    /* mapping functions (controller.h) */
    void (*map_enqueue)(struct opr_mapper *, const char *ns, const char *name);
    void (*map_each)(struct opr_mapper *, const char *gvk, const char *ns, const char *index,
                     const char *value, void (*fn)(const struct opr_obj *, void *arg), void *arg);
    void (*map_expected)(struct opr_mapper *, const char *ns, const char *name, uint32_t creates,
                         uint32_t deletes);

    /* Lua policies (policy.h) */
    opr_status (*policy_load)(struct opr_ctx *, const char *name, const char *source);
    void (*policy_unload)(struct opr_ctx *, const char *name);
    opr_status (*policy_call)(struct opr_ctx *, const char *name, const char *function,
                              struct opr_doc *input, const struct opr_obj **ret_result);
    uint32_t (*policy_list)(struct opr_ctx *, const char *function, const char *const **ret_names);

    /* since 0.2: reads added while the controller runs (controller.h) */
    opr_status (*watch)(struct opr_ctx *, const struct opr_watch *);
    void (*unwatch)(struct opr_ctx *, const struct opr_watch *);
    /* since 0.2: values as text (object.h) */
    const char *(*obj_text)(struct opr_ctx *, const struct opr_obj *);
    opr_status (*obj_parse)(struct opr_ctx *, const char *text, const struct opr_obj **ret_obj);
    /* since 0.2: filters and scores of other plugins (scheduler.h) */
    uint32_t (*sched_plugins)(struct opr_ctx *, const struct opr_sched_loaded **ret_loaded);
};

/* Set once, before init, by the function that OPR_PLUGIN_ENTRY defines in each plugin. */
extern __attribute__((visibility("hidden"))) const struct opr_host *opr__host;

#ifdef __cplusplus
}
#endif
#endif
