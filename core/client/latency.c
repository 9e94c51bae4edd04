/* How long answers take, by method. */
#include "core/client/client_internal.h"

#include <string.h>

const double opr_client_latency_bounds[OPR_CLIENT_LATENCY_BOUNDS] = {
    0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60};

void opr__client_note_latency(struct opr_client *c, const char *method, uint64_t took_ns)
{
    double seconds = (double)took_ns / 1e9;
    pthread_mutex_lock(&c->counts_lock);
    size_t i = 0, bound = 0;
    while (i < c->n_latencies && strcmp(c->latencies[i].method, method) != 0) {
        i++;
    }
    if (i == c->n_latencies && i < OPR__CLIENT_METHODS) {
        size_t len = strnlen(method, sizeof c->latencies[i].method - 1);
        memcpy(c->latencies[i].method, method, len);
        c->n_latencies++;
    }
    while (bound < OPR_CLIENT_LATENCY_BOUNDS && seconds > opr_client_latency_bounds[bound]) {
        bound++;
    }
    if (i < OPR__CLIENT_METHODS) {
        struct opr_client_latency *l = &c->latencies[i];
        l->counts[bound]++;
        l->total++;
        l->sum_ns += took_ns;
    }
    pthread_mutex_unlock(&c->counts_lock);
}

void opr_client_each_latency(struct opr_client *c, opr_client_latency_fn fn, void *arg)
{
    struct opr_client_latency all[OPR__CLIENT_METHODS];
    pthread_mutex_lock(&c->counts_lock);
    size_t n = c->n_latencies;
    memcpy(all, c->latencies, n * sizeof all[0]);
    pthread_mutex_unlock(&c->counts_lock);
    for (size_t i = 0; i < n; i++) {
        fn(arg, &all[i]);
    }
}
