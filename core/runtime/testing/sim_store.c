/* Creating and changing objects. */
#include "core/api/patch.h"
#include "core/base/alloc.h"
#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/runtime/testing/sim.h"

#include <stdio.h>

/* Suffixes that differ and repeat from run to run, of Kubernetes' alphabet. */
static void make_name(struct sim *s, struct json_object *doc)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    char suffix[6] = {0};
    uint64_t n = ++s->names * 7919;
    for (int i = 4; i >= 0; i--) {
        suffix[i] = alphabet[n % (sizeof alphabet - 1)];
        n /= sizeof alphabet - 1;
    }
    char *name = opr_xprintf("%s%s", opr_doc_str(doc, "/metadata/generateName", ""), suffix);
    opr_doc_put_str(doc, "/metadata/name", name);
    opr_free(name);
}

static void put_identity(struct sim *s, struct json_object *doc, bool is_user)
{
    char uid[OPR_UUID_TEXT_MAX];
    snprintf(uid, sizeof uid, "00000000-0000-4000-8000-%012llx", (unsigned long long)++s->uids);
    if (!is_user || !opr_doc_at(doc, "/metadata/uid")) {
        opr_doc_put_str(doc, "/metadata/uid", uid);
    }
    if (!is_user || !opr_doc_at(doc, "/metadata/creationTimestamp")) {
        sim_put_now(s, doc, "/metadata/creationTimestamp");
    }
    if (!is_user || !opr_doc_at(doc, "/metadata/generation")) {
        opr_doc_put_int(doc, "/metadata/generation", 1);
    }
}

/* The little that servers set on the kinds whose controllers depend on it. */
static void put_initial_state(const struct sim_kind *k, struct json_object *doc, bool is_user)
{
    if (!is_user) {
        (void)opr_doc_del(doc, "/status"); /* only the status subresource writes it */
        (void)opr_doc_del(doc, "/metadata/deletionTimestamp");
    }
    if (strcmp(k->gvk, "v1/Pod") == 0 && !opr_doc_at(doc, "/status/phase")) {
        opr_doc_put_str(doc, "/status/phase", "Pending");
    }
    if (strcmp(k->gvk, "v1/Namespace") == 0) {
        if (!opr_doc_at(doc, "/spec/finalizers")) {
            struct json_object *list = json_object_new_array();
            json_object_array_add(list, json_object_new_string("kubernetes"));
            (void)!opr_doc_put(doc, "/spec/finalizers", list); /* spec is an object */
        }
        if (!opr_doc_at(doc, "/status/phase")) {
            opr_doc_put_str(doc, "/status/phase", "Active");
        }
    }
}

static bool is_terminating(struct sim *s, const char *ns)
{
    struct opr_obj *o = *ns ? sim_get(sim_kind_find(s, "v1/Namespace"), "", ns) : NULL;
    return o && opr_meta_is_deleting(o);
}

void sim_create(struct sim *s, struct sim_kind *k, const char *ns, struct json_object *doc,
                bool is_user, struct sim_answer *ret)
{
    char *api_version =
        *k->group ? opr_xprintf("%s/%s", k->group, k->version) : opr_xstrdup(k->version);
    opr_doc_put_str(doc, "/apiVersion", api_version);
    opr_doc_put_str(doc, "/kind", k->kind);
    opr_free(api_version);
    if (k->is_namespaced) {
        opr_doc_put_str(doc, "/metadata/namespace", ns);
    }
    if (!*opr_doc_str(doc, "/metadata/name", "") &&
        *opr_doc_str(doc, "/metadata/generateName", "")) {
        make_name(s, doc);
    }
    const char *name = opr_doc_str(doc, "/metadata/name", "");
    if (!*name) {
        sim_refuse(ret, 422, "Invalid",
                   "%s \"\" is invalid: metadata.name: Required value: name or generateName is "
                   "required",
                   k->kind);
    } else if (k->is_namespaced && is_terminating(s, ns)) {
        sim_refuse(ret, 403, "Forbidden",
                   "%s \"%s\" is forbidden: unable to create new content in namespace %s because "
                   "it is being terminated",
                   k->plural, name, ns);
        ret->cause = "NamespaceTerminating";
    } else if (sim_get(k, ns, name)) {
        sim_refuse(ret, 409, "AlreadyExists", "%s%s%s \"%s\" already exists", k->plural,
                   *k->group ? "." : "", k->group, name);
    } else {
        put_initial_state(k, doc, is_user);
        put_identity(s, doc, is_user);
        sim_answer_with(ret, 201, sim_store(s, k, doc));
    }
}

/* A copy without what does not count as the specification. */
static struct json_object *spec_part(struct json_object *doc)
{
    struct json_object *part = opr_doc_dup(doc);
    json_object_object_del(part, "metadata");
    json_object_object_del(part, "status");
    return part;
}

static void raise_generation(const struct opr_obj *was, struct json_object *was_doc,
                             struct json_object *doc)
{
    struct json_object *a = spec_part(was_doc), *b = spec_part(doc);
    bool is_same = opr_doc_equal(a, b);
    json_object_put(a);
    json_object_put(b);
    opr_doc_put_int(doc, "/metadata/generation",
                    opr_json_int(was, "/metadata/generation", 1) + (is_same ? 0 : 1));
}

static void keep_member(struct json_object *doc, struct json_object *was, const char *ptr)
{
    struct json_object *value = opr_doc_at(was, ptr);
    if (value) {
        (void)!opr_doc_put(doc, ptr, opr_doc_dup(value)); /* its parents were there in was */
    } else {
        (void)opr_doc_del(doc, ptr);
    }
}

/* Makes doc the new state of was, or finds that nothing changed, or that it was the end. */
static void replace(struct sim *s, struct sim_kind *k, struct opr_obj *was, struct json_object *doc,
                    struct sim_answer *ret)
{
    struct json_object *was_doc = opr_doc_from_obj(was);
    static const char *const kept[] = {"/metadata/uid",
                                       "/metadata/creationTimestamp",
                                       "/metadata/deletionTimestamp",
                                       "/metadata/namespace",
                                       "/metadata/name",
                                       "/metadata/resourceVersion"};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        keep_member(doc, was_doc, kept[i]);
    }
    raise_generation(was, was_doc, doc);
    if (opr_doc_equal(doc, was_doc)) {
        sim_answer_with(ret, 200, was);
    } else if (opr_meta_is_deleting(was) && !sim_has_finalizers(doc)) {
        sim_answer_with(ret, 200, sim_store(s, k, doc));
        sim_erase(s, k, ret->obj);
    } else {
        sim_answer_with(ret, 200, sim_store(s, k, doc));
    }
    json_object_put(was_doc);
}

/* What a request on a subresource may change, everything else taken from the present state. */
static struct json_object *restrict_to(const struct opr_obj *was, const char *sub,
                                       struct json_object *doc, bool is_user)
{
    struct json_object *was_doc = opr_doc_from_obj(was);
    struct json_object *result;
    if (!sub) {
        result = opr_doc_dup(doc);
        if (!is_user || !opr_doc_at(doc, "/status")) {
            keep_member(result, was_doc, "/status");
        }
        json_object_put(was_doc);
        return result;
    }
    result = was_doc;
    if (strcmp(sub, "status") == 0) {
        keep_member(result, doc, "/status");
    } else if (strcmp(sub, "scale") == 0) {
        keep_member(result, doc, "/spec/replicas");
    } else {
        keep_member(result, doc, "/spec/finalizers");
    }
    return result;
}

static bool is_stale(const struct opr_obj *was, struct json_object *doc)
{
    const char *rv = opr_doc_str(doc, "/metadata/resourceVersion", "");
    const char *uid = opr_doc_str(doc, "/metadata/uid", "");
    return (*rv && strcmp(rv, opr_json_str(was, "/metadata/resourceVersion", "")) != 0) ||
           (*uid && strcmp(uid, opr_meta_uid(was)) != 0);
}

static void refuse_stale(struct sim_answer *ret, const struct sim_kind *k, const char *name)
{
    sim_refuse(ret, 409, "Conflict",
               "Operation cannot be fulfilled on %s \"%s\": the object has been modified; please "
               "apply your changes to the latest version and try again",
               k->plural, name);
}

static void scale_answer(struct sim_answer *ret, const char *sub)
{
    if (ret->obj && sub && strcmp(sub, "scale") == 0) {
        struct opr_obj *scale = sim_scale_of(ret->obj);
        opr_json_unref(ret->obj);
        ret->obj = scale;
    }
}

void sim_update(struct sim *s, struct sim_kind *k, const char *ns, const char *name,
                const char *sub, struct json_object *doc, bool is_user, struct sim_answer *ret)
{
    struct opr_obj *was = sim_get(k, ns, name);
    if (!was) {
        sim_refuse_absent(ret, k, name);
    } else if (!is_user && is_stale(was, doc)) {
        refuse_stale(ret, k, name);
    } else {
        struct json_object *next = restrict_to(was, sub, doc, is_user);
        replace(s, k, was, next, ret);
        json_object_put(next);
        scale_answer(ret, sub);
    }
}

static opr_status apply_patch(struct json_object **doc, const char *type, struct json_object *patch,
                              struct opr_error *reterr)
{
    if (strcmp(type, "application/json-patch+json") == 0) {
        return opr_patch_json(doc, patch, reterr);
    }
    if (strcmp(type, "application/strategic-merge-patch+json") == 0) {
        sim_strategic_merge(doc, patch);
        return OPR_OK;
    }
    if (strcmp(type, "application/merge-patch+json") == 0) {
        return opr_patch_merge(doc, patch, reterr);
    }
    return opr_error_set(reterr, OPR_E_UNSUPPORTED, "415: Unsupported Media Type");
}

void sim_patch(struct sim *s, struct sim_kind *k, const char *ns, const char *name, const char *sub,
               const char *type, struct json_object *patch, struct sim_answer *ret)
{
    struct opr_error err = {0};
    struct opr_obj *was = sim_get(k, ns, name);
    if (!was) {
        sim_refuse_absent(ret, k, name);
        return;
    }
    struct json_object *doc = opr_doc_from_obj(was);
    opr_status st = apply_patch(&doc, type, patch, &err);
    if (st != OPR_OK) {
        bool is_type = st == OPR_E_UNSUPPORTED;
        sim_refuse(ret, is_type ? 415 : 422, is_type ? "UnsupportedMediaType" : "Invalid", "%s",
                   err.message);
    } else if (is_stale(was, doc)) {
        refuse_stale(ret, k, name);
    } else {
        struct json_object *next = restrict_to(was, sub, doc, false);
        replace(s, k, was, next, ret);
        json_object_put(next);
        scale_answer(ret, sub);
    }
    json_object_put(doc);
}
