/* ServiceAccount admission: a Pod runs as an account of its namespace, and finds that account's
 * token, the cluster's CA and its namespace where in-cluster clients look for them. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/rand.h"
#include "core/base/str.h"

#define TOKEN_MOUNT "/var/run/secrets/kubernetes.io/serviceaccount"
#define VOLUME_PREFIX "kube-api-access-"
#define ROOT_CA "kube-root-ca.crt"

/* 3,607 s, not an hour: so that such tokens can be told from others (kubernetes.io/docs). */
static const char sources[] =
    "{\"projected\":{\"defaultMode\":420,\"sources\":["
    "{\"serviceAccountToken\":{\"expirationSeconds\":3607,\"path\":\"token\"}},"
    "{\"configMap\":{\"name\":\"" ROOT_CA "\",\"items\":[{\"key\":\"ca.crt\","
    "\"path\":\"ca.crt\"}]}},"
    "{\"downwardAPI\":{\"items\":[{\"path\":\"namespace\",\"fieldRef\":{\"apiVersion\":\"v1\","
    "\"fieldPath\":\"metadata.namespace\"}}]}}]}}";

static bool has_token_mount(struct json_object *container)
{
    struct json_object *mounts = json_object_object_get(container, "volumeMounts");
    for (size_t i = 0; mounts && i < json_object_array_length(mounts); i++) {
        struct json_object *m = json_object_array_get_idx(mounts, i);
        if (strcmp(opr_doc_str(m, "/mountPath", ""), TOKEN_MOUNT) == 0) {
            return true;
        }
    }
    return false;
}

/* True where a container took the mount. */
static bool add_mounts(struct json_object *containers, const char *volume)
{
    bool is_used = false;
    for (size_t i = 0; containers && i < json_object_array_length(containers); i++) {
        struct json_object *c = json_object_array_get_idx(containers, i);
        if (has_token_mount(c)) {
            continue;
        }
        struct json_object *m = json_object_new_object();
        opr_doc_put_str(m, "/name", volume);
        json_object_object_add(m, "readOnly", json_object_new_boolean(1));
        opr_doc_put_str(m, "/mountPath", TOKEN_MOUNT);
        (void)!opr_doc_put(c, "/volumeMounts/-", m); /* c is an object: it was decoded */
        is_used = true;
    }
    return is_used;
}

static const char *volume_name(struct opr_req *r, struct json_object *pod)
{
    struct json_object *volumes = opr_doc_at(pod, "/spec/volumes");
    for (size_t i = 0; volumes && i < json_object_array_length(volumes); i++) {
        const char *name = opr_doc_str(json_object_array_get_idx(volumes, i), "/name", "");
        if (opr_str_starts(opr_str_of(name), VOLUME_PREFIX)) {
            return name;
        }
    }
    char suffix[6];
    opr_rand_name(suffix, 5);
    return opr_arena_printf(r->arena, VOLUME_PREFIX "%s", suffix);
}

static void add_token(struct opr_req *r, struct json_object *pod)
{
    const char *name = volume_name(r, pod);
    bool is_used = add_mounts(opr_doc_at(pod, "/spec/initContainers"), name);
    is_used = add_mounts(opr_doc_at(pod, "/spec/containers"), name) || is_used;
    struct json_object *volumes = opr_doc_at(pod, "/spec/volumes");
    for (size_t i = 0; volumes && i < json_object_array_length(volumes); i++) {
        struct json_object *v = json_object_array_get_idx(volumes, i);
        is_used = is_used && strcmp(opr_doc_str(v, "/name", ""), name) != 0;
    }
    if (is_used) {
        struct json_object *v = json_tokener_parse(sources);
        opr_doc_put_str(v, "/name", name);
        (void)!opr_doc_put(pod, "/spec/volumes/-", v); /* spec is an object: it was decoded */
    }
}

opr_status opr_admit_service_account(struct opr_req *r, struct json_object *pod)
{
    const char *name = opr_doc_str(pod, "/spec/serviceAccountName", "");
    if (opr_doc_at(pod, "/metadata/annotations/kubernetes.io~1config.mirror")) {
        /* the picture of a Pod that a node runs by itself: no account is told to it */
        return *name ? opr_api_refuse(r, 403, "Forbidden",
                                      "pods \"%s\" is forbidden: a mirror pod may not reference "
                                      "service accounts",
                                      r->name)
                     : OPR_OK;
    }
    bool is_default = !*name || strcmp(name, "default") == 0;
    name = is_default ? "default" : opr_arena_dup(r->arena, opr_str_of(name));
    const struct opr_kind *kind =
        opr_kind_find(OPR_STR(""), OPR_STR("v1"), OPR_STR("serviceaccounts"));
    struct opr_obj *account =
        opr_store_get(r->api->store, opr_api_key(r->arena, kind, r->ns, name));
    /* "default" is made by its controller, a moment after its namespace. */
    if (!account && !is_default) {
        return opr_api_refuse(r, 403, "Forbidden",
                              "pods \"%s\" is forbidden: error looking up service account %s/%s: "
                              "serviceaccount \"%s\" not found",
                              r->name, r->ns, name, name);
    }
    opr_doc_put_str(pod, "/spec/serviceAccountName", name);
    opr_doc_put_str(pod, "/spec/serviceAccount", name);
    const struct opr_obj *secrets = opr_json_at(account, "/imagePullSecrets");
    if (secrets && !opr_doc_at(pod, "/spec/imagePullSecrets")) {
        (void)!opr_doc_put(pod, "/spec/imagePullSecrets", opr_doc_from_obj(secrets));
    }
    bool is_wanted = opr_json_bool(account, "/automountServiceAccountToken", true);
    if (opr_doc_bool(pod, "/spec/automountServiceAccountToken", is_wanted)) {
        add_token(r, pod);
    }
    opr_json_unref(account);
    return OPR_OK;
}
