/* Writing: each call is one request, and its answer is shown to the cache at once. */
#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/runtime/internal.h"

static const char *const patch_types[] = {"application/merge-patch+json",
                                          "application/json-patch+json",
                                          "application/strategic-merge-patch+json"};

static void free_text(void *arg)
{
    opr_buf_fini(arg);
}

/* A document's text, in memory that goes with the arena. */
static struct opr_str doc_text(struct opr_ctx *c, struct opr_doc *d)
{
    struct opr_buf *b = opr_arena_alloc(c->arena, sizeof *b);
    opr_doc_write(b, d->json);
    opr_arena_defer(c->arena, free_text, b);
    return opr_buf_str(b);
}

/* A document that could not be made left its error in the ctx. */
static opr_status check_doc(struct opr_ctx *c, const struct opr_doc *d)
{
    if (d && d->json) {
        return OPR_OK;
    }
    if (c->error.status != OPR_OK) {
        return OPR_E_INVALID;
    }
    return opr_error_set(&c->error, OPR_E_INVALID, "there is no document to send");
}

static opr_status find_kind(struct opr_ctx *c, const char *api_version, const char *kind,
                            const struct opr_resource **ret_resource)
{
    if (!*api_version || !*kind) {
        return opr_error_set(&c->error, OPR_E_INVALID, "the object has no apiVersion or no kind");
    }
    const char *gvk = opr_arena_printf(c->arena, "%s/%s", api_version, kind);
    return opr_resource_find(c->caller, gvk, ret_resource, &c->error);
}

static opr_status kind_of_doc(struct opr_ctx *c, struct opr_doc *d,
                              const struct opr_resource **ret_resource)
{
    OPR_TRY(check_doc(c, d));
    return find_kind(c, opr_doc_str(d->json, "/apiVersion", ""), opr_doc_str(d->json, "/kind", ""),
                     ret_resource);
}

static opr_status kind_of_obj(struct opr_ctx *c, const struct opr_obj *o,
                              const struct opr_resource **ret_resource)
{
    return find_kind(c, opr_json_str(o, "/apiVersion", ""), opr_json_str(o, "/kind", ""),
                     ret_resource);
}

/* Whether an object is of the kind, and not its Scale or a Status. */
static bool is_of_kind(const struct opr_obj *o, const struct opr_resource *r)
{
    struct opr_str api_version = opr_json_text(o, "/apiVersion");
    size_t group_len = strlen(r->group);
    struct opr_str version = api_version;
    if (group_len > 0) {
        if (!opr_str_starts(api_version, r->group) || api_version.len <= group_len ||
            api_version.ptr[group_len] != '/') {
            return false;
        }
        version = opr_str_n(api_version.ptr + group_len + 1, api_version.len - group_len - 1);
    }
    return opr_str_is(version, r->version) && strcmp(opr_json_str(o, "/kind", ""), r->kind) == 0;
}

void opr__write_fold(struct opr_ctx *c, const struct opr_obj *answer, const struct opr_obj *removed)
{
    const struct opr_obj *obj = removed ? removed : answer;
    if (!obj || !*opr_meta_uid(obj) || !*opr_meta_name(obj)) {
        return;
    }
    pthread_rwlock_rdlock(&c->m->sources_lock);
    for (size_t i = 0; i < c->m->sources.count; i++) {
        const struct opr__source *s = c->m->sources.items[i];
        for (size_t n = 0; n < s->children.count; n++) {
            struct opr_informer *informer = ((struct opr__child *)s->children.items[n])->informer;
            if (is_of_kind(obj, opr_informer_resource(informer))) {
                opr_informer_note_write(informer, obj, removed != NULL);
            }
        }
    }
    pthread_rwlock_unlock(&c->m->sources_lock);
}

/* Sends, shows the answer to the cache, keeps it for the reconcile. */
static opr_status send(struct opr_ctx *c, const struct opr_call_item *item,
                       const struct opr_obj **ret_obj)
{
    struct opr_obj *answer = NULL;
    OPR_TRY(opr_call(c->caller, item->method, item->path_query, item->content_type, item->body,
                     &answer, &c->error));
    opr__ctx_keep(c, answer);
    opr__write_fold(c, answer, NULL);
    if (ret_obj) {
        *ret_obj = answer;
    }
    return OPR_OK;
}

opr_status opr__write_create(struct opr_ctx *c, struct opr_doc *d, struct opr_call_item *ret_item)
{
    const struct opr_resource *r;
    OPR_TRY(kind_of_doc(c, d, &r));
    const char *ns = opr_doc_str(d->json, "/metadata/namespace", "");
    *ret_item = (struct opr_call_item){
        .method = "POST",
        .path_query = opr_resource_path(c->arena, r, ns, NULL, NULL),
        .content_type = "application/json",
        .body = doc_text(c, d),
    };
    return OPR_OK;
}

opr_status opr__host_create(struct opr_ctx *c, struct opr_doc *d, const struct opr_obj **ret_obj)
{
    struct opr_call_item item;
    OPR_TRY(opr__write_create(c, d, &item));
    return send(c, &item, ret_obj);
}

opr_status opr__host_update(struct opr_ctx *c, struct opr_doc *d, const char *sub,
                            const struct opr_obj **ret_obj)
{
    const struct opr_resource *r;
    OPR_TRY(kind_of_doc(c, d, &r));
    const char *ns = opr_doc_str(d->json, "/metadata/namespace", "");
    const char *name = opr_doc_str(d->json, "/metadata/name", "");
    if (!*name) {
        return opr_error_set(&c->error, OPR_E_INVALID, "the object has no name");
    }
    struct opr_call_item item = {
        .method = "PUT",
        .path_query = opr_resource_path(c->arena, r, ns, name, sub),
        .content_type = "application/json",
        .body = doc_text(c, d),
    };
    return send(c, &item, ret_obj);
}

opr_status opr__host_patch(struct opr_ctx *c, const struct opr_obj *o, const char *sub,
                           int32_t type, struct opr_doc *d, const struct opr_obj **ret_obj)
{
    const struct opr_resource *r;
    OPR_TRY(check_doc(c, d));
    OPR_TRY(kind_of_obj(c, o, &r));
    if (type < OPR_PATCH_MERGE || type > OPR_PATCH_STRATEGIC) {
        return opr_error_set(&c->error, OPR_E_INVALID, "there is no patch type %d", type);
    }
    struct opr_call_item item = {
        .method = "PATCH",
        .path_query = opr_resource_path(c->arena, r, opr_meta_ns(o), opr_meta_name(o), sub),
        .content_type = patch_types[type],
        .body = doc_text(c, d),
    };
    return send(c, &item, ret_obj);
}

static struct opr_str delete_body(struct opr_ctx *c, const struct opr_obj *o,
                                  const struct opr_delete_options *options)
{
    static const struct opr_delete_options defaults = {
        .size = sizeof defaults, .propagation = "Background", .grace_s = -1};
    const struct opr_delete_options *use = options ? options : &defaults;
    struct opr_buf *b = opr_arena_alloc(c->arena, sizeof *b);
    opr_arena_defer(c->arena, free_text, b);
    opr_buf_add_text(b, "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\"");
    if (*opr_meta_uid(o)) {
        opr_buf_add_text(b, ",\"preconditions\":{\"uid\":");
        opr_buf_add_json(b, opr_str_of(opr_meta_uid(o)));
        if (use->requires_resource_version) {
            opr_buf_add_text(b, ",\"resourceVersion\":");
            opr_buf_add_json(b, opr_json_text(o, "/metadata/resourceVersion"));
        }
        opr_buf_add_char(b, '}');
    }
    if (use->propagation) {
        opr_buf_add_text(b, ",\"propagationPolicy\":");
        opr_buf_add_json(b, opr_str_of(use->propagation));
    }
    if (use->grace_s >= 0) {
        opr_buf_printf(b, ",\"gracePeriodSeconds\":%lld", (long long)use->grace_s);
    }
    opr_buf_add_char(b, '}');
    return opr_buf_str(b);
}

opr_status opr__write_remove(struct opr_ctx *c, const struct opr_obj *o,
                             const struct opr_delete_options *options,
                             struct opr_call_item *ret_item)
{
    const struct opr_resource *r;
    OPR_TRY(kind_of_obj(c, o, &r));
    *ret_item = (struct opr_call_item){
        .method = "DELETE",
        .path_query = opr_resource_path(c->arena, r, opr_meta_ns(o), opr_meta_name(o), NULL),
        .content_type = "application/json",
        .body = delete_body(c, o, options),
    };
    return OPR_OK;
}

opr_status opr__host_remove(struct opr_ctx *c, const struct opr_obj *o,
                            const struct opr_delete_options *options)
{
    struct opr_call_item item;
    OPR_TRY(opr__write_remove(c, o, options, &item));
    struct opr_obj *answer = NULL;
    OPR_TRY(opr_call(c->caller, item.method, item.path_query, item.content_type, item.body, &answer,
                     &c->error));
    opr__ctx_keep(c, answer);
    /* A Status says that it is gone; an object says that it goes. */
    bool is_gone = strcmp(opr_json_str(answer, "/kind", ""), "Status") == 0;
    opr__write_fold(c, answer, is_gone ? o : NULL);
    return OPR_OK;
}

opr_status opr__host_request(struct opr_ctx *c, const char *method, const char *path,
                             struct opr_doc *body, const struct opr_obj **ret_obj)
{
    if (strncmp(path, "/api", 4) != 0) {
        return opr_error_set(&c->error, OPR_E_INVALID, "a path begins with /api or /apis, not %s",
                             path);
    }
    struct opr_call_item item = {.method = method, .path_query = path};
    if (body) {
        OPR_TRY(check_doc(c, body));
        item.content_type =
            strcmp(method, "PATCH") == 0 ? patch_types[OPR_PATCH_MERGE] : "application/json";
        item.body = doc_text(c, body);
    }
    return send(c, &item, ret_obj);
}
