/* Counts of requests, as Prometheus text. */
#include "apiserver/registry/api.h"

#include "core/base/alloc.h"
#include "core/base/map.h"
#include "core/base/str.h"

#include <stdio.h>

#define KEYS_MAX 4096 /* a stranger's paths shall not fill the memory */

struct counter {
    uint64_t count, took_ns;
};

struct opr_metrics {
    pthread_mutex_t lock;     /* guards counters */
    struct opr_map *counters; /* owned counters by their label text */
};

struct opr_metrics *opr_metrics_new(void)
{
    struct opr_metrics *m = opr_xalloc(sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    m->counters = opr_map_new();
    return m;
}

void opr_metrics_free(struct opr_metrics *m)
{
    if (m) {
        opr_map_free(m->counters, opr_free);
        pthread_mutex_destroy(&m->lock);
        opr_free(m);
    }
}

void opr_metrics_count(struct opr_metrics *m, const struct opr_req *r, uint64_t took_ns)
{
    char labels[256];
    bool is_known = r->kind || (r->plural && opr_samples_handles(r->group));
    int len = snprintf(labels, sizeof labels,
                       "code=\"%d\",group=\"%.*s\",resource=\"%s\",subresource=\"%s\",verb=\"%s\"",
                       r->res->status, is_known ? (int)r->group.len : 0, r->group.ptr,
                       is_known ? r->plural : "",
                       is_known && r->sub && r->res->status < 300 ? r->sub : "", r->verb);
    struct opr_str key = opr_str_n(labels, len < (int)sizeof labels ? (size_t)len : 0);
    pthread_mutex_lock(&m->lock);
    struct counter *c = opr_map_get(m->counters, key);
    if (!c && key.len > 0 && opr_map_count(m->counters) < KEYS_MAX) {
        c = opr_xalloc(sizeof *c);
        (void)opr_map_put(m->counters, key, c); /* it was not there */
    }
    if (c) {
        c->count++;
        c->took_ns += took_ns;
    }
    pthread_mutex_unlock(&m->lock);
}

static void write_requests(struct opr_metrics *m, struct opr_buf *out)
{
    struct opr_buf times = {0};
    struct opr_str key;
    void *value;
    opr_buf_add_text(out, "# HELP apiserver_request_total Number of requests.\n"
                          "# TYPE apiserver_request_total counter\n");
    opr_buf_add_text(&times, "# HELP apiserver_request_duration_seconds Time to the answer.\n"
                             "# TYPE apiserver_request_duration_seconds summary\n");
    pthread_mutex_lock(&m->lock);
    for (size_t it = 0; opr_map_next(m->counters, &it, &key, &value);) {
        const struct counter *c = value;
        opr_buf_printf(out, "apiserver_request_total{%.*s} %llu\n", OPR_STR_ARG(key),
                       (unsigned long long)c->count);
        opr_buf_printf(&times,
                       "apiserver_request_duration_seconds_sum{%.*s} %.6f\n"
                       "apiserver_request_duration_seconds_count{%.*s} %llu\n",
                       OPR_STR_ARG(key), (double)c->took_ns / 1e9, OPR_STR_ARG(key),
                       (unsigned long long)c->count);
    }
    pthread_mutex_unlock(&m->lock);
    opr_buf_add_str(out, opr_buf_str(&times));
    opr_buf_fini(&times);
}

static void write_store(struct opr_req *r, struct opr_buf *out)
{
    size_t count;
    const struct opr_kind *const *kinds = opr_api_kinds(r->api, r->arena, &count);
    opr_buf_printf(out,
                   "# HELP operon_store_revision Revision of the newest write.\n"
                   "# TYPE operon_store_revision counter\noperon_store_revision %llu\n"
                   "# HELP apiserver_storage_objects Number of stored objects.\n"
                   "# TYPE apiserver_storage_objects gauge\n",
                   (unsigned long long)opr_store_revision(r->api->store));
    for (size_t i = 0; i < count; i++) {
        const struct opr_kind *k = kinds[i];
        if (!k->is_virtual && !k->stored_as) {
            opr_buf_printf(out, "apiserver_storage_objects{resource=\"%s%s%s\"} %zu\n", k->plural,
                           *k->group ? "." : "", k->group,
                           opr_store_count(r->api->store, opr_api_key(r->arena, k, NULL, NULL)));
        }
    }
}

void opr_metrics_serve(struct opr_req *r)
{
    struct opr_buf *out = &r->res->body;
    opr_buf_clear(out);
    write_requests(r->api->metrics, out);
    write_store(r, out);
    r->res->status = 200;
    opr_api_header(r, "Content-Type", OPR_STR("text/plain; version=0.0.4; charset=utf-8"));
}
