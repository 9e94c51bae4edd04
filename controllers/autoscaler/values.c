/* Metrics that are one figure: of an object, or of something outside the cluster (spec 1.3, other
 * sources). */
#include "controllers/autoscaler/autoscaler.h"
#include "controllers/query.h"

#include <math.h>

#define CUSTOM "custom.metrics.k8s.io"
#define EXTERNAL "external.metrics.k8s.io"

static int64_t ready_pods(const struct hpa *h)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < h->pod_count; i++) {
        count += str_eq(opr_obj_str(h->pods[i], "/status/phase", ""), "Running") &&
                 pod_is_ready(h->pods[i]);
    }
    return count;
}

/* Value: the ratio moves the ready pods. AverageValue: as many as share the figure out. */
static void decide(const struct hpa *h, const struct opr_obj *target, int64_t usage,
                   struct proposal *p)
{
    int64_t value = 0, average = 0;
    const struct goal goal = goal_tolerance(h);
    if (opr_obj_milli(target, "/value", &value) == OPR_OK && value > 0) {
        double ratio = (double)usage / (double)value;
        bool is_kept = goal_is_tolerated(&goal, ratio) && h->current > 0;
        int64_t pods = h->current > 0 ? ready_pods(h) : 1;
        p->replicas = is_kept ? h->current : (int64_t)ceil(ratio * (double)pods);
        p->value_milli = usage;
    } else if (opr_obj_milli(target, "/averageValue", &average) == OPR_OK && average > 0) {
        double ratio = (double)usage / ((double)average * (double)h->status_replicas);
        bool is_kept = h->status_replicas > 0 && goal_is_tolerated(&goal, ratio);
        p->replicas = is_kept ? h->status_replicas : (int64_t)ceil((double)usage / (double)average);
        p->value_milli =
            h->status_replicas > 0 ? (int64_t)ceil((double)usage / (double)h->status_replicas) : 0;
        p->is_average = true;
    } else {
        p->problem = "the metric has neither a value nor an averageValue as its target";
    }
}

static void note(struct hpa *h, const struct proposal *p, const char *type, const char *member,
                 const struct opr_obj *spec)
{
    const struct opr_obj *about = opr_obj_at(spec, "/describedObject");
    struct opr_doc *d = opr_doc_new(h->c, "{'metric':%p}", opr_obj_at(spec, "/metric"));
    opr_doc_set(d, p->is_average ? "/current/averageValue" : "/current/value", "%s",
                quantity_text(h->c, "", p->value_milli));
    if (about) {
        opr_doc_set(d, "/describedObject", "%p", about);
    }
    struct opr_doc *whole = opr_doc_new(h->c, "{'type':%s}", type);
    opr_doc_set(whole, opr_ctx_text(h->c, "/%s", member), "%p", opr_doc_obj(d));
    opr_doc_set(h->metrics, "/-", "%p", opr_doc_obj(whole));
}

opr_status metric_request(struct hpa *h, const char *group, const char *rest,
                          const struct opr_obj **ret_list)
{
    const char *version = NULL;
    opr_status st = names_version(h, group, &version);
    if (st == OPR_OK) {
        const char *path = opr_ctx_text(h->c, "/apis/%s/%s/namespaces/%s", group, version, rest);
        st = opr_request(h->c, "GET", path, NULL, ret_list);
    }
    if (st != OPR_OK) {
        names_forget(h, group);
    }
    return st;
}

/* A metric of a Namespace is the namespace's own; the others are named "services",
 * "ingresses.networking.k8s.io". */
static opr_status read_object(struct hpa *h, const struct opr_obj *spec, int64_t *ret_usage)
{
    const struct opr_obj *about = opr_obj_at(spec, "/describedObject"), *list = NULL;
    const char *kind = opr_obj_str(about, "/kind", ""), *name = opr_obj_str(about, "/name", "");
    const char *version = opr_obj_str(about, "/apiVersion", "v1"), *plural = "";
    const char *metric = query_escape(h->c, opr_obj_str(spec, "/metric/name", ""));
    const char *selector = query_selector(h->c, opr_obj_at(spec, "/metric/selector"));
    const char *rest = opr_ctx_text(h->c, "%s/metrics/%s", name, metric);
    if (!str_eq(kind, "Namespace")) {
        opr_status st = names_plural(h, version, kind, &plural);
        if (st != OPR_OK) {
            return st;
        }
        const char *slash = strchr(version, '/');
        rest = opr_ctx_text(h->c, "%s/%s%s%.*s/%s/%s", h->ns, plural, slash ? "." : "",
                            slash ? (int)(slash - version) : 0, version, name, metric);
    }
    if (selector[0] != '\0') {
        rest = opr_ctx_text(h->c, "%s?metricLabelSelector=%s", rest, selector);
    }
    opr_status st = metric_request(h, CUSTOM, rest, &list);
    return st == OPR_OK ? opr_obj_milli(list, "/items/0/value", ret_usage) : st;
}

/* All series that the selector chooses, together. */
static opr_status read_external(struct hpa *h, const struct opr_obj *spec, int64_t *ret_usage)
{
    const struct opr_obj *list = NULL;
    const char *metric = query_escape(h->c, opr_obj_str(spec, "/metric/name", ""));
    const char *selector = query_selector(h->c, opr_obj_at(spec, "/metric/selector"));
    const char *rest = opr_ctx_text(h->c, "%s/%s", h->ns, metric);
    if (selector[0] != '\0') {
        rest = opr_ctx_text(h->c, "%s?labelSelector=%s", rest, selector);
    }
    opr_status st = metric_request(h, EXTERNAL, rest, &list);
    const struct opr_obj *items = opr_obj_at(list, "/items");
    if (st != OPR_OK || opr_obj_len(items) == 0) {
        return st != OPR_OK ? st : OPR_E_NOT_FOUND;
    }
    int64_t sum = 0;
    for (const struct opr_obj *x = opr_obj_first(items); x; x = opr_obj_next(x)) {
        int64_t milli = 0;
        if (opr_obj_milli(x, "/value", &milli) == OPR_OK) {
            sum += milli;
        }
    }
    *ret_usage = sum;
    return OPR_OK;
}

struct proposal value_propose(struct hpa *h, const struct opr_obj *spec, bool is_external)
{
    const char *metric = opr_obj_str(spec, "/metric/name", "");
    struct proposal p = {
        .problem_reason = is_external ? "FailedGetExternalMetric" : "FailedGetObjectMetric",
        .name = is_external ? opr_ctx_text(h->c, "external metric %s", metric)
                            : opr_ctx_text(h->c, "%s metric %s",
                                           opr_obj_str(spec, "/describedObject/kind", ""), metric),
    };
    int64_t usage = 0;
    opr_status st = is_external ? read_external(h, spec, &usage) : read_object(h, spec, &usage);
    if (st != OPR_OK) {
        const char *why = opr_ctx_error(h->c);
        p.problem = opr_ctx_text(h->c, "unable to get %s: %s", p.name,
                                 why[0] != '\0' ? why : "no metrics returned");
        return p;
    }
    decide(h, opr_obj_at(spec, "/target"), usage, &p);
    if (!p.problem) {
        note(h, &p, is_external ? "External" : "Object", is_external ? "external" : "object", spec);
    }
    return p;
}
