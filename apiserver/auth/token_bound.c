/* Tokens that end with an object: a Pod, a Secret or a Node, by name and uid in their claims. */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/str.h"

#define GRACE_MS                                                                                   \
    60000 /* a Pod that is being deleted may use its token for so long, as in Kubernetes */

static const struct bindable {
    const char *kind, *plural, *claim;
    bool is_namespaced;
} bindables[] = {
    {"Pod", "pods", "pod", true},
    {"Secret", "secrets", "secret", true},
    {"Node", "nodes", "node", false},
};

static const struct bindable *find_bindable(const char *kind)
{
    for (size_t i = 0; i < sizeof bindables / sizeof *bindables; i++) {
        if (strcmp(bindables[i].kind, kind) == 0) {
            return &bindables[i];
        }
    }
    return NULL;
}

static struct opr_obj *stored(struct opr_apiserver *s, struct opr_arena *a,
                              const struct bindable *b, const char *ns, const char *name)
{
    const struct opr_kind *kind = opr_kind_find(OPR_STR(""), OPR_STR("v1"), opr_str_of(b->plural));
    return opr_store_get(s->store, opr_api_key(a, kind, b->is_namespaced ? ns : "", name));
}

static opr_status check_reference(struct opr_req *r, const struct bindable *b,
                                  const struct opr_obj *obj, const char *name, const char *uid,
                                  const char *account)
{
    if (!*name) {
        return opr_api_fail(r, 400, "BadRequest", "Name parameter required.");
    }
    if (!obj) {
        return opr_api_not_found(r, b->plural, name);
    }
    if (*uid && strcmp(uid, opr_meta_uid(obj)) != 0) {
        r->plural = b->kind; /* Kubernetes' details name the kind here */
        r->name = name;
        return opr_api_refuse(r, 409, "Conflict",
                              "Operation cannot be fulfilled on %s \"%s\": the UID in the bound "
                              "object reference (%s) does not match the UID in record. The object "
                              "might have been deleted and then recreated",
                              b->kind, name, uid);
    }
    if (strcmp(b->kind, "Pod") == 0 &&
        strcmp(opr_json_str(obj, "/spec/serviceAccountName", ""), account) != 0) {
        return opr_api_fail(r, 400, "BadRequest",
                            "cannot bind token for serviceaccount \"%s\" to pod running with "
                            "different serviceaccount name.",
                            account);
    }
    return OPR_OK;
}

/* The node of a Pod stands in the Pod's token, for who reads it; the token ends with the Pod. */
static const char *node_claim(struct opr_req *r, const struct opr_obj *pod)
{
    const char *name = opr_json_str(pod, "/spec/nodeName", "");
    struct opr_obj *node = *name ? stored(r->api, r->arena, find_bindable("Node"), "", name) : NULL;
    const char *claim =
        !*name ? ""
        : node ? opr_arena_printf(r->arena, ",\"node\":{\"name\":\"%s\",\"uid\":\"%s\"}", name,
                                  opr_meta_uid(node))
               : opr_arena_printf(r->arena, ",\"node\":{\"name\":\"%s\"}", name);
    opr_json_unref(node);
    return claim;
}

opr_status opr_token_bind(struct opr_req *r, struct json_object *request,
                          struct opr_token_claims *claims)
{
    const char *kind = opr_doc_str(request, "/spec/boundObjectRef/kind", "");
    const char *version = opr_doc_str(request, "/spec/boundObjectRef/apiVersion", "");
    const char *name = opr_doc_str(request, "/spec/boundObjectRef/name", "");
    const char *uid = opr_doc_str(request, "/spec/boundObjectRef/uid", "");
    if (!opr_doc_at(request, "/spec/boundObjectRef")) {
        return OPR_OK;
    }
    const struct bindable *b = strchr(version, '/') ? NULL : find_bindable(kind);
    if (!b) {
        return opr_api_fail(r, 400, "BadRequest",
                            "cannot bind token to object of type %s%s, Kind=%s",
                            strchr(version, '/') ? "" : "/", version, kind);
    }
    struct opr_obj *obj = stored(r->api, r->arena, b, claims->ns, name);
    opr_status st = check_reference(r, b, obj, name, uid, claims->name);
    if (st == OPR_OK) {
        claims->bound = opr_arena_printf(r->arena, ",\"%s\":{\"name\":\"%s\",\"uid\":\"%s\"}%s",
                                         b->claim, opr_meta_name(obj), opr_meta_uid(obj),
                                         strcmp(b->kind, "Pod") == 0 ? node_claim(r, obj) : "");
    }
    opr_json_unref(obj);
    return st;
}

static bool is_ending_for_long(struct opr_apiserver *s, const struct opr_obj *obj)
{
    int64_t deleted_ms = 0;
    const char *text = opr_json_str(obj, "/metadata/deletionTimestamp", NULL);
    return text && opr_time_parse(opr_str_of(text), &deleted_ms) == OPR_OK &&
           opr_clock_wall_ms(s->clock) > deleted_ms + GRACE_MS;
}

bool opr_token_is_bound(struct opr_apiserver *s, struct opr_arena *a, const struct opr_obj *own)
{
    bool is_bound = true;
    for (size_t i = 0; i < sizeof bindables / sizeof *bindables && is_bound; i++) {
        const struct bindable *b = &bindables[i];
        const struct opr_obj *ref = opr_json_member(own, opr_str_of(b->claim));
        bool is_told_only = strcmp(b->claim, "node") == 0 && opr_json_at(own, "/pod");
        if (ref && !is_told_only) {
            struct opr_obj *obj = stored(s, a, b, opr_json_str(own, "/namespace", ""),
                                         opr_json_str(ref, "/name", ""));
            is_bound = obj && strcmp(opr_meta_uid(obj), opr_json_str(ref, "/uid", "")) == 0 &&
                       !is_ending_for_long(s, obj);
            opr_json_unref(obj);
        }
    }
    return is_bound;
}
