/* The scale subresource: an object's replicas as autoscaling/v1 Scale. */
#include "apiserver/registry/api.h"
#include "apiserver/registry/managed.h"

#include "core/api/meta.h"
#include "core/api/selector.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#define TRIES 10

static struct json_object *make_scale(struct opr_req *r, const struct opr_obj *obj)
{
    static const char *const copied[] = {"/metadata/name", "/metadata/namespace", "/metadata/uid",
                                         "/metadata/resourceVersion",
                                         "/metadata/creationTimestamp"};
    const struct opr_kind *k = r->kind;
    struct json_object *d = json_object_new_object();
    opr_doc_put_str(d, "/kind", "Scale");
    opr_doc_put_str(d, "/apiVersion", "autoscaling/v1");
    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++) {
        const char *value = opr_json_str(obj, copied[i], NULL);
        if (value) {
            opr_doc_put_str(d, copied[i], value);
        }
    }
    opr_doc_put_int(d, "/spec/replicas", opr_json_int(obj, k->scale_spec_replicas, 0));
    opr_doc_put_int(d, "/status/replicas", opr_json_int(obj, k->scale_status_replicas, 0));
    const struct opr_obj *selector = k->scale_selector ? opr_json_at(obj, k->scale_selector) : NULL;
    if (opr_json_type(selector) == OPR_TYPE_STRING) {
        opr_doc_put_str(d, "/status/selector", opr_json_str(selector, "", ""));
    } else if (selector) {
        struct opr_selector *parsed = NULL;
        struct opr_buf text = {0};
        opr_buf_reserve(&text, 1);
        if (opr_selector_from_obj(selector, &parsed, NULL) == OPR_OK) {
            opr_selector_format(parsed, &text);
            opr_doc_put_str(d, "/status/selector", text.data);
        }
        opr_selector_free(parsed);
        opr_buf_fini(&text);
    }
    return d;
}

static const struct opr_kind *scale_kind(void)
{
    return opr_kind_find_kind(OPR_STR("autoscaling"), OPR_STR("v1"), OPR_STR("Scale"));
}

/* The Scale that the request wants; owned. */
static opr_status wanted(struct opr_req *r, const struct opr_obj *obj, struct json_object **ret_doc)
{
    if (strcmp(r->verb, "update") == 0) {
        OPR_TRY(opr_api_decode(r, scale_kind(), ret_doc));
        return opr_api_check_names(r, *ret_doc);
    }
    struct json_object *doc = make_scale(r, obj);
    opr_status st = opr_api_apply_patch(r, scale_kind(), &doc);
    if (st != OPR_OK) {
        json_object_put(doc);
        return st;
    }
    *ret_doc = doc;
    return OPR_OK;
}

static opr_status check(struct opr_req *r, struct json_object *scale)
{
    struct opr_field_errors errors = {.arena = r->arena};
    int64_t replicas = opr_doc_int(scale, "/spec/replicas", 0);
    if (replicas >= 0 && replicas <= INT32_MAX) {
        return OPR_OK;
    }
    opr_field_errors_add(&errors, "FieldValueInvalid", "spec.replicas",
                         opr_arena_printf(r->arena,
                                          "Invalid value: %lld: must be greater than or equal to 0",
                                          (long long)replicas));
    return opr_api_invalid(r, scale_kind(), r->name, &errors);
}

static opr_status write_once(struct opr_req *r, const struct opr_obj *obj)
{
    struct json_object *scale = NULL;
    struct opr_obj *result = NULL;
    opr_status st = wanted(r, obj, &scale);
    if (st == OPR_OK) {
        st = check(r, scale);
    }
    if (st == OPR_OK) {
        struct json_object *doc = opr_managed_doc(obj);
        const char *rv = opr_doc_str(scale, "/metadata/resourceVersion", "");
        bool is_patch = strcmp(r->verb, "patch") == 0;
        if (*rv && !is_patch) {
            opr_doc_put_str(doc, "/metadata/resourceVersion", rv);
        }
        opr_doc_put_int(doc, r->kind->scale_spec_replicas, opr_doc_int(scale, "/spec/replicas", 0));
        r->sub = NULL;
        r->written_as = "scale";
        st = opr_api_replace(r, doc, obj, &result);
        r->sub = "scale";
        json_object_put(doc);
    }
    json_object_put(scale);
    if (st == OPR_OK) {
        opr_api_json(r, 200, make_scale(r, result));
        opr_json_unref(result);
    }
    return st;
}

static void answer_scale(struct opr_req *r, const struct opr_obj *obj)
{
    struct json_object *doc = make_scale(r, obj);
    struct opr_obj *scale = opr_doc_to_obj(doc);
    json_object_put(doc);
    r->res->status = 200;
    opr_api_header(r, "Content-Type", OPR_STR("application/json"));
    opr_form_object(&r->res->body, scale_kind(), r->form, true, scale, r->now_ms);
    opr_json_unref(scale);
}

void opr_api_scale(struct opr_req *r)
{
    bool is_get = strcmp(r->verb, "get") == 0;
    bool is_patch = strcmp(r->verb, "patch") == 0;
    if (is_patch && opr_api_check_patch(r) != OPR_OK) {
        return;
    }
    if (is_patch && opr_api_is_apply(r)) {
        opr_api_reject(r, 415, "UnsupportedMediaType", "415: Unsupported Media Type");
        return;
    }
    if (!is_get &&
        opr_api_write_options(r, is_patch ? "PatchOptions" : "UpdateOptions") != OPR_OK) {
        return;
    }
    struct opr_str key = opr_api_key(r->arena, r->kind, r->ns, r->name);
    opr_status st = OPR_E_CONFLICT;
    for (int i = 0; i < TRIES && st == OPR_E_CONFLICT; i++) {
        struct opr_obj *obj = opr_store_get(r->api->store, key);
        if (!obj) {
            opr_api_not_found(r, r->plural, r->name);
            return;
        }
        if (is_get) {
            answer_scale(r, obj);
            st = OPR_OK;
        } else {
            st = write_once(r, obj);
        }
        opr_json_unref(obj);
    }
    if (st == OPR_E_CONFLICT) {
        opr_api_conflict(r);
    }
}
