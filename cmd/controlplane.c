#include "cmd/controlplane.h"

#include "apiserver/apiserver.h"
#include "apiserver/schema/schema.h"
#include "cmd/args.h"
#include "cmd/plugins.h"
#include "cmd/policies.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/net/server.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define REQUEST_THREADS 8
#define READY_POLL_MS 2
#define DRAIN_MS 3000

/* The manifest of LuaPolicy, so that a fresh cluster has the kind. */
__asm__(".pushsection .rodata\n"
        "opr_crd_luapolicy:\n.incbin \"" OPR_CRD_LUAPOLICY "\"\n.byte 0\n"
        ".popsection\n");
extern const char opr_crd_luapolicy[];

struct controlplane {
    const struct opr_controlplane_config *config;
    struct opr_loop *loop;
    struct opr_executor *executor;
    struct opr_apiserver *apiserver;
    struct opr_server *server;
    struct opr_client *client;
    struct opr_policies *policies;
    struct opr_manager *manager;
    struct opr_timer *ready_timer;
    struct opr_arena *arena;
    bool is_stopping;
};

static opr_status start_server(struct controlplane *p, struct opr_error *reterr)
{
    struct opr_server_config config = {
        .loop = p->loop,
        .executor = p->executor,
        .handler = opr_apiserver_handler(p->apiserver),
        .address = "127.0.0.1",
        .port = (uint16_t)p->config->cluster->port,
        .cert_pem = opr_apiserver_cert(p->apiserver),
        .key_pem = opr_apiserver_key(p->apiserver),
        .client_ca_pem = opr_apiserver_ca(p->apiserver),
    };
    return opr_server_new(&config, &p->server, reterr);
}

static opr_status write_access(struct controlplane *p, struct opr_error *reterr)
{
    static const char *const groups[] = {"system:masters", NULL};
    const struct opr_cluster *cluster = p->config->cluster;
    char path[PATH_MAX];
    const char *url =
        opr_arena_printf(p->arena, "https://127.0.0.1:%u", opr_server_port(p->server));
    opr_cluster_path(cluster, path, "kubeconfig");
    OPR_TRY(opr_apiserver_kubeconfig(p->apiserver, path, url, "admin", groups, reterr));
    for (int64_t i = 1; p->config->has_controllers && i <= cluster->nodes; i++) {
        const char *node = opr_arena_printf(p->arena, "node-%lld", (long long)i);
        opr_cluster_path(cluster, path, "nodes/%s", node);
        OPR_TRY(opr_apiserver_node_files(p->apiserver, path, node, url, reterr));
    }
    return OPR_OK;
}

static opr_status install_crd(struct controlplane *p, struct opr_error *reterr)
{
    struct json_object *doc = NULL;
    OPR_TRY(opr_yaml_to_doc(opr_str_of(opr_crd_luapolicy), NULL, &doc, reterr));
    struct opr_buf body = {0};
    opr_doc_write(&body, doc);
    json_object_put(doc);
    struct opr_caller *caller = opr_caller_new(p->client);
    opr_status st =
        opr_call(caller, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                 "application/json", opr_buf_str(&body), NULL, reterr);
    opr_caller_free(caller);
    opr_buf_fini(&body);
    return st == OPR_E_EXISTS ? OPR_OK : st;
}

static const char *plugin_config(void *arg, const char *name)
{
    struct controlplane *p = arg;
    const struct opr_cluster *cluster = p->config->cluster;
    if (strcmp(name, "nodelifecycle") == 0) {
        const char *eviction = cluster->eviction_ms > 0
                                   ? opr_arena_printf(p->arena, ",\"evictionMs\":%lld",
                                                      (long long)cluster->eviction_ms)
                                   : "";
        return opr_arena_printf(p->arena, "{\"gracePeriodMs\":%lld%s}",
                                (long long)cluster->node_grace_ms, eviction);
    }
    return opr_plugin_default_config(p->arena, name, opr_apiserver_ca(p->apiserver));
}

static opr_status start_controllers(struct controlplane *p, struct opr_error *reterr)
{
    static const char *const groups[] = {"system:masters", NULL};
    p->client = opr_client_new(opr_transport_local_new(p->loop, opr_apiserver_handler(p->apiserver),
                                                       "system:operon-manager", groups));
    OPR_TRY(install_crd(p, reterr));
    OPR_TRY(opr_policies_new(p->loop, p->config->policy_files, p->config->policy_count,
                             &p->policies, reterr));
    struct opr_manager_config config = {
        .loop = p->loop,
        .client = p->client,
        .clock = opr_clock_system(),
        .policies = opr_policies_service(p->policies),
        .identity = "operon-manager",
    };
    p->manager = opr_manager_new(&config);
    OPR_TRY(opr_plugins_load_all(p->manager, plugin_config, p, reterr));
    for (size_t i = 0; i < p->config->plugin_count; i++) {
        const char *path = opr_plugin_path(p->arena, p->config->plugin_files[i]);
        OPR_TRY(opr_manager_load(p->manager, path, NULL, reterr));
    }
    opr_manager_start(p->manager);
    opr_policies_follow(p->policies, p->manager);
    return OPR_OK;
}

static void report(const struct controlplane *p, const char *word)
{
    if (p->config->ready_fd >= 0) {
        char text[32];
        int len = snprintf(text, sizeof text, "%s %u\n", word, opr_server_port(p->server));
        (void)!write(p->config->ready_fd, text, (size_t)len); /* the reader may be gone */
    }
}

static void on_ready_timer(void *arg)
{
    struct controlplane *p = arg;
    if (p->manager && !opr_manager_is_ready(p->manager)) {
        opr_timer_set(p->ready_timer, READY_POLL_MS);
        return;
    }
    opr_log(OPR_LOG_INFO, "controlplane", "ready", "port=%u", opr_server_port(p->server));
    report(p, "ready");
    if (p->config->ready_fd >= 0) {
        close(p->config->ready_fd);
    }
}

static void on_server_stopped(void *arg)
{
    struct controlplane *p = arg;
    opr_loop_stop(p->loop);
}

static void on_manager_stopped(void *arg)
{
    struct controlplane *p = arg;
    opr_server_stop(p->server, DRAIN_MS, on_server_stopped, p);
}

static void on_signal(void *arg, int signo)
{
    struct controlplane *p = arg;
    if (p->is_stopping) {
        return;
    }
    p->is_stopping = true;
    opr_log(OPR_LOG_INFO, "controlplane", "stopping", "signal=%d", signo);
    if (p->manager) {
        opr_manager_stop(p->manager, DRAIN_MS, on_manager_stopped, p);
    } else {
        on_manager_stopped(p);
    }
}

static opr_status start(struct controlplane *p, struct opr_error *reterr)
{
    struct opr_apiserver_config config = {
        .dir = p->config->cluster->dir,
        .address = "127.0.0.1",
        .clock = opr_clock_system(),
        .service_cidr = p->config->service_cidr,
    };
    OPR_TRY(opr_apiserver_new(&config, &p->apiserver, reterr));
    OPR_TRY(start_server(p, reterr));
    OPR_TRY(write_access(p, reterr));
    report(p, "serving");
    if (p->config->has_controllers) {
        OPR_TRY(start_controllers(p, reterr));
    }
    opr_loop_on_signal(p->loop, SIGTERM, on_signal, p);
    opr_loop_on_signal(p->loop, SIGINT, on_signal, p);
    p->ready_timer = opr_timer_new(p->loop, on_ready_timer, p);
    opr_timer_set(p->ready_timer, 0);
    return OPR_OK;
}

int opr_controlplane_run(const struct opr_controlplane_config *config)
{
    struct controlplane p = {.config = config, .loop = opr_loop_new()};
    struct opr_error err = {0};
    p.arena = opr_arena_new();
    p.executor = opr_executor_pool_new("api", REQUEST_THREADS);
    int status = 0;
    if (start(&p, &err) == OPR_OK) {
        opr_loop_run(p.loop);
    } else {
        status = opr_cmd_fail("%s", err.message);
        if (config->ready_fd >= 0) {
            dprintf(config->ready_fd, "failed %s\n", err.message); /* the reader may be gone */
        }
    }
    opr_timer_free(p.ready_timer);
    opr_manager_free(p.manager);
    opr_policies_free(p.policies);
    opr_client_free(p.client);
    opr_server_free(p.server);
    opr_executor_free(p.executor);
    opr_apiserver_free(p.apiserver);
    opr_loop_free(p.loop);
    opr_arena_free(p.arena);
    return status;
}
