#include "controllers/disruption/disruption.h"

/* The resource of a kind, "" where there is none. */
static const char *plural_of(struct budget *b, const char *root, const char *kind)
{
    const struct opr_obj *list = NULL;
    if (opr_request(b->c, "GET", root, NULL, &list) != OPR_OK) {
        return "";
    }
    list = opr_obj_at(list, "/resources");
    for (const struct opr_obj *r = opr_obj_first(list); r; r = opr_obj_next(r)) {
        const char *name = opr_obj_str(r, "/name", "");
        if (str_eq(opr_obj_str(r, "/kind", ""), kind) && !strchr(name, '/')) {
            return name;
        }
    }
    return "";
}

/* Of any kind that has a scale; -1 where there is none. */
static int64_t scale_of(struct budget *b, const struct opr_obj *ref)
{
    const char *version = opr_obj_str(ref, "/apiVersion", "");
    const char *root = opr_ctx_text(b->c, "/%s/%s", strchr(version, '/') ? "apis" : "api", version);
    const char *plural = plural_of(b, root, opr_obj_str(ref, "/kind", ""));
    const struct opr_obj *scale = NULL;
    const char *path = opr_ctx_text(b->c, "%s/namespaces/%s/%s/%s/scale", root, b->ns, plural,
                                    opr_obj_str(ref, "/name", ""));
    if (plural[0] == '\0' || opr_request(b->c, "GET", path, NULL, &scale) != OPR_OK) {
        return -1;
    }
    return opr_obj_int(scale, "/spec/replicas", 0);
}

/* The object that a reference means, from the cache; NULL where it is gone or made again. */
static const struct opr_obj *cached(struct budget *b, const char *gvk, const struct opr_obj *ref)
{
    const struct opr_obj *o = NULL;
    bool is_found = opr_get(b->c, gvk, b->ns, opr_obj_str(ref, "/name", ""), &o) == OPR_OK;
    return is_found && str_eq(meta_uid(o), opr_obj_str(ref, "/uid", "")) ? o : NULL;
}

/* Who scales a pod, and to how many: a Deployment in place of its ReplicaSet. -1: unknown. */
static int64_t wanted_by(struct budget *b, const struct opr_obj *ref, const char **ret_uid)
{
    *ret_uid = opr_obj_str(ref, "/uid", "");
    if (!str_eq(opr_obj_str(ref, "/kind", ""), "ReplicaSet") ||
        !group_is(opr_obj_str(ref, "/apiVersion", ""), "apps")) {
        return scale_of(b, ref);
    }
    const struct opr_obj *set = cached(b, "apps/v1/ReplicaSet", ref);
    if (!set) {
        return -1;
    }
    if (!controller_name(set, "apps", "Deployment")) {
        return opr_obj_int(set, "/spec/replicas", 1);
    }
    const struct opr_obj *above = controller_ref(set);
    const struct opr_obj *deployment = cached(b, "apps/v1/Deployment", above);
    *ret_uid = opr_obj_str(above, "/uid", "");
    return deployment ? opr_obj_int(deployment, "/spec/replicas", 1) : -1;
}

static bool is_counted(const char *const *uids, uint32_t count, const char *uid)
{
    for (uint32_t i = 0; i < count; i++) {
        if (str_eq(uids[i], uid)) {
            return true;
        }
    }
    return false;
}

/* The sum of what the controllers of the pods want, each once. */
static void count_wanted(struct budget *b)
{
    size_t room = ((size_t)b->pod_count + 1) * sizeof(char *);
    const char **refs = opr_ctx_alloc(b->c, room), **uids = opr_ctx_alloc(b->c, room);
    uint32_t ref_count = 0, count = 0, unmanaged = 0;
    for (uint32_t i = 0; i < b->pod_count; i++) {
        const struct opr_obj *ref = controller_ref(b->pods[i]);
        const char *owner = opr_obj_str(ref, "/uid", ""), *uid = NULL;
        unmanaged += !ref;
        if (!ref || is_counted(refs, ref_count, owner)) {
            continue;
        }
        refs[ref_count++] = owner;
        int64_t wanted = wanted_by(b, ref, &uid);
        if (wanted < 0) {
            b->problem =
                opr_ctx_text(b->c, "found no controllers for pod \"%s\"", meta_name(b->pods[i]));
            return;
        }
        if (!is_counted(uids, count, uid)) {
            uids[count++] = uid;
            b->expected += wanted;
        }
    }
    if (unmanaged > 0) {
        opr_event(b->c, b->self, "Warning", "UnmanagedPods",
                  "Pods selected by this PodDisruptionBudget (selector: %s) were found to be "
                  "unmanaged. As a result, the status of the PDB cannot be calculated correctly, "
                  "which may result in undefined behavior. To account for these pods please set "
                  "\".spec.minAvailable\" field of the PDB to an integer value.",
                  opr_obj_text(b->c, opr_obj_at(b->self, "/spec/selector")));
    }
}

/* A number, or a percentage of a whole rounded up. */
static int64_t amount_of(const struct opr_obj *value, int64_t whole)
{
    if (opr_obj_type(value) != OPR_TYPE_STRING) {
        return opr_obj_int(value, "", 0);
    }
    return (strtoll(opr_obj_str(value, "", "0"), NULL, 10) * whole + 99) / 100;
}

void budget_expect(struct budget *b)
{
    const struct opr_obj *most = opr_obj_at(b->self, "/spec/maxUnavailable");
    const struct opr_obj *least = opr_obj_at(b->self, "/spec/minAvailable");
    if (most) {
        count_wanted(b);
        int64_t desired = b->expected - amount_of(most, b->expected);
        b->desired = desired > 0 ? desired : 0;
    } else if (opr_obj_type(least) == OPR_TYPE_STRING) {
        count_wanted(b);
        b->desired = amount_of(least, b->expected);
    } else if (least) {
        b->expected = b->pod_count;
        b->desired = amount_of(least, 0);
    }
}
