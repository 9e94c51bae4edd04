#include "schedulers/scheduler.h"

/* What a container without a request counts for in scores: 100 m and 200 MiB, in thousandths. */
#define DEFAULT_CPU 100
#define DEFAULT_MEMORY (200ll * 1024 * 1024 * 1000)

uint64_t text_hash(const char *text)
{
    uint64_t h = 14695981039346656037u;
    for (; *text != '\0'; text++) {
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    }
    return h;
}

uint64_t owner_hash(const struct opr_obj *pod)
{
    const struct opr_obj *refs = opr_obj_at(pod, "/metadata/ownerReferences");
    for (const struct opr_obj *r = opr_obj_first(refs); r; r = opr_obj_next(r)) {
        if (opr_obj_bool(r, "/controller", false)) {
            return text_hash(opr_obj_str(r, "/uid", ""));
        }
    }
    return 0;
}

uint32_t resource_index(struct cluster *k, const char *name)
{
    for (uint32_t i = 0; i < RES_MAX; i++) {
        if (!k->resources[i]) {
            k->resources[i] = strdup(name);
            return k->resources[i] ? i : RES_MAX;
        }
        if (strcmp(k->resources[i], name) == 0) {
            return i;
        }
    }
    return RES_MAX;
}

static void add_list(struct cluster *k, int64_t *sum, const struct opr_obj *list)
{
    for (const struct opr_obj *r = opr_obj_first(list); r; r = opr_obj_next(r)) {
        int64_t milli = 0;
        uint32_t i = resource_index(k, opr_obj_name(r));
        if (i < RES_MAX && opr_obj_milli(r, "", &milli) == OPR_OK) {
            sum[i] += milli;
        }
    }
}

static void add_container(struct cluster *k, struct amounts *sum, const struct opr_obj *container)
{
    const struct opr_obj *requests = opr_obj_at(container, "/resources/requests");
    int64_t own[RES_MAX] = {0};
    add_list(k, own, requests);
    for (uint32_t i = 0; i < RES_MAX; i++) {
        sum->at[i] += own[i];
    }
    sum->scored[RES_CPU] += own[RES_CPU] > 0 ? own[RES_CPU] : DEFAULT_CPU;
    sum->scored[RES_MEMORY] += own[RES_MEMORY] > 0 ? own[RES_MEMORY] : DEFAULT_MEMORY;
}

static void raise_to(struct amounts *most, const struct amounts *sidecars,
                     const struct amounts *init)
{
    for (uint32_t i = 0; i < RES_MAX; i++) {
        int64_t sum = sidecars->at[i] + init->at[i];
        most->at[i] = sum > most->at[i] ? sum : most->at[i];
    }
    for (uint32_t i = 0; i < 2; i++) {
        int64_t sum = sidecars->scored[i] + init->scored[i];
        most->scored[i] = sum > most->scored[i] ? sum : most->scored[i];
    }
}

static void set_pod_level(struct cluster *k, const struct opr_obj *pod, struct amounts *request)
{
    const struct opr_obj *list = opr_obj_at(pod, "/spec/resources/requests");
    for (const struct opr_obj *r = opr_obj_first(list); r; r = opr_obj_next(r)) {
        int64_t milli = 0;
        uint32_t i = resource_index(k, opr_obj_name(r));
        if (i < RES_MAX && opr_obj_milli(r, "", &milli) == OPR_OK) {
            request->at[i] = milli;
            if (i <= RES_MEMORY) {
                request->scored[i] = milli;
            }
        }
    }
}

/* max(containers + sidecars, each init container with the sidecars before it) + overhead. */
void pod_request(struct cluster *k, const struct opr_obj *pod, struct amounts *ret_request)
{
    struct amounts sum = {0}, sidecars = {0}, most = {0}, none = {0};
    const struct opr_obj *list = opr_obj_at(pod, "/spec/containers");
    for (const struct opr_obj *x = opr_obj_first(list); x; x = opr_obj_next(x)) {
        add_container(k, &sum, x);
    }
    list = opr_obj_at(pod, "/spec/initContainers");
    for (const struct opr_obj *x = opr_obj_first(list); x; x = opr_obj_next(x)) {
        struct amounts init = {0};
        if (str_eq(opr_obj_str(x, "/restartPolicy", ""), "Always")) {
            add_container(k, &sidecars, x);
            raise_to(&most, &sidecars, &none);
        } else {
            add_container(k, &init, x);
            raise_to(&most, &sidecars, &init);
        }
    }
    raise_to(&most, &sidecars, &sum);
    set_pod_level(k, pod, &most);
    int64_t overhead[RES_MAX] = {0};
    add_list(k, overhead, opr_obj_at(pod, "/spec/overhead"));
    for (uint32_t i = 0; i < RES_MAX; i++) {
        most.at[i] += overhead[i];
    }
    most.scored[RES_CPU] += overhead[RES_CPU];
    most.scored[RES_MEMORY] += overhead[RES_MEMORY];
    *ret_request = most;
}

bool pod_is_terminal(const struct opr_obj *pod)
{
    const char *phase = opr_obj_str(pod, "/status/phase", "");
    return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

bool pod_is_pending(const struct opr_obj *pod)
{
    return pod && opr_obj_str(pod, "/spec/nodeName", "")[0] == '\0' &&
           str_eq(opr_obj_str(pod, "/spec/schedulerName", SCHEDULER_NAME), SCHEDULER_NAME) &&
           !opr_obj_at(pod, "/metadata/deletionTimestamp") && !pod_is_terminal(pod);
}
