/* Subresources of Pods: binding and eviction. */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/api/selector.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#define TRIES 10

static void succeed(struct opr_req *r)
{
    struct json_object *d = json_object_new_object();
    opr_doc_put_str(d, "/kind", "Status");
    opr_doc_put_str(d, "/apiVersion", "v1");
    (void)!opr_doc_put(d, "/metadata", json_object_new_object()); /* d is an object */
    opr_doc_put_str(d, "/status", "Success");
    opr_doc_put_int(d, "/code", 201);
    opr_api_json(r, 201, d);
}

static void set_scheduled(struct opr_req *r, struct json_object *pod)
{
    char now[OPR_TIME_TEXT_MAX];
    struct json_object *list = opr_doc_at(pod, "/status/conditions");
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *c = json_object_array_get_idx(list, i);
        if (strcmp(opr_doc_str(c, "/type", ""), "PodScheduled") == 0) {
            json_object_array_del_idx(list, i, 1);
            break;
        }
    }
    struct json_object *c = json_object_new_object();
    opr_time_format(r->now_ms, now);
    opr_doc_put_str(c, "/type", "PodScheduled");
    opr_doc_put_str(c, "/status", "True");
    opr_doc_put_str(c, "/lastTransitionTime", now);
    (void)!opr_doc_put(pod, "/status/conditions/-", c); /* status is an object: it was decoded */
}

static opr_status bind_once(struct opr_req *r, struct json_object *binding)
{
    struct opr_str key = opr_api_key(r->arena, r->kind, r->ns, r->name);
    struct opr_obj *pod = opr_store_get(r->api->store, key);
    const char *node = opr_doc_str(binding, "/target/name", "");
    const char *uid = opr_doc_str(binding, "/metadata/uid", "");
    if (!pod) {
        return opr_api_not_found(r, r->plural, r->name);
    }
    const char *bound = opr_json_str(pod, "/spec/nodeName", "");
    opr_status st = OPR_OK;
    r->plural = "pods/binding";
    if (*bound) {
        st = opr_api_refuse(r, 409, "Conflict",
                            "Operation cannot be fulfilled on pods/binding \"%s\": pod %s is "
                            "already assigned to node \"%s\"",
                            r->name, r->name, bound);
    } else if (opr_meta_is_deleting(pod)) {
        st = opr_api_refuse(r, 409, "Conflict",
                            "Operation cannot be fulfilled on pods/binding \"%s\": pod %s is being "
                            "deleted, cannot be assigned to a host",
                            r->name, r->name);
    } else if (*uid && strcmp(uid, opr_meta_uid(pod)) != 0) {
        st = opr_api_refuse(r, 409, "Conflict",
                            "Operation cannot be fulfilled on pods/binding \"%s\": the UID in the "
                            "binding (%s) does not match the UID in record (%s)",
                            r->name, uid, opr_meta_uid(pod));
    } else {
        struct json_object *doc = opr_doc_from_obj(pod);
        struct opr_error err = {0};
        opr_doc_put_str(doc, "/spec/nodeName", node);
        set_scheduled(r, doc);
        if (!r->is_dry_run) {
            st = opr_store_put(r->api->store, key, opr_meta_rv(pod), doc, NULL, &err);
        }
        json_object_put(doc);
        if (st != OPR_OK && st != OPR_E_CONFLICT) {
            st = opr_api_store_failure(r, st, &err);
        }
    }
    r->plural = "pods";
    opr_json_unref(pod);
    return st;
}

void opr_api_bind(struct opr_req *r)
{
    struct json_object *binding = NULL;
    const struct opr_kind *kind =
        opr_kind_find_kind(OPR_STR(""), OPR_STR("v1"), OPR_STR("Binding"));
    if (opr_api_write_options(r, "CreateOptions") != OPR_OK ||
        opr_api_decode(r, kind, &binding) != OPR_OK) {
        return;
    }
    if (!*opr_doc_str(binding, "/target/name", "")) {
        struct opr_field_errors errors = {.arena = r->arena};
        opr_field_errors_add(&errors, "FieldValueRequired", "target.name", "Required value");
        opr_api_invalid(r, kind, r->name, &errors);
        json_object_put(binding);
        return;
    }
    opr_status st = OPR_E_CONFLICT;
    for (int i = 0; i < TRIES && st == OPR_E_CONFLICT; i++) {
        st = bind_once(r, binding);
    }
    if (st == OPR_OK) {
        succeed(r);
    } else if (st == OPR_E_CONFLICT) {
        opr_api_conflict(r);
    }
    json_object_put(binding);
}

/* The first disruption budget that allows no eviction of this Pod now; NULL: none. */
static const struct opr_obj *blocking_budget(struct opr_req *r, const struct opr_obj *pod)
{
    const struct opr_kind *kind =
        opr_kind_find(OPR_STR("policy"), OPR_STR("v1"), OPR_STR("poddisruptionbudgets"));
    const struct opr_obj *const *budgets = NULL;
    size_t count = 0, more;
    uint64_t revision;
    if (kind) {
        opr_store_list(r->api->store, r->arena, opr_api_key(r->arena, kind, r->ns, NULL),
                       OPR_STR(""), 0, &budgets, &count, &revision, &more);
    }
    for (size_t i = 0; i < count; i++) {
        if (opr_selector_obj_matches(opr_json_at(budgets[i], "/spec/selector"),
                                     opr_json_at(pod, "/metadata/labels")) &&
            opr_json_int(budgets[i], "/status/disruptionsAllowed", 0) <= 0) {
            return budgets[i];
        }
    }
    return NULL;
}

void opr_api_evict(struct opr_req *r)
{
    struct json_object *eviction = NULL;
    const struct opr_kind *kind =
        opr_kind_find_kind(OPR_STR("policy"), OPR_STR("v1"), OPR_STR("Eviction"));
    if (opr_api_write_options(r, "CreateOptions") != OPR_OK ||
        opr_api_decode(r, kind, &eviction) != OPR_OK) {
        return;
    }
    struct opr_obj *pod =
        opr_store_get(r->api->store, opr_api_key(r->arena, r->kind, r->ns, r->name));
    const struct opr_obj *budget = pod ? blocking_budget(r, pod) : NULL;
    if (!pod) {
        opr_api_not_found(r, r->plural, r->name);
    } else if (budget) {
        opr_api_fail(r, 429, "TooManyRequests",
                     "Cannot evict pod as it would violate the pod's disruption budget.");
        opr_api_add_cause(r, "DisruptionBudget",
                          opr_arena_printf(r->arena,
                                           "The disruption budget %s allows no disruption now",
                                           opr_meta_name(budget)),
                          NULL);
    } else {
        struct opr_delete options = {
            .grace_s = opr_doc_int(eviction, "/deleteOptions/gracePeriodSeconds", -1),
            .uid = opr_meta_uid(pod),
        };
        r->is_dry_run = r->is_dry_run || opr_doc_at(eviction, "/deleteOptions/dryRun/0");
        if (opr_api_remove(r, r->ns, r->name, &options, false) == OPR_OK) {
            succeed(r);
        }
    }
    opr_json_unref(pod);
    json_object_put(eviction);
}
