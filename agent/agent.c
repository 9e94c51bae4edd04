#include "agent/internal.h"

#include "agent/dns.h"
#include "agent/image_use.h"
#include "agent/metrics.h"
#include "agent/net.h"
#include "agent/proxy.h"
#include "core/base/alloc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS_NS 1000000ull
enum { WORKERS = 3, CALL_DEADLINE_MS = 15000, RETRY_MS = 500, STATUS_MS = 10000 };
enum { SYNC_DEFAULT_MS = 20000, LEASE_DEFAULT_MS = 10000, PODS_DEFAULT = 110 };

uint64_t opr__now_ns(const struct opr_agent *a)
{
    return opr_clock_mono_ns(a->clock);
}

struct opr_caller *opr__caller_take(struct opr_agent *a)
{
    pthread_mutex_lock(&a->callers_lock);
    struct opr_caller *k = NULL;
    if (a->free_callers.count > 0) {
        k = opr_vec_remove(&a->free_callers, a->free_callers.count - 1);
    } else {
        k = opr_caller_new(a->config.client);
        opr_vec_push(&a->callers, k);
    }
    pthread_mutex_unlock(&a->callers_lock);
    uint64_t now = opr_clock_mono_ns(opr_client_clock(a->config.client));
    opr_caller_set_deadline(k, now + CALL_DEADLINE_MS * MS_NS);
    if (a->is_stopping) {
        opr_caller_cancel(k);
    }
    return k;
}

void opr__caller_give(struct opr_agent *a, struct opr_caller *k)
{
    pthread_mutex_lock(&a->callers_lock);
    opr_vec_push(&a->free_callers, k);
    pthread_mutex_unlock(&a->callers_lock);
}

/* Tried in a child: whether the kernel lets us make the namespaces of a container. */
static bool can_isolate(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        bool is_ok = unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID) == 0 &&
                     mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
        _exit(is_ok ? 0 : 1);
    }
    int status = 1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return pid > 0 && status == 0;
}

static const char *copy_text(const char *text)
{
    return text ? opr_xstrdup(text) : NULL;
}

static void copy_config(struct opr_agent *a, const struct opr_agent_config *config)
{
    struct opr_agent_config *c = &a->config;
    *c = *config;
    c->node_name = copy_text(config->node_name);
    char *dir = realpath(config->dir, NULL); /* the shim and mounts need it absolute */
    c->dir = copy_text(dir ? dir : config->dir);
    free(dir);
    char *images = config->images_dir ? realpath(config->images_dir, NULL) : NULL;
    c->images_dir = config->images_dir ? copy_text(images ? images : config->images_dir)
                                       : opr_xprintf("%s/images", c->dir);
    free(images);
    c->cert_pem = copy_text(config->cert_pem);
    c->key_pem = copy_text(config->key_pem);
    c->client_ca_pem = copy_text(config->client_ca_pem);
    c->pod_cidr = copy_text(config->pod_cidr);
    c->cluster_cidr = copy_text(config->cluster_cidr);
    c->service_cidr = copy_text(config->service_cidr);
    c->api_url = copy_text(config->api_url);
    c->cgroup_parent = copy_text(config->cgroup_parent ? config->cgroup_parent : "operon");
    c->sync_period_ms = c->sync_period_ms ? c->sync_period_ms : SYNC_DEFAULT_MS;
    c->lease_ms = c->lease_ms ? c->lease_ms : LEASE_DEFAULT_MS;
    c->max_pods = c->max_pods ? c->max_pods : PODS_DEFAULT;
    if (c->cpu_milli == 0) {
        c->cpu_milli = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) * 1000;
    }
    if (c->memory_bytes == 0) {
        c->memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    }
}

static void free_config(struct opr_agent_config *c)
{
    const char *owned[] = {c->node_name,     c->dir,      c->cert_pem,     c->key_pem,
                           c->client_ca_pem, c->pod_cidr, c->cluster_cidr, c->service_cidr,
                           c->cgroup_parent, c->api_url,  c->images_dir};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        opr_free((void *)(uintptr_t)owned[i]);
    }
}

/* What this machine lets us do; each lack is said once. */
static void find_means(struct opr_agent *a)
{
    opr__cgroups_init(&a->cgroups, a->config.cgroup_parent, a->config.node_name);
    opr__cgroup_shim_dirs(&a->cgroups, &a->shim_dirs);
    a->has_namespaces = can_isolate();
    char *shim = opr__runtime_find_shim();
    a->runtime = shim ? opr__runtime_process_new(shim) : NULL;
    opr_free(shim);
    a->crun = opr__crun_find();
    if (a->cgroups.version == 0) {
        opr_log(OPR_LOG_WARN, "agent", "no cgroups: limits are not enforced", "reason=\"%s\"",
                a->cgroups.reason);
    }
    if (!a->has_namespaces) {
        opr_log(
            OPR_LOG_WARN, "agent",
            "no namespaces: containers are plain processes on the host network, without volumes",
            NULL);
    }
    if (!a->runtime) {
        opr_log(OPR_LOG_ERROR, "agent", "operon-shim is not beside this program; no pod can run",
                NULL);
    }
}

static void on_start_timer(void *arg);
static void on_sync_timer(void *arg);
static void on_lease_timer(void *arg);
static void on_status_timer(void *arg);

opr_status opr_agent_new(const struct opr_agent_config *config, struct opr_agent **ret_agent,
                         struct opr_error *reterr)
{
    OPR_TRY(opr_fs_mkdirs(config->dir, 0750, reterr));
    struct opr_agent *a = opr_xalloc(sizeof *a);
    copy_config(a, config);
    a->loop = config->loop;
    a->clock = config->clock ? config->clock : opr_clock_system();
    pthread_mutex_init(&a->callers_lock, NULL);
    /* A pool of memory a thread would cost more than the few collisions that it saves. */
    (void)mallopt(M_ARENA_MAX, 1);
    find_means(a);
    a->workers = opr_executor_pool_new("agent", WORKERS);
    a->beat = opr_executor_pool_new("beat", 1);
    a->pods = opr_map_new();
    a->metrics = a->config.roles & OPR_AGENT_METRICS ? opr__metrics_new(a) : NULL;
    a->start_timer = opr_timer_new(a->loop, on_start_timer, a);
    a->sync_timer = opr_timer_new(a->loop, on_sync_timer, a);
    a->lease_timer = opr_timer_new(a->loop, on_lease_timer, a);
    a->status_timer = opr_timer_new(a->loop, on_status_timer, a);
    opr_status st = config->cert_pem ? opr__server_start(a, reterr) : OPR_OK;
    if (st != OPR_OK) {
        opr_agent_free(a);
        return st;
    }
    *ret_agent = a;
    return OPR_OK;
}

/* -- heartbeat and node status -- */

static void on_beat_done(void *arg)
{
    struct opr_agent *a = arg;
    a->is_beating = false;
}

static void beat(void *arg)
{
    struct opr_agent *a = arg;
    struct opr_error err = {0};
    struct opr_caller *k = opr__caller_take(a);
    /* A beat that takes longer than a period must not hold the next one up. */
    uint64_t now = opr_clock_mono_ns(opr_client_clock(a->config.client));
    opr_caller_set_deadline(k, now + a->config.lease_ms * MS_NS);
    opr_status st = opr__lease_renew(a, k, &err);
    if (st != OPR_OK && !a->is_stopping && !a->has_beat_failed) {
        opr_log(OPR_LOG_WARN, "agent", "can not renew the node lease", "error=\"%s\"", err.message);
    } else if (st == OPR_OK && a->has_beat_failed) {
        opr_log(OPR_LOG_INFO, "agent", "the node lease is renewed again", NULL);
    }
    a->has_beat_failed = st != OPR_OK;
    opr__caller_give(a, k);
    opr_loop_post(a->loop, on_beat_done, a);
}

static void on_lease_timer(void *arg)
{
    struct opr_agent *a = arg;
    opr_timer_set(a->lease_timer, a->config.lease_ms);
    if (!a->is_beating) {
        a->is_beating = true;
        opr_executor_run(a->beat, beat, a);
    }
}

static void on_report_done(void *arg)
{
    struct opr_agent *a = arg;
    a->is_reporting = false;
}

static void report(void *arg)
{
    struct opr_agent *a = arg;
    struct opr_caller *k = opr__caller_take(a);
    opr__node_report(a, k);
    opr__caller_give(a, k);
    opr_loop_post(a->loop, on_report_done, a);
}

static void on_status_timer(void *arg)
{
    struct opr_agent *a = arg;
    opr_timer_set(a->status_timer, STATUS_MS);
    if (!a->is_reporting) {
        a->is_reporting = true;
        opr_executor_run(a->beat, report, a);
    }
}

static void on_sync_timer(void *arg)
{
    struct opr_agent *a = arg;
    opr_timer_set(a->sync_timer, a->config.sync_period_ms);
    opr__pods_compare(a);
}

/* -- start -- */

static void on_registered(void *arg)
{
    struct opr_agent *a = arg;
    if (a->is_stopping) {
        return;
    }
    a->is_registered = true;
    opr_log(OPR_LOG_INFO, "agent", "node registered", "node=%s port=%u", a->config.node_name,
            a->port);
    if (a->config.roles & OPR_AGENT_PROXY) {
        a->proxy = opr__proxy_start(a);
        a->dns = a->proxy ? opr__dns_start(a) : NULL;
    }
    opr__metrics_start(a->metrics);
    if (a->config.roles & OPR_AGENT_PODS) {
        opr__pods_watch(a);
        opr__proxy_watch_pods(a->proxy);
        opr_timer_set(a->sync_timer, a->config.sync_period_ms);
        opr_timer_set(a->lease_timer, a->config.lease_ms);
        opr_timer_set(a->status_timer, STATUS_MS);
    }
}

static void on_not_registered(void *arg)
{
    struct opr_agent *a = arg;
    opr_timer_set(a->start_timer, RETRY_MS);
}

static opr_status find_resources(struct opr_agent *a, struct opr_caller *k,
                                 struct opr_error *reterr)
{
    OPR_TRY(opr_resource_find(k, "v1/Pod", &a->pod_resource, reterr));
    OPR_TRY(opr_resource_find(k, "v1/Service", &a->service_resource, reterr));
    return opr_resource_find(k, "discovery.k8s.io/v1/EndpointSlice", &a->slice_resource, reterr);
}

static void register_node(void *arg)
{
    struct opr_agent *a = arg;
    struct opr_error err = {0};
    struct opr_caller *k = opr__caller_take(a);
    opr_status st = find_resources(a, k, &err);
    if (st == OPR_OK && (a->config.roles & OPR_AGENT_PODS)) {
        st = opr__node_register(a, k, &err);
        if (st == OPR_OK) {
            st = opr__lease_renew(a, k, &err);
        }
    }
    opr__caller_give(a, k);
    if (st != OPR_OK && !a->is_stopping && !a->has_beat_failed) {
        opr_log(OPR_LOG_WARN, "agent", "can not register the node, trying again", "error=\"%s\"",
                err.message);
    }
    a->has_beat_failed = st != OPR_OK;
    opr_loop_post(a->loop, st == OPR_OK ? on_registered : on_not_registered, a);
}

static void on_start_timer(void *arg)
{
    struct opr_agent *a = arg;
    opr_executor_run(a->beat, register_node, a);
}

static void on_network(void *arg)
{
    struct opr_agent *a = arg;
    if (a->is_stopping) {
        return;
    }
    if ((a->config.roles & OPR_AGENT_PODS) && a->runtime) {
        opr__pods_adopt(a);
    }
    opr_executor_run(a->beat, register_node, a);
}

static void make_network(void *arg)
{
    struct opr_agent *a = arg;
    if (a->config.roles & OPR_AGENT_PODS) {
        opr__net_start(a);
    }
    opr_loop_post(a->loop, on_network, a);
}

void opr_agent_start(struct opr_agent *a)
{
    opr_executor_run(a->beat, make_network, a);
}

/* -- stop -- */

static void on_all_stopped(void *arg)
{
    struct opr_agent *a = arg;
    a->stopped(a->stopped_arg);
}

/* Joins what runs on other threads, away from the loop. */
static void *join_all(void *arg)
{
    struct opr_agent *a = arg;
    opr_executor_free(a->beat);
    opr_executor_free(a->workers);
    opr__metrics_free(a->metrics); /* after the workers, which tell it of containers */
    a->metrics = NULL;
    a->beat = a->workers = NULL;
    opr_loop_post(a->loop, on_all_stopped, a);
    return NULL;
}

static void on_server_stopped(void *arg)
{
    struct opr_agent *a = arg;
    pthread_t thread;
    pthread_mutex_lock(&a->callers_lock);
    for (size_t i = 0; i < a->callers.count; i++) {
        opr_caller_cancel(a->callers.items[i]);
    }
    pthread_mutex_unlock(&a->callers_lock);
    if (pthread_create(&thread, NULL, join_all, a) == 0) {
        pthread_detach(thread);
    } else {
        (void)join_all(a);
    }
}

void opr_agent_stop(struct opr_agent *a, void (*done)(void *), void *arg)
{
    a->is_stopping = true;
    a->stopped = done;
    a->stopped_arg = arg;
    opr_timer_stop(a->start_timer);
    opr_timer_stop(a->sync_timer);
    opr_timer_stop(a->lease_timer);
    opr_timer_stop(a->status_timer);
    opr__pods_stop(a);
    opr__proxy_stop(a->proxy);
    if (a->server) {
        opr_server_stop(a->server, 100, on_server_stopped, a);
    } else {
        opr_loop_post(a->loop, on_server_stopped, a);
    }
}

void opr_agent_free(struct opr_agent *a)
{
    if (!a) {
        return;
    }
    if (a->workers) { /* never started */
        opr_executor_free(a->beat);
        opr_executor_free(a->workers);
    }
    opr__metrics_free(a->metrics);
    opr__pods_free(a);
    opr__dns_stop(a->dns);
    opr__proxy_free(a->proxy);
    opr__server_free(a);
    opr__net_free(a);
    for (size_t i = 0; i < a->callers.count; i++) {
        opr_caller_free(a->callers.items[i]);
    }
    opr_vec_fini(&a->callers);
    opr_vec_fini(&a->free_callers);
    opr_timer_free(a->start_timer);
    opr_timer_free(a->sync_timer);
    opr_timer_free(a->lease_timer);
    opr_timer_free(a->status_timer);
    if (a->runtime) {
        a->runtime->free(a->runtime);
    }
    for (size_t i = 0; i < a->shim_dirs.count; i++) {
        opr_free(a->shim_dirs.items[i]);
    }
    opr_vec_fini(&a->shim_dirs);
    opr__cgroups_fini(&a->cgroups);
    opr_free(a->crun);
    json_object_put(a->node_sent);
    opr_free(a->node_uid);
    pthread_mutex_destroy(&a->callers_lock);
    free_config(&a->config);
    opr_free(a);
}
