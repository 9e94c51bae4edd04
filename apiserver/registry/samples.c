/* Node measurements: what the agents push each second, in memory only, and the metrics APIs over
 * it: metrics.k8s.io, custom.metrics.k8s.io and metrics.operon.local. */
#include "apiserver/registry/api.h"

#include "core/api/meta.h"
#include "core/api/quantity.h"
#include "core/api/selector.h"
#include "core/base/alloc.h"
#include "core/base/map.h"
#include "core/base/str.h"

#include <math.h>
#include <stdio.h>

#define STALE_MS 10000
#define OWN "metrics.operon.local"
#define RESOURCE "metrics.k8s.io"
#define CUSTOM "custom.metrics.k8s.io"

struct sample {
    struct opr_obj *obj; /* ref: a NodeSample */
    int64_t at_ms;
};

struct opr_samples {
    pthread_mutex_t lock;  /* guards nodes */
    struct opr_map *nodes; /* owned samples by node name */
};

struct opr_samples *opr_samples_new(void)
{
    struct opr_samples *s = opr_xalloc(sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    s->nodes = opr_map_new();
    return s;
}

static void free_sample(void *p)
{
    struct sample *s = p;
    opr_json_unref(s->obj);
    opr_free(s);
}

void opr_samples_free(struct opr_samples *s)
{
    if (s) {
        opr_map_free(s->nodes, free_sample);
        pthread_mutex_destroy(&s->lock);
        opr_free(s);
    }
}

bool opr_samples_handles(struct opr_str group)
{
    return opr_str_is(group, OWN) || opr_str_is(group, RESOURCE) || opr_str_is(group, CUSTOM);
}

/* -- taking ------------------------------------------------------------------------------------ */

static void take_sample(struct opr_req *r)
{
    struct opr_obj *obj = NULL;
    struct opr_error err = {0};
    if (opr_json_parse(r->http->body, &obj, &err) != OPR_OK) {
        opr_api_fail(r, 400, "BadRequest", "node sample: %s", err.message);
        return;
    }
    struct opr_str node = opr_json_text(obj, "/node");
    if (node.len == 0) {
        opr_json_unref(obj);
        opr_api_fail(r, 400, "BadRequest", "node sample: node is missing");
        return;
    }
    /* A node agent speaks for its own node only. */
    if (opr_str_starts(opr_str_of(r->user.name), "system:node:") &&
        !opr_str_is(node, r->user.name + strlen("system:node:"))) {
        opr_api_fail(r, 403, "Forbidden",
                     "node sample: user \"%s\" can not speak for node \"%.*s\"", r->user.name,
                     OPR_STR_ARG(node));
        opr_json_unref(obj);
        return;
    }
    struct sample *s = opr_xalloc(sizeof *s);
    s->obj = obj;
    s->at_ms = r->now_ms;
    pthread_mutex_lock(&r->api->samples->lock);
    void *was = opr_map_put(r->api->samples->nodes, node, s);
    pthread_mutex_unlock(&r->api->samples->lock);
    if (was) {
        free_sample(was);
    }
    opr_api_json(r, 201, json_object_new_object());
}

/* Fresh samples, in the arena. */
static const struct opr_obj **fresh(struct opr_req *r, size_t *ret_count)
{
    struct opr_samples *s = r->api->samples;
    pthread_mutex_lock(&s->lock);
    const struct opr_obj **all =
        opr_arena_alloc(r->arena, (opr_map_count(s->nodes) + 1) * sizeof *all);
    size_t it = 0, count = 0;
    void *value;
    while (opr_map_next(s->nodes, &it, NULL, &value)) {
        struct sample *one = value;
        if (r->now_ms - one->at_ms <= STALE_MS) {
            all[count++] = opr_json_ref(one->obj);
        }
    }
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < count; i++) {
        opr_arena_defer(r->arena, (void (*)(void *))opr_json_unref, (void *)(uintptr_t)all[i]);
    }
    *ret_count = count;
    return all;
}

/* -- giving ------------------------------------------------------------------------------------ */

struct pod_filter {
    struct opr_selector *labels; /* owned; NULL: all */
    const char *ns, *name;       /* NULL: all */
};

/* The stored Pod of a sample where it is selected; owned. */
static struct opr_obj *selected_pod(struct opr_req *r, const struct pod_filter *f,
                                    const struct opr_obj *sample)
{
    const char *ns = opr_json_str(sample, "/namespace", "");
    const char *name = opr_json_str(sample, "/name", "");
    if ((f->ns && strcmp(f->ns, ns) != 0) || (f->name && strcmp(f->name, name) != 0)) {
        return NULL;
    }
    const struct opr_kind *kind = opr_kind_find(OPR_STR(""), OPR_STR("v1"), OPR_STR("pods"));
    struct opr_obj *pod = opr_store_get(r->api->store, opr_api_key(r->arena, kind, ns, name));
    bool is_same = pod && strcmp(opr_meta_uid(pod), opr_json_str(sample, "/uid", "")) == 0;
    if (!is_same ||
        (f->labels && !opr_selector_match(f->labels, opr_json_at(pod, "/metadata/labels")))) {
        opr_json_unref(pod);
        return NULL;
    }
    return pod;
}

static struct json_object *metadata_of(const struct opr_obj *pod)
{
    struct json_object *m = json_object_new_object();
    json_object_object_add(m, "name", json_object_new_string(opr_meta_name(pod)));
    json_object_object_add(m, "namespace", json_object_new_string(opr_meta_ns(pod)));
    json_object_object_add(m, "labels", opr_doc_from_obj(opr_json_at(pod, "/metadata/labels")));
    return m;
}

static void add_usage(struct json_object *doc, const char *ptr, int64_t cpu_nano, int64_t memory)
{
    char text[48], path[64];
    snprintf(text, sizeof text, "%lldn", (long long)cpu_nano);
    snprintf(path, sizeof path, "%s/cpu", ptr);
    opr_doc_put_str(doc, path, text);
    snprintf(text, sizeof text, "%lldKi", (long long)(memory / 1024));
    snprintf(path, sizeof path, "%s/memory", ptr);
    opr_doc_put_str(doc, path, text);
}

static struct json_object *pod_metrics(const struct opr_obj *node, const struct opr_obj *sample,
                                       const struct opr_obj *pod)
{
    char window[32];
    struct json_object *d = json_object_new_object();
    snprintf(window, sizeof window, "%.3fs",
             (double)opr_json_int(sample, "/windowMs", 1000) / 1000);
    opr_doc_put_str(d, "/kind", "PodMetrics");
    opr_doc_put_str(d, "/apiVersion", RESOURCE "/v1beta1");
    json_object_object_add(d, "metadata", metadata_of(pod));
    opr_doc_put_str(d, "/timestamp", opr_json_str(node, "/time", ""));
    opr_doc_put_str(d, "/window", window);
    struct json_object *list = json_object_new_array();
    const struct opr_obj *containers = opr_json_at(sample, "/containers");
    for (const struct opr_obj *c = opr_json_first(containers); c; c = opr_json_next(c)) {
        struct json_object *item = json_object_new_object();
        opr_doc_put_str(item, "/name", opr_json_str(c, "/name", ""));
        add_usage(item, "/usage", opr_json_int(c, "/cpuNano", 0),
                  opr_json_int(c, "/memoryBytes", 0));
        json_object_array_add(list, item);
    }
    json_object_object_add(d, "containers", list);
    return d;
}

static struct json_object *pod_sample(const struct opr_obj *node, const struct opr_obj *sample,
                                      const struct opr_obj *pod)
{
    int64_t cpu = 0, memory = 0;
    const struct opr_obj *containers = opr_json_at(sample, "/containers");
    for (const struct opr_obj *c = opr_json_first(containers); c; c = opr_json_next(c)) {
        cpu += opr_json_int(c, "/cpuNano", 0);
        memory += opr_json_int(c, "/memoryBytes", 0);
    }
    struct json_object *d = json_object_new_object();
    json_object_object_add(d, "metadata", metadata_of(pod));
    opr_doc_put_str(d, "/timestamp", opr_json_str(node, "/time", ""));
    opr_doc_put_str(d, "/source", opr_json_str(node, "/source", ""));
    opr_doc_put_int(d, "/windowMs", opr_json_int(sample, "/windowMs", 1000));
    opr_doc_put_int(d, "/cpuNano", cpu);
    opr_doc_put_int(d, "/memoryBytes", memory);
    static const char *const copied[] = {"/runDelayRatio", "/http"};
    for (size_t i = 0; i < 2; i++) {
        const struct opr_obj *v = opr_json_at(sample, copied[i]);
        if (v) {
            (void)!opr_doc_put(d, copied[i], opr_doc_from_obj(v)); /* d is an object */
        }
    }
    return d;
}

static struct json_object *node_metrics(const struct opr_obj *node)
{
    struct json_object *d = json_object_new_object();
    opr_doc_put_str(d, "/kind", "NodeMetrics");
    opr_doc_put_str(d, "/apiVersion", RESOURCE "/v1beta1");
    opr_doc_put_str(d, "/metadata/name", opr_json_str(node, "/node", ""));
    opr_doc_put_str(d, "/timestamp", opr_json_str(node, "/time", ""));
    opr_doc_put_str(d, "/window", "1s");
    add_usage(d, "/usage", opr_json_int(node, "/nodeUsage/cpuNano", 0),
              opr_json_int(node, "/nodeUsage/memoryBytes", 0));
    return d;
}

/* The custom metrics of Pods: seconds, requests a second, requests, a share. */
static const struct {
    const char *metric, *member;
    double scale;
} custom[] = {{"http_server_latency_p99", "/http/p99Ms", 1e-3},
              {"http_server_latency_p90", "/http/p90Ms", 1e-3},
              {"http_server_latency_p50", "/http/p50Ms", 1e-3},
              {"http_server_latency_mean", "/http/latencyMeanMs", 1e-3},
              {"http_server_rps", "/http/rps", 1},
              {"http_server_inflight", "/http/inflight", 1},
              {"cpu_runqueue_delay_ratio", "/runDelayRatio", 1}};

#define CUSTOMS (sizeof custom / sizeof *custom)

static const char *metric_member(const char *metric, double *ret_scale)
{
    for (size_t i = 0; i < CUSTOMS; i++) {
        if (strcmp(metric, custom[i].metric) == 0) {
            *ret_scale = custom[i].scale;
            return custom[i].member;
        }
    }
    return NULL;
}

static struct json_object *metric_value(const struct opr_obj *node, const struct opr_obj *sample,
                                        const struct opr_obj *pod, const char *metric)
{
    double scale = 1;
    const char *member = metric_member(metric, &scale);
    const struct opr_obj *v = opr_json_at(sample, member);
    char text[OPR_QUANTITY_TEXT_MAX];
    if (!v) {
        return NULL;
    }
    opr_quantity_format(llround(opr_json_num(v, "", 0) * scale * 1000), false, text);
    struct json_object *d = json_object_new_object();
    opr_doc_put_str(d, "/describedObject/kind", "Pod");
    opr_doc_put_str(d, "/describedObject/apiVersion", "v1");
    opr_doc_put_str(d, "/describedObject/namespace", opr_meta_ns(pod));
    opr_doc_put_str(d, "/describedObject/name", opr_meta_name(pod));
    opr_doc_put_str(d, "/metric/name", metric);
    opr_doc_put_str(d, "/timestamp", opr_json_str(node, "/time", ""));
    opr_doc_put_str(d, "/value", text);
    return d;
}

enum shape { SHAPE_METRICS, SHAPE_SAMPLE, SHAPE_VALUE };

static struct json_object *collect(struct opr_req *r, const struct pod_filter *f, enum shape shape,
                                   const char *metric)
{
    size_t count;
    const struct opr_obj **nodes = fresh(r, &count);
    struct json_object *items = json_object_new_array();
    for (size_t i = 0; i < count; i++) {
        const struct opr_obj *pods = opr_json_at(nodes[i], "/pods");
        for (const struct opr_obj *p = opr_json_first(pods); p; p = opr_json_next(p)) {
            struct opr_obj *pod = selected_pod(r, f, p);
            if (!pod) {
                continue;
            }
            struct json_object *item = shape == SHAPE_METRICS ? pod_metrics(nodes[i], p, pod)
                                       : shape == SHAPE_SAMPLE
                                           ? pod_sample(nodes[i], p, pod)
                                           : metric_value(nodes[i], p, pod, metric);
            if (item) {
                json_object_array_add(items, item);
            }
            opr_json_unref(pod);
        }
    }
    return items;
}

static void answer_list(struct opr_req *r, const char *kind, const char *version,
                        struct json_object *take_items)
{
    struct json_object *d = json_object_new_object();
    opr_doc_put_str(d, "/kind", kind);
    opr_doc_put_str(d, "/apiVersion", version);
    json_object_object_add(d, "metadata", json_object_new_object());
    json_object_object_add(d, "items", take_items);
    opr_api_json(r, 200, d);
}

/* One item by name, or 404. */
static void answer_one(struct opr_req *r, struct json_object *take_items)
{
    struct json_object *item = json_object_array_get_idx(take_items, 0);
    if (item) {
        opr_api_json(r, 200, json_object_get(item));
    } else {
        opr_api_not_found(r, r->plural, r->name);
    }
    json_object_put(take_items);
}

static bool is_selected_node(struct opr_req *r, const struct opr_selector *labels, const char *name)
{
    const struct opr_kind *kind = opr_kind_find(OPR_STR(""), OPR_STR("v1"), OPR_STR("nodes"));
    struct opr_obj *node = opr_store_get(r->api->store, opr_api_key(r->arena, kind, "", name));
    bool is_selected = node && (!r->name || strcmp(r->name, name) == 0) &&
                       opr_selector_match(labels, opr_json_at(node, "/metadata/labels"));
    opr_json_unref(node);
    return is_selected;
}

static void serve_nodes(struct opr_req *r)
{
    size_t count;
    struct opr_selector *labels = NULL;
    struct opr_error err = {0};
    const char *text = opr_api_query(r, "labelSelector");
    if (opr_selector_parse(opr_str_of(text ? text : ""), &labels, &err) != OPR_OK) {
        opr_api_fail(r, 400, "BadRequest", "%s", err.message);
        return;
    }
    const struct opr_obj **nodes = fresh(r, &count);
    struct json_object *items = json_object_new_array();
    for (size_t i = 0; i < count; i++) {
        if (is_selected_node(r, labels, opr_json_str(nodes[i], "/node", ""))) {
            json_object_array_add(items, node_metrics(nodes[i]));
        }
    }
    opr_selector_free(labels);
    if (r->name) {
        answer_one(r, items);
    } else {
        answer_list(r, "NodeMetricsList", RESOURCE "/v1beta1", items);
    }
}

static void serve_pods(struct opr_req *r)
{
    struct pod_filter f = {.ns = r->ns, .name = r->name};
    struct opr_error err = {0};
    const char *labels = opr_api_query(r, "labelSelector");
    bool is_custom = opr_str_is(r->group, CUSTOM);
    double scale = 1;
    if (labels && opr_selector_parse(opr_str_of(labels), &f.labels, &err) != OPR_OK) {
        opr_api_fail(r, 400, "BadRequest", "%s", err.message);
        return;
    }
    if (is_custom && r->name && strcmp(r->name, "*") == 0) {
        f.name = NULL;
    }
    if (is_custom && (!r->sub || !metric_member(r->sub, &scale))) {
        opr_api_fail(r, 404, "NotFound", "the server could not find the metric %s for pods",
                     r->sub ? r->sub : "");
    } else if (is_custom) {
        answer_list(r, "MetricValueList", CUSTOM "/v1beta2", collect(r, &f, SHAPE_VALUE, r->sub));
    } else if (opr_str_is(r->group, OWN)) {
        answer_list(r, "PodSampleList", OWN "/v1", collect(r, &f, SHAPE_SAMPLE, NULL));
    } else if (r->name) {
        answer_one(r, collect(r, &f, SHAPE_METRICS, NULL));
    } else {
        answer_list(r, "PodMetricsList", RESOURCE "/v1beta1", collect(r, &f, SHAPE_METRICS, NULL));
    }
    opr_selector_free(f.labels);
}

void opr_samples_serve(struct opr_req *r)
{
    bool is_own = opr_str_is(r->group, OWN);
    bool is_of_cluster = strcmp(r->plural, "nodes") == 0 || strcmp(r->plural, "nodesamples") == 0;
    if (is_of_cluster && r->ns) {
        opr_api_unknown_resource(r); /* a Role of a namespace does not lead there */
    } else if (is_own && strcmp(r->plural, "nodesamples") == 0) {
        if (strcmp(r->verb, "create") == 0) {
            take_sample(r);
        } else {
            opr_api_method(r);
        }
    } else if (strcmp(r->verb, "get") != 0 && strcmp(r->verb, "list") != 0) {
        opr_api_method(r);
    } else if (strcmp(r->plural, "pods") == 0) {
        serve_pods(r);
    } else if (opr_str_is(r->group, RESOURCE) && strcmp(r->plural, "nodes") == 0) {
        serve_nodes(r);
    } else {
        opr_api_unknown_resource(r);
    }
}

/* -- discovery --------------------------------------------------------------------------------- */

static const struct {
    const char *group, *version, *plural, *kind, *verbs;
    bool is_namespaced;
} served[] = {{RESOURCE, "v1beta1", "nodes", "NodeMetrics", "get list", false},
              {RESOURCE, "v1beta1", "pods", "PodMetrics", "get list", true},
              {CUSTOM, "v1beta2", "pods/*", "MetricValueList", "get", true},
              {OWN, "v1", "nodesamples", "NodeSample", "create", false},
              {OWN, "v1", "pods", "PodSample", "get list", true}};
#define SERVED (sizeof served / sizeof *served)

static struct json_object *verbs_of(size_t i)
{
    struct json_object *verbs = json_object_new_array();
    struct opr_str rest = opr_str_of(served[i].verbs), verb;
    while (opr_str_next(&rest, ' ', &verb)) {
        json_object_array_add(verbs, json_object_new_string_len(verb.ptr, (int)verb.len));
    }
    return verbs;
}

struct json_object *opr_samples_groups(void)
{
    struct json_object *groups = json_object_new_array();
    struct json_object *resources = NULL;
    for (size_t i = 0; i < SERVED; i++) {
        if (i == 0 || strcmp(served[i].group, served[i - 1].group) != 0) {
            struct json_object *group = json_object_new_object();
            opr_doc_put_str(group, "/metadata/name", served[i].group);
            opr_doc_put_str(group, "/versions/-/version", served[i].version);
            json_object_array_add(groups, group);
            (void)!opr_doc_put(group, "/versions/0/resources", json_object_new_array());
            resources = opr_doc_at(group, "/versions/0/resources");
            opr_doc_put_str(group, "/versions/0/freshness", "Current");
        }
        struct json_object *d = json_object_new_object();
        opr_doc_put_str(d, "/resource", served[i].plural);
        opr_doc_put_str(d, "/responseKind/group", served[i].group);
        opr_doc_put_str(d, "/responseKind/version", served[i].version);
        opr_doc_put_str(d, "/responseKind/kind", served[i].kind);
        opr_doc_put_str(d, "/scope", served[i].is_namespaced ? "Namespaced" : "Cluster");
        opr_doc_put_str(d, "/singularResource", "");
        json_object_object_add(d, "verbs", verbs_of(i));
        json_object_array_add(resources, d);
    }
    return groups;
}

static void add_resource(struct json_object *resources, size_t i, const char *name)
{
    struct json_object *d = json_object_new_object();
    opr_doc_put_str(d, "/name", name);
    opr_doc_put_str(d, "/singularName", "");
    (void)!opr_doc_put(d, "/namespaced", json_object_new_boolean(served[i].is_namespaced));
    opr_doc_put_str(d, "/kind", served[i].kind);
    json_object_object_add(d, "verbs", verbs_of(i));
    json_object_array_add(resources, d);
}

/* A custom metric is a subresource of what it is about. */
struct json_object *opr_samples_resources(struct opr_str group)
{
    struct json_object *list = NULL, *resources = NULL;
    for (size_t i = 0; i < SERVED; i++) {
        if (!opr_str_is(group, served[i].group)) {
            continue;
        }
        if (!list) {
            char version[64];
            snprintf(version, sizeof version, "%s/%s", served[i].group, served[i].version);
            list = json_object_new_object();
            resources = json_object_new_array();
            opr_doc_put_str(list, "/kind", "APIResourceList");
            opr_doc_put_str(list, "/apiVersion", "v1");
            opr_doc_put_str(list, "/groupVersion", version);
            json_object_object_add(list, "resources", resources);
        }
        if (strcmp(served[i].group, CUSTOM) != 0) {
            add_resource(resources, i, served[i].plural);
        }
        for (size_t k = 0; strcmp(served[i].group, CUSTOM) == 0 && k < CUSTOMS; k++) {
            char name[64];
            snprintf(name, sizeof name, "pods/%s", custom[k].metric);
            add_resource(resources, i, name);
        }
    }
    return list;
}
