/* POST of a collection. */
#include "apiserver/registry/api.h"
#include "apiserver/registry/managed.h"

#include "core/api/meta.h"
#include "core/base/alloc.h"
#include "core/base/rand.h"
#include "core/base/str.h"

#include <stdio.h>

#define NAME_TRIES 8
#define GENERATED_BASE_MAX 58 /* the name with its 5 characters fits a label (63) */

static opr_status check_namespace(struct opr_req *r, struct json_object *doc)
{
    const char *given = opr_doc_str(doc, "/metadata/namespace", "");
    if (!r->kind->is_namespaced) {
        opr_doc_del(doc, "/metadata/namespace");
        return OPR_OK;
    }
    if (*given && strcmp(given, r->ns) != 0) {
        return opr_api_fail(r, 400, "BadRequest",
                            "the namespace of the provided object does not match the namespace "
                            "sent on the request");
    }
    opr_doc_put_str(doc, "/metadata/namespace", r->ns);
    return OPR_OK;
}

/* A name from generateName; the base is cut so that the whole stays short. */
static void generate_name(struct json_object *doc)
{
    char name[GENERATED_BASE_MAX + 6];
    int len = snprintf(name, sizeof name - 5, "%.*s", GENERATED_BASE_MAX,
                       opr_doc_str(doc, "/metadata/generateName", ""));
    opr_rand_name(name + len, 5);
    opr_doc_put_str(doc, "/metadata/name", name);
}

static void fill_metadata(struct opr_req *r, struct json_object *doc)
{
    char uid[OPR_UUID_TEXT_MAX], now[OPR_TIME_TEXT_MAX];
    static const char *const own[] = {"/metadata/resourceVersion", "/metadata/deletionTimestamp",
                                      "/metadata/generation",
                                      "/metadata/deletionGracePeriodSeconds", "/metadata/selfLink"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        opr_doc_del(doc, own[i]);
    }
    opr_uuid4(uid);
    opr_time_format(r->now_ms, now);
    opr_doc_put_str(doc, "/metadata/uid", uid);
    opr_doc_put_str(doc, "/metadata/creationTimestamp", now);
    if (r->kind->has_generation) {
        opr_doc_put_int(doc, "/metadata/generation", 1);
    }
}

/* A user does not write the status of a new object; a node agent registers its node with one. */
static void clear_status(struct opr_req *r, struct json_object *doc)
{
    bool keeps = opr_kind_is(r->kind, "", "nodes") || opr_kind_is(r->kind, "", "services");
    if ((r->kind->subresources & OPR_SUB_STATUS) && !keeps) {
        opr_doc_del(doc, "/status");
    }
}

static opr_status check(struct opr_req *r, struct json_object *doc)
{
    struct opr_field_errors errors = {.arena = r->arena};
    opr_schema_validate(r->kind, doc, NULL, NULL, &errors);
    if (errors.count > 0) {
        return opr_api_invalid(r, opr_api_stored_kind(r->kind),
                               opr_doc_str(doc, "/metadata/name", ""), &errors);
    }
    return OPR_OK;
}

/* Puts it under its name; a generated name is tried again where it is taken. */
static opr_status store_new(struct opr_req *r, struct json_object *doc, bool is_generated,
                            struct opr_obj **ret_obj)
{
    opr_status st = OPR_E_EXISTS;
    struct opr_error err = {0};
    if (r->kind->stored_as) {
        opr_schema_convert(r->kind, r->kind->stored_as, doc);
    }
    for (int i = 0; i < (is_generated ? NAME_TRIES : 1) && st == OPR_E_EXISTS; i++) {
        if (i > 0) {
            generate_name(doc);
        }
        r->name = opr_arena_dup(r->arena, opr_str_of(opr_doc_str(doc, "/metadata/name", "")));
        struct opr_str key = opr_api_key(r->arena, r->kind, r->ns, r->name);
        st = opr_store_put(r->api->store, key, OPR_STORE_ABSENT, doc, ret_obj, &err);
    }
    if (st == OPR_E_EXISTS && r->is_applied) {
        return st;
    }
    return st == OPR_OK ? OPR_OK : opr_api_store_failure(r, st, &err);
}

static opr_status prepare(struct opr_req *r, struct json_object *doc, bool *ret_generated)
{
    OPR_TRY(check_namespace(r, doc));
    const char *version = opr_doc_str(doc, "/metadata/resourceVersion", "");
    if (*version && strcmp(version, "0") != 0) {
        return opr_api_fail(r, 500, NULL,
                            "resourceVersion should not be set on objects to be created");
    }
    *ret_generated =
        !*opr_doc_str(doc, "/metadata/name", "") && *opr_doc_str(doc, "/metadata/generateName", "");
    if (*ret_generated) {
        generate_name(doc);
    }
    r->name = opr_arena_dup(r->arena, opr_str_of(opr_doc_str(doc, "/metadata/name", "")));
    fill_metadata(r, doc);
    clear_status(r, doc);
    opr_schema_default(r->kind, doc);
    opr_managed_track(r, doc, NULL, NULL);
    OPR_TRY(opr_admit_create(r, doc));
    OPR_TRY(check(r, doc));
    opr_managed_write(r->managed, doc);
    return OPR_OK;
}

/* A dry run: answers as if it were stored. */
static opr_status try_new(struct opr_req *r, struct json_object *doc)
{
    struct opr_error err = {0};
    struct opr_obj *there =
        opr_store_get(r->api->store, opr_api_key(r->arena, r->kind, r->ns, r->name));
    opr_json_unref(there);
    if (!there && opr_kind_is(r->kind, "", "services")) {
        pthread_mutex_lock(&r->api->service_lock);
        opr_status st = opr_service_assign(r, doc, NULL); /* it stays free */
        pthread_mutex_unlock(&r->api->service_lock);
        OPR_TRY(st);
    }
    if (there) {
        return r->is_applied ? OPR_E_EXISTS : opr_api_store_failure(r, OPR_E_EXISTS, &err);
    }
    opr_api_doc(r, 201, doc);
    return OPR_OK;
}

opr_status opr_api_create_doc(struct opr_req *r, struct json_object *doc)
{
    bool is_generated = false, is_service = opr_kind_is(r->kind, "", "services");
    struct opr_obj *obj = NULL;
    OPR_TRY(prepare(r, doc, &is_generated));
    if (r->is_dry_run) {
        return try_new(r, doc);
    }
    if (is_service) {
        pthread_mutex_lock(&r->api->service_lock);
    }
    opr_status st = is_service ? opr_service_assign(r, doc, NULL) : OPR_OK;
    if (st == OPR_OK) {
        st = store_new(r, doc, is_generated, &obj);
    }
    if (is_service) {
        pthread_mutex_unlock(&r->api->service_lock);
    }
    if (st == OPR_OK) {
        if (opr_kind_is(r->kind, "apiextensions.k8s.io", "customresourcedefinitions")) {
            opr_crd_changed(r->api, obj, false);
        }
        opr_api_object(r, 201, obj);
        opr_json_unref(obj);
    }
    return st;
}

void opr_api_create(struct opr_req *r)
{
    struct json_object *doc = NULL;
    if (opr_api_write_options(r, "CreateOptions") != OPR_OK ||
        opr_api_decode(r, r->kind, &doc) != OPR_OK) {
        return;
    }
    (void)!opr_api_create_doc(r, doc); /* the answer is written */
    json_object_put(doc);
}
