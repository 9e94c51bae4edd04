#include "controllers/autoscaler/autoscaler.h"
#include "controllers/query.h"

/* "1s", "15.3s", "500ms", "1m0s" in milliseconds. */
static int64_t duration_ms(const char *text)
{
    double ms = 0;
    while (*text != '\0') {
        char *end = NULL;
        double n = strtod(text, &end);
        if (end == text) {
            return 0;
        }
        bool is_ms = end[0] == 'm' && end[1] == 's';
        ms += n * (is_ms ? 1 : end[0] == 'h' ? 3600000 : end[0] == 'm' ? 60000 : 1000);
        text = end + (is_ms ? 2 : end[0] != '\0');
    }
    return (int64_t)ms;
}

static const struct opr_obj *find(const struct opr_obj *items, const char *ptr, const char *pod)
{
    for (const struct opr_obj *x = opr_obj_first(items); x; x = opr_obj_next(x)) {
        if (str_eq(opr_obj_str(x, ptr, ""), pod)) {
            return x;
        }
    }
    return NULL;
}

/* Sums one resource over the containers (or the named one); false where one lacks it. */
static bool sum_requests(const struct opr_obj *containers, bool sidecars_only, const char *only,
                         const char *ptr, int64_t *sum)
{
    for (const struct opr_obj *k = opr_obj_first(containers); k; k = opr_obj_next(k)) {
        int64_t milli = 0;
        bool is_skipped =
            (only && !str_eq(opr_obj_str(k, "/name", ""), only)) ||
            (sidecars_only && !str_eq(opr_obj_str(k, "/restartPolicy", ""), "Always"));
        if (is_skipped) {
            continue;
        }
        if (opr_obj_milli(k, ptr, &milli) != OPR_OK) {
            return false;
        }
        *sum += milli;
    }
    return true;
}

static void read_request(struct hpa *h, struct usage *u, const char *resource, const char *only)
{
    const char *ptr = member_ptr(h->c, "/resources/requests", resource);
    const char *whole = member_ptr(h->c, "/spec/resources/requests", resource);
    if (!only && opr_obj_milli(u->pod, whole, &u->request_milli) == OPR_OK) {
        u->has_request = true;
        return;
    }
    u->request_milli = 0;
    u->has_request =
        sum_requests(opr_obj_at(u->pod, "/spec/containers"), false, only, ptr, &u->request_milli) &&
        sum_requests(opr_obj_at(u->pod, "/spec/initContainers"), true, only, ptr,
                     &u->request_milli);
}

static void read_sample(struct hpa *h, struct usage *u, const struct opr_obj *sample,
                        const char *resource, const char *only)
{
    const char *ptr = member_ptr(h->c, "/usage", resource);
    const struct opr_obj *list = opr_obj_at(sample, "/containers");
    for (const struct opr_obj *k = opr_obj_first(list); k; k = opr_obj_next(k)) {
        int64_t milli = 0;
        if ((!only || str_eq(opr_obj_str(k, "/name", ""), only)) &&
            opr_obj_milli(k, ptr, &milli) == OPR_OK) {
            u->has_sample = true;
            u->milli += milli;
        }
    }
    u->sampled_ms = time_parse(opr_obj_str(sample, "/timestamp", NULL));
    u->window_ms = duration_ms(opr_obj_str(sample, "/window", "0s"));
}

/* A starting pod burns CPU for itself: its figures do not count until it is ready. */
static bool is_starting(const struct hpa *h, const struct usage *u)
{
    const struct opr_obj *ready = pod_ready_condition(u->pod);
    int64_t started_ms = time_parse(opr_obj_str(u->pod, "/status/startTime", NULL));
    int64_t changed_ms = time_parse(opr_obj_str(ready, "/lastTransitionTime", NULL));
    bool is_false = str_eq(opr_obj_str(ready, "/status", ""), "False");
    if (!ready || started_ms < 0) {
        return true;
    }
    if (h->now_ms < started_ms + CPU_START_MS) {
        return is_false || u->sampled_ms < changed_ms + u->window_ms;
    }
    return is_false && changed_ms < started_ms + READY_DELAY_MS;
}

static void judge(const struct hpa *h, struct usage *u, bool is_cpu)
{
    const char *phase = opr_obj_str(u->pod, "/status/phase", "");
    u->is_ignored = is_deleting(u->pod) || str_eq(phase, "Failed");
    u->is_unready = !u->is_ignored &&
                    (str_eq(phase, "Pending") || (is_cpu && u->has_sample && is_starting(h, u)));
}

opr_status usage_of_resource(struct hpa *h, const char *resource, const char *container,
                             struct usage **ret_usage, const char **ret_problem)
{
    const struct opr_obj *list = NULL;
    const char *path =
        opr_ctx_text(h->c, "/apis/metrics.k8s.io/v1beta1/namespaces/%s/pods?labelSelector=%s",
                     h->ns, query_escape(h->c, h->selector_text));
    opr_status st = opr_request(h->c, "GET", path, NULL, &list);
    if (st != OPR_OK) {
        *ret_problem = opr_ctx_text(h->c, "unable to get metrics for resource %s: %s", resource,
                                    opr_ctx_error(h->c));
        return st;
    }
    struct usage *all = opr_ctx_alloc(h->c, (h->pod_count + 1) * sizeof *all);
    for (uint32_t i = 0; i < h->pod_count; i++) {
        all[i].pod = h->pods[i];
        read_sample(h, &all[i],
                    find(opr_obj_at(list, "/items"), "/metadata/name", meta_name(h->pods[i])),
                    resource, container);
        read_request(h, &all[i], resource, container);
        judge(h, &all[i], str_eq(resource, "cpu"));
    }
    *ret_usage = all;
    return OPR_OK;
}

opr_status usage_of_metric(struct hpa *h, const struct opr_obj *metric, struct usage **ret_usage,
                           const char **ret_problem)
{
    const struct opr_obj *list = NULL;
    const char *name = opr_obj_str(metric, "/name", "");
    const char *selector = query_selector(h->c, opr_obj_at(metric, "/selector"));
    const char *rest = opr_ctx_text(h->c, "%s/pods/*/%s?labelSelector=%s", h->ns,
                                    query_escape(h->c, name), query_escape(h->c, h->selector_text));
    if (selector[0] != '\0') {
        rest = opr_ctx_text(h->c, "%s&metricLabelSelector=%s", rest, selector);
    }
    opr_status st = metric_request(h, "custom.metrics.k8s.io", rest, &list);
    if (st != OPR_OK) {
        *ret_problem = opr_ctx_text(h->c, "unable to get metric %s: %s", name, opr_ctx_error(h->c));
        return st;
    }
    struct usage *all = opr_ctx_alloc(h->c, (h->pod_count + 1) * sizeof *all);
    for (uint32_t i = 0; i < h->pod_count; i++) {
        all[i].pod = h->pods[i];
        const struct opr_obj *item =
            find(opr_obj_at(list, "/items"), "/describedObject/name", meta_name(h->pods[i]));
        all[i].has_sample = opr_obj_milli(item, "/value", &all[i].milli) == OPR_OK;
        judge(h, &all[i], false);
    }
    *ret_usage = all;
    return OPR_OK;
}
