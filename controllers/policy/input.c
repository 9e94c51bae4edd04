#include "controllers/policy/policy.h"

/* Sums and extremes over the pods, as scale() sees them beside the list. */
struct totals {
    double cpu_milli, request_milli, rps, inflight, latency_sum, weight;
    double p50_ms, p90_ms, p99_ms; /* the worst; negative: not measured */
    double run_delay;
    int64_t ready, sampled;
    bool has_http;
};

static const struct opr_obj *sample_of(const struct target *t, const char *pod)
{
    for (const struct opr_obj *s = opr_obj_first(t->samples); s; s = opr_obj_next(s)) {
        if (str_eq(opr_obj_str(s, "/metadata/name", ""), pod)) {
            return s;
        }
    }
    return NULL;
}

static double request_milli(const struct opr_obj *pod)
{
    double sum = 0;
    const struct opr_obj *list = opr_obj_at(pod, "/spec/containers");
    for (const struct opr_obj *k = opr_obj_first(list); k; k = opr_obj_next(k)) {
        int64_t milli = 0;
        if (opr_obj_milli(k, "/resources/requests/cpu", &milli) == OPR_OK) {
            sum += (double)milli;
        }
    }
    return sum;
}

static double most(double a, double b)
{
    return a > b ? a : b;
}

/* A figure that is not measured (percentiles without BPF) is absent, never 0. */
static void add_percentile(struct opr_doc *d, const struct opr_obj *http, const char *from,
                           const char *to, double *most_ms)
{
    if (opr_obj_at(http, from)) {
        double ms = opr_obj_num(http, from, 0);
        opr_doc_set(d, to, "%f", ms);
        *most_ms = most(*most_ms, ms);
    }
}

static void add_http(struct opr_doc *d, const struct opr_obj *http, struct totals *sum)
{
    double rps = opr_obj_num(http, "/rps", 0);
    opr_doc_set(d, "/rps", "%f", rps);
    opr_doc_set(d, "/inflight", "%f", opr_obj_num(http, "/inflight", 0));
    if (opr_obj_at(http, "/latencyMeanMs")) {
        double mean_ms = opr_obj_num(http, "/latencyMeanMs", 0);
        opr_doc_set(d, "/mean_ms", "%f", mean_ms);
        sum->latency_sum += mean_ms * rps;
        sum->weight += rps;
    }
    sum->has_http = true;
    sum->rps += rps;
    sum->inflight += opr_obj_num(http, "/inflight", 0);
    add_percentile(d, http, "/p50Ms", "/p50_ms", &sum->p50_ms);
    add_percentile(d, http, "/p90Ms", "/p90_ms", &sum->p90_ms);
    add_percentile(d, http, "/p99Ms", "/p99_ms", &sum->p99_ms);
}

static void add_pod(struct opr_ctx *c, struct opr_doc *pods, const struct target *t,
                    const struct opr_obj *pod, struct totals *sum)
{
    const struct opr_obj *sample = sample_of(t, meta_name(pod));
    double request = request_milli(pod);
    struct opr_doc *d =
        opr_doc_new(c, "{'name':%s,'cpu_request_milli':%f}", meta_name(pod), request);
    opr_doc_set(d, "/ready", pod_is_ready(pod) ? "true" : "false");
    sum->ready += pod_is_ready(pod);
    if (sample) {
        double cpu = opr_obj_num(sample, "/cpuNano", 0) / 1e6;
        opr_doc_set(d, "/cpu_milli", "%f", cpu);
        opr_doc_set(d, "/memory_bytes", "%lld", (long long)opr_obj_int(sample, "/memoryBytes", 0));
        opr_doc_set(d, "/run_delay", "%f", opr_obj_num(sample, "/runDelayRatio", 0));
        sum->sampled++;
        /* One that starts is busy with itself: its use says nothing about the load. */
        sum->cpu_milli += pod_is_ready(pod) ? cpu : 0;
        sum->request_milli += pod_is_ready(pod) ? request : 0;
        sum->run_delay = most(sum->run_delay, opr_obj_num(sample, "/runDelayRatio", 0));
        if (opr_obj_type(opr_obj_at(sample, "/http")) == OPR_TYPE_OBJECT) {
            add_http(d, opr_obj_at(sample, "/http"), sum);
        }
    }
    opr_doc_set(pods, "/-", "%p", opr_doc_obj(d));
}

bool target_has_samples(const struct target *t)
{
    for (uint32_t i = 0; i < t->pod_count; i++) {
        if (target_selects(t, t->pods[i]) && pod_is_active(t->pods[i]) &&
            sample_of(t, meta_name(t->pods[i]))) {
            return true;
        }
    }
    return false;
}

/* Seconds since; a week where it never was, so that a comparison with a pause holds. */
static double since_s(int64_t now_ms, int64_t then_ms)
{
    return then_ms < 0 ? 604800 : (double)(now_ms - then_ms) / 1000;
}

static void set_if_measured(struct opr_doc *d, const char *ptr, double ms)
{
    if (ms >= 0) {
        opr_doc_set(d, ptr, "%f", ms);
    }
}

static void set_totals(struct opr_doc *d, const struct totals *sum)
{
    opr_doc_set(d, "/ready", "%lld", (long long)sum->ready);
    opr_doc_set(d, "/sampled", "%lld", (long long)sum->sampled);
    if (sum->sampled > 0) {
        opr_doc_set(d, "/cpu_milli", "%f", sum->cpu_milli);
        opr_doc_set(d, "/run_delay", "%f", sum->run_delay);
    }
    if (sum->request_milli > 0) {
        opr_doc_set(d, "/cpu_utilization", "%f", 100 * sum->cpu_milli / sum->request_milli);
    }
    if (sum->has_http) {
        opr_doc_set(d, "/rps", "%f", sum->rps);
        opr_doc_set(d, "/inflight", "%f", sum->inflight);
    }
    if (sum->weight > 0) {
        opr_doc_set(d, "/mean_ms", "%f", sum->latency_sum / sum->weight);
    }
    set_if_measured(d, "/p50_ms", sum->p50_ms);
    set_if_measured(d, "/p90_ms", sum->p90_ms);
    set_if_measured(d, "/p99_ms", sum->p99_ms);
}

void recent_note(struct record *r, int64_t now_ms, double wanted)
{
    int64_t number = now_ms / RECENT_SLOT_MS;
    size_t at = (size_t)(number % RECENT_SLOTS);
    bool is_new = r->recent[at].number != number;
    r->recent[at].number = number;
    r->recent[at].most = is_new ? wanted : most(r->recent[at].most, wanted);
}

/* Newest first. The age is that of the slot's end: the least that its value can have. */
static const struct opr_obj *recent_list(struct opr_ctx *c, const struct record *r, int64_t now_ms)
{
    struct opr_doc *d = opr_doc_new(c, "[]");
    int64_t newest = now_ms / RECENT_SLOT_MS;
    for (int64_t number = newest; number > newest - RECENT_SLOTS; number--) {
        size_t at = (size_t)(number % RECENT_SLOTS);
        if (r->recent[at].number == number) {
            int64_t end_ms = (number + 1) * RECENT_SLOT_MS;
            double age_s = now_ms > end_ms ? (double)(now_ms - end_ms) / 1000 : 0;
            opr_doc_set(d, "/-", "{'age_s':%f,'wanted':%f}", age_s, r->recent[at].most);
        }
    }
    return opr_doc_obj(d);
}

struct opr_doc *scale_input(struct opr_ctx *c, const struct opr_obj *self, const struct record *r,
                            const struct target *t)
{
    struct totals sum = {.p50_ms = -1, .p90_ms = -1, .p99_ms = -1}; /* not measured */
    struct opr_doc *pods = opr_doc_new(c, "[]");
    for (uint32_t i = 0; i < t->pod_count; i++) {
        if (target_selects(t, t->pods[i]) && pod_is_active(t->pods[i])) {
            add_pod(c, pods, t, t->pods[i], &sum);
        }
    }
    int64_t now_ms = opr_ctx_now_ms(c);
    struct opr_doc *d = opr_doc_new(
        c,
        "{'replicas':%lld,'min':%lld,'max':%lld,'now_ms':%lld,'since_up_s':%f,'since_down_s':%f,"
        "'params':{},'pods':%p}",
        (long long)t->replicas, (long long)opr_obj_int(self, "/spec/minReplicas", 1),
        (long long)opr_obj_int(self, "/spec/maxReplicas", t->replicas), (long long)now_ms,
        since_s(now_ms, r->last_up_ms), since_s(now_ms, r->last_down_ms), opr_doc_obj(pods));
    const struct opr_obj *params = opr_obj_at(self, "/spec/params");
    if (params) {
        opr_doc_set(d, "/params", "%p", params);
    }
    opr_doc_set(d, "/recent", "%p", recent_list(c, r, now_ms));
    set_totals(d, &sum);
    return d;
}
