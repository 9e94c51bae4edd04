/* widget.so: the reconcile that is measured. Each ConfigMap of namespace bench-widgets gets a
 * Secret of its name that it owns, then data.phase "Ready". Configuration {"count":N}: once N are
 * done, one line with seconds, CPU and memory of the process is printed. */
#include <operon/plugin.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct widgets {
    pthread_mutex_t lock;
    int64_t count, done; /* done: lock */
    struct timespec begin;
};

static double seconds_since(const struct timespec *begin)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        char line[128];
        char *end = NULL;
        if (fgets(line, sizeof line, f) && strtol(line, &end, 10) > 0) {
            pages = strtol(end, NULL, 10);
        }
        fclose(f);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void count_one(struct widgets *w)
{
    pthread_mutex_lock(&w->lock);
    bool is_last = ++w->done == w->count;
    pthread_mutex_unlock(&w->lock);
    if (!is_last) {
        return;
    }
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    printf("reconciled %lld objects in %.3f s cpu %.3f s rss %ld KiB\n", (long long)w->count,
           seconds_since(&w->begin), cpu, resident_kib());
    fflush(stdout);
}

static opr_result reconcile(struct opr_ctx *c, const struct opr_obj *self)
{
    if (!self || strcmp(opr_obj_str(self, "/data/phase", ""), "Ready") == 0) {
        return opr_done();
    }
    const struct opr_obj *secret = NULL;
    const char *name = opr_ctx_key(c).name, *ns = opr_ctx_key(c).ns;
    opr_status st = opr_get(c, "v1/Secret", ns, name, &secret);
    if (st == OPR_E_NOT_FOUND) {
        st = opr_create(
            c,
            opr_doc_new(c,
                        "{'apiVersion':'v1','kind':'Secret','metadata':{'name':%s,'namespace':%s,"
                        "'ownerReferences':[{'apiVersion':'v1','kind':'ConfigMap','name':%s,"
                        "'uid':%s,'controller':true}]},'stringData':{'size':%s}}",
                        name, ns, name, opr_obj_str(self, "/metadata/uid", ""),
                        opr_obj_str(self, "/data/size", "")),
            NULL);
    }
    if (st == OPR_OK) {
        st = opr_patch(c, self, NULL, OPR_PATCH_MERGE, opr_doc_new(c, "{'data':{'phase':'Ready'}}"),
                       NULL);
    }
    if (st != OPR_OK) {
        return opr_retry(opr_ctx_error(c));
    }
    count_one(opr_ctx_state(c));
    return opr_done();
}

static opr_status init(const struct opr_obj *config, void **ret_state)
{
    struct widgets *w = calloc(1, sizeof *w);
    if (!w) {
        return OPR_E_NOMEM;
    }
    pthread_mutex_init(&w->lock, NULL);
    w->count = opr_obj_int(config, "/count", 0);
    clock_gettime(CLOCK_MONOTONIC, &w->begin);
    *ret_state = w;
    return OPR_OK;
}

static const struct opr_watch reads[] = {{.gvk = "v1/Secret", .ns = "bench-widgets"},
                                         {.gvk = NULL}};
static const struct opr_controller controller = {
    .size = sizeof controller,
    .name = "widget",
    .primary = {.gvk = "v1/ConfigMap", .ns = "bench-widgets", .labels = "role=widget"},
    .reads = reads,
    .reconcile = reconcile,
    .workers = 8,
};
static const struct opr_controller *const controllers[] = {&controller, NULL};
static const struct opr_plugin plugin = {
    OPR_PLUGIN_HEADER, .name = "widget", .version = "1",
    .init = init,      .fini = free,     .controllers = controllers,
};
OPR_PLUGIN_ENTRY(plugin)
