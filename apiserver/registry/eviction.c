/* Eviction of a Pod: a deletion that the disruption budgets have to allow. What is healthy is
 * counted here at each eviction, one at a time, so that two evictions never spend the same
 * disruption (kubernetes.io/docs/tasks/run-application/configure-pdb). */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/api/selector.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

#include <stdlib.h>

#define TRIES 10

struct pods {
    const struct opr_obj *const *items;
    size_t count;
};

static struct pods list(struct opr_req *r, const char *group, const char *plural)
{
    const struct opr_kind *kind =
        opr_kind_find(opr_str_of(group), OPR_STR("v1"), opr_str_of(plural));
    struct pods p;
    uint64_t revision;
    size_t more;
    opr_store_list(r->api->store, r->arena, opr_api_key(r->arena, kind, r->ns, NULL), OPR_STR(""),
                   0, &p.items, &p.count, &revision, &more);
    return p;
}

static bool is_phase(const struct opr_obj *pod, const char *phase)
{
    return strcmp(opr_json_str(pod, "/status/phase", ""), phase) == 0;
}

static bool is_healthy(const struct opr_obj *pod)
{
    const struct opr_obj *conditions = opr_json_at(pod, "/status/conditions");
    for (const struct opr_obj *c = opr_json_first(conditions); c; c = opr_json_next(c)) {
        if (strcmp(opr_json_str(c, "/type", ""), "Ready") == 0) {
            return strcmp(opr_json_str(c, "/status", ""), "True") == 0 &&
                   !opr_meta_is_deleting(pod);
        }
    }
    return false;
}

/* Pods that the controller of a Pod wants; 1 for a Pod without one. The first Pod of a controller
 * counts for all of its Pods. */
static int64_t wanted_by(struct opr_req *r, const struct pods *selected, size_t at)
{
    const struct opr_obj *owner = opr_meta_controller(selected->items[at]);
    const char *uid = opr_json_str(owner, "/uid", "");
    for (size_t i = 0; owner && i < at; i++) {
        const struct opr_obj *other = opr_meta_controller(selected->items[i]);
        if (strcmp(opr_json_str(other, "/uid", ""), uid) == 0) {
            return 0;
        }
    }
    if (strcmp(opr_json_str(owner, "/kind", ""), "ReplicaSet") != 0) {
        return 1;
    }
    const struct opr_kind *kind =
        opr_kind_find(OPR_STR("apps"), OPR_STR("v1"), OPR_STR("replicasets"));
    struct opr_obj *set = opr_store_get(
        r->api->store, opr_api_key(r->arena, kind, r->ns, opr_json_str(owner, "/name", "")));
    int64_t replicas = opr_json_int(set, "/spec/replicas", 1);
    opr_json_unref(set);
    return replicas;
}

/* A number, or a percentage rounded up. */
static int64_t amount_of(const struct opr_obj *value, int64_t whole)
{
    if (opr_json_type(value) != OPR_TYPE_STRING) {
        return opr_json_int(value, "", 0);
    }
    return (strtoll(opr_json_str(value, "", "0"), NULL, 10) * whole + 99) / 100;
}

struct verdict {
    int64_t healthy, desired;
    bool is_allowed;
};

static struct verdict weigh(struct opr_req *r, const struct opr_obj *budget,
                            const struct opr_obj *pod)
{
    struct verdict v = {0};
    struct pods all = list(r, "", "pods"), selected = {0};
    const struct opr_obj **items = opr_arena_alloc(r->arena, (all.count + 1) * sizeof *items);
    int64_t expected = 0;
    for (size_t i = 0; i < all.count; i++) {
        if (opr_selector_obj_matches(opr_json_at(budget, "/spec/selector"),
                                     opr_json_at(all.items[i], "/metadata/labels"))) {
            items[selected.count++] = all.items[i];
            v.healthy += is_healthy(all.items[i]);
        }
    }
    selected.items = items;
    for (size_t i = 0; i < selected.count; i++) {
        expected += wanted_by(r, &selected, i);
    }
    const struct opr_obj *least = opr_json_at(budget, "/spec/minAvailable");
    const struct opr_obj *most = opr_json_at(budget, "/spec/maxUnavailable");
    v.desired =
        least ? amount_of(least, expected) : expected - (most ? amount_of(most, expected) : 0);
    v.desired = v.desired < 0 ? 0 : v.desired;
    bool is_always =
        strcmp(opr_json_str(budget, "/spec/unhealthyPodEvictionPolicy", ""), "AlwaysAllow") == 0;
    v.is_allowed = is_healthy(pod) ? v.healthy - 1 >= v.desired
                                   : is_always || (v.healthy >= v.desired && v.desired > 0);
    return v;
}

static opr_status refuse(struct opr_req *r, const struct opr_obj *budget, const struct verdict *v)
{
    opr_api_fail(r, 429, "TooManyRequests",
                 "Cannot evict pod as it would violate the pod's disruption budget.");
    opr_api_add_cause(r, "DisruptionBudget",
                      opr_arena_printf(r->arena,
                                       "The disruption budget %s needs %lld healthy pods and has "
                                       "%lld currently",
                                       opr_meta_name(budget), (long long)v->desired,
                                       (long long)v->healthy),
                      NULL);
    return OPR_E_BUSY;
}

static opr_status ask_budgets(struct opr_req *r, const struct opr_obj *pod)
{
    struct pods budgets = list(r, "policy", "poddisruptionbudgets");
    const struct opr_obj *found = NULL;
    if (is_phase(pod, "Pending") || is_phase(pod, "Succeeded") || is_phase(pod, "Failed") ||
        opr_meta_is_deleting(pod)) {
        return OPR_OK; /* it serves nobody */
    }
    for (size_t i = 0; i < budgets.count; i++) {
        if (!opr_selector_obj_matches(opr_json_at(budgets.items[i], "/spec/selector"),
                                      opr_json_at(pod, "/metadata/labels"))) {
            continue;
        }
        if (found) {
            return opr_api_fail(r, 500, "InternalError",
                                "This pod has more than one PodDisruptionBudget, which the "
                                "eviction subresource does not support.");
        }
        found = budgets.items[i];
    }
    if (!found) {
        return OPR_OK;
    }
    struct verdict v = weigh(r, found, pod);
    return v.is_allowed ? OPR_OK : refuse(r, found, &v);
}

/* Says on the Pod why it ends. One that ends already keeps what it says. */
static opr_status mark(struct opr_req *r, const struct opr_obj *pod)
{
    char now[OPR_TIME_TEXT_MAX];
    struct opr_error err = {0};
    if (opr_meta_is_deleting(pod)) {
        return OPR_OK;
    }
    struct json_object *doc = opr_doc_from_obj(pod);
    struct json_object *list = opr_doc_at(doc, "/status/conditions");
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        if (strcmp(opr_doc_str(json_object_array_get_idx(list, i), "/type", ""),
                   "DisruptionTarget") == 0) {
            json_object_array_del_idx(list, i, 1);
            break;
        }
    }
    struct json_object *c = json_object_new_object();
    opr_time_format(r->now_ms, now);
    opr_doc_put_str(c, "/type", "DisruptionTarget");
    opr_doc_put_str(c, "/status", "True");
    opr_doc_put_str(c, "/lastTransitionTime", now);
    opr_doc_put_str(c, "/reason", "EvictionByEvictionAPI");
    opr_doc_put_str(c, "/message", "Eviction API: evicting");
    (void)!opr_doc_put(doc, "/status/conditions/-", c); /* status is an object: it was decoded */
    opr_status st = opr_store_put(r->api->store, opr_api_key(r->arena, r->kind, r->ns, r->name),
                                  opr_meta_rv(pod), doc, NULL, &err);
    json_object_put(doc);
    return st == OPR_OK || st == OPR_E_CONFLICT ? st : opr_api_store_failure(r, st, &err);
}

/* OPR_E_CONFLICT without an answer: the Pod changed meanwhile. */
static opr_status evict(struct opr_req *r, const struct opr_obj *pod, struct json_object *eviction)
{
    const char *uid = opr_doc_str(eviction, "/deleteOptions/preconditions/uid", opr_meta_uid(pod));
    struct opr_delete options = {
        .grace_s = opr_doc_int(eviction, "/deleteOptions/gracePeriodSeconds", -1),
        .uid = uid,
        .rv = opr_doc_str(eviction, "/deleteOptions/preconditions/resourceVersion", NULL),
    };
    r->is_dry_run = r->is_dry_run || opr_doc_at(eviction, "/deleteOptions/dryRun/0");
    if (options.rv && strcmp(options.rv, opr_json_str(pod, "/metadata/resourceVersion", "")) != 0) {
        return opr_api_remove(r, r->ns, r->name, &options, false); /* refuses it */
    }
    OPR_TRY(ask_budgets(r, pod));
    if (!r->is_dry_run) {
        OPR_TRY(mark(r, pod));
        options.rv = NULL; /* it was checked, and is another one now */
    }
    OPR_TRY(opr_api_remove(r, r->ns, r->name, &options, false));
    opr_api_succeed(r);
    return OPR_OK;
}

static opr_status evict_now(struct opr_req *r, struct json_object *eviction)
{
    struct opr_obj *pod =
        opr_store_get(r->api->store, opr_api_key(r->arena, r->kind, r->ns, r->name));
    opr_status st = pod ? evict(r, pod, eviction) : opr_api_not_found(r, r->plural, r->name);
    opr_json_unref(pod);
    return st;
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
    const char *name = opr_doc_str(eviction, "/metadata/name", "");
    if (*name && strcmp(name, r->name) != 0) {
        opr_api_fail(r, 400, "BadRequest", "name in URL does not match name in Eviction object");
        json_object_put(eviction);
        return;
    }
    pthread_mutex_lock(&r->api->eviction_lock);
    opr_status st = OPR_E_CONFLICT;
    for (int i = 0; i < TRIES && st == OPR_E_CONFLICT; i++) {
        st = evict_now(r, eviction);
    }
    pthread_mutex_unlock(&r->api->eviction_lock);
    if (st == OPR_E_CONFLICT) {
        opr_api_conflict(r);
    }
    json_object_put(eviction);
}
