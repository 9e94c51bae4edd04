#include "controllers/autoscaler/autoscaler.h"

/* "250m" for cpu, "64Mi" or a plain number of bytes for memory. */
const char *quantity_text(struct opr_ctx *c, const char *resource, int64_t milli)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti"};
    if (!str_eq(resource, "memory")) {
        return milli % 1000 == 0 ? opr_ctx_text(c, "%lld", (long long)milli / 1000)
                                 : opr_ctx_text(c, "%lldm", (long long)milli);
    }
    int64_t bytes = milli / 1000;
    size_t unit = 0;
    while (unit < 4 && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    return opr_ctx_text(c, "%lld%s", (long long)bytes, units[unit]);
}

static double tolerance(const struct hpa *h, const char *direction)
{
    int64_t milli = 0;
    const char *ptr = opr_ctx_text(h->c, "/spec/behavior/%s/tolerance", direction);
    return opr_obj_milli(h->self, ptr, &milli) == OPR_OK ? (double)milli / 1000 : 0.1;
}

struct goal goal_tolerance(const struct hpa *h)
{
    return (struct goal){.up = tolerance(h, "scaleUp"), .down = tolerance(h, "scaleDown")};
}

static bool read_goal(const struct hpa *h, const struct opr_obj *target, struct goal *ret_goal)
{
    *ret_goal = goal_tolerance(h);
    if (str_eq(opr_obj_str(target, "/type", ""), "Utilization")) {
        ret_goal->utilization = opr_obj_int(target, "/averageUtilization", 0);
        return ret_goal->utilization > 0;
    }
    return opr_obj_milli(target, "/averageValue", &ret_goal->average_milli) == OPR_OK &&
           ret_goal->average_milli > 0;
}

/* Utilisation is a share of the requests: every pod that counts must have one. */
static const char *missing_request(struct hpa *h, const struct usage *usage, const char *resource)
{
    for (uint32_t i = 0; i < h->pod_count; i++) {
        if (!usage[i].has_request && !usage[i].is_ignored) {
            return opr_ctx_text(h->c,
                                "failed to get %s utilization: missing request for %s in a "
                                "container of Pod %s",
                                resource, resource, meta_name(usage[i].pod));
        }
    }
    return NULL;
}

static void note_resource(struct hpa *h, const char *type, const char *member, const char *resource,
                          const char *container, const struct goal *goal, const struct outcome *out)
{
    struct opr_doc *d = opr_doc_new(h->c, "{'name':%s,'current':{'averageValue':%s}}", resource,
                                    quantity_text(h->c, resource, out->average_milli));
    if (goal->utilization > 0) {
        opr_doc_set(d, "/current/averageUtilization", "%lld", (long long)out->utilization);
    }
    if (container) {
        opr_doc_set(d, "/container", "%s", container);
    }
    struct opr_doc *whole = opr_doc_new(h->c, "{'type':%s}", type);
    opr_doc_set(whole, opr_ctx_text(h->c, "/%s", member), "%p", opr_doc_obj(d));
    opr_doc_set(h->metrics, "/-", "%p", opr_doc_obj(whole));
}

static struct proposal propose_resource(struct hpa *h, const struct opr_obj *spec, const char *type,
                                        const char *member, bool is_container)
{
    const char *resource = opr_obj_str(spec, "/name", "");
    const char *container = is_container ? opr_obj_str(spec, "/container", "") : NULL;
    struct proposal p = {.problem_reason = is_container ? "FailedGetContainerResourceMetric"
                                                        : "FailedGetResourceMetric"};
    struct usage *usage = NULL;
    struct goal goal;
    struct outcome out = {0};
    if (!read_goal(h, opr_obj_at(spec, "/target"), &goal)) {
        p.problem = "the metric has no target";
        return p;
    }
    if (usage_of_resource(h, resource, container, &usage, &p.problem) != OPR_OK) {
        return p;
    }
    p.problem = goal.utilization > 0 ? missing_request(h, usage, resource) : NULL;
    if (!p.problem && !ratio_replicas(h, usage, &goal, &out)) {
        p.problem = "did not receive metrics for targeted pods (pods might be unready)";
    }
    p.replicas = out.replicas;
    p.name = opr_ctx_text(h->c, "%s %sresource%s", resource, is_container ? "container " : "",
                          goal.utilization > 0 ? " utilization (percentage of request)" : "");
    if (!p.problem) {
        note_resource(h, type, member, resource, container, &goal, &out);
    }
    return p;
}

static struct proposal propose_pods(struct hpa *h, const struct opr_obj *spec)
{
    const struct opr_obj *metric = opr_obj_at(spec, "/metric");
    const char *name = opr_obj_str(metric, "/name", "");
    struct proposal p = {.problem_reason = "FailedGetPodsMetric",
                         .name = opr_ctx_text(h->c, "pods metric %s", name)};
    struct usage *usage = NULL;
    struct goal goal;
    struct outcome out = {0};
    if (!read_goal(h, opr_obj_at(spec, "/target"), &goal) || goal.utilization > 0) {
        p.problem = "the metric has no averageValue";
        return p;
    }
    if (usage_of_metric(h, metric, &usage, &p.problem) != OPR_OK) {
        return p;
    }
    if (!ratio_replicas(h, usage, &goal, &out)) {
        p.problem = "did not receive metrics for targeted pods (pods might be unready)";
        return p;
    }
    p.replicas = out.replicas;
    struct opr_doc *d =
        opr_doc_new(h->c, "{'type':'Pods','pods':{'metric':%p,'current':{'averageValue':%s}}}",
                    metric, quantity_text(h->c, name, out.average_milli));
    opr_doc_set(h->metrics, "/-", "%p", opr_doc_obj(d));
    return p;
}

struct proposal metric_propose(struct hpa *h, const struct opr_obj *spec)
{
    const char *type = opr_obj_str(spec, "/type", "");
    if (str_eq(type, "Resource")) {
        return propose_resource(h, opr_obj_at(spec, "/resource"), type, "resource", false);
    }
    if (str_eq(type, "ContainerResource")) {
        return propose_resource(h, opr_obj_at(spec, "/containerResource"), type,
                                "containerResource", true);
    }
    if (str_eq(type, "Pods")) {
        return propose_pods(h, opr_obj_at(spec, "/pods"));
    }
    if (str_eq(type, "Object")) {
        return value_propose(h, opr_obj_at(spec, "/object"), false);
    }
    if (str_eq(type, "External")) {
        return value_propose(h, opr_obj_at(spec, "/external"), true);
    }
    return (struct proposal){
        .problem = opr_ctx_text(h->c, "unknown metric source type \"%s\"", type),
        .problem_reason = "InvalidMetricSourceType",
    };
}
