/* Priority admission: a Pod's priority and preemption policy come from its PriorityClass; a user
 * who writes them must write the same (kubernetes.io/docs/concepts/scheduling-eviction/
 * pod-priority-preemption; words as in plugin/pkg/admission/priority). */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/base/alloc.h"
#include "core/base/str.h"

static const struct opr_kind *class_kind(void)
{
    return opr_kind_find(OPR_STR("scheduling.k8s.io"), OPR_STR("v1"), OPR_STR("priorityclasses"));
}

/* The class for Pods that name none: of several the one of least value. Owned, NULL: there is
 * none. */
static struct opr_obj *default_class(struct opr_req *r)
{
    const struct opr_obj *const *classes, *found = NULL;
    size_t count, more;
    uint64_t revision;
    opr_store_list(r->api->store, r->arena, opr_api_key(r->arena, class_kind(), NULL, NULL),
                   OPR_STR(""), 0, &classes, &count, &revision, &more);
    for (size_t i = 0; i < count; i++) {
        if (opr_json_bool(classes[i], "/globalDefault", false) &&
            (!found || opr_json_int(classes[i], "/value", 0) < opr_json_int(found, "/value", 0))) {
            found = classes[i];
        }
    }
    return found ? opr_json_ref(found) : NULL;
}

static opr_status refuse(struct opr_req *r, const char *what, const char *said, const char *is)
{
    return opr_api_refuse(r, 403, "Forbidden",
                          "pods \"%s\" is forbidden: the %s (%s) must not be provided in pod spec; "
                          "priority admission controller computed %s from the given PriorityClass "
                          "name",
                          r->name, what, said, is);
}

static opr_status set(struct opr_req *r, struct json_object *pod, const struct opr_obj *class)
{
    int64_t value = opr_json_int(class, "/value", 0);
    int64_t said = opr_doc_int(pod, "/spec/priority", value);
    const char *policy = opr_json_str(class, "/preemptionPolicy", "PreemptLowerPriority");
    const char *said_policy = opr_doc_str(pod, "/spec/preemptionPolicy", policy);
    if (said != value) {
        return refuse(r, "integer value of priority",
                      opr_arena_printf(r->arena, "%lld", (long long)said),
                      opr_arena_printf(r->arena, "%lld", (long long)value));
    }
    if (strcmp(said_policy, policy) != 0) {
        return refuse(r, "string value of PreemptionPolicy", said_policy, policy);
    }
    opr_doc_put_int(pod, "/spec/priority", value);
    opr_doc_put_str(pod, "/spec/preemptionPolicy", policy);
    return OPR_OK;
}

opr_status opr_admit_priority(struct opr_req *r, struct json_object *pod)
{
    const char *name = opr_doc_str(pod, "/spec/priorityClassName", "");
    struct opr_obj *class =
        *name ? opr_store_get(r->api->store, opr_api_key(r->arena, class_kind(), "", name))
              : default_class(r);
    if (*name && !class) {
        return opr_api_refuse(r, 403, "Forbidden",
                              "pods \"%s\" is forbidden: no PriorityClass with name %s was found",
                              r->name, name);
    }
    if (class) {
        opr_doc_put_str(pod, "/spec/priorityClassName", opr_meta_name(class));
    }
    opr_status st = set(r, pod, class);
    opr_json_unref(class);
    return st;
}

opr_status opr_admit_priority_class(struct opr_req *r, struct json_object *class_doc)
{
    struct opr_obj *other =
        opr_doc_bool(class_doc, "/globalDefault", false) ? default_class(r) : NULL;
    opr_status st = OPR_OK;
    if (other && strcmp(opr_meta_name(other), r->name) != 0) {
        st = opr_api_refuse(r, 403, "Forbidden",
                            "priorityclasses.scheduling.k8s.io \"%s\" is forbidden: PriorityClass "
                            "%s is already marked as default. Only one default can exist",
                            r->name, opr_meta_name(other));
    }
    opr_json_unref(other);
    return st;
}
