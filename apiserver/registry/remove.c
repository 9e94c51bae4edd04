/* DELETE of one object and of a collection. */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#define TRIES 10
#define DEFAULT_GRACE_S 30

/* The body; NULL where there is none. */
static opr_status read_body(struct opr_req *r, struct json_object **ret_doc)
{
    const struct opr_kind *kind =
        opr_kind_find_kind(OPR_STR("meta.k8s.io"), OPR_STR("v1"), OPR_STR("DeleteOptions"));
    struct opr_field_errors errors = {.arena = r->arena};
    struct opr_error err = {0};
    struct opr_str type = opr_http_request_header(r->http, "content-type");
    if (r->http->body.len == 0) {
        return OPR_OK;
    }
    if (opr_schema_decode(kind, type.len > 0 ? type : OPR_STR("application/json"), r->http->body,
                          OPR_STRICT_IGNORE, ret_doc, &errors, &err) != OPR_OK) {
        return opr_api_fail(r, 400, "BadRequest", "%s", err.message);
    }
    const char *given = opr_doc_str(*ret_doc, "/kind", "");
    if (*given && strcmp(given, kind->kind) != 0) {
        return opr_api_fail(r, 400, "BadRequest", "%s is no DeleteOptions", given);
    }
    return OPR_OK;
}

static opr_status read_grace(struct opr_req *r, struct json_object *doc, int64_t *ret_seconds)
{
    const char *text = opr_api_query(r, "gracePeriodSeconds");
    int64_t seconds = -1;
    if (text && *text && opr_str_to_i64(opr_str_of(text), &seconds) != OPR_OK) {
        return opr_api_fail(r, 400, "BadRequest",
                            "strconv.ParseInt: parsing \"%s\": invalid syntax", text);
    }
    *ret_seconds = opr_doc_int(doc, "/gracePeriodSeconds", seconds);
    return OPR_OK;
}

static opr_status read_propagation(struct opr_req *r, struct json_object *doc,
                                   const char **ret_propagation)
{
    static const char *const policies[] = {"Foreground", "Background", "Orphan"};
    struct json_object *orphan = opr_doc_at(doc, "/orphanDependents");
    const char *policy =
        opr_doc_str(doc, "/propagationPolicy", opr_api_query(r, "propagationPolicy"));
    *ret_propagation = NULL;
    for (size_t i = 0; policy && i < sizeof policies / sizeof *policies; i++) {
        if (strcmp(policy, policies[i]) == 0) {
            *ret_propagation = policies[i];
        }
    }
    if (policy && !*ret_propagation) {
        return opr_api_bad_option(r, "DeleteOptions", "FieldValueNotSupported", "propagationPolicy",
                                  opr_arena_printf(r->arena,
                                                   "Unsupported value: \"%s\": supported values: "
                                                   "\"Foreground\", \"Background\", \"Orphan\", "
                                                   "\"nil\"",
                                                   policy));
    }
    if (policy && orphan) {
        return opr_api_bad_option(r, "DeleteOptions", "FieldValueInvalid", "propagationPolicy",
                                  opr_arena_printf(r->arena,
                                                   "Invalid value: \"%s\": orphanDependents and "
                                                   "deletionPropagation cannot be both set",
                                                   policy));
    }
    if (orphan) {
        *ret_propagation = json_object_get_boolean(orphan) ? "Orphan" : "Background";
    }
    return OPR_OK;
}

/* Text of the request's arena; NULL: the member is not there. */
static const char *text_at(struct opr_req *r, struct json_object *doc, const char *ptr)
{
    const char *text = opr_doc_str(doc, ptr, NULL);
    return text ? opr_arena_dup(r->arena, opr_str_of(text)) : NULL;
}

opr_status opr_api_delete_options(struct opr_req *r, struct opr_delete *ret_options)
{
    struct json_object *doc = NULL;
    *ret_options = (struct opr_delete){.grace_s = -1};
    opr_status st = opr_api_write_options(r, "DeleteOptions");
    if (st == OPR_OK) {
        st = read_body(r, &doc);
    }
    if (st == OPR_OK) {
        st = read_grace(r, doc, &ret_options->grace_s);
    }
    if (st == OPR_OK) {
        st = read_propagation(r, doc, &ret_options->propagation);
    }
    ret_options->uid = text_at(r, doc, "/preconditions/uid");
    ret_options->rv = text_at(r, doc, "/preconditions/resourceVersion");
    r->is_dry_run = r->is_dry_run || opr_doc_at(doc, "/dryRun/0");
    json_object_put(doc);
    return st;
}

static opr_status check_preconditions(struct opr_req *r, const struct opr_obj *obj,
                                      const struct opr_delete *options)
{
    const char *uid = opr_meta_uid(obj);
    const char *rv = opr_json_str(obj, "/metadata/resourceVersion", "");
    if (options->uid && strcmp(options->uid, uid) != 0) {
        return opr_api_refuse_kind(
            r, 409, "Conflict",
            "Operation cannot be fulfilled on %s \"%s\": the UID in the "
            "precondition (%s) does not match the UID in record (%s). The object "
            "might have been deleted and then recreated",
            r->kind->kind, opr_meta_name(obj), options->uid, uid);
    }
    if (options->rv && strcmp(options->rv, rv) != 0) {
        return opr_api_refuse_kind(
            r, 409, "Conflict",
            "Operation cannot be fulfilled on %s \"%s\": the ResourceVersion in "
            "the precondition (%s) does not match the ResourceVersion in record "
            "(%s). The object might have been modified",
            r->kind->kind, opr_meta_name(obj), options->rv, rv);
    }
    return OPR_OK;
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

static void set_finalizer(struct json_object *doc, const char *name, bool is_wanted)
{
    struct json_object *list = opr_doc_at(doc, "/metadata/finalizers");
    if (is_wanted && !has_finalizer(doc, name)) {
        (void)!opr_doc_put(doc, "/metadata/finalizers/-", json_object_new_string(name));
        return;
    }
    for (size_t i = 0; !is_wanted && list && i < json_object_array_length(list); i++) {
        if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), name) == 0) {
            json_object_array_del_idx(list, i, 1);
            break;
        }
    }
}

/* Seconds that a Pod is given to end; other kinds go at once. */
static int64_t grace_of(struct opr_req *r, const struct opr_obj *obj,
                        const struct opr_delete *options)
{
    const char *phase = opr_json_str(obj, "/status/phase", "");
    if (!opr_kind_is(r->kind, "", "pods") || !*opr_json_str(obj, "/spec/nodeName", "") ||
        strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0) {
        return 0;
    }
    int64_t own = opr_json_int(obj, "/spec/terminationGracePeriodSeconds", DEFAULT_GRACE_S);
    int64_t grace = options->grace_s >= 0 ? options->grace_s : own;
    bool is_deleting = opr_meta_is_deleting(obj);
    int64_t before = opr_json_int(obj, "/metadata/deletionGracePeriodSeconds", own);
    return is_deleting && before < grace ? before : grace;
}

/* Marks the object as being deleted. True where something changed. */
static bool mark(struct opr_req *r, struct json_object *doc, int64_t grace)
{
    char when[OPR_TIME_TEXT_MAX];
    bool is_marked = opr_doc_at(doc, "/metadata/deletionTimestamp") != NULL;
    int64_t before = opr_doc_int(doc, "/metadata/deletionGracePeriodSeconds", 0);
    if (is_marked && before <= grace) {
        return false;
    }
    opr_time_format(r->now_ms + grace * 1000, when);
    opr_doc_put_str(doc, "/metadata/deletionTimestamp", when);
    if (!opr_kind_is(r->kind, "", "namespaces")) {
        opr_doc_put_int(doc, "/metadata/deletionGracePeriodSeconds", grace);
    }
    if (r->kind->has_generation && !is_marked) {
        opr_doc_put_int(doc, "/metadata/generation",
                        opr_doc_int(doc, "/metadata/generation", 0) + 1);
    }
    return true;
}

/* The state that a deletion leaves; *ret_gone: nothing holds the object. */
static bool next_state(struct opr_req *r, const struct opr_obj *obj,
                       const struct opr_delete *options, struct json_object *doc, bool *ret_gone)
{
    bool is_namespace = opr_kind_is(r->kind, "", "namespaces");
    int64_t grace = grace_of(r, obj, options);
    struct json_object *before = opr_doc_dup(opr_doc_at(doc, "/metadata/finalizers"));
    if (options->propagation) {
        set_finalizer(doc, "orphan", strcmp(options->propagation, "Orphan") == 0);
        set_finalizer(doc, "foregroundDeletion", strcmp(options->propagation, "Foreground") == 0);
    }
    struct json_object *finalizers = opr_doc_at(doc, "/metadata/finalizers");
    size_t after = finalizers ? json_object_array_length(finalizers) : 0;
    struct json_object *of_namespace = opr_doc_at(doc, "/spec/finalizers");
    bool is_held =
        after > 0 || (is_namespace && of_namespace && json_object_array_length(of_namespace) > 0);
    *ret_gone = !is_held && grace == 0;
    bool is_changed = mark(r, doc, grace) || !json_object_equal(before, finalizers);
    json_object_put(before);
    if (is_namespace && is_held) {
        opr_doc_put_str(doc, "/status/phase", "Terminating");
    }
    return is_changed;
}

/* Kinds whose deletion is answered with the object (registry strategies: ReturnDeletedObject). */
static bool returns_object(const struct opr_req *r)
{
    return opr_kind_is(r->kind, "", "pods") || opr_kind_is(r->kind, "", "services") ||
           opr_kind_is(r->kind, "", "serviceaccounts");
}

static opr_status remove_once(struct opr_req *r, struct opr_str key, const struct opr_obj *obj,
                              const struct opr_delete *options, bool is_answered)
{
    OPR_TRY(check_preconditions(r, obj, options));
    struct json_object *doc = opr_doc_from_obj(obj);
    struct opr_obj *result = NULL;
    struct opr_error err = {0};
    bool is_gone;
    bool is_changed = next_state(r, obj, options, doc, &is_gone);
    opr_status st = OPR_OK;
    if (r->is_dry_run) {
        result = opr_json_ref(obj);
    } else if (is_gone) {
        bool is_pod = opr_kind_is(r->kind, "", "pods"); /* its end is told with its deletion */
        st = opr_store_delete(r->api->store, key, opr_meta_rv(obj), is_pod ? doc : NULL, &result,
                              &err);
    } else if (is_changed) {
        st = opr_store_put(r->api->store, key, opr_meta_rv(obj), doc, &result, &err);
    } else {
        result = opr_json_ref(obj);
    }
    json_object_put(doc);
    if (st == OPR_OK && opr_kind_is(r->kind, "apiextensions.k8s.io", "customresourcedefinitions") &&
        !r->is_dry_run) {
        opr_crd_changed(r->api, result, is_gone);
    }
    if (st == OPR_OK && is_answered && is_gone && !returns_object(r)) {
        opr_api_deleted(r, result);
    } else if (st == OPR_OK && is_answered) {
        opr_api_object(r, 200, result);
    } else if (st != OPR_OK && st != OPR_E_CONFLICT) {
        st = opr_api_store_failure(r, st, &err);
    }
    opr_json_unref(result);
    return st;
}

/* What the cluster does not do without. */
static opr_status check_protected(struct opr_req *r, const char *name)
{
    static const char *const spaces[] = {"default", "kube-system", "kube-public"};
    static const char *const classes[] = {"system-node-critical", "system-cluster-critical"};
    for (size_t i = 0; opr_kind_is(r->kind, "", "namespaces") && i < 3; i++) {
        if (strcmp(name, spaces[i]) == 0) {
            return opr_api_refuse(
                r, 403, "Forbidden",
                "namespaces \"%s\" is forbidden: this namespace may not be deleted", name);
        }
    }
    for (size_t i = 0; opr_kind_is(r->kind, "scheduling.k8s.io", "priorityclasses") && i < 2; i++) {
        if (strcmp(name, classes[i]) == 0) {
            return opr_api_refuse(r, 403, "Forbidden",
                                  "priorityclasses.scheduling.k8s.io \"%s\" is forbidden: this is "
                                  "a system priority class and cannot be deleted",
                                  name);
        }
    }
    return OPR_OK;
}

opr_status opr_api_remove(struct opr_req *r, const char *ns, const char *name,
                          const struct opr_delete *options, bool is_answered)
{
    struct opr_str key = opr_api_key(r->arena, r->kind, ns, name);
    OPR_TRY(check_protected(r, name));
    opr_status st = OPR_E_CONFLICT;
    for (int i = 0; i < TRIES && st == OPR_E_CONFLICT; i++) {
        struct opr_obj *obj = opr_store_get(r->api->store, key);
        if (!obj) {
            return opr_api_not_found(r, r->plural, name);
        }
        if (i == 0 && opr_kind_is(r->kind, "apiextensions.k8s.io", "customresourcedefinitions") &&
            !r->is_dry_run) {
            opr_crd_delete_objects(r, obj);
        }
        st = remove_once(r, key, obj, options, is_answered);
        opr_json_unref(obj);
    }
    return st == OPR_E_CONFLICT ? opr_api_conflict(r) : st;
}

void opr_api_delete(struct opr_req *r)
{
    struct opr_delete options;
    if (opr_api_delete_options(r, &options) == OPR_OK) {
        (void)!opr_api_remove(r, r->ns, r->name, &options, true); /* the answer is written */
    }
}

void opr_api_delete_collection(struct opr_req *r)
{
    struct opr_delete options;
    struct opr_select select;
    if (opr_api_delete_options(r, &options) != OPR_OK || opr_api_select(r, &select) != OPR_OK) {
        return;
    }
    const struct opr_obj *const *objs;
    size_t count, more;
    uint64_t revision;
    opr_store_list(r->api->store, r->arena, opr_api_key(r->arena, r->kind, r->ns, NULL),
                   OPR_STR(""), 0, &objs, &count, &revision, &more);
    struct opr_buf *out = &r->res->body, list = {0};
    opr_form_list_begin(
        &list, r->kind, r->form,
        opr_arena_printf(r->arena, "{\"resourceVersion\":\"%llu\"}", (unsigned long long)revision));
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (!opr_select_matches(&select, r->kind, objs[i])) {
            continue;
        }
        r->name = opr_meta_name(objs[i]);
        /* One that is gone already, or protected, is passed over. */
        if (opr_api_remove(r, opr_meta_ns(objs[i]), r->name, &options, false) == OPR_OK) {
            opr_buf_add_text(&list, n++ > 0 ? "," : "");
            opr_form_list_item(&list, r->kind, r->form, objs[i], r->now_ms);
        }
    }
    opr_select_fini(&select);
    r->name = NULL;
    opr_buf_clear(out);
    opr_buf_add_str(out, opr_buf_str(&list));
    opr_buf_add_text(out, "]}");
    opr_buf_fini(&list);
    r->res->status = 200;
    opr_api_header(r, "Content-Type", OPR_STR("application/json"));
}
