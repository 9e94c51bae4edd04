/* bench-informer: syncs one shared informer of Pods through $KUBECONFIG, prints seconds, CPU,
 * memory as one line, ends. Memory is the resident set once it is synced, and the peak. */
#include "core/cache/informer.h"
#include "core/base/clock.h"
#include "core/client/kubeconfig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct bench {
    struct opr_loop *loop;
    struct opr_informer *informer;
    uint64_t begin_ns;
};

/* A line of /proc/self/status in KiB (proc(5)). */
static long status_kib(const char *name)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, name, strlen(name)) == 0) {
            kib = strtol(line + strlen(name) + 1, NULL, 10);
        }
    }
    if (f) {
        fclose(f);
    }
    return kib;
}

static void on_sync(void *arg)
{
    struct bench *b = arg;
    uint64_t ns = opr_clock_mono_ns(opr_clock_system()) - b->begin_ns;
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    printf("synced %zu pods in %.3f s cpu %.3f s peak-rss %ld KiB rss %ld KiB\n",
           opr_informer_count(b->informer), (double)ns / 1e9, cpu, status_kib("VmHWM"),
           status_kib("VmRSS"));
    opr_loop_stop(b->loop);
}

int main(void)
{
    struct opr_error err = {0};
    struct opr_kubeconfig access = {0};
    struct bench b = {.begin_ns = opr_clock_mono_ns(opr_clock_system())};
    if (opr_kubeconfig_find(NULL, &access, &err) != OPR_OK) {
        fprintf(stderr, "bench-informer: %s\n", err.message);
        return 1;
    }
    b.loop = opr_loop_new();
    struct opr_client *client = opr_client_new(opr_transport_https_new(b.loop, access.endpoint));
    struct opr_caller *caller = opr_caller_new(client);
    const struct opr_resource *pods = NULL;
    int status = 1;
    if (opr_resource_find(caller, "pods", &pods, &err) == OPR_OK) {
        struct opr_informer_config config = {
            .loop = b.loop,
            .client = client,
            .clock = opr_clock_system(),
            .resource = pods,
        };
        b.informer = opr_informer_new(&config);
        opr_informer_on_sync(b.informer, on_sync, &b);
        opr_informer_start(b.informer);
        opr_loop_run(b.loop);
        opr_informer_stop(b.informer);
        status = 0;
    } else {
        fprintf(stderr, "bench-informer: %s\n", err.message);
    }
    opr_informer_free(b.informer);
    opr_caller_free(caller);
    opr_client_free(client);
    opr_loop_free(b.loop);
    opr_kubeconfig_fini(&access);
    return status;
}
