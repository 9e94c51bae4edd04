/* PUT and PATCH of an object or its status. */
#include "apiserver/registry/api.h"
#include "apiserver/registry/managed.h"

#include "core/api/meta.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdio.h>

#define PATCH_TRIES 10

static void copy_member(struct json_object *doc, struct json_object *old, const char *ptr)
{
    struct json_object *value = opr_doc_at(old, ptr);
    if (value) {
        (void)!opr_doc_put(doc, ptr,
                           opr_doc_dup(value)); /* metadata is an object: decode saw to it */
    } else {
        opr_doc_del(doc, ptr);
    }
}

/* What no update may change. */
static void keep_own(struct json_object *doc, struct json_object *old)
{
    static const char *const own[] = {
        "/metadata/uid",        "/metadata/creationTimestamp",
        "/metadata/generation", "/metadata/deletionTimestamp",
        "/metadata/namespace",  "/metadata/deletionGracePeriodSeconds"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        copy_member(doc, old, own[i]);
    }
    opr_doc_del(doc, "/metadata/selfLink");
}

/* What only the server sets may be left out, but not be something else. */
static opr_status check_own(struct opr_req *r, struct json_object *doc, struct json_object *old)
{
    static const char *const own[] = {"metadata.uid", "metadata.deletionTimestamp",
                                      "metadata.deletionGracePeriodSeconds"};
    struct opr_field_errors errors = {.arena = r->arena};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        const char *ptr = opr_arena_printf(r->arena, "/metadata/%s", strchr(own[i], '.') + 1);
        struct json_object *given = opr_doc_at(doc, ptr);
        if (given && !json_object_equal(given, opr_doc_at(old, ptr))) {
            opr_field_errors_add(&errors, "FieldValueInvalid", own[i],
                                 opr_arena_printf(r->arena, "Invalid value: %s: field is immutable",
                                                  json_object_to_json_string_ext(
                                                      given, JSON_C_TO_STRING_PLAIN |
                                                                 JSON_C_TO_STRING_NOSLASHESCAPE)));
        }
    }
    return errors.count > 0 ? opr_api_invalid(r, r->kind, r->name, &errors) : OPR_OK;
}

/* An update of the status takes the status and, of built-in kinds, the metadata that users own. */
static struct json_object *merge_status(struct opr_req *r, struct json_object *doc,
                                        struct json_object *old)
{
    bool is_pod = opr_kind_is(r->kind, "", "pods");
    struct json_object *merged = opr_doc_dup(old);
    copy_member(merged, doc, "/status");
    if (!r->kind->is_custom) {
        copy_member(merged, doc, "/metadata/annotations");
        copy_member(merged, doc, "/metadata/finalizers");
    }
    if (!r->kind->is_custom && !opr_kind_is(r->kind, "apps", "deployments")) {
        copy_member(merged, doc, "/metadata/labels");
    }
    if (!r->kind->is_custom && !is_pod) {
        copy_member(merged, doc, "/metadata/ownerReferences");
    }
    if (is_pod && opr_doc_at(merged, "/status") && !opr_doc_at(merged, "/status/qosClass")) {
        copy_member(merged, old, "/status/qosClass"); /* it follows from the spec */
    }
    copy_member(merged, doc, "/metadata/resourceVersion");
    return merged;
}

/* An update of the object takes all but the status. */
static struct json_object *merge_sides(struct opr_req *r, struct json_object *doc,
                                       struct json_object *old)
{
    bool has_status = (r->kind->subresources & OPR_SUB_STATUS) != 0;
    if (r->sub && strcmp(r->sub, "status") == 0) {
        return merge_status(r, doc, old);
    }
    if (r->sub && strcmp(r->sub, "finalize") == 0) {
        struct json_object *merged = opr_doc_dup(old);
        copy_member(merged, doc, "/spec/finalizers");
        return merged;
    }
    struct json_object *merged = opr_doc_dup(doc);
    if (has_status) {
        copy_member(merged, old, "/status");
    }
    if (opr_kind_is(r->kind, "", "namespaces")) {
        copy_member(merged, old, "/spec"); /* only the finalize subresource changes it */
    }
    return merged;
}

/* True where something beside metadata and status differs. */
static bool spec_differs(struct json_object *a, struct json_object *b)
{
    struct json_object *x = opr_doc_dup(a), *y = opr_doc_dup(b);
    static const char *const out[] = {"/metadata", "/status", "/apiVersion"};
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        opr_doc_del(x, out[i]);
        opr_doc_del(y, out[i]);
    }
    bool differs = !opr_doc_equal(x, y);
    json_object_put(x);
    json_object_put(y);
    return differs;
}

/* The last finalizer of an object that is being deleted went. */
static bool is_finished(const struct opr_kind *kind, struct json_object *doc)
{
    struct json_object *finalizers = opr_doc_at(doc, "/metadata/finalizers");
    if (!opr_doc_at(doc, "/metadata/deletionTimestamp") ||
        (finalizers && json_object_array_length(finalizers) > 0)) {
        return false;
    }
    if (opr_kind_is(kind, "", "namespaces")) {
        finalizers = opr_doc_at(doc, "/spec/finalizers");
        return !finalizers || json_object_array_length(finalizers) == 0;
    }
    return opr_doc_int(doc, "/metadata/deletionGracePeriodSeconds", 0) == 0;
}

static opr_status validate(struct opr_req *r, struct json_object *doc, struct json_object *old)
{
    struct opr_field_errors errors = {.arena = r->arena};
    opr_schema_validate(r->kind, doc, old, r->sub, &errors);
    return errors.count == 0 ? OPR_OK
                             : opr_api_invalid(r, opr_api_stored_kind(r->kind), r->name, &errors);
}

/* Watchers are told the last state that was stored; who made it the last sees what it would be. */
static opr_status end_object(struct opr_req *r, struct opr_str key, struct json_object *doc,
                             const struct opr_obj *old, struct opr_obj **ret_obj,
                             struct opr_error *reterr)
{
    struct opr_obj *last = NULL;
    OPR_TRY(opr_store_delete(r->api->store, key, opr_meta_rv(old), NULL, &last, reterr));
    opr_doc_put_str(doc, "/metadata/resourceVersion",
                    opr_json_str(last, "/metadata/resourceVersion", ""));
    *ret_obj = opr_doc_to_obj(doc);
    opr_json_unref(last);
    return OPR_OK;
}

static opr_status write(struct opr_req *r, struct json_object *doc, const struct opr_obj *old,
                        struct opr_obj **ret_obj)
{
    struct opr_error err = {0};
    struct opr_str key = opr_api_key(r->arena, r->kind, opr_meta_ns(old), r->name);
    if (r->kind->stored_as) {
        opr_schema_convert(r->kind, r->kind->stored_as, doc);
    }
    bool is_gone = is_finished(r->kind, doc);
    opr_status st = is_gone
                        ? end_object(r, key, doc, old, ret_obj, &err)
                        : opr_store_put(r->api->store, key, opr_meta_rv(old), doc, ret_obj, &err);
    if (st == OPR_OK && opr_kind_is(r->kind, "apiextensions.k8s.io", "customresourcedefinitions")) {
        opr_crd_changed(r->api, *ret_obj, is_gone);
    }
    return st == OPR_OK || st == OPR_E_CONFLICT ? st : opr_api_store_failure(r, st, &err);
}

static opr_status settle(struct opr_req *r, struct json_object *doc, struct json_object *old_doc,
                         const struct opr_obj *old, struct opr_obj **ret_obj)
{
    keep_own(doc, old_doc);
    opr_schema_default(r->kind, doc);
    opr_managed_track(r, doc, old_doc, old);
    bool is_annotated = opr_kind_is(r->kind, "apps", "deployments") &&
                        !json_object_equal(opr_doc_at(doc, "/metadata/annotations"),
                                           opr_doc_at(old_doc, "/metadata/annotations"));
    if (r->kind->has_generation && (spec_differs(doc, old_doc) || (is_annotated && !r->sub))) {
        opr_doc_put_int(doc, "/metadata/generation",
                        opr_doc_int(old_doc, "/metadata/generation", 0) + 1);
    }
    OPR_TRY(opr_admit_update(r, doc, old));
    OPR_TRY(validate(r, doc, old_doc));
    copy_member(doc, old_doc, "/metadata/resourceVersion");
    if (json_object_equal(doc, old_doc) && !r->managed->is_changed && !is_finished(r->kind, doc)) {
        *ret_obj = opr_json_ref(old); /* nothing changed: nothing is written */
        return OPR_OK;
    }
    opr_managed_write(r->managed, doc);
    if (r->is_dry_run) {
        *ret_obj = opr_doc_to_obj(doc);
        return OPR_OK;
    }
    return write(r, doc, old, ret_obj);
}

/* What a Service is given stays free until it is written. */
static opr_status check_and_write(struct opr_req *r, struct json_object *doc,
                                  struct json_object *old_doc, const struct opr_obj *old,
                                  struct opr_obj **ret_obj)
{
    if (!opr_kind_is(r->kind, "", "services")) {
        return settle(r, doc, old_doc, old, ret_obj);
    }
    pthread_mutex_lock(&r->api->service_lock);
    opr_status st = settle(r, doc, old_doc, old, ret_obj);
    pthread_mutex_unlock(&r->api->service_lock);
    return st;
}

opr_status opr_api_replace(struct opr_req *r, struct json_object *doc, const struct opr_obj *old,
                           struct opr_obj **ret_obj)
{
    struct opr_obj *view = opr_api_view(r->kind, old);
    struct json_object *old_doc = opr_managed_doc(view);
    const char *given = opr_doc_str(doc, "/metadata/resourceVersion", "");
    const char *uid = opr_doc_str(doc, "/metadata/uid", "");
    bool is_patch = opr_str_is(r->http->method, "PATCH");
    opr_status st;
    if (*given && strcmp(given, "0") != 0 &&
        strcmp(given, opr_doc_str(old_doc, "/metadata/resourceVersion", "")) != 0) {
        st = opr_api_conflict(r);
    } else if (*uid && !is_patch && strcmp(uid, opr_meta_uid(old)) != 0) {
        st = opr_api_refuse(r, 409, "Conflict",
                            "Operation cannot be fulfilled on %s \"%s\": StorageError: invalid "
                            "object, Code: 4, Key: /registry/%s/%s/%s, ResourceVersion: 0, "
                            "AdditionalErrorMsg: Precondition failed: UID in precondition: %s, UID "
                            "in object meta: %s",
                            r->plural, r->name, r->plural, opr_meta_ns(old), r->name, uid,
                            opr_meta_uid(old));
    } else if ((st = check_own(r, doc, old_doc)) == OPR_OK) {
        struct json_object *merged = merge_sides(r, doc, old_doc);
        st = check_and_write(r, merged, old_doc, old, ret_obj);
        json_object_put(merged);
    }
    json_object_put(old_doc);
    opr_json_unref(view);
    return st;
}

opr_status opr_api_check_names(struct opr_req *r, struct json_object *doc)
{
    const char *name = opr_doc_str(doc, "/metadata/name", "");
    const char *ns = opr_doc_str(doc, "/metadata/namespace", "");
    if (!*name) {
        return opr_api_fail(r, 400, "BadRequest",
                            "the name of the object (%s based on URL) was undeterminable: name "
                            "must be provided",
                            r->name);
    }
    if (strcmp(name, r->name) != 0) {
        return opr_api_fail(r, 400, "BadRequest",
                            "the name of the object (%s) does not match the name on the URL (%s)",
                            name, r->name);
    }
    if (r->kind->is_namespaced && *ns && strcmp(ns, r->ns) != 0) {
        return opr_api_fail(r, 400, "BadRequest",
                            "the namespace of the provided object does not match the namespace "
                            "sent on the request");
    }
    return OPR_OK;
}

static void answer(struct opr_req *r, opr_status st, struct opr_obj *take_obj)
{
    if (st == OPR_OK) {
        opr_api_object(r, 200, take_obj);
        opr_json_unref(take_obj);
    } else if (st == OPR_E_CONFLICT) {
        opr_api_conflict(r);
    }
}

/* Custom resources are not replaced blindly. */
static void refuse_blind(struct opr_req *r)
{
    struct opr_field_errors errors = {.arena = r->arena};
    opr_field_errors_add(&errors, "FieldValueInvalid", "metadata.resourceVersion",
                         "Invalid value: 0: must be specified for an update");
    opr_api_invalid(r, r->kind, r->name, &errors);
}

void opr_api_update(struct opr_req *r)
{
    struct json_object *doc = NULL;
    if (opr_api_write_options(r, "UpdateOptions") != OPR_OK ||
        opr_api_decode(r, r->kind, &doc) != OPR_OK) {
        return;
    }
    if (opr_api_check_names(r, doc) != OPR_OK) {
        json_object_put(doc);
        return;
    }
    bool has_version = *opr_doc_str(doc, "/metadata/resourceVersion", "") != '\0';
    if (r->kind->is_custom && !has_version) {
        refuse_blind(r);
        json_object_put(doc);
        return;
    }
    struct opr_str key = opr_api_key(r->arena, r->kind, r->ns, r->name);
    opr_status st = OPR_E_CONFLICT;
    for (int i = 0; i < PATCH_TRIES && st == OPR_E_CONFLICT; i++) {
        struct opr_obj *old = opr_store_get(r->api->store, key), *obj = NULL;
        st = old ? opr_api_replace(r, doc, old, &obj) : opr_api_not_found(r, r->plural, r->name);
        opr_json_unref(old);
        if (st != OPR_E_CONFLICT || has_version || i == PATCH_TRIES - 1) {
            answer(r, st, obj);
            break;
        }
    }
    json_object_put(doc);
}

/* One try; OPR_E_CONFLICT without an answer: the object changed meanwhile. */
static opr_status patch_once(struct opr_req *r, const struct opr_obj *old, struct opr_obj **ret_obj)
{
    struct opr_obj *view = opr_api_view(r->kind, old);
    struct opr_str body = r->http->body;
    bool has_owners = body.len > 0 && memmem(body.ptr, body.len, "managedFields", 13);
    struct json_object *doc = has_owners ? opr_doc_from_obj(view) : opr_managed_doc(view);
    opr_status st = opr_api_apply_patch(r, r->kind, &doc);
    if (st == OPR_OK) {
        st = opr_api_check_names(r, doc);
    }
    if (st == OPR_OK) {
        st = opr_api_replace(r, doc, old, ret_obj);
    }
    json_object_put(doc);
    opr_json_unref(view);
    return st;
}

void opr_api_patch(struct opr_req *r)
{
    if (opr_api_check_patch(r) != OPR_OK || opr_api_write_options(r, "PatchOptions") != OPR_OK) {
        return;
    }
    if (opr_api_is_apply(r)) {
        opr_api_apply(r);
        return;
    }
    struct opr_str key = opr_api_key(r->arena, r->kind, r->ns, r->name);
    opr_status st = OPR_E_CONFLICT;
    for (int i = 0; i < PATCH_TRIES && st == OPR_E_CONFLICT; i++) {
        struct opr_obj *old = opr_store_get(r->api->store, key), *obj = NULL;
        st = old ? patch_once(r, old, &obj) : opr_api_not_found(r, r->plural, r->name);
        opr_json_unref(old);
        if (st != OPR_E_CONFLICT || i == PATCH_TRIES - 1) {
            answer(r, st, obj);
        }
    }
}
