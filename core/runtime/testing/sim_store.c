/* Objects and the verbs on them. */
#include "core/api/patch.h"
#include "core/base/alloc.h"
#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/runtime/testing/sim.h"

#include <stdarg.h>
#include <stdio.h>

void sim_refuse(struct sim_answer *ret, int code, const char *reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(ret->message, sizeof ret->message, fmt, args);
    va_end(args);
    ret->code = code;
    ret->reason = reason;
    ret->obj = NULL;
}

static void answer_with(struct sim_answer *ret, int code, const struct opr_obj *o)
{
    ret->code = code;
    ret->obj = opr_json_ref(o);
}

static int order_of(const struct opr_obj *o, const char *ns, const char *name)
{
    int c = strcmp(opr_meta_ns(o), ns);
    return c ? c : strcmp(opr_meta_name(o), name);
}

/* Where an object is, or would be; *ret_found says which. */
static size_t position(const struct sim_kind *k, const char *ns, const char *name, bool *ret_found)
{
    size_t low = 0, high = k->objects.count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int c = order_of(k->objects.items[mid], ns, name);
        if (c == 0) {
            *ret_found = true;
            return mid;
        }
        if (c < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *ret_found = false;
    return low;
}

struct opr_obj *sim_get(struct sim_kind *k, const char *ns, const char *name)
{
    bool is_found;
    size_t at = position(k, k->is_namespaced && ns ? ns : "", name, &is_found);
    return is_found ? k->objects.items[at] : NULL;
}

static void log_change(struct sim *s, struct sim_kind *k, struct opr_obj *take_was,
                       struct opr_obj *take_is, struct opr_obj *take_last)
{
    struct sim_change *c = opr_xalloc(sizeof *c);
    *c = (struct sim_change){k, take_was, take_is, take_last, s->rv};
    opr_vec_push(&s->log, c);
}

static void set_rv(struct sim *s, struct json_object *doc)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)++s->rv);
    opr_doc_put_str(doc, "/metadata/resourceVersion", text);
}

/* Stores a document as the new state; the change is logged. The object is borrowed. */
static struct opr_obj *store(struct sim *s, struct sim_kind *k, struct json_object *doc)
{
    set_rv(s, doc);
    struct opr_obj *is = opr_doc_to_obj(doc);
    bool is_found;
    size_t at = position(k, opr_meta_ns(is), opr_meta_name(is), &is_found);
    struct opr_obj *was = NULL;
    if (is_found) {
        was = k->objects.items[at];
        k->objects.items[at] = is;
    } else {
        opr_vec_insert(&k->objects, at, is);
    }
    log_change(s, k, was, opr_json_ref(is), NULL);
    return is;
}

static void erase(struct sim *s, struct sim_kind *k, const struct opr_obj *o)
{
    bool is_found;
    size_t at = position(k, opr_meta_ns(o), opr_meta_name(o), &is_found);
    struct json_object *doc = opr_doc_from_obj(o);
    set_rv(s, doc);
    struct opr_obj *last = opr_doc_to_obj(doc);
    json_object_put(doc);
    log_change(s, k, opr_vec_remove(&k->objects, at), NULL, last);
}

static void refuse_absent(struct sim_answer *ret, const struct sim_kind *k, const char *name)
{
    sim_refuse(ret, 404, "NotFound", "%s%s%s \"%s\" not found", k->plural, *k->group ? "." : "",
               k->group, name);
}

static void put_now(struct sim *s, struct json_object *doc, const char *ptr)
{
    char text[OPR_TIME_TEXT_MAX];
    opr_time_format(opr_clock_wall_ms(s->clock), text);
    opr_doc_put_str(doc, ptr, text);
}

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
        put_now(s, doc, "/metadata/creationTimestamp");
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
        answer_with(ret, 201, store(s, k, doc));
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

static bool has_finalizers(struct json_object *doc)
{
    struct json_object *own = opr_doc_at(doc, "/metadata/finalizers");
    struct json_object *of_spec = strcmp(opr_doc_str(doc, "/kind", ""), "Namespace") == 0
                                      ? opr_doc_at(doc, "/spec/finalizers")
                                      : NULL;
    return (own && json_object_array_length(own) > 0) ||
           (of_spec && json_object_array_length(of_spec) > 0);
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
        answer_with(ret, 200, was);
    } else if (opr_meta_is_deleting(was) && !has_finalizers(doc)) {
        answer_with(ret, 200, store(s, k, doc));
        erase(s, k, ret->obj);
    } else {
        answer_with(ret, 200, store(s, k, doc));
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
        refuse_absent(ret, k, name);
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
        refuse_absent(ret, k, name);
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

static bool has_finalizer(struct json_object *doc, const char *name)
{
    struct json_object *list = opr_doc_at(doc, "/metadata/finalizers");
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_finalizer(struct json_object *doc, const char *name)
{
    if (!has_finalizer(doc, name)) {
        if (!opr_doc_at(doc, "/metadata/finalizers")) {
            (void)!opr_doc_put(doc, "/metadata/finalizers", json_object_new_array());
        }
        (void)!opr_doc_put(doc, "/metadata/finalizers/-", json_object_new_string(name));
    }
}

/* Marks an object that can not go yet. */
static void mark_deleted(struct sim *s, struct sim_kind *k, struct opr_obj *was,
                         struct json_object *doc, struct sim_answer *ret)
{
    if (!opr_meta_is_deleting(was)) {
        put_now(s, doc, "/metadata/deletionTimestamp");
        opr_doc_put_int(doc, "/metadata/deletionGracePeriodSeconds", 0);
        opr_doc_put_int(doc, "/metadata/generation",
                        opr_json_int(was, "/metadata/generation", 1) + 1);
    }
    if (strcmp(k->gvk, "v1/Namespace") == 0) {
        opr_doc_put_str(doc, "/status/phase", "Terminating");
    }
    struct json_object *before = opr_doc_from_obj(was);
    bool is_same = opr_doc_equal(before, doc);
    json_object_put(before);
    answer_with(ret, 200, is_same ? was : store(s, k, doc));
}

static void answer_gone(struct sim_answer *ret, const struct sim_kind *k, const struct opr_obj *o)
{
    struct json_object *doc = json_object_new_object();
    opr_doc_put_str(doc, "/kind", "Status");
    opr_doc_put_str(doc, "/apiVersion", "v1");
    opr_doc_put_str(doc, "/status", "Success");
    opr_doc_put_str(doc, "/details/name", opr_meta_name(o));
    opr_doc_put_str(doc, "/details/kind", k->plural);
    opr_doc_put_str(doc, "/details/uid", opr_meta_uid(o));
    ret->code = 200;
    ret->obj = opr_doc_to_obj(doc);
    json_object_put(doc);
}

void sim_delete(struct sim *s, struct sim_kind *k, const char *ns, const char *name,
                struct json_object *options, struct sim_answer *ret)
{
    struct opr_obj *was = sim_get(k, ns, name);
    if (!was) {
        refuse_absent(ret, k, name);
        return;
    }
    const char *uid = opr_doc_str(options, "/preconditions/uid", "");
    const char *rv = opr_doc_str(options, "/preconditions/resourceVersion", "");
    if ((*uid && strcmp(uid, opr_meta_uid(was)) != 0) ||
        (*rv && strcmp(rv, opr_json_str(was, "/metadata/resourceVersion", "")) != 0)) {
        sim_refuse(ret, 409, "Conflict",
                   "Operation cannot be fulfilled on %s \"%s\": the precondition (%s) does not "
                   "match the record",
                   k->kind, name, *uid ? uid : rv);
        return;
    }
    struct json_object *doc = opr_doc_from_obj(was);
    const char *propagation = opr_doc_str(options, "/propagationPolicy", "");
    if (strcmp(propagation, "Orphan") == 0) {
        add_finalizer(doc, "orphan");
    } else if (strcmp(propagation, "Foreground") == 0) {
        add_finalizer(doc, "foregroundDeletion");
    }
    if (has_finalizers(doc)) {
        mark_deleted(s, k, was, doc, ret);
    } else {
        answer_gone(ret, k, was);
        erase(s, k, was);
    }
    json_object_put(doc);
}
