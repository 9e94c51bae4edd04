/* What may change of a Pod that is there (kubernetes validation.ValidatePodUpdate). */
#include "apiserver/schema/validate.h"

static void check_same_count(struct opr_field_errors *e, const struct opr__path *p,
                             struct json_object *list, struct json_object *old, bool *ret_is_same)
{
    if (opr__length(list) != opr__length(old)) {
        opr__forbidden(e, p, "pod updates may not add or remove containers");
        *ret_is_same = false;
    }
}

/* Gives every container of a copy its old image back. */
static void restore_images(struct json_object *list, struct json_object *old)
{
    for (size_t i = 0; i < opr__length(list); i++) {
        struct json_object *image = opr__get(opr__item(old, i), "image");
        json_object_object_add(opr__item(list, i), "image", json_object_get(image));
    }
}

static bool contains(struct json_object *list, struct json_object *item)
{
    for (size_t i = 0; i < opr__length(list); i++) {
        if (opr_doc_equal(opr__item(list, i), item)) {
            return true;
        }
    }
    return false;
}

static void check_tolerations_added(struct opr_field_errors *e, const struct opr__path *p,
                                    struct json_object *list, struct json_object *old)
{
    for (size_t i = 0; i < opr__length(old); i++) {
        if (!contains(list, opr__item(old, i))) {
            opr__forbidden(e, p,
                           "existing toleration can not be modified except its "
                           "tolerationSeconds");
            return;
        }
    }
}

static void check_gates_removed(struct opr_field_errors *e, const struct opr__path *p,
                                struct json_object *list, struct json_object *old)
{
    for (size_t i = 0; i < opr__length(list); i++) {
        if (!contains(old, opr__item(list, i))) {
            opr__forbidden(e, p, "only deletion is allowed, but found new scheduling gate");
        }
    }
}

/* A spec may change in these; the rest is compared as it was. */
static bool is_same_but_for_updatable(struct json_object *spec, struct json_object *old)
{
    static const char *const updatable[] = {"activeDeadlineSeconds", "schedulingGates",
                                            "tolerations"};
    struct json_object *copy = opr_doc_dup(spec);
    restore_images(opr__get(copy, "containers"), opr__get(old, "containers"));
    restore_images(opr__get(copy, "initContainers"), opr__get(old, "initContainers"));
    for (size_t i = 0; i < sizeof(updatable) / sizeof(updatable[0]); i++) {
        struct json_object *was = opr__get(old, updatable[i]);
        if (was) {
            json_object_object_add(copy, updatable[i], json_object_get(was));
        } else {
            json_object_object_del(copy, updatable[i]);
        }
    }
    if (opr__number(old, "terminationGracePeriodSeconds") < 0 &&
        opr__number(copy, "terminationGracePeriodSeconds") == 1) {
        json_object_object_add(copy, "terminationGracePeriodSeconds",
                               json_object_get(opr__get(old, "terminationGracePeriodSeconds")));
    }
    bool is_same = opr_doc_equal(copy, old);
    json_object_put(copy);
    return is_same;
}

void opr__validate_pod_update(struct opr_field_errors *e, struct json_object *doc,
                              struct json_object *old)
{
    struct opr__path p = {.name = "spec"};
    struct json_object *spec = opr__get(doc, "spec"), *was = opr__get(old, "spec");
    bool is_same = true;
    check_same_count(e, OPR__IN(&p, "containers"), opr__get(spec, "containers"),
                     opr__get(was, "containers"), &is_same);
    check_same_count(e, OPR__IN(&p, "initContainers"), opr__get(spec, "initContainers"),
                     opr__get(was, "initContainers"), &is_same);
    if (!is_same) {
        return;
    }
    struct json_object *deadline = opr__get(spec, "activeDeadlineSeconds");
    struct json_object *before = opr__get(was, "activeDeadlineSeconds");
    if (before && (!deadline || json_object_get_int64(deadline) > json_object_get_int64(before))) {
        opr__invalid(e, OPR__IN(&p, "activeDeadlineSeconds"), deadline,
                     deadline ? "must be less than or equal to previous value"
                              : "must not update from a positive integer to nil value");
    }
    check_tolerations_added(e, OPR__IN(&p, "tolerations"), opr__get(spec, "tolerations"),
                            opr__get(was, "tolerations"));
    check_gates_removed(e, OPR__IN(&p, "schedulingGates"), opr__get(spec, "schedulingGates"),
                        opr__get(was, "schedulingGates"));
    if (!is_same_but_for_updatable(spec, was)) {
        opr__forbidden(
            e, &p,
            "pod updates may not change fields other than "
            "`spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
            "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 "
            "if it was previously negative)");
    }
}
